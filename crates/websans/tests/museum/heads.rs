//! Requests and responses to be spoilt, and what becomes of them.

use std::io::Read;

use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::handshake::{HandshakeError, Headers};
use websans::{Config, Negotiated};

use crate::support::START;

/// The request of RFC 6455 §1.3, without what is optional.
pub(crate) const REQUEST: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// The response to it, likewise.
pub(crate) const RESPONSE: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// The lines, and the empty one behind them.
pub(crate) fn head<'l>(lines: impl IntoIterator<Item = &'l str>) -> Vec<u8> {
    let lines = lines.into_iter().chain([""]);
    lines.flat_map(|line| [line.as_bytes(), b"\r\n"]).flatten().copied().collect()
}

/// `lines` with those that begin with `start` replaced.
pub(crate) fn with<'l>(lines: &[&'l str], start: &str, by: &[&'l str]) -> Vec<u8> {
    assert!(lines.iter().any(|line| line.starts_with(start)), "{start}");
    let kept = lines.iter().flat_map(|line| if line.starts_with(start) { by.to_vec() } else { vec![*line] });
    head(kept)
}

/// `lines` with more of them.
pub(crate) fn plus(lines: &[&str], more: &[&str]) -> Vec<u8> {
    head(lines.iter().chain(more).copied())
}

/// An acceptor that has been given as much of `bytes` as it wanted, in pieces of `most` bytes, and what is left of them.
pub(crate) fn accepting<'b>(
    config: &Config,
    mut bytes: &'b [u8],
    most: usize,
) -> (Acceptor, Result<bool, HandshakeError>, &'b [u8]) {
    let mut acceptor = Acceptor::new(config, START);
    loop {
        let spare = acceptor.spare_mut();
        let n = spare.len().min(most);
        match bytes.read(&mut spare[..n]).unwrap() {
            0 => break,
            n => acceptor.filled(n),
        }
        let _ = acceptor.poll(START);
    }
    let verdict = acceptor.poll(START);
    (acceptor, verdict, bytes)
}

/// What a server with these limits says to `bytes`.
pub(crate) fn verdict_within(config: &Config, bytes: &[u8]) -> Result<Negotiated, HandshakeError> {
    let (acceptor, complete, _) = accepting(config, bytes, usize::MAX);
    assert!(complete?, "incomplete: {:?}", String::from_utf8_lossy(bytes));
    acceptor.request()?.check()?.accept(&Choice::new(), &mut Vec::new()).map_err(|error| panic!("{error}"))
}

/// What a server says to `bytes`.
pub(crate) fn verdict(bytes: &[u8]) -> Result<(), HandshakeError> {
    verdict_within(&Config::default(), bytes).map(drop)
}

/// The request whose response is [`RESPONSE`].
pub(crate) fn request() -> Request {
    Request::new("ws://server.example.com/chat", *b"the sample nonce").unwrap()
}

/// A client that has sent `request` and got `bytes`; the transport ends behind them.
pub(crate) fn answered(request: Request, mut bytes: &[u8]) -> (Connector, Result<Answer, HandshakeError>) {
    let mut connector = Connector::new(request, &Config::default(), START);
    loop {
        match connector.poll(START) {
            Ok(Some(answer)) => return (connector, Ok(answer)),
            Err(error) => return (connector, Err(error)),
            Ok(None) => {}
        }
        match bytes.read(connector.spare_mut()).unwrap() {
            0 => connector.eof(),
            n => connector.filled(n),
        }
    }
}

/// Whether a client takes `bytes` for the opening of its connection.
pub(crate) fn opens(bytes: &[u8]) -> bool {
    matches!(answered(request(), bytes).1, Ok(Answer::Open(_)))
}

/// Headers that another parser has read, with whatever values.
#[derive(Clone)]
pub(crate) struct Parsed(pub(crate) Vec<(&'static str, Vec<u8>)>);

impl Parsed {
    /// Those of [`REQUEST`].
    pub(crate) fn request() -> Self {
        let lines = REQUEST[1..].iter().map(|line| line.split_once(": ").unwrap());
        Self(lines.map(|(name, value)| (name, value.as_bytes().to_vec())).collect())
    }

    /// With another value, or a further header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.0.retain(|(own, _)| *own != name);
        self.0.push((name, value.into()));
        self
    }
}

impl Headers for Parsed {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}
