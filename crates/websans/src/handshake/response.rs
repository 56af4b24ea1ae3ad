//! [`Response`]: any answer to a request but the 101, which [`Offer::accept`](super::server::Offer::accept)
//! writes.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::BufMut;

use super::connect::is_connection_specific;
use super::error::{BuildError, HandshakeError};
use super::fields::Fields;

/// Header fields that the response writes itself, from the body it has and the one thing that becomes of the
/// connection.
const RESERVED: &[&str] = &["connection", "content-length", "transfer-encoding"];

/// An ordinary HTTP/1.1 response: to refuse a handshake, to send the client elsewhere, or to serve a page on
/// the same port.
///
/// It always says `Connection: close`, and the transport must be closed once it has been written: the
/// handshake's reader gives no second request to the caller, and what the peer has sent behind its head must
/// never be taken for frames. `Content-Length` is written from the body ([RFC 9110 §8.6]).
///
/// ```
/// use websans::handshake::server::Response;
///
/// let mut out = Vec::new();
/// Response::new(404)?.header("Content-Type", "text/plain")?.body("no such room\n").write(&mut out);
/// assert_eq!(
///     out,
///     b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\n\
///       Content-Length: 13\r\n\r\nno such room\n"
/// );
/// # Ok::<(), websans::handshake::BuildError>(())
/// ```
///
/// [RFC 9110 §8.6]: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
}

impl Response {
    /// A response with this status and nothing else.
    ///
    /// # Errors
    /// [`BuildError::Status`] if `status` is not from 100 to 599, or is 101.
    pub fn new(status: u16) -> Result<Self, BuildError> {
        if !(100..=599).contains(&status) || status == 101 {
            return Err(BuildError::Status);
        }
        let mut fields = Fields::default();
        // An interim response (1xx) has no say in what becomes of the connection.
        if status >= 200 {
            fields.own("Connection", "close");
        }
        Ok(Self { status, fields, body: Vec::new() })
    }

    /// The response that answers `error`.
    pub(super) fn refusing(error: HandshakeError) -> Self {
        let status = error.http_status();
        let mut fields = Fields::default();
        // "A sender of Upgrade MUST also send an "Upgrade" connection option" (RFC 9110 §7.8).
        fields.own("Connection", if status == 426 { "close, Upgrade" } else { "close" });
        match status {
            405 if error == HandshakeError::MethodNotConnect => fields.own("Allow", "CONNECT"),
            405 => fields.own("Allow", "GET"),
            426 => {
                fields.own("Upgrade", "websocket");
                fields.own("Sec-WebSocket-Version", "13");
            }
            _ => {}
        }
        fields.own("Content-Type", "text/plain; charset=utf-8");
        Self { status, fields, body: format!("{}\n", error.reason()).into_bytes() }
    }

    /// Adds a header line. The same name may be added again (`Set-Cookie`).
    ///
    /// # Errors
    /// [`BuildError::HeaderName`], [`BuildError::HeaderValue`], or [`BuildError::ReservedHeader`] for
    /// `Connection`, `Content-Length` and `Transfer-Encoding`.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        self.fields.add(name, value, RESERVED)?;
        Ok(self)
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Names and values of the headers, in order, for a server that writes its responses by HTTP/1.1 itself.
    /// `Content-Length` is not among them: it is for whoever writes the [content](Self::content).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter()
    }

    /// The [headers](Self::headers) as far as they may be sent by HTTP/2 and HTTP/3, where nothing is said about
    /// the connection: without `Connection` and `Upgrade` ([RFC 9113 §8.2.2]). Names are to be sent in lower case.
    ///
    /// [RFC 9113 §8.2.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2
    pub fn stream_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers().filter(|(name, _)| !is_connection_specific(name))
    }

    /// The body as it is sent: empty for the statuses that have none.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        if self.has_body() { &self.body } else { &[] }
    }

    /// Sets the body. Statuses that have none (1xx, 204, 304) leave it out.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Writes the whole response. `out` must have room, as `Vec<u8>` and `BytesMut` always do.
    pub fn write(&self, out: &mut impl BufMut) {
        self.write_head(out);
        if self.has_body() {
            out.put_slice(&self.body);
        }
    }

    /// Writes the response without its body, but with the body's `Content-Length`: the answer to `HEAD`.
    /// `out` must have room, as `Vec<u8>` and `BytesMut` always do.
    pub fn write_head(&self, out: &mut impl BufMut) {
        put(out, &["HTTP/1.1 ", &self.status.to_string(), " ", phrase(self.status), "\r\n"]);
        out.put_slice(self.fields.as_bytes());
        if self.has_body() {
            put(out, &["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        out.put_slice(b"\r\n");
    }

    /// "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx
    /// (Informational) or 204 (No Content)" (RFC 9110 §8.6); a 304 ends with its head too (RFC 9112 §6.3).
    const fn has_body(&self) -> bool {
        !matches!(self.status, 100..=199 | 204 | 304)
    }
}

/// Writes `parts` one after the other.
pub(super) fn put(out: &mut impl BufMut, parts: &[&str]) {
    for part in parts {
        out.put_slice(part.as_bytes());
    }
}

/// What a status is called (RFC 9110 §15, RFC 6585); nothing for the rest, which RFC 9112 §4 allows.
const fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn statuses_in_use_have_a_phrase_of_their_own() {
        let used = [
            100, 103, 200, 201, 202, 204, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406,
            408, 409, 410, 413, 414, 421, 422, 426, 429, 431, 500, 501, 502, 503, 504, 505,
        ];
        let phrases: BTreeSet<&str> = used.into_iter().map(phrase).collect();
        assert_eq!(phrases.len(), used.len());
        assert!(!phrases.contains(""));
        assert_eq!((100..=599).filter(|&status| !phrase(status).is_empty()).count(), used.len());
    }
}
