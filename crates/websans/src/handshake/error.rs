//! [`HandshakeError`] is the peer's fault, [`BuildError`] the caller's.

use core::fmt;

use bytes::BufMut;

use super::response::Response;

/// What the peer did, or failed to do, in its opening handshake.
///
/// A server answers it with [`respond`](Self::respond) and closes the transport; a client closes at once.
/// Nothing of what the peer sent is repeated in the text.
///
/// ```
/// use websans::handshake::HandshakeError;
///
/// let mut out = Vec::new();
/// HandshakeError::WrongVersion.respond(&mut out);
/// let text = String::from_utf8(out).unwrap();
/// assert!(text.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
/// assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first bytes cannot begin an HTTP/1 message (RFC 9112 §2.1): a TLS hello, say.
    NotHttp,
    /// The head holds a control character, or a CR or LF that ends no line (RFC 9112 §2.2, RFC 9110 §5.5).
    ControlCharacter,
    /// A header goes on in a second line (RFC 9112 §5.2).
    FoldedLine,
    /// The head breaks the grammar of HTTP/1.1 (RFC 9112 §3, §4, §5).
    InvalidHead,
    /// The head is longer than [`Config::max_head`](crate::Config::max_head).
    HeadTooLarge,
    /// The head has more lines than [`Config::max_headers`](crate::Config::max_headers).
    TooManyHeaders,
    /// The peer's HTTP is older than 1.1, or not version 1 (RFC 6455 §4.2.1).
    HttpVersion,
    /// The peer ended the transport before its head was whole.
    Incomplete,
    /// The peer took longer than [`Config::handshake_within`](crate::Config::handshake_within).
    Timeout,

    /// The request's target is neither a path nor a URL (RFC 9112 §3.2).
    InvalidTarget,
    /// The request has no `Host`, more than one, or an invalid one (RFC 9112 §3.2).
    InvalidHost,
    /// The request's method is not `GET` (RFC 6455 §4.2.1).
    MethodNotGet,
    /// The method of a request by HTTP/2 or HTTP/3 is not `CONNECT` (RFC 8441 §4).
    MethodNotConnect,
    /// An extended CONNECT lacks a pseudo-header field, or its scheme is neither `http` nor `https` (RFC 8441 §4).
    InvalidConnect,
    /// An extended CONNECT is for another protocol than `websocket` (RFC 9220 §3).
    UnknownProtocol,
    /// A request by HTTP/2 or HTTP/3 has a header that only a connection of HTTP/1.1 may have (RFC 9113 §8.2.2).
    ConnectionHeader,
    /// The request does not ask for `Upgrade: websocket` (RFC 6455 §4.2.1).
    NotUpgrade,
    /// `Connection` lacks the token `upgrade`, or is no list of tokens (RFC 6455 §4.2.1, §4.1).
    InvalidConnection,
    /// The request announces a body, which an upgrade has no use for (RFC 9112 §6).
    UnexpectedBody,
    /// `Sec-WebSocket-Version` is not 13 (RFC 6455 §4.2.1).
    WrongVersion,
    /// `Sec-WebSocket-Version` was sent more than once (RFC 6455 §11.3.5).
    RepeatedVersion,
    /// `Sec-WebSocket-Key` is missing, repeated, or not 16 bytes in base64 (RFC 6455 §4.2.1, §11.3.1).
    InvalidKey,
    /// `Sec-WebSocket-Protocol` is not a list of distinct tokens (RFC 6455 §4.1).
    InvalidProtocols,
    /// The request offers more than [`MAX_PROTOCOLS`](super::server::MAX_PROTOCOLS) subprotocols.
    TooManyProtocols,
    /// `Sec-WebSocket-Extensions` breaks its grammar (RFC 6455 §9.1).
    InvalidExtensions,
    /// The request comes from a page of an origin that is not allowed (RFC 6455 §10.2).
    OriginRefused,

    /// The response does not say `Upgrade: websocket`, exactly once (RFC 6455 §4.1).
    InvalidUpgrade,
    /// `Sec-WebSocket-Accept` is missing, repeated, or does not match the key (RFC 6455 §4.1).
    WrongAccept,
    /// The response names an extension, or parameters, that were not offered (RFC 6455 §4.1, RFC 7692 §5).
    UnexpectedExtension,
    /// The response names a subprotocol that was not offered, or more than one (RFC 6455 §4.1).
    UnexpectedProtocol,
}

impl HandshakeError {
    /// The status of the response that answers this error.
    ///
    /// Errors of a server's response, which nobody answers, map to 502 Bad Gateway: what an intermediary
    /// that met them would say.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::OriginRefused => 403,
            Self::MethodNotGet | Self::MethodNotConnect => 405,
            Self::Timeout => 408,
            // "The server refuses to perform the request using the current protocol but might be willing to do so
            // after the client upgrades to a different protocol" (RFC 9110 §15.5.22).
            Self::NotUpgrade | Self::WrongVersion => 426,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::UnknownProtocol => 501,
            Self::HttpVersion => 505,
            Self::InvalidUpgrade
            | Self::WrongAccept
            | Self::UnexpectedExtension
            | Self::UnexpectedProtocol => 502,
            _ => 400,
        }
    }

    /// Writes the whole response that answers this error: status, `Connection: close`, and one sentence of
    /// text. 405 names the method that is allowed, 426 the protocol and the version to come back with.
    ///
    /// The transport must be closed afterwards: whatever the peer has sent behind its head belongs to
    /// nobody. `out` must have room, as `Vec<u8>` and `BytesMut` always do.
    pub fn respond(self, out: &mut impl BufMut) {
        self.response().write(out);
    }

    /// The response that answers this error, for a server that has its own way of writing one.
    #[must_use]
    pub fn response(self) -> Response {
        Response::refusing(self)
    }

    /// What the peer did, in one sentence without a full stop.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::NotHttp => "the first bytes are not HTTP/1 (RFC 9112 section 2.1)",
            Self::ControlCharacter => "the head holds a stray control character (RFC 9112 section 2.2)",
            Self::FoldedLine => "a header is folded over two lines (RFC 9112 section 5.2)",
            Self::InvalidHead => "the head is not valid HTTP/1.1 (RFC 9112 sections 3 to 5)",
            Self::HeadTooLarge => "the head exceeds the size limit (RFC 6585 section 5)",
            Self::TooManyHeaders => "the head has too many lines (RFC 6585 section 5)",
            Self::HttpVersion => "the version of HTTP is not 1.1 (RFC 6455 section 4.2.1)",
            Self::Incomplete => "the handshake ended before it was complete (RFC 9112 section 8)",
            Self::Timeout => "the handshake took too long (RFC 9110 section 15.5.9)",
            Self::InvalidTarget => "the request target is neither a path nor a URL (RFC 9112 section 3.2)",
            Self::InvalidHost => "the request must have one valid Host (RFC 9112 section 3.2)",
            Self::MethodNotGet => "the method of a WebSocket handshake is GET (RFC 6455 section 4.2.1)",
            Self::MethodNotConnect => {
                "the method of a WebSocket handshake is CONNECT here (RFC 8441 section 4)"
            }
            Self::InvalidConnect => {
                ":protocol, :scheme (http or https), :authority and :path must be there (RFC 8441 section 4)"
            }
            Self::UnknownProtocol => "the :protocol must be websocket (RFC 9220 section 3)",
            Self::ConnectionHeader => {
                "a header belongs to connections of HTTP/1.1 alone (RFC 9113 section 8.2.2)"
            }
            Self::NotUpgrade => {
                "this is a WebSocket endpoint: send Upgrade: websocket (RFC 6455 section 4.2.1)"
            }
            Self::InvalidConnection => "Connection lacks the token upgrade (RFC 6455 sections 4.1 and 4.2.1)",
            Self::UnexpectedBody => "a WebSocket handshake has no body (RFC 9112 section 6)",
            Self::WrongVersion => "Sec-WebSocket-Version must be 13 (RFC 6455 section 4.2.1)",
            Self::RepeatedVersion => "Sec-WebSocket-Version is repeated (RFC 6455 section 11.3.5)",
            Self::InvalidKey => {
                "Sec-WebSocket-Key must be there once: 16 bytes in base64 (RFC 6455 section 4.2.1)"
            }
            Self::InvalidProtocols => {
                "Sec-WebSocket-Protocol must list distinct tokens (RFC 6455 section 4.1)"
            }
            Self::TooManyProtocols => "too many subprotocols are offered (RFC 6455 section 4.2.1)",
            Self::InvalidExtensions => "Sec-WebSocket-Extensions is malformed (RFC 6455 section 9.1)",
            Self::OriginRefused => "pages of this origin may not connect (RFC 6455 section 10.2)",
            Self::InvalidUpgrade => "the server did not answer Upgrade: websocket (RFC 6455 section 4.1)",
            Self::WrongAccept => {
                "the server's Sec-WebSocket-Accept does not match the key (RFC 6455 section 4.1)"
            }
            Self::UnexpectedExtension => {
                "the server chose an extension that was not offered (RFC 6455 section 4.1)"
            }
            Self::UnexpectedProtocol => {
                "the server chose a subprotocol that was not offered (RFC 6455 section 4.1)"
            }
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for HandshakeError {}

/// What is wrong with something the caller wants to send. Never caused by data from the network, and
/// nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL does not begin with `ws://` or `wss://` (RFC 6455 §3).
    UrlScheme,
    /// The URL's host is missing or is neither a name nor an address (RFC 6455 §3).
    UrlHost,
    /// The URL's port is not a number from 1 to 65,535.
    UrlPort,
    /// The URL has a user name or password, which RFC 6455 §3 has no place for.
    UrlUserinfo,
    /// The URL has a fragment, which RFC 6455 §3 forbids.
    UrlFragment,
    /// The URL holds a space, a control character, or a character outside ASCII.
    UrlCharacter,
    /// The header's name is not a token (RFC 9110 §5.1).
    HeaderName,
    /// The header's value is not visible ASCII with inner spaces and tabs (RFC 9110 §5.5).
    HeaderValue,
    /// The header is one that the handshake writes itself; its name.
    ReservedHeader(&'static str),
    /// The value of `Host` is not a host with an optional port (RFC 9110 §7.2).
    Host,
    /// The subprotocol is not a token (RFC 6455 §4.1).
    ProtocolName,
    /// The subprotocol has been offered already (RFC 6455 §4.1).
    ProtocolRepeated,
    /// The client has not offered this subprotocol (RFC 6455 §4.2.2).
    ProtocolNotOffered,
    /// The origin is not `scheme://host`, `scheme://host:port` or `null` (RFC 6454 §7.1).
    Origin,
    /// The request came by HTTP/2 or HTTP/3, whose responses are no text (RFC 8441 §5).
    ExtendedConnect,
    /// The status is not from 100 to 599, or is 101, which only a handshake may send.
    Status,
    /// A window of permessage-deflate is not from 9 to 15 bits.
    WindowBits,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UrlScheme => "the URL must begin with ws:// or wss://",
            Self::UrlHost => "the URL must have a host: an ASCII name, an IPv4 or a bracketed IPv6 address",
            Self::UrlPort => "the port of the URL must be a number from 1 to 65535",
            Self::UrlUserinfo => {
                "a WebSocket URL has no user name or password: send an `Authorization` header"
            }
            Self::UrlFragment => "a WebSocket URL has no fragment: write %23 where `#` is meant",
            Self::UrlCharacter => {
                "the URL must be visible ASCII: percent-encode the path, give an international name as punycode"
            }
            Self::HeaderName => "the name of a header must be a token",
            Self::HeaderValue => {
                "the value of a header must be visible ASCII, with spaces and tabs only inside"
            }
            Self::ReservedHeader(name) => {
                return write!(
                    f,
                    "the header `{name}` belongs to the handshake: it has a setter of its own or none"
                );
            }
            Self::Host => "the value of `host` must be a host with an optional port",
            Self::ProtocolName => "a subprotocol must be a token",
            Self::ProtocolRepeated => "each subprotocol must be offered once only",
            Self::ProtocolNotOffered => "the client has not offered this subprotocol",
            Self::Origin => "an origin must be `scheme://host`, `scheme://host:port` or `null`, without a path",
            Self::ExtendedConnect => {
                "an extended CONNECT has no answer in HTTP/1.1: send what `Offer::answer` returns"
            }
            Self::Status => "the status must be from 100 to 599 and not 101",
            Self::WindowBits => "a window of permessage-deflate must be from 9 to 15 bits",
        })
    }
}

impl core::error::Error for BuildError {}

const _: () = assert!(size_of::<HandshakeError>() == 1);

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    use super::*;

    const STATUSES: [(HandshakeError, u16); 30] = [
        (HandshakeError::NotHttp, 400),
        (HandshakeError::ControlCharacter, 400),
        (HandshakeError::FoldedLine, 400),
        (HandshakeError::InvalidHead, 400),
        (HandshakeError::HeadTooLarge, 431),
        (HandshakeError::TooManyHeaders, 431),
        (HandshakeError::HttpVersion, 505),
        (HandshakeError::Incomplete, 400),
        (HandshakeError::Timeout, 408),
        (HandshakeError::InvalidTarget, 400),
        (HandshakeError::InvalidHost, 400),
        (HandshakeError::MethodNotGet, 405),
        (HandshakeError::MethodNotConnect, 405),
        (HandshakeError::InvalidConnect, 400),
        (HandshakeError::UnknownProtocol, 501),
        (HandshakeError::ConnectionHeader, 400),
        (HandshakeError::NotUpgrade, 426),
        (HandshakeError::InvalidConnection, 400),
        (HandshakeError::UnexpectedBody, 400),
        (HandshakeError::WrongVersion, 426),
        (HandshakeError::RepeatedVersion, 400),
        (HandshakeError::InvalidKey, 400),
        (HandshakeError::InvalidProtocols, 400),
        (HandshakeError::TooManyProtocols, 400),
        (HandshakeError::InvalidExtensions, 400),
        (HandshakeError::OriginRefused, 403),
        (HandshakeError::InvalidUpgrade, 502),
        (HandshakeError::WrongAccept, 502),
        (HandshakeError::UnexpectedExtension, 502),
        (HandshakeError::UnexpectedProtocol, 502),
    ];

    #[test]
    fn every_error_has_its_status_and_names_its_rule() {
        let mut texts = BTreeSet::new();
        for (error, status) in STATUSES {
            assert_eq!(error.http_status(), status, "{error}");
            let text = error.to_string();
            assert!(text.contains("(RFC ") && text.ends_with(')'), "{text}");
            assert!(texts.insert(text), "{error} says what another says");
        }
    }

    #[test]
    fn every_mistake_in_building_says_something_of_its_own() {
        let mistakes = [
            (BuildError::UrlScheme, "ws://"),
            (BuildError::UrlHost, "a host"),
            (BuildError::UrlPort, "65535"),
            (BuildError::UrlUserinfo, "user name"),
            (BuildError::UrlFragment, "fragment"),
            (BuildError::UrlCharacter, "visible ASCII"),
            (BuildError::HeaderName, "name of a header"),
            (BuildError::HeaderValue, "value of a header"),
            (BuildError::ReservedHeader("host"), "`host`"),
            (BuildError::Host, "`host`"),
            (BuildError::ProtocolName, "token"),
            (BuildError::ProtocolRepeated, "once"),
            (BuildError::ProtocolNotOffered, "not offered"),
            (BuildError::Origin, "origin"),
            (BuildError::ExtendedConnect, "HTTP/1.1"),
            (BuildError::Status, "100 to 599"),
            (BuildError::WindowBits, "9 to 15"),
        ];
        let mut texts = BTreeSet::new();
        for (mistake, word) in mistakes {
            let text = mistake.to_string();
            assert!(text.contains(word), "{text}");
            assert!(texts.insert(text), "{mistake:?} says what another says");
        }
    }
}
