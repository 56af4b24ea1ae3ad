//! The compressing half of permessage-deflate, and its counters.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Connection;
use super::send::{Compressed, Sending};
use crate::assembler::{Budget, Inflated};
use crate::deflate::{Codec, Decode, Encode, Flush, Parameters};
use crate::error::SendError;
use crate::frame::{Header, OpCode};
use crate::message::{Data, Kind, Payload};
use crate::stats::Compression;

/// What only a connection with compression has.
pub(crate) struct Compressing {
    encode: Box<dyn Encode>,
    pub(super) stats: Compression,
}

/// The codec's half for the connection, and the one for its inbox.
pub(crate) fn halves(
    codec: Option<Codec>,
    agreed: Option<Parameters>,
) -> (Option<Compressing>, Option<Box<dyn Decode>>) {
    match codec {
        Some(Codec { encode, decode, memory }) => {
            let parameters = agreed.unwrap_or_default();
            let stats = Compression { parameters, memory, ..Compression::default() };
            (Some(Compressing { encode, stats }), Some(decode))
        }
        None => (None, None),
    }
}

impl Compressing {
    fn encode(&mut self, payload: &[u8], flush: Flush, out: &mut Vec<u8>) {
        let before = out.len();
        self.encode.encode(payload, flush, out);
        self.note(payload.len(), out.len().saturating_sub(before));
    }

    fn note(&mut self, plain: usize, compressed: usize) {
        self.stats.sent_plain += plain as u64;
        self.stats.sent_compressed += compressed as u64;
    }
}

impl Connection {
    /// Queues a part of a message and says how far it must go: [`send_part`](Self::send_part), the last one with
    /// [`Flush::End`], and [`flush_part`](Self::flush_part) with [`Flush::Sync`], where an empty part is no frame. For
    /// writers that gather what they are given.
    ///
    /// # Errors
    /// As [`send_part`](Self::send_part).
    pub fn write_part<'p>(&mut self, part: impl Into<Payload<'p>>, flush: Flush) -> Result<(), SendError> {
        let part = part.into();
        if flush != Flush::Sync {
            return self.send_part(part, flush == Flush::End);
        }
        if !part.as_bytes().is_empty() {
            self.send_part(part, false)?;
        }
        self.flush_part()
    }

    /// Sends what the compressor still holds back of the message that is being sent in parts, so that the peer
    /// can inflate all that was given so far. It costs some compression: a flush takes five bytes or so, which count
    /// for the peer's limit of a message. Without effect between messages and for
    /// messages that are not compressed, whose parts wait for nothing.
    ///
    /// # Errors
    /// [`SendError::Closing`].
    pub fn flush_part(&mut self) -> Result<(), SendError> {
        self.may_send()?;
        let Some(message) = self.sending.filter(|message| message.compressed != Compressed::No) else {
            return Ok(());
        };
        // There was room for it when it was given.
        self.queue_compressed(message, &[], Flush::Sync);
        Ok(())
    }

    /// Whether to compress a message that begins. `asked`: what the application says of it.
    #[inline]
    pub(super) fn compresses(&mut self, asked: Option<bool>, kind: Kind, len: Option<usize>) -> bool {
        match &mut self.compressing {
            Some(compressing) => asked.unwrap_or_else(|| compressing.encode.wants(kind, len)),
            None => false,
        }
    }

    /// Compresses the next part of a message and queues what comes out, if anything does: the compressor may take it all
    /// in.
    pub(super) fn queue_compressed(&mut self, message: Sending, payload: &[u8], flush: Flush) {
        let Some(compressing) = &mut self.compressing else { return };
        let opcode = message.opcode();
        // Only the first frame of a message is marked (RFC 7692 §6.1).
        let rsv = if opcode == OpCode::Continuation { 0 } else { Header::RSV1 };
        let fin = flush == Flush::End;
        let queued = if self.config.fragment_above.is_some() {
            let mut deflated = Vec::new();
            compressing.encode(payload, flush, &mut deflated);
            let queued = fin || !deflated.is_empty();
            if queued {
                self.queue_frames(opcode, rsv, fin, Data::Shared(deflated.into()));
            }
            queued
        } else {
            let mask = self.mask_keys.as_mut().map(|keys| keys());
            // What comes out is most often as long as to need a length of the same form.
            let header = Header { fin, rsv, opcode, mask, len: payload.len() as u64 };
            let queued = self.outbox.push_written(header, |out| compressing.encode(payload, flush, out));
            self.frames_sent += u64::from(queued);
            queued
        };
        if queued {
            self.sending = Some(Sending { compressed: Compressed::Begun, ..message });
        } else {
            self.sending = Some(message);
        }
    }

    /// What a compressed message may inflate to.
    #[inline]
    pub(crate) fn inflate_budget(&self, streamed: bool) -> Budget {
        let limit = if streamed { self.config.max_streamed } else { self.config.max_message };
        Budget { limit, ratio: self.config.max_inflate_ratio, streamed }
    }

    /// Takes note of what the inbox has inflated since the connection opened.
    pub(crate) fn note_inflated(&mut self, inflated: Inflated) {
        if let Some(compressing) = &mut self.compressing {
            compressing.stats.received_compressed = inflated.compressed;
            compressing.stats.received_plain = inflated.plain;
        }
    }
}

#[cfg(feature = "std")]
impl Connection {
    /// Queues a prepared message, compressed, if there is one compressed form for many connections.
    pub(super) fn queue_prepared(&mut self, prepared: &crate::Prepared) -> bool {
        let Some(compressing) = &mut self.compressing else { return false };
        let Some(variant) = compressing.encode.variant() else { return false };
        let deflated = prepared.deflated(variant, |payload| {
            let mut out = Vec::new();
            compressing.encode.encode(payload, Flush::End, &mut out);
            out
        });
        let Some(frame) = deflated else { return false };
        compressing.note(prepared.payload().len(), frame.payload().len());
        if self.shares_frames() {
            self.outbox.push_encoded(frame.bytes());
            self.frames_sent += 1;
        } else {
            let data = Data::Borrowed(frame.payload());
            self.queue_frames(prepared.kind().opcode(), Header::RSV1, true, data);
        }
        self.note_sent();
        true
    }
}
