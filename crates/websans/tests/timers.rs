//! Time, which is virtual here: every deadline to the nanosecond.

#[path = "rfc6455/support.rs"]
mod support;

use core::time::Duration;

use bytes::Buf;
use proptest::prelude::*;
use support::*;
use websans::{Cause, Config, Connection, Hangup, Initiator, Keepalive, Negotiated, Reply, State, Timestamp};

const NANO: Duration = Duration::from_nanos(1);
const EVERY: Duration = Duration::from_secs(30);
const WITHIN: Duration = Duration::from_secs(10);

fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos() - 1)
}

fn keepalive(every: Duration, within: Duration) -> Config {
    let mut config = Config::default();
    config.keepalive = Some(Keepalive { every, within });
    config
}

/// Everything that a tick could change.
fn look(conn: &mut Connection) -> (State, Vec<u8>, Option<Timestamp>, Hangup, Option<Ended>) {
    let outbox = conn.outbox().chunk().to_vec();
    (conn.state(), outbox, conn.deadline(), conn.hangup(), conn.outcome().map(ended))
}

/// Asserts that nothing is due before `due`, and that `deadline` says so; then lets it become due.
fn tick_at(conn: &mut Connection, due: Timestamp) {
    assert_eq!(conn.deadline(), Some(due));
    let before = look(conn);
    conn.tick(just_before(due));
    conn.tick(just_before(due));
    conn.tick(START);
    assert_eq!(look(conn), before, "nothing is due before its time");
    conn.tick(due);
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let conn = End::Server.conn();
    assert_eq!(conn.deadline(), Some(START + secs(30)));
    let config = Config::default();
    assert_eq!(config.keepalive, Some(Keepalive { every: secs(30), within: secs(10) }));
    assert_eq!((config.idle, config.close_within), (None, secs(5)));
    assert_eq!((config.write_stall, config.handshake_within), (secs(30), secs(10)));
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        tick_at(&mut conn, START + EVERY);
        let frames = sent(&mut conn);
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].first, frames[0].key), (FIN | PING, end.outgoing_key()));
        tick_at(&mut conn, START + EVERY + WITHIN);
        assert_eq!(drain(&mut conn), end.outgoing_close(1011, "no answer to keep-alive"));
        assert_eq!(conn.hangup(), Hangup::Drop);
        let outcome = conn.outcome().unwrap();
        assert_eq!((outcome.cause, outcome.initiator), (Cause::KeepaliveTimeout, Initiator::Local));
        assert_eq!(outcome.code(), 1006);
    }
}

#[test]
fn the_close_of_a_given_up_connection_does_not_hold_it_up() {
    let mut conn = End::Server.open(keepalive(EVERY, WITHIN)).0;
    conn.tick(START + EVERY);
    conn.tick(START + EVERY + WITHIN);
    // One try to write it, and no waiting.
    assert!(conn.wants_write());
    assert_eq!(conn.hangup(), Hangup::Drop);
}

/// Whatever arrives is a sign of life, be it half a header, and each sign counts from when it came.
#[test]
fn any_byte_is_life() {
    for end in BOTH {
        let message = end.incoming(FIN | TEXT, b"hello");
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        let mut now = START;
        for (at, &byte) in message.iter().enumerate() {
            // In time for no question, in time for an answer to one, by turns.
            let asked = at % 2 == 1;
            let wait = if asked { EVERY + WITHIN - NANO } else { EVERY - NANO };
            if asked {
                conn.tick(now + EVERY);
                assert_eq!(sent(&mut conn).len(), 1, "a ping");
            }
            now = now + wait;
            conn.tick(now);
            receive(&mut conn, &[byte]);
            assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
            assert_eq!(conn.deadline(), Some(now + EVERY));
        }
    }
}

#[test]
fn a_question_is_not_repeated_and_differs_from_the_last() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        let mut now = START;
        let mut asked: Vec<Vec<u8>> = Vec::new();
        for _ in 0..5 {
            now = now + EVERY;
            conn.tick(now);
            conn.tick(now);
            conn.tick(now + secs(1));
            let frames = sent(&mut conn);
            assert_eq!(frames.len(), 1);
            assert!(!asked.contains(&frames[0].payload), "so that its pong can be told from an older one");
            asked.push(frames[0].payload.clone());
            now = now + secs(2);
            conn.tick(now);
            // A Pong that answers an older Ping is life, but says nothing about the time it took.
            receive(&mut conn, &end.incoming(FIN | PONG, &asked[0]));
            let expected = (asked.len() == 1).then_some(secs(2));
            assert_eq!(conn.stats().round_trip, expected.or(Some(secs(2))));
        }
    }
}

#[test]
fn round_trips_are_measured() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        assert_eq!(conn.stats().round_trip, None);
        conn.tick(START + EVERY);
        let ping = sent(&mut conn).remove(0);
        conn.tick(START + EVERY + Duration::from_micros(1_234));
        receive(&mut conn, &end.incoming(FIN | PONG, &ping.payload));
        assert_eq!(conn.stats().round_trip, Some(Duration::from_micros(1_234)));
    }
}

#[test]
fn without_keepalive_an_open_connection_has_no_deadline() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        assert_eq!(conn.deadline(), None);
        conn.tick(Timestamp::from_nanos(u64::MAX));
        assert_eq!((conn.state(), conn.deadline(), conn.wants_write()), (State::Open, None, false));
    }
}

/// Control frames keep a connection alive, but it is idle without messages.
#[test]
fn an_idle_connection_is_closed() {
    for end in BOTH {
        let mut config = quiet();
        config.idle = Some(secs(60));
        let mut conn = end.open(config).0;
        assert_eq!(conn.deadline(), Some(START + secs(60)));
        conn.tick(START + secs(20));
        receive(&mut conn, &end.incoming(FIN | PING, b""));
        conn.ping(b"").unwrap();
        drain(&mut conn);
        assert_eq!(conn.deadline(), Some(START + secs(60)));
        receive(&mut conn, &end.incoming(FIN | TEXT, b"received"));
        assert_eq!(conn.deadline(), Some(START + secs(80)));
        conn.tick(START + secs(30));
        conn.send("sent").unwrap();
        drain(&mut conn);
        assert_eq!(conn.deadline(), Some(START + secs(90)));
        tick_at(&mut conn, START + secs(90));
        assert_eq!(conn.state(), State::CloseSent);
        assert_eq!(drain(&mut conn), end.outgoing_close(1001, "idle"));
        tick_at(&mut conn, START + secs(95));
        assert_eq!(conn.hangup(), Hangup::Drop);
        assert_eq!(conn.outcome().unwrap().cause, Cause::CloseTimeout);
    }
}

/// A message counts when it is whole; with the shorter of two deadlines first.
#[test]
fn idleness_and_keepalive_together() {
    for end in BOTH {
        let mut config = keepalive(EVERY, WITHIN);
        config.idle = Some(secs(60));
        let mut conn = end.open(config).0;
        tick_at(&mut conn, START + secs(30));
        drain(&mut conn);
        assert_eq!(conn.deadline(), Some(START + secs(40)));
        conn.tick(START + secs(35));
        receive(&mut conn, &end.incoming(TEXT, b"part"));
        assert_eq!(conn.deadline(), Some(START + secs(60)));
        receive(&mut conn, &end.incoming(FIN, b"part"));
        assert_eq!(conn.deadline(), Some(START + secs(65)));
    }
}

/// No sign of life puts the end of a closing off.
#[test]
fn closing_takes_so_long_and_no_longer() {
    for end in BOTH {
        for reply in [Reply::Automatic, Reply::WhenAsked] {
            for ours in [false, true] {
                for answered in [false, true] {
                    let mut config = keepalive(EVERY, WITHIN);
                    config.close_within = secs(7);
                    config.close_reply = reply;
                    let mut conn = end.open(config).0;
                    let (mut begun, mut now) = (START + secs(3), START + secs(3));
                    conn.tick(now);
                    if ours {
                        conn.close(code(1000), "").unwrap();
                    } else {
                        receive(&mut conn, &end.incoming_close(1000, ""));
                    }
                    drain(&mut conn);
                    assert_eq!(conn.deadline(), Some(begun + secs(7)));
                    if answered {
                        // From one state to the next the time starts anew: once.
                        now = now + secs(4);
                        conn.tick(now);
                        if ours {
                            receive(&mut conn, &end.incoming_close(1000, ""));
                        } else {
                            let result = conn.close(code(1000), "");
                            assert_eq!(result.is_ok(), reply == Reply::WhenAsked);
                        }
                        drain(&mut conn);
                        if conn.deadline() != Some(begun + secs(7)) {
                            begun = now;
                        }
                        assert_eq!(conn.state(), State::Closed);
                    }
                    for _ in 0..5 {
                        now = now + Duration::from_millis(500);
                        conn.tick(now);
                        receive(&mut conn, &end.incoming(FIN | TEXT, b"data without end"));
                        receive(&mut conn, &end.incoming(FIN | PONG, b""));
                        assert_eq!(conn.deadline(), Some(begun + secs(7)));
                        assert_ne!(conn.hangup(), Hangup::Drop);
                    }
                    tick_at(&mut conn, begun + secs(7));
                    assert_eq!((conn.state(), conn.hangup()), (State::Closed, Hangup::Drop));
                    let clean = answered || !ours && reply == Reply::Automatic;
                    let cause = if clean { Cause::Clean } else { Cause::CloseTimeout };
                    assert_eq!(conn.outcome().unwrap().cause, cause);
                    assert!(!conn.wants_write(), "nothing is said about it");
                }
            }
        }
    }
}

/// Nor do Pings, though they are answered as long as the peer has not closed.
#[test]
fn pings_do_not_put_the_end_of_a_closing_off() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        conn.close(code(1000), "").unwrap();
        drain(&mut conn);
        let mut now = START;
        let mut pongs = 0;
        while conn.hangup() != Hangup::Drop {
            receive(&mut conn, &end.incoming(FIN | PING, b"still there?"));
            pongs += sent(&mut conn).len();
            assert!(conn.deadline().unwrap() <= START + secs(5), "{end:?}: {:?} at {now:?}", conn.deadline());
            now = now + Duration::from_millis(500);
            conn.tick(now);
        }
        assert_eq!((now, pongs), (START + secs(5), 10));
        assert_eq!(conn.outcome().unwrap().cause, Cause::CloseTimeout);
    }
}

/// The answer to a Close cannot come before the Close has left: what was queued before it has its time first, but one
/// for all of it, so that a peer that takes a byte now and then does not hold us.
#[test]
fn an_answer_is_waited_for_when_the_close_has_left() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        conn.send(&[7; 1000]).unwrap();
        conn.close(code(1000), "").unwrap();
        for second in 1..=20 {
            conn.tick(START + secs(second));
            assert_eq!(conn.state(), State::CloseSent, "at {second} s");
            conn.outbox().advance(10);
        }
        drain(&mut conn);
        tick_at(&mut conn, START + secs(25));
        assert_eq!(conn.outcome().unwrap().cause, Cause::CloseTimeout);

        let mut conn = end.open(quiet()).0;
        conn.send(&[7; 1000]).unwrap();
        conn.close(code(1000), "").unwrap();
        let mut second = 0;
        while conn.hangup() != Hangup::Drop {
            second += 1;
            conn.tick(START + secs(second));
            conn.outbox().advance(1);
            assert!(second < 100);
        }
        assert!(second <= 30, "{end:?}: {second} s, a byte each");
    }
}

/// The same of a keep-alive Ping behind a long message that is on its way.
#[test]
fn a_sign_of_life_is_waited_for_when_the_ping_has_left() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        conn.send(&[7; 1000]).unwrap();
        for second in 1..=60 {
            conn.tick(START + secs(second));
            assert_eq!(conn.state(), State::Open, "at {second} s");
            conn.outbox().advance(10);
        }
        let frames = drain(&mut conn);
        assert!(!frames.is_empty());
        tick_at(&mut conn, START + secs(70));
        assert_eq!(conn.outcome().unwrap().cause, Cause::KeepaliveTimeout);
    }
}

/// Bytes that had arrived before the thread came to read them are life, however late it is.
#[test]
fn waking_judges_nothing() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        tick_at(&mut conn, START + EVERY);
        drain(&mut conn);
        conn.wake(START + secs(1000));
        assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
        receive(&mut conn, &end.incoming(FIN | PONG, b""));
        conn.tick(START + secs(1000));
        assert_eq!((conn.state(), conn.deadline()), (State::Open, Some(START + secs(1030))));
        // Nor does time go back by it.
        conn.wake(START);
        assert_eq!(conn.deadline(), Some(START + secs(1030)));
    }
}

#[test]
fn a_writer_that_stalls_is_given_up() {
    let mut longest = Duration::ZERO;
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let sent_at = START + secs(100);
        conn.tick(sent_at);
        conn.send("waiting").unwrap();
        let given_up = conn.deadline().unwrap();
        assert_eq!(given_up, sent_at + secs(30));
        tick_at(&mut conn, given_up);
        assert_eq!((conn.state(), conn.hangup()), (State::Closed, Hangup::Drop), "30 s after it was sent");
        longest = longest.max(given_up.since(sent_at));
        let outcome = conn.outcome().unwrap();
        assert_eq!((outcome.cause, outcome.initiator), (Cause::WriteStall, Initiator::Local));
        let expected = [end.outgoing(FIN | TEXT, b"waiting"), end.outgoing_close(1011, "peer does not read")];
        assert_eq!(drain(&mut conn), expected.concat());
    }
    println!("measure time until a writer that stalls is given up: {} ms", longest.as_millis());
}

/// However often there is a wake-up in between.
#[test]
fn a_stall_is_counted_from_the_last_progress() {
    for end in BOTH {
        for wakeups in [1, 2, 10] {
            let mut conn = end.open(quiet()).0;
            conn.send("waiting for some bytes to go").unwrap();
            let mut now = START;
            for _ in 0..3 {
                for _ in 0..wakeups {
                    now = now + secs(29) / wakeups;
                    conn.tick(now);
                    assert_eq!(conn.state(), State::Open);
                }
                conn.outbox().advance(1);
                assert_eq!(conn.deadline(), Some(now + secs(30)), "from the byte on that was taken");
            }
            tick_at(&mut conn, now + secs(30));
            assert_eq!(conn.outcome().unwrap().cause, Cause::WriteStall);
        }
    }
}

#[test]
fn what_is_written_out_stalls_no_more() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        conn.send("one").unwrap();
        assert_eq!(conn.deadline(), Some(START + secs(30)));
        conn.tick(START + secs(29));
        drain(&mut conn);
        assert_eq!(conn.deadline(), None);
        conn.tick(START + secs(31));
        assert_eq!((conn.state(), conn.deadline()), (State::Open, None));
        // The next one has all the time there is.
        conn.send("two").unwrap();
        tick_at(&mut conn, START + secs(61));
        assert_eq!(conn.outcome().unwrap().cause, Cause::WriteStall);

        // The same without a tick between the one and the other.
        let mut conn = end.open(quiet()).0;
        conn.send("one").unwrap();
        conn.tick(START + secs(29));
        drain(&mut conn);
        conn.send("two").unwrap();
        tick_at(&mut conn, START + secs(59));
        assert_eq!(conn.outcome().unwrap().cause, Cause::WriteStall);
    }
}

/// Bytes that were taken out wait until they are reported as written.
#[test]
fn bytes_taken_out_can_stall() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        conn.send("taken").unwrap();
        let n = conn.outbox().take_chunk().len();
        conn.tick(START);
        conn.tick(START + (secs(30) - NANO));
        assert_eq!(conn.state(), State::Open);
        assert_eq!(conn.deadline(), Some(START + secs(30)));
        conn.outbox().advance(n);
        assert_eq!(conn.deadline(), None);
        conn.send("taken").unwrap();
        conn.outbox().take_chunk();
        let due = conn.deadline().unwrap();
        conn.tick(due);
        assert_eq!(conn.outcome().unwrap().cause, Cause::WriteStall);
    }
}

#[test]
fn a_close_that_cannot_be_written_does_not_hold_up_the_end() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        receive(&mut conn, &end.incoming_close(1000, ""));
        assert_eq!((conn.state(), conn.hangup()), (State::Closed, Hangup::NotYet));
        tick_at(&mut conn, START + secs(5));
        assert_eq!(conn.hangup(), Hangup::Drop);
        assert_eq!(conn.outcome().unwrap().cause, Cause::Clean);
    }
}

#[test]
fn time_does_not_go_back() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        conn.tick(START + secs(29));
        let before = look(&mut conn);
        conn.tick(START);
        assert_eq!(look(&mut conn), before);
        // Life came at 29 s, whatever the clock said last.
        receive(&mut conn, &end.incoming(FIN | PONG, b""));
        assert_eq!(conn.deadline(), Some(START + secs(59)));
        conn.tick(START + secs(59));
        conn.tick(START + secs(31));
        assert_eq!(sent(&mut conn).len(), 1);
        assert_eq!(conn.deadline(), Some(START + secs(69)));
    }
}

/// A machine that slept for a day asks before it gives up.
#[test]
fn a_leap_in_time_is_survived() {
    for end in BOTH {
        let day = secs(86_400);
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        conn.tick(START + day);
        assert_eq!(conn.state(), State::Open);
        let ping = sent(&mut conn).remove(0);
        assert_eq!(conn.deadline(), Some(START + day + WITHIN));
        conn.tick(START + day + secs(1));
        receive(&mut conn, &end.incoming(FIN | PONG, &ping.payload));
        assert_eq!(conn.deadline(), Some(START + day + secs(1) + EVERY));
    }
}

/// Origin and end of time are the caller's choice.
#[test]
fn extremes_of_time() {
    let last = Timestamp::from_nanos(u64::MAX);
    for end in BOTH {
        for duration in [Duration::ZERO, NANO, Duration::MAX, Duration::from_nanos(u64::MAX)] {
            for start in [START, Timestamp::from_nanos(u64::MAX - 1), last] {
                let mut config = keepalive(duration, duration);
                config.idle = Some(duration);
                config.close_within = duration;
                config.write_stall = duration;
                let (mut conn, _) = websans::open(end.role(), config, Negotiated::default(), start);
                for _ in 0..10 {
                    let _ = conn.send("x");
                    let deadline = conn.deadline().expect("all of them are set");
                    assert!(deadline >= start);
                    conn.tick(deadline);
                    conn.tick(last);
                    receive(&mut conn, &end.incoming(FIN | PING, b""));
                }
                assert_eq!(conn.state(), State::Closed);
            }
        }
    }
    assert_eq!(last + Duration::MAX, last);
    assert_eq!(START.since(last), Duration::ZERO);
    assert_eq!(last.since(START), Duration::from_nanos(u64::MAX - 1));
}

/// What an adapter does when nothing else happens. Each round must lead somewhere, or a deadline that has passed would
/// have it spin.
fn run_to_the_end(conn: &mut Connection, writes: bool) -> (Timestamp, u32) {
    let mut now = START;
    let mut rounds = 0;
    loop {
        if writes {
            drain(conn);
        }
        if conn.hangup() == Hangup::Drop {
            return (now, rounds);
        }
        let Some(deadline) = conn.deadline() else { return (now, rounds) };
        assert!(deadline >= now, "a deadline in the past");
        now = deadline;
        let before = look(conn);
        conn.tick(now);
        assert_ne!(look(conn), before, "a deadline at which nothing happens");
        rounds += 1;
        assert!(rounds < 10, "time leads nowhere");
    }
}

#[test]
fn ticking_at_every_deadline_leads_to_the_end() {
    let durations = [Duration::ZERO, NANO, secs(1), secs(3600)];
    let maybe = |duration: Duration| [None, Some(duration)];
    for end in BOTH {
        for every in durations {
            for keepalive in maybe(every) {
                for idle in durations.into_iter().flat_map(maybe) {
                    for closing in durations {
                        for stall in durations {
                            for begin in 0..4 {
                                for writes in [false, true] {
                                    let mut config = when_asked();
                                    config.keepalive =
                                        keepalive.map(|every| Keepalive { every, within: closing });
                                    config.idle = idle;
                                    config.close_within = closing;
                                    config.write_stall = stall;
                                    let mut conn = end.open(config).0;
                                    match begin {
                                        0 => {}
                                        1 => conn.send("waiting").unwrap(),
                                        2 => conn.close(code(1000), "").unwrap(),
                                        _ => drop(receive(&mut conn, &end.incoming_close(1000, ""))),
                                    }
                                    let waits = conn.wants_write() && !writes;
                                    let (_, rounds) = run_to_the_end(&mut conn, writes);
                                    let endless =
                                        keepalive.is_none() && idle.is_none() && begin < 2 && !waits;
                                    assert_eq!(conn.state() == State::Open, endless);
                                    assert!(endless == (rounds == 0), "{rounds}");
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// As many cases, or as many more as PROPTEST_CASES asks for.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(cases), failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config(300))]

    /// Ticks before the deadline do nothing, in whatever order and number; ticks at the deadline do the same however
    /// many went before.
    #[test]
    fn early_and_repeated_ticks_do_nothing(
        client in any::<bool>(),
        begin in 0..5,
        fractions in proptest::collection::vec(0.0..1.0f64, 0..20),
    ) {
        let end = if client { End::Client } else { End::Server };
        let make = || {
            let mut config = when_asked();
            config.idle = Some(secs(45));
            let mut conn = end.open(config).0;
            match begin {
                0 => {}
                1 => conn.send("waiting").unwrap(),
                2 => conn.close(code(1000), "").unwrap(),
                3 => drop(receive(&mut conn, &end.incoming_close(1000, ""))),
                _ => conn.fail(websans::ProtocolError::InvalidUtf8),
            }
            // The first tick sees what waits.
            conn.tick(START);
            conn
        };
        let (mut conn, mut other) = (make(), make());
        for _ in 0..4 {
            let Some(deadline) = conn.deadline() else { break };
            if conn.hangup() == Hangup::Drop {
                break;
            }
            let before = look(&mut conn);
            for fraction in &fractions {
                conn.tick(START + deadline.since(START).mul_f64(*fraction));
                prop_assert_eq!(look(&mut conn), before.clone());
            }
            conn.tick(deadline);
            conn.tick(deadline);
            other.tick(deadline);
            prop_assert_eq!(look(&mut conn), look(&mut other));
            prop_assert_ne!(look(&mut conn), before);
        }
    }
}

#[test]
fn an_adapter_that_learns_of_a_blocked_transport_starts_the_stall_there() {
    let stall = Config::default().write_stall;
    for end in BOTH {
        let mut config = Config::default();
        config.keepalive = None;
        let mut conn = end.open(config).0;
        conn.note_blocked(); // nothing waits: nothing to note
        assert_eq!(conn.deadline(), None);
        conn.wake(START + secs(10));
        conn.send("hello").unwrap();
        conn.note_blocked();
        assert_eq!(conn.deadline(), Some(START + secs(10) + stall));
        // It does not begin anew, until something has been taken.
        conn.wake(START + secs(20));
        conn.note_blocked();
        assert_eq!(conn.deadline(), Some(START + secs(10) + stall));
        conn.outbox().advance(1);
        conn.note_blocked();
        tick_at(&mut conn, START + secs(20) + stall);
        assert_eq!(conn.outcome().unwrap().cause, Cause::WriteStall);
    }
}

#[test]
fn who_only_writes_judges_only_what_it_writes() {
    for end in BOTH {
        let mut conn = end.open(keepalive(EVERY, WITHIN)).0;
        assert_eq!(conn.write_deadline(), None);
        conn.tick(START + EVERY); // asks
        sent(&mut conn);
        conn.send("hello").unwrap();
        // The answer may have come; who has not read does not know.
        conn.tick_writes(START + EVERY + WITHIN);
        assert_eq!(conn.state(), State::Open);
        let stall = conn.write_deadline().unwrap();
        conn.tick_writes(just_before(stall));
        assert_eq!(conn.state(), State::Open);
        conn.tick_writes(stall);
        assert_eq!(conn.outcome().unwrap().cause, Cause::WriteStall);

        // What has a buffer of its own says so itself.
        let mut conn = end.open(quiet()).0;
        conn.note_stalled();
        assert_eq!((conn.outcome().unwrap().cause, conn.hangup()), (Cause::WriteStall, Hangup::Drop));

        // A closing has its time for everybody.
        let mut conn = end.open(quiet()).0;
        conn.close(code(1000), "").unwrap();
        sent(&mut conn);
        conn.tick_writes(START + conn.config().close_within);
        assert_eq!(conn.outcome().unwrap().cause, Cause::CloseTimeout);
    }
}

/// The bridge from `std`'s clock: it begins at nothing, goes as that one goes, and tells how long to wait.
#[test]
fn the_clock_counts_from_its_creation() {
    use std::time::Instant;
    use websans::Clock;
    let hour = secs(3600);
    let before = Instant::now();
    let clock = Clock::default();
    let made = Instant::now();
    std::thread::sleep(Duration::from_millis(3));
    let least = made.elapsed();
    let now = clock.now().since(Timestamp::from_nanos(0));
    assert!(least <= now && now <= before.elapsed(), "{least:?} have passed, not {now:?}");
    let later = clock.now();
    let left = clock.until(later + hour);
    assert!(hour.checked_sub(before.elapsed()).unwrap() <= left && left <= hour, "{left:?}");
    assert_eq!(clock.until(Timestamp::from_nanos(0)), Duration::ZERO);
}
