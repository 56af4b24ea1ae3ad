//! [`Pipe`]: one end of a transport in memory, whose waits are the explorer's.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use websans_testkit::schedules::{Mutex, MutexGuard, rand, time::Condvar};

use crate::{CloneStream, Stream};

/// One end, which all its clones share. When the last is dropped, it is shut down.
pub(super) struct Pipe {
    end: Arc<End>,
}

struct End {
    inbound: Arc<Way>,
    outbound: Arc<Way>,
    /// Of reads and of writes, for all clones, as with sockets.
    timeouts: std::sync::Mutex<[Option<Duration>; 2]>,
    /// What writes have taken and no flush has let go yet, if this is such a stream.
    held: Option<Mutex<Vec<u8>>>,
}

/// The bytes that are on their way in one direction.
struct Way {
    capacity: usize,
    flow: Mutex<Flow>,
    changed: Condvar,
}

#[derive(Default)]
struct Flow {
    bytes: VecDeque<u8>,
    /// Nothing more is written.
    ended: bool,
    /// Nothing more is read.
    unheard: bool,
    failed: bool,
}

/// Two ends, with so many bytes between them each way.
pub(super) fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let way = || Arc::new(Way { capacity, flow: Mutex::default(), changed: Condvar::new() });
    let (there, back) = (way(), way());
    let end = |inbound: &Arc<Way>, outbound: &Arc<Way>| {
        let (inbound, outbound) = (Arc::clone(inbound), Arc::clone(outbound));
        Pipe { end: Arc::new(End { inbound, outbound, timeouts: std::sync::Mutex::default(), held: None }) }
    };
    (end(&back, &there), end(&there, &back))
}

impl Pipe {
    /// One that holds back what it has taken until it is flushed, as TLS may.
    pub(super) fn holding(mut self) -> Self {
        Arc::get_mut(&mut self.end).unwrap().held = Some(Mutex::default());
        self
    }

    /// Breaks the connection: what is under way is lost.
    pub(super) fn fail(&self) {
        for way in [&self.end.inbound, &self.end.outbound] {
            way.change(|flow| flow.failed = true);
        }
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Flow)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Moves bytes as soon as any can be.
    fn when(
        &self,
        timeout: Option<Duration>,
        mut moves: impl FnMut(&mut Flow) -> Option<io::Result<usize>>,
    ) -> io::Result<usize> {
        let mut flow = self.lock();
        let mut over = false;
        loop {
            let moved =
                if flow.failed { Some(Err(io::ErrorKind::ConnectionReset.into())) } else { moves(&mut flow) };
            match moved {
                Some(moved) => {
                    drop(flow);
                    self.changed.notify_all();
                    return moved;
                }
                None if over => return Err(io::ErrorKind::WouldBlock.into()),
                None => match timeout {
                    Some(timeout) => {
                        let (woken, result) = self.changed.wait_timeout(flow, timeout).unwrap();
                        (flow, over) = (woken, result.timed_out());
                    }
                    None => flow = self.changed.wait(flow).unwrap(),
                },
            }
        }
    }

    fn write(&self, bytes: &[u8], timeout: Option<Duration>) -> io::Result<usize> {
        self.when(timeout, |flow| {
            let room = self.capacity - flow.bytes.len();
            if flow.ended || flow.unheard {
                return Some(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let n = some(room.min(bytes.len()));
            flow.bytes.extend(&bytes[..n]);
            (n > 0).then_some(Ok(n))
        })
    }

    fn read(&self, buffer: &mut [u8], timeout: Option<Duration>) -> io::Result<usize> {
        self.when(timeout, |flow| {
            if flow.unheard || flow.bytes.is_empty() && flow.ended {
                return Some(Ok(0));
            }
            let n = some(flow.bytes.len().min(buffer.len()));
            for (to, from) in buffer.iter_mut().zip(flow.bytes.drain(..n)) {
                *to = from;
            }
            (n > 0).then_some(Ok(n))
        })
    }
}

/// All, or now and then fewer.
fn some(n: usize) -> usize {
    use rand::Rng as _;
    if n > 1 && rand::thread_rng().gen_ratio(1, 4) { n / 2 } else { n }
}

impl End {
    fn timeouts(&self) -> [Option<Duration>; 2] {
        *self.timeouts.lock().unwrap()
    }

    fn shutdown(&self, how: Shutdown) {
        if how != Shutdown::Read {
            self.outbound.change(|flow| flow.ended = true);
        }
        if how != Shutdown::Write {
            self.inbound.change(|flow| flow.unheard = true);
        }
    }

    fn let_go(&self, held: &mut Vec<u8>) -> io::Result<()> {
        while !held.is_empty() {
            let n = self.outbound.write(held, self.timeouts()[1])?;
            held.drain(..n);
        }
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Both);
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.end.inbound.read(buffer, self.end.timeouts()[0])
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(held) = &self.end.held else {
            return self.end.outbound.write(bytes, self.end.timeouts()[1]);
        };
        let mut held = held.lock().unwrap();
        if held.len() >= self.end.outbound.capacity {
            self.end.let_go(&mut held)?;
        }
        held.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.end.held {
            Some(held) => self.end.let_go(&mut held.lock().unwrap()),
            None => Ok(()),
        }
    }
}

impl Stream for Pipe {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.end.timeouts.lock().unwrap()[0] = timeout;
        Ok(())
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.end.timeouts.lock().unwrap()[1] = timeout;
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.end.shutdown(how);
        Ok(())
    }
}

impl CloneStream for Pipe {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { end: Arc::clone(&self.end) })
    }
}
