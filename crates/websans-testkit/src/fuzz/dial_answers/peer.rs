//! [`Peer`]: everybody whom a dialling meets. It answers what the bytes say, and minds what it is told.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use websans::handshake::accept_key;
use websans_dial::Client;

use super::super::input::Input;
use super::{BASIC, COOKIE, OWN, PASSWORD, TOKEN};

/// What the nonce of all requests is in base64.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The lines of a request that anybody has asked for.
const NAMES: [&str; 11] = [
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Origin",
    "Authorization",
    "Cookie",
    "X-Own",
    "X-Trace",
];

/// Who is asked: host, port, and whether through TLS.
type Origin = (String, u16, bool);

pub(super) struct Peer {
    /// The origin that the URL names.
    first: Origin,
    proxied: bool,
    downgrade: bool,
    /// What is said comes in pieces of one byte.
    single: bool,
    pub(super) redirections: u32,
    /// Names that were looked up: the address of each is 198.18.0.0 and its place here.
    names: Vec<(String, u16)>,
    /// Whom the present connection leads to, if that is known.
    to: Option<(String, u16)>,
    tunnelled: bool,
    secure: bool,
    /// Whom requests have been sent to so far.
    asked: Vec<Origin>,
    /// What is about to be said.
    saying: Vec<u8>,
    /// All that was said.
    said: Vec<u8>,
}

impl Peer {
    pub(super) fn new(client: &Client, downgrade: bool, single: bool) -> Self {
        let url = client.url();
        Self {
            first: (url.host().to_owned(), url.port(), url.is_secure()),
            proxied: !format!("{client:?}").contains("proxies: None"),
            downgrade,
            single,
            redirections: 0,
            names: Vec::new(),
            to: None,
            tunnelled: false,
            secure: false,
            asked: Vec::new(),
            saying: Vec::new(),
            said: Vec::new(),
        }
    }

    pub(super) fn resolve(
        &mut self,
        input: &mut Input<'_>,
        host: String,
        port: u16,
    ) -> io::Result<Vec<SocketAddr>> {
        assert!(host.bytes().all(|byte| byte.is_ascii_graphic()), "it looks up {host:?}");
        match input.byte() {
            0xFF => return Err(ErrorKind::NotFound.into()),
            0xFE => return Ok(Vec::new()),
            _ => {}
        }
        let place = u8::try_from(self.names.len()).expect("there are few redirections");
        self.names.push((host, port));
        Ok(vec![SocketAddr::new(Ipv4Addr::new(198, 18, 0, place).into(), port)])
    }

    /// What the address stands for.
    fn name(&self, address: IpAddr) -> String {
        if let IpAddr::V4(v4) = address {
            if let [198, 18, 0, place] = v4.octets() {
                return self
                    .names
                    .get(usize::from(place))
                    .map_or_else(|| v4.to_string(), |name| name.0.clone());
            }
        }
        address.to_string()
    }

    pub(super) fn connect(&mut self, input: &mut Input<'_>, address: SocketAddr) -> io::Result<()> {
        if input.byte() == 0xFF {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        (self.tunnelled, self.secure) = (!self.proxied, false);
        self.to = (!self.proxied).then(|| (self.name(address.ip()), address.port()));
        self.saying.clear();
        Ok(())
    }

    pub(super) fn secure(&mut self, input: &mut Input<'_>) -> io::Result<()> {
        assert!(!self.secure, "TLS within TLS");
        (self.tunnelled, self.secure) = (true, true);
        if input.byte() == 0xFF { Err(ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    pub(super) fn hang_up(&mut self) {
        self.redirections += 1;
    }

    /// Whether somebody was asked last with TLS or without.
    pub(super) fn has_heard(&self, secure: bool) -> bool {
        self.asked.last().is_some_and(|asked| asked.2 == secure)
    }

    pub(super) fn has_said(&self, text: &str) -> bool {
        self.said.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Minds what is written, and thinks of an answer.
    pub(super) fn hear(&mut self, bytes: &[u8], input: &mut Input<'_>) {
        let has = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        self.saying.clear();
        if bytes.starts_with(b"GET ") {
            for secret in [PASSWORD, BASIC] {
                assert!(!has(secret), "a server is told what is for the proxy");
            }
            self.hear_request(bytes);
            let to = self.to.clone().expect("the connection leads somewhere");
            let origin = (to.0, to.1, self.secure);
            if let Some(before) = self.asked.last() {
                assert!(self.downgrade || !before.2 || origin.2, "from TLS to none");
            }
            self.asked.push(origin);
            let own = self.asked.iter().all(|asked| *asked == self.first);
            for secret in [TOKEN, COOKIE, OWN, "own.example"] {
                assert!(own || !has(secret), "{:?} are told {secret}", self.asked);
            }
            return answer(&mut self.saying, input);
        }
        assert!(self.proxied && !self.tunnelled, "it says {bytes:02x?} to a server");
        for secret in [TOKEN, COOKIE, OWN] {
            assert!(!has(secret), "a proxy is told {secret}");
        }
        if bytes.starts_with(b"CONNECT ") {
            self.hear_connect(bytes);
            return answer(&mut self.saying, input);
        }
        self.hear_socks(bytes);
        socks(&mut self.saying, input);
    }

    fn hear_request(&self, bytes: &[u8]) {
        let lines = lines(bytes);
        let words: Vec<&str> = lines[0].split(' ').collect();
        assert!(matches!(words[..], ["GET", target, "HTTP/1.1"] if target.starts_with('/')), "{words:?}");
        for name in ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
            let times = lines.iter().filter(|line| line.starts_with(&format!("{name}: "))).count();
            assert_eq!(times, 1, "{name} in {lines:?}");
        }
        for line in &lines[1..] {
            let name = line.split_once(": ").map_or("", |(name, _)| name);
            assert!(NAMES.contains(&name), "nobody asked for {line}");
        }
    }

    fn hear_connect(&mut self, bytes: &[u8]) {
        let lines = lines(bytes);
        let target = lines[0].strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
        let target = target.expect("that is what a request with CONNECT is");
        assert_eq!(lines[1], format!("Host: {target}"));
        assert!(
            lines[2..].iter().all(|line| *line == format!("Proxy-Authorization: Basic {BASIC}")),
            "{lines:?}"
        );
        let (host, port) = target.rsplit_once(':').expect("it has a port");
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.to = Some((host.to_owned(), port.parse().expect("it is a port")));
    }

    fn hear_socks(&mut self, bytes: &[u8]) {
        let port =
            |bytes: &[u8]| bytes.try_into().map(u16::from_be_bytes).expect("a port is all that follows");
        let to = match bytes {
            [5, 1, 0, 1, a, b, c, d, rest @ ..] if rest.len() == 2 => {
                Some((self.name(Ipv4Addr::new(*a, *b, *c, *d).into()), port(rest)))
            }
            [5, 1, 0, 4, rest @ ..] => {
                let (address, rest) = rest.split_first_chunk::<16>().expect("an address");
                Some((IpAddr::from(*address).to_string(), port(rest)))
            }
            [5, 1, 0, 3, len, rest @ ..] => {
                let (name, rest) = rest.split_at(usize::from(*len));
                Some((String::from_utf8(name.to_vec()).expect("a name"), port(rest)))
            }
            [5, 1, 0] | [5, 2, 0, 2] => None,
            [1, 4, b'u', b's', b'e', b'r', len, password @ ..] => {
                assert_eq!((usize::from(*len), password), (PASSWORD.len(), PASSWORD.as_bytes()));
                None
            }
            other => panic!("it says {other:02x?} to a SOCKS proxy"),
        };
        self.to = to.or(self.to.take());
    }

    /// Says some of its answer; at its end, nothing, or that it has broken.
    pub(super) fn say(&mut self, spare: &mut [u8], input: &mut Input<'_>) -> io::Result<usize> {
        if self.saying.is_empty() {
            return match input.byte() & 7 {
                0..=2 => Ok(0),
                3 => Err(ErrorKind::UnexpectedEof.into()),
                4 => Err(ErrorKind::ConnectionReset.into()),
                5 => Err(ErrorKind::WouldBlock.into()),
                _ => {
                    // There is more.
                    answer(&mut self.saying, input);
                    if self.saying.is_empty() { Ok(0) } else { self.say(spare, input) }
                }
            };
        }
        let n = if self.single { 1 } else { self.saying.len().min(spare.len()) };
        for (to, byte) in spare.iter_mut().zip(self.saying.drain(..n)) {
            *to = byte;
            self.said.push(byte);
        }
        Ok(n)
    }
}

/// The lines of a request, which is one, to its last byte.
fn lines(bytes: &[u8]) -> Vec<&str> {
    let text = core::str::from_utf8(bytes).expect("a request is text");
    let head = text.strip_suffix("\r\n\r\n").expect("a request ends with an empty line");
    let lines: Vec<&str> = head.split("\r\n").collect();
    for line in &lines {
        assert!(
            !line.is_empty() && line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()),
            "{line:?}"
        );
    }
    lines
}

/// An answer over HTTP.
fn answer(out: &mut Vec<u8>, input: &mut Input<'_>) {
    const REDIRECTIONS: [&str; 6] = ["301", "302", "303", "307", "308", "300"];
    const PLACES: [&str; 16] = [
        "/",
        "?x=2",
        "../up/./here",
        "//b.example/x",
        "ws://a.example/other",
        "wss://a.example/",
        "https://b.example:8443/",
        "http://a.example:80/",
        "ws://a.example:81",
        "WSS://A.EXAMPLE",
        "ws://user@b.example/",
        "wss://[2001:db8::7]:443/x#y",
        "ws://192.0.2.7:81/",
        "ftp://a.example/",
        "//",
        "http:a.example",
    ];
    let what = input.byte();
    match what & 7 {
        0 => out.extend_from_slice(b"HTTP/1.1 200 OK\r\n\r\n"),
        1 => {
            let accept = accept_key(KEY.as_bytes());
            let accept = String::from_utf8_lossy(&accept).into_owned();
            let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
            out.extend_from_slice(format!("{head}Sec-WebSocket-Accept: {accept}\r\n").as_bytes());
            out.extend_from_slice(input.some(usize::from(what >> 3)));
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(input.some(usize::from(what >> 6)));
        }
        2..=5 => {
            let status = REDIRECTIONS[usize::from(what >> 3) % REDIRECTIONS.len()];
            out.extend_from_slice(format!("HTTP/1.1 {status} Elsewhere\r\nLocation: ").as_bytes());
            let place = input.byte();
            out.extend_from_slice(PLACES[usize::from(place & 15)].as_bytes());
            out.extend_from_slice(input.some(usize::from(place >> 4)));
            out.extend_from_slice(b"\r\n");
            let more = input.byte();
            if more & 0xE0 == 0xE0 {
                out.extend_from_slice(b"Location: /\r\n");
            }
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", more & 15).as_bytes());
            out.extend_from_slice(input.some(usize::from(more >> 4)));
        }
        6 => {
            out.extend_from_slice(format!("HTTP/1.1 {}", 100 + u16::from(what >> 3) * 16).as_bytes());
            let len = usize::from(input.byte());
            out.extend_from_slice(input.some(len));
        }
        _ => {
            let len = input.word() % 600;
            out.extend_from_slice(input.some(len));
        }
    }
}

/// An answer of a SOCKS proxy.
fn socks(out: &mut Vec<u8>, input: &mut Input<'_>) {
    match input.byte() {
        what @ 0..0x60 => out.extend_from_slice(&[5, what & 2]),
        0x60..0x80 => out.extend_from_slice(&[1, 0]),
        0x80..0xC0 => out.extend_from_slice(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        0xC0..0xD0 => {
            out.extend_from_slice(&[5, 0, 0, 3, 4]);
            out.extend_from_slice(input.some(6));
        }
        what => out.extend_from_slice(input.some(usize::from(what & 31))),
    }
}
