//! The streaming UTF-8 check against `std`'s.

use core::str;
use std::thread;

use websans::text::Utf8;
use websans_testkit::dice::Dice;

/// What `std` says of a text that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Whole,
    Unfinished,
    Wrong,
}

fn std_says(bytes: &[u8]) -> Verdict {
    match str::from_utf8(bytes) {
        Ok(_) => Verdict::Whole,
        Err(error) if error.error_len().is_none() => Verdict::Unfinished,
        Err(_) => Verdict::Wrong,
    }
}

fn check_says<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Verdict {
    let mut check = Utf8::new();
    for piece in pieces {
        if check.push(piece).is_err() {
            return Verdict::Wrong;
        }
    }
    if check.is_complete() { Verdict::Whole } else { Verdict::Unfinished }
}

/// Every way to cut `bytes` in two or more pieces, or not at all.
fn assert_at_every_split(bytes: &[u8]) {
    let wanted = std_says(bytes);
    for cuts in 0..1u32 << (bytes.len() - 1) {
        let mut check = Utf8::new();
        let mut start = 0;
        let mut wrong = false;
        for end in 1..=bytes.len() {
            if end == bytes.len() || cuts >> (end - 1) & 1 == 1 {
                wrong = wrong || check.push(&bytes[start..end]).is_err();
                start = end;
            }
        }
        let said = match (wrong, check.is_complete()) {
            (true, _) => Verdict::Wrong,
            (_, true) => Verdict::Whole,
            _ => Verdict::Unfinished,
        };
        assert_eq!(said, wanted, "{bytes:02x?} cut by {cuts:b}");
    }
}

#[test]
fn all_strings_of_one_and_two_bytes_at_every_split() {
    for a in 0..=0xFF {
        assert_at_every_split(&[a]);
        for b in 0..=0xFF {
            assert_at_every_split(&[a, b]);
        }
    }
}

/// 16.7 million strings, four splits each.
#[test]
fn all_strings_of_three_bytes_at_every_split() {
    thread::scope(|scope| {
        for half in [0..0x80u8, 0x80..0xFF] {
            scope.spawn(move || {
                // The last of the upper half is done by hand: a range of bytes cannot end behind 0xFF.
                let last = (half.end == 0xFF).then_some(0xFF);
                for a in half.chain(last) {
                    for b in 0..=0xFF {
                        for c in 0..=0xFF {
                            assert_at_every_split(&[a, b, c]);
                        }
                    }
                }
            });
        }
    });
}

/// The ends of every range of bytes that RFC 3629 §4 treats alike, and some from within.
const MATTER: [u8; 32] = [
    0x00, 0x41, 0x7F, 0x80, 0x85, 0x8F, 0x90, 0x95, 0x9F, 0xA0, 0xAA, 0xBF, 0xC0, 0xC1, 0xC2, 0xD5, 0xDF,
    0xE0, 0xE1, 0xE6, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF,
];

#[test]
fn all_strings_of_four_bytes_that_matter_at_every_split() {
    for a in MATTER {
        for b in MATTER {
            for c in MATTER {
                for d in MATTER {
                    assert_at_every_split(&[a, b, c, d]);
                }
            }
        }
    }
}

/// Every lead byte of four with every second byte, and every third and fourth that matter, within a longer text.
#[test]
fn all_leads_of_four_with_every_second_byte() {
    for a in 0xF0..=0xFF {
        for b in 0..=0xFF {
            for c in MATTER {
                for d in MATTER {
                    let text = [b'x', a, b, c, d, b'y'];
                    assert_eq!(check_says([&text[..]]), std_says(&text), "{text:02x?}");
                }
            }
        }
    }
}

/// Whatever three bytes that are right came last, every next byte is judged as `std` judges it.
#[test]
fn every_state_that_matters_judges_every_byte() {
    let mut judged = 0;
    for state in MATTER.iter().flat_map(|&a| MATTER.iter().flat_map(move |&b| MATTER.map(|c| [a, b, c]))) {
        let mut check = Utf8::new();
        if check.push(&state).is_err() {
            assert_eq!(std_says(&state), Verdict::Wrong);
            continue;
        }
        for byte in 0..=0xFF {
            let mut next = check;
            let said = match (next.push(&[byte]), next.is_complete()) {
                (Err(_), _) => Verdict::Wrong,
                (Ok(()), true) => Verdict::Whole,
                (Ok(()), false) => Verdict::Unfinished,
            };
            let [a, b, c] = state;
            assert_eq!(said, std_says(&[a, b, c, byte]), "{state:02x?} then {byte:02x}");
            judged += 1;
        }
    }
    assert!(judged >= 9 * 256, "{judged}: there are nine states");
    println!("measure bytes judged behind every state: {judged} bytes");
}

#[test]
#[ignore = "4.3 thousand million strings: minutes, and only when optimized"]
fn all_strings_of_four_bytes() {
    let judged = thread::scope(|scope| {
        let quarter = |quarter: u32| {
            move || {
                let mut judged = 0_u64;
                for n in quarter << 30..=(quarter << 30) + ((1 << 30) - 1) {
                    let bytes = n.to_be_bytes();
                    assert_eq!(check_says([&bytes[..]]), std_says(&bytes), "{bytes:02x?}");
                    assert_eq!(check_says([&bytes[..3], &bytes[3..]]), std_says(&bytes), "{bytes:02x?} cut");
                    judged += 1;
                }
                judged
            }
        };
        let quarters = [0, 1, 2, 3].map(|n| scope.spawn(quarter(n)));
        quarters.map(|quarter| quarter.join().unwrap()).iter().sum::<u64>()
    });
    assert_eq!(judged, 1 << 32);
    println!("measure strings of four bytes: {judged} strings");
}

/// Long strings, right and damaged, whole and in pieces of every size.
#[test]
fn long_strings_in_pieces_of_every_size() {
    let mut dice = Dice::new(5);
    for round in 0..400 {
        let len = dice.between(1, 300);
        let mut bytes = if round % 3 == 0 { vec![b'a'; len] } else { dice.text(len).into_bytes() };
        if round % 2 == 0 {
            let at = dice.below(len);
            bytes[at] = dice.pick(&MATTER);
        }
        bytes.truncate(dice.between(1, len));
        let wanted = std_says(&bytes);
        for size in 1..=bytes.len() {
            assert_eq!(check_says(bytes.chunks(size)), wanted, "pieces of {size}: {bytes:02x?}");
        }
        for _ in 0..20 {
            let mut start = 0;
            let lens = dice.pieces(bytes.len(), 40);
            let pieces = lens.iter().map(|len| {
                start += len;
                &bytes[start - len..start]
            });
            assert_eq!(check_says(pieces), wanted, "pieces of {lens:?}: {bytes:02x?}");
        }
    }
}

/// One wrong byte is found wherever it is, at once.
#[test]
fn a_wrong_byte_is_found_in_every_place() {
    let text = "aß€\u{10348}".repeat(12);
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = 0xFF;
        let mut check = Utf8::new();
        for (i, byte) in bytes.iter().enumerate() {
            let said = check.push(&[*byte]);
            assert_eq!(said.is_err(), i == at, "byte {i} of one wrong at {at}");
            if said.is_err() {
                break;
            }
        }
        for size in [2, 3, 5, 16, 1000] {
            assert_eq!(check_says(bytes.chunks(size)), Verdict::Wrong, "wrong at {at}, pieces of {size}");
        }
    }
}

/// The check's whole state is small and is not looked at again: a byte at a time costs no more at the end than at
/// the beginning. Counted by size, not by the clock.
#[test]
fn nothing_is_kept_but_three_bytes() {
    assert_eq!(size_of::<Utf8>(), 3);
    let mut check = Utf8::new();
    for byte in "ä€\u{10348}z".repeat(100_000).bytes() {
        check.push(&[byte]).unwrap();
    }
    assert!(check.is_complete());
}
