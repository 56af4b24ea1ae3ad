//! Endings that both ends agree to.

use websans::SendError;
use websans_testkit::schedules::{explore, thread::spawn};

use super::{assert_all, assert_clean, assert_soon, message, quiet, receive_all, sockets};
use crate::{CloseCode, Error};

/// The sender closes while the receiver waits, before it does, or after.
///
/// Seen to fail with no retry of the Close that another thread was about to write.
#[test]
fn the_sender_closes() {
    explore("std::the_sender_closes", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || (receive_all(&mut theirs), theirs.outcome().cloned()));
        let closing = spawn(move || sender.close(CloseCode::NORMAL, "done").unwrap());
        assert!(receiver.recv().unwrap().is_none());
        assert_clean([receiver.outcome(), Some(closing.join().unwrap())]);
        let (messages, theirs) = peer.join().unwrap();
        assert!(messages.is_empty());
        assert_eq!(theirs.unwrap().received.unwrap().reason, "done");
        assert_soon();
    });
}

/// Two clones and the peer close at once.
///
/// Seen to fail with bytes that count as written before they are: the transport was ended too early.
#[test]
fn all_close_at_once() {
    explore("std::all_close_at_once", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || theirs.close(CloseCode::GOING_AWAY, "I too").cloned().unwrap());
        let clone = sender.clone();
        let closing = spawn(move || clone.close(CloseCode::NORMAL, "one").unwrap());
        let other = spawn(move || sender.close(CloseCode::NORMAL, "two").unwrap());
        assert!(receiver.recv().unwrap().is_none());
        let outcome = closing.join().unwrap();
        assert_clean([Some(other.join().unwrap()), Some(outcome.clone())]);
        assert_clean([receiver.outcome(), Some(outcome)]);
        assert!(peer.join().unwrap().is_clean());
        assert_soon();
    });
}

/// The peer closes while a sender waits for it to read. A message whose sending went well has arrived.
///
/// Seen to fail with bytes that count as written before they are: a message was told to be sent and did not arrive.
#[test]
fn the_peer_closes_on_a_blocked_sender() {
    explore("std::the_peer_closes_on_a_blocked_sender", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || {
            theirs.start_close(CloseCode::NORMAL, "enough").unwrap();
            (receive_all(&mut theirs), theirs.outcome().cloned())
        });
        let sending = spawn(move || {
            let sent = (0..3).take_while(|&number| match sender.send(message(0, number)) {
                Ok(()) => true,
                Err(Error::Send(SendError::Closing) | Error::Io(_)) => false,
                Err(error) => panic!("{error}"),
            });
            (u8::try_from(sent.count()).unwrap(), sender)
        });
        assert!(receiver.recv().unwrap().is_none());
        let (sent, sender) = sending.join().unwrap();
        let (messages, theirs) = peer.join().unwrap();
        assert_all(messages, 1, sent);
        assert_clean([receiver.outcome(), sender.outcome()]);
        assert!(theirs.unwrap().is_clean());
        assert_soon();
    });
}

/// The receiver is dropped while senders wait for the peer to read: they go on, and one of them can close.
///
/// Seen to fail with a `Drop` of the receiver that wakes nobody.
#[test]
fn the_receiver_is_dropped() {
    explore("std::the_receiver_is_dropped", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || (receive_all(&mut theirs), theirs.outcome().cloned()));
        let clone = sender.clone();
        let sending = spawn(move || clone.send(message(1, 0)).unwrap());
        let closing = spawn(move || {
            sender.send(message(0, 0)).unwrap();
            sending.join().unwrap();
            sender.close(CloseCode::NORMAL, "").unwrap()
        });
        drop(receiver);
        let (messages, theirs) = peer.join().unwrap();
        assert_all(messages, 2, 1);
        assert_clean([Some(closing.join().unwrap()), theirs.map(mirrored)]);
        assert_soon();
    });
}

/// The receiver is dropped while a sender closes, and is the one that was to hear the answer.
///
/// Seen to fail with a `Drop` of the receiver that wakes nobody.
#[test]
fn the_receiver_is_dropped_while_a_sender_closes() {
    explore("std::the_receiver_is_dropped_while_a_sender_closes", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || {
            theirs.send(message(0, 0)).unwrap();
            (receive_all(&mut theirs), theirs.outcome().cloned())
        });
        let clone = sender.clone();
        let closing =
            [sender, clone].map(|sender| spawn(move || sender.close(CloseCode::NORMAL, "").unwrap()));
        assert_eq!(receiver.recv().unwrap().unwrap().as_bytes(), message(0, 0));
        drop(receiver);
        let [one, other] = closing.map(|closing| closing.join().unwrap());
        assert_clean([Some(one.clone()), Some(other)]);
        assert_clean([Some(one), peer.join().unwrap().1.map(mirrored)]);
        assert_soon();
    });
}

/// All senders are dropped while the receiver waits, for messages and then for the peer's Close.
///
/// Seen to fail with no retry of what the receiver could not write.
#[test]
fn the_senders_are_dropped() {
    explore("std::the_senders_are_dropped", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let clone = sender.clone();
        let senders = [spawn(move || sender.send(message(0, 0)).unwrap()), spawn(move || drop(clone))];
        let peer = spawn(move || {
            (0..2).for_each(|number| theirs.send(message(1, number)).unwrap());
            assert_eq!(theirs.recv().unwrap().unwrap().as_bytes(), message(0, 0));
            theirs.close(CloseCode::NORMAL, "").cloned().unwrap()
        });
        assert_eq!(receive_all(&mut receiver), [message(1, 0), message(1, 1)]);
        assert_clean([receiver.outcome(), Some(mirrored(peer.join().unwrap()))]);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_soon();
    });
}

/// The same ending as the other end sees it.
fn mirrored(outcome: websans::Outcome) -> websans::Outcome {
    use websans::Initiator;
    let mut mirrored = outcome;
    std::mem::swap(&mut mirrored.sent, &mut mirrored.received);
    mirrored.initiator = match mirrored.initiator {
        Initiator::Local => Initiator::Peer,
        Initiator::Peer => Initiator::Local,
    };
    mirrored
}
