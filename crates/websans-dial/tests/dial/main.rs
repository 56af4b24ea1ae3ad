//! What a dialler decides, without a socket: each test plays the peers itself.

mod backoff;
mod client;
mod environment;
mod peer;
mod proxies;
mod race;
mod redirects;
mod steps;
#[cfg(feature = "rustls")]
mod tls;
mod turns;
