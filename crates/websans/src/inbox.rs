//! [`Inbox`]: received bytes to messages.

mod chunks;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use crate::assembler::Assembler;
use crate::config::Config;
use crate::connection::{Connection, Event, Part};
use crate::deflate::Decode;
use crate::error::ProtocolError;
use crate::message::{Kind, Message, Payload};
use crate::text::{self, Utf8};

pub use chunks::Chunk;
use chunks::Held;

/// The first read buffer's size; it grows to [`Config::read_buffer`] while reads fill it.
const FIRST_READ: u32 = 2 << 10;

/// Received bytes, and the whole messages or checked chunks that a [`Connection`] makes of them.
///
/// Read from the transport into [`spare_mut`](Self::spare_mut), say how much with [`filled`](Self::filled), then
/// call [`next`](Self::next) until it says `false`. A message that arrived in one piece is lent from the read buffer;
/// any other byte is copied at most once, and most of a long message's are read straight into their place.
///
/// ```
/// use websans::{Config, Message, Negotiated, Role, Timestamp};
///
/// let now = Timestamp::from_nanos(0);
/// let (mut server, mut inbox) = websans::open(Role::Server, Config::default(), Negotiated::default(), now);
/// let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// inbox.spare_mut()[..bytes.len()].copy_from_slice(&bytes);
/// inbox.filled(bytes.len());
/// assert!(inbox.next(&mut server)?);
/// assert_eq!(inbox.message(), Some(Message::Text("Hello")));
/// assert!(!inbox.next(&mut server)?);
/// # Ok::<(), websans::ProtocolError>(())
/// ```
pub struct Inbox {
    /// Unread bytes are `buffer[start..end]`. Its length is its size: it is filled with zeros once.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes in the assembler's room that the connection has not seen yet. The buffer is empty meanwhile.
    direct: usize,
    /// Bytes still to come of the present frame, if they may be read into the assembler's room.
    remaining: u64,
    assembler: Assembler,
    held: Option<Held>,
    largest_read: u32,
    next_read: u32,
    mode: Mode,
    compressed: bool,
    /// No chunk of the message has been given out yet.
    fresh: bool,
    ready: Ready,
}

const _: () = assert!(size_of::<Inbox>() <= 152);

/// Who gets the message that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// There is none.
    Between,
    /// `next`, when it is whole.
    Whole,
    /// `next_chunk`, as it comes.
    Chunks,
}

/// What the last call made available. It is forgotten before any of its bytes may change.
#[derive(Clone, Copy)]
struct Ready {
    place: Place,
    /// Its bytes, if they are in the buffer.
    len: usize,
    kind: Kind,
    /// It is one whole text message, checked from its beginning to its end.
    is_text: bool,
    first: bool,
    last: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Nowhere,
    /// Right before the unread bytes.
    Buffer,
    Assembly,
}

const NOT_READY: Ready =
    Ready { place: Place::Nowhere, len: 0, kind: Kind::Binary, is_text: false, first: false, last: false };

/// A [`Part`] without its borrow.
struct Located {
    start: usize,
    len: usize,
    direct: bool,
    kind: Kind,
    first: bool,
    last: bool,
    compressed: bool,
    ascii: bool,
}

impl Inbox {
    pub(crate) fn new(config: &Config, decode: Option<Box<dyn Decode>>) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            direct: 0,
            remaining: 0,
            assembler: Assembler::new(decode),
            held: None,
            largest_read: u32::try_from(config.read_buffer).unwrap_or(u32::MAX).max(FIRST_READ),
            next_read: FIRST_READ,
            mode: Mode::Between,
            compressed: false,
            fresh: false,
            ready: NOT_READY,
        }
    }

    /// Room to read into: never empty once [`next`](Self::next) has said `false`.
    ///
    /// The bytes in it mean nothing. A message that was lent is forgotten.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        self.forget();
        if self.reads_into_place() && self.assembler.room(self.next_read as usize, self.remaining).is_empty()
        {
            // No memory. The bytes are read elsewhere, and fail where they are to be gathered, if there is none then.
            self.remaining = 0;
        }
        if self.reads_into_place() {
            return self.assembler.room(self.next_read as usize, self.remaining);
        }
        if self.start == self.end && self.held.is_none() {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() < self.next_read as usize {
                self.buffer = vec![0; self.next_read as usize];
            }
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `n` bytes of [`spare_mut`](Self::spare_mut) have been read. More than there is room counts as all.
    pub fn filled(&mut self, n: usize) {
        self.forget();
        if self.reads_into_place() {
            self.direct = n.min(self.assembler.room(0, self.remaining).len());
            return;
        }
        let room = self.buffer.len() - self.end;
        if n >= room && self.end == 0 {
            // The read came back full: there may be more to have at once next time.
            self.next_read = self.next_read.saturating_mul(2).min(self.largest_read);
        }
        self.end += n.min(room);
    }

    /// Takes bytes that were read before there was an inbox, such as those behind a handshake.
    pub fn preload(&mut self, bytes: &[u8]) {
        self.forget();
        // A part that is held lies before the unread bytes.
        let base = self.start - self.held.map_or(0, |held| held.len);
        let mut all = self.buffer.get(base..self.end).unwrap_or_default().to_vec();
        all.extend_from_slice(bytes);
        (self.start, self.end) = (self.start - base, all.len());
        self.buffer = all;
    }

    /// Goes on to the next whole message: `true` if [`message`](Self::message) now lends it, `false` if more bytes
    /// must be read first. Skips the rest of a message whose beginning was taken by [`next_chunk`](Self::next_chunk).
    ///
    /// # Errors
    /// Once, when the peer breaks the protocol; the connection has then [failed](Connection::fail). All messages
    /// before have been lent.
    #[inline]
    pub fn next(&mut self, conn: &mut Connection) -> Result<bool, ProtocolError> {
        self.forget();
        if self.mode == Mode::Chunks && self.fresh {
            // Nothing of the message has been given out: it can still be had whole.
            self.mode = Mode::Whole;
        }
        while self.mode == Mode::Chunks {
            if !self.next_chunk(conn)? {
                return Ok(false);
            }
            self.forget();
        }
        if self.mode == Mode::Between {
            conn.set_streamed(false);
        }
        while let Some(part) = self.pull(conn)? {
            if self.gather(conn, &part)? {
                return Ok(true);
            }
        }
        let in_place = self.mode == Mode::Whole && !self.compressed;
        if conn.ignores_input() {
            // What was gathered will not be delivered.
            self.assembler.end();
        }
        self.remaining = if in_place { conn.remaining_in_frame() } else { 0 };
        Ok(false)
    }

    /// The message that [`next`](Self::next) has found.
    #[must_use]
    #[inline]
    pub fn message(&self) -> Option<Message<'_>> {
        // A chunk that was lent as one is a message only if it is all of it.
        let chunk = self.chunk().filter(|chunk| chunk.first && chunk.last)?;
        match chunk.kind {
            Kind::Text if self.ready.is_text => Some(Message::Text(text::checked(chunk.payload))),
            Kind::Text => core::str::from_utf8(chunk.payload).ok().map(Message::Text),
            Kind::Binary => Some(Message::Binary(chunk.payload)),
        }
    }

    /// The message that [`next`](Self::next) has found, to be kept or sent on: uncopied if it was gathered from more than one
    /// read, as long ones are, else at the cost of one copy. It is no longer lent then.
    #[must_use]
    pub fn take(&mut self) -> Option<Payload<'static>> {
        let message = self.message()?;
        let taken = match self.ready.place {
            // `Payload::new` would have text checked once more when it is sent on.
            Place::Assembly => {
                Payload::owned(message.kind(), self.ready.is_text, self.assembler.take().into())
            }
            _ => Payload::owned(
                message.kind(),
                message.kind() == Kind::Text,
                Bytes::copy_from_slice(message.as_bytes()),
            ),
        };
        self.forget();
        Some(taken)
    }

    /// The piece that [`next_chunk`](Self::next_chunk) has found.
    #[must_use]
    #[inline]
    pub fn chunk(&self) -> Option<Chunk<'_>> {
        let Ready { place, len, kind, first, last, .. } = self.ready;
        let payload = match place {
            Place::Nowhere => return None,
            Place::Buffer => self.buffer.get(self.start.checked_sub(len)?..self.start)?,
            Place::Assembly => self.assembler.bytes(),
        };
        Some(Chunk { kind, payload, first, last })
    }

    /// Makes messages of parts that lie in a buffer of the caller's, who drives [`Connection::receive`] himself:
    /// for servers with one receive buffer for many connections. A message in one part is lent from there.
    ///
    /// Not to be mixed with the methods that read into the inbox.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn accept<'a, 'b: 'a>(
        &'a mut self,
        conn: &mut Connection,
        part: Part<'b>,
    ) -> Result<Option<Message<'a>>, ProtocolError> {
        self.forget();
        let Part { kind, payload, first, last, compressed, ascii: _ } = part;
        if first && last && !compressed {
            // Anybody can have made this part: its word that it is ASCII is not enough.
            check_whole(kind, payload).inspect_err(|error| conn.fail(*error))?;
            return Ok(Some(match kind {
                Kind::Text => Message::Text(text::checked(payload)),
                Kind::Binary => Message::Binary(payload),
            }));
        }
        if first {
            self.assembler.begin(kind);
        }
        self.assembler
            .gather(payload, last, compressed, conn.inflate_budget(false))
            .inspect_err(|error| conn.fail(*error))?;
        if compressed {
            conn.note_inflated(self.assembler.inflated());
        }
        if !last {
            return Ok(None);
        }
        self.fresh = true;
        self.offer(Place::Assembly, 0, true);
        Ok(self.message())
    }

    /// Takes the read buffer away if nothing in it is unread, for a pool or to be dropped, along with what else an idle
    /// inbox does not need: it then owns no storage. It makes a new buffer when it needs one, or is
    /// [lent](Self::lend) one.
    pub fn park(&mut self) -> Option<Vec<u8>> {
        self.forget();
        if self.start != self.end || self.direct > 0 || self.held.is_some() {
            return None;
        }
        if self.mode == Mode::Between {
            self.assembler.release(0);
            self.next_read = (self.next_read / 2).max(FIRST_READ);
        }
        (self.start, self.end) = (0, 0);
        Some(mem::take(&mut self.buffer)).filter(|buffer| !buffer.is_empty())
    }

    /// Whether the inbox has a read buffer of its own.
    #[must_use]
    #[inline]
    pub fn has_buffer(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Gives the inbox a read buffer, whose length is what may be read at once. Without effect if it has one; one that is
    /// shorter than the next read (2 KiB at least) is replaced.
    pub fn lend(&mut self, buffer: Vec<u8>) {
        if self.buffer.is_empty() {
            self.buffer = buffer;
        }
    }

    /// Whether the next bytes go straight behind those gathered so far.
    fn reads_into_place(&self) -> bool {
        self.start == self.end && self.direct == 0 && self.remaining > 0 && !self.assembler.is_empty()
    }

    /// What was lent is lent no longer.
    #[inline]
    fn forget(&mut self) {
        if let Place::Assembly = self.ready.place {
            self.assembler.clear();
            self.assembler.release(self.largest_read as usize);
        }
        self.ready.place = Place::Nowhere;
    }

    #[inline]
    fn offer(&mut self, place: Place, len: usize, last: bool) {
        // Only what was gathered is known as a whole; a chunk in the read buffer is but a chunk.
        let is_text = matches!(place, Place::Assembly) && self.assembler.is_text();
        let first = mem::take(&mut self.fresh);
        self.ready = Ready { place, len, kind: self.assembler.kind(), is_text, first, last };
        if last {
            self.mode = Mode::Between;
        }
    }

    fn begin(&mut self, part: &Located) {
        self.assembler.begin(part.kind);
        self.compressed = part.compressed;
        self.fresh = true;
    }

    /// The next part of a message, if the bytes at hand hold one.
    #[inline]
    fn pull(&mut self, conn: &mut Connection) -> Result<Option<Located>, ProtocolError> {
        loop {
            // Bytes that were read straight into their place come before those in the buffer.
            let direct = self.direct > 0;
            let mut input = if direct {
                self.assembler.read(self.direct)
            } else {
                self.buffer.get_mut(self.start..self.end).unwrap_or_default()
            };
            if input.is_empty() && direct {
                // The room has been put to another use meanwhile.
                self.direct = 0;
                continue;
            }
            if input.is_empty() {
                return Ok(None);
            }
            let event = conn.receive(&mut input);
            let unread = input.len();
            match event {
                Ok(Some(Event::Part(Part { kind, payload, first, last, compressed, ascii }))) => {
                    // A part's payload is the last thing that was taken from the input.
                    let len = payload.len();
                    let mut start = 0;
                    if direct {
                        self.direct = 0;
                    } else {
                        self.start = self.end - unread;
                        start = self.start - len;
                    }
                    return Ok(Some(Located { start, len, direct, kind, first, last, compressed, ascii }));
                }
                Ok(_) if direct => self.direct = 0,
                Ok(_) => self.start = self.end - unread,
                Err(error) => {
                    // The rest is swallowed, and counted.
                    let _ = conn.receive(&mut input);
                    self.assembler.end();
                    (self.start, self.end, self.direct) = (0, 0, 0);
                    return Err(error);
                }
            }
        }
    }

    /// The message broke a rule: so did the connection, and what is unread will not be looked at.
    #[cold]
    fn fail(&mut self, conn: &mut Connection, error: ProtocolError) -> ProtocolError {
        conn.fail(error);
        let mut unread = self.buffer.get_mut(self.start..self.end).unwrap_or_default();
        let _ = conn.receive(&mut unread); // swallowed, and counted
        self.assembler.end();
        (self.start, self.end, self.direct, self.held) = (0, 0, 0, None);
        error
    }

    /// True if the message is whole and lent.
    #[inline]
    fn gather(&mut self, conn: &mut Connection, part: &Located) -> Result<bool, ProtocolError> {
        // The connection has seen to it at the header, unless that was looked at for chunks.
        let len = self.assembler.bytes().len().saturating_add(part.len) as u64;
        let limit = conn.config().max_message;
        if !part.compressed && len.saturating_add(conn.remaining_in_frame()) > limit {
            return Err(self.fail(conn, ProtocolError::MessageTooBig));
        }
        let payload = self.buffer.get(part.start..part.start + part.len).unwrap_or_default();
        if part.first && part.last && !part.compressed && !part.direct {
            if !part.ascii {
                check_whole(part.kind, payload).map_err(|error| self.fail(conn, error))?;
            }
            let (place, is_text) = (Place::Buffer, part.kind == Kind::Text);
            self.ready = Ready { place, len: part.len, kind: part.kind, is_text, first: true, last: true };
            return Ok(true);
        }
        if part.first {
            self.begin(part);
            self.mode = Mode::Whole;
        }
        let gathered = if part.direct {
            self.assembler.keep(part.len, part.last)
        } else {
            let payload = self.buffer.get(part.start..part.start + part.len).unwrap_or_default();
            self.assembler.gather(payload, part.last, part.compressed, conn.inflate_budget(false))
        };
        gathered.map_err(|error| self.fail(conn, error))?;
        if part.compressed {
            conn.note_inflated(self.assembler.inflated());
        }
        if part.last {
            self.remaining = 0;
            self.offer(Place::Assembly, 0, true);
        }
        Ok(part.last)
    }
}

#[inline]
fn check_whole(kind: Kind, payload: &[u8]) -> Result<(), ProtocolError> {
    let mut utf8 = Utf8::new();
    if kind == Kind::Text && (utf8.push(payload).is_err() || !utf8.is_complete()) {
        return Err(ProtocolError::InvalidUtf8);
    }
    Ok(())
}

impl core::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inbox")
            .field("unread", &(self.end - self.start + self.direct))
            .field("gathered", &self.assembler.bytes().len())
            .finish_non_exhaustive()
    }
}
