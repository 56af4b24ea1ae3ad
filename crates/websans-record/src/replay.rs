//! [`replay`]: what was recorded, done again.

pub(crate) mod calls;
mod transport;

use websans::deflate::{Codec, Extension, Parameters};
use websans::{Chunk, Close, Connection, Message, Part, ProtocolError, SendError, Timestamp};

use crate::error::ReplayError;
use crate::header::{Header, Source};
use crate::record::{Entry, Record, Recording, Stop};

/// Replays a recording of a connection without compression, to see whether the same comes of it.
///
/// # Errors
/// As [`Replay::run`].
pub fn replay(file: &[u8]) -> Result<Replayed, ReplayError> {
    Replay::new().run(file, |_| {})
}

/// How to replay.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    provider: Option<Extension>,
    streamed: bool,
}

/// How a replay went, if it did not diverge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Records that were replayed.
    pub records: usize,
    /// Messages that were received.
    pub messages: u64,
    /// Bytes that left the outbox; of a [`Tap`](crate::Tap), those that were sent.
    pub written: u64,
    /// Why the recording stopped before the connection ended, if it says so.
    pub stopped: Option<Stop>,
}

/// A record that was replayed, and what came of it: what the callback of [`Replay::run`] is given.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'s> {
    /// Its number, from 0.
    pub record: usize,
    /// Where it begins in the file.
    pub offset: usize,
    /// The last time that was told.
    pub at: Timestamp,
    /// What was done.
    pub call: Record<'s>,
    /// What came of it. A read of a [`Tap`](crate::Tap) may come to more than one thing, and is then reported for each:
    /// see [`further`](Self::further).
    pub heard: Option<Heard<'s>>,
    /// Whether the same record has been reported before, with another event.
    pub further: bool,
    /// The bytes that left the outbox.
    pub written: &'s [u8],
    /// The connection afterwards.
    pub conn: &'s Connection,
}

/// What came of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard<'s> {
    /// A part of a message, not checked yet.
    Part(Part<'s>),
    /// A chunk, or a whole message if it is the first and the last.
    Chunk(Chunk<'s>),
    /// A message.
    Message(Message<'s>),
    /// A Ping.
    Ping(&'s [u8]),
    /// A Pong.
    Pong(&'s [u8]),
    /// The peer's Close.
    Close(&'s Close<'static>),
    /// The peer broke the protocol.
    Error(ProtocolError),
    /// The call was refused.
    Refused(SendError),
}

impl Replay {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What compresses, if the connection did: it must have the settings that the connection's had.
    #[must_use]
    pub fn deflate(mut self, provider: impl Into<Extension>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Whether messages of a [`Tap`](crate::Tap) are held to [`max_streamed`](websans::Config::max_streamed) and reported in
    /// chunks, as if the application had read them so. The file does not say.
    #[must_use]
    pub const fn streamed(mut self, streamed: bool) -> Self {
        self.streamed = streamed;
        self
    }

    /// Replays `file`, and reports each record when the same has come of it.
    ///
    /// # Errors
    /// [`ReplayError`]: at the first record that is damaged, or of which something else comes. All before have been reported.
    pub fn run(&self, file: &[u8], on: impl FnMut(&Step<'_>)) -> Result<Replayed, ReplayError> {
        let recording = Recording::read(file)?;
        match recording.header().source {
            Source::Calls => calls::run(self, recording, on),
            Source::Transport => transport::run(self, recording, on),
        }
    }

    fn codec(&self, header: &Header, agreed: Option<Parameters>) -> Result<Codec, ReplayError> {
        let provider = self.provider.as_ref().ok_or(ReplayError::NoCodec)?;
        Ok(provider.propose().codec(header.is_client, agreed.unwrap_or_default()))
    }
}

/// The time after a record.
fn time_after(now: u64, record: &Record<'_>) -> u64 {
    match record {
        Record::Wake(delta)
        | Record::Tick(delta)
        | Record::TickWrites(delta)
        | Record::Received(delta, _)
        | Record::Sent(delta, _)
        | Record::Ended(delta)
        | Record::Shut(delta)
        | Record::Failed(delta, _) => now.wrapping_add(*delta as u64),
        _ => now,
    }
}

/// A call in a few words, without what may be long.
pub(crate) fn describe(entry: &Entry<'_>) -> String {
    let len = |name: &str, bytes: &[u8]| format!("{name} of {} bytes", bytes.len());
    match &entry.record {
        Record::Receive(bytes) => len("receive", bytes),
        Record::Filled(bytes) => len("filled", bytes),
        Record::Preload(bytes) => len("preload", bytes),
        Record::Accept(part) => len("accept", part.bytes),
        Record::Send(said) => len("send", said.bytes),
        Record::SendPart(said, _) => len("send_part", said.bytes),
        Record::SendPrepared(said) => len("send_prepared", said.bytes),
        Record::Ping(bytes) => len("ping", bytes),
        Record::Pong(bytes) => len("pong", bytes),
        Record::Received(_, bytes) => len("received", bytes),
        Record::Sent(_, bytes) => len("sent", bytes),
        other => format!("{other:?}"),
    }
}
