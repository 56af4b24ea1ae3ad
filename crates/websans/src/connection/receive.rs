//! Bytes to events.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::mem;

use super::{Connection, State};
use crate::close::Close;
use crate::config::Reply;
use crate::error::ProtocolError;
use crate::frame::{Header, OpCode};
use crate::mask::Mask;
use crate::message::{Kind, Payload};

/// What [`Connection::receive`] found. It borrows the caller's input and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A piece of a message.
    Part(Part<'b>),
    /// A Ping, already answered unless [`Config::pong_reply`](crate::Config::pong_reply) says otherwise.
    Ping(Cow<'b, [u8]>),
    /// A Pong, asked for or not.
    Pong(Cow<'b, [u8]>),
    /// The peer's Close, already answered unless [`Config::close_reply`](crate::Config::close_reply) says
    /// otherwise. No event comes after it.
    Close(Close<'b>),
}

/// A piece of a message as it arrived: all of a frame's payload, or what of it the input held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part<'b> {
    /// The kind of the message.
    pub kind: Kind,
    /// The payload, unmasked. Text is **not yet checked**: being UTF-8 is a property of the whole message
    /// (RFC 6455 §5.6), which [`Inbox`](crate::Inbox) or [`Utf8`](crate::text::Utf8) checks.
    pub payload: &'b [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// Whether the message is compressed, so that `payload` must be inflated.
    pub compressed: bool,
    /// Whether `payload` is known to be ASCII. Judged for text alone.
    pub ascii: bool,
}

/// As it came: what is compressed must be inflated first.
impl<'b> From<Part<'b>> for Payload<'b> {
    fn from(part: Part<'b>) -> Self {
        Payload::new(part.kind, part.payload)
    }
}

/// A control frame's payload that came in more than one piece.
pub(super) struct ControlBuffer {
    bytes: [u8; 125],
    len: u8,
}

/// The receiving half's state.
pub(super) struct Receiving {
    /// The beginning of a header that the input ended in.
    spill: [u8; Header::MAX_LEN],
    spilled: u8,
    /// The frame whose payload is under way.
    frame: Option<OpCode>,
    frame_fin: bool,
    /// The message under way.
    kind: Option<Kind>,
    compressed: bool,
    /// Nothing of the message has been reported yet.
    first: bool,
    inflates: bool,
    /// New messages are held to `max_streamed` instead of `max_message`.
    pub(super) streamed: bool,
    /// The message under way is.
    in_chunks: bool,
    empty_run: u8,
    mask: Mask,
    fragments: u32,
    /// Bytes of the frame's payload that are still to come.
    remaining: u64,
    /// Bytes by which the message may still grow.
    budget: u64,
    control: Option<Box<ControlBuffer>>,
    pub(super) messages: u64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Receiving {
    pub(super) fn new(inflates: bool) -> Self {
        Self {
            spill: [0; Header::MAX_LEN],
            spilled: 0,
            frame: None,
            frame_fin: true,
            kind: None,
            compressed: false,
            first: false,
            inflates,
            streamed: false,
            in_chunks: false,
            empty_run: 0,
            mask: Mask::new([0; 4]),
            fragments: 0,
            remaining: 0,
            budget: 0,
            control: None,
            messages: 0,
            frames: 0,
            bytes: 0,
        }
    }
}

impl Connection {
    /// Takes received bytes from the front of `input`, which it shrinks and unmasks in place, until it can
    /// report an event. `None`: the input is used up. Any split of the stream will do; at most 13 bytes are kept.
    ///
    /// To stop early is back-pressure: the unread rest is still in `input`. Pings and the peer's Close are
    /// answered into the [outbox](Self::outbox) by the time they are reported, so what the application sends in
    /// answer to a message goes before the answer to what came after it.
    ///
    /// After a failure or the peer's Close, input is swallowed ("MUST NOT continue to attempt to process
    /// data", [RFC 6455 §7.1.7](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7)).
    ///
    /// # Errors
    /// Once, when the peer breaks the protocol. The connection has then [failed](Self::fail) and its Close frame
    /// waits in the outbox.
    #[inline]
    pub fn receive<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        if input.is_empty() {
            return Ok(None);
        }
        let before = input.len();
        let received = self.receive_frames(input);
        self.receiving.bytes += (before - input.len()) as u64;
        received
    }

    fn receive_frames<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ProtocolError> {
        self.note_life();
        loop {
            if self.ignores_input() {
                *input = &mut [];
                return Ok(None);
            }
            let Some(opcode) = self.receiving.frame else {
                match self.receive_header(input) {
                    Ok(true) => continue,
                    Ok(false) => return Ok(None),
                    Err(error) => {
                        self.fail(error);
                        return Err(error);
                    }
                }
            };
            if input.is_empty() && self.receiving.remaining > 0 {
                return Ok(None);
            }
            let available = usize::try_from(self.receiving.remaining).unwrap_or(usize::MAX).min(input.len());
            let Some((payload, rest)) = mem::take(input).split_at_mut_checked(available) else {
                return Ok(None);
            };
            *input = rest;
            self.receiving.remaining -= payload.len() as u64;
            let ascii = self.unmask(payload, opcode);
            if !opcode.is_control() {
                return Ok(self.receive_part(payload, ascii));
            }
            match self.receive_control(opcode, payload) {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(error) => {
                    self.fail(error);
                    return Err(error);
                }
            }
        }
    }

    /// True if the frame's payload is next; false if the input ended within the header.
    #[inline]
    fn receive_header(&mut self, input: &mut &mut [u8]) -> Result<bool, ProtocolError> {
        if self.receiving.spilled == 0 {
            if let Some((header, n)) = self.parse_header(input)? {
                let (_, rest) = mem::take(input).split_at_mut_checked(n).unwrap_or_default();
                *input = rest;
                self.begin_frame(header)?;
                return Ok(true);
            }
        }
        // Byte by byte: the header's length is known only when it is whole.
        while let Some((&mut byte, rest)) = mem::take(input).split_first_mut() {
            *input = rest;
            let at = usize::from(self.receiving.spilled);
            if let Some(slot) = self.receiving.spill.get_mut(at) {
                *slot = byte;
            }
            self.receiving.spilled += 1;
            let spill = self.receiving.spill;
            if let Some((header, _)) = self.parse_header(spill.get(..=at).unwrap_or_default())? {
                self.receiving.spilled = 0;
                self.begin_frame(header)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What of a header's first two bytes depends on the connection is judged here.
    #[inline]
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
        let receiving = &self.receiving;
        let client = self.is_client();
        Header::parse_with(
            bytes,
            |_, rsv, opcode| {
                // RSV1 marks a compressed message on its first frame alone, if compression was agreed on
                // (RFC 7692 §6); otherwise reserved bits "MUST be 0" (RFC 6455 §5.2).
                let allowed = receiving.inflates && matches!(opcode, OpCode::Text | OpCode::Binary);
                if rsv != 0 && !(allowed && rsv == Header::RSV1) {
                    return Err(ProtocolError::ReservedBits);
                }
                match (opcode, receiving.kind) {
                    (OpCode::Continuation, None) => Err(ProtocolError::UnexpectedContinuation),
                    (OpCode::Text | OpCode::Binary, Some(_)) => Err(ProtocolError::ExpectedContinuation),
                    _ => Ok(()),
                }
            },
            |masked| match (masked, client) {
                // "The server MUST close the connection upon receiving a frame that is not masked. [...] A client MUST
                // close a connection if it detects a masked frame" (RFC 6455 §5.1).
                (false, false) => Err(ProtocolError::UnmaskedFrame),
                (true, true) => Err(ProtocolError::MaskedFrame),
                _ => Ok(()),
            },
        )
    }

    /// The header is whole and legal; what remains to be judged are the limits.
    #[inline]
    fn begin_frame(&mut self, header: Header) -> Result<(), ProtocolError> {
        let receiving = &mut self.receiving;
        receiving.frames += 1;
        match header.opcode {
            OpCode::Text | OpCode::Binary => {
                receiving.kind = Some(if header.opcode == OpCode::Text { Kind::Text } else { Kind::Binary });
                receiving.compressed = header.rsv != 0;
                receiving.first = true;
                receiving.fragments = 1;
                receiving.empty_run = 0;
                receiving.in_chunks = receiving.streamed;
                let limit =
                    if receiving.streamed { self.config.max_streamed } else { self.config.max_message };
                // What does not shrink grows, by a few bytes for each block. What it inflates to is judged as it does.
                let overhead = if receiving.compressed { limit / 8 + 1024 } else { 0 };
                receiving.budget = limit.saturating_add(overhead);
            }
            OpCode::Continuation => {
                receiving.fragments = receiving.fragments.saturating_add(1);
                // A stream may be long; its fragments cost what their bytes cost.
                if receiving.fragments > self.config.max_fragments && !receiving.in_chunks {
                    return Err(ProtocolError::TooManyFragments);
                }
            }
            _ => {}
        }
        if !header.opcode.is_control() {
            receiving.budget =
                receiving.budget.checked_sub(header.len).ok_or(ProtocolError::MessageTooBig)?;
            if header.len == 0 && !header.fin {
                if receiving.empty_run >= self.config.max_empty_fragments {
                    return Err(ProtocolError::TooManyFragments);
                }
                receiving.empty_run += 1;
            } else {
                receiving.empty_run = 0;
            }
        }
        receiving.remaining = header.len;
        receiving.frame = Some(header.opcode);
        receiving.frame_fin = header.fin;
        if let Some(key) = header.mask {
            receiving.mask = Mask::new(key);
        }
        Ok(())
    }

    /// Unmasks in place and tells whether the result is known to be ASCII.
    #[inline]
    fn unmask(&mut self, payload: &mut [u8], opcode: OpCode) -> bool {
        if !self.is_client() {
            self.receiving.mask.apply(payload)
        } else {
            !opcode.is_control() && self.receiving.kind == Some(Kind::Text) && payload.is_ascii()
        }
    }

    #[inline]
    fn receive_part<'b>(&mut self, payload: &'b [u8], ascii: bool) -> Option<Event<'b>> {
        let receiving = &mut self.receiving;
        let kind = receiving.kind?;
        let first = mem::take(&mut receiving.first);
        let mut last = false;
        if receiving.remaining == 0 {
            receiving.frame = None;
            last = receiving.frame_fin;
            if last {
                receiving.kind = None;
                receiving.messages += 1;
                self.timers.note_message();
            }
        }
        Some(Event::Part(Part { kind, payload, first, last, compressed: self.receiving.compressed, ascii }))
    }

    /// `None`: the frame's payload is not whole yet.
    fn receive_control<'b>(
        &mut self,
        opcode: OpCode,
        payload: &'b [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let whole = self.receiving.remaining == 0;
        let payload = match (whole, &mut self.receiving.control) {
            (true, None) => Cow::Borrowed(payload),
            (_, slot) => {
                let buffer = slot.get_or_insert_with(|| Box::new(ControlBuffer { bytes: [0; 125], len: 0 }));
                let free = buffer.bytes.get_mut(usize::from(buffer.len)..).unwrap_or_default();
                for (to, from) in free.iter_mut().zip(payload) {
                    *to = *from;
                    buffer.len += 1;
                }
                if !whole {
                    return Ok(None);
                }
                let owned = buffer.bytes.get(..usize::from(buffer.len)).unwrap_or_default().into();
                *slot = None;
                Cow::Owned(owned)
            }
        };
        self.receiving.frame = None;
        Ok(Some(match opcode {
            OpCode::Ping => {
                // "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already
                // received a Close frame" (RFC 6455 §5.5.2).
                if self.config.pong_reply == Reply::Automatic {
                    let key = self.fresh_key();
                    self.frames_sent += 1;
                    self.outbox.push_pong(key, &payload);
                }
                Event::Ping(payload)
            }
            OpCode::Pong => {
                self.timers.note_pong(&payload);
                Event::Pong(payload)
            }
            _ => {
                let close = Close::parse(payload)?;
                self.receive_close(&close);
                Event::Close(close)
            }
        }))
    }

    /// Holds messages that begin from now on to [`Config::max_streamed`](crate::Config::max_streamed) instead of
    /// [`Config::max_message`](crate::Config::max_message): for a caller that does not gather their parts.
    /// [`Inbox`](crate::Inbox) sees to it by itself.
    pub fn set_streamed(&mut self, streamed: bool) {
        self.receiving.streamed = streamed;
    }

    /// Bytes still to come of the frame that is being received, if it belongs to a message.
    #[must_use]
    pub(crate) fn remaining_in_frame(&self) -> u64 {
        match self.receiving.frame {
            Some(opcode) if !opcode.is_control() && !self.ignores_input() => self.receiving.remaining,
            _ => 0,
        }
    }

    /// Whether what arrives is no longer looked at.
    #[must_use]
    #[inline]
    pub(crate) fn ignores_input(&self) -> bool {
        matches!(self.state, State::Closed | State::CloseReceived)
    }
}
