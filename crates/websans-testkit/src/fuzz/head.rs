//! [`Head`]: the head of an HTTP/1.1 message, read slowly, by RFC 9112 and RFC 6455 and without a line of the core.

use core::net::Ipv6Addr;
use core::str;

use super::accept::{accept, is_key};
use super::deflate_params::terms::elements;

/// A head that is grammatical.
pub(super) struct Head<'b> {
    /// The three words of the first line. The last one of a response, its reason, may be missing.
    pub(super) first: [&'b [u8]; 3],
    lines: Vec<(&'b [u8], &'b [u8])>,
    /// Where it ends.
    pub(super) len: usize,
}

/// Limits of one or more heads.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) lines: usize,
}

impl<'b> Head<'b> {
    /// The head at the beginning of `bytes`. `None`: there is none, none that is whole, or none that is allowed.
    pub(super) fn read(bytes: &'b [u8], limits: Limits, request: bool) -> Option<Self> {
        // "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (RFC 9112
        // §2.2).
        let from = if request && bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let len = from + find(&bytes[from..], b"\r\n\r\n")? + 4;
        if len > limits.bytes {
            return None;
        }
        let mut rest = &bytes[from..len - 2];
        let mut lines = Vec::new();
        while let Some(end) = find(rest, b"\r\n") {
            lines.push(&rest[..end]);
            rest = &rest[end + 2..];
        }
        // No other control characters, and with them neither a bare CR nor a bare LF.
        let visible = |&byte: &u8| byte == b'\t' || byte >= b' ' && byte != 0x7F;
        if lines.len() > limits.lines.saturating_add(1) || !lines.iter().all(|line| line.iter().all(visible))
        {
            return None;
        }
        let (first, lines) = lines.split_first()?;
        let first = if request { request_line(first)? } else { status_line(first)? };
        let lines = lines.iter().map(|line| header(line)).collect::<Option<_>>()?;
        Some(Self { first, lines, len })
    }

    /// The values of the lines called `name`.
    pub(super) fn values(&self, name: &str) -> Vec<&'b [u8]> {
        let own = |line: &&(&'b [u8], &'b [u8])| line.0.eq_ignore_ascii_case(name.as_bytes());
        self.lines.iter().filter(own).map(|line| line.1).collect()
    }

    /// How many lines it has besides the first.
    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// The value of `name`, if there is one line of it and no second.
    pub(super) fn only(&self, name: &str) -> Option<&'b [u8]> {
        match self.values(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The elements of a comma list, however many lines it takes.
    pub(super) fn list(&self, name: &str) -> Vec<&'b [u8]> {
        let values = self.values(name).into_iter().flat_map(|value| value.split(|&byte| byte == b','));
        values.map(trim).filter(|element| !element.is_empty()).collect()
    }

    /// Whether this is a request of RFC 6455 §4.2.1; if so, the value that its acceptance must have.
    pub(super) fn asks_for_websocket(&self) -> Option<String> {
        let [method, target, version] = self.first;
        let empty = match self.values("content-length")[..] {
            [] => true,
            [digits] => !digits.is_empty() && digits.iter().all(|&digit| digit == b'0'),
            _ => false,
        };
        let key = self.only("sec-websocket-key")?;
        let good = method == b"GET"
            && version == b"HTTP/1.1"
            && is_target(target)
            && self.only("host").is_some_and(is_authority)
            && self.list("upgrade").iter().any(|name| name.eq_ignore_ascii_case(b"websocket"))
            && self.connects()
            && self.only("sec-websocket-version") == Some(b"13")
            && is_key(key)
            && self.protocols().is_some()
            && self.values("transfer-encoding").is_empty()
            && empty;
        let extensions = self.values("sec-websocket-extensions");
        let elements = elements(&extensions);
        let good = good && (extensions.is_empty() || elements.is_some_and(|elements| !elements.is_empty()));
        good.then(|| accept(key))
    }

    /// `Connection` is a list of tokens and has `upgrade`.
    pub(super) fn connects(&self) -> bool {
        let list = self.list("connection");
        list.iter().all(|element| is_token(element))
            && list.iter().any(|element| element.eq_ignore_ascii_case(b"upgrade"))
    }

    /// The subprotocols: distinct tokens, at least one if the header is there, and no more than anybody offers.
    pub(super) fn protocols(&self) -> Option<Vec<&'b [u8]>> {
        let list = self.list("sec-websocket-protocol");
        let distinct = list.iter().enumerate().all(|(n, protocol)| !list[..n].contains(protocol));
        let there = self.values("sec-websocket-protocol").is_empty() || !list.is_empty();
        let good = distinct && there && list.len() <= 64 && list.iter().all(|element| is_token(element));
        good.then_some(list)
    }
}

pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn request_line(line: &[u8]) -> Option<[&[u8]; 3]> {
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else { return None };
    is_token(method).then_some([method, target, version])
}

fn status_line(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (version, status) = (words.next()?, words.next()?);
    let good = matches!(version, b"HTTP/1.0" | b"HTTP/1.1")
        && status.len() == 3
        && status.iter().all(u8::is_ascii_digit);
    good.then_some([version, status, words.next().unwrap_or_default()])
}

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = find(line, b":")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    is_token(name).then_some((name, trim(value)))
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|byte| (0x21..0x7F).contains(byte) && !b"()<>@,;:\\\"/[]?={}".contains(byte))
}

/// The origin-form or the absolute-form of a target (RFC 9112 §3.2).
fn is_target(target: &[u8]) -> bool {
    if !target.iter().all(|&byte| (0x21..0x7F).contains(&byte) && byte != b'#') {
        return false;
    }
    if target.starts_with(b"/") {
        return true;
    }
    let Some(colon) = find(target, b"://") else { return false };
    let (scheme, rest) = (&target[..colon], &target[colon + 3..]);
    let authority = rest.split(|byte| b"/?".contains(byte)).next().unwrap_or_default();
    ["http", "https", "ws", "wss"].iter().any(|known| known.as_bytes().eq_ignore_ascii_case(scheme))
        && is_authority(authority)
}

/// A host that is not empty, and a port if there is one (RFC 3986 §3.2).
fn is_authority(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else { return false };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (text, ""),
    };
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let mut rest = host.as_bytes();
    while let [byte, more @ ..] = rest {
        rest = match (byte, more) {
            (b'%', [a, b, more @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => more,
            (byte, more) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => more,
            _ => return false,
        };
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 1000, lines: 10 };

    /// The example of RFC 6455 §1.2.
    const EXAMPLE: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn accepted(text: &str) -> Option<String> {
        Head::read(text.as_bytes(), LIMITS, true)?.asks_for_websocket()
    }

    #[test]
    fn the_example_is_read() {
        assert_eq!(accepted(EXAMPLE).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(accepted(&format!("\r\n{EXAMPLE}")).is_some());
    }

    #[test]
    fn each_condition_counts() {
        for (what, other) in [
            ("GET", "POST"),
            ("GET", "get"),
            ("/chat", "chat"),
            ("/chat", "ftp://a/"),
            ("/chat", "http://a b/"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("HTTP/1.1", "HTTP/1.1 "),
            ("server.example.com", "a@b"),
            ("server.example.com", "a:99999"),
            ("server.example.com", "[::1"),
            ("Host", "Ghost"),
            ("Host: ", "Host: a\r\nHost: "),
            ("Host:", "Host :"),
            (": websocket", ": websockets"),
            ("Connection: Upgrade", "Connection: close"),
            ("Connection: Upgrade", "Connection: Upgrade;x"),
            ("ZQ==", "ZQ="),
            (": 13", ": 8"),
            (": 13", ": 13\r\nSec-WebSocket-Version: 13"),
            ("superchat", "chat"),
            ("superchat", "a b"),
            ("Origin", " Origin"),
            ("Origin: ", "Origin: \n"),
            ("Origin: ", "Content-Length: 1\r\nOrigin: "),
            ("Origin: ", "Transfer-Encoding: identity\r\nOrigin: "),
            ("Origin: ", "Sec-WebSocket-Extensions: a;;\r\nOrigin: "),
            ("\r\n\r\n", "\r\n"),
        ] {
            assert_eq!(accepted(&EXAMPLE.replacen(what, other, 1)), None, "{other}");
        }
        assert!(Head::read(EXAMPLE.as_bytes(), Limits { lines: 6, ..LIMITS }, true).is_none());
        assert!(
            Head::read(EXAMPLE.as_bytes(), Limits { bytes: EXAMPLE.len() - 1, ..LIMITS }, true).is_none()
        );
    }
}
