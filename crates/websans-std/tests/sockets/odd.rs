//! [`Odd`]: a stream that counts what is asked of it, and has bad habits.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use websans_std::{CloneStream, Stream};

/// What a stream does, shared by its clones and the test.
#[derive(Debug)]
pub(crate) struct Habits {
    /// Calls of `read` and of `write`.
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    /// Most bytes moved by one call.
    pub(crate) most_read: AtomicUsize,
    pub(crate) most_write: AtomicUsize,
    /// Every so many calls one is interrupted; 0: none.
    pub(crate) interrupt_every: AtomicUsize,
    /// Milliseconds that pass between a read's end and its return, as if the thread had not been scheduled.
    pub(crate) lag: AtomicU64,
    /// The same for writes.
    pub(crate) write_lag: AtomicU64,
    /// Writes take nothing and say so.
    pub(crate) takes_nothing: AtomicBool,
    /// Writes fail.
    pub(crate) broken: AtomicBool,
    /// Flushes say that not all has left.
    pub(crate) holds: AtomicBool,
}

impl Habits {
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(SeqCst)
    }

    pub(crate) fn writes(&self) -> usize {
        self.writes.load(SeqCst)
    }

    fn interrupts(&self) -> bool {
        let every = self.interrupt_every.load(SeqCst);
        every > 0 && (self.reads() + self.writes()) % every == 0
    }
}

#[derive(Debug)]
pub(crate) struct Odd<S> {
    io: S,
    habits: Arc<Habits>,
}

impl<S> Odd<S> {
    pub(crate) fn new(io: S) -> (Self, Arc<Habits>) {
        let habits = Arc::new(Habits {
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            most_read: AtomicUsize::new(usize::MAX),
            most_write: AtomicUsize::new(usize::MAX),
            interrupt_every: AtomicUsize::new(0),
            lag: AtomicU64::new(0),
            write_lag: AtomicU64::new(0),
            takes_nothing: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            holds: AtomicBool::new(false),
        });
        (Self { io, habits: Arc::clone(&habits) }, habits)
    }
}

impl<S: Read> Read for Odd<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.habits.reads.fetch_add(1, SeqCst);
        if self.habits.interrupts() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(self.habits.most_read.load(SeqCst));
        let n = self.io.read(&mut buffer[..most])?;
        if n > 0 {
            thread::sleep(Duration::from_millis(self.habits.lag.load(SeqCst)));
        }
        Ok(n)
    }
}

impl<S: Write> Odd<S> {
    /// What a write is to do instead of writing.
    fn refuses(&self) -> Option<io::Result<usize>> {
        self.habits.writes.fetch_add(1, SeqCst);
        if self.habits.interrupts() {
            return Some(Err(io::ErrorKind::Interrupted.into()));
        }
        if self.habits.broken.load(SeqCst) {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.habits.takes_nothing.load(SeqCst).then_some(Ok(0))
    }
}

impl<S: Write> Write for Odd<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(refusal) = self.refuses() {
            return refusal;
        }
        let most = bytes.len().min(self.habits.most_write.load(SeqCst));
        let n = self.io.write(&bytes[..most])?;
        thread::sleep(Duration::from_millis(self.habits.write_lag.load(SeqCst)));
        Ok(n)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.habits.most_write.load(SeqCst) == usize::MAX {
            return match self.refuses() {
                Some(refusal) => refusal,
                None => {
                    let n = self.io.write_vectored(slices)?;
                    thread::sleep(Duration::from_millis(self.habits.write_lag.load(SeqCst)));
                    Ok(n)
                }
            };
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        first.map_or(Ok(0), |slice| self.write(slice))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.habits.holds.load(SeqCst) {
            thread::sleep(Duration::from_millis(5));
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.io.flush()
    }
}

impl<S: Stream> Stream for Odd<S> {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.shutdown(how)
    }
}

impl<S: CloneStream> CloneStream for Odd<S> {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.try_clone()?, habits: Arc::clone(&self.habits) })
    }
}
