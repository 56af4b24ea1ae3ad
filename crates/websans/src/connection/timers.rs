//! Time: keep-alive, idleness, closing, stalled writes.

use core::time::Duration;

use super::closing::Transport;
use super::{Connection, State};
use crate::close::{Close, CloseCode};
use crate::frame::OpCode;
use crate::outcome::Cause;
use crate::time::Timestamp;

/// All points in time of a connection.
pub(super) struct Timers {
    now: Timestamp,
    last_received: Timestamp,
    last_message: Timestamp,
    /// While open: when the keep-alive Ping was sent after which nothing has been received yet. Later: when
    /// the closing has lasted too long.
    since_or_deadline: Option<Timestamp>,
    /// The Ping whose Pong gives the round-trip time, and a digest of its payload.
    ping_sent: Option<Timestamp>,
    ping_digest: u32,
    /// In microseconds, plus one.
    round_trip: u32,
    /// Since when the transport has taken nothing.
    stalled: Option<Timestamp>,
}

impl Timers {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            now,
            last_received: now,
            last_message: now,
            since_or_deadline: None,
            ping_sent: None,
            ping_digest: 0,
            round_trip: 0,
            stalled: None,
        }
    }

    pub(super) const fn round_trip(&self) -> Option<Duration> {
        match self.round_trip.checked_sub(1) {
            Some(micros) => Some(Duration::from_micros(micros as u64)),
            None => None,
        }
    }

    #[inline]
    pub(super) fn note_message(&mut self) {
        self.last_message = self.now;
    }

    pub(super) fn note_ping(&mut self, payload: &[u8]) {
        self.ping_sent = Some(self.now);
        self.ping_digest = digest(payload);
    }

    pub(super) fn note_pong(&mut self, payload: &[u8]) {
        // Unsolicited Pongs are legal and mean nothing (RFC 6455 §5.5.3).
        let Some(sent) = self.ping_sent.filter(|_| digest(payload) == self.ping_digest) else { return };
        self.ping_sent = None;
        let micros = self.now.since(sent).as_micros();
        self.round_trip = u32::try_from(micros).unwrap_or(u32::MAX).saturating_add(1);
    }
}

/// Tells one Ping's payload from another's; not against forgers, who gain nothing here. FNV-1a.
fn digest(payload: &[u8]) -> u32 {
    payload.iter().fold(0x811C_9DC5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Connection {
    /// Moves time to `now` and does what is due. Idempotent; may be called at any time, early too. Time does not go back.
    ///
    /// Call it after each wait, when what the transport had to give has been received: a sign of life that has
    /// arrived must not be overlooked because the thread was late. [`wake`](Self::wake) moves time before that.
    pub fn tick(&mut self, now: Timestamp) {
        self.judge_writes(now);
        match self.state {
            State::Open => {
                self.keep_alive();
                self.watch_idleness();
            }
            State::CloseSent | State::CloseReceived | State::Closed => {
                if self.timers.since_or_deadline.is_some_and(|deadline| deadline <= self.timers.now) {
                    self.end(Cause::CloseTimeout, None);
                    self.transport = Transport::GivenUp;
                }
            }
        }
    }

    /// [`tick`](Self::tick) for one who writes and does not read meanwhile: until the closing, only a stalled transport is
    /// judged, since the peer's sign of life may lie unread.
    pub fn tick_writes(&mut self, now: Timestamp) {
        if self.can_send() {
            self.judge_writes(now);
        } else {
            self.tick(now);
        }
    }

    fn judge_writes(&mut self, now: Timestamp) {
        let before = self.timers.now;
        self.wake(now);
        if self.wants_write() && self.timers.stalled.is_none() {
            self.timers.stalled = Some(before);
        }
        if self.wants_write() {
            self.outbox.note_wait();
            self.watch_writes();
        }
    }

    /// Moves time to `now` and judges nothing: for an adapter that was away while the application was busy, and for bytes
    /// that have just been read, before they are received.
    pub fn wake(&mut self, now: Timestamp) {
        // What has been written since was written at about the time of the last call: adapters move time before they
        // write, and after they have waited.
        self.timers.since_or_deadline = self.waits_since();
        let progressed = self.outbox.take_progress();
        if !self.wants_write() {
            (self.timers.stalled, self.asking) = (None, false);
        } else if progressed && !self.is_draining() {
            self.timers.stalled = None;
        }
        self.timers.now = self.timers.now.max(now);
    }

    /// The transport takes nothing at present: for an adapter that learns so without waiting and calls
    /// [`tick`](Self::tick) at deadlines alone. [`Config::write_stall`](crate::Config::write_stall) counts from here, unless
    /// it counts already.
    pub fn note_blocked(&mut self) {
        if self.wants_write() {
            self.wake(self.timers.now);
            self.outbox.note_wait();
            self.timers.stalled.get_or_insert(self.timers.now);
        }
    }

    /// The transport has let nothing go for [`Config::write_stall`](crate::Config::write_stall): for an adapter whose
    /// transport has a buffer of its own, as TLS has, so that the outbox is empty and does not show it.
    pub fn note_stalled(&mut self) {
        if self.transport != Transport::GivenUp {
            self.give_up(Cause::WriteStall, "peer does not read");
        }
    }

    /// When to call [`tick_writes`](Self::tick_writes) next, at the latest. `None` if nothing waits to be written.
    #[must_use]
    pub fn write_deadline(&self) -> Option<Timestamp> {
        if !self.wants_write() {
            return None;
        }
        // The transport has taken something since the last tick, or has not been watched yet.
        let since = self.timers.stalled.filter(|_| !self.outbox.has_progressed() || self.is_draining());
        Some(since.unwrap_or(self.timers.now) + self.config.write_stall)
    }

    /// When to call [`tick`](Self::tick) next, at the latest. `None` only while open, with neither keep-alive nor
    /// idle limit, and nothing to write.
    ///
    /// It may change with every call of the other methods.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let timers = &self.timers;
        let config = &self.config;
        let due = if self.state == State::Open {
            let keepalive = config.keepalive.map(|keepalive| match self.waits_since() {
                Some(since) => since + keepalive.within,
                None => timers.last_received + keepalive.every,
            });
            earlier(keepalive, config.idle.map(|idle| timers.last_message + idle))
        } else {
            self.waits_since()
        };
        earlier(self.write_deadline(), due)
    }

    /// Any inbound byte is a sign of life.
    #[inline]
    pub(super) fn note_life(&mut self) {
        self.timers.last_received = self.timers.now;
        if self.state == State::Open {
            self.timers.since_or_deadline = None;
        }
    }

    pub(super) fn restart_stall_timer(&mut self) {
        self.timers.stalled = Some(self.timers.now);
    }

    pub(super) fn start_close_timer(&mut self) {
        self.asking = self.wants_write();
        self.timers.since_or_deadline = Some(self.timers.now + self.config.close_within);
    }

    fn keep_alive(&mut self) {
        let Some(keepalive) = self.config.keepalive else { return };
        match self.timers.since_or_deadline {
            Some(since) if since + keepalive.within <= self.timers.now => {
                self.give_up(Cause::KeepaliveTimeout, "no answer to keep-alive");
            }
            None if self.timers.last_received + keepalive.every <= self.timers.now => {
                // Different each time, which is all that is asked of it.
                let payload = self.timers.now.as_nanos().to_be_bytes();
                self.queue_control(OpCode::Ping, &payload);
                self.timers.note_ping(&payload);
                self.timers.since_or_deadline = Some(self.timers.now);
                self.asking = true;
            }
            _ => {}
        }
    }

    fn watch_idleness(&mut self) {
        let Some(idle) = self.config.idle else { return };
        if self.state == State::Open && self.timers.last_message + idle <= self.timers.now {
            self.begin_close(Close::new(CloseCode::GOING_AWAY, "idle"));
        }
    }

    /// Nothing but what was queued before our Close is to be written: that has one time for all of it, or a peer that
    /// takes a byte now and then could hold us for ever.
    fn is_draining(&self) -> bool {
        matches!(self.state, State::CloseSent | State::Closed)
    }

    fn watch_writes(&mut self) {
        let stalled =
            self.timers.stalled.is_some_and(|since| since + self.config.write_stall <= self.timers.now);
        if stalled {
            self.note_stalled();
        }
    }

    /// What is waited for cannot come before what asks for it has left: as long as the transport takes something, the
    /// wait begins anew.
    fn waits_since(&self) -> Option<Timestamp> {
        let wait = match self.state {
            State::Open if self.asking => Duration::ZERO,
            State::CloseSent | State::Closed if self.asking => self.config.close_within,
            // It has left, or nothing is waited for, or the application. What else leaves changes nothing.
            _ => return self.timers.since_or_deadline,
        };
        if self.outbox.has_progressed() {
            self.timers.since_or_deadline.map(|_| self.timers.now + wait)
        } else {
            self.timers.since_or_deadline
        }
    }

    /// Ends the connection at once: one try to tell the peer, no waiting for it.
    fn give_up(&mut self, cause: Cause, reason: &str) {
        self.end(cause, Some(Close::new(CloseCode::INTERNAL_ERROR, reason)));
        self.transport = Transport::GivenUp;
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
