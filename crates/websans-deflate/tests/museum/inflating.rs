//! Compressed messages that are made to cost their receiver more than their sender.

use std::thread;

use allocation_counter::measure;
use websans::deflate::{Decode, Decoded, Extension, Parameters};
use websans::{Cause, Config, Connection, Event as Arrival, Inbox, ProtocolError};
use websans_deflate::{Deflate, Settings};
use websans_testkit::bombs::{self, Attack};
use websans_testkit::dice::Dice;
use websans_testkit::inflate::{Rules, TAIL, inflate};
use websans_testkit::listen::{self, Way};
use websans_testkit::oracle::End as Ending;
use websans_testkit::wire::Frame;
use websans_testkit::zlib::{self, Habits};

use crate::support::*;

const KIB: usize = 1 << 10;

fn limited(limit: usize) -> Config {
    let mut config = Config::default();
    (config.max_message, config.max_streamed) = (limit as u64, limit as u64);
    config
}

/// Reads as a socket would be read, or without an inbox's buffer: messages, and the bytes of messages and chunks.
fn feed(
    way: Way,
    (conn, inbox): (&mut Connection, &mut Inbox),
    bytes: &mut [u8],
) -> Result<(usize, usize), ProtocolError> {
    let (mut messages, mut content) = (0, 0);
    if way == Way::Accept {
        let mut input = bytes;
        while let Some(event) = conn.receive(&mut input)? {
            if let Arrival::Part(part) = event {
                if let Some(message) = inbox.accept(conn, part)? {
                    messages += 1;
                    content += message.as_bytes().len();
                }
            }
        }
        return Ok((messages, content));
    }
    let mut bytes = &*bytes;
    loop {
        while if way == Way::Next { inbox.next(conn)? } else { inbox.next_chunk(conn)? } {
            let chunk = inbox.chunk().unwrap();
            messages += usize::from(chunk.last);
            content += chunk.payload.len();
        }
        if bytes.is_empty() {
            return Ok((messages, content));
        }
        let spare = inbox.spare_mut();
        let (now, later) = bytes.split_at(spare.len().min(bytes.len()));
        spare[..now.len()].copy_from_slice(now);
        inbox.filled(now.len());
        bytes = later;
    }
}

/// 10 MiB of zeros in 10 KB under a limit of 64 KiB.
///
/// Fails when `inflate_budget` knows no limit, when `inflate_step` asks for all that is to come at once (`reserve_few` of the
/// limit times 16), and when `Inflating` counts the bytes it takes for those it gives.
#[test]
fn cve_2018_1000518_a_bomb_costs_the_limit() {
    let bomb = bombs::zeros(10 << 20);
    assert!((10 << 20) / bomb.len() >= 1000, "{}", bomb.len());
    for end in BOTH {
        for element in [FRESH, TAKEOVER] {
            for cut in [usize::MAX, 1000, 1] {
                for way in WAYS {
                    let deflate = Deflate::new(granting());
                    let (mut conn, mut inbox) = end.open_with(&deflate, element, limited(64 * KIB));
                    let frames = [vec![deflated(HELLO)], bombs::frames(&bomb, cut, true)].concat();
                    let mut bytes = end.all_incoming(frames);
                    let mut got = Ok((0, 0));
                    let info = measure(|| got = feed(way, (&mut conn, &mut inbox), &mut bytes));
                    assert_eq!(got, Err(ProtocolError::MessageTooBig));
                    assert!(info.bytes_max <= (64 + 64) * KIB as u64, "{end:?}, {cut}, {way:?}: {info:?}");
                    assert_eq!(conn.outcome().unwrap().cause, Cause::Protocol(ProtocolError::MessageTooBig));
                    let close = sent(&mut conn).pop().unwrap();
                    assert_eq!((close.opcode, &close.payload[..2]), (8, &1009_u16.to_be_bytes()[..]));
                    // Its contexts do for the next connection.
                    let (mut conn, mut inbox) = end.open_with(&deflate, element, limited(64 * KIB));
                    let mut hello = end.incoming(deflated(HELLO));
                    assert_eq!(feed(way, (&mut conn, &mut inbox), &mut hello), Ok((1, 5)));
                }
            }
        }
    }
}

/// Zeros within the limit are a message, whatever the ratio.
///
/// Fails when `Config::max_inflate_ratio` is 25 by default.
#[test]
fn cve_2026_39804_zeros_within_the_limit_are_a_message() {
    let zeros = bombs::zeros(1 << 20);
    for end in BOTH {
        for cut in [usize::MAX, 100, 1] {
            for way in WAYS {
                let mut config = Config::default();
                (config.max_message, config.max_streamed) = (2 << 20, 2 << 20);
                let (mut conn, mut inbox) = end.open_with(Deflate::new(granting()), FRESH, config);
                let mut bytes = end.all_incoming(bombs::frames(&zeros, cut, true));
                assert_eq!(
                    feed(way, (&mut conn, &mut inbox), &mut bytes),
                    Ok((1, 1 << 20)),
                    "{end:?}, {way:?}"
                );
            }
        }
    }
}

/// Messages of just the limit and of a byte more, in two fragments that are cut everywhere: what shrinks much, and what hardly
/// does.
///
/// Fails when `inflate_step` adds the bytes taken to `inflating.inflated`, not those given, and when it allows one more.
#[test]
fn shape_budget_less_compressed_bytes_is_exact() {
    const LIMIT: usize = 3000;
    let half = noise(3, LIMIT / 2 + 1);
    for content in [vec![0; LIMIT + 1], half.iter().chain(&half).copied().collect()] {
        for len in [LIMIT, LIMIT + 1] {
            let payload = zlib::deflate(&content[..len], Habits::default());
            for end in BOTH {
                let deflate = Deflate::new(granting());
                let step = payload.len().div_ceil(40);
                for cut in (1..payload.len()).step_by(step) {
                    for way in WAYS {
                        let (mut conn, mut inbox) = end.open_with(&deflate, FRESH, limited(LIMIT));
                        let frames = [
                            deflated_binary(&payload[..cut]).unfinished(),
                            Frame::ping(""),
                            Frame::continuation(&payload[cut..]),
                        ];
                        let got = feed(way, (&mut conn, &mut inbox), &mut end.all_incoming(frames));
                        let expected =
                            if len > LIMIT { Err(ProtocolError::MessageTooBig) } else { Ok((1, LIMIT)) };
                        assert_eq!(got, expected, "{end:?}, {way:?}, {cut} of {}", payload.len());
                    }
                }
            }
        }
    }
}

/// A Ping, or a Pong, or both between the fragments of a compressed message; then its end, in as many.
///
/// Fails when a control frame's header sets `receiving.compressed` to whether it has RSV1.
#[test]
fn shape_control_frame_forgets_compression_nowhere() {
    let between = [
        vec![(Frame::ping(""), Event::Ping(vec![]))],
        vec![(Frame::pong("unasked"), Event::Pong(b"unasked".to_vec()))],
        vec![
            (Frame::pong(""), Event::Pong(vec![])),
            (Frame::ping([7; 125]), Event::Ping(vec![7; 125])),
            (Frame::ping("x"), Event::Ping(b"x".to_vec())),
        ],
    ];
    for (controls, events) in between.map(|pairs| pairs.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()) {
        for cut in [0, 3, 7] {
            let mut frames = vec![deflated(&HELLO[..cut]).unfinished()];
            frames.extend(controls.clone());
            frames.push(Frame::continuation(&HELLO[cut..]));
            // And what is not compressed stays so.
            frames.push(Frame::text("Hel").unfinished());
            frames.extend(controls.clone());
            frames.push(Frame::continuation("lo"));
            let mut expected = [&events[..], &[text("Hello")]].concat();
            expected.extend(expected.clone());
            assert_received(&Setup::new(FRESH), &frames, &expected, Ending::Open);
        }
    }
}

/// Reads compressed messages out of one buffer, where they lie one behind the other.
fn in_one_buffer(buffer: &mut [u8], lens: &[usize], tail: impl Fn(&mut [u8], usize)) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut at = 0;
    for len in lens {
        tail(buffer, at + len);
        messages.extend(inflate(&buffer[at..at + len], b"", Rules::UNLIMITED));
        at += len;
    }
    messages
}

/// Messages that end where the read buffer does, a byte before it and a byte behind it, with another right behind them; and
/// messages that inflate to just as much as there is storage for.
///
/// The judge, that the second message is what it was, refuses a reader that writes the stripped bytes behind the first one.
/// Fails also when `Decompressor::decode` says that it is done where its room is full to the byte.
#[test]
fn cve_2026_29035_a_message_ends_where_its_buffer_does() {
    let payloads = [HELLO, HELLO].concat();
    let lens = [HELLO.len(); 2];
    let hellos = vec![b"Hello".to_vec(); 2];
    assert_eq!(in_one_buffer(&mut payloads.clone(), &lens, |_, _| ()), hellos);
    let behind =
        |buffer: &mut [u8], end: usize| buffer[end..].iter_mut().zip(TAIL).for_each(|(to, byte)| *to = byte);
    assert_ne!(in_one_buffer(&mut payloads.clone(), &lens, behind), hellos);

    let deflate = Deflate::new(granting());
    for end in BOTH {
        for way in WAYS {
            // The frame's size on the wire is around the sizes of read buffers.
            for size in [2 * KIB, 4 * KIB, 16 * KIB] {
                for frame_len in size - 9..=size + 1 {
                    let overhead = end.incoming(deflated_binary(&[7; 1000])).len() - 1000;
                    let content = noise(1, frame_len - overhead - 6);
                    let payload = zlib::deflate(&content, Habits { level: 0, ..Habits::default() });
                    assert_eq!(payload.len(), content.len() + 6, "one stored block and an empty one");
                    let mut bytes = end.incoming(deflated_binary(&payload));
                    assert_eq!(bytes.len(), frame_len);
                    bytes.extend(end.incoming(deflated(HELLO)));
                    let heard =
                        listen::listen(way, end.open_with(&deflate, FRESH, Config::default()), [&bytes[..]]);
                    assert_eq!(heard.end, Ending::Open);
                    assert!(
                        heard.events == [binary(&content), text("Hello")],
                        "{end:?}, {way:?}, {frame_len}"
                    );
                }
            }
            // What it inflates to is around the sizes of what it is inflated into.
            for size in [1, 512, 2 * KIB, 16 * KIB, 128 * KIB] {
                for len in size - 1..=size + 2 {
                    let content = vec![b'x'; len];
                    let bytes = end.incoming(deflated_binary(&zlib::deflate(&content, Habits::default())));
                    let heard =
                        listen::listen(way, end.open_with(&deflate, FRESH, Config::default()), [&bytes[..]]);
                    assert_eq!(heard.end, Ending::Open);
                    assert!(heard.events == [binary(&content)], "{end:?}, {way:?}, {len}");
                }
            }
        }
    }
}

/// A decompressor as a server has it.
fn decoder(takeover: bool) -> Box<dyn Decode> {
    let mut agreed = Parameters::default();
    agreed.client_no_context_takeover = !takeover;
    let mut settings = Settings::default();
    settings.negotiation.client_no_context_takeover = !takeover;
    Extension::from(&Deflate::new(settings)).propose().codec(false, agreed).decode
}

/// Inflates a message with room for `room` bytes at a time, which holds `poison` before; at most `most` bytes of it.
fn inflated(
    decode: &mut dyn Decode,
    payload: &[u8],
    (room, poison, most): (usize, u8, usize),
) -> (Vec<u8>, Option<ProtocolError>) {
    let mut input = payload;
    let mut out = Vec::new();
    let mut buffer = vec![0; room];
    while out.len() < most {
        buffer.fill(poison);
        match decode.decode(&mut input, true, &mut buffer) {
            Ok(Decoded::More(n)) => out.extend_from_slice(&buffer[..n]),
            Ok(Decoded::Drained(n)) => {
                out.extend_from_slice(&buffer[..n]);
                return (out, None);
            }
            Err(error) => return (out, Some(error)),
        }
    }
    out.truncate(most);
    (out, None)
}

/// Payloads of all kinds: the attacks, honest messages, damaged ones and noise.
fn payloads() -> Vec<Vec<u8>> {
    let mut dice = Dice::new(5);
    let mut payloads: Vec<Vec<u8>> =
        bombs::attacks(10_000).into_iter().map(|attack| attack.payload).collect();
    for strategy in zlib::STRATEGIES {
        for level in [0, 1, 6, 9] {
            let content: Vec<u8> = (0..3000).map(|_| b"abc\0"[dice.below(4)]).collect();
            payloads.push(zlib::deflate(&content, Habits { level, strategy, ..Habits::default() }));
        }
    }
    let whole = payloads.clone();
    for _ in 0..1000 {
        let mut damaged = dice.pick(&whole);
        damaged.truncate(2000);
        for _ in 0..dice.between(1, 4) {
            let at = dice.below(damaged.len());
            damaged[at] ^= 1 << dice.below(8);
        }
        payloads.push(damaged);
        let len = dice.between(1, 200);
        payloads.push(dice.bytes(len));
    }
    payloads
}

/// Every attack, and thousands of damaged messages, with 64 KiB of stack in all.
///
/// Fails, by the death of the process, when `Decompressor::decode` has 64 KiB of its own on the stack.
#[test]
fn rustsec_2024_0401_on_a_small_stack() {
    let payloads = payloads();
    let small = thread::Builder::new().stack_size(64 << 10).spawn(move || {
        let mut broken = 0;
        for payload in &payloads {
            for takeover in [false, true] {
                let (_, error) = inflated(&mut *decoder(takeover), payload, (1000, 0, 1 << 17));
                broken += usize::from(error.is_some());
            }
        }
        (payloads.len(), broken)
    });
    let (all, broken) = small.unwrap().join().unwrap();
    assert!(all > 2000 && broken > 500 && broken < 2 * all, "{broken} of {all}");
}

/// What comes out is what was written, whatever was there before, and says the same as a reference.
///
/// Fails when `Decompressor::decode` says one more byte than it has written.
#[test]
fn rustsec_2020_0123_nothing_but_what_was_written() {
    const MOST: usize = 1 << 15;
    for payload in payloads() {
        let [first, second, third] = [(0, 300), (0xaa, 300), (0x55, 5000)]
            .map(|(poison, room)| inflated(&mut *decoder(false), &payload, (room, poison, MOST)));
        assert!(first.0 == second.0 && first.1 == second.1, "{payload:02x?}");
        assert!(first.0 == third.0 && first.1 == third.1, "{payload:02x?}");
        if let Ok(content) =
            inflate(&payload, b"", Rules { final_forgets: true, limit: MOST, ..Rules::UNLIMITED })
        {
            assert!(content == first.0, "{payload:02x?}");
        }
    }
    // A match that reaches back before the first message is none of what was there.
    for distance in [2, 300, 1 << 15] {
        let (content, error) = inflated(&mut *decoder(true), &bombs::far_match(distance), (300, 0xaa, MOST));
        assert!(content.len() <= 1 && error == Some(ProtocolError::InvalidDeflate), "{content:?}");
    }
}

/// Blocks without content, a million of them, of each kind that there is.
///
/// Fails when `Inflating::judge` no longer asks whether anything has come out between two checkpoints.
#[test]
fn shape_empty_blocks_are_bounded() {
    let kinds =
        ["empty stored", "empty fixed", "empty dynamic", "longest headers", "final stored", "final fixed"];
    let mut attacks: Vec<_> = bombs::attacks(200_000)
        .into_iter()
        .filter(|attack| kinds.iter().any(|kind| attack.name.starts_with(kind)))
        .map(|Attack { name, payload, .. }| (name, payload))
        .collect();
    attacks.push(("a million", bombs::empty_stored(1_000_000)));
    assert_eq!(attacks.len(), 7);
    for (name, payload) in attacks {
        for end in BOTH {
            for way in WAYS {
                let (mut conn, mut inbox) = end.open_with(Deflate::new(granting()), FRESH, limited(64 << 20));
                let mut bytes = end.all_incoming(bombs::frames(&payload, 100, true));
                let mut got = Ok((0, 0));
                let info = measure(|| got = feed(way, (&mut conn, &mut inbox), &mut bytes));
                assert_eq!(got, Err(ProtocolError::UnproductiveDeflate), "{name}, {end:?}, {way:?}");
                // 8 KiB of it, in fragments of 100 bytes, and what was read along with them.
                assert!(conn.stats().frames_received <= 83, "{name}: {:?}", conn.stats());
                assert!(info.bytes_max <= 72 * KIB as u64, "{name}: {info:?}");
                let close = sent(&mut conn).pop().unwrap();
                assert_eq!((close.opcode, &close.payload[..2]), (8, &1009_u16.to_be_bytes()[..]));
            }
        }
    }
}
