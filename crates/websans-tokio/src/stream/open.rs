//! The opening handshake, both ends.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use websans::Config;
use websans_dial::Client;

use super::WebSocketStream;
use crate::accept::Incoming;
use crate::error::Error;
use crate::handshake::server::Choice;
use crate::transport::Transport;

/// What [`connect_async`] connects with: `MaybeTlsStream<TcpStream>` is the [`Transport`].
pub type MaybeTlsStream<S> = <S as Tls>::Stream;

/// A stream on which [`connect_async`] can put TLS. Only [`TcpStream`] is one.
pub trait Tls: sealed::Sealed {
    /// With TLS, or without.
    type Stream;
}

impl Tls for TcpStream {
    type Stream = Transport;
}

mod sealed {
    #[allow(unnameable_types, reason = "nobody else is to implement what it seals")]
    pub trait Sealed {}

    impl Sealed for tokio::net::TcpStream {}
}

/// What the server's answer to the handshake said. [`Client`] tells more of those that refuse, by its error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The subprotocol that was agreed on.
    pub protocol: Option<String>,
}

impl Response {
    fn of<S: AsyncRead + AsyncWrite + Unpin>(socket: &WebSocketStream<S>) -> Self {
        Self { protocol: socket.protocol().map(str::to_owned) }
    }

    /// The status: 101, for other answers are errors.
    #[must_use]
    #[allow(clippy::unused_self, reason = "a response has a status")]
    pub const fn status(&self) -> u16 {
        101
    }
}

/// Connects to a `ws://` or `wss://` URL, or as a [`Client`] says: [`connect`](crate::connect).
///
/// # Errors
/// As [`connect`](crate::connect).
///
/// # Cancel safety
/// Dropped, whatever it has begun is ended.
pub async fn connect_async<C>(to: C) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error>
where
    C: TryInto<Client, Error: Into<Error>>,
{
    let socket = WebSocketStream::from(crate::connect(to).await?);
    let response = Response::of(&socket);
    Ok((socket, response))
}

/// Does the client's handshake over a stream that is connected already: [`handshake`](crate::handshake()).
///
/// # Errors
/// As [`handshake`](crate::handshake()).
///
/// # Cancel safety
/// Dropped, the transport is closed.
pub async fn client_async<C, S>(to: C, io: S) -> Result<(WebSocketStream<S>, Response), Error>
where
    C: TryInto<Client, Error: Into<Error>>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let client = to.try_into().map_err(Into::into)?;
    let socket = WebSocketStream::from(crate::handshake(io, &client).await?);
    let response = Response::of(&socket);
    Ok((socket, response))
}

/// Does the server's handshake: [`accept`](crate::accept).
///
/// # Errors
/// As [`accept`](crate::accept).
///
/// # Cancel safety
/// Dropped, the transport is closed.
pub async fn accept_async<S>(io: S) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept_async_with_config(io, None).await
}

/// [`accept_async`] with limits and time-outs of one's own.
///
/// # Errors
/// As [`accept`](crate::accept).
///
/// # Cancel safety
/// Dropped, the transport is closed.
pub async fn accept_async_with_config<S>(io: S, config: Option<Config>) -> Result<WebSocketStream<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let incoming = Incoming::read(io, config.unwrap_or_default()).await?;
    Ok(incoming.accept(&Choice::new()).await?.into())
}
