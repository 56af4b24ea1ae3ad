//! The opening handshake, and what goes over the stream afterwards.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use websans_deflate::Deflate;
use websans_tokio::h2::{OpenError, connect};
use websans_tokio::handshake::HandshakeError;
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Cause, CloseCode, Config, Error, Kind, Message};

use crate::support::{LONG, accept, echo, over_tcp, piped, raw, request, status};

async fn converse(mut requests: h2::client::SendRequest<Bytes>) {
    let mut socket = connect(&mut requests, request(), Config::default()).await.unwrap();
    socket.send("hello").await.unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("hello")));
    // Many times the window, both ways.
    let long = vec![7_u8; 900_000];
    let (mut receiver, sender) = socket.split();
    let (sent, _) = tokio::join!(sender.send(&long[..]), async {
        let Some(Message::Binary(echoed)) = receiver.recv().await.unwrap() else {
            panic!("no binary message");
        };
        assert!(echoed == long);
    });
    sent.unwrap();
    let mut socket = receiver.reunite(sender).unwrap();
    socket.ping(b"there?").await.unwrap();
    let outcome = socket.close(CloseCode::NORMAL, "bye").await.unwrap();
    assert!(outcome.is_clean() && outcome.code() == 1000, "{outcome}");
}

#[tokio::test]
async fn it_echoes_in_memory() {
    timeout(LONG, converse(piped(echo).await)).await.unwrap();
}

#[tokio::test]
async fn it_echoes_over_tcp() {
    timeout(LONG, converse(over_tcp(echo).await)).await.unwrap();
}

#[tokio::test]
async fn many_sockets_share_a_connection() {
    let requests = over_tcp(echo).await;
    let each = (0..60).map(|n: usize| {
        let mut requests = requests.clone();
        tokio::spawn(async move {
            let mut socket = connect(&mut requests, request(), Config::default()).await.unwrap();
            for round in 0..20 {
                let text = format!("{n}, {round}: {}", "x".repeat(n * 50));
                socket.send(&text[..]).await.unwrap();
                assert_eq!(socket.recv().await.unwrap(), Some(Message::Text(&text)));
            }
            socket.close(CloseCode::NORMAL, "").await.unwrap().is_clean()
        })
    });
    let each: Vec<_> = each.collect();
    for task in each {
        assert!(timeout(LONG, task).await.unwrap().unwrap());
    }
    // The connection goes on.
    let mut requests = requests;
    connect(&mut requests, request(), Config::default()).await.unwrap();
}

#[tokio::test]
async fn subprotocol_and_compression_are_agreed_on() {
    let mut requests = piped(|asked| async {
        let choice = Choice::new().protocol("b").deflate(Deflate::default());
        let mut socket = accept(asked, &choice, Config::default()).unwrap();
        let message = socket.recv_owned().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
        while let Ok(Some(_)) = socket.recv().await {}
        assert!(socket.outcome().unwrap().is_clean());
    })
    .await;
    let request = request().protocol("a").unwrap().protocol("b").unwrap();
    let request = request.deflate(Deflate::default()).unwrap();
    let mut socket = connect(&mut requests, request, Config::default()).await.unwrap();
    assert_eq!(socket.protocol(), Some("b"));
    let text = "again and ".repeat(1000);
    socket.send(&text[..]).await.unwrap();
    assert!(socket.stats().bytes_sent < 200, "{:?}", socket.stats());
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text(&text)));
    assert!(socket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

#[tokio::test]
async fn r112_what_is_sent_has_no_key() {
    let (mut requests, mut streams) = raw().await;
    let request = request().header("Authorization", "Basic x").unwrap().origin("https://a.example").unwrap();
    let client = tokio::spawn(async move { connect(&mut requests, request, Config::default()).await });
    let (request, mut respond) = streams.recv().await.unwrap();
    assert_eq!(request.method(), http::Method::CONNECT);
    assert_eq!(request.uri(), "https://example.com/chat");
    assert_eq!(request.extensions().get::<h2::ext::Protocol>().unwrap().as_str(), "websocket");
    let names: Vec<&str> = request.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["sec-websocket-version", "origin", "authorization"]);
    respond.send_response(status(200), false).unwrap();
    client.await.unwrap().unwrap();
}

#[tokio::test]
async fn r113_frames_of_a_client_are_masked() {
    let (mut requests, mut streams) = raw().await;
    let client = tokio::spawn(async move {
        let mut socket = connect(&mut requests, request(), Config::default()).await.unwrap();
        socket.send("secret").await.unwrap();
        assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("plain")));
        socket
    });
    let (request, mut respond) = streams.recv().await.unwrap();
    let mut outgoing = respond.send_response(status(200), false).unwrap();
    let mut incoming = request.into_body();
    let mut bytes = Vec::new();
    while bytes.len() < 12 {
        bytes.extend(incoming.data().await.unwrap().unwrap());
    }
    assert_eq!((bytes[0], bytes[1], bytes.len()), (0x81, 0x80 | 6, 12));
    let unmasked: Vec<u8> = bytes[6..].iter().zip(bytes[2..6].iter().cycle()).map(|(x, y)| x ^ y).collect();
    assert_eq!(unmasked, b"secret");
    outgoing.send_data(Bytes::from_static(b"\x81\x05plain"), false).unwrap();
    client.await.unwrap();
}

#[tokio::test]
async fn r113_any_success_opens() {
    for code in [200, 201, 299] {
        let mut requests = piped(move |(_request, mut respond)| async move {
            let mut outgoing = respond.send_response(status(code), false).unwrap();
            outgoing.send_data(Bytes::from_static(b"\x88\x02\x03\xe8"), true).unwrap();
        })
        .await;
        let mut socket = connect(&mut requests, request(), Config::default()).await.unwrap();
        assert_eq!(socket.recv().await.unwrap(), None);
        assert!(socket.outcome().unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_bad_answer_resets_the_stream() {
    for (name, value, error) in [
        ("sec-websocket-protocol", "b", HandshakeError::UnexpectedProtocol),
        ("sec-websocket-extensions", "permessage-deflate", HandshakeError::UnexpectedExtension),
    ] {
        let (mut requests, mut streams) = raw().await;
        let request = request().protocol("a").unwrap();
        let client = tokio::spawn(async move { connect(&mut requests, request, Config::default()).await });
        let (request, mut respond) = streams.recv().await.unwrap();
        let mut response = status(200);
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        let _outgoing = respond.send_response(response, false).unwrap();
        let failure = client.await.unwrap().unwrap_err();
        assert!(matches!(failure, OpenError::Handshake(found) if found == error), "{failure}");
        let reset = request.into_body().data().await.unwrap().unwrap_err();
        assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
    }
}

#[tokio::test]
async fn a_refusal_is_told_whole_or_as_much_as_is_wanted() {
    let mut requests = piped(|(_request, mut respond)| async move {
        let mut response = status(403);
        response.headers_mut().insert("retry-after", http::HeaderValue::from_static("7"));
        let mut body = respond.send_response(response, false).unwrap();
        body.send_data(Bytes::from_static(b"not "), false).unwrap();
        body.send_data(Bytes::from_static(b"here\n"), true).unwrap();
    })
    .await;
    let mut config = Config::default();
    for (room, body, complete) in
        [(1000, &b"not here\n"[..], true), (9, b"not here\n", true), (6, b"not he", false)]
    {
        config.max_refusal_body = room;
        let failure = connect(&mut requests, request(), config.clone()).await.unwrap_err();
        assert_eq!(failure.to_string(), "the server answered with status 403");
        let OpenError::Refused(refusal) = failure else { panic!("{failure}") };
        assert_eq!((refusal.status, &refusal.body[..], refusal.complete), (403, body, complete));
        assert_eq!(refusal.header("Retry-After"), Some(&b"7"[..]));
    }
}

#[tokio::test]
async fn a_refusal_without_an_end_is_told_at_the_deadline() {
    let (mut requests, mut streams) = raw().await;
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(300);
    let client = tokio::spawn(async move { connect(&mut requests, request(), config).await });
    let (request, mut respond) = streams.recv().await.unwrap();
    let mut body = respond.send_response(status(500), false).unwrap();
    body.send_data(Bytes::from_static(b"well"), false).unwrap();
    let Err(OpenError::Refused(refusal)) = client.await.unwrap() else { panic!("not refused") };
    assert_eq!((&refusal.body[..], refusal.complete), (&b"well"[..], false));
    // What else would come is not wanted.
    let reset = request.into_body().data().await.unwrap().unwrap_err();
    assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
}

#[tokio::test]
async fn no_answer_is_a_timeout() {
    let (mut requests, mut streams) = raw().await;
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(200);
    let begun = Instant::now();
    let failure = connect(&mut requests, request(), config).await.unwrap_err();
    assert!(matches!(failure, OpenError::Timeout), "{failure}");
    assert!((200..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    let (request, _respond) = streams.recv().await.unwrap();
    let reset = request.into_body().data().await.unwrap().unwrap_err();
    assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
    let error = Error::from(failure);
    assert!(matches!(&error, Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut), "{error}");
}

#[tokio::test]
async fn a_dropped_opening_resets_the_stream() {
    let (mut requests, mut streams) = raw().await;
    let opening = tokio::spawn(async move { connect(&mut requests, request(), Config::default()).await });
    let (request, _respond) = streams.recv().await.unwrap();
    opening.abort();
    let reset = request.into_body().data().await.unwrap().unwrap_err();
    assert_eq!(reset.reason(), Some(h2::Reason::CANCEL));
}

#[tokio::test]
async fn a_stream_is_waited_for() {
    let (a, b) = tokio::io::duplex(64 << 10);
    let mut builder = crate::support::server();
    builder.max_concurrent_streams(1);
    crate::support::serve(a, builder, echo);
    let mut requests = crate::support::client(b).await;
    let mut first = connect(&mut requests, request(), Config::default()).await.unwrap();
    let mut others = requests.clone();
    let second = tokio::spawn(async move {
        let mut socket = connect(&mut others, request(), Config::default()).await?;
        socket.send("my turn").await.unwrap();
        assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("my turn")));
        Ok::<_, OpenError>(())
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    assert_eq!(first.close(CloseCode::NORMAL, "").await.unwrap().cause, Cause::Clean);
    drop(first);
    timeout(LONG, second).await.unwrap().unwrap().unwrap();
}

/// Parts of a message leave as they are written.
#[tokio::test]
async fn streamed_messages() {
    use tokio::io::AsyncWriteExt as _;

    let mut requests = piped(echo).await;
    let mut socket = connect(&mut requests, request(), Config::default()).await.unwrap();
    let mut writer = socket.writer(Kind::Text).unwrap();
    writer.write_all(b"in ").await.unwrap();
    writer.write_all(b"parts").await.unwrap();
    writer.shutdown().await.unwrap();
    drop(writer);
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("in parts")));
}
