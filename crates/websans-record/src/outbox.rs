//! [`RecordedOutbox`]: what waits to be written, with a note of what leaves.

use std::io::{IoSlice, Write};

use bytes::{Buf, Bytes};
use websans::Outbox;

use crate::code;
use crate::record::{MOST_LENT, Stop, tag};
use crate::tape::Tape;

/// The [`Outbox`] of a [`Recorder`](crate::Recorder), with its methods.
#[allow(missing_debug_implementations, reason = "a borrow for a moment")]
pub struct RecordedOutbox<'r, W> {
    outbox: &'r mut Outbox,
    tape: &'r mut Tape<W>,
}

impl<'r, W: Write> RecordedOutbox<'r, W> {
    pub(crate) fn new(outbox: &'r mut Outbox, tape: &'r mut Tape<W>) -> Self {
        Self { outbox, tape }
    }

    fn end(&mut self) {
        let len = self.outbox.len() as u64;
        self.tape.hash().word(len);
        // No key is drawn when bytes leave.
        self.tape.end(code::NOTHING, &[]);
    }

    /// [`Outbox::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    /// [`Outbox::len`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.outbox.len()
    }

    /// [`Outbox::take_chunk`].
    pub fn take_chunk(&mut self) -> Bytes {
        let taken = self.outbox.take_chunk();
        if self.tape.is_on() {
            self.tape.begin(tag::TAKEN).int(taken.len() as u64);
            self.tape.leaves(&taken);
            self.end();
        }
        taken
    }

    /// [`Outbox::park`].
    pub fn park(&mut self) -> Option<Vec<u8>> {
        let parked = self.outbox.park();
        if self.tape.is_on() {
            self.tape.begin(tag::OUTBOX_PARK);
            self.end();
        }
        parked
    }

    /// [`Outbox::lend`]. The recording stops at storage of more than 16 MiB.
    pub fn lend(&mut self, storage: impl FnOnce() -> Vec<u8>) {
        let mut capacity = None;
        self.outbox.lend(|| {
            let storage = storage();
            capacity = Some(storage.capacity());
            storage
        });
        match capacity {
            Some(capacity) if self.tape.is_on() && capacity > MOST_LENT => {
                self.tape.stop(Stop::Inexpressible)
            }
            Some(capacity) if self.tape.is_on() => {
                self.tape.begin(tag::OUTBOX_LEND).int(capacity as u64);
                self.end();
            }
            // It was not asked for.
            _ => {}
        }
    }
}

impl<W: Write> Buf for RecordedOutbox<'_, W> {
    fn remaining(&self) -> usize {
        self.outbox.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.outbox.chunk()
    }

    fn advance(&mut self, n: usize) {
        let n = n.min(self.outbox.len());
        if !self.tape.is_on() || n == 0 {
            return self.outbox.advance(n);
        }
        self.tape.begin(tag::WRITTEN).int(n as u64);
        // What was taken out before has been noted then.
        let taken = (self.outbox.len() - self.outbox.remaining()).min(n);
        if taken > 0 {
            self.outbox.advance(taken);
        }
        let mut left = n - taken;
        while left > 0 {
            let chunk = self.outbox.chunk();
            let step = left.min(chunk.len());
            self.tape.leaves(chunk.get(..step).unwrap_or_default());
            self.outbox.advance(step);
            left -= step;
        }
        self.end();
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        self.outbox.chunks_vectored(dst)
    }
}
