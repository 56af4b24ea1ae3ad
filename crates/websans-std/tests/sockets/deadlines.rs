//! Every deadline of the core, kept on blocking sockets by whoever happens to wait.

use std::io::ErrorKind;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{Cause, CloseCode, Config, Error, Keepalive};
use websans_testkit::wire::{Frame, opcode};

use crate::odd::Odd;
use crate::support::{
    End, Owned, Raw, SLACK, Socket, against_raw, assert_took, config, everywhere, millis, pattern, tcp,
    tight_tcp,
};

fn keepalive(every: u64, within: u64) -> Config {
    config(|config| config.keepalive = Some(Keepalive { every: millis(every), within: millis(within) }))
}

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    everywhere(40, |end, mode| {
        let started = Instant::now();
        let (mut ours, mut raw) = against_raw(end, mode, keepalive(400, 300));
        let peer = thread::spawn(move || {
            assert_eq!(raw.frame().opcode, opcode::PING);
            assert_took(started, millis(400));
            assert_eq!(raw.frame().close().0, 1011);
            assert_took(started, millis(700));
            raw.assert_eof();
        });
        assert_eq!(ours.recv().unwrap(), None);
        assert_took(started, millis(700));
        assert_eq!(ours.assert_over().cause, Cause::KeepaliveTimeout);
        peer.join().unwrap();
    });
}

#[test]
fn a_peer_that_answers_is_kept_at_the_cost_of_few_wake_ups() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, keepalive(250, 5000)));
        let mut raw = Raw::new(end.peer(), theirs);
        let peer = thread::spawn(move || {
            let mut payloads = Vec::new();
            for _ in 0..6 {
                let ping = raw.frame();
                assert_eq!(ping.opcode, opcode::PING);
                raw.write(&[Frame::pong(ping.payload.clone())]);
                assert!(!payloads.contains(&ping.payload), "each Ping is another");
                payloads.push(ping.payload);
            }
            raw.write(&[Frame::text("still here")]);
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("still here")));
        assert_eq!(habits.writes(), 6, "six Pings");
        assert!(habits.reads() <= 30, "{} reads for six Pings and Pongs", habits.reads());
        assert!(ours.stats().round_trip.is_some());
        peer.join().unwrap();
    });
}

/// "Any inbound byte is a sign of life": half a frame will do.
#[test]
fn whatever_arrives_is_a_sign_of_life() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, keepalive(600, 600));
        let peer = thread::spawn(move || {
            let bytes = end.peer().encode(&[Frame::text("a byte at a time")]);
            for byte in bytes {
                std::io::Write::write_all(&mut raw.io, &[byte]).unwrap();
                thread::sleep(millis(100));
            }
            raw
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("a byte at a time")));
        assert_eq!(ours.stats().frames_sent, 0, "no Ping was needed");
        peer.join().unwrap();
    });
}

/// What has arrived in time counts, however late the thread gets to look at it: a busy or suspended machine must not
/// take its peers for dead.
#[test]
fn a_pong_that_came_in_time_counts_though_the_thread_is_late() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, keepalive(200, 400)));
        let mut raw = Raw::new(end.peer(), theirs);
        habits.lag.store(900, SeqCst);
        let peer = thread::spawn(move || {
            let ping = raw.frame();
            assert_eq!(ping.opcode, opcode::PING);
            raw.write(&[Frame::pong(ping.payload)]);
            thread::sleep(millis(300));
            raw.write(&[Frame::text("still here")]);
            raw
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("still here")));
        peer.join().unwrap();
    });
}

/// The same while the application has other things to do than to receive, and only sends.
#[test]
fn a_peer_is_not_given_up_for_answers_that_nobody_has_read() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, keepalive(200, 200));
        raw.write(&[Frame::text("here from the beginning")]);
        let peer = thread::spawn(move || {
            let mut messages = 0;
            while messages < 20 {
                let got = raw.frame();
                match got.opcode {
                    opcode::PING => raw.write(&[Frame::pong(got.payload)]),
                    opcode::TEXT => messages += 1,
                    _ => panic!("{:?}", got.close()),
                }
            }
            raw
        });
        for n in 0..20 {
            ours.send("busy").unwrap_or_else(|error| panic!("message {n}: {error}"));
            thread::sleep(millis(50));
        }
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("here from the beginning")));
        peer.join().unwrap();
    });
}

#[test]
fn an_idle_connection_is_closed() {
    everywhere(40, |end, mode| {
        let started = Instant::now();
        let idle = config(|config| {
            config.idle = Some(millis(600));
            config.keepalive = Some(Keepalive { every: millis(150), within: millis(5000) });
        });
        let (mut ours, mut raw) = against_raw(end, mode, idle);
        raw.write(&[Frame::text("the last word")]);
        let peer = thread::spawn(move || {
            // Pings and Pongs are no messages.
            loop {
                let got = raw.frame();
                if got.opcode != opcode::PING {
                    assert_eq!(got.close().0, 1001);
                    break;
                }
                raw.write(&[Frame::pong(got.payload)]);
            }
            assert_took(started, millis(600));
            raw.write(&[Frame::close(1001, "")]);
            raw.end();
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("the last word")));
        assert_eq!(ours.recv().unwrap(), None);
        assert!(ours.assert_over().is_clean());
        peer.join().unwrap();
    });
}

#[test]
fn messages_keep_a_connection_from_falling_idle() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|config| config.idle = Some(millis(700))));
        let peer = thread::spawn(move || {
            for n in 0..8 {
                thread::sleep(millis(150));
                raw.write(&[Frame::text(format!("{n}"))]);
            }
            raw
        });
        for n in 0..8 {
            assert_eq!(ours.recv().unwrap(), Some(Owned::Text(format!("{n}"))));
        }
        peer.join().unwrap();
    });
}

/// A peer that ignores our Close, whether it says nothing or answers Pings all the time.
#[test]
fn a_close_that_is_not_answered_ends_at_its_deadline() {
    everywhere(40, |end, mode| {
        for keepalive in [None, Some(Keepalive::default())] {
            let short = config(|config| {
                config.close_within = millis(500);
                config.keepalive = keepalive;
            });
            let (mut ours, mut raw) = against_raw(end, mode, short);
            let started = Instant::now();
            let outcome = ours.close(CloseCode::NORMAL, "hello?").unwrap();
            assert_took(started, millis(500));
            assert_eq!((outcome.cause, outcome.code()), (Cause::CloseTimeout, 1006));
            ours.assert_over();
            assert_eq!(raw.frame().close(), (1000, "hello?"));
            raw.assert_eof();
        }
    });
}

/// The same for one who does not wait for the answer, but goes on receiving.
#[test]
fn a_started_close_that_is_not_answered_ends_the_receiving() {
    everywhere(40, |end, mode| {
        let short = config(|config| {
            config.close_within = millis(500);
            config.keepalive = None;
        });
        let (mut ours, _raw) = against_raw(end, mode, short);
        let started = Instant::now();
        ours.start_close(CloseCode::NORMAL, "hello?").unwrap();
        assert_eq!(ours.recv().unwrap(), None);
        assert_took(started, millis(500));
        assert_eq!(ours.assert_over().cause, Cause::CloseTimeout);
    });
}

/// A client that has exchanged Closes waits for the server's end of the transport, but not for ever; so does a server
/// for the client's.
#[test]
fn a_peer_that_does_not_end_the_transport_is_not_waited_for_for_ever() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|config| config.close_within = millis(500)));
        let started = Instant::now();
        raw.write(&[Frame::close(1000, "")]);
        assert_eq!(ours.recv().unwrap(), None);
        assert_took(started, millis(500));
        assert!(ours.assert_over().is_clean(), "a Close went each way");
        assert_eq!(raw.frame().close(), (1000, ""));
        raw.assert_eof();
    });
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tight_tcp();
        let short = config(|config| config.write_stall = millis(600));
        let mut ours = mode.hold(end.open(ours, short));
        let started = Instant::now();
        let mut sent = 0;
        let error = loop {
            match ours.send(pattern(10_000)) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 10_000, "100 MB into nowhere");
        };
        assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe), "{error:?}");
        assert_took(started, millis(600));
        assert_eq!(ours.recv().unwrap(), None);
        assert_eq!(ours.assert_over().cause, Cause::WriteStall);
        drop(theirs);
    });
}

/// The same for what was fed, when it is the receiving that notices.
#[test]
fn a_peer_that_never_reads_is_given_up_by_receiving() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tight_tcp();
        let short = config(|config| {
            config.write_stall = millis(600);
            config.max_outbox = 4 << 20;
        });
        let mut ours = mode.hold(end.open(ours, short));
        let mut raw = Raw::new(end.peer(), theirs);
        ours.feed(pattern(3 << 20)).unwrap();
        let started = Instant::now();
        raw.write(&[Frame::text("I only write")]);
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("I only write")));
        assert_eq!(ours.recv().unwrap(), None);
        assert_took(started, millis(600));
        assert_eq!(ours.assert_over().cause, Cause::WriteStall);
    });
}

/// The same for what the stream has taken and keeps: the outbox is empty then.
#[test]
fn a_stream_that_lets_nothing_go_is_given_up() {
    everywhere(40, |end, mode| {
        for receives in [false, true] {
            let (ours, theirs) = tcp();
            let (ours, habits) = Odd::new(ours);
            let short = config(|config| {
                config.write_stall = millis(600);
                config.keepalive = None;
            });
            let mut ours = mode.hold(end.open(ours, short));
            habits.holds.store(true, SeqCst);
            let started = Instant::now();
            if receives {
                ours.feed("kept").unwrap();
            } else {
                assert!(matches!(ours.send("kept").expect_err("it does not leave"), Error::Io(_)));
            }
            assert_eq!(ours.recv().unwrap(), None);
            assert_took(started, millis(600));
            assert_eq!(ours.assert_over().cause, Cause::WriteStall);
            drop(theirs);
        }
    });
}

/// A peer that reads slowly is no peer that does not read.
#[test]
fn a_slow_reader_is_not_given_up() {
    everywhere(60, |end, mode| {
        let (ours, theirs) = tight_tcp();
        let mut ours = mode.hold(end.open(ours, config(|config| config.write_stall = millis(1500))));
        let mut raw = Raw::new(end.peer(), theirs);
        let peer = thread::spawn(move || {
            let mut came = 0;
            while came < 1_500_000 {
                let mut bytes = [0; 16 << 10];
                came += std::io::Read::read(&mut raw.io, &mut bytes).unwrap();
                thread::sleep(millis(50));
            }
            raw
        });
        let started = Instant::now();
        ours.send(pattern(1_500_000)).unwrap();
        assert!(started.elapsed() > millis(1500), "{:?}: that was no slow reader", started.elapsed());
        peer.join().unwrap();
    });
}

/// What was fed and not flushed has not been kept waiting by the peer.
#[test]
fn what_nobody_tried_to_write_is_not_stalled() {
    everywhere(40, |end, mode| {
        for receives in [false, true] {
            let (mut ours, mut raw) =
                against_raw(end, mode, config(|config| config.write_stall = millis(300)));
            ours.feed("one").unwrap();
            ours.feed("two").unwrap();
            thread::sleep(millis(700));
            if receives {
                raw.write(&[Frame::text("hello")]);
                assert_eq!(ours.recv().unwrap(), Some(Owned::text("hello")));
            }
            ours.feed("three").unwrap();
            ours.flush().unwrap();
            for text in ["one", "two", "three"] {
                assert_eq!(raw.message(), Owned::text(text));
            }
        }
    });
}

/// Deadlines of a connection with nothing to wait for: none. It still wakes up when something comes.
#[test]
fn without_any_deadline_a_connection_sleeps() {
    everywhere(20, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, config(|config| config.keepalive = None)));
        let mut raw = Raw::new(end.peer(), theirs);
        let peer = thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            raw.write(&[Frame::text("hello")]);
            raw
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("hello")));
        assert_eq!(habits.reads(), 1);
        peer.join().unwrap();
    });
}

/// A connection that waits for its Close to be answered does not spin either.
#[test]
fn waiting_for_the_end_does_not_spin() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, config(|config| config.close_within = millis(1200))));
        let mut raw = Raw::new(end.peer(), theirs);
        let started = Instant::now();
        assert_eq!(ours.close(CloseCode::NORMAL, "").unwrap().cause, Cause::CloseTimeout);
        assert!(started.elapsed() < millis(1200) + SLACK);
        assert!(habits.reads() <= 12, "{} reads", habits.reads());
        assert_eq!(habits.writes(), 1);
        assert_eq!(raw.frame().close().0, 1000);
        if let (End::Server, Socket::Whole(socket)) = (end, &ours) {
            assert_eq!(socket.stats().frames_sent, 1);
        }
    });
}
