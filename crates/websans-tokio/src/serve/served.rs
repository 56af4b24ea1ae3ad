//! [`Served`]: the stream of a connection that [`serve`](super::serve) has accepted.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::group::{Grouped, Member};

/// The stream of a connection that [`serve`](super::serve) has accepted: TCP, or TLS over TCP.
///
/// It is the connection's place among those that [`Server::max_connections`](super::Server::max_connections) allows, freed when
/// it is dropped, and it is how the server tells the connection to close when it goes down.
#[derive(Debug)]
pub struct Served {
    io: Grouped<Line>,
}

/// What carries the bytes.
#[derive(Debug)]
pub(super) enum Line {
    Tcp(TcpStream),
    #[cfg(feature = "rustls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Served {
    pub(super) fn new(line: Line, member: Member) -> Self {
        Self { io: member.guard_any(line) }
    }

    /// The address of the client, or of the proxy in front.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        // A server says whose place it is.
        self.io.place().peer().unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))
    }

    /// The TCP connection, TLS or not. It is there as long as this is.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        Some(match self.io.get_ref()? {
            Line::Tcp(tcp) => tcp,
            #[cfg(feature = "rustls")]
            Line::Tls(tls) => tls.get_ref().0,
        })
    }

    /// What was agreed on by TLS, the client's certificate among it.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(&self) -> Option<&tokio_rustls::rustls::ServerConnection> {
        match self.io.get_ref()? {
            Line::Tls(tls) => Some(tls.get_ref().1),
            Line::Tcp(_) => None,
        }
    }
}

impl AsyncRead for Served {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Served {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
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
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}
