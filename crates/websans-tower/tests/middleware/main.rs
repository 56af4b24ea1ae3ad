//! The middleware beneath servers of hyper, over sockets.

mod accepting;
mod closing;
mod events;
mod http2;
mod keepalive;
mod museum;
mod origins;
mod passing;
mod places;
mod refusals;
#[path = "../support/mod.rs"]
mod support;
