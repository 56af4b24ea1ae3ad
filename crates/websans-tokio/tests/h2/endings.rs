//! How connections end, and what becomes of their streams.

use std::io;

use bytes::Bytes;
use h2::Reason;
use tokio::time::timeout;
use websans_tokio::h2::{H2Stream, connect};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Cause, CloseCode, Config, Error, Initiator, Message, WebSocket};

use crate::support::{Asked, LONG, accept, raw, request, status};

/// A client's connection, and the two halves of its stream at the server.
async fn opened() -> (WebSocket<H2Stream>, h2::SendStream<Bytes>, h2::RecvStream) {
    let (mut requests, mut streams) = raw().await;
    let client =
        tokio::spawn(async move { connect(&mut requests, request(), Config::default()).await.unwrap() });
    let (request, mut respond) = streams.recv().await.unwrap();
    let outgoing = respond.send_response(status(200), false).unwrap();
    (client.await.unwrap(), outgoing, request.into_body())
}

/// Both ends of a connection, ours.
async fn pair() -> (WebSocket<H2Stream>, WebSocket<H2Stream>) {
    let (mut requests, mut streams) = raw().await;
    let client =
        tokio::spawn(async move { connect(&mut requests, request(), Config::default()).await.unwrap() });
    let asked: Asked = streams.recv().await.unwrap();
    let server = accept(asked, &Choice::new(), Config::default()).unwrap();
    (client.await.unwrap(), server)
}

#[tokio::test]
async fn r113_the_end_of_the_stream_is_the_end_of_the_transport() {
    let (mut socket, mut outgoing, mut incoming) = opened().await;
    outgoing.send_data(Bytes::from_static(b"\x81\x04last"), true).unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("last")));
    assert_eq!(socket.recv().await.unwrap(), None);
    let outcome = socket.outcome().unwrap();
    assert_eq!((outcome.cause, outcome.initiator, outcome.code()), (Cause::Eof, Initiator::Peer, 1006));
    // Our side ends as well, with what the core says about it.
    let end = async { while let Some(Ok(_)) = incoming.data().await {} };
    timeout(LONG, end).await.unwrap();
}

#[tokio::test]
async fn r113_a_closing_handshake_ends_both_sides() {
    let (mut client, mut server) = pair().await;
    let server = tokio::spawn(async move {
        while let Some(message) = server.recv().await.unwrap() {
            assert_eq!(message, Message::Text("last"));
        }
        server.outcome().unwrap().clone()
    });
    client.send("last").await.unwrap();
    let outcome = client.close(CloseCode::NORMAL, "done").await.unwrap();
    assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Local));
    let outcome = server.await.unwrap();
    assert_eq!((outcome.cause, outcome.initiator, outcome.code()), (Cause::Clean, Initiator::Peer, 1000));
}

/// Whoever closes: the other end reads all that was sent before, though the stream is dropped right away.
#[tokio::test]
async fn r113_what_was_sent_arrives_before_the_end() {
    let (mut client, mut server) = pair().await;
    let server = tokio::spawn(async move {
        for n in 0..100 {
            server.feed(&n.to_string()[..]).await.unwrap();
        }
        server.close(CloseCode::GOING_AWAY, "enough").await.unwrap().clone()
    });
    let mut count = 0;
    while let Some(message) = client.recv().await.unwrap() {
        assert_eq!(message, Message::Text(&count.to_string()));
        count += 1;
    }
    assert_eq!(count, 100);
    let outcome = client.outcome().unwrap();
    assert_eq!((outcome.cause, outcome.initiator, outcome.code()), (Cause::Clean, Initiator::Peer, 1001));
    assert!(server.await.unwrap().is_clean());
}

#[tokio::test]
async fn r113_a_reset_is_the_loss_of_the_transport() {
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::REFUSED_STREAM] {
        let (mut socket, mut outgoing, _incoming) = opened().await;
        outgoing.send_reset(reason);
        let error = socket.recv().await.unwrap_err();
        assert!(
            matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset),
            "{error}"
        );
        let outcome = socket.outcome().unwrap();
        assert_eq!((outcome.cause, outcome.code()), (Cause::Aborted, 1006));
        assert_eq!(socket.recv().await.unwrap(), None);
    }
}

#[tokio::test]
async fn r113_a_reset_is_told_to_whoever_writes() {
    let (mut socket, mut outgoing, _incoming) = opened().await;
    let long = vec![0; 4 << 20];
    // Nobody reads: sooner or later there is no window left.
    let send = tokio::spawn(async move {
        let result = socket.send(&long[..]).await;
        (socket, result)
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!send.is_finished());
    outgoing.send_reset(Reason::CANCEL);
    let (_socket, result) = timeout(LONG, send).await.unwrap().unwrap();
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset), "{error}");
}

#[tokio::test]
async fn r113_a_dropped_connection_resets_its_stream() {
    let (mut socket, _outgoing, mut incoming) = opened().await;
    socket.send("last").await.unwrap();
    drop(socket);
    // What was sent leaves first.
    let mut bytes = Vec::new();
    let reset = loop {
        match incoming.data().await.unwrap() {
            Ok(data) => bytes.extend(data),
            Err(error) => break error,
        }
    };
    assert_eq!(bytes.len(), 2 + 4 + 4);
    assert_eq!((reset.is_reset(), reset.is_remote(), reset.reason()), (true, true, Some(Reason::CANCEL)));
}

#[tokio::test]
async fn r113_a_server_that_lets_go_resets_the_stream() {
    let (mut client, server) = pair().await;
    drop(server);
    let error = client.recv().await.unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset), "{error}");
    assert_eq!(client.outcome().unwrap().cause, Cause::Aborted);
}

/// A server that has ended its side and asks to be sent no more has ended, not broken off.
#[tokio::test]
async fn a_reset_without_an_error_is_the_end() {
    let (mut socket, mut outgoing, _incoming) = opened().await;
    outgoing.send_data(Bytes::from_static(b"\x81\x04last"), true).unwrap();
    outgoing.send_reset(Reason::NO_ERROR);
    while let Some(message) = socket.recv().await.unwrap() {
        assert_eq!(message, Message::Text("last"));
    }
    assert_eq!(socket.outcome().unwrap().cause, Cause::Eof);
}

#[tokio::test]
async fn the_loss_of_the_connection_is_that_of_all_its_streams() {
    let (a, b) = tokio::io::duplex(64 << 10);
    let (accepted, mut sockets) = tokio::sync::mpsc::unbounded_channel();
    let server = tokio::spawn(async move {
        let mut connection = crate::support::server().handshake::<_, Bytes>(a).await.unwrap();
        while let Some(Ok(asked)) = connection.accept().await {
            accepted.send(accept(asked, &Choice::new(), Config::default()).unwrap()).unwrap();
        }
    });
    let mut requests = crate::support::client(b).await;
    let mut one = connect(&mut requests, request(), Config::default()).await.unwrap();
    let mut two = connect(&mut requests, request(), Config::default()).await.unwrap();
    server.abort();
    let _ = server.await;
    sockets.close();
    for socket in [&mut one, &mut two] {
        // The transport of all of them has ended, for whatever reason.
        let _ = timeout(LONG, socket.recv()).await.unwrap();
        assert_eq!(socket.outcome().unwrap().code(), 1006);
    }
    assert!(connect(&mut requests, request(), Config::default()).await.is_err());
}
