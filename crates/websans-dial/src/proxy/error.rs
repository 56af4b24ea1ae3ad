//! [`ProxyError`] is the proxy's fault, [`ProxyUrlError`] the caller's.

use std::error::Error;
use std::fmt;

use websans::handshake::{BuildError, HandshakeError};

/// What a proxy did, or failed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyError {
    /// The HTTP proxy answered `CONNECT` with this status; 407 asks for credentials, or for others.
    Status(u16),
    /// The answer of the HTTP proxy is not valid.
    Head(HandshakeError),
    /// The HTTP proxy sent something behind its answer, which no one can have sent it (RFC 9110 §9.3.6).
    Surplus,
    /// The SOCKS proxy could not connect.
    Reply(SocksReply),
    /// The SOCKS proxy does not speak version 5.
    Version,
    /// The SOCKS proxy wants credentials, or credentials of a kind that is not known here.
    Method,
    /// The SOCKS proxy does not accept the credentials.
    Credentials,
    /// The answer of the SOCKS proxy breaks RFC 1928 or RFC 1929.
    Malformed,
    /// The proxy ended the connection before its answer was whole.
    Incomplete,
}

/// Why a SOCKS proxy could not connect ([RFC 1928 §6](https://www.rfc-editor.org/rfc/rfc1928#section-6)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocksReply {
    /// 1: a failure of its own.
    Failure,
    /// 2: its rules do not allow it.
    NotAllowed,
    /// 3: the network cannot be reached.
    NetworkUnreachable,
    /// 4: the host cannot be reached.
    HostUnreachable,
    /// 5: the host refused.
    Refused,
    /// 6: it took too long.
    TtlExpired,
    /// 7: it knows no `CONNECT`.
    CommandNotSupported,
    /// 8: it knows no addresses of this kind.
    AddressNotSupported,
    /// Any other number.
    Other(u8),
}

impl SocksReply {
    pub(super) const fn of(code: u8) -> Self {
        match code {
            1 => Self::Failure,
            2 => Self::NotAllowed,
            3 => Self::NetworkUnreachable,
            4 => Self::HostUnreachable,
            5 => Self::Refused,
            6 => Self::TtlExpired,
            7 => Self::CommandNotSupported,
            8 => Self::AddressNotSupported,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(407) => "the proxy asks for credentials, or for others (status 407)",
            Self::Status(status) => return write!(f, "the proxy answered with status {status}"),
            Self::Head(error) => return write!(f, "the proxy's answer is not valid: {error}"),
            Self::Surplus => "the proxy sent something behind its answer",
            Self::Reply(reply) => return write!(f, "the proxy could not connect: {reply}"),
            Self::Version => "the proxy does not speak SOCKS version 5",
            Self::Method => "the proxy wants credentials, or a kind of them that is not known",
            Self::Credentials => "the proxy does not accept the credentials",
            Self::Malformed => "the proxy's answer breaks RFC 1928",
            Self::Incomplete => "the proxy ended the connection before its answer was whole",
        })
    }
}

impl fmt::Display for SocksReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure => "general failure (1)",
            Self::NotAllowed => "not allowed by its rules (2)",
            Self::NetworkUnreachable => "network unreachable (3)",
            Self::HostUnreachable => "host unreachable (4)",
            Self::Refused => "connection refused (5)",
            Self::TtlExpired => "time to live expired (6)",
            Self::CommandNotSupported => "command not supported (7)",
            Self::AddressNotSupported => "kind of address not supported (8)",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

impl Error for ProxyError {}

/// What is wrong with the URL of a proxy. The URL is not repeated: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// It begins neither with `http://` nor with `socks5://` nor with `socks5h://`.
    Scheme,
    /// It begins with `https://`: TLS to the proxy itself is not supported.
    Https,
    /// Its host or its port is not valid.
    Address(BuildError),
    /// There is something behind its host and port.
    Path,
    /// The percent-encoding of its credentials is not valid, or does not yield UTF-8.
    Encoding,
    /// Its credentials cannot be sent to a proxy of this kind.
    Credentials,
    /// The environment variable of this name holds no URL of a proxy.
    Variable(&'static str),
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URL of a proxy must begin with http://, socks5:// or socks5h://",
            Self::Https => "a proxy that is itself reached by TLS (https://) is not supported",
            Self::Address(error) => return write!(f, "the address of the proxy is not valid: {error}"),
            Self::Path => "the URL of a proxy must end after its host and port",
            Self::Encoding => "the credentials of the proxy must be percent-encoded UTF-8",
            Self::Credentials => "the credentials cannot be sent to a proxy of this kind",
            Self::Variable(name) => {
                return write!(f, "the environment variable `{name}` does not hold the URL of a proxy (http, socks5 or socks5h)");
            }
        })
    }
}

impl Error for ProxyUrlError {}
