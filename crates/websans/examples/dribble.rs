//! Accepts one opening handshake whose head is about N bytes and arrives a byte at a time: `dribble N`.
//!
//! It exists to be counted: under callgrind the instructions of `dribble 16384` are at most sixteen times those of
//! `dribble 1024`, each less those of `dribble 0`, which accepts nothing. Then no byte is looked at twice, however
//! a client trickles its request.

use std::process::ExitCode;

use websans::handshake::server::{Acceptor, Choice};
use websans::{Config, Timestamp};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// How long each of the lines is that make the head as long as it should be.
const PADDING: &str = "X-Padding: 0123456789012345678901234567890123456789abcdef\r\n";

fn main() -> ExitCode {
    let Some(Ok(size)) = std::env::args().nth(1).map(|size| size.parse::<usize>()) else {
        eprintln!("usage: dribble N");
        return ExitCode::FAILURE;
    };
    if size == 0 {
        return ExitCode::SUCCESS;
    }
    let lines = size.saturating_sub(REQUEST.len()).div_ceil(PADDING.len());
    let mut config = Config::default();
    config.max_head = config.max_head.max(size + REQUEST.len() + PADDING.len());
    config.max_headers = config.max_headers.max(lines + 5);
    match accept(&config, lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn accept(config: &Config, lines: usize) -> Result<(), Box<dyn std::error::Error>> {
    let now = Timestamp::from_nanos(0);
    let mut acceptor = Acceptor::new(config, now);
    let padding = core::iter::repeat_n(PADDING, lines);
    for byte in core::iter::once(REQUEST).chain(padding).chain(["\r\n"]).flat_map(str::bytes) {
        acceptor.spare_mut().first_mut().ok_or("the head ended early")?.clone_from(&byte);
        acceptor.filled(1);
        acceptor.poll(now)?;
    }
    let mut out = Vec::new();
    acceptor.request()?.check()?.accept(&Choice::new(), &mut out)?;
    Ok(())
}
