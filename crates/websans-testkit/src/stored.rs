//! permessage-deflate with stored blocks alone ([RFC 1951 §3.2.4]): valid DEFLATE without a compressor.
//!
//! It makes messages a little longer, which is enough to exercise everything around the core's two hooks: RSV1, the
//! parts, the limit on what comes out, and messages that are not compressed in between.
//!
//! [RFC 1951 §3.2.4]: https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4

use std::sync::Arc;

use websans::deflate::{
    Codec, Config, Decode, Decoded, Encode, Extension, Flush, Parameters, Proposal, Provider,
};
use websans::{Kind, Negotiated, ProtocolError};

/// What a handshake that agreed on permessage-deflate hands over, with stored blocks for a codec.
///
/// Messages of fewer than `from` bytes are sent uncompressed, and so are those whose length is not known at their
/// beginning unless `from` is 0.
#[must_use]
pub fn negotiated(from: usize) -> Negotiated {
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(Parameters::default());
    negotiated.codec = Some(codec(from));
    negotiated
}

fn codec(from: usize) -> Codec {
    Codec::new(Box::new(Store { from }), Box::<Unstore>::default())
}

/// For handshakes that are to agree on what `config` says.
#[must_use]
pub fn extension(config: Config) -> Extension {
    Stored(config).into()
}

#[derive(Clone, Debug)]
struct Stored(Config);

impl Provider for Stored {
    fn propose(&self) -> Arc<dyn Proposal> {
        Arc::new(self.clone())
    }
}

impl Proposal for Stored {
    fn config(&self) -> Config {
        self.0
    }

    fn codec(&self, _: bool, _: Parameters) -> Codec {
        codec(0)
    }
}

/// `payload` as the payload of a compressed message.
#[must_use]
pub fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Store { from: 0 }.encode(payload, Flush::End, &mut out);
    out
}

/// The reverse of [`deflate`], as long as a message may be.
///
/// # Errors
/// As [`Decode::decode`].
pub fn inflate(mut payload: &[u8]) -> Result<Vec<u8>, ProtocolError> {
    let mut out = Vec::new();
    Unstore::default().inflate(&mut payload, true, usize::MAX, &mut out)?;
    Ok(out)
}

struct Store {
    from: usize,
}

impl Encode for Store {
    fn wants(&mut self, _: Kind, len: Option<usize>) -> bool {
        self.from == 0 || len.is_some_and(|len| len >= self.from)
    }

    fn encode(&mut self, payload: &[u8], flush: Flush, out: &mut Vec<u8>) {
        for block in payload.chunks(0xFFFF) {
            let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
            out.push(0); // BFINAL = 0, BTYPE = 00, and the bits up to the next byte
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&(!len).to_le_bytes());
            out.extend_from_slice(block);
        }
        if flush == Flush::End {
            // An empty stored block without the 00 00 FF FF that RFC 7692 §7.2.1 strips.
            out.push(0);
        }
    }
}

/// Where in a block the decoder is.
#[derive(Default)]
struct Unstore {
    /// The beginning of a block's five bytes of header.
    head: Vec<u8>,
    /// Bytes of the block still to come.
    left: usize,
}

impl Unstore {
    /// Another byte of the header, which is judged as far as it goes.
    fn push(&mut self, byte: u8) -> Result<(), ProtocolError> {
        self.head.push(byte);
        if self.head[0] != 0 {
            return Err(ProtocolError::InvalidDeflate);
        }
        if let [_, a, b, c, d] = self.head[..] {
            let len = u16::from_le_bytes([a, b]);
            if len != !u16::from_le_bytes([c, d]) {
                return Err(ProtocolError::InvalidDeflate);
            }
            self.left = len.into();
            self.head.clear();
        }
        Ok(())
    }
}

impl Decode for Unstore {
    fn decode(&mut self, input: &mut &[u8], last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        let mut bytes = Vec::new();
        let full = self.inflate(input, last, out.len(), &mut bytes)?;
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(if full { Decoded::More(bytes.len()) } else { Decoded::Drained(bytes.len()) })
    }
}

impl Unstore {
    /// True: there is more than `limit` bytes of it.
    fn inflate(
        &mut self,
        input: &mut &[u8],
        last: bool,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, ProtocolError> {
        let mut room = limit;
        loop {
            if self.left > 0 {
                let n = self.left.min(room).min(input.len());
                out.extend_from_slice(&input[..n]);
                *input = &input[n..];
                (self.left, room) = (self.left - n, room - n);
                if room == 0 && !input.is_empty() {
                    return Ok(true);
                }
            }
            let Some((&byte, rest)) = input.split_first() else { break };
            if self.left == 0 {
                *input = rest;
                self.push(byte)?;
            }
        }
        if last {
            for byte in [0, 0, 0xFF, 0xFF] {
                if self.left > 0 {
                    return Err(ProtocolError::InvalidDeflate);
                }
                self.push(byte)?;
            }
            if !self.head.is_empty() || self.left > 0 {
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        Ok(false)
    }
}
