//! [`Stream`]: what a blocking transport must be able to do.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A blocking byte stream whose waits can be bounded.
///
/// Implemented for [`TcpStream`], `UnixStream`, and mutable references and boxes of streams. A stream of
/// your own forwards to the socket beneath. If it holds back some of what it has taken, its flush lets that go,
/// waits no longer than a write, and fails in the same way if it has. One without time-outs still works, but then no
/// deadline can interrupt a read or write that waits.
pub trait Stream: Read + Write {
    /// Bounds the wait of each read; `None`: no bound. A read that waited so long fails with
    /// [`io::ErrorKind::WouldBlock`] or [`io::ErrorKind::TimedOut`].
    ///
    /// # Errors
    /// Those of the transport.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Bounds the wait of each write, likewise.
    ///
    /// # Errors
    /// Those of the transport.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends the stream: for good in both directions, or only for writing, so that the peer reads an end.
    ///
    /// # Errors
    /// Those of the transport.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// A [`Stream`] that can be held twice, so that one thread reads while another writes.
pub trait CloneStream: Stream + Sized {
    /// A second handle to the same stream.
    ///
    /// # Errors
    /// Those of the transport.
    fn try_clone(&self) -> io::Result<Self>;
}

macro_rules! stream {
    ($($type:ty),*) => {
        $(
            impl Stream for $type {
                fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                    <$type>::set_read_timeout(self, timeout)
                }

                fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                    <$type>::set_write_timeout(self, timeout)
                }

                fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                    <$type>::shutdown(self, how)
                }
            }

            impl CloneStream for $type {
                fn try_clone(&self) -> io::Result<Self> {
                    <$type>::try_clone(self)
                }
            }
        )*
    };
}

stream!(TcpStream);
#[cfg(unix)]
stream!(std::os::unix::net::UnixStream);

macro_rules! forward {
    ($($type:ty),*) => {
        $(impl<S: Stream + ?Sized> Stream for $type {
            fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_read_timeout(timeout)
            }

            fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_write_timeout(timeout)
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                (**self).shutdown(how)
            }
        })*
    };
}

forward!(&mut S, Box<S>);
