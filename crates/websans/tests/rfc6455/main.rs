//! The rules of RFC 6455 as the core obeys them, by section. A test's name starts with its row in `requirements.md`.

mod closing;
mod control;
mod framing;
#[cfg(feature = "handshake")]
mod handshake_client;
#[cfg(feature = "handshake")]
mod handshake_server;
mod limits;
mod messages;
mod support;
mod vectors;
