//! A client that connects again whenever its connection has ended, and asks for what it has missed: it says how many
//! messages it has had. It ends when the server says that it need not come back.
//!
//! `cargo run -p websans-examples --bin reconnect -- ws://127.0.0.1:9001/ [SECONDS]`: the first wait is random, and at most
//! so long; those after it may be twice as long each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use websans_tokio::backoff::Backoff;
use websans_tokio::{Client, Message, Reconnect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let client = Client::new(&arguments.next().ok_or("which URL?")?)?;
    let mut backoff = Backoff::new();
    if let Some(seconds) = arguments.next() {
        backoff.first = Duration::try_from_secs_f64(seconds.parse()?)?;
    }
    let had = Arc::new(AtomicU64::new(0));
    let last = Arc::clone(&had);
    let mut news = Reconnect::new(client)
        .backoff(backoff)
        .on_connect(move |socket| {
            let request = format!("after {}", last.load(Relaxed));
            Box::pin(async move { socket.send(request).await })
        })
        .on_event(|event| eprintln!("{event}"));
    while let Some(message) = news.recv().await? {
        match message {
            Message::Text(text) => println!("{text}"),
            Message::Binary(bytes) => println!("{} bytes", bytes.len()),
        }
        had.fetch_add(1, Relaxed);
    }
    if let Some(outcome) = news.outcome() {
        println!("{outcome}");
    }
    Ok(())
}
