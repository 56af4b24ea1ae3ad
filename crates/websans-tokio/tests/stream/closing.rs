//! The ending, as the stream tells it.

use std::time::Duration;

use futures_util::stream::FusedStream;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use websans_testkit::wire::Frame;
use websans_tokio::stream::{CloseFrame, Message};
use websans_tokio::{Cause, CloseCode, Config, Error, Reply, SendError};

use crate::support::{server, soon};

fn goodbye() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::NORMAL, reason: "bye".into() }))
}

/// At once, though the peer leaves the transport open; and once.
#[tokio::test(start_paused = true)]
async fn the_peers_close_is_delivered_once() {
    let (mut socket, mut peer) = server(4096, Config::default()).await;
    let began = Instant::now();
    peer.send(&[Frame::text("last"), Frame::close(1000, "bye")]).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("last"));
    assert_eq!(socket.next().await.unwrap().unwrap(), goodbye());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(!socket.is_terminated());
    peer.expect(&Frame::close(1000, "bye")).await;
    let late = socket.send("too late".into()).await;
    assert!(matches!(late, Err(Error::Send(SendError::Closing))), "{late:?}");
    socket.close(None).await.unwrap();
    peer.io.shutdown().await.unwrap();
    assert!(socket.next().await.is_none());
    assert!(socket.is_terminated() && socket.next().await.is_none());
    assert!(socket.outcome().unwrap().is_clean());
    assert_eq!(peer.rest().await, b"", "one Close is all");
}

#[tokio::test]
async fn our_close_leaves_time_for_what_still_comes() {
    let (mut socket, mut peer) = server(4096, Config::default()).await;
    socket.send("last".into()).await.unwrap();
    socket.send(goodbye()).await.unwrap();
    peer.expect(&Frame::text("last")).await;
    peer.expect(&Frame::close(1000, "bye")).await;
    peer.send(&[Frame::text("one more"), Frame::close(1000, "bye"), Frame::text("never")]).await;
    peer.io.shutdown().await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("one more"));
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), goodbye());
    assert!(soon(socket.next()).await.is_none());
}

#[tokio::test]
async fn closing_the_sink_sends_an_empty_close() {
    let (socket, mut peer) = server(4096, Config::default()).await;
    let (mut sink, mut stream) = socket.split();
    sink.feed("queued".into()).await.unwrap();
    SinkExt::<Message>::close(&mut sink).await.unwrap();
    SinkExt::<Message>::close(&mut sink).await.unwrap();
    peer.expect(&Frame::text("queued")).await;
    peer.expect(&Frame::new(8, [])).await;
    peer.send(&[Frame::new(8, [])]).await;
    peer.io.shutdown().await.unwrap();
    assert_eq!(soon(stream.next()).await.unwrap().unwrap(), Message::Close(None));
    assert!(soon(stream.next()).await.is_none());
    assert!(sink.reunite(stream).unwrap().outcome().unwrap().is_clean());
}

/// The half that waits for messages had a later deadline when the other half closed.
#[tokio::test(start_paused = true)]
async fn a_closing_that_nobody_answers_comes_to_its_end() {
    let mut config = Config::default();
    config.keepalive = None;
    config.close_within = Duration::from_secs(3);
    let (socket, mut peer) = server(4096, config).await;
    let (mut sink, mut stream) = socket.split();
    let reading = tokio::spawn(async move {
        assert!(stream.next().await.is_none());
        stream
    });
    tokio::time::sleep(Duration::from_secs(100)).await;
    let began = Instant::now();
    sink.send(goodbye()).await.unwrap();
    let stream = soon(reading).await.unwrap();
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited < Duration::from_secs(8), "{waited:?}");
    peer.expect(&Frame::close(1000, "bye")).await;
    assert_eq!(sink.reunite(stream).unwrap().outcome().unwrap().cause, Cause::CloseTimeout);
}

#[tokio::test]
async fn an_end_without_a_close_is_an_end() {
    let (mut socket, peer) = server(4096, Config::default()).await;
    drop(peer);
    assert!(soon(socket.next()).await.is_none());
    assert_eq!(socket.outcome().unwrap().cause, Cause::Eof);
    assert!(matches!(socket.send("hello?".into()).await, Err(Error::Send(SendError::Closing))));
}

#[tokio::test]
async fn the_application_may_answer_the_close() {
    let mut config = Config::default();
    config.close_reply = Reply::WhenAsked;
    let (mut socket, mut peer) = server(4096, config).await;
    peer.send(&[Frame::close(1000, "bye")]).await;
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), goodbye());
    assert!(soon(socket.next()).await.is_none());
    socket.send("one more".into()).await.unwrap();
    socket.close(Some(CloseFrame { code: CloseCode::GOING_AWAY, reason: "".into() })).await.unwrap();
    peer.expect(&Frame::text("one more")).await;
    peer.expect(&Frame::close(1001, "")).await;
    peer.io.shutdown().await.unwrap();
    assert!(soon(socket.next()).await.is_none());
    assert!(socket.is_terminated());
}
