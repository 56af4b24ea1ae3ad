//! A place is freed on every way out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt as _;
use tokio::task::AbortHandle;
use websans_testkit::wire::{self, Frame};
use websans_tower::{CloseCode, Keepalive, Message, Options, Socket};

use crate::support::{Http2, Server, answering, echo, expect_ping, read_head, request, serving, soon};

/// Room for one.
fn one() -> Options {
    Options::new().max_connections(1)
}

/// The place is taken.
async fn assert_full(server: &Server) {
    assert_eq!(server.sockets.len(), 1);
    assert_eq!(server.status(&server.client()).await, 503);
}

/// The place is free, and there is one.
async fn assert_freed(server: &Server) {
    server.assert_empty().await;
    let socket = server.open().await;
    assert_full(server).await;
    drop(socket);
}

#[tokio::test]
async fn after_a_drop() {
    let server =
        Server::start(one(), serving(async |mut socket: Socket| socket.recv().await.map(drop))).await;
    let mut socket = server.open().await;
    assert_full(&server).await;
    socket.send("go").await.unwrap();
    assert_freed(&server).await;
    server.assert_empty().await;
    let mut stream = Http2::connect(server.address).await.open().await;
    assert_full(&server).await;
    stream.send(&[Frame::text("go")]);
    assert_freed(&server).await;
}

#[tokio::test]
async fn after_a_panic() {
    let server = Server::start(
        one(),
        serving(async |mut socket: Socket| {
            if let Some(Message::Text("panic")) = socket.recv().await? {
                panic!("this one is meant");
            }
            Ok(())
        }),
    )
    .await;
    let mut socket = server.open().await;
    assert_full(&server).await;
    socket.send("panic").await.unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), None);
    assert_freed(&server).await;
    server.assert_empty().await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.send(&[Frame::text("panic")]);
    assert_eq!(stream.rest().await, b"");
    assert_freed(&server).await;
}

#[tokio::test]
async fn after_an_abort() {
    let tasks = Arc::new(Mutex::new(Vec::<AbortHandle>::new()));
    let service = answering({
        let tasks = Arc::clone(&tasks);
        move |upgrade| {
            let (response, opening) = upgrade.accept_later();
            let task = tokio::spawn(async move { echo(opening.await.unwrap()).await });
            tasks.lock().unwrap().push(task.abort_handle());
            response.map(BodyExt::boxed)
        }
    });
    let server = Server::start(one(), service).await;
    let _socket = server.open().await;
    assert_full(&server).await;
    tasks.lock().unwrap().remove(0).abort();
    assert_freed(&server).await;
    server.assert_empty().await;
    let _stream = Http2::connect(server.address).await.open().await;
    assert_full(&server).await;
    tasks.lock().unwrap().pop().unwrap().abort();
    assert_freed(&server).await;
}

#[tokio::test]
async fn after_an_error() {
    let server = Server::start(one(), serving(echo)).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    assert_full(&server).await;
    stream.write_all(&wire::stream(&[Frame::text(*b"\xff")], true)).await.unwrap();
    drop(stream);
    assert_freed(&server).await;
    server.assert_empty().await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.send(&[Frame::text(*b"\xff")]);
    let rest = stream.rest().await;
    assert_eq!(rest[2..4], 1007_u16.to_be_bytes());
    assert_freed(&server).await;
}

#[tokio::test]
async fn after_a_closing() {
    let server = Server::start(one(), serving(echo)).await;
    let mut socket = server.open().await;
    assert_full(&server).await;
    assert!(soon(socket.close(CloseCode::NORMAL, "")).await.unwrap().is_clean());
    assert_freed(&server).await;
    server.assert_empty().await;
    let mut stream = Http2::connect(server.address).await.open().await;
    stream.send(&[Frame::close(1000, "")]);
    assert_eq!(stream.rest().await, Frame::close(1000, "").to_bytes());
    assert_freed(&server).await;
}

#[tokio::test]
async fn after_a_time_out() {
    let short = Duration::from_millis(200);
    let options = one().keep_alive(Keepalive { every: short, within: short });
    let server = Server::start(options, serving(echo)).await;
    // It hears, and says nothing.
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    assert_eq!(server.sockets.len(), 1);
    server.assert_empty().await;
    assert_freed(&server).await;
    server.assert_empty().await;
    let _stream = Http2::connect(server.address).await.open().await;
    assert_eq!(server.sockets.len(), 1);
    server.assert_empty().await;
    let timed_out = server.events.all().iter().filter(|event| event.contains("no sign of life")).count();
    assert_eq!(timed_out, 2, "{:?}", server.events.all());
    expect_ping(&mut stream).await;
}

#[tokio::test]
async fn after_a_client_that_vanished_in_its_handshake() {
    let service = move |request| async move {
        let upgrade = websans_tower::Upgrade::of(&request).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        upgrade.accept(echo).map(BodyExt::boxed)
    };
    let server = Server::start(one(), service).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    crate::support::until(|| server.sockets.len() == 1).await;
    drop(stream);
    server.assert_empty().await;
    let mut client = Http2::connect(server.address).await;
    let (response, mut send) = {
        client.requests = client.requests.clone().ready().await.unwrap();
        client.requests.send_request(crate::support::connect_request(), false).unwrap()
    };
    crate::support::until(|| server.sockets.len() == 1).await;
    send.send_reset(h2::Reason::CANCEL);
    drop(response);
    server.assert_empty().await;
}
