//! Requests: what the handler sees, and what it never sees.

use std::time::{Duration, Instant};

use websans_tokio::handshake::OriginPolicy;
use websans_tokio::handshake::server::{Choice, Response};
use websans_tokio::{Config, Error, Incoming, Served, Server};

use crate::support::{REQUEST, ask, echo, read_head, start, status};

/// A page at `/`, an echo with a subprotocol elsewhere.
async fn site(mut incoming: Incoming<Served>) -> Result<(), Error> {
    let request = incoming.request()?;
    if request.path() == "/" {
        return incoming.respond(&Response::new(200)?.body("a page\n")).await;
    }
    assert!(incoming.request()?.header("host").is_some());
    let decided = incoming.decide(async |handshake| {
        tokio::task::yield_now().await;
        Ok(Choice::new().protocol(handshake.protocols().contains(&"chat").then_some("chat")))
    });
    let Some(mut socket) = decided.await? else { return Ok(()) };
    assert!(socket.get_ref().peer_addr().ip().is_loopback());
    assert!(socket.get_ref().tcp().unwrap().nodelay()?);
    while socket.recv().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn the_handler_sees_the_request_and_decides() {
    let running = start(Server::default(), site).await;
    let page =
        ask(&running, "GET / HTTP/1.1\r\nHost: example.com\r\nOrigin: https://elsewhere.example\r\n\r\n")
            .await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("a page\n"), "{page}");
    let mut stream = running.connect().await;
    let request = format!("{REQUEST}Sec-WebSocket-Protocol: chat\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert_eq!(status(&head), 101);
    assert!(head.to_lowercase().contains("sec-websocket-protocol: chat\r\n"), "{head}");
    drop(stream);
    let report = running.report().await;
    assert_eq!((report.accepted, report.handshake_failed, report.handler_panicked), (2, 0, 0));
}

#[tokio::test]
async fn pages_of_other_hosts_are_kept_out() {
    let running = start(Server::default(), echo).await;
    let foreign = ask(&running, &format!("{REQUEST}Origin: https://evil.example\r\n\r\n")).await;
    assert_eq!(status(&foreign), 403, "{foreign}");
    running.event("did not connect").await;
    let mut own = running.connect().await;
    let request = format!("{REQUEST}Origin: https://example.com\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut own, request.as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut own).await), 101);
    drop(own);
    assert_eq!(running.report().await.handshake_failed, 1);
}

#[tokio::test]
async fn the_policy_can_be_another() {
    let list = OriginPolicy::List(vec!["https://app.example".parse().unwrap()]);
    let running = start(Server::default().origins(list), echo).await;
    let refused = ask(&running, &format!("{REQUEST}Origin: https://example.com\r\n\r\n")).await;
    assert_eq!(status(&refused), 403);
    let mut listed = running.connect().await;
    let request = format!("{REQUEST}Origin: https://app.example\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut listed, request.as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut listed).await), 101);
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_counted() {
    let running = start(Server::default(), echo).await;
    assert_eq!(status(&ask(&running, "this is not HTTP\r\n\r\n").await), 400);
    assert_eq!(status(&ask(&running, "GET / HTTP/1.1\r\n\r\n").await), 400); // without Host (RFC 9112 §3.2)
    while running.events().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await; // each is counted once the client's end has come
    }
    let report = running.report().await;
    assert_eq!((report.accepted, report.handshake_failed), (2, 2));
}

#[tokio::test]
async fn who_says_nothing_is_told_408_in_time() {
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(200);
    let running = start(config.into(), echo).await;
    let start = Instant::now();
    let answer = ask(&running, "GET / HTTP/1.1\r\n").await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert!((150..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}
