//! The server's side: [`Acceptor`] collects a [`Request`], [`check`] judges it, [`Offer::accept`] answers it.
//!
//! ```
//! use websans::handshake::server::{Acceptor, Choice};
//! use websans::{Config, Timestamp};
//!
//! let now = Timestamp::from_nanos(0);
//! let mut acceptor = Acceptor::new(&Config::default(), now);
//! # let mut arriving: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//! #     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n";
//! # let mut read = |spare: &mut [u8]| std::io::Read::read(&mut arriving, spare).unwrap();
//! while !acceptor.poll(now)? {
//!     match read(acceptor.spare_mut()) {
//!         0 => acceptor.eof(),
//!         n => acceptor.filled(n),
//!     }
//! }
//! let request = acceptor.request()?;
//! assert_eq!(request.path(), "/chat");
//! let offer = request.check()?;
//! let protocol = offer.protocols().contains(&"chat").then_some("chat");
//! let mut out = Vec::new();
//! let negotiated = offer.accept(&Choice::new().protocol(protocol), &mut out)?;
//! assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! assert_eq!(negotiated.protocol.as_deref(), Some("chat"));
//! let first_frames = acceptor.into_rest(); // what the client sent behind its request
//! # assert!(first_frames.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use super::authority::Authority;
use super::error::HandshakeError;
use super::head::Head;
use super::lines::{Lines, version_fault};
use super::offer;
use super::origin::OriginPolicy;
use super::url::{is_target, split_authority};
use crate::config::Config;
use crate::time::Timestamp;

pub use super::connect::{ExtendedConnect, check_connect};
pub use super::offer::{Accepted, Choice, MAX_PROTOCOLS, Offer, check, is_upgrade};
pub use super::response::Response;

/// Collects one request as it arrives, within the limits and the time of a [`Config`].
///
/// Its owner calls [`poll`](Self::poll) after every read and at [`deadline`](Self::deadline). It costs 1 KiB of
/// heap from the first read on, and more only as more arrives (see [`Head`]).
#[derive(Debug)]
pub struct Acceptor {
    head: Head,
    deadline: Timestamp,
}

impl Acceptor {
    /// Waits for a request from `now` on. The time it may take is counted from here, not from its last byte.
    #[must_use]
    pub fn new(config: &Config, now: Timestamp) -> Self {
        Self { head: Head::request(config), deadline: now + config.handshake_within }
    }

    /// Where to read to. Empty, so that reading stops, once the head is complete or refused.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        self.head.spare_mut()
    }

    /// Takes note that `n` bytes have been read to the start of [`spare_mut`](Self::spare_mut).
    pub fn filled(&mut self, n: usize) {
        self.head.filled(n);
    }

    /// Takes note that the peer sends no more.
    pub fn eof(&mut self) {
        if self.head.is_complete() == Ok(false) {
            self.head.fail(HandshakeError::Incomplete);
        }
    }

    /// Whether the head has come whole; if so, [`request`](Self::request) has it.
    ///
    /// # Errors
    /// Why it never will, the same again at every call: [`Timeout`](HandshakeError::Timeout) from the deadline
    /// on, [`Incomplete`](HandshakeError::Incomplete) after [`eof`](Self::eof), or what
    /// [`Head::is_complete`] tells. [`HandshakeError::respond`] writes the answer.
    pub fn poll(&mut self, now: Timestamp) -> Result<bool, HandshakeError> {
        let complete = self.head.is_complete()?;
        if !complete && now >= self.deadline {
            self.head.fail(HandshakeError::Timeout);
            return Err(HandshakeError::Timeout);
        }
        Ok(complete)
    }

    /// When the request must have come: poll then, if not before.
    #[must_use]
    pub const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The request, once [`poll`](Self::poll) has returned `true`: any well-formed request of HTTP/1, so that
    /// ordinary pages can be served on the same port. Parses the head, so keep what it returns.
    ///
    /// # Errors
    /// [`InvalidHead`](HandshakeError::InvalidHead), [`InvalidTarget`](HandshakeError::InvalidTarget),
    /// [`InvalidHost`](HandshakeError::InvalidHost), [`HttpVersion`](HandshakeError::HttpVersion) for
    /// anything but 1.0 and 1.1, [`Incomplete`](HandshakeError::Incomplete) if it is too early.
    pub fn request(&self) -> Result<Request<'_>, HandshakeError> {
        if self.head.is_complete()? { Request::parse(&self.head) } else { Err(HandshakeError::Incomplete) }
    }

    /// What came behind the request's head. Once the handshake is accepted these are the first bytes of the
    /// WebSocket; if it is not, they are nobody's.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        self.head.into_rest()
    }
}

/// A version of HTTP, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0, which has no upgrade.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A request, as it lies in the [`Acceptor`]'s buffer.
pub struct Request<'b> {
    method: &'b str,
    target: Target<'b>,
    version: HttpVersion,
    host: &'b str,
    headers: Lines<'b>,
}

impl<'b> Request<'b> {
    fn parse(head: &'b Head) -> Result<Self, HandshakeError> {
        let mut headers = Lines::with_room(head);
        let mut parsed = httparse::Request::new(headers.room());
        match parsed.parse(head.bytes()) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::Version) => return Err(version_fault(head, 2, 3)),
            _ => return Err(HandshakeError::InvalidHead),
        }
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(HandshakeError::InvalidHead);
        };
        let count = parsed.headers.len();
        headers.truncate(count);
        let version = if minor == 0 { HttpVersion::Http10 } else { HttpVersion::Http11 };
        let target = Target::parse(method, target).ok_or(HandshakeError::InvalidTarget)?;
        let mut request = Self { method, target, version, host: "", headers };
        // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
        // lacks a Host header field and to any request message that contains more than one Host header
        // field line or a Host header field with an invalid field value" (RFC 9112 §3.2).
        if version >= HttpVersion::Http11 || request.header("host").is_some() {
            let host = offer::host(request.headers.named("host"))?;
            // "When an origin server receives a request with an absolute-form of request-target, the origin
            // server MUST ignore the received Host header field (if any) and instead use the host
            // information of the request-target" (RFC 9112 §3.2.2).
            request.host = target.authority.unwrap_or(host);
        }
        Ok(request)
    }

    /// The method: `GET` of every handshake. Methods are case-sensitive.
    #[must_use]
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// The target as it was sent: visible ASCII, usually a path with an optional query.
    #[must_use]
    pub const fn target(&self) -> &'b str {
        self.target.whole
    }

    /// The target's path, percent-encoded as it was sent. It begins with `/`, also if the target is a whole
    /// URL, except for the `*` of `OPTIONS` and for `CONNECT`, where it is the target itself.
    #[must_use]
    pub const fn path(&self) -> &'b str {
        self.target.path
    }

    /// What stands behind the target's first `?`, if there is one.
    #[must_use]
    pub const fn query(&self) -> Option<&'b str> {
        self.target.query
    }

    /// The version of HTTP.
    #[must_use]
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// The host and the port, if one is given, that the client wants to speak to: the authority of a target that
    /// is a whole URL, else the value of `Host`. Empty if an HTTP/1.0 request has none.
    #[must_use]
    pub const fn host(&self) -> &'b str {
        self.host
    }

    /// The value of `Origin`, if there is one: where the page comes from that makes a browser ask. What to
    /// think of it is for [`check_origin`](Self::check_origin) to say.
    #[must_use]
    pub fn origin(&self) -> Option<&'b [u8]> {
        self.header("origin")
    }

    /// The first value of the header `name`, in either case, without the white space around it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers.named(name).next()
    }

    /// Names and values of all headers, in order, as they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.headers.iter()
    }

    /// Whether the request asks for WebSocket: `Upgrade` names it. If so [`check`](Self::check) it; if not,
    /// this may be a browser that asks for a page.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        offer::names_websocket(self.headers.named("upgrade"))
    }

    /// Checks the handshake: [`check`] with the parts of this request.
    ///
    /// # Errors
    /// As [`check`] has them.
    pub fn check(&self) -> Result<Offer<'_>, HandshakeError> {
        check(self.method, self.version, &self.headers)
    }

    /// [`check`](Self::check), with the request kept at hand: for adapters that let the application decide.
    ///
    /// # Errors
    /// As [`check`] has them.
    pub fn handshake(&self) -> Result<Handshake<'_>, HandshakeError> {
        Ok(Handshake { offer: self.check()?, request: self })
    }

    /// Checks `Origin` against a policy: [`OriginPolicy::check`] with the parts of this request.
    ///
    /// # Errors
    /// [`HandshakeError::OriginRefused`].
    pub fn check_origin(&self, policy: &OriginPolicy) -> Result<(), HandshakeError> {
        policy.check(self.headers.named("origin"), self.host)
    }
}

/// A valid handshake that waits for a decision: the [`Request`] and what the client offers in it.
#[derive(Clone, Debug)]
pub struct Handshake<'r> {
    request: &'r Request<'r>,
    offer: Offer<'r>,
}

impl<'r> Handshake<'r> {
    /// The subprotocols that the client speaks, the one it likes best first.
    #[must_use]
    pub fn protocols(&self) -> &[&'r str] {
        self.offer.protocols()
    }

    /// The offer, to be [accepted](Offer::accept).
    #[must_use]
    pub const fn offer(&self) -> &Offer<'r> {
        &self.offer
    }
}

impl<'r> Deref for Handshake<'r> {
    type Target = Request<'r>;

    fn deref(&self) -> &Request<'r> {
        self.request
    }
}

impl fmt::Debug for Request<'_> {
    /// The request line and the names of the headers: their values may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target.whole)
            .field("version", &self.version)
            .field("headers", &names)
            .finish()
    }
}

/// The four forms of a request's target (RFC 9112 §3.2).
#[derive(Clone, Copy)]
struct Target<'b> {
    whole: &'b str,
    authority: Option<&'b str>,
    path: &'b str,
    query: Option<&'b str>,
}

impl<'b> Target<'b> {
    fn parse(method: &str, whole: &'b str) -> Option<Self> {
        if !is_target(whole) {
            return None;
        }
        let (authority, path) = if whole.starts_with('/') {
            (None, whole)
        } else if method == "CONNECT" {
            Authority::parse(whole)?;
            return Some(Self { whole, authority: Some(whole), path: whole, query: None });
        } else if whole == "*" {
            (None, if method == "OPTIONS" { whole } else { return None })
        } else {
            let (scheme, rest) = whole.split_once("://")?;
            if !["http", "https", "ws", "wss"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
                return None;
            }
            let (authority, path) = split_authority(rest);
            Authority::parse(authority)?;
            (Some(authority), path)
        };
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        Some(Self { whole, authority, path: if path.is_empty() { "/" } else { path }, query })
    }
}
