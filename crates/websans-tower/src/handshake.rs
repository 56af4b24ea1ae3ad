//! What of an `http` request concerns the opening handshake; the rules are the core's.

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Version};
use hyper::ext::Protocol;
use websans_tokio::handshake::server::{
    ExtendedConnect, HttpVersion, Offer, check, check_connect, is_upgrade,
};
use websans_tokio::handshake::{Endpoint, HandshakeError, Headers};

/// The headers of an `http` request, as the core asks for them.
pub(crate) struct Lines<'r>(pub(crate) &'r HeaderMap);

impl Headers for Lines<'_> {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.0.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }
}

/// How a request asks for WebSocket, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `Upgrade` over HTTP/1.
    Upgrade,
    /// Extended CONNECT over HTTP/2.
    Connect,
}

impl Kind {
    pub(crate) fn of<B>(request: &http::Request<B>) -> Option<Self> {
        Self::asked(request.version(), request.method(), request.headers(), request.extensions())
    }

    pub(crate) fn asked(
        version: Version,
        method: &Method,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Option<Self> {
        if version < Version::HTTP_2 {
            return is_upgrade(&Lines(headers)).then_some(Self::Upgrade);
        }
        let protocol = extensions.get::<Protocol>()?;
        let asks = method == Method::CONNECT && protocol.as_str().eq_ignore_ascii_case("websocket");
        asks.then_some(Self::Connect)
    }

    /// Judges the handshake.
    pub(crate) fn check<'h>(
        self,
        parts: &Parts,
        headers: &'h impl Headers,
    ) -> Result<Offer<'h>, HandshakeError> {
        match self {
            Self::Upgrade => {
                let version =
                    if parts.version < Version::HTTP_11 { HttpVersion::Http10 } else { HttpVersion::Http11 };
                let offer = check(parts.method.as_str(), version, headers)?;
                // "The authority-form of request-target is only used for CONNECT requests" (RFC 9112 §3.2.3), but hyper
                // takes any word for one.
                let is_authority = parts.uri.scheme().is_none() && parts.uri.authority().is_some();
                if is_authority { Err(HandshakeError::InvalidTarget) } else { Ok(offer) }
            }
            Self::Connect => check_connect(&connect(parts), headers),
        }
    }

    /// Where the client believes to have connected to, as far as the request itself tells.
    pub(crate) fn endpoint(self, parts: &Parts) -> Endpoint<'_> {
        match self {
            Self::Upgrade => {
                // "The origin server MUST ignore the received Host header field (if any) and instead use the host information of
                // the request-target" (RFC 9112 §3.2.2).
                let target = parts.uri.authority().map(http::uri::Authority::as_str);
                let host = || parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
                Endpoint { host: target.or_else(host).unwrap_or_default(), secure: None }
            }
            Self::Connect => connect(parts).endpoint(),
        }
    }
}

fn connect(parts: &Parts) -> ExtendedConnect<'_> {
    ExtendedConnect {
        method: parts.method.as_str(),
        protocol: parts.extensions.get::<Protocol>().map(Protocol::as_str),
        scheme: parts.uri.scheme_str(),
        authority: parts.uri.authority().map(http::uri::Authority::as_str),
        path: parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str),
    }
}
