//! The client's side: a [`Request`] to write, and a [`Connector`] that judges what comes back.
//!
//! ```
//! use websans::handshake::client::{Answer, Connector, Request};
//! use websans::{Config, Timestamp};
//!
//! let now = Timestamp::from_nanos(0);
//! let nonce = *b"the sample nonce"; // 16 random bytes, fresh for each connection
//! let request = Request::new("ws://example.com/chat", nonce)?.protocol("chat")?;
//! let mut out = Vec::new();
//! request.write(&mut out); // goes to the transport
//!
//! let mut connector = Connector::new(request, &Config::default(), now);
//! # let mut arriving: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
//! #     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
//! #     Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi";
//! # let mut read = |spare: &mut [u8]| std::io::Read::read(&mut arriving, spare).unwrap();
//! let answer = loop {
//!     if let Some(answer) = connector.poll(now)? {
//!         break answer;
//!     }
//!     match read(connector.spare_mut()) {
//!         0 => connector.eof(),
//!         n => connector.filled(n),
//!     }
//! };
//! match answer {
//!     Answer::Open(negotiated) => assert_eq!(negotiated.protocol.as_deref(), Some("chat")),
//!     Answer::Refused(refusal) => panic!("the server said {}", refusal.status),
//!     _ => unreachable!(),
//! }
//! assert_eq!(connector.into_rest(), b"\x81\x02hi"); // what the server sent behind its response
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::borrow::{Cow, ToOwned};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BufMut;

use super::authority::Authority;
use super::connect::{has_connection_header, is_connection_specific};
use super::error::{BuildError, HandshakeError};
use super::fields::Fields;
use super::headers::{Malformed, extensions, has_token, single, token};
use super::origin::Origin;
use super::response::put;
use super::url::Url;
use super::{Headers, RESERVED, accept_key, as_text, encode};
use crate::config::Negotiated;
use crate::deflate;

pub use super::connector::{Answer, Connector};
pub use super::refusal::Refusal;

/// The request that opens a connection. It holds nothing that could break its lines: every setter checks what it is
/// given. It is good for one connection: its key is to be fresh, and what it offers of compression is reserved for it.
/// Clones are for whoever builds it step by step: they share that reservation.
#[derive(Clone, Debug)]
pub struct Request {
    url: Url,
    key: [u8; 24],
    host: Option<String>,
    origin: Option<String>,
    protocols: Vec<String>,
    deflate: Option<Arc<dyn deflate::Proposal>>,
    fields: Fields,
}

impl Request {
    /// A request for `url`, which is a `ws://` or `wss://` URL. `nonce` becomes the key of the handshake; it "MUST
    /// be selected randomly for each connection" ([RFC 6455 §4.1]), for example by
    /// [`os_nonce`](crate::entropy::os_nonce).
    ///
    /// # Errors
    /// As [`Url::parse`] has them.
    ///
    /// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    pub fn new(url: &str, nonce: [u8; 16]) -> Result<Self, BuildError> {
        Ok(Self {
            url: Url::parse(url)?,
            key: encode(&nonce),
            host: None,
            origin: None,
            protocols: Vec::new(),
            deflate: None,
            fields: Fields::default(),
        })
    }

    /// Offers a subprotocol; call again for the next best one. The server may choose one, or none.
    ///
    /// # Errors
    /// [`BuildError::ProtocolName`] if it is not a token, [`BuildError::ProtocolRepeated`].
    pub fn protocol(mut self, protocol: &str) -> Result<Self, BuildError> {
        if token(protocol.as_bytes()).is_none() {
            return Err(BuildError::ProtocolName);
        }
        if self.protocols.iter().any(|offered| offered == protocol) {
            return Err(BuildError::ProtocolRepeated);
        }
        self.protocols.push(protocol.to_owned());
        Ok(self)
    }

    /// Adds a header line: a cookie, say, or an authorization. The same name may be added again.
    ///
    /// # Errors
    /// [`BuildError::HeaderName`], [`BuildError::HeaderValue`], or [`BuildError::ReservedHeader`] for a header
    /// that the handshake writes itself, some of which have setters here.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        self.fields.add(name, value, RESERVED)?;
        Ok(self)
    }

    /// Says `Host: host` instead of what the URL says: to reach a server under another name than its own.
    ///
    /// # Errors
    /// [`BuildError::Host`] if it is not a host with an optional port.
    pub fn host(mut self, host: &str) -> Result<Self, BuildError> {
        Authority::parse(host).ok_or(BuildError::Host)?;
        self.host = Some(host.to_owned());
        Ok(self)
    }

    /// Says where the page comes from that connects, as browsers do; other clients need not.
    ///
    /// # Errors
    /// [`BuildError::Origin`] if it is not an origin as browsers send it.
    pub fn origin(mut self, origin: &str) -> Result<Self, BuildError> {
        self.origin = Some(Origin::header(origin)?);
        Ok(self)
    }

    /// Offers permessage-deflate. With `None`, the default, it is not offered.
    ///
    /// # Errors
    /// [`BuildError::WindowBits`] if a window is not from 9 to 15.
    pub fn deflate(mut self, extension: impl Into<Option<deflate::Extension>>) -> Result<Self, BuildError> {
        self.deflate = extension.into().map(|extension| extension.propose());
        if self.deflate.as_ref().is_none_or(|proposal| proposal.config().is_valid()) {
            Ok(self)
        } else {
            Err(BuildError::WindowBits)
        }
    }

    /// Where to connect.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Writes the whole request. Nothing else may be sent until the [`Connector`] says that the connection is
    /// open (RFC 6455 §4.1). `out` must have room, as `Vec<u8>` and `BytesMut` always do.
    pub fn write(&self, out: &mut impl BufMut) {
        put(out, &["GET ", self.url.target(), " HTTP/1.1\r\nHost: ", &self.authority(), "\r\n"]);
        put(out, &["Upgrade: websocket\r\nConnection: Upgrade\r\n"]);
        put(out, &["Sec-WebSocket-Key: ", as_text(&self.key), "\r\nSec-WebSocket-Version: 13\r\n"]);
        for (name, value) in self.offers() {
            put(out, &[name, ": ", &value, "\r\n"]);
        }
        out.put_slice(self.fields.as_bytes());
        out.put_slice(b"\r\n");
    }

    /// The pseudo-header fields of this request by HTTP/2 or HTTP/3, an extended CONNECT ([RFC 8441 §4]): names
    /// and values, in the order to send them. They may be sent once the server's settings have
    /// `SETTINGS_ENABLE_CONNECT_PROTOCOL` with the value 1, and not before ([RFC 8441 §3]).
    ///
    /// ```
    /// use websans::handshake::client::Request;
    ///
    /// // There is no key in this handshake: any nonce will do.
    /// let request = Request::new("wss://example.com/chat", [0; 16])?.protocol("chat")?;
    /// let pseudo = request.connect_pseudo_headers();
    /// assert_eq!(pseudo.each_ref().map(|(name, value)| (*name, &value[..])), [
    ///     (":method", "CONNECT"),
    ///     (":protocol", "websocket"),
    ///     (":scheme", "https"),
    ///     (":authority", "example.com"),
    ///     (":path", "/chat"),
    /// ]);
    /// let headers: Vec<_> = request.connect_headers().collect();
    /// assert_eq!(headers[0], ("sec-websocket-version".to_owned(), "13".into()));
    /// assert_eq!(headers[1], ("sec-websocket-protocol".to_owned(), "chat".into()));
    /// # Ok::<(), websans::handshake::BuildError>(())
    /// ```
    ///
    /// [RFC 8441 §3]: https://www.rfc-editor.org/rfc/rfc8441#section-3
    /// [RFC 8441 §4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
    #[must_use]
    pub fn connect_pseudo_headers(&self) -> [(&'static str, Cow<'_, str>); 5] {
        [
            (":method", "CONNECT".into()),
            (":protocol", "websocket".into()),
            (":scheme", if self.url.is_secure() { "https" } else { "http" }.into()),
            (":authority", self.authority()),
            (":path", self.url.target().into()),
        ]
    }

    /// The headers of this request by HTTP/2 or HTTP/3, names in lower case ([RFC 8441 §5]): those of
    /// [`write`](Self::write) but the key, which has no part there, and what belongs to a connection.
    ///
    /// [RFC 8441 §5]: https://www.rfc-editor.org/rfc/rfc8441#section-5
    pub fn connect_headers(&self) -> impl Iterator<Item = (String, Cow<'_, str>)> {
        let given = self.fields.iter().filter(|(name, _)| {
            // `TE` speaks of trailers and chunks, of which a WebSocket has none.
            !is_connection_specific(name) && !name.eq_ignore_ascii_case("te")
        });
        [("sec-websocket-version", Cow::Borrowed("13"))]
            .into_iter()
            .chain(self.offers())
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .chain(given.map(|(name, value)| (name.to_ascii_lowercase(), value.into())))
    }

    /// Judges the final response to this request by HTTP/2 or HTTP/3. A successful one (2xx) opens the connection,
    /// with what has been agreed on; any other is `None`: the server has refused.
    ///
    /// # Errors
    /// Of a successful response: [`ConnectionHeader`](HandshakeError::ConnectionHeader),
    /// [`InvalidExtensions`](HandshakeError::InvalidExtensions),
    /// [`UnexpectedExtension`](HandshakeError::UnexpectedExtension),
    /// [`UnexpectedProtocol`](HandshakeError::UnexpectedProtocol). The stream is to be reset.
    pub fn connected(
        mut self,
        status: u16,
        headers: &impl Headers,
    ) -> Result<Option<Negotiated>, HandshakeError> {
        if !(200..=299).contains(&status) {
            return Ok(None);
        }
        if has_connection_header(headers) {
            return Err(HandshakeError::ConnectionHeader);
        }
        self.agreed(headers).map(Some)
    }

    /// The value of `Host`, or of `:authority`.
    fn authority(&self) -> Cow<'_, str> {
        self.host.as_deref().map_or_else(|| self.url.authority().into(), Cow::Borrowed)
    }

    /// The lines, beside the caller's own, that every version of HTTP has.
    fn offers(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let protocols = (!self.protocols.is_empty()).then(|| self.protocols.join(", "));
        let deflate = self.deflate.as_ref().map(|proposal| proposal.config().offer().to_string());
        [
            ("Origin", self.origin.as_deref().map(Cow::Borrowed)),
            ("Sec-WebSocket-Protocol", protocols.map(Cow::Owned)),
            ("Sec-WebSocket-Extensions", deflate.map(Cow::Owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Judges the headers of a 101 response (RFC 6455 §4.1, the client's list of requirements). Once: what was offered is
    /// used up.
    pub(super) fn verify(&mut self, headers: &impl Headers) -> Result<Negotiated, HandshakeError> {
        // "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value that is
        // not an ASCII case-insensitive match for the value "websocket", the client MUST _Fail the WebSocket
        // Connection_."
        match single(headers.values("upgrade")) {
            Ok(Some(upgrade)) if upgrade.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(HandshakeError::InvalidUpgrade),
        }
        if has_token(headers.values("connection"), "upgrade") != Ok(true) {
            return Err(HandshakeError::InvalidConnection);
        }
        // The value is compared as it is: base64 has two cases.
        if single(headers.values("sec-websocket-accept")) != Ok(Some(&accept_key(&self.key)[..])) {
            return Err(HandshakeError::WrongAccept);
        }
        self.agreed(headers)
    }

    /// What the headers of a response that opens a connection agree on, by whatever version of HTTP it came.
    fn agreed(&mut self, headers: &impl Headers) -> Result<Negotiated, HandshakeError> {
        let deflate = self.agreed_deflate(headers.values("sec-websocket-extensions"))?;
        let protocol = self.chosen_protocol(headers.values("sec-websocket-protocol"))?;
        let codec = deflate.and_then(|agreed| Some(self.deflate.take()?.codec(true, agreed)));
        Ok(Negotiated { protocol, deflate, codec })
    }

    /// The one extension that was offered, or none. "The |Sec-WebSocket-Extensions| header field MUST NOT appear
    /// more than once in an HTTP response" (RFC 6455 §11.3.2).
    fn agreed_deflate<'h>(
        &self,
        values: impl Iterator<Item = &'h [u8]>,
    ) -> Result<Option<deflate::Parameters>, HandshakeError> {
        let value = match single(values) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(None),
            Err(Malformed) => return Err(HandshakeError::InvalidExtensions),
        };
        let mut chosen = extensions([value].into_iter());
        let Some(Ok(extension)) = chosen.next() else {
            return Err(HandshakeError::InvalidExtensions);
        };
        match (&self.deflate, chosen.next()) {
            (Some(proposal), None) if extension.name == deflate::NAME => {
                let terms = deflate::Terms::parse(extension.parameters());
                terms.and_then(|terms| proposal.config().agree(terms)).map(Some)
            }
            (_, Some(Err(Malformed))) => return Err(HandshakeError::InvalidExtensions),
            _ => None,
        }
        .ok_or(HandshakeError::UnexpectedExtension)
    }

    /// The subprotocol that was chosen of those offered, if any. "The |Sec-WebSocket-Protocol| header field MUST
    /// NOT appear more than once in an HTTP response" (RFC 6455 §11.3.4).
    fn chosen_protocol<'h>(
        &self,
        values: impl Iterator<Item = &'h [u8]>,
    ) -> Result<Option<String>, HandshakeError> {
        match single(values) {
            Ok(None) => Ok(None),
            Ok(Some(chosen)) => {
                let offered = self.protocols.iter().find(|offered| offered.as_bytes() == chosen);
                offered.cloned().map(Some).ok_or(HandshakeError::UnexpectedProtocol)
            }
            Err(Malformed) => Err(HandshakeError::UnexpectedProtocol),
        }
    }
}
