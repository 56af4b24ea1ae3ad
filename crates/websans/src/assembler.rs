//! [`Assembler`]: gathers, inflates and checks the parts of one message. The [`Inbox`](crate::Inbox)'s inner half.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use crate::deflate::{Decode, Decoded};
use crate::error::ProtocolError;
use crate::message::Kind;
use crate::text::Utf8;

/// Most bytes that are inflated in one step: what a stream of parts holds at a time.
const INFLATE_STEP: usize = 16 << 10;

/// The same for a message that is gathered whole. Decompressors are slower at the beginning of each step, where what they
/// refer to lies elsewhere.
const WHOLE_STEP: usize = 128 << 10;

/// How often it is judged whether a compressed message has come to anything, in bytes of it; its ratio, 16 times as often
/// and at its end. Counted from its beginning, and inflated exactly so far, so that the verdict does not hang on how the
/// message was cut.
const CHECKPOINT: u64 = 8 << 10;

/// Up to here the ratio of inflated to compressed bytes is not judged.
const RATIO_FROM: u64 = 64 << 10;

pub(crate) struct Assembler {
    /// The message so far is `bytes[..len]`; what follows is room to read into, already zeroed.
    bytes: Vec<u8>,
    len: usize,
    inflating: Option<Box<Inflating>>,
    kind: Kind,
    utf8: Utf8,
    /// `bytes[..len]` is all of the message so far, and all of it has been through `utf8` if it is text.
    whole: bool,
}

/// What only a connection with compression has.
struct Inflating {
    /// Bytes that have been taken of the message, and what they have come to.
    taken: u64,
    inflated: u64,
    /// `taken` as it was when it was judged last.
    judged: u64,
    /// `inflated` as it was at the last multiple of [`CHECKPOINT`].
    at_checkpoint: u64,
    /// The same for all messages before it.
    before: Inflated,
    decode: Box<dyn Decode>,
}

/// What a connection has inflated.
#[derive(Clone, Copy, Default)]
pub(crate) struct Inflated {
    pub(crate) compressed: u64,
    pub(crate) plain: u64,
}

/// How far a message may inflate.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    /// In bytes.
    pub(crate) limit: u64,
    /// In bytes for each byte that arrives.
    pub(crate) ratio: Option<u32>,
    /// Whether pieces are to be handed out as they come.
    pub(crate) streamed: bool,
}

impl Assembler {
    pub(crate) fn new(decode: Option<Box<dyn Decode>>) -> Self {
        Self {
            bytes: Vec::new(),
            len: 0,
            inflating: decode.map(|decode| {
                Box::new(Inflating {
                    taken: 0,
                    inflated: 0,
                    judged: 0,
                    at_checkpoint: 0,
                    before: Inflated::default(),
                    decode,
                })
            }),
            kind: Kind::Binary,
            utf8: Utf8::new(),
            whole: false,
        }
    }

    /// Starts a message. All of it is checked as being of this kind, whatever its parts claim to be.
    #[inline]
    pub(crate) fn begin(&mut self, kind: Kind) {
        self.kind = kind;
        self.len = 0;
        if let Some(inflating) = &mut self.inflating {
            inflating.before = inflating.total();
            (inflating.taken, inflating.inflated) = (0, 0);
            (inflating.judged, inflating.at_checkpoint) = (0, 0);
        }
        self.utf8 = Utf8::new();
        self.whole = true;
    }

    /// The kind of the message.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What has been gathered.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Takes what has been gathered, uncopied unless its storage is much longer.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.bytes);
        bytes.truncate(self.len);
        // Whoever keeps messages counts on their being as long as they say.
        if bytes.capacity() - bytes.len() > (bytes.len() / 2).max(1024) {
            bytes.shrink_to_fit();
        }
        self.clear();
        bytes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets what has been gathered, but not the message's state.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.whole = false;
    }

    /// Gives storage beyond `keep` bytes back. Nothing must be gathered.
    #[inline]
    pub(crate) fn release(&mut self, keep: usize) {
        if self.is_empty() && self.bytes.capacity() > keep {
            self.bytes = Vec::new();
        }
    }

    /// Room behind what has been gathered for at most `most` further bytes. When it falls short, it grows by as much as
    /// has been gathered, or by `step` if that is more: memory follows what has come, not what a header declares.
    pub(crate) fn room(&mut self, step: usize, most: u64) -> &mut [u8] {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let room = self.bytes.len().saturating_sub(self.len);
        if room < most.min(step / 2) {
            let end = self.len.saturating_add(most.min(self.len.max(step)));
            // What a peer can make us ask for must not be able to end the process.
            if self.bytes.try_reserve_exact(end.saturating_sub(self.bytes.len())).is_ok() {
                self.bytes.resize(end, 0);
            }
        }
        let end = self.bytes.len().min(self.len.saturating_add(most));
        self.bytes.get_mut(self.len..end).unwrap_or_default()
    }

    /// Reserves storage for all `most` bytes at once, if they are few and this is about as many as there will be
    /// anyhow: to grow once more is to hold old and new storage together.
    fn reserve_few(&mut self, step: usize, most: u64) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let all = self.len.saturating_add(most);
        let next = self.len.saturating_add(step);
        if all <= 8 * INFLATE_STEP && self.bytes.capacity() < next && next >= all / 8 {
            // `room` tries with less.
            let _ = self.bytes.try_reserve_exact(all.saturating_sub(self.bytes.len()));
        }
    }

    /// The first `n` bytes of the room, which have been read.
    pub(crate) fn read(&mut self, n: usize) -> &mut [u8] {
        self.bytes.get_mut(self.len..).and_then(|room| room.get_mut(..n)).unwrap_or_default()
    }

    /// Gathers them, and checks them.
    pub(crate) fn keep(&mut self, n: usize, last: bool) -> Result<(), ProtocolError> {
        let whole = mem::replace(&mut self.whole, false);
        let end = self.len.saturating_add(n).min(self.bytes.len());
        let kept = self.bytes.get(self.len..end).unwrap_or_default();
        check(&mut self.utf8, self.kind, kept, last)?;
        self.len = end;
        self.whole = whole;
        Ok(())
    }

    /// Adds the next part behind what has been gathered: inflated if need be, and checked.
    pub(crate) fn gather(
        &mut self,
        payload: &[u8],
        last: bool,
        compressed: bool,
        budget: Budget,
    ) -> Result<(), ProtocolError> {
        if compressed {
            let mut input = payload;
            while self.inflate_step(&mut input, last, budget)? {}
            return Ok(());
        }
        self.bytes.truncate(self.len);
        let reserved = self.bytes.try_reserve(payload.len());
        // What is twice as long may be too long, and this not.
        reserved
            .or_else(|_| self.bytes.try_reserve_exact(payload.len()))
            .map_err(|_| ProtocolError::OutOfMemory)?;
        self.bytes.extend_from_slice(payload);
        self.keep(payload.len(), last)
    }

    /// Whether what has been gathered is text, known to be UTF-8 from its beginning to its end.
    #[inline]
    pub(crate) fn is_text(&self) -> bool {
        self.whole && self.kind == Kind::Text && self.utf8.is_complete()
    }

    /// Checks the next bytes of the message, which are not gathered. `ascii`: they are known to be.
    #[inline]
    pub(crate) fn check(&mut self, payload: &[u8], last: bool, ascii: bool) -> Result<(), ProtocolError> {
        self.whole = false;
        if ascii && self.utf8.is_complete() {
            return Ok(());
        }
        check(&mut self.utf8, self.kind, payload, last)
    }

    /// Inflates a bounded piece of what `input` holds behind what has been gathered. True: call again. A message
    /// that grows beyond its budget is an error as soon as that shows.
    pub(crate) fn inflate_step(
        &mut self,
        input: &mut &[u8],
        last: bool,
        budget: Budget,
    ) -> Result<bool, ProtocolError> {
        // An error ends the connection and, since it is not put back, the decompressor with it.
        // The connection lets RSV1 pass only if there is a decoder.
        let mut inflating = self.inflating.take().ok_or(ProtocolError::ReservedBits)?;
        let (mut slice, rest) = inflating.up_to_checkpoint(input, budget);
        let last = last && rest.is_empty();
        // One byte over the limit tells a message that is too long from one that fits just so.
        let left = budget.limit.saturating_sub(inflating.inflated);
        let most = left.saturating_add(1);
        // A short message needs no long room, unless it shows that it does: text shrinks to a third or so. Some more, because
        // decompressors are slow where they have to look for the end of the room at each byte.
        let inflated = usize::try_from(inflating.inflated).unwrap_or(usize::MAX);
        let likely = slice.len().saturating_mul(4).saturating_add(INFLATE_STEP / 32);
        let largest = if budget.streamed { INFLATE_STEP } else { WHOLE_STEP };
        let step = inflated.max(likely).clamp(INFLATE_STEP / 8, largest);
        self.reserve_few(step, most);
        let room = self.room(step, most);
        let end = room.len().min(largest);
        let room = room.get_mut(..end).unwrap_or_default();
        if room.is_empty() {
            return Err(ProtocolError::OutOfMemory);
        }
        let before = slice.len();
        let (n, more) = match inflating.decode.decode(&mut slice, last, room)? {
            Decoded::Drained(n) => (n.min(room.len()), false),
            Decoded::More(n) => (n.min(room.len()), true),
        };
        let taken = before.saturating_sub(slice.len());
        // Without progress it would be called for ever; what it has not taken cannot have been drained.
        if if more { n == 0 && taken == 0 } else { taken < before } {
            return Err(ProtocolError::InvalidDeflate);
        }
        // Errors come in the order of the bytes that they are about: first what is within the limit, then the limit.
        let within = n.min(usize::try_from(left).unwrap_or(usize::MAX));
        self.keep(within, last && !more && within == n)?;
        if within < n {
            return Err(ProtocolError::MessageTooBig);
        }
        inflating.taken += taken as u64;
        inflating.inflated += n as u64;
        if !more {
            inflating.judge(last, budget)?;
        }
        self.inflating = Some(inflating);
        *input = input.get(taken..).unwrap_or_default();
        Ok(more || !rest.is_empty())
    }

    /// Drops what has been gathered, and the decompressor: nothing more will come.
    pub(crate) fn end(&mut self) {
        self.clear();
        self.release(0);
        self.inflating = None;
    }

    /// What has been inflated since the connection opened.
    pub(crate) fn inflated(&self) -> Inflated {
        self.inflating.as_ref().map_or(Inflated::default(), |inflating| inflating.total())
    }
}

impl Inflating {
    fn total(&self) -> Inflated {
        Inflated { compressed: self.before.compressed + self.taken, plain: self.before.plain + self.inflated }
    }

    /// Bytes from one checkpoint to the next.
    fn interval(budget: Budget) -> u64 {
        if budget.ratio.is_some() { CHECKPOINT / 16 } else { CHECKPOINT }
    }

    /// Whether the bytes taken end at a checkpoint that has not been judged.
    fn is_at_checkpoint(&self, budget: Budget) -> bool {
        self.taken % Self::interval(budget) == 0 && self.taken != self.judged
    }

    /// What of `input` lies before the next checkpoint, and what behind it.
    fn up_to_checkpoint<'i>(&self, input: &'i [u8], budget: Budget) -> (&'i [u8], &'i [u8]) {
        let interval = Self::interval(budget);
        let n = if self.is_at_checkpoint(budget) { 0 } else { interval - self.taken % interval };
        input.split_at_checked(usize::try_from(n).unwrap_or(usize::MAX)).unwrap_or((input, &[]))
    }

    /// Judges what the bytes taken have come to, if this is where that is done.
    fn judge(&mut self, last: bool, budget: Budget) -> Result<(), ProtocolError> {
        let checkpoint = self.is_at_checkpoint(budget);
        if !last && !checkpoint {
            return Ok(());
        }
        self.judged = self.taken;
        let most = budget.ratio.map(|ratio| u64::from(ratio).saturating_mul(self.taken).max(RATIO_FROM));
        if most.is_some_and(|most| self.inflated > most) {
            return Err(ProtocolError::InflateRatio);
        }
        if checkpoint && self.taken % CHECKPOINT == 0 {
            if self.inflated == self.at_checkpoint {
                return Err(ProtocolError::UnproductiveDeflate);
            }
            self.at_checkpoint = self.inflated;
        }
        Ok(())
    }
}

#[inline]
fn check(utf8: &mut Utf8, kind: Kind, payload: &[u8], last: bool) -> Result<(), ProtocolError> {
    if kind == Kind::Text && (utf8.push(payload).is_err() || last && !utf8.is_complete()) {
        return Err(ProtocolError::InvalidUtf8);
    }
    Ok(())
}
