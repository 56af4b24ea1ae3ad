//! [`Event`]: what happens to a connection, for a log; [`Details`]: which connection it is.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::request::Parts;
use websans_tokio::handshake::HandshakeError;
use websans_tokio::{Outcome, Stats};

use crate::opening::UpgradeError;
use crate::options::Listener;

/// Something has happened to a connection. See [`Options::on_event`](crate::Options::on_event).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The handshake was refused, with [this status](HandshakeError::http_status).
    Refused(HandshakeError),
    /// All places were taken, or the layer is being closed: the client was told to come back later (503).
    NoPlace,
    /// The connection is open; the subprotocol that was agreed on.
    Opened(Option<&'e str>),
    /// The service has accepted the handshake, but the connection was never opened: its answer did not leave, most likely.
    NotOpened(&'e UpgradeError),
    /// The connection has been dropped: how it ended, `None` if it was let go before it had, and its counters.
    Closed(Option<&'e Outcome>, &'e Stats),
    /// The handler returned an error.
    HandlerFailed(&'e (dyn StdError + Send + Sync + 'static)),
    /// The handler panicked.
    HandlerPanicked,
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::NoPlace => f.write_str("refused: all places are taken, or the server goes down"),
            Self::Opened(None) => f.write_str("opened"),
            Self::Opened(Some(protocol)) => write!(f, "opened for {protocol}"),
            Self::NotOpened(error) => write!(f, "not opened: {error}"),
            Self::Closed(Some(outcome), _) => outcome.fmt(f),
            Self::Closed(None, _) => f.write_str("dropped before it was closed"),
            Self::HandlerFailed(error) => write!(f, "the handler failed: {error}"),
            Self::HandlerPanicked => f.write_str("the handler panicked"),
        }
    }
}

/// Which connection it is: what its request said.
#[derive(Clone, Debug)]
pub struct Details {
    id: u64,
    path: Box<str>,
    version: http::Version,
    origin: Option<Box<[u8]>>,
}

impl Details {
    fn new(request: &Parts) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            path: request.uri.path().into(),
            version: request.version,
            // Copied: a value of a header keeps all that was read with it, for as long as the connection lives.
            origin: request.headers.get(http::header::ORIGIN).map(|origin| origin.as_bytes().into()),
        }
    }

    /// A number that no other handshake of this process has.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The path of the request, as the layer saw it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The version of HTTP.
    #[must_use]
    pub const fn version(&self) -> http::Version {
        self.version
    }

    /// The page that asked, as it was sent; `None` for who is no browser.
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        self.origin.as_deref()
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocket {} on {}", self.id, self.path)
    }
}

/// Where events go.
#[derive(Clone)]
pub(crate) struct Log {
    listener: Option<Arc<Listener>>,
}

/// The log of one connection: with its details, if anybody wants to know.
#[derive(Clone)]
pub(crate) struct Entry(Option<Arc<Known>>);

struct Known {
    listener: Option<Arc<Listener>>,
    details: Details,
    #[cfg(feature = "metrics")]
    since: std::time::Instant,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Log {
    pub(crate) fn new(listener: Option<Arc<Listener>>) -> Self {
        Self { listener }
    }

    pub(crate) fn entry(&self, request: &Parts) -> Entry {
        if self.listener.is_none() && cfg!(not(any(feature = "tracing", feature = "metrics"))) {
            return Entry(None);
        }
        let details = Details::new(request);
        Entry(Some(Arc::new(Known {
            listener: self.listener.clone(),
            #[cfg(feature = "metrics")]
            since: std::time::Instant::now(),
            #[cfg(feature = "tracing")]
            span: crate::tracing::span(&details),
            details,
        })))
    }
}

impl Entry {
    /// Whether anybody wants to know.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn note(&self, event: Event<'_>) {
        let Some(known) = &self.0 else { return };
        #[cfg(feature = "metrics")]
        crate::metrics::note(event, known.since);
        #[cfg(feature = "tracing")]
        known.span.in_scope(|| crate::tracing::note(event));
        if let Some(listener) = &known.listener {
            listener(&known.details, event);
        }
    }

    /// The span of the connection.
    #[cfg(feature = "tracing")]
    pub(crate) fn span(&self) -> tracing::Span {
        self.0.as_ref().map_or_else(tracing::Span::none, |known| known.span.clone())
    }
}
