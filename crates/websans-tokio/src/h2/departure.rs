//! [`Departures`]: whether what was handed to the connection has left.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// What was handed to the connection and has not left. The connection drops what it has written, or what it never will.
#[derive(Debug, Default)]
pub(super) struct Departures(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    waker: Option<Waker>,
}

impl Departures {
    /// `data`, counted until it has left.
    pub(super) fn of(&self, data: Vec<u8>) -> Bytes {
        with(&self.0, |waiting| waiting.count += 1);
        Bytes::from_owner(Departing { data, waiting: Arc::clone(&self.0) })
    }

    /// Waits until all has left.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        with(&self.0, |waiting| {
            if waiting.count == 0 {
                return Poll::Ready(());
            }
            if waiting.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                waiting.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
    }
}

/// Data on its way.
struct Departing {
    data: Vec<u8>,
    waiting: Arc<Mutex<Waiting>>,
}

impl AsRef<[u8]> for Departing {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Departing {
    fn drop(&mut self) {
        let waker = with(&self.waiting, |waiting| {
            waiting.count -= 1;
            if waiting.count == 0 { mem::take(&mut waiting.waker) } else { None }
        });
        // Outside of the lock: it may run anything.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The count is right whoever panicked elsewhere.
fn with<T>(waiting: &Mutex<Waiting>, with: impl FnOnce(&mut Waiting) -> T) -> T {
    with(&mut waiting.lock().unwrap_or_else(PoisonError::into_inner))
}
