//! [`Kind`], [`Message`] and [`Payload`]: what applications receive and send.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::frame::OpCode;
use crate::text::Utf8;

/// Whether a message is text or not ([RFC 6455 §5.6](https://www.rfc-editor.org/rfc/rfc6455#section-5.6)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the RFC knows these two")]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    pub(crate) const fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }
}

/// A received message, lent by the buffer it arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "made to be matched")]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Text or binary.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload, whatever the kind.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// What is to be sent: a kind and its bytes, borrowed or shared.
///
/// `&str` and `String` make text, `&[u8]`, `Vec<u8>` and [`Bytes`] binary, a [`Message`] its own kind;
/// [`Payload::new`] says it outright. Borrowed bytes are copied into the outbox; large shared ones are not.
#[derive(Clone, Debug)]
pub struct Payload<'p> {
    pub(crate) kind: Kind,
    pub(crate) data: Data<'p>,
    /// Came from a `str`, so that it need not be checked.
    utf8: bool,
    /// Whether to compress it; `None`: as the connection sees fit.
    pub(crate) compress: Option<bool>,
}

#[derive(Clone, Debug)]
pub(crate) enum Data<'p> {
    Borrowed(&'p [u8]),
    Shared(Bytes),
}

impl Data<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'p> Payload<'p> {
    /// `data` as a message of `kind`. Text is checked when it is sent, unless `data` is a `str` or a text message.
    pub fn new(kind: Kind, data: impl Into<Self>) -> Self {
        Self { kind, ..data.into() }
    }

    /// Says of this message whether it is to be compressed, if compression was agreed on at all: not, because it holds a
    /// secret, or an image that is compressed already; or yes, however short it is; or, with `None`, as the connection sees
    /// fit, which is the default. Of a message that is sent in parts, the first part's word counts.
    ///
    /// ```
    /// # let (mut connection, _) = websans::open(websans::Role::Server, websans::Config::default(),
    /// #     websans::Negotiated::default(), websans::Timestamp::from_nanos(0));
    /// use websans::Payload;
    ///
    /// connection.send(Payload::from("the password").compress(false))?;
    /// # Ok::<(), websans::SendError>(())
    /// ```
    #[must_use]
    pub fn compress(mut self, compress: impl Into<Option<bool>>) -> Self {
        self.compress = compress.into();
        self
    }

    /// Text or binary.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.data.as_slice()
    }

    /// What [`compress`](Self::compress) was told.
    #[must_use]
    pub const fn compression(&self) -> Option<bool> {
        self.compress
    }

    /// The bytes, if they are shared rather than borrowed.
    #[must_use]
    pub const fn as_shared(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Borrowed(_) => None,
            Data::Shared(bytes) => Some(bytes),
        }
    }

    /// The bytes, to be kept: uncopied if they are shared already.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.data {
            Data::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Data::Shared(bytes) => bytes,
        }
    }

    /// `utf8`: it is known to be that.
    pub(crate) const fn owned(kind: Kind, utf8: bool, bytes: Bytes) -> Self {
        Self { kind, data: Data::Shared(bytes), utf8, compress: None }
    }

    /// Carries `text`, the check of the message sent so far, over this part of it.
    pub(crate) fn check(&self, text: &mut Utf8, last: bool) -> bool {
        // A whole `str` after a whole character ends with one.
        if self.kind == Kind::Binary || self.utf8 && text.is_complete() {
            return true;
        }
        text.push(self.as_bytes()).is_ok() && (!last || text.is_complete())
    }
}

macro_rules! payload_from {
    ($($from:ty, $kind:ident, $value:ident => $data:expr;)*) => {
        $(impl<'p> From<$from> for Payload<'p> {
            fn from($value: $from) -> Self {
                Self { kind: Kind::$kind, data: $data, utf8: matches!(Kind::$kind, Kind::Text), compress: None }
            }
        })*
    };
}

payload_from! {
    &'p str, Text, text => Data::Borrowed(text.as_bytes());
    &'p String, Text, text => Data::Borrowed(text.as_bytes());
    String, Text, text => Data::Shared(Bytes::from(text));
    &'p [u8], Binary, bytes => Data::Borrowed(bytes);
    &'p Vec<u8>, Binary, bytes => Data::Borrowed(bytes);
    Vec<u8>, Binary, bytes => Data::Shared(Bytes::from(bytes));
    Bytes, Binary, bytes => Data::Shared(bytes);
}

impl<'p, const N: usize> From<&'p [u8; N]> for Payload<'p> {
    fn from(bytes: &'p [u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl<'p> From<Message<'p>> for Payload<'p> {
    fn from(message: Message<'p>) -> Self {
        match message {
            Message::Text(text) => Self::from(text),
            Message::Binary(bytes) => Self::from(bytes),
        }
    }
}
