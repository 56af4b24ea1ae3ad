//! [`Socks`]: asks a SOCKS5 proxy for a tunnel ([RFC 1928], [RFC 1929]).
//!
//! [RFC 1928]: https://www.rfc-editor.org/rfc/rfc1928
//! [RFC 1929]: https://www.rfc-editor.org/rfc/rfc1929

use std::net::IpAddr;

use super::{Proxy, ProxyError, SocksReply, Target};

/// The version that every message but those of RFC 1929 begins with.
const VERSION: u8 = 5;
/// The methods: no credentials; a user and a password.
const NONE: u8 = 0;
const PASSWORD: u8 = 2;
/// The longest reply: its fixed part, a name of 255 bytes with its length, and a port.
const LONGEST: usize = 4 + 1 + 255 + 2;

/// The messages that open a tunnel, one each way in turn. Of each reply exactly as much is read as there is, so that
/// nothing behind the last one is taken from the tunnel.
pub(crate) struct Socks {
    credentials: Option<Vec<u8>>,
    request: Vec<u8>,
    outgoing: Vec<u8>,
    stage: Stage,
    reply: [u8; LONGEST],
    filled: usize,
    failure: Option<ProxyError>,
}

/// Which reply is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The choice of a method.
    Method,
    /// The judgement of the credentials.
    Credentials,
    /// The answer to the request.
    Answer,
    /// None: the tunnel is there.
    Open,
}

/// The message of RFC 1929. `None` if a part is not from 1 to 255 bytes long.
pub(super) fn credentials(user: &str, password: &str) -> Option<Vec<u8>> {
    let mut message = vec![1];
    for part in [user, password] {
        message.push(u8::try_from(part.len()).ok().filter(|&len| len > 0)?);
        message.extend_from_slice(part.as_bytes());
    }
    Some(message)
}

impl Socks {
    /// Asks `proxy` for a tunnel to `port` of `target`, whose name has no more than 255 bytes.
    pub(crate) fn new(proxy: &Proxy, target: &Target, port: u16) -> Self {
        let mut request = vec![VERSION, 1, 0];
        match target {
            Target::Address(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Target::Address(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Target::Name(name) => {
                let name = name.as_bytes().get(..255).unwrap_or(name.as_bytes());
                request.extend_from_slice(&[3, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
                request.extend_from_slice(name);
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        let credentials = proxy.socks_credentials().map(<[u8]>::to_vec);
        // No credentials are asked for unless there are some, and they are not insisted upon.
        let outgoing =
            if credentials.is_some() { vec![VERSION, 2, NONE, PASSWORD] } else { vec![VERSION, 1, NONE] };
        Self {
            credentials,
            request,
            outgoing,
            stage: Stage::Method,
            reply: [0; LONGEST],
            filled: 0,
            failure: None,
        }
    }

    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    pub(crate) fn written(&mut self) {
        self.outgoing.clear();
    }

    pub(crate) fn spare_mut(&mut self) -> &mut [u8] {
        // Nothing is awaited before what asks for it has been written.
        let is_due = self.failure.is_none() && self.outgoing.is_empty();
        let wanted = if is_due { self.wanted() } else { 0 };
        self.reply.get_mut(self.filled..wanted).unwrap_or_default()
    }

    pub(crate) fn filled(&mut self, n: usize) {
        let len = self.spare_mut().len();
        self.filled += n.min(len);
        if len > 0 && self.failure.is_none() && self.filled >= self.wanted() {
            match self.judge() {
                Ok(stage) => {
                    self.stage = stage;
                    self.filled = 0;
                }
                Err(error) => self.failure = Some(error),
            }
        }
    }

    pub(crate) fn eof(&mut self) {
        if self.stage != Stage::Open {
            self.failure.get_or_insert(ProxyError::Incomplete);
        }
    }

    /// Whether the tunnel is there.
    pub(crate) fn poll(&self) -> Result<bool, ProxyError> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.stage == Stage::Open),
        }
    }

    /// How long the reply is that is awaited, as far as its first bytes tell.
    fn wanted(&self) -> usize {
        match self.stage {
            Stage::Method | Stage::Credentials => 2,
            // The kind of the address tells its length, and the first byte of a name the name's.
            Stage::Answer => match (self.filled, &self.reply) {
                // A refusal need not go on: what follows tells nothing.
                (2.., [_, code, ..]) if *code != 0 => 2,
                (0..5, _) => 5,
                (_, [_, _, _, 1, ..]) => 4 + 4 + 2,
                (_, [_, _, _, 4, ..]) => 4 + 16 + 2,
                (_, [_, _, _, 3, len, ..]) => 4 + 1 + usize::from(*len) + 2,
                _ => 5,
            },
            Stage::Open => 0,
        }
    }

    /// What the reply, which is whole, means.
    fn judge(&mut self) -> Result<Stage, ProxyError> {
        let [version, code, _, kind, ..] = self.reply;
        match (self.stage, version, code) {
            // RFC 1929 has a version of its own.
            (Stage::Credentials, 1, 0) => {
                self.outgoing = std::mem::take(&mut self.request);
                Ok(Stage::Answer)
            }
            (Stage::Credentials, 1, _) => Err(ProxyError::Credentials),
            (Stage::Credentials, ..) => Err(ProxyError::Malformed),
            (_, version, _) if version != VERSION => Err(ProxyError::Version),
            (Stage::Method, _, NONE) => {
                self.outgoing = std::mem::take(&mut self.request);
                Ok(Stage::Answer)
            }
            (Stage::Method, _, PASSWORD) => {
                self.outgoing = self.credentials.take().ok_or(ProxyError::Method)?;
                Ok(Stage::Credentials)
            }
            (Stage::Method, ..) => Err(ProxyError::Method),
            (Stage::Answer, _, 0) if matches!(kind, 1 | 3 | 4) => Ok(Stage::Open),
            (Stage::Answer, _, 0) => Err(ProxyError::Malformed),
            (Stage::Answer, _, code) => Err(ProxyError::Reply(SocksReply::of(code))),
            (Stage::Open, ..) => Ok(Stage::Open),
        }
    }
}
