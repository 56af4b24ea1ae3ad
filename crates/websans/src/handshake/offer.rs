//! [`check`]: the one judge of opening handshakes, whoever parsed them; [`Offer`]: what it lets pass.

use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BufMut;

use super::authority::Authority;
use super::connect::is_connection_specific;
use super::error::{BuildError, HandshakeError};
use super::fields::Fields;
use super::headers::{elements, extensions, has_token, single, token};
use super::server::HttpVersion;
use super::{Headers, RESERVED, accept_key, as_text};
use crate::config::Negotiated;
use crate::deflate;

/// Most subprotocols that a request may offer. Nobody offers as many; the limit keeps the search for
/// repetitions, and the memory that the offer takes, small.
pub const MAX_PROTOCOLS: usize = 64;

/// Most acceptable offers of permessage-deflate that are looked at; the rest is declined.
const MAX_DEFLATE_OFFERS: usize = 16;

/// Judges the opening handshake of a client by [RFC 6455 §4.2.1], from whatever has parsed it.
///
/// The path and the origin are for the caller to judge: [`OriginPolicy`](super::OriginPolicy). A request target
/// must have been judged already, as [`Request`](super::server::Request) and other HTTP parsers do.
///
/// # Errors
/// The first of these that holds, each of which [`HandshakeError::respond`] can answer:
/// [`MethodNotGet`](HandshakeError::MethodNotGet), [`HttpVersion`](HandshakeError::HttpVersion),
/// [`InvalidHost`](HandshakeError::InvalidHost), [`UnexpectedBody`](HandshakeError::UnexpectedBody),
/// [`NotUpgrade`](HandshakeError::NotUpgrade), [`InvalidConnection`](HandshakeError::InvalidConnection),
/// [`RepeatedVersion`](HandshakeError::RepeatedVersion), [`WrongVersion`](HandshakeError::WrongVersion),
/// [`InvalidKey`](HandshakeError::InvalidKey), [`InvalidProtocols`](HandshakeError::InvalidProtocols),
/// [`TooManyProtocols`](HandshakeError::TooManyProtocols),
/// [`InvalidExtensions`](HandshakeError::InvalidExtensions).
///
/// [RFC 6455 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
pub fn check<'h>(
    method: &str,
    version: HttpVersion,
    headers: &'h impl Headers,
) -> Result<Offer<'h>, HandshakeError> {
    // "An HTTP/1.1 or higher GET request"
    if method != "GET" {
        return Err(HandshakeError::MethodNotGet);
    }
    if version < HttpVersion::Http11 {
        return Err(HandshakeError::HttpVersion);
    }
    // "A |Host| header field containing the server's authority."
    host(headers.values("host"))?;
    // A body would be taken for frames by us and for something else by an intermediary, or the reverse.
    if headers.values("transfer-encoding").next().is_some() || !is_empty(headers.values("content-length")) {
        return Err(HandshakeError::UnexpectedBody);
    }
    if !names_websocket(headers.values("upgrade")) {
        return Err(HandshakeError::NotUpgrade);
    }
    // "A |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value."
    if has_token(headers.values("connection"), "upgrade") != Ok(true) {
        return Err(HandshakeError::InvalidConnection);
    }
    // "A |Sec-WebSocket-Key| header field with a base64-encoded [...] value that, when decoded, is 16 bytes in
    // length."
    Offer::of(headers, || match single(headers.values("sec-websocket-key")) {
        Ok(Some(key)) if is_key(key) => Ok(Some(accept_key(key))),
        _ => Err(HandshakeError::InvalidKey),
    })
}

/// Whether a request of HTTP/1.1 asks for WebSocket, by whoever has parsed it: `Upgrade` names it. If so,
/// [`check`] it; if not, it may ask for a page.
#[must_use]
pub fn is_upgrade(headers: &impl Headers) -> bool {
    names_websocket(headers.values("upgrade"))
}

/// "An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive value."
pub(super) fn names_websocket<'h>(values: impl Iterator<Item = &'h [u8]>) -> bool {
    elements(values).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// The one valid value among those of `Host`.
pub(super) fn host<'h>(values: impl Iterator<Item = &'h [u8]>) -> Result<&'h str, HandshakeError> {
    single(values)
        .ok()
        .flatten()
        .and_then(|host| str::from_utf8(host).ok())
        .filter(|host| Authority::parse(host).is_some())
        .ok_or(HandshakeError::InvalidHost)
}

/// Whether the values of `Content-Length` announce no body: none, or one number that is zero.
fn is_empty<'h>(values: impl Iterator<Item = &'h [u8]>) -> bool {
    match single(values) {
        Ok(None) => true,
        Ok(Some(length)) => !length.is_empty() && length.iter().all(|&digit| digit == b'0'),
        Err(_) => false,
    }
}

/// Whether `key` is the one way to write some 16 bytes in base64: 24 characters, padded, no stray bits.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24 && STANDARD.decode_slice(key, &mut [0; 18]) == Ok(16)
}

/// "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021 to
/// U+007E not including separator characters [...] and MUST all be unique strings" (RFC 6455 §4.1).
fn protocols<'h>(values: impl Iterator<Item = &'h [u8]>) -> Result<Vec<&'h str>, HandshakeError> {
    let mut values = values.peekable();
    let sent = values.peek().is_some();
    let mut list = Vec::new();
    for element in elements(values) {
        let protocol = token(element).ok_or(HandshakeError::InvalidProtocols)?;
        if list.contains(&protocol) {
            return Err(HandshakeError::InvalidProtocols);
        }
        if list.len() == MAX_PROTOCOLS {
            return Err(HandshakeError::TooManyProtocols);
        }
        list.push(protocol);
    }
    // The grammar is "1#token": a list that is sent has an element.
    if sent && list.is_empty() { Err(HandshakeError::InvalidProtocols) } else { Ok(list) }
}

/// The offers of permessage-deflate that can be answered, in the client's order. Other extensions are none of
/// ours, but their grammar is.
fn deflate_offers<'h>(values: impl Iterator<Item = &'h [u8]>) -> Result<Vec<deflate::Terms>, HandshakeError> {
    let mut values = values.peekable();
    let mut unseen = values.peek().is_some();
    let mut offers = Vec::new();
    for extension in extensions(values) {
        let extension = extension.map_err(|_| HandshakeError::InvalidExtensions)?;
        unseen = false;
        if extension.name == deflate::NAME && offers.len() < MAX_DEFLATE_OFFERS {
            offers.extend(deflate::Terms::parse(extension.parameters()));
        }
    }
    if unseen { Err(HandshakeError::InvalidExtensions) } else { Ok(offers) }
}

/// A valid opening handshake that waits for its answer.
///
/// [`accept`](Self::accept) it, or write a [`Response`](super::server::Response) of another kind and close.
#[derive(Clone, Debug)]
pub struct Offer<'h> {
    /// The value of `Sec-WebSocket-Accept`. None for an extended CONNECT, whose stream proves as much.
    accept: Option<[u8; 28]>,
    protocols: Vec<&'h str>,
    deflate: Vec<deflate::Terms>,
}

impl<'h> Offer<'h> {
    /// Judges the headers that every handshake has, by whatever version of HTTP it comes. `accept` has the value
    /// of `Sec-WebSocket-Accept`, if there is to be one.
    pub(super) fn of(
        headers: &'h impl Headers,
        accept: impl FnOnce() -> Result<Option<[u8; 28]>, HandshakeError>,
    ) -> Result<Self, HandshakeError> {
        // "A |Sec-WebSocket-Version| header field, with a value of 13." Judged before the key: the handshakes of
        // older versions have other keys, or none, and their clients should learn what is wrong.
        match single(headers.values("sec-websocket-version")) {
            Ok(Some(b"13")) => {}
            Ok(_) => return Err(HandshakeError::WrongVersion),
            Err(_) => return Err(HandshakeError::RepeatedVersion),
        }
        Ok(Self {
            accept: accept()?,
            protocols: protocols(headers.values("sec-websocket-protocol"))?,
            deflate: deflate_offers(headers.values("sec-websocket-extensions"))?,
        })
    }

    /// The subprotocols that the client speaks, the one it likes best first. Their case matters.
    #[must_use]
    pub fn protocols(&self) -> &[&'h str] {
        &self.protocols
    }

    /// Whether the client offers permessage-deflate with parameters that can be answered.
    #[must_use]
    pub fn offers_deflate(&self) -> bool {
        !self.deflate.is_empty()
    }

    /// Accepts: writes the whole 101 response to `out` and returns what has been agreed on. `out` must have
    /// room, as `Vec<u8>` and `BytesMut` always do.
    ///
    /// # Errors
    /// As [`answer`](Self::answer) has them, and [`BuildError::ExtendedConnect`] if the request came by HTTP/2 or
    /// HTTP/3: the answer is no text then. Nothing has been written.
    pub fn accept(self, choice: &Choice<'_>, out: &mut impl BufMut) -> Result<Negotiated, BuildError> {
        if self.accept.is_none() {
            return Err(BuildError::ExtendedConnect);
        }
        let accepted = self.answer(choice)?;
        out.put_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        out.put_slice(accepted.fields.as_bytes());
        out.put_slice(b"\r\n");
        Ok(accepted.negotiated)
    }

    /// Accepts, for a server that writes its responses itself: returns status and headers of the response.
    ///
    /// # Errors
    /// [`BuildError::ProtocolNotOffered`] if `choice` names a subprotocol that the client does not speak,
    /// [`BuildError::WindowBits`] if the client offers compression and that of `choice` has an invalid window.
    pub fn answer(&self, choice: &Choice<'_>) -> Result<Accepted, BuildError> {
        let protocol = match choice.protocol {
            Some(chosen) if !self.protocols.contains(&chosen) => return Err(BuildError::ProtocolNotOffered),
            chosen => chosen,
        };
        let deflate = match &choice.deflate {
            Some(extension) if self.offers_deflate() => {
                let proposal = extension.propose();
                let config = proposal.config();
                if !config.is_valid() {
                    return Err(BuildError::WindowBits);
                }
                let terms = self.deflate.iter().find_map(|offer| offer.answer(&config));
                terms.map(|terms| (terms, proposal.codec(false, terms.parameters())))
            }
            _ => None,
        };

        let mut fields = Fields::default();
        if let Some(accept) = &self.accept {
            fields.own("Upgrade", "websocket");
            fields.own("Connection", "Upgrade");
            fields.own("Sec-WebSocket-Accept", as_text(accept));
        }
        if let Some(protocol) = protocol {
            fields.own("Sec-WebSocket-Protocol", protocol);
        }
        if let Some((terms, _)) = &deflate {
            fields.own("Sec-WebSocket-Extensions", &terms.to_string());
        }
        match self.accept {
            Some(_) => fields.append(&choice.fields),
            None => choice
                .fields
                .iter()
                .filter(|(name, _)| !is_connection_specific(name))
                .for_each(|(name, value)| fields.own(name, value)),
        }
        let negotiated = Negotiated {
            protocol: protocol.map(ToOwned::to_owned),
            deflate: deflate.as_ref().map(|(terms, _)| terms.parameters()),
            codec: deflate.map(|(_, codec)| codec),
        };
        Ok(Accepted { status: if self.accept.is_some() { 101 } else { 200 }, fields, negotiated })
    }
}

/// Status and headers of the response that opens a connection, and what they agree on: what [`Offer::answer`] returns.
#[derive(Debug)]
pub struct Accepted {
    status: u16,
    fields: Fields,
    /// What has been agreed on.
    pub negotiated: Negotiated,
}

impl Accepted {
    /// The status: 101, or 200 for an extended CONNECT (RFC 8441 §5).
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Names and values of the headers to send, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter()
    }
}

/// What a server makes of an [`Offer`]. The default is no subprotocol, no extension, no further header.
#[derive(Clone, Debug, Default)]
pub struct Choice<'c> {
    protocol: Option<&'c str>,
    deflate: Option<deflate::Extension>,
    fields: Fields,
}

impl<'c> Choice<'c> {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the subprotocol, which must be one of [`Offer::protocols`]. If there is none, the client decides
    /// whether to go on without.
    #[must_use]
    pub fn protocol(mut self, protocol: impl Into<Option<&'c str>>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// Allows permessage-deflate, by `Deflate` of the crate `websans-deflate`, say: the first offer of the client that `extension` can agree to is accepted. With
    /// `None`, the default, all are declined.
    #[must_use]
    pub fn deflate(mut self, extension: impl Into<Option<deflate::Extension>>) -> Self {
        self.deflate = extension.into();
        self
    }

    /// Adds a header line to the response, a cookie say. The same name may be added again.
    ///
    /// # Errors
    /// [`BuildError::HeaderName`], [`BuildError::HeaderValue`], or [`BuildError::ReservedHeader`] for a header
    /// that the handshake writes itself, and for those of a body, which a 101 does not have. What HTTP/2 has no
    /// place for (`Keep-Alive`) is left out of the answer to an extended CONNECT.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        self.fields.add(name, value, RESERVED)?;
        Ok(self)
    }
}
