//! The rules of RFC 7692 as the core and this crate obey them together, by section: from the bytes of the handshake to
//! those of the frames. A test's name starts with its row in `requirements.md`; what no row is about has other names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod faults;
mod frames;
mod limits;
mod messages;
mod negotiation;
mod options;
mod response;
mod sharing;
mod support;
mod windows;
