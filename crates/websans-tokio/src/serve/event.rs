//! [`ServeEvent`]: what a server's log would have; [`Report`]: what it did in all.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use crate::error::Error;

/// Something went wrong at a server, which goes on: for its log. See [`Server::on_event`](super::Server::on_event).
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeEvent<'e> {
    /// A connection could not be accepted. After most errors the server waits a little, since what is missing, file
    /// descriptors most likely, is missing for the next one too.
    NotAccepted(&'e io::Error),
    /// All places were taken: this client was told to come back later (503).
    Refused(SocketAddr),
    /// TLS or the request failed, came too late, or came from a page that may not connect. The client has been answered,
    /// if it speaks HTTP.
    HandshakeFailed(SocketAddr, &'e Error),
    /// The handler returned an error.
    HandlerFailed(SocketAddr, &'e (dyn std::error::Error + Send + Sync + 'static)),
    /// The handler panicked; other connections go on.
    HandlerPanicked(SocketAddr),
}

impl fmt::Display for ServeEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAccepted(error) => write!(f, "no connection could be accepted: {error}"),
            Self::Refused(peer) => write!(f, "{peer} was refused: all places are taken"),
            Self::HandshakeFailed(peer, error) => write!(f, "{peer} did not connect: {error}"),
            Self::HandlerFailed(peer, error) => write!(f, "the handler of {peer} failed: {error}"),
            Self::HandlerPanicked(peer) => write!(f, "the handler of {peer} panicked"),
        }
    }
}

/// What a server did from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Connections that got a place.
    pub accepted: u64,
    /// Connections that got none, because all were taken.
    pub refused: u64,
    /// Connections whose TLS or request failed, came too late, or came from a page that may not connect.
    pub handshake_failed: u64,
    /// Handlers that returned an error, that the server was going down among them.
    pub handler_failed: u64,
    /// Handlers that panicked.
    pub handler_panicked: u64,
    /// Connections that handlers had when the server was told to go down: WebSockets, each of which was to be closed with 1001,
    /// and ordinary requests.
    pub open_at_shutdown: u64,
    /// Those of them that closed cleanly, with a Close each way.
    pub closed_cleanly: u64,
    /// Those of them that were left when the time was up, and were cut off.
    pub aborted: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, handshake_failed, handler_failed, handler_panicked, .. } = self;
        write!(f, "{accepted} accepted, {refused} refused, {handshake_failed} failed handshakes, ")?;
        write!(f, "{handler_failed} failed and {handler_panicked} panicked handlers; ")?;
        let Self { open_at_shutdown, closed_cleanly, aborted, .. } = self;
        write!(
            f,
            "of {open_at_shutdown} at the end {closed_cleanly} closed cleanly and {aborted} were cut off"
        )
    }
}

/// Where events go, and their numbers.
pub(super) struct Log {
    listener: Option<Box<Listener>>,
    handshake_failed: AtomicU64,
    handler_failed: AtomicU64,
    handler_panicked: AtomicU64,
    refused: AtomicU64,
}

pub(super) type Listener = dyn Fn(ServeEvent<'_>) + Send + Sync;

impl Log {
    pub(super) fn new(listener: Option<Box<Listener>>) -> Self {
        let [handshake_failed, handler_failed, handler_panicked, refused] = Default::default();
        Self { listener, handshake_failed, handler_failed, handler_panicked, refused }
    }

    pub(super) fn note(&self, event: ServeEvent<'_>) {
        let count = match event {
            ServeEvent::NotAccepted(_) => None,
            ServeEvent::Refused(_) => Some(&self.refused),
            ServeEvent::HandshakeFailed(..) => Some(&self.handshake_failed),
            ServeEvent::HandlerFailed(..) => Some(&self.handler_failed),
            ServeEvent::HandlerPanicked(_) => Some(&self.handler_panicked),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// The report as far as events tell it.
    pub(super) fn report(&self) -> Report {
        Report {
            refused: self.refused.load(Ordering::Relaxed),
            handshake_failed: self.handshake_failed.load(Ordering::Relaxed),
            handler_failed: self.handler_failed.load(Ordering::Relaxed),
            handler_panicked: self.handler_panicked.load(Ordering::Relaxed),
            ..Report::default()
        }
    }
}
