//! [`Compressor`]: the half for messages that are sent.

use std::sync::Arc;

use websans::Kind;
use websans::deflate::{Encode, Flush, Variant};
use zlib_rs::{Deflate as Compress, DeflateFlush};

use crate::budget::Reservation;
use crate::provider::Shared;

/// What every flush ends with, and what RFC 7692 §7.2.1 has stripped from the end of a message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Most bytes that are compressed to at a time.
const STEP: usize = 16 << 10;

pub(crate) struct Compressor {
    shared: Arc<Shared>,
    bits: u8,
    takeover: bool,
    /// Present while a message is under way, and with takeover from the first message on.
    context: Option<Box<Compress>>,
    _reserved: Option<Arc<Reservation>>,
}

impl Compressor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        bits: u8,
        takeover: bool,
        reserved: Option<Arc<Reservation>>,
    ) -> Self {
        Self { shared, bits, takeover, context: None, _reserved: reserved }
    }

    /// A context for a message whose first part ends with `flush`.
    fn begin(&self, flush: Flush) -> Box<Compress> {
        // One that has been reset still has in its window what others sent. At a flush, the last bytes are hashed together
        // with what lies behind them, and how much the rest shrinks tells whether that was the same. Behind the end of a
        // whole message nothing comes that could tell.
        if flush == Flush::End && !self.takeover {
            self.shared.take_compress(self.bits)
        } else {
            self.shared.new_compress(self.bits)
        }
    }
}

impl Encode for Compressor {
    fn wants(&mut self, _: Kind, len: Option<usize>) -> bool {
        len.is_none_or(|len| len >= self.shared.settings.threshold)
    }

    fn encode(&mut self, payload: &[u8], flush: Flush, out: &mut Vec<u8>) {
        let mut context = self.context.take().unwrap_or_else(|| self.begin(flush));
        let start = out.len();
        let how = match flush {
            Flush::None => DeflateFlush::NoFlush,
            Flush::Sync | Flush::End => DeflateFlush::SyncFlush,
        };
        compress(&mut context, payload, how, out);
        if flush == Flush::End {
            if out.len() - start >= TAIL.len() && out.ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
            } else {
                // Nothing was left to flush: an empty block says so (§7.2.3.6).
                out.push(0);
            }
            if !self.takeover {
                return self.shared.put_compress(self.bits, context);
            }
        }
        self.context = Some(context);
    }

    fn variant(&self) -> Option<Variant> {
        if self.takeover || self.context.is_some() {
            return None;
        }
        let settings = &self.shared.settings;
        let setting = u32::from_be_bytes([0, settings.memory_level(), settings.level(), self.bits]);
        Some(Variant { implementation: env!("CARGO_PKG_NAME"), setting })
    }
}

fn compress(context: &mut Compress, mut payload: &[u8], flush: DeflateFlush, out: &mut Vec<u8>) {
    loop {
        let (taken, written, start) = (context.total_in(), context.total_out(), out.len());
        // What does not shrink grows by a few bytes for each block. A flush should fit at once: one that does not
        // ends with more empty blocks than it needs.
        let room = (payload.len() + payload.len() / 8 + 64).min(STEP);
        out.resize(start + room, 0);
        let result = context.compress(payload, out.get_mut(start..).unwrap_or_default(), flush);
        debug_assert!(result.is_ok(), "{result:?}");
        let written = usize::try_from(context.total_out() - written).unwrap_or(room);
        out.truncate(start + written);
        let taken = usize::try_from(context.total_in() - taken).unwrap_or(usize::MAX);
        payload = payload.get(taken..).unwrap_or_default();
        // All is out if some room is left over.
        if written < room && payload.is_empty() || result.is_err() {
            return;
        }
    }
}
