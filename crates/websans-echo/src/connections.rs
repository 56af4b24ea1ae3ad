//! [`Connections`]: those that are open, so that they can be closed together.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{CloseCode, Sender};

/// The open connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    fewer: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    senders: HashMap<u64, Sender<TcpStream>>,
    /// No more are taken.
    closing: bool,
}

/// Takes its connection off the list when dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    connections: Arc<Connections>,
    id: u64,
}

impl Connections {
    /// Puts a connection on the list. `None`: the server is closing.
    pub(crate) fn add(self: &Arc<Self>, sender: Sender<TcpStream>) -> Option<Entry> {
        let mut open = self.lock();
        if open.closing {
            return None;
        }
        let id = open.next;
        open.next += 1;
        open.senders.insert(id, sender);
        Some(Entry { connections: Arc::clone(self), id })
    }

    /// Closes every connection with 1001 and waits for the ends, at most about `grace`. Tells how many are left.
    pub(crate) fn close_all(&self, grace: Duration) -> usize {
        let mut open = self.lock();
        open.closing = true;
        for sender in open.senders.values() {
            let sender = sender.clone();
            // Each may wait for its peer; the receiving thread of the connection sees the ending.
            thread::spawn(move || sender.close(CloseCode::GOING_AWAY, "server is going down"));
        }
        let end = Instant::now() + grace;
        while !open.senders.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            open = self.fewer.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        open.senders.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.lock().senders.remove(&self.id);
        self.connections.fewer.notify_all();
    }
}
