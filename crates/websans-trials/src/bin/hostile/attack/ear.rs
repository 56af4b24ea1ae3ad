//! [`Ear`]: what a server says, as far as an attacker cares.

/// A response, and then frames.
#[derive(Debug, Default)]
pub(super) struct Ear {
    bytes: Vec<u8>,
    /// Up to here they have been heard.
    at: usize,
    /// Bytes of a payload that are still to come, and that nobody cares about.
    skip: u64,
    part: Part,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    Frames,
    /// What comes after a response that accepts no WebSocket.
    Body,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A response that accepts a WebSocket.
    Opened,
    /// Another one.
    Status(u16),
    Ping(Vec<u8>),
    /// Without a code it is 1005.
    Close(u16),
    /// Anything else.
    Frame,
}

const PING: u8 = 9;
const CLOSE: u8 = 8;

impl Ear {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..self.at);
        }
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Option<Heard> {
        match self.part {
            Part::Head => self.head(),
            Part::Frames => self.frame(),
            Part::Body => {
                self.at = self.bytes.len();
                None
            }
        }
    }

    fn head(&mut self) -> Option<Heard> {
        const END: &[u8] = b"\r\n\r\n";
        let end = self.bytes.windows(END.len()).position(|window| window == END)?;
        self.at = end + END.len();
        // Whatever is no response has no status.
        let status = std::str::from_utf8(self.bytes.get(9..12)?).ok().and_then(|status| status.parse().ok());
        match status.unwrap_or_default() {
            101 => {
                self.part = Part::Frames;
                Some(Heard::Opened)
            }
            status => {
                self.part = Part::Body;
                Some(Heard::Status(status))
            }
        }
    }

    fn frame(&mut self) -> Option<Heard> {
        let left = self.bytes.len() - self.at;
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(left);
        self.at += skipped;
        self.skip -= skipped as u64;
        let bytes = &self.bytes[self.at..];
        let (opcode, short) = (bytes.first()? & 15, bytes.get(1)? & 127);
        // The server's frames are not masked.
        let (header, len) = match short {
            126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
            len => (2, u64::from(len)),
        };
        if opcode < CLOSE {
            self.at += header;
            self.skip = len;
            return Some(Heard::Frame);
        }
        let payload = bytes.get(header..)?.get(..usize::from(short))?;
        self.at += header + payload.len();
        Some(match (opcode, payload) {
            (CLOSE, [high, low, ..]) => Heard::Close(u16::from_be_bytes([*high, *low])),
            (CLOSE, _) => Heard::Close(1005),
            (PING, payload) => Heard::Ping(payload.to_vec()),
            _ => Heard::Frame,
        })
    }
}

#[cfg(test)]
mod tests {
    use websans_testkit::wire::{Frame, stream};

    use super::*;

    fn heard(bytes: &[u8], most: usize) -> Vec<Heard> {
        let mut ear = Ear::default();
        let mut all = Vec::new();
        for piece in bytes.chunks(most) {
            ear.take(piece);
            while let Some(heard) = ear.next() {
                all.push(heard);
            }
        }
        all
    }

    #[test]
    fn frames_are_heard_however_they_arrive() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let frames = [
            Frame::binary(vec![7; 70_000]),
            Frame::ping("why"),
            Frame::text(vec![b'x'; 200]).unfinished(),
            Frame::pong(vec![0; 125]),
            Frame::continuation(""),
            Frame::close(1009, "too long"),
            Frame::new(8, ""),
        ];
        bytes.extend(stream(&frames, false));
        let ping = Heard::Ping(b"why".to_vec());
        let [one, two] = [Heard::Close(1009), Heard::Close(1005)];
        let expected =
            [Heard::Opened, Heard::Frame, ping, Heard::Frame, Heard::Frame, Heard::Frame, one, two];
        for most in [1, 2, 3, 13, 4096, bytes.len()] {
            assert_eq!(heard(&bytes, most), expected, "{most}");
        }
    }

    #[test]
    fn behind_a_refusal_there_are_no_frames() {
        let refusal =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 4\r\n\r\n\x88\x02\x03\xe8";
        assert_eq!(heard(refusal, 1), [Heard::Status(431)]);
        assert_eq!(heard(b"\xff\xfe\r\n\r\n", 3), []);
        assert_eq!(heard(b"no response at all\r\n\r\n", 50), [Heard::Status(0)]);
    }
}
