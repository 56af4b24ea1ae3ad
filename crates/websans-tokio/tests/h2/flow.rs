//! Flow control: who does not read slows down whoever writes to it, and nobody else.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};
use websans_tokio::h2::{H2Stream, connect};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Cause, CloseCode, Config, Error, Message, WebSocket};

use crate::support::{LONG, accept, echo, over_tcp, piped, raw, request, status};

/// The window of a stream unless its owner wants another.
const WINDOW: u64 = 65_535;

#[tokio::test]
async fn a_reader_that_does_not_read_stalls_its_own_stream() {
    let (send, mut progress) = tokio::sync::mpsc::unbounded_channel();
    let mut requests = over_tcp(move |asked| {
        let send = send.clone();
        async move {
            if asked.0.uri().path() != "/flood" {
                return echo(asked).await;
            }
            let mut socket = accept(asked, &Choice::new(), Config::default()).unwrap();
            let part = vec![1; 10_000];
            for n in 1..=60_u64 {
                socket.send(&part[..]).await.unwrap();
                send.send(n).unwrap();
            }
            while let Ok(Some(_)) = socket.recv().await {}
        }
    })
    .await;
    let flood = websans_tokio::handshake::client::Request::new("wss://example.com/flood", [0; 16]).unwrap();
    let mut flooded = connect(&mut requests, flood, Config::default()).await.unwrap();
    let mut lively = connect(&mut requests, request(), Config::default()).await.unwrap();

    // The flood comes to a halt within its own window, which holds six messages, as nobody reads it.
    for n in 1..=6 {
        assert_eq!(timeout(LONG, progress.recv()).await.unwrap(), Some(n));
    }
    assert!(timeout(Duration::from_millis(300), progress.recv()).await.is_err());

    // Meanwhile the other stream of the same connection moves many times as much.
    let text = "y".repeat(50_000);
    for _ in 0..20 {
        lively.send(&text[..]).await.unwrap();
        assert_eq!(timeout(LONG, lively.recv()).await.unwrap().unwrap(), Some(Message::Text(&text)));
    }
    assert!(progress.try_recv().is_err(), "the flood has not moved");

    // Whoever reads again gets all of it.
    for _ in 0..60 {
        let Some(Message::Binary(part)) = timeout(LONG, flooded.recv()).await.unwrap().unwrap() else {
            panic!("no binary message");
        };
        assert!(part.len() == 10_000 && part.iter().all(|&byte| byte == 1));
    }
    assert!(flooded.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    assert!(lively.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

#[tokio::test]
async fn a_writer_waits_for_the_window() {
    let (mut requests, mut streams) = raw().await;
    let client =
        tokio::spawn(async move { connect(&mut requests, request(), Config::default()).await.unwrap() });
    let (request, mut respond) = streams.recv().await.unwrap();
    let _outgoing = respond.send_response(crate::support::status(200), false).unwrap();
    let mut socket = client.await.unwrap();
    let mut incoming = request.into_body();

    socket.feed(&vec![0; 200_000][..]).await.unwrap();
    writes(&mut socket, WINDOW).await;

    // What is read and not released opens no window; what is released does, byte by byte.
    let mut read = 0;
    while read < WINDOW {
        read += incoming.data().await.unwrap().unwrap().len() as u64;
    }
    writes(&mut socket, WINDOW).await;
    incoming.flow_control().release_capacity(40_000).unwrap();
    writes(&mut socket, WINDOW + 40_000).await;
}

/// Writes so many bytes, as counted from the beginning, and no more however long there is.
async fn writes(socket: &mut WebSocket<H2Stream>, bytes: u64) {
    let all = async {
        while socket.stats().bytes_sent < bytes {
            let _ = timeout(Duration::from_millis(10), socket.flush()).await;
        }
    };
    timeout(LONG, all).await.unwrap();
    assert!(timeout(Duration::from_millis(200), socket.flush()).await.is_err());
    assert_eq!(socket.stats().bytes_sent, bytes);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_given_up() {
    let mut requests = piped(|asked| async {
        let _socket = accept(asked, &Choice::new(), Config::default()).unwrap();
        sleep(LONG).await;
    })
    .await;
    let mut config = Config::default();
    config.write_stall = Duration::from_millis(200);
    let mut socket = connect(&mut requests, request(), config).await.unwrap();
    let error = timeout(LONG, socket.send(&vec![0; 1 << 20][..])).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    assert_eq!(socket.outcome().unwrap().cause, Cause::WriteStall);
}

/// The same with a peer that ends its side first. A poll that never returns would keep the runtime from its timers, so another
/// thread watches.
#[test]
fn a_peer_that_ends_its_side_and_never_reads_is_given_up() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for closes in [false, true] {
            runtime.block_on(async {
                let (mut requests, mut streams) = raw().await;
                let mut config = Config::default();
                config.write_stall = Duration::from_millis(200);
                let opening = tokio::spawn(async move {
                    let socket = connect(&mut requests, request(), config).await.unwrap();
                    (requests, socket)
                });
                let (asked, mut respond) = streams.recv().await.unwrap();
                let mut outgoing = respond.send_response(status(200), false).unwrap();
                let (_requests, mut socket) = opening.await.unwrap();
                outgoing.send_data(Bytes::new(), true).unwrap();
                socket.feed(&vec![0; 200_000][..]).await.unwrap();
                if closes {
                    socket.close(CloseCode::NORMAL, "").await.unwrap();
                }
                assert!(socket.recv().await.unwrap().is_none());
                assert!(socket.recv().await.unwrap().is_none());
                drop(asked);
            });
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(LONG).expect("it has an end");
}

/// What one stream has asked for and does not use, others can have.
#[tokio::test]
async fn a_window_is_not_kept_from_others() {
    // A connection whose window is not larger than that of one stream.
    let (a, b) = tokio::io::duplex(1 << 20);
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    crate::support::serve(a, builder, echo);
    let mut requests = crate::support::client(b).await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(connect(&mut requests, request(), Config::default()).await.unwrap());
    }
    let text = "z".repeat(30_000);
    for _ in 0..3 {
        for socket in &mut sockets {
            socket.send(&text[..]).await.unwrap();
        }
        for socket in &mut sockets {
            assert_eq!(timeout(LONG, socket.recv()).await.unwrap().unwrap(), Some(Message::Text(&text)));
        }
    }
}
