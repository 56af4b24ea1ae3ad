//! Lengths that frames declare, what they make a connection store, and how often they send it round.

use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::{iter, thread};

use allocation_counter::measure;
use websans::{Cause, Config, Connection, Event, Hangup, Inbox, ProtocolError, State};
use websans_testkit::listen::{self, Way};
use websans_testkit::wire::{self, Form, Frame};

use crate::support::*;

const KIB: u64 = 1 << 10;

/// A frame as `end`'s peer sends it; the payload may be shorter than what is declared.
fn bytes_of(end: End, frame: Frame) -> Vec<u8> {
    end.incoming_key().map_or(frame.clone(), |key| frame.masked(key)).to_bytes()
}

/// The header of a binary message in one frame of `len` bytes.
fn head(end: End, len: u64) -> Vec<u8> {
    bytes_of(end, Frame::binary("").declaring(len))
}

/// No limit of size.
fn unlimited() -> Config {
    let mut config = quiet();
    (config.max_message, config.max_streamed) = (u64::MAX, u64::MAX);
    config
}

/// Runs `case` on a thread of its own, so that one that never ends is a failure, too.
fn watched(case: impl FnOnce() + Send + 'static) {
    let (ending, ended) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _ending = ending;
        case();
    });
    if ended.recv_timeout(secs(60)) == Err(RecvTimeoutError::Timeout) {
        panic!("no end of it in a minute");
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// The advisory's frames.
///
/// Fails when `frame.rs` no longer judges the top bit of a 64-bit length, and when it judges it only once all bytes are there.
#[test]
fn cve_2020_27813_length_with_the_top_bit() {
    watched(|| {
        for end in BOTH {
            for config in [Config::default(), unlimited()] {
                for len in [1 << 63, (1 << 63) + 1, u64::MAX] {
                    let bytes = head(end, len);
                    assert_fails(end, &config, &bytes, &[], ProtocolError::LengthOutOfRange);
                    let mut conn = end.open(config.clone()).0;
                    assert_eq!(receive(&mut conn, &bytes[..2]), (vec![], None));
                    assert_eq!(
                        receive(&mut conn, &bytes[2..3]),
                        (vec![], Some(ProtocolError::LengthOutOfRange))
                    );
                }
            }
            let bytes = head(end, u64::MAX >> 1);
            assert_fails(end, &Config::default(), &bytes, &[], ProtocolError::MessageTooBig);
        }
    });
    assert_eq!(ProtocolError::LengthOutOfRange.close_code(), code(1002));
    assert_eq!(ProtocolError::MessageTooBig.close_code(), code(1009));
}

/// Neither 14 bytes of header nor what has come of the message, added to the largest length, are more than a number holds.
///
/// Fails when `receive.rs` takes `header.len` from what is left of the limit by `wrapping_sub`.
#[test]
fn shape_length_overflow_in_header_sum_fails_or_waits() {
    for end in BOTH {
        // An opcode that is reserved is the first fault, whatever the length.
        let reserved = bytes_of(end, Frame::new(3, "").declaring(u64::MAX));
        assert_fails(end, &unlimited(), &reserved, &[], ProtocolError::ReservedOpcode);

        for less in 0..16 {
            let len = (u64::MAX >> 1) - less;
            for way in Way::ALL {
                // Behind nothing, and behind 100 bytes of the same message.
                let first = bytes_of(end, Frame::binary([7; 100]).unfinished());
                let next = bytes_of(end, Frame::continuation([7; 100]).declaring(len));
                let only = bytes_of(end, Frame::binary([7; 100]).declaring(len));
                for bytes in [only, [&first[..], &next].concat()] {
                    let heard = listen::listen(way, end.open(unlimited()), [&bytes[..]]);
                    assert_eq!(
                        (heard.events, heard.end),
                        (vec![], websans_testkit::oracle::End::Open),
                        "{len}"
                    );
                }
                // The sum is held to the limit, exactly.
                for (limit, fits) in [(len + 100, true), (len + 99, false), (len, false), (u64::MAX, true)] {
                    let mut config = unlimited();
                    (config.max_message, config.max_streamed) = (limit, limit);
                    let (mut conn, inbox) = end.open(config);
                    // What a connection is told in pieces counts all the same.
                    let bytes = [&first[..], &next[..next.len() - 100]].concat();
                    let error = take_all(way, &mut conn, inbox, &bytes).err();
                    assert_eq!(
                        error,
                        (!fits).then_some(ProtocolError::MessageTooBig),
                        "{way:?}: {len} of {limit}"
                    );
                }
            }
        }
    }
}

/// Reads `bytes` in one way, up to an error.
fn take_all(way: Way, conn: &mut Connection, mut inbox: Inbox, bytes: &[u8]) -> Result<(), ProtocolError> {
    let mut rest = bytes;
    match way {
        Way::Receive | Way::Accept => {
            let mut bytes = bytes.to_vec();
            let mut input = &mut bytes[..];
            while let Some(event) = conn.receive(&mut input)? {
                if let (Way::Accept, Event::Part(part)) = (way, event) {
                    inbox.accept(conn, part)?;
                }
            }
        }
        Way::Next | Way::NextChunk => {
            while !rest.is_empty() {
                fill(&mut inbox, &mut rest);
                while if way == Way::Next { inbox.next(conn)? } else { inbox.next_chunk(conn)? } {}
            }
        }
    }
    Ok(())
}

/// What arithmetic says of a header: the fault, if any, and whether it is one of its first two bytes.
fn verdict(frame: &Frame, limit: u64) -> Result<(), ProtocolError> {
    let len = frame.declared.unwrap_or_default();
    let two = frame.form == Form::Two || frame.form == Form::Minimal && (126..1 << 16).contains(&len);
    let eight = frame.form == Form::Eight || frame.form == Form::Minimal && len >= 1 << 16;
    let control = frame.opcode >= 8;
    match len {
        _ if control && (two || eight) => Err(ProtocolError::ControlTooLong),
        _ if eight && len >= 1 << 63 => Err(ProtocolError::LengthOutOfRange),
        _ if two && len < 126 || eight && len < 1 << 16 => Err(ProtocolError::LengthNotMinimal),
        _ if !control && len > limit => Err(ProtocolError::MessageTooBig),
        _ => Ok(()),
    }
}

/// Headers with lengths around every power of two, in every form, cut everywhere.
fn sweep(end: End) {
    let powers = (0..64).map(|k| 1_u64 << k);
    let mut lengths: Vec<u64> =
        powers.flat_map(|n| [n - 1, n, n.wrapping_add(1)]).chain([u64::MAX]).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut verdicts = 0;
    for len in lengths {
        for form in [Form::Minimal, Form::Two, Form::Eight] {
            if form == Form::Two && len > 0xffff {
                continue;
            }
            for frame in [Frame::binary(""), Frame::text("").unfinished(), Frame::ping(""), Frame::new(8, "")]
            {
                let frame = frame.declaring(len).form(form);
                for limit in [0, 1 << 20, u64::MAX] {
                    let mut config = quiet();
                    config.max_message = limit;
                    let expected = verdict(&frame, limit);
                    let bytes = bytes_of(end, frame.clone());
                    splits(&bytes, |pieces| {
                        let mut conn = end.open(config.clone()).0;
                        let (_, error) = receive_pieces(&mut conn, pieces.iter().copied());
                        assert_eq!(error, expected.err(), "{frame:?} of {limit}: {pieces:02x?}");
                        assert_eq!(
                            conn.state() == State::Open,
                            expected.is_ok() && !(frame.opcode == 8 && len == 0)
                        );
                        verdicts += 1;
                    });
                    let (mut conn, mut inbox) = end.open(config);
                    assert_eq!(read(&mut conn, &mut inbox, &bytes).1, expected.err(), "{frame:?} of {limit}");
                }
            }
        }
    }
    assert!(verdicts > 40_000, "{verdicts}");
}

/// Every length, in every form, with every cut, for servers.
///
/// Fails when `frame.rs` lets a length pass that is not minimal (`<= u64::from(u16::MAX)` made `<`), when it no longer judges
/// the top bit, and when `receive.rs` no longer holds lengths to the limit.
#[test]
fn cve_2026_27889_every_length_that_a_server_reads() {
    watched(|| sweep(End::Server));
}

/// The same for clients, whose frames have no key behind the length.
///
/// Fails as the test above.
#[test]
fn cve_2026_1528_every_length_that_a_client_reads() {
    watched(|| sweep(End::Client));
}

/// A length of 2^k + 5 is not 5, for any k: what stands behind the fifth byte is payload, though it looks like a Ping.
///
/// Fails when `receive.rs` sets `receiving.remaining` to `header.len as u32`, or to `as u16`.
#[test]
fn shape_length_narrowed_to_a_word_stays_whole() {
    for end in BOTH {
        for k in 16..63 {
            let len = (1 << k) + 5;
            let ping = end.incoming(FIN | PING, b"ping");
            let mut frame = Frame::binary(iter::repeat_n(7, 5).chain(ping.clone()).collect::<Vec<u8>>());
            frame.declared = Some(len);
            let bytes = bytes_of(end, frame.clone());
            let (head, payload) = bytes.split_at(bytes.len() - frame.payload.len());
            for pieces in [vec![head, &payload[..5], &payload[5..]], vec![&bytes[..]]] {
                let mut conn = end.open(unlimited()).0;
                let mut content = Vec::new();
                for piece in pieces {
                    let (events, error) = receive(&mut conn, piece);
                    assert_eq!(error, None, "2^{k} + 5");
                    for event in events {
                        let Got::Part { payload, last: false, .. } = event else {
                            panic!("2^{k} + 5: {event:?}")
                        };
                        content.extend(payload);
                    }
                }
                assert_eq!(content, frame.payload);
                assert!(!conn.wants_write(), "nobody asked for a Pong");
                let (mut conn, mut inbox) = end.open(unlimited());
                assert_eq!(read(&mut conn, &mut inbox, &bytes), (vec![], None), "2^{k} + 5");
            }
        }
    }
}

/// Whether the bytes are used up by calls of which each takes at least one, or says that it wants more.
fn steps_are_bounded(bytes: &mut [u8], mut call: impl FnMut(&mut &mut [u8]) -> bool) -> bool {
    let mut input = bytes;
    for _ in 0..=input.len() {
        let before = input.len();
        if !call(&mut input) {
            return true;
        }
        if input.len() >= before {
            return false;
        }
    }
    false
}

/// Headers of all lengths with something behind them, in as many calls as there are bytes.
///
/// The judge refuses a reader that reports an event and takes nothing. Fails also when `receive_part` no longer forgets a
/// frame that is complete.
#[test]
fn cve_2020_13935_every_call_takes_a_byte() {
    assert!(!steps_are_bounded(&mut [0; 100], |_| true));
    assert!(steps_are_bounded(&mut [0; 100], |input| {
        *input = &mut core::mem::take(input)[1..];
        !input.is_empty()
    }));
    watched(|| {
        for end in BOTH {
            for first in 0..=u8::MAX {
                for len in (0..64).map(|k| (1_u64 << k).wrapping_sub(1)).chain([1 << 63, u64::MAX]) {
                    let junk: Vec<u8> =
                        (0..60).map(|n: u8| n.wrapping_mul(len.to_be_bytes()[7] | 1)).collect();
                    let mut bytes = [header(first, end.incoming_key(), len), junk].concat();
                    let mut conn = end.open(unlimited()).0;
                    let bounded = steps_are_bounded(&mut bytes, |input| match conn.receive(input) {
                        Ok(event) => event.is_some(),
                        Err(_) => {
                            // It is said once; what is left is swallowed.
                            assert_eq!((conn.receive(input), input.len()), (Ok(None), 0));
                            false
                        }
                    });
                    assert!(bounded, "{bytes:02x?}");
                }
            }
        }
    });
}

/// A session with all kinds of frames, in reads that may be empty, which ends at every offset.
///
/// Fails when neither `receive` nor `receive_frames` returns at once on empty input (within a frame, nothing is then reported
/// again and again), and when `eof` does not end the connection.
#[test]
fn cve_2021_26423_the_stream_ends_anywhere() {
    watched(|| {
        for end in BOTH {
            let bytes = [
                end.incoming(FIN | TEXT, b"text"),
                end.incoming(BINARY, b""),
                end.incoming(FIN | PING, b"ping"),
                end.incoming(CONTINUATION, &[7; 200]),
                end.incoming(FIN, b""),
                end.incoming_close(1000, "bye"),
            ]
            .concat();
            for cut in 0..=bytes.len() {
                let (bytes, _) = bytes.split_at(cut);
                let whole = receive(&mut end.open(quiet()).0, bytes);
                let mut conn = end.open(quiet()).0;
                let mut events = Vec::new();
                for piece in bytes.chunks(1) {
                    for piece in [&[], piece, &[]] {
                        let (some, error) = receive(&mut conn, piece);
                        assert!(error.is_none() && (!piece.is_empty() || some.is_empty()), "{cut}: {some:?}");
                        events.extend(some);
                    }
                }
                assert_eq!(joined(events), joined(whole.0), "{cut}");
                conn.eof();
                let cause = if conn.close_received().is_some() { Cause::Clean } else { Cause::Eof };
                assert_eq!(conn.outcome().map(|outcome| outcome.cause), Some(cause), "{cut}");
                drain(&mut conn);
                assert_eq!((conn.state(), conn.hangup()), (State::Closed, Hangup::Drop), "{cut}");

                for chunks in [false, true] {
                    let (mut conn, mut inbox) = end.open(quiet());
                    let next = |inbox: &mut Inbox, conn: &mut Connection| {
                        let found = if chunks { inbox.next_chunk(conn) } else { inbox.next(conn) };
                        found.unwrap() && inbox.chunk().unwrap().last
                    };
                    let mut messages = 0;
                    for mut piece in bytes.chunks(3) {
                        while !piece.is_empty() {
                            fill(&mut inbox, &mut piece);
                            // As many calls as there are bytes are enough for all that can be in them.
                            messages += (0..4).filter(|_| next(&mut inbox, &mut conn)).count();
                        }
                        inbox.filled(0);
                        assert!(!next(&mut inbox, &mut conn), "nothing was read, nothing found: {cut}");
                    }
                    conn.eof();
                    assert!(!next(&mut inbox, &mut conn), "{cut}");
                    assert_eq!(messages as u64, conn.stats().messages_received, "{cut}");
                }
            }
        }
    });
}

/// Content of messages, and control frames, without regard to cuts.
fn joined(events: Vec<Got>) -> Vec<Got> {
    let mut joined: Vec<Got> = Vec::new();
    let mut content = Vec::new();
    for event in events {
        match event {
            Got::Part { payload, .. } => content.extend(payload),
            other => joined.push(other),
        }
    }
    joined.push(whole(websans::Kind::Binary, &content));
    joined
}

/// A megabyte of length, seven bits at a time.
///
/// Fails when `parse_header` lets a continuation of no message pass.
#[test]
fn cve_2026_54463_draft_frames_fail_at_once() {
    for end in BOTH {
        for first in [0x80, 0xff, 0x00] {
            let mut bytes = vec![0x80; 1 << 20];
            bytes[0] = first;
            let (mut conn, mut inbox) = end.open(quiet());
            let failed_at = bytes.chunks(1).position(|byte| receive(&mut conn, byte).1.is_some());
            assert!(failed_at.is_some_and(|at| at < 2), "{end:?}: {failed_at:?}");
            let frames = sent(&mut conn);
            assert_eq!(frames[0].payload[..2], 1002_u16.to_be_bytes());
            // All of it at once: it is swallowed, not kept.
            let mut conn = end.open(quiet()).0;
            let mut taken = None;
            let info = measure(|| {
                let mut input = &mut bytes[..];
                taken = conn.receive(&mut input).err();
                while !input.is_empty() {
                    assert_eq!(conn.receive(&mut input), Ok(None));
                }
                drop(drain(&mut conn));
                assert_eq!(inbox.park(), None);
            });
            assert!(taken.is_some() && info.bytes_max <= KIB, "{info:?}");
            assert_eq!(conn.stats().bytes_received, 1 << 20);
        }
    }
}

/// A header costs what a header costs, whatever it declares and whatever is allowed.
///
/// Fails when `Assembler::room` grows by `most`, which is what the header declares.
#[test]
fn cve_2022_35922_storage_follows_what_has_come() {
    for end in BOTH {
        for limit in [1 << 20, 1 << 30, 1 << 40, u64::MAX] {
            for len in [limit - 1, limit, (limit >> 1) + 1, 100_000] {
                let len = len.min(u64::MAX >> 1);
                for compressed in [false, true] {
                    for chunks in [false, true] {
                        for come in [0, 1, 100, 3000] {
                            let mut config = unlimited();
                            (config.max_message, config.max_streamed) = (limit, limit);
                            let rsv = if compressed { 4 } else { 0 };
                            let frame = Frame::binary(vec![0; come]).declaring(len).reserved(rsv);
                            let bytes = bytes_of(end, frame);
                            let info = measure(|| {
                                let (mut conn, mut inbox) =
                                    if compressed { open_compressed(end, config) } else { end.open(config) };
                                let mut rest = &bytes[..];
                                while !rest.is_empty() {
                                    fill(&mut inbox, &mut rest);
                                    while if chunks {
                                        inbox.next_chunk(&mut conn)
                                    } else {
                                        inbox.next(&mut conn)
                                    }
                                    .unwrap()
                                    {}
                                }
                                assert!(!inbox.spare_mut().is_empty());
                            });
                            assert!(
                                info.bytes_max <= 32 * KIB,
                                "{len} of {limit}, {come} bytes of it: {info:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Nobody has to ask for a limit, and each that there is holds.
///
/// Fails when a default is `u64::MAX`, `usize::MAX` or `None` that should not be, and when `begin_frame` does not hold
/// lengths to the limit.
#[test]
fn cve_2018_21035_limits_hold_unasked() {
    let config = Config::default();
    // In words, so that a field which is new is seen as well.
    let words = format!("{config:?}");
    let largest = [u64::MAX.to_string(), u32::MAX.to_string(), i64::MAX.to_string(), "255".into()];
    for number in largest {
        assert!(!words.split(|c: char| !c.is_alphanumeric()).any(|word| word == number), "{words}");
    }
    let none: Vec<&str> = words.split(", ").filter_map(|field| field.strip_suffix(": None")).collect();
    // What a message inflates to has a limit of its own; the others are habits and no limits.
    assert_eq!(none, ["max_inflate_ratio", "fragment_above", "idle"], "{words}");

    assert!(
        config.max_message <= 1 << 20 && config.max_fragments <= 1 << 17 && config.max_empty_fragments <= 16
    );
    for end in BOTH {
        for (len, fits) in [(config.max_message, true), (config.max_message + 1, false)] {
            let (mut conn, mut inbox) = end.open(Config::default());
            let error = read(&mut conn, &mut inbox, &head(end, len)).1;
            assert_eq!(error, (!fits).then_some(ProtocolError::MessageTooBig));
            // A stream has a limit as well, if a large one.
            let (mut conn, mut inbox) = end.open(Config::default());
            let bytes = head(end, if fits { config.max_streamed } else { config.max_streamed + 1 });
            fill(&mut inbox, &mut &bytes[..]);
            assert_eq!(inbox.next_chunk(&mut conn).err(), (!fits).then_some(ProtocolError::MessageTooBig));
        }
    }
}

/// A frame beyond the limit that comes a byte at a time fails before any of its payload comes.
///
/// Fails when `begin_frame` counts lengths by `saturating_sub` and leaves the rest to `Inbox::gather`.
#[test]
fn cve_2026_54274_over_the_limit_at_the_header() {
    for end in BOTH {
        for (before, limit) in [(0, 1000), (0, 1 << 20), (600, 1000), (1000, 1000)] {
            for over in [1, 2, 1 << 20, u64::MAX >> 2] {
                let mut config = quiet();
                config.max_message = limit;
                let first = bytes_of(end, Frame::binary(vec![7; before]).unfinished());
                let declared = limit - before as u64 + over;
                let second = if before > 0 { Frame::continuation("") } else { Frame::binary("") };
                let head = bytes_of(end, second.declaring(declared));
                let (mut conn, mut inbox) = end.open(config);
                if before > 0 {
                    assert_eq!(read(&mut conn, &mut inbox, &first), (vec![], None));
                }
                let mut error = None;
                let info = measure(|| {
                    for (at, byte) in head.chunks(1).enumerate() {
                        let mut byte = byte;
                        fill(&mut inbox, &mut byte);
                        error = inbox.next(&mut conn).err().map(|error| (at, error));
                        assert!(error.is_none() || at + 1 == head.len(), "{at}: {error:?}");
                    }
                });
                assert_eq!(error, Some((head.len() - 1, ProtocolError::MessageTooBig)));
                // The read buffer and the Close.
                assert!(info.bytes_max <= 3 * KIB, "{info:?}");
                assert_failed(&mut conn, ProtocolError::MessageTooBig, "over the limit");
            }
        }
    }
}

/// Limits of every size, and none: the same as a reading of the RFC that is not ours.
///
/// Fails when `begin_frame` takes a limit of 0 for none, when it ignores `max_fragments` at its largest, and when it compares
/// `max_empty_fragments` with `>`.
#[test]
fn cve_2026_0716_every_limit_at_its_ends() {
    let messages = |len: usize| {
        let payload = vec![b'x'; len];
        vec![
            Frame::ping("ping"),
            Frame::text(payload.clone()),
            Frame::binary("").unfinished(),
            Frame::ping(""),
            Frame::continuation("").unfinished(),
            Frame::continuation(payload.clone()).unfinished(),
            Frame::continuation(""),
            Frame::text(&payload[..len / 2]).unfinished(),
            Frame::continuation(&payload[len / 2..]),
            Frame::close(1000, "bye"),
        ]
    };
    for server in [true, false] {
        for len in [0, 1, 2, 126, 3000] {
            let bytes = wire::stream(&messages(len), server);
            for max_message in [0, 1, 125, u64::MAX] {
                for max_fragments in [0, 1, u32::MAX] {
                    for max_empty in [0, 1, u8::MAX] {
                        let mut config = quiet();
                        (config.max_message, config.max_streamed) = (max_message, max_message);
                        (config.max_fragments, config.max_empty_fragments) = (max_fragments, max_empty);
                        config.read_buffer = if len % 2 == 0 { 0 } else { usize::MAX };
                        for way in Way::ALL {
                            listen::judge(way, server, &config, &[&bytes]);
                            listen::judge(way, server, &config, &bytes.chunks(1000).collect::<Vec<_>>());
                            if len <= 126 {
                                listen::judge(way, server, &config, &bytes.chunks(1).collect::<Vec<_>>());
                            }
                        }
                    }
                }
            }
        }
    }
}
