//! [`H2Stream`]: a stream of HTTP/2 as a transport.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::h2::{Reason, RecvStream, SendStream};
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::departure::Departures;

/// Most that is asked for of the windows at once. What one stream has been granted and does not use is lost to the others
/// of the connection for so long.
const MAX_WRITE: usize = 16 << 10;

/// A stream of HTTP/2, one of many of a connection, as a transport.
///
/// The end of the stream is the end of the transport, and shutting it down ends the stream's own side. A stream that the peer
/// resets is a transport that fails with [`ConnectionReset`](io::ErrorKind::ConnectionReset). Dropped before both sides have
/// ended, the stream is reset with `CANCEL`, and what was written and not flushed is lost; by a server whose side has ended it
/// is reset with `NO_ERROR`, which is what [RFC 9113 §8.1] has for that, and what a client reads as the end.
///
/// ```no_run
/// # async fn accept(
/// #     request: http::Request<::h2::RecvStream>,
/// #     mut respond: ::h2::server::SendResponse<bytes::Bytes>,
/// #     accepted: websans_tokio::handshake::server::Accepted,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use websans_tokio::h2::H2Stream;
/// use websans_tokio::{Config, Role, WebSocket};
///
/// // `accepted` is what `check_connect` and `Offer::answer` have made of the request.
/// let mut response = http::Response::builder().status(accepted.status());
/// for (name, value) in accepted.headers() {
///     response = response.header(name, value);
/// }
/// let outgoing = respond.send_response(response.body(())?, false)?;
/// let io = H2Stream::new(outgoing, request.into_body());
/// let mut socket =
///     WebSocket::from_handshake(io, Role::Server, Config::default(), accepted.negotiated, &[]);
/// # Ok(()) }
/// ```
///
/// [RFC 9113 §8.1]: https://www.rfc-editor.org/rfc/rfc9113#section-8.1
pub struct H2Stream {
    outgoing: SendStream<Bytes>,
    incoming: RecvStream,
    /// What has arrived and has not been read. The window is opened for what has been read only.
    unread: Bytes,
    /// What has been written and has not left.
    departures: Departures,
    /// Our side has ended.
    shut: bool,
}

impl H2Stream {
    /// A transport of the two halves of a stream.
    #[must_use]
    pub fn new(outgoing: SendStream<Bytes>, incoming: RecvStream) -> Self {
        let (unread, departures) = (Bytes::new(), Departures::default());
        Self { outgoing, incoming, unread, departures, shut: false }
    }

    /// Writes as much of `bufs` as the windows allow, in one frame.
    fn poll_write_all(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum::<usize>().min(MAX_WRITE);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.shut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // What was granted before and is not wanted any more goes back to the connection.
        self.outgoing.reserve_capacity(wanted);
        while self.outgoing.capacity() == 0 {
            match ready!(self.outgoing.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(self.lost(cx))),
            }
        }
        let mut left = self.outgoing.capacity().min(wanted);
        let mut data = Vec::with_capacity(left);
        for buf in bufs {
            let len = buf.len().min(left);
            data.extend_from_slice(&buf[..len]);
            left -= len;
        }
        let len = data.len();
        match self.outgoing.send_data(self.departures.of(data), false) {
            Ok(()) => Poll::Ready(Ok(len)),
            Err(_) => Poll::Ready(Err(self.lost(cx))),
        }
    }

    /// Why the stream takes nothing any more.
    fn lost(&mut self, cx: &mut Context<'_>) -> io::Error {
        match self.outgoing.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => {
                io::Error::new(io::ErrorKind::ConnectionReset, ::h2::Error::from(reason))
            }
            Poll::Ready(Err(error)) => io_error(error),
            Poll::Pending => io::ErrorKind::BrokenPipe.into(),
        }
    }
}

impl AsyncRead for H2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while self.unread.is_empty() {
            match ready!(self.incoming.poll_data(cx)) {
                Some(Ok(data)) => self.unread = data,
                // A server that has ended its side asks the client so to send no more.
                Some(Err(error)) if error.is_remote() && error.reason() == Some(Reason::NO_ERROR) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        // It can fail only for more than has come.
        let _ = self.incoming.flow_control().release_capacity(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for H2Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_all(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_all(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Waits until the connection has taken what was written: what it has not taken is lost if the stream is dropped.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.departures.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.outgoing.poll_reset(cx)) {
            Ok(reason) => Poll::Ready(Err(reset(reason))),
            Err(error) => Poll::Ready(Err(io_error(error))),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            self.shut = true;
            let end = self.departures.of(Vec::new());
            // It fails if the stream has ended in another way before.
            let _ = self.outgoing.send_data(end, true);
        }
        self.as_mut().poll_flush(cx).map(|_| Ok(()))
    }
}

impl fmt::Debug for H2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H2Stream")
            .field("id", &self.outgoing.stream_id().as_u32())
            .field("unread", &self.unread.len())
            .field("shut", &self.shut)
            .finish()
    }
}

/// The peer has reset the stream.
fn reset(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, ::h2::Error::from(reason))
}

/// What an error of HTTP/2 is as one of the transport.
pub(super) fn io_error(error: ::h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into());
    }
    let kind = if error.is_reset() {
        io::ErrorKind::ConnectionReset
    } else if error.is_go_away() {
        io::ErrorKind::ConnectionAborted
    } else {
        io::ErrorKind::Other
    };
    io::Error::new(kind, error)
}
