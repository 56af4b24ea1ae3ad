//! Contexts that others have used.

use allocation_counter::measure;
use websans::Connection;
use websans::deflate::Flush;
use websans_deflate::{Deflate, Settings};
use websans_testkit::dice::Dice;
use websans_testkit::inflate::{Rules, inflate};

use crate::support::*;

fn settings(level: u8) -> Settings {
    let mut settings = granting();
    settings.level = level;
    settings
}

fn open(deflate: &Deflate, end: End, element: &str) -> Connection {
    end.open_with(deflate, element, Default::default()).0
}

/// A server and a client that are gone again have sent this; the contexts wait for the next ones.
fn used_for(level: u8, secret: &[u8]) -> Deflate {
    let deflate = Deflate::new(settings(level));
    for end in BOTH {
        let mut conn = open(&deflate, end, FRESH);
        conn.send(secret).unwrap();
        drain(&mut conn);
    }
    deflate
}

/// Sends a message in parts that end where `cuts` says, some of them with a flush.
fn send_parts(conn: &mut Connection, message: &[u8], cuts: &[(usize, Flush)]) {
    let mut at = 0;
    for &(cut, flush) in cuts {
        conn.write_part(&message[at..cut], flush).unwrap();
        at = cut;
    }
    conn.send_part(&message[at..], true).unwrap();
}

/// Whoever knows what comes in a message of his own, and where a flush is, tries all values of the byte that lies behind it in
/// another's: none of them makes the rest longer or shorter than in a context without a past.
///
/// Fails when `Compressor::begin` takes what it takes from the pool: at levels 7 and 8 the right guess is the one whose
/// message has another length.
#[test]
fn shape_context_of_another_connection_is_not_guessed_by_length() {
    let [noise, key, tail, more, rest] =
        [(1, 40), (2, 9), (3, 20), (4, 50), (5, 30)].map(|(n, len)| noise(n, len));
    for level in [1, 2, 4, 6, 7, 8, 9] {
        for guess in 0..=255 {
            let known = [&key[..], &[guess], &tail].concat();
            let first = [&noise[..], &known, &more, &key].concat();
            let second = [&rest[..], &known[6..]].concat();
            for element in [FRESH, TAKEOVER] {
                let say = |deflate: &Deflate| {
                    let mut conn = open(deflate, End::Server, element);
                    if element == TAKEOVER {
                        conn.send(&first).unwrap();
                        conn.send(&second).unwrap();
                    } else {
                        send_parts(&mut conn, &[&first[..], &second].concat(), &[(first.len(), Flush::Sync)]);
                    }
                    drain(&mut conn)
                };
                let unused = say(&Deflate::new(settings(level)));
                let used = say(&used_for(level, &[200; 1000]));
                assert_eq!(used, unused, "level {level}, {guess}, {element}");
            }
        }
    }
}

/// Pieces of `known`, of noise, and of the message itself.
fn message(dice: &mut Dice, known: &[u8]) -> Vec<u8> {
    let most = dice.pick(&[10, 300, 3000, 40_000]);
    let len = dice.below(most);
    let mut message = vec![7];
    while message.len() < len {
        let n = 1 + dice.below(400);
        match dice.below(4) {
            0 => message.extend(dice.bytes(n)),
            1 => {
                let at = dice.below(known.len());
                message.extend(&known[at..known.len().min(at + n)]);
            }
            2 => {
                let distance = 1 + dice.below(message.len());
                for _ in 0..n {
                    message.push(message[message.len() - distance]);
                }
            }
            _ => message.extend((0..n).map(|_| dice.pick(b"abc"))),
        }
    }
    message.truncate(len);
    message
}

/// Whatever others sent, of which this has much: whole or in parts, with flushes or not, at any level, the bytes are those of
/// a context without a past, and inflate without a history.
///
/// Fails when `Shared::take_compress` does not reset what it takes from the pool, and when `Compressor::begin` takes from it
/// for everything.
#[test]
fn shape_context_of_another_connection_leaves_nothing() {
    let mut dice = Dice::new(1);
    for level in (0..=9).cycle().take(400) {
        let end = dice.pick(&BOTH);
        let noise = dice.bytes(2000);
        let secret = message(&mut dice, &[&noise[..], &[0]].concat());
        let known = [&secret[..], &[0]].concat();
        let used = used_for(level, &secret);
        for element in [FRESH, TAKEOVER] {
            let (mut conn, mut model) = (open(&used, end, element), None);
            let mut history = Vec::new();
            for _ in 0..3 {
                let message = message(&mut dice, &known);
                let mut cuts: Vec<_> = (0..dice.below(4))
                    .map(|_| (dice.below(message.len() + 1), dice.pick(&[Flush::None, Flush::Sync])))
                    .collect();
                cuts.sort_unstable_by_key(|(cut, _)| *cut);
                // With takeover one context from beginning to end, without it one that nobody has used, each time.
                let unused = || open(&Deflate::new(settings(level)), end, element);
                let model = match &mut model {
                    Some(model) if element == TAKEOVER => model,
                    model => model.insert(unused()),
                };
                send_parts(&mut conn, &message, &cuts);
                send_parts(model, &message, &cuts);
                let payload = sent_message(&mut conn).0;
                assert_eq!(payload, sent_message(model).0, "level {level}, {element}, {cuts:?}");
                assert_eq!(inflate(&payload, &history, Rules::UNLIMITED).as_ref(), Ok(&message));
                if element == TAKEOVER {
                    history.extend(message);
                }
            }
        }
    }
}

/// All this is about something: a whole message takes what another has left, and parts do not.
///
/// Fails when `Compressor::begin` takes all from the pool, or nothing.
#[test]
fn shape_context_of_another_connection_is_reused() {
    let used = used_for(6, b"la la la");
    for (deflate, reuses) in [(used, true), (Deflate::new(settings(6)), false)] {
        for end in BOTH {
            let mut conn = open(&deflate, end, FRESH);
            let info = measure(|| conn.send("whole").unwrap());
            assert_eq!(info.bytes_total < 10_000, reuses || end == End::Client, "{end:?}: {info:?}");
            let info = measure(|| send_parts(&mut conn, b"in parts", &[(2, Flush::Sync)]));
            assert!(info.bytes_total > 100_000, "{end:?}: {info:?}");
        }
    }
}
