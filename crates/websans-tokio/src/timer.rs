//! [`Timer`]: the connection's clock, and its one timer, which exists only while there is something to wait for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use websans::Timestamp;

use crate::sync::{Instant, Sleep, sleep_until};

/// Further than any deadline that is meant to be reached.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

/// A clock whose origin is its creation, in tokio's time, which tests can pause.
#[derive(Debug)]
pub(crate) struct Timer {
    origin: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), sleep: None }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The point of tokio's time that `deadline` means.
    pub(crate) fn instant(&self, deadline: Timestamp) -> Instant {
        let after = Duration::from_nanos(deadline.as_nanos()).min(FAR);
        self.origin.checked_add(after).unwrap_or(self.origin)
    }

    /// Whether `deadline` has come; if not, the waker of `cx` is called when it does.
    ///
    /// It is the runtime's timer that tells, not the clock: the runtime looks at its sockets before its timers, so a thread
    /// that was late finds what has arrived before it is told that nothing did. A deadline that moves away leaves the
    /// timer as it is, since one early wake-up costs less than to set it anew with every message.
    pub(crate) fn poll(&mut self, deadline: Option<Timestamp>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else {
            self.sleep = None;
            return false;
        };
        let at = self.instant(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.is_elapsed() || sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(()) if sleep.deadline() >= at => return true,
                Poll::Ready(()) => sleep.as_mut().reset(at),
            }
        }
    }
}
