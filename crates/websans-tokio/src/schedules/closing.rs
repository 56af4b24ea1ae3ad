//! Endings that both ends agree to.

use websans::SendError;

use super::{
    Receive as _, assert_all, assert_clean, assert_soon, explore, listen, message, mirrored, quiet,
    receive_all, sockets, spawn,
};
use crate::{CloseCode, Error};

/// The sender closes while the receiver waits, before it does, or after.
///
/// Seen to fail with a receiver that wakes no sender when the connection ends.
#[test]
fn the_sender_closes() {
    explore("tokio::the_sender_closes", || async {
        let (ours, theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let peer = spawn(listen(theirs));
        let closing = spawn(async move { sender.close(CloseCode::NORMAL, "done").await.unwrap() });
        assert!(receiver.recv().await.unwrap().is_none());
        assert_clean(receiver.outcome(), Some(closing.await.unwrap()));
        let (messages, theirs) = peer.await.unwrap();
        assert!(messages.is_empty());
        assert_eq!(theirs.received.unwrap().reason, "done");
        assert_soon();
    });
}

/// Two clones and the peer close at once.
///
/// Seen to fail with a wake-up of the first sender only.
#[test]
fn all_close_at_once() {
    explore("tokio::all_close_at_once", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let peer = spawn(async move { theirs.close(CloseCode::GOING_AWAY, "I too").await.cloned().unwrap() });
        let clone = sender.clone();
        let closing = spawn(async move { clone.close(CloseCode::NORMAL, "one").await.unwrap() });
        let other = spawn(async move { sender.close(CloseCode::NORMAL, "two").await.unwrap() });
        assert!(receiver.recv().await.unwrap().is_none());
        let outcome = closing.await.unwrap();
        assert_clean(Some(other.await.unwrap()), Some(outcome.clone()));
        assert_clean(receiver.outcome(), Some(outcome));
        assert!(peer.await.unwrap().is_clean());
        assert_soon();
    });
}

/// The peer closes while a sender waits for it to read. A message whose sending went well has arrived.
///
/// Seen to fail with a receiver that wakes no sender when the connection ends, and with one that leaves no waker.
#[test]
fn the_peer_closes_on_a_blocked_sender() {
    explore("tokio::the_peer_closes_on_a_blocked_sender", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let peer = spawn(async move {
            theirs.start_close(CloseCode::NORMAL, "enough").await.unwrap();
            listen(theirs).await
        });
        let sending = spawn(async move {
            let mut sent = 0;
            while sent < 3 {
                match sender.send(message(0, sent)).await {
                    Ok(()) => sent += 1,
                    Err(Error::Send(SendError::Closing) | Error::Io(_)) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            (sent, sender.closed().await.unwrap())
        });
        assert!(receiver.recv().await.unwrap().is_none());
        let (sent, outcome) = sending.await.unwrap();
        let (messages, theirs) = peer.await.unwrap();
        assert_all(messages, 1, sent);
        assert_clean(receiver.outcome(), Some(outcome));
        assert!(theirs.is_clean());
        assert_soon();
    });
}

/// The receiver is dropped while senders wait for the peer to read: they go on, hear its Close, and are told of it.
///
/// Seen to fail with a `Drop` of the receiver that wakes nobody: no one was left to hear the peer.
#[test]
fn the_receiver_is_dropped() {
    explore("tokio::the_receiver_is_dropped", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (receiver, sender) = ours.split();
        let peer = spawn(async move {
            theirs.send(message(0, 0)).await.unwrap();
            assert_eq!(theirs.next().await.unwrap().unwrap(), message(0, 0));
            assert_eq!(theirs.next().await.unwrap().unwrap(), message(0, 1));
            theirs.close(CloseCode::NORMAL, "").await.cloned().unwrap()
        });
        let clone = sender.clone();
        let waiting = spawn(async move { clone.closed().await.unwrap() });
        let sending = spawn(async move {
            sender.send(message(0, 0)).await.unwrap();
            sender.send(message(0, 1)).await.unwrap();
            sender.closed().await.unwrap()
        });
        drop(receiver);
        let outcome = sending.await.unwrap();
        assert_clean(Some(waiting.await.unwrap()), Some(outcome.clone()));
        assert_clean(Some(outcome), Some(mirrored(peer.await.unwrap())));
        assert_soon();
    });
}

/// The receiver is dropped while senders close, and was the one that was to hear the answer.
///
/// Seen to fail with a `Drop` of the receiver that wakes nobody.
#[test]
fn the_receiver_is_dropped_while_senders_close() {
    explore("tokio::the_receiver_is_dropped_while_senders_close", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let peer = spawn(async move {
            theirs.send(message(0, 0)).await.unwrap();
            listen(theirs).await.1
        });
        let [one, other] = [sender.clone(), sender]
            .map(|sender| spawn(async move { sender.close(CloseCode::NORMAL, "").await.unwrap() }));
        assert_eq!(receiver.next().await.unwrap().unwrap(), message(0, 0));
        drop(receiver);
        let outcome = one.await.unwrap();
        assert_clean(Some(outcome.clone()), Some(other.await.unwrap()));
        assert_clean(Some(outcome), Some(mirrored(peer.await.unwrap())));
        assert_soon();
    });
}

/// All senders are dropped while the receiver waits, for messages and then for the peer's Close.
///
/// Seen to fail with an end of the transport that the connection is not told of.
#[test]
fn the_senders_are_dropped() {
    explore("tokio::the_senders_are_dropped", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let clone = sender.clone();
        let sending = spawn(async move { sender.send(message(0, 0)).await.unwrap() });
        let dropping = spawn(async move { drop(clone) });
        let peer = spawn(async move {
            for number in 0..2 {
                theirs.send(message(1, number)).await.unwrap();
            }
            assert_eq!(theirs.next().await.unwrap().unwrap(), message(0, 0));
            theirs.close(CloseCode::NORMAL, "").await.cloned().unwrap()
        });
        assert_eq!(receive_all(&mut receiver).await, [message(1, 0), message(1, 1)]);
        assert_clean(receiver.outcome(), Some(mirrored(peer.await.unwrap())));
        sending.await.unwrap();
        dropping.await.unwrap();
        assert_soon();
    });
}
