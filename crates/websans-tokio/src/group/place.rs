//! [`Places`]: the connections that are open, at most so many; [`Place`], that of one of them.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::{io, mem};

use tokio::task::AbortHandle;
use websans::Outcome;

use crate::notice::{Ended, Notice};
use crate::sync::{AtomicBool, AtomicU8, Map, Mutex, MutexGuard};

/// The connections of one group.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// Weak: what holds a place is the connection itself.
    places: Map<u64, Weak<Place>>,
    /// Connections that were told to close.
    told: u64,
    /// Those of them that did so cleanly.
    closed_cleanly: u64,
    /// No more are taken.
    closing: bool,
    /// Who waits for what becomes of all, by a number of their own.
    waiting: Map<u64, Waker>,
}

/// A connection's place, taken until the last holder is dropped: on every way out, whoever owns the connection by then.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
    /// Here, since the stream, in which it is asked for, is moved about.
    peer: Option<SocketAddr>,
    /// [`GOING`], [`CUT`] and [`OVER`].
    phase: AtomicU8,
    /// The application has got it.
    handed_out: AtomicBool,
    /// It was open when the group was told to close.
    counted: AtomicBool,
    clean: AtomicBool,
    wakers: Mutex<Wakers>,
    /// What owns it.
    task: OnceLock<AbortHandle>,
}

/// Who waits for the transport. A split connection reads with another waker than it writes with.
#[derive(Debug, Default)]
struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The group is being closed.
const GOING: u8 = 1;
/// Time is up: nothing is read or written any more.
const CUT: u8 = 2;
/// Our side of the transport has been ended. In one atomic with the others, so that a connection that ends by itself has either
/// been counted among those that were told to close, and knows it, or neither.
const OVER: u8 = 4;

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// Takes a place, if one is free.
    pub(crate) fn enter(self: &Arc<Self>, peer: Option<SocketAddr>) -> Option<Arc<Place>> {
        let mut open = self.lock();
        if open.closing || open.places.len() >= self.most {
            return None;
        }
        let id = open.next;
        open.next += 1;
        let place = Arc::new(Place {
            places: Arc::clone(self),
            id,
            peer,
            phase: AtomicU8::new(0),
            handed_out: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            clean: AtomicBool::new(false),
            wakers: Mutex::default(),
            task: OnceLock::new(),
        });
        open.places.insert(id, Arc::downgrade(&place));
        Some(place)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().places.len()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Tells all connections to close. How many there are that the application has, that are not over, and that did not know.
    pub(crate) fn go_away(&self) -> u64 {
        let woken = {
            let mut open = self.lock();
            open.closing = true;
            mem::take(&mut open.waiting)
        };
        woken.into_values().for_each(Waker::wake);
        let mut count = 0;
        for place in self.all() {
            let over = place.enter_phase(GOING) & OVER != 0;
            let open = place.handed_out.load(Ordering::Relaxed) && !over;
            if open && !place.counted.swap(true, Ordering::Relaxed) {
                count += 1;
            }
        }
        self.lock().told += count;
        count
    }

    /// A number to wait by.
    pub(crate) fn number(&self) -> u64 {
        let mut open = self.lock();
        open.next += 1;
        open.next
    }

    /// Waits, as `number`, until there are none.
    pub(crate) fn poll_empty(&self, number: u64, waker: &Waker) -> Poll<()> {
        self.poll_for(|open| open.places.is_empty(), number, waker)
    }

    /// Waits, as `number`, until they are told to close.
    pub(crate) fn poll_closing(&self, number: u64, waker: &Waker) -> Poll<()> {
        self.poll_for(|open| open.closing, number, waker)
    }

    fn poll_for(&self, come: impl Fn(&Open) -> bool, number: u64, waker: &Waker) -> Poll<()> {
        let mut open = self.lock();
        if come(&open) {
            return Poll::Ready(());
        }
        open.waiting
            .entry(number)
            .and_modify(|known| known.clone_from(waker))
            .or_insert_with(|| waker.clone());
        Poll::Pending
    }

    /// Waits no longer.
    pub(crate) fn forget(&self, number: u64) {
        let forgotten = self.lock().waiting.remove(&number);
        drop(forgotten); // outside of the lock: it may run anything
    }

    /// How many connections have been told to close.
    pub(crate) fn told(&self) -> u64 {
        self.lock().told
    }

    /// Ends the connections that are left. How many of all that were told to close did so cleanly, and how many were cut off.
    pub(crate) fn cut(&self) -> (u64, u64) {
        let left = self.all();
        let mut clean = self.lock().closed_cleanly;
        let mut cut = 0;
        for place in &left {
            if place.counted.swap(false, Ordering::Relaxed) {
                *if place.clean.load(Ordering::Relaxed) { &mut clean } else { &mut cut } += 1;
            }
            place.enter_phase(GOING | CUT);
            if let Some(task) = place.task.get() {
                task.abort();
            }
        }
        (clean, cut)
    }

    /// Must not be dropped under the lock: any of these may be the last holder.
    fn all(&self) -> Vec<Arc<Place>> {
        self.lock().places.values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub(crate) fn hand_out(&self) {
        self.handed_out.store(true, Ordering::Relaxed);
    }

    pub(crate) fn abort_at_cut(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.is_cut() {
            task.abort();
        }
    }

    /// Whether the group was being closed by then.
    pub(crate) fn note_over(&self) -> bool {
        self.phase.fetch_or(OVER, Ordering::AcqRel) & GOING != 0
    }

    pub(crate) fn is_going(&self) -> bool {
        self.phase.load(Ordering::Acquire) & GOING != 0
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.phase.load(Ordering::Acquire) & CUT != 0
    }

    pub(crate) fn has_closed_cleanly(&self) -> bool {
        self.clean.load(Ordering::Relaxed)
    }

    /// What is to be said to the connection.
    pub(crate) fn notice(self: &Arc<Self>) -> io::Error {
        Notice::error(Arc::downgrade(self) as Weak<Self>)
    }

    /// Wakes who reads, by `waker`, when there is something new to know. Look again afterwards: it may have come before.
    pub(crate) fn wait(&self, waker: &Waker) {
        remember(&mut self.wakers().reader, waker);
    }

    /// The same for who writes.
    pub(crate) fn wait_writing(&self, waker: &Waker) {
        remember(&mut self.wakers().writer, waker);
    }

    /// In which it was before.
    fn enter_phase(&self, phase: u8) -> u8 {
        let mut wakers = self.wakers();
        let before = self.phase.fetch_or(phase, Ordering::AcqRel);
        let Wakers { reader, writer } = mem::take(&mut *wakers);
        drop(wakers);
        reader.into_iter().chain(writer).for_each(Waker::wake);
        before
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        none => *none = Some(waker.clone()),
    }
}

impl Ended for Place {
    fn ended(&self, outcome: &Outcome) {
        self.clean.store(outcome.is_clean(), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        open.places.remove(&self.id);
        if *self.counted.get_mut() && *self.clean.get_mut() {
            open.closed_cleanly += 1;
        }
        let woken = if open.places.is_empty() { mem::take(&mut open.waiting) } else { Map::new() };
        drop(open);
        woken.into_values().for_each(Waker::wake);
    }
}
