//! [`Error`]: why a call did not do what was asked.

use std::{fmt, io};

use websans::handshake::client::Refusal;
use websans::handshake::{BuildError, HandshakeError};
use websans::{ProtocolError, SendError};

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
    /// The peer broke the rules of the opening handshake. A client that did has been answered.
    Handshake(HandshakeError),
    /// The server answered the opening handshake with something else than a WebSocket.
    Refused(Box<Refusal>),
    /// A URL, header or subprotocol of the caller's is not valid.
    Build(BuildError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the transport failed: {error}"),
            Self::Protocol(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
            Self::Handshake(error) => write!(f, "the opening handshake failed: {error}"),
            Self::Refused(refusal) => {
                write!(f, "the server refused the handshake: status {}", refusal.status)
            }
            Self::Build(error) => error.fmt(f),
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
            Self::Refused(_) => None,
            Self::Build(error) => Some(error),
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
