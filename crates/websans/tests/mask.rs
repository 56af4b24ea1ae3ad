//! Masking: every length, every alignment, every phase, in one go and in pieces, against one byte at a time.

use websans::mask::Mask;
use websans_testkit::dice::Dice;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0xBD];

fn slow(data: &[u8], phase: usize) -> Vec<u8> {
    data.iter().enumerate().map(|(i, byte)| byte ^ KEY[(i + phase) % 4]).collect()
}

/// A mask that is `phase` bytes on in its key.
fn mask_at(phase: usize) -> Mask {
    let mut mask = Mask::new(KEY);
    mask.apply(&mut [0; 3][..phase]);
    mask
}

#[test]
fn every_length_offset_and_phase() {
    let source = Dice::new(1).bytes(400);
    for phase in 0..4 {
        for offset in 0..64 {
            for len in 0..=300 {
                let mut buffer = source.clone();
                let mut mask = mask_at(phase);
                mask.apply(&mut buffer[offset..offset + len]);
                assert_eq!(buffer[offset..offset + len], slow(&source[offset..offset + len], phase));
                assert_eq!(buffer[..offset], source[..offset], "bytes before were touched");
                assert_eq!(buffer[offset + len..], source[offset + len..], "bytes behind were touched");
                assert_eq!(mask, mask_at((phase + len) % 4), "{len} bytes on");
            }
        }
    }
}

#[test]
fn copying_is_the_same() {
    let source = Dice::new(2).bytes(400);
    for phase in 0..4 {
        for offset in 0..8 {
            for len in 0..=300 {
                let mut out = vec![7; 5];
                let mut mask = mask_at(phase);
                mask.copy(&source[offset..offset + len], &mut out);
                assert_eq!(out[..5], [7; 5]);
                assert_eq!(out[5..], slow(&source[offset..offset + len], phase));
                assert_eq!(mask, mask_at((phase + len) % 4));
            }
        }
    }
}

#[test]
fn pieces_give_the_same_as_the_whole() {
    let mut dice = Dice::new(3);
    for _ in 0..3000 {
        let len = dice.below(200);
        let source = dice.bytes(len);
        let mut buffer = source.clone();
        let mut mask = Mask::new(KEY);
        let mut start = 0;
        for piece in dice.pieces(len, 70) {
            mask.apply(&mut buffer[start..start + piece]);
            mask.apply(&mut []);
            start += piece;
        }
        assert_eq!(buffer, slow(&source, 0));
    }
}

#[test]
fn twice_is_nothing() {
    let source = Dice::new(4).bytes(1000);
    let mut buffer = source.clone();
    Mask::new(KEY).apply(&mut buffer);
    assert_ne!(buffer, source);
    Mask::new(KEY).apply(&mut buffer);
    assert_eq!(buffer, source);
}

/// The verdict is about the result: true of ASCII, false with one other byte in any place.
#[test]
fn ascii_is_told_from_the_rest() {
    for len in 0..=80 {
        let plain: Vec<u8> = (0..0x80).cycle().skip(0x30).take(len).collect();
        let mut masked = slow(&plain, 0);
        assert!(Mask::new(KEY).apply(&mut masked), "{len} bytes of ASCII");
        for at in 0..len {
            for other in [0x80, 0xC3, 0xFF] {
                let mut data = plain.clone();
                data[at] = other;
                let mut masked = slow(&data, 0);
                assert!(!Mask::new(KEY).apply(&mut masked), "byte {at} of {len}");
                assert_eq!(masked, data);
            }
        }
    }
}
