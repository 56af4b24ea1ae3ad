//! [`Tape`]: what records are written to, up to a cap.

use std::io::{self, Write};

use websans::{Connection, Hangup, Initiator, State, Timestamp};

use crate::code;
use crate::coding::{put_bytes, put_int, put_signed};
use crate::hash::Hash;
use crate::header::Header;
use crate::record::{Stop, tag};

/// What a tape keeps of its storage between records.
const KEEP: usize = 4 << 10;
/// Bytes of the record that says that it stopped, for which there is always room.
const LAST: u64 = 2;
/// Bytes of a record behind its fields: the result and the check.
const BEHIND: usize = 5;

/// Where records go. It never fails: it stops.
pub(crate) struct Tape<W> {
    pub(crate) sink: W,
    cap: u64,
    written: u64,
    hash: Hash,
    /// The time that the last record told.
    time: u64,
    /// The record under way.
    body: Vec<u8>,
    stop: Option<Stop>,
    error: Option<io::Error>,
    /// Bytes that leave the outbox, for those who replay.
    pub(crate) watched: Option<Vec<u8>>,
}

impl<W: Write> Tape<W> {
    pub(crate) fn new(header: &Header, sink: W, cap: u64) -> Self {
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        let mut tape = Self {
            sink,
            cap,
            written: 0,
            hash: Hash::new(),
            time: header.start.as_nanos(),
            body: Vec::new(),
            stop: None,
            error: None,
            watched: None,
        };
        if tape.fits(bytes.len()) {
            tape.hash.bytes(&bytes);
            tape.put(&bytes);
        } else {
            tape.stop = Some(Stop::Full);
        }
        tape
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.stop.is_none()
    }

    pub(crate) const fn stopped(&self) -> Option<Stop> {
        self.stop
    }

    pub(crate) const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Begins a record.
    pub(crate) fn begin(&mut self, tag: u8) -> &mut Self {
        self.body.clear();
        self.body.push(tag);
        self
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.body.push(byte);
        self
    }

    pub(crate) fn int(&mut self, int: u64) -> &mut Self {
        put_int(&mut self.body, int);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        if self.fits(bytes.len()) {
            put_bytes(&mut self.body, bytes);
        } else {
            self.stop(Stop::Full);
        }
        self
    }

    /// As the difference to the time before.
    pub(crate) fn time(&mut self, now: Timestamp) -> &mut Self {
        put_signed(&mut self.body, now.as_nanos().wrapping_sub(self.time) as i64);
        self.time = now.as_nanos();
        self
    }

    pub(crate) fn raw(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        put(&mut self.body);
        self
    }

    /// What came of it.
    pub(crate) const fn hash(&mut self) -> &mut Hash {
        &mut self.hash
    }

    /// What leaves the outbox.
    pub(crate) fn leaves(&mut self, bytes: &[u8]) {
        self.hash.bytes(bytes);
        if let Some(watched) = &mut self.watched {
            watched.extend_from_slice(bytes);
        }
    }

    /// Ends the record. `keys`: the masking keys that were drawn.
    pub(crate) fn end(&mut self, result: u8, keys: &[u8]) {
        if !self.is_on() {
            return;
        }
        let mut before = Vec::new();
        if !keys.is_empty() {
            before.push(tag::KEYS);
            put_int(&mut before, (keys.len() / 4) as u64);
            before.extend_from_slice(keys);
        }
        if !self.fits(before.len() + self.body.len() + BEHIND) {
            return self.stop(Stop::Full);
        }
        self.body.push(result);
        self.hash.bytes(&before);
        let mut body = core::mem::take(&mut self.body);
        self.hash.bytes(&body);
        body.extend_from_slice(&self.hash.check());
        if !before.is_empty() {
            self.put(&before);
        }
        self.put(&body);
        if body.capacity() <= KEEP {
            self.body = body;
        }
    }

    /// Writes nothing more but that it is so.
    pub(crate) fn stop(&mut self, stop: Stop) {
        if self.is_on() {
            let reason = if stop == Stop::Full { 1 } else { 2 };
            self.put(&[tag::STOPPED, reason]);
            self.stop.get_or_insert(stop);
            self.body = Vec::new();
        }
    }

    fn fits(&self, len: usize) -> bool {
        self.written.saturating_add(len as u64).saturating_add(LAST) <= self.cap
    }

    fn put(&mut self, bytes: &[u8]) {
        if !self.is_on() {
            return;
        }
        match self.sink.write_all(bytes) {
            Ok(()) => self.written += bytes.len() as u64,
            Err(error) => (self.stop, self.error) = (Some(Stop::Unwritable), Some(error)),
        }
    }
}

/// All that a connection shows of itself.
pub(crate) fn observe(hash: &mut Hash, conn: &Connection) {
    let stats = conn.stats();
    let state = match conn.state() {
        State::Open => 0,
        State::CloseSent => 1,
        State::CloseReceived => 2,
        State::Closed => 3,
    };
    let hangup = match conn.hangup() {
        Hangup::NotYet => 0,
        Hangup::ShutdownWrite => 1,
        Hangup::Drop => 2,
    };
    let time = |time: Option<Timestamp>| time.map_or(0, |time| time.as_nanos().saturating_add(1));
    hash.word(state | hangup << 8 | u64::from(conn.can_send()) << 16);
    hash.word(time(conn.deadline()));
    hash.word(time(conn.write_deadline()));
    hash.word(stats.messages_received);
    hash.word(stats.messages_sent);
    hash.word(stats.frames_received);
    hash.word(stats.frames_sent);
    hash.word(stats.bytes_received);
    hash.word(stats.bytes_sent);
    hash.word(stats.bytes_queued as u64);
    hash.word(stats.round_trip.map_or(0, |time| 1 + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1)));
    if let Some(compression) = stats.compression {
        hash.word(compression.sent_plain);
        hash.word(compression.sent_compressed);
        hash.word(compression.received_plain);
        hash.word(compression.received_compressed);
    }
    if let Some(outcome) = conn.outcome() {
        let initiator = u64::from(outcome.initiator == Initiator::Local);
        let cause = u64::from(code::of_cause(outcome.cause));
        hash.word(u64::from(outcome.code()) | initiator << 16 | cause << 24);
    }
}
