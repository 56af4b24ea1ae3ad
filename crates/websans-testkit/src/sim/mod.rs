//! Two connections, two links, a virtual clock: a whole life in a few milliseconds, the same for the same seed.
//!
//! A [`Plan`] says all that will happen; [`Plan::from_seed`] throws one. [`run`] plays it and, all along, holds both ends
//! to what must be true whatever happens; at the end it compares what one end accepted with what the other got.
//! When something is not true it panics, and prints the plan and the end of the [`Trace`].

mod link;
mod peer;
mod plan;
mod trace;
mod verdict;

use core::time::Duration;

use websans::{Outcome, Timestamp};

use crate::dice::Dice;
use link::Link;
use peer::Peer;

pub use plan::{Command, Fault, Habits, Lie, Plan, Reader, Speaker, millis};
pub use trace::{Entry, Side, Trace, What};

/// A message, as it was accepted for sending or received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Text or binary.
    pub kind: websans::Kind,
    /// All of it; what was seen of it, if its receiver skipped the rest.
    pub payload: Vec<u8>,
    /// Whether the receiver skipped the rest.
    pub skipped: bool,
}

/// How it went for one end.
#[derive(Debug)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// The messages that it accepted for sending, in order.
    pub sent: Vec<Said>,
    /// The messages that it received, in order.
    pub received: Vec<Said>,
    /// All bytes that it put on the wire.
    pub wrote: Vec<u8>,
    /// The Pongs that nobody asked it for.
    unasked: Vec<Vec<u8>>,
    /// All that it read, if not all of it was what the other wrote.
    heard: Option<Vec<u8>>,
    /// Whether it was short of memory.
    scarce: bool,
    /// Whether its application had begun to close.
    closing: bool,
    /// Whether it was skipping the rest of a message when it ended.
    skipping: bool,
}

/// How it went.
#[derive(Debug)]
pub struct Run {
    /// The client's end and the server's.
    pub ends: [Ended; 2],
    /// When the second of them let go of the transport.
    pub took: Duration,
    /// Whether a reset went over the link.
    pub reset: bool,
    /// What happened.
    pub trace: Trace,
}

/// Plays a plan.
///
/// # Panics
/// If anything is found that must not be.
#[must_use]
pub fn run(plan: Plan) -> Run {
    run_in(plan, Memory::default())
}

/// Plays a plan in a memory that can be short.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn run_in(plan: Plan, memory: Memory) -> Run {
    let mut world = World::new(plan, memory);
    while world.peers.iter().any(|peer| !peer.is_gone()) {
        world.step();
    }
    world.finish()
}

/// Plays a plan for so many steps at most, and weighs both connections as they are then.
///
/// # Panics
/// As [`run`], and if one holds more than it may.
pub fn weigh(plan: Plan, memory: Memory, steps: usize) {
    let mut world = World::new(plan, memory);
    for _ in 0..steps {
        if world.peers.iter().all(Peer::is_gone) {
            break;
        }
        world.step();
    }
    let [client, server] = &world.peers;
    let most = [client.most_memory(server), server.most_memory(client)];
    for (peer, most) in world.peers.iter_mut().zip(most) {
        let what = format!("{peer:?}");
        let weight = peer.weigh();
        assert!(weight <= most, "{weight} bytes are held, more than {most}, after {steps} steps by {what}");
    }
}

/// The memory of a simulation: of the process, if it has an allocator that can tell. Without, it is never short and
/// weighs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// From now on only small allocations succeed, or all.
    pub limit: fn(bool),
    /// Bytes that are allocated.
    pub live: fn() -> usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { limit: |_| {}, live: || 0 }
    }
}

/// Most steps of one run: a run that takes more spins.
const MOST_STEPS: usize = 400_000;

/// A run ends this long after the plan's last command at the latest, whatever the faults.
const PATIENCE: Duration = Duration::from_secs(200);

struct World {
    plan: Plan,
    dice: Dice,
    now: Timestamp,
    last_command: Timestamp,
    steps: usize,
    peers: [Peer; 2],
    /// From the client to the server, and back.
    links: [Link; 2],
    jumped: bool,
    reset: bool,
    trace: Trace,
}

impl World {
    fn new(plan: Plan, memory: Memory) -> Self {
        let now = Timestamp::from_nanos(0);
        let last_command =
            plan.speakers.iter().flat_map(|s| s.script.last()).map(|&(at, _)| at).max().unwrap_or(now);
        let peers = [Side::Client, Side::Server].map(|side| Peer::new(side, &plan, memory, now));
        let links = [0, 1].map(|from| Link::new(from, &plan));
        let dice = Dice::new(plan.seed);
        let trace = Trace::default();
        Self { plan, dice, now, last_command, steps: 0, peers, links, jumped: false, reset: false, trace }
    }

    /// Wakes one of those that have something to do, or moves time on to when one has.
    fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "a busy loop");
        for link in &mut self.links {
            link.arrive(self.now);
        }
        let ready: Vec<usize> = (0..2)
            .filter(|&i| self.peers[i].is_ready(self.now, &self.links[i], &self.links[1 - i]))
            .collect();
        if ready.is_empty() {
            return self.wait();
        }
        let i = self.dice.pick(&ready);
        let (mine, theirs) = self.links.split_at_mut(1);
        let (out, back) =
            if i == 0 { (&mut mine[0], &mut theirs[0]) } else { (&mut theirs[0], &mut mine[0]) };
        self.peers[i].wake(self.now, out, back, &mut self.dice, &mut self.trace);
        self.watch_for_resets();
    }

    fn wait(&mut self) {
        let peers = self.peers.iter().flat_map(|peer| peer.next_time());
        let links = self.links.iter().flat_map(|link| link.next_time(self.now));
        let next = peers.chain(links).min().expect("nobody waits for anything, and not both are gone");
        assert!(next > self.now, "someone waits for {next:?}, which is past");
        self.now = next;
        match self.plan.fault {
            Fault::Jump { at, by } if !self.jumped && at <= self.now => {
                self.jumped = true;
                self.now = self.now + by;
                self.trace.note(self.now, Side::Client, What::Jump(by));
            }
            _ => {}
        }
        let slack = if self.jumped { Duration::from_secs(4 * 3600) } else { Duration::ZERO };
        assert!(self.now < self.last_command + PATIENCE + slack, "it does not end");
    }

    /// A transport breaks by plan, or because one end let go of it with something unread.
    fn watch_for_resets(&mut self) {
        let broken = self.links.iter_mut().any(|link| core::mem::take(&mut link.breaks));
        if broken {
            self.reset = true;
            for (link, peer) in self.links.iter_mut().zip(&mut self.peers) {
                link.lose_all();
                peer.note_reset();
            }
            self.trace.note(self.now, Side::Client, What::Reset);
        }
    }

    fn finish(mut self) -> Run {
        let ends = [0, 1].map(|i| self.peers[i].end());
        let took = self.now.since(Timestamp::from_nanos(0));
        let mut run = Run { ends, took, reset: self.reset, trace: Trace::default() };
        verdict::check(&self.plan, &run);
        run.trace = core::mem::take(&mut self.trace);
        run
    }
}

/// What happened, if it ends in a panic.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let line = "-".repeat(72);
            eprintln!("{line}\n{}\n{}", self.plan, self.trace.end(60));
            eprintln!("client: {:?}\nserver: {:?}", self.peers[0], self.peers[1]);
            eprintln!("run it alone with cargo xtask simulate --seed {}\n{line}", self.plan.seed);
        }
    }
}
