//! permessage-deflate ([RFC 7692]): its parameters, its negotiation, and the hooks behind which DEFLATE itself lives.
//!
//! A [`Provider`] is one implementation of it, such as `Deflate` of the crate `websans-deflate`. Handshakes are given one
//! as an [`Extension`]; what they agree on comes with the [`Codec`] that does it.
//!
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

mod codec;
#[cfg(feature = "handshake")]
mod negotiation;
mod provider;

pub use codec::{Codec, Decode, Decoded, Encode, Flush, Variant};
#[cfg(feature = "handshake")]
pub(crate) use negotiation::{NAME, Terms};
pub use provider::{Extension, Proposal, Provider};

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
/// Compression is off unless a handshake is given an [`Extension`], for two reasons. Compressing secrets together with
/// text that an attacker can choose tells the attacker, by the length alone, what the secrets are (the attacks on TLS known
/// as CRIME and BREACH); forgetting each message before the next, the default, narrows that to single messages, and
/// [`Payload::compress`](crate::Payload::compress) leaves those out that hold secrets. And windows take memory: what each
/// setting costs is the [`Provider`]'s to say.
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
