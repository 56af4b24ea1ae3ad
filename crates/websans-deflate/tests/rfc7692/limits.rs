//! How far messages inflate, and when text is known to be none.

use websans::{Config, ProtocolError};
use websans_deflate::Deflate;
use websans_testkit::blocks::Blocks;
use websans_testkit::bombs;
use websans_testkit::oracle::End as Ending;
use websans_testkit::wire::Frame;

use crate::support::*;

/// Has both ends receive `frames`, cut into pieces of some sizes; each time the same must come of it.
#[track_caller]
fn assert_in_pieces(setup: &Setup, frames: &[Frame], events: &[Event], ending: Ending) {
    for end in BOTH {
        let deflate = Deflate::new(setup.settings.clone());
        let bytes = end.all_incoming(frames.iter().cloned());
        for size in [bytes.len(), 1, 2, 7, 100, 4095, 8191, 8192, 8193, 8200] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_heard(end, &deflate, setup, &pieces, events, ending);
        }
    }
}

/// One frame, two, and many small ones.
fn fragmentations(payload: &[u8]) -> [Vec<Frame>; 3] {
    [payload.len(), payload.len() / 2 + 1, 50].map(|most| bombs::frames(payload, most, true))
}

fn limited(limit: u64) -> Setup {
    let mut setup = Setup::new(FRESH);
    setup.config.max_message = limit;
    setup.config.max_streamed = limit;
    setup
}

/// The limits are on what a message inflates to, and exact.
#[test]
fn an_inflated_message_is_held_to_the_limit() {
    let len = 100_000;
    let payload = bombs::zeros(len);
    assert!(payload.len() < 200);
    for frames in fragmentations(&payload) {
        let frames = [&[deflated(HELLO)], &frames[..]].concat();
        let events = [text("Hello"), binary(&vec![0; len])];
        assert_in_pieces(&limited(len as u64), &frames, &events, Ending::Open);
        let ending = failed(ProtocolError::MessageTooBig);
        for limit in [len as u64 - 1, 65_536, 16_384, 1000] {
            assert_in_pieces(&limited(limit), &frames, &events[..1], ending);
        }
    }
    assert_eq!(ProtocolError::MessageTooBig.close_code().get(), 1009);
    // One that is broken behind what is too much is too big first.
    let mut broken = payload;
    broken.push(0x06);
    let ending = failed(ProtocolError::MessageTooBig);
    assert_in_pieces(&limited(len as u64 - 1), &[deflated_binary(&broken)], &[], ending);
}

/// What is honest and compresses well passes: 1 MiB of zeros, with the limits as they are unless they are set.
#[test]
fn the_ratio_of_inflation_is_not_limited_by_default() {
    let len = 1 << 20;
    assert_eq!(Config::default().max_message, len as u64);
    let payload = bombs::zeros(len);
    assert!(payload.len() < len / 900);
    for end in BOTH {
        let deflate = Deflate::new(granting());
        let setup = Setup::new(FRESH);
        let bytes = end.incoming(deflated_binary(&payload));
        for size in [bytes.len(), 10] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_heard(end, &deflate, &setup, &pieces, &[binary(&vec![0; len])], Ending::Open);
        }
    }
}

/// The ratio is of the whole message so far, and not judged below 64 KiB.
#[test]
fn the_ratio_of_inflation_can_be_limited() {
    let mut setup = Setup::new(FRESH);
    setup.config.max_inflate_ratio = Some(10);
    let small = 64 << 10;
    assert_in_pieces(
        &setup,
        &[deflated_binary(&bombs::zeros(small))],
        &[binary(&vec![0; small])],
        Ending::Open,
    );
    let error = ProtocolError::InflateRatio;
    assert_eq!(error.close_code().get(), 1009);
    for len in [small + 1, 100_000, 300_000] {
        for frames in fragmentations(&bombs::zeros(len)) {
            let frames = [&[deflated(HELLO)], &frames[..]].concat();
            assert_in_pieces(&setup, &frames, &[text("Hello")], failed(error));
        }
    }
    // Content that was hard to compress has earned it.
    let mut blocks = Blocks::new();
    let hard = noise(1, 20_000);
    blocks.stored(false, &hard).run(300);
    let expected = [&hard[..], &[hard[hard.len() - 1]; 300 * 258]].concat();
    assert_in_pieces(&setup, &[deflated_binary(&blocks.message())], &[binary(&expected)], Ending::Open);
    // It is each message's own.
    let frames = [deflated_binary(&blocks.message()), deflated_binary(&bombs::zeros(100_000))];
    assert_in_pieces(&setup, &frames, &[binary(&expected)], failed(error));
    // Unlimited, as it is by default.
    let frames = [deflated_binary(&bombs::zeros(300_000))];
    assert_in_pieces(&Setup::new(FRESH), &frames, &[binary(&vec![0; 300_000])], Ending::Open);
}

/// 8 KiB that come to nothing are enough, in each of the ways to say nothing, however they come.
#[test]
fn a_message_that_comes_to_nothing_fails() {
    let error = ProtocolError::UnproductiveDeflate;
    assert_eq!(error.close_code().get(), 1009);
    let setup = Setup::new(FRESH);
    for payload in [
        bombs::empty_stored(2000),
        bombs::empty_fixed(7000),
        bombs::empty_dynamic(700),
        bombs::longest_headers(30),
        bombs::final_stored(2000),
        bombs::final_fixed(4500),
    ] {
        assert!(payload.len() > 8192 && payload.len() < 11_000, "{}", payload.len());
        for frames in fragmentations(&payload) {
            let frames = [&[deflated(HELLO)], &frames[..]].concat();
            assert_in_pieces(&setup, &frames, &[text("Hello")], failed(error));
        }
    }
    // Whether the message ends there or not.
    let just = [&bombs::empty_stored(1638)[..8190], b"\x02\x00"].concat();
    for fin in [true, false] {
        let frames = bombs::frames(&just, 8192, fin);
        assert_in_pieces(&setup, &frames, &[], failed(error));
    }
    let less = bombs::empty_stored(1638);
    assert_eq!(less.len(), 8191);
    assert_in_pieces(&setup, &[deflated_binary(&less)], &[binary(b"")], Ending::Open);
}

/// A byte of content in each 8 KiB will do, and no more than that is asked for.
#[test]
fn a_message_that_comes_to_little_is_taken() {
    let setup = Setup::new(FRESH);
    let mut blocks = Blocks::new();
    for _ in 0..3 {
        blocks.stored(false, b"x");
        for _ in 0..1600 {
            blocks.stored(false, b"");
        }
    }
    let payload = blocks.message();
    assert!(payload.len() > 3 * 8000);
    assert_in_pieces(&setup, &[deflated_binary(&payload)], &[binary(b"xxx")], Ending::Open);
    for _ in 0..1700 {
        blocks.stored(false, b"");
    }
    let frames = [deflated_binary(&blocks.message())];
    assert_in_pieces(&setup, &frames, &[], failed(ProtocolError::UnproductiveDeflate));
}

/// Text is text after inflating, whatever cuts its characters.
#[test]
fn compressed_text_is_checked_as_a_whole() {
    let words = "\u{b5}\u{20ac}\u{1f600} and so on";
    let mut one_each = Blocks::new();
    for byte in words.bytes() {
        one_each.stored(false, &[byte]);
    }
    for payload in [websans_testkit::zlib::deflate(words.as_bytes(), Default::default()), one_each.message()]
    {
        let setup = Setup::new(FRESH);
        assert_in_pieces(&setup, &[deflated(&payload)], &[text(words)], Ending::Open);
        let mut frames = bombs::frames(&payload, 1, true);
        frames[0].opcode = 1;
        assert_in_pieces(&setup, &frames, &[text(words)], Ending::Open);
        // The same bytes may be cut short in a binary message, not in a text.
        let cut = websans_testkit::zlib::deflate(&words.as_bytes()[..4], Default::default());
        assert_in_pieces(&setup, &[deflated_binary(&cut)], &[binary(&words.as_bytes()[..4])], Ending::Open);
        let frames = [deflated(HELLO), deflated(&cut)];
        assert_in_pieces(&setup, &frames, &[text("Hello")], failed(ProtocolError::InvalidUtf8));
    }
}

/// What cannot become text fails with the byte that shows it, though neither frame nor message nor block has ended.
#[test]
fn compressed_text_fails_with_the_byte_that_is_wrong() {
    for (start, wrong) in [("", b"\xff"), ("abc", b"\x80"), ("abc\u{20ac}", b"\xc0"), ("\u{20ac}", b"\xf5")]
        .map(|(start, wrong)| (start.as_bytes().to_vec(), wrong))
        .into_iter()
        .chain([
            (b"\xed".to_vec(), b"\xa0"),
            (b"\xf0".to_vec(), b"\x80"),
            (b"\xf4".to_vec(), b"\x90"),
            (b"\xe2\x82".to_vec(), b"x"),
        ])
    {
        let content = [&start[..], wrong, b" and more that never comes"].concat();
        let mut blocks = Blocks::new();
        blocks.stored(false, &content);
        let payload = blocks.message();
        for end in BOTH {
            for fin in [true, false] {
                let frame = deflated(&payload);
                let frame = if fin { frame } else { frame.unfinished() };
                let bytes = end.incoming(frame);
                // The header, the mask if there is one, the header of the block.
                let at = bytes.len() - payload.len() + 5 + start.len();
                for chunks in [false, true] {
                    for cut in [1, at, at + 1] {
                        let (mut conn, mut inbox) = end.open(FRESH);
                        let (mut error, mut taken) = (None, 0);
                        for piece in bytes[..=at].chunks(cut) {
                            assert_eq!(error, None, "{taken} of {at}");
                            inbox.spare_mut()[..piece.len()].copy_from_slice(piece);
                            inbox.filled(piece.len());
                            taken += piece.len();
                            loop {
                                let next =
                                    if chunks { inbox.next_chunk(&mut conn) } else { inbox.next(&mut conn) };
                                match next {
                                    Ok(true) => {}
                                    Ok(false) => break,
                                    Err(failed) => error = Some(failed),
                                }
                            }
                        }
                        assert_eq!(error, Some(ProtocolError::InvalidUtf8), "{end:?}: {content:02x?}");
                    }
                }
            }
        }
    }
}

/// A limit is no reason to store more than is needed to see that it is broken, nor is a message that is not compressed
/// held to another one.
#[test]
fn plain_messages_have_the_same_limit() {
    let setup = limited(100);
    let frames =
        [Frame::binary(vec![0; 100]), deflated_binary(&bombs::zeros(100)), Frame::binary(vec![0; 101])];
    let whole = binary(&[0; 100]);
    assert_in_pieces(&setup, &frames, &[whole.clone(), whole], failed(ProtocolError::MessageTooBig));
    assert!(Config::default().max_inflate_ratio.is_none());
}

/// What is wrong with a message is what comes first in it, however it is cut: what lies behind has not been looked at yet.
#[test]
fn the_first_fault_is_the_one_that_counts() {
    // A byte that is no text, and then a block of no type.
    let mut blocks = Blocks::new();
    blocks.stored(false, b"a\xff").bits(0b110, 3);
    let setup = Setup::new(FRESH);
    assert_in_pieces(&setup, &[deflated(blocks.as_bytes())], &[], failed(ProtocolError::InvalidUtf8));
    assert_in_pieces(
        &setup,
        &[deflated_binary(blocks.as_bytes())],
        &[],
        failed(ProtocolError::InvalidDeflate),
    );
    // A byte that is no text, and then no end, or half a one.
    let mut blocks = Blocks::new();
    blocks.stored(false, b"a\xff");
    for cut in [0, 1] {
        let payload = &blocks.message()[..blocks.message().len() - cut];
        assert_in_pieces(&setup, &[deflated(payload)], &[], failed(ProtocolError::InvalidUtf8));
    }
    let whole = websans_testkit::zlib::deflate(b"abc\xff\xfeabc", Default::default());
    let cut = &whole[..whole.len() - 1];
    assert_in_pieces(&setup, &[deflated(cut)], &[], failed(ProtocolError::InvalidUtf8));
    assert_in_pieces(&setup, &[deflated_binary(cut)], &[], failed(ProtocolError::InvalidDeflate));
    // A byte that is no text, and then more than may come; and the other way round.
    for (at, error) in [(50, ProtocolError::InvalidUtf8), (100, ProtocolError::MessageTooBig)] {
        let mut content = [b'x'; 101];
        content[at] = 0xff;
        let mut blocks = Blocks::new();
        blocks.stored(false, &content);
        assert_in_pieces(&limited(100), &[deflated(&blocks.message())], &[], failed(error));
    }
    // A bomb that is broken before the next place where its ratio is judged.
    let mut setup = Setup::new(FRESH);
    setup.config.max_inflate_ratio = Some(10);
    let mut blocks = Blocks::new();
    blocks.stored(false, b"0").run(260).bits(0b110, 3);
    assert_in_pieces(
        &setup,
        &[deflated_binary(blocks.as_bytes())],
        &[],
        failed(ProtocolError::InvalidDeflate),
    );
}

/// A ratio that is too high between two places where it is judged is not seen, however the message is cut.
#[test]
fn the_ratio_is_judged_at_fixed_places() {
    let mut setup = Setup::new(FRESH);
    setup.config.max_inflate_ratio = Some(100);
    let (first, second) = (noise(1, 700), noise(2, 300));
    let mut blocks = Blocks::new();
    blocks.stored(false, &first).run(256).run(70).stored(false, &second);
    let run = [first[699]; 326 * 258];
    let whole = binary(&[&first[..], &run, &second].concat());
    assert_in_pieces(&setup, &[deflated_binary(&blocks.message())], &[whole], Ending::Open);
}
