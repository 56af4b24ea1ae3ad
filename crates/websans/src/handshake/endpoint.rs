//! [`Endpoint`]: where a client believes to have connected to.

use alloc::string::String;

/// Where a client believes to have connected to: what the origin of a page is compared with.
///
/// A host alone converts into one whose scheme is unknown: `policy.check(values, "example.com")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "a host and how it was reached, whole")]
pub struct Endpoint<'a> {
    /// The host and, if it is not the scheme's own, the port: the value of `Host`, or of `:authority`.
    pub host: &'a str,
    /// Whether the client came by TLS (`https`, `wss`), as far as that is known: a server behind a proxy that
    /// terminates TLS cannot tell by its own transport.
    pub secure: Option<bool>,
}

impl<'a> From<&'a str> for Endpoint<'a> {
    fn from(host: &'a str) -> Self {
        Self { host, secure: None }
    }
}

impl<'a> From<&'a String> for Endpoint<'a> {
    fn from(host: &'a String) -> Self {
        Self { host, secure: None }
    }
}
