//! [`Served`]: the stream of a connection that [`serve`](super::serve) has accepted.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::doors::Door;

/// The stream of a connection that [`serve`](super::serve) has accepted: TCP, or TLS over TCP.
///
/// It is the connection's place among those that [`Server::max_connections`](super::Server::max_connections) allows, freed when
/// it is dropped, and it is how the server tells the connection to close when it goes down.
#[derive(Debug)]
pub struct Served {
    line: Line,
    door: Arc<Door>,
    /// The connection has been told to close.
    told: bool,
    /// The connection has been asked how it ended.
    asked: bool,
}

/// What carries the bytes.
#[derive(Debug)]
pub(super) enum Line {
    Tcp(TcpStream),
    #[cfg(feature = "rustls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// It has been taken away to be ended.
    Gone,
}

/// How long the end of a peer is waited for whose connection was let go while it was closing.
const LINGER: Duration = Duration::from_millis(500);

impl Served {
    pub(super) fn new(line: Line, door: Arc<Door>) -> Self {
        Self { line, door, told: false, asked: false }
    }

    /// The address of the client, or of the proxy in front.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.door.peer()
    }

    /// The TCP connection, TLS or not. It is there as long as this is.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.line {
            Line::Tcp(tcp) => Some(tcp),
            #[cfg(feature = "rustls")]
            Line::Tls(tls) => Some(tls.get_ref().0),
            Line::Gone => None,
        }
    }

    /// What was agreed on by TLS, the client's certificate among it.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(&self) -> Option<&tokio_rustls::rustls::ServerConnection> {
        match &self.line {
            Line::Tls(tls) => Some(tls.get_ref().1),
            _ => None,
        }
    }

    /// What the connection is to be told instead of what it has asked for.
    fn heed(&mut self) -> io::Result<()> {
        if self.door.is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if self.door.is_going() && !self.told {
            self.told = true;
            return Err(self.door.notice());
        }
        Ok(())
    }

    fn check_cut(&self) -> io::Result<()> {
        if self.door.is_cut() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Drop for Served {
    /// A connection that was told to close and is let go before the peer has answered: with bytes unread, the peer would be
    /// reset, and might never read the Close.
    fn drop(&mut self) {
        if !self.told || self.asked || self.door.has_closed_cleanly() || self.door.is_cut() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (mut line, door) = (std::mem::replace(&mut self.line, Line::Gone), Arc::clone(&self.door));
        runtime.spawn(async move {
            let _ = timeout(LINGER, end(&mut line)).await;
            drop(door);
        });
    }
}

/// Ends our side and throws away what still comes, in bounded amount.
pub(super) async fn end(line: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    line.shutdown().await?;
    let mut scratch = [0; 1024];
    for _ in 0..1024 {
        if line.read(&mut scratch).await? == 0 {
            break;
        }
    }
    Ok(())
}

impl AsyncRead for Served {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before anything is read: a peer that always has something to say is told as well.
        this.heed()?;
        let read = Pin::new(&mut this.line).poll_read(cx, buf);
        if read.is_pending() {
            this.door.wait(cx.waker());
            this.heed()?;
        }
        read
    }
}

impl AsyncWrite for Served {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        Pin::new(&mut this.line).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_cut()?;
        Pin::new(&mut this.line).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_cut()?;
        Pin::new(&mut this.line).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.door.note_over();
        // Only a connection ends a stream that has been told to close; before, it may be an answer of HTTP that is over.
        if this.told && !this.asked {
            this.asked = true;
            return Poll::Ready(Err(this.door.notice()));
        }
        Pin::new(&mut this.line).poll_shutdown(cx)
    }
}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self.get_mut() {
            Line::Tcp($stream) => {
                let $stream = Pin::new($stream);
                $do
            }
            #[cfg(feature = "rustls")]
            Line::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $do
            }
            Line::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    };
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.is_write_vectored(),
            Self::Gone => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}
