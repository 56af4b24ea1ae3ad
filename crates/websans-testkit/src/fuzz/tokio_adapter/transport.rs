//! [`Transport`]: a tokio stream that does what a [`Link`] decides.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::adapters::{Io, Link};

/// A transport, as it is seen from outside.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) link: RefCell<Link>,
    /// Who is to be woken when there is something to read. Like a socket, it remembers one.
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    /// Whether anything has happened since this was last asked.
    moved: Cell<bool>,
}

impl Wire {
    pub(super) fn new(link: Link) -> Self {
        let (reader, writer, moved) = Default::default();
        Self { link: RefCell::new(link), reader, writer, moved }
    }

    /// Is ready for what it let wait: first to read, then to write. Whether anybody waited.
    pub(super) fn ready(&self) -> bool {
        let waker = self.reader.take().or_else(|| self.writer.take());
        waker.map(Waker::wake).is_some()
    }

    pub(super) fn take_moved(&self) -> bool {
        self.moved.replace(false)
    }

    /// What `io` is to one who writes, with what he remembers.
    fn write<T>(
        &self,
        io: Io,
        cx: &Context<'_>,
        moved: impl FnOnce(usize) -> T,
        none: T,
    ) -> Poll<io::Result<T>> {
        self.outcome(io, &self.writer, cx, moved, none)
    }

    fn outcome<T>(
        &self,
        io: Io,
        waiting: &RefCell<Option<Waker>>,
        cx: &Context<'_>,
        moved: impl FnOnce(usize) -> T,
        none: T,
    ) -> Poll<io::Result<T>> {
        match io {
            Io::Move(n) => {
                self.moved.set(true);
                Poll::Ready(Ok(moved(n)))
            }
            Io::Wait => {
                waiting.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
            // A socket would remember him. That he is never woken is what counts.
            Io::Never => Poll::Pending,
            Io::Interrupted => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            Io::Failed => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Io::CutOff => Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
            Io::End => Poll::Ready(Ok(none)),
        }
    }
}

/// The application's end of it.
#[derive(Debug)]
pub(super) struct Transport(Rc<Wire>);

impl Transport {
    pub(super) fn new(wire: &Rc<Wire>) -> Self {
        Self(Rc::clone(wire))
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut link = self.0.link.borrow_mut();
        let io = link.read_next();
        let take = |n| buf.put_slice(link.take(n, buf.remaining()));
        self.0.outcome(io, &self.0.reader, cx, take, ())
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = self.0.link.borrow_mut();
        let io = link.write_next();
        self.0.write(io, cx, |n| link.put(n, [buf]), 0)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut link = self.0.link.borrow_mut();
        let io = link.write_next();
        self.0.write(io, cx, |n| link.put(n, bufs.iter().map(|buf| &**buf)), 0)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.0.link.borrow_mut().flush_next();
        self.0.write(io, cx, |_| (), ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = self.0.link.borrow_mut().flush_next();
        let ended = self.0.write(io, cx, |_| (), ());
        self.0.link.borrow_mut().shut |= matches!(ended, Poll::Ready(Ok(())));
        ended
    }
}
