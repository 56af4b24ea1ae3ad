//! [`Sender`]: the half that sends.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use websans::deflate::Flush;
use websans::{
    Close, CloseCode, Connection, Hangup, Inbox, Kind, Outcome, Payload, Prepared, SendError, Stats,
};

use super::{Both, Shared, ending};
use crate::error::{Error, broken_pipe};
use crate::line::Place;
use crate::message::{MessageWriter, Parts};

/// The half that sends. It can be cloned for any number of tasks; a message goes out whole, whoever else sends;
/// while one of them [writes](Self::writer) a message, the others are told so ([`SendError::MessageInProgress`]).
///
/// The connection is closed when all halves are dropped.
pub struct Sender<S> {
    pub(super) shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends a message and waits until the transport has taken it, as [`WebSocket::send`](crate::WebSocket::send) does.
    ///
    /// # Errors
    /// As [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub fn send<'p>(&self, message: impl Into<Payload<'p>>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        let mut mark = None;
        let mut turn = self.turn();
        poll_fn(move |cx| {
            turn.poll(cx, |both, place, waker| {
                if let Some(message) = &message {
                    ready!(poll_room(both, place, message.as_bytes().len(), waker))?;
                }
                ready!(both.link.poll_feed(&mut message, waker))?;
                let mark = *mark.get_or_insert_with(|| both.link.mark());
                both.link.poll_sent(mark, waker)
            })
        })
    }

    /// Queues a message, to be written with the next flush, by whoever it is. Waits until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`WebSocket::feed`](crate::WebSocket::feed).
    pub fn feed<'p>(&self, message: impl Into<Payload<'p>>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        let mut turn = self.turn();
        poll_fn(move |cx| {
            turn.poll(cx, |both, place, waker| {
                if let Some(message) = &message {
                    ready!(poll_room(both, place, message.as_bytes().len(), waker))?;
                }
                both.link.poll_feed(&mut message, waker)
            })
        })
    }

    /// Sends a message that was encoded beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_prepared(&self, message: &Prepared) -> Result<(), Error> {
        self.queue(message.payload().len(), |conn| conn.send_prepared(message)).await?;
        self.flush().await
    }

    /// A message to be written piece by piece, as [`WebSocket::writer`](crate::WebSocket::writer) does. While it is under way,
    /// from its first part on, clones of this sender cannot send ([`SendError::MessageInProgress`]). A writer that is dropped unfinished leaves its message to the next
    /// one, whichever clone's: who cannot go on with it can only close.
    ///
    /// # Errors
    /// As [`WebSocket::writer`](crate::WebSocket::writer).
    pub fn writer(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error> {
        let mut both = self.shared.lock();
        if !both.link.conn.can_send() {
            return Err(SendError::Closing.into());
        }
        if both.composing {
            return Err(SendError::MessageInProgress.into());
        }
        both.composing = true;
        drop(both);
        Ok(MessageWriter::new(self, kind))
    }

    /// Waits until the transport has taken all that had been queued, by whomever, when it was called.
    ///
    /// # Errors
    /// As [`WebSocket::flush`](crate::WebSocket::flush).
    ///
    /// # Cancel safety
    /// As [`WebSocket::flush`](crate::WebSocket::flush).
    pub async fn flush(&self) -> Result<(), Error> {
        let mut mark = None;
        let mut turn = self.turn();
        poll_fn(|cx| {
            turn.poll(cx, |both, _, waker| {
                let mark = *mark.get_or_insert_with(|| both.link.mark());
                both.link.poll_sent(mark, waker)
            })
        })
        .await
    }

    /// Sends a Ping, as [`WebSocket::ping`](crate::WebSocket::ping) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(payload.len(), |conn| conn.ping(payload)).await?;
        self.flush().await
    }

    /// Sends a Pong, as [`WebSocket::pong`](crate::WebSocket::pong) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(payload.len(), |conn| conn.pong(payload)).await?;
        self.flush().await
    }

    /// Closes the connection: sends a Close unless one was sent before, waits for the ending, which
    /// [`Config::close_within`](websans::Config::close_within) bounds, and tells how it was. The receiver, which must be kept
    /// going or be dropped, gets what messages still arrive.
    ///
    /// # Errors
    /// [`Error::Send`] if the reason is longer than 123 bytes.
    ///
    /// # Cancel safety
    /// Dropped, the Close has been queued; call it again, or [`closed`](Self::closed), to go on waiting.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<Outcome, Error> {
        match self.queue_close(code, reason) {
            Ok(()) | Err(Error::Send(SendError::Closing)) => self.closed().await,
            Err(error) => Err(error),
        }
    }

    /// Sends a Close and does not wait for the peer's.
    ///
    /// # Errors
    /// As [`WebSocket::start_close`](crate::WebSocket::start_close).
    ///
    /// # Cancel safety
    /// Dropped, the Close has been queued.
    pub async fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.queue_close(code, reason)?;
        self.flush().await
    }

    /// Waits until the connection has ended, and tells how. If the receiver has been dropped, this is what answers Pings and
    /// the peer's Close and keeps the connection alive.
    ///
    /// # Errors
    /// None but if the connection is lost without an outcome, which does not happen.
    ///
    /// # Cancel safety
    /// Dropped, it has changed nothing.
    pub async fn closed(&self) -> Result<Outcome, Error> {
        let mut turn = self.turn();
        poll_fn(|cx| {
            turn.poll(cx, |both, _, waker| {
                loop {
                    let written = both.link.poll_flush(waker).is_ready();
                    let over = both.link.conn.hangup() == Hangup::Drop;
                    match both.link.conn.outcome() {
                        Some(outcome) if over || written && both.idle.is_none() => {
                            return Poll::Ready(Ok(outcome.clone()));
                        }
                        None if over => return Poll::Ready(Err(broken_pipe())),
                        _ => {}
                    }
                    if !both.link.poll_write_deadline(&mut Context::from_waker(waker)) {
                        return Poll::Pending;
                    }
                }
            })
        })
        .await
    }

    /// Queues by `send`, once there is room for `len` bytes.
    async fn queue(
        &self,
        len: usize,
        send: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        let mut send = Some(send);
        let mut turn = self.turn();
        poll_fn(|cx| {
            turn.poll(cx, |both, place, waker| {
                ready!(poll_room(both, place, len, waker))?;
                // Room and queuing under one lock: clones send as well.
                Poll::Ready(send.take().map_or(Ok(()), |send| both.link.queue(send)))
            })
        })
        .await
    }

    fn turn(&self) -> Turn<'_, S> {
        Turn { shared: &self.shared, place: Place::default(), number: None }
    }

    fn queue_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let mut both = self.shared.lock();
        let now = both.link.timer.now();
        both.link.conn.wake(now);
        both.link.queue(|conn| conn.close_with(Close::new(code, reason)))?;
        // The receiver waits for a deadline that is later than this one.
        both.link.poll_deadline(&mut Context::from_waker(&self.shared.both));
        drop(both);
        self.shared.waiting.wake_receiver();
        Ok(())
    }

    /// Polls with the connection locked.
    fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnMut(&mut Both<S>, &Waker) -> Poll<T>) -> Poll<T> {
        let shared = &*self.shared;
        poll_locked(shared, || shared.waiting.add_sender(cx.waker()), poll)
    }
}

/// Polls with the connection locked. `wait`: sees to it that the caller is woken.
fn poll_locked<S: AsyncRead + AsyncWrite + Unpin, T>(
    shared: &Shared<S>,
    mut wait: impl FnMut(),
    mut poll: impl FnMut(&mut Both<S>, &Waker) -> Poll<T>,
) -> Poll<T> {
    let mut both = shared.lock();
    let before = ending(&both);
    if both.idle.is_some() {
        // Whichever of the senders hears something, all of them may have waited for it.
        wait();
        hear(&mut both, &shared.both);
    }
    let mut polled = poll(&mut both, &shared.both);
    if polled.is_pending() {
        // Whoever woke all that waited just before this did not know of us.
        wait();
        polled = poll(&mut both, &shared.both);
    }
    let (after, moved) = (ending(&both), both.line.take_moved());
    drop(both);
    if before != after {
        shared.waiting.wake_receiver();
    }
    if before != after || moved {
        shared.waiting.wake_senders();
    }
    polled
}

/// What a future of a sender has of the connection: a waker, and perhaps a place in the line. It leaves neither behind.
struct Turn<'s, S> {
    shared: &'s Shared<S>,
    place: Place,
    number: Option<u64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Turn<'_, S> {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Both<S>, &mut Place, &Waker) -> Poll<T>,
    ) -> Poll<T> {
        let Self { shared, place, number } = self;
        let wait = || shared.waiting.add_future(number, cx.waker());
        poll_locked(shared, wait, |both, waker| poll(both, place, waker))
    }
}

/// Waits until it is the turn of `place` and there is room for `len` bytes, or never will be.
fn poll_room<S: AsyncRead + AsyncWrite + Unpin>(
    both: &mut Both<S>,
    place: &mut Place,
    len: usize,
    waker: &Waker,
) -> Poll<Result<(), Error>> {
    let room = if both.line.is_first(place) || !both.link.conn.can_send() {
        both.link.poll_room(len, waker)
    } else {
        Poll::Pending
    };
    match room {
        Poll::Pending => both.line.join(place),
        Poll::Ready(_) => both.line.leave(place),
    }
    room
}

impl<S> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.waiting.remove_future(number);
        }
        if self.place.is_taken() {
            self.shared.lock().line.leave(&mut self.place);
            self.shared.waiting.wake_senders();
        }
    }
}

/// If nobody receives any more, sees to it that Pings and the Close are answered all the same.
fn hear<S: AsyncRead + AsyncWrite + Unpin>(both: &mut Both<S>, waker: &Waker) {
    let cx = &mut Context::from_waker(waker);
    if let Some(inbox) = &mut both.idle {
        while let Poll::Ready(Ok(true)) = both.link.poll_advance(inbox, Inbox::next_chunk, cx, waker) {}
    }
}

impl<S> Sender<S> {
    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.shared.outcome()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.shared.protocol()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Parts for Sender<S> {
    fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        part: Payload<'_>,
        flush: Flush,
    ) -> Poll<Result<(), Error>> {
        let len = part.as_bytes().len();
        let mut part = Some(part);
        self.poll(cx, |both, waker| {
            ready!(both.link.poll_room(len, waker))?;
            let Some(part) = part.take() else { return Poll::Ready(Ok(())) };
            Poll::Ready(both.link.queue(|conn| conn.write_part(part, flush)))
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, |both, waker| both.link.poll_flush(waker))
    }

    fn done(&mut self) {
        self.shared.lock().composing = false;
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("connection", &self.shared.lock().link.conn).finish_non_exhaustive()
    }
}
