//! `Reconnect` against servers that fail in every way. Time is tokio's, and paused: waits are judged, not waited for.

mod compression;
mod endings;
mod messages;
mod support;
mod waits;
