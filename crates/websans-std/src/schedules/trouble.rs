//! Endings that nobody agreed to.

use std::io::Write as _;
use std::time::Duration;

use websans::{Cause, Keepalive, Role, SendError};
use websans_testkit::schedules::{explore, thread::spawn, time};
use websans_testkit::wire::Frame;

use super::{assert_soon, message, open, pipe, quiet, receive_all, sockets};
use crate::{CloneStream as _, CloseCode, Error};

/// The transport fails under a receiver that waits and senders that are blocked: all are told, and all the same.
///
/// Seen to fail with a failed read that ends the connection for the receiver alone, and with an end that wakes no closing sender.
#[test]
fn the_transport_fails() {
    explore("std::the_transport_fails", || {
        let (near, far) = pipe(24);
        let (mut receiver, sender) = open(near, Role::Server, quiet()).split().unwrap();
        let breaking = far.try_clone().unwrap();
        let breaking = spawn(move || breaking.fail());
        let senders = [0, 1].map(|n| {
            let sender = sender.clone();
            spawn(move || {
                while sender.send(message(n, 1)).is_ok() {}
                sender.close(CloseCode::NORMAL, "").unwrap()
            })
        });
        assert!(receive_all(&mut receiver).is_empty());
        let outcome = receiver.outcome().unwrap();
        assert!(!outcome.is_clean());
        for sender in senders {
            assert_eq!(sender.join().unwrap(), outcome);
        }
        assert_eq!(sender.outcome().unwrap(), outcome);
        breaking.join().unwrap();
        assert_soon();
        drop(far);
    });
}

/// The peer is gone without a word while a message is on its way to it.
///
/// Seen to fail without the look whether both directions are gone: the receiver went on waiting to write.
#[test]
fn the_peer_goes_without_a_close() {
    explore("std::the_peer_goes_without_a_close", || {
        let (ours, theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || drop(theirs));
        let sending = spawn(move || {
            while sender.send(message(0, 1)).is_ok() {}
            sender
        });
        assert!(receive_all(&mut receiver).is_empty());
        let sender = sending.join().unwrap();
        let outcome = receiver.outcome().unwrap();
        assert_eq!(outcome.cause, Cause::Eof);
        assert_eq!(sender.outcome().unwrap(), outcome);
        assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closing))));
        peer.join().unwrap();
        assert_soon();
    });
}

/// Keep-alive gives the peer up at the moment at which something is sent, and, in every second schedule, heard.
///
/// Seen to fail with a receiver that judges no time.
#[test]
fn keepalive_ends_while_a_message_is_sent() {
    explore("std::keepalive_ends_while_a_message_is_sent", || {
        use websans_testkit::schedules::rand::Rng as _;
        let mut config = quiet();
        let second = Duration::from_secs(1);
        config.keepalive = Some(Keepalive { every: second, within: second });
        let (near, mut far) = pipe(24);
        let (mut receiver, sender) = open(near, Role::Server, config).split().unwrap();
        let answers = websans_testkit::schedules::rand::thread_rng().gen_bool(0.5);
        let peer = spawn(move || {
            time::sleep_thread(second * 2);
            if answers {
                // The peer may be given up already.
                let _ = far.write_all(&Frame::text(*b"here").masked([0; 4]).to_bytes());
            }
            time::sleep_thread(second * 20);
            drop(far);
        });
        let sending = spawn(move || {
            time::sleep_thread(second * 2);
            let sent = sender.send(message(0, 0));
            assert!(
                matches!(&sent, Ok(()) | Err(Error::Send(SendError::Closing) | Error::Io(_))),
                "{sent:?}"
            );
            sender
        });
        let messages = receive_all(&mut receiver);
        let outcome = receiver.outcome().unwrap();
        assert_eq!(outcome.cause, Cause::KeepaliveTimeout);
        assert_eq!(sending.join().unwrap().outcome(), Some(outcome));
        assert!(messages.len() <= usize::from(answers));
        // An answer that was heard bought another second, and the answer to the next Ping.
        let deadline = second * if messages.is_empty() { 2 } else { 4 };
        assert!(time::now() <= deadline + second / 2, "{:?}", time::now());
        peer.join().unwrap();
    });
}

/// A peer that does not read is given up, by whoever is blocked, for all.
///
/// Seen to fail with an end that does not shut the transport down, which the receiver then waited for.
#[test]
fn a_peer_that_does_not_read() {
    explore("std::a_peer_that_does_not_read", || {
        let mut config = quiet();
        config.write_stall = Duration::from_secs(2);
        let (near, far) = pipe(24);
        let (mut receiver, sender) = open(near, Role::Server, config).split().unwrap();
        let senders = [0, 1].map(|n| {
            let sender = sender.clone();
            spawn(move || sender.send(message(n, 3)))
        });
        assert!(receive_all(&mut receiver).is_empty());
        for sender in senders {
            let sent = sender.join().unwrap();
            assert!(matches!(sent, Err(Error::Io(_) | Error::Send(SendError::Closing))), "{sent:?}");
        }
        let outcome = receiver.outcome().unwrap();
        assert_eq!(outcome.cause, Cause::WriteStall);
        assert_eq!(sender.close(CloseCode::NORMAL, "").unwrap(), outcome);
        assert!(time::now() < Duration::from_secs(3), "{:?}", time::now());
        drop(far);
    });
}
