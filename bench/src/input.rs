//! Reading from many sockets into one buffer, which stays in the caches.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

const SIZE: usize = 256 * 1024;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; SIZE]);
}

/// Waits until something comes; then calls `take` with it. It is empty at the end of the stream.
///
/// After a short read it waits to be told of more, as tokio's reading does. Trying again at once would often find the answer
/// that the other core has written meanwhile: then one connection is served many times in a row, in warm caches, and the rest
/// wait. No server has clients like that.
pub(crate) async fn read<T>(stream: &mut TcpStream, take: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    let mut take = Some(take);
    poll_fn(|context| {
        INPUT.with_borrow_mut(|input| {
            let mut buffer = ReadBuf::new(input);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            let take = take.take().expect("it is ready once");
            Poll::Ready(Ok(take(buffer.filled())))
        })
    })
    .await
}
