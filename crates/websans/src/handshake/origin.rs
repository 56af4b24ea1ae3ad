//! [`OriginPolicy`]: which web pages may connect.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::authority::Authority;
use super::endpoint::Endpoint;
use super::error::{BuildError, HandshakeError};
use super::headers::{Malformed, single};

/// Which web pages may open a connection ([RFC 6455 §10.2]).
///
/// A browser connects from any page to any server, and sends the cookies that belong to the server; all that
/// tells the server about the page is the `Origin` header. Without a check, every page that a user visits
/// acts in the user's name. Whoever is not a browser can send any `Origin`, or none: this protects users, and
/// does not replace authentication. A request without an `Origin` therefore passes under every policy.
///
/// ```
/// use websans::handshake::{HandshakeError, Origin, OriginPolicy};
///
/// let policy = OriginPolicy::SameHost;
/// assert_eq!(policy.check(["http://example.com"], "example.com"), Ok(()));
/// assert_eq!(policy.check(["http://evil.example"], "example.com"), Err(HandshakeError::OriginRefused));
///
/// let policy = OriginPolicy::List(vec!["https://*.example.com".parse()?]);
/// assert_eq!(policy.check(["https://app.example.com"], "ws.example.com"), Ok(()));
/// # Ok::<(), websans::handshake::BuildError>(())
/// ```
///
/// [RFC 6455 §10.2]: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Pages served from where the client believes to have connected to. The default.
    ///
    /// That is the host and port that the request's `Host` names, and the scheme, `http` or `https`, if
    /// [`Endpoint::secure`] says so. A server behind a proxy that terminates TLS may not know the scheme: then
    /// both are taken, each on its default port if `Host` names none, else on the port that it names. List
    /// the origins to tell the two apart, and where a proxy rewrites `Host`.
    ///
    /// A server that answers to every name can be had by any page whose owner lets a name of theirs point to it (DNS
    /// rebinding): `Host` and `Origin` then name the same host. On a loopback or in a private network, list the
    /// origins.
    #[default]
    SameHost,
    /// Every page of the web. For public services that act for no user.
    Any,
    /// The pages of these origins. `null`, the origin of local files and sandboxed frames, only if listed.
    List(Vec<Origin>),
}

impl OriginPolicy {
    /// Checks the values of a request's `Origin` header, of which there should be one at most, against this
    /// policy. `endpoint` is where the client believes to have connected to: the request's `Host`, or an
    /// [`Endpoint`] that has the scheme as well.
    ///
    /// # Errors
    /// [`HandshakeError::OriginRefused`] if the page may not connect, or if the header is repeated or is
    /// not what browsers send: `scheme://host`, `scheme://host:port` or `null`. [`Any`](Self::Any) does
    /// not look.
    pub fn check<'h, 'e, V>(
        &self,
        values: impl IntoIterator<Item = &'h V>,
        endpoint: impl Into<Endpoint<'e>>,
    ) -> Result<(), HandshakeError>
    where
        V: AsRef<[u8]> + ?Sized + 'h,
    {
        let page = |value| core::str::from_utf8(value).ok().and_then(Page::parse);
        let allowed = match (self, single(values.into_iter().map(AsRef::as_ref))) {
            (Self::Any, _) | (_, Ok(None)) => true,
            (Self::SameHost, Ok(Some(value))) => {
                let endpoint = endpoint.into();
                page(value).is_some_and(|page| page.is_served_by(&endpoint))
            }
            (Self::List(list), Ok(Some(b"null"))) => list.contains(&Origin(None)),
            (Self::List(list), Ok(Some(value))) => {
                page(value).is_some_and(|page| list.iter().any(|listed| listed.covers(&page)))
            }
            (_, Err(Malformed)) => false,
        };
        if allowed { Ok(()) } else { Err(HandshakeError::OriginRefused) }
    }
}

/// An origin that [`OriginPolicy::List`] allows: where a page was served from ([RFC 6454 §4]).
///
/// * `https://example.com` is the one origin with this scheme, host and port; a default port may be named or not,
///   the case of scheme and host does not matter.
/// * `https://*.example.com` is every host below it (`a.example.com`, `b.a.example.com`), but not `example.com`.
/// * `null` is what browsers call the origin of local files and sandboxed frames.
///
/// Schemes other than `http` and `https` are fine: `chrome-extension://abcdef`.
///
/// [RFC 6454 §4]: https://www.rfc-editor.org/rfc/rfc6454#section-4
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Option<Listed>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Listed {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// Whether `host` stands for the hosts below it, not for itself.
    below: bool,
}

impl Origin {
    /// Parses an origin in one of the forms above.
    ///
    /// # Errors
    /// [`BuildError::Origin`] if it is anything else: a path (even `/`), user information, a trailing dot or
    /// a host outside ASCII would never match what a browser sends.
    pub fn parse(origin: &str) -> Result<Self, BuildError> {
        if origin == "null" {
            return Ok(Self(None));
        }
        let (scheme, rest) = origin.split_once("://").ok_or(BuildError::Origin)?;
        let (below, authority) = match rest.strip_prefix("*.") {
            Some(parent) => (true, parent),
            None => (false, rest),
        };
        let Page { scheme, host, port } = Page::new(scheme, authority).ok_or(BuildError::Origin)?;
        Ok(Self(Some(Listed {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_ascii_lowercase(),
            port,
            below,
        })))
    }

    /// The origin as a client sends it: any but the `*.` form.
    pub(super) fn header(origin: &str) -> Result<String, BuildError> {
        match Self::parse(origin)? {
            Self(Some(Listed { below: true, .. })) => Err(BuildError::Origin),
            _ => Ok(origin.to_owned()),
        }
    }

    fn covers(&self, page: &Page<'_>) -> bool {
        let Some(Listed { scheme, host, port, below }) = &self.0 else {
            return false;
        };
        let host_matches = if *below {
            // The page's host is a list of labels, none empty: before the dot stand one or more of them.
            page.host
                .len()
                .checked_sub(host.len())
                .and_then(|len| page.host.split_at_checked(len))
                .is_some_and(|(below, parent)| below.ends_with('.') && parent.eq_ignore_ascii_case(host))
        } else {
            page.host.eq_ignore_ascii_case(host)
        };
        host_matches && page.scheme.eq_ignore_ascii_case(scheme) && page.port == *port
    }
}

impl FromStr for Origin {
    type Err = BuildError;

    fn from_str(origin: &str) -> Result<Self, BuildError> {
        Self::parse(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Listed { scheme, host, port, below }) = &self.0 else {
            return f.write_str("null");
        };
        write!(f, "{scheme}://{}{host}", if *below { "*." } else { "" })?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The page that an `Origin` header names.
struct Page<'a> {
    scheme: &'a str,
    host: &'a str,
    /// `None` if it is the scheme's own, written out or not.
    port: Option<u16>,
}

impl<'a> Page<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        Self::new(scheme, authority)
    }

    /// What stands before and behind `://`. A path, user information, a space or a second origin cannot be part
    /// of a domain and its port, so they are refused with it.
    fn new(scheme: &'a str, authority: &'a str) -> Option<Self> {
        let valid = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !valid || authority.ends_with(':') {
            return None;
        }
        let Authority { host, port } = Authority::parse(authority).filter(Authority::is_domain)?;
        Some(Self { scheme, host, port: port.filter(|&port| Some(port) != default_port(scheme)) })
    }

    /// Whether `endpoint` is the host and port that this page was served from, by the same scheme if that is
    /// known. An absent port is the default of the page's scheme, whichever that is.
    fn is_served_by(&self, endpoint: &Endpoint<'_>) -> bool {
        let Some(default) = default_port(self.scheme) else {
            return false;
        };
        if endpoint.secure.is_some_and(|secure| secure != self.scheme.eq_ignore_ascii_case("https")) {
            return false;
        }
        Authority::parse(endpoint.host).is_some_and(|server| {
            server.host.eq_ignore_ascii_case(self.host)
                && server.port.unwrap_or(default) == self.port.unwrap_or(default)
        })
    }
}

/// The port of a page whose origin names none (RFC 9110 §4.2).
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}
