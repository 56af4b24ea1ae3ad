//! [`Receiver`] and [`Sender`]: the two halves of a connection, for two tasks at the same time.
//!
//! Both share the [`Link`] under a mutex that is held while one of them is polled, never while it waits.

mod receiver;
mod sender;

use std::sync::{Arc, PoisonError};
use std::task::Waker;

use websans::{Hangup, Inbox, Outcome, State, Stats};

use crate::line::Line;
use crate::link::Link;
use crate::socket::WebSocket;
use crate::sync::{Mutex, MutexGuard};
use crate::waiting::Waiting;

pub use receiver::Receiver;
pub use sender::Sender;

pub(crate) fn split<S>(socket: WebSocket<S>) -> (Receiver<S>, Sender<S>) {
    let WebSocket { link, inbox } = socket;
    let protocol = link.protocol().map(Box::from);
    let waiting = Arc::new(Waiting::default());
    let both = Waker::from(Arc::clone(&waiting));
    let half = Mutex::new(Both { link, idle: None, composing: false, line: Line::default() });
    let shared = Arc::new(Shared { half, waiting, both, protocol });
    (Receiver { inbox: Some(inbox), shared: Arc::clone(&shared) }, Sender { shared })
}

struct Shared<S> {
    half: Mutex<Both<S>>,
    waiting: Arc<Waiting>,
    /// Wakes both halves.
    both: Waker,
    protocol: Option<Box<str>>,
}

/// What both halves work on.
struct Both<S> {
    link: Link<S>,
    /// The inbox of a receiver that was dropped: senders see to it then that the peer is heard.
    idle: Option<Inbox>,
    /// One sender is writing a message piece by piece.
    composing: bool,
    line: Line,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Both<S>> {
        // None of the application's code but a codec's runs while a guard is held, and that owns what it may leave half done.
        self.half.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcome(&self) -> Option<Outcome> {
        self.lock().link.conn.outcome().cloned()
    }

    fn stats(&self) -> Stats {
        self.lock().link.conn.stats()
    }

    fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

/// What the other half must be told of.
fn ending<S>(both: &Both<S>) -> (State, Hangup, bool) {
    (both.link.conn.state(), both.link.conn.hangup(), both.link.is_broken())
}
