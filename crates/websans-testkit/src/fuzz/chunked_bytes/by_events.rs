//! Reading from a buffer of the caller's, message by message by hand or through the inbox.

use websans::text::Utf8;
use websans::{Config, Event, Inbox, Kind, Negotiated, Part, ProtocolError};

use super::{Ear, Plan, compare, ear};
use crate::fuzz::got::Got;
use crate::oracle::{self, Meaning};

pub(super) fn run(
    plan: &Plan<'_>,
    server: bool,
    config: &Config,
    negotiated: Negotiated,
    bytes: &[u8],
    meaning: &Meaning,
) {
    let compression = negotiated.codec.is_some();
    let (ear, inbox) = ear(server, config, negotiated);
    let mut reader = Reader { ear, inbox, got: Vec::new(), controls: Vec::new(), by_hand: None };
    let mut buffer = Vec::new();
    let mut arriving = bytes;
    let mut n = 0;
    while !arriving.is_empty() || !buffer.is_empty() {
        let step = plan.step(n);
        n += 1;
        assert!(n <= 2 * bytes.len() + 4, "{n} steps for {} bytes", bytes.len());
        let (now, later) = arriving.split_at(step.arrives().min(arriving.len()));
        buffer.extend_from_slice(now);
        arriving = later;
        if step.parks() {
            reader.ear.conn.park();
            reader.inbox.park();
        }
        let mut input = &mut buffer[..];
        loop {
            let before = input.len();
            let found = reader.event(&mut input, step.in_pieces() && !compression);
            // The byte with a fault is swallowed with all that follows.
            let failed = reader.ear.error.is_some();
            assert!(input.len() < before || !found || failed, "an event out of nothing");
            if !found || step.one_look() {
                break;
            }
        }
        let unread = input.len();
        buffer.drain(..buffer.len() - unread);
        reader.ear.write(step.writes());
    }
    let Reader { ear, got, controls, .. } = reader;
    compare(&got, None, meaning);
    let said: Vec<_> =
        meaning.events.iter().filter(|event| !matches!(event, oracle::Event::Message { .. })).collect();
    assert_eq!(controls.iter().collect::<Vec<_>>(), said, "the control frames");
    assert_eq!(ear.conn.stats().bytes_received, bytes.len() as u64, "every byte is consumed and counted");
    ear.hold(server, config, meaning);
}

struct Reader {
    ear: Ear,
    inbox: Inbox,
    got: Vec<Got>,
    controls: Vec<oracle::Event>,
    /// The message that is gathered by hand.
    by_hand: Option<(Vec<u8>, Utf8)>,
}

impl Reader {
    /// False: the input is used up.
    fn event(&mut self, input: &mut &mut [u8], by_hand: bool) -> bool {
        let event = match self.ear.conn.receive(input) {
            Ok(Some(event)) => event,
            Ok(None) => {
                assert!(input.is_empty(), "input is left over");
                return false;
            }
            Err(error) => {
                self.ear.note_error(error);
                return true;
            }
        };
        match event {
            Event::Part(part) if part.first && by_hand || self.by_hand.is_some() => self.gather(part),
            Event::Part(part) => match self.inbox.accept(&mut self.ear.conn, part) {
                Ok(message) => {
                    self.got.extend(message.map(|message| Got::whole(message.kind(), message.as_bytes())));
                }
                Err(error) => self.ear.note_error(error),
            },
            Event::Ping(payload) => self.controls.push(oracle::Event::Ping(payload.into_owned())),
            Event::Pong(payload) => self.controls.push(oracle::Event::Pong(payload.into_owned())),
            Event::Close(close) => {
                let content = close.code.map(|code| (code.get(), close.reason.into_owned()));
                self.controls.push(oracle::Event::Close(content));
            }
            other => panic!("unknown event {other:?}"),
        }
        true
    }

    fn gather(&mut self, part: Part<'_>) {
        let (payload, text) = self.by_hand.get_or_insert_with(|| (Vec::new(), Utf8::new()));
        payload.extend_from_slice(part.payload);
        assert!(!part.ascii || part.payload.is_ascii(), "payload said to be ASCII is not");
        let good = text.push(part.payload).is_ok() && (!part.last || text.is_complete());
        if part.kind == Kind::Text && !good {
            self.ear.conn.fail(ProtocolError::InvalidUtf8);
            self.ear.note_error(ProtocolError::InvalidUtf8);
            self.by_hand = None;
        } else if part.last {
            self.got.push(Got::whole(part.kind, payload));
            self.by_hand = None;
        }
    }
}
