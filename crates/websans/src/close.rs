//! [`CloseCode`] and [`Close`]: what a Close frame says ([RFC 6455 §5.5.1], [§7.4]).
//!
//! [RFC 6455 §5.5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
//! [§7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU16;

use crate::error::ProtocolError;

/// A status code that may stand in a Close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
///
/// The codes 1005, 1006 and 1015 describe endings on which nothing was sent; they are never values of this type
/// (see [`Outcome::code`](crate::Outcome::code)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(NonZeroU16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl CloseCode {
            $($(#[$doc])* pub const $name: Self = Self(NonZeroU16::MIN.saturating_add($code - 1));)*
        }
    };
}

codes! {
    /// The purpose of the connection is fulfilled.
    NORMAL = 1000;
    /// The server goes down, or the user leaves the page.
    GOING_AWAY = 1001;
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1002;
    /// The peer sent a kind of data that cannot be handled here.
    UNSUPPORTED_DATA = 1003;
    /// The peer's data contradicts its kind: text that is not UTF-8, say.
    INVALID_PAYLOAD = 1007;
    /// The peer broke a policy for which there is no better code.
    POLICY_VIOLATION = 1008;
    /// The peer's message is too long to be handled.
    MESSAGE_TOO_BIG = 1009;
    /// A client misses an extension that the server did not agree to.
    MANDATORY_EXTENSION = 1010;
    /// Something unexpected prevents the endpoint from going on.
    INTERNAL_ERROR = 1011;
    /// The service restarts: come back later.
    SERVICE_RESTART = 1012;
    /// The service is overloaded: come back later.
    TRY_AGAIN_LATER = 1013;
    /// The server, as a gateway, got an invalid response from behind it.
    BAD_GATEWAY = 1014;
}

impl CloseCode {
    /// The code with this number, if it may stand in a Close frame.
    ///
    /// ```
    /// use websans::CloseCode;
    ///
    /// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
    /// assert_eq!(CloseCode::new(1006), None);
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => match NonZeroU16::new(code) {
                Some(code) => Some(Self(code)),
                None => None,
            },
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The content of a Close frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Close<'a> {
    /// The status code; `None` if the frame was empty.
    pub code: Option<CloseCode>,
    /// The reason, for logs rather than for people: at most 123 bytes; empty if there is no code.
    pub reason: Cow<'a, str>,
}

impl<'a> Close<'a> {
    /// The longest reason, in bytes.
    pub const MAX_REASON: usize = 123;

    /// A code with a reason.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Cow<'a, str>>) -> Self {
        Self { code: Some(code), reason: reason.into() }
    }

    /// The longest beginning of `reason` that fits into a Close frame and does not cut a character.
    ///
    /// ```
    /// let long = "ä".repeat(100);
    /// assert_eq!(websans::Close::fit(&long).len(), 122);
    /// ```
    #[must_use]
    pub fn fit(reason: &str) -> &str {
        let mut end = reason.len().min(Self::MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.get(..end).unwrap_or_default()
    }

    /// The same, owning its reason.
    #[must_use]
    pub fn into_owned(self) -> Close<'static> {
        Close { code: self.code, reason: Cow::Owned(self.reason.into_owned()) }
    }

    /// Reads a Close frame's payload.
    pub(crate) fn parse(payload: Cow<'a, [u8]>) -> Result<Self, ProtocolError> {
        // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network
        // byte order) representing a status code" (RFC 6455 §5.5.1).
        let &[high, low, ..] = payload.as_ref() else {
            return if payload.is_empty() {
                Ok(Self::default())
            } else {
                Err(ProtocolError::TruncatedCloseCode)
            };
        };
        let code = CloseCode::new(u16::from_be_bytes([high, low])).ok_or(ProtocolError::InvalidCloseCode)?;
        let reason = match payload {
            Cow::Borrowed(bytes) => Cow::Borrowed(
                core::str::from_utf8(bytes.get(2..).unwrap_or_default())
                    .map_err(|_| ProtocolError::InvalidCloseReason)?,
            ),
            Cow::Owned(mut bytes) => {
                bytes.drain(..2);
                Cow::Owned(String::from_utf8(bytes).map_err(|_| ProtocolError::InvalidCloseReason)?)
            }
        };
        Ok(Self { code: Some(code), reason })
    }

    /// Writes the payload into `out` and returns its length. The reason has been checked to fit.
    pub(crate) fn encode(&self, out: &mut [u8; 125]) -> usize {
        let Some(code) = self.code else { return 0 };
        let (head, tail) = out.split_at_mut(2);
        head.copy_from_slice(&code.get().to_be_bytes());
        let reason = Self::fit(&self.reason).as_bytes();
        for (to, from) in tail.iter_mut().zip(reason) {
            *to = *from;
        }
        2 + reason.len()
    }
}
