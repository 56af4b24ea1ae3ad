//! [`accept`]: the value of `Sec-WebSocket-Accept`, by the letter of the standards.

/// What RFC 6455 §4.2.2 has a server answer to `key`.
pub(super) fn accept(key: &[u8]) -> String {
    let concatenated = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    base64(&sha1(&concatenated))
}

/// FIPS 180-4 §6.1.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());

    let mut hash = [0x6745_2301u32, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks(64) {
        let mut w = [0u32; 80];
        for t in 0..80 {
            w[t] = if t < 16 {
                u32::from_be_bytes([block[4 * t], block[4 * t + 1], block[4 * t + 2], block[4 * t + 3]])
            } else {
                (w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]).rotate_left(1)
            };
        }
        let [mut a, mut b, mut c, mut d, mut e] = hash;
        for (t, word) in w.into_iter().enumerate() {
            let (f, k) = match t {
                0..20 => (b & c ^ !b & d, 0x5A82_7999),
                20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
                40..60 => (b & c ^ b & d ^ c & d, 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, value) in hash.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(value);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_mut(4).zip(hash) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// The alphabet of RFC 4648 §4.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = 0;
        for n in 0..3 {
            bits = bits << 8 | usize::from(group.get(n).copied().unwrap_or(0));
        }
        for n in 0..4 {
            let character = char::from(ALPHABET[bits >> (18 - 6 * n) & 63]);
            text.push(if n <= group.len() { character } else { '=' });
        }
    }
    text
}

/// Whether `key` is 16 bytes in base64: 22 characters, of the last of which only two bits count, and two that fill up.
pub(super) fn is_key(key: &[u8]) -> bool {
    let value = |byte: &u8| ALPHABET.iter().position(|character| character == byte);
    let [digits @ .., b'=', b'='] = key else { return false };
    let values: Option<Vec<usize>> = digits.iter().map(value).collect();
    values.is_some_and(|values| values.len() == 22 && values[21] % 16 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 §1.3, and those of FIPS 180-4's appendix and RFC 4648 §10.
    #[test]
    fn the_standards_examples() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(sha1(b"abc")[..4], [0xA9, 0x99, 0x3E, 0x36]);
        assert_eq!(["f", "fo", "foo"].map(|text| base64(text.as_bytes())), ["Zg==", "Zm8=", "Zm9v"]);
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key(b"dGhlIHNhbXBsZSBub25jZR==") && !is_key(b"dGhlIHNhbXBsZSBub25jZQ"));
    }
}
