//! [`Unpacking`]: what is in a compressed message of stored blocks, byte by byte.

use core::str;

use websans::{Kind, ProtocolError};

use super::Fault;

/// A message of stored blocks (RFC 1951 §3.2.4), each of whose headers begins at a byte, as [`stored`](crate::stored)
/// makes them.
#[derive(Default)]
pub(super) struct Unpacking {
    /// What has come of a block's header.
    header: Vec<u8>,
    /// Bytes of the block that are still to come.
    left: usize,
    /// What has come out.
    pub(super) plain: Vec<u8>,
    /// How much of it is known to be whole characters.
    characters: usize,
}

impl Unpacking {
    /// Takes the next bytes of the message; `end`: the last ones. Of two faults the first byte decides.
    pub(super) fn read(&mut self, bytes: &[u8], end: bool, kind: Kind, limit: u64) -> Result<(), Fault> {
        // RFC 7692 §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message".
        let tail: &[u8] = if end { &[0, 0, 0xFF, 0xFF] } else { &[] };
        let mut error = None;
        for (n, &byte) in bytes.iter().chain(tail).enumerate() {
            if self.left > 0 && n >= bytes.len() {
                // The tail is the end of an empty block and nothing else.
                return Err(after(error, ProtocolError::InvalidDeflate));
            }
            if self.left == 0 {
                self.header(byte).map_err(|found| after(error, found))?;
                continue;
            }
            self.left -= 1;
            self.plain.push(byte);
            if error.is_none() && self.plain.len() as u64 > limit {
                error = Some(ProtocolError::MessageTooBig);
            }
            if error.is_none() && kind == Kind::Text && !self.is_text() {
                error = Some(ProtocolError::InvalidUtf8);
            }
        }
        if end && (self.left > 0 || !self.header.is_empty()) {
            return Err(after(error, ProtocolError::InvalidDeflate));
        }
        if error.is_none() && end && kind == Kind::Text && self.characters < self.plain.len() {
            error = Some(ProtocolError::InvalidUtf8);
        }
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    fn header(&mut self, byte: u8) -> Result<(), ProtocolError> {
        self.header.push(byte);
        if self.header[0] != 0 {
            return Err(ProtocolError::InvalidDeflate);
        }
        if self.header.len() == 5 {
            let len = u16::from_le_bytes([self.header[1], self.header[2]]);
            if len != !u16::from_le_bytes([self.header[3], self.header[4]]) {
                return Err(ProtocolError::InvalidDeflate);
            }
            self.left = len.into();
            self.header.clear();
        }
        Ok(())
    }

    /// Whether what has come out may be the beginning of a text.
    fn is_text(&mut self) -> bool {
        match str::from_utf8(&self.plain[self.characters..]) {
            Ok(_) => self.characters = self.plain.len(),
            Err(error) if error.error_len().is_some() => return false,
            Err(error) => self.characters += error.valid_up_to(),
        }
        true
    }
}

/// `found` where `error` was found before, which who inflates all that has come before he looks at it does not see.
fn after(error: Option<ProtocolError>, found: ProtocolError) -> Fault {
    match error {
        Some(error) => Fault { error, or: Some(found) },
        None => found.into(),
    }
}
