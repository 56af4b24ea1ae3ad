//! [`Record`]: one call, or one thing that the transport did; [`Recording`], which reads them.

use websans::deflate::Parameters;
use websans::{CloseCode, Kind, ProtocolError};

use crate::code;
use crate::coding::{Bad, Cursor};
use crate::error::FormatError;
use crate::header::{Header, read_parameters};

/// The first byte of each record.
pub(crate) mod tag {
    pub(crate) const KEYS: u8 = 0x01;
    pub(crate) const STOPPED: u8 = 0x02;

    pub(crate) const WAKE: u8 = 0x10;
    pub(crate) const TICK: u8 = 0x11;
    pub(crate) const TICK_WRITES: u8 = 0x12;
    pub(crate) const NOTE_BLOCKED: u8 = 0x13;
    pub(crate) const NOTE_STALLED: u8 = 0x14;
    pub(crate) const EOF: u8 = 0x15;
    pub(crate) const ABORT: u8 = 0x16;
    pub(crate) const FAIL: u8 = 0x17;
    pub(crate) const SET_STREAMED: u8 = 0x18;
    pub(crate) const PARK: u8 = 0x19;

    pub(crate) const RECEIVE: u8 = 0x20;
    pub(crate) const SPARE: u8 = 0x21;
    pub(crate) const FILLED: u8 = 0x22;
    pub(crate) const PRELOAD: u8 = 0x23;
    pub(crate) const NEXT: u8 = 0x24;
    pub(crate) const NEXT_CHUNK: u8 = 0x25;
    pub(crate) const TAKE: u8 = 0x26;
    pub(crate) const ACCEPT_LAST: u8 = 0x27;
    pub(crate) const ACCEPT: u8 = 0x28;
    pub(crate) const INBOX_PARK: u8 = 0x29;
    pub(crate) const INBOX_LEND: u8 = 0x2A;

    pub(crate) const SEND: u8 = 0x30;
    pub(crate) const SEND_PART: u8 = 0x31;
    pub(crate) const SEND_PREPARED: u8 = 0x32;
    pub(crate) const FLUSH_PART: u8 = 0x33;
    pub(crate) const PING: u8 = 0x34;
    pub(crate) const PONG: u8 = 0x35;
    pub(crate) const CLOSE: u8 = 0x36;

    pub(crate) const WRITTEN: u8 = 0x40;
    pub(crate) const TAKEN: u8 = 0x41;
    pub(crate) const OUTBOX_PARK: u8 = 0x42;
    pub(crate) const OUTBOX_LEND: u8 = 0x43;

    pub(crate) const AGREED: u8 = 0x50;
    pub(crate) const RECEIVED: u8 = 0x51;
    pub(crate) const SENT: u8 = 0x52;
    pub(crate) const ENDED: u8 = 0x53;
    pub(crate) const SHUT: u8 = 0x54;
    pub(crate) const FAILED: u8 = 0x55;
}

/// The bits that stand before a payload.
pub(crate) mod flag {
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const PLAIN: u8 = 2;
    pub(crate) const COMPRESS: u8 = 4;
    pub(crate) const SHARED: u8 = 8;
    pub(crate) const LAST: u8 = 16;
    pub(crate) const FIRST: u8 = 32;
    pub(crate) const COMPRESSED: u8 = 64;
    pub(crate) const ASCII: u8 = 128;
}

/// A buffer that is lent may be so long; a recording stops at a longer one.
pub(crate) const MOST_LENT: usize = 16 << 20;

/// Why a recording stops before the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// It has reached its cap.
    Full,
    /// Something was done that it cannot express.
    Inexpressible,
    /// What it was written to failed. This never stands in a file.
    Unwritable,
}

/// What was sent, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Said<'f> {
    /// Text or binary.
    pub kind: Kind,
    /// The payload.
    pub bytes: &'f [u8],
    /// What was said of its compression.
    pub compress: Option<bool>,
    /// Whether the outbox could queue it uncopied.
    pub shared: bool,
}

/// A part as it was handed to [`Inbox::accept`](websans::Inbox::accept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handed<'f> {
    /// Text or binary.
    pub kind: Kind,
    /// The payload.
    pub bytes: &'f [u8],
    pub(crate) flags: u8,
}

/// One call of a method, by its name; or one thing that a [`Tap`](crate::Tap) saw.
///
/// Times are differences to the time before, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "named after the methods")]
pub enum Record<'f> {
    /// The recording ends here, the connection did not.
    Stopped(Stop),

    Wake(i64),
    Tick(i64),
    TickWrites(i64),
    NoteBlocked,
    NoteStalled,
    Eof,
    Abort,
    Fail(ProtocolError),
    SetStreamed(bool),
    Park,

    /// With what was taken from the input.
    Receive(&'f [u8]),
    SpareMut,
    /// `spare_mut`, and `filled` with these bytes.
    Filled(&'f [u8]),
    Preload(&'f [u8]),
    Next,
    NextChunk,
    Take,
    /// With the part that was received last.
    AcceptLast,
    /// With another one.
    Accept(Handed<'f>),
    InboxPark,
    /// With a buffer of this length.
    InboxLend(usize),

    Send(Said<'f>),
    SendPart(Said<'f>, bool),
    SendPrepared(Said<'f>),
    FlushPart,
    Ping(&'f [u8]),
    Pong(&'f [u8]),
    Close(Option<CloseCode>, &'f str),

    /// So many bytes of the outbox were written.
    Written(usize),
    /// So many bytes were taken out of it.
    Taken(usize),
    OutboxPark,
    /// With storage of this capacity.
    OutboxLend(usize),

    /// A [`Tap`](crate::Tap): what the handshake came to.
    Agreed {
        /// The subprotocol.
        protocol: Option<&'f str>,
        /// The parameters of compression.
        deflate: Option<Parameters>,
    },
    /// A read returned this.
    Received(i64, &'f [u8]),
    /// A write took this.
    Sent(i64, &'f [u8]),
    /// A read returned the end.
    Ended(i64),
    /// The writing side was shut down.
    Shut(i64),
    /// A read (false) or a write (true) failed.
    Failed(i64, bool),
}

/// A record with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'f> {
    pub(crate) record: Record<'f>,
    /// The masking keys that were drawn.
    pub(crate) keys: &'f [u8],
    pub(crate) result: u8,
    pub(crate) offset: usize,
    /// The whole record, with its keys.
    pub(crate) bytes: &'f [u8],
}

/// A file that is read: a header, then records. It borrows the file and copies nothing.
#[derive(Clone, Debug)]
pub struct Recording<'f> {
    header: Header,
    cursor: Cursor<'f>,
    len: usize,
    stopped: bool,
}

impl<'f> Recording<'f> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn read(file: &'f [u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor(file);
        let header = Header::read(&mut cursor)?;
        Ok(Self { header, cursor, len: file.len(), stopped: false })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// [`FormatError`], again and again.
    #[allow(clippy::should_implement_trait, reason = "it can fail for good")]
    pub fn next_record(&mut self) -> Result<Option<Record<'f>>, FormatError> {
        Ok(self.entry()?.map(|entry| entry.record))
    }

    /// Bytes of the file that have been read.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.len - self.cursor.0.len()
    }

    pub(crate) fn entry(&mut self) -> Result<Option<Entry<'f>>, FormatError> {
        if self.cursor.0.is_empty() {
            return Ok(None);
        }
        let (offset, from) = (self.offset(), self.cursor.0);
        let mut cursor = self.cursor;
        let entry = if self.stopped {
            Err(Bad::Wrong("a record behind the last"))
        } else {
            entry(&mut cursor, self.header.source == crate::Source::Transport)
        };
        let (record, keys, result) = entry.map_err(|bad| FormatError::of(bad, self.len - cursor.0.len()))?;
        self.stopped = matches!(record, Record::Stopped(_));
        self.cursor = cursor;
        let bytes = from.get(..from.len() - cursor.0.len()).unwrap_or_default();
        Ok(Some(Entry { record, keys, result, offset, bytes }))
    }
}

fn entry<'f>(cursor: &mut Cursor<'f>, transport: bool) -> Result<(Record<'f>, &'f [u8], u8), Bad> {
    let mut tag = cursor.byte()?;
    let mut keys = &[][..];
    if tag == tag::KEYS {
        let count = cursor.size()?;
        if count == 0 {
            return Err(Bad::Wrong("no keys"));
        }
        keys = cursor.take(count.checked_mul(4).ok_or(Bad::Wrong("too many keys"))?)?;
        tag = cursor.byte()?;
    }
    if tag == tag::STOPPED {
        let stop = match cursor.byte()? {
            1 => Stop::Full,
            2 => Stop::Inexpressible,
            _ => return Err(Bad::Wrong("unknown reason to stop")),
        };
        if !keys.is_empty() {
            return Err(Bad::Wrong("keys without a call"));
        }
        return Ok((Record::Stopped(stop), keys, code::NOTHING));
    }
    if (tag >= tag::AGREED) != transport {
        return Err(Bad::Wrong("a record of the other kind of recording"));
    }
    let record = body(tag, cursor)?;
    let result = cursor.byte()?;
    cursor.take(4)?;
    Ok((record, keys, result))
}

fn body<'f>(tag: u8, cursor: &mut Cursor<'f>) -> Result<Record<'f>, Bad> {
    Ok(match tag {
        tag::WAKE => Record::Wake(cursor.signed()?),
        tag::TICK => Record::Tick(cursor.signed()?),
        tag::TICK_WRITES => Record::TickWrites(cursor.signed()?),
        tag::NOTE_BLOCKED => Record::NoteBlocked,
        tag::NOTE_STALLED => Record::NoteStalled,
        tag::EOF => Record::Eof,
        tag::ABORT => Record::Abort,
        tag::FAIL => Record::Fail(code::to_error(cursor.byte()?).ok_or(Bad::Wrong("unknown error"))?),
        tag::SET_STREAMED => Record::SetStreamed(cursor.bool()?),
        tag::PARK => Record::Park,
        tag::RECEIVE => Record::Receive(cursor.bytes()?),
        tag::SPARE => Record::SpareMut,
        tag::FILLED => Record::Filled(cursor.bytes()?),
        tag::PRELOAD => Record::Preload(cursor.bytes()?),
        tag::NEXT => Record::Next,
        tag::NEXT_CHUNK => Record::NextChunk,
        tag::TAKE => Record::Take,
        tag::ACCEPT_LAST => Record::AcceptLast,
        tag::ACCEPT => {
            let flags = cursor.byte()?;
            Record::Accept(Handed { kind: kind(flags), bytes: cursor.bytes()?, flags })
        }
        tag::INBOX_PARK => Record::InboxPark,
        tag::INBOX_LEND => Record::InboxLend(lent(cursor)?),
        tag::SEND => Record::Send(said(cursor)?.0),
        tag::SEND_PART => {
            let (said, flags) = said(cursor)?;
            Record::SendPart(said, flags & flag::LAST != 0)
        }
        tag::SEND_PREPARED => Record::SendPrepared(said(cursor)?.0),
        tag::FLUSH_PART => Record::FlushPart,
        tag::PING => Record::Ping(cursor.bytes()?),
        tag::PONG => Record::Pong(cursor.bytes()?),
        tag::CLOSE => {
            let code = match u16::try_from(cursor.int()?) {
                Ok(0) => None,
                code => Some(code.ok().and_then(CloseCode::new).ok_or(Bad::Wrong("no close code"))?),
            };
            Record::Close(code, text(cursor)?)
        }
        tag::WRITTEN => Record::Written(cursor.size()?),
        tag::TAKEN => Record::Taken(cursor.size()?),
        tag::OUTBOX_PARK => Record::OutboxPark,
        tag::OUTBOX_LEND => Record::OutboxLend(lent(cursor)?),
        tag::AGREED => {
            Record::Agreed { protocol: cursor.option(text)?, deflate: cursor.option(read_parameters)? }
        }
        tag::RECEIVED => Record::Received(cursor.signed()?, cursor.bytes()?),
        tag::SENT => Record::Sent(cursor.signed()?, cursor.bytes()?),
        tag::ENDED => Record::Ended(cursor.signed()?),
        tag::SHUT => Record::Shut(cursor.signed()?),
        tag::FAILED => Record::Failed(cursor.signed()?, cursor.bool()?),
        _ => return Err(Bad::Wrong("unknown record")),
    })
}

fn text<'f>(cursor: &mut Cursor<'f>) -> Result<&'f str, Bad> {
    core::str::from_utf8(cursor.bytes()?).map_err(|_| Bad::Wrong("text is not UTF-8"))
}

fn lent(cursor: &mut Cursor<'_>) -> Result<usize, Bad> {
    let len = cursor.size()?;
    if len > MOST_LENT { Err(Bad::Wrong("a buffer beyond 16 MiB")) } else { Ok(len) }
}

fn kind(flags: u8) -> Kind {
    if flags & flag::TEXT != 0 { Kind::Text } else { Kind::Binary }
}

fn said<'f>(cursor: &mut Cursor<'f>) -> Result<(Said<'f>, u8), Bad> {
    let flags = cursor.byte()?;
    let compress = match flags & (flag::PLAIN | flag::COMPRESS) {
        0 => None,
        flag::PLAIN => Some(false),
        flag::COMPRESS => Some(true),
        _ => return Err(Bad::Wrong("compressed and not")),
    };
    let said =
        Said { kind: kind(flags), bytes: cursor.bytes()?, compress, shared: flags & flag::SHARED != 0 };
    Ok((said, flags))
}
