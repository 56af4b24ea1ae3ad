//! [`Assembler`]: gathers, inflates and checks the parts of one message. The [`Inbox`](crate::Inbox)'s inner half.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::deflate::{Decode, Decoded};
use crate::error::ProtocolError;
use crate::message::Kind;
use crate::text::Utf8;

/// Most bytes that are inflated in one step: what a stream of parts holds at a time.
const INFLATE_STEP: usize = 16 << 10;

pub(crate) struct Assembler {
    /// The message so far is `bytes[..len]`; what follows is room to read into, already zeroed.
    bytes: Vec<u8>,
    len: usize,
    /// Inflated bytes of the message that is under way.
    inflated: u64,
    decode: Option<Box<dyn Decode>>,
    utf8: Utf8,
}

impl Assembler {
    pub(crate) fn new(decode: Option<Box<dyn Decode>>) -> Self {
        Self { bytes: Vec::new(), len: 0, inflated: 0, decode, utf8: Utf8::new() }
    }

    /// Starts a message.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.len = 0;
        self.inflated = 0;
        self.utf8 = Utf8::new();
    }

    /// What has been gathered.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets what has been gathered, but not the message's state.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Gives storage beyond `keep` bytes back. Nothing must be gathered.
    #[inline]
    pub(crate) fn release(&mut self, keep: usize) {
        if self.is_empty() && self.bytes.capacity() > keep {
            self.bytes = Vec::new();
        }
    }

    fn append(&mut self, payload: &[u8]) {
        self.bytes.truncate(self.len);
        self.bytes.extend_from_slice(payload);
        self.len = self.bytes.len();
    }

    /// Room behind what has been gathered for at most `most` further bytes, as much as there are already or at
    /// least `least`: memory grows with what has come, not with what a header declares.
    pub(crate) fn room(&mut self, least: usize, most: u64) -> &mut [u8] {
        let want = usize::try_from(most).unwrap_or(usize::MAX).min(self.len.max(least));
        let end = self.len.saturating_add(want);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.len..end).unwrap_or_default()
    }

    /// The first `n` bytes of the room, which have been read.
    pub(crate) fn read(&mut self, n: usize) -> &mut [u8] {
        self.bytes.get_mut(self.len..).and_then(|room| room.get_mut(..n)).unwrap_or_default()
    }

    /// Counts them as gathered.
    pub(crate) fn keep(&mut self, n: usize) {
        self.len += n;
    }

    /// Adds the next part behind what has been gathered: inflated if need be, and checked.
    pub(crate) fn gather(
        &mut self,
        kind: Kind,
        payload: &[u8],
        last: bool,
        compressed: bool,
        limit: u64,
    ) -> Result<(), ProtocolError> {
        if compressed {
            let mut input = payload;
            while self.inflate_step(kind, &mut input, last, limit)? == Decoded::Full {}
            return Ok(());
        }
        self.append(payload);
        self.check(kind, payload, last)
    }

    /// Whether the text so far ends with a whole character.
    #[inline]
    pub(crate) fn is_whole_text(&self) -> bool {
        self.utf8.is_complete()
    }

    /// Checks the next bytes of a text message; binary passes.
    #[inline]
    pub(crate) fn check(&mut self, kind: Kind, payload: &[u8], last: bool) -> Result<(), ProtocolError> {
        check(&mut self.utf8, kind, payload, last)
    }

    /// Checks the last `n` gathered bytes.
    pub(crate) fn check_tail(&mut self, kind: Kind, n: usize, last: bool) -> Result<(), ProtocolError> {
        let tail = self.bytes.get(self.len.saturating_sub(n)..self.len).unwrap_or_default();
        check(&mut self.utf8, kind, tail, last)
    }

    /// Inflates a bounded piece of what `input` holds behind what has been gathered. `Full`: call again. A message
    /// that grows beyond `limit` bytes is [`ProtocolError::MessageTooBig`] as soon as that shows.
    pub(crate) fn inflate_step(
        &mut self,
        kind: Kind,
        input: &mut &[u8],
        last: bool,
        limit: u64,
    ) -> Result<Decoded, ProtocolError> {
        // The connection lets RSV1 pass only if there is a decoder.
        let decode = self.decode.as_mut().ok_or(ProtocolError::ReservedBits)?;
        // One byte over the limit tells a message that is too long from one that fits just so.
        let budget = limit.saturating_sub(self.inflated).saturating_add(1);
        let step = usize::try_from(budget).unwrap_or(usize::MAX).min(INFLATE_STEP);
        self.bytes.truncate(self.len);
        let decoded = decode.decode(input, last, step, &mut self.bytes)?;
        let n = self.bytes.len().saturating_sub(self.len);
        self.len = self.bytes.len();
        self.inflated += n as u64;
        if self.inflated > limit {
            self.decode = None; // and the decompressor's memory with it: the connection fails now
            return Err(ProtocolError::MessageTooBig);
        }
        self.check_tail(kind, n, last && decoded == Decoded::Drained)?;
        Ok(decoded)
    }
}

#[inline]
fn check(utf8: &mut Utf8, kind: Kind, payload: &[u8], last: bool) -> Result<(), ProtocolError> {
    if kind == Kind::Text && (utf8.push(payload).is_err() || last && !utf8.is_complete()) {
        return Err(ProtocolError::InvalidUtf8);
    }
    Ok(())
}
