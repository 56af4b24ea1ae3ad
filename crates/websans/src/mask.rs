//! [`Mask`]: the XOR of a client's payloads ([RFC 6455 §5.3]).
//!
//! [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3

use alloc::vec::Vec;

/// A masking key, turned so that its first byte masks the next byte of the payload.
///
/// Masking and unmasking are the same operation. A payload may be passed in pieces of any length: the mask
/// remembers where it is.
///
/// ```
/// use websans::mask::Mask;
///
/// let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58]; // RFC 6455 §5.7
/// let mut mask = Mask::new([0x37, 0xfa, 0x21, 0x3d]);
/// let (first, rest) = hello.split_at_mut(3);
/// assert!(mask.apply(first) && mask.apply(rest)); // both are ASCII
/// assert_eq!(&hello, b"Hello");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    key: [u8; 4],
}

/// The top bit of each byte, which only ASCII has clear.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

impl Mask {
    /// The mask for a payload of which nothing has been seen yet.
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// Masks or unmasks the next bytes of the payload in place. Tells whether the result is all ASCII, which
    /// costs nothing here and spares text the UTF-8 check.
    #[inline]
    pub fn apply(&mut self, data: &mut [u8]) -> bool {
        let [a, b, c, d] = self.key;
        let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let mut seen = 0;
        let mut words = data.chunks_exact_mut(8);
        for word in &mut words {
            if let Ok(bytes) = <&mut [u8; 8]>::try_from(word) {
                let plain = u64::from_ne_bytes(*bytes) ^ wide;
                seen |= plain;
                *bytes = plain.to_ne_bytes();
            }
        }
        let mut high = seen & HIGH_BITS != 0;
        let rest = words.into_remainder();
        let turn = rest.len() % 4;
        let mut tail = 0;
        for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
            *byte ^= key;
            tail |= *byte;
        }
        high |= tail & 0x80 != 0;
        self.key.rotate_left(turn);
        !high
    }

    /// Appends the next bytes of the payload to `out`, masked or unmasked.
    #[inline]
    pub fn copy(&mut self, src: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(src);
        if let Some(copied) = out.get_mut(start..) {
            self.apply(copied);
        }
    }
}
