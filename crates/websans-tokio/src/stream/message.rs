//! [`Message`]: a message with what it holds.

use std::fmt;

use bytes::Bytes;
use websans::{Close, CloseCode, SendError};

use super::text::Utf8Bytes;
use crate::error::Error;

/// A message, or a control frame, that owns its payload. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "made to be matched")]
pub enum Message {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A Ping, at most 125 bytes: sent, never delivered.
    Ping(Bytes),
    /// A Pong, at most 125 bytes: sent, never delivered.
    Pong(Bytes),
    /// A Close, with or without a code and a reason.
    Close(Option<CloseFrame>),
}

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a pair by nature, written as a literal")]
pub struct CloseFrame {
    /// The code.
    pub code: CloseCode,
    /// The reason, at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Whether it is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether it is a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Whether it is a Ping.
    #[must_use]
    pub const fn is_ping(&self) -> bool {
        matches!(self, Self::Ping(_))
    }

    /// Whether it is a Pong.
    #[must_use]
    pub const fn is_pong(&self) -> bool {
        matches!(self, Self::Pong(_))
    }

    /// Whether it is a Close.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        matches!(self, Self::Close(_))
    }

    /// Bytes of payload; of a Close, of its reason.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there is no payload; of a Close, no reason.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload; of a Close, its reason.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.map_or_else(Bytes::new, |frame| frame.reason.into()),
        }
    }

    /// The payload as text; of a Close, its reason. Bytes of a binary message are copied.
    ///
    /// # Errors
    /// [`SendError::InvalidUtf8`] if it is none.
    pub fn into_text(self) -> Result<Utf8Bytes, Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Close(frame) => Ok(frame.map_or_else(Utf8Bytes::default, |frame| frame.reason)),
            other => Ok(other.to_text()?.into()),
        }
    }

    /// The payload as text; of a Close, its reason.
    ///
    /// # Errors
    /// [`SendError::InvalidUtf8`] if it is none.
    pub fn to_text(&self) -> Result<&str, Error> {
        match self {
            Self::Text(text) => Ok(text),
            other => std::str::from_utf8(other.as_bytes()).map_err(|_| SendError::InvalidUtf8.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.as_ref().map_or(&[], |frame| frame.reason.as_bytes()),
        }
    }
}

impl fmt::Display for Message {
    /// The text, or how many bytes there are if it is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_text() {
            Ok(text) => f.write_str(text),
            Err(_) => write!(f, "{} bytes", self.len()),
        }
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " ({})", self.reason) }
    }
}

impl From<websans::Message<'_>> for Message {
    /// Copies what was lent.
    fn from(lent: websans::Message<'_>) -> Self {
        match lent {
            websans::Message::Text(text) => Self::text(text),
            websans::Message::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}

impl<'f> From<&'f CloseFrame> for Close<'f> {
    fn from(frame: &'f CloseFrame) -> Self {
        Close::new(frame.code, frame.reason.as_str())
    }
}

impl CloseFrame {
    /// `None`: the Close was empty.
    pub(super) fn of(close: &Close<'_>) -> Option<Self> {
        close.code.map(|code| Self { code, reason: close.reason.as_ref().into() })
    }
}

macro_rules! message_from {
    ($($from:ty => $make:ident),*) => {
        $(impl From<$from> for Message {
            fn from(payload: $from) -> Self {
                Self::$make(payload)
            }
        })*
    };
}

message_from!(&str => text, String => text, Utf8Bytes => text, Vec<u8> => binary, Bytes => binary);

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl From<Message> for Bytes {
    fn from(message: Message) -> Self {
        message.into_data()
    }
}
