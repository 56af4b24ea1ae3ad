//! [`Connect`]: asks an HTTP proxy for a tunnel ([RFC 9110 §9.3.6]).
//!
//! [RFC 9110 §9.3.6]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6

use httparse::{EMPTY_HEADER, Response, Status};
use websans::Config;
use websans::handshake::head::Head;
use websans::handshake::{HandshakeError, Url};

use super::{Proxy, ProxyError};

/// Interim responses (1xx) that are skipped. There is no reason for even one.
const MOST_INTERIM: u8 = 4;

/// A request with `CONNECT`, and the wait for its answer.
pub(crate) struct Connect {
    outgoing: Vec<u8>,
    head: Head,
    config: Config,
    interim: u8,
    /// Whether there was something behind the last head.
    surplus: bool,
    ended: bool,
}

impl Connect {
    /// Asks `proxy` for a tunnel to the host and port of `url`. The limits for heads are those of `config`.
    pub(crate) fn new(proxy: &Proxy, url: &Url, config: &Config) -> Self {
        let host = url.host();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        // The port is always there: a target of CONNECT without one is not valid.
        let target = format!("{open}{host}{close}:{}", url.port());
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = proxy.authorization() {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        Self {
            outgoing: request.into_bytes(),
            head: Head::response(config),
            config: config.clone(),
            interim: 0,
            surplus: false,
            ended: false,
        }
    }

    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    pub(crate) fn written(&mut self) {
        self.outgoing = Vec::new();
    }

    pub(crate) fn spare_mut(&mut self) -> &mut [u8] {
        self.head.spare_mut()
    }

    pub(crate) fn filled(&mut self, n: usize) {
        self.head.filled(n);
    }

    pub(crate) fn eof(&mut self) {
        self.ended = true;
    }

    /// Whether the tunnel is there.
    pub(crate) fn poll(&mut self) -> Result<bool, ProxyError> {
        while self.head.is_complete().map_err(ProxyError::Head)? {
            match self.status().map_err(ProxyError::Head)? {
                // "Any 2xx (Successful) response indicates that the sender [...] will switch to tunnel mode
                // immediately after the response header section" (RFC 9110 §9.3.6). Nobody speaks in there
                // before this end does, so what is behind it comes from the proxy itself.
                200..=299 => {
                    let head = std::mem::replace(&mut self.head, Head::response(&self.config));
                    let surplus = self.surplus || !head.into_rest().is_empty();
                    return if surplus { Err(ProxyError::Surplus) } else { Ok(true) };
                }
                100..=199 if self.interim < MOST_INTERIM => self.next_head(),
                status => return Err(ProxyError::Status(status)),
            }
        }
        if self.ended { Err(ProxyError::Incomplete) } else { Ok(false) }
    }

    /// Goes on to the head behind an interim response.
    fn next_head(&mut self) {
        self.interim += 1;
        let head = std::mem::replace(&mut self.head, Head::response(&self.config));
        let rest = head.into_rest();
        let mut rest = rest.into_iter().peekable();
        while rest.peek().is_some() {
            let mut len = 0;
            for (spare, byte) in self.head.spare_mut().iter_mut().zip(rest.by_ref()) {
                *spare = byte;
                len += 1;
            }
            self.head.filled(len);
            if len == 0 {
                // The head is complete, or refused.
                self.surplus = true;
                return;
            }
        }
    }

    fn status(&self) -> Result<u16, HandshakeError> {
        let lines = self.head.bytes().iter().filter(|&&byte| byte == b'\n').count();
        let mut headers = vec![EMPTY_HEADER; lines];
        let mut response = Response::new(&mut headers);
        match response.parse(self.head.bytes()) {
            Ok(Status::Complete(_)) => response.code.ok_or(HandshakeError::InvalidHead),
            Err(httparse::Error::Version) => Err(HandshakeError::HttpVersion),
            _ => Err(HandshakeError::InvalidHead),
        }
    }
}
