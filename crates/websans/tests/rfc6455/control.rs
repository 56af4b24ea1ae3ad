//! Control frames: RFC 6455 §5.4 and §5.5.

use core::time::Duration;

use bytes::Buf;
use proptest::prelude::*;
use websans::{Config, Connection, Event, Kind, ProtocolError, Reply, SendError, State};

use crate::support::*;

/// "Control frames MAY be injected in the middle of a fragmented message" (§5.4).
#[test]
fn r048_control_frames_between_fragments() {
    for end in BOTH {
        let bytes = [
            end.incoming(TEXT, b"one "),
            end.incoming(FIN | PING, b"a"),
            end.incoming(0, b""),
            end.incoming(FIN | PONG, b"b"),
            end.incoming(FIN | PING, b""),
            end.incoming(FIN, b"two"),
            end.incoming(FIN | PING, b"c"),
            end.incoming(FIN | TEXT, b"three"),
        ]
        .concat();
        let ping = |payload: &[u8]| Got::Ping(payload.to_vec());
        let expected =
            [ping(b"a"), Got::Pong(b"b".to_vec()), ping(b""), text("one two"), ping(b"c"), text("three")];
        assert_events(end, &quiet(), &bytes, &expected);

        // A Ping is acted on there and then: its Pong waits as soon as its last byte is in.
        let mut conn = end.conn();
        let mut pongs = Vec::new();
        let mut fed = 0;
        for &byte in &bytes {
            receive(&mut conn, &[byte]);
            fed += 1;
            for pong in sent(&mut conn) {
                pongs.push((fed, pong.first, pong.payload));
            }
        }
        let mask = end.incoming_key().map_or(0, |_| 4);
        let ends: Vec<usize> = [6, 3, 2, 3, 2, 5, 3, 7]
            .iter()
            .scan(0, |at, len| {
                *at += len + mask;
                Some(*at)
            })
            .collect();
        let pong = |at: usize, payload: &[u8]| (ends[at], FIN | PONG, payload.to_vec());
        assert_eq!(pongs, [pong(1, b"a"), pong(4, b""), pong(6, b"c")]);
    }
}

/// The order of everything is kept: what is sent in answer to a message goes before the answers to what came after.
#[test]
fn r048_answers_keep_the_order_of_questions() {
    for end in BOTH {
        let bytes = [
            end.incoming(FIN | TEXT, b"one"),
            end.incoming(FIN | PING, b"two"),
            end.incoming(FIN | TEXT, b"three"),
            end.incoming_close(1001, "four"),
        ]
        .concat();
        let expected = [
            end.outgoing(FIN | TEXT, b"one"),
            end.outgoing(FIN | PONG, b"two"),
            end.outgoing(FIN | TEXT, b"three"),
            end.outgoing_close(1001, "four"),
        ]
        .concat();
        let mut conn = end.conn();
        let mut copy = bytes.clone();
        let mut input = &mut copy[..];
        while let Some(event) = conn.receive(&mut input).unwrap() {
            if let Event::Part(part) = event {
                conn.send_part(part, part.last).unwrap();
            }
        }
        assert_eq!(drain(&mut conn), expected);

        let (mut conn, mut inbox) = end.open(quiet());
        inbox.preload(&bytes);
        while inbox.next(&mut conn).unwrap() {
            conn.send(inbox.message().unwrap()).unwrap();
        }
        assert_eq!(drain(&mut conn), expected);
        assert_eq!(conn.state(), State::Closed);
    }
}

/// The application's own control frames go between the fragments that it sends.
#[test]
fn r048_control_frames_are_sent_between_fragments() {
    for end in BOTH {
        let mut conn = end.conn();
        conn.send_part("one ", false).unwrap();
        conn.ping(b"a").unwrap();
        receive(&mut conn, &end.incoming(FIN | PING, b"b"));
        conn.send_part("two", true).unwrap();
        conn.pong(b"c").unwrap();
        let expected = [
            end.outgoing(TEXT, b"one "),
            end.outgoing(FIN | PING, b"a"),
            end.outgoing(FIN | PONG, b"b"),
            end.outgoing(FIN, b"two"),
            end.outgoing(FIN | PONG, b"c"),
        ];
        assert_eq!(drain(&mut conn), expected.concat());
    }
}

/// A Close between fragments closes: the message is never finished.
#[test]
fn r048_close_between_fragments() {
    for end in BOTH {
        let bytes =
            [end.incoming(TEXT, b"one"), end.incoming_close(1000, ""), end.incoming(FIN, b"two")].concat();
        splits(&bytes, |pieces| {
            let (mut conn, mut inbox) = end.open(quiet());
            for piece in pieces {
                assert_eq!(read(&mut conn, &mut inbox, piece), (vec![], None));
            }
            assert_eq!(conn.state(), State::Closed);
            assert!(conn.outcome().unwrap().is_clean());
            assert_eq!(drain(&mut conn), end.outgoing_close(1000, ""));
            assert_eq!(conn.stats().messages_received, 0);
        });
    }
}

/// "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented" (§5.5).
#[test]
fn r049_control_frames_are_short_and_whole() {
    for end in BOTH {
        let mask = if end == End::Server { 0x80 } else { 0 };
        for opcode in [CLOSE, PING, PONG] {
            for within in [vec![], end.incoming(TEXT, b"a")] {
                let check = |bytes: &[u8], error: ProtocolError| {
                    assert_eq!(error.close_code().get(), 1002);
                    assert_fails(end, &quiet(), &[&within[..], bytes].concat(), &[], error);
                };
                // The second byte tells that it is too long, whatever the length would be.
                for len in [126, 127] {
                    check(&[FIN | opcode, mask | len], ProtocolError::ControlTooLong);
                    check(&[FIN | opcode, mask | len, 0, 5, 0, 0, 0, 0], ProtocolError::ControlTooLong);
                }
                check(&end.incoming(FIN | opcode, &[0; 126]), ProtocolError::ControlTooLong);
                // The first byte tells that it is fragmented.
                check(&[opcode], ProtocolError::FragmentedControl);
                check(&end.incoming(opcode, b""), ProtocolError::FragmentedControl);
                check(&end.incoming(opcode, &[0; 125]), ProtocolError::FragmentedControl);
            }
        }
        for len in [0, 1, 124, 125] {
            let payload = vec![0xfe; len];
            assert_events(end, &quiet(), &end.incoming(FIN | PING, &payload), &[Got::Ping(payload.clone())]);
            assert_events(end, &quiet(), &end.incoming(FIN | PONG, &payload), &[Got::Pong(payload.clone())]);
        }
        let reason = "r".repeat(123);
        assert_events(
            end,
            &quiet(),
            &end.incoming_close(4999, &reason),
            &[Got::Close(Some(4999), reason.clone())],
        );
        let mut conn = end.conn();
        for len in [126, 127, 65_536] {
            assert_eq!(conn.ping(&vec![0; len]), Err(SendError::ControlTooLong));
            assert_eq!(conn.pong(&vec![0; len]), Err(SendError::ControlTooLong));
        }
        assert!(!conn.wants_write());
        assert_eq!((conn.ping(&[0; 125]), conn.pong(&[0; 125])), (Ok(()), Ok(())));
    }
}

/// "an endpoint MUST send a Pong frame in response [...] 'Application data' as found in the message body of the Ping
/// frame being replied to" (§5.5.2, §5.5.3).
#[test]
fn r050_ping_is_answered_by_its_payload() {
    for end in BOTH {
        for len in 0..=125 {
            let payload: Vec<u8> = (0..len).map(|at| 0xff - at).collect();
            let ping = end.incoming(FIN | PING, &payload);
            let check = |pieces: Vec<&[u8]>| {
                let mut conn = end.conn();
                let (events, error) = receive_pieces(&mut conn, pieces);
                assert_eq!((events, error), (vec![Got::Ping(payload.clone())], None));
                assert_eq!(drain(&mut conn), end.outgoing(FIN | PONG, &payload));
            };
            check(vec![&ping]);
            check(ping.chunks(1).collect());
            if len > 120 {
                splits(&ping, check);
            }
        }
        // Written out in between, each has its own.
        let mut conn = end.conn();
        for n in 0..20u8 {
            receive(&mut conn, &end.incoming(FIN | PING, &[n]));
            assert_eq!(drain(&mut conn), end.outgoing(FIN | PONG, &[n]));
        }
    }
}

/// "unless it already received a Close frame" (§5.5.2).
#[test]
fn r050_ping_after_close() {
    for end in BOTH {
        for config in [quiet(), when_asked()] {
            // After theirs: nothing.
            let mut conn = end.open(config.clone()).0;
            receive(&mut conn, &end.incoming_close(1000, ""));
            sent(&mut conn);
            assert_eq!(receive(&mut conn, &end.incoming(FIN | PING, b"?")), (vec![], None));
            assert_eq!(sent(&mut conn), []);
            // After ours alone: a Pong.
            let mut conn = end.open(config).0;
            conn.close(code(1000), "").unwrap();
            sent(&mut conn);
            receive(&mut conn, &end.incoming(FIN | PING, b"?"));
            assert_eq!(drain(&mut conn), end.outgoing(FIN | PONG, b"?"));
        }
    }
}

#[test]
fn r050_ping_left_to_the_application() {
    for end in BOTH {
        let mut config = quiet();
        config.pong_reply = Reply::WhenAsked;
        let mut conn = end.open(config).0;
        assert_eq!(receive(&mut conn, &end.incoming(FIN | PING, b"?")).0, [Got::Ping(b"?".to_vec())]);
        assert_eq!(sent(&mut conn), []);
        conn.pong(b"!").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN | PONG, b"!"));
    }
}

/// "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous Ping frame(s), the
/// endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame" (§5.5.3): the newest wins,
/// between whole frames. Writing is blocked when something has waited since before the last wake-up.
#[test]
fn r050_newest_ping_wins_while_writing_is_blocked() {
    for end in BOTH {
        // The transport has taken `written` bytes of the message that waits, and blocks.
        let message = end.outgoing(FIN | BINARY, &[7; 10]);
        for written in 0..message.len() {
            for pings in 1..20u8 {
                let mut conn = end.conn();
                conn.send(&[7; 10]).unwrap();
                let mut out = conn.outbox().chunk()[..written].to_vec();
                conn.outbox().advance(written);
                conn.tick(START);
                for n in 0..pings {
                    receive(&mut conn, &end.incoming(FIN | PING, &vec![n; usize::from(n)]));
                }
                conn.send("after").unwrap();
                out.extend(drain(&mut conn));
                let newest = vec![pings - 1; usize::from(pings - 1)];
                let expected =
                    [&message[..], &end.outgoing(FIN | PONG, &newest), &end.outgoing(FIN | TEXT, b"after")];
                assert_eq!(out, expected.concat(), "{end:?}: {pings} pings, {written} bytes written");
            }
        }
    }
}

/// Large payloads are queued apart; the Pong's place is between whole frames all the same.
#[test]
fn r050_pong_among_large_payloads() {
    for end in BOTH {
        for size in [1, 5, 1000, 8192, 10_007, 1 << 20] {
            let mut conn = end.conn();
            let message = vec![7; 20_000];
            conn.send(message.clone()).unwrap();
            conn.send("small").unwrap();
            conn.tick(START);
            conn.send(bytes::Bytes::from(message.clone())).unwrap();
            receive(&mut conn, &end.incoming(FIN | PING, b"one"));
            conn.send(message.clone()).unwrap();
            receive(&mut conn, &end.incoming(FIN | PING, b"two"));
            conn.send("last").unwrap();
            let large = end.outgoing(FIN | BINARY, &message);
            let expected = [
                &large[..],
                &end.outgoing(FIN | TEXT, b"small"),
                &large,
                &end.outgoing(FIN | PONG, b"two"),
                &large,
                &end.outgoing(FIN | TEXT, b"last"),
            ]
            .concat();
            assert_eq!(conn.outbox().len(), expected.len());
            assert!(write_in(&mut conn, size) == expected, "{end:?} in {size}s");
        }
    }
}

/// Writes all that waits with as many bytes at a time, taking turns in how they are asked for.
fn write_in(conn: &mut Connection, size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut turn = 0;
    while conn.wants_write() {
        let outbox = conn.outbox();
        let before = outbox.len();
        turn += 1;
        let n = if turn % 3 == 0 {
            let chunk = outbox.take_chunk();
            out.extend_from_slice(&chunk);
            assert_eq!(outbox.len(), before, "taken bytes wait until they are written");
            assert_eq!(outbox.remaining(), before - chunk.len());
            // The writer reports its progress in small steps too.
            let mut left = chunk.len();
            while left > 0 {
                let n = left.min(size);
                outbox.advance(n);
                left -= n;
            }
            chunk.len()
        } else {
            let chunk = outbox.chunk();
            assert!(!chunk.is_empty(), "what waits is shown");
            let n = chunk.len().min(size);
            out.extend_from_slice(&chunk[..n]);
            outbox.advance(n);
            n
        };
        assert_eq!(outbox.len(), before - n);
    }
    out
}

#[cfg(feature = "std")]
#[test]
fn r050_vectored_writing_shows_the_same_bytes() {
    for end in BOTH {
        for written in [0, 1, 7, 20_000, 20_004, 20_007, 20_020, 40_015] {
            for slots in 1..8 {
                let mut conn = end.conn();
                conn.send(vec![7; 20_000]).unwrap();
                conn.tick(START);
                receive(&mut conn, &end.incoming(FIN | PING, b"one"));
                conn.send("small").unwrap();
                conn.send(vec![8; 20_000]).unwrap();
                conn.send("last").unwrap();
                let mut copy = Vec::new();
                let outbox = conn.outbox();
                let n = written.min(outbox.len());
                outbox.advance(n);
                let mut slices = [std::io::IoSlice::new(&[]); 8];
                let shown = outbox.chunks_vectored(&mut slices[..slots]);
                for slice in &slices[..shown] {
                    assert!(!slice.is_empty());
                    copy.extend_from_slice(slice);
                }
                if slots > 6 {
                    assert_eq!(copy.len(), outbox.remaining(), "six pieces at most");
                }
                let all = drain(&mut conn);
                assert!(all.starts_with(&copy) && !copy.is_empty(), "{end:?} {written} {slots}");
            }
        }
    }
}

/// A Pong that is half written is finished; the newest Ping that came meanwhile is answered after it.
#[test]
fn r050_pong_cut_by_the_transport() {
    for end in BOTH {
        let message = end.outgoing(FIN | TEXT, b"m");
        let first = end.outgoing(FIN | PONG, b"first");
        for written in 0..=message.len() + first.len() {
            for pings in 0..4u8 {
                let mut conn = end.conn();
                conn.send("m").unwrap();
                receive(&mut conn, &end.incoming(FIN | PING, b"first"));
                let mut out = Vec::new();
                while out.len() < written {
                    let n = conn.outbox().chunk().len().min(written - out.len());
                    out.extend_from_slice(&conn.outbox().chunk()[..n]);
                    conn.outbox().advance(n);
                }
                conn.tick(START);
                for n in 0..pings {
                    receive(&mut conn, &end.incoming(FIN | PING, &[n; 125]));
                }
                conn.send("after").unwrap();
                out.extend(drain(&mut conn));
                let frames = decode(&out);
                let because = format!("{end:?}: {written} written, {pings} pings: {frames:?}");
                let pongs: Vec<&[u8]> = frames
                    .iter()
                    .filter(|frame| frame.opcode() == PONG)
                    .map(|frame| &frame.payload[..])
                    .collect();
                let newest = [pings.wrapping_sub(1); 125];
                match (pings, written > message.len()) {
                    (0, _) => assert_eq!(pongs, [&b"first"[..]], "{because}"),
                    (_, false) => assert_eq!(pongs, [&newest[..]], "{because}"),
                    (_, true) => assert_eq!(pongs, [&b"first"[..], &newest], "{because}"),
                }
                let data: Vec<&[u8]> = frames
                    .iter()
                    .filter(|frame| frame.opcode() == TEXT)
                    .map(|frame| &frame.payload[..])
                    .collect();
                assert_eq!(data, [&b"m"[..], b"after"], "{because}");
                assert_eq!(frames[0].payload, b"m", "{because}");
                assert!(frames.iter().all(|frame| frame.key == end.outgoing_key()), "{because}");
            }
        }
    }
}

/// Nothing is the last thing that either end sends but its Close, unless it may still answer Pings: a Pong that waits
/// for another one to be finished does not come behind the answer to the peer's Close.
#[test]
fn r050_no_pong_behind_the_last_close() {
    for end in BOTH {
        for (ours_first, blocked) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut conn = end.conn();
            conn.send("m").unwrap();
            if blocked {
                conn.tick(START);
            }
            receive(&mut conn, &end.incoming(FIN | PING, b"first"));
            // The message and half of the Pong are written.
            let mut out = Vec::new();
            while out.len() < end.outgoing(FIN | TEXT, b"m").len() + 3 {
                out.push(conn.outbox().chunk()[0]);
                conn.outbox().advance(1);
            }
            receive(&mut conn, &end.incoming(FIN | PING, b"second"));
            if ours_first {
                conn.close(code(1000), "").unwrap();
            }
            receive(&mut conn, &end.incoming_close(1000, ""));
            assert_eq!(conn.state(), State::Closed);
            out.extend(drain(&mut conn));
            let frames = decode(&out);
            let because = format!("{end:?}, {ours_first}, {blocked}: {frames:?}");
            assert_eq!(frames.last().unwrap().opcode(), CLOSE, "{because}");
            assert_eq!(frames.len(), 4, "{because}");
        }
    }
}

/// A handful of Pings in one read are all answered: nothing is blocked there. (Autobahn's case 2.10 sends ten.)
#[test]
fn r050_pings_of_one_read() {
    for end in BOTH {
        let pings: Vec<u8> =
            (0..10).flat_map(|n| end.incoming(FIN | PING, format!("payload-{n}").as_bytes())).collect();
        let (mut conn, mut inbox) = end.open(Config::default());
        assert_eq!(read(&mut conn, &mut inbox, &pings), (vec![], None));
        let payloads: Vec<_> = sent(&mut conn).into_iter().map(|frame| frame.payload).collect();
        let expected: Vec<_> = (0..10).map(|n| format!("payload-{n}").into_bytes()).collect();
        assert_eq!(payloads, expected, "{end:?}");
    }
}

/// What was blocked, or has answered many Pings, does so no less once it has been written out.
#[test]
fn r050_pings_of_one_read_among_messages() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(quiet());
        for round in 0..50 {
            if round % 10 == 9 {
                conn.send("blocked").unwrap();
                conn.tick(START);
                drain(&mut conn);
            }
            let mut bytes = end.incoming(FIN | TEXT, b"m");
            for n in 0..10 {
                bytes.extend(end.incoming(FIN | PING, &[n, 7, 7]));
            }
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                fill(&mut inbox, &mut bytes);
                while inbox.next(&mut conn).unwrap() {
                    conn.send(inbox.message().unwrap()).unwrap();
                }
            }
            let frames = sent(&mut conn);
            let pongs: Vec<u8> = frames.iter().skip(1).map(|frame| frame.payload[0]).collect();
            assert_eq!(pongs, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "{end:?}, round {round}: {frames:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// However Pings, messages and writes follow each other: Pongs go in the order of their Pings, each between whole
    /// frames, none twice, and the newest is always among them.
    #[test]
    fn r050_pongs_keep_the_order_of_pings(
        client in any::<bool>(),
        steps in proptest::collection::vec((0..8u8, 0..3000usize), 1..120),
    ) {
        let end = if client { End::Client } else { End::Server };
        let mut conn = end.open(quiet()).0;
        let (mut out, mut pings, mut messages) = (Vec::new(), 0u32, 0u32);
        for (step, n) in steps {
            match step {
                0..=2 => {
                    pings += 1;
                    let payload = [&pings.to_be_bytes()[..], &vec![7; n % 120]].concat();
                    receive(&mut conn, &end.incoming(FIN | PING, &payload));
                }
                3 | 4 => {
                    let payload = [&messages.to_be_bytes()[..], &vec![7; if step == 3 { n } else { 9000 }]].concat();
                    messages += u32::from(conn.send(payload).is_ok());
                }
                5 => conn.tick(START),
                _ => {
                    let mut left = if step == 6 { n } else { n % 10 };
                    while left > 0 && conn.wants_write() {
                        let outbox = conn.outbox();
                        let n = left.min(outbox.chunk().len());
                        out.extend_from_slice(&outbox.chunk()[..n]);
                        outbox.advance(n);
                        left -= n;
                    }
                }
            }
        }
        out.extend(drain(&mut conn));
        let number = |frame: &Frame| u32::from_be_bytes(*frame.payload.first_chunk().unwrap());
        let frames = decode(&out);
        let of = |opcode| frames.iter().filter(move |frame| frame.opcode() == opcode).map(number);
        prop_assert!(of(BINARY).eq(0..messages));
        let pongs: Vec<u32> = of(PONG).collect();
        prop_assert!(pongs.is_sorted_by(|a, b| a < b), "{:?}", pongs);
        prop_assert_eq!(pongs.last().copied().unwrap_or(0), pings);
    }
}

/// "A Pong frame MAY be sent unsolicited. [...] A response to an unsolicited Pong frame is not expected" (§5.5.3).
#[test]
fn r051_unsolicited_pongs() {
    for end in BOTH {
        let mut conn = end.conn();
        let pong = end.incoming(FIN | PONG, b"heartbeat");
        let expected = vec![Got::Pong(b"heartbeat".to_vec()); 3];
        assert_eq!(receive(&mut conn, &pong.repeat(3)), (expected, None));
        assert_eq!(sent(&mut conn), []);
        assert_eq!(conn.stats().round_trip, None);
        assert_eq!(conn.state(), State::Open);
        // One that answers our Ping, three times: the first counts.
        conn.ping(b"ours").unwrap();
        conn.tick(START + secs(1));
        receive(&mut conn, &end.incoming(FIN | PONG, b"other"));
        assert_eq!(conn.stats().round_trip, None);
        conn.tick(START + secs(2));
        receive(&mut conn, &end.incoming(FIN | PONG, b"ours"));
        assert_eq!(conn.stats().round_trip, Some(secs(2)));
        conn.tick(START + secs(3));
        receive(&mut conn, &end.incoming(FIN | PONG, b"ours").repeat(2));
        assert_eq!(conn.stats().round_trip, Some(secs(2)));
        // At once is a time too.
        conn.ping(b"").unwrap();
        receive(&mut conn, &end.incoming(FIN | PONG, b""));
        assert_eq!(conn.stats().round_trip, Some(Duration::ZERO));
        // Within a message, and after each Close.
        let bytes = [end.incoming(TEXT, b"a"), pong.clone(), end.incoming(FIN, b"b")].concat();
        assert_events(end, &quiet(), &bytes, &[Got::Pong(b"heartbeat".to_vec()), whole(Kind::Text, b"ab")]);
        conn.close(code(1000), "").unwrap();
        sent(&mut conn);
        assert_eq!(receive(&mut conn, &pong).0.len(), 1);
        receive(&mut conn, &end.incoming_close(1000, ""));
        assert_eq!(receive(&mut conn, &pong), (vec![], None));
        assert_eq!(sent(&mut conn), []);
    }
}
