//! [`Waiting`]: who of a split connection waits for its transport.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use crate::sync::{Mutex, MutexGuard};

/// The wakers of both halves. As a waker itself it wakes them all: a transport and a timer remember only the one that they
/// were polled with last, and what one half waits for there may be what the other needs to know.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    receiver: Option<Waker>,
    /// Those of futures that wait to send, by a number that each has until it is dropped.
    senders: BTreeMap<u64, Waker>,
    next: u64,
    /// Those of whoever is polled without a future of ours.
    others: Vec<Waker>,
}

impl Waiting {
    pub(crate) fn add_receiver(&self, waker: &Waker) {
        let mut wakers = self.lock();
        if wakers.receiver.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            let known = wakers.receiver.replace(waker.clone());
            // To drop a waker may drop its task, and with it a half of this connection.
            drop(wakers);
            drop(known);
        }
    }

    /// Adds the waker of the future with this number, which it gets here if it has none yet.
    pub(crate) fn add_future(&self, number: &mut Option<u64>, waker: &Waker) {
        let mut wakers = self.lock();
        let number = *number.get_or_insert(wakers.next);
        wakers.next = wakers.next.max(number + 1);
        let known = wakers.senders.insert(number, waker.clone());
        drop(wakers);
        drop(known);
    }

    /// The future is gone, and must not keep its task.
    pub(crate) fn remove_future(&self, number: u64) {
        let known = self.lock().senders.remove(&number);
        drop(known);
    }

    pub(crate) fn add_sender(&self, waker: &Waker) {
        let mut wakers = self.lock();
        if !wakers.others.iter().any(|known| known.will_wake(waker)) {
            wakers.others.push(waker.clone());
        }
    }

    pub(crate) fn wake_receiver(&self) {
        let receiver = self.lock().receiver.take();
        receiver.into_iter().for_each(Waker::wake);
    }

    /// Wakes them in the order in which they came.
    pub(crate) fn wake_senders(&self) {
        let mut wakers = self.lock();
        let (senders, others) = (mem::take(&mut wakers.senders), mem::take(&mut wakers.others));
        drop(wakers);
        senders.into_values().chain(others).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_receiver();
        self.wake_senders();
    }
}
