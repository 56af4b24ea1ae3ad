//! WebSocket ([RFC 6455]) as [tower] middleware, over HTTP/1.1 and HTTP/2 ([RFC 8441]).
//!
//! [`WebSocketLayer`] judges each opening handshake before the service beneath sees it: a broken one is answered 400 or 426 (405 for
//! another method, 505 for HTTP/1.0), a page of a foreign origin 403, one too many 503. A good one goes on to the service with an
//! [`Upgrade`] in its extensions, by which the service accepts it. Everything else passes through untouched.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use std::time::Duration;
//! use axum::{Router, response::IntoResponse, routing::any};
//! use websans_tower::{Error, Keepalive, Options, Socket, Upgrade, WebSocketLayer};
//!
//! async fn echo(socket: Socket) -> Result<(), Error> {
//!     let (mut receiver, sender) = socket.split();
//!     while let Some(message) = receiver.recv().await? {
//!         sender.send(message).await?;
//!     }
//!     Ok(())
//! }
//!
//! # async fn serve(ctrl_c: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
//! let websockets = WebSocketLayer::new(
//!     Options::new()
//!         .keep_alive(Keepalive { every: Duration::from_secs(20), within: Duration::from_secs(10) })
//!         .max_message(64 << 10),
//! );
//! let sockets = websockets.sockets();
//! let app = Router::new()
//!     .route("/ws", any(async |upgrade: Upgrade| upgrade.accept(echo).into_response()))
//!     .layer(websockets);
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:5000").await?;
//! let end = tokio::spawn({
//!     let sockets = sockets.clone();
//!     async move {
//!         ctrl_c.await;
//!         sockets.shutdown(Duration::from_secs(10)).await // 1001 to all; after 10 s the rest is cut off
//!     }
//! });
//! let served = axum::serve(listener, app).with_graceful_shutdown(async move { sockets.closing().await });
//! let served = tokio::spawn(served.into_future());
//! println!("{}", end.await?);
//! // Requests under way. axum would wait for ever for a client that has vanished.
//! let _ = tokio::time::timeout(Duration::from_secs(5), served).await;
//! # Ok(()) }
//! ```
//!
//! Route by [`any`](https://docs.rs/axum/latest/axum/routing/fn.any.html), not by `get`: over HTTP/2 the method is CONNECT.
//!
//! The HTTP server beneath must offer upgrades: `axum::serve` does, and
//! [`hyper_util::server::conn::auto::Builder::serve_connection_with_upgrades`] does. Over HTTP/2 it must announce extended
//! CONNECT besides (`enable_connect_protocol`), as `axum::serve` does with the feature `http2`. All WebSockets of an HTTP/2 connection
//! share its window: with hyper's defaults, which `axum::serve` has, a handler that does not read what its client sends holds up all
//! others of that client after 1 MiB. A server of its own can set `initial_connection_window_size` to a multiple of
//! `initial_stream_window_size`, and time-outs besides, as the sample app does.
//!
//! The pages of [`guide`] tell what to know about proxies and about networks that fall silent.
//!
//! # Features
//! * `axum`: [`Upgrade`] as an extractor.
//! * `tracing`: a span for each connection, with an event when it is opened, when it ends, when it is refused, and when its handler
//!   fails.
//! * `metrics`: numbers by the crate `metrics`. Gauge: `websans_connections_open`. Counters: `websans_connections_opened_total`,
//!   `websans_connections_not_opened_total`, `websans_handshakes_refused_total` by `status`,
//!   `websans_connections_closed_total` by `ending` (`clean`, `unclean`, `dropped`), `websans_handlers_failed_total` by `how`
//!   (`error`, `panic`), and, added when a connection ends, `websans_messages_total` and `websans_bytes_total` by `direction`
//!   (`received`, `sent`). Histogram: `websans_connection_seconds`.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
//! [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441
//! [tower]: https://docs.rs/tower
//! [`hyper_util::server::conn::auto::Builder::serve_connection_with_upgrades`]: https://docs.rs/hyper-util

#[cfg(feature = "axum")]
mod axum;
mod event;
mod forwarded;
#[cfg(doc)]
pub mod guide;
mod handshake;
mod layer;
mod linger;
#[cfg(feature = "metrics")]
mod metrics;
mod opening;
mod options;
mod origins;
mod response;
mod service;
mod sockets;
#[cfg(feature = "tracing")]
mod tracing;
mod upgrade;
mod upgraded;

#[cfg(feature = "axum")]
pub use self::axum::NotUpgradable;
pub use event::{Details, Event};
pub use forwarded::Forwarded;
pub use layer::WebSocketLayer;
pub use opening::{Opening, UpgradeError};
pub use options::Options;
pub use origins::AllowedOrigins;
pub use response::ResponseBody;
pub use service::{ResponseFuture, WebSocketService};
pub use sockets::Sockets;
pub use upgrade::{Conclusion, Upgrade};
pub use upgraded::Upgraded;
pub use websans_tokio::handshake::{BuildError, HandshakeError, Origin, OriginPolicy};
pub use websans_tokio::{
    Cause, Close, CloseCode, Compression, Config, Error, Farewell, Initiator, Keepalive, Kind, Message,
    MessageReader, MessageWriter, Outcome, Payload, Prepared, ProtocolError, Reply, SendError, State, Stats,
    WebSocket, deflate,
};

/// A connection that the middleware has accepted.
pub type Socket = WebSocket<Upgraded>;
/// The receiving half of a [`Socket`].
pub type Receiver = websans_tokio::Receiver<Upgraded>;
/// The sending half of a [`Socket`].
pub type Sender = websans_tokio::Sender<Upgraded>;
