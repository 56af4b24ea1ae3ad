//! The dialler over real sockets: every peer here, proxies included, listens on the loopback address.
#![cfg(feature = "rustls")]

mod dropping;
mod museum;
mod plain;
mod proxies;
mod redirects;
mod servers;
mod silence;
mod tls;
mod turns;
