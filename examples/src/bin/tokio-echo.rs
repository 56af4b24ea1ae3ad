//! An echo server on tokio: a task for each connection.
//!
//! `cargo run -p websans-examples --bin tokio-echo -- 127.0.0.1:9001 [SECONDS]`: a client that is silent for so long is
//! asked whether it is there, and is given up when it is silent for as long again.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Config, Error, Incoming, Keepalive};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let listener = TcpListener::bind(arguments.next().ok_or("where to listen?")?).await?;
    let silence = Duration::from_secs(arguments.next().map_or(Ok(30), |seconds| seconds.parse())?);
    let mut config = Config::default();
    config.keepalive = Some(Keepalive { every: silence, within: silence });
    let config = Arc::new(config);
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Too many files are open, most likely.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            if let Err(error) = echo(stream, config).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn echo(stream: TcpStream, config: Arc<Config>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let socket = Incoming::read(stream, config).await?.accept(&Choice::new()).await?;
    // A message is lent by the one half and goes to the other without a copy in between.
    let (mut receiver, sender) = socket.split();
    while let Some(message) = receiver.recv().await? {
        // It leaves when the receiver waits: with all that arrived at the same time.
        sender.feed(message).await?;
    }
    Ok(())
}
