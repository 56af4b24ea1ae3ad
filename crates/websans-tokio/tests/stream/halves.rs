//! Both halves on two tasks, with a peer that does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websans_testkit::wire::{Frame, opcode};
use websans_tokio::stream::{Message, WebSocketStream};
use websans_tokio::{Config, Error, Role};

use crate::support::{LONG, server, soon};

/// The half that receives takes the transport's one waker over when it has an answer to write. The other half, which waits
/// for the same transport, must get to know that it is free again.
#[tokio::test]
async fn who_waits_to_write_is_woken_though_the_other_half_wrote_last() {
    for room in [16, 100, 1000] {
        let (socket, mut peer) = server(room, Config::default()).await;
        let (mut sink, mut stream) = socket.split();
        let sending = tokio::spawn(async move {
            sink.send(Message::binary(vec![1; 5000])).await.unwrap();
            sink.send(Message::text("sent")).await.unwrap();
            sink
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let receiving = tokio::spawn(async move {
            assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("received"));
            stream.next().await
        });
        // The Ping's answer waits behind the message, and it is the receiver who tries to write it.
        peer.send(&[Frame::ping("?"), Frame::text("received")]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        peer.expect(&Frame::binary(vec![1; 5000])).await;
        peer.expect(&Frame::pong("?")).await;
        peer.expect(&Frame::text("sent")).await;
        let _sink = soon(sending).await.unwrap();
        drop(peer);
        assert!(soon(receiving).await.unwrap().is_none());
    }
}

/// What it has taken and could not write is written by the other half.
#[tokio::test]
async fn a_half_that_is_dropped_while_it_writes() {
    let (socket, mut peer) = server(100, Config::default()).await;
    let (mut sink, mut stream) = socket.split();
    let receiving = tokio::spawn(async move { stream.next().await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let sending = tokio::spawn(async move { sink.send(Message::binary(vec![1; 5000])).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    peer.expect(&Frame::binary(vec![1; 5000])).await;
    drop(peer);
    assert!(soon(receiving).await.unwrap().is_none());
}

/// Who asked for a message last need not be there any more when the transport is free again.
#[tokio::test]
async fn a_receiver_that_has_stopped_waiting() {
    let (socket, mut peer) = server(100, Config::default()).await;
    let (mut sink, mut stream) = socket.split();
    let sending = tokio::spawn(async move { sink.send(Message::binary(vec![1; 5000])).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let waiting = tokio::spawn(async move {
        let waited = tokio::time::timeout(Duration::from_millis(10), stream.next()).await;
        assert!(waited.is_err());
        stream
    });
    let _stream = waiting.await.unwrap();
    peer.expect(&Frame::binary(vec![1; 5000])).await;
    soon(sending).await.unwrap().unwrap();
}

/// A transport that takes nothing, and whose reading fails when it is told to.
struct Stuck {
    fail: tokio::sync::oneshot::Receiver<()>,
}

impl AsyncRead for Stuck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.fail).poll(cx).map(|_| Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What the one half learns of the end, the other is told.
#[tokio::test(start_paused = true)]
async fn an_end_that_only_the_receiver_sees() {
    let (fail, told) = tokio::sync::oneshot::channel();
    let mut config = Config::default();
    config.keepalive = None;
    config.write_stall = LONG * 10;
    let socket = WebSocketStream::from_raw_socket(Stuck { fail: told }, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let sending = tokio::spawn(async move { sink.send("never".into()).await });
    let receiving = tokio::spawn(async move { stream.next().await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    fail.send(()).unwrap();
    assert!(matches!(soon(receiving).await.unwrap(), Some(Err(Error::Io(_)))));
    assert!(matches!(soon(sending).await.unwrap(), Err(Error::Io(_))));
}

/// While the peer does not read, its own messages are received all the same, and its Pings are answered when it reads.
async fn load(room: usize) {
    const COUNT: usize = 400;
    let mut config = Config::default();
    config.max_outbox = 5000;
    let (socket, mut peer) = server(room, config).await;
    let (mut sink, mut stream) = socket.split();
    let sending = tokio::spawn(async move {
        for n in 0..COUNT {
            let message = Message::text(format!("{n}:{}", "y".repeat(n)));
            if n % 3 == 0 { sink.feed(message).await.unwrap() } else { sink.send(message).await.unwrap() }
        }
        sink.close().await.unwrap();
    });
    let receiving = tokio::spawn(async move {
        let mut count = 0;
        while let Some(message) = stream.next().await {
            match message.unwrap() {
                Message::Text(text) => {
                    assert_eq!(text, format!("to {count}"));
                    count += 1;
                }
                Message::Close(None) => return count,
                other => panic!("{other:?}"),
            }
        }
        panic!("no Close")
    });
    // First it only writes; all of it must be taken.
    for n in 0..COUNT {
        let frames = [Frame::ping(format!("{n}")), Frame::text(format!("to {n}"))];
        soon(peer.send(&frames)).await;
    }
    // Then it reads: whole messages in order, and between them answers to its Pings, in order too.
    let (mut expected, mut asked) = (0, None);
    while expected < COUNT {
        let (op, payload) = soon(read_frame(&mut peer)).await;
        match op {
            opcode::TEXT => {
                assert_eq!(payload, format!("{expected}:{}", "y".repeat(expected)).into_bytes());
                expected += 1;
            }
            opcode::PONG => {
                let answered = String::from_utf8(payload).unwrap().parse::<usize>().unwrap();
                assert!(asked < Some(answered), "{answered} after {asked:?}");
                asked = Some(answered);
            }
            _ => panic!("opcode {op}"),
        }
    }
    assert!(asked.is_some(), "no Ping was answered");
    peer.expect(&Frame::new(opcode::CLOSE, [])).await;
    soon(sending).await.unwrap();
    peer.send(&[Frame::new(opcode::CLOSE, [])]).await;
    assert_eq!(soon(receiving).await.unwrap(), COUNT);
}

async fn read_frame(peer: &mut crate::support::Peer) -> (u8, Vec<u8>) {
    use tokio::io::AsyncReadExt;
    let first = peer.io.read_u8().await.unwrap();
    let len = match peer.io.read_u8().await.unwrap() {
        126 => usize::from(peer.io.read_u16().await.unwrap()),
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    peer.io.read_exact(&mut payload).await.unwrap();
    (first & 15, payload)
}

#[tokio::test]
async fn both_ways_on_one_thread() {
    for room in [32, 1000, 30_000] {
        load(room).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn both_ways_on_several_threads() {
    for room in [32, 1000, 30_000] {
        load(room).await;
    }
}

/// Two of them talk to each other, both in bulk.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn bulk_both_ways() {
    use websans_tokio::stream::{accept_async, connect_async};
    const COUNT: u8 = 200;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (accepted, connected) =
        tokio::join!(async { accept_async(listener.accept().await.unwrap().0).await.unwrap() }, async {
            connect_async(url.as_str()).await.unwrap().0
        });
    async fn talk<S>(socket: websans_tokio::stream::WebSocketStream<S>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sink, mut stream) = socket.split();
        let sending = tokio::spawn(async move {
            for n in 0..COUNT {
                sink.send(Message::binary(vec![n; 100_000])).await.unwrap();
            }
            sink
        });
        for n in 0..COUNT {
            let message = soon(stream.next()).await.unwrap().unwrap();
            assert!(message == Message::binary(vec![n; 100_000]), "message {n}");
        }
        let mut socket = soon(sending).await.unwrap().reunite(stream).unwrap();
        // The other end has sent all that it had to send.
        soon(socket.close(None)).await.unwrap();
        while let Some(last) = soon(socket.next()).await {
            assert_eq!(last.unwrap(), Message::Close(None));
        }
        assert!(socket.outcome().unwrap().is_clean());
    }
    let both = tokio::join!(tokio::spawn(talk(accepted)), tokio::spawn(talk(connected)));
    both.0.unwrap();
    both.1.unwrap();
}
