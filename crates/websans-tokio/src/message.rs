//! [`MessageReader`] and [`MessageWriter`]: a message as `AsyncRead` and as `AsyncWrite`.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use websans::deflate::Flush;
use websans::{Inbox, Kind, Payload, SendError};

use crate::error::Error;

/// What chunks come from.
pub trait Source: Unpin {
    /// Goes on to the next chunk; false: the connection has ended.
    #[doc(hidden)]
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>>;

    /// Where the chunk lies.
    #[doc(hidden)]
    fn inbox(&self) -> Option<&Inbox>;
}

/// Where parts go.
pub trait Parts: Unpin {
    /// Queues a part, once there is room for it.
    #[doc(hidden)]
    fn poll_part(&mut self, cx: &mut Context<'_>, part: Payload<'_>, flush: Flush)
    -> Poll<Result<(), Error>>;

    /// Writes all that waits.
    #[doc(hidden)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>>;

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
///
/// # Cancel safety
/// A read that is dropped has taken nothing; go on with the same reader.
#[derive(Debug)]
pub struct MessageReader<'a, S: Source> {
    source: &'a mut S,
    kind: Kind,
    /// How much of the present chunk has been read.
    read: usize,
    /// The connection ended within the message.
    cut: bool,
}

impl<'a, S: Source> MessageReader<'a, S> {
    pub(crate) async fn begin(source: &'a mut S) -> Result<Option<Self>, Error> {
        // What is left of a message that was not read to its end comes first.
        while poll_fn(|cx| source.poll_chunk(cx)).await? {
            if let Some(chunk) = source.inbox().and_then(Inbox::chunk).filter(|chunk| chunk.first) {
                let kind = chunk.kind;
                return Ok(Some(Self { source, kind, read: 0, cut: false }));
            }
        }
        Ok(None)
    }

    /// Whether the message is text or binary.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Waits until the present chunk has bytes that are not read yet, or is the last.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.source.inbox().and_then(Inbox::chunk) {
                Some(chunk) if self.read < chunk.payload.len() || chunk.last => return Poll::Ready(Ok(())),
                _ if self.cut => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                _ => {}
            }
            let advanced = ready!(self.source.poll_chunk(cx));
            self.read = 0;
            self.cut = !matches!(advanced, Ok(true));
            match advanced {
                Ok(_) => {}
                Err(Error::Io(error)) => return Poll::Ready(Err(error)),
                Err(error) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        let chunk = self.source.inbox().and_then(Inbox::chunk);
        chunk.and_then(|chunk| chunk.payload.get(self.read..)).unwrap_or_default()
    }
}

impl<S: Source> AsyncBufRead for MessageReader<'_, S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let reader = self.get_mut();
        ready!(reader.poll_bytes(cx))?;
        Poll::Ready(Ok(reader.bytes()))
    }

    fn consume(mut self: Pin<&mut Self>, n: usize) {
        self.read += n;
    }
}

impl<S: Source> AsyncRead for MessageReader<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_bytes(cx))?;
        let bytes = self.bytes();
        let n = bytes.len().min(out.remaining());
        out.put_slice(bytes.get(..n).unwrap_or_default());
        self.read += n;
        Poll::Ready(Ok(()))
    }
}

/// A message that is written as it comes about, in frames of about [`MessageWriter::FRAME`] bytes.
///
/// Call [`finish`](Self::finish), or `shutdown`, at its end. Dropped without, it leaves the message unfinished: nothing but
/// another writer of the same kind can then be sent, or a Close, so that the peer does not take half a message for a
/// whole.
///
/// # Cancel safety
/// A `write` that is dropped has taken nothing; `flush` and `finish` go on where they were. Go on with the same writer: what
/// it has gathered and not sent is dropped with it.
#[derive(Debug)]
pub struct MessageWriter<'a, P: Parts> {
    parts: &'a mut P,
    kind: Kind,
    compress: Option<bool>,
    buffer: Vec<u8>,
    /// Something was queued that a compressor may hold back.
    unflushed: bool,
    finished: bool,
}

impl<'a, P: Parts> MessageWriter<'a, P> {
    /// Bytes that are gathered before a frame is sent, unless a flush asks for one earlier.
    pub const FRAME: usize = 16 << 10;

    pub(crate) fn new(parts: &'a mut P, kind: Kind) -> Self {
        Self { parts, kind, compress: None, buffer: Vec::new(), unflushed: false, finished: false }
    }

    /// Says whether this message is to be compressed, if compression was agreed on: see [`Payload::compress`]. It must be
    /// said before anything is written.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = Some(compress);
        self
    }

    /// Ends the message and waits until the transport has taken what is left of it. Once is enough.
    ///
    /// # Errors
    /// As [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// # Cancel safety
    /// Dropped, it can be called again to go on.
    pub async fn finish(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.finished {
            let part = Payload::new(self.kind, &self.buffer).compress(self.compress);
            ready!(self.parts.poll_part(cx, part, Flush::End))?;
            self.finished = true;
            self.buffer = Vec::new();
        }
        self.parts.poll_flush(cx)
    }

    /// Queues what has been gathered.
    fn poll_gathered(&mut self, cx: &mut Context<'_>, flush: Flush) -> Poll<io::Result<()>> {
        if !self.buffer.is_empty() || flush == Flush::Sync && self.unflushed && !self.finished {
            let part = Payload::new(self.kind, &self.buffer).compress(self.compress);
            ready!(self.parts.poll_part(cx, part, flush)).map_err(into_io)?;
            self.unflushed = flush == Flush::None;
            self.buffer.clear();
        }
        Poll::Ready(Ok(()))
    }
}

impl<P: Parts> Drop for MessageWriter<'_, P> {
    fn drop(&mut self) {
        self.parts.done();
    }
}

impl<P: Parts> AsyncWrite for MessageWriter<'_, P> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.buffer.len() + bytes.len() < Self::FRAME {
            self.buffer.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_gathered(cx, Flush::None))?;
        let n = bytes.len().min(4 * Self::FRAME);
        let part = Payload::new(self.kind, bytes.get(..n).unwrap_or_default()).compress(self.compress);
        ready!(self.parts.poll_part(cx, part, Flush::None)).map_err(into_io)?;
        self.unflushed = true;
        // As far as the transport takes it at once. Whether it fails is told by what waits for it.
        let _ = self.parts.poll_flush(cx);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx, Flush::Sync))?;
        self.parts.poll_flush(cx).map_err(into_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx).map_err(into_io)
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
