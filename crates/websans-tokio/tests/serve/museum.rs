//! Attacks on a server that listens.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use websans_tokio::{Config, Server};

use crate::support::{REQUEST, SOON, echo, start};

/// A hundred clients that send a byte now and then, over sockets: none is waited for longer than a handshake may take.
#[tokio::test]
async fn attack_03_a_byte_now_and_then() {
    let within = Duration::from_millis(500);
    let mut config = Config::default();
    config.handshake_within = within;
    let running = start(Server::new(config), echo).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut stream = running.connect().await;
        clients.push(tokio::spawn(async move {
            let begun = Instant::now();
            let mut answer = Vec::new();
            for byte in REQUEST.bytes() {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                let read = timeout(Duration::from_millis(50), stream.read_buf(&mut answer)).await;
                if let Ok(Ok(0) | Err(_)) = read {
                    break;
                }
            }
            (begun.elapsed(), answer)
        }));
    }
    for client in clients {
        let (took, answer) = timeout(SOON, client).await.expect("it is over").unwrap();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
        // A second is what a busy machine may add.
        assert!(took >= within && took < within + Duration::from_secs(2), "{took:?}");
    }
}
