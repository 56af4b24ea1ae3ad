//! [`conversation`]: a client and a server that talk, over a transport that need not be kind.

mod end;
mod pipe;
mod verdict;

use core::time::Duration;

use websans::{Config, Keepalive, Negotiated, Reply, Role, Timestamp};
use websans_deflate::Deflate;

use crate::listen::counted_keys;

use super::compressed_duplex::negotiate;
use super::input::Input;
use end::End;
use pipe::Pipe;

/// Most operations of one input.
const MOST: usize = 200;

/// Most bytes that are sent, and how many times over a transport is filled by them: what a turn cannot move takes another.
const MOST_BYTES: usize = 16 << 10;
const MOST_FILLS: usize = 50;

/// How long it may take, once nothing new is asked for, until both ends are gone: all time-outs one behind the other.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lets a client and a server talk, and then end.
///
/// The first three bytes are the settings of both, six more those of compression if there is any; each further one is
/// something that an end, the transport or the clock does, with what it needs in the bytes behind it.
///
/// # Panics
/// If a message does not arrive once, in order and unchanged though nothing stood in its way; if both ends do not come to
/// an end in bounded time, or do not agree on it; if one says more than one Close, anything behind its end, or anything
/// that is not legal; or if it holds more than it may.
pub fn conversation(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(&mut input);
    for _ in 0..MOST {
        if input.is_empty() || world.is_enough() {
            break;
        }
        world.operation(&mut input);
    }
    world.settle();
    verdict::check(&world);
}

struct World {
    ends: [End; 2],
    /// From the client to the server, and back.
    pipes: [Pipe; 2],
    now: Timestamp,
    /// How far the clock has leapt.
    leapt: Duration,
    /// Something was done that may keep messages from arriving, and the ending from being a clean one.
    troubled: bool,
    compression: bool,
}

impl World {
    fn new(input: &mut Input<'_>) -> Self {
        let (sizes, habits, times) = (input.byte(), input.byte(), input.byte());
        let mut config = Config::default();
        config.max_outbox = [256 << 10, 0, 300, 5000][usize::from(sizes & 3)];
        config.fragment_above = [None, Some(1), Some(100), Some(2000)][usize::from(sizes >> 2 & 3)];
        config.read_buffer = if sizes & 16 == 0 { 16 << 10 } else { 2 << 10 };
        config.max_fragments = u32::MAX;
        config.max_empty_fragments = u8::MAX;
        config.keepalive = (times & 1 == 0).then(Keepalive::default);
        config.idle = (times & 2 != 0).then_some(Duration::from_secs(20));
        config.close_reply = if habits & 1 == 0 { Reply::Automatic } else { Reply::WhenAsked };
        config.pong_reply = if habits & 2 == 0 { Reply::Automatic } else { Reply::WhenAsked };
        let compression = habits & 4 != 0;
        let capacity = [64 << 10, 5, 50, 3000][usize::from(habits >> 3 & 3)];

        let now = Timestamp::from_nanos(0);
        let (client, server) = if compression {
            let (client, server) = (Deflate::new(input.settings()), Deflate::new(input.settings()));
            negotiate(&client, &server)
        } else {
            (Negotiated::default(), Negotiated::default())
        };
        let roles = [(Role::Client(counted_keys()), client), (Role::Server, server)];
        let ends = roles.map(|(role, agreed)| End::new(websans::open(role, config.clone(), agreed, now)));
        let pipes = [Pipe::new(capacity), Pipe::new(capacity)];
        Self { ends, pipes, now, leapt: Duration::ZERO, troubled: false, compression }
    }

    fn most_bytes(&self) -> usize {
        MOST_BYTES.min(self.pipes[0].capacity * MOST_FILLS)
    }

    fn is_enough(&self) -> bool {
        self.ends.iter().map(|end| end.accepted).sum::<usize>() > self.most_bytes()
    }

    fn operation(&mut self, input: &mut Input<'_>) {
        let what = input.byte();
        let i = usize::from(what >> 7);
        let most = self.most_bytes();
        let end = &mut self.ends[i];
        match what & 0x1F {
            _ if end.is_gone() => {}
            0..=4 => end.send(input, what & 0x40 != 0, most),
            5..=8 => end.send_part(input, what & 0x40 != 0, most),
            9 => end.flush_part(),
            10 => end.ping(input),
            11 => end.pong(input),
            12 => end.close(input),
            13 => {
                end.fail();
                self.troubled = true;
            }
            14 => {
                end.abort();
                self.troubled = true;
            }
            15 => {
                self.pipes[i].cut();
                self.troubled = true;
            }
            16 => self.pipes[i].stalled ^= true,
            17 => end.park(),
            18 => end.chunks ^= true,
            19 => end.paused ^= true,
            20 | 21 => self.leap(Duration::from_millis(u64::from(input.byte()) * 100)),
            22 => self.leap(Duration::from_secs(u64::from(input.byte()))),
            23 | 24 => _ = self.turn(i, usize::from(input.byte())),
            25..=27 => _ = self.turn(i, usize::MAX),
            _ => self.exchange(),
        }
        self.check();
    }

    /// The clock leaps: both ends learn of it when they have their turn.
    fn leap(&mut self, by: Duration) {
        self.now = self.now + by;
        self.leapt += by;
        // No time-out is shorter.
        self.troubled |= self.leapt >= Duration::from_secs(5);
    }

    /// One wake-up of an end, which writes at most `most` bytes. True if anything came of it.
    fn turn(&mut self, i: usize, most: usize) -> bool {
        let [first, second] = &mut self.pipes;
        let (out, back) = if i == 0 { (first, second) } else { (second, first) };
        self.ends[i].turn(self.now, most, out, back)
    }

    /// Both have turns until nothing moves.
    fn exchange(&mut self) {
        let mut turns = 0;
        while self.turn(0, usize::MAX) | self.turn(1, usize::MAX) {
            self.check();
            turns += 1;
            // A byte at a time, there and back.
            assert!(turns < 100_000, "they are busy for ever");
        }
    }

    fn check(&mut self) {
        for end in &mut self.ends {
            end.check();
        }
    }

    /// Nothing new is asked for, and both come to an end.
    fn settle(&mut self) {
        let (since, calm) = (self.now, !self.troubled);
        for end in &mut self.ends {
            end.paused = false;
            end.finish();
        }
        // What is stalled now is so for ever.
        self.troubled |= self.pipes.iter().any(|pipe| pipe.stalled);
        self.exchange();
        self.ends[0].leave();
        loop {
            self.exchange();
            if self.ends.iter().all(End::is_gone) {
                break;
            }
            match self.ends.iter().filter_map(End::deadline).min() {
                Some(deadline) => {
                    assert!(deadline > self.now, "someone waits for {deadline:?}, which is past");
                    self.now = deadline;
                }
                // Nobody would ever notice: its application has enough.
                None => self.ends.iter_mut().for_each(End::leave),
            }
            assert!(self.now.since(since) < PATIENCE, "it does not end");
        }
        let stalled = self.pipes.iter().any(|pipe| pipe.stalled);
        assert!(!calm || stalled || self.now == since, "they waited though there was nothing to wait for");
    }
}
