//! The methods of [`Inbox`].

use std::io::Write;

use websans::{Chunk, Connection, Inbox, Kind, Message, Part, Payload, ProtocolError};

use super::{Recorder, Seen, flags};
use crate::code;
use crate::record::{MOST_LENT, Stop, tag};
use crate::tape::observe;

/// [`Inbox`].
impl<W: Write> Recorder<W> {
    /// [`Inbox::spare_mut`].
    pub fn spare_mut(&mut self) -> &mut [u8] {
        self.spare = true;
        self.inbox.spare_mut()
    }

    /// [`Inbox::filled`]. If [`spare_mut`](Self::spare_mut) was not the call before, it is called first.
    pub fn filled(&mut self, n: usize) {
        self.spare = false;
        if self.tape.is_on() {
            let spare = self.inbox.spare_mut();
            self.tape.begin(tag::FILLED).bytes(spare.get(..n).unwrap_or(spare));
        }
        self.inbox.filled(n);
        if self.tape.is_on() {
            self.end(code::NOTHING);
        }
    }

    /// [`Inbox::preload`].
    pub fn preload(&mut self, bytes: &[u8]) {
        let on = self.settle();
        self.inbox.preload(bytes);
        if on {
            self.tape.begin(tag::PRELOAD).bytes(bytes);
            self.end(code::NOTHING);
        }
    }

    /// [`Inbox::next`].
    ///
    /// # Errors
    /// As there.
    #[allow(clippy::should_implement_trait, reason = "what it finds is lent")]
    pub fn next(&mut self) -> Result<bool, ProtocolError> {
        self.advance(tag::NEXT, Inbox::next)
    }

    /// [`Inbox::next_chunk`].
    ///
    /// # Errors
    /// As there.
    pub fn next_chunk(&mut self) -> Result<bool, ProtocolError> {
        self.advance(tag::NEXT_CHUNK, Inbox::next_chunk)
    }

    fn advance(
        &mut self,
        tag: u8,
        next: impl FnOnce(&mut Inbox, &mut Connection) -> Result<bool, ProtocolError>,
    ) -> Result<bool, ProtocolError> {
        let on = self.settle();
        let found = next(&mut self.inbox, &mut self.conn);
        if on {
            self.tape.begin(tag);
            if let Some(chunk) = self.inbox.chunk() {
                let flags = u64::from(chunk.kind == Kind::Text) | u64::from(chunk.first) << 1;
                self.tape.hash().word(flags | u64::from(chunk.last) << 2);
                self.tape.hash().bytes(chunk.payload);
            }
            self.end(code::of_next(found));
        }
        found
    }

    /// [`Inbox::accept`].
    ///
    /// # Errors
    /// As there.
    pub fn accept<'a, 'b: 'a>(&'a mut self, part: Part<'b>) -> Result<Option<Message<'a>>, ProtocolError> {
        if !self.settle() {
            return self.inbox.accept(&mut self.conn, part);
        }
        if self.part.as_ref() == Some(&Seen::new(&part)) {
            self.tape.begin(tag::ACCEPT_LAST);
        } else {
            self.tape.begin(tag::ACCEPT).byte(flags(&part)).bytes(part.payload);
        }
        // As `end`, which would borrow what the message is lent from.
        let Self { conn, inbox, tape, keys, .. } = self;
        let accepted = inbox.accept(conn, part);
        let result = match &accepted {
            Ok(Some(message)) => {
                tape.hash().bytes(message.as_bytes());
                code::SOMETHING
            }
            Ok(None) => code::NOTHING,
            Err(error) => code::of_error(*error),
        };
        observe(tape.hash(), conn);
        match keys {
            Some(keys) => keys.drain(|keys| tape.end(result, keys)),
            None => tape.end(result, &[]),
        }
        accepted
    }

    /// [`Inbox::take`].
    #[must_use]
    pub fn take(&mut self) -> Option<Payload<'static>> {
        let on = self.settle();
        let taken = self.inbox.take();
        if on {
            self.tape.begin(tag::TAKE);
            self.end(taken.is_some().into());
        }
        taken
    }

    /// [`Inbox::park`].
    pub fn park_inbox(&mut self) -> Option<Vec<u8>> {
        let on = self.settle();
        let parked = self.inbox.park();
        if on {
            self.tape.begin(tag::INBOX_PARK);
            self.tape.hash().word(parked.as_ref().map_or(0, |buffer| buffer.len() as u64));
            self.end(parked.is_some().into());
        }
        parked
    }

    /// [`Inbox::lend`]. The recording stops at a buffer of more than 16 MiB.
    pub fn lend_inbox(&mut self, buffer: Vec<u8>) {
        let on = self.settle();
        let len = buffer.len();
        self.inbox.lend(buffer);
        if on && len > MOST_LENT {
            self.tape.stop(Stop::Inexpressible);
        } else if on {
            self.tape.begin(tag::INBOX_LEND).int(len as u64);
            self.end(code::NOTHING);
        }
    }

    /// [`Inbox::message`].
    #[must_use]
    pub fn message(&self) -> Option<Message<'_>> {
        self.inbox.message()
    }

    /// [`Inbox::chunk`].
    #[must_use]
    pub fn chunk(&self) -> Option<Chunk<'_>> {
        self.inbox.chunk()
    }

    /// [`Inbox::has_buffer`].
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.inbox.has_buffer()
    }
}
