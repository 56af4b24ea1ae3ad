//! [`inflate`]: a slow, exact DEFLATE decoder for messages, written from [RFC 1951] and [RFC 7692] without a line of
//! anybody's: what it says is what decoders are held to.
//!
//! Where RFC 1951 leaves a choice, the choice is zlib's, which all peers on the Web live with: a literal/length code
//! must have the end-of-block symbol, a code must be complete unless it has a single symbol of one bit (or, for
//! distances, none), and what no symbol is assigned to is an error only when it is met.
//!
//! [RFC 1951]: https://www.rfc-editor.org/rfc/rfc1951
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

mod bits;
mod code;

use bits::Bits;
use code::Code;

/// What a sender strips and a receiver appends ([RFC 7692 §7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The farthest that a match reaches back in DEFLATE.
pub const LARGEST_WINDOW: usize = 1 << 15;

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A block of type 11.
    ReservedBlock,
    /// The length of a stored block and its complement do not agree.
    StoredLength,
    /// A dynamic block with more than 286 literal/length codes or more than 30 distance codes.
    TooManyCodes,
    /// The code that code lengths are written in is over-subscribed or incomplete.
    LengthsCode,
    /// A code length is repeated before there is one, or beyond the last.
    Repeat,
    /// The literal/length code has no end-of-block symbol.
    NoEndOfBlock,
    /// The literal/length code is over-subscribed or incomplete.
    LiteralCode,
    /// The distance code is over-subscribed or incomplete.
    DistanceCode,
    /// Bits to which the literal/length code assigns nothing, or one of the symbols 286 and 287.
    LiteralSymbol,
    /// Bits to which the distance code assigns nothing, or one of the symbols 30 and 31.
    DistanceSymbol,
    /// A match from before the beginning of the history, or from beyond the window.
    TooFar,
    /// The message and its tail do not end where a block ends.
    Truncated,
    /// There is more of it than the limit allows.
    TooLong,
}

/// What a receiver keeps and allows.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How far back matches may reach.
    pub window: usize,
    /// How long a message may be.
    pub limit: usize,
    /// Whether the window is empty behind a final block, as in a stream of its own. RFC 7692 §7.2.3.4 leaves it open:
    /// receivers that start zlib anew forget, others need not.
    pub final_forgets: bool,
}

impl Rules {
    /// The largest window, which is never forgotten, and no limit.
    pub const UNLIMITED: Self = Self { window: LARGEST_WINDOW, limit: usize::MAX, final_forgets: false };
}

/// What there is to say of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it inflates to, up to the fault if there is one.
    pub bytes: Vec<u8>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// The longest distance of its matches.
    pub farthest: usize,
    /// Blocks that were begun.
    pub blocks: usize,
    /// Whether the tail brings forth bytes: never, if the message was made as RFC 7692 §7.2.1 says.
    pub from_tail: bool,
    /// What matches of the next message can reach, if the window is kept.
    pub history: Vec<u8>,
}

/// Inflates a message whose payload is `payload`, as sent: the tail is appended here.
///
/// `history` is what the messages before it in the same window came to; what is farther back than the window does not
/// matter. A fault stops it, and so does the first byte beyond the limit.
#[must_use]
pub fn judge(payload: &[u8], history: &[u8], rules: Rules) -> Verdict {
    let mut inflater = Inflater {
        bits: Bits::new(payload, &TAIL),
        out: history.to_vec(),
        begin: history.len(),
        forgotten: 0,
        rules,
        farthest: 0,
        blocks: 0,
        from_tail: false,
    };
    let fault = inflater.run().err();
    let Inflater { out, begin, from_tail, farthest, blocks, .. } = inflater;
    let reach = inflater.forgotten.max(out.len().saturating_sub(rules.window));
    Verdict {
        bytes: out[begin..].to_vec(),
        fault,
        farthest,
        blocks,
        from_tail,
        history: out[reach..].to_vec(),
    }
}

/// What a message inflates to; [`judge`] says more.
///
/// # Errors
/// The first [`Fault`].
pub fn inflate(payload: &[u8], history: &[u8], rules: Rules) -> Result<Vec<u8>, Fault> {
    let Verdict { bytes, fault, .. } = judge(payload, history, rules);
    fault.map_or(Ok(bytes), Err)
}

struct Inflater<'m> {
    bits: Bits<'m>,
    /// The history, and behind it the message.
    out: Vec<u8>,
    /// Where in it the message begins, and where what has not been forgotten.
    begin: usize,
    forgotten: usize,
    rules: Rules,
    farthest: usize,
    blocks: usize,
    from_tail: bool,
}

impl Inflater<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let fixed = (Code::fixed_literals(), Code::fixed_distances());
        // Blocks follow one another until one ends with the tail's last bit.
        while !self.bits.is_at_end() {
            self.blocks += 1;
            let last = self.bits.take(1)? == 1;
            match self.bits.take(2)? {
                0 => self.stored()?,
                1 => self.coded(&fixed.0, &fixed.1)?,
                2 => {
                    let (literals, distances) = self.codes()?;
                    self.coded(&literals, &distances)?;
                }
                _ => return Err(Fault::ReservedBlock),
            }
            if last {
                // A stream ends with its final block and is filled up to a byte; what follows is another stream
                // (RFC 7692 §7.2.3.4).
                self.bits.align();
                if self.rules.final_forgets {
                    self.forgotten = self.out.len();
                }
            }
        }
        Ok(())
    }

    /// RFC 1951 §3.2.4.
    fn stored(&mut self) -> Result<(), Fault> {
        self.bits.align();
        let lengths = self.bits.take(32)?;
        let (len, complement) = (lengths & 0xFFFF, lengths >> 16);
        if len != complement ^ 0xFFFF {
            return Err(Fault::StoredLength);
        }
        for _ in 0..len {
            let byte = self.bits.take(8)?;
            self.push(byte.to_le_bytes()[0])?;
        }
        Ok(())
    }

    /// The two codes of a dynamic block (RFC 1951 §3.2.7).
    fn codes(&mut self) -> Result<(Code, Code), Fault> {
        /// In which order the lengths of the code for code lengths come.
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

        let counts = self.bits.take(14)? as usize;
        let literals = (counts & 31) + 257;
        let distances = (counts >> 5 & 31) + 1;
        if literals > 286 || distances > 30 {
            return Err(Fault::TooManyCodes);
        }
        let mut lengths = [0; 19];
        for &symbol in ORDER.iter().take((counts >> 10) + 4) {
            lengths[symbol] = self.bits.take(3)? as usize;
        }
        // zlib takes a code without symbols for one in which each bit means length 0; it never gets to an
        // end-of-block symbol that way.
        let none = lengths.iter().all(|&length| length == 0);
        let code = Code::new(&lengths);
        if !none && !code.is_complete() {
            return Err(Fault::LengthsCode);
        }

        let mut lengths: Vec<usize> = Vec::new();
        while lengths.len() < literals + distances {
            let symbol = if none { self.bits.take(1).map(|_| 0)? } else { self.symbol(&code)?.unwrap_or(0) };
            let (length, times) = match symbol {
                16 => {
                    let times = 3 + self.bits.take(2)?;
                    (*lengths.last().ok_or(Fault::Repeat)?, times)
                }
                17 => (0, 3 + self.bits.take(3)?),
                18 => (0, 11 + self.bits.take(7)?),
                length => (length, 1),
            };
            lengths.resize(lengths.len() + times as usize, length);
            if lengths.len() > literals + distances {
                return Err(Fault::Repeat);
            }
        }
        let (literals, distances) = lengths.split_at(literals);
        if literals[END_OF_BLOCK] == 0 {
            return Err(Fault::NoEndOfBlock);
        }
        let (literals, distances) = (Code::new(literals), Code::new(distances));
        if !literals.is_usable() {
            return Err(Fault::LiteralCode);
        }
        if !distances.is_usable() {
            return Err(Fault::DistanceCode);
        }
        Ok((literals, distances))
    }

    /// Literals and matches up to the end of the block (RFC 1951 §3.2.5).
    fn coded(&mut self, literals: &Code, distances: &Code) -> Result<(), Fault> {
        loop {
            let symbol = self.symbol(literals)?.ok_or(Fault::LiteralSymbol)?;
            if let Ok(literal) = u8::try_from(symbol) {
                self.push(literal)?;
                continue;
            }
            if symbol == END_OF_BLOCK {
                return Ok(());
            }
            let &(base, extra) = LENGTHS.get(symbol - 257).ok_or(Fault::LiteralSymbol)?;
            let length = base + self.bits.take(extra)? as usize;
            let symbol = self.symbol(distances)?.ok_or(Fault::DistanceSymbol)?;
            let &(base, extra) = DISTANCES.get(symbol).ok_or(Fault::DistanceSymbol)?;
            let distance = base + self.bits.take(extra)? as usize;
            if distance > (self.out.len() - self.forgotten).min(self.rules.window) {
                return Err(Fault::TooFar);
            }
            self.farthest = self.farthest.max(distance);
            for _ in 0..length {
                self.push(self.out[self.out.len() - distance])?;
            }
        }
    }

    /// The next symbol; `None` for bits without one.
    fn symbol(&mut self, code: &Code) -> Result<Option<usize>, Fault> {
        let mut bits = 0;
        for length in 1..=code.longest() {
            bits = bits << 1 | self.bits.take(1)? as usize;
            if let Some(symbol) = code.symbol(length, bits) {
                return Ok(Some(symbol));
            }
        }
        Ok(None)
    }

    fn push(&mut self, byte: u8) -> Result<(), Fault> {
        self.from_tail |= self.bits.is_in_tail();
        if self.out.len() - self.begin == self.rules.limit {
            return Err(Fault::TooLong);
        }
        self.out.push(byte);
        Ok(())
    }
}

/// The symbol that ends a block.
const END_OF_BLOCK: usize = 256;

/// The lengths that the symbols from 257 on stand for, and how many bits are to be added.
const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The distances that the symbols stand for, and how many bits are to be added.
const DISTANCES: [(usize, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

#[cfg(test)]
mod tests;
