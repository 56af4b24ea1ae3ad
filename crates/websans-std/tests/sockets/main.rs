//! The adapter over real sockets: against peers that speak in bytes, and against itself.
//!
//! Every test is bounded in time, so that a hang is a failure. Lower bounds of time are exact; upper bounds only tell
//! "when it is due" from "never" or "at some later deadline", so that a busy machine makes nothing fail.

mod client;
mod closing;
mod compression;
mod deadlines;
mod echo;
mod odd;
mod server;
mod split;
mod streaming;
mod support;
mod transport;
mod violations;
