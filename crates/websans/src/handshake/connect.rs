//! [`check_connect`]: the judge of opening handshakes over HTTP/2 and HTTP/3.

use super::authority::Authority;
use super::error::HandshakeError;
use super::headers::single;
use super::offer::{Offer, host};
use super::origin::default_port;
use super::url::is_target;
use super::{Endpoint, Headers};

/// Header fields that belong to a connection of HTTP/1.1 and that no message of HTTP/2 or HTTP/3 may have
/// (RFC 9113 §8.2.2, RFC 9114 §4.2).
const CONNECTION_SPECIFIC: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// The pseudo-header fields of a request of HTTP/2 or HTTP/3, as far as they were sent: what such a request has
/// in place of a request line ([RFC 8441 §4], [RFC 9220 §3]).
///
/// ```
/// use websans::handshake::server::{Choice, ExtendedConnect, check_connect};
/// # struct Lines(Vec<(&'static str, Vec<u8>)>);
/// # impl websans::handshake::Headers for Lines {
/// #     fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
/// #         self.0.iter().filter(move |line| line.0 == name).map(|line| &line.1[..])
/// #     }
/// # }
/// # let headers = Lines(vec![("sec-websocket-version", b"13".to_vec())]);
/// let request = ExtendedConnect {
///     method: "CONNECT",
///     protocol: Some("websocket"),
///     scheme: Some("https"),
///     authority: Some("example.com"),
///     path: Some("/chat"),
/// };
/// let accepted = check_connect(&request, &headers)?.answer(&Choice::new())?;
/// assert_eq!((accepted.status(), accepted.headers().count()), (200, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 8441 §4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
/// [RFC 9220 §3]: https://www.rfc-editor.org/rfc/rfc9220#section-3
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the caller fills it in; HTTP has no further such fields here")]
pub struct ExtendedConnect<'a> {
    /// `:method`, which is `CONNECT`.
    pub method: &'a str,
    /// `:protocol`, which is `websocket`.
    pub protocol: Option<&'a str>,
    /// `:scheme`: `https`, or `http` without TLS.
    pub scheme: Option<&'a str>,
    /// `:authority`: the host and the port, if one is given.
    pub authority: Option<&'a str>,
    /// `:path`: the path and the query.
    pub path: Option<&'a str>,
}

impl<'a> ExtendedConnect<'a> {
    /// Where the client believes to have connected to, for an [`OriginPolicy`](super::OriginPolicy): host and
    /// scheme are those of the URL that it opens, whatever proxies there are.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint<'a> {
        let scheme = self.scheme.unwrap_or_default();
        Endpoint {
            host: self.authority.unwrap_or_default(),
            secure: default_port(scheme).map(|port| port == 443),
        }
    }
}

/// Judges the opening handshake of a client that came by HTTP/2 or HTTP/3 ([RFC 8441 §4], [RFC 8441 §5]): an
/// extended CONNECT, whose stream becomes the WebSocket. The counterpart of [`check`](super::server::check).
///
/// The path and the origin are for the caller to judge. `Sec-WebSocket-Key` is not looked at: it has no part in
/// this handshake. `Content-Length` may not be there, not even as 0: it would be the length of all that the
/// client ever sends, since the stream has no end of the request before the first frame.
///
/// # Errors
/// The first of these that holds: [`MethodNotConnect`](HandshakeError::MethodNotConnect),
/// [`InvalidConnect`](HandshakeError::InvalidConnect), [`UnknownProtocol`](HandshakeError::UnknownProtocol),
/// [`InvalidTarget`](HandshakeError::InvalidTarget), [`InvalidHost`](HandshakeError::InvalidHost),
/// [`ConnectionHeader`](HandshakeError::ConnectionHeader), [`UnexpectedBody`](HandshakeError::UnexpectedBody),
/// and of those of [`check`](super::server::check): [`RepeatedVersion`](HandshakeError::RepeatedVersion),
/// [`WrongVersion`](HandshakeError::WrongVersion), [`InvalidProtocols`](HandshakeError::InvalidProtocols),
/// [`TooManyProtocols`](HandshakeError::TooManyProtocols),
/// [`InvalidExtensions`](HandshakeError::InvalidExtensions). The answer to each is
/// [`HandshakeError::response`], whose headers are sent without those of a connection
/// ([`Response::stream_headers`](super::server::Response::stream_headers)).
///
/// [RFC 8441 §4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
/// [RFC 8441 §5]: https://www.rfc-editor.org/rfc/rfc8441#section-5
pub fn check_connect<'h>(
    request: &ExtendedConnect<'_>,
    headers: &'h impl Headers,
) -> Result<Offer<'h>, HandshakeError> {
    if request.method != "CONNECT" {
        return Err(HandshakeError::MethodNotConnect);
    }
    // "On requests that contain the :protocol pseudo-header field, the :scheme and :path pseudo-header fields of
    // the target URI [...] MUST also be included."
    let (Some(protocol), Some(scheme), Some(authority), Some(path)) =
        (request.protocol, request.scheme, request.authority, request.path)
    else {
        return Err(HandshakeError::InvalidConnect);
    };
    if !protocol.eq_ignore_ascii_case("websocket") {
        return Err(HandshakeError::UnknownProtocol);
    }
    // "The scheme of the Target URI [...] MUST be "https" for "wss"-schemed WebSockets and "http" for "ws"-schemed
    // WebSockets."
    let port = default_port(scheme).ok_or(HandshakeError::InvalidConnect)?;
    if !path.starts_with('/') || !is_target(path) {
        return Err(HandshakeError::InvalidTarget);
    }
    let server = |text| {
        let Authority { host, port: given } = Authority::parse(text).ok_or(HandshakeError::InvalidHost)?;
        Ok((host, given.unwrap_or(port)))
    };
    let (name, port) = server(authority)?;
    // "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an entity
    // that differs from the entity in the ":authority" pseudo-header field" (RFC 9113 §8.3.1).
    if headers.values("host").next().is_some() {
        let (other, other_port) = server(host(headers.values("host"))?)?;
        if !other.eq_ignore_ascii_case(name) || other_port != port {
            return Err(HandshakeError::InvalidHost);
        }
    }
    // "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields. [...] Any
    // message containing connection-specific header fields MUST be treated as malformed" (RFC 9113 §8.2.2).
    if has_connection_header(headers) || !is_te(headers) {
        return Err(HandshakeError::ConnectionHeader);
    }
    if headers.values("content-length").next().is_some() {
        return Err(HandshakeError::UnexpectedBody);
    }
    Offer::of(headers, || Ok(None))
}

/// "The only exception to this is the TE header field, which MAY be present in an HTTP/2 request; when it is, it
/// MUST NOT contain any value other than "trailers"" (RFC 9113 §8.2.2).
fn is_te(headers: &impl Headers) -> bool {
    match single(headers.values("te")) {
        Ok(None) => true,
        Ok(Some(value)) => value.eq_ignore_ascii_case(b"trailers"),
        Err(_) => false,
    }
}

/// Whether there is a header that no message of HTTP/2 or HTTP/3 may have.
pub(super) fn has_connection_header(headers: &impl Headers) -> bool {
    CONNECTION_SPECIFIC.iter().any(|name| headers.values(name).next().is_some())
}

/// Whether no message of HTTP/2 or HTTP/3 may have the header `name`.
pub(super) fn is_connection_specific(name: &str) -> bool {
    CONNECTION_SPECIFIC.iter().any(|own| own.eq_ignore_ascii_case(name))
}
