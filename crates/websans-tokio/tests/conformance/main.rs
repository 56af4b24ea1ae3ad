//! The scenarios that hold for every adapter: over TCP, and over a pipe in memory with time that goes by at once.

mod duplex;
mod habitual;
mod subject;
mod tcp;
