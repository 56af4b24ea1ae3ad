//! [`Attack`]: an upgrade that is to be refused, with a second request behind it.

use std::net::SocketAddr;

use super::socket::handshake;

/// The path of the second request, which nobody serves.
pub(crate) const SECOND: &str = "/second";

/// A first request that goes wrong somehow.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// What has to be replaced in a good handshake.
    from: &'static str,
    to: &'static str,
    /// The app's answer, without a proxy. With 101, which the app may choose of several protocols, what comes behind is frames.
    pub(crate) status: u16,
    /// The second request is the first one's body, as the headers of the first one say.
    body: Body,
}

#[derive(PartialEq, Eq)]
enum Body {
    None,
    Length,
    Chunked,
    Both,
}

const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";

/// All of them.
pub(crate) const ATTACKS: &[Attack] = &[
    new("a short key", "ZSBub25jZQ==", "ZSBub25j", 400),
    new("no key", "Sec-WebSocket-Key", "X-Key", 400),
    new("version 12", VERSION, "Sec-WebSocket-Version: 12\r\n", 426),
    new("version 1337", VERSION, "Sec-WebSocket-Version: 1337\r\n", 426),
    new("no version", VERSION, "", 426),
    new("no Upgrade", UPGRADE, "", 426),
    new("no Connection", CONNECTION, "", 400),
    new("a Connection that is another word", CONNECTION, "Connection: notupgrade\r\n", 400),
    new("two protocols to upgrade to", UPGRADE, "Upgrade: websocket, h2c\r\n", 101),
    new("two lines of Upgrade", UPGRADE, "Upgrade: h2c\r\nUpgrade: websocket\r\n", 101),
    new(
        "an upgrade to HTTP/2",
        UPGRADE,
        "Upgrade: h2c\r\nConnection: HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        426,
    ),
    new("a foreign origin", VERSION, "Sec-WebSocket-Version: 13\r\nOrigin: http://evil.test\r\n", 403),
    new("another method", "GET ", "POST ", 405),
    Attack { body: Body::Length, ..new("a body with a length", "", "", 400) },
    Attack { body: Body::Chunked, ..new("a body in chunks", "", "", 400) },
    Attack { body: Body::Both, ..new("a body with a length, in chunks", "", "", 400) },
    Attack {
        body: Body::Length,
        ..new("a body and version 12", VERSION, "Sec-WebSocket-Version: 12\r\n", 400)
    },
];

const fn new(name: &'static str, from: &'static str, to: &'static str, status: u16) -> Attack {
    Attack { name, from, to, status, body: Body::None }
}

impl Attack {
    /// Both requests, to be sent at once.
    pub(crate) fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let second = format!("GET {SECOND} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let more = match self.body {
            Body::None => String::new(),
            Body::Length => format!("Content-Length: {}\r\n", second.len()),
            Body::Chunked => "Transfer-Encoding: chunked\r\n".into(),
            Body::Both => "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".into(),
        };
        let mut first = handshake("/ws", host, &more);
        if !self.from.is_empty() {
            assert!(first.contains(self.from), "no {} in a handshake", self.from);
            first = first.replacen(self.from, self.to, 1);
        }
        match self.body {
            Body::None | Body::Length => first + &second,
            Body::Chunked | Body::Both => format!("{first}{:x}\r\n{second}\r\n0\r\n\r\n", second.len()),
        }
        .into_bytes()
    }
}
