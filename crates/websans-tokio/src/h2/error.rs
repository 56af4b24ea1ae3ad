//! [`OpenError`]: why a stream of HTTP/2 became no WebSocket.

use std::{fmt, io};

use websans::handshake::HandshakeError;
use websans::handshake::client::Refusal;

use super::stream::io_error;
use crate::error::Error;

/// Why a stream of HTTP/2 became no WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The server's settings do not allow an extended CONNECT, or have not come. Nothing was sent.
    NotEnabled,
    /// There was no answer within [`Config::handshake_within`](crate::Config::handshake_within).
    Timeout,
    /// The connection failed, or the stream was reset.
    Http2(::h2::Error),
    /// The URL or a header is none that the crate `http` takes. Nothing was sent.
    Request(http::Error),
    /// The server broke the rules of the opening handshake. The stream has been reset.
    Handshake(HandshakeError),
    /// The server answered with something other than a WebSocket.
    Refused(Box<Refusal>),
    /// The system has no random numbers for masking keys.
    Entropy(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnabled => f.write_str("the server's settings do not allow a WebSocket over HTTP/2"),
            Self::Timeout => f.write_str("the opening handshake over HTTP/2 took too long"),
            Self::Http2(error) => write!(f, "the opening handshake over HTTP/2 failed: {error}"),
            Self::Request(error) => write!(f, "the request cannot be made: {error}"),
            Self::Handshake(error) => write!(f, "the opening handshake over HTTP/2 failed: {error}"),
            Self::Refused(refusal) => write!(f, "the server answered with status {}", refusal.status),
            Self::Entropy(error) => write!(f, "there are no masking keys: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http2(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Entropy(error) => Some(error),
            Self::NotEnabled | Self::Timeout | Self::Refused(_) => None,
        }
    }
}

impl From<::h2::Error> for OpenError {
    fn from(error: ::h2::Error) -> Self {
        Self::Http2(error)
    }
}

impl From<OpenError> for Error {
    /// An error of the transport, with this one as its source.
    fn from(error: OpenError) -> Self {
        let kind = match error {
            OpenError::Http2(error) => return Self::Io(io_error(error)),
            OpenError::Entropy(error) => return Self::Io(error),
            OpenError::NotEnabled => io::ErrorKind::Unsupported,
            OpenError::Timeout => io::ErrorKind::TimedOut,
            OpenError::Request(_) => io::ErrorKind::InvalidInput,
            OpenError::Handshake(_) => io::ErrorKind::InvalidData,
            OpenError::Refused(_) => io::ErrorKind::ConnectionRefused,
        };
        Self::Io(io::Error::new(kind, error))
    }
}
