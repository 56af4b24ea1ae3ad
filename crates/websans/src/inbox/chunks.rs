//! [`Chunk`]: messages that are taken as they arrive.

use super::{Inbox, Mode, Place};
use crate::connection::Connection;
use crate::error::ProtocolError;
use crate::message::Kind;

/// A piece of a message, unmasked, inflated and checked, lent by the [`Inbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk<'a> {
    /// The kind of the message.
    pub kind: Kind,
    /// The bytes. Those of text are UTF-8 so far, but may end within a character.
    pub payload: &'a [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

/// A compressed part that is not all inflated yet, for a reader of chunks. It lies right before the unread bytes.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) len: usize,
    last: bool,
}

impl Inbox {
    /// Goes on to the next piece of a message as it arrives, in bounded memory whatever the message's length:
    /// `true` if [`chunk`](Self::chunk) now lends it, `false` if more bytes must be read first. Messages that begin
    /// this way are held to [`Config::max_streamed`](crate::Config::max_streamed).
    ///
    /// # Errors
    /// As [`next`](Self::next); the pieces before have been lent.
    pub fn next_chunk(&mut self, conn: &mut Connection) -> Result<bool, ProtocolError> {
        self.forget();
        match self.mode {
            Mode::Between => conn.set_streamed(true),
            Mode::Chunks => {}
            Mode::Whole => {
                if conn.ignores_input() {
                    // As in `next`: the end has been told, and half a message does not follow it.
                    self.direct = 0;
                    self.assembler.end();
                }
                // What `next` has gathered so far is the first piece.
                while self.direct > 0 {
                    let Some(part) = self.pull(conn)? else { break };
                    if self.gather(conn, &part)? {
                        return Ok(true);
                    }
                }
                self.mode = Mode::Chunks;
                self.remaining = 0;
                if !self.assembler.is_empty() {
                    self.offer(Place::Assembly, 0, false);
                    return Ok(true);
                }
            }
        }
        loop {
            if conn.ignores_input() {
                self.held = None;
                self.assembler.end();
            }
            if let Some(held) = self.held.take() {
                if self.inflate_held(conn, held)? {
                    return Ok(true);
                }
                continue;
            }
            let Some(part) = self.pull(conn)? else { return Ok(false) };
            if part.first {
                self.begin(&part);
            }
            self.mode = Mode::Chunks;
            if part.compressed {
                self.held = Some(Held { len: part.len, last: part.last });
                continue;
            }
            let payload = self.buffer.get(part.start..part.start + part.len).unwrap_or_default();
            self.assembler.check(payload, part.last, part.ascii).map_err(|error| self.fail(conn, error))?;
            if part.len > 0 || part.last || self.fresh {
                self.offer(Place::Buffer, part.len, part.last);
                return Ok(true);
            }
        }
    }

    /// True if a piece came out and is lent.
    fn inflate_held(&mut self, conn: &mut Connection, held: Held) -> Result<bool, ProtocolError> {
        let mut input = self.buffer.get(self.start - held.len..self.start).unwrap_or_default();
        let more = self.assembler.inflate_step(&mut input, held.last, conn.inflate_budget(true));
        let unread = input.len();
        let more = more.map_err(|error| self.fail(conn, error))?;
        conn.note_inflated(self.assembler.inflated());
        let mut last = held.last;
        if more {
            self.held = Some(Held { len: unread, last });
            last = false;
        }
        if self.assembler.is_empty() && !last && !self.fresh {
            return Ok(false);
        }
        self.offer(Place::Assembly, 0, last);
        Ok(true)
    }
}
