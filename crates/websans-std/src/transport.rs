//! [`Transport`]: what `connect` connects with.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::stream::{CloneStream, Stream};
#[cfg(feature = "rustls")]
use crate::tls::TlsStream;

/// The connection below a WebSocket that [`connect`](crate::connect) has opened: TCP, or TLS over TCP.
#[derive(Debug)]
#[non_exhaustive]
pub enum Transport {
    /// For `ws`.
    Tcp(TcpStream),
    /// For `wss`.
    #[cfg(feature = "rustls")]
    Tls(TlsStream),
}

impl Transport {
    /// The TCP connection, TLS or not. Through a proxy it is the one to the proxy.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.tcp(),
        }
    }
}

/// Does the same with whichever stream it is.
macro_rules! each {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self {
            Transport::Tcp($stream) => $do,
            #[cfg(feature = "rustls")]
            Transport::Tls($stream) => $do,
        }
    };
}

impl Read for Transport {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each!(self, stream => stream.read(buf))
    }
}

impl Write for Transport {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each!(self, stream => stream.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, stream => stream.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        each!(self, stream => stream.flush())
    }
}

impl Stream for Transport {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        each!(self, stream => Stream::set_read_timeout(stream, timeout))
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        each!(self, stream => Stream::set_write_timeout(stream, timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        each!(self, stream => Stream::shutdown(stream, how))
    }
}

impl CloneStream for Transport {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(tcp) => Self::Tcp(tcp.try_clone()?),
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => Self::Tls(tls.try_clone()?),
        })
    }
}
