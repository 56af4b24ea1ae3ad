//! [`Receiver`] and [`Sender`]: the two halves of a connection, for two tasks at the same time.
//!
//! Both share the [`Link`] under a mutex that is held while one of them is polled, never while it waits.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use websans::{
    Close, CloseCode, Connection, Hangup, Inbox, Kind, Message, Outcome, Payload, Prepared, SendError, State,
    Stats,
};

use crate::error::{Error, broken_pipe};
use crate::link::{Link, Next};
use crate::message::{MessageReader, MessageWriter, Parts, Source};
use crate::reunite::ReuniteError;
use crate::socket::WebSocket;
use crate::waiting::Waiting;

pub(crate) fn split<S>(socket: WebSocket<S>) -> (Receiver<S>, Sender<S>) {
    let WebSocket { link, inbox, protocol } = socket;
    let waiting = Arc::new(Waiting::default());
    let both = Waker::from(Arc::clone(&waiting));
    let half = Mutex::new(Both { link, idle: None, composing: false });
    let shared = Arc::new(Shared { half, waiting, both, protocol });
    (Receiver { inbox: Some(inbox), shared: Arc::clone(&shared) }, Sender { shared })
}

struct Shared<S> {
    half: Mutex<Both<S>>,
    waiting: Arc<Waiting>,
    /// Wakes both halves.
    both: Waker,
    protocol: Option<Box<Box<str>>>,
}

/// What both halves work on.
struct Both<S> {
    link: Link<S>,
    /// The inbox of a receiver that was dropped: senders see to it then that the peer is heard.
    idle: Option<Inbox>,
    /// One sender is writing a message piece by piece.
    composing: bool,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Both<S>> {
        // None of the application's code runs while a guard is held, so nothing was left half done.
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcome(&self) -> Option<Outcome> {
        self.lock().link.conn.outcome().cloned()
    }

    fn stats(&self) -> Stats {
        self.lock().link.conn.stats()
    }

    fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref().map(|protocol| &**protocol)
    }
}

/// What the other half must be told of.
fn ending<S>(both: &Both<S>) -> (State, Hangup, bool) {
    (both.link.conn.state(), both.link.conn.hangup(), both.link.is_broken())
}

/// The half that receives. Keep calling it: keep-alive, answers to Pings and the closing handshake happen in it, whether or not
/// anything is sent. While it is not called, the socket is not read from, and what waits leaves with what is sent.
///
/// Dropped, it leaves it to the [`Sender`]s to hear the peer, whose messages are then thrown away.
pub struct Receiver<S> {
    /// Present until it is dropped.
    inbox: Option<Inbox>,
    shared: Arc<Shared<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// Waits for the next message, as [`WebSocket::recv`] does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        poll_fn(|cx| self.poll_advance(Inbox::next, cx)).await?;
        Ok(self.inbox.as_ref().and_then(Inbox::message))
    }

    /// Waits for the next message and gives it away, as [`WebSocket::recv_owned`] does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv`].
    pub async fn recv_owned(&mut self) -> Result<Option<Payload<'static>>, Error> {
        poll_fn(|cx| self.poll_advance(Inbox::next, cx)).await?;
        Ok(self.inbox.as_mut().and_then(Inbox::take))
    }

    /// Waits for the next message and takes it as it arrives, as [`WebSocket::reader`] does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::reader`].
    pub async fn reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        MessageReader::begin(self).await
    }

    fn poll_advance(&mut self, next: Next, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let Some(inbox) = &mut self.inbox else { return Poll::Ready(Ok(false)) };
        let shared = &*self.shared;
        shared.waiting.add_receiver(cx.waker());
        let mut both = shared.lock();
        let before = (ending(&both), both.link.conn.outbox().len());
        let advanced = both.link.poll_advance(inbox, next, cx, &shared.both);
        let after = (ending(&both), both.link.conn.outbox().len());
        drop(both);
        if before != after {
            shared.waiting.wake_senders();
        }
        advanced
    }
}

impl<S> Receiver<S> {
    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.shared.outcome()
    }

    /// The peer's Close, once it has arrived.
    #[must_use]
    pub fn close_received(&self) -> Option<Close<'static>> {
        self.shared.lock().link.conn.close_received().cloned()
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

    /// Makes one of the two halves again.
    ///
    /// # Errors
    /// Gives both back if they are not of one connection, or if there are clones of the sender.
    pub fn reunite(mut self, sender: Sender<S>) -> Result<WebSocket<S>, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.shared, &sender.shared) {
            return Err(ReuniteError::new(self, sender));
        }
        let Some(inbox) = self.inbox.take() else {
            return Err(ReuniteError::new(self, sender));
        };
        let shared = sender.shared;
        drop(self);
        match Arc::try_unwrap(shared) {
            Ok(Shared { half, protocol, .. }) => {
                let Both { link, .. } = half.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok(WebSocket { link, inbox, protocol })
            }
            Err(shared) => {
                let receiver = Self { inbox: Some(inbox), shared: Arc::clone(&shared) };
                Err(ReuniteError::new(receiver, Sender { shared }))
            }
        }
    }
}

impl<S> Drop for Receiver<S> {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            self.shared.lock().idle = Some(inbox);
            self.shared.waiting.wake_senders();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Source for Receiver<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.poll_advance(Inbox::next_chunk, cx)
    }

    fn inbox(&self) -> Option<&Inbox> {
        self.inbox.as_ref()
    }
}

/// The half that sends. It can be cloned for any number of tasks; a message goes out whole, whoever else sends.
///
/// The connection is closed when all halves are dropped.
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends a message and waits until the transport has taken it, as [`WebSocket::send`] does.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::send`].
    pub fn send<'p>(&self, message: impl Into<Payload<'p>>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| {
            self.poll(cx, |both, waker| {
                ready!(both.link.poll_feed(&mut message, waker))?;
                both.link.poll_flush(waker)
            })
        })
    }

    /// Queues a message, to be written with the next flush, by whoever it is. Waits until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`WebSocket::feed`].
    pub fn feed<'p>(&self, message: impl Into<Payload<'p>>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.poll(cx, |both, waker| both.link.poll_feed(&mut message, waker)))
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

    /// A message to be written piece by piece, as [`WebSocket::writer`] does. While it is under way, clones of this sender
    /// cannot send ([`SendError::MessageInProgress`]).
    ///
    /// # Errors
    /// As [`WebSocket::writer`].
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

    /// Waits until the transport has taken all that was queued.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| self.poll(cx, |both, waker| both.link.poll_flush(waker))).await
    }

    /// Sends a Ping, as [`WebSocket::ping`] does.
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

    /// Sends a Pong, as [`WebSocket::pong`] does.
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
    /// As [`WebSocket::start_close`].
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
        poll_fn(|cx| {
            self.poll(cx, |both, waker| {
                let written = both.link.poll_flush(waker).map(|flushed| flushed.is_err());
                let over = both.link.conn.hangup() == Hangup::Drop;
                match both.link.conn.outcome() {
                    Some(outcome) if over || written.is_ready() && both.idle.is_none() => {
                        Poll::Ready(Ok(outcome.clone()))
                    }
                    None if over => Poll::Ready(Err(broken_pipe())),
                    _ => {
                        while both.link.poll_deadline(&mut Context::from_waker(waker)) {}
                        Poll::Pending
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
        poll_fn(|cx| {
            self.poll(cx, |both, waker| {
                ready!(both.link.poll_room(len, waker))?;
                // Room and queuing under one lock: clones send as well.
                Poll::Ready(send.take().map_or(Ok(()), |send| both.link.queue(send)))
            })
        })
        .await
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
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Both<S>, &Waker) -> Poll<T>,
    ) -> Poll<T> {
        let shared = &*self.shared;
        let mut both = shared.lock();
        let before = ending(&both);
        hear(&mut both, cx, &shared.both);
        let mut polled = poll(&mut both, &shared.both);
        if polled.is_pending() {
            // Whoever woke all that waited just before this did not know of us.
            shared.waiting.add_sender(cx.waker());
            polled = poll(&mut both, &shared.both);
        }
        let after = ending(&both);
        drop(both);
        if before != after {
            shared.waiting.wake_receiver();
        }
        polled
    }
}

/// If nobody receives any more, sees to it that Pings and the Close are answered all the same.
fn hear<S: AsyncRead + AsyncWrite + Unpin>(both: &mut Both<S>, cx: &mut Context<'_>, waker: &Waker) {
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
    fn poll_part(&mut self, cx: &mut Context<'_>, part: Payload<'_>, last: bool) -> Poll<Result<(), Error>> {
        let len = part.as_bytes().len();
        let mut part = Some(part);
        self.poll(cx, |both, waker| {
            ready!(both.link.poll_room(len, waker))?;
            let Some(part) = part.take() else { return Poll::Ready(Ok(())) };
            Poll::Ready(both.link.queue(|conn| conn.send_part(part, last)))
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx, |both, waker| both.link.poll_flush(waker))
    }

    fn done(&mut self) {
        self.shared.lock().composing = false;
    }
}

impl<S> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("connection", &self.shared.lock().link.conn).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("connection", &self.shared.lock().link.conn).finish_non_exhaustive()
    }
}
