//! [`Habits`]: what a stream between the subject and its transport counts and does.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// What the subject's stream does and how often, shared by the stream and the scenario.
///
/// Adapters put a stream of their own around the transport, which keeps these.
#[derive(Debug)]
pub struct Habits {
    reads: AtomicUsize,
    writes: AtomicUsize,
    most_read: AtomicUsize,
    most_write: AtomicUsize,
    takes_nothing: AtomicBool,
    broken: AtomicBool,
    reset: AtomicBool,
    cuts: AtomicBool,
    hoards: AtomicBool,
}

impl Habits {
    /// A stream without any.
    #[must_use]
    pub(super) fn none() -> Self {
        Self {
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            most_read: AtomicUsize::new(usize::MAX),
            most_write: AtomicUsize::new(usize::MAX),
            takes_nothing: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            reset: AtomicBool::new(false),
            cuts: AtomicBool::new(false),
            hoards: AtomicBool::new(false),
        }
    }

    /// For the stream: a read begins. How many bytes it may return.
    pub fn note_read(&self) -> usize {
        self.reads.fetch_add(1, SeqCst);
        self.most_read.load(SeqCst)
    }

    /// For the stream: a write begins. How many bytes it may take.
    pub fn note_write(&self) -> Write {
        self.writes.fetch_add(1, SeqCst);
        if self.broken.load(SeqCst) {
            Write::Fail
        } else if self.takes_nothing.load(SeqCst) {
            Write::AtMost(0)
        } else {
            Write::AtMost(self.most_write.load(SeqCst))
        }
    }

    /// For the stream: how a read of nothing is to be told, if not as that.
    pub fn note_end(&self) -> Option<ErrorKind> {
        if self.reset.load(SeqCst) {
            return Some(ErrorKind::ConnectionReset);
        }
        self.cuts.load(SeqCst).then_some(ErrorKind::UnexpectedEof)
    }

    /// For the stream: whether it holds on to what is written until it is flushed or shut down.
    pub fn hoards(&self) -> bool {
        self.hoards.load(SeqCst)
    }

    /// For a peer whose transport knows no reset.
    pub fn reset(&self) {
        self.reset.store(true, SeqCst);
    }

    /// Calls of the stream's reading.
    pub fn reads(&self) -> usize {
        self.reads.load(SeqCst)
    }

    /// Calls of the stream's writing.
    pub fn writes(&self) -> usize {
        self.writes.load(SeqCst)
    }

    /// From now on no read or write moves more than so many bytes.
    pub(super) fn halt(&self, most_read: usize, most_write: usize) {
        self.most_read.store(most_read, SeqCst);
        self.most_write.store(most_write, SeqCst);
    }

    /// From now on writes take nothing, and say so.
    pub(super) fn take_nothing(&self) {
        self.takes_nothing.store(true, SeqCst);
    }

    /// An end of the transport is told as TLS does when it has been cut off.
    pub(super) fn cut(&self) {
        self.cuts.store(true, SeqCst);
    }

    /// From now on what is written does not leave before it is flushed.
    pub(super) fn hoard(&self) {
        self.hoards.store(true, SeqCst);
    }

    /// From now on writes fail.
    pub(super) fn fail_writes(&self) {
        self.broken.store(true, SeqCst);
    }
}

/// What a write is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Take at most so many bytes; 0: none, successfully.
    AtMost(usize),
    /// Fail with a broken pipe.
    Fail,
}
