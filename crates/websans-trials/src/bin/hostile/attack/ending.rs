//! [`Ending`]: how a connection ended, as seen on the wire.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::str::FromStr;

use websans_trials::Failure;

/// How a connection ended, as seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// A response that accepts no WebSocket; three digits.
    Status(u16),
    /// A Close; four digits.
    Close(u16),
    /// The end of the stream without a word.
    Eof,
    /// A reset.
    Reset,
    /// The attacker has left, of itself or at the end of the attack.
    Left,
    /// There was no connection.
    Unconnected,
}

impl Ending {
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Eof,
            _ => Self::Reset,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) | Self::Close(code) => code.fmt(f),
            Self::Eof => f.write_str("eof"),
            Self::Reset => f.write_str("reset"),
            Self::Left => f.write_str("left"),
            Self::Unconnected => f.write_str("unconnected"),
        }
    }
}

impl FromStr for Ending {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Ok(match text {
            "eof" => Self::Eof,
            "reset" => Self::Reset,
            "left" => Self::Left,
            "unconnected" => Self::Unconnected,
            code => match code.parse()? {
                code @ 100..=999 => Self::Status(code),
                code => Self::Close(code),
            },
        })
    }
}
