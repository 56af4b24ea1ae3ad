//! Any method of the core at any time: nothing panics, and what has ended has ended.

use bytes::Buf;
use proptest::collection::vec;
use proptest::prelude::*;
use websans::{
    CloseCode, Connection, Event, Hangup, Inbox, Kind, Message, Outcome, Payload, Prepared, ProtocolError,
    SendError, State, Timestamp,
};

use crate::strategies;
use crate::wire::stream;

/// A call of one of the public methods of [`Connection`], [`Inbox`] or [`Outbox`](websans::Outbox).
#[derive(Clone, Debug)]
pub enum Call {
    /// As many of these bytes as there is room for arrive in the inbox.
    Feed(Vec<u8>),
    /// These arrive in a buffer of the caller's, who looks at the events.
    Receive(Vec<u8>),
    /// These too, and their parts are handed to the inbox.
    Accept(Vec<u8>),
    /// [`Inbox::next`].
    Next,
    /// [`Inbox::next_chunk`].
    NextChunk,
    /// [`Inbox::filled`], whether it is true or not.
    Filled(usize),
    /// [`Inbox::preload`].
    Preload(Vec<u8>),
    /// [`Connection::send`].
    Send(Kind, Vec<u8>),
    /// [`Connection::send_part`].
    Part(Kind, Vec<u8>, bool),
    /// [`Connection::ping`] if true, [`Connection::pong`] if not.
    Control(bool, Vec<u8>),
    /// [`Connection::close`].
    Close(u16, String),
    /// [`Connection::fail`].
    Fail,
    /// [`Connection::eof`].
    Eof,
    /// [`Connection::abort`].
    Abort,
    /// [`Connection::tick`] so many nanoseconds later.
    Tick(u64),
    /// So many bytes are written.
    Write(usize),
    /// [`Outbox::take_chunk`](websans::Outbox::take_chunk).
    Take,
    /// Both are parked, and a buffer is lent if true.
    Park(bool),
    /// [`Connection::set_streamed`].
    Streamed(bool),
    /// [`Connection::send_prepared`].
    Prepared(Kind, Vec<u8>),
    /// [`Connection::flush_part`].
    Flush,
    /// [`Inbox::take`].
    TakeMessage,
    /// [`Connection::wake`] so many nanoseconds later.
    Wake(u64),
    /// [`Connection::tick_writes`] so many nanoseconds later.
    TickWrites(u64),
    /// [`Connection::note_blocked`].
    Blocked,
    /// [`Connection::note_stalled`].
    Stalled,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        strategies::conversation().prop_map(|frames| stream(&frames, true)),
        strategies::conversation().prop_map(|frames| stream(&frames, false)),
        vec(any::<u8>(), 0..20),
    ]
}

/// Any call.
pub fn call() -> impl Strategy<Value = Call> {
    let kind = || prop_oneof![Just(Kind::Text), Just(Kind::Binary)];
    prop_oneof![
        4 => bytes().prop_map(Call::Feed),
        2 => bytes().prop_map(Call::Receive),
        1 => bytes().prop_map(Call::Accept),
        3 => Just(Call::Next),
        3 => Just(Call::NextChunk),
        1 => (0..100_000usize).prop_map(Call::Filled),
        1 => bytes().prop_map(Call::Preload),
        2 => (kind(), strategies::payload()).prop_map(|(kind, bytes)| Call::Send(kind, bytes)),
        3 => (kind(), strategies::payload(), any::<bool>()).prop_map(|(kind, bytes, last)| Call::Part(kind, bytes, last)),
        2 => (any::<bool>(), vec(any::<u8>(), 0..130)).prop_map(|(ping, bytes)| Call::Control(ping, bytes)),
        1 => (900..5100u16, ".{0,150}").prop_map(|(code, reason)| Call::Close(code, reason)),
        1 => Just(Call::Fail),
        1 => Just(Call::Eof),
        1 => Just(Call::Abort),
        3 => (0..20_000_000_000u64).prop_map(Call::Tick),
        3 => (0..3000usize).prop_map(Call::Write),
        1 => Just(Call::Take),
        1 => any::<bool>().prop_map(Call::Park),
        1 => any::<bool>().prop_map(Call::Streamed),
        1 => (kind(), strategies::payload()).prop_map(|(kind, bytes)| Call::Prepared(kind, bytes)),
        1 => Just(Call::Flush),
        1 => Just(Call::TakeMessage),
        1 => (0..20_000_000_000u64).prop_map(Call::Wake),
        1 => (0..20_000_000_000u64).prop_map(Call::TickWrites),
        1 => Just(Call::Blocked),
        1 => Just(Call::Stalled),
    ]
}

/// Makes the calls one after the other.
///
/// # Panics
/// If the core does, or if one of them changes what must not change.
pub fn play((conn, inbox): (Connection, Inbox), calls: &[Call]) {
    let mut caller =
        Caller { conn, inbox, now: 0, pool: Vec::new(), ended: None, waits: 0, largest: 0, fed: 0 };
    for call in calls {
        let state = caller.conn.state();
        caller.call(call);
        caller.check(call);
        if state != caller.conn.state() {
            caller.show();
        }
    }
    caller.show();
}

struct Caller {
    conn: Connection,
    inbox: Inbox,
    now: u64,
    pool: Vec<Vec<u8>>,
    ended: Option<Outcome>,
    /// Bytes that waited after the last call.
    waits: usize,
    /// The longest payload that was to be sent.
    largest: usize,
    /// Bytes that have arrived, or are said to have.
    fed: usize,
}

impl Caller {
    fn call(&mut self, call: &Call) {
        let Self { conn, inbox, .. } = self;
        let ended = self.ended.is_some();
        match call {
            Call::Feed(bytes) => {
                let spare = inbox.spare_mut();
                let n = spare.len().min(bytes.len());
                spare[..n].copy_from_slice(&bytes[..n]);
                inbox.filled(n);
                self.fed += n;
            }
            Call::Receive(bytes) => {
                let mut bytes = bytes.clone();
                let mut input = &mut bytes[..];
                while let Ok(Some(event)) = conn.receive(&mut input) {
                    assert!(!ended, "{event:?} after the end");
                }
            }
            Call::Accept(bytes) => {
                let mut bytes = bytes.clone();
                self.fed += bytes.len();
                let mut input = &mut bytes[..];
                while let Ok(Some(event)) = conn.receive(&mut input) {
                    assert!(!ended, "{event:?} after the end");
                    if let Event::Part(part) = event {
                        if let Ok(Some(Message::Text(text))) = inbox.accept(conn, part) {
                            assert!(core::str::from_utf8(text.as_bytes()).is_ok());
                        }
                    }
                }
            }
            Call::Next => {
                let found = inbox.next(conn);
                assert!(!ended || found == Ok(false), "{found:?} after the end");
                if let Some(Message::Text(text)) = inbox.message() {
                    assert!(core::str::from_utf8(text.as_bytes()).is_ok());
                }
            }
            Call::NextChunk => {
                let found = inbox.next_chunk(conn);
                assert_eq!(found == Ok(true), inbox.chunk().is_some());
            }
            Call::Filled(n) => {
                self.fed += inbox.spare_mut().len().min(*n);
                inbox.filled(*n);
            }
            Call::Preload(bytes) => {
                self.fed += bytes.len();
                inbox.preload(bytes);
            }
            Call::Send(kind, bytes) => {
                self.largest = self.largest.max(bytes.len());
                let _ = conn.send(Payload::new(*kind, &bytes[..]));
            }
            Call::Part(kind, bytes, last) => {
                self.largest = self.largest.max(bytes.len());
                let _ = conn.send_part(Payload::new(*kind, &bytes[..]), *last);
            }
            Call::Prepared(kind, bytes) => {
                self.largest = self.largest.max(bytes.len());
                if let Ok(prepared) = Prepared::new(Payload::new(*kind, &bytes[..])) {
                    let _ = conn.send_prepared(&prepared);
                }
            }
            Call::Flush => _ = conn.flush_part(),
            Call::Control(true, bytes) => _ = conn.ping(bytes),
            Call::Control(false, bytes) => _ = conn.pong(bytes),
            Call::Close(code, reason) => {
                if let Some(code) = CloseCode::new(*code) {
                    let _ = conn.close(code, reason);
                }
            }
            Call::Fail => conn.fail(ProtocolError::InvalidUtf8),
            Call::Eof => conn.eof(),
            Call::Abort => conn.abort(),
            Call::Tick(step) => {
                self.now += step;
                conn.tick(Timestamp::from_nanos(self.now));
            }
            Call::Wake(step) => {
                self.now += step;
                conn.wake(Timestamp::from_nanos(self.now));
            }
            Call::TickWrites(step) => {
                self.now += step;
                conn.tick_writes(Timestamp::from_nanos(self.now));
            }
            Call::Blocked => conn.note_blocked(),
            Call::Stalled => conn.note_stalled(),
            Call::Write(n) => conn.outbox().advance(*n),
            Call::Take => drop(conn.outbox().take_chunk()),
            Call::TakeMessage => {
                let lent = inbox.message().map(|message| (message.kind(), message.as_bytes().to_vec()));
                let taken = inbox.take().map(|payload| (payload.kind(), payload.as_bytes().to_vec()));
                assert_eq!(lent, taken, "what is taken is what was lent");
            }
            Call::Park(lend) => {
                conn.park();
                self.pool.extend(inbox.park());
                if *lend {
                    inbox.lend(self.pool.pop().unwrap_or_default());
                }
            }
            Call::Streamed(streamed) => conn.set_streamed(*streamed),
        }
    }

    fn check(&mut self, call: &Call) {
        let conn = &mut self.conn;
        assert_eq!(conn.outcome().is_some(), conn.state() == State::Closed);
        let waits = conn.outbox().len();
        if let Some(ended) = &self.ended {
            assert_eq!(conn.outcome(), Some(ended), "the outcome changed");
            assert_eq!(conn.send("late"), Err(SendError::Closing));
            assert_eq!(conn.ping(b"late"), Err(SendError::Closing));
            // A Pong that took the place of one which was half written comes to light when that has left.
            let hidden = if matches!(call, Call::Write(_) | Call::Take) { 131 } else { 0 };
            assert!(waits <= self.waits + hidden, "{call:?} is answered after the end");
        } else {
            self.ended = conn.outcome().cloned();
        }
        self.waits = waits;
        assert!(conn.hangup() == Hangup::NotYet || conn.state() == State::Closed);
        assert_eq!(conn.wants_write(), waits > 0);
        assert_eq!(conn.outbox().is_empty(), waits == 0);
        assert_eq!(conn.outbox().has_remaining(), !conn.outbox().chunk().is_empty());
        assert!(conn.state() == State::Open || conn.deadline().is_some(), "an ending without a deadline");
        if matches!(call, Call::Tick(_)) {
            self.settle();
        }
        let conn = &mut self.conn;
        // One message in an empty outbox, or as many as fit; then Pongs, a keep-alive Ping and a Close. Headers, and
        // blocks that are stored, come on top.
        let config = conn.config();
        let frame = config.fragment_above.map_or(usize::MAX, |above| above.max(1));
        let most = config.max_outbox.max(self.largest);
        let headers = 24 + (most / frame).saturating_mul(14) + most / 64;
        assert!(waits <= most + headers + 1024 + config.max_outbox, "{waits} bytes wait");
        // The read buffer, and a message that has come so far: at most twice that.
        if let Call::Feed(_) = call {
            let most = config.read_buffer.max(2 << 10).max(self.pool.iter().map(Vec::len).max().unwrap_or(0));
            assert!(self.inbox.spare_mut().len() <= most + 2 * self.fed, "room for more than may come");
        }
    }

    /// What is due is done: nobody wakes up for it again and again. Where a time-out is zero, what one tick begins is
    /// overdue at the next.
    fn settle(&mut self) {
        let now = Timestamp::from_nanos(self.now);
        for _ in 0..4 {
            if self.conn.hangup() == Hangup::Drop
                || self.conn.deadline().is_none_or(|deadline| deadline > now)
            {
                self.ended = self.conn.outcome().cloned();
                self.waits = self.conn.outbox().len();
                return;
            }
            self.conn.tick(now);
        }
        panic!("a deadline that has passed");
    }

    /// What is shown in logs can be, whatever the state.
    fn show(&self) {
        let outcome = self.conn.outcome().map(ToString::to_string);
        let _ = format!("{:?} {:?} {outcome:?}", self.conn, self.inbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::endpoint;
    use websans::{Config, Negotiated};

    fn caller() -> Caller {
        let (conn, inbox) = endpoint(true, &Config::default(), Negotiated::default());
        Caller { conn, inbox, now: 0, pool: Vec::new(), ended: None, waits: 0, largest: 0, fed: 0 }
    }

    #[test]
    #[should_panic(expected = "the outcome changed")]
    fn another_outcome_is_found() {
        let mut caller = caller();
        caller.conn.eof();
        caller.check(&Call::Eof);
        caller.ended.as_mut().expect("it has ended").cause = websans::Cause::Clean;
        caller.check(&Call::Eof);
    }

    #[test]
    #[should_panic(expected = "is answered after the end")]
    fn an_answer_after_the_end_is_found() {
        let mut caller = caller();
        caller.conn.fail(ProtocolError::InvalidUtf8);
        caller.check(&Call::Fail);
        caller.waits -= 1;
        caller.check(&Call::Next);
    }

    #[test]
    #[should_panic(expected = "bytes wait")]
    fn a_queue_that_grows_is_found() {
        let mut caller = caller();
        // Its length has not been noted.
        caller.conn.send(vec![0; 1 << 20]).expect("an empty outbox takes anything");
        caller.check(&Call::Next);
    }

    #[test]
    #[should_panic(expected = "after the end")]
    fn a_message_after_the_end_is_found() {
        let mut caller = caller();
        let mut other = self::caller();
        other.conn.eof();
        caller.ended = other.conn.outcome().cloned();
        caller.call(&Call::Receive(vec![0x89, 0x80, 0, 0, 0, 0]));
    }
}
