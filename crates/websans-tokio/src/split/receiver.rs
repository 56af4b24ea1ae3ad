//! [`Receiver`]: the half that receives.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use websans::{Close, Inbox, Message, Outcome, Payload, Stats};

use super::{Both, Sender, Shared, ending};
use crate::error::Error;
use crate::link::Next;
use crate::message::{MessageReader, Source};
use crate::reunite::ReuniteError;
use crate::socket::WebSocket;

/// The half that receives. Keep calling it: keep-alive, answers to Pings and the closing handshake happen in it, whether or not
/// anything is sent. While it is not called, the socket is not read from, and what waits leaves with what is sent.
///
/// Dropped, it leaves it to the [`Sender`]s to hear the peer, whose messages are then thrown away.
pub struct Receiver<S> {
    /// Present until it is dropped.
    pub(super) inbox: Option<Inbox>,
    pub(super) shared: Arc<Shared<S>>,
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
            Ok(Shared { half, .. }) => {
                let Both { link, .. } = half.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok(WebSocket { link, inbox })
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

impl<S> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("connection", &self.shared.lock().link.conn).finish_non_exhaustive()
    }
}
