//! permessage-deflate ([RFC 7692]) for [`websans`], over `zlib-rs`, a zlib in pure Rust.
//!
//! A [`Deflate`] holds the [`Settings`] and what connections share. Give a handshake one, and messages are compressed if the
//! peer can do it too:
//!
//! ```
//! use websans::handshake::client::Request;
//! use websans::handshake::server::Choice;
//! use websans_deflate::{Deflate, Settings};
//!
//! let mut settings = Settings::default();
//! settings.level = 4;
//! let deflate = Deflate::new(settings);
//!
//! let choice = Choice::new().deflate(&deflate); // a server's
//! let request = Request::new("ws://example.com/", *b"16 random bytes.")?.deflate(&deflate)?; // a client's
//!
//! let perhaps: Option<&Deflate> = None; // as a setting says
//! let choice = Choice::new().deflate(perhaps.map(Into::into));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Compression is off unless it is asked for like this; [`websans::deflate::Config`] says why.
//!
//! # What it costs
//!
//! Without context takeover, the default, each message is compressed by itself. What that takes is borrowed from a pool
//! for as long as one message is under way, from its first part to its last, and an idle connection has nothing of it. (What
//! compresses a message that is sent in parts is made for it: in one that others have used, the length of a part could tell
//! of their messages.) With takeover a connection keeps what it has seen: messages that resemble those before shrink to a fraction, for
//! [`Settings::send_memory`] and [`RECEIVE_MEMORY`] bytes a connection, which [`websans::Stats`] tells.
//!
//! # What peers can do with it
//!
//! Messages are inflated as they arrive, into storage that grows with them, and never further than what is left of
//! [`websans::Config::max_message`], or read in chunks of at most 16 KiB, within `max_streamed`;
//! [`websans::Config::max_inflate_ratio`] can limit it further. A message that breaks DEFLATE, refers to what was never
//! sent, ends in the middle, or without the empty block that RFC 7692 §7.2.1 prescribes, ends the connection with 1007. A
//! final block (§7.2.3.4) ends the history, too.
//!
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

mod budget;
mod compressor;
mod decompressor;
mod pool;
mod provider;
mod settings;

pub use decompressor::RECEIVE_MEMORY;
pub use provider::Deflate;
pub use settings::Settings;
