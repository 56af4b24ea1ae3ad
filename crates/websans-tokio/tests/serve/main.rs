//! `serve` over real TCP: the limit and every way out, the handshake's deadline, going down, TLS.

mod accepting;
mod handshakes;
mod limit;
mod museum;
mod shutdown;
mod support;
#[cfg(feature = "rustls")]
mod tls;
