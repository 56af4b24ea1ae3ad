//! WebSocket ([RFC 6455]) over blocking sockets: the [`websans`] core with `std` I/O.
//!
//! ```no_run
//! # fn main() -> Result<(), websans_std::Error> {
//! // A server: echo every message of every connection.
//! let listener = std::net::TcpListener::bind("127.0.0.1:9001")?;
//! for stream in listener.incoming() {
//!     let Ok(stream) = stream else { continue };
//!     std::thread::spawn(move || -> Result<(), websans_std::Error> {
//!         let socket = websans_std::accept(stream)?; // here, where a slow client keeps nobody else waiting
//!         let (mut receiver, sender) = socket.split()?;
//!         while let Some(message) = receiver.recv()? {
//!             sender.send(message)?;
//!         }
//!         Ok(())
//!     });
//! }
//! # Ok(()) }
//! ```
//!
//! [`connect`] is the client's side: TLS, proxies, redirections and a race of addresses, every step with a deadline.
//! Compression is [`Client::deflate`] and [`Choice::deflate`](handshake::server::Choice::deflate), with the crate `websans-deflate`.
//!
//! No rule of the RFC lives here: the crate reads, writes, and keeps the core's deadlines while it waits.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455

mod accept;
mod attempts;
mod connect;
mod error;
mod message;
#[cfg(all(test, websans_schedules))]
mod schedules;
mod socket;
mod split;
mod stream;
mod sync;
#[cfg(feature = "rustls")]
mod tls;
mod transport;
mod wait;

pub use accept::{Incoming, accept, accept_with};
pub use connect::{connect, handshake};
pub use error::Error;
pub use message::{MessageReader, MessageWriter, Parts, Source};
pub use socket::WebSocket;
pub use split::{Receiver, Sender};
pub use stream::{CloneStream, Stream};
#[cfg(feature = "rustls")]
pub use tls::TlsStream;
pub use transport::Transport;
pub use websans::handshake::server::Handshake;
pub use websans::{
    Cause, Close, CloseCode, Compression, Config, Initiator, Keepalive, Kind, Message, Negotiated, Outcome,
    Payload, Prepared, ProtocolError, Reply, Role, SendError, State, Stats, deflate, handshake,
};
pub use websans_dial::{Client, ConnectError, Limits, Proxy, backoff};
#[cfg(feature = "rustls")]
pub use websans_dial::{Tls, rustls};
