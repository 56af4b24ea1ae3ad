//! [`Refusal`]: a response that opens no connection, whole.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::Headers;
use super::headers::{elements, single};

/// Bytes read at once while a body is collected.
const READ: usize = 2 << 10;

/// A server's response other than 101, or than 2xx to an extended CONNECT: it does not open a connection here and now.
///
/// The handshake is over; whether to follow a redirection or to answer a demand for credentials, on another
/// connection, is for the caller to decide.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status: 200 to 999, but hardly any above 599.
    pub status: u16,
    /// The reason phrase. Empty if there is none, or if it is not ASCII.
    pub reason: String,
    /// Names and values of the headers, in order, as they were sent, without the white space around values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, its chunks joined, or as much of it as
    /// [`Config::max_refusal_body`](crate::Config::max_refusal_body) and the deadline left room for.
    pub body: Vec<u8>,
    /// Whether the body is all there.
    pub complete: bool,
}

impl Refusal {
    /// A refusal whose body is not there yet, for a client that reads its responses by other means: by HTTP/2, say.
    #[must_use]
    pub fn new(status: u16, headers: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self {
            status,
            reason: String::new(),
            headers: headers.into_iter().collect(),
            body: Vec::new(),
            complete: false,
        }
    }

    /// The first value of the header `name`, in either case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

impl fmt::Debug for Refusal {
    /// The names of the headers and the length of the body, not what they hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &names)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("complete", &self.complete)
            .finish()
    }
}

/// A refusal whose body is on its way.
pub(super) struct Collecting {
    refusal: Refusal,
    framing: Framing,
    max_body: usize,
    /// Where the transport is read to.
    input: Vec<u8>,
}

/// How the end of the body is told (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// By `Content-Length`: this many bytes are still to come.
    Length(u64),
    /// By chunks.
    Chunked(Chunk),
    /// By the end of the transport.
    UntilEof,
    /// It has come to its end.
    Ended,
    /// It is cut off: it exceeds the limit, or its chunks are malformed.
    Cut,
}

/// Where in a chunked body the next byte stands (RFC 9112 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// In a chunk's size, after these digits of it.
    Size { size: u64, digits: u8 },
    /// In the extensions behind it.
    Extensions(u64),
    /// At the LF behind them.
    SizeEnd(u64),
    /// In the data, of which this much is to come.
    Data(u64),
    /// At the CR behind the data.
    DataEnd,
    /// At the LF behind the data.
    DataEndLf,
    /// At the start of a line of the trailer, or of the empty line.
    Trailer,
    /// In a line of the trailer.
    TrailerLine,
    /// At the LF behind a line of the trailer.
    TrailerLineEnd,
    /// At the last LF.
    LastLf,
}

impl Collecting {
    /// Collects the body of `refusal` as `headers` frame it.
    pub(super) fn new(refusal: Refusal, headers: &impl Headers, max_body: usize) -> Self {
        let framing = Framing::of(refusal.status, headers);
        Self { refusal, framing, max_body, input: vec![0; READ] }
    }

    /// Where to read to; empty once nothing more is wanted.
    pub(super) fn spare_mut(&mut self) -> &mut [u8] {
        if self.framing.is_over() { &mut [] } else { &mut self.input }
    }

    /// Takes the first `n` bytes of [`spare_mut`](Self::spare_mut).
    pub(super) fn filled(&mut self, n: usize) {
        let input = core::mem::take(&mut self.input);
        self.take(input.get(..n).unwrap_or(&input));
        self.input = input;
    }

    /// Takes bytes that follow the head.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !self.framing.is_over() {
            let wanted = match self.framing {
                Framing::Length(left) | Framing::Chunked(Chunk::Data(left)) => left,
                Framing::UntilEof => u64::MAX,
                Framing::Chunked(chunk) => {
                    let [byte, rest @ ..] = bytes else {
                        return;
                    };
                    bytes = rest;
                    self.framing = chunk.after(*byte);
                    continue;
                }
                Framing::Ended | Framing::Cut => return,
            };
            if bytes.is_empty() {
                return;
            }
            let room = self.max_body.saturating_sub(self.refusal.body.len());
            let len = bytes.len().min(usize::try_from(wanted).unwrap_or(usize::MAX)).min(room);
            let Some((payload, rest)) = bytes.split_at_checked(len) else {
                return;
            };
            self.refusal.body.extend_from_slice(payload);
            bytes = rest;
            self.framing = if len == 0 { Framing::Cut } else { self.framing.less(len) };
        }
    }

    /// Whether the body has ended, or has been cut off.
    pub(super) const fn is_over(&self) -> bool {
        self.framing.is_over()
    }

    /// The refusal, after which nothing more will come (`ended`) or be waited for.
    pub(super) fn into_refusal(mut self, ended: bool) -> Refusal {
        self.refusal.complete = match self.framing {
            Framing::Ended => true,
            Framing::UntilEof => ended,
            _ => false,
        };
        self.refusal
    }
}

impl fmt::Debug for Collecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collecting")
            .field("refusal", &self.refusal)
            .field("framing", &self.framing)
            .finish_non_exhaustive()
    }
}

impl Framing {
    /// How the body of a response to `GET` is framed. A length that is no number, and a coding that is not
    /// `chunked`, leave only the end of the transport to tell the end of the body.
    fn of(status: u16, headers: &impl Headers) -> Self {
        if matches!(status, 204 | 304) {
            return Self::Ended;
        }
        if let Some(coding) = elements(headers.values("transfer-encoding")).last() {
            let chunked = coding.eq_ignore_ascii_case(b"chunked");
            return if chunked { Self::Chunked(Chunk::START) } else { Self::UntilEof };
        }
        let length = match single(headers.values("content-length")) {
            Ok(Some(digits)) if digits.iter().all(u8::is_ascii_digit) => core::str::from_utf8(digits).ok(),
            _ => None,
        };
        length.and_then(|digits| digits.parse().ok()).map_or(Self::UntilEof, Self::length)
    }

    const fn length(left: u64) -> Self {
        if left == 0 { Self::Ended } else { Self::Length(left) }
    }

    const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Cut)
    }

    /// After `len` bytes more of the payload.
    fn less(self, len: usize) -> Self {
        let len = len as u64;
        match self {
            Self::Length(left) => Self::length(left.saturating_sub(len)),
            Self::Chunked(Chunk::Data(left)) if left <= len => Self::Chunked(Chunk::DataEnd),
            Self::Chunked(Chunk::Data(left)) => Self::Chunked(Chunk::Data(left - len)),
            other => other,
        }
    }
}

impl Chunk {
    const START: Self = Self::Size { size: 0, digits: 0 };

    /// What comes after `byte`, which is not data.
    fn after(self, byte: u8) -> Framing {
        let next = match (self, byte) {
            (Self::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                Self::Size { size: size * 16 + digit, digits: digits + 1 }
            }
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => Self::Extensions(size),
            (Self::Size { size, digits: 1.. } | Self::Extensions(size), b'\r') => Self::SizeEnd(size),
            (Self::Extensions(size), b' '.. | b'\t') => Self::Extensions(size),
            (Self::SizeEnd(0), b'\n') => Self::Trailer,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataEndLf,
            (Self::DataEndLf, b'\n') => Self::START,
            (Self::Trailer, b'\r') => Self::LastLf,
            (Self::TrailerLine, b'\r') => Self::TrailerLineEnd,
            (Self::Trailer | Self::TrailerLine, b' '.. | b'\t') => Self::TrailerLine,
            (Self::TrailerLineEnd, b'\n') => Self::Trailer,
            (Self::LastLf, b'\n') => return Framing::Ended,
            _ => return Framing::Cut,
        };
        Framing::Chunked(next)
    }
}
