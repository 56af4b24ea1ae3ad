//! Endings that nobody agreed to.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use websans::{Cause, Keepalive, SendError};
use websans_testkit::schedules::rand::{self, Rng as _};
use websans_testkit::schedules::time;
use websans_testkit::wire::Frame;

use super::{assert_soon, explore, message, pipe, quiet, receive_all, server, sockets, spawn};
use crate::{CloseCode, Error};

const SECOND: Duration = Duration::from_secs(1);

/// The transport fails under a receiver that waits and senders that are blocked: all are told, and all the same.
///
/// Seen to fail with a failed read that does not end the connection, and with a wake-up of the first sender only.
#[test]
fn the_transport_fails() {
    explore("tokio::the_transport_fails", || async {
        let (near, far) = pipe(24);
        let breaker = far.breaker();
        let (mut receiver, sender) = server(near, quiet()).split();
        let breaking = spawn(async move { breaker.fail() });
        let senders = [0, 1].map(|n| {
            let sender = sender.clone();
            spawn(async move {
                while sender.send(message(n, 1)).await.is_ok() {}
                sender.close(CloseCode::NORMAL, "").await.unwrap()
            })
        });
        assert!(receive_all(&mut receiver).await.is_empty());
        let outcome = receiver.outcome().unwrap();
        assert!(!outcome.is_clean());
        for sender in senders {
            assert_eq!(sender.await.unwrap(), outcome);
        }
        assert_eq!(sender.outcome().unwrap(), outcome);
        breaking.await.unwrap();
        assert_soon();
        drop(far);
    });
}

/// The peer is gone without a word while a message is on its way to it.
///
/// Seen to fail with a receiver that wakes no sender when the connection ends.
#[test]
fn the_peer_goes_without_a_close() {
    explore("tokio::the_peer_goes_without_a_close", || async {
        let (ours, theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let peer = spawn(async move { drop(theirs) });
        let sending = spawn(async move {
            while sender.send(message(0, 1)).await.is_ok() {}
            (sender.closed().await.unwrap(), sender)
        });
        assert!(receive_all(&mut receiver).await.is_empty());
        let (outcome, sender) = sending.await.unwrap();
        assert_eq!(outcome.cause, Cause::Eof);
        assert_eq!(receiver.outcome().unwrap(), outcome);
        assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closing))));
        peer.await.unwrap();
        assert_soon();
    });
}

/// Keep-alive gives the peer up at the moment at which something is sent, and, in every second schedule, heard.
///
/// Seen to fail with deadlines that nobody judges, and with a receiver that leaves no waker for those of a sender.
#[test]
fn keepalive_ends_while_a_message_is_sent() {
    explore("tokio::keepalive_ends_while_a_message_is_sent", || async {
        let mut config = quiet();
        config.keepalive = Some(Keepalive { every: SECOND, within: SECOND });
        let (near, mut far) = pipe(24);
        let (mut receiver, sender) = server(near, config).split();
        let answers = rand::thread_rng().gen_bool(0.5);
        let peer = spawn(async move {
            time::sleep(SECOND * 2).await;
            if answers {
                // The peer may be given up already.
                let _ = far.write_all(&Frame::text(*b"here").masked([0; 4]).to_bytes()).await;
            }
            time::sleep(SECOND * 20).await;
            drop(far);
        });
        let sending = spawn(async move {
            time::sleep(SECOND * 2).await;
            let sent = sender.send(message(0, 0)).await;
            assert!(
                matches!(&sent, Ok(()) | Err(Error::Send(SendError::Closing) | Error::Io(_))),
                "{sent:?}"
            );
            sender.closed().await.unwrap()
        });
        let messages = receive_all(&mut receiver).await;
        let outcome = receiver.outcome().unwrap();
        assert_eq!(outcome.cause, Cause::KeepaliveTimeout);
        assert_eq!(sending.await.unwrap(), outcome);
        assert!(messages.len() <= usize::from(answers));
        // An answer that was heard bought another second, and the answer to the next Ping.
        let deadline = SECOND * if messages.is_empty() { 2 } else { 4 };
        assert!(time::now() <= deadline + SECOND / 2, "{:?}", time::now());
        peer.await.unwrap();
    });
}

/// A peer that does not read is given up, by whoever is blocked, for all.
///
/// Seen to fail with stalls that nobody judges.
#[test]
fn a_peer_that_does_not_read() {
    explore("tokio::a_peer_that_does_not_read", || async {
        let mut config = quiet();
        config.write_stall = SECOND * 2;
        let (near, far) = pipe(24);
        let (mut receiver, sender) = server(near, config).split();
        let senders = [0, 1].map(|n| {
            let sender = sender.clone();
            spawn(async move { sender.send(message(n, 3)).await })
        });
        assert!(receive_all(&mut receiver).await.is_empty());
        for sender in senders {
            let sent = sender.await.unwrap();
            assert!(matches!(sent, Err(Error::Io(_) | Error::Send(SendError::Closing))), "{sent:?}");
        }
        let outcome = receiver.outcome().unwrap();
        assert_eq!(outcome.cause, Cause::WriteStall);
        assert_eq!(sender.close(CloseCode::NORMAL, "").await.unwrap(), outcome);
        assert!(time::now() < SECOND * 3, "{:?}", time::now());
        drop(far);
    });
}
