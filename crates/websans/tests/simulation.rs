//! Two connections, a virtual clock, links that split, merge, delay, stall and break: many lives, all checked.

use core::time::Duration;
use std::thread;

use bytes::Buf;
use websans::{
    Cause, Close, CloseCode, Config, Connection, Hangup, Inbox, Kind, Negotiated, State, Timestamp,
};
use websans_testkit::listen::endpoint;
use websans_testkit::oracle::{self, Event, Rules};
use websans_testkit::sim::{self, Command, Habits, Plan, Speaker, millis};
use websans_testkit::wire::{Frame, stream};

/// Seeds of a run of the tests; `WEBSANS_SEEDS` asks for more.
const SEEDS: u64 = 2000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = variable("WEBSANS_SEED") {
        println!("{}", sim::run(Plan::from_seed(seed)).trace);
        return;
    }
    let seeds = variable("WEBSANS_SEEDS").unwrap_or(SEEDS);
    thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || {
                for seed in (worker..seeds).step_by(2) {
                    let _ = sim::run(Plan::from_seed(seed));
                }
            });
        }
    });
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..100 {
        let [once, again] = [0, 1].map(|_| sim::run(Plan::from_seed(seed)));
        assert_eq!(once.trace.hash(), again.trace.hash());
        assert_eq!(once.trace, again.trace);
    }
}
fn quiet() -> Speaker {
    Speaker::new(Config::default(), Vec::new())
}

fn saying(script: Vec<(Timestamp, Command)>) -> Speaker {
    Speaker::new(Config::default(), script)
}

fn close(code: CloseCode) -> Command {
    Command::Close(Some((code, "done".to_owned())))
}

/// A link of 80 kB a second.
const SLOW: Habits = Habits { capacity: 16 << 10, piece: 1 << 10, fastest: 200_000, slowest: 200_000 };

/// Two ends that send each other more than all buffers on the way hold, at once, get both through.
#[test]
fn large_messages_cross() {
    let large = || {
        vec![
            (millis(0), Command::Send(Kind::Binary, vec![1; 600_000])),
            (millis(10), close(CloseCode::NORMAL)),
        ]
    };
    for seed in 0..20 {
        let run = sim::run(Plan::calm(seed, saying(large()), saying(large())));
        assert!(run.took < Duration::from_secs(5), "{:?}", run.took);
    }
}

/// Who is busy reading a long message cannot answer a Ping that is queued behind it, and is alive.
#[test]
fn a_slow_reader_of_a_long_message_is_not_given_up() {
    let mut receiving = Config::default();
    receiving.max_message = 8 << 20;
    let script = vec![
        (millis(0), Command::Send(Kind::Binary, vec![1; 4 << 20])),
        (millis(120_000), close(CloseCode::NORMAL)),
    ];
    let mut plan = Plan::calm(0, Speaker::new(receiving, Vec::new()), saying(script));
    plan.links = [SLOW; 2];
    let _ = sim::run(plan);
}

/// What was accepted before `close` goes out before the Close, however long that takes, as long as it goes on.
#[test]
fn a_close_behind_a_long_message_is_waited_for() {
    let script = vec![
        (millis(0), Command::Send(Kind::Binary, vec![1; 1 << 20])),
        (millis(0), close(CloseCode::NORMAL)),
    ];
    for client in [true, false] {
        let (one, other) = (saying(script.clone()), quiet());
        let mut plan = if client { Plan::calm(0, one, other) } else { Plan::calm(0, other, one) };
        plan.links = [SLOW; 2];
        let _ = sim::run(plan);
    }
}

/// A reader that takes a little now and then is waited for while the connection is open; behind our Close it has one
/// time for all that is left.
#[test]
fn a_dribbling_reader_cannot_hold_a_close() {
    let script = vec![
        (millis(0), Command::Send(Kind::Binary, vec![1; 1 << 20])),
        (millis(60_000), close(CloseCode::NORMAL)),
    ];
    for client in [true, false] {
        let (one, other) = (saying(script.clone()), quiet());
        let mut plan = if client { Plan::calm(0, one, other) } else { Plan::calm(0, other, one) };
        plan.links = [Habits { capacity: 100, ..SLOW }; 2];
        plan.calm = false;
        let run = sim::run(plan);
        let outcome = &run.ends[usize::from(!client)].outcome;
        assert_eq!((outcome.cause, outcome.received.is_some()), (Cause::WriteStall, false));
        let bound = Duration::from_secs(60) + Config::default().write_stall + Config::default().close_within;
        assert!(run.took >= Duration::from_secs(60) && run.took <= bound, "{:?}", run.took);
    }
}

/// Both close within the time that bytes take: both are clean, each with the other's code.
#[test]
fn simultaneous_closes_are_clean() {
    for seed in 0..200usize {
        let [client, server] = [(CloseCode::NORMAL, seed % 7), (CloseCode::GOING_AWAY, seed % 5)]
            .map(|(code, at)| saying(vec![(millis(at), close(code))]));
        let run = sim::run(Plan::calm(seed as u64, client, server));
        let [client, server] = run.ends.map(|end| end.outcome);
        if client.initiator == server.initiator {
            assert_eq!((client.code(), server.code()), (1001, 1000));
        } else {
            assert_eq!(client.code(), server.code());
        }
    }
}

/// One of two ends that are connected by nothing but this test.
struct End {
    conn: Connection,
    inbox: Inbox,
}

/// What one end or the other does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Close(usize),
    /// All that one end has to write reaches the other.
    Carry(usize),
    /// As much of it as is half a frame.
    CarryByte(usize),
    Ping(usize),
}

const STEPS: [Step; 8] = [
    Step::Close(0),
    Step::Close(1),
    Step::Carry(0),
    Step::Carry(1),
    Step::CarryByte(0),
    Step::CarryByte(1),
    Step::Ping(0),
    Step::Ping(1),
];

fn carry(ends: &mut [End; 2], from: usize, most: usize) {
    let outbox = ends[from].conn.outbox();
    let n = outbox.chunk().len().min(most);
    let bytes = outbox.chunk()[..n].to_vec();
    outbox.advance(n);
    let End { conn, inbox } = &mut ends[1 - from];
    inbox.spare_mut()[..n].copy_from_slice(&bytes);
    inbox.filled(n);
    assert_eq!(inbox.next(conn), Ok(false));
}

/// Every order in which five things can happen, and then the rest: one Close each, both clean, no code made up.
#[test]
fn every_interleaving_of_closes() {
    for n in 0..STEPS.len().pow(5) {
        let mut ends = [false, true].map(|server| {
            let (conn, inbox) = endpoint(server, &Config::default(), Negotiated::default());
            End { conn, inbox }
        });
        let mut asked = [false; 2];
        let mut rest = n;
        let steps = [(); 5].map(|()| {
            let step = STEPS[rest % STEPS.len()];
            rest /= STEPS.len();
            step
        });
        let code = |i: usize| CloseCode::new([3000, 3001][i]).unwrap();
        for step in steps {
            match step {
                Step::Close(i) => asked[i] |= ends[i].conn.close(code(i), "").is_ok(),
                Step::Carry(i) => carry(&mut ends, i, usize::MAX),
                Step::CarryByte(i) => carry(&mut ends, i, 1),
                Step::Ping(i) => _ = ends[i].conn.ping(b"?"),
            }
        }
        if asked == [false; 2] {
            asked[0] = ends[0].conn.close(code(0), "").is_ok();
        }
        while ends[0].conn.wants_write() || ends[1].conn.wants_write() {
            carry(&mut ends, 0, usize::MAX);
            carry(&mut ends, 1, usize::MAX);
        }
        let [client, server] = ends.each_ref().map(|end| end.conn.outcome().expect("both have closed"));
        for (mine, theirs, i) in [(client, server, 0), (server, client, 1)] {
            assert_eq!(mine.cause, Cause::Clean, "{steps:?}");
            assert_eq!(mine.sent, theirs.received, "{steps:?}");
            let by = if asked[i] { i } else { 1 - i };
            assert_eq!(mine.sent, Some(Close::new(code(by), "")), "{steps:?}");
        }
        assert_eq!(ends[1].conn.hangup(), Hangup::ShutdownWrite);
        assert_eq!(ends[0].conn.hangup(), Hangup::NotYet, "the server ends the transport first");
        ends[0].conn.eof();
        ends[1].conn.eof();
        assert!(
            ends.iter().all(|end| end.conn.hangup() == Hangup::Drop && end.conn.state() == State::Closed)
        );
    }
}

/// A Ping whose answer had to wait for a Pong that was half written is answered before the Close, or not at all: a Close
/// that answers the peer's is the last frame.
#[test]
fn no_pong_follows_the_answer_to_a_close() {
    for server in [true, false] {
        // How much of the outbox the transport takes between the Pings.
        for taken in 1..400 {
            let (mut conn, _) = endpoint(server, &Config::default(), Negotiated::default());
            conn.send(vec![7; 100]).unwrap();
            let receive = |conn: &mut Connection, frame: Frame| {
                let mut bytes = stream(&[frame], server);
                let mut input = &mut bytes[..];
                while conn.receive(&mut input).unwrap().is_some() {}
            };
            conn.tick(millis(1));
            receive(&mut conn, Frame::ping([1; 100]));
            conn.send(vec![8; 10]).unwrap();
            conn.tick(millis(2));
            receive(&mut conn, Frame::ping([2; 100]));
            conn.send(vec![9; 10]).unwrap();
            let mut wrote = Vec::new();
            write(&mut conn, taken, &mut wrote);
            conn.tick(millis(3));
            receive(&mut conn, Frame::ping([3; 100]));
            receive(&mut conn, Frame::close(1000, ""));
            write(&mut conn, usize::MAX, &mut wrote);
            let meaning = oracle::read(&wrote, &Rules::unlimited(!server));
            assert_eq!(meaning.events.last(), Some(&Event::Close(Some((1000, String::new())))));
            assert_eq!(
                meaning.used,
                wrote.len(),
                "a frame after the Close, when {taken} bytes had been taken"
            );
            let pongs = meaning.events.iter().filter_map(|event| match event {
                Event::Pong(payload) => Some(payload[0]),
                _ => None,
            });
            let pongs: Vec<u8> = pongs.collect();
            assert!(
                pongs.is_sorted() && pongs.last() == Some(&3),
                "{pongs:?}, when {taken} bytes had been taken"
            );
        }
    }
}

fn write(conn: &mut Connection, most: usize, wrote: &mut Vec<u8>) {
    let outbox = conn.outbox();
    let mut left = most;
    while left > 0 && outbox.has_remaining() {
        let n = outbox.chunk().len().min(left);
        wrote.extend_from_slice(&outbox.chunk()[..n]);
        outbox.advance(n);
        left -= n;
    }
}

/// The peer may have ended one direction only: what waits still goes out, and no longer than a Close is waited for.
#[test]
fn what_waits_is_still_written_after_the_peers_end() {
    for server in [true, false] {
        let (mut conn, _) = endpoint(server, &Config::default(), Negotiated::default());
        conn.send("last words").unwrap();
        conn.eof();
        assert_eq!(conn.outcome().unwrap().cause, Cause::Eof);
        assert_eq!(conn.hangup(), Hangup::NotYet);
        write(&mut conn, 3, &mut Vec::new());
        assert_eq!(conn.hangup(), Hangup::NotYet);
        write(&mut conn, usize::MAX, &mut Vec::new());
        assert_eq!(conn.hangup(), Hangup::Drop);

        let (mut conn, _) = endpoint(server, &Config::default(), Negotiated::default());
        conn.send("to nobody").unwrap();
        conn.eof();
        let deadline = conn.deadline().unwrap();
        assert!(deadline <= millis(5_000));
        conn.tick(deadline);
        assert_eq!((conn.hangup(), conn.outcome().unwrap().cause), (Hangup::Drop, Cause::Eof));
    }
}

/// The outcome tells what was sent: a Close without a code has no room for a reason.
#[test]
fn the_outcome_tells_the_close_that_was_sent() {
    let (mut conn, _) = endpoint(true, &Config::default(), Negotiated::default());
    let mut odd = Close::default();
    odd.reason = "lost".into();
    let done = conn.close_with(odd);
    conn.eof();
    let outcome = conn.outcome().unwrap().clone();
    let mut wrote = Vec::new();
    write(&mut conn, usize::MAX, &mut wrote);
    let said = oracle::read(&wrote, &Rules::unlimited(false));
    match done {
        Ok(()) => {
            assert_eq!(said.events, [Event::Close(None)]);
            assert_eq!(outcome.sent, Some(Close::default()));
        }
        Err(_) => assert_eq!((said.events, outcome.sent), (vec![], None)),
    }
}
