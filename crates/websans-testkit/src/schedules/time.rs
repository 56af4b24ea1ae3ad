//! Time that passes only when nobody can do anything else, and what waits for it.
//!
//! Now and then it passes a little earlier, by no more than [`HASTE`]: who tries again after a while may do so while
//! others are at work.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::{Arc, LockResult, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use shuttle::sync::{Mutex, MutexGuard};
use websans::Timestamp;

use super::explore::is_idle;

/// How far time may jump while somebody could still do something: further than adapters wait before they try again, and
/// nearer than any deadline.
pub const HASTE: Duration = Duration::from_millis(50);

thread_local! {
    static TIME: RefCell<Time> = RefCell::default();
}

#[derive(Default)]
struct Time {
    now: Duration,
    next: u64,
    timers: BTreeMap<Key, Timer>,
}

/// When, and a number of its own.
type Key = (Duration, u64);

struct Timer {
    waker: Waker,
    /// It is called until it is taken back: a thread is on its way to where it can be woken.
    again: bool,
}

/// How long the schedule has taken so far.
#[must_use]
pub fn now() -> Duration {
    TIME.with_borrow(|time| time.now)
}

fn set(at: Duration, waker: Waker, again: bool) -> Key {
    TIME.with_borrow_mut(|time| {
        let key = (at, time.next);
        time.next += 1;
        time.timers.insert(key, Timer { waker, again });
        key
    })
}

fn unset(key: Key) {
    let taken = TIME.with_borrow_mut(|time| time.timers.remove(&key));
    drop(taken); // outside, since a waker may own anything
}

/// Begins anew. To be called where the schedule begins.
pub(super) fn begin() {
    drop(TIME.take());
    // Detached: it has no end of its own.
    drop(shuttle::future::spawn(pass()));
}

/// Lets time pass.
async fn pass() {
    loop {
        shuttle::future::yield_now().await;
        let idle = is_idle();
        match TIME.with_borrow_mut(|time| time.advance(idle)) {
            // Nothing will ever happen: the explorer tells who waits.
            None if idle => return,
            due => due.into_iter().flatten().for_each(Waker::wake),
        }
    }
}

impl Time {
    /// Goes on to the next timer; whom to wake. `None`: there is none.
    fn advance(&mut self, idle: bool) -> Option<Vec<Waker>> {
        let (&(next, _), _) = self.timers.first_key_value()?;
        if !idle && next > self.now + HASTE {
            return Some(Vec::new());
        }
        self.now = self.now.max(next);
        let later = self.timers.split_off(&(self.now, u64::MAX));
        let due = mem::replace(&mut self.timers, later);
        let mut wakers = Vec::with_capacity(due.len());
        for (key, timer) in due {
            wakers.push(timer.waker.clone());
            if timer.again {
                self.timers.insert(key, timer);
            }
        }
        Some(wakers)
    }
}

/// `websans::Clock`, in this time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    origin: Duration,
}

impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: now() }
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(u64::try_from((now() - self.origin).as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long it is until `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Timestamp) -> Duration {
        deadline.since(self.now())
    }
}

/// `std::sync::Condvar`, whose time-outs are of this time.
#[derive(Debug, Default)]
pub struct Condvar {
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell(shuttle::sync::Condvar);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_all();
    }
}

/// Whether a wait ended by its time-out.
#[derive(Clone, Copy, Debug)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits to be woken.
    ///
    /// # Errors
    /// As that of `std`.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.bell.0.wait(guard)
    }

    /// Waits to be woken, at most so long. Whoever else waits may be woken too when the time is over.
    ///
    /// # Errors
    /// As that of `std`.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        most: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let until = now() + most;
        let timer = set(until, Waker::from(Arc::clone(&self.bell)), true);
        let woken = self.bell.0.wait(guard);
        unset(timer);
        let over = WaitTimeoutResult(now() >= until);
        woken.map(|guard| (guard, over)).map_err(|poisoned| PoisonError::new((poisoned.into_inner(), over)))
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        self.bell.0.notify_all();
    }
}

/// `std::thread::sleep`, in this time.
pub fn sleep_thread(duration: Duration) {
    let (nobody, until) = (Mutex::new(()), now() + duration);
    let never = Condvar::new();
    while now() < until {
        let guard = nobody.lock().unwrap_or_else(PoisonError::into_inner);
        drop(never.wait_timeout(guard, until.saturating_sub(now())));
    }
}

/// `tokio::time::Instant`, in this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self(now())
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        now().saturating_sub(self.0)
    }

    /// So much later, if there is such a time.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// `tokio::time::Sleep`, in this time: it wakes once, who polled it last.
pub struct Sleep {
    deadline: Instant,
    timer: Option<Key>,
}

impl Sleep {
    /// When it ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        now() >= self.deadline.0
    }

    fn forget(&mut self) {
        if let Some(timer) = self.timer.take() {
            unset(timer);
        }
    }

    /// Lets it end at another time.
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.forget();
        self.deadline = deadline;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.forget();
        if self.is_elapsed() {
            return Poll::Ready(());
        }
        self.timer = Some(set(self.deadline.0, cx.waker().clone(), false));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Waits until then.
#[must_use]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, timer: None }
}

/// Waits so long.
#[must_use]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// The time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> Self {
        io::ErrorKind::TimedOut.into()
    }
}

/// Waits for `future`, at most so long.
///
/// # Errors
/// [`Elapsed`] if it was not done by then.
pub async fn timeout<F: Future>(most: Duration, future: F) -> Result<F::Output, Elapsed> {
    // Later than any scenario lasts, should that be no time at all.
    timeout_at(Instant(now().saturating_add(most)), future).await
}

/// Waits for `future`, at most until then.
///
/// # Errors
/// [`Elapsed`] if it was not done by then.
pub async fn timeout_at<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = std::pin::pin!(future);
    let mut sleep = std::pin::pin!(sleep_until(deadline));
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}
