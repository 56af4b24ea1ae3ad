//! What the halves of a connection wait with. For `cargo xtask schedules` it comes from what explores schedules, with the
//! same names.

#[cfg(not(all(test, websans_schedules)))]
pub(crate) use std::{
    sync::atomic::AtomicBool,
    sync::{Condvar, Mutex, MutexGuard},
    thread::sleep,
};

#[cfg(not(all(test, websans_schedules)))]
pub(crate) use websans::Clock;
#[cfg(all(test, websans_schedules))]
pub(crate) use websans_testkit::schedules::{
    Mutex, MutexGuard,
    atomic::AtomicBool,
    time::{Clock, Condvar, sleep_thread as sleep},
};
