//! [`Subject`]: a connection of an adapter, as the scenarios see it.

use std::io::{self, Read, Write};
use std::time::Duration;

use websans::{CloseCode, Kind, Message, Outcome, Payload, Prepared, ProtocolError, SendError, Stats};

use super::{Report, Seat, Setup, Times};

/// A connection of an adapter, as the scenarios see it: whole or split, blocking.
pub trait Subject: Sized {
    /// The deadlines to be tested with.
    const TIMES: Times;
    /// Where it can sit.
    const SEATS: &'static [Seat] = &Seat::ALL;

    /// A connection whose opening handshake is done, and a peer at work.
    fn start(setup: Setup) -> Self;

    /// The time since the connection was opened.
    fn now(&self) -> Duration;

    /// Lets time go by, without a call of the connection.
    fn rest(&mut self, time: Duration);

    /// How often the subject has been at work: polls of its futures, or calls of its stream where there are none.
    fn turns(&self) -> usize;

    /// The next message.
    ///
    /// # Errors
    /// The adapter's.
    fn recv(&mut self) -> Result<Option<Owned>, Fault>;

    /// Hands the next message's reader to `read`.
    ///
    /// # Errors
    /// The adapter's, before there is a reader.
    fn read<T>(&mut self, read: impl FnOnce(Kind, &mut dyn Read) -> T) -> Result<Option<T>, Fault>;

    /// Hands a writer to `write`, and finishes the message if `write` says so.
    ///
    /// # Errors
    /// The adapter's or the writer's.
    fn write(
        &mut self,
        kind: Kind,
        write: impl FnOnce(&mut dyn Write) -> io::Result<Finish>,
    ) -> Result<(), Fault>;

    /// Sends a message.
    ///
    /// # Errors
    /// The adapter's.
    fn send(&mut self, message: &Owned) -> Result<(), Fault> {
        self.send_payload(message.into())
    }

    /// Sends a message of which something may be said.
    ///
    /// # Errors
    /// The adapter's.
    fn send_payload(&mut self, message: Payload<'_>) -> Result<(), Fault>;

    /// Sends a message that was encoded beforehand.
    ///
    /// # Errors
    /// The adapter's.
    fn send_prepared(&mut self, message: &Prepared) -> Result<(), Fault>;

    /// Sends all of `messages`, and receives as many. A split connection does both at once; a whole one does one after
    /// the other, message by message.
    ///
    /// # Errors
    /// The adapter's.
    fn exchange(&mut self, messages: &[Owned]) -> Result<Vec<Owned>, Fault>;

    /// Queues a message.
    ///
    /// # Errors
    /// The adapter's.
    fn feed(&mut self, message: &Owned) -> Result<(), Fault>;

    /// Writes what is queued.
    ///
    /// # Errors
    /// The adapter's.
    fn flush(&mut self) -> Result<(), Fault>;

    /// Sends a Ping.
    ///
    /// # Errors
    /// The adapter's.
    fn ping(&mut self, payload: &[u8]) -> Result<(), Fault>;

    /// Sends a Pong.
    ///
    /// # Errors
    /// The adapter's.
    fn pong(&mut self, payload: &[u8]) -> Result<(), Fault>;

    /// Sends a Close.
    ///
    /// # Errors
    /// The adapter's.
    fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Fault>;

    /// Sends a Close and waits for the end; a split connection while its receiver is at work, as is usual.
    ///
    /// # Errors
    /// The adapter's.
    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Fault>;

    /// Drops the receiver of a split connection; nothing is received any more.
    fn drop_receiver(&mut self);

    /// How it ended.
    fn outcome(&self) -> Option<Outcome>;

    /// What it counted.
    fn stats(&self) -> Stats;

    /// Waits for the end of the peer's script. The connection is still held.
    fn join(&mut self) -> Report;

    /// Drops the connection, then waits for the end of the peer's script.
    fn end(self) -> Report;
}

/// Whether a message is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It is to be finished.
    Yes,
    /// The writer is dropped as it is.
    No,
}

/// What an adapter's error says, whatever its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The transport failed.
    Io(io::ErrorKind),
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The caller did.
    Send(SendError),
    /// Anything else.
    Other(String),
}

/// A message that outlives the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl Owned {
    /// The payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Owned {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Owned {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Owned {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

impl<'p> From<&'p Owned> for Payload<'p> {
    fn from(message: &'p Owned) -> Self {
        match message {
            Owned::Text(text) => text.into(),
            Owned::Binary(bytes) => bytes.into(),
        }
    }
}
