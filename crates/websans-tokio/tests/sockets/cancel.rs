//! Cancel safety: every future is dropped at every poll and asked for again, and what goes over the wire is the same.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use websans_deflate::{Deflate, Settings};
use websans_tokio::{CloseCode, Config, Error, Kind, Message, Negotiated, Outcome, Role, WebSocket};

use crate::support::{agreed, keys};

thread_local! {
    /// How many futures were dropped before they were ready. Each test has a thread of its own.
    static DROPPED: Cell<u64> = const { Cell::new(0) };
}

/// Awaits a future, or polls a new one each time. One that was dropped wakes nobody, so that is done here.
macro_rules! go {
    ($stubborn:expr, $future:expr) => {
        if $stubborn {
            poll_fn(|cx| {
                let polled = pin!($future).poll(cx);
                if polled.is_pending() {
                    DROPPED.with(|dropped| dropped.set(dropped.get() + 1));
                    cx.waker().wake_by_ref();
                }
                polled
            })
            .await
        } else {
            $future.await
        }
    };
}

/// A pipe that remembers what was written to it.
struct Recorder {
    io: DuplexStream,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, out)
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = polled {
            self.written.lock().unwrap().extend_from_slice(&bytes[..n]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

const SIZES: [usize; 9] = [0, 1, 5, 125, 126, 1000, 4097, 70_000, 300_000];

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn config() -> Config {
    let mut config = Config::default();
    config.keepalive = None;
    config.max_outbox = 1000; // so that `feed` waits
    config
}

fn owned(message: Option<Message<'_>>) -> Option<Vec<u8>> {
    message.map(|message| message.as_bytes().to_vec())
}

/// The other end: sends everything, expects everything, closes last.
async fn peer(io: DuplexStream, negotiated: Negotiated) -> Outcome {
    let mut socket = WebSocket::from_handshake(io, keys(), config(), negotiated, &[]);
    for size in SIZES {
        socket.send(payload(size)).await.unwrap();
        assert_eq!(owned(socket.recv().await.unwrap()).unwrap(), payload(size), "echo of {size} bytes");
    }
    let mut writer = socket.writer(Kind::Binary).unwrap();
    writer.write_all(&payload(200_000)).await.unwrap();
    writer.finish().await.unwrap();
    drop(writer);
    assert_eq!(owned(socket.recv().await.unwrap()).unwrap(), payload(200_000), "a streamed message");
    for _ in 0..20 {
        assert_eq!(owned(socket.recv().await.unwrap()).unwrap(), payload(300));
    }
    assert!(socket.recv().await.unwrap().is_none());
    socket.outcome().unwrap().clone()
}

/// What a server does with what receives and what sends, which may be one: all that it can do, up to the closing.
macro_rules! serve {
    ($stubborn:expr, $receiver:expr, $sender:expr) => {
        for size in SIZES {
            let message = go!($stubborn, async { $receiver.recv().await.map(owned) }).unwrap().unwrap();
            assert_eq!(message, payload(size));
            let before = $sender.stats().messages_sent;
            go!($stubborn, async {
                // Whether a dropped `send` has queued its message is in the counters.
                if $sender.stats().messages_sent == before {
                    $sender.send(&message).await
                } else {
                    $sender.flush().await
                }
            })
            .unwrap();
        }
        let mut message = Vec::new();
        let mut reader = $receiver.reader().await.unwrap().unwrap();
        loop {
            let mut piece = [0; 999];
            match go!($stubborn, reader.read(&mut piece)).unwrap() {
                0 => break,
                n => message.extend_from_slice(&piece[..n]),
            }
        }
        let mut writer = $sender.writer(Kind::Binary).unwrap();
        let mut rest = &message[..];
        while !rest.is_empty() {
            let n = go!($stubborn, writer.write(rest)).unwrap();
            rest = &rest[n..];
        }
        go!($stubborn, writer.flush()).unwrap();
        go!($stubborn, writer.finish()).unwrap();
        drop(writer);
        for _ in 0..20 {
            let message = payload(300);
            go!($stubborn, $sender.feed(&message)).unwrap();
        }
        go!($stubborn, $sender.flush()).unwrap();
    };
}

/// A server over a pipe of `size` bytes, what it writes, and its peer.
fn recorded(
    size: usize,
    deflate: Option<&Deflate>,
) -> (WebSocket<Recorder>, Arc<Mutex<Vec<u8>>>, JoinHandle<Outcome>) {
    let (a, b) = tokio::io::duplex(size);
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let io = Recorder { io: a, written: Arc::clone(&written) };
    let socket = WebSocket::from_handshake(io, Role::Server, config(), agreed(deflate, false), &[]);
    (socket, written, tokio::spawn(peer(b, agreed(deflate, true))))
}

/// What a server writes while it does all that it can do.
async fn whole(size: usize, deflate: Option<&Deflate>, stubborn: bool) -> Vec<u8> {
    let (mut socket, written, peer) = recorded(size, deflate);
    serve!(stubborn, socket, socket);
    let outcome = go!(stubborn, async { socket.close(CloseCode::NORMAL, "done").await.cloned() }).unwrap();
    assert!(outcome.is_clean());
    assert!(go!(stubborn, async { socket.recv().await.map(owned) }).unwrap().is_none());
    drop(socket);
    assert_eq!(peer.await.unwrap().received.unwrap().reason, "done");
    written.lock().unwrap().clone()
}

/// The same with the two halves.
async fn halves(size: usize, deflate: Option<&Deflate>, stubborn: bool) -> Vec<u8> {
    let (socket, written, peer) = recorded(size, deflate);
    let (mut receiver, mut sender) = socket.split();
    serve!(stubborn, receiver, sender);
    drop(receiver);
    let outcome = go!(stubborn, sender.close(CloseCode::NORMAL, "done")).unwrap();
    assert!(outcome.is_clean());
    drop(sender);
    assert_eq!(peer.await.unwrap().received.unwrap().reason, "done");
    written.lock().unwrap().clone()
}

/// The bytes that are written, over a pipe of `size`, whatever was dropped.
async fn drop_everything(size: usize, deflate: Option<&Deflate>) -> Vec<u8> {
    let plain = whole(size, deflate, false).await;
    assert_eq!(plain, whole(size, deflate, true).await, "a pipe of {size} bytes");
    assert_eq!(plain, halves(size, deflate, false).await, "halves, a pipe of {size} bytes");
    assert_eq!(plain, halves(size, deflate, true).await, "halves, a pipe of {size} bytes");
    plain
}

// A pipe of one byte is slow: what takes a few bytes at a time shows with three as well.
const PIPES: [usize; 4] = [3, 7, 1000, 1 << 20];

#[tokio::test(start_paused = true)]
async fn every_future_can_be_dropped_at_every_poll() {
    for size in PIPES {
        drop_everything(size, None).await;
    }
    let dropped = DROPPED.get();
    assert!(dropped >= 100_000, "{dropped}");
    println!("measure futures dropped: {dropped} futures");
}

/// The compressor is given everything once, in the same pieces.
#[tokio::test(start_paused = true)]
async fn compression_does_not_know_what_was_dropped() {
    let mut takeover = Settings::default();
    takeover.negotiation.server_no_context_takeover = false;
    takeover.negotiation.client_no_context_takeover = false;
    let mut lengths = Vec::new();
    for settings in [Settings::default(), takeover] {
        let deflate = Deflate::new(settings);
        for size in PIPES {
            lengths.push(drop_everything(size, Some(&deflate)).await.len());
        }
    }
    // The messages have a period of 251 bytes, which is all that is left of them.
    assert!(lengths[0] < 20_000 && lengths[4] < lengths[0] / 2, "{lengths:?}");
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// However often it is interrupted, a handshake that is gone on with has lost nothing.
#[tokio::test(start_paused = true)]
async fn accept_goes_on_where_it_was() {
    let (a, mut b) = tokio::io::duplex(1);
    let client = tokio::spawn(async move {
        b.write_all(REQUEST).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(b.read_u8().await.unwrap());
        }
        assert!(response.starts_with(b"HTTP/1.1 101 "));
        b.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
        b
    });
    let mut accepting = pin!(websans_tokio::accept(a));
    let mut interruptions = 0;
    let mut socket = loop {
        tokio::select! {
            biased;
            socket = &mut accepting => break socket.unwrap(),
            () = tokio::task::yield_now() => interruptions += 1,
        }
    };
    assert!(interruptions > 100, "{interruptions}");
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("hi")));
    drop(client.await.unwrap());
}

/// A handshake that is given up at any poll closes the transport, and leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn a_dropped_accept_closes_the_transport() {
    for polls in 1.. {
        let (a, mut b) = tokio::io::duplex(16);
        let client = tokio::spawn(async move {
            let _ = b.write_all(REQUEST).await;
            let mut response = Vec::new();
            let _ = b.read_to_end(&mut response).await;
            response
        });
        let mut left = polls;
        let accepted = {
            let mut accepting = pin!(websans_tokio::accept(a));
            poll_fn(|cx| match accepting.as_mut().poll(cx) {
                Poll::Ready(socket) => Poll::Ready(Some(socket)),
                Poll::Pending if left == 1 => Poll::Ready(None),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        };
        let done = accepted.is_some();
        drop(accepted);
        let response = client.await.unwrap();
        assert!(b"HTTP/1.1 101 ".starts_with(&response[..response.len().min(13)]));
        if done {
            assert!(polls > 5);
            return;
        }
        assert!(!response.ends_with(b"\r\n\r\n") || response.len() > 100);
    }
}

/// A `send` that was dropped before there was room has not been queued, whatever comes after it.
#[tokio::test(start_paused = true)]
async fn a_dropped_send_is_whole_or_not_at_all() {
    let (a, b) = tokio::io::duplex(10);
    let mut server = WebSocket::from_handshake(a, Role::Server, config(), Negotiated::default(), &[]);
    let mut client = WebSocket::from_handshake(b, keys(), config(), Negotiated::default(), &[]);
    let poll = |server: &mut WebSocket<DuplexStream>, message: Vec<u8>| {
        let waker = std::task::Waker::noop();
        pin!(server.send(message)).poll(&mut Context::from_waker(waker)).is_ready()
    };
    assert!(!poll(&mut server, payload(900))); // queued, not written
    assert!(!poll(&mut server, payload(800))); // no room
    assert!(!poll(&mut server, payload(50))); // queued
    assert_eq!(server.stats().messages_sent, 2);
    let flushing = tokio::spawn(async move {
        server.flush().await.unwrap();
        server
    });
    assert_eq!(owned(client.recv().await.unwrap()).unwrap(), payload(900));
    assert_eq!(owned(client.recv().await.unwrap()).unwrap(), payload(50));
    drop(flushing.await.unwrap());
    assert!(!matches!(client.recv().await, Err(Error::Protocol(_))));
}
