//! [`Pipe`]: one direction of a transport.

use std::collections::VecDeque;

/// Bytes on their way, in order.
pub(super) struct Pipe {
    bytes: VecDeque<u8>,
    /// Bytes that may be on their way.
    pub(super) capacity: usize,
    /// Nothing moves, in or out.
    pub(super) stalled: bool,
    /// The reader will see the end behind the bytes that are on their way.
    ended: bool,
    /// The reader is gone.
    unread: bool,
}

impl Pipe {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, stalled: false, ended: false, unread: false }
    }

    /// How much of `bytes` the transport takes. What is written behind a cut, or to nobody, is lost.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        if self.ended || self.unread {
            return bytes.len();
        }
        if self.stalled {
            return 0;
        }
        let n = bytes.len().min(self.capacity - self.bytes.len());
        self.bytes.extend(&bytes[..n]);
        n
    }

    /// What has arrived, into `room`.
    pub(super) fn read(&mut self, room: &mut [u8]) -> usize {
        if self.stalled {
            return 0;
        }
        let n = room.len().min(self.bytes.len());
        room[..n].copy_from_slice(&self.bytes.make_contiguous()[..n]);
        self.bytes.drain(..n);
        n
    }

    /// Whether the reader sees the end.
    pub(super) fn at_end(&self) -> bool {
        self.ended && self.bytes.is_empty() && !self.stalled
    }

    /// The writer ends its side, or the transport breaks.
    pub(super) fn cut(&mut self) {
        self.ended = true;
    }

    /// The reader lets go.
    pub(super) fn leave(&mut self) {
        self.unread = true;
        self.bytes.clear();
    }
}
