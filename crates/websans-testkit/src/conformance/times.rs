//! [`Times`]: the deadlines of the scenarios.

use std::time::Duration;

use websans::Keepalive;

/// The deadlines of the scenarios, and how exactly they are kept.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For [`Config::keepalive`](websans::Config::keepalive).
    pub keepalive: Keepalive,
    /// For [`Config::idle`](websans::Config::idle).
    pub idle: Duration,
    /// For [`Config::close_within`](websans::Config::close_within).
    pub close_within: Duration,
    /// For [`Config::write_stall`](websans::Config::write_stall).
    pub write_stall: Duration,
    /// Long enough for all that is under way to arrive, in most cases.
    pub moment: Duration,
    /// Longer than anything else.
    pub long: Duration,
    /// How late anything may be.
    pub slack: Duration,
    /// Most turns of a connection whose peer does not read, until it is given up.
    pub turns_of_a_stall: usize,
}

impl Times {
    /// For time that really goes by: short, and as late as on a busy machine.
    pub const REAL: Self = Self {
        keepalive: Keepalive { every: Duration::from_millis(300), within: Duration::from_millis(300) },
        idle: Duration::from_millis(500),
        close_within: Duration::from_millis(400),
        write_stall: Duration::from_millis(500),
        moment: Duration::from_millis(50),
        long: Duration::from_millis(700),
        slack: Duration::from_secs(8),
        turns_of_a_stall: 200,
    };

    /// For time that goes by at once: the defaults of [`Config`](websans::Config), kept exactly but for the
    /// tick of a timer wheel.
    pub const VIRTUAL: Self = Self {
        keepalive: Keepalive { every: Duration::from_secs(30), within: Duration::from_secs(10) },
        idle: Duration::from_secs(120),
        close_within: Duration::from_secs(5),
        write_stall: Duration::from_secs(30),
        moment: Duration::from_secs(1),
        long: Duration::from_secs(3 * 60 * 60),
        slack: Duration::from_millis(20),
        turns_of_a_stall: 10,
    };

    /// Asserts that something took at least `least`, and not much more.
    pub(super) fn assert_took(&self, took: Duration, least: Duration) {
        assert!(took >= least, "after {took:?}, which is before {least:?}");
        assert!(took < least + self.slack, "after {took:?}, which is long after {least:?}");
    }
}
