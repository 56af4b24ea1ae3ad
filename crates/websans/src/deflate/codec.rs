//! [`Encode`] and [`Decode`]: the two halves of a [`Codec`], which deflate and inflate the messages of one connection.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::ProtocolError;
use crate::message::Kind;

/// Inflates received messages. One per connection; called with the parts of each compressed message in order.
pub trait Decode: Send + Sync {
    /// Takes bytes from the front of `input`, which it shrinks, and writes what they inflate to to the front of `out`.
    ///
    /// `last` says that `input` holds the end of the message's payload (as sent: without the four bytes
    /// that RFC 7692 §7.2.1 strips). Returns [`Decoded::More`] if it is to be called again before new input comes, because
    /// `out` is full, say; else [`Decoded::Drained`], with `input` empty.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidDeflate`] if the input is not what the parameters allow. It is not called again then. What the
    /// input before has come to is to be handed out first, so that no verdict hangs on how a message was cut.
    fn decode(&mut self, input: &mut &[u8], last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError>;
}

/// Where a call of [`Decode::decode`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a decoder has no third way to stop")]
pub enum Decoded {
    /// At the end of the input: so many bytes have been written.
    Drained(usize),
    /// Before it, at the end of the room, say: so many bytes have been written. Call again before new input comes.
    More(usize),
}

/// Deflates messages to be sent. One per connection; called with the parts of each message in order.
pub trait Encode: Send + Sync {
    /// Whether to compress the message of `kind` that now begins, if the application does not say
    /// ([`Payload::compress`](crate::Payload::compress)); `len` is its length if it is sent whole.
    fn wants(&mut self, kind: Kind, len: Option<usize>) -> bool;

    /// Appends to `out`, whose beginning is not its own, what `payload` deflates to, as far as `flush` says. After [`Flush::End`] all of the message has
    /// been appended, without the four bytes that RFC 7692 §7.2.1 strips.
    fn encode(&mut self, payload: &[u8], flush: Flush, out: &mut Vec<u8>);

    /// How messages are compressed, if each is compressed independently of those before it. Whoever says the same
    /// compresses alike, so that a [`Prepared`](crate::Prepared) message is compressed once for all of them.
    fn variant(&self) -> Option<Variant> {
        None
    }
}

/// How far a call of [`Encode::encode`] must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a compressor has no fourth way to go on")]
pub enum Flush {
    /// More of the message follows: keep back what compresses better together with it.
    None,
    /// More of the message follows, but what has been given must come out now.
    Sync,
    /// The message ends here.
    End,
}

/// One way to compress, see [`Encode::variant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "made by implementations of Encode")]
pub struct Variant {
    /// The name of the implementation.
    pub implementation: &'static str,
    /// Its parameters, as a number of its own choice.
    pub setting: u32,
}

/// Both halves of a connection that has negotiated permessage-deflate.
#[non_exhaustive]
pub struct Codec {
    /// For what is sent.
    pub encode: Box<dyn Encode>,
    /// For what is received.
    pub decode: Box<dyn Decode>,
    /// Most bytes that both keep from one message to the next. None, if neither direction has context takeover.
    pub memory: usize,
}

impl Codec {
    /// The two halves of one connection, which keep nothing between messages.
    #[must_use]
    pub fn new(encode: Box<dyn Encode>, decode: Box<dyn Decode>) -> Self {
        Self { encode, decode, memory: 0 }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("memory", &self.memory).finish_non_exhaustive()
    }
}
