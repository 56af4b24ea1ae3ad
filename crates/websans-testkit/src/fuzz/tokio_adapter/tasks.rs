//! An executor that notices when nobody is woken, and when somebody is woken for nothing.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::task::{unconstrained, yield_now};

use super::super::adapters::Record;
use super::transport::Wire;

/// Polls in a row that move no byte. Each of a handful of tasks may be woken for each of a handful of reasons, and ends some
/// calls that have nothing to do.
const IDLE_POLLS: usize = 400;

/// How far the time goes on at once, and how often in a row: further than all deadlines one after the other.
const STEP: Duration = Duration::from_secs(1);
const STEPS: usize = 40;

pub(super) struct Task<'t> {
    future: Pin<Box<dyn Future<Output = ()> + 't>>,
    flag: Arc<Flag>,
    waker: Waker,
    done: bool,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'t> Task<'t> {
    pub(super) fn new(future: impl Future<Output = ()> + 't) -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&flag)), flag, done: false }
    }

    fn is_woken(&self) -> bool {
        !self.done && self.flag.0.load(Ordering::Relaxed)
    }

    /// `turns`: whether a turn may end before the task waits for something.
    fn poll(&mut self, turns: bool) {
        self.flag.0.store(false, Ordering::Relaxed);
        let cx = &mut Context::from_waker(&self.waker);
        let polled = if turns {
            self.future.as_mut().poll(cx)
        } else {
            pin!(unconstrained(&mut self.future)).poll(cx)
        };
        self.done = polled.is_ready();
    }
}

/// Runs all of them to their ends.
pub(super) async fn run(mut tasks: Vec<Task<'_>>, wire: &Wire, record: &Rc<RefCell<Record>>, turns: bool) {
    let (mut idle, mut steps) = (0, 0);
    while tasks.iter().any(|task| !task.done) {
        let mut polled = false;
        for task in tasks.iter_mut().filter(|task| task.is_woken()) {
            task.poll(turns);
            polled = true;
            idle += 1;
        }
        if wire.take_moved() {
            (idle, steps) = (0, 0);
        }
        assert!(idle < IDLE_POLLS, "they are woken again and again for nothing");
        if polled {
            if turns {
                // As with any task that is woken in its turn, the next poll is another turn.
                yield_now().await;
            }
            continue;
        }
        // Turns that have ended, and timers that are due.
        yield_now().await;
        if tasks.iter().any(Task::is_woken) || wire.ready() {
            continue;
        }
        assert!(steps < STEPS, "nobody will ever wake it");
        steps += 1;
        // From here on deadlines cut connections off.
        record.borrow_mut().excused = true;
        tokio::time::advance(STEP).await;
    }
}

/// Waits for `future`, but lets it wait so often at most.
pub(super) async fn patient<F: Future>(future: F, patience: Option<u8>) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = patience;
    poll_fn(|cx| match (future.as_mut().poll(cx), &mut left) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        (Poll::Pending, None) => Poll::Pending,
        (Poll::Pending, Some(0)) => Poll::Ready(None),
        (Poll::Pending, Some(left)) => {
            *left -= 1;
            Poll::Pending
        }
    })
    .await
}
