//! [`handshake_request`]: any bytes as the request that a server's handshake begins with.

use websans::deflate;
use websans::handshake::HandshakeError;
use websans::handshake::server::{Acceptor, Choice, Request, Response};
use websans::{Config, Timestamp};

use crate::stored;

use super::head::{Head, Limits};
use super::input::Input;

const NOW: Timestamp = Timestamp::from_nanos(0);

/// Longest request: as long as the largest head and some more.
const LONGEST: usize = 20_000;

/// What requests are made of, and how they are attacked.
pub(super) const WORDS: [&str; 64] = [
    "GET /chat HTTP/1.1\r\n",
    "Host: server.example.com\r\n",
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Version: 13\r\n",
    "\r\n",
    "Origin: http://example.com\r\n",
    "Sec-WebSocket-Protocol: chat, superchat\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "X-Echo: ",
    "GET ",
    "POST ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "http://",
    "ws://",
    "/?a=b",
    "[::1]",
    ":80",
    ":65536",
    "%41",
    "Host: ",
    "Upgrade: ",
    "Connection: ",
    "Sec-WebSocket-Key: ",
    "Sec-WebSocket-Version: ",
    "Sec-WebSocket-Protocol: ",
    "Sec-WebSocket-Extensions: ",
    "Content-Length: ",
    "websocket",
    "keep-alive, ",
    "Upgrade",
    "permessage-deflate",
    "; server_no_context_takeover",
    "\"",
    "\r",
    "\n",
    "\r\n ",
    "\0",
    "\u{7f}",
    "\u{e9}",
    "\t",
    ", ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01",
    "HTTP/1.1 101 \r\n",
    "A: b\r\n",
    "AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "AAAAAAAAAAAAAAAAAAAAAB==\r\n",
    "13\r\n",
    "8\r\n",
    "chat",
    "#",
    "@",
    "OPTIONS * HTTP/1.1\r\n",
    "CONNECT a:80 HTTP/1.1\r\n",
    "a, a",
    "X-Echo: \r\nX-Injected: 1\r\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Gives a server a request, whole and in pieces.
///
/// The first byte is the limits, the next how the rest is cut and ended, and whether it is text or words of it.
///
/// # Panics
/// If a split changes anything, if an acceptance is not justified by the conditions of RFC 6455 §4.2.1 or a request that
/// meets them is refused, if an answer is not one well-formed response that says what it should, if bytes behind the head
/// are lost, or if there is room for more than the limit.
pub fn handshake_request(data: &[u8]) {
    let mut input = Input::new(data);
    let (limits, how) = (input.byte(), input.byte());
    let mut config = Config::default();
    config.max_head = [16 << 10, 0, 1, 64, 200, 256, 1024, 1025][usize::from(limits & 7)];
    config.max_headers = [64, 0, 1, 4, 5, 6, 7, usize::MAX][usize::from(limits >> 3 & 7)];
    let words = how & 1 == 0;
    let bytes = if words { input.spell(&WORDS, LONGEST) } else { input.take(LONGEST).to_vec() };
    let ends = how & 2 == 0;
    let piece = [1, 2, 3, 7, 50, 100, 1000, 1023][usize::from(how >> 2 & 7)];

    let served = serve(&config, &bytes, usize::MAX, ends);
    let again = serve(&config, &bytes, piece, ends);
    assert_eq!(again, served, "in pieces of {piece} bytes");
    hold(&config, &bytes, &served);
}

/// A server's answer to a handshake that it accepts.
#[derive(Debug, PartialEq, Eq)]
struct Accepted {
    response: Vec<u8>,
    protocol: Option<String>,
    deflate: bool,
    /// What was wanted in the response, if it may stand there.
    echo: Option<Vec<u8>>,
    /// What came behind the request.
    rest: Vec<u8>,
}

fn serve(config: &Config, bytes: &[u8], piece: usize, ends: bool) -> Result<Accepted, HandshakeError> {
    let mut acceptor = Acceptor::new(config, NOW);
    let mut at = 0;
    let mut over = false;
    while !poll(&mut acceptor, NOW)? {
        assert!(!over, "there is nothing more to wait for");
        let spare = acceptor.spare_mut();
        assert!(!spare.is_empty(), "it waits and does not read");
        assert!(at + spare.len() <= config.max_head, "room beyond the limit");
        assert!(spare.len() <= at.max(1024), "room for more than has come");
        let n = spare.len().min(bytes.len() - at).min(piece);
        spare[..n].copy_from_slice(&bytes[at..at + n]);
        acceptor.filled(n);
        at += n;
        if n == 0 && ends {
            acceptor.eof();
            over = true;
        } else if n == 0 {
            let deadline = acceptor.deadline();
            let late = poll(&mut acceptor, deadline);
            assert_eq!(late, Err(HandshakeError::Timeout));
            return Err(HandshakeError::Timeout);
        }
    }
    let request = acceptor.request()?;
    let accepted = accept(&request);
    if accepted.is_err() {
        redirect(&request);
    }
    let mut accepted = accepted?;
    assert!(acceptor.spare_mut().is_empty(), "it reads on");
    accepted.rest = [&acceptor.into_rest(), &bytes[at..]].concat();
    Ok(accepted)
}

/// A verdict stays what it is, and nothing is read behind it.
fn poll(acceptor: &mut Acceptor, now: Timestamp) -> Result<bool, HandshakeError> {
    let verdict = acceptor.poll(now);
    if verdict.is_err() {
        assert_eq!(acceptor.poll(now), verdict);
        assert!(acceptor.spare_mut().is_empty(), "it reads on");
    }
    verdict
}

/// Accepts with the best subprotocol, with compression, and with a header that repeats what the client has sent.
fn accept(request: &Request<'_>) -> Result<Accepted, HandshakeError> {
    let offer = request.check()?;
    let protocol = offer.protocols().first().copied();
    let mut choice = Choice::new().protocol(protocol).deflate(stored::extension(deflate::Config::default()));
    let mut echo = None;
    if let Some(value) = request.header("x-echo") {
        let visible = value.iter().all(|&byte| byte == b'\t' || (b' '..0x7F).contains(&byte));
        let with =
            core::str::from_utf8(value).ok().and_then(|value| choice.clone().header("X-Echo", value).ok());
        assert_eq!(with.is_some(), visible, "what may stand in a response");
        if let Some(with) = with {
            choice = with;
            echo = Some(value.to_vec());
        }
    }
    let mut response = Vec::new();
    let negotiated = offer.accept(&choice, &mut response).expect("the choice is a valid one");
    assert_eq!(negotiated.protocol.as_deref(), protocol);
    assert_eq!(negotiated.deflate.is_some(), negotiated.codec.is_some());
    let deflate = negotiated.deflate.is_some();
    Ok(Accepted { response, protocol: negotiated.protocol, deflate, echo, rest: Vec::new() })
}

/// An application that sends the client elsewhere repeats what it asked for.
fn redirect(request: &Request<'_>) {
    let mut out = Vec::new();
    let response = Response::new(302).and_then(|response| response.header("Location", request.target()));
    response.expect("targets are visible ASCII").write(&mut out);
    let target = request.target().as_bytes();
    read_response(&out, 302, &[("Connection", b"close"), ("Location", target), ("Content-Length", b"0")]);
}

/// Holds an answer to what RFC 6455 says of the request.
fn hold(config: &Config, bytes: &[u8], served: &Result<Accepted, HandshakeError>) {
    let limits = Limits { bytes: config.max_head, lines: config.max_headers };
    let head = Head::read(bytes, limits, true);
    let justified = head.as_ref().and_then(|head| Some((head.asks_for_websocket()?, head)));
    let accepted = match (served, justified) {
        (Ok(accepted), Some(justified)) => (accepted, justified),
        (Ok(_), None) => panic!("it accepts what is no handshake"),
        (Err(error), Some(_)) => panic!("it refuses a handshake: {error:?}"),
        (Err(error), None) => return hold_refusal(*error),
    };
    let (accepted, (accept, head)) = accepted;
    let mut lines: Vec<(&str, &[u8])> = vec![
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Accept", accept.as_bytes()),
    ];
    let offered = head.protocols().unwrap_or_default();
    assert_eq!(accepted.protocol.as_deref().map(str::as_bytes), offered.first().copied());
    if let Some(protocol) = &accepted.protocol {
        lines.push(("Sec-WebSocket-Protocol", protocol.as_bytes()));
    }
    let answered = Head::read(&accepted.response, Limits { bytes: usize::MAX, lines: 9 }, false);
    let extension = answered.as_ref().and_then(|head| head.only("sec-websocket-extensions"));
    assert_eq!(extension.is_some(), accepted.deflate);
    lines.extend(extension.map(|value| ("Sec-WebSocket-Extensions", value)));
    lines.extend(accepted.echo.as_deref().map(|value| ("X-Echo", value)));
    read_response(&accepted.response, 101, &lines);
    assert!(accepted.rest == bytes[head.len..], "bytes behind the head are lost, or others come");
}

/// A refusal is one response, with the status that the error promises.
fn hold_refusal(error: HandshakeError) {
    let mut out = Vec::new();
    error.respond(&mut out);
    let status = error.http_status();
    let text = error.to_string() + "\n";
    let len = text.len().to_string();
    let mut lines: Vec<(&str, &[u8])> =
        vec![("Connection", if status == 426 { b"close, Upgrade" } else { b"close" })];
    match status {
        405 => lines.push(("Allow", b"GET")),
        // "[...] MUST send an Upgrade header field in a 426 response" (RFC 9110 §7.8), and the version that is spoken
        // (RFC 6455 §4.4).
        426 => lines.extend([("Upgrade", &b"websocket"[..]), ("Sec-WebSocket-Version", b"13")]),
        400 | 408 | 431 | 505 => {}
        other => panic!("{other} for {error:?}, which a request cannot cause"),
    }
    lines.extend([("Content-Type", &b"text/plain; charset=utf-8"[..]), ("Content-Length", len.as_bytes())]);
    let body = read_response(&out, status, &lines);
    assert_eq!(body, text.as_bytes(), "the content of a refusal");
}

/// Reads one response, which has just these headers, and returns what is behind its head.
fn read_response<'r>(bytes: &'r [u8], status: u16, lines: &[(&str, &[u8])]) -> &'r [u8] {
    let mut room = [httparse::EMPTY_HEADER; 9];
    let mut response = httparse::Response::new(&mut room);
    let Ok(httparse::Status::Complete(len)) = response.parse(bytes) else {
        panic!("no response: {}", String::from_utf8_lossy(bytes));
    };
    assert_eq!((response.code, response.version), (Some(status), Some(1)));
    let read: Vec<_> = response.headers.iter().map(|line| (line.name, line.value)).collect();
    assert_eq!(read, lines, "the headers");
    &bytes[len..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nX-Echo: e\r\n\r\n\x81\x80";

    fn accepted() -> Accepted {
        let accepted = serve(&Config::default(), REQUEST, usize::MAX, true);
        hold(&Config::default(), REQUEST, &accepted);
        accepted.expect("a handshake")
    }

    #[test]
    #[should_panic(expected = "it refuses a handshake")]
    fn a_refusal_without_a_reason_is_found() {
        hold(&Config::default(), REQUEST, &Err(HandshakeError::InvalidKey));
    }

    #[test]
    #[should_panic(expected = "it accepts what is no handshake")]
    fn an_acceptance_without_a_reason_is_found() {
        hold(&Config::default(), &REQUEST.to_ascii_lowercase(), &Ok(accepted()));
    }

    #[test]
    #[should_panic(expected = "bytes behind the head")]
    fn lost_bytes_are_found() {
        hold(&Config::default(), REQUEST, &Ok(Accepted { rest: vec![0x81], ..accepted() }));
    }

    #[test]
    #[should_panic(expected = "the headers")]
    fn another_accept_is_found() {
        let mut accepted = accepted();
        let place = accepted.response.windows(3).position(|bytes| bytes == b"s3p").expect("the value");
        accepted.response[place] = b't';
        hold(&Config::default(), REQUEST, &Ok(accepted));
    }

    #[test]
    #[should_panic(expected = "the headers")]
    fn an_injected_header_is_found() {
        let mut accepted = accepted();
        accepted.response.truncate(accepted.response.len() - 2);
        accepted.response.extend_from_slice(b"Set-Cookie: a=b\r\n\r\n");
        hold(&Config::default(), REQUEST, &Ok(accepted));
    }

    #[test]
    #[should_panic(expected = "which a request cannot cause")]
    fn an_error_of_another_kind_is_found() {
        hold(&Config::default(), b"GET", &Err(HandshakeError::WrongAccept));
    }
}
