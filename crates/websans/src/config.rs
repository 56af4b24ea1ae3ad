//! [`Config`]: every limit and every time-out, in one place; [`Role`], [`Negotiated`].

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::deflate;

/// The limits and habits of a connection, shared by reference among any number of them.
///
/// Every default is finite. Sizes are in bytes of payload unless a field says otherwise.
///
/// ```
/// use core::time::Duration;
/// use websans::Config;
///
/// let mut config = Config::default();
/// config.max_message = 64 << 10;
/// config.keepalive = None;
/// config.idle = Some(Duration::from_secs(120));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Longest message that is received whole, in bytes. Default 1 MiB. A frame whose header already breaks
    /// the limit fails the connection with 1009 at that header, before anything is stored. Of a compressed message it is
    /// what it inflates to that counts; its bytes on the wire may be an eighth and 1 KiB more.
    pub max_message: u64,
    /// Longest message that is received in parts as they arrive, in bytes. Default 1 TiB: a streamed
    /// message costs no memory.
    pub max_streamed: u64,
    /// Most fragments of one message that is received whole. Default 131,072. A fragment costs no memory here, only its
    /// bytes on the wire; beyond the limit the connection fails with 1008. Every message has one, so 0 counts as 1. A message
    /// that is received in parts as they arrive may have any number, within `max_streamed`.
    pub max_fragments: u32,
    /// Most bytes that one byte of a compressed message may inflate to, on the whole of what has come of it so far; not
    /// judged below 64 KiB of content, and every 512 bytes of the message and at its end. Default none: `max_message` bounds what is inflated, and DEFLATE itself is
    /// at most some 1030 times shorter. Beyond the limit the connection fails with 1009.
    pub max_inflate_ratio: Option<u32>,
    /// Most empty fragments in a row. Default 16; beyond it the connection fails with 1008.
    pub max_empty_fragments: u8,
    /// Bytes that may wait in the outbox before `send` refuses. Default 256 KiB. One message into an empty
    /// outbox always fits.
    pub max_outbox: usize,
    /// Largest read buffer, in bytes. Default 16 KiB. It starts at 2 KiB, grows while reads fill it, and is
    /// given back when the connection falls idle.
    pub read_buffer: usize,
    /// Messages longer than this are sent in fragments of this many bytes. Default none: one frame each.
    pub fragment_above: Option<usize>,
    /// Keep-alive Pings. Default every 30 s, answer within 10 s.
    pub keepalive: Option<Keepalive>,
    /// Closes the connection (1001) when no message has been sent or received for this long. Default none.
    pub idle: Option<Duration>,
    /// How long the answer to a Close, and after it the peer's end of the transport, is waited for. Default 5 s. It counts
    /// from when the Close has left: what was queued before it has `write_stall` in all to leave.
    pub close_within: Duration,
    /// Gives the peer up when the transport has taken no byte for this long though some are waiting.
    /// Default 30 s.
    pub write_stall: Duration,
    /// Who answers a Ping. Default [`Reply::Automatic`].
    pub pong_reply: Reply,
    /// Who answers the peer's Close. Default [`Reply::Automatic`].
    pub close_reply: Reply,
    /// Longest head of a handshake (request line or status line and all headers), in bytes. Default 16 KiB.
    pub max_head: usize,
    /// Most header lines of a handshake. Default 64.
    pub max_headers: usize,
    /// How long the opening handshake may take in all. Default 10 s.
    pub handshake_within: Duration,
    /// Longest body that a client keeps of a refused handshake, in bytes. Default 64 KiB.
    pub max_refusal_body: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message: 1 << 20,
            max_streamed: 1 << 40,
            max_fragments: 131_072,
            max_inflate_ratio: None,
            max_empty_fragments: 16,
            max_outbox: 256 << 10,
            read_buffer: 16 << 10,
            fragment_above: None,
            keepalive: Some(Keepalive::default()),
            idle: None,
            close_within: Duration::from_secs(5),
            write_stall: Duration::from_secs(30),
            pong_reply: Reply::Automatic,
            close_reply: Reply::Automatic,
            max_head: 16 << 10,
            max_headers: 64,
            handshake_within: Duration::from_secs(10),
            max_refusal_body: 64 << 10,
        }
    }
}

/// When to send a keep-alive Ping, and how long to wait for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a pair by nature, written as a literal")]
pub struct Keepalive {
    /// A Ping is sent when nothing has been received for this long.
    pub every: Duration,
    /// The peer is given up (1011) when nothing at all has been received for this long after the Ping.
    pub within: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { every: Duration::from_secs(30), within: Duration::from_secs(10) }
    }
}

/// Who answers a frame that asks for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// The connection, as soon as it is received.
    Automatic,
    /// The application, with [`Connection::pong`](crate::Connection::pong) or
    /// [`Connection::close`](crate::Connection::close).
    WhenAsked,
}

/// Where the masking keys of a client's frames come from: a fresh, unpredictable key each call
/// ([RFC 6455 §5.3]). Tests pass a counter, adapters [`os_mask_keys`](crate::entropy::os_mask_keys).
///
/// [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3
pub type MaskKeys = Box<dyn FnMut() -> [u8; 4] + Send + Sync>;

/// Which end of the connection this is. Servers receive masked frames and send plain ones, clients the
/// reverse ([RFC 6455 §5.1]).
///
/// [RFC 6455 §5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.1
#[non_exhaustive]
pub enum Role {
    /// The end that answered the opening handshake.
    Server,
    /// The end that opened it, with the source of its masking keys.
    Client(MaskKeys),
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "Server",
            Self::Client(_) => "Client",
        })
    }
}

/// What the opening handshake agreed on.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol, if one was chosen.
    pub protocol: Option<String>,
    /// The parameters of permessage-deflate, if it was agreed on.
    pub deflate: Option<deflate::Parameters>,
    /// The two halves that do what `deflate` says, present if, and only if, it is.
    pub codec: Option<deflate::Codec>,
}
