//! Limits and the validation of all input: RFC 6455 §10.4, §10.7, and the codes of §7.4.1.

use websans::{Cause, Config, Kind, ProtocolError, State};

use crate::support::*;

fn limited(max_message: u64) -> Config {
    let mut config = quiet();
    config.max_message = max_message;
    config
}

/// "Implementations that have implementation- and/or platform-specific limitations regarding the frame size or total
/// message size after reassembly from multiple frames MUST protect themselves against exceeding those limits" (§10.4).
#[test]
fn r055_frame_over_the_limit() {
    let error = ProtocolError::MessageTooBig;
    assert_eq!(error.close_code().get(), 1009);
    for end in BOTH {
        for limit in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 1 << 40] {
            for opcode in [TEXT, BINARY] {
                for fin in [0, FIN] {
                    // The header alone tells: nothing of the payload is waited for.
                    let over = header(fin | opcode, end.incoming_key(), limit + 1);
                    assert_fails(end, &limited(limit), &over, &[], error);
                    let just = header(fin | opcode, end.incoming_key(), limit);
                    let mut conn = end.open(limited(limit)).0;
                    assert_eq!(receive(&mut conn, &just).1, None);
                    assert_eq!(conn.state(), State::Open);
                }
            }
        }
        let bytes = end.incoming(FIN | BINARY, &[7; 126]);
        assert_events(end, &limited(126), &bytes, &[whole(Kind::Binary, &[7; 126])]);
        // What came before is delivered.
        let bytes = [end.incoming(FIN | TEXT, b"fits"), end.incoming(FIN | TEXT, b"does not")].concat();
        assert_fails(end, &limited(4), &bytes, &[text("fits")], error);
    }
}

#[test]
fn r055_fragments_over_the_limit() {
    let error = ProtocolError::MessageTooBig;
    for end in BOTH {
        for (parts, fine) in [
            (&[5, 5][..], true),
            (&[10], true),
            (&[0, 10, 0], true),
            (&[11], false),
            (&[5, 6], false),
            (&[10, 1], false),
            (&[10, 0, 1], false),
            (&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1], true),
            (&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], false),
        ] {
            let mut bytes = Vec::new();
            for (at, &len) in parts.iter().enumerate() {
                let first = if at == 0 { BINARY } else { 0 } | if at + 1 == parts.len() { FIN } else { 0 };
                bytes.extend(end.incoming(first, &vec![7; len]));
            }
            if fine {
                assert_events(end, &limited(10), &bytes, &[whole(Kind::Binary, &[7; 10])]);
            } else {
                assert_fails(end, &limited(10), &bytes, &[], error);
            }
        }
        // A continuation fails at its header, whatever it declares, and nothing overflows.
        for len in [6, 7, 126, 65_536, 1 << 32, u64::MAX >> 1] {
            let bytes = [end.incoming(BINARY, b"12345"), header(0, end.incoming_key(), len)].concat();
            assert_fails(end, &limited(10), &bytes, &[], error);
        }
        // Each message has the whole limit to itself, and control frames do not count.
        let message =
            [end.incoming(BINARY, &[7; 5]), end.incoming(FIN | PING, &[7; 125]), end.incoming(FIN, &[7; 5])];
        let expected = [Got::Ping(vec![7; 125]), whole(Kind::Binary, &[7; 10])];
        assert_events(end, &limited(10), &message.concat().repeat(2), &[&expected[..], &expected].concat());
    }
}

/// A frame over the limit that comes a byte at a time fails at its header's last byte, not at its own.
#[test]
fn r055_dribbled_frame_over_the_limit() {
    for end in BOTH {
        let head = header(FIN | BINARY, end.incoming_key(), (1 << 20) + 1);
        let mut conn = end.conn();
        for (at, byte) in head.iter().enumerate() {
            let (events, error) = receive(&mut conn, &[*byte]);
            assert_eq!(events, []);
            let expected = (at + 1 == head.len()).then_some(ProtocolError::MessageTooBig);
            assert_eq!(error, expected, "byte {at}");
        }
        assert_failed(&mut conn, ProtocolError::MessageTooBig, "dribbled");
    }
}

#[test]
fn r055_limits_of_streamed_messages() {
    for end in BOTH {
        let mut config = limited(10);
        config.max_streamed = 20;
        let bytes = [end.incoming(BINARY, &[7; 15]), end.incoming(FIN, &[7; 5])].concat();
        let over = [end.incoming(BINARY, &[7; 15]), end.incoming(FIN, &[7; 6])].concat();
        for (bytes, error) in [(bytes, None), (over, Some(ProtocolError::MessageTooBig))] {
            let (mut conn, mut inbox) = end.open(config.clone());
            inbox.preload(&bytes);
            let mut n = 0;
            let result = loop {
                match inbox.next_chunk(&mut conn) {
                    Ok(true) => n += inbox.chunk().unwrap().payload.len(),
                    Ok(false) => break None,
                    Err(error) => break Some(error),
                }
            };
            assert_eq!((n, result), (if error.is_none() { 20 } else { 15 }, error));
            // The next message, taken whole, is held to the other limit.
            if error.is_none() {
                inbox.preload(&end.incoming(FIN | BINARY, &[7; 11]));
                assert_eq!(inbox.next(&mut conn), Err(ProtocolError::MessageTooBig));
            }
        }
    }
}

/// The limit of whole messages holds for all that `next` lends, also if `next_chunk` was called before it.
#[test]
fn r055_limit_holds_when_ways_of_reading_are_mixed() {
    for end in BOTH {
        for fragmented in [false, true] {
            let head = header(BINARY | if fragmented { 0 } else { FIN }, end.incoming_key(), 11);
            let payload = xor(end.incoming_key().unwrap_or_default(), &[7; 11]);
            let (mut conn, mut inbox) = end.open(limited(10));
            inbox.preload(&head);
            // No part of the message has come yet: it is not known which way it will be taken.
            assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
            let mut bytes = payload;
            if fragmented {
                bytes.extend(end.incoming(FIN, b""));
            }
            inbox.preload(&bytes);
            assert_eq!(inbox.next(&mut conn), Err(ProtocolError::MessageTooBig), "{end:?}, {fragmented}");
        }
    }
}

/// What inflates beyond the limit fails at the first byte beyond it.
#[test]
fn r055_inflated_message_over_the_limit() {
    for end in BOTH {
        for limit in [0, 1, 255, 256, 1000, 100_000] {
            for (len, fine) in [(limit, true), (limit + 1, false), (limit + 300, false)] {
                let compressed = RunLength::compress(&vec![0; len]);
                let at = compressed.len() / 2;
                let whole = end.incoming(FIN | 0x40 | BINARY, &compressed);
                let fragments =
                    [end.incoming(0x40 | BINARY, &compressed[..at]), end.incoming(FIN, &compressed[at..])]
                        .concat();
                for bytes in [whole, fragments] {
                    // The compressed bytes are bounded too; here that is not what is to be seen.
                    let mut config = limited(limit as u64);
                    if compressed.len() > limit {
                        config.max_message = compressed.len() as u64;
                        if len <= compressed.len() {
                            continue;
                        }
                    }
                    let (mut conn, mut inbox) = open_compressed(end, config);
                    let (messages, error) = read(&mut conn, &mut inbox, &bytes);
                    if fine {
                        assert!(
                            messages == [Owned::Binary(vec![0; len])] && error.is_none(),
                            "{limit} {len}"
                        );
                    } else {
                        assert_eq!(
                            (messages.len(), error),
                            (0, Some(ProtocolError::MessageTooBig)),
                            "{limit} {len}"
                        );
                        assert_failed(&mut conn, ProtocolError::MessageTooBig, "inflated");
                    }
                }
            }
        }
    }
}

/// Fragments are limited in number, and empty ones in a row are.
#[test]
fn r056_fragments_are_limited_in_number() {
    let error = ProtocolError::TooManyFragments;
    assert_eq!(error.close_code().get(), 1008);
    for end in BOTH {
        let fragments = |n: usize, payload: &[u8]| {
            let middle = end.incoming(0, payload).repeat(n - 2);
            [end.incoming(BINARY, payload), middle, end.incoming(FIN, payload)].concat()
        };
        for limit in [2, 3, 100] {
            let mut config = quiet();
            config.max_fragments = limit;
            let n = limit as usize;
            let expected = whole(Kind::Binary, &vec![7; n]);
            let twice = fragments(n, &[7]).repeat(2);
            let mut conn = end.open(config.clone()).0;
            assert_eq!(receive_pieces(&mut conn, [&twice[..]]), (vec![expected.clone(), expected], None));
            assert_fails(end, &config, &fragments(n + 1, &[7]), &[], error);
        }
        for limit in [0, 1, 2, 16, 254, 255] {
            let mut config = quiet();
            config.max_empty_fragments = limit;
            let n = usize::from(limit);
            let empty = |n| end.incoming(0, b"").repeat(n);
            // As many as may be, something, as many again; the last fragment is not one of them.
            let fine = [
                end.incoming(BINARY, b"a"),
                empty(n),
                end.incoming(0, b"b"),
                empty(n),
                end.incoming(FIN, b""),
            ]
            .concat();
            let mut conn = end.open(config.clone()).0;
            let expected = (vec![whole(Kind::Binary, b"ab")], None);
            assert_eq!(receive_pieces(&mut conn, [&fine[..]]), expected, "{limit}");
            let many = [end.incoming(BINARY, b"a"), empty(n + 1)].concat();
            let mut conn = end.open(config.clone()).0;
            assert_eq!(receive(&mut conn, &many).1, Some(error), "{limit}");
            assert_failed(&mut conn, error, "too many empty fragments");
            // The first fragment counts if it is empty, and a Ping in between does not break the row.
            let many = [end.incoming(BINARY, b""), end.incoming(FIN | PING, b""), empty(n)].concat();
            let mut conn = end.open(config).0;
            assert_eq!(receive(&mut conn, &many).1, Some(error), "{limit}");
        }
    }
    let (mut conn, _) = End::Client.open(quiet());
    let flood = [&b"\x02\x00"[..], &b"\0\0".repeat(100_000)].concat();
    assert_eq!(receive(&mut conn, &flood).1, Some(error), "the default has an end");
    let (mut conn, _) = End::Client.open(quiet());
    let flood = [&b"\x02\x00"[..], &b"\0\x01x".repeat(1_000_000)].concat();
    assert_eq!(receive(&mut conn, &flood).1, Some(error), "the default has an end");
    assert_eq!(conn.stats().frames_received, u64::from(Config::default().max_fragments) + 1);
}

/// A stream of any length has any number of fragments; the next message, received whole, is counted again.
#[test]
fn fragments_of_a_stream_are_not_counted() {
    for end in BOTH {
        let mut config = quiet();
        config.max_fragments = 3;
        config.max_empty_fragments = 1;
        let stream =
            [end.incoming(BINARY, b"a"), end.incoming(0, b"b").repeat(1000), end.incoming(FIN, b"c")];
        let (mut conn, mut inbox) = end.open(config.clone());
        let stream = stream.concat();
        let (mut rest, mut got) = (&stream[..], 0);
        while !rest.is_empty() {
            fill(&mut inbox, &mut rest);
            while inbox.next_chunk(&mut conn).unwrap() {
                got += inbox.chunk().unwrap().payload.len();
            }
        }
        assert_eq!(got, 1002);
        let (messages, error) = read(&mut conn, &mut inbox, &stream);
        assert_eq!((messages.len(), error), (0, Some(ProtocolError::TooManyFragments)));
        // Nor may it waste time with empty ones.
        let (mut conn, mut inbox) = end.open(config);
        let empty = [end.incoming(BINARY, b"a"), end.incoming(0, b"").repeat(2)].concat();
        fill(&mut inbox, &mut &empty[..]);
        assert!(inbox.next_chunk(&mut conn).unwrap());
        while inbox.next_chunk(&mut conn) == Ok(true) {}
        assert_failed(&mut conn, ProtocolError::TooManyFragments, "empty fragments of a stream");
    }
}

#[test]
fn r055_defaults_are_finite() {
    let config = Config::default();
    assert_eq!(config.max_message, 1 << 20);
    assert!(config.max_streamed < u64::MAX);
    assert_eq!(config.max_fragments, 131_072);
    assert_eq!(config.max_empty_fragments, 16);
    assert_eq!(config.max_outbox, 256 << 10);
    assert!(config.read_buffer <= 64 << 10);
    assert!(config.max_head <= 64 << 10 && config.max_headers <= 128 && config.max_refusal_body <= 1 << 20);
    assert!(config.keepalive.is_some());
    let longest = secs(60);
    assert!(
        config.close_within <= longest && config.write_stall <= longest && config.handshake_within <= longest
    );
}

/// "Incoming data MUST always be validated by both clients and servers" (§10.7): every pair of first bytes, between
/// messages and within one, is judged as §5.2 to §5.5 say.
#[test]
fn r057_every_pair_of_first_bytes() {
    for end in BOTH {
        for within in [false, true] {
            let mut template = end.conn();
            if within {
                receive(&mut template, &end.incoming(TEXT, b"a"));
            }
            for first in 0..=255u8 {
                for second in 0..=255u8 {
                    let mut conn = end.conn();
                    if within {
                        receive(&mut conn, &end.incoming(TEXT, b"a"));
                    }
                    let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 0xf);
                    let at_first = match opcode {
                        3..=7 | 11.. => Some(ProtocolError::ReservedOpcode),
                        8..=10 if !fin => Some(ProtocolError::FragmentedControl),
                        _ if rsv != 0 => Some(ProtocolError::ReservedBits),
                        CONTINUATION if !within => Some(ProtocolError::UnexpectedContinuation),
                        TEXT | BINARY if within => Some(ProtocolError::ExpectedContinuation),
                        _ => None,
                    };
                    let masked = second & 0x80 != 0;
                    let at_second = match end {
                        End::Server if !masked => Some(ProtocolError::UnmaskedFrame),
                        End::Client if masked => Some(ProtocolError::MaskedFrame),
                        _ if opcode >= 8 && second & 0x7f > 125 => Some(ProtocolError::ControlTooLong),
                        _ => None,
                    };
                    let because = format!("{end:?}, {first:02x} {second:02x}");
                    assert_eq!(receive(&mut conn, &[first]), (vec![], at_first), "{because}");
                    let (events, error) = receive(&mut conn, &[second]);
                    if at_first.is_some() {
                        assert_eq!((events, error), (vec![], None), "{because}");
                    } else {
                        assert_eq!(error, at_second, "{because}");
                        // A frame that is whole by now is an event: an empty one from a server.
                        let whole = error.is_none() && second == 0;
                        assert_eq!(events.len(), usize::from(whole), "{because}");
                    }
                    if let Some(error) = at_first.or(at_second) {
                        assert_failed(&mut conn, error, &because);
                    } else {
                        let open = opcode != CLOSE || second != 0;
                        assert_eq!(conn.state() == State::Open, open, "{because}");
                    }
                }
            }
        }
    }
}

/// Which code stands for which failure (§7.4.1).
#[test]
fn r057_codes_of_failures() {
    use ProtocolError as E;
    for (errors, code) in [
        (
            &[
                E::UnmaskedFrame,
                E::MaskedFrame,
                E::ReservedBits,
                E::ReservedOpcode,
                E::LengthNotMinimal,
                E::LengthOutOfRange,
                E::UnexpectedContinuation,
                E::ExpectedContinuation,
                E::FragmentedControl,
                E::ControlTooLong,
                E::TruncatedCloseCode,
                E::InvalidCloseCode,
            ][..],
            // "an endpoint is terminating the connection due to a protocol error"
            1002,
        ),
        // "it has received data within a message that was not consistent with the type of the message"
        (&[E::InvalidCloseReason, E::InvalidUtf8, E::InvalidDeflate], 1007),
        // "it has received a message that violates its policy"
        (&[E::TooManyFragments], 1008),
        // "it has received a message that is too big for it to process"
        (&[E::MessageTooBig], 1009),
    ] {
        for &error in errors {
            assert_eq!(error.close_code().get(), code, "{error:?}");
            assert!(error.reason().len() <= 123 && error.to_string().ends_with(error.reason()));
            for end in BOTH {
                let mut conn = end.conn();
                conn.fail(error);
                assert_eq!(drain(&mut conn), end.outgoing_close(code, error.reason()));
                let outcome = conn.outcome().unwrap();
                assert_eq!((outcome.cause, outcome.code()), (Cause::Protocol(error), 1006));
            }
        }
    }
    // "it encountered an unexpected condition that prevented it from fulfilling the request": not the peer's doing
    // in so many words, such as silence. And what is left is for applications to say.
    for end in BOTH {
        let mut conn = end.conn();
        conn.tick(START + secs(30));
        sent(&mut conn);
        conn.tick(START + secs(40));
        assert_eq!(sent(&mut conn)[0].payload[..2], 1011u16.to_be_bytes());
        let mut conn = end.conn();
        conn.close(websans::CloseCode::UNSUPPORTED_DATA, "text only").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing_close(1003, "text only"));
    }
}
