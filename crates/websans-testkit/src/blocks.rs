//! [`Blocks`]: DEFLATE written block by block, as no compressor would.

/// The blocks of a message so far ([RFC 1951 §3.2.3]).
///
/// [RFC 1951 §3.2.3]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    bytes: Vec<u8>,
    /// Bits of the last byte that are written, 0 if it is whole.
    used: u32,
}

impl Blocks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the low `n` bits of `number`, the least significant first.
    pub fn bits(&mut self, number: u32, n: u32) -> &mut Self {
        for place in 0..n {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(byte) = self.bytes.last_mut() {
                *byte |= u8::from(number >> place & 1 == 1) << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
        self
    }

    /// Appends a code of `n` bits, which stands the other way round (RFC 1951 §3.1.1).
    pub fn code(&mut self, code: u32, n: u32) -> &mut Self {
        for place in (0..n).rev() {
            self.bits(code >> place, 1);
        }
        self
    }

    /// Fills up the byte under way.
    pub fn align(&mut self) -> &mut Self {
        self.used = 0;
        self
    }

    /// A stored block with at most 65,535 bytes (RFC 1951 §3.2.4).
    pub fn stored(&mut self, last: bool, bytes: &[u8]) -> &mut Self {
        self.bits(last.into(), 3).align();
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(&(!len).to_le_bytes());
        self.bytes.extend_from_slice(&bytes[..len.into()]);
        self
    }

    /// A block with the fixed codes and nothing in it (RFC 1951 §3.2.6): ten bits. A final one ends its byte.
    pub fn empty(&mut self, last: bool) -> &mut Self {
        self.bits(0b010 | u32::from(last), 3).code(0, 7);
        if last { self.align() } else { self }
    }

    /// A block with the fixed codes that holds a match of three bytes from `distance` bytes back, up to 32,768.
    pub fn far_match(&mut self, distance: u32) -> &mut Self {
        self.bits(0b010, 3).code(1, 7);
        // Two symbols for each further bit: 1, 2, 3, 4, 5-6, 7-8, 9-12, 13-16, and so on.
        let (mut symbol, mut base, mut extra) = (0, 1, 0);
        while distance >= base + (1 << extra) {
            base += 1 << extra;
            symbol += 1;
            if symbol > 3 && symbol % 2 == 0 {
                extra += 1;
            }
        }
        self.code(symbol, 5).bits(distance - base, extra).code(0, 7)
    }

    /// A block with dynamic codes for what repeats the byte before it `matches` times 258 times: 13 bytes of
    /// header, then two bits for each match (RFC 1951 §3.2.7). There must be a byte before it.
    pub fn run(&mut self, matches: usize) -> &mut Self {
        self.bits(0b100, 3);
        // Symbols up to 285, one distance, all the lengths that code lengths may have.
        self.bits(286 - 257, 5).bits(0, 5).bits(18 - 4, 4);
        // Of the symbols for code lengths only 18 (zeros), 1 and 2 occur, and they come in this order: 16, 17, 18, 0, 8,
        // 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1.
        for length in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
            self.bits(length, 3);
        }
        let (zeros, one, two) = ((0, 1), (2, 2), (3, 2));
        // 256 zeros, the end of the block with two bits, 27 zeros, 284 with two bits, 285 with one; one distance.
        self.code(zeros.0, zeros.1).bits(138 - 11, 7).code(zeros.0, zeros.1).bits(118 - 11, 7);
        self.code(two.0, two.1).code(zeros.0, zeros.1).bits(27 - 11, 7);
        self.code(two.0, two.1).code(one.0, one.1).code(one.0, one.1);
        for _ in 0..matches {
            // The symbol 285, and the only distance.
            self.code(0, 1).code(0, 1);
        }
        self.code(0b10, 2)
    }

    /// An empty block with the longest header that there is: 287 bytes.
    pub fn longest_header(&mut self) -> &mut Self {
        self.bits(0b100, 3).bits(286 - 257, 5).bits(30 - 1, 5).bits(19 - 4, 4);
        // 4, 5, 8 and 9 have seven bits; 10 to 14, which do not occur, take up the shorter codes.
        let length = |symbol| match symbol {
            4 | 5 | 8 | 9 => 7,
            10..=14 => symbol - 9,
            _ => 0,
        };
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
            self.bits(length(symbol), 3);
        }
        // Those of seven bits are the last four, in order.
        let (four, five, eight, nine) = (124, 125, 126, 127);
        // Half of a code's room to each half of its length: 226 of 8 bits and 60 of 9, 2 of 4 and 28 of 5.
        for symbol in 0..286 {
            self.code(if symbol < 226 { eight } else { nine }, 7);
        }
        for symbol in 0..30 {
            self.code(if symbol < 2 { four } else { five }, 7);
        }
        // The end of the block is the 31st of those with nine bits, which follow 226 of eight.
        self.code(226 * 2 + 30, 9)
    }

    /// The bytes so far; the last may not be whole.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of it as the payload of a message, that is, with an empty stored block that lacks its last four bytes.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let mut whole = self.clone();
        whole.bits(0, 3);
        whole.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::{Fault, Rules, judge};
    use crate::zlib;

    #[track_caller]
    fn assert_is(payload: &[u8], history: &[u8], expected: Result<&[u8], Fault>) {
        let verdict = judge(payload, history, Rules::UNLIMITED);
        assert_eq!(verdict.fault.map_or(Ok(&verdict.bytes[..]), Err), expected);
        assert!(zlib::judge(payload, history, Rules::UNLIMITED).agrees_with(verdict.fault));
    }

    #[test]
    fn blocks_mean_what_they_are_meant_to() {
        assert_is(&Blocks::new().message(), b"", Ok(b""));
        assert_is(&Blocks::new().empty(false).empty(true).empty(false).message(), b"", Ok(b""));
        assert_is(&Blocks::new().longest_header().empty(false).message(), b"", Ok(b""));
        assert_eq!(Blocks::new().longest_header().as_bytes().len(), 287);
        assert_is(&Blocks::new().stored(true, b"ab").stored(false, b"c").message(), b"", Ok(b"abc"));
        let mut expected = vec![b'x'; 1 + 258 * 5];
        expected.push(b'y');
        assert_is(
            &Blocks::new().stored(false, b"x").run(2).run(3).stored(false, b"y").message(),
            b"",
            Ok(&expected),
        );
        assert_is(&Blocks::new().run(1).message(), b"", Err(Fault::TooFar));
    }

    #[test]
    fn every_distance_can_be_written() {
        let history: Vec<u8> =
            (0..1u32 << 15).map(|n| (n.wrapping_mul(0x9E37_79B1) >> 24).to_le_bytes()[0]).collect();
        for distance in
            (1..300).chain((300..32_768).step_by(97)).chain([24_576, 24_577, 32_766, 32_767, 32_768])
        {
            let payload = Blocks::new().far_match(distance).message();
            let start = history.len() - distance as usize;
            let expected: Vec<u8> = history[start..].iter().copied().cycle().take(3).collect();
            assert_is(&payload, &history, Ok(&expected));
            assert_is(&payload, &history[start + 1..], Err(Fault::TooFar));
        }
    }
}
