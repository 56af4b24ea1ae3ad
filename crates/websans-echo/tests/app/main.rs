//! The app as a process: what it answers, what its options do, and how it ends.

mod activation;
mod command;
mod echo;
mod http2;
mod log;
mod origins;
mod page;
#[cfg(unix)]
mod signals;
mod slow;
mod support;
mod tls;
