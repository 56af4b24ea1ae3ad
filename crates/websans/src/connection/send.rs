//! The application to the outbox.

use super::Connection;
use crate::close::{Close, CloseCode};
use crate::deflate::Flush;
use crate::error::SendError;
use crate::frame::{Header, OpCode};
use crate::message::{Data, Kind, Payload};
use crate::prepared::Prepared;
use crate::text::Utf8;

/// A message that is being sent in parts.
#[derive(Clone, Copy)]
pub(super) struct Sending {
    pub(super) kind: Kind,
    pub(super) compressed: Compressed,
}

/// How far a message under way has come. A byte: connections are to be small.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressed {
    /// It is not compressed: each part has been queued.
    No,
    /// The compressor has taken in what there was of it.
    Unbegun,
    /// At least one frame has been queued.
    Begun,
}

impl Sending {
    /// The next frame's.
    pub(super) fn opcode(self) -> OpCode {
        if self.compressed == Compressed::Unbegun { self.kind.opcode() } else { OpCode::Continuation }
    }
}

impl Connection {
    /// Queues a whole message.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is queued then. [`SendError::OutboxFull`] comes only while something else waits: one
    /// message of any size always fits into an empty outbox.
    #[inline]
    pub fn send<'p>(&mut self, payload: impl Into<Payload<'p>>) -> Result<(), SendError> {
        let payload = payload.into();
        self.may_send()?;
        if self.sending.is_some() {
            return Err(SendError::MessageInProgress);
        }
        if !payload.check(&mut Utf8::new(), true) {
            return Err(SendError::InvalidUtf8);
        }
        self.room_for(payload.as_bytes().len())?;
        self.queue_part(payload.kind, payload.compress, true, payload.data);
        Ok(())
    }

    /// Queues a part of a message, each part as one frame. The first part's kind is the message's; `last` ends it.
    /// Parts of text may be cut anywhere, also within a character. What is compressed may wait for later parts or for
    /// [`flush_part`](Self::flush_part), and goes in as many frames as come about.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is queued then and the message under way can go on.
    pub fn send_part<'p>(&mut self, part: impl Into<Payload<'p>>, last: bool) -> Result<(), SendError> {
        let part = part.into();
        self.may_send()?;
        if self.sending.is_some_and(|message| message.kind != part.kind) {
            return Err(SendError::KindChanged);
        }
        let mut text = self.sent_text;
        if !part.check(&mut text, last) {
            return Err(SendError::InvalidUtf8);
        }
        self.room_for(part.as_bytes().len())?;
        self.sent_text = if last { Utf8::new() } else { text };
        self.queue_part(part.kind, part.compress, last, part.data);
        Ok(())
    }

    /// Queues a message that was encoded beforehand. A server shares its bytes, a client copies and masks them. If it is
    /// compressed, then once for all connections that compress alike and without context takeover; those with it compress
    /// it each.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        let len = prepared.payload().len();
        self.may_begin(len)?;
        // The message was checked when it was prepared.
        let compressed = self.compresses(prepared.compression(), prepared.kind(), Some(len));
        #[cfg(feature = "std")]
        if compressed && self.queue_prepared(prepared) {
            return Ok(());
        }
        if compressed || !self.shares_frames() {
            let data = Data::Borrowed(prepared.payload());
            self.queue_part(prepared.kind(), Some(compressed), true, data);
            return Ok(());
        }
        self.outbox.push_encoded(prepared.plain().bytes());
        self.frames_sent += 1;
        self.note_sent();
        Ok(())
    }

    /// Whether the frames that others send are those that this connection would send.
    pub(super) fn shares_frames(&self) -> bool {
        !self.is_client() && self.config.fragment_above.is_none()
    }

    /// Queues a Ping with at most 125 bytes of payload. The time until a Pong with the same payload arrives becomes
    /// [`Stats::round_trip`](crate::Stats::round_trip).
    ///
    /// # Errors
    /// [`SendError::ControlTooLong`], [`SendError::OutboxFull`], or [`SendError::Closing`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(OpCode::Ping, payload)?;
        self.timers.note_ping(payload);
        Ok(())
    }

    /// Queues a Pong with at most 125 bytes of payload: a heartbeat, or the answer to a Ping where
    /// [`Config::pong_reply`](crate::Config::pong_reply) leaves that to the application.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_control(OpCode::Pong, payload)
    }

    /// Starts the closing handshake, or answers the peer's Close in [`State::CloseReceived`](super::State::CloseReceived). Messages of the
    /// peer still arrive until its answer does.
    ///
    /// # Errors
    /// [`SendError::Closing`] if a Close has been sent, [`SendError::ReasonTooLong`] beyond 123 bytes
    /// ([`Close::fit`] cuts to size), [`SendError::CodeNotForServers`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.close_with(Close::new(code, reason))
    }

    /// [`close`](Self::close) with what may also be an empty Close: [`Close::default`].
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn close_with(&mut self, mut close: Close<'_>) -> Result<(), SendError> {
        self.may_send()?;
        if close.reason.len() > Close::MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        // "A status code of 1010 [...] is not used by the server, because it can fail the WebSocket handshake
        // instead" (RFC 6455 §7.4.1).
        if !self.is_client() && close.code == Some(CloseCode::MANDATORY_EXTENSION) {
            return Err(SendError::CodeNotForServers);
        }
        if close.code.is_none() {
            // A frame without a code has no place for a reason.
            close.reason = Default::default();
        }
        self.begin_close(close);
        Ok(())
    }

    /// Whether the outbox takes a message, or a part of one, of `len` bytes now: for an adapter that waits until it does
    /// before it gives the message away. An empty outbox takes any.
    #[must_use]
    #[inline]
    pub fn has_room(&self, len: usize) -> bool {
        !self.wants_write() || self.outbox.len().saturating_add(len) <= self.config.max_outbox
    }

    /// "An endpoint MUST NOT send any more data frames after sending a Close frame" (RFC 6455 §5.5.1).
    #[inline]
    pub(super) fn may_send(&self) -> Result<(), SendError> {
        if self.can_send() { Ok(()) } else { Err(SendError::Closing) }
    }

    fn may_begin(&self, len: usize) -> Result<(), SendError> {
        self.may_send()?;
        if self.sending.is_some() {
            return Err(SendError::MessageInProgress);
        }
        self.room_for(len)
    }

    #[inline]
    fn room_for(&self, len: usize) -> Result<(), SendError> {
        if self.has_room(len) { Ok(()) } else { Err(SendError::OutboxFull) }
    }

    fn send_control(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), SendError> {
        self.may_send()?;
        if payload.len() > 125 {
            return Err(SendError::ControlTooLong);
        }
        self.room_for(payload.len())?;
        self.queue_control(opcode, payload);
        Ok(())
    }

    pub(super) fn queue_control(&mut self, opcode: OpCode, payload: &[u8]) {
        let key = self.fresh_key();
        self.frames_sent += 1;
        self.outbox.push_control(opcode, key, payload);
    }

    /// Compresses, fragments, masks and queues. Everything has been checked. `compress` says of a message that begins
    /// what the application wants.
    #[inline]
    fn queue_part(&mut self, kind: Kind, compress: Option<bool>, last: bool, data: Data<'_>) {
        let message = match self.sending {
            Some(message) => message,
            None => {
                let len = last.then_some(data.as_slice().len());
                let compresses = self.compresses(compress, kind, len);
                let compressed = if compresses { Compressed::Unbegun } else { Compressed::No };
                Sending { kind, compressed }
            }
        };
        if message.compressed == Compressed::No {
            let opcode = if self.sending.is_none() { kind.opcode() } else { OpCode::Continuation };
            self.sending = Some(message);
            self.queue_frames(opcode, 0, last, data);
        } else {
            let flush = if last { Flush::End } else { Flush::None };
            self.queue_compressed(message, data.as_slice(), flush);
        }
        if last {
            self.sending = None;
            self.note_sent();
        }
    }

    #[inline]
    pub(super) fn queue_frames(&mut self, opcode: OpCode, rsv: u8, last: bool, data: Data<'_>) {
        match self.config.fragment_above {
            Some(limit) if data.as_slice().len() > limit => self.queue_fragments(opcode, rsv, last, &data),
            _ => self.queue_frame(opcode, rsv, last, data),
        }
    }

    fn queue_fragments(&mut self, mut opcode: OpCode, mut rsv: u8, last: bool, data: &Data<'_>) {
        let limit = self.config.fragment_above.unwrap_or(usize::MAX).max(1);
        let mut fragments = data.as_slice().chunks(limit).peekable();
        while let Some(fragment) = fragments.next() {
            let fin = last && fragments.peek().is_none();
            self.queue_frame(opcode, rsv, fin, Data::Borrowed(fragment));
            (opcode, rsv) = (OpCode::Continuation, 0);
        }
    }

    #[inline]
    fn queue_frame(&mut self, opcode: OpCode, rsv: u8, fin: bool, data: Data<'_>) {
        let mask = self.fresh_key();
        self.frames_sent += 1;
        self.outbox.push(Header { fin, rsv, opcode, mask, len: data.as_slice().len() as u64 }, data);
    }

    #[inline]
    pub(super) fn note_sent(&mut self) {
        self.messages_sent += 1;
        self.timers.note_message();
    }
}
