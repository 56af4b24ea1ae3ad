//! The bit RSV1, and what else comes between compressed messages: rows 87 and 88.

use websans::{Config, Payload, ProtocolError};
use websans_deflate::Deflate;
use websans_testkit::inflate::{Rules, inflate};
use websans_testkit::listen;
use websans_testkit::oracle::{self, End as Ending};
use websans_testkit::wire::Frame;

use crate::support::*;

/// "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments of a data
/// message. An endpoint receiving such a frame MUST _Fail the WebSocket Connection_" (§6).
#[test]
fn r087_the_bit_on_other_frames_fails() {
    let error = ProtocolError::ReservedBits;
    assert_eq!(error.close_code().get(), 1002);
    let controls = [Frame::ping("p"), Frame::pong(""), Frame::close(1000, ""), Frame::close(1000, "bye")];
    for element in [TAKEOVER, FRESH] {
        let setup = Setup::new(element);
        for control in controls.clone() {
            let marked = control.reserved(RSV1);
            let before = [deflated(HELLO), marked.clone()];
            assert_received(&setup, &before, &[text("Hello")], failed(error));
            // Between fragments, too.
            let within = [deflated(&HELLO[..3]).unfinished(), marked];
            assert_received(&setup, &within, &[], failed(error));
        }
        for marked in [Frame::continuation(&HELLO[3..]), Frame::continuation(&HELLO[3..]).unfinished()] {
            let marked = marked.reserved(RSV1);
            let compressed = [deflated(&HELLO[..3]).unfinished(), marked.clone()];
            assert_received(&setup, &compressed, &[], failed(error));
            let plain = [Frame::text("Hel").unfinished(), marked];
            assert_received(&setup, &plain, &[], failed(error));
        }
    }
}

/// The other reserved bits mean nothing, with RSV1 or without.
#[test]
fn r087_the_other_bits_fail() {
    let setup = Setup::new(TAKEOVER);
    for rsv in [1, 2, 3, 5, 6, 7] {
        for frame in [Frame::text(HELLO), Frame::binary(HELLO), Frame::ping(""), Frame::close(1000, "")] {
            let frames = [deflated(HELLO), frame.reserved(rsv)];
            assert_received(&setup, &frames, &[text("Hello")], failed(ProtocolError::ReservedBits));
        }
        let frames = [deflated(&HELLO[..2]).unfinished(), Frame::continuation(&HELLO[2..]).reserved(rsv)];
        assert_received(&setup, &frames, &[], failed(ProtocolError::ReservedBits));
    }
}

/// Every first byte with a mask and without, before a message, within a compressed one and within one that is not: what
/// becomes of it is what the grammar says.
#[test]
fn r087_every_first_byte() {
    let mut rules = [true, false].map(oracle::Rules::unlimited);
    rules.iter_mut().for_each(|rules| rules.compression = true);
    let setup = Setup::new(TAKEOVER);
    let within: [&[Frame]; 3] =
        [&[deflated(HELLO)], &[deflated(HELLO).unfinished()], &[Frame::text("Hello").unfinished()]];
    for (end, rules) in BOTH.iter().zip(&rules) {
        let deflate = Deflate::new(granting());
        for before in within {
            let before = end.all_incoming(before.iter().cloned());
            for first in 0..=u8::MAX {
                for masked in [true, false] {
                    let header: &[u8] = if masked { &[first, 0x80, 1, 2, 3, 4] } else { &[first, 0] };
                    let bytes = [&before[..], header].concat();
                    for way in WAYS {
                        let endpoint = end.open_with(&deflate, &setup.element, Config::default());
                        let heard = listen::listen(way, endpoint, [&bytes[..]]);
                        let expected = oracle::read(&bytes, rules).end;
                        assert_eq!(heard.end, expected, "{end:?}, {way:?}: {bytes:02x?}");
                    }
                }
            }
        }
    }
}

/// Where compression was not agreed on the bit has no meaning: not offered, declined, or never wanted.
#[test]
fn r087_the_bit_without_compression_fails() {
    for end in BOTH {
        let deflate = Deflate::new(granting());
        let open = || {
            let negotiated = match end {
                End::Server => serve(&deflate, &["permessage-deflate; server_max_window_bits=8"]).unwrap().1,
                End::Client => dial(&deflate, &[]).unwrap(),
            };
            assert!(negotiated.deflate.is_none());
            websans::open(end.role(), Config::default(), negotiated, START)
        };
        for frame in [deflated(HELLO), deflated_binary(HELLO), deflated(b""), deflated(HELLO).unfinished()] {
            let bytes = end.all_incoming([Frame::text("before"), frame]);
            splits(&bytes, |pieces| {
                for way in WAYS {
                    let heard = listen::listen(way, open(), pieces.iter().copied());
                    assert_eq!(heard.events, [text("before")], "{end:?}, {way:?}");
                    assert_eq!(heard.end, Ending::Failed(ProtocolError::ReservedBits), "{end:?}, {way:?}");
                }
            });
        }
        let (mut conn, _) = open();
        conn.send(Payload::from("Hello").compress(true)).unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(Frame::text("Hello")));
        assert_eq!(conn.stats().compression, None);
    }
}

/// What is sent has the bit on the first frame of each compressed message, and nowhere else.
#[test]
fn r087_the_bit_is_sent_on_first_frames_alone() {
    for end in BOTH {
        for above in [None, Some(1), Some(2), Some(100)] {
            let mut config = Config::default();
            config.fragment_above = above;
            let (mut conn, _) = end.open_with(Deflate::new(granting()), FRESH, config);
            let long = noise(1, 250);
            conn.ping(b"ping").unwrap();
            conn.send(&long).unwrap();
            conn.send_part("Hel", false).unwrap();
            conn.flush_part().unwrap();
            conn.pong(b"pong").unwrap();
            conn.send_part("lo", true).unwrap();
            conn.close(websans::CloseCode::NORMAL, "bye").unwrap();
            let frames = sent(&mut conn);
            assert!(frames.len() >= 6, "{frames:?}");
            let mut messages = Vec::new();
            for frame in frames {
                match frame.opcode {
                    1 | 2 => {
                        assert_eq!(frame.rsv, RSV1);
                        messages.push(frame.payload);
                    }
                    opcode => {
                        assert_eq!(frame.rsv, 0);
                        if opcode == 0 {
                            messages.last_mut().unwrap().extend(frame.payload);
                        }
                    }
                }
            }
            let messages: Vec<_> =
                messages.iter().map(|payload| inflate(payload, b"", Rules::UNLIMITED).unwrap()).collect();
            assert_eq!(messages, [&long[..], b"Hello"]);
        }
    }
}

/// "Per-Message Compressed" is per message (§6): what is not compressed stands for itself, and the window is as if it
/// had not been there.
#[test]
fn r088_uncompressed_messages_do_not_touch_the_window() {
    let setup = Setup::new(TAKEOVER);
    let between: [&[Frame]; 5] = [
        &[Frame::text("plain")],
        &[Frame::binary(HELLO)],
        &[Frame::text("")],
        &[Frame::text("pl").unfinished(), Frame::continuation("").unfinished(), Frame::continuation("ain")],
        &[Frame::text("plain"), Frame::ping("p"), Frame::text("Hello, too")],
    ];
    for between in between {
        let mut expected = vec![text("Hello")];
        let plain = websans_testkit::wire::stream(between, false);
        expected.extend(oracle::read(&plain, &oracle::Rules::unlimited(false)).events);
        expected.extend([text("Hello"), text("Hello")]);
        let again = deflated(HELLO_AGAIN);
        let frames = [&[deflated(HELLO)], between, &[again.clone(), again]].concat();
        assert_received(&setup, &frames, &expected, Ending::Open);
    }
    // Before the first one, too, and where each message stands for itself.
    let frames = [Frame::text("plain"), deflated(HELLO), Frame::text("plain"), deflated(HELLO)];
    let expected = ["plain", "Hello", "plain", "Hello"].map(text);
    assert_received(&setup, &frames, &expected, Ending::Open);
    assert_received(&Setup::new(FRESH), &frames, &expected, Ending::Open);
}

/// The same of what is sent.
#[test]
fn r088_uncompressed_messages_are_sent_as_they_are() {
    for end in BOTH {
        let (mut conn, _) = end.open(TAKEOVER);
        let (mut other, _) = end.open(TAKEOVER);
        for n in 0..3 {
            conn.send("Hello").unwrap();
            other.send("Hello").unwrap();
            let (with, without) = (sent(&mut conn), sent(&mut other));
            assert_eq!(with, without, "message {n}");
            if n == 0 {
                assert_eq!(with, [deflated(HELLO)]);
            } else {
                assert_again(&with[0].payload, "what came in between is not in the window");
            }
            conn.send(Payload::from("Hello, not compressed").compress(false)).unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(Frame::text("Hello, not compressed")));
            conn.send_part(Payload::from("in ").compress(false), false).unwrap();
            conn.send_part("parts", true).unwrap();
            let parts = [Frame::text("in ").unfinished(), Frame::continuation("parts")];
            assert_eq!(drain(&mut conn), end.all_outgoing(parts));
        }
    }
}

/// Control frames "MAY be injected in the middle of a fragmented message" (RFC 6455 §5.4), and are not compressed.
#[test]
fn r088_control_frames_between_compressed_fragments() {
    for element in [TAKEOVER, FRESH] {
        let setup = Setup::new(element);
        let frames = [
            deflated(&HELLO[..1]).unfinished(),
            Frame::ping("one"),
            Frame::continuation(&HELLO[1..4]).unfinished(),
            Frame::pong(""),
            Frame::ping(HELLO),
            Frame::continuation(&HELLO[4..]),
            Frame::ping(""),
        ];
        let expected = [
            Event::Ping(b"one".to_vec()),
            Event::Pong(vec![]),
            Event::Ping(HELLO.to_vec()),
            text("Hello"),
            Event::Ping(vec![]),
        ];
        assert_received(&setup, &frames, &expected, Ending::Open);
        let close = [deflated(&HELLO[..6]).unfinished(), Frame::ping("p"), Frame::close(1001, "away")];
        let expected = [Event::Ping(b"p".to_vec()), Event::Close(Some((1001, "away".into())))];
        for end in BOTH {
            let bytes = end.all_incoming(close.iter().cloned());
            splits(&bytes, |pieces| {
                let endpoint = end.open(element);
                let heard = listen::listen(listen::Way::Accept, endpoint, pieces.iter().copied());
                assert_eq!((&heard.events[..], heard.end), (&expected[..], Ending::Closed));
            });
        }
    }
    for end in BOTH {
        let (mut conn, _) = end.open(TAKEOVER);
        conn.send_part("Hel", false).unwrap();
        conn.ping(b"Hello").unwrap();
        conn.flush_part().unwrap();
        conn.pong(b"").unwrap();
        conn.send_part("lo", true).unwrap();
        let frames = sent(&mut conn);
        let opcodes: Vec<u8> = frames.iter().map(|frame| frame.opcode).collect();
        // The compressor had kept back all of the first part.
        assert_eq!(opcodes, [9, 1, 10, 0]);
        assert_eq!((&frames[0].payload[..], &frames[2].payload[..]), (&b"Hello"[..], &b""[..]));
        let payload = [&frames[1].payload[..], &frames[3].payload].concat();
        assert_eq!(inflate(&payload, b"", Rules::UNLIMITED).unwrap(), b"Hello");
    }
}
