//! [`Measured`]: what was measured during a run, and whether it is as it must be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use websans_trials::times::{Rounds, ratio};

use crate::attack::{Attack, Ending, LATE, Tally};
use crate::holding::Holding;
use crate::honest::Seen;
use crate::options::Run;
use crate::server::MAX_MESSAGE;

/// How many times as long 99 % of the honest round trips may take as without attack.
const SLOWER: f64 = 3.0;
/// What an attacker may cost the server's heap, in bytes, besides the messages that it can have it hold: what it takes to read,
/// inflate and send them.
const COST: usize = 64 << 10;
/// What the server's heap may keep: buffers that its threads have pooled, and what hyper and tokio keep.
pub(crate) const KEPT: usize = 256 << 10;
/// What it may keep for each attacker: room in lists that do not shrink.
pub(crate) const KEPT_EACH: usize = 64;

/// What was measured during a run.
#[derive(Debug)]
pub(crate) struct Measured<'m> {
    pub(crate) run: Run,
    pub(crate) clients: usize,
    pub(crate) attackers: usize,
    pub(crate) baseline: &'m Rounds,
    /// Of each of the run's attacks.
    pub(crate) tallies: Vec<Tally>,
    pub(crate) seen: Seen,
    pub(crate) before: Holding,
    /// At the end of the attack.
    pub(crate) during: Holding,
    /// When the attackers had gone.
    pub(crate) after: Holding,
    /// How long after.
    pub(crate) returned: Option<Duration>,
}

/// What is not as it must be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Complaints {
    /// Which the machine may be to blame for.
    pub(crate) slow: Vec<String>,
    /// Which it cannot.
    pub(crate) wrong: Vec<String>,
}

/// Whether the server holds what it held before, but for what it may keep.
pub(crate) fn is_back(before: &Holding, now: &Holding, attackers: usize) -> bool {
    now.files == before.files
        && now.sockets == before.sockets
        && now.heap <= before.heap + KEPT + attackers * KEPT_EACH
}

impl Measured<'_> {
    fn ratio(&self) -> f64 {
        ratio(self.seen.times.percentile(99), self.baseline.percentile(99))
    }

    /// Bytes of the heap at its peak for each attacker.
    fn cost(&self) -> usize {
        self.during.peak.saturating_sub(self.before.heap) / self.attackers
    }

    /// What it may be at most.
    fn allowed(&self) -> usize {
        // In a mix of hardly any it is two.
        let messages = if let Run::One(attack) = self.run { attack.messages } else { 1 };
        messages * MAX_MESSAGE + COST
    }

    /// How late the connections of deadlines ended, counted from when they began to wait for it.
    fn latest(&self) -> Option<Duration> {
        let timed =
            self.run.attacks().iter().zip(&self.tallies).filter(|(attack, _)| attack.within.is_some());
        // Each has another deadline.
        if matches!(self.run, Run::Mixed) { None } else { timed.map(|(_, tally)| tally.latest()).max() }
    }

    pub(crate) fn complaints(&self) -> Complaints {
        let mut complaints = Complaints::default();
        let Seen { lost, wrong, times } = &self.seen;
        let bad = &mut complaints.wrong;
        if *lost > 0 {
            bad.push(format!("{lost} honest connections are lost"));
        }
        if *wrong > 0 {
            bad.push(format!("{wrong} echoes are wrong"));
        }
        if times.is_empty() {
            bad.push("no honest client got an echo".into());
        }
        let (cost, allowed) = (self.cost(), self.allowed());
        if cost > allowed {
            bad.push(format!("an attacker costs {cost} bytes, of {allowed} that it may"));
        }
        if self.during.sockets < self.clients {
            bad.push(format!("the server counts {} connections", self.during.sockets));
        }
        if self.returned.is_none() {
            let (before, after) = (self.before, self.after);
            bad.push(format!("not given back: held {before:?} before, and {after:?} after"));
        }
        for (attack, tally) in self.run.attacks().iter().zip(&self.tallies) {
            judge(attack, tally, self.tallies.len() == 1, &mut complaints);
        }
        let ratio = self.ratio();
        if ratio > SLOWER {
            complaints.slow.push(format!("honest round trips take {ratio:.2} times as long"));
        }
        complaints
    }
}

/// Whether an attack's connections ended as they must. What takes all attackers to fill the server does not, in a mix.
fn judge(attack: &Attack, tally: &Tally, alone: bool, complaints: &mut Complaints) {
    let name = attack.name;
    if tally.made == 0 {
        complaints.wrong.push(format!("{name}: no connection was made"));
    }
    let known =
        |ending| attack.ends.contains(ending) || attack.also.contains(ending) || *ending == Ending::Left;
    for (ending, ends) in tally.ends.iter().filter(|(ending, _)| !known(ending)) {
        complaints.wrong.push(format!("{name}: {} ended with {ending}", ends.count));
    }
    let none = attack.ends.iter().all(|ending| tally.count(*ending) == 0);
    if none && !attack.ends.is_empty() && (alone || attack.script.connections() == 1) {
        complaints.wrong.push(format!("{name}: none ended with {}", words(attack.ends)));
    }
    if let Some(within) = attack.within {
        let latest = tally.latest();
        if latest > within + LATE {
            complaints
                .slow
                .push(format!("{name}: a connection lasted {latest:.2?}, with {within:?} allowed"));
        }
    }
}

/// The heads of the columns.
pub(crate) const HEADS: &str = "\
    attack               made  latest   p50 us   p99 us   max us  ratio    heap each  returned  verdict  how they ended";

/// A row of the table.
impl fmt::Display for Measured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made: u64 = self.tallies.iter().map(|tally| tally.made).sum();
        let times = &self.seen.times;
        let complaints = self.complaints();
        let verdict = match (complaints.wrong.is_empty(), complaints.slow.is_empty()) {
            (true, true) => "ok",
            (true, false) => "SLOW",
            (false, _) => "FAILED",
        };
        write!(
            f,
            "{:<18} {made:>6} {:>7} {:>8} {:>8} {:>8} {:>6.2} {:>8.1} KiB {:>9}  {verdict:<7}  {}",
            self.run.name(),
            self.latest().map_or("-".into(), seconds),
            times.percentile(50),
            times.percentile(99),
            times.max(),
            self.ratio(),
            kib(self.cost()),
            self.returned.map_or("never".into(), seconds),
            endings(&self.tallies),
        )
    }
}

/// The row without an attack.
pub(crate) fn baseline_row(times: &Rounds) -> String {
    let [half, most] = [50, 99].map(|percent| times.percentile(percent));
    format!("{:<33} {half:>8} {most:>8} {:>8}", "(nothing)", times.max())
}

/// How many connections ended in which way.
fn endings(tallies: &[Tally]) -> String {
    let mut all: BTreeMap<Ending, u64> = BTreeMap::new();
    for (ending, ends) in tallies.iter().flat_map(|tally| &tally.ends) {
        *all.entry(*ending).or_default() += ends.count;
    }
    let words: Vec<String> = all.iter().map(|(ending, count)| format!("{count}x{ending}")).collect();
    words.join(" ")
}

fn words(endings: &[Ending]) -> String {
    let words: Vec<String> = endings.iter().map(Ending::to_string).collect();
    words.join(" or ")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "to be read by people")]
fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::CATALOGUE;

    fn named(name: &str) -> &'static Attack {
        CATALOGUE.iter().find(|attack| attack.name == name).unwrap()
    }

    fn measured<'m>(baseline: &'m Rounds, attack: &'static Attack, tally: &str) -> Measured<'m> {
        let before = Holding { heap: 1_000_000, peak: 1_000_000, files: 1010, sockets: 1000 };
        Measured {
            run: Run::One(attack),
            clients: 1000,
            attackers: 1000,
            baseline,
            tallies: vec![tally.parse().unwrap()],
            seen: Seen { lost: 0, wrong: 0, times: Rounds::parse("250;250").unwrap() },
            before,
            during: Holding { heap: 2_000_000, peak: 3_000_000, files: 2010, sockets: 1000 },
            after: before,
            returned: Some(Duration::from_millis(100)),
        }
    }

    #[test]
    fn nothing_to_complain_of() {
        let baseline = Rounds::parse("100 100;100").unwrap();
        let measured = measured(&baseline, named("slowloris"), "1000 408:1000:10001000");
        assert_eq!(measured.complaints(), Complaints::default());
        let row = measured.to_string();
        assert!(
            row.contains(" 10.0 s ") && row.contains(" 2.50 ") && row.ends_with(" ok       1000x408"),
            "{row}"
        );
    }

    #[test]
    fn what_the_machine_may_be_to_blame_for() {
        let baseline = Rounds::parse("80").unwrap();
        let slow = measured(&baseline, named("slowloris"), "1000 408:1000:10001000").complaints();
        assert_eq!((slow.slow.len(), slow.wrong.len()), (1, 0));
        let baseline = Rounds::parse("100 100;100").unwrap();
        // One is still there when the attack is over.
        let late =
            measured(&baseline, named("slowloris"), "1000 408:999:10001000 left:1:11000001").complaints();
        assert_eq!((late.slow.len(), late.wrong.len()), (1, 0));
    }

    #[test]
    fn what_it_cannot() {
        let baseline = Rounds::parse("100 100;100").unwrap();
        for tally in ["0", "1000 left:1000:1000", "9 408:8:1000 reset:1:1000", "9 408:8:1000 1002:1:1000"] {
            let complaints = measured(&baseline, named("slowloris"), tally).complaints();
            assert!(!complaints.wrong.is_empty(), "{tally}");
        }
        let change = |change: fn(&mut Measured<'_>)| {
            let mut measured = measured(&baseline, named("pongs"), "1000 left:1000:1000");
            assert_eq!(measured.complaints(), Complaints::default());
            change(&mut measured);
            measured.complaints().wrong.len()
        };
        assert_eq!(change(|measured| measured.seen.lost = 1), 1);
        assert_eq!(change(|measured| measured.seen.wrong = 1), 1);
        assert_eq!(change(|measured| measured.seen.times = Rounds::default()), 1);
        assert_eq!(change(|measured| measured.during.sockets = 999), 1);
        assert_eq!(change(|measured| measured.returned = None), 1);
        assert_eq!(change(|measured| measured.during.peak = 1_000_000 + (128 << 10) * 1000), 0);
        assert_eq!(change(|measured| measured.during.peak = 1_000_000 + ((128 << 10) + 1) * 1000), 1);
    }

    #[test]
    fn what_is_back() {
        let before = Holding { heap: 1000, peak: 5000, files: 20, sockets: 10 };
        let most = Holding { heap: 1000 + KEPT + 7 * KEPT_EACH, peak: 9000, ..before };
        assert!(is_back(&before, &most, 7));
        assert!(!is_back(&before, &most, 6));
        assert!(!is_back(&before, &Holding { files: 21, ..before }, 7));
        assert!(!is_back(&before, &Holding { sockets: 9, ..before }, 7));
    }
}
