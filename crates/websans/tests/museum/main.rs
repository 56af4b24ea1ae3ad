//! The museum of attacks: defects that implementations have had, and that this one must not have. A test's name starts with
//! the id of its row in `exhibits.md`.

mod attacks;
mod control;
mod endings;
mod floods;
mod frames;
#[cfg(feature = "handshake")]
mod handshake;
#[cfg(feature = "handshake")]
mod heads;
#[cfg(feature = "os-entropy")]
mod keys;
mod lengths;
mod masks;
#[cfg(feature = "handshake")]
mod opening;
#[cfg(feature = "handshake")]
mod setters;
mod slope;
#[cfg(feature = "handshake")]
mod smuggling;
#[path = "../rfc6455/support.rs"]
mod support;
