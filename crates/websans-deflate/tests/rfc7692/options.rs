//! What the application says of compression, message by message, and what it is told.

use websans::deflate::{Extension, Flush};
use websans::{Compression, Config, Kind, Payload, SendError};
use websans_deflate::{Deflate, RECEIVE_MEMORY, Settings};
use websans_testkit::inflate::{Rules, TAIL, inflate};
use websans_testkit::wire::Frame;

use crate::support::*;

fn inflated(payload: &[u8]) -> Vec<u8> {
    inflate(payload, b"", Rules::UNLIMITED).unwrap()
}

/// The settings' threshold counts where the application says nothing, and not where it says something.
#[test]
fn the_applications_word_goes_over_the_threshold() {
    for threshold in [0, 1, 5, 128] {
        let mut settings = Settings::default();
        assert_eq!(settings.threshold, 128);
        settings.threshold = threshold;
        let deflate = Deflate::new(settings);
        for end in BOTH {
            let (mut conn, _) = end.open_with(&deflate, FRESH, Config::default());
            for len in [0, 1, 4, 5, 6, 127, 128, 129, 1000] {
                let message = "x".repeat(len);
                for asked in [None, Some(true), Some(false)] {
                    for kind in [Kind::Text, Kind::Binary] {
                        let mut payload = Payload::new(kind, &message);
                        if let Some(asked) = asked {
                            payload = payload.compress(asked);
                        }
                        conn.send(payload).unwrap();
                        let (payload, compressed) = sent_message(&mut conn);
                        assert_eq!(compressed, asked.unwrap_or(len >= threshold), "{len}, {asked:?}");
                        let content = if compressed { inflated(&payload) } else { payload };
                        assert_eq!(content, message.as_bytes());
                    }
                }
            }
        }
    }
}

/// Of a message in parts the first part's word counts; its length is not known, so that it is compressed if nothing is
/// said.
#[test]
fn the_first_part_decides() {
    for end in BOTH {
        let (mut conn, _) = end.open_with(Deflate::default(), FRESH, Config::default());
        for first in [None, Some(true), Some(false)] {
            for second in [None, Some(true), Some(false)] {
                let part = |text, asked: Option<bool>| match asked {
                    Some(asked) => Payload::from(text).compress(asked),
                    None => Payload::from(text),
                };
                conn.send_part(part("Hel", first), false).unwrap();
                conn.send_part(part("lo", second), true).unwrap();
                let (payload, compressed) = sent_message(&mut conn);
                assert_eq!(compressed, first.unwrap_or(true), "{first:?}, {second:?}");
                assert_eq!(payload, if compressed { HELLO } else { b"Hello" });
                // The last part is the first one here.
                conn.send_part(part("Hello", first), true).unwrap();
                assert_eq!(sent_message(&mut conn).1, first == Some(true));
            }
        }
    }
}

/// What the compressor keeps back comes out when it is told to, and once.
#[test]
fn flush_part_pushes_out_what_there_is() {
    for end in BOTH {
        for element in [TAKEOVER, FRESH] {
            let (mut conn, _) = end.open(element);
            let (mut peer, mut inbox) = end.peer().open(element);
            conn.flush_part().unwrap();
            assert_eq!(drain(&mut conn), b"", "between messages");
            let mut said = Vec::new();
            let mut compressed = Vec::new();
            for part in ["one ", "two ", "three "] {
                conn.send_part(part, false).unwrap();
                assert_eq!(drain(&mut conn), b"", "it is kept back");
                assert_eq!(conn.send("x"), Err(SendError::MessageInProgress));
                conn.flush_part().unwrap();
                let bytes = drain(&mut conn);
                let frame = websans_testkit::oracle::read(
                    &bytes,
                    &websans_testkit::oracle::Rules::unlimited(end == End::Client),
                );
                assert_ne!(bytes, b"", "{:?}", frame.end);
                // The peer can read so far at once.
                let room = inbox.spare_mut();
                room[..bytes.len()].copy_from_slice(&bytes);
                inbox.filled(bytes.len());
                let mut now = Vec::new();
                while inbox.next_chunk(&mut peer).unwrap() {
                    now.extend_from_slice(inbox.chunk().unwrap().payload);
                }
                assert_eq!(now, part.as_bytes());
                said.extend(now);
                for _ in 0..2 {
                    conn.flush_part().unwrap();
                    assert_eq!(drain(&mut conn), b"", "there is nothing left");
                }
                compressed.extend(bytes);
            }
            conn.send_part("", true).unwrap();
            assert_eq!(sent(&mut conn), [Frame::continuation(b"\x00")]);
            conn.flush_part().unwrap();
            assert_eq!(drain(&mut conn), b"", "between messages");
            // A message that is not compressed waits for nothing.
            conn.send_part(Payload::from("plain").compress(false), false).unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(Frame::text("plain").unfinished()));
            conn.flush_part().unwrap();
            assert_eq!(drain(&mut conn), b"");
            conn.send_part("", true).unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(Frame::continuation("")));
        }
        // Before anything was given: a frame with an empty block, or none; the message is whole all the same.
        let (mut conn, _) = end.open(FRESH);
        conn.send_part("", false).unwrap();
        conn.flush_part().unwrap();
        conn.send_part("Hello", true).unwrap();
        let (payload, compressed) = sent_message(&mut conn);
        assert!(compressed && !payload.ends_with(&TAIL));
        assert_eq!(inflated(&payload), b"Hello");
    }
}

/// The counters are exact, message by message, and leave out what was not compressed.
#[test]
fn counters_are_exact() {
    for (fresh, bits) in [
        ((false, false), (15, 15)),
        ((true, false), (12, 10)),
        ((false, true), (9, 15)),
        ((true, true), (15, 15)),
    ] {
        let element = element(fresh, bits);
        let settings = granting();
        for end in BOTH {
            let deflate = Deflate::new(settings.clone());
            let (mut conn, mut inbox) = end.open_with(&deflate, &element, Config::default());
            let (mut peer, mut peer_inbox) = end.peer().open_with(&deflate, &element, Config::default());
            let (sends, receives) =
                (end.sends(parameters(fresh, bits)), end.peer().sends(parameters(fresh, bits)));
            let mut expected = Compression::default();
            expected.parameters = parameters(fresh, bits);
            expected.memory = if sends.0 { settings.send_memory(sends.1) } else { 0 }
                + if receives.0 { RECEIVE_MEMORY } else { 0 };
            let stats = |conn: &websans::Connection| conn.stats().compression.unwrap();
            assert_eq!(stats(&conn), expected, "{element}");
            for message in ["Hello", "", "Hello, Hello", &"long ".repeat(1000), "Hello"] {
                conn.send(message).unwrap();
                let bytes = drain(&mut conn);
                let rules = websans_testkit::oracle::Rules {
                    compression: true,
                    ..websans_testkit::oracle::Rules::unlimited(end == End::Client)
                };
                let [Event::Message { payload, .. }] =
                    &websans_testkit::oracle::read(&bytes, &rules).events[..]
                else {
                    panic!("one message");
                };
                expected.sent_plain += message.len() as u64;
                expected.sent_compressed += payload.len() as u64;
                assert_eq!(stats(&conn), expected);
                conn.send(Payload::from("not counted").compress(false)).unwrap();
                conn.ping(b"not counted").unwrap();
                let rest = drain(&mut conn);
                // The peer, for which it is the other way round; byte by byte.
                let mut heard = Vec::new();
                for byte in [bytes, rest].concat() {
                    heard.extend(read((&mut peer, &mut peer_inbox), &[byte]).0);
                }
                assert_eq!(heard, [text(message), text("not counted")]);
                let other = stats(&peer);
                assert_eq!(other.received_plain, expected.sent_plain);
                assert_eq!(other.received_compressed, expected.sent_compressed);
                assert_eq!((other.sent_plain, other.sent_compressed), (0, 0));
            }
            // In parts.
            conn.send_part("Hel", false).unwrap();
            conn.flush_part().unwrap();
            conn.send_part("lo", true).unwrap();
            let payload: Vec<u8> = sent(&mut conn).into_iter().flat_map(|frame| frame.payload).collect();
            expected.sent_plain += 5;
            expected.sent_compressed += payload.len() as u64;
            // And what comes back, of which half a message counts, too.
            for (frame, compressed, plain) in [
                (deflated(HELLO), 7, 5),
                (Frame::text("plain"), 0, 0),
                (deflated(b""), 0, 0),
                (deflated(b"\x00\x05\x00\xfa\xffHe").unfinished(), 7, 2),
                (Frame::continuation("llo\0"), 4, 3),
            ] {
                assert_eq!(read((&mut conn, &mut inbox), &end.incoming(frame)).1, None);
                expected.received_compressed += compressed;
                expected.received_plain += plain;
                assert_eq!(stats(&conn), expected);
            }
        }
    }
}

/// A writer says of each part how far it must go: what is kept back comes out with the next that must.
#[test]
fn parts_of_a_writer_come_out_when_they_must() {
    for end in BOTH {
        for element in [TAKEOVER, FRESH] {
            let (mut conn, _) = end.open(element);
            // As if the message ended here, which takes the first byte of another empty block.
            let so_far = |compressed: &[u8]| inflated(&[compressed, b"\0"].concat());
            conn.write_part("one ", Flush::None).unwrap();
            assert_eq!(drain(&mut conn), b"", "it is kept back");
            conn.write_part("", Flush::Sync).unwrap();
            let mut compressed = sent(&mut conn).remove(0).payload;
            assert_eq!(so_far(&compressed), b"one ");
            conn.write_part("", Flush::Sync).unwrap();
            assert_eq!(drain(&mut conn), b"", "there is nothing left");
            conn.write_part("two ", Flush::Sync).unwrap();
            compressed.extend(sent(&mut conn).remove(0).payload);
            assert_eq!(so_far(&compressed), b"one two ");
            conn.write_part("three", Flush::End).unwrap();
            compressed.extend(sent(&mut conn).remove(0).payload);
            assert_eq!(inflated(&compressed), b"one two three");
        }
    }
}

/// What a log shows of compression: the settings and what is left of the budget, and no context.
#[test]
fn budgets_can_be_looked_at() {
    let mut settings = granting();
    settings.context_budget = 10 * RECEIVE_MEMORY;
    let deflate = Deflate::new(settings);
    let shown = format!("{deflate:?}");
    assert!(shown.starts_with("Deflate { settings: Settings {"), "{shown}");
    assert!(shown.ends_with(&format!("budget_left: {}, .. }}", 10 * RECEIVE_MEMORY)), "{shown}");
    let extension = Extension::from(&deflate);
    let proposal = Extension::from(&extension).propose();
    let reserved = 10 * RECEIVE_MEMORY - deflate.budget_left();
    assert!(reserved > 0);
    let shown = format!("{proposal:?}");
    assert!(shown.starts_with("Negotiation { config: Config {"), "{shown}");
    assert!(shown.contains(&format!("Reservation({reserved})")), "{shown}");
    let agreed = parameters((false, false), (15, 15));
    let codec = proposal.codec(false, agreed);
    assert_eq!(format!("{codec:?}"), format!("Codec {{ memory: {}, .. }}", codec.memory));
    drop((codec, proposal));
    assert_eq!(deflate.budget_left(), 10 * RECEIVE_MEMORY);

    // A reference is as good as the value, with and without the option.
    let optional: Option<Extension> = (&extension).into();
    let again = optional.unwrap().propose();
    assert_eq!(10 * RECEIVE_MEMORY - deflate.budget_left(), reserved, "it is the same budget");
    drop(again);
}
