//! WebSocket ([RFC 6455]) as a pure state machine: no I/O, no clock, no global, no `unsafe` but one line.
//!
//! [`open`] makes a [`Connection`], which has the rules, and an [`Inbox`], which makes messages of received bytes. Whoever
//! drives them owns the socket and the clock: that is an adapter such as `websans-std`, or a loop of your own of some thirty
//! lines. The pages of the `guide` module show one (`embedding`), follow a byte through the crate (`path_of_a_byte`), and say
//! how connections end, what they cost, and why it is all as it is.
//!
//! * [`Connection`], [`Inbox`], [`Outbox`]: the state machine and its buffers.
//! * [`Message`], [`Payload`], [`Prepared`], [`Close`], [`Outcome`]: what goes in and out.
//! * [`Config`]: every limit and time-out.
//! * [`handshake`]: the opening handshake, both roles.
//! * [`frame`], [`mask`], [`text`]: the codec level, usable alone.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo
    )
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod assembler;
mod close;
mod config;
mod connection;
pub mod deflate;
#[cfg(feature = "os-entropy")]
pub mod entropy;
mod error;
pub mod frame;
#[cfg(all(doc, feature = "std", feature = "handshake", feature = "os-entropy"))]
pub mod guide;
#[cfg(feature = "handshake")]
pub mod handshake;
mod inbox;
pub mod mask;
mod message;
mod outbox;
mod outcome;
mod prepared;
mod stats;
pub mod text;
mod time;

use alloc::sync::Arc;

pub use close::{Close, CloseCode};
pub use config::{Config, Keepalive, MaskKeys, Negotiated, Reply, Role};
pub use connection::{Connection, Event, Hangup, Part, State};
pub use error::{ProtocolError, SendError};
pub use inbox::{Chunk, Inbox};
pub use message::{Kind, Message, Payload};
pub use outbox::Outbox;
pub use outcome::{Cause, Initiator, Outcome};
pub use prepared::Prepared;
pub use stats::{Compression, Stats};
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Timestamp;

/// A connection whose opening handshake is done, and the inbox that goes with it.
///
/// `config` is shared by whoever holds the `Arc`; a `Config` alone will do too.
#[must_use]
pub fn open(
    role: Role,
    config: impl Into<Arc<Config>>,
    negotiated: Negotiated,
    now: Timestamp,
) -> (Connection, Inbox) {
    let config = config.into();
    let (compressing, decode) = connection::halves(negotiated.codec, negotiated.deflate);
    let inbox = Inbox::new(&config, decode);
    (Connection::new(role, config, compressing, now), inbox)
}
