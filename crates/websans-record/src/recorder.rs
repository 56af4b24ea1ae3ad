//! [`Recorder`]: a connection and its inbox, with every call written down.

mod inbox;

use core::fmt;
use core::ops::Deref;
use std::io::{self, Write};
use std::sync::Arc;

use websans::deflate::Flush;
use websans::{
    Close, CloseCode, Config, Connection, Event, Inbox, Kind, Negotiated, Part, Payload, Prepared,
    ProtocolError, Role, SendError, Timestamp,
};

use crate::code;
use crate::hash::Hash;
use crate::header::{Header, Source};
use crate::keys::KeyLog;
use crate::outbox::RecordedOutbox;
use crate::reach::Reach;
use crate::record::{Stop, flag, tag};
use crate::tape::{Tape, observe};

/// Most bytes of the input behind what was taken that an error can hang on: a header.
const HEADER: usize = websans::frame::Header::MAX_LEN;

/// A [`Connection`] and its [`Inbox`] whose life is recorded.
///
/// It has the methods of both, which do the same, and it [derefs](Deref) to the connection for what only looks. Recording
/// never changes what the connection does: when the cap is reached, or the sink fails, the recording
/// [stops](Self::stopped) and the connection goes on.
///
/// ```
/// use bytes::Buf;
/// use websans::{Config, Message, Negotiated, Role, Timestamp};
/// use websans_record::{Recorder, replay};
///
/// let now = Timestamp::from_nanos(0);
/// let negotiated = Negotiated::default();
/// let mut server = Recorder::open(Role::Server, Config::default(), negotiated, now, Vec::new(), 1 << 20);
///
/// let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// server.spare_mut()[..bytes.len()].copy_from_slice(&bytes);
/// server.filled(bytes.len());
/// assert!(server.next()?);
/// assert_eq!(server.message(), Some(Message::Text("Hello")));
/// server.send("Hello")?;
/// let n = server.outbox().chunk().len();
/// server.outbox().advance(n);
///
/// let file = server.finish();
/// let replayed = replay(&file)?;
/// assert_eq!(replayed.messages, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Recorder<W> {
    conn: Connection,
    inbox: Inbox,
    pub(crate) tape: Tape<W>,
    keys: Option<KeyLog>,
    /// `spare_mut` was called, which is not recorded if `filled` follows.
    spare: bool,
    /// The input of `receive`.
    ahead: Vec<u8>,
    reach: Reach,
    part: Option<Seen>,
}

/// The part that was received last: where it lies, its flags, and a hash of it.
#[derive(PartialEq, Eq)]
struct Seen(usize, usize, u8, [u8; 4]);

impl Seen {
    fn new(part: &Part<'_>) -> Self {
        let mut hash = Hash::new();
        hash.bytes(part.payload);
        Self(part.payload.as_ptr() as usize, part.payload.len(), flags(part), hash.check())
    }
}

fn flags(part: &Part<'_>) -> u8 {
    let bit = |is: bool, flag: u8| if is { flag } else { 0 };
    bit(part.kind == Kind::Text, flag::TEXT)
        | bit(part.first, flag::FIRST)
        | bit(part.last, flag::LAST)
        | bit(part.compressed, flag::COMPRESSED)
        | bit(part.ascii, flag::ASCII)
}

impl<W: Write> Recorder<W> {
    /// [`websans::open`], recorded into `sink`, in at most `cap` bytes. With a cap that has no room for the header (some
    /// 100 bytes) nothing is written at all.
    pub fn open(
        role: Role,
        config: impl Into<Arc<Config>>,
        negotiated: Negotiated,
        now: Timestamp,
        sink: W,
        cap: u64,
    ) -> Self {
        let config = config.into();
        let (role, keys) = KeyLog::wrap(role);
        let header = Header {
            source: Source::Calls,
            is_client: keys.is_some(),
            start: now,
            config: Config::clone(&config),
            protocol: negotiated.protocol.clone(),
            deflate: negotiated.deflate,
            has_codec: negotiated.codec.is_some(),
        };
        let tape = Tape::new(&header, sink, cap);
        let (conn, inbox) = websans::open(role, config, negotiated, now);
        let (ahead, reach) = (Vec::new(), Reach::default());
        Self { conn, inbox, tape, keys, spare: false, ahead, reach, part: None }
    }

    /// Why the recording has stopped, if it has.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.tape.stopped()
    }

    /// Why the sink failed, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.tape.error()
    }

    /// Bytes recorded so far.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.tape.written()
    }

    /// Ends the recording and drops the connection.
    pub fn finish(mut self) -> W {
        self.settle();
        self.tape.sink
    }

    /// Ends the recording; the connection goes on without it.
    pub fn into_parts(mut self) -> (Connection, Inbox, W) {
        self.settle();
        if let Some(keys) = &self.keys {
            keys.turn_off();
        }
        (self.conn, self.inbox, self.tape.sink)
    }

    /// Writes down a `spare_mut` that nothing followed. True if something is to be recorded.
    pub(crate) fn settle(&mut self) -> bool {
        if core::mem::take(&mut self.spare) && self.tape.is_on() {
            self.tape.begin(tag::SPARE);
            self.end(code::NOTHING);
        }
        self.tape.is_on()
    }

    fn end(&mut self, result: u8) {
        observe(self.tape.hash(), &self.conn);
        match &self.keys {
            Some(keys) => keys.drain(|keys| self.tape.end(result, keys)),
            None => self.tape.end(result, &[]),
        }
        if let (false, Some(keys)) = (self.tape.is_on(), &self.keys) {
            keys.turn_off();
        }
    }

    /// A call without arguments and results.
    fn plain(&mut self, tag: u8, call: impl FnOnce(&mut Connection)) {
        let on = self.settle();
        call(&mut self.conn);
        if on {
            self.tape.begin(tag);
            self.end(code::NOTHING);
        }
    }

    fn timed(&mut self, tag: u8, now: Timestamp, call: impl FnOnce(&mut Connection, Timestamp)) {
        let on = self.settle();
        call(&mut self.conn, now);
        if on {
            self.tape.begin(tag).time(now);
            self.end(code::NOTHING);
        }
    }
}

/// [`Connection`]: the outside world.
impl<W: Write> Recorder<W> {
    /// [`Connection::wake`].
    pub fn wake(&mut self, now: Timestamp) {
        self.timed(tag::WAKE, now, Connection::wake);
    }

    /// [`Connection::tick`].
    pub fn tick(&mut self, now: Timestamp) {
        self.timed(tag::TICK, now, Connection::tick);
    }

    /// [`Connection::tick_writes`].
    pub fn tick_writes(&mut self, now: Timestamp) {
        self.timed(tag::TICK_WRITES, now, Connection::tick_writes);
    }

    /// [`Connection::note_blocked`].
    pub fn note_blocked(&mut self) {
        self.plain(tag::NOTE_BLOCKED, Connection::note_blocked);
    }

    /// [`Connection::note_stalled`].
    pub fn note_stalled(&mut self) {
        self.plain(tag::NOTE_STALLED, Connection::note_stalled);
    }

    /// [`Connection::eof`].
    pub fn eof(&mut self) {
        self.plain(tag::EOF, Connection::eof);
    }

    /// [`Connection::abort`].
    pub fn abort(&mut self) {
        self.plain(tag::ABORT, Connection::abort);
    }

    /// [`Connection::fail`].
    pub fn fail(&mut self, error: ProtocolError) {
        let on = self.settle();
        self.conn.fail(error);
        if on {
            self.tape.begin(tag::FAIL).byte(code::of_error(error));
            self.end(code::NOTHING);
        }
    }

    /// [`Connection::set_streamed`].
    pub fn set_streamed(&mut self, streamed: bool) {
        let on = self.settle();
        self.conn.set_streamed(streamed);
        if on {
            self.tape.begin(tag::SET_STREAMED).byte(streamed.into());
            self.end(code::NOTHING);
        }
    }

    /// [`Connection::park`].
    pub fn park(&mut self) {
        self.plain(tag::PARK, Connection::park);
    }

    /// [`Connection::receive`].
    ///
    /// # Errors
    /// As there.
    pub fn receive<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        if !self.settle() || input.is_empty() {
            return self.conn.receive(input);
        }
        let all = input.len();
        // A connection that is closed for reading swallows everything.
        let open = matches!(self.conn.state(), websans::State::Open | websans::State::CloseSent);
        let reach = if open { self.reach.of(input).saturating_add(HEADER).min(all) } else { all };
        self.ahead.clear();
        self.ahead.extend_from_slice(input.get(..reach).unwrap_or_default());
        let received = self.conn.receive(input);
        let taken = all - input.len();
        // What an error hangs on may not have been taken.
        let needed = if received.is_err() { taken.saturating_add(HEADER).min(all) } else { taken };
        let (Some(bytes), Some(advance)) = (self.ahead.get(..needed), self.ahead.get(..taken)) else {
            self.tape.stop(Stop::Inexpressible);
            return received;
        };
        self.reach.advance(advance);
        self.tape.begin(tag::RECEIVE).bytes(bytes);
        let hash = self.tape.hash();
        let result = match &received {
            Ok(None) => code::NOTHING,
            Ok(Some(Event::Part(part))) => {
                let seen = Seen::new(part);
                hash.bytes(&seen.3);
                hash.word(seen.1 as u64 | u64::from(seen.2) << 56);
                self.part = Some(seen);
                code::PART
            }
            Ok(Some(Event::Ping(payload))) => {
                hash.bytes(payload);
                code::PING
            }
            Ok(Some(Event::Pong(payload))) => {
                hash.bytes(payload);
                code::PONG
            }
            Ok(Some(Event::Close(close))) => {
                hash.word(close.code.map_or(0, |code| code.get().into()));
                hash.bytes(close.reason.as_bytes());
                code::CLOSE
            }
            Ok(Some(_)) => code::SOMETHING,
            Err(error) => code::of_error(*error),
        };
        self.end(result);
        if self.ahead.capacity() > 4 << 10 {
            self.ahead = Vec::new();
        }
        received
    }
}

/// [`Connection`]: the application.
impl<W: Write> Recorder<W> {
    fn payload<'p>(
        &mut self,
        tag: u8,
        payload: Payload<'p>,
        more: u8,
        call: impl FnOnce(&mut Connection, Payload<'p>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        if !self.settle() {
            return call(&mut self.conn, payload);
        }
        // A client masks what nobody else holds where it lies. Nothing can be anybody's, but what is empty only says so if
        // something was in it once, which the replay does not know.
        let is_client = self.conn.is_client();
        let shared =
            payload.as_shared().is_some_and(|bytes| !is_client || !bytes.is_empty() && bytes.is_unique());
        let flags = said(payload.kind(), payload.compression()) | if shared { flag::SHARED } else { 0 };
        self.tape.begin(tag).byte(flags | more).bytes(payload.as_bytes());
        let sent = call(&mut self.conn, payload);
        self.end(code::of_send(sent));
        sent
    }

    /// [`Connection::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        self.payload(tag::SEND, payload.into(), 0, |conn, payload| conn.send(payload))
    }

    /// [`Connection::send_part`].
    ///
    /// # Errors
    /// As there.
    pub fn send_part<'p>(&mut self, part: impl Into<Payload<'p>>, last: bool) -> Result<(), SendError> {
        let more = if last { flag::LAST } else { 0 };
        self.payload(tag::SEND_PART, part.into(), more, |conn, part| conn.send_part(part, last))
    }

    /// [`Connection::write_part`]. It is recorded as what it consists of.
    ///
    /// # Errors
    /// As there.
    pub fn write_part<'p>(&mut self, part: impl Into<Payload<'p>>, flush: Flush) -> Result<(), SendError> {
        let part = part.into();
        if flush != Flush::Sync {
            return self.send_part(part, flush == Flush::End);
        }
        if !part.as_bytes().is_empty() {
            self.send_part(part, false)?;
        }
        self.flush_part()
    }

    /// [`Connection::flush_part`].
    ///
    /// # Errors
    /// As there.
    pub fn flush_part(&mut self) -> Result<(), SendError> {
        let on = self.settle();
        let flushed = self.conn.flush_part();
        if on {
            self.tape.begin(tag::FLUSH_PART);
            self.end(code::of_send(flushed));
        }
        flushed
    }

    /// [`Connection::send_prepared`].
    ///
    /// # Errors
    /// As there.
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        let on = self.settle();
        let sent = self.conn.send_prepared(prepared);
        if on {
            let flags = said(prepared.kind(), prepared.compression());
            self.tape.begin(tag::SEND_PREPARED).byte(flags).bytes(prepared.payload());
            self.end(code::of_send(sent));
        }
        sent
    }

    /// [`Connection::ping`].
    ///
    /// # Errors
    /// As there.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(tag::PING, payload, Connection::ping)
    }

    /// [`Connection::pong`].
    ///
    /// # Errors
    /// As there.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(tag::PONG, payload, Connection::pong)
    }

    fn control(
        &mut self,
        tag: u8,
        payload: &[u8],
        call: impl FnOnce(&mut Connection, &[u8]) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let on = self.settle();
        let sent = call(&mut self.conn, payload);
        if on {
            self.tape.begin(tag).bytes(payload);
            self.end(code::of_send(sent));
        }
        sent
    }

    /// [`Connection::close`].
    ///
    /// # Errors
    /// As there.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.close_with(Close::new(code, reason))
    }

    /// [`Connection::close_with`].
    ///
    /// # Errors
    /// As there.
    pub fn close_with(&mut self, close: Close<'_>) -> Result<(), SendError> {
        if !self.settle() {
            return self.conn.close_with(close);
        }
        let code = close.code.map_or(0, |code| code.get().into());
        self.tape.begin(tag::CLOSE).int(code).bytes(close.reason.as_bytes());
        let closed = self.conn.close_with(close);
        self.end(code::of_send(closed));
        closed
    }

    /// [`Connection::outbox`].
    pub fn outbox(&mut self) -> RecordedOutbox<'_, W> {
        self.settle();
        RecordedOutbox::new(self.conn.outbox(), &mut self.tape)
    }
}

fn said(kind: Kind, compress: Option<bool>) -> u8 {
    let kind = if kind == Kind::Text { flag::TEXT } else { 0 };
    kind | match compress {
        None => 0,
        Some(false) => flag::PLAIN,
        Some(true) => flag::COMPRESS,
    }
}

/// What only looks.
impl<W> Deref for Recorder<W> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl<W> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("conn", &self.conn)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
