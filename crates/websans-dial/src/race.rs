//! [`Race`]: which of a host's addresses is tried when ([RFC 8305]).
//!
//! [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use websans::Timestamp;

use crate::limits::Limits;

/// Attempts to connect to the addresses of one host, staggered beside each other: Happy Eyeballs.
///
/// The families take turns, beginning with that of the first address; within each the order stays. Each attempt has
/// [`Limits::stagger`] to itself; one that fails makes room for the next at once. The first success wins: its
/// owner drops the others.
///
/// ```
/// use websans::Timestamp;
/// use websans_dial::{Limits, Race};
///
/// let now = Timestamp::from_nanos(0);
/// let limits = Limits::default();
/// let addresses = ["[2001:db8::1]:80".parse()?, "[2001:db8::2]:80".parse()?, "192.0.2.1:80".parse()?];
/// let mut race = Race::new(addresses, &limits, now);
/// assert_eq!(race.next(now), Some("[2001:db8::1]:80".parse()?));
/// assert_eq!(race.next(now), None);
/// assert_eq!(race.deadline(), now + limits.stagger);
/// assert_eq!(race.next(now + limits.stagger), Some("192.0.2.1:80".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Race {
    waiting: VecDeque<SocketAddr>,
    running: Vec<SocketAddr>,
    failures: Vec<(SocketAddr, io::Error)>,
    limits: Limits,
    /// When the next attempt begins at the latest.
    next_at: Timestamp,
    /// When all of them must have ended.
    end: Timestamp,
}

impl Race {
    /// The most addresses that are tried. Names have few; who has this many has got them from somebody who means no
    /// good.
    pub const MOST: usize = 64;

    /// A race of `addresses`, as the resolver ordered them, that begins now. Repetitions are left out.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>, limits: &Limits, now: Timestamp) -> Self {
        let mut families = [VecDeque::new(), VecDeque::new()];
        let mut first_is_v6 = None;
        let mut count = 0;
        for address in addresses {
            let [first, second] = &mut families;
            let first_is_v6 = *first_is_v6.get_or_insert(address.is_ipv6());
            let family = if address.is_ipv6() == first_is_v6 { first } else { second };
            if count < Self::MOST && !family.contains(&address) {
                family.push_back(address);
                count += 1;
            }
        }
        let [mut first, mut second] = families;
        let mut waiting = VecDeque::with_capacity(count);
        while !(first.is_empty() && second.is_empty()) {
            waiting.extend(first.pop_front());
            waiting.extend(second.pop_front());
        }
        let (running, failures) = (Vec::new(), Vec::new());
        Self { waiting, running, failures, limits: *limits, next_at: now, end: now + limits.connect }
    }

    /// The address to try now beside those that are being tried, if its time has come. To be called until there is
    /// none.
    pub fn next(&mut self, now: Timestamp) -> Option<SocketAddr> {
        if now < self.next_at {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.running.push(address);
        self.next_at = now + self.limits.bounded_stagger();
        Some(address)
    }

    /// When an attempt that begins now must have ended.
    #[must_use]
    pub fn attempt_until(&self, now: Timestamp) -> Timestamp {
        (now + self.limits.attempt).min(self.end)
    }

    /// The attempt to connect to `address` has failed.
    pub fn failed(&mut self, address: SocketAddr, error: io::Error, now: Timestamp) {
        if let Some(at) = self.running.iter().position(|own| *own == address) {
            self.running.swap_remove(at);
            self.failures.push((address, error));
            self.next_at = self.next_at.min(now);
        }
    }

    /// Whether every address has been tried in vain.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// The failures so far, in order; and, as timed out, what has not ended.
    #[must_use]
    pub fn into_failures(mut self) -> Vec<(SocketAddr, io::Error)> {
        let unfinished = self.running.into_iter().map(|address| (address, io::ErrorKind::TimedOut.into()));
        self.failures.extend(unfinished);
        self.failures
    }

    /// When to call [`next`](Self::next) again, or when the race is over at the latest.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        if self.waiting.is_empty() { self.end } else { self.next_at.min(self.end) }
    }

    /// When the race is over at the latest.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.end
    }
}
