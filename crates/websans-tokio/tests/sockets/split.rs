//! The two halves.

use std::time::Duration;

use tokio::time::timeout;
use websans_tokio::{Cause, CloseCode, Config, Error, Keepalive, Kind, Message, SendError, State};

use crate::support::{pipe, tcp};

const SOON: Duration = Duration::from_secs(20);

/// Both ends send far more than the way between them holds, and nobody waits for anybody.
#[tokio::test]
async fn bulk_goes_both_ways_at_once() {
    let (server, client) = tcp(Config::default()).await;
    let payload = vec![7; 1 << 20];
    let mut tasks = Vec::new();
    for (mut receiver, sender) in [server.split(), client.split()] {
        let payload = payload.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..32 {
                sender.send(&payload).await.unwrap();
            }
        }));
        tasks.push(tokio::spawn(async move {
            for _ in 0..32 {
                assert_eq!(receiver.recv().await.unwrap().unwrap().as_bytes().len(), 1 << 20);
            }
            // The sender of this end must be able to go on until it is done.
            let _ = timeout(Duration::from_millis(500), receiver.recv()).await;
        }));
    }
    for task in tasks {
        timeout(SOON, task).await.unwrap().unwrap();
    }
}

/// Pings are answered, the Close is echoed and keep-alive works while only the receiver is called.
#[tokio::test(start_paused = true)]
async fn an_idle_sender_holds_up_nothing() {
    let (server, client) = pipe(64, Config::default());
    let (mut receiver, _sender) = server.split();
    let (mut peer, peer_sender) = client.split();
    let server = tokio::spawn(async move {
        assert!(receiver.recv().await.unwrap().is_none());
        receiver.outcome().unwrap()
    });
    let listening = tokio::spawn(async move { peer.recv().await.map(|message| message.is_none()) });
    peer_sender.ping(b"hello").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    let stats = peer_sender.stats();
    assert!(stats.round_trip.is_some());
    assert!(stats.frames_sent > 30, "{stats:?}"); // keep-alive of both ends
    let outcome = peer_sender.close(CloseCode::NORMAL, "done").await.unwrap();
    assert_eq!(outcome.received.unwrap().reason, "done");
    assert!(listening.await.unwrap().unwrap());
    assert_eq!(server.await.unwrap().cause, Cause::Clean);
}

/// What waits leaves, and time is kept, while only the sender is called; the answers to Pings too once the receiver is
/// dropped.
#[tokio::test(start_paused = true)]
async fn a_dropped_receiver_leaves_the_peer_heard() {
    let (server, client) = pipe(1 << 10, Config::default());
    let (receiver, sender) = server.split();
    drop(receiver);
    let (mut peer, peer_sender) = client.split();
    let server = tokio::spawn(async move { sender.closed().await });
    let listening = tokio::spawn(async move { peer.recv().await.map(|message| message.is_none()) });
    peer_sender.send("nobody listens").await.unwrap();
    peer_sender.ping(b"still there?").await.unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(peer_sender.stats().round_trip.is_some());
    peer_sender.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(server.await.unwrap().unwrap().is_clean());
    assert!(listening.await.unwrap().unwrap());
}

/// A Close begun by the sender meets its deadline although the receiver has been waiting for a later one.
#[tokio::test(start_paused = true)]
async fn the_receiver_keeps_the_deadline_of_a_closing_that_the_sender_began() {
    let mut config = Config::default();
    config.keepalive = None;
    let (server, silent) = pipe(64, config);
    let (mut receiver, sender) = server.split();
    let receiving = tokio::spawn(async move {
        assert!(receiver.recv().await.unwrap().is_none());
        receiver.outcome().unwrap().cause
    });
    tokio::task::yield_now().await;
    sender.start_close(CloseCode::NORMAL, "").await.unwrap();
    drop(sender);
    let start = tokio::time::Instant::now();
    assert_eq!(receiving.await.unwrap(), Cause::CloseTimeout);
    assert!((5..11).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    drop(silent);
}

/// A peer that does not read: the sender's stall ends the connection for the receiver too.
#[tokio::test(start_paused = true)]
async fn a_stalled_write_ends_both_halves() {
    let mut config = Config::default();
    config.keepalive = None;
    let (server, silent) = pipe(64, config);
    let (mut receiver, sender) = server.split();
    let receiving = tokio::spawn(async move {
        assert!(receiver.recv().await.unwrap().is_none());
        receiver.outcome().unwrap().cause
    });
    let sending = tokio::spawn(async move { sender.send(vec![0; 1 << 16]).await });
    assert!(matches!(sending.await.unwrap(), Err(Error::Io(_))));
    assert_eq!(receiving.await.unwrap(), Cause::WriteStall);
    drop(silent);
}

/// Many tasks with one sender each: every message whole and once.
#[tokio::test]
async fn clones_of_a_sender_do_not_mix() {
    let (server, client) = pipe(100, Config::default());
    let (mut receiver, sender) = server.split();
    let (mut peer, _peer_sender) = client.split();
    let tasks: Vec<_> = (0..50_u8)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for length in 1..=20 {
                    sender.send(vec![n; length * 17]).await.unwrap();
                }
            })
        })
        .collect();
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|message| message.is_none()) });
    let mut next = [1; 50];
    for _ in 0..1000 {
        let message = timeout(SOON, peer.recv()).await.unwrap().unwrap().unwrap();
        let bytes = message.as_bytes();
        let n = usize::from(bytes[0]);
        assert!(bytes.iter().all(|&byte| usize::from(byte) == n));
        assert_eq!(bytes.len(), next[n] * 17);
        next[n] += 1;
    }
    for task in tasks {
        task.await.unwrap();
    }
    receiving.abort();
}

#[tokio::test]
async fn halves_can_be_made_one_again() {
    let (server, client) = pipe(1000, Config::default());
    let (other, other_sender) = client.split();
    let (receiver, sender) = server.split();
    let clone = sender.clone();
    let error = receiver.reunite(sender).unwrap_err();
    assert!(error.to_string().contains("not the only two"));
    let (receiver, sender) = error.into_halves();
    drop(clone);
    let error = receiver.reunite(other_sender).unwrap_err();
    let (receiver, other_sender) = error.into_halves();
    let mut server = receiver.reunite(sender).unwrap();
    let mut client = other.reunite(other_sender).unwrap();
    server.send("whole").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(Message::Text("whole")));
}

#[tokio::test]
async fn one_writer_at_a_time() {
    let (server, _client) = pipe(1000, Config::default());
    let (_receiver, mut sender) = server.split();
    let mut clone = sender.clone();
    let writer = sender.writer(Kind::Text).unwrap();
    assert!(matches!(clone.writer(Kind::Text), Err(Error::Send(SendError::MessageInProgress))));
    drop(writer);
    clone.writer(Kind::Text).unwrap().finish().await.unwrap();
}

/// Keep-alive of a dead peer ends a receiver that waits.
#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_given_up() {
    let mut config = Config::default();
    config.keepalive = Some(Keepalive { every: Duration::from_secs(30), within: Duration::from_secs(10) });
    let (server, silent) = pipe(64, config);
    let (mut receiver, sender) = server.split();
    assert!(receiver.recv().await.unwrap().is_none());
    assert_eq!(sender.outcome().unwrap().cause, Cause::KeepaliveTimeout);
    assert!(matches!(sender.send("late").await, Err(Error::Send(SendError::Closing))));
    assert_eq!(silent.state(), State::Open);
}

/// Owned messages, whole and from a half.
#[tokio::test]
async fn messages_can_be_had_to_keep() {
    let (mut server, mut client) = pipe(1 << 10, Config::default());
    let long = "long ".repeat(20_000);
    let sent = long.clone();
    let asks = tokio::spawn(async move {
        client.send(&sent).await.unwrap();
        client.send(&b"short"[..]).await.unwrap();
        for _ in 0..2 {
            assert!(client.recv().await.unwrap().is_some());
        }
        client.close(CloseCode::NORMAL, "").await.unwrap().is_clean()
    });
    let first = server.recv_owned().await.unwrap().unwrap();
    assert_eq!((first.kind(), first.as_bytes()), (Kind::Text, long.as_bytes()));
    let (mut receiver, sender) = server.split();
    let second = receiver.recv_owned().await.unwrap().unwrap();
    assert_eq!((second.kind(), second.as_bytes()), (Kind::Binary, &b"short"[..]));
    sender.send(first).await.unwrap();
    sender.send(second).await.unwrap();
    assert!(receiver.recv_owned().await.unwrap().is_none());
    assert!(asks.await.unwrap());
}
