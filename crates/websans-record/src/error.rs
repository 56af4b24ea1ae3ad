//! What can be wrong with a file, and with what it is replayed by.

use core::fmt;

use websans::Timestamp;

use crate::code;
use crate::coding::Bad;

/// Why bytes are not a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// They do not begin as one.
    NotARecording,
    /// It was written by another release, in a format that this one does not know.
    UnknownVersion(u64),
    /// They end in the middle of the header or of a record, at this place. What came before is whole.
    Truncated(usize),
    /// What stands before this place means nothing.
    Invalid {
        /// The offset in the file.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl FormatError {
    pub(crate) fn of(bad: Bad, at: usize) -> Self {
        match bad {
            Bad::Cut => Self::Truncated(at),
            Bad::Wrong(what) => Self::Invalid { at, what },
        }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecording => f.write_str("this is no recording of websans"),
            Self::UnknownVersion(version) => write!(
                f,
                "the recording is of version {version} of the format, and only version {} is known",
                crate::VERSION
            ),
            Self::Truncated(at) => write!(f, "the recording ends in the middle of something, at byte {at}"),
            Self::Invalid { at, what } => write!(f, "the recording is invalid before byte {at}: {what}"),
        }
    }
}

impl core::error::Error for FormatError {}

/// The first record of which something else came than was recorded: the file was changed, or this is not the
/// code that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// Which record, counted from 0.
    pub record: usize,
    /// Where it begins in the file.
    pub offset: usize,
    /// The last time that the connection was told.
    pub at: Timestamp,
    /// The call, in words.
    pub call: String,
    /// What was recorded of it and what came of it now, where results can be compared.
    pub results: Option<(u8, u8)>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, offset, at, call, results } = self;
        write!(f, "record {record} (byte {offset}, at {at:?}): {call}: ")?;
        match results {
            Some((then, now)) if then != now => {
                write!(f, "then {}, now {}", code::describe(*then), code::describe(*now))
            }
            Some(_) => f.write_str("the result is the same, the connection's state or the bytes are not"),
            None => f.write_str("another sequence of calls or keys"),
        }
    }
}

/// Why a recording could not be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// It is none, or damaged.
    Format(FormatError),
    /// Something else came of it.
    Divergence(Divergence),
    /// The connection compressed, and [`Replay::deflate`](crate::Replay::deflate) has not been given a provider.
    NoCodec,
    /// It is of a kind that cannot be redacted: see [`redact`](crate::redact).
    Compressed,
}

impl From<FormatError> for ReplayError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => error.fmt(f),
            Self::Divergence(divergence) => divergence.fmt(f),
            Self::NoCodec => f.write_str("the connection compressed: a provider of compression is needed"),
            Self::Compressed => f.write_str("compressed messages cannot be redacted"),
        }
    }
}

impl core::error::Error for ReplayError {}
