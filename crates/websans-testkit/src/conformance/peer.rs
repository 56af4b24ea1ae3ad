//! [`Peer`]: a script at work, over any transport.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::time::Duration;

use super::script::{Step, describe};
use super::{End, Owned};
use crate::inflate::{Rules, Verdict, judge};
use crate::wire::{self, Form, Frame, opcode};

/// What a [`Peer`] asks of its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Write all of it, then tell [`Peer::wrote`].
    Write(Vec<u8>),
    /// Read once, then tell [`Peer::read`]; or [`Peer::nothing_came`] if nothing came within this time.
    Read {
        /// Most bytes to read.
        at_most: usize,
        /// How long to wait for them.
        within: Option<Duration>,
    },
    /// Wait.
    Wait(Duration),
    /// End the writing side.
    HalfClose,
    /// Tear the transport down, so that the other end meets a reset.
    Reset,
    /// Close the transport both ways.
    Leave,
    /// The script is at its end. The transport must stay as it is until the test asks for the report.
    Done,
}

/// What a peer has to tell at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The times that were noted, since the connection was opened.
    pub marks: Vec<Duration>,
}

/// A script at work. It does no I/O: a driver does what [`next`](Self::next) asks for, over the transport of its
/// adapter. It panics, in any of its methods, when something else comes than what the script expects.
#[derive(Debug)]
pub struct Peer {
    end: End,
    steps: VecDeque<Step>,
    /// How many steps have been done, and the name of the present one.
    done: usize,
    name: String,
    /// A write that fails is no failure.
    offers: bool,
    /// What has been read and, from `at` on, not been looked at.
    arrived: Vec<u8>,
    at: usize,
    /// How the transport ended.
    over: Option<io::Result<()>>,
    /// The message that is under way.
    partial: Option<Gathered>,
    /// What the compressed messages so far have left in the window.
    window: Vec<u8>,
    /// The payloads of the Pings that came.
    pings: Vec<Vec<u8>>,
    /// The silence that is listened to is over.
    silent: bool,
    report: Report,
}

/// A message, or what has come of one.
#[derive(Debug)]
struct Gathered {
    opcode: u8,
    compressed: bool,
    payload: Vec<u8>,
}

/// How a step goes on.
enum Play {
    /// It is done.
    Done,
    /// It is done when this is done.
    Last(Task),
    /// It goes on when this is done.
    Again(Step, Task),
}

impl Peer {
    /// Most bytes that are read at once.
    pub const READ: usize = 64 << 10;

    pub(super) fn new(end: End, steps: Vec<Step>) -> Self {
        Self {
            end,
            steps: steps.into(),
            done: 0,
            name: String::new(),
            offers: false,
            arrived: Vec::new(),
            at: 0,
            over: None,
            partial: None,
            window: Vec::new(),
            pings: Vec::new(),
            silent: false,
            report: Report::default(),
        }
    }

    /// What to do now; `now` is the time since the connection was opened.
    pub fn next(&mut self, now: Duration) -> Task {
        while let Some(step) = self.steps.pop_front() {
            self.name = step.name();
            match self.play(step, now) {
                Play::Done => self.done += 1,
                Play::Last(task) => {
                    self.done += 1;
                    return task;
                }
                Play::Again(step, task) => {
                    self.steps.push_front(step);
                    return task;
                }
            }
        }
        Task::Done
    }

    /// What became of a write.
    pub fn wrote(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.assert(self.offers, || format!("the write failed: {error}"));
        }
    }

    /// What came: bytes, none at the end, or an error.
    pub fn read(&mut self, result: io::Result<&[u8]>) {
        match result {
            Ok([]) => self.over = Some(Ok(())),
            Ok(bytes) => {
                self.arrived.drain(..mem::take(&mut self.at));
                self.arrived.extend_from_slice(bytes);
            }
            Err(error) => self.over = Some(Err(error)),
        }
    }

    /// Nothing came in the time that [`Task::Read`] named.
    pub fn nothing_came(&mut self) {
        self.silent = true;
    }

    /// What there is to tell, once the script is done.
    #[must_use]
    pub fn report(self) -> Report {
        self.report
    }

    fn play(&mut self, step: Step, now: Duration) -> Play {
        match step {
            Step::Write { bytes, offer } => {
                self.offers = offer;
                Play::Last(Task::Write(bytes))
            }
            Step::Frame(ref expected) => match self.frame() {
                Some(frame) => {
                    self.assert(frame == *expected, || format!("{} came", describe(&frame)));
                    Play::Done
                }
                None => self.more(step),
            },
            Step::Message(..) | Step::Deflated { .. } | Step::Part(_) | Step::Close { .. } => {
                self.gather(step)
            }
            Step::Ping { answers } => match self.frame() {
                Some(ping) => {
                    self.assert(ping.opcode == opcode::PING, || format!("{} came", describe(&ping)));
                    self.assert(!self.pings.contains(&ping.payload), || "a Ping came twice".to_owned());
                    self.pings.push(ping.payload.clone());
                    if answers { Play::Last(self.pong(ping.payload)) } else { Play::Done }
                }
                None => self.more(step),
            },
            Step::Take(0) => Play::Done,
            Step::Take(n) => {
                let come = n.min(self.arrived.len() - self.at);
                self.at += come;
                match n - come {
                    0 => Play::Done,
                    left => self.read_more(Step::Take(left), left, None),
                }
            }
            Step::Silence(time) => {
                let came = &self.arrived[self.at..];
                self.assert(came.is_empty(), || format!("{} came", came.escape_ascii()));
                if mem::take(&mut self.silent) {
                    Play::Done
                } else {
                    self.read_more(step, Self::READ, Some(time))
                }
            }
            Step::Eof => {
                let left = &self.arrived[self.at..];
                self.assert(left.is_empty(), || {
                    format!("{} came", left[..left.len().min(100)].escape_ascii())
                });
                match &self.over {
                    Some(Ok(())) => Play::Done,
                    Some(Err(error)) => self.fail(&format!("it ended with an error: {error}")),
                    None => Play::Again(step, Task::Read { at_most: Self::READ, within: None }),
                }
            }
            Step::HalfClose => Play::Last(Task::HalfClose),
            Step::Reset => Play::Last(Task::Reset),
            Step::Leave => Play::Last(Task::Leave),
            Step::Pause(time) => Play::Last(Task::Wait(time)),
            Step::Mark => {
                self.report.marks.push(now);
                Play::Done
            }
        }
    }

    /// Up to the message or the Close that `step` expects. Pings on the way are answered, Pongs skipped.
    fn gather(&mut self, step: Step) -> Play {
        while let Some(frame) = self.frame() {
            match (&step, frame.opcode) {
                (_, opcode::PONG) => {}
                (_, opcode::PING) => {
                    self.offers = false;
                    return Play::Again(step, self.pong(frame.payload));
                }
                (Step::Close { close, half }, opcode::CLOSE) => {
                    let came = frame.payload.split_first_chunk::<2>().map(|(code, reason)| {
                        (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())
                    });
                    self.assert(came == *close, || format!("{} came", describe(&frame)));
                    self.assert(*half == self.partial.is_some(), || {
                        "with a message under way, or not".to_owned()
                    });
                    return Play::Done;
                }
                (Step::Close { half: true, .. }, _) if !frame.fin => {
                    self.join(frame);
                }
                (Step::Message(expected, largest), opcode::CONTINUATION..=opcode::BINARY)
                    if frame.payload.len() <= *largest =>
                {
                    if let Some(message) = self.join(frame) {
                        self.assert(!message.compressed, || "it came compressed".to_owned());
                        self.compare(message.opcode, message.payload, expected);
                        return Play::Done;
                    }
                }
                (
                    Step::Deflated { message: expected, most, goes_on },
                    opcode::CONTINUATION..=opcode::BINARY,
                ) => {
                    if let Some(message) = self.join(frame) {
                        let len = message.payload.len();
                        self.assert(len <= *most, || format!("it came in {len} bytes"));
                        let bytes = self.inflate(&message, *goes_on);
                        self.compare(message.opcode, bytes, expected);
                        return Play::Done;
                    }
                }
                (Step::Part(so_far), opcode::CONTINUATION..=opcode::BINARY) if !frame.fin => {
                    self.join(frame);
                    if let Some(message) = &self.partial {
                        let bytes = judge(&message.payload, b"", Rules::UNLIMITED).bytes;
                        let fits = message.compressed && so_far.starts_with(&bytes);
                        self.assert(fits, || format!("{} bytes of something else", bytes.len()));
                        if bytes.len() == so_far.len() {
                            return Play::Done;
                        }
                    }
                }
                _ => self.fail(&format!("{} came", describe(&frame))),
            }
        }
        self.more(step)
    }

    /// The next frame, if all of it has come; what RFC 6455 §5.2 demands of a sender is asserted.
    fn frame(&mut self) -> Option<Frame> {
        let bytes = &self.arrived[self.at..];
        let [first, second, ..] = *bytes else { return None };
        let masked = self.end == End::Server;
        // "RSV1 [...] MUST NOT be set on control frames and non-first fragments" (RFC 7692 §6.1).
        let may_be_marked = matches!(first & 15, opcode::TEXT | opcode::BINARY);
        assert_eq!(first & if may_be_marked { 0x30 } else { 0x70 }, 0, "a reserved bit is set");
        assert_eq!(second & 0x80 != 0, masked, "a client masks, a server does not");
        let (frame, size) = Frame::read(bytes)?;
        assert_eq!(frame.form, Form::Minimal, "a length is written in the fewest bytes");
        self.at += size;
        Some(Frame { key: None, ..frame })
    }

    /// Adds a frame to the message that is under way; the message, if that was its last.
    fn join(&mut self, frame: Frame) -> Option<Gathered> {
        let begins = frame.opcode != opcode::CONTINUATION;
        self.assert(begins == self.partial.is_none(), || "fragments of two messages are mixed".to_owned());
        let message = self.partial.get_or_insert_with(|| Gathered {
            opcode: frame.opcode,
            compressed: frame.rsv != 0,
            payload: Vec::new(),
        });
        message.payload.extend_from_slice(&frame.payload);
        if frame.fin { self.partial.take() } else { None }
    }

    /// What a compressed message was, by a decoder that has nothing in common with the subject's.
    fn inflate(&mut self, message: &Gathered, goes_on: bool) -> Vec<u8> {
        self.assert(message.compressed, || "it came uncompressed".to_owned());
        let window = if goes_on { mem::take(&mut self.window) } else { Vec::new() };
        let Verdict { bytes, fault, history, .. } = judge(&message.payload, &window, Rules::UNLIMITED);
        self.assert(fault.is_none(), || format!("{fault:?} in a compressed message"));
        self.window = history;
        bytes
    }

    fn compare(&self, first: u8, payload: Vec<u8>, expected: &Owned) {
        let came = match first {
            opcode::BINARY => Owned::Binary(payload),
            _ => Owned::Text(String::from_utf8(payload).expect("text is UTF-8")),
        };
        self.assert(came == *expected, || differ(&came, expected));
    }

    fn pong(&self, payload: Vec<u8>) -> Task {
        let pong = Frame::pong(payload);
        Task::Write(wire::stream(&[pong], self.end == End::Client))
    }

    /// Reads on, for a step that needs more.
    fn more(&mut self, step: Step) -> Play {
        self.read_more(step, Self::READ, None)
    }

    fn read_more(&mut self, step: Step, at_most: usize, within: Option<Duration>) -> Play {
        match &self.over {
            None => Play::Again(step, Task::Read { at_most, within }),
            Some(over) => {
                let left = self.arrived.len() - self.at;
                self.fail(&format!("the transport ended with {over:?} and {left} bytes left"))
            }
        }
    }

    fn assert(&self, holds: bool, failure: impl FnOnce() -> String) {
        if !holds {
            self.fail(&failure());
        }
    }

    fn fail(&self, failure: &str) -> ! {
        panic!("the peer, a {:?}, in step {} ({}): {failure}", self.end, self.done + 1, self.name)
    }
}

/// Where a message is another than expected, in few words.
fn differ(came: &Owned, expected: &Owned) -> String {
    let (bytes, wanted) = (came.as_bytes(), expected.as_bytes());
    let at = bytes.iter().zip(wanted).position(|(a, b)| a != b);
    let begin = bytes[..bytes.len().min(32)].escape_ascii();
    format!("a message of {} bytes came, which differs at {at:?}: {begin}", bytes.len())
}
