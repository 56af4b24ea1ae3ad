//! A dialling that is dropped, after however many polls, leaves nothing behind.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websans_dial::{Proxy, Turns};
use websans_tokio::{Client, connect};

use crate::servers::{LONG, Log, carry, full, head, respond, serve};
use crate::tls::{authority, trusting};

/// Polls `dialling` up to `most` times and drops it; whether it had ended.
async fn poll_and_drop<F: Future>(dialling: F, most: usize) -> bool {
    let mut dialling = pin!(dialling);
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        if polls == most {
            return std::task::Poll::Ready(false);
        }
        polls += 1;
        dialling.as_mut().poll(cx).map(|_| true)
    })
    .await
}

/// Waits until no connection is open.
async fn all_gone(open: &AtomicUsize) {
    let begun = Instant::now();
    while open.load(Ordering::SeqCst) > 0 {
        assert!(begun.elapsed() < LONG, "a connection was left behind");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn dropping_it_at_any_poll_leaves_nothing() {
    // Everything that a dialling can go through: a proxy, TLS, a redirection, TLS again.
    let tls_server = crate::tls::echo(authority(), "example.com").await;
    let first = respond(
        format!("HTTP/1.1 302 There\r\nLocation: wss://example.com:{}/\r\n\r\n", tls_server.port()),
        &Log::default(),
    )
    .await;
    let open = Arc::new(AtomicUsize::new(0));
    let proxied = open.clone();
    let proxy = serve(move |mut stream| {
        let open = proxied.clone();
        open.fetch_add(1, Ordering::SeqCst);
        async move {
            if let Some(head) = head(&mut stream).await {
                let target = head.split(' ').nth(1).unwrap().replace("example.com", "127.0.0.1");
                if stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
                    carry(stream, &target).await;
                }
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let turns = Turns::default();
    let client = Client::new(&format!("ws://{first}/")).unwrap().redirects(1).turns(turns.clone());
    let client = client.proxy(Proxy::parse(&format!("http://{proxy}")).unwrap()).tls(trusting(authority()));

    let mut most = 0;
    while !poll_and_drop(connect(&client), most).await {
        assert!(format!("{turns:?}").contains("taken: 0"), "after {most} polls: {turns:?}");
        all_gone(&open).await;
        most += 1;
        assert!(most < 200, "it does not end");
    }
    assert!(most > 8, "{most} polls cannot have passed through all of it");
    all_gone(&open).await;
}

#[tokio::test]
async fn attempts_that_lose_are_dropped() {
    let dead = full().await;
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    let server = serve(move |mut stream| {
        let open = counted.clone();
        open.fetch_add(1, Ordering::SeqCst);
        async move {
            let _ = stream.read(&mut [0; 1]).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            while stream.read(&mut [0; 512]).await.is_ok_and(|n| n > 0) {}
            open.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let turns = Turns::default();
    let client =
        Client::new("ws://example.com/").unwrap().addresses([dead.address, server]).turns(turns.clone());
    let late = tokio::time::timeout(Duration::from_millis(600), connect(&client)).await;
    assert!(late.is_err());
    assert!(format!("{turns:?}").contains("taken: 0"), "{turns:?}");
    all_gone(&open).await;
}
