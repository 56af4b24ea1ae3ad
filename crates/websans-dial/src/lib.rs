//! What a WebSocket dialler decides, without I/O: the way from a URL to an open connection.
//!
//! A [`Client`] says where to connect and how. [`Dial`] is one dialling: a state machine that asks its owner for one
//! thing at a time (resolve this name, connect to this address, write, read, start TLS) and is told what came of it.
//! It follows redirections, asks proxies for a tunnel, and lets addresses race. Whatever waits has a deadline.
//! The adapters `websans-std` and `websans-tokio` drive it; their `connect` is what applications call.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream, ToSocketAddrs};
//! use websans::Clock;
//! use websans_dial::{Action, Client, Dial};
//!
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let server = listener.local_addr()?;
//! # std::thread::spawn(move || -> std::io::Result<()> {
//! #     let (mut io, _) = listener.accept()?;
//! #     let mut head = String::new();
//! #     while !head.ends_with("\r\n\r\n") {
//! #         let mut byte = [0];
//! #         io.read_exact(&mut byte)?;
//! #         head.push(byte[0] as char);
//! #     }
//! #     let key = head.split_once("Sec-WebSocket-Key: ").unwrap().1.split_once("\r\n").unwrap().0;
//! #     let accept = websans::handshake::accept_key(key.as_bytes());
//! #     io.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")?;
//! #     write!(io, "Sec-WebSocket-Accept: {}\r\n\r\n", std::str::from_utf8(&accept).unwrap())?;
//! #     let _ = io.read(&mut [0]);
//! #     Ok(())
//! # });
//! let client = Client::new(&format!("ws://{server}/chat"))?.header("X-Trace", "7")?;
//!
//! let clock = Clock::new();
//! let nonces = Box::new(|| Ok(*b"the sample nonce")); // 16 random bytes each time
//! let mut dial = Dial::new(&client, nonces, clock.now());
//! let mut stream = None;
//! let opened = loop {
//!     match dial.poll(clock.now())? {
//!         Action::Resolve { host, port } => {
//!             let found = (host, port).to_socket_addrs();
//!             dial.resolved(found, clock.now());
//!         }
//!         // An adapter waits for the turn, connects to several beside each other, and keeps `dial.deadline()`.
//!         Action::Connect { address, deadline, .. } => {
//!             match TcpStream::connect_timeout(&address, clock.until(deadline)) {
//!                 Ok(connected) => {
//!                     stream = Some(connected);
//!                     dial.connected(address, clock.now());
//!                 }
//!                 Err(error) => dial.not_connected(address, error, clock.now()),
//!             }
//!         }
//!         Action::Write => {
//!             stream.as_mut().unwrap().write_all(dial.outgoing())?;
//!             dial.written();
//!         }
//!         Action::Read => match stream.as_mut().unwrap().read(dial.spare_mut())? {
//!             0 => dial.eof(),
//!             n => dial.filled(n),
//!         },
//!         Action::Open(opened) => break opened,
//!         // TLS, turns and redirections, which this client has not asked for.
//!         other => return Err(format!("{other:?} is for adapters").into()),
//!     }
//! };
//! assert_eq!(opened.negotiated.protocol, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod backoff;
mod basic;
mod client;
mod dial;
mod error;
mod limits;
pub mod proxy;
mod race;
mod redirect;
#[cfg(feature = "rustls")]
mod tls;
mod turns;

pub use backoff::Backoff;
pub use client::Client;
pub use dial::{Action, Dial, Nonces, Opened};
pub use error::{Cause, ConnectError, Step};
pub use limits::Limits;
pub use proxy::{Proxy, ProxyError, ProxyUrlError};
pub use race::Race;
pub use redirect::{RedirectError, Redirects};
#[cfg(feature = "rustls")]
pub use tls::{Tls, TlsError};
pub use turns::{Place, Taking, Turn, Turns};

#[cfg(feature = "rustls")]
pub use rustls;
