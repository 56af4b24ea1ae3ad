//! The loop that echoes, for whatever is a `Stream` and `Sink` of messages.

use futures_util::{FutureExt as _, Sink, SinkExt as _, Stream, StreamExt as _};

/// Sends back what `reply` makes of each message, until the stream ends or `reply` says `None`.
///
/// Replies to messages that came together leave together: a write for each would be most of a pipelined peer's work,
/// and each of these peers leaves it to its user to avoid that.
pub(crate) async fn echo<S, M, E>(mut socket: S, reply: impl Fn(M) -> Option<M>) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    while let Some(message) = socket.next().await {
        let mut next = Some(message?);
        while let Some(message) = next {
            let Some(message) = reply(message) else { return Ok(()) };
            socket.feed(message).await?;
            next = match socket.next().now_or_never() {
                Some(Some(message)) => Some(message?),
                Some(None) | None => None,
            };
        }
        socket.flush().await?;
    }
    Ok(())
}
