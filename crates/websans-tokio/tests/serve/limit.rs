//! The limit: whoever comes beyond is told to come back, and a place is freed on every way out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use websans_tokio::handshake::server::{Choice, Response};
use websans_tokio::{CloseCode, Config, Error, Keepalive, Message, Server};

use crate::support::{REQUEST, Running, SOON, ask, echo, open, read_head, start, status};

/// Room for one.
fn one() -> Server {
    Server::new(Config::default()).max_connections(1)
}

/// Somebody is in: the next one is refused.
async fn assert_full(running: &Running) {
    let answer = ask(running, &format!("{REQUEST}\r\n")).await;
    assert_eq!(status(&answer), 503, "{answer}");
}

/// The place is free, and there is one.
async fn assert_freed(running: &Running) {
    let mut socket = running.open_when_free().await;
    assert_full(running).await;
    socket.close(CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test]
async fn beyond_the_limit_503_says_when_to_come_back() {
    let server = Server::new(Config::default()).max_connections(2).retry_after(Duration::from_millis(6500));
    let running = start(server, echo).await;
    let mut first = running.open().await;
    let mut second = running.open().await;
    for _ in 0..3 {
        let answer = ask(&running, &format!("{REQUEST}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains("\r\nRetry-After: 7\r\n"), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 0\r\n"), "{answer}");
    }
    // A client that has not even asked is told as well.
    let mut silent = running.connect().await;
    assert_eq!(status(&read_head(&mut silent).await), 503);
    // Those who are in notice nothing.
    for socket in [&mut first, &mut second] {
        socket.send("still here").await.unwrap();
        assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("still here")));
    }
    first.close(CloseCode::NORMAL, "").await.unwrap();
    let third = running.open_when_free().await;
    assert!(running.events().iter().filter(|event| event.contains("was refused")).count() >= 4);
    drop((second, third));
    let report = running.report().await;
    assert_eq!(report.accepted, 3);
    assert!(report.refused >= 4, "{report:?}");
}

#[tokio::test]
async fn a_flood_of_the_refused_takes_no_place() {
    let running = start(one(), echo).await;
    let mut socket = running.open().await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(running.connect().await);
    }
    // The first of them are answered, the last ones closed: none is left waiting.
    let mut answered = 0;
    for stream in &mut flood {
        answered += usize::from(status(&read_head(stream).await) == 503);
    }
    assert!((64..=200).contains(&answered), "{answered}");
    socket.send("still here").await.unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("still here")));
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(running.report().await.refused, 200);
}

#[tokio::test]
async fn freed_when_the_handler_returns() {
    let running = start(one(), async |incoming| {
        let mut socket = incoming.accept(&Choice::new()).await?;
        let _ = socket.recv().await?;
        Ok(())
    })
    .await;
    let mut socket = running.open().await;
    assert_full(&running).await;
    socket.send("go").await.unwrap();
    assert_freed(&running).await;
}

#[tokio::test]
async fn freed_when_the_handler_fails() {
    let running = start(one(), async |incoming| {
        let mut socket = incoming.accept(&Choice::new()).await?;
        match socket.recv().await? {
            Some(_) => Err(Error::Io(std::io::Error::other("the database is gone"))),
            None => Ok(()),
        }
    })
    .await;
    let mut socket = running.open().await;
    assert_full(&running).await;
    socket.send("go").await.unwrap();
    running.event("the database is gone").await;
    assert_freed(&running).await;
    assert_eq!(running.report().await.handler_failed, 1);
}

#[tokio::test]
async fn freed_when_the_handler_panics() {
    let running = start(one(), async |incoming| {
        let mut socket = incoming.accept(&Choice::new()).await?;
        if socket.recv().await?.is_some() {
            panic!("a handler that panics, as this test wants");
        }
        Ok(())
    })
    .await;
    let mut socket = running.open().await;
    assert_full(&running).await;
    socket.send("go").await.unwrap();
    running.event("panicked").await;
    assert_freed(&running).await;
    assert_eq!(running.report().await.handler_panicked, 1);
}

/// A handler that gives the connection to another task: that task has the place then, and frees it by being cancelled.
#[tokio::test]
async fn freed_when_the_task_that_has_it_is_cancelled() {
    let tasks: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
    let returned = Arc::new(Notify::new());
    let running = start(one(), {
        let (tasks, returned) = (Arc::clone(&tasks), Arc::clone(&returned));
        move |incoming| {
            let (tasks, returned) = (Arc::clone(&tasks), Arc::clone(&returned));
            async move {
                let mut socket = incoming.accept(&Choice::new()).await?;
                tasks.lock().unwrap().push(tokio::spawn(async move { while socket.recv().await.is_ok() {} }));
                returned.notify_one();
                Ok(())
            }
        }
    })
    .await;
    let socket = running.open().await;
    timeout(SOON, returned.notified()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_full(&running).await;
    let task = tasks.lock().unwrap().pop().unwrap();
    task.abort();
    running.open_when_free().await;
    drop(socket);
}

#[tokio::test]
async fn freed_by_a_protocol_error() {
    let running = start(one(), echo).await;
    let mut stream = running.connect().await;
    stream.write_all(format!("{REQUEST}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut stream).await), 101);
    assert_full(&running).await;
    stream.write_all(b"\x81\x02hi").await.unwrap(); // not masked (RFC 6455 §5.1)
    let mut close = [0; 4];
    stream.read_exact(&mut close).await.unwrap();
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1002));
    drop(stream);
    running.event("failed").await;
    assert_freed(&running).await;
}

#[tokio::test]
async fn freed_by_a_close() {
    let running = start(one(), echo).await;
    let mut socket = running.open().await;
    assert_full(&running).await;
    assert!(socket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    assert_freed(&running).await;
}

#[tokio::test]
async fn freed_by_keep_alive() {
    let mut config = Config::default();
    config.keepalive =
        Some(Keepalive { every: Duration::from_millis(200), within: Duration::from_millis(200) });
    let running = start(Server::new(config).max_connections(1), echo).await;
    let mut stream = running.connect().await; // which never answers a Ping
    stream.write_all(format!("{REQUEST}\r\n").as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut stream).await), 101);
    assert_full(&running).await;
    assert_freed(&running).await;
}

#[tokio::test]
async fn freed_when_the_client_vanishes() {
    let running = start(one(), echo).await;
    let socket = running.open().await;
    assert_full(&running).await;
    drop(socket);
    assert_freed(&running).await;
}

#[tokio::test]
async fn freed_when_the_handshake_is_too_slow() {
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(300);
    let running = start(Server::new(config).max_connections(1), echo).await;
    let mut slow = running.connect().await;
    let trickle = async {
        for byte in REQUEST.bytes() {
            if slow.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        read_head(&mut slow).await
    };
    let check = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_full(&running).await;
        assert_freed(&running).await;
    };
    let (answer, ()) = tokio::join!(trickle, check);
    assert!(matches!(status(&answer), 0 | 408), "{answer}");
    running.event("did not connect").await;
    assert_eq!(running.report().await.handshake_failed, 1);
}

#[tokio::test]
async fn freed_when_the_request_is_refused() {
    let running = start(one(), async |mut incoming| incoming.respond(&Response::new(404)?).await).await;
    for _ in 0..3 {
        let answer = ask(&running, &format!("{REQUEST}\r\n")).await;
        assert!(matches!(status(&answer), 404 | 503), "{answer}");
    }
    for _ in 0..200 {
        if status(&ask(&running, &format!("{REQUEST}\r\n")).await) == 404 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place was never freed");
}

/// Clients come and go on all threads at once: never more than there is room for, and in the end all of it is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_holds_while_clients_come_and_go() {
    const MOST: usize = 3;
    struct Inside(Arc<AtomicUsize>);
    impl Drop for Inside {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let running = start(Server::new(Config::default()).max_connections(MOST), {
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        move |incoming| {
            let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
            async move {
                let mut socket = incoming.accept(&Choice::new()).await?;
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _inside = Inside(inside); // dropped before the socket is
                while socket.recv().await?.is_some() {}
                Ok(())
            }
        }
    })
    .await;
    let running = Arc::new(running);
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..12 {
        let running = Arc::clone(&running);
        clients.spawn(async move {
            let mut opened = 0_u64;
            for turn in 0..20 {
                if let Ok(mut socket) = open(running.connect().await).await {
                    opened += 1;
                    if (n + turn) % 2 == 0 {
                        let _ = socket.close(CloseCode::NORMAL, "").await;
                    }
                }
            }
            opened
        });
    }
    let mut opened = 0;
    while let Some(client) = timeout(SOON, clients.join_next()).await.unwrap() {
        opened += client.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), MOST, "the limit is reached, and is one");
    let mut sockets = Vec::new();
    for _ in 0..MOST {
        sockets.push(running.open_when_free().await);
    }
    assert_full(&running).await;
    drop(sockets);
    let report = Arc::into_inner(running).unwrap().report().await;
    assert!(report.accepted >= opened + MOST as u64, "{report}");
    assert_eq!(inside.load(Ordering::SeqCst), 0);
}
