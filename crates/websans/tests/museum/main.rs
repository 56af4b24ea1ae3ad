//! Attacks and defects that have happened elsewhere, one test or more for each row of `exhibits.md`, by whose name it goes.

mod attacks;
mod control;
mod endings;
mod frames;
#[cfg(feature = "handshake")]
mod handshake;
#[cfg(feature = "handshake")]
mod heads;
#[cfg(feature = "os-entropy")]
mod keys;
#[cfg(feature = "handshake")]
mod opening;
#[cfg(feature = "handshake")]
mod setters;
mod slope;
#[cfg(feature = "handshake")]
mod smuggling;
#[path = "../rfc6455/support.rs"]
mod support;
