//! [`Head`]: collects the head of an HTTP/1.1 message as it arrives, looking at each byte once.

use alloc::vec::Vec;
use core::fmt;

use super::error::HandshakeError;
use super::headers::is_token_byte;
use crate::config::Config;

/// Bytes allocated for the first read. Most handshakes fit.
const FIRST_READ: usize = 1 << 10;

/// How every response begins (RFC 9112 §2.3).
const RESPONSE: &[u8] = b"HTTP/1.";

/// A growing buffer that knows where the head of an HTTP/1.1 message ends.
///
/// The caller reads into [`spare_mut`](Self::spare_mut) and reports with [`filled`](Self::filled) how much
/// came. Each byte is examined exactly once, however it arrives, and refused at once if no head can hold it
/// there: control characters, a CR or LF that ends no line, a folded line, a first byte that is not HTTP.
///
/// The buffer starts at 1 KiB, doubles while reads fill it, and never exceeds
/// [`Config::max_head`] bytes: a peer that sends a byte at a time costs 1 KiB. While it doubles, the old and
/// the new buffer exist together.
///
/// [`Acceptor`](super::server::Acceptor) and [`Connector`](super::client::Connector) are built on it. It is
/// public for other exchanges of HTTP heads, such as with a proxy.
///
/// ```
/// use websans::Config;
/// use websans::handshake::head::Head;
///
/// let mut head = Head::response(&Config::default());
/// let arrived = b"HTTP/1.1 200 OK\r\n\r\nwhat follows";
/// head.spare_mut()[..arrived.len()].copy_from_slice(arrived);
/// head.filled(arrived.len());
/// assert_eq!(head.is_complete(), Ok(true));
/// assert_eq!(head.bytes(), b"HTTP/1.1 200 OK\r\n\r\n");
/// assert_eq!(head.into_rest(), b"what follows");
/// ```
pub struct Head {
    /// Zeroed to its length; the first `filled` bytes have been received.
    buffer: Vec<u8>,
    filled: usize,
    /// Where the head begins: after those that [`next_head`](Self::next_head) has done with.
    begin: usize,
    /// How many bytes have been examined; once the head is complete, where it ends.
    scanned: usize,
    place: Place,
    lines: usize,
    is_request: bool,
    max_bytes: usize,
    max_lines: usize,
    failure: Option<HandshakeError>,
}

/// Where in the head the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the first byte.
    Start,
    /// After the CR of an empty line before the request line.
    EmptyLine,
    /// In the first word of the first line, after this many bytes of it.
    FirstWord(usize),
    /// In a line.
    Line,
    /// After a line's CR.
    LineEnd,
    /// At a line's first byte.
    LineStart,
    /// After the CR of the empty line.
    HeadEnd,
    /// After the head.
    Complete,
}

impl Head {
    /// Waits for the head of a request, within the limits of `config`.
    #[must_use]
    pub fn request(config: &Config) -> Self {
        Self::new(config, true)
    }

    /// Waits for the head of a response, within the limits of `config`.
    #[must_use]
    pub fn response(config: &Config) -> Self {
        Self::new(config, false)
    }

    fn new(config: &Config, is_request: bool) -> Self {
        Self {
            buffer: Vec::new(),
            filled: 0,
            begin: 0,
            scanned: 0,
            place: Place::Start,
            lines: 0,
            is_request,
            max_bytes: config.max_head,
            max_lines: config.max_headers,
            // With no room for a head there is nothing to wait for.
            failure: if config.max_head == 0 { Some(HandshakeError::HeadTooLarge) } else { None },
        }
    }

    /// Where to read to. Empty, so that reading stops, once the head is complete or refused.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        if self.is_complete() != Ok(false) {
            return &mut [];
        }
        let len = self.buffer.len();
        if self.filled == len {
            let wanted = len.saturating_mul(2).max(FIRST_READ).min(self.max_bytes);
            self.buffer.reserve_exact(wanted.saturating_sub(len));
            self.buffer.resize(wanted, 0);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// Takes note that `n` bytes have been read to the start of [`spare_mut`](Self::spare_mut).
    pub fn filled(&mut self, n: usize) {
        if self.is_complete() == Ok(false) {
            self.filled = self.filled.saturating_add(n).min(self.buffer.len());
            self.scan();
        }
    }

    /// Whether the head has come whole.
    ///
    /// # Errors
    /// What is wrong with the bytes so far: [`NotHttp`](HandshakeError::NotHttp),
    /// [`ControlCharacter`](HandshakeError::ControlCharacter), [`FoldedLine`](HandshakeError::FoldedLine),
    /// [`HeadTooLarge`](HandshakeError::HeadTooLarge), [`TooManyHeaders`](HandshakeError::TooManyHeaders).
    pub fn is_complete(&self) -> Result<bool, HandshakeError> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.place == Place::Complete),
        }
    }

    /// The head up to and including its empty line; what has come of it so far if it is not complete.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.begin..self.scanned).unwrap_or_default()
    }

    /// What came behind the head: the first bytes of what the transport carries from now on.
    #[must_use]
    pub fn into_rest(mut self) -> Vec<u8> {
        if self.scanned >= self.filled {
            return Vec::new();
        }
        self.buffer.truncate(self.filled);
        self.buffer.drain(..self.scanned);
        self.buffer
    }

    /// What [`into_rest`](Self::into_rest) would return.
    pub(super) fn rest(&self) -> &[u8] {
        self.buffer.get(self.scanned..self.filled).unwrap_or_default()
    }

    /// No fewer than the header lines of the head: what a parser must have room for.
    pub(super) const fn lines(&self) -> usize {
        self.lines
    }

    /// Does with this head and goes on to the one behind it. The limits hold for all of them together, so
    /// that a peer cannot go on for ever.
    pub(super) fn next_head(&mut self) {
        if self.is_complete() == Ok(true) {
            self.begin = self.scanned;
            self.place = Place::Start;
            self.scan();
        }
    }

    /// Refuses whatever else comes.
    pub(super) fn fail(&mut self, error: HandshakeError) {
        self.failure.get_or_insert(error);
    }

    /// Looks at what has been received and not been looked at.
    fn scan(&mut self) {
        for &byte in self.buffer.get(self.scanned..self.filled).unwrap_or_default() {
            if self.is_complete() != Ok(false) {
                return;
            }
            match self.place.after(byte, self.is_request) {
                Ok(place) => {
                    if self.place == Place::LineStart && place == Place::Line {
                        self.lines += 1;
                        if self.lines > self.max_lines {
                            self.failure = Some(HandshakeError::TooManyHeaders);
                        }
                    }
                    self.place = place;
                    self.scanned += 1;
                }
                Err(error) => self.failure = Some(error),
            }
        }
        if self.place != Place::Complete && self.filled >= self.max_bytes {
            self.fail(HandshakeError::HeadTooLarge);
        }
    }
}

impl Place {
    /// Where the byte after `byte` stands.
    const fn after(self, byte: u8, is_request: bool) -> Result<Self, HandshakeError> {
        match (self, byte) {
            // "a server that is expecting to receive and parse a request-line SHOULD ignore at least one
            // empty line (CRLF) received prior to the request-line" (RFC 9112 §2.2): one.
            (Self::Start, b'\r') if is_request => Ok(Self::EmptyLine),
            (Self::EmptyLine, b'\n') => Ok(Self::FirstWord(0)),
            (Self::Start, _) => Self::FirstWord(0).after(byte, is_request),
            // The first word tells whether the peer speaks HTTP at all; a TLS hello, a frame, or another
            // protocol's greeting is refused here instead of being waited for until the deadline.
            (Self::FirstWord(len), _) => match (is_request, byte) {
                (true, b' ') if len > 0 => Ok(Self::Line),
                (true, _) if is_token_byte(byte) => Ok(Self::FirstWord(len.saturating_add(1))),
                (false, _) => match RESPONSE.split_at_checked(len) {
                    Some((_, [wanted])) if *wanted == byte => Ok(Self::Line),
                    Some((_, [wanted, ..])) if *wanted == byte => Ok(Self::FirstWord(len + 1)),
                    _ => Err(HandshakeError::NotHttp),
                },
                _ => Err(HandshakeError::NotHttp),
            },
            (Self::Line | Self::LineStart, b'\r') => {
                Ok(if matches!(self, Self::Line) { Self::LineEnd } else { Self::HeadEnd })
            }
            (Self::LineEnd, b'\n') => Ok(Self::LineStart),
            (Self::HeadEnd, b'\n') => Ok(Self::Complete),
            // "A server that receives an obs-fold in a request message that is not within a "message/http"
            // container MUST either reject the message [...]" (RFC 9112 §5.2).
            (Self::LineStart, b' ' | b'\t') => Err(HandshakeError::FoldedLine),
            (Self::Line | Self::LineStart, b'\t' | b' '..=b'~' | 0x80..) => Ok(Self::Line),
            _ => Err(HandshakeError::ControlCharacter),
        }
    }
}

impl fmt::Debug for Head {
    /// Tells how far it has come, not what it holds: cookies and credentials stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("bytes", &self.scanned)
            .field("lines", &self.lines)
            .field("complete", &self.is_complete())
            .finish_non_exhaustive()
    }
}
