//! All connections of a layer are closed together, and what is left is cut off.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::sleep;
use websans_testkit::wire::Frame;
use websans_tower::{Error, Message, Options, SendError, Socket};

use crate::support::{Http2, Server, answering, echo, serving, soon, until};

const GRACE: Duration = Duration::from_secs(10);

/// Goes on to receive until it has ended: its outcome's code.
async fn ended(socket: &mut websans_tokio::WebSocket<tokio::net::TcpStream>) -> u16 {
    while soon(socket.recv()).await.unwrap().is_some() {}
    socket.outcome().unwrap().code()
}

#[tokio::test]
async fn all_are_told_1001_and_the_farewell_counts_them() {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut sockets = [server.open().await, server.open().await];
    let mut client = Http2::connect(server.address).await;
    let mut stream = client.open().await;
    let down = Frame::close(1001, "server is going down");
    let (farewell, (), ()) = tokio::join!(
        server.sockets.shutdown(GRACE),
        async {
            for socket in &mut sockets {
                assert_eq!(ended(socket).await, 1001);
            }
        },
        async {
            stream.expect(&down).await;
            stream.send(&[Frame::close(1001, "")]);
            assert_eq!(stream.rest().await, b"");
        },
    );
    assert_eq!((farewell.open, farewell.closed_cleanly, farewell.aborted), (3, 3, 0));
    assert!(server.sockets.is_empty());
    let clean = server.events.all().iter().filter(|event| event.contains("closed cleanly (1001)")).count();
    assert_eq!(clean, 3, "{:?}", server.events.all());
}

#[tokio::test]
async fn what_was_on_its_way_is_still_delivered() {
    let (got, told) = oneshot::channel();
    let got = Arc::new(Mutex::new(Some(got)));
    let handler = move |mut socket: Socket| {
        let got = Arc::clone(&got);
        async move {
            let mut texts = Vec::new();
            while let Some(text) = socket.recv().await? {
                texts.push(text.as_bytes().to_vec());
            }
            got.lock().unwrap().take().unwrap().send(texts).unwrap();
            Ok(())
        }
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.send(&[Frame::text("before")]);
    assert_eq!(server.sockets.close_all(), 1);
    stream.expect(&Frame::close(1001, "server is going down")).await;
    stream.send(&[Frame::text("after"), Frame::close(1001, ""), Frame::text("too late")]);
    assert_eq!(stream.rest().await, b"");
    assert_eq!(soon(told).await.unwrap(), [b"before".to_vec(), b"after".to_vec()]);
    server.assert_empty().await;
    server.events.wait("closed cleanly").await;
}

#[tokio::test]
async fn who_only_sends_learns_of_it() {
    let handler = async |mut socket: Socket| loop {
        socket.send("tick").await?;
        sleep(Duration::from_millis(5)).await;
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut socket = server.open().await;
    let mut stream = Http2::connect(server.address).await.open().await;
    assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("tick")));
    stream.expect(&Frame::text("tick")).await;
    let (farewell, code, rest) =
        tokio::join!(server.sockets.shutdown(GRACE), ended(&mut socket), stream.rest());
    assert_eq!(code, 1001);
    assert!(rest.ends_with(&Frame::close(1001, "server is going down").to_bytes()));
    // Neither has waited for the answer to its Close.
    assert_eq!((farewell.open, farewell.aborted), (2, 0), "{farewell}");
    let closing = Error::Send(SendError::Closing).to_string();
    let told = server.events.all().iter().filter(|event| event.ends_with(&closing)).count();
    assert_eq!(told, 2, "{:?}", server.events.all());
}

#[tokio::test]
async fn who_only_receives_learns_of_it() {
    let handler = async |mut socket: Socket| {
        while socket.recv().await?.is_some() {}
        assert_eq!(socket.outcome().unwrap().code(), 1001);
        Ok(())
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut socket = server.open().await;
    let (farewell, code) = tokio::join!(server.sockets.shutdown(GRACE), ended(&mut socket));
    assert_eq!((code, farewell.closed_cleanly), (1001, 1));
    assert!(!server.events.all().iter().any(|event| event.contains("panicked")));
}

#[tokio::test]
async fn who_ignores_everything_is_cut_off() {
    let handler = async |socket: Socket| {
        sleep(Duration::from_secs(600)).await;
        drop(socket);
        Ok(())
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut stream = server.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, crate::support::request("").as_bytes()).await.unwrap();
    crate::support::read_head(&mut stream).await;
    let mut http2 = Http2::connect(server.address).await.open().await;
    until(|| server.events.all().len() == 2).await;
    let started = Instant::now();
    let farewell = soon(server.sockets.shutdown(Duration::from_millis(300))).await;
    assert_eq!((farewell.open, farewell.closed_cleanly, farewell.aborted), (2, 0, 2));
    assert!(started.elapsed() >= Duration::from_millis(300));
    server.assert_empty().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap_or(0), 0);
    assert_eq!(http2.rest().await, b"");
}

#[tokio::test]
async fn a_background_task_that_ignores_everything_finds_its_stream_cut() {
    let (give, mut take) = tokio::sync::mpsc::unbounded_channel();
    let service = answering(move |upgrade| {
        let (response, opening) = upgrade.accept_later();
        let give = give.clone();
        tokio::spawn(async move { give.send(opening.await.unwrap()).is_ok() });
        response.map(BodyExt::boxed)
    });
    let server = Server::start(Options::new(), service).await;
    let _client = server.open().await;
    let mut socket = soon(take.recv()).await.unwrap();
    let farewell = server.sockets.shutdown(Duration::from_millis(100)).await;
    assert_eq!((farewell.open, farewell.aborted), (1, 1));
    assert_eq!(server.sockets.len(), 1, "nobody can take it away");
    assert!(soon(socket.recv()).await.is_err());
    drop(socket);
    server.assert_empty().await;
}

/// Neither what is blocked in `send` may outlast the cut: the peer reads nothing, and there is no task to abort.
#[tokio::test]
async fn who_is_blocked_in_a_send_is_woken_by_the_cut() {
    let service = answering(|upgrade| {
        let (response, opening) = upgrade.accept_later();
        tokio::spawn(async move {
            let mut socket = opening.await.unwrap();
            while socket.send(vec![0; 100_000]).await.is_ok() {}
        });
        response.map(BodyExt::boxed)
    });
    let server = Server::start(Options::new(), service).await;
    let mut stream = server.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, crate::support::request("").as_bytes()).await.unwrap();
    let _http2 = Http2::connect(server.address).await.open().await;
    until(|| server.events.all().len() == 2).await;
    sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    let farewell = server.sockets.shutdown(Duration::from_millis(300)).await;
    assert_eq!((farewell.open, farewell.aborted), (2, 2));
    server.assert_empty().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_handshake_that_is_not_answered_yet_is_closed_when_it_is() {
    let (go, wait) = oneshot::channel::<()>();
    let wait = Arc::new(tokio::sync::Mutex::new(Some(wait)));
    let service = move |request| {
        let wait = Arc::clone(&wait);
        async move {
            let upgrade = websans_tower::Upgrade::of(&request).unwrap();
            let _ = wait.lock().await.take().unwrap().await;
            upgrade.accept(echo).map(BodyExt::boxed)
        }
    };
    let server = Server::start(Options::new(), service).await;
    let client = server.client();
    let closing = async {
        until(|| server.sockets.len() == 1).await;
        assert_eq!(server.sockets.close_all(), 0, "none is open");
        go.send(()).unwrap();
        soon(server.sockets.closed()).await;
    };
    let opened = async {
        let mut socket = server.open_by(&client).await.unwrap();
        assert_eq!(ended(&mut socket).await, 1001);
    };
    tokio::join!(closing, opened);
}

#[tokio::test]
async fn a_dropped_shutdown_cuts_nobody_off() {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    let cut = tokio::time::timeout(Duration::from_millis(50), server.sockets.shutdown(GRACE)).await;
    assert!(cut.is_err());
    stream.expect(&Frame::close(1001, "server is going down")).await;
    assert_eq!(server.sockets.len(), 1);
    stream.send(&[Frame::close(1001, "")]);
    assert_eq!(stream.rest().await, b"");
    server.assert_empty().await;
    server.events.wait("closed cleanly (1001)").await;
}
