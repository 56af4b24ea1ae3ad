//! Going down: 1001 to all, a bounded wait, and the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Cause, CloseCode, Config, Error, Initiator, SendError, Server, State};

use crate::support::{REQUEST, Running, SOON, echo, open, read_head, start, status};

/// A masked message.
const FRAME: &[u8] = b"\x81\x82\0\0\0\0hi";

/// A peer by hand, which does what the test does and nothing else.
async fn by_hand(running: &Running) -> TcpStream {
    let mut stream = running.connect().await;
    stream.write_all(format!("{REQUEST}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut stream).await), 101);
    stream
}

/// Waits for the server's Close and its end.
async fn listen(mut socket: websans_tokio::WebSocket<TcpStream>) {
    while socket.recv().await.unwrap().is_some() {}
    let outcome = socket.outcome().unwrap();
    let close = outcome.received.as_ref().unwrap();
    assert_eq!((close.code, &*close.reason), (Some(CloseCode::GOING_AWAY), "server is going down"));
    assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Peer));
}

#[tokio::test]
async fn well_behaved_silent_and_busy_peers_are_counted() {
    let mut config = Config::default();
    config.close_within = Duration::from_secs(60); // only the grace cuts
    let running = start(Server::new(config).grace(Duration::from_millis(1500)), echo).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(tokio::spawn(listen(running.open().await)));
    }
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(by_hand(&running).await);
    }
    // They send until they are told, and until their own Close is out.
    for _ in 0..3 {
        let (mut receiver, sender) = running.open().await.split();
        tasks.push(tokio::spawn(async move {
            let sending = tokio::spawn(async move {
                loop {
                    match sender.send("busy").await {
                        Ok(()) => tokio::task::yield_now().await,
                        Err(error) => break error,
                    }
                }
            });
            while receiver.recv().await.unwrap().is_some() {}
            let outcome = receiver.outcome().unwrap();
            assert!(outcome.is_clean(), "{outcome}");
            assert_eq!(outcome.code(), 1001);
            assert!(matches!(sending.await.unwrap(), Error::Send(SendError::Closing) | Error::Io(_)));
        }));
    }
    sleep(Duration::from_millis(100)).await;
    let stopped = Instant::now();
    let report = running.report().await;
    assert_eq!((report.open_at_shutdown, report.closed_cleanly, report.aborted), (10, 8, 2), "{report}");
    assert_eq!((report.accepted, report.handler_failed, report.handler_panicked), (10, 0, 0), "{report}");
    assert!((1400..5000).contains(&stopped.elapsed().as_millis()), "{:?}", stopped.elapsed());
    for task in tasks {
        timeout(SOON, task).await.unwrap().unwrap();
    }
    // The silent ones were told, too, and then cut off.
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.starts_with(b"\x88\x16\x03\xe9server is going down"), "{rest:?}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_it_takes() {
    let running = start(Server::default().grace(Duration::from_secs(60)), echo).await;
    let address = running.address;
    let tasks = [running.open().await, running.open().await].map(|socket| tokio::spawn(listen(socket)));
    let stopped = Instant::now();
    let report = running.report().await;
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
    assert_eq!((report.open_at_shutdown, report.closed_cleanly, report.aborted), (2, 2, 0), "{report}");
    for task in tasks {
        timeout(SOON, task).await.unwrap().unwrap();
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_was_on_its_way_is_still_delivered() {
    let received = Arc::new(AtomicU32::new(0));
    let told = Arc::new(Notify::new());
    let handler = {
        let (received, told) = (Arc::clone(&received), Arc::clone(&told));
        move |incoming: websans_tokio::Incoming<websans_tokio::Served>| {
            let (received, told) = (Arc::clone(&received), Arc::clone(&told));
            async move {
                let mut socket = incoming.accept(&Choice::new()).await?;
                loop {
                    let some = socket.recv().await?.is_some();
                    if socket.state() == State::CloseSent {
                        told.notify_one();
                    }
                    if !some {
                        return Ok(());
                    }
                    received.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    let running = start(Server::default(), handler).await;
    let mut stream = by_hand(&running).await;
    let stopped = running.stop();
    let mut close = [0; 24];
    timeout(SOON, stream.read_exact(&mut close)).await.unwrap().unwrap();
    assert_eq!(close[..4], [0x88, 22, 3, 233]);
    // All of this after the server's Close, and before our own (RFC 6455 §5.5.1).
    for _ in 0..100 {
        stream.write_all(FRAME).await.unwrap();
    }
    stream.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    drop(stream);
    let report = timeout(SOON, stopped).await.unwrap().unwrap();
    assert_eq!((report.open_at_shutdown, report.closed_cleanly), (1, 1), "{report}");
    assert_eq!(received.load(Ordering::Relaxed), 100);
    timeout(SOON, told.notified()).await.unwrap();
}

/// A handler that gives up as soon as it cannot send: its peer gets the Close all the same.
#[tokio::test]
async fn a_handler_that_gives_up_does_not_cost_the_peer_its_close() {
    let running = start(Server::default(), async |incoming| {
        let mut socket = incoming.accept(&Choice::new()).await?;
        while let Some(message) = socket.recv().await? {
            let bytes = message.as_bytes().to_vec();
            socket.send(&bytes).await?;
        }
        Ok(())
    })
    .await;
    let mut stream = by_hand(&running).await;
    stream.write_all(FRAME).await.unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.unwrap();
    let stopped = running.stop();
    // What it has on its way when the Close comes, and what it sends before it has read that.
    for _ in 0..3 {
        sleep(Duration::from_millis(50)).await;
        stream.write_all(&FRAME.repeat(20)).await.unwrap();
    }
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().expect("an end, not a reset");
    assert_eq!(rest[..4], [0x88, 22, 3, 233]);
    drop(stream);
    let report = timeout(SOON, stopped).await.unwrap().unwrap();
    assert_eq!((report.open_at_shutdown, report.handler_failed, report.aborted), (1, 1, 0), "{report}");
}

#[tokio::test]
async fn connections_in_other_tasks_are_told_and_cut_as_well() {
    let handler = |incoming: websans_tokio::Incoming<websans_tokio::Served>| async move {
        let mut socket = incoming.accept(&Choice::new()).await?;
        tokio::spawn(async move {
            while let Ok(Some(_)) = socket.recv().await {}
            socket.outcome().cloned()
        });
        Ok(())
    };
    let mut config = Config::default();
    config.close_within = Duration::from_secs(60);
    let running = start(Server::new(config).grace(Duration::from_millis(500)), handler).await;
    let good = tokio::spawn(listen(running.open().await));
    let mut silent = by_hand(&running).await;
    sleep(Duration::from_millis(100)).await;
    let report = running.report().await;
    assert_eq!((report.open_at_shutdown, report.closed_cleanly, report.aborted), (2, 1, 1), "{report}");
    timeout(SOON, good).await.unwrap().unwrap();
    let mut rest = Vec::new();
    let _ = timeout(SOON, silent.read_to_end(&mut rest)).await.expect("it is cut off");
    assert_eq!(rest[..4], [0x88, 22, 3, 233]);
}

#[tokio::test]
async fn a_handler_that_does_not_listen_is_cut_off() {
    let dropped = Arc::new(Notify::new());
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let running = start(Server::default().grace(Duration::from_millis(200)), {
        let dropped = Arc::clone(&dropped);
        move |incoming| {
            let tell = Tell(Arc::clone(&dropped));
            async move {
                let _tell = tell;
                let _socket = incoming.accept(&Choice::new()).await?;
                std::future::pending().await
            }
        }
    })
    .await;
    let socket = running.open().await;
    let report = running.report().await;
    assert_eq!((report.open_at_shutdown, report.closed_cleanly, report.aborted), (1, 0, 1), "{report}");
    timeout(SOON, dropped.notified()).await.expect("the handler is dropped");
    drop(socket);
}

#[tokio::test]
async fn unfinished_requests_do_not_hold_it_up() {
    let running = start(Server::default().grace(Duration::from_secs(60)), echo).await;
    let mut stream = running.connect().await;
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let silent = running.connect().await;
    sleep(Duration::from_millis(50)).await;
    let stopped = Instant::now();
    let report = running.report().await;
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    assert_eq!((report.accepted, report.open_at_shutdown, report.handshake_failed), (2, 0, 0), "{report}");
    drop(silent);
}

/// The handler takes its time to decide: the connection is opened, and closed at once.
#[tokio::test]
async fn a_request_that_is_accepted_meanwhile_is_told_at_once() {
    let asked = Arc::new(Notify::new());
    let running = start(Server::default(), {
        let asked = Arc::clone(&asked);
        move |incoming| {
            let asked = Arc::clone(&asked);
            async move {
                asked.notify_one();
                sleep(Duration::from_millis(300)).await;
                let mut socket = incoming.accept(&Choice::new()).await?;
                while socket.recv().await?.is_some() {}
                Ok(())
            }
        }
    })
    .await;
    let stream = running.connect().await;
    let client = tokio::spawn(async move { listen(open(stream).await.unwrap()).await });
    timeout(SOON, asked.notified()).await.unwrap();
    let report = running.report().await;
    assert_eq!((report.open_at_shutdown, report.closed_cleanly, report.aborted), (1, 1, 0), "{report}");
    timeout(SOON, client).await.unwrap().unwrap();
}

#[tokio::test]
async fn dropped_it_drops_everything() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(websans_tokio::serve(listener, Config::default(), echo));
    let mut socket = open(TcpStream::connect(address).await.unwrap()).await.unwrap();
    server.abort();
    assert!(timeout(SOON, socket.recv()).await.unwrap().is_ok_and(|message| message.is_none()));
    assert!(!socket.outcome().unwrap().is_clean());
    assert!(TcpStream::connect(address).await.is_err());
}
