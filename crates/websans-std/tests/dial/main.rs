//! The dialler and TLS over real sockets: every peer here, proxies included, listens on the loopback address. What is
//! protocol is tested where it stands, in `websans-dial`; this is what a blocking client adds.
#![cfg(feature = "rustls")]

mod compression;
mod peers;
mod plain;
mod proxies;
mod relay;
mod silence;
mod split;
mod stream;
mod tls;
