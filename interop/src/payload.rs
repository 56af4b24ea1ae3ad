//! What is sent: bytes of every value, and text of every length of character.

/// `length` bytes that look random and are the same each time.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `length` bytes of text with characters of one to four bytes, each at changing offsets.
pub(crate) fn text(length: usize) -> String {
    const SAMPLE: &str = "a\u{7f}\u{80}é\u{7ff}\u{800}世\u{fffd}\u{ffff}\u{10000}𝄞\u{10ffff}\0\"\\\n";
    let mut text = String::with_capacity(length);
    for char in SAMPLE.chars().cycle() {
        if text.len() + char.len_utf8() > length {
            break;
        }
        text.push(char);
    }
    // What is left is too short for the next character.
    while text.len() < length {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_length() {
        for length in [0, 1, 2, 3, 7, 8, 9, 125, 126, 65_535, 65_536] {
            assert_eq!(bytes(length).len(), length);
            assert_eq!(text(length).len(), length);
        }
    }

    #[test]
    fn payloads_are_varied() {
        let bytes = bytes(65_536);
        assert!((0..=255).all(|byte| bytes.contains(&byte)));
        let lengths: Vec<usize> = text(1000).chars().map(char::len_utf8).collect();
        assert!((1..=4).all(|length| lengths.contains(&length)));
    }
}
