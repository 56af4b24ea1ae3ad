//! [`Bits`]: bytes read bit by bit.

use super::Fault;

/// The bits of a message and of its tail, those of a byte from the least significant on (RFC 1951 §3.1.1).
pub(super) struct Bits<'m> {
    message: &'m [u8],
    tail: &'m [u8],
    /// Bits taken.
    at: usize,
}

impl<'m> Bits<'m> {
    pub(super) fn new(message: &'m [u8], tail: &'m [u8]) -> Self {
        Self { message, tail, at: 0 }
    }

    /// Whether all are taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == (self.message.len() + self.tail.len()) * 8
    }

    /// Whether the last that was taken is one of the tail.
    pub(super) fn is_in_tail(&self) -> bool {
        self.at > self.message.len() * 8
    }

    /// The next `n` bits as a number, the first of them the least significant.
    pub(super) fn take(&mut self, n: u32) -> Result<u32, Fault> {
        let mut number = 0;
        for place in 0..n {
            let byte = self.at / 8;
            let byte = match self.message.get(byte) {
                Some(byte) => byte,
                None => self.tail.get(byte - self.message.len()).ok_or(Fault::Truncated)?,
            };
            number |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(number)
    }

    /// Skips what is left of the byte under way.
    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}
