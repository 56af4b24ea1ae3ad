//! [`Outbox`]: frames that wait to be written.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

use bytes::{Buf, Bytes};

use crate::frame::{Header, OpCode};
use crate::mask::Mask;
use crate::message::Data;

/// Payloads from this length on are queued as shared [`Bytes`] if the caller hands such over. Below it, one
/// copy into the tail costs less than one more slice in a vectored write.
const SHARE_FROM: usize = 8 << 10;

/// Bytes of Pongs that may wait one behind the other while the transport has not been found blocked: the answers to
/// a handful of Pings that came in one read.
const PONG_BATCH: usize = 250;

/// What an emptied outbox keeps of its storage, so that small messages need no allocation each.
const KEEP: usize = 4 << 10;

/// The bytes of frames that wait to be written, as a [`Buf`]: write some of
/// [`chunk`](Buf::chunk) (or of [`chunks_vectored`](Buf::chunks_vectored), with the feature `std`), then
/// [`advance`](Buf::advance) by what was taken.
///
/// Small frames lie one behind the other in one buffer, so that many replies leave in one write. Large shared
/// payloads are queued uncopied. While the transport is blocked at most one Pong waits: a newer one takes its place
/// ([RFC 6455 §5.5.3]), so a peer that asks and does not read cannot make this grow.
///
/// [RFC 6455 §5.5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
#[derive(Debug, Default)]
pub struct Outbox {
    tail: Vec<u8>,
    /// Bytes of `tail` that have been written.
    tail_read: usize,
    /// What only a busy outbox has.
    more: Option<Box<More>>,
    /// Bytes written since the beginning.
    written: u64,
    /// Some of them since the last [`take_progress`](Self::take_progress).
    progressed: bool,
    /// Something has waited since before the last wake-up.
    blocked: bool,
    /// The length of the Pong that is last in the tail, if nothing follows it.
    last_pong: u8,
    /// The bytes of Pongs queued since nothing waited.
    pong_bytes: u8,
}

#[derive(Debug, Default)]
struct More {
    /// Whole segments that go before the tail; only messages with large shared payloads make any.
    queue: VecDeque<Segment>,
    /// Bytes in `queue`.
    queued: usize,
    pong: Option<Box<PongSlot>>,
    /// Bytes that were taken out and are not written yet.
    taken: usize,
}

#[derive(Debug)]
enum Segment {
    Frames(Vec<u8>, usize),
    Shared(Bytes),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Frames(bytes, read) => bytes.get(*read..).unwrap_or_default(),
            Self::Shared(bytes) => bytes,
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Frames(_, read) => *read += n,
            Self::Shared(bytes) => bytes.advance(n),
        }
    }
}

/// The one Pong that may wait behind other frames.
#[derive(Debug)]
struct PongSlot {
    /// Bytes that go before it: whole frames, so the Pong falls between two.
    before: usize,
    frame: [u8; Header::MAX_LEN - 8 + 125],
    len: u8,
    written: u8,
    /// The newest Pong, if a Ping came while `frame` was partly written.
    next: Option<Box<[u8]>>,
}

impl PongSlot {
    fn rest(&self) -> &[u8] {
        self.frame.get(usize::from(self.written)..usize::from(self.len)).unwrap_or_default()
    }

    /// Puts the Pong's frame in place. `payload` has at most 125 bytes.
    fn fill(&mut self, key: Option<[u8; 4]>, payload: &[u8]) {
        let mut header = [0; Header::MAX_LEN];
        let n = control_header(OpCode::Pong, key, payload.len()).encode(&mut header);
        let key = key.unwrap_or_default();
        let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        let bytes = header.into_iter().take(n).chain(masked);
        self.len = 0;
        for (to, from) in self.frame.iter_mut().zip(bytes) {
            *to = from;
            self.len += 1;
        }
        self.written = 0;
    }
}

const fn control_header(opcode: OpCode, mask: Option<[u8; 4]>, len: usize) -> Header {
    Header { fin: true, rsv: 0, opcode, mask, len: len as u64 }
}

impl Outbox {
    /// Whether nothing waits.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        // `advance` frees what it has emptied.
        self.tail.is_empty() && self.more.is_none()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken() + self.frames_len() + self.pong().map_or(0, |slot| slot.rest().len())
    }

    /// Takes the next bytes out, uncopied, for a writer that must not hold on to the connection meanwhile. They
    /// count as waiting until [`advance`](Buf::advance) tells that they have been written, and are not shown again.
    pub fn take_chunk(&mut self) -> Bytes {
        let n = self.chunk().len();
        let more = self.more.get_or_insert_default();
        let bytes = match more.queue.front_mut() {
            _ if more.pong.as_ref().is_some_and(|slot| slot.before <= n) => None,
            Some(Segment::Shared(bytes)) => Some(mem::take(bytes)),
            Some(Segment::Frames(bytes, read)) => {
                let mut bytes = Bytes::from(mem::take(bytes));
                bytes.advance(mem::take(read));
                Some(bytes)
            }
            None => {
                self.last_pong = 0;
                let mut bytes = Bytes::from(mem::take(&mut self.tail));
                bytes.advance(mem::take(&mut self.tail_read));
                Some(bytes)
            }
        };
        let bytes = match bytes {
            Some(bytes) => {
                if more.queue.pop_front().is_some() {
                    more.queued -= n;
                }
                if let Some(slot) = &mut more.pong {
                    slot.before -= n;
                }
                bytes
            }
            None => {
                let bytes = Bytes::copy_from_slice(self.chunk());
                self.advance_chunk(n);
                bytes
            }
        };
        let more = self.more.get_or_insert_default();
        more.taken += n;
        self.drop_empty_more();
        bytes
    }

    /// Whether anything was written since the last call.
    pub(crate) const fn take_progress(&mut self) -> bool {
        mem::replace(&mut self.progressed, false)
    }

    /// The wake-up finds something still in here: the transport is slower than what is sent.
    pub(crate) const fn note_wait(&mut self) {
        self.blocked = true;
    }

    /// Whether anything was written since the last [`take_progress`](Self::take_progress).
    pub(crate) const fn has_progressed(&self) -> bool {
        self.progressed
    }

    /// Bytes written since the beginning.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Takes the storage away that an empty outbox keeps, for a pool or to be dropped: it is empty, of at most 4 KiB. New
    /// storage is made when it is needed, unless some is [lent](Self::lend).
    pub fn park(&mut self) -> Option<Vec<u8>> {
        if self.is_empty() && self.tail.capacity() > 0 { Some(mem::take(&mut self.tail)) } else { None }
    }

    /// Gives the outbox what `storage` makes, if it has no storage of its own. What is in it is thrown away.
    pub fn lend(&mut self, storage: impl FnOnce() -> Vec<u8>) {
        if self.tail.capacity() == 0 {
            self.tail = storage();
            self.tail.clear();
        }
    }

    fn taken(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.taken)
    }

    fn pong(&self) -> Option<&PongSlot> {
        self.more.as_ref()?.pong.as_deref()
    }

    fn frames_len(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.queued) + self.tail.len() - self.tail_read
    }

    /// Queues a frame.
    #[inline]
    pub(crate) fn push(&mut self, header: Header, data: Data<'_>) {
        self.compact();
        self.last_pong = 0;
        let mut bytes = [0; Header::MAX_LEN];
        let n = header.encode(&mut bytes);
        self.tail.extend_from_slice(bytes.get(..n).unwrap_or_default());
        match (data, header.mask) {
            (Data::Shared(payload), None) if payload.len() >= SHARE_FROM => self.push_shared(payload),
            (Data::Shared(payload), Some(key)) if payload.len() >= SHARE_FROM => match payload.try_into_mut()
            {
                // Nobody else holds these bytes: they are masked where they lie.
                Ok(mut owned) => {
                    Mask::new(key).apply(&mut owned);
                    self.push_shared(owned.freeze());
                }
                Err(payload) => Mask::new(key).copy(&payload, &mut self.tail),
            },
            (data, None) => self.tail.extend_from_slice(data.as_slice()),
            (data, Some(key)) => Mask::new(key).copy(data.as_slice(), &mut self.tail),
        }
    }

    /// Queues a frame with what `write` appends for payload, which is masked where it lies; `header` has the length
    /// that is expected. False, and nothing is queued, if that is nothing and more follows.
    pub(crate) fn push_written(&mut self, mut header: Header, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.compact();
        let start = self.tail.len();
        let mut bytes = [0; Header::MAX_LEN];
        let expected = start + header.encode(&mut bytes);
        self.tail.resize(expected, 0);
        write(&mut self.tail);
        // A codec that takes away what is not its own breaks its own messages, but not the outbox.
        self.tail.resize(self.tail.len().max(start), 0);
        let Some(len) = self.tail.len().checked_sub(expected).filter(|len| *len > 0 || header.fin) else {
            self.tail.truncate(start);
            if self.tail.is_empty() && self.tail.capacity() > KEEP {
                self.tail = Vec::new();
            }
            return false;
        };
        self.last_pong = 0;
        header.len = len as u64;
        let n = header.encode(&mut bytes);
        if start + n != expected {
            // Another length than expected: the payload moves up to its header.
            self.tail.resize(self.tail.len().max(start + n + len), 0);
            self.tail.copy_within(expected..expected + len, start + n);
            self.tail.truncate(start + n + len);
        }
        if let Some((place, payload)) =
            self.tail.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(n))
        {
            place.copy_from_slice(bytes.get(..n).unwrap_or_default());
            if let Some(key) = header.mask {
                Mask::new(key).apply(payload);
            }
        }
        true
    }

    /// Queues the Close frame, behind which nothing may come; `payload` has at most 125 bytes.
    pub(crate) fn push_close(&mut self, key: Option<[u8; 4]>, payload: &[u8]) {
        let next = self.more.as_mut().and_then(|more| more.pong.as_mut()).and_then(|slot| slot.next.take());
        if let Some((pong_key, pong)) = next.as_deref().and_then(<[u8]>::split_first_chunk::<4>) {
            self.push_control(OpCode::Pong, key.map(|_| *pong_key), pong);
        }
        self.push_control(OpCode::Close, key, payload);
    }

    /// Queues a control frame; `payload` has at most 125 bytes.
    pub(crate) fn push_control(&mut self, opcode: OpCode, key: Option<[u8; 4]>, payload: &[u8]) {
        self.push(control_header(opcode, key, payload.len()), Data::Borrowed(payload));
    }

    /// Queues bytes that are whole frames already.
    pub(crate) fn push_encoded(&mut self, frames: &Bytes) {
        self.last_pong = 0;
        if frames.len() >= SHARE_FROM {
            self.push_shared(frames.clone());
        } else {
            self.compact();
            self.tail.extend_from_slice(frames);
        }
    }

    fn push_shared(&mut self, bytes: Bytes) {
        let more = self.more.get_or_insert_default();
        let read = mem::take(&mut self.tail_read);
        if !self.tail.is_empty() {
            more.queued += self.tail.len() - read;
            more.queue.push_back(Segment::Frames(mem::take(&mut self.tail), read));
        }
        more.queued += bytes.len();
        more.queue.push_back(Segment::Shared(bytes));
    }

    /// Drops the written beginning of the tail, at most once for each time that as much was written.
    fn compact(&mut self) {
        if self.tail_read > KEEP && self.tail_read * 2 >= self.tail.len() {
            self.tail.drain(..self.tail_read);
            self.tail_read = 0;
        }
    }

    /// Queues a Pong, or puts it in the place of the one that waits: "If an endpoint receives a Ping frame and has
    /// not yet sent Pong frame(s) in response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for
    /// only the most recently processed Ping frame" ([RFC 6455 §5.5.3]).
    ///
    /// [RFC 6455 §5.5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
    pub(crate) fn push_pong(&mut self, key: Option<[u8; 4]>, payload: &[u8]) {
        // Behind a Pong in the slot there is none in the tail, so they go in the order of their Pings.
        let slot_is_free = self.pong().is_none();
        let unwritten = slot_is_free
            && self.last_pong > 0
            && self.tail.len() - self.tail_read >= usize::from(self.last_pong);
        let len = payload.len() + if key.is_some() { 6 } else { 2 };
        let batched = slot_is_free && !self.blocked && usize::from(self.pong_bytes) + len <= PONG_BATCH;
        if unwritten && !batched {
            self.tail.truncate(self.tail.len() - usize::from(self.last_pong));
            self.pong_bytes = self.pong_bytes.saturating_sub(self.last_pong);
        }
        if unwritten || batched {
            self.push_control(OpCode::Pong, key, payload);
            self.last_pong = u8::try_from(len).unwrap_or(0); // at most 131
            self.pong_bytes = self.pong_bytes.saturating_add(self.last_pong);
            return;
        }
        let before = self.frames_len();
        let slot = self.more.get_or_insert_default().pong.get_or_insert_with(|| {
            Box::new(PongSlot { before, frame: [0; 131], len: 0, written: 0, next: None })
        });
        if slot.written == 0 {
            slot.fill(key, payload);
        } else {
            // Half of the old Pong is on the wire already.
            let key = key.unwrap_or_default();
            slot.next = Some(key.iter().chain(payload).copied().collect());
        }
    }
}

impl Buf for Outbox {
    /// What waits, less what was [taken out](Self::take_chunk).
    fn remaining(&self) -> usize {
        self.len() - self.taken()
    }

    fn chunk(&self) -> &[u8] {
        let tail = self.tail.get(self.tail_read..).unwrap_or_default();
        let Some(more) = &self.more else { return tail };
        let front = more.queue.front().map_or(tail, Segment::bytes);
        match &more.pong {
            Some(slot) if slot.before == 0 => slot.rest(),
            Some(slot) => front.get(..slot.before).unwrap_or(front),
            None => front,
        }
    }

    /// Past the end, it stops at the end.
    fn advance(&mut self, n: usize) {
        let mut n = n.min(self.len());
        self.written += n as u64;
        self.progressed |= n > 0;
        if let Some(more) = &mut self.more {
            let taken = n.min(more.taken);
            more.taken -= taken;
            n -= taken;
            self.drop_empty_more();
        }
        while n > 0 {
            let step = n.min(self.chunk().len());
            n -= step;
            self.advance_chunk(step);
        }
        if self.is_empty() {
            (self.blocked, self.pong_bytes) = (false, 0);
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut put = |bytes: &'a [u8]| match dst.get_mut(filled) {
            Some(slot) if !bytes.is_empty() => {
                *slot = std::io::IoSlice::new(bytes);
                filled += 1;
            }
            _ => {}
        };
        let tail = self.tail.get(self.tail_read..).unwrap_or_default();
        let segments = self.more.iter().flat_map(|more| &more.queue).map(Segment::bytes);
        let mut slot = self.pong();
        let mut before = slot.map_or(0, |slot| slot.before);
        for bytes in segments.chain([tail]) {
            match (slot, bytes.split_at_checked(before)) {
                (Some(pong), Some((first, rest))) => {
                    put(first);
                    put(pong.rest());
                    put(rest);
                    slot = None;
                }
                (Some(_), None) => {
                    before -= bytes.len();
                    put(bytes);
                }
                (None, _) => put(bytes),
            }
        }
        filled
    }
}

impl Outbox {
    /// `n` is at most the length of the present chunk.
    #[inline]
    fn advance_chunk(&mut self, n: usize) {
        if let Some(more) = &mut self.more {
            match &mut more.pong {
                Some(slot) if slot.before == 0 => {
                    slot.written += u8::try_from(n).unwrap_or(u8::MAX);
                    if slot.written >= slot.len {
                        self.finish_pong();
                    }
                    return;
                }
                Some(slot) => slot.before -= n,
                None => {}
            }
            if let Some(segment) = more.queue.front_mut() {
                segment.advance(n);
                more.queued -= n;
                if segment.bytes().is_empty() {
                    more.queue.pop_front();
                }
                return self.drop_empty_more();
            }
        }
        self.tail_read += n;
        if self.tail_read == self.tail.len() {
            self.tail_read = 0;
            if self.tail.capacity() > KEEP { self.tail = Vec::new() } else { self.tail.clear() }
        }
    }

    fn drop_empty_more(&mut self) {
        if self
            .more
            .as_ref()
            .is_some_and(|more| more.queue.is_empty() && more.pong.is_none() && more.taken == 0)
        {
            self.more = None;
        }
    }

    /// The waiting Pong is written: the one that came in between goes next, behind all that waits now.
    fn finish_pong(&mut self) {
        let slot = self.more.as_mut().and_then(|more| more.pong.take());
        self.drop_empty_more();
        let Some(slot) = slot else { return };
        let Some((key, payload)) = slot.next.as_deref().and_then(<[u8]>::split_first_chunk::<4>) else {
            return;
        };
        // A server's frames carry no key; its slot holds zeros in that place.
        let masked = slot.frame.get(1).is_some_and(|byte| byte & 0x80 != 0);
        self.push_pong(masked.then_some(*key), payload);
    }
}
