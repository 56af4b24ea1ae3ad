//! permessage-deflate ([RFC 7692]): its parameters, and the two hooks behind which DEFLATE itself lives.
//!
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::ProtocolError;

/// Inflates received messages. One per connection; called with the parts of each compressed message in order.
pub trait Decode: Send + Sync {
    /// Takes bytes from the front of `input`, which it shrinks, and writes what they inflate to to the front of `out`.
    ///
    /// `last` says that `input` holds the end of the message's payload (as sent: without the four bytes
    /// that RFC 7692 §7.2.1 strips). Returns [`Decoded::Full`] if `out` is full and more may come without more
    /// input, else [`Decoded::Drained`], with `input` empty.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidDeflate`] if the input is not what the parameters allow.
    fn decode(&mut self, input: &mut &[u8], last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError>;
}

/// Where a call of [`Decode::decode`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a decoder has no third way to stop")]
pub enum Decoded {
    /// At the end of the input: so many bytes have been written.
    Drained(usize),
    /// At the end of the room, which is full: call again before new input comes.
    Full,
}

/// Deflates messages to be sent. One per connection; called with the parts of each message in order.
pub trait Encode: Send + Sync {
    /// Whether to compress the message of `kind` that now begins; `len` is its length if it is sent whole.
    fn wants(&mut self, kind: crate::Kind, len: Option<usize>) -> bool;

    /// Appends to `out` what `payload` deflates to; after the `last` part all of the message has been appended,
    /// without the four bytes that RFC 7692 §7.2.1 strips.
    fn encode(&mut self, payload: &[u8], last: bool, out: &mut Vec<u8>);
}

/// Both hooks of a connection that has negotiated permessage-deflate.
#[non_exhaustive]
pub struct Codec {
    /// For what is sent.
    pub encode: Box<dyn Encode>,
    /// For what is received.
    pub decode: Box<dyn Decode>,
}

impl Codec {
    /// The two halves of one connection.
    #[must_use]
    pub fn new(encode: Box<dyn Encode>, decode: Box<dyn Decode>) -> Self {
        Self { encode, decode }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

/// What both ends have agreed on ([RFC 7692 §7.1]). The default is what an agreement without parameters means.
///
/// "Window" is the base-2 logarithm of the size of the LZ77 sliding window, in bytes.
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Parameters {
    /// Whether the server begins each message with an empty window.
    pub server_no_context_takeover: bool,
    /// Whether the client begins each message with an empty window.
    pub client_no_context_takeover: bool,
    /// The largest window that the server compresses with: 8 to 15.
    pub server_max_window_bits: u8,
    /// The largest window that the client compresses with: 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: LARGEST_WINDOW,
            client_max_window_bits: LARGEST_WINDOW,
        }
    }
}

/// What one end wants of permessage-deflate: the client offers it, the server agrees to nothing that exceeds
/// it. The default forgets each message before the next and sets no limit to windows.
///
/// Compression is off unless a handshake is given one of these. Compressing secrets together with text that
/// an attacker can choose tells the attacker, by the length alone, what the secrets are; forgetting each message
/// narrows that to single messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// Whether the server must begin each message with an empty window. Default yes: it costs some
    /// compression, and saves the memory that windows take between messages.
    pub server_no_context_takeover: bool,
    /// Whether the client begins each message with an empty window. Default yes.
    pub client_no_context_takeover: bool,
    /// The largest window that the server may compress with: 9 to 15. Default 15, 32 KiB.
    pub server_max_window_bits: u8,
    /// The largest window that the client may compress with: 9 to 15. Default 15, 32 KiB. A server with a
    /// smaller one declines the offers of clients that cannot be told.
    pub client_max_window_bits: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: LARGEST_WINDOW,
            client_max_window_bits: LARGEST_WINDOW,
        }
    }
}

/// The largest window of DEFLATE, and the one that is used if none is named.
const LARGEST_WINDOW: u8 = 15;

#[cfg(feature = "handshake")]
pub(crate) use negotiation::{NAME, Terms};

#[cfg(feature = "handshake")]
mod negotiation;
