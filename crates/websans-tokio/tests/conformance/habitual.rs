//! [`Habitual`]: a stream that counts what is asked of it, and has the habits that a scenario gives it.

use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websans_testkit::conformance::{Habits, WriteHabit};

pub(crate) struct Habitual<S> {
    io: S,
    habits: Arc<Habits>,
    /// What is written and not flushed.
    hoard: Vec<u8>,
    /// Whether it has habits yet.
    is_awake: Arc<AtomicBool>,
}

impl<S: Unpin> Habitual<S> {
    pub(crate) fn new(io: S, habits: Arc<Habits>) -> Self {
        Self::asleep(io, habits, Arc::new(AtomicBool::new(true)))
    }

    /// One that does as it is told, and counts nothing, until it is woken: for an opening handshake that goes through it.
    pub(crate) fn asleep(io: S, habits: Arc<Habits>, is_awake: Arc<AtomicBool>) -> Self {
        Self { io, habits, hoard: Vec::new(), is_awake }
    }

    fn is_asleep(&self) -> bool {
        !self.is_awake.load(SeqCst)
    }

    fn io(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.io)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Habitual<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_asleep() {
            return self.io().poll_read(cx, out);
        }
        let before = out.filled().len();
        let most = self.habits.note_read();
        if most < out.remaining() {
            let mut bytes = [0; 64];
            let len = most.min(bytes.len());
            let mut few = ReadBuf::new(&mut bytes[..len]);
            ready!(self.io().poll_read(cx, &mut few))?;
            out.put_slice(few.filled());
        } else {
            ready!(self.io().poll_read(cx, out))?;
        }
        match self.habits.note_end() {
            Some(end) if out.filled().len() == before => Poll::Ready(Err(end.into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> Habitual<S> {
    fn write(
        &mut self,
        write: impl FnOnce(&mut Self, usize) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = match self.habits.note_write() {
            WriteHabit::Fail => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
            WriteHabit::AtMost(0) => return Poll::Ready(Ok(0)),
            WriteHabit::AtMost(most) => ready!(write(self, most)),
        };
        match self.habits.note_end() {
            Some(end) if written.is_err() => Poll::Ready(Err(end.into())),
            _ => Poll::Ready(written),
        }
    }

    /// Writes the hoard out.
    fn move_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.hoard.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.hoard))?;
            self.hoard.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Habitual<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_asleep() {
            return self.io().poll_write(cx, bytes);
        }
        self.write(|stream, most| {
            if stream.habits.hoards() {
                stream.hoard.extend_from_slice(bytes);
                return Poll::Ready(Ok(bytes.len()));
            }
            stream.io().poll_write(cx, &bytes[..bytes.len().min(most)])
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_asleep() {
            return self.io().poll_write_vectored(cx, slices);
        }
        self.write(|stream, most| match slices.iter().find(|slice| !slice.is_empty()) {
            _ if stream.habits.hoards() => Poll::Ready(stream.hoard.write_vectored(slices)),
            Some(first) if most < usize::MAX => stream.io().poll_write(cx, &first[..first.len().min(most)]),
            _ => stream.io().poll_write_vectored(cx, slices),
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.move_on(cx))?;
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.move_on(cx))?;
        self.io().poll_shutdown(cx)
    }
}
