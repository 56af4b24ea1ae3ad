//! Single calls at odd times and with odd arguments.

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use websans::{
    Close, Connection, Event, Inbox, Kind, Message, Payload, Prepared, ProtocolError, SendError, State,
};

use crate::as_kind;
use crate::support::*;

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

/// A read that went straight into the place of a message, which was then put to another use: reading goes on.
#[test]
fn parts_accepted_between_a_read_and_its_message() {
    for end in BOTH {
        for first in [TEXT, FIN | TEXT, BINARY, FIN | BINARY] {
            let (mut conn, mut inbox) = end.open(quiet());
            let (mut other, _) = end.open(quiet());
            let bytes = end.incoming(BINARY, b"abc");
            assert_eq!(read(&mut conn, &mut inbox, &bytes[..bytes.len() - 1]), (vec![], None));
            // The last byte is read, and not looked at yet.
            fill(&mut inbox, &mut &bytes[bytes.len() - 1..]);
            let mut bytes = end.incoming(first, b"x");
            let Ok(Some(Event::Part(part))) = other.receive(&mut &mut bytes[..]) else { panic!("a part") };
            let _ = inbox.accept(&mut other, part);
            for _ in 0..5 {
                let _ = inbox.next(&mut conn);
                let n = inbox.spare_mut().len();
                assert!(n > 0, "{end:?}, {first:02x}: no room to read into");
                let pings = end.incoming(FIN | PING, b"").repeat(n);
                fill(&mut inbox, &mut &pings[..n]);
            }
        }
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

/// Half a message that was being gathered when the connection ended is given to nobody, however he asks.
#[test]
fn half_a_message_does_not_follow_the_end() {
    for end in BOTH {
        let whole = end.incoming(FIN | BINARY, &[7; 30_000]);
        // Gathered from a read buffer, and read straight into its place and not looked at yet.
        for looks in [true, false] {
            let (mut conn, mut inbox) = end.open(quiet());
            let mut half = &whole[..20_000];
            while !half.is_empty() {
                let spare = inbox.spare_mut();
                let n = spare.len().min(half.len());
                spare[..n].copy_from_slice(&half[..n]);
                inbox.filled(n);
                half = &half[n..];
                if looks || !half.is_empty() {
                    assert_eq!(inbox.next(&mut conn), Ok(false));
                }
            }
            conn.abort();
            for _ in 0..2 {
                assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
                assert_eq!(inbox.chunk(), None);
                assert_eq!(inbox.next(&mut conn), Ok(false));
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

/// The limit is one of payload over what waits: up to it, and not one byte beyond.
#[test]
fn an_outbox_is_full_at_its_limit() {
    for end in BOTH {
        type Send = fn(&mut Connection, &[u8]) -> Result<(), SendError>;
        let sends: [Send; 5] = [
            |conn, payload| conn.send(payload),
            |conn, payload| conn.send_part(payload, true),
            |conn, payload| conn.send_prepared(&Prepared::new(payload).unwrap()),
            |conn, payload| conn.ping(payload),
            |conn, payload| conn.pong(payload),
        ];
        for send in sends {
            let mut config = quiet();
            config.max_outbox = 200;
            let mut conn = end.open(config).0;
            conn.send(&[7; 100]).unwrap();
            let room = 200 - conn.outbox().len();
            assert_eq!(send(&mut conn, &vec![7; room + 1]), Err(SendError::OutboxFull));
            assert_eq!(send(&mut conn, &vec![7; room]), Ok(()));
            assert!(conn.outbox().len() >= 200);
            assert_eq!(send(&mut conn, &[]), Err(SendError::OutboxFull));
            conn.outbox().advance(100);
            assert_eq!(send(&mut conn, &[]), Ok(()));
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

/// Every refusal says something of its own, and every fault of the peer whose fault it is.
#[test]
fn errors_say_what_was_wrong() {
    let refusals = [
        (SendError::Closing, "closing"),
        (SendError::OutboxFull, "outbox"),
        (SendError::MessageInProgress, "in parts"),
        (SendError::KindChanged, "kind"),
        (SendError::InvalidUtf8, "UTF-8"),
        (SendError::ControlTooLong, "125"),
        (SendError::ReasonTooLong, "123"),
        (SendError::CodeNotForServers, "1010"),
    ];
    for (error, word) in refusals {
        let text = error.to_string();
        assert!(text.contains(word), "{error:?}: {text}");
        assert_eq!(refusals.iter().filter(|(other, _)| other.to_string() == text).count(), 1, "{text}");
    }
    assert_eq!(
        ProtocolError::UnmaskedFrame.to_string(),
        "the peer broke the protocol: client sent an unmasked frame (RFC 6455 section 5.1)"
    );
    let (innocent, reason) = (ProtocolError::OutOfMemory.to_string(), ProtocolError::OutOfMemory.reason());
    assert_eq!(innocent, reason);
    let mut check = websans::text::Utf8::default();
    assert_eq!(check.push(b"\xff").unwrap_err().to_string(), "text is not UTF-8");
}

/// What a log may show of an end: not where its keys come from.
#[test]
fn roles_show_which_they_are() {
    for (end, name) in BOTH.into_iter().zip(["Server", "Client"]) {
        assert_eq!(format!("{:?}", end.role()), name);
    }
}

/// A read buffer is there from the first read on until it is taken.
#[test]
fn inboxes_tell_whether_they_have_a_buffer() {
    for end in BOTH {
        let (_, mut inbox) = end.open(quiet());
        assert!(!inbox.has_buffer());
        assert!(!inbox.spare_mut().is_empty());
        assert!(inbox.has_buffer());
        assert!(inbox.park().is_some());
        assert!(!inbox.has_buffer());
        assert!(inbox.park().is_none());
    }
}

/// Kept bytes are those that were given: copied if they were lent, and the very same if they were shared.
#[test]
fn payloads_become_bytes() {
    let bytes = vec![1, 2, 3];
    assert_eq!(Payload::from(&bytes[..]).into_bytes(), bytes);
    assert_eq!(Payload::from("text").into_bytes(), &b"text"[..]);
    let shared = Bytes::from(bytes);
    let kept = Payload::from(shared.clone()).into_bytes();
    assert_eq!((kept.as_ptr(), kept.len()), (shared.as_ptr(), shared.len()));
}
