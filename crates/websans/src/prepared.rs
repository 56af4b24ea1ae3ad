//! [`Prepared`]: one message for many connections.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::SendError;
use crate::frame::Header;
use crate::message::{Kind, Payload};
use crate::text::Utf8;

/// A message that is encoded once and sent on any number of connections
/// ([`Connection::send_prepared`](crate::Connection::send_prepared)).
///
/// Servers' frames are alike for every receiver, so they share these bytes; a client masks its own copy. What is
/// compressed is compressed once for all connections that do it alike and without context takeover, when the first of them
/// sends it (with the feature `std`).
///
/// ```
/// use websans::{Kind, Prepared};
///
/// let news = Prepared::new("to all")?;
/// assert_eq!(news.kind(), Kind::Text);
/// # Ok::<(), websans::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    compress: Option<bool>,
    plain: Frame,
    #[cfg(feature = "std")]
    deflated: Next,
}

/// One unmasked frame.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Bytes,
    header_len: usize,
}

impl Frame {
    fn new(kind: Kind, rsv: u8, payload: &[u8]) -> Self {
        let header = Header { fin: true, rsv, opcode: kind.opcode(), mask: None, len: payload.len() as u64 };
        let mut bytes = [0; Header::MAX_LEN];
        let header_len = header.encode(&mut bytes);
        let mut frame = Vec::with_capacity(header_len + payload.len());
        frame.extend_from_slice(bytes.get(..header_len).unwrap_or_default());
        frame.extend_from_slice(payload);
        Self { bytes: frame.into(), header_len }
    }

    /// Header and payload.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }
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
        Ok(Self(Arc::new(Inner {
            kind: payload.kind,
            compress: payload.compress,
            plain: Frame::new(payload.kind, 0, payload.as_bytes()),
            #[cfg(feature = "std")]
            deflated: Next::default(),
        })))
    }

    /// Text or binary.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.plain.payload()
    }

    /// What was said of its [compression](Payload::compress).
    #[must_use]
    pub fn compression(&self) -> Option<bool> {
        self.0.compress
    }

    /// The frame that is not compressed.
    pub(crate) fn plain(&self) -> &Frame {
        &self.0.plain
    }
}

#[cfg(feature = "std")]
pub(crate) use self::shared::*;

#[cfg(feature = "std")]
mod shared {
    use alloc::boxed::Box;
    use std::sync::OnceLock;

    use super::{Frame, Prepared, Vec};
    use crate::deflate::Variant;
    use crate::frame::Header;

    /// Most compressed forms of one message that are kept. There are as many as there are windows and levels in use.
    const MAX_VARIANTS: usize = 16;

    /// A list that grows at its end while others read it.
    pub(crate) type Next = OnceLock<Box<Deflated>>;

    #[derive(Debug)]
    pub(crate) struct Deflated {
        variant: Variant,
        frame: Frame,
        next: Next,
    }

    impl Prepared {
        /// The frame that is compressed in one way, made by `deflate` of the payload if it is the first time. `None`:
        /// there are too many ways.
        pub(crate) fn deflated(
            &self,
            variant: Variant,
            deflate: impl FnOnce(&[u8]) -> Vec<u8>,
        ) -> Option<&Frame> {
            let mut deflate = Some(deflate);
            let mut next = &self.0.deflated;
            for _ in 0..MAX_VARIANTS {
                // Whoever comes first makes it; the others wait rather than to make it too.
                let deflated = next.get_or_init(|| {
                    let payload = deflate.take().map(|deflate| deflate(self.payload())).unwrap_or_default();
                    let frame = Frame::new(self.kind(), Header::RSV1, &payload);
                    Box::new(Deflated { variant, frame, next: Next::new() })
                });
                if deflated.variant == variant {
                    return Some(&deflated.frame);
                }
                next = &deflated.next;
            }
            None
        }
    }
}
