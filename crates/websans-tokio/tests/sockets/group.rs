//! Connections that are counted and closed together, for a server of one's own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use websans_tokio::{Config, Error, Group, Grouped, Member, Message, Negotiated, Role, SendError, WebSocket};

use crate::support::keys;

const SOON: Duration = Duration::from_secs(10);

/// A member's connection over TCP, and its peer's.
async fn pair(member: Member) -> (WebSocket<Grouped<TcpStream>>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    let io = member.guard(a.unwrap().0);
    let server = WebSocket::from_handshake(io, Role::Server, Config::default(), Negotiated::default(), &[]);
    let client = WebSocket::from_handshake(b.unwrap(), keys(), Config::default(), Negotiated::default(), &[]);
    (server, client)
}

/// Goes on to receive until it has ended: its outcome's code.
async fn ended<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(socket: &mut WebSocket<S>) -> u16 {
    timeout(SOON, async { while socket.recv().await.unwrap().is_some() {} }).await.expect("it ends in time");
    socket.outcome().unwrap().code()
}

#[tokio::test]
async fn a_place_is_taken_until_its_last_holder_is_dropped() {
    let group = Group::new(2);
    assert!(group.is_empty() && !group.is_closing());
    let first = group.enter().unwrap();
    let second = group.enter().unwrap();
    assert!(group.enter().is_none());
    assert_eq!(group.len(), 2);
    let clone = first.clone();
    drop(first);
    assert!(group.clone().enter().is_none(), "a clone of the group is the same group");
    drop(clone);
    let stream: Grouped<DuplexStream> = group.enter().unwrap().guard(duplex(64).0);
    assert!(group.enter().is_none());
    drop((stream, second));
    assert!(group.is_empty());
    assert!(Group::new(0).enter().is_none());
}

#[tokio::test]
async fn a_guarded_stream_is_the_stream_beneath() {
    let group = Group::new(1);
    let (a, mut b) = duplex(64);
    let mut stream = group.enter().unwrap().guard(a);
    assert!(stream.get_ref().is_some());
    stream.write_all(b"there").await.unwrap();
    b.write_all(b"back").await.unwrap();
    let mut bytes = [0; 5];
    b.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"there");
    stream.read_exact(&mut bytes[..4]).await.unwrap();
    assert_eq!(&bytes[..4], b"back");
    stream.shutdown().await.unwrap();
    assert_eq!(b.read(&mut bytes).await.unwrap(), 0);
}

#[tokio::test]
async fn close_all_tells_who_reads_who_writes_and_who_does_neither_yet() {
    let group = Group::new(10);
    let (mut reading, mut a) = pair(group.enter().unwrap()).await;
    let (mut writing, mut b) = pair(group.enter().unwrap()).await;
    let (mut late, mut c) = pair(group.enter().unwrap()).await;
    // Told while it waits.
    let reader = tokio::spawn(async move { ended(&mut reading).await });
    sleep(Duration::from_millis(20)).await;
    assert_eq!(group.close_all(), 3);
    assert!(group.is_closing() && group.enter().is_none());
    assert_eq!(ended(&mut a).await, 1001);
    assert_eq!(timeout(SOON, reader).await.unwrap().unwrap(), 1001);
    // At its next call.
    let mut refused = Ok(());
    for _ in 0..2 {
        refused = writing.send("more").await;
    }
    assert!(matches!(refused, Err(Error::Send(SendError::Closing))), "{refused:?}");
    drop(writing);
    let mut heard = 0;
    while let Some(message) = b.recv().await.unwrap() {
        assert_eq!(message, Message::Text("more"));
        heard += 1;
    }
    assert!(heard <= 1);
    assert_eq!(b.outcome().unwrap().code(), 1001);
    c.send("on its way").await.unwrap();
    assert_eq!(late.recv().await.unwrap(), Some(Message::Text("on its way")));
    let (code, _) = tokio::join!(ended(&mut late), ended(&mut c));
    assert_eq!(code, 1001);
    drop(late);
    timeout(SOON, group.closed()).await.unwrap();
}

#[tokio::test]
async fn the_farewell_counts_the_clean_and_the_cut_off() {
    let group = Group::new(10);
    let over = {
        let (mut server, mut client) = pair(group.enter().unwrap()).await;
        let (_, _) = tokio::join!(client.close(websans_tokio::CloseCode::NORMAL, ""), ended(&mut server));
        server
    };
    let waiting = group.enter().unwrap(); // its handshake is still to come
    let (mut good, mut a) = pair(group.enter().unwrap()).await;
    let (mut deaf, _b) = pair(group.enter().unwrap()).await;
    let goods = tokio::spawn(async move { ended(&mut good).await });
    let started = Instant::now();
    let (farewell, code) = tokio::join!(group.shutdown(Duration::from_millis(300)), ended(&mut a));
    assert_eq!((farewell.open, farewell.closed_cleanly, farewell.aborted), (2, 1, 1));
    assert_eq!(farewell.to_string(), "of 2 at the end 1 closed cleanly and 1 were cut off");
    assert_eq!((code, goods.await.unwrap()), (1001, 1001));
    assert!(started.elapsed() >= Duration::from_millis(300));
    // Whoever comes back to it finds that it is gone.
    assert!(
        matches!(deaf.recv().await, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionAborted)
    );
    assert_eq!(group.len(), 3);
    drop((over, waiting, deaf));
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_task_that_was_named_is_aborted_at_the_cut_or_afterwards() {
    let group = Group::new(2);
    let tasks = Arc::new(());
    let mut named = Vec::new();
    for _ in 0..2 {
        let member = group.enter().unwrap();
        let own = (member.clone(), Arc::clone(&tasks));
        let task = tokio::spawn(async move {
            sleep(Duration::from_secs(600)).await;
            drop(own);
        });
        named.push((member, task));
    }
    let (late, late_task) = named.pop().unwrap();
    let (early, early_task) = named.pop().unwrap();
    early.abort_at_cut(early_task.abort_handle());
    drop(early);
    let farewell = group.shutdown(Duration::ZERO).await;
    assert_eq!((farewell.open, farewell.aborted), (0, 0), "none was handed out");
    assert!(timeout(SOON, early_task).await.unwrap().unwrap_err().is_cancelled());
    assert!(!late_task.is_finished());
    late.abort_at_cut(late_task.abort_handle());
    assert!(timeout(SOON, late_task).await.unwrap().unwrap_err().is_cancelled());
    drop(late);
    assert_eq!(Arc::strong_count(&tasks), 1);
    timeout(SOON, group.closed()).await.unwrap();
}

#[tokio::test]
async fn any_number_may_wait_for_the_last_to_leave() {
    let group = Group::new(2);
    timeout(SOON, group.closed()).await.expect("there is none");
    let member = group.enter().unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let group = group.clone();
            tokio::spawn(async move { group.closed().await })
        })
        .collect();
    sleep(Duration::from_millis(20)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    drop(member);
    for task in waiting {
        timeout(SOON, task).await.unwrap().unwrap();
    }
    // It is no end: others may enter.
    assert!(group.enter().is_some());
}

#[tokio::test]
async fn a_closing_that_is_let_go_still_reaches_a_peer_that_has_more_to_say() {
    let group = Group::new(1);
    let (mut server, mut client) = pair(group.enter().unwrap()).await;
    client.send(vec![7; 100_000]).await.unwrap();
    group.close_all();
    // It sends its Close, and lets go with the message unread: no reset may keep the peer from reading it.
    let _ = server.send("x").await;
    drop(server);
    assert_eq!(ended(&mut client).await, 1001);
    timeout(SOON, group.closed()).await.unwrap();
}
