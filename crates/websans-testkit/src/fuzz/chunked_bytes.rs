//! [`chunked_bytes`]: a stream cut anywhere, and read now in one way and now in another.

mod by_events;
mod by_inbox;

use bytes::Buf;
use websans::{Config, Connection, Negotiated, ProtocolError};

use crate::listen::{Heard, Way, endpoint, hold, rules};
use crate::oracle::{self, End, Event, Meaning};

use super::got::Got;
use super::input::Input;
use super::received::{Settings, stream};

/// Gives an endpoint a stream in pieces, changes its way of reading from moment to moment, parks what it has and lets
/// its answers wait.
///
/// The first four bytes are the settings and the role, the fifth how many of the following are steps, which are taken
/// over and over again; the rest is the stream.
///
/// # Panics
/// If anything is heard, answered or concluded that the [oracle](crate::oracle) does not say of the whole, or if what
/// waits to be written grows with what the peer asks.
pub fn chunked_bytes(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = Settings::read(&mut input);
    let role = input.byte();
    let plan = usize::from(input.byte() % 32);
    let plan = Plan(input.take(plan));
    let bytes = stream(&mut input);
    let (server, by_inbox) = (role & 1 == 0, role & 2 == 0);

    let mut config = settings.config.clone();
    if by_inbox {
        // Both ways of reading have the same limits, so that it does not matter which it was when a header came.
        config.max_streamed = config.max_message;
        config.max_fragments = u32::MAX;
    }
    let meaning = oracle::read(bytes, &rules(Way::Next, server, &config, settings.compression));
    let negotiated = settings.negotiated();
    if by_inbox {
        by_inbox::run(&plan, server, &config, negotiated, bytes, &meaning);
    } else {
        by_events::run(&plan, server, &config, negotiated, bytes, &meaning);
    }
}

/// What to do at each step.
struct Plan<'p>(&'p [u8]);

/// What one byte of a plan says.
#[derive(Clone, Copy)]
struct Step(u8);

impl Plan<'_> {
    fn step(&self, n: usize) -> Step {
        Step(if self.0.is_empty() { 7 } else { self.0[n % self.0.len()] })
    }
}

impl Step {
    /// How many bytes arrive, if there is room.
    fn arrives(self) -> usize {
        [1, 2, 3, 5, 14, 60, 300, 8000][usize::from(self.0 & 7)]
    }

    /// As they come, and not whole; or gathered by hand, and not by the inbox.
    fn in_pieces(self) -> bool {
        self.0 & 8 != 0
    }

    /// One look before more arrives, and not until there is nothing more to be had.
    fn one_look(self) -> bool {
        self.0 & 16 != 0
    }

    fn parks(self) -> bool {
        self.0 & 32 != 0
    }

    /// How much is written afterwards.
    fn writes(self) -> usize {
        if self.0 & 64 == 0 { usize::MAX } else { usize::from(self.0 & 3) }
    }

    /// The less usual call of two that do the same.
    fn otherwise(self) -> bool {
        self.0 & 128 != 0
    }
}

/// What both ways have in common.
struct Ear {
    conn: Connection,
    written: Vec<u8>,
    error: Option<ProtocolError>,
}

impl Ear {
    fn note_error(&mut self, error: ProtocolError) {
        assert_eq!(self.error.replace(error), None, "an error is reported once");
    }

    fn write(&mut self, most: usize) {
        // Two Pongs, a few before the transport is blocked, and a Close.
        let waits = self.conn.outbox().len();
        assert!(waits <= 250 + 3 * 131, "{waits} bytes wait of what nobody but the peer asked for");
        let mut left = most;
        while left > 0 && self.conn.wants_write() {
            let outbox = self.conn.outbox();
            let n = outbox.chunk().len().min(left);
            assert!(n > 0, "what waits can be had");
            self.written.extend_from_slice(&outbox.chunk()[..n]);
            outbox.advance(n);
            left -= n;
        }
    }

    /// Holds the end, and what was answered, to what was said. The messages have been compared.
    fn hold(mut self, server: bool, config: &Config, meaning: &Meaning) {
        self.write(usize::MAX);
        let end = match self.error {
            Some(error) => End::Failed(error),
            None if self.conn.close_received().is_some() => End::Closed,
            None => End::Open,
        };
        let events = messages(meaning).cloned().collect();
        let outcome = self.conn.outcome().cloned();
        hold(Way::Next, server, config, &Heard { events, end, written: self.written, outcome }, meaning);
    }
}

fn ear(server: bool, config: &Config, negotiated: Negotiated) -> (Ear, websans::Inbox) {
    let (conn, inbox) = endpoint(server, config, negotiated);
    (Ear { conn, written: Vec::new(), error: None }, inbox)
}

fn messages(meaning: &Meaning) -> impl Iterator<Item = &Event> {
    meaning.events.iter().filter(|event| matches!(event, Event::Message { .. }))
}

/// Each message once, in order, as it was sent. The rest of the last one may have been being skipped.
fn compare(got: &[Got], last: Option<&Got>, meaning: &Meaning) {
    let mut sent = messages(meaning);
    for got in got {
        let Some(Event::Message { kind, payload, .. }) = sent.next() else {
            panic!("a message that was not sent: {got:?}");
        };
        got.hold(*kind, payload);
    }
    if let Some(last) = last.filter(|last| last.has_gap()) {
        // Its end may have been skipped, or may never have come.
        if let Some(Event::Message { kind, payload, .. }) = sent.next() {
            last.hold_beginning(*kind, payload);
        }
    }
    assert_eq!(sent.next(), None, "a message is lost");
}

#[cfg(test)]
mod tests {
    use super::*;
    use websans::Kind;

    fn meaning() -> Meaning {
        let message = |text: &str| Event::Message {
            kind: Kind::Text,
            compressed: false,
            payload: text.as_bytes().to_vec(),
        };
        Meaning { events: vec![message("one"), message("two")], end: End::Open, used: 0, or: None }
    }

    #[test]
    fn the_same_passes() {
        compare(&[Got::whole(Kind::Text, b"one"), Got::whole(Kind::Text, b"two")], None, &meaning());
    }

    #[test]
    #[should_panic(expected = "a message is lost")]
    fn a_lost_message_is_found() {
        compare(&[Got::whole(Kind::Text, b"one")], None, &meaning());
    }

    #[test]
    #[should_panic(expected = "another message")]
    fn another_order_is_found() {
        compare(&[Got::whole(Kind::Text, b"two"), Got::whole(Kind::Text, b"one")], None, &meaning());
    }

    #[test]
    #[should_panic(expected = "was not sent")]
    fn a_message_too_many_is_found() {
        compare(&[b"one", b"two", b"two"].map(|text| Got::whole(Kind::Text, text)), None, &meaning());
    }
}
