//! [`Tap`] over tokio's streams.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Tap, Way, is_fatal};
use crate::record::tag;

impl<S: AsyncRead + Unpin, W: Write> AsyncRead for Tap<S, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let polled = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        let read = buffer.filled().get(before..).unwrap_or_default();
        match &polled {
            Ok(()) if read.is_empty() && room == 0 => {}
            Ok(()) if read.is_empty() => self.note(tag::ENDED),
            Ok(()) => self.moved(Way::In, read),
            Err(error) if is_fatal(error) => self.failed(Way::In),
            Err(_) => {}
        }
        Poll::Ready(polled)
    }
}

impl<S: AsyncWrite + Unpin, W: Write> AsyncWrite for Tap<S, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        match &written {
            Ok(n) => self.moved(Way::Out, bytes.get(..*n).unwrap_or(bytes)),
            Err(error) if is_fatal(error) => self.failed(Way::Out),
            Err(_) => {}
        }
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices));
        match &written {
            Ok(n) => {
                let mut left = *n;
                for slice in slices {
                    let step = left.min(slice.len());
                    left -= step;
                    if step > 0 {
                        self.moved(Way::Out, slice.get(..step).unwrap_or_default());
                    }
                }
            }
            Err(error) if is_fatal(error) => self.failed(Way::Out),
            Err(_) => {}
        }
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        self.note(tag::SHUT);
        Poll::Ready(shut)
    }
}
