//! [`Url`]: a `ws://` or `wss://` address.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::authority::Authority;
use super::error::BuildError;

/// A WebSocket URL ([RFC 6455 §3]): where to connect, and what to ask for there.
///
/// ```
/// use websans::handshake::Url;
///
/// let url: Url = "wss://[2001:DB8::7]:9001/chat?room=3".parse()?;
/// assert!(url.is_secure());
/// assert_eq!((url.host(), url.port()), ("2001:db8::7", 9001));
/// assert_eq!((url.authority(), url.target()), ("[2001:db8::7]:9001".into(), "/chat?room=3"));
///
/// let url: Url = "ws://example.com".parse()?;
/// assert_eq!((url.port(), url.authority(), url.target()), (80, "example.com".into(), "/"));
/// # Ok::<(), websans::handshake::BuildError>(())
/// ```
///
/// [RFC 6455 §3]: https://www.rfc-editor.org/rfc/rfc6455#section-3
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    /// Lower case; an IPv6 address without its brackets, which no name can be mistaken for.
    host: String,
    port: u16,
    target: String,
}

impl Url {
    /// Parses a URL. The path and the query are kept as they are; a missing path becomes `/`.
    ///
    /// # Errors
    /// One of the [`BuildError`]s named `Url…`. Only visible ASCII is taken: an international host must be
    /// given as punycode, other characters percent-encoded. User information has no place in a WebSocket
    /// URL, a fragment is forbidden.
    pub fn parse(url: &str) -> Result<Self, BuildError> {
        let (scheme, rest) = url.split_once("://").ok_or(BuildError::UrlScheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(BuildError::UrlScheme),
        };
        if rest.contains('#') {
            return Err(BuildError::UrlFragment);
        }
        if !is_target(rest) {
            return Err(if rest.is_empty() { BuildError::UrlHost } else { BuildError::UrlCharacter });
        }
        let (authority, target) = split_authority(rest);
        if authority.contains('@') {
            return Err(BuildError::UrlUserinfo);
        }
        let Authority { host, port } = Authority::parse(authority)
            .filter(|authority| {
                authority.is_domain()
                    || Authority { host: without_dot(authority.host), ..*authority }.is_domain()
            })
            .ok_or_else(|| fault_of(authority))?;
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        if port == 0 {
            return Err(BuildError::UrlPort);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { secure, host, port, target })
    }

    /// Whether the scheme is `wss`: TLS below, on port 443 unless the URL says otherwise.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host in lower case: a name, an IPv4 address, or an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, which is 80 or 443 if the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path and the query, beginning with `/`: what the request asks for.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The host and, if it is not the scheme's own, the port: the value of `Host`
    /// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.secure, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// `host` without the dot that marks a name as absolute.
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Why `authority` is refused, as far as the caller can mend it.
fn fault_of(authority: &str) -> BuildError {
    let host_len = authority.rfind(':').unwrap_or(authority.len());
    match authority.get(..host_len).and_then(Authority::parse) {
        // The part before the last colon is a host, so it is the part behind it that is no port.
        Some(Authority { port: None, .. }) if host_len < authority.len() => BuildError::UrlPort,
        _ => BuildError::UrlHost,
    }
}

/// Splits what follows `://` into the authority and the rest, which may be empty or begin with `?`.
pub(super) fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or((rest, ""))
}

/// Whether `target` may stand between the two spaces of a request line: visible ASCII, and no fragment,
/// which is never sent (RFC 9110 §4.2.5).
pub(super) fn is_target(target: &str) -> bool {
    !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

impl FromStr for Url {
    type Err = BuildError;

    fn from_str(url: &str) -> Result<Self, BuildError> {
        Self::parse(url)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}
