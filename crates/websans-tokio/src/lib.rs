//! WebSocket ([RFC 6455]) over tokio: the [`websans`] core with async I/O.
//!
//! ```no_run
//! # async fn serve() -> Result<(), websans_tokio::Error> {
//! // A server: echo every message of every connection.
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
//! loop {
//!     let (stream, _) = listener.accept().await?;
//!     tokio::spawn(async move {
//!         let (mut receiver, sender) = websans_tokio::accept(stream).await?.split();
//!         while let Some(message) = receiver.recv().await? {
//!             sender.send(message).await?;
//!         }
//!         Ok::<(), websans_tokio::Error>(())
//!     });
//! }
//! # }
//! ```
//!
//! * [`WebSocket`]: a connection, whole; [`split`](WebSocket::split) makes [`Receiver`] and [`Sender`] of it.
//! * [`accept()`], [`accept_with`], [`Incoming`]: the server's opening handshake.
//! * [`connect()`] and [`Client`]: the dialler, with TLS, proxies, redirects and the race of addresses;
//!   [`handshake()`] over a stream that is there already.
//! * [`serve()`] and [`Server`]: many connections, at most so many, closed together; [`Group`]: the same for a server of your own.
//! * [`Reconnect`]: a client that connects again.
//! * Compression: [`Client::deflate`], [`Choice::deflate`](handshake::server::Choice::deflate), with the crate `websans-deflate`.
//! * The module `stream` (feature): `Stream` and `Sink` of owned messages, under the names of tokio-tungstenite.
//! * The module `h2` (feature): a WebSocket in a stream of HTTP/2, beside requests and other WebSockets.
//!
//! No rule of the RFC lives here: the crate reads, writes, wakes, and keeps the core's deadlines. Every future can be dropped
//! at any time; each says what that means.
//!
//! # Features
//! * `rustls` (on): TLS by rustls with the provider ring and, unless others are given, the platform's roots.
//! * `webpki-roots`: `Tls::webpki`, Mozilla's roots.
//! * `stream`: the module of that name.
//! * `h2`: the module of that name.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455

mod accept;
mod connect;
mod drain;
mod error;
mod group;
#[cfg(feature = "h2")]
pub mod h2;
mod line;
mod link;
mod message;
mod notice;
mod pool;
mod reconnect;
mod reunite;
#[cfg(all(test, websans_schedules))]
mod schedules;
mod serve;
mod socket;
mod split;
#[cfg(feature = "stream")]
pub mod stream;
mod sync;
mod timer;
mod transport;
mod waiting;

pub use accept::{Incoming, accept, accept_with};
pub use connect::{connect, handshake};
pub use drain::drain;
pub use error::Error;
pub use group::{Farewell, Group, Grouped, Member};
pub use message::{MessageReader, MessageWriter, Parts, Source};
pub use reconnect::{Hook, HookFuture, Reconnect, ReconnectEvent};
pub use reunite::ReuniteError;
pub use serve::{Report, ServeEvent, Served, Server, serve};
pub use socket::WebSocket;
pub use split::{Receiver, Sender};
pub use transport::Transport;
pub use websans::handshake::server::Handshake;
pub use websans::{
    Cause, Close, CloseCode, Compression, Config, Initiator, Keepalive, Kind, Message, Negotiated, Outcome,
    Payload, Prepared, ProtocolError, Reply, Role, SendError, State, Stats, deflate, handshake,
};
pub use websans_dial::{
    Cause as ConnectCause, Client, ConnectError, Limits, Proxy, ProxyError, ProxyUrlError, RedirectError,
    Redirects, Step, Turns, backoff,
};
#[cfg(feature = "rustls")]
pub use websans_dial::{Tls, TlsError, rustls};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
