//! What a whole connection and its halves do in the same way, as far as it has the same name.

use websans::{CloseCode, Kind, Outcome, Payload};
use websans_std::{Error, MessageReader, MessageWriter, Parts, Receiver, Sender, Source, WebSocket};

use super::stream::Stream;

/// Something to receive with.
pub(super) trait Receives: Source + Sized {
    /// The next message, lent or given away.
    fn next(&mut self, owned: bool) -> Result<Option<(Kind, Vec<u8>)>, Error>;

    fn begin(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error>;
    fn ended(&self) -> Option<Outcome>;
}

/// Something to send with.
pub(super) trait Sends: Parts + Sized {
    /// Whether it throws away what arrives while it closes.
    const WHOLE: bool;

    fn put(&mut self, message: Payload<'_>) -> Result<(), Error>;
    fn enqueue(&mut self, message: Payload<'_>) -> Result<(), Error>;
    fn compose(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error>;
    fn push(&mut self) -> Result<(), Error>;
    fn call(&mut self, payload: &[u8]) -> Result<(), Error>;
    fn answer(&mut self, payload: &[u8]) -> Result<(), Error>;
    fn begin_close(&mut self, reason: &str) -> Result<(), Error>;
    fn end(&mut self, reason: &str) -> Result<Outcome, Error>;
}

macro_rules! receives {
    ($($type:ty: $outcome:expr;)*) => {
        $(impl Receives for $type {
            fn next(&mut self, owned: bool) -> Result<Option<(Kind, Vec<u8>)>, Error> {
                if owned {
                    let message = self.recv_owned()?;
                    return Ok(message.map(|message| (message.kind(), message.into_bytes().to_vec())));
                }
                let message = self.recv()?;
                Ok(message.map(|message| (message.kind(), message.as_bytes().to_vec())))
            }

            fn begin(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
                self.reader()
            }

            fn ended(&self) -> Option<Outcome> {
                $outcome(self)
            }
        })*
    };
}

macro_rules! sends {
    ($($type:ty, $whole:literal, $outcome:expr;)*) => {
        $(impl Sends for $type {
            const WHOLE: bool = $whole;

            fn put(&mut self, message: Payload<'_>) -> Result<(), Error> {
                self.send(message)
            }

            fn enqueue(&mut self, message: Payload<'_>) -> Result<(), Error> {
                self.feed(message)
            }

            fn compose(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error> {
                self.writer(kind)
            }

            fn push(&mut self) -> Result<(), Error> {
                self.flush()
            }

            fn call(&mut self, payload: &[u8]) -> Result<(), Error> {
                self.ping(payload)
            }

            fn answer(&mut self, payload: &[u8]) -> Result<(), Error> {
                self.pong(payload)
            }

            fn begin_close(&mut self, reason: &str) -> Result<(), Error> {
                self.start_close(CloseCode::NORMAL, reason)
            }

            fn end(&mut self, reason: &str) -> Result<Outcome, Error> {
                $outcome(self.close(CloseCode::NORMAL, reason))
            }
        })*
    };
}

receives! {
    WebSocket<Stream>: |socket: &Self| socket.outcome().cloned();
    Receiver<Stream>: Self::outcome;
}
sends! {
    WebSocket<Stream>, true, |closed: Result<&Outcome, Error>| closed.cloned();
    Sender<Stream>, false, |closed| closed;
}
