//! Fragmentation, data frames, sending and receiving data, UTF-8: RFC 6455 §5.4, §5.6, §6, §8.1.

use websans::deflate::Flush;
use websans::{Kind, Payload, Prepared, ProtocolError, SendError, State};

use crate::support::*;

/// "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0, followed by
/// zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a single frame with the FIN
/// bit set and an opcode of 0" (§5.4).
#[test]
fn r047_continuation_of_nothing() {
    let error = ProtocolError::UnexpectedContinuation;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        for fin in [0, FIN] {
            assert_fails(end, &quiet(), &end.incoming(fin, b"x"), &[], error);
            assert_fails(end, &quiet(), &end.incoming(fin, b""), &[], error);
            // The first byte tells.
            assert_fails(end, &quiet(), &[fin], &[], error);
            // A message that is whole has no continuation either, however it came.
            let bytes = [end.incoming(FIN | TEXT, b"one"), end.incoming(fin, b"x")].concat();
            assert_fails(end, &quiet(), &bytes, &[text("one")], error);
            let bytes =
                [end.incoming(TEXT, b"o"), end.incoming(FIN, b"ne"), end.incoming(fin, b"x")].concat();
            assert_fails(end, &quiet(), &bytes, &[text("one")], error);
            let bytes = [end.incoming(FIN | PING, b""), end.incoming(fin, b"x")].concat();
            assert_fails(end, &quiet(), &bytes, &[Got::Ping(vec![])], error);
        }
    }
}

/// "The fragments of one message MUST NOT be interleaved between the fragments of another message" (§5.4).
#[test]
fn r047_message_within_a_message() {
    let error = ProtocolError::ExpectedContinuation;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        for begun in [TEXT, BINARY] {
            for within in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
                let first = end.incoming(begun, b"a");
                let bytes = [&first[..], &end.incoming(within, b"b")].concat();
                assert_fails(end, &quiet(), &bytes, &[], error);
                assert_fails(end, &quiet(), &[&first[..], &[within]].concat(), &[], error);
                let bytes = [&first[..], &end.incoming(0, b"b"), &end.incoming(within, b"c")].concat();
                assert_fails(end, &quiet(), &bytes, &[], error);
            }
        }
    }
}

/// The parts of a message carry its kind and tell its beginning and its end, whatever frames they came in.
#[test]
fn r053_received_fragments_make_one_message() {
    for end in BOTH {
        for (opcode, kind) in [(TEXT, Kind::Text), (BINARY, Kind::Binary)] {
            let bytes =
                [end.incoming(opcode, b"one "), end.incoming(0, b"two "), end.incoming(FIN, b"three")]
                    .concat();
            assert_events(end, &quiet(), &bytes, &[whole(kind, b"one two three")]);
            let expected = match kind {
                Kind::Text => Owned::Text("one two three".into()),
                Kind::Binary => Owned::Binary(b"one two three".to_vec()),
            };
            splits(&bytes, |pieces| {
                let (mut conn, mut inbox) = end.open(quiet());
                let mut messages = Vec::new();
                for piece in pieces {
                    let (some, error) = read(&mut conn, &mut inbox, piece);
                    assert_eq!(error, None);
                    messages.extend(some);
                }
                assert_eq!(
                    messages,
                    [&expected].map(|expected| match expected {
                        Owned::Text(text) => Owned::Text(text.clone()),
                        Owned::Binary(bytes) => Owned::Binary(bytes.clone()),
                    })
                );
            });
        }
        // A frame that comes in pieces is reported in pieces: just the first is first and just the last is last.
        let mut conn = end.conn();
        let bytes = end.incoming(FIN | BINARY, b"abcdef");
        let cut = bytes.len() - 4;
        let part = |payload: &[u8], first, last| Got::Part {
            kind: Kind::Binary,
            payload: payload.to_vec(),
            first,
            last,
        };
        assert_eq!(receive(&mut conn, &bytes[..cut]).0, [part(b"ab", true, false)]);
        assert_eq!(receive(&mut conn, &bytes[cut..cut + 1]).0, [part(b"c", false, false)]);
        assert_eq!(receive(&mut conn, &bytes[cut + 1..]).0, [part(b"def", false, true)]);
    }
}

/// "The opcode of the first frame [...] MUST be set to the appropriate value [...]. The FIN bit of the last frame
/// containing the data MUST be set to 1" (§6.1).
#[test]
fn r053_sent_fragments_are_typed_first_and_finished_last() {
    for end in BOTH {
        let mut conn = end.conn();
        for (kind, opcode) in [(Kind::Text, TEXT), (Kind::Binary, BINARY)] {
            for parts in [vec!["only"], vec!["", ""], vec!["one", "two", "three", ""]] {
                let mut expected = Vec::new();
                for (at, part) in parts.iter().enumerate() {
                    let last = at + 1 == parts.len();
                    conn.send_part(Payload::new(kind, *part), last).unwrap();
                    let first = if at == 0 { opcode } else { 0 } | if last { FIN } else { 0 };
                    expected.extend(end.outgoing(first, part.as_bytes()));
                }
                assert_eq!(drain(&mut conn), expected);
            }
        }
        for above in [0, 1, 2, 3, 5, 6, 7] {
            let mut config = quiet();
            config.fragment_above = Some(above);
            let mut conn = end.open(config).0;
            conn.send("sixish").unwrap();
            let frames = sent(&mut conn);
            let payload: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
            assert_eq!(payload, b"sixish");
            for (at, frame) in frames.iter().enumerate() {
                assert_eq!(frame.opcode(), if at == 0 { TEXT } else { 0 });
                assert_eq!(frame.fin(), at + 1 == frames.len());
                assert!(frame.payload.len() <= above.max(1));
            }
            conn.send("").unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(FIN | TEXT, b""));
            // Parts keep their own ends when they are cut further.
            conn.send_part("abcd", false).unwrap();
            conn.send_part("efgh", true).unwrap();
            let frames = sent(&mut conn);
            assert_eq!(frames.iter().filter(|frame| frame.fin()).count(), 1);
            assert!(frames.last().unwrap().fin());
            assert_eq!(frames.iter().filter(|frame| frame.opcode() == TEXT).count(), 1);
        }
    }
}

/// "The endpoint MUST ensure the WebSocket connection is in the OPEN state" (§6.1).
#[test]
fn r053_data_is_sent_only_while_open() {
    let prepared = Prepared::new("p").unwrap();
    let all = |conn: &mut websans::Connection| {
        [
            conn.send("text"),
            conn.send(&[1]),
            conn.send_part("part", false),
            conn.send_part("part", true),
            conn.send_prepared(&prepared),
        ]
    };
    for end in BOTH {
        let mut conn = end.conn();
        assert_eq!(all(&mut conn), [Ok(()), Ok(()), Ok(()), Ok(()), Ok(())]);
        sent(&mut conn);
        conn.close(code(1000), "").unwrap();
        let close = sent(&mut conn);
        assert_eq!(close.len(), 1);
        assert_eq!(all(&mut conn), [Err(SendError::Closing); 5]);
        receive(&mut conn, &end.incoming_close(1000, ""));
        assert_eq!(conn.state(), State::Closed);
        assert_eq!(all(&mut conn), [Err(SendError::Closing); 5]);
        assert_eq!(sent(&mut conn), []);
    }
}

/// Texts that show each rule of RFC 3629, and whether they are UTF-8.
const TEXTS: &[&[u8]] = &[
    b"",
    b"Hello",
    "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!".as_bytes(),
    "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes(),
    "\0\u{7f}\u{80}\u{7ff}\u{800}\u{fff}\u{1000}\u{cfff}\u{d000}\u{d7ff}\u{e000}\u{ffff}".as_bytes(),
    "\u{10000}\u{3ffff}\u{40000}\u{fffff}\u{100000}\u{10ffff}".as_bytes(),
    "\u{feff}\u{fffd}\u{fffe}".as_bytes(),
    // Continuations without a start, starts without a continuation, in every length.
    b"\x80",
    b"\xbf",
    b"abc\x80def",
    b"\xc2",
    b"\xc2A",
    b"\xe2\x82",
    b"\xe2A\x82",
    b"\xe2\x82A",
    b"\xf0\x9f\x98",
    b"\xf0A\x98\x80",
    b"\xf0\x9fA\x80",
    b"\xf0\x9f\x98A",
    b"\xf0\x9f\x98\xc2\x80",
    b"\xc2\x80\x80",
    b"\xe2\x82\xac\x80",
    b"\xf0\x9f\x98\x80\x80",
    // Never: overlong starts, five and six bytes, and what is no start at all.
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe",
    b"\xff",
    // Overlong, surrogates, beyond the last character.
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xad\xbf\xed\xb0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    // Right for long, then wrong.
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
    b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\xc3\xa9f0123456789abcde\xc3",
];

/// How many bytes of `text` there must be before no text can continue them.
fn first_impossible(text: &[u8]) -> Option<usize> {
    (1..=text.len())
        .find(|&n| core::str::from_utf8(&text[..n]).is_err_and(|error| error.error_len().is_some()))
}

/// "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a valid
/// UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_" (§8.1); the whole message is the stream (§5.6).
#[test]
fn r052_text_is_utf8() {
    let error = ProtocolError::InvalidUtf8;
    assert_eq!(error.close_code().get(), 1007);
    for end in BOTH {
        for &payload in TEXTS {
            let expected = match core::str::from_utf8(payload) {
                Ok(text) => (vec![Owned::Text(text.into())], None),
                Err(_) => (vec![], Some(error)),
            };
            let check = |bytes: &[u8], how: &str| {
                splits(bytes, |pieces| {
                    let because = format!("{end:?}, {how}: {payload:02x?} as {pieces:02x?}");
                    let (mut conn, mut inbox) = end.open(quiet());
                    let mut result = (vec![], None);
                    for piece in pieces {
                        let (messages, failed) = read(&mut conn, &mut inbox, piece);
                        result.0.extend(messages);
                        result.1 = result.1.or(failed);
                    }
                    assert_eq!(result, expected, "{because}");
                    if let Some(error) = expected.1 {
                        assert_failed(&mut conn, error, &because);
                    }
                });
            };
            check(&end.incoming(FIN | TEXT, payload), "whole");
            for at in 0..=payload.len() {
                let bytes = [end.incoming(TEXT, &payload[..at]), end.incoming(FIN, &payload[at..])].concat();
                check(&bytes, "in two fragments");
            }
            let mut bytes = end.incoming(TEXT, b"");
            for byte in payload {
                bytes.extend(end.incoming(0, &[*byte]));
                bytes.extend(end.incoming(FIN | PING, b"\xff"));
            }
            bytes.extend(end.incoming(FIN, b""));
            check(&bytes, "byte by byte");

            // Binary may be anything.
            let (mut conn, mut inbox) = end.open(quiet());
            let bytes = [end.incoming(BINARY, payload), end.incoming(FIN, payload)].concat();
            let (messages, failed) = read(&mut conn, &mut inbox, &bytes);
            assert_eq!((messages, failed), (vec![Owned::Binary([payload, payload].concat())], None));
        }
    }
}

/// It is not waited for the end of the message, nor of the frame, to say so.
#[test]
fn r052_fails_at_the_first_impossible_byte() {
    for end in BOTH {
        for &payload in TEXTS {
            let expected = first_impossible(payload);
            for streamed in [false, true] {
                for fragmented in [false, true] {
                    let (mut conn, mut inbox) = end.open(quiet());
                    let mut failed_at = None;
                    let mut delivered = Vec::new();
                    // A long frame of which not all comes, or fragments of one byte each.
                    let long = [payload, &[b'x'; 99]].concat();
                    let whole = end.incoming(TEXT, &long);
                    let start = whole.len() - long.len();
                    for (at, &byte) in payload.iter().enumerate() {
                        let bytes = match (fragmented, at) {
                            (true, 0) => end.incoming(TEXT, &[byte]),
                            (true, _) => end.incoming(0, &[byte]),
                            (false, 0) => whole[..=start].to_vec(),
                            (false, _) => whole[start + at..=start + at].to_vec(),
                        };
                        fill(&mut inbox, &mut &bytes[..]);
                        let result = if streamed {
                            // What came before the bad byte is delivered; all of it is good.
                            loop {
                                match inbox.next_chunk(&mut conn) {
                                    Ok(true) => delivered.extend_from_slice(inbox.chunk().unwrap().payload),
                                    Ok(false) => break Ok(false),
                                    Err(error) => break Err(error),
                                }
                            }
                        } else {
                            inbox.next(&mut conn)
                        };
                        match result {
                            Ok(more) => assert!(!more),
                            Err(error) => {
                                assert_eq!(error, ProtocolError::InvalidUtf8);
                                failed_at = Some(at + 1);
                                break;
                            }
                        }
                    }
                    assert_eq!(failed_at, expected, "{end:?}, {streamed}, {fragmented}: {payload:02x?}");
                    let good = expected.unwrap_or(payload.len() + 1) - 1;
                    assert_eq!(delivered, payload[..if streamed { good } else { 0 }]);
                    if expected.is_some() {
                        assert_failed(&mut conn, ProtocolError::InvalidUtf8, "at once");
                    }
                }
            }
        }
    }
}

/// All sequences of a start byte and three more, as `std` judges them.
#[test]
fn r052_judgement_of_all_short_sequences() {
    let interesting =
        [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xf0, 0xf4];
    let check = |bytes: &[u8]| {
        let mut utf8 = websans::text::Utf8::new();
        let valid = utf8.push(bytes).is_ok();
        let expected = core::str::from_utf8(bytes);
        let possible = expected.is_ok() || expected.is_err_and(|error| error.error_len().is_none());
        assert_eq!(valid, possible, "{bytes:02x?}");
        if valid {
            assert_eq!(utf8.is_complete(), expected.is_ok(), "{bytes:02x?}");
        }
    };
    for a in 0..=255 {
        check(&[a]);
        for b in 0..=255 {
            check(&[a, b]);
            for c in 0..=255 {
                check(&[a, b, c]);
            }
            for c in interesting {
                for d in interesting {
                    check(&[a, b, c, d]);
                    check(&[b'x', a, b, c, d, b'y']);
                }
            }
        }
    }
}

fn as_text(bytes: &[u8]) -> Payload<'_> {
    Payload::new(Kind::Text, bytes)
}

/// What is sent is held to the same rule: "text" is "encoded as UTF-8" (§5.6).
#[test]
fn r052_only_utf8_is_sent_as_text() {
    for end in BOTH {
        for &payload in TEXTS {
            let valid = core::str::from_utf8(payload).is_ok();
            let expected = if valid { Ok(()) } else { Err(SendError::InvalidUtf8) };
            let mut conn = end.conn();
            assert_eq!(conn.send(as_text(payload)), expected);
            assert_eq!(sent(&mut conn).len(), usize::from(valid));
            assert_eq!(Prepared::new(as_text(payload)).map(|_| ()), expected);
            for at in 0..=payload.len() {
                let (one, other) = payload.split_at(at);
                let result = conn.send_part(as_text(one), false);
                if first_impossible(one).is_some() {
                    assert_eq!(result, Err(SendError::InvalidUtf8));
                    continue;
                }
                assert_eq!(result, Ok(()));
                let result = conn.send_part(as_text(other), true);
                assert_eq!(result, expected, "{payload:02x?} cut at {at}");
                if result.is_err() {
                    // Nothing was queued, and the message can be finished in another way.
                    let finish = [0x80, 0xa0].iter().any(|&next| {
                        (0..4).any(|n| conn.send_part(as_text(&[next, 0x80, 0x80][..n]), true).is_ok())
                    });
                    assert!(finish, "{one:02x?}");
                }
                let message: Vec<u8> = sent(&mut conn).into_iter().flat_map(|frame| frame.payload).collect();
                assert!(core::str::from_utf8(&message).is_ok(), "{message:02x?}");
            }
        }
    }
}

/// "The length of the 'Payload data' [...] may be zero": empty messages and empty fragments are legal.
#[test]
fn r056_frames_of_no_length() {
    for end in BOTH {
        for (opcode, kind) in [(TEXT, Kind::Text), (BINARY, Kind::Binary)] {
            assert_events(end, &quiet(), &end.incoming(FIN | opcode, b""), &[whole(kind, b"")]);
            let none = [end.incoming(opcode, b""), end.incoming(0, b""), end.incoming(FIN, b"")].concat();
            assert_events(end, &quiet(), &none, &[whole(kind, b"")]);
            let some = [end.incoming(opcode, b""), end.incoming(0, b"some"), end.incoming(FIN, b"")].concat();
            assert_events(end, &quiet(), &some, &[whole(kind, b"some")]);
            let owned = |payload: &[u8]| match kind {
                Kind::Text => Owned::Text(String::from_utf8(payload.to_vec()).unwrap()),
                Kind::Binary => Owned::Binary(payload.to_vec()),
            };
            let bytes = [&end.incoming(FIN | opcode, b"")[..], &none, &some].concat();
            let expected = [owned(b""), owned(b""), owned(b"some")];
            splits(&bytes, |pieces| {
                let (mut conn, mut inbox) = end.open(quiet());
                let mut messages = Vec::new();
                for piece in pieces {
                    let (some, error) = read(&mut conn, &mut inbox, piece);
                    assert_eq!(error, None);
                    messages.extend(some);
                }
                assert_eq!(messages, expected);
            });
        }
        for control in [PING, PONG] {
            let event = if control == PING { Got::Ping(vec![]) } else { Got::Pong(vec![]) };
            assert_events(end, &quiet(), &end.incoming(FIN | control, b""), &[event]);
        }
        let mut conn = end.conn();
        conn.send("").unwrap();
        conn.send(b"").unwrap();
        conn.ping(b"").unwrap();
        let frames =
            [end.outgoing(FIN | TEXT, b""), end.outgoing(FIN | BINARY, b""), end.outgoing(FIN | PING, b"")];
        assert_eq!(drain(&mut conn), frames.concat());
    }
}

/// A writer says of each part how far it must go. Without compression a part goes at once, and one that is empty is a
/// frame only where the message ends or where it was not asked to go.
#[test]
fn parts_of_a_writer() {
    for end in BOTH {
        let mut conn = end.conn();
        conn.write_part("a", Flush::None).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(TEXT, b"a"));
        conn.write_part("b", Flush::Sync).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(0, b"b"));
        conn.write_part("", Flush::Sync).unwrap();
        assert_eq!(drain(&mut conn), b"");
        assert_eq!(conn.write_part(&b"c"[..], Flush::Sync), Err(SendError::KindChanged));
        conn.write_part("", Flush::None).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(0, b""));
        conn.write_part("", Flush::End).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN, b""));
        conn.write_part("", Flush::Sync).unwrap();
        assert_eq!(drain(&mut conn), b"", "no message begins with nothing");
        conn.write_part(&b"d"[..], Flush::End).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN | BINARY, b"d"));
    }
}
