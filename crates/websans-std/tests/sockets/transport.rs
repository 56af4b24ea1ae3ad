//! Streams that end, break, reset, and halt: nothing is lost, nothing comes twice, and nothing spins.

use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{Cause, CloseCode, Config, Error, Initiator, Kind};
use websans_testkit::wire::{Frame, opcode};

use crate::odd::Odd;
use crate::support::{Owned, Raw, SLACK, against_raw, config, everywhere, millis, pattern, tcp, tight_tcp};

/// A connection whose deadlines are all far off, so that it ends by itself or not at all.
fn patient() -> Config {
    config(|config| {
        config.keepalive = None;
        config.close_within = Duration::from_secs(25);
        config.write_stall = Duration::from_secs(25);
    })
}

#[test]
fn an_end_within_a_frame_is_an_end_without_a_close() {
    everywhere(40, |end, mode| {
        let whole = end.peer().encode(&[Frame::text("whole")]);
        let cut = end.peer().encode(&[
            Frame::binary(pattern(300)).unfinished(),
            Frame::ping("in between"),
            Frame::continuation(pattern(300)),
        ]);
        for at in (0..24).chain([150, 303, 304, 305, 310, 320, 330, cut.len() - 1]) {
            let (mut ours, mut raw) = against_raw(end, mode, patient());
            raw.io.write_all(&whole).unwrap();
            raw.io.write_all(&cut[..at]).unwrap();
            raw.shutdown();
            assert_eq!(ours.recv().unwrap(), Some(Owned::text("whole")), "cut at {at}");
            assert_eq!(ours.recv().unwrap(), None, "cut at {at}");
            let outcome = ours.assert_over();
            assert_eq!((outcome.cause, outcome.initiator), (Cause::Eof, Initiator::Peer));
            assert_eq!((outcome.code(), outcome.sent, outcome.received), (1006, None, None));
        }
    });
}

/// The peer ends its side without a Close: no more than that. What was sent in answer still goes out.
#[test]
fn replies_to_a_peer_that_has_ended_its_side_are_delivered() {
    everywhere(40, |end, mode| {
        for feeds in [false, true] {
            let (mut ours, mut raw) = against_raw(end, mode, patient());
            let frames: Vec<_> = (0..500).map(|n| Frame::text(format!("{n}"))).collect();
            raw.write(&frames);
            raw.write(&[Frame::ping("p")]);
            raw.shutdown();
            let echo = thread::spawn(move || {
                while let Some(message) = ours.recv().unwrap() {
                    if feeds { ours.feed(&message).unwrap() } else { ours.send(&message).unwrap() }
                }
                ours.assert_over()
            });
            for n in 0..500 {
                assert_eq!(raw.message(), Owned::Text(format!("{n}")));
            }
            let pong = raw.frame();
            assert_eq!((pong.opcode, &pong.payload[..]), (opcode::PONG, &b"p"[..]));
            raw.assert_eof();
            assert_eq!(echo.join().unwrap().cause, Cause::Eof);
        }
    });
}

/// A peer that reads nothing, and ends its side when no more can be written to it: whichever deadline comes first ends the
/// connection, whether or not we have begun to close it, and nothing is written behind that.
#[test]
fn a_peer_that_ends_and_takes_nothing_is_given_up() {
    everywhere(60, |end, mode| {
        for (stall, closing, closes) in
            [(600, 25_000, false), (25_000, 600, false), (600, 25_000, true), (25_000, 600, true)]
        {
            let (ours, theirs) = tight_tcp();
            let (ours, habits) = Odd::new(ours);
            let config = config(|config| {
                config.write_stall = millis(stall);
                config.close_within = millis(closing);
                config.max_outbox = 4 << 20;
            });
            let mut ours = mode.hold(end.open(ours, config));
            ours.feed(pattern(3 << 20)).unwrap();
            let mut raw = Raw::new(end.peer(), theirs);
            let peer = thread::spawn(move || {
                thread::sleep(millis(200));
                raw.shutdown();
                raw
            });
            let started = Instant::now();
            if closes {
                assert!(ours.close(CloseCode::NORMAL, "").is_ok());
            }
            assert_eq!(ours.recv().unwrap(), None);
            let took = started.elapsed();
            assert!(took >= millis(500) && took < millis(1000) + SLACK, "after {took:?}");
            assert!(habits.reads() < 300, "{} reads", habits.reads());
            let writes = habits.writes();
            ours.assert_over();
            assert_eq!(habits.writes(), writes, "it writes behind the end");
            peer.join().unwrap();
        }
    });
}

/// A peer that has said all it wanted and has ended its side: what the stream still keeps for it leaves before the end.
#[test]
fn what_a_stream_keeps_leaves_before_the_end() {
    everywhere(40, |end, mode| {
        for lets_go in [false, true] {
            let (ours, theirs) = tcp();
            let (ours, habits) = Odd::new(ours);
            let config = config(|config| config.close_within = millis(if lets_go { 25_000 } else { 700 }));
            let mut ours = mode.hold(end.open(ours, config));
            let mut raw = Raw::new(end.peer(), theirs);
            habits.holds.store(true, SeqCst);
            raw.write(&[Frame::close(1000, "bye")]);
            raw.shutdown();
            let receives = thread::spawn(move || {
                let started = Instant::now();
                assert_eq!(ours.recv().unwrap(), None);
                assert!(ours.assert_over().is_clean());
                started.elapsed()
            });
            assert_eq!(raw.frame().close(), (1000, "bye"));
            thread::sleep(millis(300));
            habits.holds.store(!lets_go, SeqCst);
            raw.assert_eof();
            let took = receives.join().unwrap();
            let least = millis(if lets_go { 250 } else { 650 });
            assert!(took >= least && took < SLACK, "after {took:?}");
            assert!(habits.reads() < 20, "{} reads", habits.reads());
        }
    });
}

#[test]
fn a_reset_is_an_error_once() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, patient());
        raw.write(&[Frame::text("before")]);
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("before")));
        let peer = thread::spawn(move || {
            thread::sleep(millis(100));
            socket2::SockRef::from(&raw.io).set_linger(Some(Duration::ZERO)).unwrap();
        });
        match ours.recv() {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
        peer.join().unwrap();
        let outcome = ours.assert_over();
        assert_eq!((outcome.cause, outcome.code()), (Cause::Aborted, 1006));
    });
}

/// A reset after both Closes takes nothing from a clean ending.
#[test]
fn a_reset_after_the_closing_handshake_is_no_error() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, patient());
        let peer = thread::spawn(move || {
            raw.write(&[Frame::close(1000, "bye")]);
            assert_eq!(raw.frame().close(), (1000, "bye"));
            socket2::SockRef::from(&raw.io).set_linger(Some(Duration::ZERO)).unwrap();
        });
        assert_eq!(ours.recv().unwrap(), None);
        assert!(ours.assert_over().is_clean());
        peer.join().unwrap();
    });
}

/// A reset while much waits to be written: whichever of reading and writing meets it first, it ends the connection at
/// once, and it is either reported or seen in the outcome.
#[test]
fn a_reset_while_something_waits_ends_the_connection_at_once() {
    everywhere(60, |end, mode| {
        for sends in [false, true] {
            let (ours, theirs) = tight_tcp();
            let (ours, habits) = Odd::new(ours);
            let mut ours = mode.hold(end.open(ours, patient()));
            if !sends {
                ours.feed(pattern(1 << 20)).unwrap();
            }
            let peer = thread::spawn(move || {
                thread::sleep(millis(300));
                socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
            });
            let started = Instant::now();
            if sends {
                let error = ours.send(pattern(1 << 20)).expect_err("the peer is gone");
                assert!(matches!(error, Error::Io(_)), "{error:?}");
            }
            let before = habits.reads();
            match ours.recv() {
                Ok(None) => {}
                Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                other => panic!("{other:?}"),
            }
            assert!(started.elapsed() < SLACK, "after {:?}", started.elapsed());
            assert!(habits.reads() - before < 50, "{} reads", habits.reads() - before);
            let outcome = ours.assert_over();
            assert!(matches!(outcome.cause, Cause::Aborted | Cause::Eof), "{outcome:?}");
            peer.join().unwrap();
        }
    });
}

/// The peer has ended its side, and then our writing fails: there is nothing more to wait for.
#[test]
fn an_end_and_then_a_broken_write_end_the_connection_at_once() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, patient()));
        let mut raw = Raw::new(end.peer(), theirs);
        ours.feed("not written").unwrap();
        habits.broken.store(true, SeqCst);
        raw.write(&[Frame::text("but this arrives")]);
        raw.shutdown();
        let started = Instant::now();
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("but this arrives")));
        match ours.recv() {
            Ok(None) | Err(Error::Io(_)) => {}
            other => panic!("{other:?}"),
        }
        assert!(started.elapsed() < SLACK, "after {:?}", started.elapsed());
        assert!(habits.reads() < 20, "{} reads", habits.reads());
        ours.assert_over();
    });
}

/// Writing fails while the peer still sends: what it sends is delivered up to its end.
#[test]
fn a_broken_write_does_not_stop_the_receiving() {
    everywhere(40, |end, mode| {
        for takes_nothing in [false, true] {
            let (ours, theirs) = tcp();
            let (ours, habits) = Odd::new(ours);
            let mut ours = mode.hold(end.open(ours, patient()));
            let mut raw = Raw::new(end.peer(), theirs);
            if takes_nothing { &habits.takes_nothing } else { &habits.broken }.store(true, SeqCst);
            let error = ours.send("lost").expect_err("the stream takes nothing");
            assert!(
                matches!(&error, Error::Io(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::WriteZero)),
                "{error:?}"
            );
            let peer = thread::spawn(move || {
                for n in 0..10 {
                    raw.write(&[Frame::text(format!("{n}")), Frame::ping("unanswerable")]);
                    thread::sleep(millis(20));
                }
                raw.write(&[Frame::close(1000, "")]);
                raw.shutdown();
            });
            let started = Instant::now();
            for n in 0..10 {
                assert_eq!(ours.recv().unwrap(), Some(Owned::Text(format!("{n}"))));
            }
            assert_eq!(ours.recv().unwrap(), None);
            assert!(started.elapsed() < SLACK, "after {:?}", started.elapsed());
            assert!(habits.reads() < 100, "{} reads", habits.reads());
            assert!(habits.writes() < 10, "{} writes", habits.writes());
            ours.assert_over();
            peer.join().unwrap();
        }
    });
}

/// `close` of a connection whose transport is broken comes to its end as well.
#[test]
fn closing_a_broken_connection_ends() {
    everywhere(40, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let short = config(|config| config.close_within = millis(500));
        let mut ours = mode.hold(end.open(ours, short));
        habits.broken.store(true, SeqCst);
        let started = Instant::now();
        let outcome = ours.close(CloseCode::NORMAL, "").unwrap();
        assert!(!outcome.is_clean(), "{outcome:?}");
        assert!(started.elapsed() < SLACK);
        assert!(habits.reads() < 50, "{} reads", habits.reads());
        ours.assert_over();
        drop(theirs);
    });
}

/// A byte at a time in either direction, with interruptions: the same messages.
#[test]
fn a_halting_stream_carries_the_same_messages() {
    everywhere(60, |end, mode| {
        for (most_read, most_write, every) in [(1, usize::MAX, 0), (usize::MAX, 1, 0), (1, 1, 3), (5, 7, 5)] {
            let (ours, theirs) = tcp();
            let (ours, habits) = Odd::new(ours);
            habits.most_read.store(most_read, SeqCst);
            habits.most_write.store(most_write, SeqCst);
            habits.interrupt_every.store(every, SeqCst);
            let echo = mode.hold(end.open(ours, patient()));
            let echo = thread::spawn(move || echo.echo());
            let mut raw = Raw::new(end.peer(), theirs);
            for len in [0, 1, 125, 126, 1000, 8000] {
                let (a, b) = (pattern(len), pattern(len + 1));
                raw.write(&[
                    Frame::binary(&a[..len / 2]).unfinished(),
                    Frame::ping(len.to_string()),
                    Frame::continuation(&a[len / 2..]),
                    Frame::binary(b.clone()),
                ]);
                let mut messages = Vec::new();
                let mut pongs = Vec::new();
                while messages.len() < 2 {
                    let got = raw.frame();
                    if got.opcode == opcode::PONG { &mut pongs } else { &mut messages }.push(got.payload);
                }
                assert_eq!(messages, [a, b]);
                assert_eq!(pongs, [len.to_string().into_bytes()]);
            }
            raw.write(&[Frame::close(1000, "done")]);
            assert_eq!(raw.frame().close(), (1000, "done"));
            raw.end();
            assert!(echo.join().unwrap().unwrap().is_clean());
        }
    });
}

/// The large shared payloads and vectored writes of a halting stream.
#[test]
fn a_halting_stream_takes_long_messages_in_order() {
    everywhere(60, |end, mode| {
        let (ours, theirs) = tight_tcp();
        let (ours, habits) = Odd::new(ours);
        habits.interrupt_every.store(7, SeqCst);
        let mut ours = mode.hold(end.open(ours, patient()));
        let mut raw = Raw::new(end.peer(), theirs);
        let reads = thread::spawn(move || {
            for n in 0..30 {
                assert_eq!(raw.message(), Owned::Binary(pattern(n * 10_000)), "{n}");
                assert_eq!(raw.message(), Owned::Text(format!("after {n}")));
                assert_eq!(raw.message(), Owned::Binary(pattern(20_000)), "{n} in pieces");
                if n % 5 == 0 {
                    thread::sleep(millis(30));
                }
            }
        });
        for n in 0..30 {
            habits.most_write.store([usize::MAX, 1000, 13, 1 << 14][n % 4], SeqCst);
            ours.feed(pattern(n * 10_000)).unwrap();
            ours.feed(format!("after {n}")).unwrap();
            let piece = pattern(20_000);
            ours.write(Kind::Binary, piece.chunks(4500)).unwrap();
        }
        reads.join().unwrap();
    });
}

/// After the end there are a few calls of the stream at most.
#[test]
fn an_ended_connection_leaves_the_stream_alone() {
    everywhere(20, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, patient()));
        let mut raw = Raw::new(end.peer(), theirs);
        raw.shutdown();
        assert_eq!(ours.recv().unwrap(), None);
        assert!(habits.reads() <= 2, "{} reads", habits.reads());
        let (reads, writes) = (habits.reads(), habits.writes());
        for _ in 0..100 {
            assert_eq!(ours.recv().unwrap(), None);
            assert_eq!(ours.read().unwrap(), None);
            assert!(ours.send("late").is_err());
            assert!(ours.flush().is_ok(), "nothing waits");
        }
        assert_eq!((habits.reads(), habits.writes()), (reads, writes));
        raw.assert_eof();
    });
}
