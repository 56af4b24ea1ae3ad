//! [`Plan`]: all that will happen in a run.

use core::fmt;
use core::time::Duration;

use websans::{CloseCode, Config, Keepalive, Kind, Reply, Timestamp};

use crate::dice::Dice;
use crate::wire::{Frame, stream};

/// What an application does.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Sends a whole message.
    Send(Kind, Vec<u8>),
    /// Sends a whole message that was encoded beforehand.
    SendPrepared(Kind, Vec<u8>),
    /// Sends a part of a message, the last if so.
    Part(Kind, Vec<u8>, bool),
    /// Sends a Ping.
    Ping(Vec<u8>),
    /// Sends a Pong that nobody asked for.
    Pong(Vec<u8>),
    /// Closes with a code and a reason, or without.
    Close(Option<(CloseCode, String)>),
    /// Gives the connection up.
    Abort,
    /// Reads nothing for some time.
    Pause(Duration),
    /// Gives back what storage an idle connection does not need.
    Park,
}

impl Command {
    /// How long its payload is, where it counts for the outbox.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Send(_, bytes) | Self::SendPrepared(_, bytes) | Self::Part(_, bytes, _) => bytes.len(),
            Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(_) | Self::Abort | Self::Pause(_) | Self::Park => 0,
        }
    }

    /// Whether it sends a message, or a part of one.
    fn is_data(&self) -> bool {
        self.is_whole() || matches!(self, Self::Part(..))
    }

    /// Whether it is a message, and not a part of one.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Send(..) | Self::SendPrepared(..))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(kind, bytes) => write!(f, "send {kind:?} of {}", bytes.len()),
            Self::SendPrepared(kind, bytes) => write!(f, "send prepared {kind:?} of {}", bytes.len()),
            Self::Part(kind, bytes, last) => {
                write!(f, "send {} part of {kind:?}, {}", if *last { "last" } else { "a" }, bytes.len())
            }
            Self::Ping(bytes) => write!(f, "ping of {}", bytes.len()),
            Self::Pong(bytes) => write!(f, "pong of {}", bytes.len()),
            Self::Close(Some((code, reason))) => write!(f, "close {code}, {} bytes of reason", reason.len()),
            Self::Close(None) => write!(f, "close"),
            Self::Abort => write!(f, "abort"),
            Self::Pause(time) => write!(f, "pause for {time:?}"),
            Self::Park => write!(f, "park"),
        }
    }
}

/// How an application reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// By [`Inbox::next`](websans::Inbox::next).
    Next,
    /// By [`Inbox::next_chunk`](websans::Inbox::next_chunk).
    NextChunk,
    /// By one or the other as it pleases, also in the middle of a message.
    Either,
    /// By [`Connection::receive`](websans::Connection::receive) and [`Inbox::accept`](websans::Inbox::accept), from a
    /// buffer of its own.
    Accept,
}

/// One end and its application.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// The configuration.
    pub config: Config,
    /// How it reads.
    pub reader: Reader,
    /// Whether it sends every message back.
    pub echo: bool,
    /// What it does, and when, in the order of time.
    pub script: Vec<(Timestamp, Command)>,
}

impl Speaker {
    /// One that reads whole messages and does as the script says.
    #[must_use]
    pub fn new(config: Config, script: Vec<(Timestamp, Command)>) -> Self {
        Self { config, reader: Reader::Next, echo: false, script }
    }
}

/// How a link treats bytes.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Bytes that may be under way or unread before the transport takes no more.
    pub capacity: usize,
    /// Most bytes of what it splits.
    pub piece: usize,
    /// Shortest time under way, in microseconds.
    pub fastest: usize,
    /// Longest time under way, in microseconds.
    pub slowest: usize,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing arrives for some time; `until` may be never.
    Stall {
        /// Which of the links: the client's, the server's.
        links: [bool; 2],
        /// When it begins.
        at: Timestamp,
        /// When it is over.
        until: Timestamp,
    },
    /// The transport breaks.
    Reset {
        /// On which link: 0 the client's, 1 the server's.
        link: usize,
        /// After so many bytes.
        after: usize,
    },
    /// The reader sees the end of the transport, while the writer goes on.
    HalfClose {
        /// On which link.
        link: usize,
        /// After so many bytes.
        after: usize,
    },
    /// The clock leaps: the machine was asleep.
    Jump {
        /// When.
        at: Timestamp,
        /// How far.
        by: Duration,
    },
    /// What arrives is not what was written: the peer lies.
    Lie {
        /// On which link.
        link: usize,
        /// After so many bytes.
        after: usize,
        /// How.
        lie: Lie,
    },
    /// One end can have no memory for messages that arrive, but for small ones.
    Scarce {
        /// Which end: 0 the client, 1 the server.
        end: usize,
        /// From when on.
        at: Timestamp,
    },
}

/// What becomes of a stream of frames at some byte of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Lie {
    /// Bits of the byte are flipped.
    Flip(u8),
    /// These come in between.
    Insert(Vec<u8>),
    /// So many bytes are left out.
    Omit(usize),
    /// So many bytes come twice.
    Repeat(usize),
}

impl Lie {
    /// Tells it of `bytes`, from the byte `at` on.
    pub(super) fn tell(&self, bytes: &mut Vec<u8>, at: usize) {
        let at = at.min(bytes.len());
        match self {
            Self::Flip(bits) => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits),
            Self::Insert(more) => drop(bytes.splice(at..at, more.iter().copied())),
            Self::Omit(n) => drop(bytes.drain(at..bytes.len().min(at + n))),
            Self::Repeat(n) => {
                let again = bytes[at..bytes.len().min(at + n)].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
}

impl fmt::Debug for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flip(bits) => write!(f, "flip {bits:#010b}"),
            Self::Insert(bytes) => {
                write!(f, "insert {}: {:02X?}", bytes.len(), &bytes[..bytes.len().min(40)])
            }
            Self::Omit(n) => write!(f, "omit {n}"),
            Self::Repeat(n) => write!(f, "repeat {n}"),
        }
    }
}

/// All that will happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the chances during the run come from.
    pub seed: u64,
    /// The client and the server.
    pub speakers: [Speaker; 2],
    /// From the client to the server, and back.
    pub links: [Habits; 2],
    /// Whether permessage-deflate has been agreed on, and from what length on messages are compressed.
    pub deflate: Option<usize>,
    /// What goes wrong.
    pub fault: Fault,
    /// Whether nothing goes wrong, so that all must end well.
    pub calm: bool,
}

/// So many milliseconds after the beginning.
#[must_use]
pub fn millis(n: usize) -> Timestamp {
    Timestamp::from_nanos(n as u64 * 1_000_000)
}

impl Habits {
    /// A fast link that splits and merges.
    #[must_use]
    pub const fn brisk() -> Self {
        Self { capacity: 64 << 10, piece: 500, fastest: 50, slowest: 5_000 }
    }
}

impl Plan {
    /// A plan in which nothing goes wrong but what the scripts do.
    #[must_use]
    pub fn calm(seed: u64, client: Speaker, server: Speaker) -> Self {
        let links = [Habits::brisk(); 2];
        Self { seed, speakers: [client, server], links, deflate: None, fault: Fault::None, calm: true }
    }

    /// The plan of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5EED);
        let mut deflate = if dice.chance(25) { Some(dice.pick(&[0, 10, 100])) } else { None };
        let calm = dice.chance(50);
        let ends_at = dice.between(0, 8_000);
        let mut speakers = [0, 1].map(|i| speaker(&mut dice, calm, ends_at, i == 1));
        // Both may close, at once or one after the other. One does in any case, and where the transport may fall silent
        // for ever both do: without keep-alive there is no other way to notice.
        let closer = dice.below(2);
        for (i, speaker) in speakers.iter_mut().enumerate() {
            if i == closer || !calm || dice.chance(40) {
                let at = if dice.chance(50) { ends_at } else { ends_at + dice.below(100) };
                speaker.script.push((millis(at), close(&mut dice, i == 0)));
            }
            speaker.script.sort_by_key(|&(at, _)| at);
        }
        let links = [0, 1].map(|_| habits(&mut dice, calm));
        let fault = if calm { Fault::None } else { fault(&mut dice, ends_at) };
        match &fault {
            Fault::Lie { .. } => {
                // What the oracle says of a whole stream is what is expected: it inflates nothing, and has one limit.
                deflate = None;
                for speaker in &mut speakers {
                    speaker.config.max_streamed = speaker.config.max_message;
                }
            }
            Fault::Scarce { end, .. } => {
                // What it sends itself is its own to bound: an outbox is not asked for more than there is.
                let speaker = &mut speakers[*end];
                speaker.config.read_buffer = 2 << 10;
                speaker.echo = false;
                speaker.script.retain(|(_, command)| command.len() == 0 && !command.is_data());
            }
            _ => {}
        }
        Self { seed, speakers, links, deflate, fault, calm }
    }
}

fn habits(dice: &mut Dice, calm: bool) -> Habits {
    let capacity = dice.pick(&[if calm { 1 << 10 } else { 100 }, 1 << 10, 16 << 10, 64 << 10, 1 << 20]);
    let fastest = dice.pick(&[1, 100, 2_000]);
    // Small as well as far would take days.
    let slowest = fastest + dice.pick(&[0, 1_000, if capacity > 10_000 { 300_000 } else { 3_000 }]);
    Habits { capacity, piece: dice.pick(&[1, 10, 1000]), fastest, slowest }
}

fn fault(dice: &mut Dice, ends_at: usize) -> Fault {
    let after = dice.pick(&[10, 300, 5_000, 100_000]);
    let (link, after) = (dice.below(2), dice.between(1, after));
    let at = millis(dice.below(ends_at + 100));
    match dice.below(8) {
        0 => Fault::None,
        5 | 6 => Fault::Lie { link, after: after - 1, lie: lie(dice, link == 0) },
        7 => Fault::Scarce { end: link, at },
        1 => Fault::Reset { link, after },
        2 => Fault::HalfClose { link, after },
        3 => {
            let never = Timestamp::from_nanos(u64::MAX);
            let until = if dice.chance(40) { never } else { at + Duration::from_secs(dice.below(60) as u64) };
            Fault::Stall { links: dice.pick(&[[true, true], [true, false], [false, true]]), at, until }
        }
        _ => Fault::Jump { at, by: Duration::from_secs(dice.between(1, 10_000) as u64) },
    }
}

fn lie(dice: &mut Dice, masked: bool) -> Lie {
    match dice.below(4) {
        0 => Lie::Flip(1 << dice.below(8)),
        1 => Lie::Omit(dice.between(1, 20)),
        2 => Lie::Repeat(dice.between(1, 200)),
        // Frames, so that the lie is told where it counts; and some noise.
        _ => {
            let len = dice.below(20);
            let payload = dice.bytes(len);
            let frame = match dice.below(7) {
                0 => Frame::ping(payload),
                1 => Frame::close(dice.pick(&[1000, 1005, 1015, 2999, 3000, 5000]), "bye"),
                2 => Frame::new(dice.pick(&[3, 11, 15]), payload),
                3 => Frame::continuation(payload),
                4 => Frame::text(payload).unfinished(),
                // More than ever comes, and more than there can be.
                5 => {
                    return Lie::Insert(
                        [&[0x82, if masked { 0xFF } else { 0x7F }][..], &[0x7F; 12]].concat(),
                    );
                }
                _ => return Lie::Insert(payload),
            };
            Lie::Insert(stream(&vec![frame; dice.pick(&[1, 1, 50])], masked))
        }
    }
}

fn config(dice: &mut Dice) -> Config {
    let mut config = Config::default();
    config.max_outbox = dice.pick(&[1 << 10, 20 << 10, 256 << 10]);
    config.read_buffer = dice.pick(&[2 << 10, 16 << 10, 100 << 10]);
    config.fragment_above = dice.pick(&[None, None, None, Some(64), Some(1000), Some(9000)]);
    let seconds = |dice: &mut Dice, low, high| Duration::from_secs(dice.between(low, high) as u64);
    config.keepalive = if dice.chance(70) {
        Some(Keepalive { every: seconds(dice, 2, 30), within: seconds(dice, 2, 10) })
    } else {
        None
    };
    config.idle = if dice.chance(20) { Some(seconds(dice, 2, 8)) } else { None };
    config.close_within = seconds(dice, 2, 10);
    config.write_stall = seconds(dice, 3, 30);
    config.close_reply = dice.pick(&[Reply::Automatic, Reply::Automatic, Reply::WhenAsked]);
    config
}

fn speaker(dice: &mut Dice, calm: bool, ends_at: usize, may_echo: bool) -> Speaker {
    let mut config = config(dice);
    if calm {
        // What is still to be said on either side may take longer over a slow link, and does not count.
        config.close_within += Duration::from_secs(60);
        config.write_stall += Duration::from_secs(60);
    }
    let reader = dice.pick(&[Reader::Next, Reader::NextChunk, Reader::Either, Reader::Accept]);
    if reader == Reader::Accept && dice.chance(30) {
        config.pong_reply = Reply::WhenAsked;
    }
    let mut script = Vec::new();
    let mut at = 0;
    let busy = dice.pick(&[10, 100, 1000]);
    for _ in 0..dice.below(20) {
        at += dice.below(busy);
        if at >= ends_at {
            break;
        }
        do_something(dice, calm, &mut at, &mut script);
    }
    Speaker { config, reader, echo: may_echo && dice.chance(30), script }
}

fn message(dice: &mut Dice) -> (Kind, Vec<u8>) {
    let len = match dice.below(20) {
        0..=7 => dice.below(130),
        8..=13 => dice.below(3_000),
        14..=17 => dice.below(30_000),
        18 => dice.pick(&[0, 125, 126, 8191, 8192, 65535, 65536]),
        _ => dice.below(300_000),
    };
    if dice.chance(50) { (Kind::Text, dice.text(len).into_bytes()) } else { (Kind::Binary, dice.bytes(len)) }
}

/// Adds what an application does next.
fn do_something(dice: &mut Dice, calm: bool, at: &mut usize, script: &mut Vec<(Timestamp, Command)>) {
    let command = match dice.below(20) {
        0..=8 => {
            let (kind, payload) = message(dice);
            Command::Send(kind, payload)
        }
        9 => {
            let (kind, payload) = message(dice);
            Command::SendPrepared(kind, payload)
        }
        10..=12 => return parts(dice, at, script),
        13 | 14 => {
            let len = dice.below(126);
            Command::Ping(dice.bytes(len))
        }
        15 => {
            let len = dice.below(126);
            Command::Pong(dice.bytes(len))
        }
        16 if !calm && dice.chance(10) => Command::Abort,
        // A few of these together are still shorter than any time-out.
        16 | 17 if calm => Command::Pause(Duration::from_millis(dice.below(300) as u64)),
        16 | 17 => Command::Pause(Duration::from_millis(dice.below(40_000) as u64)),
        18 => Command::Park,
        // Several at once, so that they lie together in the outbox.
        _ => {
            for _ in 0..dice.between(2, 12) {
                let len = dice.below(126);
                script.push((millis(*at), Command::Ping(dice.bytes(len))));
            }
            return;
        }
    };
    script.push((millis(*at), command));
}

fn parts(dice: &mut Dice, at: &mut usize, script: &mut Vec<(Timestamp, Command)>) {
    let (kind, payload) = message(dice);
    let cuts = dice.between(0, 6);
    let mut cuts: Vec<usize> = (0..cuts).map(|_| dice.below(payload.len() + 1)).collect();
    cuts.push(payload.len());
    cuts.sort_unstable();
    let mut start = 0;
    for (i, &cut) in cuts.iter().enumerate() {
        let last = i + 1 == cuts.len();
        script.push((millis(*at), Command::Part(kind, payload[start..cut].to_vec(), last)));
        start = cut;
        *at += dice.pick(&[0, 0, 20]);
        if !last && dice.chance(20) {
            script.push((millis(*at), Command::Ping(dice.bytes(3))));
        }
    }
}

fn close(dice: &mut Dice, client: bool) -> Command {
    let codes = [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::MANDATORY_EXTENSION];
    let code = dice.pick(&codes[..if client { 3 } else { 2 }]);
    let len = dice.pick(&[0, 5, 123]);
    Command::Close(if dice.chance(20) { None } else { Some((code, dice.text(len))) })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {}", self.seed, if self.calm { "calm" } else { "not calm" })?;
        writeln!(f, "{:?}, deflate {:?}", self.fault, self.deflate)?;
        for ((name, speaker), link) in ["client", "server"].iter().zip(&self.speakers).zip(&self.links) {
            writeln!(f, "{name}: reads by {:?}, echo {}, {link:?}", speaker.reader, speaker.echo)?;
            writeln!(f, "    {:?}", speaker.config)?;
            for (at, command) in &speaker.script {
                writeln!(f, "    {at:?}: {command:?}")?;
            }
        }
        Ok(())
    }
}
