//! [`Doors`]: the connections that are open, at most so many; [`Door`], one's place among them.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use websans::Outcome;

use crate::notice::{Ended, Notice};

/// The connections of one server.
#[derive(Debug)]
pub(super) struct Doors {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// Weak: what holds a place is the connection itself.
    doors: HashMap<u64, Weak<Door>>,
    /// Of those that were told to close.
    closed_cleanly: u64,
    /// Waits for the last one to go.
    waker: Option<Waker>,
}

/// A connection's place, taken until the last holder is dropped: on every way out, whoever owns the connection by then.
#[derive(Debug)]
pub(super) struct Door {
    doors: Arc<Doors>,
    id: u64,
    peer: SocketAddr,
    phase: AtomicU8,
    /// The handler has got it.
    handed_out: AtomicBool,
    /// Our side of the transport has been ended.
    over: AtomicBool,
    /// It was open when the server was told to go down.
    counted: AtomicBool,
    clean: AtomicBool,
    /// Who reads.
    waker: Mutex<Option<Waker>>,
}

const OPEN: u8 = 0;
/// The server goes down: connections close.
const GOING: u8 = 1;
/// Time is up: nothing is read or written any more.
const CUT: u8 = 2;

impl Doors {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// Takes a place, if one is free.
    pub(super) fn enter(self: &Arc<Self>, peer: SocketAddr) -> Option<Arc<Door>> {
        let mut open = self.lock();
        if open.doors.len() >= self.most {
            return None;
        }
        let id = open.next;
        open.next += 1;
        let door = Arc::new(Door {
            doors: Arc::clone(self),
            id,
            peer,
            phase: AtomicU8::new(OPEN),
            handed_out: AtomicBool::new(false),
            over: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            clean: AtomicBool::new(false),
            waker: Mutex::new(None),
        });
        open.doors.insert(id, Arc::downgrade(&door));
        Some(door)
    }

    /// Tells all connections to close. How many there are that a handler has and that are not over.
    pub(super) fn go_away(&self) -> u64 {
        let mut count = 0;
        for door in self.all() {
            if door.handed_out.load(Ordering::Relaxed) && !door.over.load(Ordering::Relaxed) {
                door.counted.store(true, Ordering::Relaxed);
                count += 1;
            }
            door.enter_phase(GOING);
        }
        count
    }

    /// Waits until there are none.
    pub(super) fn poll_empty(&self, waker: &Waker) -> Poll<()> {
        let mut open = self.lock();
        if open.doors.is_empty() {
            return Poll::Ready(());
        }
        open.waker = Some(waker.clone());
        Poll::Pending
    }

    /// Ends the connections that are left. How many of all that were told to close did so cleanly, and how many were cut off.
    pub(super) fn cut(&self) -> (u64, u64) {
        let left = self.all();
        let mut clean = self.lock().closed_cleanly;
        let mut cut = 0;
        for door in &left {
            if door.counted.swap(false, Ordering::Relaxed) {
                *if door.clean.load(Ordering::Relaxed) { &mut clean } else { &mut cut } += 1;
            }
            door.enter_phase(CUT);
        }
        (clean, cut)
    }

    /// Must not be dropped under the lock: any of these may be the last holder.
    fn all(&self) -> Vec<Arc<Door>> {
        self.lock().doors.values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn hand_out(&self) {
        self.handed_out.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_going(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= GOING
    }

    pub(super) fn is_cut(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= CUT
    }

    pub(super) fn has_closed_cleanly(&self) -> bool {
        self.clean.load(Ordering::Relaxed)
    }

    /// What is to be said to the connection.
    pub(super) fn notice(self: &Arc<Self>) -> io::Error {
        Notice::error(Arc::<Self>::clone(self))
    }

    /// Wakes `waker` when there is something new to know. Look again afterwards: it may have come before.
    pub(super) fn wait(&self, waker: &Waker) {
        match &mut *self.waker() {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn enter_phase(&self, phase: u8) {
        let mut waker = self.waker();
        self.phase.fetch_max(phase, Ordering::AcqRel);
        let woken = waker.take();
        drop(waker);
        woken.into_iter().for_each(Waker::wake);
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ended for Door {
    fn ended(&self, outcome: &Outcome) {
        self.clean.store(outcome.is_clean(), Ordering::Relaxed);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let mut open = self.doors.lock();
        open.doors.remove(&self.id);
        if *self.counted.get_mut() && *self.clean.get_mut() {
            open.closed_cleanly += 1;
        }
        let woken = if open.doors.is_empty() { open.waker.take() } else { None };
        drop(open);
        woken.into_iter().for_each(Waker::wake);
    }
}
