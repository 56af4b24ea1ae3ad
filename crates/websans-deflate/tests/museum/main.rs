//! The museum of attacks, as far as it is about compression. A test's name starts with the id of its row in `exhibits.md`,
//! among the tests of `websans`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod agreeing;
mod inflating;
mod reusing;
#[allow(dead_code, reason = "it is there for the tests of RFC 7692")]
#[path = "../rfc7692/support.rs"]
mod support;
