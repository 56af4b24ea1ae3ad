//! What a whole connection and its halves do in the same way, as far as it has the same name.

use websans::{CloseCode, Kind, Payload};
use websans_tokio::{Error, MessageReader, MessageWriter, Parts, Receiver, Sender, Source, WebSocket};

use super::transport::Transport;

/// Something to receive with.
pub(super) trait Receives: Source + Sized {
    /// The next message, lent or given away.
    async fn next(&mut self, owned: bool) -> Result<Option<(Kind, Vec<u8>)>, Error>;

    async fn begin(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error>;
}

/// Something to send with.
pub(super) trait Sends: Parts + Sized {
    /// Whether it is the only one of its connection, so that what it has written has left for good.
    const WHOLE: bool;

    async fn put(&mut self, message: Payload<'_>) -> Result<(), Error>;
    async fn enqueue(&mut self, message: Payload<'_>) -> Result<(), Error>;
    fn compose(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error>;
    async fn push(&mut self) -> Result<(), Error>;
    async fn call(&mut self, payload: &[u8]) -> Result<(), Error>;
    async fn answer(&mut self, payload: &[u8]) -> Result<(), Error>;
    async fn begin_close(&mut self, reason: &str) -> Result<(), Error>;
    async fn end(&mut self, reason: &str) -> Result<(), Error>;
}

macro_rules! receives {
    ($($type:ty),*) => {
        $(impl Receives for $type {
            async fn next(&mut self, owned: bool) -> Result<Option<(Kind, Vec<u8>)>, Error> {
                if owned {
                    let message = self.recv_owned().await?;
                    return Ok(message.map(|message| (message.kind(), message.into_bytes().to_vec())));
                }
                let message = self.recv().await?;
                Ok(message.map(|message| (message.kind(), message.as_bytes().to_vec())))
            }

            async fn begin(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
                self.reader().await
            }
        })*
    };
}

macro_rules! sends {
    ($($type:ty, $whole:literal;)*) => {
        $(impl Sends for $type {
            const WHOLE: bool = $whole;

            async fn put(&mut self, message: Payload<'_>) -> Result<(), Error> {
                self.send(message).await
            }

            async fn enqueue(&mut self, message: Payload<'_>) -> Result<(), Error> {
                self.feed(message).await
            }

            fn compose(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error> {
                self.writer(kind)
            }

            async fn push(&mut self) -> Result<(), Error> {
                self.flush().await
            }

            async fn call(&mut self, payload: &[u8]) -> Result<(), Error> {
                self.ping(payload).await
            }

            async fn answer(&mut self, payload: &[u8]) -> Result<(), Error> {
                self.pong(payload).await
            }

            async fn begin_close(&mut self, reason: &str) -> Result<(), Error> {
                self.start_close(CloseCode::NORMAL, reason).await
            }

            async fn end(&mut self, reason: &str) -> Result<(), Error> {
                self.close(CloseCode::NORMAL, reason).await.map(drop)
            }
        })*
    };
}

receives!(WebSocket<Transport>, Receiver<Transport>);
sends!(WebSocket<Transport>, true; Sender<Transport>, false;);
