//! Two halves in two threads and more.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{
    Cause, CloneStream, CloseCode, Config, Error, Keepalive, Kind, Message, Receiver, SendError, Sender,
    Stream,
};
use websans_testkit::wire::{Frame, opcode};

use crate::odd::Odd;
use crate::support::{
    BOTH, End, Got, MODES, Mode, Owned, Raw, SLACK, Socket, assert_took, config, everywhere, millis, pattern,
    tcp, tight_tcp, within,
};

fn halves<S: CloneStream>(end: End, io: S, config: Config) -> (Receiver<S>, Sender<S>) {
    end.open(io, config).split().unwrap()
}

/// Halves of ours and a peer that speaks in bytes.
fn against_raw(end: End, config: Config) -> (Receiver<TcpStream>, Sender<TcpStream>, Raw) {
    let (ours, theirs) = tcp();
    let (receiver, sender) = halves(end, ours, config);
    (receiver, sender, Raw::new(end.peer(), theirs))
}

/// Runs a test for both ends at the same time.
fn at_both_ends(seconds: u64, test: fn(End)) {
    within(seconds, move || {
        let threads =
            BOTH.map(|end| thread::Builder::new().name(format!("{end:?}")).spawn(move || test(end)).unwrap());
        for thread in threads {
            thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        }
    });
}

/// `total` bytes each way at the same time, in messages of `len`, with Pings in between.
fn duplex((ours, theirs): (TcpStream, TcpStream), len: usize, total: usize) {
    let large = || {
        config(|config| {
            config.max_message = 64 << 20;
            // A deadlock would end here, not in success; but a slow machine is no deadlock.
            config.write_stall = Duration::from_secs(25);
        })
    };
    let ends = [halves(End::Server, ours, large()), halves(End::Client, theirs, large())];
    let count = total / len;
    let mut senders = Vec::new();
    let mut receives = Vec::new();
    let mut sends = Vec::new();
    let (arrived, all_arrived) = mpsc::channel();
    for (mut receiver, sender) in ends {
        senders.push(sender.clone());
        let arrived = arrived.clone();
        let expected = pattern(len);
        receives.push(thread::spawn(move || {
            let mut n = 0u64;
            while let Some(message) = receiver.recv().unwrap() {
                let Message::Binary(bytes) = message else { panic!("{message:?}") };
                assert_eq!(bytes.len(), expected.len());
                assert_eq!(bytes[..8], n.to_be_bytes(), "in order, none missing");
                assert!(bytes[8..] == expected[8..], "message {n} came as it was sent");
                n += 1;
                if n == count as u64 {
                    arrived.send(()).unwrap();
                }
            }
            assert_eq!(n, count as u64);
            assert!(receiver.outcome().unwrap().is_clean());
        }));
        let mut message = pattern(len);
        sends.push(thread::spawn(move || {
            for n in 0..count {
                message[..8].copy_from_slice(&(n as u64).to_be_bytes());
                if n % count.div_ceil(8) == 0 {
                    sender.ping(&n.to_be_bytes()).unwrap();
                }
                sender.send(&message).unwrap_or_else(|error| panic!("message {n}: {error}"));
            }
        }));
    }
    for thread in sends {
        thread.join().unwrap();
    }
    for _ in 0..2 {
        all_arrived.recv().unwrap();
    }
    let outcome = senders[1].close(CloseCode::NORMAL, "").unwrap();
    assert!(outcome.is_clean(), "{outcome:?}");
    for thread in receives {
        thread.join().unwrap();
    }
    for sender in senders {
        let stats = sender.stats();
        assert!(stats.round_trip.is_some(), "Pings are answered meanwhile");
        assert_eq!((stats.messages_sent, stats.messages_received), (count as u64, count as u64));
    }
}

/// Two threads may send through a stream that could not itself be shared by them.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Sender<std::cell::Cell<u8>>>();
};

#[test]
fn bulk_both_ways_does_not_deadlock() {
    within(80, || duplex(tcp(), 64 << 10, 64 << 20));
}

/// Each message alone is more than the outbox should hold.
#[test]
fn bulk_of_long_messages_both_ways_does_not_deadlock() {
    within(80, || duplex(tcp(), 1 << 20, 64 << 20));
}

#[test]
fn bulk_of_short_messages_both_ways_does_not_deadlock() {
    within(80, || duplex(tight_tcp(), 1000, 8 << 20));
}

/// More than all buffers in between hold, in one message each way.
#[test]
fn one_huge_message_each_way_does_not_deadlock() {
    within(80, || duplex(tight_tcp(), 32 << 20, 32 << 20));
}

/// An echo whose peer writes all before it reads anything: the peer is made to wait, since we cannot keep what it does
/// not take, and gets everything as soon as it reads.
#[test]
fn a_peer_that_does_not_read_is_made_to_wait() {
    everywhere(60, |end, mode| {
        let (ours, theirs) = tight_tcp();
        let echo = mode.hold(end.open(ours, config(|_| {})));
        let echo = thread::spawn(move || echo.echo());
        let mut raw = Raw::new(end.peer(), theirs);
        let frames: Vec<_> =
            (0..10_000u32).map(|n| Frame::binary([&n.to_be_bytes()[..], &[7; 1000]].concat())).collect();
        let bytes = end.peer().encode(&frames);
        let mut writer = raw.io.try_clone().unwrap();
        let waited = Arc::new(Barrier::new(2));
        let may_read = Arc::clone(&waited);
        let writes = thread::spawn(move || {
            writer.set_write_timeout(Some(millis(500))).unwrap();
            let mut written = 0;
            while let Ok(n) = std::io::Write::write(&mut writer, &bytes[written..]) {
                written += n;
                assert!(written < bytes.len(), "10 MB were taken though nothing is read");
            }
            waited.wait();
            writer.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
            std::io::Write::write_all(&mut writer, &bytes[written..]).unwrap();
        });
        may_read.wait();
        for n in 0..10_000u32 {
            let Got { opcode, payload, .. } = raw.frame();
            assert_eq!((opcode, &payload[..4]), (opcode::BINARY, &n.to_be_bytes()[..]));
        }
        writes.join().unwrap();
        raw.write(&[Frame::close(1000, "")]);
        assert_eq!(raw.frame().close(), (1000, ""));
        raw.end();
        assert!(echo.join().unwrap().unwrap().is_clean());
    });
}

#[test]
fn pings_are_answered_while_nothing_is_sent() {
    at_both_ends(20, |end| {
        let (mut receiver, sender, mut raw) = against_raw(end, Config::default());
        let receives = thread::spawn(move || receiver.recv().unwrap().map(Owned::from));
        for n in 0..50u8 {
            raw.write(&[Frame::ping([n; 3])]);
            let pong = raw.frame();
            assert_eq!((pong.opcode, pong.payload), (opcode::PONG, vec![n; 3]));
        }
        raw.write(&[Frame::text("done")]);
        assert_eq!(receives.join().unwrap(), Some(Owned::text("done")));
        drop(sender);
    });
}

/// A sender that waits for the peer to read does not keep the receiver from receiving.
#[test]
fn receiving_goes_on_while_sending_waits() {
    at_both_ends(40, |end| {
        let (ours, theirs) = tight_tcp();
        let (mut receiver, sender) = halves(end, ours, Config::default());
        let mut raw = Raw::new(end.peer(), theirs);
        let sends = thread::spawn(move || sender.send(pattern(8 << 20)));
        thread::sleep(millis(200));
        let peer = thread::spawn(move || {
            for n in 0..2000 {
                raw.write(&[Frame::text(format!("{n}")), Frame::ping(format!("{n}"))]);
            }
            raw
        });
        for n in 0..2000 {
            assert_eq!(receiver.recv().unwrap().map(Owned::from), Some(Owned::Text(format!("{n}"))));
        }
        let mut raw = peer.join().unwrap();
        let reads = thread::spawn(move || {
            assert_eq!(raw.message(), Owned::Binary(pattern(8 << 20)));
            // Of all those Pings the newest is answered at least (RFC 6455 §5.5.3), and not many that are out of date.
            let mut pongs = 0;
            while raw.frame().payload != b"1999" {
                pongs += 1;
            }
            assert!(pongs < 200, "{pongs} Pongs were kept");
            raw
        });
        sends.join().unwrap().unwrap();
        let receives = thread::spawn(move || receiver.recv().map(drop));
        reads.join().unwrap();
        receives.join().unwrap().unwrap();
    });
}

#[test]
fn a_close_is_echoed_while_the_sender_is_idle_or_gone() {
    at_both_ends(20, |end| {
        for gone in [false, true] {
            let (mut receiver, sender, mut raw) = against_raw(end, Config::default());
            let sender = if gone { None } else { Some(sender) };
            let receives = thread::spawn(move || {
                assert!(receiver.recv().unwrap().is_none());
                receiver.outcome().unwrap()
            });
            raw.write(&[Frame::close(1000, "bye")]);
            assert_eq!(raw.frame().close(), (1000, "bye"));
            raw.end();
            assert!(receives.join().unwrap().is_clean());
            if let Some(sender) = sender {
                assert!(sender.outcome().unwrap().is_clean());
                assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closing))));
                assert!(sender.close(CloseCode::NORMAL, "late").unwrap().is_clean());
            }
        }
    });
}

/// The receiver sits in a read that began without any deadline; the Close that another thread sends has one.
#[test]
fn close_ends_a_receiver_that_waits_without_a_deadline() {
    at_both_ends(40, |end| {
        for starts_only in [false, true] {
            let short = config(|config| {
                config.keepalive = None;
                config.close_within = millis(600);
            });
            let (mut receiver, sender, mut raw) = against_raw(end, short);
            let receives = thread::spawn(move || {
                let received = receiver.recv().map(|message| message.map(Owned::from));
                (received.unwrap(), Instant::now(), receiver)
            });
            thread::sleep(millis(900));
            let started = Instant::now();
            if starts_only {
                sender.start_close(CloseCode::NORMAL, "hello?").unwrap();
            } else {
                let outcome = sender.close(CloseCode::NORMAL, "hello?").unwrap();
                assert_took(started, millis(600));
                assert_eq!(outcome.cause, Cause::CloseTimeout);
            }
            let (received, woken, mut receiver) = receives.join().unwrap();
            assert_eq!(received, None);
            let took = woken - started;
            assert!(took >= millis(600) && took < millis(600) + SLACK, "{took:?}");
            assert!(receiver.recv().unwrap().is_none());
            assert_eq!(receiver.outcome().unwrap().cause, Cause::CloseTimeout);
            assert_eq!(raw.frame().close(), (1000, "hello?"));
            raw.assert_eof();
        }
    });
}

/// The same with keep-alive, whose deadline is far off when the Close is sent.
#[test]
fn a_started_close_is_not_held_up_by_a_later_deadline() {
    at_both_ends(40, |end| {
        let short = config(|config| {
            config.keepalive =
                Some(Keepalive { every: Duration::from_secs(30), within: Duration::from_secs(30) });
            config.close_within = millis(600);
        });
        let (mut receiver, sender, _raw) = against_raw(end, short);
        let receives =
            thread::spawn(move || receiver.recv().map(|message| message.map(Owned::from)).unwrap());
        thread::sleep(millis(300));
        let started = Instant::now();
        sender.start_close(CloseCode::NORMAL, "hello?").unwrap();
        assert_eq!(receives.join().unwrap(), None);
        assert_took(started, millis(600));
    });
}

#[test]
fn a_sender_closes_after_the_receiver_was_dropped() {
    at_both_ends(20, |end| {
        for before in [true, false] {
            let (receiver, sender, mut raw) = against_raw(end, Config::default());
            let mut receiver = Some(receiver);
            if before {
                receiver = None;
            }
            let peer = thread::spawn(move || {
                raw.write(&[Frame::text("unread"), Frame::ping("p"), Frame::binary(pattern(100_000))]);
                let got = raw.frame();
                if got.opcode == opcode::PONG {
                    assert_eq!(raw.frame().close(), (1000, "done"));
                } else {
                    assert_eq!(got.close(), (1000, "done"));
                }
                thread::sleep(millis(100));
                raw.write(&[Frame::text("still more"), Frame::close(1000, "well")]);
                if end == End::Server {
                    // Pongs may still come before the end.
                    while raw.try_frame().expect("no reset").is_some() {}
                } else {
                    raw.shutdown();
                    while raw.try_frame().expect("no reset").is_some() {}
                }
            });
            let late = receiver.map(|receiver| {
                thread::spawn(move || {
                    thread::sleep(millis(50));
                    drop(receiver); // while `close` waits
                })
            });
            let outcome = sender.close(CloseCode::NORMAL, "done").unwrap();
            assert!(outcome.is_clean(), "{outcome:?}");
            assert_eq!(outcome.received.unwrap().reason, "well");
            if let Some(late) = late {
                late.join().unwrap();
            }
            assert!(sender.close(CloseCode::NORMAL, "again").unwrap().is_clean());
            drop(sender);
            peer.join().unwrap();
        }
    });
}

/// A receiver that is there but does not receive cannot keep `close` beyond its time.
#[test]
fn close_ends_in_time_though_nobody_receives() {
    at_both_ends(20, |end| {
        let (receiver, sender, mut raw) =
            against_raw(end, config(|config| config.close_within = millis(500)));
        raw.write(&[Frame::close(1000, "unread")]);
        let started = Instant::now();
        let outcome = sender.close(CloseCode::NORMAL, "").unwrap();
        assert_took(started, millis(500));
        assert_eq!(outcome.cause, Cause::CloseTimeout);
        drop(receiver);
    });
}

/// A sender with much to write to a slow reader does not keep `close` for ever either: what was queued before the Close
/// has `write_stall` in all to leave.
#[test]
fn close_ends_in_time_though_much_waits_for_a_slow_reader() {
    at_both_ends(60, |end| {
        for receives in [true, false] {
            let (ours, theirs) = tight_tcp();
            let short = config(|config| {
                config.close_within = millis(500);
                config.write_stall = millis(500);
            });
            let (receiver, sender) = halves(end, ours, short);
            let mut raw = Raw::new(end.peer(), theirs);
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&stop);
            let reads = thread::spawn(move || {
                let mut bytes = [0; 8 << 10];
                while !stopped.load(SeqCst) && matches!(std::io::Read::read(&mut raw.io, &mut bytes), Ok(1..))
                {
                    thread::sleep(millis(5));
                }
            });
            let receives = receives
                .then_some(receiver)
                .map(|mut receiver| thread::spawn(move || while let Ok(Some(_)) = receiver.recv() {}));
            let bulk = sender.clone();
            let sends = thread::spawn(move || bulk.send(pattern(64 << 20)));
            thread::sleep(millis(200));
            let started = Instant::now();
            let outcome = sender.close(CloseCode::NORMAL, "").unwrap();
            assert_took(started, millis(500));
            assert!(matches!(outcome.cause, Cause::CloseTimeout | Cause::WriteStall), "{outcome:?}");
            assert!(sends.join().unwrap().is_err());
            if let Some(receives) = receives {
                receives.join().unwrap();
            }
            stop.store(true, SeqCst);
            reads.join().unwrap();
        }
    });
}

#[test]
fn messages_of_many_threads_arrive_whole() {
    at_both_ends(60, |end| {
        const THREADS: usize = 8;
        const EACH: usize = 150;
        let (_receiver, sender, mut raw) = against_raw(end, Config::default());
        // Its own length and who sent it, so that a mixture would show.
        let message = |thread: usize, n: usize| {
            let mut bytes =
                pattern(8 + (n * 7919 + thread * 104_729) % if n % 10 == 0 { 100_000 } else { 3000 });
            bytes[0] = u8::try_from(thread).unwrap();
            bytes[1..8].copy_from_slice(&n.to_be_bytes()[1..]);
            bytes
        };
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let sender = sender.clone();
                thread::spawn(move || {
                    for n in 0..EACH {
                        if n % 3 == 0 {
                            sender.feed(message(thread, n))
                        } else {
                            sender.send(message(thread, n))
                        }
                        .unwrap();
                    }
                    sender.flush().unwrap();
                })
            })
            .collect();
        let mut next = [0; THREADS];
        for _ in 0..THREADS * EACH {
            let Owned::Binary(bytes) = raw.message() else { panic!("not what was sent") };
            let thread = usize::from(bytes[0]);
            assert!(bytes == message(thread, next[thread]), "message {} of thread {thread}", next[thread]);
            next[thread] += 1;
        }
        assert_eq!(next, [EACH; THREADS]);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

/// Two threads that write a message each, piece by piece: neither gets into the other's.
#[test]
fn messages_in_pieces_of_two_threads_are_not_mixed() {
    use std::io::Write;
    at_both_ends(20, |end| {
        let (_receiver, sender, mut raw) = against_raw(end, Config::default());
        let (mut one, mut two) = (sender.clone(), sender);
        let mut first = one.writer(Kind::Binary).unwrap();
        first.write_all(b"one ").unwrap();
        first.flush().unwrap();
        // While a message is under way another cannot be begun, neither whole nor in pieces.
        assert!(matches!(two.send("whole"), Err(Error::Send(SendError::MessageInProgress))));
        let second = two.writer(Kind::Binary).and_then(|mut second| {
            second.write_all(b"two")?;
            second.finish()
        });
        first.write_all(b"and one").unwrap();
        first.finish().unwrap();
        assert!(matches!(second, Err(Error::Send(SendError::MessageInProgress))), "{second:?}");
        assert_eq!(raw.message(), Owned::Binary(b"one and one".to_vec()));
        two.send("whole").unwrap();
        assert_eq!(raw.message(), Owned::text("whole"));
    });
}

#[test]
fn several_threads_close_at_once() {
    at_both_ends(30, |end| {
        for keeps_receiver in [true, false] {
            let (mut receiver, sender, raw) = against_raw(end, Config::default());
            let peer = thread::spawn(move || raw.answer_close());
            let receives =
                keeps_receiver.then(|| thread::spawn(move || while receiver.recv().unwrap().is_some() {}));
            let start = Arc::new(Barrier::new(5));
            let closers: Vec<_> = (0..5)
                .map(|n| {
                    let (sender, start) = (sender.clone(), Arc::clone(&start));
                    thread::spawn(move || {
                        start.wait();
                        sender.close(CloseCode::NORMAL, &format!("{n}")).unwrap()
                    })
                })
                .collect();
            let outcomes: Vec<_> = closers.into_iter().map(|closer| closer.join().unwrap()).collect();
            assert!(
                outcomes.iter().all(|outcome| outcome.is_clean() && outcome == &outcomes[0]),
                "{outcomes:?}"
            );
            if let Some(receives) = receives {
                receives.join().unwrap();
            }
            drop(sender);
            peer.join().unwrap();
        }
    });
}

/// The peer may have answered, and the receiver seen it, before the thread that has written the Close gets to say so.
#[test]
fn an_answer_that_overtakes_the_writer_ends_the_connection_all_the_same() {
    at_both_ends(40, |end| {
        for dropped in [false, true] {
            let (ours, theirs) = tcp();
            let (ours, habits) = Odd::new(ours);
            let (mut receiver, sender) =
                halves(end, ours, config(|config| config.close_within = Duration::from_secs(25)));
            let raw = Raw::new(end.peer(), theirs);
            habits.write_lag.store(400, SeqCst);
            let peer = thread::spawn(move || raw.answer_close());
            let receives = if dropped {
                drop(receiver);
                None
            } else {
                Some(thread::spawn(move || assert!(receiver.recv().unwrap().is_none())))
            };
            let started = Instant::now();
            assert!(sender.close(CloseCode::NORMAL, "").unwrap().is_clean());
            peer.join().unwrap();
            if let Some(receives) = receives {
                receives.join().unwrap();
            }
            assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());
        }
    });
}

/// Messages that arrive while another thread closes go to the receiver.
#[test]
fn the_receiver_gets_what_arrives_while_another_thread_closes() {
    at_both_ends(20, |end| {
        let (mut receiver, sender, mut raw) = against_raw(end, Config::default());
        let receives = thread::spawn(move || {
            let mut messages = Vec::new();
            while let Some(message) = receiver.recv().unwrap() {
                messages.push(Owned::from(message));
            }
            messages
        });
        let peer = thread::spawn(move || {
            assert_eq!(raw.frame().close(), (1000, ""));
            for n in 0..5 {
                raw.write(&[Frame::text(format!("{n}"))]);
                thread::sleep(millis(20));
            }
            raw.write(&[Frame::close(1000, "")]);
            raw.end();
        });
        assert!(sender.close(CloseCode::NORMAL, "").unwrap().is_clean());
        let messages = receives.join().unwrap();
        assert_eq!(messages, (0..5).map(|n| Owned::Text(format!("{n}"))).collect::<Vec<_>>());
        peer.join().unwrap();
    });
}

/// While the receiver waits in a read, what others feed and do not flush stays where it is, and what they send goes out.
#[test]
fn sending_does_not_need_the_receiver() {
    at_both_ends(20, |end| {
        let (mut receiver, sender, mut raw) = against_raw(end, config(|config| config.keepalive = None));
        let receives = thread::spawn(move || receiver.recv().unwrap().map(Owned::from));
        thread::sleep(millis(100));
        for n in 0..100 {
            sender.feed(format!("{n}")).unwrap();
            sender.send(format!("and {n}")).unwrap();
            assert_eq!(raw.message(), Owned::Text(format!("{n}")));
            assert_eq!(raw.message(), Owned::Text(format!("and {n}")));
        }
        raw.write(&[Frame::text("done")]);
        assert_eq!(receives.join().unwrap(), Some(Owned::text("done")));
    });
}

/// The peer ends its side while a sender waits for it to read: the receiver waits for what becomes of that, and does not
/// spin meanwhile.
#[test]
fn the_end_while_another_thread_writes_does_not_spin() {
    at_both_ends(40, |end| {
        let (ours, theirs) = tight_tcp();
        let (ours, habits) = Odd::new(ours);
        let (mut receiver, sender) = halves(end, ours, config(|config| config.close_within = millis(1500)));
        let mut raw = Raw::new(end.peer(), theirs);
        let sends = thread::spawn(move || sender.send(pattern(4 << 20)));
        thread::sleep(millis(200));
        raw.shutdown();
        let started = Instant::now();
        assert!(receiver.recv().unwrap().is_none());
        assert_took(started, millis(1500));
        assert_eq!(receiver.outcome().unwrap().cause, Cause::Eof);
        assert!(sends.join().unwrap().is_err(), "it was not written in the time that there was");
        assert!(habits.reads() < 300, "{} reads in 1.5 s", habits.reads());
    });
}

/// The same with a peer that reads on after the end of its side: it gets all.
#[test]
fn a_peer_that_has_ended_its_side_still_gets_what_is_being_written() {
    at_both_ends(40, |end| {
        let (ours, theirs) = tight_tcp();
        let (mut receiver, sender) = halves(end, ours, Config::default());
        let mut raw = Raw::new(end.peer(), theirs);
        let sends = thread::spawn(move || sender.send(pattern(2 << 20)));
        thread::sleep(millis(200));
        raw.shutdown();
        let receives = thread::spawn(move || receiver.recv().unwrap().map(Owned::from));
        thread::sleep(millis(200));
        assert_eq!(raw.message(), Owned::Binary(pattern(2 << 20)));
        raw.assert_eof();
        sends.join().unwrap().unwrap();
        assert_eq!(receives.join().unwrap(), None);
    });
}

/// A connection that is split when it has ended: the halves know that it has.
#[test]
fn what_has_ended_whole_stays_ended_in_halves() {
    at_both_ends(40, |end| {
        let (ours, theirs) = tight_tcp();
        let (ours, habits) = Odd::new(ours);
        let config = config(|config| (config.write_stall, config.max_outbox) = (millis(300), 4 << 20));
        let mut socket = end.open(ours, config);
        socket.feed(pattern(3 << 20)).unwrap();
        assert!(socket.recv().unwrap().is_none());
        let (reads, writes) = (habits.reads(), habits.writes());
        let (mut receiver, sender) = socket.split().unwrap();
        assert!(receiver.recv().unwrap().is_none());
        assert!(sender.flush().is_err());
        assert_eq!((habits.reads(), habits.writes()), (reads, writes), "it is asked again");
        drop(theirs);
    });
}

/// Halves that are dropped while the other one waits.
#[test]
fn either_half_may_be_dropped_at_any_time() {
    at_both_ends(30, |end| {
        // All senders: the receiver goes on.
        let (mut receiver, sender, mut raw) = against_raw(end, Config::default());
        let receives = thread::spawn(move || {
            let message = receiver.recv().unwrap().map(Owned::from);
            (message, receiver)
        });
        thread::sleep(millis(50));
        drop(sender);
        raw.write(&[Frame::text("still there?"), Frame::ping("p")]);
        let (message, mut receiver) = receives.join().unwrap();
        assert_eq!(message, Some(Owned::text("still there?")));
        raw.write(&[Frame::text("good")]);
        assert_eq!(receiver.recv().unwrap().map(Owned::from), Some(Owned::text("good")));
        assert_eq!(raw.frame().payload, b"p");
        drop(receiver);
        raw.assert_eof();

        // The receiver: a sender that waits for the peer to read goes on.
        let (ours, theirs) = tight_tcp();
        let (receiver, sender) = halves(end, ours, Config::default());
        let mut raw = Raw::new(end.peer(), theirs);
        let sends = thread::spawn(move || sender.send(pattern(1 << 20)).map(|()| sender));
        thread::sleep(millis(100));
        drop(receiver);
        assert_eq!(raw.message(), Owned::Binary(pattern(1 << 20)));
        let sender = sends.join().unwrap().unwrap();
        assert_eq!(sender.outcome(), None);
        drop(sender);
        raw.assert_eof();
    });
}

/// A connection between two halves of ours each, with messages, Pings and closes at random moments: it always ends, and
/// nothing that was sent before the first Close is lost.
#[test]
fn many_short_connections_end_well() {
    within(60, || {
        let rounds = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let rounds = Arc::clone(&rounds);
                thread::spawn(move || {
                    while rounds.fetch_add(1, SeqCst) < 200 {
                        let round = rounds.load(SeqCst);
                        let (ours, theirs) = tcp();
                        let (mut receiver, sender) = halves(End::Server, ours, Config::default());
                        let echoes = thread::spawn(move || {
                            while let Some(message) = receiver.recv().unwrap() {
                                match sender.send(message) {
                                    Ok(()) | Err(Error::Send(SendError::Closing)) => {}
                                    Err(error) => panic!("{error}"),
                                }
                            }
                            receiver.outcome().unwrap()
                        });
                        let mut client = MODES[round % 2].hold(End::Client.open(theirs, Config::default()));
                        let count = (round * 31 + worker) % 20;
                        for n in 0..count {
                            client.send(pattern(n * 700)).unwrap();
                            if n % 4 == 0 {
                                client.ping(b"?").unwrap();
                            }
                        }
                        for n in 0..count {
                            assert_eq!(client.recv().unwrap(), Some(Owned::Binary(pattern(n * 700))));
                        }
                        assert!(client.close(CloseCode::NORMAL, "").unwrap().is_clean());
                        assert!(echoes.join().unwrap().is_clean());
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// A connection that has been used whole goes on where it was when it is split.
#[test]
fn a_connection_is_split_in_the_middle_of_things() {
    at_both_ends(20, |end| {
        let (ours, theirs) = tcp();
        let mut ours = end.open(ours, Config::default());
        let mut raw = Raw::new(end.peer(), theirs);
        let bytes = end.peer().encode(&[Frame::text("one"), Frame::text("two"), Frame::text("and three")]);
        let (now, later) = bytes.split_at(bytes.len() - 4);
        std::io::Write::write_all(&mut raw.io, now).unwrap();
        assert_eq!(ours.recv().unwrap().map(Owned::from), Some(Owned::text("one")));
        ours.feed("fed").unwrap();
        let Socket::Split(mut receiver, sender) = Mode::Split.hold(ours) else { unreachable!() };
        sender.feed("to both").unwrap();
        std::io::Write::write_all(&mut raw.io, later).unwrap();
        assert_eq!(receiver.recv().unwrap().map(Owned::from), Some(Owned::text("two")));
        assert_eq!(receiver.recv().unwrap().map(Owned::from), Some(Owned::text("and three")));
        sender.flush().unwrap();
        assert_eq!(raw.message(), Owned::text("fed"));
        assert_eq!(raw.message(), Owned::text("to both"));
    });
}

/// `dyn` streams and references are streams too, if not ones that can be split.
#[test]
fn any_stream_will_do() {
    within(20, || {
        let (ours, theirs) = tcp();
        let mut raw = Raw::new(End::Client, theirs);
        let mut boxed = End::Server.open(Box::new(ours) as Box<dyn Stream>, Config::default());
        raw.write(&[Frame::text("hello")]);
        assert_eq!(boxed.recv().unwrap().map(Owned::from), Some(Owned::text("hello")));
        drop(boxed);
        raw.assert_eof();

        let (mut ours, theirs) = tcp();
        let mut raw = Raw::new(End::Client, theirs);
        let mut lent = End::Server.open(&mut ours, Config::default());
        lent.send("hello").unwrap();
        assert_eq!(raw.message(), Owned::text("hello"));
    });
}
