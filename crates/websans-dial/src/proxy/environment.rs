//! [`Environment`]: the variables that name proxies.

use websans::handshake::Url;

use super::bypass::Bypass;
use super::{Proxy, ProxyUrlError};

/// The proxies that environment variables name, in the way of many command line tools.
///
/// | variable | for |
/// |---|---|
/// | `https_proxy`, `HTTPS_PROXY` | `wss` |
/// | `http_proxy` | `ws` |
/// | `all_proxy`, `ALL_PROXY` | both, if there is none of the above |
/// | `no_proxy`, `NO_PROXY` | hosts that are connected to directly |
///
/// The lower-case name goes first. Each of the first three holds what [`Proxy::parse`] takes; without `scheme://` it
/// is an HTTP proxy. An empty variable counts as none. What cannot be parsed is an error once it is needed: to connect
/// past a proxy that somebody asked for would tell who connects where.
///
/// `HTTP_PROXY` is not looked at. A web server hands the header `Proxy` of a request to its CGI programs under that
/// name, so whoever sends the request could choose the proxy ("httpoxy"). For systems where names have no case,
/// `http_proxy` is not looked at either when `REQUEST_METHOD` is there, which tells that this is a CGI program.
///
/// `no_proxy` is a list with commas or blanks between its entries:
///
/// | entry | matches |
/// |---|---|
/// | `*` | every host |
/// | `example.com`, `.example.com`, `*.example.com` | the name, and every name that ends in `.example.com` |
/// | `192.0.2.7`, `2001:db8::7`, `[2001:db8::7]` | the address, however the URL writes it |
/// | `192.0.2.0/24`, `2001:db8::/32` | the addresses of the network |
/// | any of the names and addresses, then `:8080` | the same, at this port alone (IPv6 in brackets) |
///
/// Names are compared without regard to case, and never looked up: a network matches addresses in URLs only.
#[derive(Clone, Debug)]
pub struct Environment {
    secure: Option<Result<Proxy, ProxyUrlError>>,
    plain: Option<Result<Proxy, ProxyUrlError>>,
    bypass: Bypass,
}

impl Environment {
    /// Reads the variables by `lookup`.
    #[must_use]
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let proxy = |names: &[&'static str]| {
            let found = names.iter().find_map(|name| {
                let value = lookup(name)?;
                Some((*name, value)).filter(|(_, value)| !value.trim().is_empty())
            });
            found.map(|(name, value)| {
                let value = value.trim();
                let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
                Proxy::parse(&url).map_err(|_| ProxyUrlError::Variable(name))
            })
        };
        let all = proxy(&["all_proxy", "ALL_PROXY"]);
        let is_cgi = lookup("REQUEST_METHOD").is_some();
        let plain = if is_cgi { None } else { proxy(&["http_proxy"]) };
        let bypass = lookup("no_proxy").filter(|list| !list.trim().is_empty()).or_else(|| lookup("NO_PROXY"));
        Self {
            secure: proxy(&["https_proxy", "HTTPS_PROXY"]).or_else(|| all.clone()),
            plain: plain.or(all),
            bypass: Bypass::parse(bypass.as_deref().unwrap_or_default()),
        }
    }

    /// The proxy for `url`, if it is not to be connected to directly.
    ///
    /// # Errors
    /// [`ProxyUrlError::Variable`] if the variable holds no URL of a proxy.
    pub fn for_url(&self, url: &Url) -> Result<Option<&Proxy>, ProxyUrlError> {
        if self.bypass.matches(url.host(), url.port()) {
            return Ok(None);
        }
        let proxy = if url.is_secure() { &self.secure } else { &self.plain };
        match proxy {
            None => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(error)) => Err(*error),
        }
    }
}
