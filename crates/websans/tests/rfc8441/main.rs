//! The opening handshake over HTTP/2 (RFC 8441), as far as it is the core's. A test's name starts with its row in
//! `requirements.md`; what no row is about has other names.
#![cfg(feature = "handshake")]

mod client;
mod prop;
mod server;

use websans::handshake::Headers;
use websans::handshake::server::ExtendedConnect;

/// Header lines, names in any case.
#[derive(Clone, Debug)]
pub(crate) struct Lines(pub(crate) Vec<(String, Vec<u8>)>);

impl Lines {
    pub(crate) fn new(lines: &[(&str, &str)]) -> Self {
        Self(lines.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
    }
}

impl Headers for Lines {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        assert_eq!(name, name.to_ascii_lowercase());
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

/// The request of RFC 8441 §5.1.
pub(crate) const REQUEST: ExtendedConnect<'static> = ExtendedConnect {
    method: "CONNECT",
    protocol: Some("websocket"),
    scheme: Some("https"),
    authority: Some("server.example.com"),
    path: Some("/chat"),
};
