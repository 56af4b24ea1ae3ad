//! What is no message: row 98.

use websans::{Kind, ProtocolError};
use websans_deflate::Deflate;
use websans_testkit::blocks::Blocks;
use websans_testkit::bombs;
use websans_testkit::inflate::{Fault, Rules, TAIL, judge};
use websans_testkit::oracle::End as Ending;
use websans_testkit::wire::Frame;

use crate::support::*;

/// As the decompressor has it: a final block ends the history.
const RULES: Rules = Rules { final_forgets: true, ..Rules::UNLIMITED };

fn blocks(write: impl FnOnce(&mut Blocks) -> &mut Blocks) -> Vec<u8> {
    let mut blocks = Blocks::new();
    write(&mut blocks);
    blocks.message()
}

/// Payloads and what is wrong with them, for a receiver with nothing in its window.
fn faults() -> Vec<(&'static str, Vec<u8>, Fault)> {
    let fixed = |blocks: &mut Blocks| {
        blocks.bits(0b010, 3).code(0x30 + u32::from(b'H'), 8);
    };
    vec![
        ("a reserved type", vec![0x06], Fault::ReservedBlock),
        ("a reserved type, final", vec![0x07, 0x00], Fault::ReservedBlock),
        (
            "a reserved type behind a block",
            blocks(|b| b.stored(false, b"ok").bits(0b110, 3)),
            Fault::ReservedBlock,
        ),
        ("lengths that do not agree", b"\x00\x05\x00\xfb\xffHello\x00".to_vec(), Fault::StoredLength),
        ("a byte behind the end", [HELLO, b"\x00"].concat(), Fault::StoredLength),
        ("junk behind the end", [HELLO, b"\xff\xff"].concat(), Fault::Truncated),
        ("a tail that was not stripped", [HELLO, &TAIL].concat(), Fault::Truncated),
        ("nothing but a tail", [b"\x00", &TAIL[..]].concat(), Fault::Truncated),
        ("no empty block at the end", HELLO[..6].to_vec(), Fault::Truncated),
        ("no empty block behind a final one", b"\xf3\x48\xcd\xc9\xc9\x07\x00".to_vec(), Fault::Truncated),
        ("a stored block that is cut", b"\x00\x0a\x00\xf5\xffHello".to_vec(), Fault::Truncated),
        ("a header that is cut", bombs::cut_header(), Fault::Truncated),
        ("a match before the first byte", bombs::far_match(2), Fault::TooFar),
        ("a match from 32 KiB back", bombs::far_match(1 << 15), Fault::TooFar),
        ("a match without anything before it", blocks(|b| b.far_match(1)), Fault::TooFar),
        ("a run without anything before it", blocks(|b| b.run(1)), Fault::TooFar),
        (
            "a literal that there is not",
            blocks(|b| {
                fixed(b);
                b.code(0xc6, 8).code(0, 7)
            }),
            Fault::LiteralSymbol,
        ),
        (
            "a distance that there is not",
            blocks(|b| {
                fixed(b);
                b.code(1, 7).code(30, 5).code(0, 7)
            }),
            Fault::DistanceSymbol,
        ),
        (
            "too many codes",
            blocks(|b| b.bits(0b100, 3).bits(30, 5).bits(0, 5).bits(0, 4)),
            Fault::TooManyCodes,
        ),
        (
            "too few codes for code lengths",
            blocks(|b| b.bits(0b100, 3).bits(0, 14).bits(1, 3).bits(0, 9)),
            Fault::LengthsCode,
        ),
        (
            "too many codes for code lengths",
            blocks(|b| b.bits(0b100, 3).bits(0, 14).bits(0b001_001_001, 9).bits(0, 3)),
            Fault::LengthsCode,
        ),
        (
            "a length repeated before there is one",
            blocks(|b| b.bits(0b100, 3).bits(0, 14).bits(0b000_001_001, 9).bits(0, 3).code(0, 1).bits(0, 2)),
            Fault::Repeat,
        ),
    ]
}

/// Each ends the connection with 1007, and all that came before it arrives.
#[test]
fn r098_what_does_not_inflate_fails() {
    let error = ProtocolError::InvalidDeflate;
    assert_eq!(error.close_code().get(), 1007);
    for (name, payload, fault) in faults() {
        assert_eq!(judge(&payload, b"", RULES).fault, Some(fault), "{name}");
        for element in [TAKEOVER, FRESH] {
            let setup = Setup::new(element);
            // Stored in between, so that the window is empty for the bad one also with context takeover.
            let forget = deflated(b"\x01");
            let frames =
                [deflated(HELLO), Frame::binary("plain"), forget, deflated_binary(&payload), deflated(HELLO)];
            let before = [text("Hello"), binary(b"plain"), text("")];
            if payload.len() < 64 {
                assert_received(&setup, &frames, &before, failed(error));
                continue;
            }
            for end in BOTH {
                let deflate = Deflate::new(setup.settings.clone());
                let bytes = end.all_incoming(frames.iter().cloned());
                for size in [bytes.len(), 1, 7] {
                    let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                    assert_heard(end, &deflate, &setup, &pieces, &before, failed(error));
                }
            }
        }
    }
}

/// The same in fragments: what is wrong is wrong where it shows, not when the message ends.
#[test]
fn r098_what_cannot_inflate_fails_before_the_message_ends() {
    for (name, payload, fault) in faults() {
        if fault == Fault::Truncated || name.ends_with("behind the end") {
            // It may still come.
            continue;
        }
        for end in BOTH {
            let (mut conn, mut inbox) = end.open(FRESH);
            let bytes = end.incoming(deflated(&payload).unfinished());
            let heard = read((&mut conn, &mut inbox), &bytes);
            assert_eq!(heard, (vec![], Some(ProtocolError::InvalidDeflate)), "{end:?}: {name}");
        }
    }
}

/// Nothing of what was made up of the tail is a message's content.
#[test]
fn r098_the_tail_is_no_content() {
    // A stored block of nine bytes, of which five were sent.
    let payload = b"\x00\x09\x00\xf6\xffHello";
    let verdict = judge(payload, b"", RULES);
    assert_eq!((&verdict.bytes[..], verdict.fault), (&b"Hello\x00\x00\xff\xff"[..], None));
    for element in [TAKEOVER, FRESH] {
        let frames = [deflated(HELLO), deflated_binary(payload)];
        let ending = failed(ProtocolError::InvalidDeflate);
        assert_received(&Setup::new(element), &frames, &[text("Hello")], ending);
    }
}

/// The window begins with the connection, or with the message, and nothing lies before that.
#[test]
fn r098_a_match_reaches_what_was_sent_and_no_farther() {
    let history = noise(5, 300);
    for (distance, ok) in [(1, true), (299, true), (300, true), (301, false), (512, false), (32_768, false)] {
        let first = blocks(|b| b.stored(false, &history));
        let second = blocks(|b| b.far_match(distance));
        let one = blocks(|b| b.stored(false, &history).far_match(distance));
        for end in BOTH {
            for (element, frames, whole) in [
                (TAKEOVER, vec![deflated_binary(&first), deflated_binary(&second)], &history[..]),
                (FRESH, vec![deflated_binary(b"\x00"), deflated_binary(&one)], b""),
            ] {
                let mut events = vec![binary(whole)];
                if ok {
                    let from = 300 - distance as usize;
                    let repeated: Vec<u8> = history[from..].iter().copied().cycle().take(3).collect();
                    events.push(binary(&[&history[whole.len()..], &repeated].concat()));
                }
                let ending = if ok { Ending::Open } else { failed(ProtocolError::InvalidDeflate) };
                let setup = Setup::new(element);
                let deflate = Deflate::new(granting());
                let bytes = end.all_incoming(frames);
                for size in [bytes.len(), 1, 50] {
                    let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                    assert_heard(end, &deflate, &setup, &pieces, &events, ending);
                }
            }
        }
    }
}

/// The whole window can be reached, across messages, and what has slid out of it cannot.
#[test]
fn r098_the_window_is_32_kib() {
    let long = noise(6, 40_000);
    let first = blocks(|b| b.stored(false, &long));
    let second = blocks(|b| b.far_match(32_768));
    let from = long.len() - 32_768;
    for end in BOTH {
        let bytes = end.all_incoming([deflated_binary(&first), deflated_binary(&second)]);
        let deflate = Deflate::new(granting());
        for size in [bytes.len(), 1000] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let events = [binary(&long), binary(&long[from..from + 3])];
            assert_heard(end, &deflate, &Setup::new(TAKEOVER), &pieces, &events, Ending::Open);
        }
    }
}

/// Every bit of some messages turned over, every byte left out: what comes of it is what a decoder that was written for
/// nothing else says.
#[test]
fn r098_damaged_messages_are_judged_alike() {
    let long =
        websans_testkit::zlib::deflate(&b"a message, and a message again. ".repeat(3), Default::default());
    let originals: [&[u8]; 4] = [
        HELLO,
        b"\x00\x05\x00\xfa\xffHello\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        &long,
    ];
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    for original in originals {
        for bit in 0..original.len() * 8 {
            let mut payload = original.to_vec();
            payload[bit / 8] ^= 1 << (bit % 8);
            damaged.push(payload);
        }
        for at in 0..original.len() {
            damaged.push([&original[..at], &original[at + 1..]].concat());
            damaged.push(original[..at].to_vec());
        }
    }
    let (mut good, mut bad) = (0, 0);
    for payload in damaged.iter().filter(|payload| !payload.is_empty()) {
        let verdict = judge(payload, b"", RULES);
        let fault = verdict.fault.is_some() || verdict.from_tail;
        for end in BOTH {
            for whole in [true, false] {
                let bytes = end.incoming(deflated_binary(payload));
                let (mut conn, mut inbox) = end.open(FRESH);
                let pieces: Vec<&[u8]> = bytes.chunks(if whole { bytes.len() } else { 1 }).collect();
                let (mut messages, mut error) = (vec![], None);
                for piece in pieces {
                    let (some, failed) = read((&mut conn, &mut inbox), piece);
                    messages.extend(some);
                    error = error.or(failed);
                }
                let expected = if fault {
                    (vec![], Some(ProtocolError::InvalidDeflate))
                } else {
                    (vec![binary(&verdict.bytes)], None)
                };
                assert_eq!((messages, error), expected, "{end:?}: {payload:02x?}");
            }
        }
        (good, bad) = (good + usize::from(!fault), bad + usize::from(fault));
    }
    assert!(good > 50 && bad > 50, "{good} and {bad}");
}

/// After a failure nothing is inflated any more, and nothing but the Close is said.
#[test]
fn r098_a_failure_is_the_end() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(TAKEOVER);
        let bytes = end.all_incoming([deflated(HELLO), deflated(b"\x06")]);
        let heard = read((&mut conn, &mut inbox), &bytes);
        assert_eq!(heard, (vec![text("Hello")], Some(ProtocolError::InvalidDeflate)));
        let frames = sent(&mut conn);
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].opcode, &frames[0].payload[..2]), (8, &1007u16.to_be_bytes()[..]));
        let more = end.all_incoming([deflated(HELLO), Frame::text("x"), Frame::ping("")]);
        assert_eq!(read((&mut conn, &mut inbox), &more), (vec![], None));
        assert_eq!(sent(&mut conn), []);
        assert_eq!(conn.send(websans::Payload::new(Kind::Text, "x")), Err(websans::SendError::Closing));
        assert_eq!(conn.flush_part(), Err(websans::SendError::Closing));
    }
}
