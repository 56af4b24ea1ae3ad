//! [`Waiting`]: who of a split connection waits for its transport.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The wakers of both halves. As a waker itself it wakes them all: a transport and a timer remember only the one that they
/// were polled with last, and what one half waits for there may be what the other needs to know.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    receiver: Option<Waker>,
    /// One for each task that has been waiting since all were woken.
    senders: Vec<Waker>,
}

impl Waiting {
    pub(crate) fn add_receiver(&self, waker: &Waker) {
        match &mut self.lock().receiver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(crate) fn add_sender(&self, waker: &Waker) {
        let mut wakers = self.lock();
        if !wakers.senders.iter().any(|known| known.will_wake(waker)) {
            wakers.senders.push(waker.clone());
        }
    }

    pub(crate) fn wake_receiver(&self) {
        let receiver = self.lock().receiver.take();
        receiver.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wake_senders(&self) {
        let senders = mem::take(&mut self.lock().senders);
        senders.into_iter().for_each(Waker::wake);
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
