//! The opening handshake ([RFC 6455 §4]), from both sides, without I/O.
//!
//! A server collects the request with [`server::Acceptor`], judges it with [`server::Request::check`], and
//! answers with [`server::Offer::accept`] or [`HandshakeError::respond`]. A server whose requests are parsed by
//! someone else implements [`Headers`] for them and calls [`server::check`], or [`server::check_connect`] for an
//! extended CONNECT of HTTP/2 or HTTP/3 ([RFC 8441]).
//!
//! A client writes a [`client::Request`] and waits with [`client::Connector`] for what becomes of it.
//!
//! Either way the bytes behind the peer's head are handed out by `into_rest`: they belong to the WebSocket.
//!
//! [RFC 6455 §4]: https://www.rfc-editor.org/rfc/rfc6455#section-4
//! [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441

mod authority;
pub mod client;
mod connect;
mod connector;
mod endpoint;
mod error;
mod fields;
pub mod head;
mod headers;
mod lines;
mod offer;
mod origin;
mod refusal;
mod response;
pub mod server;
mod url;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

pub use endpoint::Endpoint;
pub use error::{BuildError, HandshakeError};
pub use origin::{Origin, OriginPolicy};
pub use url::Url;

/// The headers of a request, wherever they are kept: what [`server::check`] asks for.
///
/// ```
/// use websans::handshake::Headers;
///
/// struct Lines(Vec<(&'static str, Vec<u8>)>);
///
/// impl Headers for Lines {
///     fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
///         self.0.iter().filter(move |line| line.0.eq_ignore_ascii_case(name)).map(|line| &line.1[..])
///     }
/// }
/// ```
pub trait Headers {
    /// The values of all lines of the header `name`, in order. `name` is in lower case; the case of the
    /// headers' names does not matter.
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]>;
}

/// What is appended to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Header fields of a handshake that only the handshake itself may write, in requests and responses.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "origin",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// The value of `Sec-WebSocket-Accept` for a value of `Sec-WebSocket-Key`, both ASCII ([RFC 6455 §4.2.2]).
///
/// ```
/// let accept = websans::handshake::accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
///
/// [RFC 6455 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    encode(&hash.digest().bytes())
}

/// `bytes` in base64, of which there must be as many as `N` characters are for.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

/// What [`encode`] wrote, as text.
fn as_text(encoded: &[u8]) -> &str {
    core::str::from_utf8(encoded).unwrap_or_default()
}
