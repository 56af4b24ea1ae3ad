//! [`Group`]: connections that are counted, and closed together.

mod grouped;
mod place;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

pub use grouped::Grouped;
pub(crate) use place::Place;
use place::Places;

use crate::sync::timeout;

/// Connections that are counted, at most so many, and that can be closed together: for servers that have their own way to
/// accept them. [`serve()`](crate::serve()) is one.
///
/// ```
/// use std::time::Duration;
/// use websans_tokio::{Group, accept};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (stream, peer) = tokio::io::duplex(1024);
/// # drop(peer);
/// let group = Group::new(10_000);
/// match group.enter() {
///     Some(member) => {
///         let socket = accept(member.guard(stream)).await; // leaves the group when it is dropped
///         # drop(socket);
///     }
///     None => { /* all places are taken: refuse */ }
/// }
/// // When the program ends: 1001 ("going away") to all, 10 s to close, the rest is cut off.
/// let farewell = group.shutdown(Duration::from_secs(10)).await;
/// println!("{farewell}");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Group {
    places: Arc<Places>,
}

impl Group {
    /// A group of at most `most` connections.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { places: Arc::new(Places::new(most)) }
    }

    /// Takes a place, if one is free and the group is not being closed.
    #[must_use]
    pub fn enter(&self) -> Option<Member> {
        self.places.enter(None).map(|place| Member { place })
    }

    /// The same, with the address of the peer at hand.
    pub(crate) fn enter_from(&self, peer: SocketAddr) -> Option<Member> {
        self.places.enter(Some(peer)).map(|place| Member { place })
    }

    /// How many places are taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no place is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the group is being closed: nobody enters any more.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.places.is_closing()
    }

    /// Closes the group: nobody enters any more, and each connection is closed with 1001 ("going away", [RFC 6455 §7.4.1])
    /// as soon as its owner receives or sends. What the peer sends before its own Close is still delivered; nothing more can be
    /// sent ([`SendError::Closing`](crate::SendError::Closing)). How many there are that have not been told before.
    ///
    /// [RFC 6455 §7.4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
    pub fn close_all(&self) -> u64 {
        self.places.go_away()
    }

    /// Waits until no place is taken.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn closed(&self) {
        let waiting = Waiting::new(&self.places);
        poll_fn(|cx| self.places.poll_empty(waiting.number, cx.waker())).await;
    }

    /// Waits until the group is being closed, by whomever.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn closing(&self) {
        let waiting = Waiting::new(&self.places);
        poll_fn(|cx| self.places.poll_closing(waiting.number, cx.waker())).await;
    }

    /// [`close_all`](Self::close_all), then waits until all have left, at most for `grace`. The rest is cut off: their streams
    /// fail from then on, and tasks that were [named](Member::abort_at_cut) are aborted.
    ///
    /// # Cancel safety
    /// Dropped, the connections have been told to close, and none is cut off.
    pub async fn shutdown(&self, grace: Duration) -> Farewell {
        self.close_all();
        let _ = timeout(grace, self.closed()).await;
        let (closed_cleanly, aborted) = self.cut();
        Farewell { open: self.places.told(), closed_cleanly, aborted }
    }

    /// Ends the connections that are left. How many of all that were told to close did so cleanly, and how many were cut off.
    pub(crate) fn cut(&self) -> (u64, u64) {
        self.places.cut()
    }
}

/// Who waits; no longer when dropped.
struct Waiting<'p> {
    places: &'p Places,
    number: u64,
}

impl<'p> Waiting<'p> {
    fn new(places: &'p Places) -> Self {
        Self { places, number: places.number() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.places.forget(self.number);
    }
}

/// What became of the connections of a group that was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Farewell {
    /// Connections that were open when they were told to close.
    pub open: u64,
    /// Those of them that closed cleanly, with a Close each way.
    pub closed_cleanly: u64,
    /// Those of them that were left when the time was up, and were cut off.
    pub aborted: u64,
}

impl fmt::Display for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open, closed_cleanly, aborted } = self;
        write!(f, "of {open} at the end {closed_cleanly} closed cleanly and {aborted} were cut off")
    }
}

/// A place in a [`Group`], taken until this, its clones and the stream that it [guards](Self::guard) have been dropped.
#[derive(Clone, Debug)]
pub struct Member {
    place: Arc<Place>,
}

impl Member {
    /// The stream of a WebSocket, which keeps the place and carries the word to close to the connection above it. A handshake that is
    /// still under way when the group is closed fails with an error of the transport.
    #[must_use]
    pub fn guard<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, io: S) -> Grouped<S> {
        self.place.hand_out();
        Grouped::new(io, self.place, true)
    }

    /// The same for a stream whose handshake is still to come: other answers than a WebSocket may leave by it, and must not be
    /// torn.
    pub(crate) fn guard_any<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, io: S) -> Grouped<S> {
        Grouped::new(io, self.place, false)
    }

    /// Aborts this task when the connection is cut off, in case it waits for something else.
    pub fn abort_at_cut(&self, task: AbortHandle) {
        self.place.abort_at_cut(task);
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }
}
