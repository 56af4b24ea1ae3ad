//! The server's opening handshake: [`Incoming`], [`accept`], [`accept_with`].

use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use websans::handshake::HandshakeError;
use websans::handshake::server::{Acceptor, Choice, Handshake, Request, Response};
use websans::{Clock, Config, Role};

use crate::error::Error;
use crate::socket::WebSocket;
use crate::stream::Stream;
use crate::wait::{Io, RETRY, Waits};

/// Accepts a WebSocket with the default [`Config`]: no subprotocol, no further header, any origin.
///
/// # Errors
/// [`Error::Handshake`] if the client's request is no valid handshake; it has been answered.
pub fn accept<S: Stream>(io: S) -> Result<WebSocket<S>, Error> {
    Incoming::read(io, Config::default())?.accept(&Choice::new())
}

/// Accepts or refuses a WebSocket as `decide` says, which sees the valid request.
///
/// `Ok(choice)` accepts; `Err(response)` answers with any other status, headers and body, and gives `Ok(None)`.
///
/// ```no_run
/// use websans_std::handshake::server::{Choice, Response};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:9001")?;
/// let (stream, _) = listener.accept()?;
/// let socket = websans_std::accept_with(stream, |request| match request.path() {
///     "/chat" => Ok(Choice::new().protocol(request.protocols().contains(&"chat").then_some("chat"))),
///     _ => Err(Response::new(404).expect("a valid status").body("no such room\n")),
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`accept`]; [`Error::Build`] if `choice` names a subprotocol that was not offered.
pub fn accept_with<S: Stream, F>(io: S, decide: F) -> Result<Option<WebSocket<S>>, Error>
where
    F: for<'r> FnOnce(&'r Handshake<'r>) -> Result<Choice<'r>, Response>,
{
    Incoming::read(io, Config::default())?.decide(decide)
}

/// A request that has arrived and waits for its answer: the handshake in two steps.
///
/// Any well-formed request of HTTP/1 will do, so a server can answer ordinary ones on the same port.
#[derive(Debug)]
pub struct Incoming<S> {
    io: S,
    acceptor: Acceptor,
    config: Arc<Config>,
}

impl<S: Stream> Incoming<S> {
    /// Reads a request within the limits and the time of `config`.
    ///
    /// # Errors
    /// [`Error::Handshake`] if it is not valid HTTP, too long or too slow; it has been answered (400, 408, 431, 505).
    /// [`Error::Io`] if the transport failed.
    pub fn read(mut io: S, config: impl Into<Arc<Config>>) -> Result<Self, Error> {
        let config = config.into();
        let clock = Clock::new();
        let mut waits = Waits::default();
        let mut acceptor = Acceptor::new(&config, clock.now());
        loop {
            match acceptor.poll(clock.now()) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => return Err(refuse(&mut io, error)),
            }
            waits.bound_read(&io, Some(clock.until(acceptor.deadline())))?;
            match Io::of(io.read(acceptor.spare_mut())) {
                Io::Done(0) => acceptor.eof(),
                Io::Done(n) => acceptor.filled(n),
                Io::Waited => {}
                Io::Failed(error) => return Err(error.into()),
            }
        }
        if let Err(error) = acceptor.request() {
            return Err(refuse(&mut io, error));
        }
        Ok(Self { io, acceptor, config })
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
    pub fn accept(mut self, choice: &Choice<'_>) -> Result<WebSocket<S>, Error> {
        let mut out = Vec::new();
        let accepted =
            match self.acceptor.request().and_then(|request| Ok(request.check()?.accept(choice, &mut out))) {
                Ok(accepted) => accepted,
                Err(error) => return Err(self.refuse(error)),
            };
        let negotiated = match accepted {
            Ok(negotiated) => negotiated,
            Err(error) => {
                self.respond(&Response::new(500)?)?;
                return Err(error.into());
            }
        };
        write_all(&mut self.io, &out, &self.config)?;
        let early = self.acceptor.into_rest();
        WebSocket::from_handshake(self.io, Role::Server, self.config, negotiated, &early)
    }

    /// Accepts or refuses as `decide` says: see [`accept_with`].
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn decide<F>(mut self, decide: F) -> Result<Option<WebSocket<S>>, Error>
    where
        F: for<'r> FnOnce(&'r Handshake<'r>) -> Result<Choice<'r>, Response>,
    {
        let mut out = Vec::new();
        let decided = (|| {
            let request = self.acceptor.request()?;
            let handshake = request.handshake()?;
            Ok(decide(&handshake).map(|choice| handshake.offer().clone().accept(&choice, &mut out)))
        })();
        match decided {
            Err(error) => Err(self.refuse(error)),
            Ok(Err(response)) => self.respond(&response).map(|()| None),
            Ok(Ok(Err(error))) => {
                self.respond(&Response::new(500)?)?;
                Err(error.into())
            }
            Ok(Ok(Ok(negotiated))) => {
                write_all(&mut self.io, &out, &self.config)?;
                let early = self.acceptor.into_rest();
                WebSocket::from_handshake(self.io, Role::Server, self.config, negotiated, &early).map(Some)
            }
        }
    }

    /// Answers with `response`, whatever it is, and ends the transport.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn respond(&mut self, response: &Response) -> Result<(), Error> {
        let head_only = self.acceptor.request().is_ok_and(|request| request.method() == "HEAD");
        let mut out = Vec::new();
        if head_only {
            response.write_head(&mut out)
        } else {
            response.write(&mut out)
        }
        write_all(&mut self.io, &out, &self.config)?;
        linger(&mut self.io);
        Ok(())
    }

    /// Answers with what `error` asks for, and ends the transport.
    pub fn refuse(mut self, error: HandshakeError) -> Error {
        let _ = self.respond(&error.response()); // the client may have gone
        error.into()
    }
}

/// Tells the client what was wrong with its handshake, as far as it listens, and ends the transport.
fn refuse(io: &mut impl Stream, error: HandshakeError) -> Error {
    let mut out = Vec::new();
    error.respond(&mut out);
    if write_all(io, &out, &Config::default()).is_ok() {
        linger(io);
    }
    error.into()
}

/// Writes a whole answer; one that the client does not take in time is a failed transport.
fn write_all(io: &mut impl Stream, mut bytes: &[u8], config: &Config) -> io::Result<()> {
    io.set_write_timeout(Some(config.handshake_within.max(RETRY)))?;
    while !bytes.is_empty() {
        match io.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    io.flush()
}

/// Ends a refused transport so that the answer arrives: to close with unread bytes would reset it. What comes is thrown
/// away for a moment, in bounded amount.
fn linger(io: &mut impl Stream) {
    const MOMENT: std::time::Duration = std::time::Duration::from_millis(500);
    let clock = Clock::new();
    let end = clock.now() + MOMENT;
    let mut scratch = [0; 4096];
    if io.shutdown(Shutdown::Write).is_err() || io.set_read_timeout(Some(MOMENT)).is_err() {
        return;
    }
    for _ in 0..256 {
        match io.read(&mut scratch) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
        if clock.until(end).is_zero() {
            return;
        }
    }
}
