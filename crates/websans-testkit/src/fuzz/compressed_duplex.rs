//! [`compressed_duplex`]: two connections that compress, doing whatever the bytes say.

use std::collections::VecDeque;

use bytes::Buf;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::{
    Cause, CloseCode, Config, Connection, Inbox, Kind, Negotiated, Payload, Role, SendError, State, Timestamp,
};
use websans_deflate::Deflate;

use crate::dice::Dice;
use crate::inflate::{Rules, judge};
use crate::listen::counted_keys;
use crate::oracle;

use super::input::Input;

const NOW: Timestamp = Timestamp::from_nanos(0);

/// Lets a client and a server negotiate and talk.
///
/// The first seven bytes are the settings of the two and their limits, each further one something that one of them does,
/// with what it needs in the bytes behind it.
///
/// # Panics
/// If a message does not arrive as it was sent, if what one says it sent is not what the other says it received, or if
/// they do not close cleanly in the end.
pub fn compressed_duplex(data: &[u8]) {
    let mut input = Input::new(data);
    let (client, server) = (Deflate::new(input.settings()), Deflate::new(input.settings()));
    let habits = input.byte();
    let mut config = Config::default();
    config.fragment_above = [None, Some(1), Some(100), Some(5000)][usize::from(habits & 3)];
    config.read_buffer = if habits & 4 == 0 { 16 << 10 } else { 2 << 10 };
    config.keepalive = None;
    config.max_message = u64::MAX;
    config.max_empty_fragments = u8::MAX;
    config.max_fragments = u32::MAX;
    let (client, server) = negotiate(&client, &server);
    let agreed = (client.deflate, server.deflate);
    let mut ends = [
        End::new(Role::Client(counted_keys()), config.clone(), client),
        End::new(Role::Server, config, server),
    ];
    // Enough of it is enough: fewer steps than empty fragments in a row are allowed.
    let is_enough = |ends: &[End; 2]| ends[0].sent + ends[1].sent > 128 << 10;
    for _ in 0..200 {
        if input.is_empty() || is_enough(&ends) {
            break;
        }
        let what = input.byte();
        let [client, server] = &mut ends;
        let (this, other) = if what & 1 == 0 { (client, server) } else { (server, client) };
        step(what >> 1, &mut input, this, other);
    }
    let [client, server] = &mut ends;
    client.finish(server);
    server.finish(client);
    settle(client, server);
    assert_counted(client, server);
    assert_counted(server, client);
    assert_written(
        client,
        agreed.0.map(|agreed| (agreed.client_max_window_bits, agreed.client_no_context_takeover)),
    );
    assert_written(
        server,
        agreed.1.map(|agreed| (agreed.server_max_window_bits, agreed.server_no_context_takeover)),
    );
    close(client, server);
}

/// Something that `this` does.
fn step(what: u8, input: &mut Input<'_>, this: &mut End, other: &mut End) {
    match what % 16 {
        0..=4 => {
            let (message, compress) = message(input, this);
            this.send(message, compress, other);
        }
        5..=8 => {
            let (message, compress) = message(input, this);
            let last = input.byte() & 3 == 0;
            this.send_part(message, last, compress, other);
        }
        9 => this.flush_part(other),
        10 => {
            // Full is full, and a Ping more or less makes no difference.
            let _ = this.conn.ping(&vec![b'p'; usize::from(input.byte()) % 126]);
        }
        11 => {
            other.inbox.park();
            this.conn.park();
            other.conn.park();
        }
        12 => other.chunks = !other.chunks,
        13 => {
            let most = input.word();
            this.pump(other, most, most);
        }
        14 => {
            let piece = usize::from(input.byte());
            this.pump(other, 1 + piece, usize::MAX);
        }
        _ => {
            this.pump(other, usize::MAX, usize::MAX);
            other.pump(this, usize::MAX, usize::MAX);
        }
    }
}

/// A payload, and whether it is to be compressed.
fn message(input: &mut Input<'_>, this: &End) -> (Vec<u8>, Option<bool>) {
    let how = input.byte();
    let len = match how & 3 {
        0 => usize::from(input.byte()) % 16,
        1 => usize::from(input.byte()),
        2 => input.word() % 5000,
        _ => input.word(),
    };
    let seed = input.byte();
    let mut dice = Dice::new(u64::from(seed));
    let bytes = match how >> 2 & 7 {
        0 => vec![b'a' + seed % 26; len],
        1 | 2 => dice.text(len).into_bytes(),
        3 => b"{\"name\": \"value\", \"number\": 17}".iter().copied().cycle().take(len).collect(),
        // What was sent before, or the end of it.
        4 | 5 if this.kind_of_part() != Some(Kind::Text) => {
            let from = this.before.len() - this.before.len().min(len);
            this.before[from..].to_vec()
        }
        6 if this.kind_of_part() != Some(Kind::Text) => dice.bytes(len),
        _ => dice.bytes(len).iter().map(|byte| b'0' + byte % 32).collect(),
    };
    (bytes, [None, Some(true), Some(false), None][usize::from(how >> 5 & 3)])
}

/// A handshake of the two, each with what has been agreed on.
pub(super) fn negotiate(client: &Deflate, server: &Deflate) -> (Negotiated, Negotiated) {
    let request = Request::new("ws://h/", [7; 16]).expect("a URL").deflate(client).expect("valid settings");
    let mut bytes = Vec::new();
    request.write(&mut bytes);
    let mut acceptor = Acceptor::new(&Config::default(), NOW);
    acceptor.spare_mut()[..bytes.len()].copy_from_slice(&bytes);
    acceptor.filled(bytes.len());
    assert_eq!(acceptor.poll(NOW), Ok(true));
    let accepted = acceptor.request().expect("a request");
    let offer = accepted.check().expect("a handshake");
    let mut response = Vec::new();
    let served = offer.accept(&Choice::new().deflate(server), &mut response).expect("a valid choice");
    let mut connector = Connector::new(request, &Config::default(), NOW);
    connector.spare_mut()[..response.len()].copy_from_slice(&response);
    connector.filled(response.len());
    match connector.poll(NOW) {
        Ok(Some(Answer::Open(connected))) => (connected, served),
        other => panic!("{other:?}"),
    }
}

struct End {
    conn: Connection,
    inbox: Inbox,
    /// What it has sent that has not arrived.
    expected: VecDeque<(Kind, Vec<u8>)>,
    /// What it is sending in parts.
    part: Option<(Kind, Vec<u8>)>,
    /// What it has sent last.
    before: Vec<u8>,
    /// It reads messages as they arrive.
    chunks: bool,
    /// What has arrived of the message under way.
    arriving: Option<(Kind, Vec<u8>)>,
    received: u64,
    /// Bytes that it has sent.
    sent: usize,
    /// Which messages it was told to compress, or not to.
    told: Vec<Option<bool>>,
    /// Everything that it has written.
    written: Vec<u8>,
}

impl End {
    fn new(role: Role, config: Config, negotiated: Negotiated) -> Self {
        let (conn, inbox) = websans::open(role, config, negotiated, NOW);
        Self {
            conn,
            inbox,
            expected: VecDeque::new(),
            part: None,
            before: Vec::new(),
            chunks: false,
            arriving: None,
            received: 0,
            sent: 0,
            told: Vec::new(),
            written: Vec::new(),
        }
    }

    fn kind_of_part(&self) -> Option<Kind> {
        self.part.as_ref().map(|(kind, _)| *kind)
    }

    fn send(&mut self, bytes: Vec<u8>, compress: Option<bool>, other: &mut Self) {
        if self.part.is_some() {
            assert_eq!(self.conn.send(&bytes), Err(SendError::MessageInProgress));
            return;
        }
        let kind = if core::str::from_utf8(&bytes).is_ok() { Kind::Text } else { Kind::Binary };
        let offer = |conn: &mut Connection| conn.send(payload(kind, &bytes, compress));
        self.offer(offer, other);
        self.sent += bytes.len();
        self.told.push(compress);
        self.before.clone_from(&bytes);
        self.expected.push_back((kind, bytes));
    }

    fn send_part(&mut self, bytes: Vec<u8>, last: bool, compress: Option<bool>, other: &mut Self) {
        if self.part.is_none() {
            // The first part's word counts.
            self.told.push(compress);
        }
        let (kind, mut message) = self.part.take().unwrap_or_else(|| {
            let kind = if core::str::from_utf8(&bytes).is_ok() { Kind::Text } else { Kind::Binary };
            (kind, Vec::new())
        });
        self.offer(|conn| conn.send_part(payload(kind, &bytes, compress), last), other);
        message.extend_from_slice(&bytes);
        self.sent += bytes.len();
        self.before = bytes;
        if last {
            self.expected.push_back((kind, message));
        } else {
            self.part = Some((kind, message));
        }
    }

    /// What has been given of a message has arrived then, if the other end takes it as it comes.
    fn flush_part(&mut self, other: &mut Self) {
        self.offer(Connection::flush_part, other);
        let Some((_, message)) = self.part.as_ref().filter(|(_, message)| !message.is_empty()) else {
            return;
        };
        let message = message.clone();
        self.pump(other, usize::MAX, usize::MAX);
        if other.chunks {
            // Perhaps only since it last looked.
            other.read(&mut self.expected);
        }
        if other.chunks || other.arriving.is_some() {
            let arrived = other.arriving.as_ref().map(|(_, bytes)| bytes);
            assert!(arrived == Some(&message), "something is held back");
        }
    }

    /// Sends, if need be after what waits has left.
    fn offer(&mut self, mut send: impl FnMut(&mut Connection) -> Result<(), SendError>, other: &mut Self) {
        match send(&mut self.conn) {
            Ok(()) => return,
            Err(SendError::OutboxFull) => self.pump(other, usize::MAX, usize::MAX),
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(send(&mut self.conn), Ok(()), "an empty outbox takes anything");
    }

    /// Moves at most `most` bytes to `other`, which reads what comes in pieces of `piece` bytes.
    fn pump(&mut self, other: &mut Self, piece: usize, most: usize) {
        let mut left = most;
        while left > 0 && self.conn.wants_write() {
            let outbox = self.conn.outbox();
            let chunk = outbox.chunk();
            let spare = other.inbox.spare_mut();
            assert!(!chunk.is_empty() && !spare.is_empty());
            let n = chunk.len().min(spare.len()).min(left).min(piece.max(1));
            spare[..n].copy_from_slice(&chunk[..n]);
            other.inbox.filled(n);
            self.written.extend_from_slice(&chunk[..n]);
            outbox.advance(n);
            left -= n;
            other.read(&mut self.expected);
        }
    }

    /// Reads all that there is, which is `expected`.
    fn read(&mut self, expected: &mut VecDeque<(Kind, Vec<u8>)>) {
        loop {
            // Who has begun to read a message in pieces goes on with it.
            let chunks = self.chunks || self.arriving.is_some();
            let found =
                if chunks { self.inbox.next_chunk(&mut self.conn) } else { self.inbox.next(&mut self.conn) };
            if !found.expect("what is sent is legal") {
                return;
            }
            let chunk = self.inbox.chunk().expect("something was found");
            assert_eq!(chunk.first, self.arriving.is_none());
            let (kind, message) = self.arriving.get_or_insert_with(|| (chunk.kind, Vec::new()));
            assert_eq!(*kind, chunk.kind);
            message.extend_from_slice(chunk.payload);
            if !chunk.last {
                assert!(chunks, "half a message is taken for a whole one");
                let expected = expected.front();
                assert!(
                    expected.is_none_or(|(_, bytes)| bytes.starts_with(message)),
                    "another message arrives"
                );
                continue;
            }
            let arrived = self.arriving.take().expect("it is under way");
            let expected = expected.pop_front().expect("nothing else was sent");
            assert!(arrived == expected, "another message arrives");
            self.received += 1;
        }
    }

    /// Ends the message that is being sent, and waits for all to arrive.
    fn finish(&mut self, other: &mut Self) {
        if self.part.is_some() {
            self.send_part(Vec::new(), true, None, other);
        }
        self.pump(other, usize::MAX, usize::MAX);
        assert!(self.expected.is_empty(), "{} messages have not arrived", self.expected.len());
    }
}

fn payload(kind: Kind, bytes: &[u8], compress: Option<bool>) -> Payload<'_> {
    let payload = Payload::new(kind, bytes);
    match compress {
        Some(compress) => payload.compress(compress),
        None => payload,
    }
}

/// Lets both say what they have to say, such as Pongs.
fn settle(client: &mut End, server: &mut End) {
    while client.conn.wants_write() || server.conn.wants_write() {
        client.pump(server, usize::MAX, usize::MAX);
        server.pump(client, usize::MAX, usize::MAX);
    }
}

/// What one has sent is what the other has received.
fn assert_counted(from: &End, to: &End) {
    let (sent, received) = (from.conn.stats(), to.conn.stats());
    assert_eq!(sent.messages_sent, received.messages_received);
    assert_eq!(sent.messages_sent, to.received);
    // A Pong that waits gives way to a newer one.
    assert!(sent.frames_sent >= received.frames_received);
    assert_eq!((sent.bytes_sent, sent.bytes_queued), (received.bytes_received, 0));
    match (sent.compression, received.compression) {
        (Some(sent), Some(received)) => {
            assert_eq!(sent.sent_plain, received.received_plain);
            assert_eq!(sent.sent_compressed, received.received_compressed);
        }
        (None, None) => {}
        (sent, received) => panic!("{sent:?} and {received:?}"),
    }
}

/// What it has written is legal, and compressed as it was told and as was agreed on: with a window of so many bits, and
/// each message without those before it if true.
fn assert_written(end: &End, agreed: Option<(u8, bool)>) {
    let rules =
        oracle::Rules { compression: agreed.is_some(), ..oracle::Rules::unlimited(end.conn.is_client()) };
    let meaning = oracle::read(&end.written, &rules);
    assert_eq!((meaning.end, meaning.used), (oracle::End::Open, end.written.len()));
    let mut told = end.told.iter();
    let mut history = Vec::new();
    for event in meaning.events {
        let oracle::Event::Message { compressed, payload, .. } = event else { continue };
        let told = told.next().expect("no more messages than were sent");
        let Some((bits, forgets)) = agreed else { continue };
        assert_eq!(compressed, told.unwrap_or(compressed));
        if !compressed {
            continue;
        }
        let verdict = judge(&payload, &history, Rules { window: 1 << bits, ..Rules::UNLIMITED });
        assert_eq!((verdict.fault, verdict.from_tail), (None, false), "with {bits} bits: {payload:02x?}");
        history = if forgets { Vec::new() } else { verdict.history };
    }
    assert_eq!(told.next(), None);
}

fn close(client: &mut End, server: &mut End) {
    assert_eq!(client.conn.close(CloseCode::NORMAL, "done"), Ok(()));
    settle(client, server);
    for end in [client, server] {
        assert_eq!(end.conn.state(), State::Closed);
        assert_eq!(end.conn.outcome().map(|outcome| outcome.cause), Some(Cause::Clean));
    }
}
