//! Whatever is called whenever, with whatever arguments: an `Err` at worst, never a panic, and never a word on the wire
//! that the peer could not understand.

#[path = "rfc6455/support.rs"]
mod support;

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use support::*;
use websans::deflate::{self, Codec, Decode, Decoded};
use websans::{
    Close, CloseCode, Config, Connection, Event, Hangup, Inbox, Keepalive, Kind, Message, Negotiated, Part,
    Payload, Prepared, ProtocolError, Reply, SendError, State, Timestamp,
};

fn as_kind(kind: Kind, bytes: &[u8]) -> Payload<'_> {
    Payload::new(kind, bytes)
}

#[test]
fn outbox_advanced_beyond_its_end() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        for n in [0, 1, usize::MAX] {
            conn.outbox().advance(n);
            assert_eq!((conn.outbox().remaining(), conn.stats().bytes_sent), (0, 0));
        }
        assert_eq!(conn.outbox().take_chunk(), Bytes::new());
        assert!(!conn.wants_write());
        conn.send("one").unwrap();
        let n = conn.outbox().len();
        conn.outbox().advance(usize::MAX);
        assert_eq!((conn.outbox().remaining(), conn.stats().bytes_sent), (0, n as u64));
        // As if nothing had happened.
        conn.send(vec![7; 20_000]).unwrap();
        conn.tick(START);
        receive(&mut conn, &end.incoming(FIN | PING, b"ping"));
        conn.send("two").unwrap();
        conn.outbox().take_chunk();
        conn.outbox().advance(usize::MAX);
        assert!(!conn.wants_write());
        conn.send("three").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN | TEXT, b"three"));
    }
}

#[test]
fn inbox_asked_at_odd_times() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(quiet());
        assert_eq!((inbox.message(), inbox.chunk()), (None, None));
        for _ in 0..3 {
            assert_eq!(inbox.next(&mut conn), Ok(false));
            assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
            assert_eq!((inbox.message(), inbox.chunk()), (None, None));
        }
        // More has been read than there was room, without having asked for room, or nothing at all.
        inbox.filled(0);
        inbox.filled(5);
        assert_eq!(inbox.next(&mut conn), Ok(false));
        let room = inbox.spare_mut().len();
        assert!(room > 0);
        inbox.spare_mut().fill(0);
        inbox.filled(usize::MAX);
        // Zeros: a continuation of nothing.
        assert_eq!(inbox.next(&mut conn), Err(ProtocolError::UnexpectedContinuation));
        assert_eq!(conn.stats().frames_received, 0);
        assert_eq!(inbox.next(&mut conn), Ok(false));
        assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
        assert_eq!(inbox.message(), None);
        assert!(!inbox.spare_mut().is_empty());
    }
}

#[test]
fn a_message_is_lent_until_the_next_call() {
    for end in BOTH {
        let two = [end.incoming(FIN | TEXT, b"one"), end.incoming(FIN | TEXT, b"two")].concat();
        let calls: [fn(&mut Inbox); 4] = [
            |inbox| {
                inbox.spare_mut();
            },
            |inbox| inbox.filled(0),
            |inbox| drop(inbox.park()),
            |inbox| {
                inbox.preload(b"");
            },
        ];
        for call in calls {
            let (mut conn, mut inbox) = end.open(quiet());
            inbox.preload(&two);
            assert_eq!(inbox.next(&mut conn), Ok(true));
            assert_eq!(inbox.message(), Some(Message::Text("one")));
            assert_eq!(inbox.message(), Some(Message::Text("one")));
            call(&mut inbox);
            assert_eq!((inbox.message(), inbox.chunk()), (None, None));
            assert_eq!(inbox.next(&mut conn), Ok(true));
            assert_eq!(inbox.message(), Some(Message::Text("two")));
            assert_eq!(inbox.next(&mut conn), Ok(false));
            assert_eq!(inbox.message(), None);
        }
    }
}

/// Two reads in a row, without a look at the messages in between, lose nothing: wherever the first one ends.
#[test]
fn several_reads_before_the_next_message() {
    for end in BOTH {
        let bytes = [
            end.incoming(TEXT, b"one "),
            end.incoming(0, b"two "),
            end.incoming(FIN, b"three"),
            end.incoming(FIN | BINARY, &[7; 40]),
            end.incoming(FIN | TEXT, b"last"),
        ]
        .concat();
        let expected =
            [Owned::Text("one two three".into()), Owned::Binary(vec![7; 40]), Owned::Text("last".into())];
        for first in 1..bytes.len() {
            for second in first + 1..bytes.len() {
                let (mut conn, mut inbox) = end.open(quiet());
                let mut messages = Vec::new();
                let mut take = |inbox: &mut Inbox| {
                    while inbox.next(&mut conn).unwrap() {
                        messages.push(Owned::from(inbox.message().unwrap()));
                    }
                };
                // One read by itself, so that a message may be under way; then two at once; then the rest.
                fill_all(&mut inbox, &bytes[..first], &mut take);
                let (mut two, mut rest) = (&bytes[first..second], &bytes[second..]);
                if !two.is_empty() {
                    fill(&mut inbox, &mut two);
                    if inbox.spare_mut().is_empty() {
                        take(&mut inbox);
                    }
                    if two.is_empty() {
                        fill(&mut inbox, &mut rest);
                    }
                }
                take(&mut inbox);
                fill_all(&mut inbox, two, &mut take);
                fill_all(&mut inbox, rest, &mut take);
                assert_eq!(messages, expected, "{end:?}: reads up to {first} and {second}");
            }
        }
    }
}

fn fill_all(inbox: &mut Inbox, mut bytes: &[u8], take: &mut impl FnMut(&mut Inbox)) {
    while !bytes.is_empty() {
        fill(inbox, &mut bytes);
        take(inbox);
    }
}

#[test]
fn buffers_parked_and_lent_at_odd_times() {
    for end in BOTH {
        let bytes = [
            end.incoming(TEXT, b"one "),
            end.incoming(FIN, b"two"),
            end.incoming(FIN | BINARY, &[7; 5000]),
            end.incoming(FIN | TEXT, b"last"),
        ]
        .concat();
        let expected =
            [Owned::Text("one two".into()), Owned::Binary(vec![7; 5000]), Owned::Text("last".into())];
        for lent in [0, 1, 2, 100, 2048, 10_000] {
            for size in [1, 3, 1000, bytes.len()] {
                let (mut conn, mut inbox) = end.open(quiet());
                let mut messages = Vec::new();
                inbox.lend(vec![0xaa; lent]);
                for mut piece in bytes.chunks(size) {
                    while !piece.is_empty() {
                        inbox.lend(vec![0xbb; lent]);
                        fill(&mut inbox, &mut piece);
                        // It has unread bytes: there is nothing to take away.
                        assert_eq!(inbox.park(), None);
                        inbox.lend(vec![0xcc; lent]);
                        while inbox.next(&mut conn).unwrap() {
                            messages.push(Owned::from(inbox.message().unwrap()));
                            let _ = inbox.park();
                            inbox.lend(vec![0xdd; lent]);
                        }
                        let parked = inbox.park();
                        assert!(parked.is_none_or(|buffer| !buffer.is_empty()));
                        assert_eq!(inbox.park(), None, "there is but one");
                    }
                }
                assert!(messages == expected, "{end:?}: {lent} lent, {size} at a time");
            }
        }
        // What is lent is what is read into, if it is worth reading into.
        let (mut conn, mut inbox) = end.open(quiet());
        inbox.lend(vec![0; 4096]);
        assert_eq!(inbox.spare_mut().len(), 4096);
        assert_eq!(inbox.next(&mut conn), Ok(false));
        inbox.lend(vec![0; 10]);
        assert_eq!(inbox.park().map(|buffer| buffer.len()), Some(4096));
    }
}

/// What is preloaded comes behind what is there, also behind a compressed part that is not all inflated yet.
#[test]
fn preloading_in_the_middle() {
    for end in BOTH {
        let payload: Vec<u8> = (0..40_000u32).map(|at| at.to_be_bytes()[2]).collect();
        let compressed = RunLength::compress(&payload);
        let first =
            [end.incoming(FIN | 0x40 | BINARY, &compressed), end.incoming(FIN | TEXT, b"two")].concat();
        for cut in [compressed.len() / 2, compressed.len() + 3, first.len()] {
            for after in 0..4 {
                let (mut conn, mut inbox) = open_compressed(end, quiet());
                let mut later = vec![&first[cut..], b""];
                inbox.preload(&first[..cut]);
                let mut got = Vec::new();
                let mut rounds = 0;
                while rounds < 100 {
                    if rounds == after {
                        inbox.preload(later.swap_remove(0));
                    }
                    rounds += 1;
                    while inbox.next_chunk(&mut conn).unwrap() {
                        got.extend_from_slice(inbox.chunk().unwrap().payload);
                        if later.len() == 2 {
                            break;
                        }
                    }
                }
                assert!(
                    got == [&payload[..], b"two"].concat(),
                    "{end:?}: cut at {cut}, after {after} pieces"
                );
            }
        }
    }
}

#[test]
fn both_ways_of_reading_in_turns() {
    for end in BOTH {
        let message = [end.incoming(TEXT, b"on"), end.incoming(0, b"e tw"), end.incoming(FIN, b"o")].concat();
        let bytes = [&message[..], &end.incoming(FIN | BINARY, b"three"), &message].concat();
        for size in 1..bytes.len() {
            for pattern in 0..64u32 {
                let (mut conn, mut inbox) = end.open(quiet());
                let mut turn = 0;
                let mut got: Vec<u8> = Vec::new();
                let mut ends = 0;
                for mut piece in bytes.chunks(size) {
                    while !piece.is_empty() {
                        fill(&mut inbox, &mut piece);
                        loop {
                            turn = (turn + 1) % 6;
                            let whole = pattern >> turn & 1 == 1;
                            let more =
                                if whole { inbox.next(&mut conn) } else { inbox.next_chunk(&mut conn) };
                            if !more.unwrap() {
                                break;
                            }
                            let chunk = inbox.chunk().expect("something is lent");
                            assert_eq!(inbox.message().is_some(), chunk.first && chunk.last);
                            got.extend_from_slice(chunk.payload);
                            ends += u32::from(chunk.last);
                        }
                    }
                }
                // `next` skips the rest of what `next_chunk` has begun; nothing comes twice or out of order.
                let all = b"one twothreeone two";
                assert!(ends <= 3 && got.len() <= all.len());
                let mut rest = all.iter();
                assert!(got.iter().all(|byte| rest.any(|other| other == byte)), "{got:?}");
                if pattern == 0 || pattern == 63 {
                    assert_eq!((ends, &got[..]), (3, &all[..]));
                }
                assert_eq!(conn.state(), State::Open);
            }
        }
    }
}

#[test]
fn text_is_sent_in_parts_that_cut_characters() {
    let text = "a\u{e4}\u{20ac}\u{1f600}z";
    for end in BOTH {
        for size in 1..text.len() {
            let mut conn = end.open(quiet()).0;
            let mut parts = text.as_bytes().chunks(size).peekable();
            while let Some(part) = parts.next() {
                conn.send_part(as_kind(Kind::Text, part), parts.peek().is_none()).unwrap();
            }
            let bytes: Vec<u8> = sent(&mut conn).into_iter().flat_map(|frame| frame.payload).collect();
            assert_eq!(bytes, text.as_bytes());
        }
        // A whole `str` cannot come within a character, nor can the end.
        let mut conn = end.open(quiet()).0;
        conn.send_part(as_kind(Kind::Text, b"\xe2\x82"), false).unwrap();
        assert_eq!(conn.send_part("x", false), Err(SendError::InvalidUtf8));
        assert_eq!(conn.send_part("", true), Err(SendError::InvalidUtf8));
        assert_eq!(conn.send_part(as_kind(Kind::Text, b"\xac\xff"), true), Err(SendError::InvalidUtf8));
        conn.send_part("", false).unwrap();
        conn.send_part(as_kind(Kind::Text, b"\xac"), false).unwrap();
        conn.send_part("x", true).unwrap();
        let bytes: Vec<u8> = sent(&mut conn).into_iter().flat_map(|frame| frame.payload).collect();
        assert_eq!(bytes, "\u{20ac}x".as_bytes());
        // The next message starts afresh.
        conn.send_part("y", true).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN | TEXT, b"y"));
    }
}

#[test]
fn messages_do_not_mix() {
    for end in BOTH {
        let prepared = Prepared::new("prepared").unwrap();
        let mut conn = end.open(quiet()).0;
        conn.send_part("one", false).unwrap();
        for _ in 0..2 {
            assert_eq!(conn.send("whole"), Err(SendError::MessageInProgress));
            assert_eq!(conn.send(b"whole"), Err(SendError::MessageInProgress));
            assert_eq!(conn.send_prepared(&prepared), Err(SendError::MessageInProgress));
            assert_eq!(conn.send_part(b"two", false), Err(SendError::KindChanged));
            assert_eq!(conn.send_part(b"two", true), Err(SendError::KindChanged));
            assert_eq!(conn.send_part(as_kind(Kind::Text, b"\xff"), true), Err(SendError::InvalidUtf8));
        }
        conn.ping(b"between").unwrap();
        conn.pong(b"them").unwrap();
        conn.send_part("two", true).unwrap();
        conn.send(b"three").unwrap();
        let expected = [
            end.outgoing(TEXT, b"one"),
            end.outgoing(FIN | PING, b"between"),
            end.outgoing(FIN | PONG, b"them"),
            end.outgoing(FIN, b"two"),
            end.outgoing(FIN | BINARY, b"three"),
        ];
        assert_eq!(drain(&mut conn), expected.concat());
        assert_eq!((conn.stats().messages_sent, conn.stats().frames_sent), (2, 5));
    }
}

#[test]
fn a_full_outbox_refuses_and_is_left_as_it_was() {
    for end in BOTH {
        for max_outbox in [0, 1, 10, 100] {
            let mut config = quiet();
            config.max_outbox = max_outbox;
            let mut conn = end.open(config).0;
            // One message always fits.
            conn.send(vec![7; 1000]).unwrap();
            let before = conn.outbox().len();
            let stats = conn.stats();
            assert_eq!(conn.send("x"), Err(SendError::OutboxFull));
            assert_eq!(conn.send_part("x", false), Err(SendError::OutboxFull));
            assert_eq!(conn.send_prepared(&Prepared::new("x").unwrap()), Err(SendError::OutboxFull));
            assert_eq!(conn.ping(b""), Err(SendError::OutboxFull));
            assert_eq!(conn.pong(b""), Err(SendError::OutboxFull));
            assert_eq!((conn.outbox().len(), conn.stats()), (before, stats));
            // A Close fits too, whatever waits.
            conn.close(code(1000), "").unwrap();
            let frames = sent(&mut conn);
            assert_eq!(frames.iter().map(Frame::opcode).collect::<Vec<_>>(), [BINARY, CLOSE]);
        }
    }
}

/// A reason without a code has no place in a frame: nothing is said, and nothing is claimed to have been said.
#[test]
fn close_with_a_reason_and_no_code() {
    for end in BOTH {
        let mut close = Close::default();
        close.reason = Cow::Borrowed("why");
        let mut conn = end.open(quiet()).0;
        if conn.close_with(close).is_ok() {
            assert_eq!(drain(&mut conn), end.outgoing(FIN | CLOSE, b""));
            receive(&mut conn, &end.incoming(FIN | CLOSE, b""));
            let sent = conn.outcome().unwrap().sent.clone().unwrap();
            assert_eq!((sent.code, &*sent.reason), (None, ""), "what was sent");
        } else {
            assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
        }
    }
}

/// Whether or not it was meant to be used so, what is lent as text is UTF-8.
fn assert_text(message: Option<Message<'_>>) {
    if let Some(Message::Text(text)) = message {
        assert!(core::str::from_utf8(text.as_bytes()).is_ok(), "{:02x?} as text", text.as_bytes());
    }
}

/// One inbox, two connections: a mistake. The text of the one must not become a way around the check for the other.
#[test]
fn two_connections_at_one_inbox() {
    let parts: [&[(u8, &[u8])]; 8] = [
        &[(TEXT, b"a")],
        &[(BINARY, b"\xff")],
        &[(TEXT, b"\xc3")],
        &[(FIN, b"\xff")],
        &[(FIN, b"b")],
        &[(FIN, b"\xa4")],
        &[(0, b"\xff")],
        &[(FIN | TEXT, b"c")],
    ];
    for end in BOTH {
        for seed in 0..8usize.pow(4) {
            for lasting in [false, true] {
                let (mut one, mut inbox) = end.open(quiet());
                let (mut other, mut accepting) = end.open(quiet());
                // So that continuations are legal where the row wants them.
                receive(&mut other, &end.incoming(if lasting { TEXT } else { BINARY }, b""));
                let mut rest = seed;
                for turn in 0..4 {
                    let conn = if turn % 2 == 0 { &mut one } else { &mut other };
                    let mut bytes = Vec::new();
                    for &(first, payload) in parts[rest % 8] {
                        bytes.extend(end.incoming(first, payload));
                    }
                    rest /= 8;
                    inbox.preload(&bytes);
                    while let Ok(more) = inbox.next(conn) {
                        assert_text(inbox.message());
                        if !more {
                            break;
                        }
                    }
                    let mut input = &mut bytes[..];
                    while let Ok(Some(event)) = conn.receive(&mut input) {
                        if let Event::Part(part) = event {
                            if let Ok(message) = accepting.accept(conn, part) {
                                assert_text(message);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The same with reads that go straight into the place where a message is gathered.
#[test]
fn two_connections_at_one_inbox_that_reads_into_place() {
    for end in BOTH {
        for kinds in [(TEXT, BINARY), (BINARY, TEXT), (TEXT, TEXT)] {
            for payload in [[0xff; 64], [b'a'; 64]] {
                let (mut one, mut inbox) = end.open(quiet());
                let (mut other, _) = end.open(quiet());
                receive(&mut other, &end.incoming(kinds.1, b""));
                let long = end.incoming(kinds.0, &payload);
                inbox.preload(&long[..long.len() - 40]);
                if inbox.next(&mut one).is_err() {
                    continue;
                }
                // The room is for the rest of that frame; what is read is the other connection's next frame.
                let mut bytes = &end.incoming(FIN, &[0xff; 20])[..];
                fill(&mut inbox, &mut bytes);
                let _ = inbox.next(&mut other);
                assert_text(inbox.message());
                let _ = inbox.next(&mut one);
                assert_text(inbox.message());

                // A whole message of a third one, and garbage where such a message would lie otherwise.
                let (mut one, mut inbox) = end.open(quiet());
                inbox.lend(vec![0xff; 4096]);
                inbox.preload(&[&[0xff; 30][..], &long[..long.len() - 40]].concat());
                let mut sink = end.open(quiet()).0;
                let _ = inbox.next(&mut sink);
                inbox.preload(&long[..long.len() - 40]);
                if inbox.next(&mut one).is_err() {
                    continue;
                }
                let mut third = end.open(quiet()).0;
                let mut bytes = &end.incoming(FIN | TEXT, b"ascii")[..];
                fill(&mut inbox, &mut bytes);
                let _ = inbox.next(&mut third);
                assert_text(inbox.message());
            }
        }
    }
}

/// A part's fields are open to change; a changed part is no way around the check of text either.
#[test]
fn parts_that_were_tampered_with() {
    type Change = fn(&mut Part<'_>);
    let changes: [Change; 8] = [
        |part| part.ascii = true,
        |part| part.kind = Kind::Text,
        |part| (part.kind, part.ascii) = (Kind::Text, true),
        |part| (part.kind, part.ascii, part.first, part.last) = (Kind::Text, true, true, true),
        |part| part.payload = b"\xff",
        |part| (part.payload, part.ascii) = (b"\xff", true),
        |part| (part.first, part.last) = (true, false),
        |part| part.compressed = true,
    ];
    for end in BOTH {
        let bytes = [
            end.incoming(BINARY, b"\xff\xc3"),
            end.incoming(0, b"\x80"),
            end.incoming(FIN, b"\xff"),
            end.incoming(FIN | TEXT, b"good"),
            end.incoming(TEXT, b"go"),
            end.incoming(FIN, b"od"),
        ]
        .concat();
        for first in changes {
            for second in changes {
                for third in changes {
                    let (mut conn, mut inbox) = end.open(quiet());
                    let mut bytes = bytes.clone();
                    let mut input = &mut bytes[..];
                    let mut turn = [first, second, third].into_iter().cycle();
                    while let Ok(Some(event)) = conn.receive(&mut input) {
                        if let Event::Part(mut part) = event {
                            (turn.next().unwrap())(&mut part);
                            if let Ok(message) = inbox.accept(&mut conn, part) {
                                assert_text(message);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Parts can be copied: some come twice, in another order, or after the failure that they have caused.
#[test]
fn parts_that_come_again() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let mut frames = [
            end.incoming(TEXT, b"\xffa"),
            end.incoming(0, b"b"),
            end.incoming(FIN, b"c"),
            end.incoming(TEXT, b"\xc3"),
            end.incoming(FIN, b"\xa4"),
            end.incoming(BINARY, b"\xff"),
            end.incoming(FIN, b"d"),
        ];
        let mut parts = Vec::new();
        for frame in &mut frames {
            let mut input = &mut frame[..];
            let Ok(Some(Event::Part(part))) = conn.receive(&mut input) else { panic!("a part") };
            parts.push(part);
        }
        for sequence in 0..parts.len().pow(4) {
            let (mut conn, mut inbox) = end.open(quiet());
            let mut rest = sequence;
            for _ in 0..4 {
                if let Ok(message) = inbox.accept(&mut conn, parts[rest % parts.len()]) {
                    assert_text(message);
                }
                rest /= parts.len();
            }
        }
    }
}

/// All ways into an inbox in turns, with texts that are cut within characters: what is lent as text is text.
#[test]
fn all_ways_of_reading_in_turns() {
    for end in BOTH {
        let frames = [
            end.incoming(FIN | TEXT, "\u{e4}\u{20ac}".as_bytes()),
            end.incoming(TEXT, b"\xc3"),
            end.incoming(0, b"\xa4"),
            end.incoming(FIN, b"\xa4"),
            end.incoming_close(1000, ""),
        ];
        // Some of the bytes by `next`, some by `next_chunk`, some by `accept`, for one connection or another.
        for (from, to) in (0..4).flat_map(|from| (from + 1..5).map(move |to| (from, to))) {
            let bytes = frames[from..=to].concat();
            for cut in 1..bytes.len().min(24) {
                for ways in 0..6usize.pow(3) {
                    let (mut one, mut inbox) = end.open(quiet());
                    let mut other = end.open(quiet()).0;
                    receive(&mut other, &end.incoming(TEXT, b""));
                    let mut rest = ways;
                    for piece in bytes.chunks(cut).take(3) {
                        let way = rest % 6;
                        rest /= 6;
                        let conn = if way < 3 { &mut one } else { &mut other };
                        if way % 3 == 2 {
                            let mut piece = piece.to_vec();
                            let mut input = &mut piece[..];
                            while let Ok(Some(event)) = conn.receive(&mut input) {
                                if let Event::Part(part) = event {
                                    if let Ok(message) = inbox.accept(conn, part) {
                                        assert_text(message);
                                    }
                                }
                            }
                            continue;
                        }
                        let mut left = piece;
                        while !left.is_empty() {
                            fill(&mut inbox, &mut left);
                            loop {
                                let more =
                                    if way % 3 == 0 { inbox.next(conn) } else { inbox.next_chunk(conn) };
                                if more != Ok(true) {
                                    break;
                                }
                                assert_text(inbox.message());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A decoder that does what no decoder should: it is code like any other, and must not be able to make text of what is
/// none, nor to keep its caller for ever.
struct Meddler {
    calls: usize,
    meddle: Meddle,
}

/// What it does with input and room, and what it says of it, each time it is called.
type Meddle = fn(usize, &mut &[u8], &mut [u8]) -> Result<Decoded, ProtocolError>;

impl Decode for Meddler {
    fn decode(&mut self, input: &mut &[u8], _last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        self.calls += 1;
        (self.meddle)(self.calls, input, out)
    }
}

/// As it should: the input as it is.
fn stored(input: &mut &[u8], out: &mut [u8]) -> usize {
    let n = input.len().min(out.len());
    out[..n].copy_from_slice(&input[..n]);
    *input = &input[n..];
    n
}

#[test]
fn a_decoder_that_meddles() {
    let ways: [Meddle; 9] = [
        |_, input, out| Ok(Decoded::Drained(stored(input, out))),
        // More room used than there is to tell of, or told of than used.
        |_, input, out| {
            out.fill(0xff);
            Ok(Decoded::Drained(stored(input, out)))
        },
        |_, input, out| {
            stored(input, out);
            Ok(Decoded::Drained(usize::MAX))
        },
        |_, input, out| {
            stored(input, out);
            Ok(Decoded::Full)
        },
        |_, _, _| Ok(Decoded::Full),
        |_, _, out| {
            out.fill(0xff);
            Ok(Decoded::Full)
        },
        // The input left lying.
        |_, _, out| {
            out.fill(b'x');
            Ok(Decoded::Drained(1))
        },
        |calls, input, out| {
            if calls > 1 {
                return Ok(Decoded::Drained(0));
            }
            out[..1].fill(0xc3);
            *input = &[];
            Ok(Decoded::Drained(1))
        },
        |calls, input, out| {
            if calls > 1 {
                Err(ProtocolError::InvalidDeflate)
            } else {
                Ok(Decoded::Drained(stored(input, out)))
            }
        },
    ];
    for end in BOTH {
        for meddle in ways {
            for limit in [0, 1, 10, 1 << 20] {
                for streamed in [false, true] {
                    let mut config = quiet();
                    config.max_message = limit;
                    config.max_streamed = 1 << 20;
                    let mut negotiated = Negotiated::default();
                    negotiated.deflate = Some(deflate::Parameters::default());
                    negotiated.codec = Some(Codec::new(
                        Box::new(RunLength::default()),
                        Box::new(Meddler { calls: 0, meddle }),
                    ));
                    let (mut conn, mut inbox) = websans::open(end.role(), config.clone(), negotiated, START);
                    let bytes = [
                        end.incoming(0x40 | TEXT, "\u{e4}\u{e4}".as_bytes()),
                        end.incoming(0, "\u{e4}".as_bytes()),
                        end.incoming(FIN, b""),
                        end.incoming(FIN | 0x40 | TEXT, "\u{e4}".as_bytes()),
                    ]
                    .concat();
                    inbox.preload(&bytes);
                    let mut rounds = 0;
                    loop {
                        let more = if streamed { inbox.next_chunk(&mut conn) } else { inbox.next(&mut conn) };
                        if more != Ok(true) {
                            break;
                        }
                        assert_text(inbox.message());
                        rounds += 1;
                        assert!(rounds < 1000, "without end");
                    }
                    // What a failure has left in the inbox must not be finished by a frame of another connection.
                    let (mut other, _) = end.open(config);
                    receive(&mut other, &end.incoming(TEXT, b""));
                    inbox.preload(&end.incoming(FIN, b"end"));
                    let _ = inbox.next(&mut other);
                    assert_text(inbox.message());
                }
            }
        }
    }
}

/// A negotiation that promises compression and brings none along.
#[test]
fn compression_without_a_codec() {
    for end in BOTH {
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(deflate::Parameters::default());
        let (mut conn, mut inbox) = websans::open(end.role(), quiet(), negotiated, START);
        conn.send("plain").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN | TEXT, b"plain"));
        inbox.preload(&end.incoming(FIN | 0x40 | TEXT, b"\x01a"));
        assert!(inbox.next(&mut conn).is_err());
        assert_eq!(conn.state(), State::Closed);
    }
}

// Anything in any order.

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
