//! [`Upgraded`]: what carries the bytes of a connection that the middleware has accepted.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Version;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websans_tokio::Grouped;

/// What carries the bytes of a connection that the middleware has accepted: the TCP or TLS connection of HTTP/1.1, or a stream of
/// HTTP/2.
///
/// Of the latter: END_STREAM is the end of input, and so is RST_STREAM with CANCEL, which hyper does not tell apart; other resets are
/// errors. What the application does not read is held back by HTTP/2's flow control, and only on this stream, as long as the
/// connection's window is wider than the stream's. Dropped before it was closed, the stream is ended.
pub struct Upgraded {
    io: Grouped<TokioIo<hyper::upgrade::Upgraded>>,
    /// Most bytes of a write.
    most: usize,
}

/// Most bytes of a write to a stream of HTTP/2: hyper takes whatever it is given, and copies it, whether the client reads or not. So
/// little is out of our hands then, and that the client reads slowly is not taken for that it does not.
const STREAM_WRITE: usize = 16 << 10;

impl Upgraded {
    pub(crate) fn new(io: Grouped<TokioIo<hyper::upgrade::Upgraded>>, version: Version) -> Self {
        Self { io, most: if version < Version::HTTP_2 { usize::MAX } else { STREAM_WRITE } }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let most = buf.len().min(self.most);
        Pin::new(&mut self.io).poll_write(cx, &buf[..most])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.most < usize::MAX {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.most == usize::MAX && self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}
