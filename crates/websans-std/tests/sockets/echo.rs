//! Ordinary use: messages of every length and kind, batches, Pings, counters.

use std::thread;
use std::time::Duration;

use websans_std::{CloseCode, Error, Kind, Payload, Prepared, SendError};
use websans_testkit::wire::{Frame, opcode};

use crate::odd::Odd;
use crate::support::{
    BOTH, End, MODES, Owned, Raw, SLACK, Socket, against_raw, config, everywhere, millis, pattern, tcp,
    within,
};

/// Text of `len` bytes with characters of one to four bytes.
fn text(len: usize) -> String {
    let mut text: String = "aé€🦀 plain ".chars().cycle().take(len / 3).collect();
    while text.len() > len {
        text.pop();
    }
    text.extend(std::iter::repeat_n('x', len - text.len()));
    text
}

#[test]
fn messages_of_every_length_come_back() {
    everywhere(80, |end, mode| {
        let large = || config(|config| config.max_message = 16 << 20);
        let (ours, theirs) = tcp();
        let echo = mode.hold(end.open(ours, large()));
        let echo = thread::spawn(move || echo.echo());
        let mut asks = end.peer().open(theirs, large());
        let small = (0..=130).chain(65_530..=65_540).chain([2047, 2048, 4095, 16_383, 16_384, 16_385]);
        for len in small.chain([1 << 18, (1 << 18) + 1, 1 << 20, (5 << 20) + 3, 16 << 20]) {
            let bytes = pattern(len);
            asks.send(&bytes).unwrap();
            assert_eq!(asks.recv().unwrap().map(Owned::from), Some(Owned::Binary(bytes)), "{len} bytes");
            let text = text(len);
            assert_eq!(text.len(), len);
            asks.send(&text).unwrap();
            assert_eq!(asks.recv().unwrap().map(Owned::from), Some(Owned::Text(text)), "{len} bytes of text");
        }
        assert!(asks.close(CloseCode::NORMAL, "that was all").unwrap().is_clean());
        assert!(echo.join().unwrap().unwrap().is_clean());
    });
}

#[test]
#[cfg(unix)]
fn a_unix_socket_will_do() {
    within(30, || {
        for mode in MODES {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let echo = mode.hold(End::Server.open(ours, config(|_| {})));
            let echo = thread::spawn(move || echo.echo());
            let mut asks = mode.hold(End::Client.open(theirs, config(|_| {})));
            for len in [0, 1, 126, 70_000, 1 << 20] {
                let message = Owned::Binary(pattern(len));
                asks.send(&message).unwrap();
                assert_eq!(asks.recv().unwrap(), Some(message));
            }
            assert!(asks.close(CloseCode::NORMAL, "").unwrap().is_clean());
            assert!(echo.join().unwrap().unwrap().is_clean());
        }
    });
}

/// RFC 6455 §5.4: fragments make one message, and control frames may come between them.
#[test]
fn fragments_come_back_whole_and_pings_between_them_are_answered() {
    everywhere(30, |end, mode| {
        let (ours, mut raw) = against_raw(end, mode, config(|_| {}));
        let echo = thread::spawn(move || ours.echo());
        let payload = text(30_000);
        for size in [1, 7, 1000, 29_999] {
            let mut frames = vec![Frame::text([]).unfinished()];
            for (n, piece) in payload.as_bytes().chunks(size).enumerate() {
                frames.push(Frame::continuation(piece).unfinished());
                if n % 1000 == 0 {
                    frames.push(Frame::ping(format!("{n}")));
                }
            }
            frames.push(Frame::continuation([]));
            raw.write(&frames);
            let mut last_pong = None;
            let back = loop {
                let got = raw.frame();
                match got.opcode {
                    opcode::PONG => last_pong = Some(got.payload),
                    _ => break got,
                }
            };
            assert_eq!((back.fin, back.opcode), (true, opcode::TEXT));
            assert_eq!(back.payload, payload.as_bytes(), "in fragments of {size}");
            let newest = (payload.len().div_ceil(size) - 1) / 1000 * 1000;
            assert_eq!(last_pong, Some(format!("{newest}").into_bytes()), "the newest Ping is answered");
        }
        raw.write(&[Frame::close(1000, "")]);
        assert_eq!(raw.frame().close(), (1000, ""));
        raw.end();
        assert!(echo.join().unwrap().unwrap().is_clean());
    });
}

#[test]
fn long_messages_leave_in_fragments_if_so_configured() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|config| config.fragment_above = Some(1000)));
        let message = pattern(10_001);
        ours.send(&message).unwrap();
        let mut back = Vec::new();
        for n in 0..11 {
            let got = raw.frame();
            assert_eq!(got.opcode, if n == 0 { opcode::BINARY } else { opcode::CONTINUATION });
            assert_eq!((got.fin, got.payload.len()), (n == 10, if n == 10 { 1 } else { 1000 }));
            back.extend(got.payload);
        }
        assert_eq!(back, message);
    });
}

#[test]
fn fed_messages_leave_together() {
    everywhere(20, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, config(|_| {})));
        let mut raw = Raw::new(end.peer(), theirs);
        for n in 0..1000 {
            ours.feed(format!("message {n}")).unwrap();
        }
        assert_eq!(habits.writes(), 0, "1000 small messages fit into the outbox");
        ours.flush().unwrap();
        assert!(habits.writes() <= 3, "{} writes", habits.writes());
        for n in 0..1000 {
            assert_eq!(raw.message(), Owned::Text(format!("message {n}")));
        }
        // More than fits: room is made by writing, and nothing is lost.
        let writes = habits.writes();
        let reads = thread::spawn(move || (0..1000).map(|_| raw.message()).collect::<Vec<_>>());
        for n in 0..1000 {
            ours.feed(pattern(2000 + n)).unwrap();
        }
        ours.flush().unwrap();
        for (n, message) in reads.join().unwrap().into_iter().enumerate() {
            assert_eq!(message, Owned::Binary(pattern(2000 + n)));
        }
        assert!(habits.writes() - writes < 200, "{} writes for 2.5 MB", habits.writes() - writes);
    });
}

/// What is fed while messages come is written when there is nothing more to hand out.
#[test]
fn replies_to_a_batch_leave_together() {
    everywhere(20, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, config(|_| {})));
        let mut raw = Raw::new(end.peer(), theirs);
        let frames: Vec<_> = (0..2000).map(|n| Frame::text(format!("{n}"))).collect();
        raw.write(&frames);
        raw.write(&[Frame::close(1000, "")]);
        let echo = thread::spawn(move || {
            while let Some(message) = ours.recv().unwrap() {
                ours.feed(&message).unwrap();
            }
        });
        for n in 0..2000 {
            assert_eq!(raw.message(), Owned::Text(format!("{n}")));
        }
        assert_eq!(raw.frame().close(), (1000, ""));
        raw.end();
        echo.join().unwrap();
        let (reads, writes) = (habits.reads(), habits.writes());
        assert!(writes <= reads + 2 && writes < 100, "{writes} writes for {reads} reads");
    });
}

#[test]
fn a_prepared_message_reaches_every_receiver() {
    within(20, || {
        for payload in [pattern(3), pattern(100_000)] {
            let news = Prepared::new(&payload).unwrap();
            for end in BOTH {
                for mode in MODES {
                    let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
                    match &mut ours {
                        Socket::Whole(socket) => socket.send_prepared(&news).unwrap(),
                        Socket::Split(_, sender) => sender.send_prepared(&news).unwrap(),
                    }
                    ours.send("and then").unwrap();
                    assert_eq!(raw.message(), Owned::Binary(payload.clone()));
                    assert_eq!(raw.message(), Owned::text("and then"));
                }
            }
        }
    });
}

#[test]
fn a_ping_is_timed() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        assert_eq!(ours.stats().round_trip, None);
        let peer = thread::spawn(move || {
            let ping = raw.frame();
            assert_eq!((ping.opcode, &ping.payload[..]), (opcode::PING, &b"how far?"[..]));
            // One that was not asked for means nothing.
            raw.write(&[Frame::pong("unsolicited"), Frame::text("wait")]);
            thread::sleep(millis(120));
            raw.write(&[Frame::pong("how far?"), Frame::text("done")]);
            raw
        });
        ours.ping(b"how far?").unwrap();
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("wait")));
        assert_eq!(ours.stats().round_trip, None);
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("done")));
        let round_trip = ours.stats().round_trip.expect("the Pong has come");
        assert!(round_trip >= millis(120) && round_trip < SLACK, "{round_trip:?}");
        peer.join().unwrap();
    });
}

#[test]
fn counters_count() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        let frames = [
            Frame::text("one"),
            Frame::binary([2; 300]).unfinished(),
            Frame::ping("in between"),
            Frame::continuation([2; 300]),
            Frame::pong(""),
            Frame::text("three"),
        ];
        raw.write(&frames);
        for _ in 0..3 {
            ours.recv().unwrap().expect("a message");
        }
        ours.send("answer").unwrap();
        let stats = ours.stats();
        let arrived = end.peer().encode(&frames).len();
        assert_eq!((stats.messages_received, stats.frames_received), (3, 6));
        assert_eq!(stats.bytes_received, arrived as u64);
        assert_eq!((stats.messages_sent, stats.frames_sent), (1, 2), "the answer and a Pong");
        let sent = end.encode(&[Frame::pong("in between"), Frame::text("answer")]).len();
        assert_eq!((stats.bytes_sent, stats.bytes_queued), (sent as u64, 0));
    });
}

#[test]
fn what_may_not_be_sent_is_refused_and_changes_nothing() {
    everywhere(20, |end, mode| {
        fn refusal(result: Result<(), Error>) -> SendError {
            match result {
                Err(Error::Send(error)) => error,
                other => panic!("not refused: {other:?}"),
            }
        }
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        assert_eq!(refusal(ours.ping(&[0; 126])), SendError::ControlTooLong);
        assert_eq!(refusal(ours.send(Payload::new(Kind::Text, b"\xff"))), SendError::InvalidUtf8);
        assert_eq!(refusal(ours.start_close(CloseCode::NORMAL, &"x".repeat(124))), SendError::ReasonTooLong);
        let mut close = |code, reason: &str| match &mut ours {
            Socket::Whole(socket) => refusal(socket.close(code, reason).map(drop)),
            Socket::Split(_, sender) => refusal(sender.close(code, reason).map(drop)),
        };
        assert_eq!(close(CloseCode::NORMAL, &"x".repeat(124)), SendError::ReasonTooLong);
        if end == End::Server {
            assert_eq!(close(CloseCode::MANDATORY_EXTENSION, ""), SendError::CodeNotForServers);
        }
        assert_eq!(ours.outcome(), None);
        ours.ping(&[1; 125]).unwrap();
        ours.send("fine").unwrap();
        ours.start_close(CloseCode::NORMAL, &"x".repeat(123)).unwrap();
        assert_eq!(refusal(ours.send("late")), SendError::Closing);
        assert_eq!(refusal(ours.feed("late")), SendError::Closing);
        assert_eq!(refusal(ours.ping(b"late")), SendError::Closing);
        assert_eq!(refusal(ours.start_close(CloseCode::NORMAL, "twice")), SendError::Closing);
        assert_eq!(raw.frame().payload, [1; 125]);
        assert_eq!(raw.message(), Owned::text("fine"));
        assert_eq!(raw.frame().close(), (1000, &*"x".repeat(123)));
    });
}

#[test]
fn a_message_longer_than_the_outbox_passes() {
    everywhere(30, |end, mode| {
        let small = config(|config| {
            config.max_outbox = 1000;
            config.keepalive = None;
        });
        let (mut ours, mut raw) = against_raw(end, mode, small);
        let peer = thread::spawn(move || {
            for n in 0..20 {
                assert_eq!(raw.message(), Owned::Binary(pattern(n * 50_000)));
                assert_eq!(raw.message(), Owned::text("small"));
            }
        });
        for n in 0..20 {
            ours.feed(pattern(n * 50_000)).unwrap();
            ours.feed("small").unwrap();
        }
        ours.flush().unwrap();
        peer.join().unwrap();
        assert_eq!(ours.stats().bytes_queued, 0);
    });
}

/// An idle connection costs no processor time: it sleeps until its next deadline.
#[test]
fn an_idle_connection_does_not_spin() {
    everywhere(20, |end, mode| {
        let (ours, theirs) = tcp();
        let (ours, habits) = Odd::new(ours);
        let mut ours = mode.hold(end.open(ours, config(|_| {})));
        let mut raw = Raw::new(end.peer(), theirs);
        let receives = thread::spawn(move || ours.recv().unwrap());
        thread::sleep(Duration::from_secs(2));
        assert!(habits.reads() <= 2, "{} reads", habits.reads());
        assert_eq!(habits.writes(), 0);
        raw.write(&[Frame::text("wake up")]);
        assert_eq!(receives.join().unwrap(), Some(Owned::text("wake up")));
        assert!(habits.reads() <= 3, "{} reads", habits.reads());
    });
}

#[test]
fn messages_can_be_had_to_keep() {
    within(30, || {
        let (ours, theirs) = tcp();
        let mut asks = End::Client.open(theirs, config(|_| {}));
        let mut whole = End::Server.open(ours, config(|_| {}));
        let echo = thread::spawn(move || {
            let first = whole.recv_owned().unwrap().unwrap();
            let (mut receiver, sender) = whole.split().unwrap();
            let second = receiver.recv_owned().unwrap().unwrap();
            sender.send(first).unwrap();
            sender.send(second).unwrap();
            assert!(receiver.recv_owned().unwrap().is_none());
        });
        let long = text(300_000);
        asks.send(&long).unwrap();
        asks.send(&b"short"[..]).unwrap();
        assert_eq!(asks.recv().unwrap().map(Owned::from), Some(Owned::Text(long)));
        assert_eq!(asks.recv().unwrap().map(Owned::from), Some(Owned::Binary(b"short".to_vec())));
        asks.close(CloseCode::NORMAL, "").unwrap();
        echo.join().unwrap();
    });
}
