//! WebSockets in streams of HTTP/2, against the server's side of the crate `h2`: in memory and over TCP. A test named after
//! a row is about a requirement of RFC 8441, listed in the core's tests.

mod endings;
mod flow;
mod opening;
mod settings;
mod support;
