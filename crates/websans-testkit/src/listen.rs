//! [`listen`]: bytes into a connection, in each of the ways in which an application may read.

use bytes::Buf;
use websans::text::Utf8;
use websans::{
    Config, Connection, Event, Hangup, Inbox, Kind, Message, Negotiated, Outcome, Part, ProtocolError, Reply,
    Role, State, Timestamp,
};

use crate::oracle;

/// A way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// [`Connection::receive`], the parts gathered and the text checked by hand.
    Receive,
    /// [`Connection::receive`], the parts handed to [`Inbox::accept`].
    Accept,
    /// [`Inbox::next`].
    Next,
    /// [`Inbox::next_chunk`].
    NextChunk,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Receive, Self::Accept, Self::Next, Self::NextChunk];

    /// Whether Pings, Pongs and the Close are seen this way, or only messages.
    #[must_use]
    pub const fn sees_all(self) -> bool {
        matches!(self, Self::Receive | Self::Accept)
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What arrived, in order; without control frames where the way does not show them.
    pub events: Vec<oracle::Event>,
    /// What came last.
    pub end: oracle::End,
    /// Everything that the connection had to say to it.
    pub written: Vec<u8>,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
}

/// A server, or a client that masks with a key counted up from zero.
#[must_use]
pub fn endpoint(server: bool, config: &Config, negotiated: Negotiated) -> (Connection, Inbox) {
    let role = if server { Role::Server } else { Role::Client(counted_keys()) };
    websans::open(role, config.clone(), negotiated, Timestamp::from_nanos(0))
}

/// Keys for tests: 1, 2, 3 and so on.
#[must_use]
pub fn counted_keys() -> websans::MaskKeys {
    let mut n = 0u32;
    Box::new(move || {
        n += 1;
        n.to_be_bytes()
    })
}

/// Feeds `pieces` to an endpoint and reads in one way, writing out whatever there is to write after each step.
///
/// # Panics
/// If the core breaks a promise that holds on any input: to make progress, to be silent after the end, to lend what
/// it found, to report an error once and to have the outcome ready by then.
#[must_use]
pub fn listen<'p>(
    way: Way,
    (mut conn, mut inbox): (Connection, Inbox),
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Heard {
    let mut ear = Ear {
        way,
        heard: Vec::new(),
        written: Vec::new(),
        error: None,
        parts: None,
        text: Utf8::new(),
        steps: 0,
    };
    let mut fed = 0;
    let mut most_steps = 2;
    for piece in pieces {
        fed += piece.len() as u64;
        // A step takes at least a byte, or gives one, or is the last one with a piece.
        most_steps += 2 * piece.len() + 2;
        match way {
            Way::Receive | Way::Accept => ear.feed(&mut conn, &mut inbox, &mut piece.to_vec()),
            Way::Next | Way::NextChunk => ear.fill(&mut conn, &mut inbox, piece),
        }
        assert!(ear.steps <= most_steps, "{} steps for {fed} bytes", ear.steps);
    }
    let outcome = conn.outcome().cloned();
    let end = match ear.error {
        Some(error) => oracle::End::Failed(error),
        None if conn.close_received().is_some() => oracle::End::Closed,
        None => oracle::End::Open,
    };
    // Unless it is for the application to answer the Close.
    let ended = end != oracle::End::Open && conn.state() != State::CloseReceived;
    assert_eq!(outcome.is_some(), ended, "an outcome comes with the end: {conn:?}");
    let stats = conn.stats();
    assert_eq!(stats.bytes_received, fed, "every byte is consumed and counted");
    let messages = ear.heard.iter().filter(|event| matches!(event, oracle::Event::Message { .. })).count();
    assert!(stats.messages_received == messages as u64 || ear.error.is_some(), "messages are counted");
    assert!(!conn.wants_write());
    if outcome.is_none() {
        assert_eq!(conn.hangup(), Hangup::NotYet);
    }
    Heard { events: ear.heard, end, written: ear.written, outcome }
}

/// Feeds `pieces` to an endpoint and holds what comes of it to what the [`oracle`] says of the whole.
///
/// # Panics
/// If they differ, be it in what was heard, in what was answered or in how it ended.
pub fn judge(way: Way, server: bool, config: &Config, pieces: &[&[u8]]) -> oracle::Meaning {
    judge_with(way, server, config, Negotiated::default(), pieces)
}

/// The same of an endpoint that has agreed on something: on no compression, or on [`stored`](crate::stored).
///
/// # Panics
/// As [`judge`].
pub fn judge_with(
    way: Way,
    server: bool,
    config: &Config,
    negotiated: Negotiated,
    pieces: &[&[u8]],
) -> oracle::Meaning {
    let compression = negotiated.codec.is_some();
    let heard = listen(way, endpoint(server, config, negotiated), pieces.iter().copied());
    let meaning = oracle::read(&pieces.concat(), &rules(way, server, config, compression));
    hold(way, server, config, &heard, &meaning);
    meaning
}

/// What the oracle must know of an endpoint that reads in this way.
#[must_use]
pub fn rules(way: Way, server: bool, config: &Config, compression: bool) -> oracle::Rules {
    // Who reads by `receive` gets compressed messages as they are.
    let stored = way != Way::Receive;
    let mut rules = oracle::Rules { compression, stored, ..oracle::Rules::of(config, server) };
    if way == Way::NextChunk {
        rules.max_message = config.max_streamed;
        rules.max_fragments = u32::MAX;
    }
    rules
}

/// Holds what was heard to what was said.
///
/// # Panics
/// If they differ, be it in what was heard, in what was answered or in how it ended.
pub fn hold(way: Way, server: bool, config: &Config, heard: &Heard, meaning: &oracle::Meaning) {
    if meaning.or.is_none_or(|or| heard.end != oracle::End::Failed(or)) {
        assert_eq!(heard.end, meaning.end, "{way:?}, server {server}");
    }
    let is_message = |event: &&oracle::Event| matches!(event, oracle::Event::Message { .. });
    if way.sees_all() {
        assert_eq!(heard.events, meaning.events, "{way:?}, server {server}");
    } else {
        let messages: Vec<_> = meaning.events.iter().filter(is_message).collect();
        assert_eq!(heard.events.iter().collect::<Vec<_>>(), messages, "{way:?}, server {server}");
    }
    check_replies(way, server, config, heard, meaning);
}

/// Pings are answered in order, a Close or a violation by one Close, and nothing else is said.
fn check_replies(way: Way, server: bool, config: &Config, heard: &Heard, meaning: &oracle::Meaning) {
    let replies = oracle::read(&heard.written, &oracle::Rules::unlimited(!server));
    assert_eq!(replies.used, heard.written.len(), "half a frame was written");
    let mut replies = replies.events.into_iter().peekable();
    let pings = meaning.events.iter().filter_map(|event| match event {
        oracle::Event::Ping(payload) => Some(payload),
        _ => None,
    });
    let pings: Vec<_> = pings.filter(|_| config.pong_reply == Reply::Automatic).collect();
    for (n, &ping) in pings.iter().enumerate() {
        let answered =
            replies.next_if(|reply| matches!(reply, oracle::Event::Pong(payload) if payload == ping));
        // Where many are looked at in one step, the newest is answered in any case (RFC 6455 §5.5.3).
        let must = way.sees_all() || n + 1 == pings.len();
        assert!(answered.is_some() || !must, "Ping {n} is not answered");
    }
    let code = match (heard.end, meaning.events.last()) {
        (oracle::End::Open, _) => None,
        (oracle::End::Closed, _) if config.close_reply == Reply::WhenAsked => None,
        (oracle::End::Failed(error), _) => Some(Some((error.close_code().get(), error.reason().to_owned()))),
        (oracle::End::Closed, Some(oracle::Event::Close(Some((1010, reason))))) if server => {
            Some(Some((1000, reason.clone())))
        }
        (oracle::End::Closed, Some(oracle::Event::Close(close))) => Some(close.clone()),
        (oracle::End::Closed, other) => panic!("closed by {other:?}"),
    };
    assert_eq!(replies.next(), code.map(oracle::Event::Close), "the Close");
    assert_eq!(replies.next(), None, "more than was asked for");
}

struct Ear {
    way: Way,
    heard: Vec<oracle::Event>,
    written: Vec<u8>,
    error: Option<ProtocolError>,
    /// The message under way, of kinds of reading that give it in pieces.
    parts: Option<Vec<u8>>,
    text: Utf8,
    /// Calls of the core so far, each of which must come to something.
    steps: usize,
}

impl Ear {
    fn message(&mut self, kind: Kind, payload: Vec<u8>, compressed: bool) {
        assert!(self.error.is_none(), "a message after the end");
        self.heard.push(oracle::Event::Message { kind, compressed, payload });
    }

    fn note_error(&mut self, conn: &Connection, error: ProtocolError) {
        assert_eq!(self.error.replace(error), None, "an error is reported once");
        let outcome = conn.outcome().expect("the connection has failed by now");
        assert_eq!(outcome.cause, websans::Cause::Protocol(error));
    }

    fn write(&mut self, conn: &mut Connection) {
        while conn.wants_write() {
            let outbox = conn.outbox();
            let chunk = outbox.chunk();
            assert!(!chunk.is_empty(), "what waits can be had");
            let n = chunk.len();
            self.written.extend_from_slice(chunk);
            outbox.advance(n);
        }
    }

    fn feed(&mut self, conn: &mut Connection, inbox: &mut Inbox, bytes: &mut [u8]) {
        let mut input = bytes;
        loop {
            self.steps += 1;
            let before = input.len();
            let ended = conn.outcome().is_some();
            let event = conn.receive(&mut input);
            let progress = before - input.len();
            match event {
                Ok(Some(event)) => {
                    assert!(!ended, "an event after the end: {event:?}");
                    assert!(progress > 0, "an event out of nothing: {event:?}");
                    self.event(conn, inbox, event);
                }
                Ok(None) => {
                    assert!(input.is_empty(), "input is left over");
                    break;
                }
                Err(error) => {
                    assert!(!ended && before > 0);
                    self.note_error(conn, error);
                }
            }
            self.write(conn);
        }
        self.write(conn);
    }

    fn event(&mut self, conn: &mut Connection, inbox: &mut Inbox, event: Event<'_>) {
        match event {
            Event::Part(part) if self.way == Way::Accept => match inbox.accept(conn, part) {
                Ok(Some(message)) => self.message(message.kind(), message.as_bytes().to_vec(), false),
                Ok(None) => {}
                Err(error) => self.note_error(conn, error),
            },
            Event::Part(part) => self.part(conn, part),
            Event::Ping(payload) => self.heard.push(oracle::Event::Ping(payload.into_owned())),
            Event::Pong(payload) => self.heard.push(oracle::Event::Pong(payload.into_owned())),
            Event::Close(close) => {
                let content = close.code.map(|code| (code.get(), close.reason.into_owned()));
                self.heard.push(oracle::Event::Close(content));
            }
            other => panic!("unknown event {other:?}"),
        }
    }

    /// What an application does that gathers by itself.
    fn part(&mut self, conn: &mut Connection, part: Part<'_>) {
        let Part { kind, payload, first, last, compressed, ascii, .. } = part;
        assert_eq!(first, self.parts.is_none(), "the first part begins a message, and no other");
        assert!(!ascii || payload.is_ascii(), "payload said to be ASCII is not");
        if first {
            self.text = Utf8::new();
        }
        self.parts.get_or_insert_default().extend_from_slice(payload);
        if kind == Kind::Text && !compressed {
            let valid = self.text.push(payload).is_ok() && (!last || self.text.is_complete());
            if !valid {
                conn.fail(ProtocolError::InvalidUtf8);
                return self.note_error(conn, ProtocolError::InvalidUtf8);
            }
        }
        if last {
            let payload = self.parts.take().unwrap_or_default();
            self.message(kind, payload, compressed);
        }
    }

    fn fill(&mut self, conn: &mut Connection, inbox: &mut Inbox, mut piece: &[u8]) {
        while !piece.is_empty() {
            let spare = inbox.spare_mut();
            assert!(!spare.is_empty(), "there is room after all was read");
            // Memory follows what has come, not what a header declares.
            let most = conn.config().read_buffer.max(2 << 10);
            let come = usize::try_from(conn.stats().bytes_received).unwrap_or(usize::MAX);
            assert!(spare.len() <= most.max(come), "{} bytes to read to, of {come}", spare.len());
            let (now, later) = piece.split_at(spare.len().min(piece.len()));
            spare[..now.len()].copy_from_slice(now);
            inbox.filled(now.len());
            piece = later;
            loop {
                self.steps += 1;
                let found = if self.way == Way::Next { inbox.next(conn) } else { inbox.next_chunk(conn) };
                match found {
                    Ok(true) => self.found(inbox),
                    Ok(false) => break,
                    Err(error) => self.note_error(conn, error),
                }
                self.write(conn);
            }
            self.write(conn);
        }
    }

    fn found(&mut self, inbox: &Inbox) {
        if self.way == Way::Next {
            match inbox.message().expect("a message was found") {
                Message::Text(text) => {
                    assert!(core::str::from_utf8(text.as_bytes()).is_ok());
                    self.message(Kind::Text, text.as_bytes().to_vec(), false);
                }
                Message::Binary(bytes) => self.message(Kind::Binary, bytes.to_vec(), false),
            }
            return;
        }
        let chunk = inbox.chunk().expect("a chunk was found");
        assert_eq!(inbox.message().is_some(), chunk.first && chunk.last);
        assert_eq!(chunk.first, self.parts.is_none(), "the first chunk begins a message, and no other");
        if chunk.first {
            self.text = Utf8::new();
        }
        self.parts.get_or_insert_default().extend_from_slice(chunk.payload);
        if chunk.kind == Kind::Text {
            self.text.push(chunk.payload).expect("chunks of text are checked");
        }
        if chunk.last {
            assert!(self.text.is_complete());
            let payload = self.parts.take().unwrap_or_default();
            self.message(chunk.kind, payload, false);
        }
    }
}
