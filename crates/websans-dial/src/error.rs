//! [`ConnectError`]: which step of a dialling failed, where, and why.

use std::error::Error;
use std::net::SocketAddr;
use std::{fmt, io};

use websans::handshake::client::Refusal;
use websans::handshake::{BuildError, HandshakeError};

use crate::proxy::{ProxyError, ProxyUrlError};
use crate::redirect::RedirectError;
#[cfg(feature = "rustls")]
use crate::tls::TlsError;

/// Why a dialling came to nothing: the [`Step`] that failed, with whom, and the [`Cause`].
///
/// The text is one sentence that names all three. Credentials never show in it, nor does what a peer sent.
#[derive(Debug)]
pub struct ConnectError {
    step: Step,
    host: String,
    address: Option<SocketAddr>,
    cause: Cause,
    proxied: bool,
}

/// A step of a dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Looking up the addresses of the host, or of the proxy.
    Resolve,
    /// Waiting for a turn, and connecting to one of the addresses.
    Connect,
    /// Asking the proxy for a tunnel, or finding out which proxy that is.
    Proxy,
    /// The handshake of TLS.
    Tls,
    /// The opening handshake.
    Handshake,
    /// Following a redirection.
    Redirect,
}

/// Why a step failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The operating system or the transport told so.
    Io(io::Error),
    /// It took longer than its limit, or than what the limit for everything together left.
    Timeout,
    /// The name has no address.
    NoAddress,
    /// No address could be connected to; why not, each.
    Addresses(Vec<(SocketAddr, io::Error)>),
    /// The proxy refused, or broke its protocol.
    Proxy(ProxyError),
    /// What names the proxy is not a URL of one.
    ProxyUrl(ProxyUrlError),
    /// TLS is not set up, or its handshake failed.
    #[cfg(feature = "rustls")]
    Tls(TlsError),
    /// The URL asks for TLS, which this program was compiled without.
    NoTls,
    /// The server broke the rules of the opening handshake.
    Handshake(HandshakeError),
    /// The server answered with something other than a WebSocket.
    Refused(Box<Refusal>),
    /// The request cannot be made.
    Build(BuildError),
    /// The redirection is not to be followed.
    Redirect(RedirectError),
    /// The dialling had ended before.
    Ended,
}

impl ConnectError {
    pub(crate) const fn new(step: Step, host: String, address: Option<SocketAddr>, cause: Cause) -> Self {
        Self { step, host, address, cause, proxied: false }
    }

    /// The host or the address is a proxy's.
    pub(crate) const fn proxied(mut self, proxied: bool) -> Self {
        self.proxied = proxied;
        self
    }

    /// The step that failed.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// The host that it was with: the URL's (that of the last redirection), or the proxy's.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address that it was with, if the step was with one: through a proxy that is the proxy's.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Why it failed.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The server's answer, if it answered with something other than a WebSocket.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.cause {
            Cause::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether it took too long, and nothing else was wrong.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match &self.cause {
            Cause::Timeout | Cause::Handshake(HandshakeError::Timeout) => true,
            Cause::Io(error) => error.kind() == io::ErrorKind::TimedOut,
            Cause::Addresses(failures) => {
                failures.iter().all(|(_, error)| error.kind() == io::ErrorKind::TimedOut)
            }
            _ => false,
        }
    }

    /// The code that the browsers' API would report: 1015 if TLS failed, else 1006
    /// ([RFC 6455 §7.4.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1)). Neither is ever sent.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self.step {
            Step::Tls => 1015,
            _ => 1006,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, host, address, cause, proxied } = self;
        f.write_str(match step {
            Step::Proxy if matches!(cause, Cause::ProxyUrl(_)) => "finding the proxy for ",
            Step::Resolve => "looking up ",
            Step::Connect => "connecting to ",
            Step::Proxy => "asking for a tunnel at the proxy ",
            Step::Tls => "TLS with ",
            Step::Handshake => "the opening handshake with ",
            Step::Redirect => "following a redirection by ",
        })?;
        let proxied = *proxied && *step != Step::Proxy;
        match address {
            // The host is the target's; the way to it leads through the proxy's address.
            Some(address) if proxied => write!(f, "{host}, through the proxy at {address},")?,
            None if proxied => write!(f, "the proxy {host}")?,
            Some(address) if address.ip().to_string() == *host => write!(f, "{address}")?,
            Some(address) => write!(f, "{address} ({host})")?,
            None => f.write_str(host)?,
        }
        write!(f, " failed: {cause}")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Timeout => f.write_str("it took too long"),
            Self::NoAddress => f.write_str("it has no address"),
            Self::Addresses(failures) => {
                for (index, (address, error)) in failures.iter().enumerate() {
                    write!(f, "{}{address}: {error}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Self::Proxy(error) => error.fmt(f),
            Self::ProxyUrl(error) => error.fmt(f),
            #[cfg(feature = "rustls")]
            Self::Tls(error) => error.fmt(f),
            Self::NoTls => f.write_str("this program was compiled without the feature `rustls`"),
            Self::Handshake(error) => error.fmt(f),
            Self::Refused(refusal) => write!(f, "the server answered with status {}", refusal.status),
            Self::Build(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Ended => f.write_str("the dialling has ended before"),
        }
    }
}

impl Error for ConnectError {
    /// The error of the step itself, if it is one; of several addresses the first one's.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::Addresses(failures) => failures.first().map(|(_, error)| error as _),
            Cause::Proxy(error) => Some(error),
            Cause::ProxyUrl(error) => Some(error),
            #[cfg(feature = "rustls")]
            Cause::Tls(error) => Some(error),
            Cause::Handshake(error) => Some(error),
            Cause::Build(error) => Some(error),
            Cause::Redirect(error) => Some(error),
            Cause::Timeout | Cause::NoAddress | Cause::NoTls | Cause::Refused(_) | Cause::Ended => None,
        }
    }
}
