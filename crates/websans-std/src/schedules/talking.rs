//! Messages in both directions.

use std::io::{Read as _, Write as _};

use websans::{Kind, Role, SendError};
use websans_testkit::schedules::{explore, thread::spawn};
use websans_testkit::wire::Frame;

use super::{assert_all, assert_clean, assert_soon, message, open, pipe, quiet, receive_all, sockets};
use crate::{CloseCode, Error};

/// One thread sends what another receives again, from a peer that cannot take all of it at once.
///
/// Seen to fail with what a stream holds back looked at twice (the end of our side was slept through, for 3.75 s), and with no
/// retry of what the receiver could not write.
#[test]
fn echo() {
    explore("std::echo", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split().unwrap();
        let peer = spawn(move || {
            while let Some(message) = theirs.recv_owned().unwrap() {
                theirs.send(message).unwrap();
            }
            assert!(theirs.outcome().unwrap().is_clean());
        });
        let sending = spawn(move || {
            for number in 0..3 {
                sender.send(message(0, number)).unwrap();
            }
            sender
        });
        for number in 0..3 {
            assert_eq!(receiver.recv().unwrap().unwrap().as_bytes(), message(0, number));
        }
        let sender = sending.join().unwrap();
        let closing = spawn(move || sender.close(CloseCode::NORMAL, "done").unwrap());
        assert!(receiver.recv().unwrap().is_none());
        assert_clean([receiver.outcome(), Some(closing.join().unwrap())]);
        peer.join().unwrap();
        assert_soon();
    });
}

/// A Ping is heard, and its answer queued, while a sender waits for a peer that does not read before it was heard.
///
/// Seen to fail with a receiver that waits for the writing lock and the peer: the message behind the Ping never came.
#[test]
fn a_ping_while_the_pipe_is_full() {
    explore("std::a_ping_while_the_pipe_is_full", || {
        let (near, mut far) = pipe(24);
        let (mut receiver, sender) = open(near, Role::Server, quiet()).split().unwrap();
        let frames = [Frame::ping(*b"?"), Frame::text(*b"up")];
        far.write_all(&websans_testkit::wire::stream(&frames, true)).unwrap();
        let sending = spawn(move || sender.send(vec![7; 200]).unwrap());
        assert_eq!(receiver.recv().unwrap().unwrap().as_bytes(), b"up");
        let mut expected = [Frame::binary(vec![7; 200]).to_bytes(), Frame::pong(*b"?").to_bytes()];
        let mut heard = vec![0; expected.concat().len()];
        let reading = spawn(move || far.read_exact(&mut heard).map(|()| (heard, far)).unwrap());
        sending.join().unwrap();
        let receiving = spawn(move || assert!(receiver.recv().unwrap().is_none()));
        let (heard, far) = reading.join().unwrap();
        if heard != expected.concat() {
            expected.reverse();
            assert_eq!(heard, expected.concat());
        }
        assert_soon();
        drop(far);
        receiving.join().unwrap();
    });
}

/// Clones send at once, with too little room for two messages, to a peer that is slow to take them.
///
/// Seen to fail with the room for a message looked for under another lock than that under which it is queued: `OutboxFull`.
#[test]
fn clones_send_at_once() {
    explore("std::clones_send_at_once", || {
        let mut config = quiet();
        config.max_outbox = 30;
        let (ours, mut theirs) = sockets(24, config);
        let (mut receiver, sender) = ours.split().unwrap();
        let senders = [0, 1, 2].map(|n| {
            let sender = sender.clone();
            spawn(move || (0..2).for_each(|number| sender.send(message(n, number)).unwrap()))
        });
        let peer = spawn(move || (receive_all(&mut theirs), theirs.outcome().cloned()));
        let receiving =
            spawn(move || receiver.recv().map(|message| message.is_none()).map(|none| (none, receiver)));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let outcome = sender.close(CloseCode::NORMAL, "").unwrap();
        let (none, receiver) = receiving.join().unwrap().unwrap();
        assert!(none);
        let (messages, theirs) = peer.join().unwrap();
        assert_all(messages, 3, 2);
        assert!(theirs.unwrap().is_clean());
        assert_clean([receiver.outcome(), Some(outcome)]);
        assert_soon();
    });
}

/// A message is written in pieces while a clone sends: that has its turn before or after, or is told to wait.
///
/// Seen to fail with a closing sender that leaves it to a receiver that is gone to hear the answer.
#[test]
fn pieces_beside_messages() {
    explore("std::pieces_beside_messages", || {
        let (ours, mut theirs) = sockets(24, quiet());
        let (receiver, mut sender) = ours.split().unwrap();
        let mut clone = sender.clone();
        let peer = spawn(move || receive_all(&mut theirs));
        let writing = spawn(move || {
            let mut writer = sender.writer(Kind::Binary)?;
            for piece in message(0, 1).chunks(10) {
                writer.write_all(piece)?;
                writer.flush()?;
            }
            writer.finish()
        });
        let busy = |error: &Error| matches!(error, Error::Send(SendError::MessageInProgress));
        let sent = clone.send(message(1, 0));
        assert!(sent.as_ref().err().is_none_or(busy), "{sent:?}");
        let written = clone.writer(Kind::Binary).and_then(|mut writer| {
            writer.write_all(&message(2, 0))?;
            writer.finish()
        });
        assert!(written.as_ref().err().is_none_or(busy), "{written:?}");
        let whole = writing.join().unwrap();
        assert!(whole.as_ref().err().is_none_or(busy), "{whole:?}");
        drop(receiver);
        assert!(clone.close(CloseCode::NORMAL, "").unwrap().is_clean());
        let mut messages = peer.join().unwrap();
        messages.sort();
        let attempts = [(whole, message(0, 1)), (sent, message(1, 0)), (written, message(2, 0))];
        let sent: Vec<_> =
            attempts.into_iter().filter_map(|(sent, message)| sent.ok().map(|()| message)).collect();
        assert_eq!(messages, sent);
        assert_soon();
    });
}

/// The stream holds back what it takes until it is flushed, and the peer is slow.
///
/// Seen to fail without the flush once all is written: the peer never got what was held.
#[test]
fn a_stream_that_holds_back() {
    explore("std::a_stream_that_holds_back", || {
        let (near, far) = pipe(24);
        let (mut receiver, sender) = open(near.holding(), Role::Server, quiet()).split().unwrap();
        let mut theirs = open(far, Role::Client(Box::new(|| [1, 2, 3, 4])), quiet());
        let clone = sender.clone();
        let peer = spawn(move || {
            theirs.ping(b"there?").unwrap();
            theirs.send(message(9, 0)).unwrap();
            (receive_all(&mut theirs), theirs.outcome().cloned())
        });
        let sending = spawn(move || (0..2).for_each(|number| clone.send(message(1, number)).unwrap()));
        let other = spawn(move || {
            sender.send(message(0, 0)).unwrap();
            sender.send(message(0, 1)).unwrap();
            sending.join().unwrap();
            sender.close(CloseCode::NORMAL, "").unwrap()
        });
        assert_eq!(receive_all(&mut receiver), [message(9, 0)]);
        let (messages, theirs) = peer.join().unwrap();
        assert_all(messages, 2, 2);
        assert!(theirs.unwrap().is_clean());
        assert_clean([receiver.outcome(), Some(other.join().unwrap())]);
        assert_soon();
    });
}
