//! Requests, good ones and others.

use crate::server::PATH;

/// More header lines than a server takes.
const LINES: usize = 100;
/// More bytes than a server takes.
const HEAD: usize = 64 << 10;

/// A handshake.
pub(super) fn good(compressed: bool) -> Vec<u8> {
    let extensions = if compressed { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    let mut request = start();
    request.extend_from_slice(extensions.as_bytes());
    request.extend_from_slice(b"\r\n");
    request
}

/// A handshake without its end.
pub(super) fn start() -> Vec<u8> {
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    .into_bytes()
}

/// Too many header lines.
pub(super) fn many_lines() -> Vec<u8> {
    with((0..LINES).map(|n| format!("X-{n}: y\r\n")))
}

/// A line that is too long.
pub(super) fn long_line() -> Vec<u8> {
    with([format!("X: {}\r\n", "y".repeat(HEAD))])
}

/// Lines that are too long together, and neither too many nor too long each.
pub(super) fn long_head() -> Vec<u8> {
    with((0..40).map(|n| format!("X-{n}: {}\r\n", "y".repeat(HEAD / 40))))
}

/// Header lines of so many bytes in all.
pub(super) fn lines(len: usize) -> Vec<u8> {
    b"X: y\r\n".iter().copied().cycle().take(len / 6 * 6).collect()
}

fn with(lines: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut request = start();
    lines.into_iter().for_each(|line| request.extend_from_slice(line.as_bytes()));
    request.extend_from_slice(b"\r\n");
    request
}
