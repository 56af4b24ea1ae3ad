//! The Autobahn WebSocket test suite's groups 1 to 7, 9 and 10 as data.
//!
//! A [`Case`] says what is sent, in what pieces, and what must come back; how the bytes travel is for a [`Wire`] to
//! know. [`run`] plays the tester's side, client or server, against an endpoint that echoes every message: one in memory
//! ([`Echo`]) or one behind a [`Socket`].
//!
//! Where the suite allows a lesser result ("non-strict") or leaves the result open ("informational"), what is asked here
//! is the best one: good messages are echoed before a bad frame fails the connection, text fails at its first bad byte,
//! a Close is answered by its own code.

mod closing;
mod echo;
mod framing;
mod socket;
mod text;
mod volume;

use crate::oracle::{self, End, Event, Meaning, Rules};
use crate::wire::Frame;

pub use echo::Echo;
pub use socket::Socket;

/// How much the cases of group 9 send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A sixteenth of the suite's, and a tenth of its repetitions.
    Small,
    /// As much as the suite: up to 16 MiB in a message.
    Full,
}

/// All cases, in the suite's order.
#[must_use]
pub fn all(scale: Scale) -> Vec<Case> {
    [framing::cases(), text::cases(), closing::cases(), volume::cases(scale)].into_iter().flatten().collect()
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The suite's number for it.
    pub id: String,
    /// What the tester does.
    pub steps: Vec<Step>,
    /// What must come back, in order, before any Close.
    pub answers: Vec<Answer>,
    /// How it must end.
    pub ending: Ending,
}

/// What the tester does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Writes frames in one piece, or in pieces of so many bytes. Frames are masked if the tester is a client.
    Send(Vec<Frame>, Option<usize>),
    /// Writes a piece of a frame's payload; before the first piece, the header.
    Piece(Frame, core::ops::Range<usize>),
    /// Waits until so many answers have come in all.
    Await(usize),
    /// Waits a moment; by then the peer must have failed the connection, or must not have.
    Settle {
        /// Whether it must have.
        failed: bool,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The echo of a text message.
    Text(Vec<u8>),
    /// The echo of a binary message.
    Binary(Vec<u8>),
    /// The answer to a Ping.
    Pong(Vec<u8>),
}

/// How a case ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The tester closes with 1000 when all answers are there, and the peer answers that.
    ByTester,
    /// There is a Close among what was sent; the peer answers with one of these codes, or with none.
    ByScript(Vec<Option<u16>>),
    /// The peer fails the connection with one of these codes.
    ByPeer(Vec<u16>),
}

/// How long to wait for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as an idle peer needs to answer.
    Moment,
    /// Some seconds: nothing after that is a failure.
    Long,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// Some bytes.
    Bytes(Vec<u8>),
    /// None in that time.
    Nothing,
    /// The end of the peer's side.
    End,
}

/// The tester's end of a transport to an echo endpoint, behind an opening handshake that is done.
pub trait Wire {
    /// Writes. That the peer takes no more is no failure here.
    fn write(&mut self, bytes: &[u8]);
    /// Reads what the peer has written, waiting for it if need be.
    fn read(&mut self, patience: Patience) -> Arrived;
    /// Ends this side of the transport.
    fn shut(&mut self);
}

/// Plays the tester's side of a case.
///
/// # Errors
/// What was not as it must be.
pub fn run(case: &Case, tester_is_server: bool, wire: &mut impl Wire) -> Result<(), String> {
    let mut tester = Tester { case, server: tester_is_server, wire, heard: Vec::new(), ended: false };
    tester.play().map_err(|what| format!("case {}: {what}", case.id))
}

struct Tester<'t, W> {
    case: &'t Case,
    server: bool,
    wire: &'t mut W,
    heard: Vec<u8>,
    /// The peer has ended its side.
    ended: bool,
}

impl<W: Wire> Tester<'_, W> {
    fn play(&mut self) -> Result<(), String> {
        let case = self.case;
        for step in &case.steps {
            match step {
                Step::Send(frames, chop) => {
                    let bytes = crate::wire::stream(frames, !self.server);
                    for piece in bytes.chunks(chop.unwrap_or(usize::MAX)) {
                        self.wire.write(piece);
                    }
                }
                Step::Piece(frame, range) => self.send_piece(frame, range),
                Step::Await(n) => {
                    let meaning = self.listen_for(*n)?;
                    if answers(&meaning) < *n {
                        return Err(format!("answer {n} does not come"));
                    }
                }
                Step::Settle { failed } => {
                    self.settle();
                    let end = self.meaning().end;
                    if (end != End::Open) != *failed {
                        return Err(format!("peer is {end:?}, not where it should be by then"));
                    }
                }
            }
        }
        if case.ending == Ending::ByTester {
            self.listen_for(case.answers.len())?;
            self.wire.write(&crate::wire::stream(&[Frame::close(1000, "")], !self.server));
        }
        self.listen_for(case.answers.len() + 1)?;
        self.check_events()?;
        self.check_end()
    }

    fn send_piece(&mut self, frame: &Frame, range: &core::ops::Range<usize>) {
        let frame = if self.server { frame.clone() } else { frame.clone().masked([7, 77, 177, 255]) };
        let bytes = frame.to_bytes();
        let header = bytes.len() - frame.payload.len();
        let start = if range.start == 0 { 0 } else { header + range.start };
        self.wire.write(&bytes[start..header + range.end]);
    }

    fn meaning(&self) -> Meaning {
        oracle::read(&self.heard, &Rules::unlimited(self.server))
    }

    /// Reads until there are `n` answers, the Close among them, or no more come.
    fn listen_for(&mut self, n: usize) -> Result<Meaning, String> {
        let wanted: usize = self.case.answers.iter().take(n).map(|answer| 2 + answer.payload().len()).sum();
        loop {
            if self.heard.len() >= wanted {
                let meaning = self.meaning();
                if meaning.end != End::Open || answers(&meaning) >= n {
                    return Ok(meaning);
                }
            }
            match self.wire.read(Patience::Long) {
                Arrived::Bytes(bytes) => self.heard.extend(bytes),
                Arrived::Nothing => {
                    return Err(format!("{n} answers do not come: {}", brief(&self.meaning())));
                }
                Arrived::End => {
                    self.ended = true;
                    return Ok(self.meaning());
                }
            }
        }
    }

    fn settle(&mut self) {
        while let Arrived::Bytes(bytes) = self.wire.read(Patience::Moment) {
            self.heard.extend(bytes);
        }
    }

    fn check_events(&self) -> Result<(), String> {
        let meaning = self.meaning();
        let mut events = meaning.events.iter();
        for (n, answer) in self.case.answers.iter().enumerate() {
            if !events.next().is_some_and(|event| answer.is(event)) {
                return Err(format!("answer {n} is not as it should be: {}", brief(&meaning)));
            }
        }
        let Some(Event::Close(close)) = events.next() else {
            return Err(format!("no Close after the answers: {}", brief(&meaning)));
        };
        let code = close.as_ref().map(|&(code, _)| code);
        let good = match &self.case.ending {
            Ending::ByTester => code == Some(1000),
            Ending::ByScript(codes) => codes.contains(&code),
            Ending::ByPeer(codes) => code.is_some_and(|code| codes.contains(&code)),
        };
        if !good || meaning.used != self.heard.len() {
            return Err(format!("a wrong Close, or more behind it: {}", brief(&meaning)));
        }
        Ok(())
    }

    /// A server ends the transport first; a client does when the server has, or when it fails the connection.
    fn check_end(&mut self) -> Result<(), String> {
        let peer_goes_first = !self.server || matches!(self.case.ending, Ending::ByPeer(_));
        if !peer_goes_first {
            self.wire.shut();
        }
        if !self.ended && self.wire.read(Patience::Long) != Arrived::End {
            return Err("the peer does not end its side of the transport".to_owned());
        }
        if peer_goes_first {
            self.wire.shut();
        }
        Ok(())
    }
}

fn answers(meaning: &Meaning) -> usize {
    meaning.events.len()
}

fn brief(meaning: &Meaning) -> String {
    let mut text = format!("{:?} after", meaning.end);
    for event in &meaning.events {
        let short = format!(" {event:?}");
        text.extend(short.chars().take(80));
    }
    text
}

impl Answer {
    fn payload(&self) -> &[u8] {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) | Self::Pong(bytes) => bytes,
        }
    }

    fn is(&self, event: &Event) -> bool {
        match (self, event) {
            (
                Self::Text(wanted),
                Event::Message { kind: websans::Kind::Text, compressed: false, payload },
            )
            | (
                Self::Binary(wanted),
                Event::Message { kind: websans::Kind::Binary, compressed: false, payload },
            )
            | (Self::Pong(wanted), Event::Pong(payload)) => wanted == payload,
            _ => false,
        }
    }
}

impl Case {
    fn new(id: impl Into<String>, steps: Vec<Step>, answers: Vec<Answer>, ending: Ending) -> Self {
        Self { id: id.into(), steps, answers, ending }
    }

    /// All frames at once; the tester closes when the answers are there.
    fn good(id: impl Into<String>, frames: Vec<Frame>, answers: Vec<Answer>) -> Self {
        Self::new(id, vec![Step::Send(frames, None)], answers, Ending::ByTester)
    }

    /// All frames at once; the peer fails the connection as a violation of the protocol.
    fn bad(id: impl Into<String>, frames: Vec<Frame>, answers: Vec<Answer>) -> Self {
        Self::new(id, vec![Step::Send(frames, None)], answers, Ending::ByPeer(vec![1002]))
    }

    /// The same in pieces of so many bytes.
    fn chopped(mut self, n: usize) -> Self {
        for step in &mut self.steps {
            if let Step::Send(_, chop) = step {
                *chop = Some(n);
            }
        }
        self
    }

    /// The same with one piece for each frame.
    fn by_frame(mut self) -> Self {
        self.steps = self
            .steps
            .into_iter()
            .flat_map(|step| match step {
                Step::Send(frames, chop) => {
                    frames.into_iter().map(|frame| Step::Send(vec![frame], chop)).collect()
                }
                step => vec![step],
            })
            .collect();
        self
    }
}

/// `payload` in frames of `size` bytes.
fn fragments(first: u8, payload: &[u8], size: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> =
        payload.chunks(size).map(|part| Frame::continuation(part).unfinished()).collect();
    if let Some(frame) = frames.first_mut() {
        frame.opcode = first;
    }
    if let Some(frame) = frames.last_mut() {
        frame.fin = true;
    }
    frames
}
