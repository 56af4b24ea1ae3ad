//! What tasks wait with. For `cargo xtask schedules` it comes from what explores schedules, with the same names.

#[cfg(not(all(test, websans_schedules)))]
pub(crate) use std::{
    collections::HashMap as Map,
    sync::atomic::{AtomicBool, AtomicU8},
    sync::{Mutex, MutexGuard},
};

#[cfg(not(all(test, websans_schedules)))]
pub(crate) use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};
#[cfg(all(test, websans_schedules))]
pub(crate) use websans_testkit::schedules::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8},
    time::{Instant, Sleep, sleep_until, timeout, timeout_at},
};

/// In an order that is the same each time: a schedule could not be run again.
#[cfg(all(test, websans_schedules))]
pub(crate) use std::collections::BTreeMap as Map;
