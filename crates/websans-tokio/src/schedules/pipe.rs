//! [`Pipe`]: one end of a transport in memory, whose locks are the explorer's.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websans_testkit::schedules::{Mutex, MutexGuard, rand};

/// One end. Like a socket, it remembers for reading and for writing one waker each, that of the last poll.
pub(super) struct Pipe {
    inbound: Arc<Way>,
    outbound: Arc<Way>,
    /// What writes have taken and no flush has let go yet, if this is such a transport.
    held: Option<Vec<u8>>,
}

/// The bytes that are on their way in one direction.
struct Way {
    capacity: usize,
    flow: Mutex<Flow>,
}

#[derive(Default)]
struct Flow {
    bytes: VecDeque<u8>,
    /// Nothing more is written.
    ended: bool,
    /// Nothing more is read.
    unheard: bool,
    failed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What breaks a connection.
pub(super) struct Breaker([Arc<Way>; 2]);

/// Two ends, with so many bytes between them each way.
pub(super) fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let way = || Arc::new(Way { capacity, flow: Mutex::default() });
    let (there, back) = (way(), way());
    let end = |inbound: &Arc<Way>, outbound: &Arc<Way>| {
        let (inbound, outbound) = (Arc::clone(inbound), Arc::clone(outbound));
        Pipe { inbound, outbound, held: None }
    };
    (end(&back, &there), end(&there, &back))
}

impl Pipe {
    /// One that holds back what it has taken until it is flushed, as TLS may.
    pub(super) fn holding(mut self) -> Self {
        self.held = Some(Vec::new());
        self
    }

    pub(super) fn breaker(&self) -> Breaker {
        Breaker([Arc::clone(&self.inbound), Arc::clone(&self.outbound)])
    }

    fn poll_let_go(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        while let Some(held @ [_, ..]) = self.held.as_deref() {
            let n = ready!(self.outbound.poll_write(held, cx))?;
            self.held.as_mut().map(|held| held.drain(..n));
        }
        Poll::Ready(Ok(()))
    }
}

impl Breaker {
    /// What is under way is lost.
    pub(super) fn fail(&self) {
        self.0.iter().for_each(|way| way.change(|flow| flow.failed = true));
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, and wakes all who wait for that.
    fn change<T>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        let mut flow = self.lock();
        let changed = change(&mut flow);
        let waiting = [flow.reader.take(), flow.writer.take()];
        drop(flow);
        waiting.into_iter().flatten().for_each(Waker::wake);
        changed
    }

    fn poll_write(&self, bytes: &[u8], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        let mut flow = self.lock();
        let n = some((self.capacity - flow.bytes.len()).min(bytes.len()));
        if flow.failed {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if flow.ended || flow.unheard {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if n == 0 {
            flow.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        flow.bytes.extend(&bytes[..n]);
        let reader = flow.reader.take();
        drop(flow);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(n))
    }

    fn poll_read(&self, most: usize, cx: &Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut flow = self.lock();
        if flow.failed {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let n = some(flow.bytes.len().min(most));
        if n == 0 && !flow.ended {
            flow.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = flow.bytes.drain(..n).collect();
        let writer = flow.writer.take();
        drop(flow);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(read))
    }
}

/// All, or now and then fewer.
fn some(n: usize) -> usize {
    use rand::Rng as _;
    if n > 1 && rand::thread_rng().gen_ratio(1, 4) { n / 2 } else { n }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.outbound.change(|flow| flow.ended = true);
        self.inbound.change(|flow| flow.unheard = true);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.inbound.poll_read(buf.remaining(), cx))?;
        buf.put_slice(&read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.held.as_ref().is_some_and(|held| held.len() >= this.outbound.capacity) {
            ready!(this.poll_let_go(cx))?;
        }
        match &mut this.held {
            Some(held) => {
                held.extend(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            None => this.outbound.poll_write(bytes, cx),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_let_go(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_let_go(cx))?;
        this.outbound.change(|flow| flow.ended = true);
        Poll::Ready(Ok(()))
    }
}
