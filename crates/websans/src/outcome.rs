//! [`Outcome`]: how a connection ended.

use core::fmt;

use crate::close::Close;
use crate::error::ProtocolError;

/// How a connection ended: every connection has exactly one, from the moment it is
/// [`State::Closed`](crate::State::Closed).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The Close frame that was sent (or put into the outbox as the connection ended).
    pub sent: Option<Close<'static>>,
    /// The Close frame that was received.
    pub received: Option<Close<'static>>,
    /// Which end brought the ending about.
    pub initiator: Initiator,
    /// Why.
    pub cause: Cause,
}

/// One end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Initiator {
    /// This one.
    Local,
    /// The other one.
    Peer,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A Close frame went each way.
    Clean,
    /// The peer broke the protocol; it was told so if no Close had been sent before.
    Protocol(ProtocolError),
    /// The peer gave no sign of life after a keep-alive Ping.
    KeepaliveTimeout,
    /// The peer did not answer a Close, or the application did not answer the peer's.
    CloseTimeout,
    /// The transport took no byte for too long.
    WriteStall,
    /// The peer ended the transport without a Close.
    Eof,
    /// The transport failed, or this end gave it up without a Close.
    Aborted,
}

impl Outcome {
    /// The code that the browsers' API reports for such an ending: the received one, 1005 for a Close without a
    /// code, 1006 where no Close was received ([RFC 6455 §7.1.5](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5)).
    #[must_use]
    pub fn code(&self) -> u16 {
        match &self.received {
            Some(close) => close.code.map_or(1005, |code| code.get()),
            None => 1006,
        }
    }

    /// Whether a Close frame went each way
    /// ([RFC 6455 §7.1.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.4)).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.cause == Cause::Clean
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.cause, self.code())?;
        let close = match self.initiator {
            Initiator::Local => &self.sent,
            Initiator::Peer => &self.received,
        };
        match close {
            Some(_) if matches!(self.cause, Cause::Protocol(_)) => Ok(()), // it has been said
            Some(close) if !close.reason.is_empty() => write!(f, ": {}", close.reason),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clean => "closed cleanly",
            Self::Protocol(error) => return error.fmt(f),
            Self::KeepaliveTimeout => "the peer gave no sign of life",
            Self::CloseTimeout => "the closing handshake was not completed in time",
            Self::WriteStall => "the peer did not take what was sent",
            Self::Eof => "the peer ended the transport without a close",
            Self::Aborted => "the transport failed or was given up",
        })
    }
}
