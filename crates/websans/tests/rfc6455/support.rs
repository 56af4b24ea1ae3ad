//! What the tests of the core share: both ends of a connection, and frames made and read without the core's help.

#![allow(dead_code, reason = "each test binary uses its own part of it")]

use core::time::Duration;

use bytes::Buf;
use websans::deflate::{self, Codec, Decode, Decoded, Encode, Flush};
use websans::{
    Cause, Close, CloseCode, Config, Connection, Event, Inbox, Initiator, Kind, Message, Negotiated, Outcome,
    ProtocolError, Reply, Role, Timestamp,
};

/// The key of the RFC's examples (§5.7), which clients under test use for every frame.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;

pub(crate) const START: Timestamp = Timestamp::from_nanos(0);

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Which end is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

pub(crate) const BOTH: [End; 2] = [End::Server, End::Client];

impl End {
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Server => Role::Server,
            Self::Client => Role::Client(Box::new(|| KEY)),
        }
    }

    pub(crate) fn open(self, config: Config) -> (Connection, Inbox) {
        websans::open(self.role(), config, Negotiated::default(), START)
    }

    pub(crate) fn conn(self) -> Connection {
        self.open(Config::default()).0
    }

    /// What this end's peer must do: clients mask, servers do not.
    pub(crate) fn incoming_key(self) -> Option<[u8; 4]> {
        match self {
            Self::Server => Some(KEY),
            Self::Client => None,
        }
    }

    pub(crate) fn outgoing_key(self) -> Option<[u8; 4]> {
        self.peer().incoming_key()
    }

    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }

    /// A frame as this end's peer sends it; `first` is its first byte.
    pub(crate) fn incoming(self, first: u8, payload: &[u8]) -> Vec<u8> {
        encode(first, self.incoming_key(), payload)
    }

    /// A frame as this end must send it.
    pub(crate) fn outgoing(self, first: u8, payload: &[u8]) -> Vec<u8> {
        encode(first, self.outgoing_key(), payload)
    }

    pub(crate) fn incoming_close(self, code: u16, reason: &str) -> Vec<u8> {
        self.incoming(FIN | CLOSE, &close_payload(code, reason))
    }

    pub(crate) fn outgoing_close(self, code: u16, reason: &str) -> Vec<u8> {
        self.outgoing(FIN | CLOSE, &close_payload(code, reason))
    }
}

/// A configuration in which time does nothing unasked.
pub(crate) fn quiet() -> Config {
    let mut config = Config::default();
    config.keepalive = None;
    config
}

pub(crate) fn when_asked() -> Config {
    let mut config = Config::default();
    config.close_reply = Reply::WhenAsked;
    config
}

pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

pub(crate) fn code(code: u16) -> CloseCode {
    CloseCode::new(code).expect("a code for the wire")
}

/// A frame's header with the length in its shortest form.
pub(crate) fn header(first: u8, key: Option<[u8; 4]>, len: u64) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    if len < 126 {
        bytes.push(masked | u8::try_from(len).expect("short"));
    } else if let Ok(len) = u16::try_from(len) {
        bytes.push(masked | 126);
        bytes.extend(len.to_be_bytes());
    } else {
        bytes.push(masked | 127);
        bytes.extend(len.to_be_bytes());
    }
    bytes.extend(key.iter().flatten());
    bytes
}

pub(crate) fn encode(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, key, payload.len() as u64);
    bytes.extend(xor(key.unwrap_or_default(), payload));
    bytes
}

pub(crate) fn xor(key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect()
}

/// A frame that was read, by rules written down here a second time.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    pub(crate) fn fin(&self) -> bool {
        self.first & FIN != 0
    }
}

impl core::fmt::Debug for Frame {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x}:{}", self.first, self.payload.escape_ascii())
    }
}

/// Reads one frame from the front. `None`: it is not all there. Panics if the length is not in its shortest form.
pub(crate) fn decode_one(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (len, mut at) = match second & 0x7f {
        126 => {
            let len = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
            assert!(len > 125, "length {len} in 16 bits");
            (u64::from(len), 4)
        }
        127 => {
            let len = u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
            assert!(len > 0xffff && len >> 63 == 0, "length {len} in 64 bits");
            (len, 10)
        }
        len => (u64::from(len), 2),
    };
    let mut key = None;
    if second & 0x80 != 0 {
        key = Some(*bytes.get(at..)?.first_chunk()?);
        at += 4;
    }
    let end = at + usize::try_from(len).expect("fits in memory");
    let payload = xor(key.unwrap_or_default(), bytes.get(at..end)?);
    Some((Frame { first, key, payload }, end))
}

/// Reads whole frames. Panics if there is more or less than that.
pub(crate) fn decode(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, n) = decode_one(bytes).expect("whole frames");
        frames.push(frame);
        bytes = &bytes[n..];
    }
    frames
}

/// Takes everything that waits to be written.
pub(crate) fn drain(conn: &mut Connection) -> Vec<u8> {
    let outbox = conn.outbox();
    let mut bytes = Vec::new();
    while outbox.has_remaining() {
        bytes.extend_from_slice(outbox.chunk());
        let n = outbox.chunk().len();
        outbox.advance(n);
    }
    assert!(!conn.wants_write());
    bytes
}

/// Takes everything that waits to be written, as frames.
pub(crate) fn sent(conn: &mut Connection) -> Vec<Frame> {
    decode(&drain(conn))
}

/// An event that outlives the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Part { kind: Kind, payload: Vec<u8>, first: bool, last: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Got {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Part(part) => Self::Part {
                kind: part.kind,
                payload: part.payload.to_vec(),
                first: part.first,
                last: part.last,
            },
            Event::Ping(payload) => Self::Ping(payload.into()),
            Event::Pong(payload) => Self::Pong(payload.into()),
            Event::Close(close) => Self::Close(close.code.map(CloseCode::get), close.reason.into()),
            other => panic!("an event this test does not know: {other:?}"),
        }
    }
}

/// Hands `bytes` to the connection in one piece, and takes the events up to the end or the first error.
pub(crate) fn receive(conn: &mut Connection, bytes: &[u8]) -> (Vec<Got>, Option<ProtocolError>) {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    let mut events = Vec::new();
    loop {
        match conn.receive(&mut input) {
            Ok(Some(event)) => events.push(event.into()),
            Ok(None) => {
                assert!(input.is_empty(), "input is used up");
                return (events, None);
            }
            Err(error) => return (events, Some(error)),
        }
    }
}

/// Hands over the pieces one after the other; pieces of a message are joined, so that the result does not depend
/// on the cuts.
pub(crate) fn receive_pieces<'a>(
    conn: &mut Connection,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Got>, Option<ProtocolError>) {
    let mut events = Vec::new();
    let mut result = None;
    for piece in pieces {
        let (some, error) = receive(conn, piece);
        events.extend(some);
        result = result.or(error);
    }
    (join(events), result)
}

fn join(events: Vec<Got>) -> Vec<Got> {
    let mut joined = Vec::new();
    // Control frames between fragments keep their place; a message counts where it ends.
    let mut message = None;
    for event in events {
        let Got::Part { kind, payload, first, last } = event else {
            joined.push(event);
            continue;
        };
        assert_eq!(first, message.is_none(), "just the first part is the first");
        let (_, so_far) = message.get_or_insert_with(|| (kind, Vec::new()));
        so_far.extend(payload);
        if let Some((kind, payload)) = message.take_if(|_| last) {
            joined.push(Got::Part { kind, payload, first: true, last: true });
        }
    }
    joined
}

pub(crate) fn text(payload: &str) -> Got {
    whole(Kind::Text, payload.as_bytes())
}

pub(crate) fn whole(kind: Kind, payload: &[u8]) -> Got {
    Got::Part { kind, payload: payload.to_vec(), first: true, last: true }
}

/// Messages of a whole session, as an application gets them from the inbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Text(String),
    Binary(Vec<u8>),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

/// Reads from the front of `bytes` as much as the inbox has room for.
pub(crate) fn fill(inbox: &mut Inbox, bytes: &mut &[u8]) {
    let room = inbox.spare_mut();
    let (now, later) = bytes.split_at(room.len().min(bytes.len()));
    assert!(!now.is_empty(), "there is room to read");
    room[..now.len()].copy_from_slice(now);
    inbox.filled(now.len());
    *bytes = later;
}

/// Reads `bytes` through the inbox and takes the messages up to the end or the first error.
pub(crate) fn read(
    conn: &mut Connection,
    inbox: &mut Inbox,
    mut bytes: &[u8],
) -> (Vec<Owned>, Option<ProtocolError>) {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        fill(inbox, &mut bytes);
        loop {
            match inbox.next(conn) {
                Ok(true) => messages.push(inbox.message().expect("a message").into()),
                Ok(false) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// Calls `check` with `bytes` cut in every place: whole, byte by byte, and in two.
pub(crate) fn splits(bytes: &[u8], mut check: impl FnMut(Vec<&[u8]>)) {
    check(vec![bytes]);
    check(bytes.chunks(1).collect());
    for at in 1..bytes.len() {
        let (first, second) = bytes.split_at(at);
        check(vec![first, second]);
    }
}

/// Asserts that the connection has failed with `error` and has said so to the peer by one Close frame.
pub(crate) fn assert_failed(conn: &mut Connection, error: ProtocolError, because: &str) {
    let outcome = conn.outcome().unwrap_or_else(|| panic!("not failed: {because}"));
    assert_eq!(outcome.cause, Cause::Protocol(error), "{because}");
    assert_eq!(outcome.initiator, Initiator::Local, "{because}");
    let frames = sent(conn);
    let close = frames.last().unwrap_or_else(|| panic!("no close was sent: {because}"));
    assert_eq!(close.first, FIN | CLOSE, "{because}");
    assert_eq!(close.payload, close_payload(error.close_code().get(), error.reason()), "{because}");
    assert_eq!(frames.iter().filter(|frame| frame.opcode() == CLOSE).count(), 1, "{because}");
    // "MUST NOT continue to attempt to process data (including a responding Close frame)" (§7.1.7).
    let end = if conn.is_client() { End::Client } else { End::Server };
    let more = [end.incoming(FIN | TEXT, b"x"), end.incoming(FIN | PING, b""), end.incoming_close(1000, "")]
        .concat();
    assert_eq!(receive(conn, &more), (vec![], None), "{because}");
    assert_eq!(sent(conn), [], "{because}");
}

/// Hands over `bytes` cut in every place; each time the connection must fail with `error`, after `before`.
pub(crate) fn assert_fails(end: End, config: &Config, bytes: &[u8], before: &[Got], error: ProtocolError) {
    splits(bytes, |pieces| {
        let because = format!("{end:?}: {pieces:02x?}");
        let mut conn = end.open(config.clone()).0;
        let (events, result) = receive_pieces(&mut conn, pieces.iter().copied());
        assert_eq!(result, Some(error), "{because}");
        assert_eq!(events, before, "{because}");
        assert_failed(&mut conn, error, &because);
    });
}

/// Hands over `bytes` cut in every place; each time these events must come of it.
pub(crate) fn assert_events(end: End, config: &Config, bytes: &[u8], expected: &[Got]) {
    splits(bytes, |pieces| {
        let mut conn = end.open(config.clone()).0;
        let (events, error) = receive_pieces(&mut conn, pieces.iter().copied());
        assert_eq!((&events[..], error), (expected, None), "{end:?}: {pieces:02x?}");
    });
}

pub(crate) fn outcome_close(close: Option<&Close<'_>>) -> Option<(Option<u16>, String)> {
    close.map(|close| (close.code.map(CloseCode::get), close.reason.clone().into_owned()))
}

/// The outcome without its wrapping: sent, received, initiator, cause, and the code that browsers would report.
pub(crate) type Ended = (Option<(Option<u16>, String)>, Option<(Option<u16>, String)>, Initiator, Cause, u16);

pub(crate) fn ended(outcome: &Outcome) -> Ended {
    let Outcome { sent, received, initiator, cause, .. } = outcome;
    (outcome_close(sent.as_ref()), outcome_close(received.as_ref()), *initiator, *cause, outcome.code())
}

/// A compression that fits here: pairs of a count and a byte. It has what the hooks are about: output out of proportion
/// to its input, and pieces that are cut anywhere.
#[derive(Default)]
pub(crate) struct RunLength {
    count: Option<u8>,
    /// What a call has left over for want of room.
    rest: (u8, u8),
}

impl RunLength {
    pub(crate) fn compress(payload: &[u8]) -> Vec<u8> {
        let runs = payload.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(255));
        runs.flat_map(|run| [u8::try_from(run.len()).expect("at most 255"), run[0]]).collect()
    }

    pub(crate) fn inflate(compressed: &[u8]) -> Vec<u8> {
        compressed.chunks(2).flat_map(|pair| vec![pair[1]; usize::from(pair[0])]).collect()
    }
}

impl Decode for RunLength {
    fn decode(&mut self, input: &mut &[u8], last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        let mut written = 0;
        loop {
            let (count, byte) = self.rest;
            let n = usize::from(count).min(out.len() - written);
            out[written..written + n].fill(byte);
            written += n;
            self.rest.0 -= u8::try_from(n).expect("at most 255");
            if self.rest.0 > 0 {
                return Ok(Decoded::More(written));
            }
            let Some((&byte, rest)) = input.split_first() else { break };
            *input = rest;
            match self.count.take() {
                None => self.count = Some(byte),
                Some(count) => self.rest = (count, byte),
            }
        }
        if last && self.count.take().is_some() {
            return Err(ProtocolError::InvalidDeflate);
        }
        Ok(Decoded::Drained(written))
    }
}

impl Encode for RunLength {
    fn wants(&mut self, _kind: Kind, len: Option<usize>) -> bool {
        len != Some(0)
    }

    fn encode(&mut self, payload: &[u8], _: Flush, out: &mut Vec<u8>) {
        out.extend(Self::compress(payload));
    }
}

/// A connection that has agreed on compression.
pub(crate) fn open_compressed(end: End, config: Config) -> (Connection, Inbox) {
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(deflate::Parameters::default());
    negotiated.codec = Some(Codec::new(Box::new(RunLength::default()), Box::new(RunLength::default())));
    websans::open(end.role(), config, negotiated, START)
}
