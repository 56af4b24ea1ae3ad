//! [`MessageReader`] and [`MessageWriter`]: a message as `Read` and as `Write`.

use std::io::{self, BufRead, Read, Write};

use websans::deflate::Flush;
use websans::{Inbox, Kind, Payload, SendError};

use crate::error::Error;

/// What chunks come from.
pub trait Source {
    /// Goes on to the next chunk; false: the connection has ended.
    #[doc(hidden)]
    fn advance(&mut self) -> Result<bool, Error>;

    /// Where the chunk lies.
    #[doc(hidden)]
    fn inbox(&self) -> Option<&Inbox>;
}

/// Where parts go.
pub trait Parts {
    /// Sends a part.
    #[doc(hidden)]
    fn send_part(&mut self, part: Payload<'_>, flush: Flush) -> Result<(), Error>;

    /// The writer of a message is gone.
    #[doc(hidden)]
    fn done(&mut self) {}
}

/// A message that is read as it arrives.
///
/// It ends (a read of 0 bytes) where the message ends. A connection that ends within the message is an
/// [`io::ErrorKind::UnexpectedEof`], a broken protocol [`io::ErrorKind::InvalidData`] with the cause as its source. Text
/// has been checked as far as it is read, but reads may cut characters. Dropped early, it leaves the rest of the message
/// to be skipped.
#[derive(Debug)]
pub struct MessageReader<'a, S: Source> {
    source: &'a mut S,
    kind: Kind,
    /// How much of the present chunk has been read.
    read: usize,
}

impl<'a, S: Source> MessageReader<'a, S> {
    pub(crate) fn begin(source: &'a mut S) -> Result<Option<Self>, Error> {
        // What is left of a message that was not read to its end comes first.
        while source.advance()? {
            if let Some(chunk) = source.inbox().and_then(Inbox::chunk).filter(|chunk| chunk.first) {
                let kind = chunk.kind;
                return Ok(Some(Self { source, kind, read: 0 }));
            }
        }
        Ok(None)
    }

    /// Whether the message is text or binary.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl<S: Source> BufRead for MessageReader<'_, S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while let Some(chunk) = self.source.inbox().and_then(Inbox::chunk) {
            if self.read < chunk.payload.len() || chunk.last {
                break;
            }
            self.read = 0;
            match self.source.advance() {
                Ok(true) => {}
                Ok(false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Error::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        let Some(chunk) = self.source.inbox().and_then(Inbox::chunk) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        Ok(chunk.payload.get(self.read..).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        self.read += n;
    }
}

impl<S: Source> Read for MessageReader<'_, S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut chunk = self.fill_buf()?;
        let n = chunk.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

/// A message that is written as it comes about, in frames of about [`MessageWriter::FRAME`] bytes.
///
/// Call [`finish`](Self::finish) at its end. Dropped without, it leaves the message unfinished: nothing but another
/// writer of the same kind can then be sent, or a Close, so that the peer does not take half a message for a whole.
#[derive(Debug)]
pub struct MessageWriter<'a, P: Parts> {
    parts: &'a mut P,
    kind: Kind,
    compress: Option<bool>,
    buffer: Vec<u8>,
    /// Something was sent that a compressor may hold back.
    unflushed: bool,
}

impl<'a, P: Parts> MessageWriter<'a, P> {
    /// Bytes that are gathered before a frame is sent, unless [`flush`](Write::flush) asks for one earlier.
    pub const FRAME: usize = 16 << 10;

    pub(crate) fn new(parts: &'a mut P, kind: Kind) -> Self {
        Self { parts, kind, compress: None, buffer: Vec::new(), unflushed: false }
    }

    /// Says whether this message is to be compressed, if compression was agreed on: see [`Payload::compress`]. It must be
    /// said before anything is written.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = Some(compress);
        self
    }

    /// Ends the message and sends what is left of it.
    ///
    /// # Errors
    /// As [`WebSocket::send`](crate::WebSocket::send).
    pub fn finish(self) -> Result<(), Error> {
        self.parts.send_part(Payload::new(self.kind, &self.buffer).compress(self.compress), Flush::End)
    }

    fn send(&mut self, bytes: Option<&[u8]>, flush: Flush) -> io::Result<()> {
        let part = Payload::new(self.kind, bytes.unwrap_or(&self.buffer)).compress(self.compress);
        self.parts.send_part(part, flush).map_err(into_io)?;
        self.unflushed = flush == Flush::None;
        if bytes.is_none() {
            self.buffer.clear();
        }
        Ok(())
    }
}

impl<P: Parts> Drop for MessageWriter<'_, P> {
    fn drop(&mut self) {
        self.parts.done();
    }
}

impl<P: Parts> Write for MessageWriter<'_, P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() < Self::FRAME {
            self.buffer.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        if !self.buffer.is_empty() {
            self.send(None, Flush::None)?;
            // The buffer is empty now; what is left is small or goes as it is.
            return self.write(bytes);
        }
        let n = bytes.len().min(4 * Self::FRAME);
        self.send(bytes.get(..n), Flush::None)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() && !self.unflushed { Ok(()) } else { self.send(None, Flush::Sync) }
    }
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::Send(SendError::InvalidUtf8) => io::Error::new(io::ErrorKind::InvalidInput, error),
        Error::Send(_) => io::Error::new(io::ErrorKind::BrokenPipe, error),
        error => io::Error::other(error),
    }
}
