//! [`Frame`]: what stands on the wire, legal or not, written from RFC 6455 §5.2 without the core's help.

/// Opcodes (RFC 6455 §5.2).
pub mod opcode {
    /// A further fragment.
    pub const CONTINUATION: u8 = 0;
    /// A text message, or its first fragment.
    pub const TEXT: u8 = 1;
    /// A binary message, or its first fragment.
    pub const BINARY: u8 = 2;
    /// Close.
    pub const CLOSE: u8 = 8;
    /// Ping.
    pub const PING: u8 = 9;
    /// Pong.
    pub const PONG: u8 = 10;
}

/// Which form the length takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The shortest, as the RFC demands.
    Minimal,
    /// Two further bytes, whatever the length.
    Two,
    /// Eight further bytes, whatever the length.
    Eight,
}

/// A frame to be written. Nothing in it need be legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bit FIN.
    pub fin: bool,
    /// The bits RSV1 (4), RSV2 (2), RSV3 (1).
    pub rsv: u8,
    /// The low half of the first byte.
    pub opcode: u8,
    /// The masking key, if the bit MASK is set.
    pub key: Option<[u8; 4]>,
    /// How the length is written.
    pub form: Form,
    /// The length that the header declares, if it is not the payload's.
    pub declared: Option<u64>,
    /// The payload, not yet masked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A final, unmasked frame.
    #[must_use]
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            key: None,
            form: Form::Minimal,
            declared: None,
            payload: payload.into(),
        }
    }

    /// A text frame.
    #[must_use]
    pub fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::TEXT, payload)
    }

    /// A binary frame.
    #[must_use]
    pub fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::BINARY, payload)
    }

    /// A Continuation frame.
    #[must_use]
    pub fn continuation(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::CONTINUATION, payload)
    }

    /// A Ping.
    #[must_use]
    pub fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::PING, payload)
    }

    /// A Pong.
    #[must_use]
    pub fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::PONG, payload)
    }

    /// A Close with any code and any reason.
    #[must_use]
    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_ref());
        Self::new(opcode::CLOSE, payload)
    }

    /// The same, to be continued.
    #[must_use]
    pub fn unfinished(mut self) -> Self {
        self.fin = false;
        self
    }

    /// The same with these reserved bits.
    #[must_use]
    pub fn reserved(mut self, rsv: u8) -> Self {
        self.rsv = rsv;
        self
    }

    /// The same, masked with `key`.
    #[must_use]
    pub fn masked(mut self, key: [u8; 4]) -> Self {
        self.key = Some(key);
        self
    }

    /// The same with its length in another form.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// The same with another length in its header.
    #[must_use]
    pub fn declaring(mut self, len: u64) -> Self {
        self.declared = Some(len);
        self
    }

    /// The frame that `bytes` begin with, legal or not, and its size; `None` if it is not all there.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let [first, second, ..] = *bytes else { return None };
        let (len, mut start) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            len => (len.into(), 2),
        };
        let form = match (len, start) {
            (0..126, 2) | (126..0x1_0000, 4) | (0x1_0000.., 10) => Form::Minimal,
            (_, 4) => Form::Two,
            _ => Form::Eight,
        };
        let mut key = None;
        if second & 0x80 != 0 {
            key = Some(bytes.get(start..start + 4)?.try_into().ok()?);
            start += 4;
        }
        let end = usize::try_from(len).ok().and_then(|len| len.checked_add(start))?;
        let key_bytes: [u8; 4] = key.unwrap_or_default();
        let masked = bytes.get(start..end)?.iter().zip(key_bytes.iter().cycle());
        let payload = masked.map(|(byte, key)| byte ^ key).collect();
        let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 15);
        Some((Self { fin, rsv, opcode, key, form, declared: None, payload }, end))
    }

    /// Appends the frame's bytes to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.fin) << 7 | (self.rsv & 7) << 4 | self.opcode & 15);
        let mask = u8::from(self.key.is_some()) << 7;
        let len = self.declared.unwrap_or(self.payload.len() as u64);
        let eight = len.to_be_bytes();
        match self.form {
            Form::Minimal if len < 126 => out.push(mask | eight[7]),
            Form::Minimal if len >= 1 << 16 => {
                out.push(mask | 127);
                out.extend_from_slice(&eight);
            }
            Form::Minimal | Form::Two => {
                out.push(mask | 126);
                out.extend_from_slice(&eight[6..]);
            }
            Form::Eight => {
                out.push(mask | 127);
                out.extend_from_slice(&eight);
            }
        }
        let Some(key) = self.key else { return out.extend_from_slice(&self.payload) };
        out.extend_from_slice(&key);
        out.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    }

    /// The frame's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// The bytes of `frames`, one behind the other; masked, with keys counted up from an arbitrary one, if `masked`.
#[must_use]
pub fn stream(frames: &[Frame], masked: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, frame) in (0x37fa_213du32..).zip(frames) {
        let frame = frame.clone();
        let key = n.wrapping_mul(0x9E37_79B1).to_be_bytes();
        if masked { frame.masked(key) } else { frame }.write(&mut out);
    }
    out
}
