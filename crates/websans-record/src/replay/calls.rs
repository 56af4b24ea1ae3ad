//! Replays what a [`Recorder`] wrote, by recording it once more: the two files must be the same.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use websans::{
    Close, Config, Event, Kind, Message, Negotiated, Part, Payload, Prepared, ProtocolError, Role, SendError,
    State, Timestamp,
};

use super::{Heard, Replay, Replayed, Step, describe, time_after};
use crate::error::{Divergence, ReplayError};
use crate::record::{Entry, Handed, Record, Recording, Said, flag};
use crate::recorder::Recorder;

/// Keys that are drawn again. One that was not recorded is zero, which the comparison finds.
type Keys = Arc<Mutex<VecDeque<[u8; 4]>>>;

pub(super) fn run(
    replay: &Replay,
    mut recording: Recording<'_>,
    mut on: impl FnMut(&Step<'_>),
) -> Result<Replayed, ReplayError> {
    let mut player = Player::new(replay, &recording)?;
    let mut replayed = Replayed::default();
    while let Some(entry) = recording.entry()? {
        if let Record::Stopped(stop) = entry.record {
            replayed.stopped = Some(stop);
            break;
        }
        player.now = time_after(player.now, &entry.record);
        let found = player.play(&entry);
        player.compare(&entry, replayed.records)?;
        let recorder = &player.recorder;
        let written = recorder.tape.watched.as_deref().unwrap_or_default();
        let message = match &found {
            Found::Message(kind) => player.message(*kind),
            _ => None,
        };
        let mut frame = [0; 6];
        on(&Step {
            record: replayed.records,
            offset: entry.offset,
            at: Timestamp::from_nanos(player.now),
            call: entry.record,
            heard: match &found {
                Found::Nothing => None,
                Found::Part(part) => {
                    let payload = player.input.get(part.range.clone());
                    payload.and_then(|payload| make(&mut frame, part, payload)).map(Heard::Part)
                }
                Found::Chunk => recorder.chunk().map(Heard::Chunk),
                Found::Message(_) => message.map(Heard::Message),
                Found::Ping(payload) => Some(Heard::Ping(payload)),
                Found::Pong(payload) => Some(Heard::Pong(payload)),
                Found::Close(close) => Some(Heard::Close(close)),
                Found::Error(error) => Some(Heard::Error(*error)),
                Found::Refused(error) => Some(Heard::Refused(*error)),
            },
            further: false,
            written,
            conn: recorder,
        });
        replayed.written += written.len() as u64;
        replayed.records += 1;
        if let Some(watched) = &mut player.recorder.tape.watched {
            watched.clear();
        }
    }
    replayed.messages = player.recorder.stats().messages_received;
    Ok(replayed)
}

pub(crate) struct Player {
    recorder: Recorder<Vec<u8>>,
    keys: Keys,
    now: u64,
    /// The last input of `receive`, and the last part in it.
    input: Vec<u8>,
    part: Option<Located>,
}

/// A [`Part`] without its borrow.
#[derive(Clone, Debug)]
struct Located {
    range: Range<usize>,
    kind: Kind,
    first: bool,
    last: bool,
    compressed: bool,
    ascii: bool,
}

enum Found {
    Nothing,
    Part(Located),
    Chunk,
    /// Of this kind.
    Message(Kind),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Close<'static>),
    Error(ProtocolError),
    Refused(SendError),
}

impl From<Result<(), SendError>> for Found {
    fn from(sent: Result<(), SendError>) -> Self {
        sent.map_or_else(Self::Refused, |()| Self::Nothing)
    }
}

impl From<Result<bool, ProtocolError>> for Found {
    fn from(found: Result<bool, ProtocolError>) -> Self {
        match found {
            Ok(true) => Self::Chunk,
            Ok(false) => Self::Nothing,
            Err(error) => Self::Error(error),
        }
    }
}

impl Player {
    pub(crate) fn new(replay: &Replay, recording: &Recording<'_>) -> Result<Self, ReplayError> {
        let header = recording.header();
        let keys = Keys::default();
        let role = if header.is_client {
            let keys = Arc::clone(&keys);
            Role::Client(Box::new(move || {
                keys.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or_default()
            }))
        } else {
            Role::Server
        };
        let mut negotiated = Negotiated::default();
        negotiated.protocol.clone_from(&header.protocol);
        negotiated.deflate = header.deflate;
        if header.has_codec {
            negotiated.codec = Some(replay.codec(header, header.deflate)?);
        }
        let config = header.config.clone();
        let mut recorder = Recorder::open(role, config, negotiated, header.start, Vec::new(), u64::MAX);
        recorder.tape.sink.clear();
        recorder.tape.watched = Some(Vec::new());
        Ok(Self { recorder, keys, now: header.start.as_nanos(), input: Vec::new(), part: None })
    }

    fn play(&mut self, entry: &Entry<'_>) -> Found {
        if let Ok(mut keys) = self.keys.lock() {
            keys.clear();
            keys.extend(entry.keys.chunks_exact(4).filter_map(|key| key.first_chunk::<4>()));
        }
        let recorder = &mut self.recorder;
        let now = Timestamp::from_nanos(self.now);
        match entry.record {
            Record::Wake(_) => recorder.wake(now),
            Record::Tick(_) => recorder.tick(now),
            Record::TickWrites(_) => recorder.tick_writes(now),
            Record::NoteBlocked => recorder.note_blocked(),
            Record::NoteStalled => recorder.note_stalled(),
            Record::Eof => recorder.eof(),
            Record::Abort => recorder.abort(),
            Record::Fail(error) => recorder.fail(error),
            Record::SetStreamed(streamed) => recorder.set_streamed(streamed),
            Record::Park => recorder.park(),
            Record::Receive(bytes) => return self.receive(bytes),
            Record::SpareMut => {
                recorder.spare_mut();
                recorder.settle();
            }
            Record::Filled(bytes) => {
                let spare = recorder.spare_mut();
                for (to, from) in spare.iter_mut().zip(bytes) {
                    *to = *from;
                }
                recorder.filled(bytes.len());
            }
            Record::Preload(bytes) => recorder.preload(bytes),
            Record::Next => return recorder.next().into(),
            Record::NextChunk => return recorder.next_chunk().into(),
            Record::Take => drop(recorder.take()),
            Record::AcceptLast => return self.accept_last(),
            Record::Accept(handed) => return self.accept(handed),
            Record::InboxPark => drop(recorder.park_inbox()),
            Record::InboxLend(len) => recorder.lend_inbox(vec![0; len]),
            Record::Send(said) => return recorder.send(payload(said)).into(),
            Record::SendPart(said, last) => return recorder.send_part(payload(said), last).into(),
            Record::SendPrepared(said) => {
                // What is no text was never prepared as such: nothing is recorded, which the comparison finds.
                return Prepared::new(payload(said))
                    .and_then(|prepared| recorder.send_prepared(&prepared))
                    .into();
            }
            Record::FlushPart => return recorder.flush_part().into(),
            Record::Ping(payload) => return recorder.ping(payload).into(),
            Record::Pong(payload) => return recorder.pong(payload).into(),
            Record::Close(code, reason) => {
                let mut close = Close::default();
                (close.code, close.reason) = (code, reason.into());
                return recorder.close_with(close).into();
            }
            Record::Written(n) => recorder.outbox().advance(n),
            Record::Taken(_) => drop(recorder.outbox().take_chunk()),
            Record::OutboxPark => drop(recorder.outbox().park()),
            Record::OutboxLend(capacity) => recorder.outbox().lend(|| Vec::with_capacity(capacity)),
            // Those of taps are told apart by the reader.
            _ => {}
        }
        Found::Nothing
    }

    /// Replays a record whose time is known from it.
    pub(crate) fn redo(&mut self, entry: &Entry<'_>, record: usize) -> Result<(), ReplayError> {
        self.now = time_after(self.now, &entry.record);
        self.play(entry);
        self.compare(entry, record)
    }

    /// Replays a record of which the same must come although it has other content, and hands back what is then
    /// recorded.
    pub(crate) fn redo_otherwise(
        &mut self,
        entry: &Entry<'_>,
        record: usize,
    ) -> Result<Vec<u8>, ReplayError> {
        self.now = time_after(self.now, &entry.record);
        self.play(entry);
        let now = core::mem::take(&mut self.recorder.tape.sink);
        if self.result(&now, entry).is_some_and(|now| now == entry.result) {
            return Ok(now);
        }
        Err(self.divergence(entry, record, &now))
    }

    /// Whether the connection has ended as far as reading goes.
    pub(crate) fn ignores_input(&self) -> bool {
        !matches!(self.recorder.state(), State::Open | State::CloseSent)
    }

    fn receive(&mut self, bytes: &[u8]) -> Found {
        self.input.clear();
        self.input.extend_from_slice(bytes);
        let start = self.input.as_ptr() as usize;
        let mut input = &mut self.input[..];
        match self.recorder.receive(&mut input) {
            Ok(None) => Found::Nothing,
            Ok(Some(Event::Part(part))) => {
                let Part { kind, payload, first, last, compressed, ascii, .. } = part;
                let at = payload.as_ptr() as usize - start;
                let range = at..at + payload.len();
                let located = Located { range, kind, first, last, compressed, ascii };
                self.part = Some(located.clone());
                Found::Part(located)
            }
            Ok(Some(Event::Ping(payload))) => Found::Ping(payload.into_owned()),
            Ok(Some(Event::Pong(payload))) => Found::Pong(payload.into_owned()),
            Ok(Some(Event::Close(close))) => Found::Close(close.into_owned()),
            Ok(Some(_)) => Found::Nothing,
            Err(error) => Found::Error(error),
        }
    }

    fn accept_last(&mut self) -> Found {
        let Some(part) = self.part.clone() else { return Found::Nothing };
        let Some(payload) = self.input.get(part.range.clone()) else { return Found::Nothing };
        accept(&mut self.recorder, make(&mut [0; 6], &part, payload))
    }

    fn accept(&mut self, handed: Handed<'_>) -> Found {
        let is = |flag| handed.flags & flag != 0;
        let part = Located {
            range: 0..0,
            kind: handed.kind,
            first: is(flag::FIRST),
            last: is(flag::LAST),
            compressed: is(flag::COMPRESSED),
            ascii: is(flag::ASCII),
        };
        accept(&mut self.recorder, make(&mut [0; 6], &part, handed.bytes))
    }

    /// The message that was accepted last: gathered, or all of the last part.
    fn message(&self, kind: Kind) -> Option<Message<'_>> {
        let part = || self.input.get(self.part.as_ref()?.range.clone());
        match self.recorder.message() {
            Some(message) => Some(message),
            None if kind == Kind::Binary => part().map(Message::Binary),
            None => core::str::from_utf8(part()?).ok().map(Message::Text),
        }
    }

    /// Whether what has been recorded now is what was recorded then.
    fn compare(&mut self, entry: &Entry<'_>, record: usize) -> Result<(), ReplayError> {
        let mut now = core::mem::take(&mut self.recorder.tape.sink);
        if now != entry.bytes {
            return Err(self.divergence(entry, record, &now));
        }
        now.clear();
        self.recorder.tape.sink = now;
        Ok(())
    }

    /// The result in a record of the same call. Other keys, say, make another record of another length.
    fn result(&self, now: &[u8], entry: &Entry<'_>) -> Option<u8> {
        now.len()
            .checked_sub(5)
            .filter(|_| now.len() == entry.bytes.len())
            .and_then(|at| now.get(at))
            .copied()
    }

    fn divergence(&self, entry: &Entry<'_>, record: usize, now: &[u8]) -> ReplayError {
        ReplayError::Divergence(Divergence {
            record,
            offset: entry.offset,
            at: Timestamp::from_nanos(self.now),
            call: describe(entry),
            results: self.result(now, entry).map(|now| (entry.result, now)),
        })
    }
}

fn accept(recorder: &mut Recorder<Vec<u8>>, part: Option<Part<'_>>) -> Found {
    let Some(part) = part else { return Found::Nothing };
    match recorder.accept(part) {
        Ok(Some(message)) => Found::Message(message.kind()),
        Ok(None) => Found::Nothing,
        Err(error) => Found::Error(error),
    }
}

fn payload(said: Said<'_>) -> Payload<'_> {
    let payload = if said.shared {
        Payload::new(said.kind, Bytes::copy_from_slice(said.bytes))
    } else {
        Payload::new(said.kind, said.bytes)
    };
    payload.compress(said.compress)
}

/// Only a connection makes parts, so one that has received an empty message lends its. `frame` is where that message lies.
fn make<'b>(frame: &'b mut [u8; 6], located: &Located, payload: &'b [u8]) -> Option<Part<'b>> {
    *frame = [0x82, 0x80, 0, 0, 0, 0];
    let start = Timestamp::from_nanos(0);
    let (mut server, _) = websans::open(Role::Server, Config::default(), Negotiated::default(), start);
    let Ok(Some(Event::Part(mut part))) = server.receive(&mut &mut frame[..]) else { return None };
    part.kind = located.kind;
    part.payload = payload;
    part.first = located.first;
    part.last = located.last;
    part.compressed = located.compressed;
    part.ascii = located.ascii;
    Some(part)
}
