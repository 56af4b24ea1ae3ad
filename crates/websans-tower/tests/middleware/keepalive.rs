//! Keep-alive through the middleware: silence is noticed, and any byte is a sign of life.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};
use websans_testkit::wire::{self, Frame};
use websans_tower::{Keepalive, Options};

use crate::support::{Http2, Server, echo, expect, expect_ping, read_head, request, serving, soon};

fn keep_alive(every: u64, within: u64) -> Options {
    let (every, within) = (Duration::from_millis(every), Duration::from_millis(within));
    Options::new().keep_alive(Keepalive { every, within })
}

async fn open_raw(server: &Server) -> tokio::net::TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101 "));
    stream
}

#[tokio::test]
async fn a_silent_peer_is_asked_and_given_up() {
    let server = Server::start(keep_alive(300, 200), serving(echo)).await;
    let started = Instant::now();
    let mut stream = open_raw(&server).await;
    expect_ping(&mut stream).await;
    assert!(started.elapsed() >= Duration::from_millis(280), "{:?}", started.elapsed());
    let mut rest = Vec::new();
    soon(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(480), "{:?}", started.elapsed());
    assert_eq!((rest[0], &rest[2..4]), (0x88, &1011_u16.to_be_bytes()[..]));
    let event = server.events.wait("no sign of life").await;
    assert_eq!(event.matches("1006").count(), 1, "{event}");
    server.assert_empty().await;
}

#[tokio::test]
async fn a_silent_stream_of_http_2_is_given_up_alone() {
    let server = Server::start(keep_alive(300, 300), serving(echo)).await;
    let mut client = Http2::connect(server.address).await;
    let (mut silent, mut lively) = (client.open().await, client.open().await);
    silent.expect_ping().await;
    lively.expect_ping().await;
    lively.send(&[Frame::pong("")]);
    let rest = silent.rest().await;
    assert_eq!((rest[0], &rest[2..4]), (0x88, &1011_u16.to_be_bytes()[..]));
    lively.send(&[Frame::text("still here")]);
    // Pings may have come before.
    let mut told = Vec::new();
    while !told.ends_with(&Frame::text("still here").to_bytes()) {
        told.extend_from_slice(&lively.read().await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn any_byte_is_a_sign_of_life() {
    let server = Server::start(keep_alive(400, 400), serving(echo)).await;
    let mut stream = open_raw(&server).await;
    let started = Instant::now();
    let message = wire::stream(&[Frame::text("this comes in single bytes, not in time for a Pong")], true);
    for byte in &message {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(40)).await;
    }
    assert!(started.elapsed() > Duration::from_millis(2000));
    expect(&mut stream, &Frame::text("this comes in single bytes, not in time for a Pong")).await;
    assert_eq!(server.sockets.len(), 1);
}

#[tokio::test]
async fn without_keep_alive_nothing_is_asked() {
    let server = Server::start(keep_alive(50, 50).keep_alive(None), serving(echo)).await;
    let mut stream = open_raw(&server).await;
    sleep(Duration::from_millis(300)).await;
    stream.write_all(&wire::stream(&[Frame::text("x")], true)).await.unwrap();
    expect(&mut stream, &Frame::text("x")).await;
}
