//! The two ways messages travel: as WebSocket frames, and with their length before them.

use crate::Result;

/// How messages are told apart on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Framing {
    /// A frame for each, with RSV1 set; the data without its tail.
    WebSocket,
    /// Four bytes of length, least significant first. Requests have their tail, so that the server can inflate them
    /// with one call; replies have none, so that they are as long as those of a WebSocket.
    Length,
}

/// FIN, RSV1, and the opcode of text.
const COMPRESSED_TEXT: u8 = 0b1100_0001;
/// The client's masking key. A varying one would cost the server just as much.
const KEY: [u8; 4] = [0x5a, 0xc3, 0x17, 0x8e];

impl Framing {
    /// A client's message as it travels; `data` is compressed and has no tail.
    pub(crate) fn request(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::WebSocket => {
                let mut frame = vec![COMPRESSED_TEXT];
                match u16::try_from(data.len()) {
                    Ok(short @ ..126) => frame.push(0x80 | short.to_le_bytes()[0]),
                    Ok(medium) => {
                        frame.push(0x80 | 126);
                        frame.extend(medium.to_be_bytes());
                    }
                    Err(_) => {
                        frame.push(0x80 | 127);
                        frame.extend((data.len() as u64).to_be_bytes());
                    }
                }
                frame.extend(KEY);
                frame.extend(data.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
                frame
            }
            Self::Length => {
                let data = [data, &crate::zlib::TAIL].concat();
                let length = u32::try_from(data.len()).expect("messages are short");
                [&length.to_le_bytes()[..], &data].concat()
            }
        }
    }

    /// The length of the header that `bytes` begin with and of the data behind it, or `None` while that is unknown.
    fn header(self, bytes: &[u8]) -> Result<Option<(usize, usize)>> {
        match self {
            Self::WebSocket => match *bytes {
                [first, ..] if first != COMPRESSED_TEXT => {
                    Err(format!("a reply begins with {first:#04x}, not with a whole compressed text").into())
                }
                [_, length @ ..126, ..] => Ok(Some((2, length.into()))),
                [_, 126, a, b, ..] => Ok(Some((4, u16::from_be_bytes([a, b]).into()))),
                [_, 127, a, b, c, d, e, f, g, h, ..] => {
                    let length = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                    Ok(Some((10, usize::try_from(length)?)))
                }
                [_, 128..=255, ..] => Err("a reply is masked".into()),
                _ => Ok(None),
            },
            Self::Length => match *bytes {
                [a, b, c, d, ..] => Ok(Some((4, usize::try_from(u32::from_le_bytes([a, b, c, d]))?))),
                _ => Ok(None),
            },
        }
    }
}

/// Counts the replies in a stream of bytes.
pub(crate) struct Replies {
    framing: Framing,
    /// The first bytes of a header whose rest is to come.
    head: Vec<u8>,
    /// How much of a reply's data is to come, if the header was there.
    left: Option<usize>,
}

impl Replies {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, head: Vec::with_capacity(16), left: None }
    }

    /// Takes what came; calls `data` with each piece of a reply's data and whether it is the last.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        mut data: impl FnMut(&[u8], bool) -> Result<()>,
    ) -> Result<usize> {
        let mut complete = 0;
        while !bytes.is_empty() {
            if let Some(left) = self.left {
                let (piece, rest) = bytes.split_at(left.min(bytes.len()));
                bytes = rest;
                let left = left - piece.len();
                self.left = (left > 0).then_some(left);
                complete += usize::from(left == 0);
                data(piece, left == 0)?;
                continue;
            }
            // Mostly the whole header is there, and nothing is kept.
            let whole = if self.head.is_empty() { self.framing.header(bytes)? } else { None };
            if let Some((header, length)) = whole {
                bytes = &bytes[header..];
                self.left = Some(length);
            } else {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                if let Some((_, length)) = self.framing.header(&self.head)? {
                    self.head.clear();
                    self.left = Some(length);
                }
            }
        }
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a server sends it.
    fn reply(framing: Framing, data: &[u8]) -> Vec<u8> {
        match framing {
            Framing::WebSocket if data.len() < 126 => {
                [&[COMPRESSED_TEXT, u8::try_from(data.len()).unwrap()], data].concat()
            }
            Framing::WebSocket => {
                let length = u16::try_from(data.len()).unwrap().to_be_bytes();
                [&[COMPRESSED_TEXT, 126], &length[..], data].concat()
            }
            Framing::Length => [&u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat(),
        }
    }

    #[test]
    fn replies_are_found_however_they_are_cut() {
        for framing in [Framing::WebSocket, Framing::Length] {
            let messages = [&[1; 100][..], &[2; 300], &[3; 1]];
            let wire: Vec<u8> = messages.iter().flat_map(|data| reply(framing, data)).collect();
            for cut in 1..wire.len() {
                let (mut replies, mut complete) = (Replies::new(framing), 0);
                let (mut current, mut seen) = (Vec::new(), Vec::new());
                for chunk in wire.chunks(cut) {
                    let counted = replies.take(chunk, |piece, last| {
                        current.extend_from_slice(piece);
                        if last {
                            seen.push(std::mem::take(&mut current));
                        }
                        Ok(())
                    });
                    complete += counted.unwrap();
                }
                assert_eq!(complete, messages.len());
                assert_eq!(seen, messages);
            }
        }
    }

    #[test]
    fn requests_are_masked_frames() {
        let frame = Framing::WebSocket.request(&[0; 5]);
        assert_eq!(frame, [0xc1, 0x85, 0x5a, 0xc3, 0x17, 0x8e, 0x5a, 0xc3, 0x17, 0x8e, 0x5a]);
        assert_eq!(Framing::WebSocket.request(&[0; 300])[..4], [0xc1, 0xfe, 1, 44]);
        assert_eq!(Framing::Length.request(&[7]), [5, 0, 0, 0, 7, 0, 0, 0xff, 0xff]);
    }

    #[test]
    fn uncompressed_and_masked_replies_are_errors() {
        for wire in [[0x81, 0x01, 0], [0xc1, 0x81, 0]] {
            assert!(Replies::new(Framing::WebSocket).take(&wire, |_, _| Ok(())).is_err());
        }
    }
}
