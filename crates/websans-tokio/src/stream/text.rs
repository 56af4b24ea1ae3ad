//! [`Utf8Bytes`]: shared text that can be had as [`Bytes`].

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::Utf8Error;
use std::sync::Arc;

use bytes::Bytes;
use websans::{Connection, Kind, Payload, SendError};

/// From here on, text is not copied into the outbox but written from where it lies.
const LARGE: usize = 8 << 10;

/// Text that is shared by its clones. It derefs to `str`, and becomes [`Bytes`] without a copy.
///
/// A `String` that becomes one is not copied, a `str` is. [`Bytes`] are checked and copied: what a `str` is lent from must
/// be known to be text for as long as it lives.
#[derive(Clone)]
pub struct Utf8Bytes(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Copied(Arc<str>),
    Owned(Arc<String>),
}

impl Utf8Bytes {
    /// The text that the program itself holds.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Copied(text) => text,
            Text::Owned(text) => text,
        }
    }

    /// Queues it. Nobody else's copy of a `String` is handed over with the proof that it is text; large ones that are shared
    /// are handed over as bytes, which the connection checks again.
    pub(super) fn send(self, conn: &mut Connection) -> Result<(), SendError> {
        if self.len() < LARGE {
            return conn.send(self.as_str());
        }
        match self.0 {
            Text::Owned(text) => match Arc::try_unwrap(text) {
                Ok(text) => conn.send(text),
                Err(shared) => conn.send(Payload::new(Kind::Text, Bytes::from(Self(Text::Owned(shared))))),
            },
            text => conn.send(Payload::new(Kind::Text, Bytes::from(Self(text)))),
        }
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Default for Utf8Bytes {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(Text::Copied(text.into()))
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Text::Owned(Arc::new(text)))
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        std::str::from_utf8(&bytes).map(Self::from)
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Utf8Error> {
        String::from_utf8(bytes).map(Self::from).map_err(|error| error.utf8_error())
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        match text.0 {
            Text::Static(text) => Self::from_static(text.as_bytes()),
            Text::Owned(text) => match Arc::try_unwrap(text) {
                Ok(text) => Self::from(text),
                Err(shared) => Self::from_owner(Utf8Bytes(Text::Owned(shared))),
            },
            text => Self::from_owner(Utf8Bytes(text)),
        }
    }
}

impl PartialEq for Utf8Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Utf8Bytes {}

impl<T> PartialEq<T> for Utf8Bytes
where
    for<'t> &'t str: PartialEq<T>,
{
    fn eq(&self, other: &T) -> bool {
        self.as_str() == *other
    }
}

impl Hash for Utf8Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Utf8Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Utf8Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other)
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
