//! Any calls in any order.

use bytes::{Buf, Bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use websans::{
    Close, CloseCode, Config, Connection, Event, Hangup, Inbox, Keepalive, Kind, Payload, Prepared,
    ProtocolError, Reply, SendError, State, Timestamp,
};

use crate::support::*;
use crate::{as_kind, assert_text};

#[derive(Clone, Debug)]
enum Op {
    Tick(u64),
    TickTo(u64),
    Receive(Vec<u8>),
    Accept(Vec<u8>),
    Feed(Vec<u8>),
    Filled(usize),
    Next,
    NextChunk,
    Park,
    Lend(usize),
    Preload(Vec<u8>),
    SetStreamed(bool),
    Send(Kind, Vec<u8>),
    SendShared(Kind, usize),
    SendText(String),
    SendPart(Kind, Vec<u8>, bool),
    SendPrepared(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    CloseEmpty,
    Fail(usize),
    Eof,
    Abort,
    Write(usize),
    Advance(usize),
    Take,
    ParkConnection,
}

const ERRORS: [ProtocolError; 5] = [
    ProtocolError::UnmaskedFrame,
    ProtocolError::InvalidUtf8,
    ProtocolError::MessageTooBig,
    ProtocolError::TooManyFragments,
    ProtocolError::InvalidDeflate,
];

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Text), Just(Kind::Binary)]
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(prop_oneof![Just(b'a'), Just(0xc3), Just(0xa4), any::<u8>()], 0..8),
        4 => "[a-z\u{e4}\u{20ac}]{0,20}".prop_map(String::into_bytes),
        1 => (0..3000usize).prop_map(|n| vec![b'x'; n]),
    ]
}

/// What a peer sends: mostly frames, mostly legal ones, cut anywhere.
fn wires(end: End) -> impl Strategy<Value = Vec<u8>> {
    let opcodes = prop_oneof![
        6 => Just(TEXT), 6 => Just(BINARY), 8 => Just(CONTINUATION), 3 => Just(PING), 3 => Just(PONG),
        1 => Just(CLOSE), 1 => 0..16u8
    ];
    let firsts = (
        opcodes,
        prop_oneof![1 => Just(0), 2 => Just(FIN)],
        prop_oneof![9 => Just(0), 1 => Just(0x40), 1 => 0..8u8],
    )
        .prop_map(
            |(opcode, fin, rsv)| if opcode & 8 != 0 { FIN | opcode } else { fin | opcode } | rsv << 4 & 0x40,
        );
    let frame = prop_oneof![
        12 => (firsts, payloads()).prop_map(move |(first, payload)| {
            let payload = if first & 8 != 0 { &payload[..payload.len().min(125)] } else { &payload[..] };
            end.incoming(first, payload)
        }),
        1 => (any::<u64>(), any::<u8>()).prop_map(move |(len, first)| header(first, end.incoming_key(), len >> 1)),
        1 => (1000..5000u16).prop_map(move |code| end.incoming_close(code, "reason")),
        1 => vec(any::<u8>(), 0..20),
    ];
    (vec(frame, 0..6), 0..10usize).prop_map(|(frames, cut)| {
        let mut bytes = frames.concat();
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(5)));
        bytes
    })
}

fn ops(end: End) -> impl Strategy<Value = Op> {
    let transport = prop_oneof![
        2 => (0..20_000u64).prop_map(Op::Tick),
        1 => any::<u64>().prop_map(|nanos| Op::TickTo(nanos >> 20)),
        2 => wires(end).prop_map(Op::Receive),
        2 => wires(end).prop_map(Op::Accept),
        12 => wires(end).prop_map(Op::Feed),
        1 => prop_oneof![Just(0), Just(1), Just(usize::MAX), 0..3000usize].prop_map(Op::Filled),
        12 => Just(Op::Next),
        6 => Just(Op::NextChunk),
        2 => Just(Op::Park),
        2 => prop_oneof![Just(0), Just(1), 0..5000usize].prop_map(Op::Lend),
        1 => wires(end).prop_map(Op::Preload),
        1 => any::<bool>().prop_map(Op::SetStreamed),
    ];
    let application = prop_oneof![
        4 => (kinds(), payloads()).prop_map(|(kind, payload)| Op::Send(kind, payload)),
        3 => (kinds(), prop_oneof![0..100usize, 8000..20_000usize]).prop_map(|(kind, len)| Op::SendShared(kind, len)),
        2 => "[a-z\u{20ac}]{0,20}".prop_map(Op::SendText),
        8 => (kinds(), payloads(), any::<bool>()).prop_map(|(kind, payload, last)| Op::SendPart(kind, payload, last)),
        2 => (kinds(), payloads()).prop_map(|(kind, payload)| Op::SendPrepared(kind, payload)),
        3 => vec(any::<u8>(), 0..130).prop_map(Op::Ping),
        2 => vec(any::<u8>(), 0..130).prop_map(Op::Pong),
    ];
    let ending = prop_oneof![
        4 => (any::<u16>(), "[a-z\u{20ac}]{0,50}").prop_map(|(code, reason)| Op::Close(code, reason)),
        1 => Just(Op::CloseEmpty),
        1 => (0..ERRORS.len()).prop_map(Op::Fail),
        1 => Just(Op::Eof),
        1 => Just(Op::Abort),
    ];
    let writing = prop_oneof![
        6 => prop_oneof![Just(1), 0..10usize, 0..10_000usize].prop_map(Op::Write),
        2 => prop_oneof![Just(usize::MAX), 0..30_000usize].prop_map(Op::Advance),
        3 => Just(Op::Take),
        1 => Just(Op::ParkConnection),
    ];
    prop_oneof![20 => transport, 12 => application, 1 => ending, 10 => writing]
}

prop_compose! {
    fn configs()(
        max_message in prop_oneof![4 => Just(1 << 20), 1 => Just(0u64), 1 => Just(10), 1 => Just(u64::MAX)],
        max_streamed in prop_oneof![4 => Just(1 << 40), 1 => Just(0u64), 1 => Just(u64::MAX)],
        max_fragments in prop_oneof![4 => Just(1000u32), 1 => Just(0), 1 => Just(2), 1 => Just(u32::MAX)],
        max_empty_fragments in prop_oneof![4 => Just(16u8), 1 => Just(0), 1 => Just(255)],
        max_outbox in prop_oneof![4 => Just(1usize << 18), 1 => Just(0), 1 => Just(50), 1 => Just(usize::MAX)],
        read_buffer in prop_oneof![Just(16usize << 10), Just(0), Just(1), Just(usize::MAX)],
        fragment_above in prop_oneof![3 => Just(None), 1 => Just(Some(0usize)), 1 => (1..50usize).prop_map(Some)],
        keepalive in prop_oneof![Just(None), Just(Some(0u64)), Just(Some(5)), Just(Some(u64::MAX))],
        idle in prop_oneof![2 => Just(None), 1 => Just(Some(30u64))],
        times in (prop_oneof![3 => Just(5u64), 1 => Just(0)], prop_oneof![3 => Just(30u64), 1 => Just(0)]),
        replies in (any::<bool>(), any::<bool>()),
    ) -> Config {
        let reply = |asked| if asked { Reply::WhenAsked } else { Reply::Automatic };
        let mut config = Config::default();
        config.max_message = max_message;
        config.max_streamed = max_streamed;
        config.max_fragments = max_fragments;
        config.max_empty_fragments = max_empty_fragments;
        config.max_outbox = max_outbox;
        config.read_buffer = read_buffer;
        config.fragment_above = fragment_above;
        config.keepalive = keepalive.map(|every| Keepalive { every: secs(every), within: secs(every / 2) });
        config.idle = idle.map(secs);
        (config.close_within, config.write_stall) = (secs(times.0), secs(times.1));
        (config.pong_reply, config.close_reply) = (reply(replies.0), reply(replies.1));
        config
    }
}

/// A connection in use, what it has put on the wire, and what should be there.
struct Run {
    end: End,
    conn: Connection,
    inbox: Inbox,
    wire: Vec<u8>,
    /// Taken out and not reported as written yet.
    taken: usize,
    accepted: Vec<(Kind, Vec<u8>)>,
    part: Option<(Kind, Vec<u8>)>,
    rank: u8,
    outcome: Option<Ended>,
    hangup: Hangup,
    now: u64,
}

impl Run {
    fn new(end: End, config: Config, compressed: bool) -> Self {
        let (conn, inbox) = if compressed { open_compressed(end, config) } else { end.open(config) };
        Self {
            end,
            conn,
            inbox,
            wire: Vec::new(),
            taken: 0,
            accepted: Vec::new(),
            part: None,
            rank: 0,
            outcome: None,
            hangup: Hangup::NotYet,
            now: 0,
        }
    }

    /// Writes up to `n` bytes of what is shown first.
    fn write(&mut self, n: usize) {
        let outbox = self.conn.outbox();
        let before = outbox.len();
        let done = if self.taken > 0 {
            let n = n.min(self.taken);
            self.taken -= n;
            n
        } else {
            let n = n.min(outbox.chunk().len());
            self.wire.extend_from_slice(&outbox.chunk()[..n]);
            n
        };
        outbox.advance(done);
        assert_eq!(outbox.len(), before - done);
    }

    #[cfg(feature = "std")]
    fn write_vectored(&mut self, n: usize) {
        let outbox = self.conn.outbox();
        let mut slices = [std::io::IoSlice::new(&[]); 6];
        let shown = outbox.chunks_vectored(&mut slices);
        let shown: Vec<u8> = slices[..shown].iter().flat_map(|slice| slice.iter().copied()).collect();
        assert_eq!(shown.is_empty(), outbox.remaining() == 0);
        let all = shown.len() == outbox.remaining();
        // Beyond the end it stops at the end, which this cannot tell from less if not all was shown.
        let n = if all { n } else { n.min(self.taken + shown.len()) };
        let of_taken = n.min(self.taken);
        self.taken -= of_taken;
        self.wire.extend_from_slice(&shown[..(n - of_taken).min(shown.len())]);
        outbox.advance(n);
    }

    #[cfg(not(feature = "std"))]
    fn write_vectored(&mut self, n: usize) {
        self.write(n);
    }

    fn lent(&self) {
        assert_text(self.inbox.message());
        if let (Some(message), Some(chunk)) = (self.inbox.message(), self.inbox.chunk()) {
            assert_eq!((message.kind(), message.as_bytes()), (chunk.kind, chunk.payload));
        }
    }

    fn sends(&mut self, kind: Kind, payload: &[u8], result: Result<(), SendError>) {
        let may = matches!(self.rank_of_state(), 0) || self.conn.state() == State::CloseReceived;
        assert!(may || result == Err(SendError::Closing), "{result:?}");
        if result.is_ok() {
            self.accepted.push((kind, payload.to_vec()));
        }
    }

    fn rank_of_state(&self) -> u8 {
        match self.conn.state() {
            State::Open => 0,
            State::CloseSent | State::CloseReceived => 1,
            State::Closed => 2,
        }
    }

    fn apply(&mut self, op: &Op) {
        let Self { conn, inbox, .. } = self;
        match op {
            Op::Tick(millis) => {
                self.now = self.now.saturating_add(millis * 1_000_000);
                conn.tick(Timestamp::from_nanos(self.now));
            }
            Op::TickTo(nanos) => conn.tick(Timestamp::from_nanos(*nanos)),
            Op::Receive(bytes) => {
                let ignores = matches!(conn.state(), State::Closed | State::CloseReceived);
                let (events, error) = receive(conn, bytes);
                assert!(!ignores || events.is_empty() && error.is_none());
                assert!(error.is_none() || conn.state() == State::Closed);
            }
            Op::Accept(bytes) => {
                let mut bytes = bytes.clone();
                let mut input = &mut bytes[..];
                while let Ok(Some(event)) = conn.receive(&mut input) {
                    if let Event::Part(part) = event {
                        match inbox.accept(conn, part) {
                            Ok(message) => assert_text(message),
                            Err(_) => assert_eq!(conn.state(), State::Closed),
                        }
                    }
                }
            }
            Op::Feed(bytes) => {
                let room = inbox.spare_mut();
                let n = room.len().min(bytes.len());
                room[..n].copy_from_slice(&bytes[..n]);
                inbox.filled(n);
            }
            Op::Filled(n) => inbox.filled(*n),
            Op::Next => match inbox.next(conn) {
                Ok(more) => {
                    if !more {
                        assert_eq!(inbox.chunk(), None);
                        assert!(!inbox.spare_mut().is_empty());
                    }
                    self.lent();
                }
                Err(_) => {
                    assert_eq!((conn.state(), inbox.message()), (State::Closed, None));
                    assert_eq!(inbox.next(conn), Ok(false), "an error comes once");
                }
            },
            Op::NextChunk => match inbox.next_chunk(conn) {
                Ok(more) => {
                    assert_eq!(inbox.chunk().is_some(), more);
                    if !more {
                        assert!(!inbox.spare_mut().is_empty());
                    }
                    self.lent();
                }
                Err(_) => assert_eq!((conn.state(), inbox.chunk()), (State::Closed, None)),
            },
            Op::Park => drop(inbox.park()),
            Op::Lend(n) => inbox.lend(vec![0xee; *n]),
            Op::Preload(bytes) => inbox.preload(bytes),
            Op::SetStreamed(streamed) => conn.set_streamed(*streamed),
            Op::Send(kind, payload) => {
                let result = conn.send(as_kind(*kind, payload));
                self.sends(*kind, payload, result);
            }
            Op::SendShared(kind, len) => {
                let payload = vec![b's'; *len];
                let result = conn.send(Payload::new(*kind, Bytes::from(payload.clone())));
                self.sends(*kind, &payload, result);
            }
            Op::SendText(text) => {
                let result = conn.send(text.as_str());
                self.sends(Kind::Text, text.as_bytes(), result);
            }
            Op::SendPrepared(kind, payload) => match Prepared::new(as_kind(*kind, payload)) {
                Ok(prepared) => {
                    let result = conn.send_prepared(&prepared);
                    self.sends(*kind, payload, result);
                }
                Err(error) => assert_eq!(error, SendError::InvalidUtf8),
            },
            Op::SendPart(kind, payload, last) => {
                let result = conn.send_part(as_kind(*kind, payload), *last);
                if result.is_ok() {
                    let (begun, bytes) = self.part.get_or_insert((*kind, Vec::new()));
                    assert_eq!(begun, kind);
                    bytes.extend_from_slice(payload);
                    if *last {
                        self.accepted.extend(self.part.take());
                    }
                } else if matches!(self.conn.state(), State::CloseSent | State::Closed) {
                    assert_eq!(result, Err(SendError::Closing));
                }
            }
            Op::Ping(payload) => drop(conn.ping(payload)),
            Op::Pong(payload) => drop(conn.pong(payload)),
            Op::Close(code, reason) => {
                if let Some(code) = CloseCode::new(*code) {
                    let _ = conn.close(code, reason);
                    let _ = conn.close(code, Close::fit(reason));
                }
            }
            Op::CloseEmpty => drop(conn.close_with(Close::default())),
            Op::Fail(which) => conn.fail(ERRORS[*which]),
            Op::Eof => conn.eof(),
            Op::Abort => conn.abort(),
            Op::Write(n) => self.write(*n),
            Op::Advance(n) => self.write_vectored(*n),
            Op::Take => {
                let outbox = conn.outbox();
                let (len, chunk) = (outbox.len(), outbox.chunk().to_vec());
                let taken = outbox.take_chunk();
                assert_eq!((outbox.len(), &taken[..]), (len, &chunk[..]));
                self.wire.extend_from_slice(&taken);
                self.taken += taken.len();
            }
            Op::ParkConnection => conn.park(),
        }
        self.check();
    }

    fn check(&mut self) {
        let rank = self.rank_of_state();
        assert!(rank >= self.rank, "no way back");
        self.rank = rank;
        let outcome = self.conn.outcome().map(ended);
        assert_eq!(outcome.is_some(), rank == 2);
        assert!(self.outcome.is_none() || outcome == self.outcome, "an outcome is final");
        self.outcome = outcome;
        let hangup = self.conn.hangup();
        assert!(rank == 2 || hangup == Hangup::NotYet);
        assert!(self.hangup != Hangup::Drop || hangup == Hangup::Drop);
        self.hangup = hangup;
        assert!(rank == 0 || self.conn.deadline().is_some());
        let outbox = self.conn.outbox();
        assert_eq!(outbox.remaining(), outbox.len() - self.taken);
        assert_eq!(outbox.chunk().is_empty(), outbox.remaining() == 0);
        let len = outbox.len();
        assert_eq!(self.conn.wants_write(), len > 0);
        let stats = self.conn.stats();
        assert_eq!(stats.bytes_queued, len);
        assert_eq!(stats.bytes_sent + self.taken as u64, self.wire.len() as u64);
    }

    /// All that was and will be written makes sense to the peer, and is what was accepted.
    fn finish(mut self, compressed: bool) {
        while self.conn.wants_write() {
            self.write(usize::MAX);
        }
        let mut messages = Vec::new();
        let mut begun: Option<(Kind, bool, Vec<u8>)> = None;
        let mut closes = 0;
        for frame in decode(&self.wire) {
            assert_eq!(frame.key, self.end.outgoing_key());
            let rsv1 = frame.first & 0x40 != 0;
            assert!(
                frame.first & 0x30 == 0 && (!rsv1 || compressed && matches!(frame.opcode(), TEXT | BINARY))
            );
            match frame.opcode() {
                PING | PONG | CLOSE => {
                    assert!(frame.fin() && frame.payload.len() <= 125);
                    // Once we have closed, nothing but answers to Pings.
                    assert!(closes == 0 || frame.opcode() == PONG, "{frame:?} after a close");
                    closes += usize::from(frame.opcode() == CLOSE);
                    if frame.opcode() == CLOSE {
                        let valid = match frame.payload.split_first_chunk() {
                            Some((code, reason)) => {
                                CloseCode::new(u16::from_be_bytes(*code)).is_some()
                                    && core::str::from_utf8(reason).is_ok()
                            }
                            None => frame.payload.is_empty(),
                        };
                        assert!(valid, "{frame:?}");
                    }
                    continue;
                }
                CONTINUATION => begun.as_mut().expect("something to continue").2.extend(&frame.payload),
                opcode => {
                    assert!(begun.is_none() && matches!(opcode, TEXT | BINARY));
                    let kind = if opcode == TEXT { Kind::Text } else { Kind::Binary };
                    begun = Some((kind, rsv1, frame.payload.clone()));
                }
            }
            assert_eq!(closes, 0, "data after a close");
            if let Some((kind, rsv1, payload)) = begun.take_if(|_| frame.fin()) {
                messages.push((kind, if rsv1 { RunLength::inflate(&payload) } else { payload }));
            }
        }
        assert!(messages == self.accepted, "{} messages for {}", messages.len(), self.accepted.len());
        for (kind, payload) in &messages {
            assert!(*kind == Kind::Binary || core::str::from_utf8(payload).is_ok());
        }
        assert!(closes <= 1);
    }
}

fn sequences() -> impl Strategy<Value = (End, Config, bool, Vec<Op>)> {
    prop_oneof![Just(End::Server), Just(End::Client)]
        .prop_flat_map(|end| (Just(end), configs(), prop::bool::weighted(0.25), vec(ops(end), 0..80)))
}

/// As many cases, or as many more as PROPTEST_CASES asks for.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(cases), failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config(6000))]

    #[test]
    fn any_calls_in_any_order((end, config, compressed, ops) in sequences()) {
        let mut run = Run::new(end, config, compressed);
        for op in &ops {
            run.apply(op);
        }
        run.finish(compressed);
    }
}

/// What reads from an inbox, and for which of two connections.
fn reading() -> impl Strategy<Value = (End, Vec<(bool, Op)>)> {
    prop_oneof![Just(End::Server), Just(End::Client)].prop_flat_map(|end| {
        let op = prop_oneof![
            4 => wires(end).prop_map(Op::Feed),
            2 => wires(end).prop_map(Op::Accept),
            1 => wires(end).prop_map(Op::Preload),
            1 => wires(end).prop_map(Op::Receive),
            4 => Just(Op::Next),
            4 => Just(Op::NextChunk),
            1 => Just(Op::Park),
        ];
        (Just(end), vec((any::<bool>(), op), 0..30))
    })
}

proptest! {
    #![proptest_config(config(6000))]

    #[test]
    fn any_reading_for_two_connections((end, ops) in reading(), compressed in any::<bool>()) {
        let open = |compressed| if compressed { open_compressed(end, quiet()) } else { end.open(quiet()) };
        let (mut one, mut inbox) = open(compressed);
        let mut other = open(false).0;
        for (first, op) in ops {
            let conn = if first { &mut one } else { &mut other };
            match op {
                Op::Feed(bytes) => {
                    let room = inbox.spare_mut();
                    let n = room.len().min(bytes.len());
                    room[..n].copy_from_slice(&bytes[..n]);
                    inbox.filled(n);
                }
                Op::Accept(mut bytes) => {
                    let mut input = &mut bytes[..];
                    while let Ok(Some(event)) = conn.receive(&mut input) {
                        if let Event::Part(part) = event {
                            if let Ok(message) = inbox.accept(conn, part) {
                                assert_text(message);
                            }
                        }
                    }
                }
                Op::Preload(bytes) => inbox.preload(&bytes),
                Op::Receive(bytes) => drop(receive(conn, &bytes)),
                Op::Next => drop(inbox.next(conn)),
                Op::NextChunk => drop(inbox.next_chunk(conn)),
                _ => drop(inbox.park()),
            }
            assert_text(inbox.message());
        }
    }
}
