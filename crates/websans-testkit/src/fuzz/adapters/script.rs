//! [`Script`]: what a peer says, what the transport does, and what the application does, out of bytes.

use std::collections::VecDeque;

use core::time::Duration;
use websans::{Config, Keepalive, Kind, Reply};

use super::super::input::Input;
use crate::wire::{Frame, stream};

/// Longest message that is received.
const MAX_MESSAGE: u64 = 1 << 16;

/// All that is decided before a run.
pub(in super::super) struct Script {
    /// Whether the end under test is the server.
    pub(in super::super) server: bool,
    pub(in super::super) config: Config,
    pub(in super::super) link: Link,
    /// One application's deeds, one after the other.
    pub(in super::super) deeds: Vec<Deed>,
    /// A byte of further choices, which the target gives a meaning.
    pub(in super::super) habits: u8,
}

/// The transport.
#[derive(Debug, Default)]
pub(in super::super) struct Link {
    plan: VecDeque<u8>,
    /// All that the peer says.
    pub(in super::super) incoming: Vec<u8>,
    /// How much of that has been read.
    pub(in super::super) read: usize,
    /// What has reached the peer.
    pub(in super::super) written: Vec<u8>,
    /// What the transport has taken, and keeps until it is flushed.
    pub(in super::super) held: Vec<u8>,
    /// It keeps what it takes, as TLS does.
    holds: bool,
    /// When it has said everything, the peer neither says more nor ends its side.
    pub(in super::super) silent: bool,
    /// After so many bytes, the peer takes nothing more.
    takes: Option<usize>,
    pub(in super::super) read_failed: bool,
    pub(in super::super) write_failed: bool,
    pub(in super::super) shut: bool,
    pub(in super::super) ended: bool,
    /// How often it has been asked for something.
    calls: u32,
}

/// More often than any application here has reason to call a transport.
const CALLS: u32 = 100_000;

/// What becomes of a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Io {
    /// So many bytes at most.
    Move(usize),
    /// Not now.
    Wait,
    /// Not ever.
    Never,
    Interrupted,
    Failed,
    /// No more bytes; in writing, none were taken.
    End,
    /// The same, as TLS says it that was cut.
    CutOff,
}

/// What the application does, and for how long it waits for it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Deed {
    pub(in super::super) op: Op,
    /// How often it is polled before it is given up; `None`: to its end.
    pub(in super::super) patience: Option<u8>,
    pub(in super::super) a: u8,
    pub(in super::super) b: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Op {
    Recv,
    RecvOwned,
    Read,
    RecvAll,
    Send,
    Feed,
    Write,
    Ping,
    Pong,
    Flush,
    StartClose,
    Close,
    /// Makes two halves of one, or one of two; or drops one of them.
    Then(Then),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Then {
    Split,
    Reunite,
    DropReceiver,
    DropSender,
}

impl Script {
    /// The first four bytes are settings, the next two how many bytes are for the transport and for the peer; what is left
    /// is for the application, three bytes a deed.
    pub(in super::super) fn new(input: &mut Input<'_>) -> Self {
        let (settings, sizes, habits, link) = (input.byte(), input.byte(), input.byte(), input.byte());
        let server = settings & 1 == 0;
        let silent = settings & 2 != 0;
        let mut config = Config::default();
        config.max_message = MAX_MESSAGE;
        config.max_streamed = MAX_MESSAGE;
        config.max_fragments = u32::MAX;
        config.max_empty_fragments = u8::MAX;
        config.close_within = Duration::from_secs(5);
        config.write_stall = Duration::from_secs(5);
        // Without it nothing ends a connection whose peer is silent.
        let keepalive = Keepalive { every: Duration::from_secs(5), within: Duration::from_secs(5) };
        config.keepalive = (silent || settings & 4 != 0).then_some(keepalive);
        config.pong_reply = if settings & 8 == 0 { Reply::Automatic } else { Reply::WhenAsked };
        config.close_reply = if settings & 16 == 0 { Reply::Automatic } else { Reply::WhenAsked };
        config.fragment_above = [None, Some(1), Some(10), Some(500)][usize::from(sizes & 3)];
        config.read_buffer = [256, 2 << 10, 16 << 10, 64 << 10][usize::from(sizes >> 2 & 3)];
        config.max_outbox = [16, 300, 4 << 10, 256 << 10][usize::from(sizes >> 4 & 3)];
        let (decisions, words) = (usize::from(input.byte()), usize::from(input.byte()));
        let plan = input.some(decisions).to_vec().into();
        let incoming = said(&mut Input::new(input.some(words)), server);
        let takes = (link & 2 != 0).then(|| usize::from(link >> 2) * 8);
        let link = Link { plan, incoming, silent, holds: link & 1 != 0, takes, ..Link::default() };
        let mut deeds = Vec::new();
        while !input.is_empty() && deeds.len() < 60 {
            deeds.push(Deed::new(input));
        }
        Self { server, config, link, deeds, habits }
    }
}

impl Deed {
    fn new(input: &mut Input<'_>) -> Self {
        let what = input.byte();
        let op = match what & 31 {
            0..=4 => Op::Recv,
            5 => Op::RecvOwned,
            6 | 7 => Op::Read,
            8 => Op::RecvAll,
            9..=12 => Op::Send,
            13 | 14 => Op::Feed,
            15..=17 => Op::Write,
            18 => Op::Ping,
            19 => Op::Pong,
            20 | 21 => Op::Flush,
            22 => Op::StartClose,
            23 => Op::Close,
            24..=27 => Op::Then(Then::Split),
            28 | 29 => Op::Then(Then::Reunite),
            30 => Op::Then(Then::DropReceiver),
            _ => Op::Then(Then::DropSender),
        };
        let patience = [None, None, Some(0), Some(1), Some(1), Some(2), Some(3), Some(9)];
        let patience = patience[usize::from(what >> 5)];
        Self { op, patience, a: input.byte(), b: input.byte() }
    }

    pub(in super::super) fn receives(&self) -> bool {
        matches!(self.op, Op::Recv | Op::RecvOwned | Op::Read | Op::RecvAll)
    }

    /// What is sent: `tag`, and more.
    pub(in super::super) fn message(&self, tag: &str) -> (Kind, Vec<u8>) {
        let kind = if self.a & 1 == 0 { Kind::Text } else { Kind::Binary };
        let len = match self.a >> 1 & 7 {
            0..=4 => usize::from(self.b) % 30,
            5 => usize::from(self.b),
            6 => usize::from(self.b) * 20,
            _ => usize::from(self.b) * 150,
        };
        let mut bytes = tag.as_bytes().to_vec();
        bytes.resize(bytes.len() + len, b'a' + self.b % 26);
        (kind, bytes)
    }
}

impl Link {
    fn decision(&mut self) -> u8 {
        self.calls += 1;
        assert!(self.calls < CALLS, "the transport is called again and again");
        self.plan.pop_front().unwrap_or(0)
    }

    /// What becomes of the next read.
    pub(in super::super) fn read_next(&mut self) -> Io {
        if self.read_failed {
            return Io::Failed;
        }
        let left = self.incoming.len() - self.read;
        if self.ended || left == 0 && !self.silent {
            self.ended = true;
            return Io::End;
        }
        let decision = self.decision();
        match (decision & 7, decision >> 3) {
            (4 | 5, _) => Io::Wait,
            (6, 0..8) => Io::Interrupted,
            (7, 31) => {
                self.read_failed = true;
                Io::Failed
            }
            (7, 30) => {
                self.ended = true;
                Io::End
            }
            (7, 29) => {
                self.ended = true;
                Io::CutOff
            }
            _ if left == 0 => Io::Never,
            (1..=3, n) => Io::Move(1 + usize::from(n)),
            _ => Io::Move(usize::MAX),
        }
    }

    /// What becomes of the next write.
    pub(in super::super) fn write_next(&mut self) -> Io {
        assert!(!self.shut, "it writes behind the end that it has announced");
        if self.write_failed {
            return Io::Failed;
        }
        let left =
            self.takes.map_or(usize::MAX, |takes| takes.saturating_sub(self.written.len() + self.held.len()));
        let decision = self.decision();
        match (decision & 7, decision >> 3) {
            (4 | 5, _) => Io::Wait,
            (6, 0..8) => Io::Interrupted,
            (7, 31) => {
                self.write_failed = true;
                Io::Failed
            }
            (7, 30) => {
                self.write_failed = true;
                Io::End
            }
            _ if left == 0 => Io::Never,
            (1..=3, n) => Io::Move(left.min(1 + usize::from(n))),
            _ => Io::Move(left),
        }
    }

    /// What becomes of a flush, or of the end of writing.
    pub(in super::super) fn flush_next(&mut self) -> Io {
        if self.write_failed {
            return Io::Failed;
        }
        let decision = self.decision();
        match (decision & 7, decision >> 3) {
            (4 | 5, _) => Io::Wait,
            (6, 0..8) => Io::Interrupted,
            (7, 31) => {
                self.write_failed = true;
                Io::Failed
            }
            _ => {
                self.written.append(&mut self.held);
                Io::Move(0)
            }
        }
    }

    /// Lets as much be read as `io` says and `room` has; the bytes.
    pub(in super::super) fn take(&mut self, most: usize, room: usize) -> &[u8] {
        assert!(room > 0, "it reads to nothing");
        let n = most.min(room).min(self.incoming.len() - self.read);
        self.read += n;
        &self.incoming[self.read - n..self.read]
    }

    /// Takes as much of `bytes` as it may; how much.
    pub(in super::super) fn put<'b>(
        &mut self,
        most: usize,
        bytes: impl IntoIterator<Item = &'b [u8]>,
    ) -> usize {
        let to = if self.holds { &mut self.held } else { &mut self.written };
        let mut left = most;
        for bytes in bytes {
            let n = bytes.len().min(left);
            to.extend_from_slice(&bytes[..n]);
            left -= n;
        }
        assert!(most > left, "it writes nothing");
        most - left
    }
}

/// What a peer says to `server`, or to a client: in part as it should, in part not.
fn said(input: &mut Input<'_>, server: bool) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut bytes = Vec::new();
    while !input.is_empty() && bytes.len() < 40_000 {
        let what = input.byte();
        let letter = b'a' + (what >> 4);
        match what & 15 {
            0..=2 => frames.push(Frame::text(vec![letter; usize::from(input.byte()) % 50])),
            3 | 4 => frames.push(Frame::binary(vec![what; usize::from(input.byte())])),
            5 => frames.push(Frame::binary(vec![what; input.word() % 20_000])),
            6 | 7 => {
                frames.push(Frame::text(vec![letter; usize::from(input.byte()) % 20]).unfinished());
                for part in 0..what >> 4 {
                    frames.push(Frame::continuation(vec![b'A' + part; usize::from(part)]).unfinished());
                }
                if what & 1 == 0 {
                    frames.push(Frame::ping("between"));
                }
                frames.push(Frame::continuation("."));
            }
            8 => frames.push(Frame::ping(vec![letter; usize::from(what >> 4)])),
            9 => frames.push(Frame::pong(vec![letter; usize::from(what >> 4)])),
            10 => frames.push(Frame::close(1000 + u16::from(what >> 4), "done")),
            11 => {
                let mut frame = Frame::new(what >> 4, input.some(3)).reserved(input.byte() & 7);
                frame.fin = what & 16 != 0;
                frames.push(frame);
            }
            12 => frames.push(Frame::text(input.some(usize::from(what >> 4)))),
            13 => frames.push(Frame::binary("").declaring(u64::from(input.byte()) << ((what >> 4) * 4))),
            14 => frames.push(Frame::new(8, input.some(usize::from(what >> 4)))),
            _ => {
                bytes.extend(stream(&std::mem::take(&mut frames), server));
                bytes.extend_from_slice(input.some(usize::from(what >> 4)));
            }
        }
        // Frames of a conversation that goes on for long are all the same.
        if frames.len() > 60 {
            break;
        }
    }
    bytes.extend(stream(&frames, server));
    bytes
}
