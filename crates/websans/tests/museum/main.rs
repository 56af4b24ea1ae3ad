//! The museum of attacks: defects that implementations have had, and that this one must not have. A test's name starts with
//! the id of its row in `exhibits.md`.

mod floods;
mod frames;
mod lengths;
#[path = "../rfc6455/support.rs"]
mod support;
