use super::*;
use crate::dice::Dice;
use crate::zlib::{self, Compressor, Habits, STRATEGIES};

/// Without a limit and with the largest window.
fn message(payload: &[u8], history: &[u8]) -> Result<Vec<u8>, Fault> {
    inflate(payload, history, Rules::UNLIMITED)
}

/// Compressible bytes of many kinds: repetitions near and far, runs, few symbols, and noise.
fn some_bytes(dice: &mut Dice, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < len {
        let piece = dice.between(1, 300);
        match dice.below(5) {
            0 => bytes.extend(dice.bytes(piece)),
            1 => bytes.resize(bytes.len() + piece, dice.bytes(1)[0]),
            2 => bytes.extend(dice.text(piece).into_bytes()),
            _ if bytes.is_empty() => {}
            _ => {
                let from = dice.below(bytes.len());
                bytes.extend_from_within(from..bytes.len().min(from + piece));
            }
        }
    }
    bytes.truncate(len);
    bytes
}

/// RFC 7692 §7.2.3.1 to §7.2.3.5.
#[test]
fn the_examples_of_the_rfc() {
    let hello = b"Hello".to_vec();
    let first = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(message(&first, b""), Ok(hello.clone()));
    // The same text once more: by itself, and by a match that reaches into the first message.
    assert_eq!(message(&first, b"Hello"), Ok(hello.clone()));
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(message(&again, b"Hello"), Ok(hello.clone()));
    assert_eq!(message(&again, b""), Err(Fault::TooFar));
    let small = Rules { window: 4, ..Rules::UNLIMITED };
    assert_eq!(inflate(&again, b"Hello", small), Err(Fault::TooFar));
    // A stored block.
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(message(&stored, b""), Ok(hello.clone()));
    // A final block, behind which an empty one is needed for the tail to complete.
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(message(&last, b""), Ok(hello.clone()));
    assert_eq!(message(&last[..7], b""), Err(Fault::Truncated));
    // Two blocks.
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(message(&two, b""), Ok(hello));
    assert_eq!(judge(&two, b"", Rules::UNLIMITED).blocks, 4);
    // RFC 7692 §7.2.3.6: an empty message is one empty stored block without its last four bytes.
    assert_eq!(message(&[0x00], b""), Ok(Vec::new()));
    assert_eq!(message(&[0x02, 0x00], b""), Ok(Vec::new()));
    assert_eq!(message(b"", b""), Err(Fault::Truncated));
}

#[test]
fn a_window_goes_on_behind_a_final_block_or_not() {
    // A final block with "Hello", then a block whose match reaches back into it.
    let payload = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00];
    for final_forgets in [false, true] {
        let rules = Rules { final_forgets, ..Rules::UNLIMITED };
        let expected = if final_forgets { Err(Fault::TooFar) } else { Ok(b"HelloHello".to_vec()) };
        assert_eq!(inflate(&payload, b"", rules), expected);
        let verdict = judge(&payload[..7], b"Oh! ", rules);
        assert_eq!(verdict.history, if final_forgets { &b""[..] } else { b"Oh! Hello" });
        assert_eq!(verdict.fault, Some(Fault::Truncated));
        assert_agree(&payload, b"", rules);
        assert_agree(&payload[..7], b"", rules);
    }
}

#[test]
fn a_tail_may_be_data() {
    // A stored block of four bytes that lacks them, and one that has one of them.
    for (payload, bytes, from_tail) in [
        (&[0, 4, 0, 0xfb, 0xff][..], &[0, 0, 0xff, 0xff][..], true),
        (&[0, 5, 0, 0xfa, 0xff, b'5'], &[b'5', 0, 0, 0xff, 0xff], true),
        (&[0, 1, 0, 0xfe, 0xff, b'1', 0], b"1", false),
    ] {
        let verdict = judge(payload, b"", Rules::UNLIMITED);
        assert_eq!((verdict.fault, &verdict.bytes[..], verdict.from_tail), (None, bytes, from_tail));
        assert_agree(payload, b"", Rules::UNLIMITED);
    }
}

#[test]
fn each_fault_has_its_bits() {
    for (payload, fault) in [
        (&[0x07][..], Fault::ReservedBlock),
        (&[0x00, 0x01, 0x00, 0xfe, 0xfe], Fault::StoredLength),
        (&[0xfc, 0xff], Fault::TooManyCodes),
        (&[0x04, 0x00, 0xff, 0xff, 0xff, 0xff], Fault::LengthsCode),
        (&[0x04, 0x00, 0xfe, 0xff], Fault::LengthsCode),
        (&[0x1a, 0x03], Fault::LiteralSymbol),
        (&[0x02, 0x3e], Fault::DistanceSymbol),
        (&[0x02, 0x02], Fault::TooFar),
    ] {
        assert_eq!(message(payload, b""), Err(fault), "{payload:02x?}");
        assert_agree(payload, b"", Rules::UNLIMITED);
    }
}

#[test]
fn a_limit_is_kept_to_the_byte() {
    let payload = zlib::deflate(&[7; 1000], Habits::default());
    for limit in [0, 1, 998, 999, 1000, 1001] {
        let rules = Rules { limit, ..Rules::UNLIMITED };
        let verdict = judge(&payload, b"", rules);
        assert_eq!(verdict.fault, (limit < 1000).then_some(Fault::TooLong));
        assert_eq!(verdict.bytes, vec![7; limit.min(1000)]);
        assert_agree(&payload, b"", rules);
    }
}

#[test]
fn what_zlib_makes_is_what_it_was() {
    let mut dice = Dice::new(1951);
    for level in 0..=9 {
        for strategy in STRATEGIES {
            for window_bits in 9..=15 {
                let habits = Habits { level, window_bits, mem_level: 1 + level.min(8), strategy };
                let mut compressor = Compressor::new(habits);
                let mut history = Vec::new();
                for _ in 0..2 {
                    let len = dice.below(1500) + if window_bits == 15 && level == 6 { 40_000 } else { 0 };
                    let bytes = some_bytes(&mut dice, len);
                    let cut = dice.below(bytes.len() + 1);
                    let payload = compressor.message([&bytes[..cut], &bytes[cut..]]);
                    let rules = Rules { window: 1 << window_bits, limit: bytes.len(), final_forgets: true };
                    let verdict = judge(&payload, &history, rules);
                    assert_eq!((verdict.fault, verdict.from_tail), (None, false), "{habits:?}");
                    assert!(verdict.bytes == bytes, "{habits:?}");
                    history = verdict.history;
                }
            }
        }
    }
}

/// Holds the reference to zlib: the same bytes up to the same fault.
#[track_caller]
fn assert_agree(payload: &[u8], history: &[u8], rules: Rules) -> Option<Fault> {
    let ours = judge(payload, history, rules);
    let zlib = zlib::judge(payload, history, rules);
    assert!(zlib.agrees_with(ours.fault), "{:?}, {:?}: {payload:02x?}", ours.fault, zlib.fault);
    assert_eq!(ours.bytes, zlib.bytes, "{payload:02x?}");
    ours.fault
}

#[test]
fn truncations_and_damage_are_judged_as_by_zlib() {
    let mut dice = Dice::new(7692);
    let mut seen = std::collections::HashSet::new();
    for round in 0..60 {
        let len = dice.below(400);
        let bytes = some_bytes(&mut dice, len);
        let strategy = dice.pick(&STRATEGIES);
        let habits = Habits { level: round % 10, strategy, ..Habits::default() };
        let mut compressor = Compressor::new(habits);
        let len = dice.below(100);
        let history = some_bytes(&mut dice, len);
        let _ = compressor.message([&history[..]]);
        let cut = dice.below(bytes.len() + 1);
        let mut payload = compressor.message([&bytes[..cut], &bytes[cut..]]);
        if round % 4 == 0 {
            let mut final_first = Vec::new();
            Compressor::new(habits).finish(&bytes, &mut final_first);
            payload.splice(0..0, final_first);
        }
        for end in 0..=payload.len() {
            seen.insert(assert_agree(&payload[..end], &history, Rules::UNLIMITED));
        }
        for _ in 0..150 {
            let mut damaged = payload.clone();
            for _ in 0..dice.between(1, 3) {
                // Most of what can go wrong does so in the headers of blocks.
                let place = if dice.chance(50) { damaged.len().min(40) } else { damaged.len() };
                damaged[dice.below(place)] ^= 1 << dice.below(8);
            }
            seen.insert(assert_agree(&damaged, &history, Rules::UNLIMITED));
            let rules = Rules { limit: dice.below(500), final_forgets: true, ..Rules::UNLIMITED };
            seen.insert(assert_agree(&damaged, &history, rules));
        }
    }
    for _ in 0..3000 {
        let len = dice.between(1, 60);
        let mut noise = dice.bytes(len);
        if dice.chance(50) {
            noise[0] = noise[0] & !7 | 4; // a dynamic block
        }
        seen.insert(assert_agree(&noise, b"some history", Rules::UNLIMITED));
    }
    for fault in [
        Fault::ReservedBlock,
        Fault::StoredLength,
        Fault::TooManyCodes,
        Fault::LengthsCode,
        Fault::Repeat,
        Fault::NoEndOfBlock,
        Fault::LiteralCode,
        Fault::DistanceCode,
        Fault::LiteralSymbol,
        Fault::DistanceSymbol,
        Fault::TooFar,
        Fault::Truncated,
        Fault::TooLong,
    ] {
        assert!(seen.contains(&Some(fault)), "{fault:?} did not occur");
    }
    assert!(seen.contains(&None));
}
