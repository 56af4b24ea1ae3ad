//! Messages in both directions.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use websans::{Kind, SendError};
use websans_testkit::schedules::rand::{self, Rng as _};
use websans_testkit::wire::{self, Frame};

use super::{
    Receive as _, assert_all, assert_clean, assert_soon, client, explore, listen, message, pipe, quiet,
    receive_all, server, sockets, spawn,
};
use crate::{CloseCode, Error};

/// One task sends what another receives again, from a peer that cannot take all of it at once.
///
/// Seen to fail with a receiver that wakes no sender when the connection ends.
#[test]
fn echo() {
    explore("tokio::echo", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, sender) = ours.split();
        let peer = spawn(async move {
            while let Some(message) = theirs.recv_owned().await.unwrap() {
                theirs.send(message).await.unwrap();
            }
            theirs.outcome().cloned()
        });
        let sending = spawn(async move {
            for number in 0..3 {
                sender.send(message(0, number)).await.unwrap();
            }
            sender
        });
        for number in 0..3 {
            assert_eq!(receiver.next().await.unwrap().unwrap(), message(0, number));
        }
        let sender = sending.await.unwrap();
        let closing = spawn(async move { sender.close(CloseCode::NORMAL, "done").await.unwrap() });
        assert!(receiver.recv().await.unwrap().is_none());
        assert_clean(receiver.outcome(), Some(closing.await.unwrap()));
        assert!(peer.await.unwrap().unwrap().is_clean());
        assert_soon();
    });
}

/// A Ping is answered while a sender waits for a peer that does not read before its message after it was heard.
///
/// Seen to fail with a receiver that leaves no waker, and with a sender that leaves only its own with the transport.
#[test]
fn a_ping_while_the_pipe_is_full() {
    explore("tokio::a_ping_while_the_pipe_is_full", || async {
        let (near, mut far) = pipe(24);
        let (mut receiver, sender) = server(near, quiet()).split();
        let frames = [Frame::ping(*b"?"), Frame::text(*b"up")];
        far.write_all(&wire::stream(&frames, true)).await.unwrap();
        let sending = spawn(async move { sender.send(vec![7; 200]).await.map(|()| sender).unwrap() });
        assert_eq!(receiver.next().await.unwrap().unwrap(), b"up");
        let receiving = spawn(async move { receive_all(&mut receiver).await });
        let mut expected = [Frame::binary(vec![7; 200]).to_bytes(), Frame::pong(*b"?").to_bytes()];
        let mut heard = vec![0; expected.concat().len()];
        far.read_exact(&mut heard).await.unwrap();
        if heard != expected.concat() {
            expected.reverse();
            assert_eq!(heard, expected.concat());
        }
        sending.await.unwrap();
        assert_soon();
        drop(far);
        assert!(receiving.await.unwrap().is_empty());
    });
}

/// Clones send at once, with too little room for two messages, to a peer that is slow to take them.
///
/// Seen to fail with no wake-up of who is next in the line when somebody leaves it: deadlock.
#[test]
fn clones_send_at_once() {
    explore("tokio::clones_send_at_once", || async {
        let mut config = quiet();
        config.max_outbox = 30;
        let (ours, theirs) = sockets(24, config);
        let (mut receiver, sender) = ours.split();
        let senders = [0, 1, 2].map(|n| {
            let sender = sender.clone();
            spawn(async move {
                for number in 0..2 {
                    sender.send(message(n, number)).await.unwrap();
                }
            })
        });
        let peer = spawn(listen(theirs));
        let receiving = spawn(async move { (receive_all(&mut receiver).await, receiver.outcome()) });
        for sender in senders {
            sender.await.unwrap();
        }
        let outcome = sender.close(CloseCode::NORMAL, "").await.unwrap();
        let (none, received) = receiving.await.unwrap();
        assert!(none.is_empty());
        let (messages, theirs) = peer.await.unwrap();
        assert_all(messages, 3, 2);
        assert!(theirs.is_clean());
        assert_clean(received, Some(outcome));
        assert_soon();
    });
}

/// One clone queues what another's flush takes along, while nobody receives.
///
/// Seen to fail without the second look after a sender has left its waker: a wake-up in between was lost.
#[test]
fn feeding_and_flushing() {
    explore("tokio::feeding_and_flushing", || async {
        let mut config = quiet();
        config.max_outbox = 30;
        let (ours, theirs) = sockets(24, config);
        let (receiver, sender) = ours.split();
        let peer = spawn(listen(theirs));
        let clone = sender.clone();
        let feeding = spawn(async move {
            for number in 0..3 {
                clone.feed(message(0, number)).await.unwrap();
            }
        });
        for number in 0..3 {
            sender.feed(message(1, number)).await.unwrap();
            sender.flush().await.unwrap();
        }
        feeding.await.unwrap();
        drop(receiver);
        assert!(sender.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        assert_all(peer.await.unwrap().0, 2, 3);
        assert_soon();
    });
}

/// A message is written in pieces while a clone sends: that has its turn before or after, or is told to wait.
///
/// Seen to fail with a writer that does not keep others from becoming one.
#[test]
fn pieces_beside_messages() {
    explore("tokio::pieces_beside_messages", || async {
        let (ours, theirs) = sockets(24, quiet());
        let (receiver, mut sender) = ours.split();
        let mut clone = sender.clone();
        let peer = spawn(listen(theirs));
        let writing = spawn(async move {
            let mut writer = sender.writer(Kind::Binary)?;
            for piece in message(0, 1).chunks(10) {
                writer.write_all(piece).await?;
                writer.flush().await?;
            }
            writer.finish().await
        });
        let sent = clone.send(message(1, 0)).await;
        let written = match clone.writer(Kind::Binary) {
            Ok(mut writer) => {
                writer.write_all(&message(2, 0)).await.unwrap();
                writer.finish().await
            }
            Err(error) => Err(error),
        };
        let attempts =
            [(writing.await.unwrap(), message(0, 1)), (sent, message(1, 0)), (written, message(2, 0))];
        let busy = |error: &Error| matches!(error, Error::Send(SendError::MessageInProgress));
        let sent = attempts.into_iter().filter_map(|(sent, message)| {
            assert!(sent.as_ref().err().is_none_or(busy), "{sent:?}");
            sent.ok().map(|()| message)
        });
        let sent: Vec<_> = sent.collect();
        drop(receiver);
        assert!(clone.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        let mut messages = peer.await.unwrap().0;
        messages.sort();
        assert_eq!(messages, sent);
        assert_soon();
    });
}

/// The transport holds back what it takes until it is flushed, and the peer is slow.
///
/// Seen to fail without the flush of the transport, and with a receiver that leaves only its own waker for what is to be
/// written.
#[test]
fn a_transport_that_holds_back() {
    explore("tokio::a_transport_that_holds_back", || async {
        let (near, far) = pipe(24);
        let (mut receiver, sender) = server(near.holding(), quiet()).split();
        let mut theirs = client(far);
        let peer = spawn(async move {
            theirs.ping(b"there?").await.unwrap();
            theirs.send(message(9, 0)).await.unwrap();
            listen(theirs).await
        });
        let senders = [0, 1].map(|n| {
            let sender = sender.clone();
            spawn(async move {
                sender.send(message(n, 0)).await.unwrap();
                sender.send(message(n, 1)).await.unwrap();
            })
        });
        let closing = spawn(async move {
            for sender in senders {
                sender.await.unwrap();
            }
            sender.close(CloseCode::NORMAL, "").await.unwrap()
        });
        assert_eq!(receive_all(&mut receiver).await, [message(9, 0)]);
        let (messages, theirs) = peer.await.unwrap();
        assert_all(messages, 2, 2);
        assert!(theirs.is_clean());
        assert_clean(receiver.outcome(), Some(closing.await.unwrap()));
        assert_soon();
    });
}

/// Polls so often, at most, and drops it.
async fn give_up<T>(most: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        if polls == most {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == most && rand::thread_rng().gen_bool(0.5) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Futures of both halves are dropped, before their first poll, before they are woken or when they have been: the others go on,
/// nothing is lost, and a message whose sending was given up arrives whole or not at all.
///
/// Seen to fail with a dropped future that stays in the line: nobody behind it sent any more.
#[test]
fn futures_are_dropped() {
    explore("tokio::futures_are_dropped", || async {
        let mut config = quiet();
        config.max_outbox = 30;
        let (ours, mut theirs) = sockets(24, config);
        let (mut receiver, sender) = ours.split();
        let peer = spawn(async move {
            for number in 0..2 {
                theirs.send(message(0, number)).await.unwrap();
            }
            listen(theirs).await
        });
        let senders = [0, 1, 2].map(|n| {
            let sender = sender.clone();
            spawn(async move {
                let mut sent = Vec::new();
                for number in 0..2 {
                    let sending = sender.send(message(n, number));
                    if n == 2 {
                        sending.await.unwrap();
                        sent.push(Some(()));
                    } else {
                        let most = rand::thread_rng().gen_range(0..3);
                        sent.push(give_up(most, sending).await.map(Result::unwrap));
                    }
                }
                sent
            })
        });
        let mut received = Vec::new();
        while received.len() < 2 {
            let most = rand::thread_rng().gen_range(1..3);
            if let Some(message) = give_up(most, receiver.next()).await {
                received.push(message.unwrap().unwrap());
            }
        }
        assert_all(received, 1, 2);
        let receiving = spawn(async move { receive_all(&mut receiver).await });
        let mut sent = Vec::new();
        for sender in senders {
            sent.push(sender.await.unwrap());
        }
        assert!(sender.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        assert!(receiving.await.unwrap().is_empty());
        let (messages, _) = peer.await.unwrap();
        for (n, sent) in (0..3).zip(sent) {
            let got: Vec<u8> =
                messages.iter().filter(|message| message[0] == n).map(|message| message[1]).collect();
            assert!(got.is_sorted() && got.windows(2).all(|pair| pair[0] != pair[1]), "{got:?}");
            for (number, sent) in (0..2).zip(sent) {
                assert!(sent.is_none() || got.contains(&number), "{n} {number}");
            }
        }
        assert!(messages.iter().all(|got| *got == message(got[0], got[1])));
        assert_soon();
    });
}

/// The halves are made one again while a clone is on its way out, and what was queued or had arrived is still there.
///
/// Seen to fail with a receiver that gives its inbox away before it knows whether it can be reunited.
#[test]
fn the_halves_are_made_one_again() {
    explore("tokio::the_halves_are_made_one_again", || async {
        let (ours, mut theirs) = sockets(24, quiet());
        let (mut receiver, mut sender) = ours.split();
        let peer = spawn(async move {
            for number in 0..3 {
                theirs.send(message(0, number)).await.unwrap();
            }
            listen(theirs).await
        });
        let clone = sender.clone();
        let sending = spawn(async move { clone.feed(message(0, 0)).await.unwrap() });
        assert_eq!(receiver.next().await.unwrap().unwrap(), message(0, 0));
        let mut whole = loop {
            match receiver.reunite(sender) {
                Ok(whole) => break whole,
                Err(error) => (receiver, sender) = error.into_halves(),
            }
            websans_testkit::schedules::future::yield_now().await;
        };
        sending.await.unwrap();
        for number in 1..3 {
            assert_eq!(whole.next().await.unwrap().unwrap(), message(0, number));
        }
        whole.send(message(0, 1)).await.unwrap();
        assert!(whole.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        assert_all(peer.await.unwrap().0, 1, 2);
        assert_soon();
    });
}
