//! Messages there and back.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use websans_testkit::wire::Frame;
use websans_tokio::stream::{
    MaybeTlsStream, Message, WebSocketStream, accept_async, client_async, connect_async,
};
use websans_tokio::{Config, Error, ProtocolError, SendError};

use crate::support::{server, soon};

async fn echo(listener: TcpListener) {
    while let Ok((io, _)) = listener.accept().await {
        let (sink, stream) = accept_async(io).await.unwrap().split();
        let data = stream
            .filter(|message| std::future::ready(!matches!(message, Ok(message) if message.is_close())));
        data.forward(sink).await.unwrap();
    }
}

#[tokio::test]
async fn there_and_back_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(echo(listener));
    let url = format!("ws://{address}/");

    let (connected, response) = connect_async(url.as_str()).await.unwrap();
    assert_eq!((response.status(), response.protocol), (101, None));
    let mut socket: WebSocketStream<MaybeTlsStream<TcpStream>> = connected;
    assert_eq!(socket.get_ref().tcp().peer_addr().unwrap(), address);
    for len in [0, 1, 125, 126, 5000, 65_536, 1 << 20] {
        let messages = [Message::text("x".repeat(len)), Message::binary(vec![7; len])];
        for message in messages {
            let send = async { socket.send(message.clone()).await };
            soon(send).await.unwrap();
            assert!(soon(socket.next()).await.unwrap().unwrap() == message, "{len} bytes");
        }
    }
    socket.close(None).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::Close(None));
    assert!(soon(socket.next()).await.is_none());
    assert!(socket.outcome().unwrap().is_clean());

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) = client_async(url.as_str(), stream).await.unwrap();
    socket.send("over a stream of one's own".into()).await.unwrap();
    let message = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(message.to_text().unwrap(), "over a stream of one's own");
    assert!(socket.stats().messages_received == 1 && socket.protocol().is_none());
    server.abort();
}

#[tokio::test]
async fn control_frames_are_answered_and_not_delivered() {
    let (mut socket, mut peer) = server(4096, Config::default()).await;
    peer.send(&[
        Frame::text("a"),
        Frame::ping("1"),
        Frame::text("b").unfinished(),
        Frame::ping("2"),
        Frame::pong(""),
        Frame::continuation("c"),
    ])
    .await;
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("a"));
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("bc"));
    // The answers leave while it waits.
    let (_, ()) = tokio::join!(
        async {
            tokio::time::timeout(std::time::Duration::from_millis(50), socket.next()).await.unwrap_err()
        },
        async {
            peer.expect(&Frame::pong("1")).await;
            peer.expect(&Frame::pong("2")).await;
        }
    );
    socket.send(Message::Ping("are you there".into())).await.unwrap();
    socket.send(Message::Pong(Bytes::new())).await.unwrap();
    peer.expect(&Frame::ping("are you there")).await;
    peer.expect(&Frame::pong("")).await;
    let long = socket.send(Message::Ping(vec![0; 126].into())).await;
    assert!(matches!(long, Err(Error::Send(SendError::ControlTooLong))), "{long:?}");
    socket.send("goes on".into()).await.unwrap();
    peer.expect(&Frame::text("goes on")).await;
}

#[tokio::test]
async fn a_violation_is_told_once_and_then_it_ends() {
    let (mut socket, mut peer) = server(4096, Config::default()).await;
    peer.send(&[Frame::text("before"), Frame::text(*b"\xff"), Frame::text("after")]).await;
    peer.io.flush_and_end().await;
    assert_eq!(soon(socket.next()).await.unwrap().unwrap(), Message::text("before"));
    let error = soon(socket.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::InvalidUtf8)), "{error}");
    assert!(soon(socket.next()).await.is_none());
    assert!(soon(socket.next()).await.is_none());
    let rest = peer.rest().await;
    assert_eq!(rest[..4], [0x88, rest[1], 0x03, 0xEF], "a Close with 1007");
}

/// What is large and handed over is not copied: neither into the sink nor within it.
#[tokio::test]
async fn large_payloads_are_not_copied() {
    const LEN: usize = 1 << 20;
    let (mut socket, _peer) = server(4096, Config::default()).await;
    let shared: Message = String::from_utf8(vec![b'x'; LEN]).unwrap().into();
    for message in [Message::binary(vec![7; LEN]), shared.clone(), shared] {
        let allocated = allocation_counter::measure(|| {
            Pin::new(&mut socket).start_send(message).unwrap();
        });
        assert!(allocated.bytes_total < 10_000, "{allocated:?}");
        // Let it go: the pipe is too small for it.
        let (again, peer) = server(4096, Config::default()).await;
        (socket, _) = (again, peer);
    }
}

/// A message is taken though there is no room, but only one, and it leaves in its turn.
#[tokio::test]
async fn one_message_waits_for_room() {
    let mut config = Config::default();
    config.max_outbox = 1000;
    let (mut socket, mut peer) = server(64, config).await;
    let payload = |n: u8| vec![n; 600];
    for n in 0..2 {
        soon(std::future::poll_fn(|cx| Pin::new(&mut socket).poll_ready(cx))).await.unwrap();
        Pin::new(&mut socket).start_send(Message::binary(payload(n))).unwrap();
    }
    let ready = std::future::poll_fn(|cx| std::task::Poll::Ready(Pin::new(&mut socket).poll_ready(cx)));
    assert!(ready.await.is_pending(), "two messages wait");
    let more = Pin::new(&mut socket).start_send(Message::binary(payload(2)));
    assert!(matches!(more, Err(Error::Send(SendError::OutboxFull))), "{more:?}");
    let (sent, ()) = tokio::join!(soon(socket.send(Message::binary(payload(2)))), async {
        for n in 0..3 {
            peer.expect(&Frame::binary(payload(n))).await;
        }
    });
    sent.unwrap();
}

/// Waiting for messages is enough for it to leave.
#[tokio::test]
async fn the_message_that_waits_for_room_leaves_without_a_flush() {
    let mut config = Config::default();
    config.max_outbox = 1000;
    let (mut socket, mut peer) = server(64, config).await;
    socket.feed(Message::binary(vec![1; 600])).await.unwrap();
    socket.feed(Message::binary(vec![2; 600])).await.unwrap();
    let (message, ()) = tokio::join!(soon(socket.next()), async {
        peer.expect(&Frame::binary(vec![1; 600])).await;
        peer.expect(&Frame::binary(vec![2; 600])).await;
        peer.send(&[Frame::text("thank you")]).await;
    });
    assert_eq!(message.unwrap().unwrap(), Message::text("thank you"));
}

/// A dropped `send` has sent the message whole, or not at all.
#[tokio::test]
async fn dropped_sends() {
    let (mut socket, mut peer) = server(1000, Config::default()).await;
    for n in 0..20u8 {
        let send = socket.send(Message::binary(vec![n; 300]));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(1), send).await;
    }
    let queued = socket.stats().messages_sent;
    assert!(queued > 3, "{queued}");
    let (flushed, ()) = tokio::join!(soon(socket.flush()), async {
        for n in (0u8..).take(usize::try_from(queued).unwrap()) {
            peer.expect(&Frame::binary(vec![n; 300])).await;
        }
    });
    flushed.unwrap();
}

trait FlushAndEnd {
    async fn flush_and_end(&mut self);
}

impl FlushAndEnd for tokio::io::DuplexStream {
    /// Ends this side of the pipe.
    async fn flush_and_end(&mut self) {
        tokio::io::AsyncWriteExt::shutdown(self).await.unwrap();
    }
}
