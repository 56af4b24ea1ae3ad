//! [`Client`]: where to connect, and how.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use websans::Config;
use websans::deflate::Extension;
use websans::handshake::client::Request;
use websans::handshake::{BuildError, Url};

use crate::basic::basic;
use crate::limits::Limits;
use crate::proxy::{Environment, Proxies, Proxy};
use crate::redirect::Redirects;
#[cfg(feature = "rustls")]
use crate::tls::Tls;
use crate::turns::Turns;

/// Headers that are dropped when a redirection leads to another origin.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Where to connect, and how: plain data, to be used for any number of connections.
///
/// ```
/// use std::time::Duration;
/// use websans_dial::{Client, Limits, Proxy};
///
/// let mut limits = Limits::default();
/// limits.total = Duration::from_secs(10);
/// let client = Client::new("wss://example.com/chat")?
///     .protocol("chat.v2")?
///     .bearer("s3cr3t")?
///     .cookie("theme", "dark")?
///     .proxy(Proxy::parse("socks5h://user:password@proxy.example:1080")?)
///     .redirects(5)
///     .limits(limits);
/// assert!(!format!("{client:?}").contains("s3cr3t"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One at a time
///
/// "There MUST be no more than one connection in a CONNECTING state" to the same address and port
/// ([RFC 6455 §4.1]): the diallings of a client and of its clones take turns, address by address. Waiting for one's
/// turn counts as connecting, and has its deadlines. [`turns`](Self::turns) lets several clients take turns with each
/// other, or lifts the rule for who opens very many connections at once.
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
#[derive(Clone)]
pub struct Client {
    url: Url,
    config: Arc<Config>,
    headers: Vec<Header>,
    cookies: String,
    host: Option<String>,
    origin: Option<String>,
    protocols: Vec<String>,
    deflate: Option<Extension>,
    addresses: Option<Arc<[SocketAddr]>>,
    pub(crate) proxies: Proxies,
    pub(crate) redirects: Redirects,
    pub(crate) limits: Limits,
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) turns: Option<Turns>,
}

/// A header line of the caller's.
#[derive(Clone)]
struct Header {
    name: String,
    value: String,
    /// Whether it is for the origin of the URL alone.
    secret: bool,
}

impl Client {
    /// A client for a `ws://` or `wss://` URL.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn new(url: &str) -> Result<Self, BuildError> {
        Ok(Self {
            url: Url::parse(url)?,
            config: Arc::default(),
            headers: Vec::new(),
            cookies: String::new(),
            host: None,
            origin: None,
            protocols: Vec::new(),
            deflate: None,
            addresses: None,
            proxies: Proxies::None,
            redirects: Redirects::default(),
            limits: Limits::default(),
            #[cfg(feature = "rustls")]
            tls: None,
            turns: Some(Turns::default()),
        })
    }

    /// Sets the limits and the habits of the connection, and of its opening handshake.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// Adds a header line. The same name may be added again. `Authorization`, `Cookie` and `Proxy-Authorization`
    /// are for the URL's own origin; other lines are sent wherever a redirection leads.
    ///
    /// # Errors
    /// [`BuildError::HeaderName`], [`BuildError::HeaderValue`], or [`BuildError::ReservedHeader`] for a header
    /// that the handshake writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        Self::judge(|request| request.header(name, value))?;
        if name.eq_ignore_ascii_case("cookie") {
            self.add_cookie(value);
        } else {
            let secret = CREDENTIALS.iter().any(|own| own.eq_ignore_ascii_case(name));
            self.headers.push(Header { name: name.to_owned(), value: value.to_owned(), secret });
        }
        Ok(self)
    }

    /// Adds a header line that is for the URL's own origin: like a cookie it is dropped when a redirection leads
    /// to another one.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub fn secret_header(self, name: &str, value: &str) -> Result<Self, BuildError> {
        let mut client = self.header(name, value)?;
        for header in client.headers.iter_mut().filter(|header| header.name.eq_ignore_ascii_case(name)) {
            header.secret = true;
        }
        Ok(client)
    }

    /// Adds a cookie. All cookies go in one line ([RFC 6265 §5.4]).
    ///
    /// # Errors
    /// [`BuildError::HeaderName`] if `name` is not a token, [`BuildError::HeaderValue`] if `value` holds what no
    /// cookie may: white space, quotes, commas, semicolons, backslashes ([RFC 6265 §4.1.1]).
    ///
    /// [RFC 6265 §5.4]: https://www.rfc-editor.org/rfc/rfc6265#section-5.4
    /// [RFC 6265 §4.1.1]: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
    pub fn cookie(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        // A cookie's name is a token, as a subprotocol is.
        Self::judge(|request| request.protocol(name)).map_err(|_| BuildError::HeaderName)?;
        if !value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')) {
            return Err(BuildError::HeaderValue);
        }
        self.add_cookie(&format!("{name}={value}"));
        Ok(self)
    }

    /// Sends `Authorization: Basic …` ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)).
    ///
    /// # Errors
    /// [`BuildError::HeaderValue`] if the user's name holds a colon, or either a control character.
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self, BuildError> {
        let value = basic(user, password).ok_or(BuildError::HeaderValue)?;
        self.header("Authorization", &value)
    }

    /// Sends `Authorization: Bearer …` ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
    ///
    /// # Errors
    /// [`BuildError::HeaderValue`] if the token cannot be sent.
    pub fn bearer(self, token: &str) -> Result<Self, BuildError> {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Offers a subprotocol; call again for the next best one.
    ///
    /// # Errors
    /// [`BuildError::ProtocolName`] if it is not a token, [`BuildError::ProtocolRepeated`].
    pub fn protocol(mut self, protocol: &str) -> Result<Self, BuildError> {
        Self::judge(|request| request.protocol(protocol))?;
        if self.protocols.iter().any(|offered| offered == protocol) {
            return Err(BuildError::ProtocolRepeated);
        }
        self.protocols.push(protocol.to_owned());
        Ok(self)
    }

    /// Offers permessage-deflate (RFC 7692), by `Deflate` of the crate `websans-deflate`, say. With `None`, the default,
    /// it is not offered: [`websans::deflate::Config`] says why.
    ///
    /// # Errors
    /// [`BuildError::WindowBits`] if a window is not from 9 to 15.
    pub fn deflate(mut self, extension: impl Into<Option<Extension>>) -> Result<Self, BuildError> {
        let extension = extension.into();
        Self::judge(|request| request.deflate(extension.clone()))?;
        self.deflate = extension;
        Ok(self)
    }

    /// Says `Host: host` instead of what the URL says. It is for the URL's own origin.
    ///
    /// # Errors
    /// [`BuildError::Host`] if it is not a host with an optional port.
    pub fn host(mut self, host: &str) -> Result<Self, BuildError> {
        Self::judge(|request| request.host(host))?;
        self.host = Some(host.to_owned());
        Ok(self)
    }

    /// Says where the page comes from that connects, as browsers do; other clients need not.
    ///
    /// # Errors
    /// [`BuildError::Origin`] if it is not an origin as browsers send it.
    pub fn origin(mut self, origin: &str) -> Result<Self, BuildError> {
        Self::judge(|request| request.origin(origin))?;
        self.origin = Some(origin.to_owned());
        Ok(self)
    }

    /// Connects to these addresses instead of looking up the URL's host. They race as looked-up ones do. A proxy, and
    /// a redirection to another host or port, is looked up all the same.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.addresses = Some(addresses.into_iter().collect());
        self
    }

    /// Connects through `proxy`, whatever the URL.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxies = Proxies::Always(proxy);
        self
    }

    /// Connects through the proxy that `lookup` names, which is asked for environment variables now: `https_proxy`
    /// for `wss`, `http_proxy` for `ws`, `all_proxy` for both, and `no_proxy` for the hosts to connect to directly.
    /// See [`Environment`] for what they hold.
    #[must_use]
    pub fn proxy_from(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        self.proxies = Proxies::Environment(Arc::new(Environment::read(lookup)));
        self
    }

    /// [`proxy_from`](Self::proxy_from) the environment of this process.
    #[must_use]
    pub fn proxy_from_env(self) -> Self {
        self.proxy_from(|name| std::env::var(name).ok())
    }

    /// Follows so many redirections ([`Redirects`] has the rules). The default is none: a redirection is told as
    /// the refusal that it is.
    #[must_use]
    pub fn redirects(mut self, redirects: impl Into<Redirects>) -> Self {
        self.redirects = redirects.into();
        self
    }

    /// Sets how long the steps of a dialling may take.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the roots and whatever else TLS goes by. The default is [`Tls::platform`].
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Takes turns with all who have `turns`; with `None`, with nobody: any number of diallings may be under way to
    /// the same address, as a test of load wants it.
    #[must_use]
    pub fn turns(mut self, turns: impl Into<Option<Turns>>) -> Self {
        self.turns = turns.into();
        self
    }

    /// Where to connect.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The limits and the habits of the connection.
    pub(crate) const fn settings(&self) -> &Arc<Config> {
        &self.config
    }

    /// The addresses of `url`, if they are known without looking it up.
    pub(crate) fn addresses_of(&self, url: &Url) -> Option<Arc<[SocketAddr]>> {
        let is_own = (url.host(), url.port()) == (self.url.host(), self.url.port());
        self.addresses.clone().filter(|_| is_own)
    }

    /// A request for `url`; without what is secret unless the URL is of the origin that was named in the first place.
    pub(crate) fn request(&self, url: &Url, nonce: [u8; 16], trusted: bool) -> Result<Request, BuildError> {
        let mut request = Request::new(&url.to_string(), nonce)?;
        for protocol in &self.protocols {
            request = request.protocol(protocol)?;
        }
        for header in self.headers.iter().filter(|header| trusted || !header.secret) {
            request = request.header(&header.name, &header.value)?;
        }
        if trusted && !self.cookies.is_empty() {
            request = request.header("Cookie", &self.cookies)?;
        }
        if let Some(host) = self.host.as_deref().filter(|_| trusted) {
            request = request.host(host)?;
        }
        if let Some(origin) = &self.origin {
            request = request.origin(origin)?;
        }
        request.deflate(self.deflate.clone())
    }

    /// Lets the core judge one part of a request.
    fn judge(add: impl FnOnce(Request) -> Result<Request, BuildError>) -> Result<(), BuildError> {
        add(Request::new("ws://localhost", [0; 16])?).map(drop)
    }

    fn add_cookie(&mut self, cookie: &str) {
        if !self.cookies.is_empty() {
            self.cookies.push_str("; ");
        }
        self.cookies.push_str(cookie);
    }
}

impl TryFrom<&str> for Client {
    type Error = BuildError;

    fn try_from(url: &str) -> Result<Self, BuildError> {
        Self::new(url)
    }
}

impl TryFrom<String> for Client {
    type Error = BuildError;

    fn try_from(url: String) -> Result<Self, BuildError> {
        Self::new(&url)
    }
}

impl TryFrom<&String> for Client {
    type Error = BuildError;

    fn try_from(url: &String) -> Result<Self, BuildError> {
        Self::new(url)
    }
}

impl From<&Self> for Client {
    fn from(client: &Self) -> Self {
        client.clone()
    }
}

impl fmt::Debug for Client {
    /// The names of the headers, not what they hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|header| header.name.as_str()).collect();
        f.debug_struct("Client")
            .field("url", &format_args!("{}", Shown(&self.url)))
            .field("headers", &names)
            .field("cookies", &!self.cookies.is_empty())
            .field("protocols", &self.protocols)
            .field("proxies", &self.proxies)
            .field("redirects", &self.redirects)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A URL without its query, where tokens are wont to stand.
struct Shown<'u>(&'u Url);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0.to_string();
        f.write_str(url.split_once('?').map_or(&*url, |(plain, _)| plain))
    }
}
