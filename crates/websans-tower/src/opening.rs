//! [`Opening`]: a connection that has been accepted, and whose response is on its way.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper_util::rt::TokioIo;
use websans::{Negotiated, Role};
use websans_tokio::handshake::{BuildError, HandshakeError};
use websans_tokio::{Config, Member, WebSocket};

use crate::Socket;
use crate::event::{Entry, Event};
use crate::upgrade::Ticket;
use crate::upgraded::Upgraded;

/// A connection that has been accepted, and whose response is on its way: [`Upgrade::accept_later`](crate::Upgrade::accept_later).
///
/// It is ready when the response has left. Dropped, the connection is closed as soon as it is there.
#[must_use = "dropped, the connection is closed"]
pub struct Opening {
    // Boxed: it is soon over, and what awaits it may live long.
    state: Result<Box<Waiting>, UpgradeError>,
}

struct Waiting {
    ticket: Ticket,
    /// It leaves: [`Ticket::leaves`].
    leaves: bool,
    config: Arc<Config>,
    negotiated: Negotiated,
    entry: Entry,
}

impl Opening {
    pub(crate) fn new(ticket: Ticket, config: Arc<Config>, negotiated: Negotiated, entry: Entry) -> Self {
        Self { state: Ok(Box::new(Waiting { ticket, leaves: false, config, negotiated, entry })) }
    }

    pub(crate) fn failed(error: UpgradeError) -> Self {
        Self { state: Err(error) }
    }

    /// Its place; `None` if there will be no connection.
    pub(crate) fn member(&self) -> Option<&Member> {
        Some(&self.state.as_ref().ok()?.ticket.member)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Ok(waiting) = &self.state {
            waiting.entry.note(Event::NotOpened(&UpgradeError(Cause::Abandoned)));
        }
    }
}

impl Future for Opening {
    type Output = Result<Socket, UpgradeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = match &mut this.state {
            Ok(waiting) => ready!(waiting.poll(cx)),
            Err(error) => return Poll::Ready(Err(std::mem::replace(error, UpgradeError::taken()))),
        };
        let waiting = std::mem::replace(&mut this.state, Err(UpgradeError::taken()));
        Poll::Ready(waiting.and_then(|waiting| waiting.open(outcome)))
    }
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<hyper::upgrade::Upgraded, UpgradeError>> {
        if !self.leaves {
            if ready!(Pin::new(&mut self.ticket.leaves).poll(cx)).is_err() {
                return Poll::Ready(Err(UpgradeError(Cause::Withheld)));
            }
            self.leaves = true;
        }
        Pin::new(&mut self.ticket.on_upgrade).poll(cx).map_err(|error| UpgradeError(Cause::Hyper(error)))
    }

    fn open(self, upgraded: Result<hyper::upgrade::Upgraded, UpgradeError>) -> Result<Socket, UpgradeError> {
        let Self { ticket: Ticket { member, version, .. }, config, negotiated, entry, .. } = self;
        let io = upgraded.inspect_err(|error| entry.note(Event::NotOpened(error)))?;
        let io = Upgraded::new(member.guard(TokioIo::new(io)), version);
        // What the client has sent behind its request comes first out of the stream.
        let mut socket = WebSocket::from_handshake(io, Role::Server, config, negotiated, &[]);
        if entry.is_wanted() {
            // First, since the listener may panic at what comes next.
            let last = entry.clone();
            socket.on_drop(move |outcome, stats| last.note(Event::Closed(outcome, stats)));
        }
        entry.note(Event::Opened(socket.protocol()));
        Ok(socket)
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.state.as_ref().err();
        f.debug_struct("Opening").field("error", &error).finish_non_exhaustive()
    }
}

/// Why a connection that was accepted has not been opened.
#[derive(Debug)]
pub struct UpgradeError(Cause);

#[derive(Debug)]
enum Cause {
    /// The HTTP server beneath has failed, or the response did not leave.
    Hyper(hyper::Error),
    /// The service has answered otherwise in the end, or not at all.
    Withheld,
    /// The HTTP server beneath offers no upgrade.
    Unavailable,
    /// The handshake has come through another layer, which has it.
    Nested,
    /// The handshake has been accepted before.
    Taken,
    /// Nobody has waited for it.
    Abandoned,
    /// What the service wants cannot be agreed on.
    Build(BuildError),
    Handshake(HandshakeError),
}

impl UpgradeError {
    pub(crate) fn unavailable() -> Self {
        Self(Cause::Unavailable)
    }

    pub(crate) fn nested() -> Self {
        Self(Cause::Nested)
    }

    pub(crate) fn taken() -> Self {
        Self(Cause::Taken)
    }
}

impl From<BuildError> for UpgradeError {
    fn from(error: BuildError) -> Self {
        Self(Cause::Build(error))
    }
}

impl From<HandshakeError> for UpgradeError {
    fn from(error: HandshakeError) -> Self {
        Self(Cause::Handshake(error))
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Hyper(_) | Cause::Withheld => {
                f.write_str("the response that accepts the connection has not left")
            }
            Cause::Unavailable => f.write_str("the HTTP server beneath the middleware offers no upgrade"),
            Cause::Nested => f.write_str("the handshake has come through another WebSocketLayer already"),
            Cause::Taken => f.write_str("the handshake has been accepted before"),
            Cause::Abandoned => f.write_str("it was dropped before the connection was there"),
            Cause::Build(error) => error.fmt(f),
            Cause::Handshake(error) => error.fmt(f),
        }
    }
}

impl StdError for UpgradeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Cause::Hyper(error) => Some(error),
            Cause::Build(error) => Some(error),
            Cause::Handshake(error) => Some(error),
            Cause::Withheld | Cause::Unavailable | Cause::Nested | Cause::Taken | Cause::Abandoned => None,
        }
    }
}
