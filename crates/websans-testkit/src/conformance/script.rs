//! [`Script`]: what a peer does, step by step.

use std::time::Duration;

use super::{End, Owned, peer::Peer};
use crate::wire::{self, Frame, opcode};

/// One thing that a peer does, or waits for.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Writes these bytes; unless it is only an offer, they must be taken.
    Write { bytes: Vec<u8>, offer: bool },
    /// The next frame is this one.
    Frame(Frame),
    /// The next message is this one, in frames of at most so many bytes of payload.
    Message(Owned, usize),
    /// The next message is this one, compressed, in at most so many bytes of payload; with the window of those before it
    /// if `goes_on`.
    Deflated { message: Owned, most: usize, goes_on: bool },
    /// What has come of a compressed message, which is not at its end, inflates to this.
    Part(Vec<u8>),
    /// The next frame is a Ping, which is answered if `answers`; no two are alike.
    Ping { answers: bool },
    /// A Close comes next, behind fragments of a message that is never finished if `half`; none: without a code.
    Close { close: Option<(u16, String)>, half: bool },
    /// So many bytes are read, whatever they mean.
    Take(usize),
    /// Nothing comes for so long, not even an end.
    Silence(Duration),
    /// The transport comes to an orderly end.
    Eof,
    /// This side of the transport is ended.
    HalfClose,
    /// The transport is torn down, so that the other end meets a reset.
    Reset,
    /// The transport is closed both ways.
    Leave,
    /// Nothing is done for so long.
    Pause(Duration),
    /// The time is noted.
    Mark,
}

/// What a peer does, in bytes and frames of its own: no line of the core is in it.
///
/// It does one thing after the other: it does not read while it writes.
#[derive(Clone, Debug)]
pub struct Script {
    end: End,
    steps: Vec<Step>,
}

impl Script {
    /// The peer of `end`, which does nothing yet.
    pub(super) const fn against(end: End) -> Self {
        Self { end: end.peer(), steps: Vec::new() }
    }

    /// Sends frames, in one write.
    #[must_use]
    pub fn send(self, frames: &[Frame]) -> Self {
        let bytes = self.encode(frames);
        self.raw(bytes)
    }

    /// Sends bytes, whatever they mean.
    #[must_use]
    pub fn raw(self, bytes: Vec<u8>) -> Self {
        self.then(Step::Write { bytes, offer: false })
    }

    /// Sends frames byte by byte, with a pause behind each.
    #[must_use]
    pub fn drip(mut self, frames: &[Frame], pause: Duration) -> Self {
        for byte in self.encode(frames) {
            self = self.raw(vec![byte]);
            if !pause.is_zero() {
                self = self.pause(pause);
            }
        }
        self
    }

    /// Sends the same again and again, so many times, with pauses; whether it is taken does not matter.
    #[must_use]
    pub fn flood(mut self, frames: &[Frame], times: usize, pause: Duration) -> Self {
        let bytes = self.encode(frames);
        for _ in 0..times {
            self = self.then(Step::Write { bytes: bytes.clone(), offer: true }).pause(pause);
        }
        self
    }

    /// The next frame must be this one.
    #[must_use]
    pub fn expect(self, frame: Frame) -> Self {
        self.then(Step::Frame(frame))
    }

    /// The next message must be this one. Pings before it are answered, Pongs skipped.
    #[must_use]
    pub fn message(self, message: impl Into<Owned>) -> Self {
        self.message_in(message, usize::MAX)
    }

    /// The same, with no frame above `largest` bytes of payload.
    #[must_use]
    pub fn message_in(self, message: impl Into<Owned>, largest: usize) -> Self {
        self.then(Step::Message(message.into(), largest))
    }

    /// The next message must be this one, compressed by itself into at most `most` bytes. Pings before it are answered,
    /// Pongs skipped.
    #[must_use]
    pub fn deflated(self, message: impl Into<Owned>, most: usize) -> Self {
        self.then(Step::Deflated { message: message.into(), most, goes_on: false })
    }

    /// The same, compressed with what the compressed messages before it have left in the window.
    #[must_use]
    pub fn deflated_further(self, message: impl Into<Owned>, most: usize) -> Self {
        self.then(Step::Deflated { message: message.into(), most, goes_on: true })
    }

    /// The beginning of a compressed message must come, which inflates to this and no further. The message goes on.
    #[must_use]
    pub fn deflated_part(self, so_far: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Part(so_far.into()))
    }

    /// The next frame must be a Ping unlike those before; it is answered.
    #[must_use]
    pub fn answer_ping(self) -> Self {
        self.then(Step::Ping { answers: true })
    }

    /// The next frame must be a Ping; it is not answered.
    #[must_use]
    pub fn ignore_ping(self) -> Self {
        self.then(Step::Ping { answers: false })
    }

    /// A Close with this code and reason comes next. Pings before it are answered, Pongs skipped.
    #[must_use]
    pub fn close(self, code: u16, reason: &str) -> Self {
        self.then(Step::Close { close: Some((code, reason.to_owned())), half: false })
    }

    /// The same without a code.
    #[must_use]
    pub fn empty_close(self) -> Self {
        self.then(Step::Close { close: None, half: false })
    }

    /// A Close comes next, behind a message that has begun and is not finished.
    #[must_use]
    pub fn half_and_close(self, code: u16, reason: &str) -> Self {
        self.then(Step::Close { close: Some((code, reason.to_owned())), half: true })
    }

    /// Reads so many bytes, whatever they mean, so many at once, with a pause behind each read.
    #[must_use]
    pub fn take(mut self, bytes: usize, at_once: usize, pause: Duration) -> Self {
        for at in (0..bytes).step_by(at_once) {
            self = self.then(Step::Take(at_once.min(bytes - at))).pause(pause);
        }
        self
    }

    /// Nothing comes for so long, not even an end.
    #[must_use]
    pub fn silence(self, time: Duration) -> Self {
        self.then(Step::Silence(time))
    }

    /// The transport comes to an orderly end.
    #[must_use]
    pub fn eof(self) -> Self {
        self.then(Step::Eof)
    }

    /// Ends this side of the transport.
    #[must_use]
    pub fn half_close(self) -> Self {
        self.then(Step::HalfClose)
    }

    /// Tears the transport down, so that the other end meets a reset.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Closes the transport both ways and is gone.
    #[must_use]
    pub fn leave(self) -> Self {
        self.then(Step::Leave)
    }

    /// After a Close each way: the server ends its side first (RFC 6455 §7.1.1).
    #[must_use]
    pub fn end(self) -> Self {
        match self.end {
            End::Server => self.half_close().eof(),
            End::Client => self.eof().half_close(),
        }
    }

    /// Does nothing for so long.
    #[must_use]
    pub fn pause(self, time: Duration) -> Self {
        self.then(Step::Pause(time))
    }

    /// Notes the time, for [`Report::marks`](super::Report::marks).
    #[must_use]
    pub fn mark(self) -> Self {
        self.then(Step::Mark)
    }

    /// What `frames` look like when this peer sends them.
    #[must_use]
    pub fn encode(&self, frames: &[Frame]) -> Vec<u8> {
        wire::stream(frames, self.end == End::Client)
    }

    pub(super) fn peer(self) -> Peer {
        Peer::new(self.end, self.steps)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Step {
    /// Its name in the report of a failure.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Write { bytes, .. } => format!("write {} bytes", bytes.len()),
            Self::Frame(frame) => format!("expect {}", describe(frame)),
            Self::Message(message, _) => format!("expect a message of {} bytes", message.as_bytes().len()),
            Self::Deflated { message, .. } => {
                format!("expect a compressed message of {} bytes", message.as_bytes().len())
            }
            Self::Part(so_far) => format!("expect {} bytes of a compressed message", so_far.len()),
            Self::Ping { .. } => "expect a Ping".to_owned(),
            Self::Close { close, .. } => format!("expect a Close {close:?}"),
            Self::Take(n) => format!("read {n} bytes"),
            Self::Silence(_) => "expect nothing for a while".to_owned(),
            Self::Eof => "expect the end".to_owned(),
            Self::HalfClose => "end this side".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::Leave => "leave".to_owned(),
            Self::Pause(_) => "pause".to_owned(),
            Self::Mark => "note the time".to_owned(),
        }
    }
}

/// A frame in few words, however long.
pub(super) fn describe(frame: &Frame) -> String {
    let name = match frame.opcode {
        opcode::CONTINUATION => "Continuation",
        opcode::TEXT => "Text",
        opcode::BINARY => "Binary",
        opcode::CLOSE => "Close",
        opcode::PING => "Ping",
        opcode::PONG => "Pong",
        _ => "unknown frame",
    };
    let more = if frame.fin { "" } else { ", to be continued" };
    let marked = if frame.rsv == 0 { "" } else { ", compressed" };
    let begin = &frame.payload[..frame.payload.len().min(32)];
    format!("{name} of {} bytes{marked}{more}: {}", frame.payload.len(), begin.escape_ascii())
}
