//! Messages of permessage-deflate by bare calls of zlib-rs.

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use crate::Result;

/// What ends the data of every message, and is not sent (RFC 7692, section 7.2.1).
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The largest window, which everyone here uses.
const WINDOW_BITS: u8 = 15;

/// Compresses messages, with one call for each.
pub(crate) struct Compressor {
    deflate: Deflate,
    takeover: bool,
}

impl Compressor {
    pub(crate) fn new(level: u8, takeover: bool) -> Self {
        Self { deflate: Deflate::new(i32::from(level), false, WINDOW_BITS), takeover }
    }

    /// Writes `message` compressed, with its tail, to the start of `out`; returns the length.
    ///
    /// # Errors
    /// If `out` has no room for it.
    pub(crate) fn compress(&mut self, message: &[u8], out: &mut [u8]) -> Result<usize> {
        if !self.takeover {
            self.deflate.reset();
        }
        let (before_in, before_out) = (self.deflate.total_in(), self.deflate.total_out());
        self.deflate.compress(message, out, DeflateFlush::SyncFlush).map_err(|error| format!("{error:?}"))?;
        let length = usize::try_from(self.deflate.total_out() - before_out)?;
        // zlib may have more to write when it filled the buffer.
        if self.deflate.total_in() - before_in != message.len() as u64 || length == out.len() {
            return Err("no room for a compressed message".into());
        }
        Ok(length)
    }
}

/// Inflates messages, with one call for each.
pub(crate) struct Decompressor {
    inflate: Inflate,
    takeover: bool,
}

impl Decompressor {
    pub(crate) fn new(takeover: bool) -> Self {
        Self { inflate: Inflate::new(false, WINDOW_BITS), takeover }
    }

    /// Writes the message that `compressed`, with its tail, stands for to the start of `out`; returns the length.
    ///
    /// # Errors
    /// If it stands for none, or for one that is longer than `out`.
    pub(crate) fn decompress(&mut self, compressed: &[u8], out: &mut [u8]) -> Result<usize> {
        if !self.takeover {
            self.inflate.reset(false);
        }
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        self.inflate
            .decompress(compressed, out, InflateFlush::SyncFlush)
            .map_err(|error| format!("{error:?}"))?;
        if self.inflate.total_in() - before_in != compressed.len() as u64 {
            return Err("not all of a compressed message could be inflated".into());
        }
        Ok(usize::try_from(self.inflate.total_out() - before_out)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records;

    #[test]
    fn messages_survive_with_and_without_history() {
        for takeover in [false, true] {
            let mut compressor = Compressor::new(6, takeover);
            let mut decompressor = Decompressor::new(takeover);
            let (mut wire, mut plain) = (vec![0; 4096], vec![0; 4096]);
            for message in records::messages(8, 1024) {
                let length = compressor.compress(&message, &mut wire).unwrap();
                assert!(wire[..length].ends_with(&TAIL));
                let inflated = decompressor.decompress(&wire[..length], &mut plain).unwrap();
                assert_eq!(plain[..inflated], message);
            }
        }
    }

    #[test]
    fn too_little_room_is_an_error() {
        let message = &records::messages(1, 1024)[0];
        let mut wire = vec![0; 4096];
        assert!(Compressor::new(6, false).compress(message, &mut wire[..100]).is_err());
        let length = Compressor::new(6, false).compress(message, &mut wire).unwrap();
        assert!(Decompressor::new(false).decompress(&wire[..length], &mut [0; 512]).is_err());
    }
}
