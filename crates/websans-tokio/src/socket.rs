//! [`WebSocket`]: a connection over a tokio stream, whole.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use websans::deflate::Flush;
use websans::{
    Close, CloseCode, Config, Inbox, Kind, Message, Negotiated, Outcome, Payload, Prepared, Role, SendError,
    State, Stats,
};

use crate::error::{Error, broken_pipe};
use crate::link::{Link, Next};
use crate::message::{MessageReader, MessageWriter, Parts, Source};
use crate::split::{self, Receiver, Sender};
use crate::timer::Timer;

/// A WebSocket connection over a tokio stream.
///
/// It moves bytes between the stream and the [`Connection`](websans::Connection), which has all the rules, and keeps the
/// connection's deadlines while it waits. Keep-alive, answers to Pings and the closing handshake happen within
/// [`recv`](Self::recv), so call it in a loop; to receive and send at once, [`split`](Self::split). A connection whose
/// messages nobody asks for is not read from, which slows its peer down.
///
/// While it waits it owns no buffer, and a timer only if there is a deadline: keep-alive, an idle limit, or something
/// that is not yet sent or answered. The runtime's time must then be enabled.
///
/// # Cancel safety
/// All state is in here and none in the futures. Each of them can be dropped at any time and the call repeated: nothing
/// that arrived is lost, nothing is sent twice or in part. What a dropped `send` means is told there.
///
/// Dropping it closes the transport; without a closing handshake before, the peer sees an abnormal end.
///
/// ```
/// # async fn echo(stream: tokio::net::TcpStream) -> Result<(), websans_tokio::Error> {
/// let mut socket = websans_tokio::accept(stream).await?;
/// while let Some(message) = socket.recv().await? {
///     println!("{message:?}");
///     socket.send("thank you").await?;
/// }
/// println!("{}", socket.outcome().expect("it has ended"));
/// # Ok(()) }
/// ```
pub struct WebSocket<S> {
    pub(crate) link: Link<S>,
    pub(crate) inbox: Inbox,
}

// One connection in hundreds of thousands must stay small.
const _: () = assert!(size_of::<WebSocket<tokio::net::TcpStream>>() <= 512);

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A connection whose opening handshake has been done by other means. `early` is what was read behind it.
    pub fn from_handshake(
        io: S,
        role: Role,
        config: impl Into<Arc<Config>>,
        mut negotiated: Negotiated,
        early: &[u8],
    ) -> Self {
        let timer = Timer::new();
        let protocol = negotiated.protocol.take().map(String::into_boxed_str);
        let (conn, mut inbox) = websans::open(role, config, negotiated, timer.now());
        if !early.is_empty() {
            inbox.preload(early);
        }
        let mut link = Link::new(io, conn, timer);
        link.set_protocol(protocol);
        Self { link, inbox }
    }

    /// Waits for the next message, which is lent until the next call. `None`: the connection has ended, and
    /// [`outcome`](Self::outcome) tells how; or, with [`Reply::WhenAsked`](websans::Reply::WhenAsked), the peer has sent its
    /// [Close](Self::close_received), which [`close`](Self::close) answers.
    ///
    /// What waits to be sent is written before it waits, in one write if the transport takes it.
    ///
    /// # Errors
    /// Once: [`Error::Protocol`] after all earlier messages, [`Error::Io`] if the transport failed. Afterwards `None`.
    ///
    /// # Cancel safety
    /// Dropped, it has lost nothing: the next call goes on where this one was.
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        poll_fn(|cx| self.poll_advance(Inbox::next, cx)).await?;
        Ok(self.inbox.message())
    }

    /// Waits for the next message and gives it away, to be kept or sent on: uncopied if it came in more than one read, as long
    /// messages do, else at the cost of one copy.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// As [`recv`](Self::recv).
    pub async fn recv_owned(&mut self) -> Result<Option<Payload<'static>>, Error> {
        poll_fn(|cx| self.poll_advance(Inbox::next, cx)).await?;
        Ok(self.inbox.take())
    }

    /// [`recv`](Self::recv) for hand-written futures.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'_>>, Error>> {
        match self.poll_advance(Inbox::next, cx) {
            Poll::Ready(advanced) => Poll::Ready(advanced.map(|_| self.inbox.message())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Waits for the next message and lends it as an [`AsyncRead`], which takes it as it arrives: in bounded memory,
    /// however long it is, up to [`Config::max_streamed`]. `None`: the connection has ended.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// As [`recv`](Self::recv), but a message whose reader was dropped is skipped.
    pub async fn reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        MessageReader::begin(self).await
    }

    /// Sends a message: [`feed`](Self::feed), then [`flush`](Self::flush).
    ///
    /// It waits while more than [`Config::max_outbox`] waits to be written, and then until the transport has taken the
    /// message. It does not receive meanwhile: two ends that both send in bulk need [`split`](Self::split), or each
    /// waits for the other to read. Nor does it judge whether the peer lives, whose answers may lie unread: only
    /// [`Config::write_stall`] counts.
    ///
    /// # Errors
    /// [`Error::Send`] if it cannot be sent, [`Error::Io`] if the transport failed or the peer does not read.
    ///
    /// # Cancel safety
    /// Dropped, the message has either been queued whole, and leaves with the next `flush`, `send` or `recv`, or it has not
    /// been queued at all: [`Stats::messages_sent`] tells which. `feed` is for those who must know.
    pub fn send<'p>(&mut self, message: impl Into<Payload<'p>>) -> impl Future<Output = Result<(), Error>> {
        // An `async fn` would keep the message twice, as it was given and as a payload, and tasks would be larger.
        let mut message = Some(message.into());
        poll_fn(move |cx| {
            ready!(self.link.poll_feed(&mut message, cx.waker()))?;
            self.link.poll_flush(cx.waker())
        })
    }

    /// Queues a message, to be written with the next [`flush`](Self::flush) or [`recv`](Self::recv): many small messages
    /// then leave together. Waits until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped, the message has not been queued.
    pub fn feed<'p>(&mut self, message: impl Into<Payload<'p>>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.link.poll_feed(&mut message, cx.waker()))
    }

    /// Sends a message that was encoded beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.room(message.payload().len()).await?;
        self.link.queue(|conn| conn.send_prepared(message))?;
        self.flush().await
    }

    /// A message to be written piece by piece, in bounded memory, by [`AsyncWrite`].
    ///
    /// # Errors
    /// [`SendError::Closing`] if nothing more can be sent.
    pub fn writer(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error> {
        if !self.link.conn.can_send() {
            return Err(SendError::Closing.into());
        }
        Ok(MessageWriter::new(self, kind))
    }

    /// Waits until the transport has taken all that was queued.
    ///
    /// # Errors
    /// [`Error::Io`] if the transport failed, or if the peer took nothing for [`Config::write_stall`].
    ///
    /// # Cancel safety
    /// Dropped, what has not been written yet still waits.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.link.poll_flush(cx.waker())).await
    }

    /// Sends a Ping, at most 125 bytes. The answer's time becomes [`Stats::round_trip`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.room(payload.len()).await?;
        self.link.queue(|conn| conn.ping(payload))?;
        self.flush().await
    }

    /// Sends a Pong, at most 125 bytes: a heartbeat, or the answer to a Ping where [`Config::pong_reply`] leaves that to
    /// the application.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.room(payload.len()).await?;
        self.link.queue(|conn| conn.pong(payload))?;
        self.flush().await
    }

    /// Closes the connection: sends a Close unless one was sent before, lets go what messages still arrive, waits for the
    /// peer's Close and the transport's end ([`Config::close_within`] bounds that), and tells how it ended. To get those
    /// messages, [`start_close`](Self::start_close) and go on with [`recv`](Self::recv).
    ///
    /// # Errors
    /// [`Error::Send`] if the reason is longer than 123 bytes.
    ///
    /// # Cancel safety
    /// Dropped, the Close has been queued; call it again, or `recv`, to go on.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<&Outcome, Error> {
        match self.queue_close(code, reason) {
            Ok(()) | Err(Error::Send(SendError::Closing)) => {}
            Err(error) => return Err(error),
        }
        // How the transport ended is in the outcome.
        while poll_fn(|cx| self.poll_advance(Inbox::next_chunk, cx)).await.unwrap_or(false) {}
        if self.link.conn.outcome().is_none() {
            self.link.conn.abort();
        }
        self.link.conn.outcome().ok_or_else(broken_pipe)
    }

    /// Sends a Close and does not wait for the peer's.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::Closing`] if a Close was sent before.
    ///
    /// # Cancel safety
    /// Dropped, the Close has been queued.
    pub async fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.queue_close(code, reason)?;
        self.flush().await
    }

    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.link.conn.outcome()
    }

    /// The peer's Close, once it has arrived.
    #[must_use]
    pub fn close_received(&self) -> Option<&Close<'static>> {
        self.link.conn.close_received()
    }

    /// Where the connection stands in its closing.
    #[must_use]
    pub fn state(&self) -> State {
        self.link.conn.state()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.link.conn.stats()
    }

    /// Calls `observer` when the connection is dropped, both halves of it if it was split: with how it ended, `None` if it was
    /// let go before it had, and with its counters. For logs and metrics, which need not be told by each way out of the
    /// application. Of several observers each is called; none may block.
    pub fn on_drop(&mut self, observer: impl FnOnce(Option<&Outcome>, &Stats) + Send + Sync + 'static) {
        self.link.add_observer(Box::new(observer));
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.link.protocol()
    }

    /// The stream beneath. Reading or writing there breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.link.io
    }

    /// Two halves for two tasks: see [`Receiver`] and [`Sender`].
    #[must_use]
    pub fn split(self) -> (Receiver<S>, Sender<S>) {
        split::split(self)
    }

    async fn room(&mut self, len: usize) -> Result<(), Error> {
        poll_fn(|cx| self.link.poll_room(len, cx.waker())).await
    }

    fn queue_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let now = self.link.timer.now();
        self.link.conn.wake(now);
        self.link.queue(|conn| conn.close_with(Close::new(code, reason)))
    }

    pub(crate) fn poll_advance(&mut self, next: Next, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let waker = cx.waker().clone();
        self.link.poll_advance(&mut self.inbox, next, cx, &waker)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Source for WebSocket<S> {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.poll_advance(Inbox::next_chunk, cx)
    }

    fn inbox(&self) -> Option<&Inbox> {
        Some(&self.inbox)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Parts for WebSocket<S> {
    fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        part: Payload<'_>,
        flush: Flush,
    ) -> Poll<Result<(), Error>> {
        ready!(self.link.poll_room(part.as_bytes().len(), cx.waker()))?;
        Poll::Ready(self.link.queue(|conn| conn.write_part(part, flush)))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.link.poll_flush(cx.waker())
    }
}

impl<S> std::fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocket").field("connection", &self.link.conn).finish_non_exhaustive()
    }
}
