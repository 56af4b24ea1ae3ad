//! Records a connection of [`websans`] into a small file, and replays it exactly.
//!
//! A state machine without I/O, clock and entropy does the same whenever it is given the same. A [`Recorder`] stands in for
//! the [`Connection`](websans::Connection) and the [`Inbox`](websans::Inbox) of an embedder, and writes down all that they are
//! given: received bytes and how they were cut, times, masking keys, and every call. [`replay`] does it again, and says at
//! which record something else came of it. A [`Tap`] does less, for connections that an adapter drives: it writes down
//! what goes over the transport.
//!
//! | | [`Recorder`] | [`Tap`] |
//! |---|---|---|
//! | for | those who drive a connection themselves | users of `websans-tokio` and `websans-std` |
//! | stands in for | `Connection` and `Inbox` | the stream |
//! | records | every call, what came of it as a hash; what was sent in full, what was written as a hash | bytes each way, times |
//! | replay reproduces | every event, every byte written, every state and deadline | every received event, as whole messages, up to the moment where this end gave up by itself (a time-out, say), which is not in the file |
//! | checked by | a running hash behind each record | the same, of the record's bytes alone |
//!
//! The files are described in [`format`](mod@format). `cargo run -p websans-testkit --example inspect FILE` prints one.
//!
//! # What it costs
//!
#![doc = include_str!("cost.md")]
//!
//! # What is in a file
//!
//! All that was said. A recording of a connection holds its users' messages, both ways; a tap leaves out the opening handshake,
//! with its cookies, but for what was agreed on. [`redact`] makes a copy without the messages, to be sent with a bug report:
//! it says what it leaves.
//!
//! # Limits
//!
//! * A connection is recorded from its opening, never from the middle.
//! * What is compressed is compressed again when it is replayed: with the same settings, and the same release of the
//!   compressor. [`Replay::deflate`] is given it.
//! * A hash finds changes, not forgers: it is no signature.
//! * The recorder writes to its sink within the calls. In asynchronous code that should be memory: a `Vec`.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

mod code;
mod coding;
mod error;
mod hash;
mod header;
mod keys;
mod outbox;
mod reach;
mod record;
mod recorder;
mod redact;
mod replay;
mod tap;
mod tape;

#[cfg(doc)]
pub mod format {
    #![doc = include_str!("format.md")]
}

pub use error::{Divergence, FormatError, ReplayError};
pub use header::{Header, Source, VERSION};
pub use outbox::RecordedOutbox;
pub use record::{Handed, Record, Recording, Said, Stop};
pub use recorder::Recorder;
pub use redact::redact;
pub use replay::{Heard, Replay, Replayed, Step, replay};
pub use tap::{Recorded, Tap};
