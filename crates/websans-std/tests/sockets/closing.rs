//! The closing handshake, and the order of what goes before it.

use std::thread;
use std::time::{Duration, Instant};

use websans_std::{Cause, CloseCode, Initiator, Reply, State};
use websans_testkit::wire::{Frame, opcode};

use crate::support::{
    BOTH, End, Mode, Owned, SLACK, Socket, against_raw, assert_took, config, everywhere, millis, pattern,
    tcp, within,
};

#[test]
fn our_close_is_answered() {
    everywhere(20, |end, mode| {
        let (mut ours, raw) = against_raw(end, mode, config(|_| {}));
        let raw = thread::spawn(move || raw.answer_close());
        let outcome = ours.close(CloseCode::new(4321).unwrap(), "we go").unwrap();
        assert_eq!(raw.join().unwrap().close(), (4321, "we go"));
        assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Local));
        assert_eq!((outcome.code(), outcome.sent), (4321, outcome.received));
        ours.assert_over();
        // Once more tells the same.
        assert_eq!(ours.close(CloseCode::NORMAL, "again").unwrap().sent.unwrap().reason, "we go");
    });
}

#[test]
fn their_close_is_echoed() {
    everywhere(20, |end, mode| {
        for close in [Frame::close(1001, "they go"), Frame::close(3999, ""), Frame::new(opcode::CLOSE, [])] {
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            raw.write(&[Frame::text("last"), close.clone()]);
            let peer = thread::spawn(move || {
                let echo = raw.frame();
                raw.end();
                echo
            });
            assert_eq!(ours.recv().unwrap(), Some(Owned::text("last")));
            assert_eq!(ours.recv().unwrap(), None);
            assert_eq!(peer.join().unwrap().payload, close.payload);
            let outcome = ours.assert_over();
            assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Peer));
            assert_eq!(outcome.sent, outcome.received);
        }
    });
}

/// RFC 6455 §5.5.1: both may send a Close at the same time.
#[test]
fn both_close_at_once() {
    everywhere(30, |end, mode| {
        for _ in 0..20 {
            let (ours, theirs) = tcp();
            let mut ours = mode.hold(end.open(ours, config(|_| {})));
            let mut theirs = mode.hold(end.peer().open(theirs, config(|_| {})));
            let closes = thread::spawn(move || theirs.close(CloseCode::GOING_AWAY, "they").unwrap());
            let here = ours.close(CloseCode::NORMAL, "we").unwrap();
            let there = closes.join().unwrap();
            assert!(here.is_clean() && there.is_clean(), "{here:?} {there:?}");
            assert_eq!((here.sent, here.received), (there.received, there.sent));
        }
    });
}

/// "The server MUST close the TCP connection first" in all ordinary cases (RFC 6455 §7.1.1): a client waits.
#[test]
fn the_server_ends_the_transport_first() {
    everywhere(20, |end, mode| {
        for we_begin in [true, false] {
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            let peer = thread::spawn(move || {
                if !we_begin {
                    raw.write(&[Frame::close(1000, "")]);
                }
                assert_eq!(raw.frame().close(), (1000, ""));
                if we_begin {
                    raw.write(&[Frame::close(1000, "")]);
                }
                if end == End::Client {
                    // Nothing comes for a while, above all no end.
                    raw.io.set_read_timeout(Some(millis(300))).unwrap();
                    let error = raw.try_frame().expect_err("the client waits");
                    assert!(matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ));
                    raw.io.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                }
                raw.end();
            });
            let outcome = if we_begin {
                ours.close(CloseCode::NORMAL, "").unwrap()
            } else {
                assert_eq!(ours.recv().unwrap(), None);
                ours.assert_over()
            };
            assert!(outcome.is_clean());
            peer.join().unwrap();
        }
    });
}

/// What is sent in answer to a message goes before the answer to the Close that came right behind it.
#[test]
fn an_answer_goes_before_the_answer_to_a_close_in_the_same_packet() {
    everywhere(20, |end, mode| {
        for feeds in [false, true] {
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            let frames = [
                Frame::text("question 1"),
                Frame::ping("are you there?"),
                Frame::binary(pattern(5000)),
                Frame::text("question 3"),
                Frame::close(1000, "no more questions"),
                Frame::text("not looked at"),
            ];
            raw.write(&frames);
            let echo = thread::spawn(move || {
                while let Some(message) = ours.recv().unwrap() {
                    thread::sleep(millis(20)); // the Close has long arrived
                    if feeds { ours.feed(&message).unwrap() } else { ours.send(&message).unwrap() }
                }
                ours.assert_over()
            });
            let (answers, close) = raw.until_close();
            let answers: Vec<_> = answers.into_iter().map(|got| got.payload).collect();
            assert_eq!(answers, [b"question 1".to_vec(), pattern(5000), b"question 3".to_vec()]);
            assert_eq!(close.close(), (1000, "no more questions"));
            raw.end();
            let outcome = echo.join().unwrap();
            assert!(outcome.is_clean());
        }
    });
}

/// After our Close the peer's messages still arrive, until its own.
#[test]
fn messages_arrive_until_the_peers_close() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        ours.start_close(CloseCode::NORMAL, "enough").unwrap();
        let peer = thread::spawn(move || {
            assert_eq!(raw.frame().close(), (1000, "enough"));
            raw.write(&[Frame::text("one more"), Frame::text("and").unfinished()]);
            thread::sleep(millis(50));
            raw.write(&[Frame::continuation(" another"), Frame::close(1000, "")]);
            raw.end();
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("one more")));
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("and another")));
        assert_eq!(ours.recv().unwrap(), None);
        assert!(ours.assert_over().is_clean());
        peer.join().unwrap();
    });
}

/// A peer that goes on sending after our Close cannot keep us: there is one time for all of it, whether the application
/// waits for the end or goes on receiving.
#[test]
fn endless_data_after_our_close_is_cut_off() {
    everywhere(40, |end, mode| {
        for receives in [false, true] {
            let (mut ours, mut raw) =
                against_raw(end, mode, config(|config| config.close_within = millis(600)));
            thread::spawn(move || {
                let bytes = end.peer().encode(&vec![Frame::text("more and more"); 10]);
                while std::io::Write::write_all(&mut raw.io, &bytes).is_ok() {
                    thread::sleep(millis(1));
                }
            });
            let started = Instant::now();
            if receives {
                ours.start_close(CloseCode::NORMAL, "stop").unwrap();
                while let Some(message) = ours.recv().unwrap() {
                    assert_eq!(message, Owned::text("more and more"));
                    assert!(started.elapsed() < millis(600) + SLACK, "messages for ever");
                }
            } else {
                ours.close(CloseCode::NORMAL, "stop").unwrap();
            }
            assert_took(started, millis(600));
            let outcome = ours.assert_over();
            assert_eq!((outcome.cause, outcome.received), (Cause::CloseTimeout, None));
        }
    });
}

/// With `Reply::WhenAsked` the application learns of the peer's Close at once, may still send, and answers it.
#[test]
fn the_application_answers_the_close_if_it_wants_to() {
    everywhere(30, |end, mode| {
        let when_asked = config(|config| {
            config.close_reply = Reply::WhenAsked;
            config.close_within = Duration::from_secs(15);
        });
        let (mut ours, mut raw) = against_raw(end, mode, when_asked);
        raw.write(&[Frame::text("before"), Frame::close(1000, "your turn")]);
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("before")));
        let asked = Instant::now();
        assert_eq!(ours.recv().unwrap(), None);
        assert!(asked.elapsed() < Duration::from_secs(10), "told only when it was too late to answer");
        if let Socket::Whole(socket) = &ours {
            assert_eq!(socket.state(), State::CloseReceived);
        }
        ours.send("after").unwrap();
        let peer = thread::spawn(move || {
            assert_eq!(raw.message(), Owned::text("after"));
            assert_eq!(raw.frame().close(), (1001, "my turn"));
            raw.end();
        });
        assert!(ours.close(CloseCode::GOING_AWAY, "my turn").unwrap().is_clean());
        drop(ours);
        peer.join().unwrap();
    });
}

#[test]
fn dropping_a_connection_ends_the_transport() {
    within(20, || {
        for end in BOTH {
            let (ours, mut raw) = against_raw(end, Mode::Whole, config(|_| {}));
            drop(ours);
            raw.assert_eof();
            for receiver_first in [true, false] {
                let (ours, mut raw) = against_raw(end, Mode::Split, config(|_| {}));
                let Socket::Split(receiver, sender) = ours else { unreachable!() };
                let clone = sender.clone();
                if receiver_first {
                    drop(receiver);
                    drop(sender);
                    clone.send("still there").unwrap();
                    drop(clone);
                } else {
                    drop(sender);
                    clone.send("still there").unwrap();
                    drop(clone);
                    drop(receiver);
                }
                assert_eq!(raw.message(), Owned::text("still there"));
                raw.assert_eof();
            }
        }
    });
}
