//! [`Turns`]: one opening handshake at a time with each address.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Sees to it that those who share it connect to each [`Place`] one after the other.
///
/// "If the client already has a WebSocket connection to the remote host (IP address) identified by /host/ and port
/// /port/ pair, even if the remote host is known by another name, the client MUST wait until that connection has been
/// established or for that connection to have failed" ([RFC 6455 §4.1]).
///
/// [`take`](Self::take) is a future that no runtime needs to help: a thread may wait for it with a waker that
/// unparks it. Turns are given in the order in which they were first polled for.
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<Queues>>);

/// What can be connected to by one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// An address.
    Address(SocketAddr),
    /// A host and a port behind a proxy that looks names up itself: "the client MUST assume for the purposes of
    /// this step that each host name refers to a distinct remote host" (RFC 6455 §4.1).
    Host(String, u16),
}

#[derive(Default)]
struct Queues {
    /// For each place whose turn is taken, those who wait for it, in order. Numbers tell them apart.
    taken: HashMap<Place, VecDeque<(u64, Waker)>>,
    /// Turns that have been handed on to one who waits and does not know it yet.
    handed: HashMap<u64, Place>,
    next: u64,
}

impl Turns {
    /// Waits for the turn to connect to `place`. Dropping the future leaves the queue.
    pub fn take(&self, place: Place) -> Taking {
        Taking { turns: self.clone(), place, number: None }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the turn on to the next in the queue.
    fn give(&self, place: &Place) {
        let mut queues = self.lock();
        let Some(queue) = queues.taken.get_mut(place) else {
            return;
        };
        match queue.pop_front() {
            Some((number, waker)) => {
                queues.handed.insert(number, place.clone());
                drop(queues);
                waker.wake();
            }
            None => drop(queues.taken.remove(place)),
        }
    }
}

/// The wait for a [`Turn`].
#[must_use = "a future does nothing unless it is polled"]
pub struct Taking {
    turns: Turns,
    place: Place,
    /// The place in the queue.
    number: Option<u64>,
}

impl Future for Taking {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        let this = &mut *self;
        let mut guard = this.turns.lock();
        let queues = &mut *guard;
        let mine = match this.number {
            None => match queues.taken.get_mut(&this.place) {
                None => {
                    queues.taken.insert(this.place.clone(), VecDeque::new());
                    true
                }
                Some(queue) => {
                    queue.push_back((queues.next, context.waker().clone()));
                    this.number = Some(queues.next);
                    queues.next += 1;
                    false
                }
            },
            Some(number) if queues.handed.remove(&number).is_some() => {
                this.number = None;
                true
            }
            Some(number) => {
                let queue = queues.taken.get_mut(&this.place).into_iter().flatten();
                for (_, waker) in queue.filter(|(own, _)| *own == number) {
                    waker.clone_from(context.waker());
                }
                false
            }
        };
        drop(guard);
        if mine {
            Poll::Ready(Turn { turns: this.turns.clone(), place: this.place.clone() })
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let Some(number) = self.number else {
            return;
        };
        let mut queues = self.turns.lock();
        let handed = queues.handed.remove(&number).is_some();
        if let Some(queue) = queues.taken.get_mut(&self.place) {
            queue.retain(|(own, _)| *own != number);
        }
        drop(queues);
        if handed {
            self.turns.give(&self.place);
        }
    }
}

/// The turn to connect to one place. It ends when this is dropped: once the connection is open, or has failed.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    turns: Turns,
    place: Place,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give(&self.place);
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("taken", &self.lock().taken.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Taking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taking").field("place", &self.place).finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("place", &self.place).finish_non_exhaustive()
    }
}
