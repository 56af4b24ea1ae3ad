//! Proxies: [`Proxy`] names one, [`Environment`] the variables that do, and [`ProxyError`] says what one did wrong.

mod bypass;
mod connect;
mod environment;
mod error;
mod socks;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use websans::handshake::Url;

pub use environment::Environment;
pub use error::{ProxyError, ProxyUrlError, SocksReply};

pub(crate) use connect::Connect;
pub(crate) use socks::Socks;

use crate::basic::basic;

/// A proxy to connect through.
///
/// ```
/// use websans_dial::Proxy;
///
/// let proxy = Proxy::parse("http://user:p%40ss@proxy.example:3128")?;
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// let proxy: Proxy = "socks5h://127.0.0.1".parse()?;
/// assert_eq!(proxy.to_string(), "socks5h://127.0.0.1:1080");
/// # Ok::<(), websans_dial::ProxyUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTTP: `CONNECT`, whatever is carried.
    Http,
    /// SOCKS5, given addresses.
    Socks5,
    /// SOCKS5, given names to look up itself.
    Socks5h,
}

/// A user and a password, in the form that the proxy wants.
#[derive(Clone, PartialEq, Eq)]
enum Credentials {
    /// The value of `Proxy-Authorization`.
    Basic(String),
    /// The message of RFC 1929.
    Socks(Vec<u8>),
}

impl Proxy {
    /// Parses `http://`, `socks5://` or `socks5h://`, then `user:password@` if need be, then a host and a port. User
    /// and password are percent-encoded. The port is 80 for HTTP and 1080 for SOCKS if there is none.
    ///
    /// With `http` the proxy is asked with `CONNECT`, for `ws` too. With `socks5` the host's name is looked up here,
    /// and its first address used; with `socks5h` by the proxy. A proxy that is itself reached by TLS (`https`) is not
    /// supported.
    ///
    /// # Errors
    /// [`ProxyUrlError`] says what is wrong; it does not repeat the URL, in which there may be a password.
    pub fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(ProxyUrlError::Scheme)?;
        let kind = match &*scheme.to_ascii_lowercase() {
            "http" => Kind::Http,
            "socks5" => Kind::Socks5,
            "socks5h" => Kind::Socks5h,
            "https" => return Err(ProxyUrlError::Https),
            _ => return Err(ProxyUrlError::Scheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(ProxyUrlError::Path);
        }
        let (userinfo, address) = match authority.rsplit_once('@') {
            Some((userinfo, address)) => (Some(userinfo), address),
            None => (None, authority),
        };
        // The rules for a host and a port are those of a WebSocket URL.
        let parsed = Url::parse(&format!("ws://{address}")).map_err(ProxyUrlError::Address)?;
        let has_port = address
            .rsplit(']')
            .next()
            .is_some_and(|tail| tail.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty()));
        let port = match kind {
            _ if has_port => parsed.port(),
            Kind::Http => 80,
            Kind::Socks5 | Kind::Socks5h => 1080,
        };
        let proxy = Self { kind, host: parsed.host().to_owned(), port, credentials: None };
        match userinfo {
            None | Some("") => Ok(proxy),
            Some(userinfo) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                proxy.credentials(&decoded(user)?, &decoded(password)?)
            }
        }
    }

    /// Sets the user and the password, neither of them encoded: with `http` for the Basic scheme ([RFC 7617]), with
    /// SOCKS for [RFC 1929].
    ///
    /// # Errors
    /// [`ProxyUrlError::Credentials`] if they cannot be sent: HTTP allows no colon in the user's name and no control
    /// characters, SOCKS from 1 to 255 bytes each.
    ///
    /// [RFC 7617]: https://www.rfc-editor.org/rfc/rfc7617
    /// [RFC 1929]: https://www.rfc-editor.org/rfc/rfc1929
    pub fn credentials(mut self, user: &str, password: &str) -> Result<Self, ProxyUrlError> {
        let credentials = match self.kind {
            Kind::Http => basic(user, password).map(Credentials::Basic),
            Kind::Socks5 | Kind::Socks5h => socks::credentials(user, password).map(Credentials::Socks),
        };
        self.credentials = Some(credentials.ok_or(ProxyUrlError::Credentials)?);
        Ok(self)
    }

    /// The proxy's own host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The proxy's own port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The value of `Proxy-Authorization`.
    fn authorization(&self) -> Option<&str> {
        match &self.credentials {
            Some(Credentials::Basic(value)) => Some(value),
            _ => None,
        }
    }

    /// The message that carries the credentials to a SOCKS proxy.
    fn socks_credentials(&self) -> Option<&[u8]> {
        match &self.credentials {
            Some(Credentials::Socks(message)) => Some(message),
            _ => None,
        }
    }
}

/// `text` without its percent-encoding. What it means must be UTF-8.
fn decoded(text: &str) -> Result<String, ProxyUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(ProxyUrlError::Encoding);
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| ProxyUrlError::Encoding)?);
    }
    String::from_utf8(bytes).map_err(|_| ProxyUrlError::Encoding)
}

impl FromStr for Proxy {
    type Err = ProxyUrlError;

    fn from_str(url: &str) -> Result<Self, ProxyUrlError> {
        Self::parse(url)
    }
}

impl fmt::Display for Proxy {
    /// The URL without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, port, .. } = self;
        let scheme = match kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
            Kind::Socks5h => "socks5h",
        };
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}:{port}")
    }
}

impl fmt::Debug for Proxy {
    /// Whether there are credentials, not which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &format_args!("{self}"))
            .field("credentials", &self.credentials.is_some())
            .finish()
    }
}

/// Where a client's proxies come from.
#[derive(Clone, Debug)]
pub(crate) enum Proxies {
    /// There are none.
    None,
    /// This one, always.
    Always(Proxy),
    /// Those that the environment named.
    Environment(Arc<Environment>),
}

impl Proxies {
    /// The proxy for `url`, if any.
    pub(crate) fn for_url(&self, url: &Url) -> Result<Option<&Proxy>, ProxyUrlError> {
        match self {
            Self::None => Ok(None),
            Self::Always(proxy) => Ok(Some(proxy)),
            Self::Environment(environment) => environment.for_url(url),
        }
    }
}

/// The exchange with a proxy.
pub(crate) enum Tunnel {
    Connect(Connect),
    Socks(Socks),
}

impl Tunnel {
    /// What is written now.
    pub(crate) fn outgoing(&self) -> &[u8] {
        match self {
            Self::Connect(connect) => connect.outgoing(),
            Self::Socks(socks) => socks.outgoing(),
        }
    }

    /// All that was outgoing has been written.
    pub(crate) fn written(&mut self) {
        match self {
            Self::Connect(connect) => connect.written(),
            Self::Socks(socks) => socks.written(),
        }
    }

    /// Where to read to.
    pub(crate) fn spare_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Connect(connect) => connect.spare_mut(),
            Self::Socks(socks) => socks.spare_mut(),
        }
    }

    /// So many bytes were read.
    pub(crate) fn filled(&mut self, n: usize) {
        match self {
            Self::Connect(connect) => connect.filled(n),
            Self::Socks(socks) => socks.filled(n),
        }
    }

    /// The proxy sends no more.
    pub(crate) fn eof(&mut self) {
        match self {
            Self::Connect(connect) => connect.eof(),
            Self::Socks(socks) => socks.eof(),
        }
    }

    /// Whether the tunnel is there.
    pub(crate) fn poll(&mut self) -> Result<bool, ProxyError> {
        match self {
            Self::Connect(connect) => connect.poll(),
            Self::Socks(socks) => socks.poll(),
        }
    }
}

/// What a SOCKS proxy connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Address(IpAddr),
    Name(String),
}
