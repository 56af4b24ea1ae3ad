//! The core against the oracle: structured, damaged and random streams, for both roles and every way to read.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use websans::{Config, ProtocolError, Reply};
use websans_testkit::dice::Dice;
use websans_testkit::listen::{Heard, Way, endpoint, judge, listen};
use websans_testkit::oracle::{self, End, Rules};
use websans_testkit::wire::{Frame, opcode, stream};
use websans_testkit::{stored, strategies};

/// Limits that short streams can reach.
fn tight() -> Config {
    let mut config = Config::default();
    config.max_message = 150;
    config.max_streamed = 200;
    config.max_fragments = 4;
    config.max_empty_fragments = 2;
    config
}

fn judge_all(server: bool, config: &Config, bytes: &[u8], cuts: &[Index]) {
    let pieces = strategies::split(bytes, cuts);
    for way in Way::ALL {
        judge(way, server, config, &[bytes]);
        judge(way, server, config, &pieces);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn conversations(frames in strategies::conversation(), server: bool, cuts in strategies::cuts()) {
        judge_all(server, &Config::default(), &stream(&frames, server), &cuts);
    }

    #[test]
    fn conversations_under_tight_limits(frames in strategies::conversation(), server: bool, cuts in strategies::cuts()) {
        judge_all(server, &tight(), &stream(&frames, server), &cuts);
    }

    #[test]
    fn damaged_conversations(
        frames in strategies::conversation(),
        server: bool,
        damage in strategies::damage(),
        cuts in strategies::cuts(),
    ) {
        let mut bytes = stream(&frames, server);
        for damage in damage {
            damage.apply(&mut bytes);
        }
        judge_all(server, &Config::default(), &bytes, &cuts);
        judge_all(server, &tight(), &bytes, &cuts);
    }

    #[test]
    fn odd_frames_among_good_ones(
        mut frames in strategies::conversation(),
        odd in vec((any::<Index>(), strategies::frame()), 1..3),
        masked: bool,
        server: bool,
        cuts in strategies::cuts(),
    ) {
        for (at, frame) in odd {
            frames.insert(at.index(frames.len() + 1), frame);
        }
        // Now and then the mask is wrong, too.
        let mask = if frames.len() % 8 == 0 { masked } else { server };
        judge_all(server, &Config::default(), &stream(&frames, mask), &cuts);
    }

    /// Where Pings and the Close are left to the application, nothing is said, and nothing is heard behind the Close.
    #[test]
    fn conversations_answered_by_the_application(
        frames in strategies::conversation(),
        server: bool,
        cuts in strategies::cuts(),
    ) {
        let mut config = Config::default();
        config.pong_reply = Reply::WhenAsked;
        config.close_reply = Reply::WhenAsked;
        judge_all(server, &config, &stream(&frames, server), &cuts);
    }

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200), server: bool, cuts in strategies::cuts()) {
        judge_all(server, &Config::default(), &bytes, &cuts);
    }

    /// Bytes that get past the first two of a frame.
    #[test]
    fn random_bytes_that_look_right(
        mut bytes in vec(prop_oneof![any::<u8>(), 0..3u8, 0x80..0x8Bu8, Just(0x81u8)], 1..60),
        server: bool,
        cuts in strategies::cuts(),
    ) {
        bytes[0] &= 0x8F;
        judge_all(server, &tight(), &bytes, &cuts);
    }
}

/// Every first byte with either mask bit, and each form of length behind it, in and out of a fragmented message, with
/// and without compression.
#[test]
fn every_first_byte_and_mask_bit() {
    let mut errors = Vec::new();
    let before: [&[Frame]; 3] = [
        &[],
        &[Frame::text("te").unfinished(), Frame::ping("x")],
        &[Frame::binary("bi").unfinished(), Frame::continuation("").unfinished()],
    ];
    for server in [true, false] {
        for frames in before {
            for first in 0..=0xFFu8 {
                for mask in [0, 0x80u8] {
                    for (short, long) in [(0, 0), (1, 0), (2, 0), (125, 0), (126, 2), (127, 8)] {
                        let mut bytes = stream(frames, server);
                        bytes.extend([first, mask | short]);
                        bytes.extend(
                            [0, 1, 0, 0, 0, 0, 0, 0]
                                .iter()
                                .skip(if long == 2 { 0 } else { 8 - long })
                                .take(long),
                        );
                        // A key if there is one, a payload of sorts, and the beginning of the next frame.
                        bytes.extend_from_slice(&[3, 0xE8, 3, 0xE8, 0, 0, b'a', b'b', 0x81, 0x80, 0]);
                        for way in Way::ALL {
                            let meaning = judge(way, server, &Config::default(), &[&bytes]);
                            errors.extend(match meaning.end {
                                End::Failed(error) => Some(error),
                                _ => None,
                            });
                        }
                        compare_compressed(server, &bytes);
                    }
                }
            }
        }
    }
    // What was to be provoked was provoked.
    for error in [
        ProtocolError::UnmaskedFrame,
        ProtocolError::MaskedFrame,
        ProtocolError::ReservedBits,
        ProtocolError::ReservedOpcode,
        ProtocolError::LengthNotMinimal,
        ProtocolError::UnexpectedContinuation,
        ProtocolError::ExpectedContinuation,
        ProtocolError::FragmentedControl,
        ProtocolError::ControlTooLong,
        ProtocolError::TruncatedCloseCode,
    ] {
        assert!(errors.contains(&error), "{error:?} never came");
    }
}

/// With permessage-deflate agreed on. What is compressed is compared as it came.
fn compare_compressed(server: bool, bytes: &[u8]) {
    let config = Config::default();
    let rules = Rules { compression: true, ..Rules::of(&config, server) };
    let wanted = oracle::read(bytes, &rules);
    let Heard { events, end, .. } =
        listen(Way::Receive, endpoint(server, &config, stored::negotiated(0)), [bytes]);
    assert_eq!((events, end), (wanted.events, wanted.end), "server {server}: {bytes:02x?}");
}

/// After each byte the core knows what the oracle knows: nothing is reported late, and nothing early.
#[test]
fn every_prefix_of_a_stream() {
    let mut dice = Dice::new(6);
    let bad_text = b"\xCE\xBA\xED\xA0\x80";
    let streams = [
        vec![
            Frame::text("aß€").unfinished(),
            Frame::ping("p"),
            Frame::continuation("\u{10348}"),
            Frame::close(1000, "bye"),
        ],
        vec![Frame::text(bad_text)],
        vec![Frame::text(&bad_text[..2]).unfinished(), Frame::continuation(&bad_text[2..])],
        vec![Frame::text(&bad_text[..3])],
        vec![Frame::binary(dice.bytes(130)), Frame::close(1000, b"\xFF")],
        vec![Frame::binary(dice.bytes(160))],
        vec![Frame::binary(dice.bytes(100)).unfinished(), Frame::continuation(dice.bytes(51))],
        vec![
            Frame::text("").unfinished(),
            Frame::continuation("").unfinished(),
            Frame::continuation("").unfinished(),
        ],
        vec![Frame::close(1005, "")],
        vec![Frame::new(opcode::CLOSE, "x")],
        vec![Frame::new(opcode::CLOSE, ""), Frame::text("late")],
        vec![Frame::ping([7; 125]), Frame::pong([8; 125]), Frame::ping([9; 126])],
        vec![Frame::binary("").declaring(1 << 63).form(websans_testkit::wire::Form::Eight)],
    ];
    for frames in streams {
        for server in [true, false] {
            let bytes = stream(&frames, server);
            for config in [Config::default(), tight()] {
                for n in 0..=bytes.len() {
                    for way in Way::ALL {
                        judge(way, server, &config, &[&bytes[..n]]);
                        let one_by_one: Vec<&[u8]> = bytes[..n].chunks(1).collect();
                        judge(way, server, &config, &one_by_one);
                    }
                }
            }
        }
    }
}

/// Every close code there is, received with and without a reason.
#[test]
fn every_close_code() {
    for server in [true, false] {
        for code in 0..=u16::MAX {
            for reason in ["", "why"] {
                let bytes = stream(&[Frame::close(code, reason)], server);
                judge(Way::Receive, server, &Config::default(), &[&bytes]);
            }
        }
    }
}

/// The limits are met exactly and not by one more.
#[test]
fn limits_to_the_byte() {
    let mut config = tight();
    for server in [true, false] {
        for limit in [0usize, 1, 125, 126, 65535, 65536] {
            config.max_message = limit as u64;
            config.max_streamed = limit as u64;
            for len in [limit, limit + 1] {
                let whole = vec![Frame::binary(vec![1; len])];
                let halves = [vec![1; len / 2], vec![1; len - len / 2]];
                let [one, two] = halves.map(Frame::binary);
                let two = Frame { opcode: opcode::CONTINUATION, ..two };
                for frames in [whole, vec![one.unfinished(), two]] {
                    let bytes = stream(&frames, server);
                    for way in Way::ALL {
                        let meaning = judge(way, server, &config, &[&bytes]);
                        let wanted =
                            if len > limit { End::Failed(ProtocolError::MessageTooBig) } else { End::Open };
                        assert_eq!(meaning.end, wanted);
                    }
                }
            }
        }
        for fragments in 1..=6 {
            let mut frames = vec![Frame::continuation("x").unfinished(); fragments];
            frames[0].opcode = opcode::BINARY;
            frames[fragments - 1].fin = true;
            let bytes = stream(&frames, server);
            for way in Way::ALL {
                let meaning = judge(way, server, &tight(), &[&bytes]);
                // A stream may have any number.
                let wanted = if fragments > 4 && way != Way::NextChunk {
                    End::Failed(ProtocolError::TooManyFragments)
                } else {
                    End::Open
                };
                assert_eq!(meaning.end, wanted);
            }
        }
    }
}

/// Empty fragments are counted in a row: one with something in it, or another message, begins anew.
#[test]
fn empty_fragments_are_counted_in_a_row() {
    let mut config = tight();
    config.max_fragments = 100;
    let empty = Frame::continuation("").unfinished();
    let full = Frame::continuation("x").unfinished();
    let round = [&empty, &empty, &full].map(Frame::clone);
    let begin = Frame::binary("x").unfinished();
    let end = Frame::continuation("");
    let good = [&[begin.clone()][..], &round, &round, &[empty.clone(), empty.clone(), end]].concat();
    let twice = [&good[..], &[Frame::ping("")], &good].concat();
    let bad = [&[begin][..], &round, &[empty.clone(), Frame::ping(""), empty.clone(), empty]].concat();
    for server in [true, false] {
        for (frames, wanted) in
            [(&good, End::Open), (&twice, End::Open), (&bad, End::Failed(ProtocolError::TooManyFragments))]
        {
            let bytes = stream(frames, server);
            for way in Way::ALL {
                assert_eq!(judge(way, server, &config, &[&bytes]).end, wanted);
            }
        }
    }
}
