//! [`Background`]: echoes apart from the requests that they began with.

use std::net::SocketAddr;

use tokio::sync::mpsc::{Sender, channel};
use websans_tower::Opening;

use crate::app;
use crate::log::Log;

/// A task that takes sockets from the handlers of requests: those return, and the echo goes on here.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    openings: Sender<(SocketAddr, Opening)>,
}

impl Background {
    pub(crate) fn start(log: Log) -> Self {
        let (openings, mut queue) = channel(64);
        tokio::spawn(async move {
            while let Some((peer, opening)) = queue.recv().await {
                let log = log.clone();
                tokio::spawn(async move {
                    match opening.await {
                        Ok(socket) => app::serve(socket, peer, &log).await,
                        Err(error) => log.line(format_args!("{peer} {error}")),
                    }
                });
            }
        });
        Self { openings }
    }

    /// Hands over a socket that is opened once its request has been answered. False: nobody is there to take it.
    pub(crate) async fn take(&self, peer: SocketAddr, opening: Opening) -> bool {
        self.openings.send((peer, opening)).await.is_ok()
    }
}
