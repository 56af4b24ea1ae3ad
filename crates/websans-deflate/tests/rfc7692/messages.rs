//! Messages, from and to the bytes of the RFC's examples: rows 89 and 91 to 97.

use websans::{Config, ProtocolError};
use websans_deflate::Deflate;
use websans_testkit::blocks::Blocks;
use websans_testkit::inflate::{Rules, TAIL, inflate, judge};
use websans_testkit::oracle::End as Ending;
use websans_testkit::wire::Frame;

use crate::support::*;

/// "Hello" in the ways of §7.2.3, as the payload of a message.
const STORED: &[u8] = b"\x00\x05\x00\xfa\xffHello\x00";
const FINAL: &[u8] = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
const TWO_BLOCKS: &[u8] = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";

/// The four combinations of "no context takeover" for the server and the client.
const TAKEOVERS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[track_caller]
fn assert_messages(element: &str, payloads: &[&[u8]], expected: &[&str]) {
    let setup = Setup::new(element);
    let frames: Vec<Frame> = payloads.iter().map(|payload| deflated(payload)).collect();
    let expected: Vec<Event> = expected.iter().map(|payload| text(payload)).collect();
    assert_received(&setup, &frames, &expected, Ending::Open);
}

#[track_caller]
fn assert_bad(element: &str, payloads: &[&[u8]], before: &[&str]) {
    let setup = Setup::new(element);
    let frames: Vec<Frame> = payloads.iter().map(|payload| deflated(payload)).collect();
    let before: Vec<Event> = before.iter().map(|payload| text(payload)).collect();
    assert_received(&setup, &frames, &before, failed(ProtocolError::InvalidDeflate));
}

/// The payload of a message in fragments of these sizes and one with the rest.
fn fragments(payload: &[u8], sizes: &[usize]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut rest = payload;
    for size in sizes {
        let (now, later) = rest.split_at(*size);
        frames.push(Frame::continuation(now).unfinished());
        rest = later;
    }
    frames.push(Frame::continuation(rest));
    (frames[0].opcode, frames[0].rsv) = (1, RSV1);
    frames
}

/// However a message is cut into fragments it is one message: the tail belongs behind the last of them alone.
#[test]
fn r089_the_tail_is_added_at_the_end_of_the_message() {
    for element in [TAKEOVER, FRESH] {
        let setup = Setup::new(element);
        for payload in [HELLO, STORED, FINAL, TWO_BLOCKS] {
            let two = (0..=payload.len()).map(|at| vec![at]);
            let further = [vec![1; payload.len()], vec![0, 1, 0, 2, 0, payload.len() - 3], vec![2, 2, 2, 0]];
            for sizes in two.chain(further) {
                let frames = fragments(payload, &sizes);
                for end in BOTH {
                    let deflate = Deflate::new(setup.settings.clone());
                    let bytes = end.all_incoming(frames.iter().cloned());
                    for piece in [bytes.len(), 1, 3] {
                        let pieces: Vec<&[u8]> = bytes.chunks(piece).collect();
                        assert_heard(end, &deflate, &setup, &pieces, &[text("Hello")], Ending::Open);
                    }
                }
            }
        }
    }
}

/// "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end" (§7.2.1): of the message, once. What looks like it
/// elsewhere belongs to the message, and what was not removed is too much.
#[test]
fn r089_what_looks_like_the_tail_is_kept() {
    let hello_and_empty = [HELLO, &TAIL, b"\x00"].concat();
    for element in [TAKEOVER, FRESH] {
        assert_messages(element, &[&hello_and_empty, &hello_and_empty], &["Hello", "Hello"]);
        let setup = Setup::new(element);
        for cut in [4, 7, 8, 11] {
            let frames = fragments(&hello_and_empty, &[cut]);
            assert_received(&setup, &frames, &[text("Hello")], Ending::Open);
        }
        for unstripped in [[HELLO, &TAIL].concat(), [STORED, &TAIL].concat(), [b"\x00", &TAIL[..]].concat()] {
            assert_bad(element, &[HELLO, &unstripped], &["Hello"]);
        }
    }
}

/// Where the message ends together with what was read at once there is no room behind it for the tail.
#[test]
fn r089_the_tail_needs_no_room() {
    let setup = Setup::new(FRESH);
    for end in BOTH {
        let deflate = Deflate::new(granting());
        for buffer in [2048, 4096, 8192] {
            for size in buffer - 2..=buffer + 2 {
                let frame = |len| {
                    let mut blocks = Blocks::new();
                    blocks.stored(false, &noise(1, len));
                    end.incoming(deflated_binary(&blocks.message()))
                };
                let len = size - (frame(1000).len() - 1000);
                let bytes = [frame(len), end.incoming(deflated(HELLO))].concat();
                let events = [binary(&noise(1, len)), text("Hello")];
                for pieces in [vec![&bytes[..]], vec![&bytes[..size], &bytes[size..]]] {
                    assert_heard(end, &deflate, &setup, &pieces, &events, Ending::Open);
                }
            }
        }
    }
}

/// A part that is flushed ends with the four bytes, which stay where they are; the message's end lacks them.
#[test]
fn r089_the_tail_is_stripped_at_the_end_of_the_message() {
    for end in BOTH {
        for element in [TAKEOVER, FRESH] {
            let (mut conn, _) = end.open(element);
            let mut history = Vec::new();
            for parts in [
                &["Hello"][..],
                &["Hel", "lo"],
                &["a", "b", "c", "d"],
                &["Hello", ""],
                &["", "Hello", "", ""],
            ] {
                for (n, part) in parts.iter().enumerate() {
                    let last = n + 1 == parts.len();
                    conn.send_part(*part, last).unwrap();
                    if !last {
                        conn.flush_part().unwrap();
                    }
                }
                let frames = sent(&mut conn);
                let (last, others) = frames.split_last().unwrap();
                for frame in others {
                    assert!(frame.payload.ends_with(&TAIL), "{parts:?}: {frame:02x?}");
                }
                assert!(!last.payload.ends_with(&TAIL), "{parts:?}: {last:02x?}");
                let payload: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
                let verdict = judge(&payload, &history, Rules::UNLIMITED);
                assert_eq!(verdict.fault, None, "{parts:?}");
                assert_eq!(verdict.bytes, parts.concat().as_bytes(), "{parts:?}");
                assert!(!verdict.from_tail, "{parts:?}");
                if element == TAKEOVER {
                    history = verdict.history;
                }
            }
            // Cut by length, the four bytes may fall anywhere.
            let mut config = Config::default();
            config.fragment_above = Some(1);
            let (mut conn, _) = end.open_with(Deflate::new(granting()), element, config);
            conn.send_part("Hel", false).unwrap();
            conn.flush_part().unwrap();
            conn.send_part("lo", true).unwrap();
            let (payload, _) = sent_message(&mut conn);
            assert_eq!(inflate(&payload, b"", Rules::UNLIMITED).unwrap(), b"Hello");
            assert!(!payload.ends_with(&TAIL));
        }
    }
}

/// Each direction has the context takeover that was agreed on for it, whatever the other has.
#[test]
fn r091_context_takeover_each_way() {
    for fresh in TAKEOVERS {
        let element = element(fresh, (15, 15));
        for end in BOTH {
            let ours = if end == End::Server { fresh.0 } else { fresh.1 };
            let theirs = if end == End::Server { fresh.1 } else { fresh.0 };
            let (mut conn, mut inbox) = end.open(&element);
            for n in 0..3 {
                conn.send("Hello").unwrap();
                let about = format!("{end:?}, {element}");
                if ours || n == 0 {
                    assert_eq!(drain(&mut conn), end.outgoing(deflated(HELLO)), "{about}");
                } else {
                    assert_again(&sent_message(&mut conn).0, &about);
                }
                let bytes = end.incoming(deflated(if theirs || n == 0 { HELLO } else { HELLO_AGAIN }));
                let heard = read((&mut conn, &mut inbox), &bytes);
                assert_eq!(heard, (vec![text("Hello")], None), "{about}");
            }
            // With a window or without, a message that does without it is understood.
            assert_eq!(read((&mut conn, &mut inbox), &end.incoming(deflated(HELLO))).0, [text("Hello")]);
            let heard = read((&mut conn, &mut inbox), &end.incoming(deflated(HELLO_AGAIN)));
            let error = theirs.then_some(ProtocolError::InvalidDeflate);
            assert_eq!((heard.0.len(), heard.1), (usize::from(!theirs), error), "{end:?}, {element}");
        }
    }
}

/// The window is that of the last 32 KiB of all messages that were compressed, however long each was.
#[test]
fn r091_the_window_spans_messages() {
    for end in BOTH {
        let (mut conn, _) = end.open(TAKEOVER);
        let (mut peer, mut inbox) = end.peer().open(TAKEOVER);
        let mut history = Vec::new();
        let mut all = Vec::new();
        for (n, len) in [20_000, 100, 5_000, 40_000, 1].into_iter().enumerate() {
            let fresh = noise(n as u64, len);
            // What was said a while ago, and something new.
            let from = all.len() - all.len().min(12_000);
            let repeated = all[from..all.len().min(from + 6_000)].to_vec();
            let message = [&fresh[..], &repeated].concat();
            conn.send(&message).unwrap();
            let bytes = drain(&mut conn);
            assert_eq!(read((&mut peer, &mut inbox), &bytes), (vec![binary(&message)], None));
            // A third opinion.
            let frame = websans_testkit::oracle::read(&bytes, &rules(end));
            let [Event::Message { payload, compressed: true, .. }] = &frame.events[..] else {
                panic!("{:?}", frame.end);
            };
            let verdict = judge(payload, &history, Rules::UNLIMITED);
            assert_eq!((verdict.fault, &verdict.bytes), (None, &message));
            let saved = if len + repeated.len() <= 32_000 { repeated.len() / 2 } else { 0 };
            assert!(payload.len() <= message.len() + 64 - saved, "{} of {}", payload.len(), message.len());
            history = verdict.history;
            all.extend(&message);
        }
    }
}

/// What the application skips is in the window all the same; and a message can be taken whole at first and then in pieces.
#[test]
fn r091_skipped_messages_are_in_the_window() {
    let long = noise(9, 40_000);
    let mut blocks = Blocks::new();
    blocks.stored(false, &long);
    let mut again = Blocks::new();
    again.far_match(32_768);
    let tail = &long[long.len() - 32_768..][..3];
    for end in BOTH {
        let frames = [deflated_binary(&blocks.message()), deflated_binary(&again.message())];
        let bytes = end.all_incoming(frames);
        for size in [bytes.len(), 3000, 100] {
            let (mut conn, mut inbox) = end.open(TAKEOVER);
            let (mut started, mut messages) = (false, Vec::new());
            for piece in bytes.chunks(size) {
                let mut piece = piece;
                while !piece.is_empty() {
                    let n = std::io::Read::read(&mut piece, inbox.spare_mut()).unwrap();
                    inbox.filled(n);
                    // One piece of the first message, and no more of it.
                    started = started
                        || inbox.next_chunk(&mut conn).unwrap() && !inbox.chunk().unwrap().payload.is_empty();
                    while started && inbox.next(&mut conn).unwrap() {
                        messages.push(inbox.message().unwrap().as_bytes().to_vec());
                    }
                }
            }
            assert_eq!(messages, [tail], "{end:?}, {size}");

            // The other way round: the first half of it by `next`, which waits, and all of it by `next_chunk`.
            let (mut conn, mut inbox) = end.open(TAKEOVER);
            let (mut chunks, mut messages) = (Vec::new(), Vec::new());
            for (n, piece) in bytes.chunks(size.min(1000)).enumerate() {
                inbox.spare_mut()[..piece.len()].copy_from_slice(piece);
                inbox.filled(piece.len());
                if n < 20 {
                    assert!(!inbox.next(&mut conn).unwrap());
                    continue;
                }
                while inbox.next_chunk(&mut conn).unwrap() {
                    let chunk = inbox.chunk().unwrap();
                    assert_eq!(chunk.first, chunks.is_empty());
                    chunks.extend_from_slice(chunk.payload);
                    if chunk.last {
                        messages.push(std::mem::take(&mut chunks));
                    }
                }
            }
            assert!(messages == [&long[..], tail], "{end:?}, {size}");
        }
    }
}

/// What the peer of `end` reads, messages as they came.
fn rules(end: End) -> websans_testkit::oracle::Rules {
    let mut rules = websans_testkit::oracle::Rules::unlimited(end == End::Client);
    rules.compression = true;
    rules
}

/// "A Message Compressed Using One Compressed DEFLATE Block" (§7.2.3.1): one frame, and two.
#[test]
fn r092_one_block() {
    assert_eq!(deflated(HELLO).to_bytes(), b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
    let two = [deflated(b"\xf2\x48\xcd").unfinished(), Frame::continuation(b"\xc9\xc9\x07\x00")];
    assert_eq!(websans_testkit::wire::stream(&two, false), b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00");
    for element in [TAKEOVER, FRESH] {
        assert_messages(element, &[HELLO], &["Hello"]);
        assert_received(&Setup::new(element), &two, &[text("Hello")], Ending::Open);
        for end in BOTH {
            let (mut conn, _) = end.open(element);
            conn.send("Hello").unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(deflated(HELLO)));
            let mut config = Config::default();
            config.fragment_above = Some(4);
            let (mut conn, _) = end.open_with(Deflate::new(granting()), element, config);
            conn.send("Hello").unwrap();
            let frames = [deflated(&HELLO[..4]).unfinished(), Frame::continuation(&HELLO[4..])];
            assert_eq!(drain(&mut conn), end.all_outgoing(frames));
        }
    }
}

/// "Sharing LZ77 Sliding Window" (§7.2.3.2).
#[test]
fn r093_the_window_is_shared() {
    assert_messages(TAKEOVER, &[HELLO, HELLO_AGAIN, HELLO_AGAIN, HELLO, HELLO_AGAIN], &["Hello"; 5]);
    assert_bad(FRESH, &[HELLO, HELLO_AGAIN], &["Hello"]);
    assert_bad(TAKEOVER, &[HELLO_AGAIN], &[]);
    // Of the direction in question.
    for (element, bad) in [
        ("permessage-deflate; server_no_context_takeover", End::Client),
        ("permessage-deflate; client_no_context_takeover", End::Server),
    ] {
        let setup = Setup::new(element);
        for end in BOTH {
            let (expected, ending) = match end == bad {
                true => (vec![text("Hello")], failed(ProtocolError::InvalidDeflate)),
                false => (vec![text("Hello"); 2], Ending::Open),
            };
            let deflate = Deflate::new(granting());
            splits(&end.all_incoming([deflated(HELLO), deflated(HELLO_AGAIN)]), |pieces| {
                assert_heard(end, &deflate, &setup, pieces, &expected, ending);
            });
        }
    }
}

/// "Using a DEFLATE Block with No Compression" (§7.2.3.3).
#[test]
fn r094_a_stored_block() {
    assert_eq!(deflated(STORED).to_bytes(), b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00");
    for element in [TAKEOVER, FRESH] {
        assert_messages(element, &[STORED, STORED], &["Hello"; 2]);
    }
    // It is in the window as what was compressed is.
    assert_messages(TAKEOVER, &[STORED, HELLO_AGAIN], &["Hello"; 2]);
    // Without compression it is what is sent.
    for end in BOTH {
        let mut settings = granting();
        settings.level = 0;
        let (mut conn, _) = end.open_with(Deflate::new(settings), TAKEOVER, Config::default());
        conn.send("Hello").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(deflated(STORED)));
    }
}

/// "Using a DEFLATE Block with "BFINAL" Set to 1" (§7.2.3.4).
#[test]
fn r095_a_final_block_ends_nothing_but_the_history() {
    assert_eq!(deflated(FINAL).to_bytes(), b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
    for element in [TAKEOVER, FRESH] {
        assert_messages(element, &[FINAL, FINAL, HELLO, FINAL, STORED], &["Hello"; 5]);
        // Blocks of the same message go on behind it.
        let mut blocks = Blocks::new();
        blocks.stored(true, b"one ").stored(true, b"two ").empty(true).stored(false, b"three");
        assert_messages(element, &[&blocks.message(), HELLO], &["one two three", "Hello"]);
        // A stream that is a message's all: its last four bytes are the tail.
        let mut twice = FINAL[..7].to_vec();
        twice.extend(HELLO);
        assert_messages(element, &[&twice], &["HelloHello"]);
    }
    // Behind it there is a new history: what follows refers to no more than that.
    assert_messages(TAKEOVER, &[HELLO, FINAL, HELLO, HELLO_AGAIN], &["Hello"; 4]);
    assert_bad(TAKEOVER, &[HELLO, FINAL, HELLO_AGAIN], &["Hello"; 2]);
    let mut within = Blocks::new();
    within.stored(true, b"Hello").far_match(3);
    assert_bad(TAKEOVER, &[HELLO, &within.message()], &["Hello"]);
    let mut within = Blocks::new();
    within.stored(true, b"Hello").stored(false, b"abc").far_match(3);
    assert_messages(TAKEOVER, &[HELLO, &within.message()], &["Hello", "Helloabcabc"]);
}

/// The empty block at the end of each message (§7.2.1) may be a final one, too; what it must not be is left out.
#[test]
fn r095_a_final_block_at_the_end() {
    let last_is_final = [&HELLO[..6], &[HELLO[6] | 4]].concat();
    for element in [TAKEOVER, FRESH] {
        assert_messages(element, &[&last_is_final, HELLO, b"\x01", HELLO], &["Hello", "Hello", "", "Hello"]);
        // Without the byte that begins it.
        assert_bad(element, &[HELLO, &FINAL[..7]], &["Hello"]);
        assert_bad(element, &[b"\x03\x00"], &[]);
        assert_bad(element, &[b"\x01\x00\x00\xff\xff"], &[]);
    }
    assert_bad(TAKEOVER, &[&last_is_final, HELLO_AGAIN], &["Hello"]);
    assert_bad(TAKEOVER, &[HELLO, b"\x01", HELLO_AGAIN], &["Hello", ""]);
}

/// "Two DEFLATE Blocks in One Message" (§7.2.3.5).
#[test]
fn r096_two_blocks() {
    assert_eq!(
        deflated(TWO_BLOCKS).to_bytes(),
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"
    );
    for element in [TAKEOVER, FRESH] {
        assert_messages(element, &[TWO_BLOCKS, TWO_BLOCKS], &["Hello"; 2]);
        let mut blocks = Blocks::new();
        blocks.stored(false, b"ab").empty(false).stored(false, b"").run(0).stored(false, b"c").far_match(3);
        assert_messages(element, &[&blocks.message()], &["abcabc"]);
    }
    assert_messages(TAKEOVER, &[TWO_BLOCKS, HELLO_AGAIN], &["Hello"; 2]);
    // It is what a flush in the middle makes.
    for end in BOTH {
        let (mut conn, _) = end.open(TAKEOVER);
        conn.send_part("He", false).unwrap();
        conn.flush_part().unwrap();
        conn.send_part("llo", true).unwrap();
        let frames = [deflated(&TWO_BLOCKS[..8]).unfinished(), Frame::continuation(&TWO_BLOCKS[8..])];
        assert_eq!(drain(&mut conn), end.all_outgoing(frames));
    }
}

/// "Generating an Empty Fragment" (§7.2.3.6), and empty messages in general.
#[test]
fn r097_empty_messages() {
    let empty: [&[u8]; 8] = [
        b"\x00",
        b"",
        b"\x01",
        b"\x02\x00",
        b"\x03\x00\x00",
        b"\x00\x00\x00\xff\xff\x00",
        b"\x00\x00\x00\xff\xff\x01",
        b"\x01\x00\x00\xff\xff\x00",
    ];
    for element in [TAKEOVER, FRESH] {
        for payload in empty {
            assert_messages(
                element,
                &[payload, HELLO, payload, payload, HELLO],
                &["", "Hello", "", "", "Hello"],
            );
        }
        let setup = Setup::new(element);
        // No byte at all, in fragments; and fragments without a byte before those that have some.
        let nothing =
            [deflated(b"").unfinished(), Frame::continuation("").unfinished(), Frame::continuation("")];
        assert_received(&setup, &nothing, &[text("")], Ending::Open);
        let something =
            [deflated(b"").unfinished(), Frame::continuation("").unfinished(), Frame::continuation(HELLO)];
        assert_received(&setup, &something, &[text("Hello")], Ending::Open);
        let end = [deflated(b"\x00").unfinished(), Frame::continuation("")];
        assert_received(&setup, &end, &[text("")], Ending::Open);
        let end = [deflated(HELLO).unfinished(), Frame::continuation("")];
        assert_received(&setup, &end, &[text("Hello")], Ending::Open);
    }
    // The window is as it was, unless the message says that it is not.
    for payload in [empty[0], empty[1], empty[3], empty[5]] {
        assert_messages(TAKEOVER, &[HELLO, payload, HELLO_AGAIN], &["Hello", "", "Hello"]);
    }
    assert_received(
        &Setup::new(TAKEOVER),
        &[deflated_binary(b"\x00"), deflated_binary(b"")],
        &[binary(b""), binary(b"")],
        Ending::Open,
    );
}

#[test]
fn r097_empty_messages_are_sent() {
    for end in BOTH {
        for element in [TAKEOVER, FRESH] {
            let (mut conn, _) = end.open(element);
            for _ in 0..3 {
                conn.send("").unwrap();
                assert_eq!(drain(&mut conn), end.outgoing(deflated(b"\x00")), "{element}");
                conn.send_part("", false).unwrap();
                conn.send_part("", false).unwrap();
                conn.send_part("", true).unwrap();
                assert_eq!(drain(&mut conn), end.outgoing(deflated(b"\x00")), "{element}");
                conn.send(b"").unwrap();
                assert_eq!(drain(&mut conn), end.outgoing(deflated_binary(b"\x00")), "{element}");
            }
            conn.send("Hello").unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(deflated(HELLO)), "{element}");
        }
        // It is not worth it, unless it is asked for.
        let deflate = Deflate::default();
        let (mut conn, _) = end.open_with(&deflate, FRESH, Config::default());
        conn.send("").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(Frame::text("")));
    }
}
