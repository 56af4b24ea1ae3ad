//! Attacks and defects that have happened elsewhere, as far as they concern servers of HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use websans_testkit::wire::{self, Frame};
use websans_tower::{CloseCode, Error, HandshakeError, Keepalive, Message, Options, Socket, Upgrade};

use crate::support::{Server, answering, echoing, read_head, request, soon, text};

/// A server that counts how often its service is asked, whatever for.
async fn counting(options: Options) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let service = move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        echoing(request)
    };
    (Server::start(options, service).await, asked)
}

/// The one answer to `sent`, up to the end of the connection, which comes without a reset; the service is not asked.
async fn refused(sent: &[u8], status: u16) {
    let (server, asked) = counting(Options::new()).await;
    let mut stream = server.connect().await;
    stream.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.expect("an end without a reset");
    let answer = String::from_utf8(answer).expect("no frame");
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one answer: {answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close"), "{answer}");
    assert_eq!((asked.load(Ordering::Relaxed), server.sockets.len()), (0, 0), "{answer}");
}

/// The body of an upgrade is a request for something else: nobody reads it, and the service is asked for neither.
#[tokio::test]
async fn cve_2026_69243_body_that_is_a_request() {
    let smuggled = "GET /admin HTTP/1.1\r\nHost: internal\r\n\r\n";
    for length in [44, smuggled.len()] {
        refused(format!("{}{smuggled}", request(&format!("Content-Length: {length}\r\n"))).as_bytes(), 400)
            .await;
    }
    let chunked = format!("0\r\n\r\n{smuggled}");
    refused(format!("{}{chunked}", request("Transfer-Encoding: chunked\r\n")).as_bytes(), 400).await;
}

/// A body of a gigabyte is not waited for.
#[tokio::test]
async fn cve_2018_12541_gigabyte_of_body() {
    let sent = [request("Content-Length: 1000000000\r\n").as_bytes(), &[b'x'; 20_000]].concat();
    refused(&sent, 400).await;
}

/// Frames and requests behind a handshake that is refused: neither is answered.
#[tokio::test]
async fn shape_frames_behind_a_refusal_are_nobodys() {
    let frames = wire::stream(&[Frame::text("hi"), Frame::ping("x")], true);
    let old = request("").replace("Version: 13", "Version: 8");
    refused(&[old.as_bytes(), &frames].concat(), 426).await;
    refused(&[request("Origin: http://evil.example\r\n").as_bytes(), &frames].concat(), 403).await;
}

/// A proxy may take the answer to an upgrade for a tunnel; what is sent through it gets no answer.
#[tokio::test]
async fn attack_17_second_request_on_the_same_socket() {
    for version in ["8", "7", "0", "75", "14"] {
        let old = request("").replace("Version: 13", &format!("Version: {version}"));
        let sent = format!("{old}GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n{}", request(""));
        refused(sent.as_bytes(), 426).await;
    }
}

/// A service that answers a good handshake otherwise has not switched, whatever it has begun: no handler, no frames.
#[tokio::test]
async fn cve_2019_17567_no_tunnel_without_a_101() {
    for status in [200, 403, 500] {
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        let service = answering(move |upgrade: Upgrade| {
            let count = Arc::clone(&count);
            drop(upgrade.accept(move |mut socket: Socket| async move {
                count.fetch_add(1, Ordering::Relaxed);
                socket.recv().await.map(drop)
            }));
            text(status, "otherwise")
        });
        let server = Server::start(Options::new(), service).await;
        let mut stream = server.connect().await;
        let frames = wire::stream(&[Frame::ping("hello?"), Frame::text("hi")], true);
        stream.write_all(&[request("").as_bytes(), &frames].concat()).await.unwrap();
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{}", answer.escape_ascii());
        assert!(!answer.windows(6).any(|word| word == b"hello?"), "nobody answers the ping");
        server.assert_empty().await;
        assert_eq!(ran.load(Ordering::Relaxed), 0, "{status}");
    }
}

/// A page of another origin is refused unless somebody has said otherwise, and the service does not hear of it.
#[tokio::test]
async fn cve_2018_14732_page_of_another_origin() {
    for origin in [
        "http://evil.example",
        "https://evil.example",
        "http://example.com.evil.example",
        "null",
        "http://example.com:81",
    ] {
        refused(request(&format!("Origin: {origin}\r\nCookie: session=1\r\n")).as_bytes(), 403).await;
    }
    let (server, asked) = counting(Options::new()).await;
    for origin in ["Origin: http://example.com\r\n", ""] {
        let mut stream = server.connect().await;
        stream.write_all(request(origin).as_bytes()).await.unwrap();
        assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101 "), "{origin}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(HandshakeError::OriginRefused.http_status(), 403);
}

/// Beyond the limit everybody is told to come back, and a place is free again whichever way a connection ends.
#[tokio::test]
async fn attack_14_more_connections_than_places() {
    let handler = async |mut socket: Socket| {
        loop {
            let word = match socket.recv().await? {
                Some(Message::Text(word)) => word.to_owned(),
                _ => return Ok(()),
            };
            match &word[..] {
                "panic" => panic!("this one is meant"),
                "error" => return Err(Error::from(std::io::Error::other("this one too"))),
                "drop" => return Ok(()),
                "close" => return socket.close(CloseCode::NORMAL, "").await.map(drop),
                _ => socket.send(&*word).await?,
            }
        }
    };
    let moment = Duration::from_millis(300);
    let options = Options::new().max_connections(2).keep_alive(Keepalive { every: moment, within: moment });
    let service = answering(move |upgrade| upgrade.accept(handler).map(BodyExt::boxed));
    let server = Server::start(options, service).await;
    for end in ["panic", "error", "drop", "close", "vanish", "silence", "violation"] {
        let mut first = server.open_when_free().await;
        let mut stream = soon(async {
            loop {
                let mut stream = server.connect().await;
                stream.write_all(request("").as_bytes()).await.unwrap();
                if read_head(&mut stream).await.starts_with("HTTP/1.1 101 ") {
                    return stream;
                }
            }
        })
        .await;
        first.send("here").await.unwrap();
        assert!(soon(first.recv()).await.unwrap().is_some());
        let answer = server.ask(&request("")).await;
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.to_ascii_lowercase().contains("\r\nretry-after: "),
            "{answer}"
        );
        match end {
            "vanish" => drop(stream),
            // It reads no Ping, so it answers none.
            "silence" => {
                soon(async {
                    while server.sockets.len() == 2 {
                        let _ = tokio::time::timeout(Duration::from_millis(50), first.recv()).await;
                    }
                })
                .await;
            }
            "violation" => stream.write_all(&[0xff; 20]).await.unwrap(),
            word => stream.write_all(&wire::stream(&[Frame::text(word)], true)).await.unwrap(),
        }
        // The other one's place is its own all the while.
        let freed = server.open_when_free().await;
        drop((first, freed));
        server.assert_empty().await;
    }
}
