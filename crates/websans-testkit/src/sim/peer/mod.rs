//! [`Peer`]: one connection, driven as an adapter drives it, with an application that follows a script.

mod application;

use core::{fmt, mem};
use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use websans::{
    Config, Connection, Hangup, Inbox, Negotiated, Outbox, Outcome, ProtocolError, Reply, State, Timestamp,
};

use super::link::Link;
use super::plan::{Command, Fault, Plan, Reader};
use super::trace::{Side, Trace, What};
use super::{Ended, Memory, Said};
use crate::dice::Dice;
use crate::{listen, stored};

pub(super) struct Peer {
    side: Side,
    memory: Memory,
    /// From when on it can have no memory for messages.
    scarce: Option<Timestamp>,
    now: Timestamp,
    /// All that it has read, if not all of it is true.
    heard: Option<Vec<u8>>,
    /// It has been told that its peer broke a rule, or that there is no memory.
    failed: Option<ProtocolError>,
    /// The application has begun to close.
    closing: bool,
    conn: Connection,
    inbox: Inbox,
    reader: Reader,
    echo: bool,
    /// What is to come, and what is due but did not fit yet.
    script: VecDeque<(Timestamp, Command)>,
    due: VecDeque<Command>,
    /// Those that are due wait for room in the outbox, or for the end of a message in parts.
    stuck: bool,
    paused: Option<Timestamp>,
    /// Read and not looked at yet, by an application that reads into a buffer of its own.
    unread: Vec<u8>,
    looked_at: usize,
    /// The application stopped before all that was read was looked at.
    backlog: bool,
    /// The message that is being sent in parts, and the one that is being received in chunks.
    saying: Option<Said>,
    hearing: Option<Said>,
    sent: Vec<Said>,
    received: Vec<Said>,
    unasked: Vec<Vec<u8>>,
    /// Taken out of the outbox, not written yet.
    taken: Bytes,
    wrote: Vec<u8>,
    largest: usize,
    outcome: Option<Outcome>,
    answered_close: bool,
    eof: bool,
    reset: bool,
    shut: bool,
    gone: bool,
}

impl Peer {
    pub(super) fn new(side: Side, plan: &Plan, memory: Memory, now: Timestamp) -> Self {
        let speaker = plan.speakers[side as usize].clone();
        let role = match side {
            Side::Client => websans::Role::Client(listen::counted_keys()),
            Side::Server => websans::Role::Server,
        };
        let negotiated = plan.deflate.map(stored::negotiated).unwrap_or_default();
        let unasked = speaker.script.iter().filter_map(|(_, command)| match command {
            Command::Pong(payload) => Some(payload.clone()),
            _ => None,
        });
        let unasked = unasked.collect();
        let (conn, inbox) = websans::open(role, speaker.config, negotiated, now);
        let scarce = match plan.fault {
            Fault::Scarce { end, at } if end == side as usize => Some(at),
            _ => None,
        };
        let lied_to = matches!(plan.fault, Fault::Lie { link, .. } if link != side as usize);
        Self {
            side,
            memory,
            scarce,
            now,
            heard: lied_to.then(Vec::new),
            failed: None,
            closing: false,
            conn,
            inbox,
            reader: speaker.reader,
            echo: speaker.echo,
            script: speaker.script.into(),
            due: VecDeque::new(),
            stuck: false,
            paused: None,
            unread: Vec::new(),
            looked_at: 0,
            backlog: false,
            saying: None,
            hearing: None,
            sent: Vec::new(),
            received: Vec::new(),
            unasked,
            taken: Bytes::new(),
            wrote: Vec::new(),
            largest: 0,
            outcome: None,
            answered_close: false,
            eof: false,
            reset: false,
            shut: false,
            gone: false,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn note_reset(&mut self) {
        self.reset = true;
    }

    /// Whether it has something to do now.
    pub(super) fn is_ready(&self, now: Timestamp, out: &Link, back: &Link) -> bool {
        if self.gone {
            return false;
        }
        let hangs_up = match self.conn.hangup() {
            Hangup::NotYet => false,
            Hangup::ShutdownWrite => !self.shut,
            Hangup::Drop => true,
        };
        let reads = self.reads();
        self.reset
            || hangs_up
            || self.conn.deadline().is_some_and(|at| at <= now)
            || self.script.front().is_some_and(|&(at, _)| at <= now)
            || !self.due.is_empty() && !self.stuck
            || self.paused.is_some_and(|until| until <= now)
            || self.conn.wants_write() && out.room() > 0
            || self.reads() && self.backlog
            || reads && (back.readable() > 0 || back.at_end(now) && !self.eof)
            || self.conn.state() == State::CloseReceived && !self.answered_close
    }

    /// When it has something to do of its own accord.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        if self.gone {
            return None;
        }
        let script = self.script.front().map(|&(at, _)| at);
        [self.conn.deadline(), script, self.paused].into_iter().flatten().min()
    }

    /// A pause ends with the connection: whoever lets go of it looks no longer.
    fn reads(&self) -> bool {
        self.paused.is_none() || self.outcome.is_some()
    }

    /// One wake-up, in the order in which an adapter goes through it.
    pub(super) fn wake(
        &mut self,
        now: Timestamp,
        out: &mut Link,
        back: &mut Link,
        dice: &mut Dice,
        trace: &mut Trace,
    ) {
        self.now = now;
        // An adapter judges time-outs when it has received what there is, or before, if it likes.
        let early = dice.chance(50);
        if early {
            self.tick(now)
        } else {
            self.conn.wake(now)
        }
        if mem::take(&mut self.reset) {
            self.conn.abort();
            assert_eq!(self.conn.hangup(), Hangup::Drop);
        }
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
        }
        self.follow_script(now, dice, trace);
        if dice.chance(80) {
            self.write(now, out, dice, trace);
        }
        if self.reads() {
            self.hear(now, dice, trace);
        }
        if self.reads() && !self.backlog {
            self.read(now, back, dice, trace);
            self.hear(now, dice, trace);
        }
        if !early {
            self.tick(now);
        }
        if dice.chance(50) {
            self.write(now, out, dice, trace);
        }
        self.note_outcome(now, trace);
        self.check(now);
        self.hang_up(now, out, back, dice, trace);
    }

    /// Time moves, and to move it again, or back, changes nothing.
    fn tick(&mut self, now: Timestamp) {
        let conn = &mut self.conn;
        conn.tick(now);
        let state = |conn: &mut Connection| {
            (conn.state(), conn.deadline(), conn.hangup(), conn.outbox().len(), conn.outcome().cloned())
        };
        let once = state(conn);
        conn.tick(now);
        assert_eq!(once, state(conn), "tick is not idempotent");
        conn.tick(Timestamp::from_nanos(0));
        assert_eq!(once, state(conn), "time went back");
    }

    /// What must be true after every wake-up.
    fn check(&mut self, now: Timestamp) {
        let drop = self.conn.hangup() == Hangup::Drop;
        assert!(drop || self.conn.deadline().is_none_or(|at| at > now), "woken in vain: {:?}", self.conn);
        let most = self.most_queued();
        let waits = self.conn.outbox().len();
        assert!(waits <= most, "{waits} bytes wait, more than {most}");
        assert_eq!(self.conn.wants_write(), waits > 0);
        assert_eq!(self.conn.outbox().remaining(), waits - self.taken.len());
        assert_eq!(self.conn.outcome(), self.outcome.as_ref(), "the outcome changed");
        assert_eq!(self.outcome.is_some(), self.conn.state() == State::Closed);
        let stats = self.conn.stats();
        assert_eq!(stats.bytes_sent, self.wrote.len() as u64);
        assert_eq!(stats.bytes_queued, waits);
        if self.shut {
            assert_eq!(waits, 0, "something to write after the writing side was shut down");
        }
    }

    /// One message of any size goes into an empty outbox, with its headers; answers and Pings come on top.
    fn most_queued(&self) -> usize {
        let config = self.conn.config();
        let fragments = self.largest / config.fragment_above.unwrap_or(usize::MAX).max(1);
        config.max_outbox.max(self.largest + 14 + 5 * (self.largest / 0xFFFF + 1))
            + (fragments + 20) * 14
            + 500
    }

    fn note_outcome(&mut self, now: Timestamp, trace: &mut Trace) {
        if self.outcome.is_none() {
            if let Some(outcome) = self.conn.outcome() {
                self.outcome = Some(outcome.clone());
                trace.note(now, self.side, What::Ended(outcome.clone()));
            }
        }
        // Where the peer's Close is left to the application, it says goodbye before it answers.
        if self.conn.state() == State::CloseReceived && !self.answered_close {
            assert_eq!(self.conn.config().close_reply, Reply::WhenAsked);
            self.answered_close = true;
            self.due.push_back(Command::Close(None));
        }
    }

    fn hang_up(
        &mut self,
        now: Timestamp,
        out: &mut Link,
        back: &mut Link,
        dice: &mut Dice,
        trace: &mut Trace,
    ) {
        match self.conn.hangup() {
            Hangup::NotYet => {}
            Hangup::ShutdownWrite if self.shut => {}
            Hangup::ShutdownWrite => {
                self.shut = true;
                out.shut(now, dice);
                trace.note(now, self.side, What::Shut);
            }
            Hangup::Drop => {
                self.gone = true;
                out.shut(now, dice);
                back.breaks |= back.leave();
                trace.note(now, self.side, What::Gone);
            }
        }
    }

    fn write(&mut self, now: Timestamp, out: &mut Link, dice: &mut Dice, trace: &mut Trace) {
        let mut wrote = 0;
        while self.conn.wants_write() && out.room() > 0 {
            let outbox = self.conn.outbox();
            let waits = outbox.len();
            if self.taken.is_empty() && dice.chance(20) {
                self.taken = outbox.take_chunk();
            }
            // Some writers look at what is there, some at several pieces at once, some take it away.
            let n = if !self.taken.is_empty() {
                let n = out.write(now, &self.taken, dice);
                self.wrote.extend_from_slice(&self.taken.split_to(n));
                outbox.advance(n);
                n
            } else if dice.chance(50) {
                let n = out.write(now, outbox.chunk(), dice);
                self.wrote.extend_from_slice(&outbox.chunk()[..n]);
                outbox.advance(n);
                n
            } else {
                write_vectored(outbox, now, out, dice, &mut self.wrote)
            };
            // A Pong that waited for another to be written may come on top.
            assert!(n > 0 && outbox.len() <= waits - n + 131, "{waits} bytes waited, {n} were written");
            wrote += n;
            if dice.chance(20) {
                break;
            }
        }
        if wrote > 0 {
            self.stuck = false;
            trace.note(now, self.side, What::Wrote(wrote));
        }
    }

    fn read(&mut self, now: Timestamp, back: &mut Link, dice: &mut Dice, trace: &mut Trace) {
        let most = if dice.chance(70) { usize::MAX } else { dice.between(1, 20) };
        let n = if self.reader == Reader::Accept {
            let mut buffer = vec![0; back.readable().min(most)];
            let n = back.read(&mut buffer);
            self.unread.extend_from_slice(&buffer);
            self.heard.iter_mut().for_each(|heard| heard.extend_from_slice(&buffer));
            n
        } else {
            let scarce = self.scarce.is_some_and(|at| at <= now);
            (self.memory.limit)(scarce);
            let spare = self.inbox.spare_mut();
            (self.memory.limit)(false);
            assert!(!spare.is_empty(), "no room to read into though all was looked at");
            let most = most.min(spare.len());
            let n = back.read(&mut spare[..most]);
            self.heard.iter_mut().for_each(|heard| heard.extend_from_slice(&spare[..n]));
            self.inbox.filled(n);
            n
        };
        if n > 0 {
            trace.note(now, self.side, What::Read(n));
            self.backlog = true;
        } else if back.at_end(now) && !self.eof {
            self.eof = true;
            self.conn.eof();
            trace.note(now, self.side, What::Eof);
        }
    }

    /// The longest message that it has sent, or begun to.
    fn longest(&self) -> usize {
        self.sent.iter().chain(&self.saying).map(|said| said.payload.len()).max().unwrap_or(0)
    }

    /// What its connection holds at most as things are: the message that it gathers, read buffer and outbox.
    pub(super) fn most_memory(&self, other: &Self) -> usize {
        let config = self.conn.config();
        let limit = usize::try_from(config.max_message).unwrap_or(usize::MAX);
        // Nobody gathers more than was sent, and who is lied to, no more than the limit.
        let gathered = if self.heard.is_some() { limit } else { other.longest().min(limit) };
        // Storage doubles when it grows; an outbox keeps its own until all in it is written.
        2 * (gathered + config.read_buffer + self.most_queued()) + (16 << 10)
    }

    /// Lets go of the connection, and says how much memory that gave back.
    pub(super) fn weigh(&mut self) -> usize {
        let (conn, inbox) =
            websans::open(websans::Role::Server, Config::default(), Negotiated::default(), self.now);
        let old = (mem::replace(&mut self.conn, conn), mem::replace(&mut self.inbox, inbox));
        let before = (self.memory.live)();
        drop(old);
        before.saturating_sub((self.memory.live)())
    }

    pub(super) fn end(&mut self) -> Ended {
        Ended {
            outcome: self.outcome.clone().expect("whoever lets go has an outcome"),
            sent: mem::take(&mut self.sent),
            received: mem::take(&mut self.received),
            wrote: mem::take(&mut self.wrote),
            unasked: mem::take(&mut self.unasked),
            heard: self.heard.take(),
            scarce: self.scarce.is_some(),
            closing: self.closing,
            skipping: self.hearing.as_ref().is_some_and(|said| said.skipped),
        }
    }
}

fn write_vectored(
    outbox: &mut Outbox,
    now: Timestamp,
    out: &mut Link,
    dice: &mut Dice,
    wrote: &mut Vec<u8>,
) -> usize {
    let mut slices = [std::io::IoSlice::new(&[]); 5];
    let filled = outbox.chunks_vectored(&mut slices);
    assert!(slices[0].starts_with(outbox.chunk()), "the slices differ from the chunk");
    let mut together = Vec::new();
    for slice in &slices[..filled] {
        let n = slice.len().min(out.room() - together.len());
        together.extend_from_slice(&slice[..n]);
    }
    let n = out.write(now, &together, dice);
    wrote.extend_from_slice(&together[..n]);
    outbox.advance(n);
    n
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("conn", &self.conn)
            .field("inbox", &self.inbox)
            .field("due", &self.due)
            .field("sent", &self.sent.len())
            .field("received", &self.received.len())
            .field("paused", &self.paused)
            .field("backlog", &self.backlog)
            .field("stuck", &self.stuck)
            .field("flags", &(self.eof, self.shut, self.gone))
            .finish_non_exhaustive()
    }
}
