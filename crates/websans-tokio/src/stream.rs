//! Connections as `Stream` and `Sink` of messages that are owned: for combinators, and for code that was written for
//! tokio-tungstenite.
//!
//! Such code moves over by its imports: the names and signatures here are those that it uses.
//!
//! ```no_run
//! use futures_util::{SinkExt, StreamExt};
//! use websans_tokio::stream::{Message, connect_async};
//!
//! # async fn talk() -> Result<(), websans_tokio::Error> {
//! let (socket, _) = connect_async("ws://127.0.0.1:9001/chat").await?;
//! let (mut sink, mut stream) = socket.split();
//! sink.send(Message::text("hello")).await?;
//! while let Some(message) = stream.next().await {
//!     println!("{}", message?);
//! }
//! # Ok(()) }
//! ```
//!
//! # What it costs
//! A received message is copied once, into the [`Bytes`](bytes::Bytes) or the text that owns it;
//! [`WebSocket::recv`] lends it instead. A message to be sent is not copied if it is large and its owner is handed over
//! (a server's is written from where it lies, a client's masked there), and copied into the outbox if it is small.
//!
//! # What is different
//! * The connection answers Pings and the peer's Close by itself. Pings and Pongs are not delivered; the peer's Close is,
//!   once, as [`Message::Close`], and then the stream ends.
//! * An end of the connection without a Close is the end of the stream and no error:
//!   [`outcome`](WebSocketStream::outcome) tells it from a clean one.
//! * There is no type for requests and responses: headers, proxies and the like are a matter of [`Client`](crate::Client),
//!   which [`connect_async`] takes in the place of a URL, and of [`accept_with`](crate::accept_with), whose
//!   [`WebSocket`] becomes a [`WebSocketStream`] by `into`.
//! * A failed call and a broken protocol are told by this crate's [`Error`].

mod message;
mod open;
mod text;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures_core::stream::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use websans::{Close, Config, Connection, Hangup, Inbox, Negotiated, Outcome, Role, SendError, State, Stats};

use crate::error::Error;
use crate::link::Link;
use crate::pool;
use crate::socket::WebSocket;
use crate::waiting::Waiting;

pub use message::{CloseFrame, Message};
pub use open::{
    MaybeTlsStream, Response, Tls, accept_async, accept_async_with_config, client_async, connect_async,
};
pub use text::Utf8Bytes;

/// A [`WebSocket`] as a [`Stream`] and a [`Sink`] of [`Message`]s.
///
/// Keep asking the stream for the next message: keep-alive, answers to Pings and the closing handshake happen in it. What the
/// sink has taken leaves with the next flush, or while the stream is waited for, whichever comes first.
///
/// `futures_util`'s `split` makes two halves for two tasks. Whatever one half waits for at the transport, the other is
/// woken too, so neither waits in vain. [`WebSocket::split`] does without that function's lock, and its sender can be cloned.
///
/// # Cancel safety
/// All state is in here: a future of `next`, `flush` or `close` that is dropped has lost nothing. A dropped `send` has
/// either handed its message over whole, or not at all.
///
/// Dropping it closes the transport; without a closing handshake before, the peer sees an abnormal end.
///
/// ```no_run
/// use futures_util::{SinkExt, StreamExt};
/// use websans_tokio::stream::accept_async;
///
/// # async fn echo(io: tokio::net::TcpStream) -> Result<(), websans_tokio::Error> {
/// let mut socket = accept_async(io).await?;
/// while let Some(message) = socket.next().await {
///     let message = message?;
///     if message.is_text() || message.is_binary() {
///         socket.send(message).await?;
///     }
/// }
/// # Ok(()) }
/// ```
pub struct WebSocketStream<S> {
    socket: WebSocket<S>,
    /// Who waits: a transport and a timer remember one waker each, and the two halves may be two tasks.
    waiting: Arc<Waiting>,
    /// Wakes both halves.
    both: Waker,
    /// A message for which there was no room yet.
    unsent: Option<Message>,
    /// The peer's Close has been delivered.
    told: bool,
    ended: bool,
}

impl<S> From<WebSocket<S>> for WebSocketStream<S> {
    fn from(socket: WebSocket<S>) -> Self {
        let waiting = Arc::new(Waiting::default());
        let both = Waker::from(Arc::clone(&waiting));
        Self { socket, waiting, both, unsent: None, told: false, ended: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// A connection whose opening handshake has been done by other means. `None` stands for the default [`Config`].
    ///
    /// A client's role carries the source of its masking keys:
    /// `Role::Client(websans::entropy::os_mask_keys()?)`.
    ///
    /// # Cancel safety
    /// It never waits.
    #[allow(clippy::unused_async, reason = "callers await it")]
    pub async fn from_raw_socket(io: S, role: Role, config: Option<Config>) -> Self {
        Self::from_partially_read(io, Vec::new(), role, config).await
    }

    /// As [`from_raw_socket`](Self::from_raw_socket); `part` is what was read behind the handshake.
    ///
    /// # Cancel safety
    /// It never waits.
    #[allow(clippy::unused_async, reason = "callers await it")]
    pub async fn from_partially_read(io: S, part: Vec<u8>, role: Role, config: Option<Config>) -> Self {
        let config = config.unwrap_or_default();
        WebSocket::from_handshake(io, role, config, Negotiated::default(), &part).into()
    }

    /// Sends a Close and waits until it has left; goes well, too, if one was sent before. The ending comes with the stream:
    /// ask it for messages until it says `None`. Without a frame the Close is empty.
    ///
    /// # Errors
    /// [`Error::Send`] if the frame cannot be sent, [`Error::Io`] if the transport failed or the peer does not read.
    ///
    /// # Cancel safety
    /// Dropped, the Close has been queued, or it waits behind a message that has no room yet: then call it again.
    pub async fn close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        poll_fn(|cx| self.poll_unsent(cx)).await?;
        self.queue(Message::Close(frame))?;
        poll_fn(|cx| self.poll_left(cx)).await
    }

    /// The limits and time-outs.
    #[must_use]
    pub fn get_config(&self) -> &Config {
        self.socket.link.conn.config()
    }

    /// The stream beneath. Reading or writing there breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }

    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.socket.outcome()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.socket.stats()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.socket.protocol()
    }

    /// The connection whose messages are lent. Flush before: a message for which there was no room yet would be lost.
    #[must_use]
    pub fn into_inner(self) -> WebSocket<S> {
        self.socket
    }

    /// What the other half must be told of.
    fn ending(&self) -> (State, Hangup, bool) {
        let link = &self.socket.link;
        (link.conn.state(), link.conn.hangup(), link.is_broken())
    }

    /// Waits until the message that was kept back has been queued.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(message) = &self.unsent else { return Poll::Ready(Ok(())) };
        let len = message.len();
        let room = ready!(self.poll_sending(cx, |link, both| link.poll_room(len, both)));
        let message = self.unsent.take();
        room?;
        message.map_or(Ok(()), |message| self.queue(message)).into()
    }

    /// Waits until all has left.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_unsent(cx))?;
        match ready!(self.poll_sending(cx, Link::poll_flush)) {
            // The peer had gone by the time that our answer to its Close was due.
            Err(_) if self.told => Poll::Ready(Ok(())),
            flushed => Poll::Ready(flushed),
        }
    }

    /// Queues the message that was kept back if there is room by now.
    fn queue_unsent(&mut self) -> bool {
        let conn = &self.socket.link.conn;
        match self.unsent.take_if(|message| conn.can_send() && conn.has_room(message.len())) {
            Some(message) => self.queue(message).is_ok(),
            None => false,
        }
    }

    /// Queues a message, for which there must be room.
    fn queue(&mut self, message: Message) -> Result<(), Error> {
        let before = self.ending();
        let link = &mut self.socket.link;
        link.conn.wake(link.timer.now());
        pool::lend_outbox(&mut link.conn);
        link.queue(|conn| send(conn, message))?;
        if before != self.ending() {
            // Who receives waits for a deadline that is later than that of the closing.
            self.socket.link.poll_deadline(&mut Context::from_waker(&self.both));
            self.waiting.wake_receiver();
        }
        Ok(())
    }

    /// Polls for the half that sends.
    fn poll_sending<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Link<S>, &Waker) -> Poll<T>,
    ) -> Poll<T> {
        let before = self.ending();
        let mut polled = poll(&mut self.socket.link, &self.both);
        if polled.is_pending() {
            // Whoever woke all that waited just before this did not know of us.
            self.waiting.add_sender(cx.waker());
            polled = poll(&mut self.socket.link, &self.both);
        }
        if before != self.ending() {
            self.waiting.wake_receiver();
        }
        polled
    }
}

fn send(conn: &mut Connection, message: Message) -> Result<(), SendError> {
    match message {
        Message::Text(text) => text.send(conn),
        Message::Binary(bytes) => conn.send(bytes),
        Message::Ping(payload) => conn.ping(&payload),
        Message::Pong(payload) => conn.pong(&payload),
        Message::Close(frame) => {
            match conn.close_with(frame.as_ref().map_or_else(Close::default, Close::from)) {
                Err(SendError::Closing) => Ok(()),
                closed => closed,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocketStream<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let before = (this.ending(), this.socket.link.conn.outbox().len());
        this.waiting.add_receiver(cx.waker());
        let advanced = loop {
            let WebSocket { link, inbox, .. } = &mut this.socket;
            let advanced = link.poll_advance(inbox, Inbox::next, cx, &this.both);
            if advanced.is_ready() || !this.queue_unsent() {
                break advanced;
            }
        };
        if before != (this.ending(), this.socket.link.conn.outbox().len()) {
            this.waiting.wake_senders();
        }
        match advanced {
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(true)) => {
                return Poll::Ready(this.socket.inbox.message().map(|message| Ok(message.into())));
            }
            _ => {}
        }
        if let Some(close) = this.socket.close_received().filter(|_| !this.told) {
            // Not only when the transport has ended, too: that may take the peer a while.
            let close = CloseFrame::of(close);
            this.told = true;
            return Poll::Ready(Some(Ok(Message::Close(close))));
        }
        this.ended = advanced.is_ready() && this.socket.state() == State::Closed;
        advanced.map(|_| None)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocketStream<S> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocketStream<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_unsent(cx)
    }

    /// Takes the message. If there is no room for it, it is kept until there is, and no further one is taken before.
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let this = self.get_mut();
        if this.unsent.is_some() {
            return Err(SendError::OutboxFull.into());
        }
        let conn = &this.socket.link.conn;
        if conn.has_room(message.len()) || !conn.can_send() || message.is_close() {
            return this.queue(message);
        }
        this.unsent = Some(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_left(cx)
    }

    /// Sends an empty Close unless one was sent before, and waits until it has left: not for the peer's, which comes with
    /// the stream.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        this.queue(Message::Close(None))?;
        this.poll_left(cx)
    }
}

impl<S> fmt::Debug for WebSocketStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketStream").field("connection", &self.socket.link.conn).finish_non_exhaustive()
    }
}
