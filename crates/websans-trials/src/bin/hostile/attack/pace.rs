//! How fast attackers attack: the machine has a few processors for everybody, and it is not theirs that are measured.

use std::time::Duration;

use websans_testkit::dice::Dice;

/// How long an attacker waits before it connects again, and after each chunk of a flood, in milliseconds: by chance, so that they
/// spread.
const PAUSE: (usize, usize) = (50, 100);
/// Over how long a thousand attackers turn up.
const ARRIVAL: usize = 500;
/// How many bytes of a flood are sent at once.
pub(super) const CHUNK: usize = 4 << 10;
/// How often one that is slow sends a byte.
pub(super) const TRICKLE: Duration = Duration::from_secs(1);
/// The same for what fits into a few bytes.
pub(super) const DRIBBLE: Duration = Duration::from_millis(100);

pub(super) fn pause(dice: &mut Dice) -> Duration {
    let (low, high) = PAUSE;
    millis(dice.between(low, high))
}

pub(super) fn arrival(dice: &mut Dice) -> Duration {
    millis(dice.below(ARRIVAL))
}

fn millis(count: usize) -> Duration {
    Duration::from_millis(count as u64)
}
