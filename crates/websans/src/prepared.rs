//! [`Prepared`]: one message for many connections.

use bytes::Bytes;

use crate::error::SendError;
use crate::frame::Header;
use crate::message::{Data, Kind, Payload};
use crate::text::Utf8;

/// A message that is encoded once and sent on any number of connections
/// ([`Connection::send_prepared`](crate::Connection::send_prepared)).
///
/// Servers' frames are alike for every receiver, so they share these bytes; a client masks its own copy.
///
/// ```
/// use websans::{Kind, Prepared};
///
/// let news = Prepared::new("to all")?;
/// assert_eq!(news.kind(), Kind::Text);
/// # Ok::<(), websans::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    kind: Kind,
    /// Header and payload of one unmasked frame.
    frame: Bytes,
    header_len: usize,
}

impl Prepared {
    /// Encodes `payload`, at the cost of one copy of it.
    ///
    /// # Errors
    /// [`SendError::InvalidUtf8`] if it is to be text and is not UTF-8.
    pub fn new<'p>(payload: impl Into<Payload<'p>>) -> Result<Self, SendError> {
        let payload = payload.into();
        if !payload.check(&mut Utf8::new(), true) {
            return Err(SendError::InvalidUtf8);
        }
        let data = payload.as_bytes();
        let header =
            Header { fin: true, rsv: 0, opcode: payload.kind.opcode(), mask: None, len: data.len() as u64 };
        let mut bytes = [0; Header::MAX_LEN];
        let header_len = header.encode(&mut bytes);
        let mut frame = alloc::vec::Vec::with_capacity(header_len + data.len());
        frame.extend_from_slice(bytes.get(..header_len).unwrap_or_default());
        frame.extend_from_slice(data);
        Ok(Self { kind: payload.kind, frame: frame.into(), header_len })
    }

    /// Text or binary.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.header_len..).unwrap_or_default()
    }

    pub(crate) const fn frame(&self) -> &Bytes {
        &self.frame
    }

    pub(crate) fn data(&self) -> Data<'_> {
        Data::Borrowed(self.payload())
    }
}
