//! The server's opening handshake: [`Incoming`], [`accept`], [`accept_with`].

use std::io;
use std::ops::AsyncFnOnce;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use websans::handshake::HandshakeError;
use websans::handshake::server::{Acceptor, Choice, Handshake, Request, Response};
use websans::{Config, Role};

use crate::drain::drain;
use crate::error::Error;
use crate::socket::WebSocket;
use crate::sync::{timeout, timeout_at};
use crate::timer::Timer;

/// Accepts a WebSocket with the default [`Config`]: no subprotocol, no further header, any origin.
///
/// # Errors
/// [`Error::Handshake`] if the client's request is no valid handshake; it has been answered.
///
/// # Cancel safety
/// Dropped, the transport is closed.
pub async fn accept<S>(io: S) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Incoming::read(io, Config::default()).await?.accept(&Choice::new()).await
}

/// Accepts or refuses a WebSocket as `decide` says, which sees the valid request and may take its time: to ask a
/// database, say.
///
/// `Ok(choice)` accepts; `Err(response)` answers with any other status, headers and body, and gives `Ok(None)`.
///
/// ```no_run
/// use websans_tokio::handshake::server::{Choice, Response};
///
/// # async fn may_enter(_: Option<&[u8]>) -> bool { true }
/// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let socket = websans_tokio::accept_with(stream, async |request| match request.path() {
///     "/chat" if may_enter(request.header("cookie")).await => {
///         Ok(Choice::new().protocol(request.protocols().contains(&"chat").then_some("chat")))
///     }
///     _ => Err(Response::new(404).expect("a valid status").body("no such room\n")),
/// })
/// .await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// As [`accept`]; [`Error::Build`] if `choice` names a subprotocol that was not offered.
///
/// # Cancel safety
/// Dropped, the transport is closed, and `decide` is dropped where it was.
pub async fn accept_with<S, F>(io: S, decide: F) -> Result<Option<WebSocket<S>>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: for<'r> AsyncFnOnce(Handshake<'r>) -> Result<Choice<'r>, Response>,
{
    Incoming::read(io, Config::default()).await?.decide(decide).await
}

/// A request that has arrived and waits for its answer: the handshake in two steps.
///
/// Any well-formed request of HTTP/1 will do, so a server can answer ordinary ones on the same port.
// A task is as large as the largest of its futures for as long as it runs. So those of the handshake, which are large and
// soon over, are boxed, and what they hold is.
#[derive(Debug)]
pub struct Incoming<S> {
    io: S,
    acceptor: Box<Acceptor>,
    config: Arc<Config>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Incoming<S> {
    /// Reads a request within the limits and the time of `config`.
    ///
    /// # Errors
    /// [`Error::Handshake`] if it is not valid HTTP, too long or too slow; it has been answered (400, 408, 431, 505).
    /// [`Error::Io`] if the transport failed.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn read(io: S, config: impl Into<Arc<Config>>) -> Result<Self, Error> {
        Box::pin(Self::do_read(io, config.into())).await
    }

    async fn do_read(io: S, config: Arc<Config>) -> Result<Self, Error> {
        let timer = Timer::new();
        let acceptor = Box::new(Acceptor::new(&config, timer.now()));
        let deadline = timer.instant(acceptor.deadline());
        let mut incoming = Self { io, acceptor, config };
        loop {
            match incoming.acceptor.poll(timer.now()) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => return Err(incoming.refuse(error).await),
            }
            match timeout_at(deadline, incoming.io.read(incoming.acceptor.spare_mut())).await {
                Ok(Ok(0)) => incoming.acceptor.eof(),
                Ok(Ok(n)) => incoming.acceptor.filled(n),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {} // `poll` tells
            }
        }
        match incoming.acceptor.request().map(drop) {
            Ok(()) => Ok(incoming),
            Err(error) => Err(incoming.refuse(error).await),
        }
    }

    /// The stream beneath: to ask for the peer's address, say.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// The request.
    ///
    /// # Errors
    /// None after a successful [`read`](Self::read).
    pub fn request(&self) -> Result<Request<'_>, HandshakeError> {
        self.acceptor.request()
    }

    /// Accepts the handshake.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the request is no valid handshake; it has been answered (400, 405, 426, 505).
    /// [`Error::Build`] if `choice` names a subprotocol that was not offered; answered with 500.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed.
    pub async fn accept(self, choice: &Choice<'_>) -> Result<WebSocket<S>, Error> {
        Box::pin(self.do_accept(choice)).await
    }

    async fn do_accept(mut self, choice: &Choice<'_>) -> Result<WebSocket<S>, Error> {
        let mut out = Vec::new();
        let accepted =
            match self.acceptor.request().and_then(|request| Ok(request.check()?.accept(choice, &mut out))) {
                Ok(accepted) => accepted,
                Err(error) => return Err(self.refuse(error).await),
            };
        match accepted {
            Ok(negotiated) => self.open(negotiated, &out).await,
            Err(error) => {
                self.respond(&Response::new(500)?).await?;
                Err(error.into())
            }
        }
    }

    /// Accepts or refuses as `decide` says: see [`accept_with`].
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// As [`accept_with`].
    pub async fn decide<F>(self, decide: F) -> Result<Option<WebSocket<S>>, Error>
    where
        F: for<'r> AsyncFnOnce(Handshake<'r>) -> Result<Choice<'r>, Response>,
    {
        Box::pin(self.do_decide(decide)).await
    }

    async fn do_decide<F>(mut self, decide: F) -> Result<Option<WebSocket<S>>, Error>
    where
        F: for<'r> AsyncFnOnce(Handshake<'r>) -> Result<Choice<'r>, Response>,
    {
        let mut out = Vec::new();
        let checked = self.acceptor.request().and_then(|request| request.check().map(drop));
        if let Err(error) = checked {
            return Err(self.refuse(error).await);
        }
        let decided = {
            let request = self.acceptor.request()?;
            let handshake = request.handshake()?;
            let decided = decide(handshake.clone()).await;
            decided.map(|choice| handshake.offer().clone().accept(&choice, &mut out))
        };
        match decided {
            Err(response) => self.respond(&response).await.map(|()| None),
            Ok(Err(error)) => {
                self.respond(&Response::new(500)?).await?;
                Err(error.into())
            }
            Ok(Ok(negotiated)) => self.open(negotiated, &out).await.map(Some),
        }
    }

    /// Answers with `response`, whatever it is, and ends the transport.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// None: dropped, part of the answer may have left. The transport can only be closed then.
    pub async fn respond(&mut self, response: &Response) -> Result<(), Error> {
        Box::pin(self.do_respond(response)).await
    }

    async fn do_respond(&mut self, response: &Response) -> Result<(), Error> {
        let head_only = self.acceptor.request().is_ok_and(|request| request.method() == "HEAD");
        let mut out = Vec::new();
        if head_only {
            response.write_head(&mut out)
        } else {
            response.write(&mut out)
        }
        self.write(&out).await?;
        // To close with unread bytes would reset the connection before the answer has been read.
        let _ = timeout(LINGER, drain(&mut self.io)).await;
        Ok(())
    }

    /// Answers with what `error` asks for, and ends the transport.
    ///
    /// # Cancel safety
    /// Dropped, the transport is closed, though part of the answer may have left.
    pub async fn refuse(mut self, error: HandshakeError) -> Error {
        let _ = self.respond(&error.response()).await; // the client may have gone
        error.into()
    }

    async fn open(mut self, negotiated: websans::Negotiated, response: &[u8]) -> Result<WebSocket<S>, Error> {
        self.write(response).await?;
        let early = self.acceptor.into_rest();
        Ok(WebSocket::from_handshake(self.io, Role::Server, self.config, negotiated, &early))
    }

    /// Writes a whole answer; one that the client does not take in time is a failed transport.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        timeout(self.config.handshake_within, written).await.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

/// How long the end of a refused client is waited for.
const LINGER: Duration = Duration::from_millis(500);
