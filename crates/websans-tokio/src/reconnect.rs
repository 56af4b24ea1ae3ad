//! [`Reconnect`]: a client that connects again whenever its connection has ended.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, mem};

use tokio::time::{Sleep, sleep};
use websans::entropy::os_nonce;
use websans::{Close, CloseCode, Inbox, Message, Outcome, Payload, SendError, State};
use websans_dial::Client;
use websans_dial::backoff::{Backoff, Ending, Next};

use crate::connect::connect;
use crate::error::Error;
use crate::socket::WebSocket;
use crate::timer::Timer;
use crate::transport::Transport;

/// A client that connects again whenever its connection has ended, as a [`Backoff`] says: after a random wait that grows
/// ([RFC 6455 §7.2.3]), or never again, if the server has said that it would be of no use.
///
/// ```no_run
/// use websans_tokio::{Client, Error, Reconnect};
///
/// # async fn follow() -> Result<(), Error> {
/// let client = Client::new("wss://example.com/prices")?;
/// let mut prices = Reconnect::new(client)
///     .on_connect(|socket| Box::pin(async { socket.send("subscribe: gold").await }))
///     .on_event(|event| eprintln!("{event}"));
/// while let Some(message) = prices.recv().await? {
///     println!("{message:?}");
/// }
/// println!("the server has sent us away: {:?}", prices.outcome());
/// # Ok(()) }
/// ```
///
/// Nothing happens in the background: it connects, waits, and keeps the connection alive while [`recv`](Self::recv),
/// [`send`](Self::send) or [`connected`](Self::connected) is awaited. The first attempt is made at once.
///
/// # Messages while there is no connection
/// [`send`](Self::send) waits for the next connection; no message is kept in a queue, and none is sent a second time. If the
/// connection fails while a message is sent, `send` returns the error: it may have arrived or not, which nobody but the
/// server's own answer can tell. What the server sends meanwhile is the server's to repeat:
/// [`on_connect`](Self::on_connect) is where to ask for it.
///
/// # Cancel safety
/// All state is in here and none in the futures, attempts and the hook included. Each of them can be dropped at any time and
/// the call repeated.
///
/// [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
#[must_use]
pub struct Reconnect {
    client: Client,
    backoff: Backoff,
    timer: Timer,
    hook: Option<Hook>,
    listener: Option<Box<Listener>>,
    stage: Stage,
    /// The attempts since a connection was there last.
    attempts: u32,
    /// A message that has been received while there was something to be sent, and is still to be lent.
    held: bool,
    /// The application has closed: whatever the ending, there is no other connection.
    closing: bool,
    outcome: Option<Outcome>,
    /// Why there will be no other connection; to be reported once.
    failure: Option<Error>,
}

/// What is done with each new connection, before anything else is.
pub type Hook = Box<dyn for<'s> FnMut(&'s mut WebSocket<Transport>) -> HookFuture<'s> + Send>;

/// What a [`Hook`] returns: `Box::pin(async { … })`.
pub type HookFuture<'s> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 's>>;

type Listener = dyn FnMut(ReconnectEvent<'_>) + Send;

enum Stage {
    /// Before an attempt, after this wait.
    Waiting(Option<Pin<Box<Sleep>>>, Duration),
    /// It brings the hook back.
    Connecting(Pin<Box<dyn Future<Output = (Option<Hook>, Attempt)> + Send>>),
    Open(Box<WebSocket<Transport>>),
    /// There will be no other connection.
    Over,
}

/// What came of an attempt.
enum Attempt {
    Connected(Box<WebSocket<Transport>>),
    NotConnected(Error),
    HookFailed(Box<WebSocket<Transport>>, Error),
}

/// What a [`Reconnect`] does: see [`Reconnect::on_event`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconnectEvent<'e> {
    /// An attempt begins: the `number`th, from 1, since there was a connection last, after a wait of `delay`.
    Attempt {
        /// Which one it is.
        number: u32,
        /// How long was waited for it.
        delay: Duration,
    },
    /// There is a connection, and the hook has done its work.
    Connected,
    /// The attempt came to nothing.
    NotConnected(&'e Error),
    /// The hook returned an error; the connection is given up.
    HookFailed(&'e Error),
    /// The connection has ended.
    Lost {
        /// How.
        outcome: &'e Outcome,
        /// The error of the transport or of the peer that ended it, if there was one.
        error: Option<&'e Error>,
    },
    /// The next attempt is made after this time.
    Waiting(Duration),
    /// There will be no other attempt.
    GivenUp,
}

impl Reconnect {
    /// Connects as `client` says, and connects again as the default [`Backoff`] says.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            backoff: Backoff::new(),
            timer: Timer::new(),
            hook: None,
            listener: None,
            stage: Stage::Waiting(None, Duration::ZERO),
            attempts: 0,
            held: false,
            closing: false,
            outcome: None,
            failure: None,
        }
    }

    /// Sets how long to wait, and when to give up.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// What to do with each new connection, before anything else is sent or received: to subscribe, to tell what was
    /// received last. If it returns an error, the connection is given up, and another one made after the usual wait; it
    /// should have a time-out of its own if it waits for an answer.
    ///
    /// The future is boxed because it must be [`Send`], which no bound can ask of an async closure.
    pub fn on_connect<H>(mut self, hook: H) -> Self
    where
        H: for<'s> FnMut(&'s mut WebSocket<Transport>) -> HookFuture<'s> + Send + 'static,
    {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Is told of each attempt and what came of it: for a log, or to show the user. It is called in the middle of things, and
    /// must not block.
    pub fn on_event(mut self, listener: impl FnMut(ReconnectEvent<'_>) + Send + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Waits for the next message, over as many connections as it takes. `None`: there will be no other one, since this end
    /// has [closed](Self::close) or the server's Close says so; [`outcome`](Self::outcome) tells.
    ///
    /// # Errors
    /// Once, if an attempt has failed in such a way that another one would, too: the server refused with 4xx, say. Then
    /// `None`. All other failures are [events](Self::on_event).
    ///
    /// # Cancel safety
    /// Dropped, it has lost nothing: the next call goes on where this one was.
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        match poll_fn(|cx| self.poll_next(cx)).await? {
            true => Ok(self.socket().and_then(|socket| socket.inbox.message())),
            false => Ok(None),
        }
    }

    /// Waits for a connection, unless there is one, and sends a message, as [`WebSocket::send`] does.
    ///
    /// # Errors
    /// [`Error::Send`] if nothing was sent: the message is not valid, there will be no other connection, or the present one is
    /// about to end and [`recv`](Self::recv) has messages of it to give first. [`Error::Io`] if the connection failed
    /// meanwhile: the message may have arrived or not. [`Error::Connect`] as in `recv`.
    ///
    /// # Cancel safety
    /// While there is no connection, nothing has been sent; then as [`WebSocket::send`].
    pub async fn send<'p>(&mut self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        let message = message.into();
        self.connected().await?.send(message).await
    }

    /// Waits for a connection, unless there is one, and lends it: for Pings, to write in pieces, for its counters. What is
    /// only [queued](WebSocket::feed) there is lost if the connection ends. Messages should be received by
    /// [`recv`](Self::recv), which connects again when it ends.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropped, the next call goes on where this one was.
    pub async fn connected(&mut self) -> Result<&mut WebSocket<Transport>, Error> {
        poll_fn(|cx| self.poll_sendable(cx)).await?;
        match &mut self.stage {
            Stage::Open(socket) => Ok(socket),
            _ => Err(SendError::Closing.into()),
        }
    }

    /// Closes the connection, as [`WebSocket::close`] does, or calls off the attempt to make one. There will be no other one.
    ///
    /// # Errors
    /// [`Error::Send`] if the reason is longer than 123 bytes.
    ///
    /// # Cancel safety
    /// Dropped, it has been closed for good; call it again, or `recv`, to wait for the ending.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<Option<&Outcome>, Error> {
        if let Stage::Open(socket) = &mut self.stage {
            if reason.len() > Close::MAX_REASON {
                return Err(SendError::ReasonTooLong.into());
            }
            self.closing = true;
            socket.close(code, reason).await?;
            self.lose(None);
        } else if !matches!(self.stage, Stage::Over) {
            self.stage = Stage::Over;
            self.tell(ReconnectEvent::GivenUp);
        }
        Ok(self.outcome.as_ref())
    }

    /// How the last connection ended that has.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The present connection, if there is one.
    #[must_use]
    pub fn socket(&self) -> Option<&WebSocket<Transport>> {
        match &self.stage {
            Stage::Open(socket) => Some(socket),
            _ => None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if mem::take(&mut self.held) {
            return Poll::Ready(Ok(true));
        }
        loop {
            match &mut self.stage {
                Stage::Open(socket) => match ready!(socket.poll_advance(Inbox::next, cx)) {
                    Ok(true) => return Poll::Ready(Ok(true)),
                    ended => self.lose(ended.err()),
                },
                Stage::Over => return Poll::Ready(self.failure.take().map_or(Ok(false), Err)),
                Stage::Waiting(..) | Stage::Connecting(_) => ready!(self.poll_connect(cx)),
            }
        }
    }

    /// Waits for a connection that takes messages.
    fn poll_sendable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match &mut self.stage {
                Stage::Open(socket) if socket.link.conn.can_send() && !socket.link.is_broken() => {
                    return Poll::Ready(Ok(()));
                }
                // What it still has received is not to be lost.
                Stage::Open(_) if self.held => return Poll::Ready(Err(SendError::Closing.into())),
                Stage::Open(socket) => match ready!(socket.poll_advance(Inbox::next, cx)) {
                    Ok(true) => self.held = true,
                    ended => self.lose(ended.err()),
                },
                Stage::Over => {
                    return Poll::Ready(Err(self.failure.take().unwrap_or(SendError::Closing.into())));
                }
                Stage::Waiting(..) | Stage::Connecting(_) => ready!(self.poll_connect(cx)),
            }
        }
    }

    /// Goes on with what comes before a connection.
    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stage {
            Stage::Waiting(wait, delay) => {
                if let Some(sleep) = wait {
                    ready!(sleep.as_mut().poll(cx));
                }
                let delay = *delay;
                self.attempts = self.attempts.saturating_add(1);
                self.stage = Stage::Connecting(Box::pin(attempt(self.client.clone(), self.hook.take())));
                self.tell(ReconnectEvent::Attempt { number: self.attempts, delay });
            }
            Stage::Connecting(connecting) => {
                let (hook, attempt) = ready!(connecting.as_mut().poll(cx));
                self.hook = hook;
                self.conclude(attempt);
            }
            Stage::Open(_) | Stage::Over => {}
        }
        Poll::Ready(())
    }

    fn conclude(&mut self, attempt: Attempt) {
        match attempt {
            Attempt::Connected(socket) => {
                self.attempts = 0;
                self.backoff.opened(self.timer.now());
                self.stage = Stage::Open(socket);
                self.tell(ReconnectEvent::Connected);
            }
            Attempt::HookFailed(socket, error) => {
                self.backoff.opened(self.timer.now());
                self.stage = Stage::Open(socket);
                self.tell(ReconnectEvent::HookFailed(&error));
                self.lose(Some(error));
            }
            Attempt::NotConnected(error) => {
                self.tell(ReconnectEvent::NotConnected(&error));
                let next = match &error {
                    Error::Connect(failed) => self.judge(Ending::Dial(failed)),
                    // Nothing that is told apart by trying again.
                    _ => Next::Stop,
                };
                self.go_on(next, Some(error));
            }
        }
    }

    /// The connection has ended.
    fn lose(&mut self, error: Option<Error>) {
        let Stage::Open(mut socket) = mem::replace(&mut self.stage, Stage::Over) else { return };
        if error.is_none() && answer_close(&mut socket) {
            self.stage = Stage::Open(socket);
            return;
        }
        // One that the hook has given up has no outcome yet.
        socket.link.conn.abort();
        let Some(outcome) = socket.outcome().cloned() else { return };
        drop(socket);
        self.tell(ReconnectEvent::Lost { outcome: &outcome, error: error.as_ref() });
        let next = if self.closing { Next::Stop } else { self.judge(Ending::Connection(&outcome)) };
        self.outcome = Some(outcome);
        self.go_on(next, None);
    }

    fn judge(&mut self, ending: Ending<'_>) -> Next {
        // Without entropy, the longest wait.
        let random = os_nonce().ok().and_then(|nonce| nonce.first_chunk().copied().map(u64::from_ne_bytes));
        self.backoff.after(ending, self.timer.now(), random.unwrap_or(u64::MAX))
    }

    fn go_on(&mut self, next: Next, failure: Option<Error>) {
        match next {
            Next::Retry(delay) => {
                self.stage = Stage::Waiting(Some(Box::pin(sleep(delay))), delay);
                self.tell(ReconnectEvent::Waiting(delay));
            }
            Next::Stop => {
                self.stage = Stage::Over;
                self.failure = failure;
                self.tell(ReconnectEvent::GivenUp);
            }
        }
    }

    fn tell(&mut self, event: ReconnectEvent<'_>) {
        if let Some(listener) = &mut self.listener {
            listener(event);
        }
    }
}

/// Answers the peer's Close if the configuration leaves that to the application, which by then is here.
fn answer_close(socket: &mut WebSocket<Transport>) -> bool {
    if socket.state() != State::CloseReceived {
        return false;
    }
    let code = socket.close_received().and_then(|close| close.code);
    let close = code.map_or(Close::default(), |code| Close::new(code, ""));
    socket.link.conn.close_with(close).is_ok()
}

/// One attempt. It owns all that it needs, so it goes on when whoever waits for it is dropped.
async fn attempt(client: Client, mut hook: Option<Hook>) -> (Option<Hook>, Attempt) {
    let mut socket = match connect(client).await {
        Ok(socket) => Box::new(socket),
        Err(error) => return (hook, Attempt::NotConnected(error)),
    };
    let hooked = match &mut hook {
        Some(run) => run(&mut socket).await,
        None => Ok(()),
    };
    match hooked {
        Ok(()) => (hook, Attempt::Connected(socket)),
        Err(error) => (hook, Attempt::HookFailed(socket, error)),
    }
}

impl fmt::Display for ReconnectEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt { number, delay } => write!(f, "attempt {number} to connect, after {delay:?}"),
            Self::Connected => f.write_str("connected"),
            Self::NotConnected(error) => write!(f, "not connected: {error}"),
            Self::HookFailed(error) => write!(f, "the new connection could not be set up: {error}"),
            Self::Lost { outcome, error: None } => write!(f, "the connection has ended: {outcome}"),
            Self::Lost { outcome, error: Some(error) } => {
                write!(f, "the connection has ended: {outcome}; {error}")
            }
            Self::Waiting(delay) => write!(f, "the next attempt is in {delay:?}"),
            Self::GivenUp => f.write_str("there will be no other attempt"),
        }
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("client", &self.client)
            .field("backoff", &self.backoff)
            .field("socket", &self.socket())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
