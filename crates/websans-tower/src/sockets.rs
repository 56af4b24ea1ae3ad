//! [`Sockets`]: the connections of a layer.

use std::time::Duration;

use websans_tokio::{Farewell, Group};

/// The connections of a [`WebSocketLayer`](crate::WebSocketLayer) and of all its clones: to count them, and to close them together
/// when the program ends.
///
/// An HTTP server that shuts down gracefully waits for its requests. A WebSocket over HTTP/1.1 is none of them any more, and one
/// over HTTP/2 goes on, and its connection with it, until somebody closes it. So both must be told at once, and the WebSockets be
/// waited for besides:
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// # use std::time::Duration;
/// # use axum::Router;
/// # use tokio::net::TcpListener;
/// # use websans_tower::Sockets;
/// # async fn serve(app: Router, listener: TcpListener, sockets: Sockets, ctrl_c: impl Future<Output = ()> + Send + 'static)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// let end = tokio::spawn({
///     let sockets = sockets.clone();
///     async move {
///         ctrl_c.await;
///         sockets.shutdown(Duration::from_secs(10)).await // 1001 to all; after 10 s the rest is cut off
///     }
/// });
/// let served = axum::serve(listener, app).with_graceful_shutdown(async move { sockets.closing().await });
/// let served = tokio::spawn(served.into_future());
/// println!("{}", end.await?);
/// // Requests under way. axum would wait for ever for a client that has vanished.
/// let _ = tokio::time::timeout(Duration::from_secs(5), served).await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sockets {
    pub(crate) group: Group,
}

impl Sockets {
    /// How many connections there are, those among them that are being opened.
    #[must_use]
    pub fn len(&self) -> usize {
        self.group.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// Closes all connections with 1001 ("going away", [RFC 6455 §7.4.1]) as soon as their handlers receive or send, and answers new
    /// handshakes with 503. What a peer sends before its own Close is still delivered; nothing more can be sent
    /// ([`SendError::Closing`](crate::SendError::Closing)). A handler that goes on to receive until `None` closes cleanly. How many
    /// connections there are that have not been told before.
    ///
    /// [RFC 6455 §7.4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
    pub fn close_all(&self) -> u64 {
        self.group.close_all()
    }

    /// Waits until they are being closed, by whomever: for an HTTP server, which shall end with them.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn closing(&self) {
        self.group.closing().await;
    }

    /// Waits until there is none.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn closed(&self) {
        self.group.closed().await;
    }

    /// [`close_all`](Self::close_all), then waits until all have closed, at most for `grace`. The rest is cut off: their streams fail
    /// from then on, and their handlers' tasks are aborted.
    ///
    /// # Cancel safety
    /// Dropped, the connections have been told to close, and none is cut off.
    pub async fn shutdown(&self, grace: Duration) -> Farewell {
        self.group.shutdown(grace).await
    }
}
