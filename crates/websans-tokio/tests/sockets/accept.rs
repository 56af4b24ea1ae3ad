//! The server's opening handshake.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websans_tokio::handshake::HandshakeError;
use websans_tokio::handshake::server::{Choice, Response};
use websans_tokio::{Error, accept, accept_with};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: soap, chat\r\n\r\n";

/// What a server of these tests says to `request`.
async fn answer(request: &str, chat: bool) -> (String, Result<bool, Error>) {
    let (a, mut b) = tokio::io::duplex(1 << 12);
    // In a task, which such futures are made for.
    let server = tokio::spawn(async move {
        let accepted = accept_with(a, async |request| {
            tokio::time::sleep(Duration::from_secs(1)).await; // asks a database
            if request.path() != "/chat" || !chat {
                return Err(Response::new(404).unwrap().body("no such room\n"));
            }
            Ok(Choice::new().protocol(request.protocols().iter().find(|&&known| known == "chat").copied()))
        })
        .await;
        accepted.map(|socket| socket.is_some_and(|socket| socket.protocol() == Some("chat")))
    });
    b.write_all(request.as_bytes()).await.unwrap();
    b.shutdown().await.unwrap();
    let mut response = String::new();
    b.read_to_string(&mut response).await.unwrap();
    (response, server.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_decision_may_take_its_time() {
    let (response, accepted) = answer(REQUEST, true).await;
    assert!(response.starts_with("HTTP/1.1 101 ") && response.contains("Sec-WebSocket-Protocol: chat\r\n"));
    assert!(accepted.unwrap());
    let (response, refused) = answer(REQUEST, false).await;
    assert!(response.starts_with("HTTP/1.1 404 ") && response.ends_with("no such room\n"), "{response}");
    assert!(!refused.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_handshake_is_answered() {
    for (request, status, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "426", HandshakeError::NotUpgrade),
        (REQUEST.replace("13", "12"), "426", HandshakeError::WrongVersion),
        (REQUEST.replace("GET", "POST"), "405", HandshakeError::MethodNotGet),
        (REQUEST[..40].to_owned(), "400", HandshakeError::Incomplete),
        ("\x16\x03\x01".to_owned(), "400", HandshakeError::NotHttp),
    ] {
        let (response, result) = answer(&request, true).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(matches!(result, Err(Error::Handshake(error)) if error == expected), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_answered_in_time() {
    let (a, mut b) = tokio::io::duplex(100);
    let start = tokio::time::Instant::now();
    let server = tokio::spawn(accept(a));
    b.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut response = String::new();
    b.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert_eq!(start.elapsed().as_secs(), 10);
    drop(b);
    assert!(matches!(server.await.unwrap(), Err(Error::Handshake(HandshakeError::Timeout))));
}
