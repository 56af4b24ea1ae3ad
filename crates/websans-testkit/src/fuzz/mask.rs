//! [`mask`]: masking in place and copying, against the definition.

use websans::mask::Mask;

use super::input::Input;

/// Masks a payload whole, in pieces, at any place in memory, and by a copy.
///
/// The first four bytes are the key, the next two where in memory the payload lies and how it is cut, the rest is the
/// payload.
///
/// # Panics
/// If a byte is masked otherwise than RFC 6455 §5.3 says, one beside the payload is changed, or what is said of its being
/// ASCII is not so.
pub fn mask(data: &[u8]) {
    let mut input = Input::new(data);
    let key = [input.byte(), input.byte(), input.byte(), input.byte()];
    let place = usize::from(input.byte()) % 16;
    let cut = usize::from(input.byte());
    let payload = input.rest();

    // "Octet i of the transformed data is the XOR of octet i of the original data with octet at index i modulo 4 of the
    // masking key."
    let wanted: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
    let mut memory = vec![0xA5; place + payload.len() + 8];
    let range = place..place + payload.len();

    memory[range.clone()].copy_from_slice(payload);
    let ascii = Mask::new(key).apply(&mut memory[range.clone()]);
    hold(&memory, place, &wanted, ascii);

    // Back again, in pieces.
    let mut mask = Mask::new(key);
    let mut ascii = true;
    let (first, rest) = memory[range.clone()].split_at_mut((cut / 16).min(payload.len()));
    for piece in core::iter::once(first).chain(rest.chunks_mut(1 + cut % 16)) {
        ascii &= mask.apply(piece);
    }
    hold(&memory, place, payload, ascii);

    let mut copied = vec![0xA5; place];
    let mut mask = Mask::new(key);
    let (first, rest) = payload.split_at(cut.min(payload.len()));
    mask.copy(first, &mut copied);
    mask.copy(rest, &mut copied);
    copied.resize(memory.len(), 0xA5);
    hold(&copied, place, &wanted, wanted.is_ascii());
}

/// Whether `memory` has `wanted` at `place`, and beside it what it had.
fn hold(memory: &[u8], place: usize, wanted: &[u8], ascii: bool) {
    let (before, rest) = memory.split_at(place);
    let (masked, behind) = rest.split_at(wanted.len());
    assert!(masked == wanted, "{masked:02x?} instead of {wanted:02x?}");
    assert!(before.iter().chain(behind).all(|&byte| byte == 0xA5), "something beside it has changed");
    assert_eq!(ascii, wanted.is_ascii(), "whether it is ASCII");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "instead of")]
    fn another_byte_is_found() {
        hold(&[0xA5, 1, 3, 0xA5], 1, &[1, 2], true);
    }

    #[test]
    #[should_panic(expected = "beside it")]
    fn a_byte_too_many_is_found() {
        hold(&[0xA5, 1, 2, 3], 1, &[1, 2], true);
    }
}
