//! The other side of a dialling: answers what a [`Dial`] asks for.

use std::net::SocketAddr;
use std::time::Duration;

use websans::Timestamp;
use websans::handshake::accept_key;
use websans_dial::{Action, Client, ConnectError, Dial, Nonces, Opened};

pub(crate) const START: Timestamp = Timestamp::from_nanos(0);
pub(crate) const NONCE: [u8; 16] = *b"the sample nonce";

pub(crate) fn after(millis: u64) -> Timestamp {
    START + Duration::from_millis(millis)
}

pub(crate) fn nonces() -> Nonces {
    Box::new(|| Ok(NONCE))
}

pub(crate) fn dial(client: &Client) -> Dial {
    Dial::new(client, nonces(), START)
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Resolves whatever is asked to 192.0.2.1 and connects to it; tells the host and the port that were connected to.
pub(crate) fn connect(dial: &mut Dial) -> (String, u16) {
    let mut asked = None;
    loop {
        match dial.poll(START).unwrap() {
            Action::Queue(_) => dial.queued(START),
            Action::Resolve { host, port } => {
                asked = Some((host, port));
                dial.resolved(Ok([SocketAddr::from(([192, 0, 2, 1], port))]), START);
            }
            Action::Connect { address, .. } => {
                dial.connected(address, START);
                return asked.unwrap_or((address.ip().to_string(), address.port()));
            }
            action => panic!("{action:?} before a connection"),
        }
    }
}

/// What is written next.
pub(crate) fn written(dial: &mut Dial) -> Vec<u8> {
    assert!(matches!(dial.poll(START), Ok(Action::Write)));
    let out = dial.outgoing().to_vec();
    dial.written();
    out
}

/// [`written`], which is text.
pub(crate) fn request(dial: &mut Dial) -> String {
    String::from_utf8(written(dial)).unwrap()
}

/// Lets the dialling read `bytes`, no more than `most` at once and as long as it wants to; how many it has read.
pub(crate) fn feed(dial: &mut Dial, bytes: &[u8], most: usize) -> usize {
    let mut fed = 0;
    while fed < bytes.len() {
        let spare = dial.spare_mut();
        let len = spare.len().min(most).min(bytes.len() - fed);
        if len == 0 {
            break;
        }
        spare[..len].copy_from_slice(&bytes[fed..fed + len]);
        dial.filled(len);
        fed += len;
    }
    fed
}

/// A response that opens the connection.
pub(crate) fn switching() -> String {
    let key = base64(&NONCE);
    let accept = accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        std::str::from_utf8(&accept).unwrap()
    )
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    text
}

/// Answers the opening handshake, which must be next, and tells its request.
pub(crate) fn answer(dial: &mut Dial, response: &str) -> String {
    let asked = request(dial);
    assert!(asked.starts_with("GET "), "{asked}");
    feed(dial, response.as_bytes(), usize::MAX);
    asked
}

pub(crate) fn opened(dial: &mut Dial) -> Opened {
    match dial.poll(START).unwrap() {
        Action::Open(opened) => *opened,
        action => panic!("{action:?} instead of a connection"),
    }
}

pub(crate) fn failure(dial: &mut Dial) -> ConnectError {
    failure_at(dial, START)
}

pub(crate) fn failure_at(dial: &mut Dial, now: Timestamp) -> ConnectError {
    *dial.poll(now).expect_err("it should have failed")
}

pub(crate) fn redirection(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}
