//! [`Scrub`]: takes the content out of a stream of frames.

use websans::Kind;
use websans::frame::{Header, OpCode};

/// Takes the content out of a message, or of a part of one.
pub(super) fn said(kind: Kind, bytes: &mut [u8]) {
    for byte in bytes {
        *byte = replace(kind, *byte);
    }
}

/// The least byte of its class (Unicode 15, table 3-7): a validator takes the same path through both.
fn replace(kind: Kind, byte: u8) -> u8 {
    match byte {
        _ if kind == Kind::Binary => 0,
        0x00..=0x7F => b'x',
        0x80..=0x8F => 0x80,
        0x90..=0x9F => 0x90,
        0xA0..=0xBF => 0xA0,
        0xC2..=0xDF => 0xC2,
        0xE1..=0xEC | 0xEE..=0xEF => 0xE1,
        0xF1..=0xF3 => 0xF1,
        0xE0 | 0xED | 0xF0 | 0xF4 => byte,
        0xC0..=0xC1 | 0xF5..=0xFF => 0xFF,
    }
}

/// One direction of a connection.
pub(super) struct Scrub {
    masked: bool,
    over: bool,
    head: Vec<u8>,
    opcode: OpCode,
    kind: Kind,
    mask: [u8; 4],
    /// Bytes of the frame that have passed, and those to come.
    passed: u64,
    remaining: u64,
}

impl Scrub {
    /// `masked`: whether its frames must be.
    pub(super) fn new(masked: bool) -> Self {
        Self {
            masked,
            over: false,
            head: Vec::new(),
            opcode: OpCode::Binary,
            kind: Kind::Binary,
            mask: [0; 4],
            passed: 0,
            remaining: 0,
        }
    }

    /// What comes from now on means nothing.
    pub(super) fn end(&mut self) {
        self.over = true;
    }

    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.over {
                *byte = 0;
            } else if self.remaining > 0 {
                *byte = self.payload(*byte);
            } else {
                self.header(*byte);
            }
        }
    }

    fn header(&mut self, byte: u8) {
        self.head.push(byte);
        let header = match Header::parse(&self.head) {
            Ok(None) => return,
            Ok(Some((header, _))) => header,
            Err(_) => return self.end(),
        };
        self.head.clear();
        if header.rsv != 0 || header.mask.is_some() != self.masked {
            return self.end();
        }
        match header.opcode {
            OpCode::Text => self.kind = Kind::Text,
            OpCode::Binary => self.kind = Kind::Binary,
            _ => {}
        }
        self.opcode = header.opcode;
        self.mask = header.mask.unwrap_or_default();
        (self.passed, self.remaining) = (0, header.len);
        self.note_end();
    }

    fn payload(&mut self, byte: u8) -> u8 {
        let key = self.mask.get((self.passed % 4) as usize).copied().unwrap_or_default();
        let plain = byte ^ key;
        let scrubbed = match self.opcode {
            OpCode::Ping | OpCode::Pong => plain,
            OpCode::Close if self.passed < 2 => plain,
            OpCode::Close => replace(Kind::Text, plain),
            OpCode::Continuation | OpCode::Text | OpCode::Binary => replace(self.kind, plain),
        };
        self.passed += 1;
        self.remaining -= 1;
        self.note_end();
        scrubbed ^ key
    }

    /// Nothing means anything behind a Close.
    fn note_end(&mut self) {
        self.over |= self.opcode == OpCode::Close && self.remaining == 0;
    }
}
