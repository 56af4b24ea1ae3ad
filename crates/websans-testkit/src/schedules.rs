//! Schedules, one after the other: what threads and tasks of an adapter do when others run in between.
//!
//! Built only with `--cfg websans_schedules`, for `cargo xtask schedules`. The adapters then take their locks, atomics and
//! timers from here, so that each use of one is a place where [`shuttle`] may let another thread or task go on: at
//! random, or by priorities that change now and then (PCT). Orderings of atomics are not explored; all are as `SeqCst`.
//!
//! * [`explore`](fn@explore) runs a scenario under many schedules, and one of them again.
//! * [`time`] passes when nobody can do anything else. A wake-up that is lost shows as time that has passed, or as a deadlock.

mod explore;
pub mod time;

pub use explore::explore;
pub use shuttle::sync::{Mutex, MutexGuard, atomic};
pub use shuttle::{future, rand, thread};
