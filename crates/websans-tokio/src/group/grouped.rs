//! [`Grouped`]: the stream of a connection that belongs to a [`Group`](super::Group).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::place::Place;
use crate::drain::drain;
use crate::sync::timeout;

/// The stream of a connection that belongs to a [`Group`](super::Group).
///
/// It is the connection's place in the group, freed when it is dropped, and it is how the group tells the connection to close.
#[derive(Debug)]
pub struct Grouped<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    /// `None`: it has been taken away to be ended.
    io: Option<S>,
    place: Arc<Place>,
    /// Nothing but a WebSocket is written to it.
    upgraded: bool,
    /// The connection has been told to close.
    told: bool,
    /// The connection has been asked how it ended.
    asked: bool,
}

/// How long the end of a peer is waited for whose connection was let go while it was closing.
const LINGER: Duration = Duration::from_millis(500);

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Grouped<S> {
    pub(super) fn new(io: S, place: Arc<Place>, upgraded: bool) -> Self {
        Self { io: Some(io), place, upgraded, told: false, asked: false }
    }

    /// The stream beneath. It is there as long as this is.
    #[must_use]
    pub fn get_ref(&self) -> Option<&S> {
        self.io.as_ref()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// What the connection is to be told instead of what it has asked for.
    fn heed(&mut self) -> io::Result<()> {
        self.check_cut()?;
        if self.place.is_going() && !self.told {
            self.told = true;
            return Err(self.place.notice());
        }
        Ok(())
    }

    /// The same for who writes. An ordinary answer of HTTP must not be torn.
    fn heed_writing(&mut self) -> io::Result<()> {
        if self.upgraded { self.heed() } else { self.check_cut() }
    }

    /// What the transport says to who writes, unless it makes them wait and there is something else to say.
    fn heed_blocked<T>(&mut self, written: Poll<io::Result<T>>, cx: &Context<'_>) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.place.wait_writing(cx.waker());
            self.heed_writing()?;
        }
        written
    }

    fn check_cut(&self) -> io::Result<()> {
        if self.place.is_cut() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Does the same with the stream beneath.
    fn with<T>(&mut self, poll: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.io {
            Some(io) => poll(Pin::new(io)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Drop for Grouped<S> {
    /// A connection that was told to close and is let go before the peer has answered: with bytes unread, the peer would be
    /// reset, and might never read the Close.
    fn drop(&mut self) {
        if !self.told || self.asked || self.place.has_closed_cleanly() || self.place.is_cut() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (Some(mut io), place) = (self.io.take(), Arc::clone(&self.place)) else { return };
        runtime.spawn(async move {
            let _ = timeout(LINGER, drain(&mut io)).await;
            drop(place);
        });
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncRead for Grouped<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before anything is read: a peer that always has something to say is told as well.
        this.heed()?;
        let read = this.with(|io| io.poll_read(cx, buf));
        if read.is_pending() {
            this.place.wait(cx.waker());
            this.heed()?;
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncWrite for Grouped<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.heed_writing()?;
        let written = this.with(|io| io.poll_write(cx, buf));
        this.heed_blocked(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.heed_writing()?;
        let written = this.with(|io| io.poll_write_vectored(cx, bufs));
        this.heed_blocked(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_cut()?;
        let flushed = this.with(|io| io.poll_flush(cx));
        this.heed_blocked(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let going = this.place.note_over();
        // Only a connection ends a stream that has been told to close; before, it may be an answer of HTTP that is over. A
        // WebSocket may have ended by itself just before it would have been told.
        if (this.told || this.upgraded && going) && !this.asked {
            this.asked = true;
            return Poll::Ready(Err(this.place.notice()));
        }
        this.with(|io| io.poll_shutdown(cx))
    }
}
