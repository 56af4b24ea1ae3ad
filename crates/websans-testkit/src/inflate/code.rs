//! [`Code`]: a prefix code that is given by the lengths of its codes (RFC 1951 §3.2.2).

/// Longest code, in bits.
const MOST_BITS: usize = 15;

/// Symbols and the bits that stand for them.
pub(super) struct Code {
    /// The symbols whose codes have this many bits, in order.
    symbols: [Vec<usize>; MOST_BITS + 1],
    /// The first code of each length; the others of that length count up from it.
    first: [usize; MOST_BITS + 1],
    /// How many codes of 15 bits could still be made. `None`: there are too many codes already.
    left: Option<usize>,
}

impl Code {
    /// The code in which each symbol has a code of this length, or none if it is 0.
    pub(super) fn new(lengths: &[usize]) -> Self {
        let mut symbols: [Vec<usize>; MOST_BITS + 1] = Default::default();
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            symbols[length].push(symbol);
        }
        let mut first = [0; MOST_BITS + 1];
        for length in 1..=MOST_BITS {
            first[length] = (first[length - 1] + symbols[length - 1].len()) << 1;
        }
        let used: usize = (1..=MOST_BITS).map(|length| symbols[length].len() << (MOST_BITS - length)).sum();
        Self { symbols, first, left: (1usize << MOST_BITS).checked_sub(used) }
    }

    /// RFC 1951 §3.2.6.
    pub(super) fn fixed_literals() -> Self {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        Self::new(&lengths)
    }

    /// RFC 1951 §3.2.6.
    pub(super) fn fixed_distances() -> Self {
        Self::new(&[5; 32])
    }

    /// Whether all bits mean something.
    pub(super) fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether zlib would use it for literals or distances: if it is complete, has no symbol, or a single one of one bit.
    pub(super) fn is_usable(&self) -> bool {
        self.is_complete() || self.left.is_some() && self.symbols[2..].iter().all(Vec::is_empty)
    }

    /// The length of the longest code. Without any, a bit must be seen all the same to tell that it means nothing.
    pub(super) fn longest(&self) -> usize {
        (1..=MOST_BITS).rev().find(|&length| !self.symbols[length].is_empty()).unwrap_or(1)
    }

    /// The symbol with this code of `length` bits.
    pub(super) fn symbol(&self, length: usize, code: usize) -> Option<usize> {
        self.symbols[length].get(code.checked_sub(self.first[length])?).copied()
    }
}
