//! [`Header`]: the first 2 to 14 bytes of a frame ([RFC 6455 §5.2]). Pure functions, no state.
//!
//! [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2

use crate::error::ProtocolError;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(clippy::exhaustive_enums, reason = "the RFC defines these six and no extension another")]
pub enum OpCode {
    /// A further fragment of a message.
    Continuation = 0,
    /// The first or only fragment of a text message.
    Text = 1,
    /// The first or only fragment of a binary message.
    Binary = 2,
    /// The end of the sender's side of the conversation.
    Close = 8,
    /// A question for a Pong.
    Ping = 9,
    /// The answer to a Ping, or a heartbeat that nobody asked for.
    Pong = 10,
}

impl OpCode {
    /// Close, Ping or Pong: at most 125 bytes, never fragmented.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }

    const fn from_low_bits(byte: u8) -> Result<Self, ProtocolError> {
        // "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
        Ok(match byte & 0x0F {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(ProtocolError::ReservedOpcode),
        })
    }
}

/// A frame's header.
///
/// ```
/// use websans::frame::{Header, OpCode};
///
/// let header = Header { fin: true, rsv: 0, opcode: OpCode::Text, mask: None, len: 5 };
/// let mut bytes = [0; Header::MAX_LEN];
/// let n = header.encode(&mut bytes);
/// assert_eq!(bytes[..n], [0x81, 0x05]);
/// assert_eq!(Header::parse(&bytes[..n]), Ok(Some((header, n))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "the RFC fixes a header's fields")]
pub struct Header {
    /// Whether this is the last fragment of a message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as the three low bits: 4, 2 and 1.
    pub rsv: u8,
    /// What the frame is for.
    pub opcode: OpCode,
    /// The masking key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload, less than 2^63.
    pub len: u64,
}

impl Header {
    /// The longest header, in bytes.
    pub const MAX_LEN: usize = 14;
    /// [`Header::rsv`] with RSV1 alone, which marks a compressed message (RFC 7692 §6).
    pub const RSV1: u8 = 4;

    /// Reads the header at the beginning of `bytes` and tells its length. `None`: more bytes are needed.
    ///
    /// # Errors
    /// As soon as a byte makes the header impossible: a reserved opcode or a fragmented control frame at the
    /// first byte, a control frame that is too long at the second, then a length that is not minimal or has
    /// its most significant bit set. Masking and reserved bits depend on the connection and are not judged.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::parse_with(bytes, |_, _, _| Ok(()), |_| Ok(()))
    }

    /// [`parse`](Self::parse), with a say for the connection in the first byte (FIN, RSV, opcode) and the second
    /// (MASK), each before later bytes are looked at: so the verdict does not depend on how the bytes arrive.
    #[inline]
    pub(crate) fn parse_with(
        bytes: &[u8],
        first: impl FnOnce(bool, u8, OpCode) -> Result<(), ProtocolError>,
        second: impl FnOnce(bool) -> Result<(), ProtocolError>,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&byte) = bytes.first() else { return Ok(None) };
        let (fin, rsv) = (byte & 0x80 != 0, byte >> 4 & 7);
        let opcode = OpCode::from_low_bits(byte)?;
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented" (§5.5).
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        first(fin, rsv, opcode)?;

        let Some(&byte) = bytes.get(1) else { return Ok(None) };
        let masked = byte & 0x80 != 0;
        second(masked)?;
        let short = byte & 0x7F;
        if opcode.is_control() && short > 125 {
            return Err(ProtocolError::ControlTooLong);
        }

        // "the minimal number of bytes MUST be used to encode the length" and, of 64 bits, "the most significant
        // bit MUST be 0" (§5.2).
        let (len, mut at) = match short {
            126 => {
                let Some(&[_, _, a, b]) = bytes.first_chunk() else { return Ok(None) };
                let len = u16::from_be_bytes([a, b]);
                if len < 126 {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (u64::from(len), 4)
            }
            127 => {
                if bytes.get(2).is_some_and(|&byte| byte & 0x80 != 0) {
                    return Err(ProtocolError::LengthOutOfRange);
                }
                let Some(&[_, _, a, b, c, d, e, f, g, h]) = bytes.first_chunk() else { return Ok(None) };
                let len = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                if len <= u64::from(u16::MAX) {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, 10)
            }
            _ => (u64::from(short), 2),
        };

        let mut mask = None;
        if masked {
            let Some(&key) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            mask = Some(key);
            at += 4;
        }
        Ok(Some((Self { fin, rsv, opcode, mask, len }, at)))
    }

    /// Writes the header, its length in the fewest bytes, to the beginning of `out` and tells its length.
    #[inline]
    pub fn encode(&self, out: &mut [u8; Self::MAX_LEN]) -> usize {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        out[0] = if self.fin { 0x80 } else { 0 } | (self.rsv & 7) << 4 | self.opcode as u8;
        let at = match self.len {
            0..=125 => {
                out[1] = masked | self.len.to_be_bytes()[7];
                2
            }
            126..=0xFFFF => {
                out[1] = masked | 126;
                out[2..4].copy_from_slice(&self.len.to_be_bytes()[6..]);
                4
            }
            _ => {
                out[1] = masked | 127;
                out[2..10].copy_from_slice(&self.len.to_be_bytes());
                10
            }
        };
        let Some(key) = self.mask else { return at };
        // There is room for 10 + 4, so that this is no branch.
        if let Some(room) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *room = key;
        }
        at + 4
    }
}
