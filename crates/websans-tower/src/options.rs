//! [`Options`]: how a layer treats its WebSockets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use websans_tokio::{Config, Keepalive, deflate};

use crate::event::{Details, Event};
use crate::forwarded::Forwarded;
use crate::origins::AllowedOrigins;

/// How a [`WebSocketLayer`](crate::WebSocketLayer) treats its WebSockets: plain data with a default for everything. What is set here
/// can be changed for one connection by its [`Upgrade`](crate::Upgrade).
///
/// ```
/// use std::time::Duration;
/// use websans_tower::{Keepalive, Options};
///
/// let options = Options::new()
///     .path("/chat")
///     .keep_alive(Keepalive { every: Duration::from_secs(20), within: Duration::from_secs(10) })
///     .allowed_origins(vec!["https://example.com".parse()?])
///     .protocols(["chat.v2", "chat.v1"])
///     .max_message(64 << 10)
///     .max_connections(50_000)
///     .on_event(|details, event| eprintln!("{details}: {event}"));
/// # Ok::<(), websans_tower::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(crate) config: Arc<Config>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) forwarded: Forwarded,
    pub(crate) secure: Option<bool>,
    pub(crate) paths: Paths,
    pub(crate) deflate: Option<deflate::Extension>,
    pub(crate) protocols: Arc<[String]>,
    pub(crate) most: usize,
    pub(crate) retry_after: Duration,
    pub(crate) listener: Option<Arc<Listener>>,
}

pub(crate) type Listener = dyn Fn(&Details, Event<'_>) + Send + Sync;

/// On which paths WebSockets are served.
#[derive(Clone)]
pub(crate) enum Paths {
    Every,
    Listed(Vec<String>),
    Chosen(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Options {
    /// The defaults, each of which is told where it is set.
    pub fn new() -> Self {
        Self {
            config: Arc::default(),
            origins: AllowedOrigins::default(),
            forwarded: Forwarded::default(),
            secure: None,
            paths: Paths::Every,
            deflate: None,
            protocols: Arc::default(),
            most: 10_000,
            retry_after: Duration::from_secs(5),
            listener: None,
        }
    }

    /// When a Ping is sent, and how long a sign of life is waited for: every byte that arrives is one. Default: a Ping when nothing
    /// has come for 30 s, and the peer is given up 10 s after it. `None` turns keep-alive off; a network that falls silent is then
    /// only noticed by what is sent. Keep it well below the idle time-outs of the proxies on the way.
    pub fn keep_alive(self, keep_alive: impl Into<Option<Keepalive>>) -> Self {
        self.limits(|config| config.keepalive = keep_alive.into())
    }

    /// Whose pages may connect; others are answered with 403. Default: the server's own,
    /// [`OriginPolicy::SameHost`](crate::OriginPolicy::SameHost). A list, a predicate, or all: see [`AllowedOrigins`]. A request
    /// without `Origin` comes from no page, and passes under every policy.
    pub fn allowed_origins(mut self, origins: impl Into<AllowedOrigins>) -> Self {
        self.origins = origins.into();
        self
    }

    /// Whose word is taken for the host and the scheme by which a client has come. Default [`Forwarded::Nothing`].
    pub fn trust_forwarded(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = forwarded;
        self
    }

    /// Says that all clients come by TLS (`true`), or that none does, for a server that knows it: the scheme of a page's origin must
    /// then fit. A trusted proxy knows better. Default: what HTTP/2 or a trusted proxy tells; HTTP/1.1 tells nothing, and pages of both
    /// schemes are taken.
    pub fn secure(mut self, secure: impl Into<Option<bool>>) -> Self {
        self.secure = secure.into();
        self
    }

    /// Serves WebSockets on this path, and on those of earlier calls, compared byte by byte with the path of the request as the layer
    /// sees it: below a nested router, without the prefix. Elsewhere handshakes pass through untouched. Default: every path.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        match &mut self.paths {
            Paths::Listed(list) => list.push(path.into()),
            paths => *paths = Paths::Listed(vec![path.into()]),
        }
        self
    }

    /// Serves WebSockets on the paths that `serves` says yes to.
    pub fn paths(mut self, serves: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.paths = Paths::Chosen(Arc::new(serves));
        self
    }

    /// Every limit and time-out of the connections. Default [`Config::default`]. Those of the opening handshake (`max_head`,
    /// `max_headers`, `handshake_within`) are not among them: it is the HTTP server that reads it, and hyper's builders have limits and
    /// time-outs for that.
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// Changes some of them.
    pub fn limits(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// The largest buffer that a connection reads into, in bytes. Default 16 KiB. A connection that waits has none.
    pub fn read_buffer(self, bytes: usize) -> Self {
        self.limits(|config| config.read_buffer = bytes)
    }

    /// The longest message that is received whole, in bytes. Default 1 MiB; beyond it the connection is closed with 1009.
    pub fn max_message(self, bytes: u64) -> Self {
        self.limits(|config| config.max_message = bytes)
    }

    /// Compresses messages with clients that offer permessage-deflate: pass the `Deflate` of the crate `websans-deflate` by reference.
    /// Default off. A window of an invalid size is never agreed on.
    pub fn deflate(mut self, extension: impl Into<Option<deflate::Extension>>) -> Self {
        self.deflate = extension.into();
        self
    }

    /// The subprotocols that the server speaks, the one it likes best first: the first one that the client offers too is agreed on.
    /// If there is none, the connection is opened without, and the client decides whether to go on. Default none.
    pub fn protocols<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// How many connections there may be at once, those among them that are being opened. Default 10,000. Beyond it a handshake is
    /// answered with 503 and `Retry-After`. A place is freed when the connection is dropped, on whatever way: the handler's return,
    /// its panic, an abort, an error, a closing, a time-out; or when the service answers the handshake otherwise.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// When those shall try again for whom there was no place, in whole seconds. Default 5 s.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = after;
        self
    }

    /// What to do when something happens to a connection: to write a line into a log. It is called in the middle of things, and must
    /// not block.
    pub fn on_event(mut self, listener: impl Fn(&Details, Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Paths {
    pub(crate) fn serve(&self, path: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Listed(list) => list.iter().any(|listed| listed == path),
            Self::Chosen(serves) => serves(path),
        }
    }
}

impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("Every"),
            Self::Listed(list) => list.fmt(f),
            Self::Chosen(_) => f.write_str("Chosen"),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("allowed_origins", &self.origins)
            .field("trust_forwarded", &self.forwarded)
            .field("secure", &self.secure)
            .field("paths", &self.paths)
            .field("deflate", &self.deflate.is_some())
            .field("protocols", &self.protocols)
            .field("max_connections", &self.most)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}
