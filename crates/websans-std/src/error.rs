//! [`Error`]: why a call did not do what was asked.

use std::{fmt, io};

use websans::handshake::{BuildError, HandshakeError};
use websans::{ProtocolError, SendError};
use websans_dial::ConnectError;

/// Why a call did not do what was asked. The ending of a connection is no error: `recv` says `None` then and
/// `outcome` tells the rest.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer broke the protocol. It has been told, the connection has ended, and every message that came before has
    /// been delivered.
    Protocol(ProtocolError),
    /// The call was not possible; nothing was sent, and the connection goes on as it was.
    Send(SendError),
    /// The client broke the rules of the opening handshake. It has been answered.
    Handshake(HandshakeError),
    /// A URL, header or subprotocol of the caller's is not valid.
    Build(BuildError),
    /// No connection came about: at which step, with which address, and why.
    Connect(Box<ConnectError>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::Protocol(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Handshake(error) => write!(f, "the opening handshake failed: {error}"),
            Self::Build(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Build(error) => Some(error),
            Self::Connect(error) => error.source(),
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for Error {
            fn from(error: $type) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from!(io::Error => Io, ProtocolError => Protocol, SendError => Send, HandshakeError => Handshake, BuildError => Build);

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(Box::new(error))
    }
}

impl From<std::convert::Infallible> for Error {
    /// For [`connect`](crate::connect), which takes what can become a client and what is one.
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
