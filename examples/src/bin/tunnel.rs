//! A tunnel on tokio: TCP connections pass through WebSockets.
//!
//! `cargo run -p websans-examples --bin tunnel -- exit 127.0.0.1:9001 localhost:22`, and on the other side
//! `cargo run -p websans-examples --bin tunnel -- entry 127.0.0.1:2222 ws://127.0.0.1:9001/`
//!
//! Each direction is one binary message, written as it comes about and read as it arrives: of any length, in a few KiB of
//! memory. Its end is the end of that direction, so either side may end before the other.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use websans_tokio::handshake::server::{Choice, Response};
use websans_tokio::{Client, CloseCode, Config, Incoming, Kind, WebSocket, connect};

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [side, listen, to] = &arguments[..] else {
        return Err("which side, where to listen, where to go?".into());
    };
    let is_entry = match side.as_str() {
        "entry" => true,
        "exit" => false,
        _ => return Err("a tunnel has an entry and an exit".into()),
    };
    let listener = TcpListener::bind(listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Too many files are open, most likely.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let to = to.clone();
        tokio::spawn(async move {
            let passed = if is_entry { enter(stream, &to).await } else { leave(stream, &to).await };
            if let Err(error) = passed {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// From TCP into a WebSocket.
async fn enter(stream: TcpStream, url: &str) -> Outcome {
    let socket = connect(Client::new(url)?.config(config())).await?;
    pass(stream, socket).await
}

/// From a WebSocket to TCP.
async fn leave(stream: TcpStream, target: &str) -> Outcome {
    let incoming = Incoming::read(stream, config()).await?;
    // Before the answer, so that the other side learns at once whether there is somebody.
    let target = match TcpStream::connect(target).await {
        Ok(target) => target,
        Err(error) => {
            let mut incoming = incoming;
            incoming.respond(&Response::new(502)?).await?;
            return Err(error.into());
        }
    };
    pass(target, incoming.accept(&Choice::new()).await?).await
}

fn config() -> Config {
    let mut config = Config::default();
    config.max_streamed = u64::MAX;
    config
}

/// Both directions, until both have ended.
async fn pass<S: AsyncRead + AsyncWrite + Unpin>(mut stream: TcpStream, socket: WebSocket<S>) -> Outcome {
    stream.set_nodelay(true)?;
    let (mut from_stream, mut to_stream) = stream.split();
    let (mut receiver, mut sender) = socket.split();
    let (done, both_done) = oneshot::channel();
    let outbound = async {
        let mut message = sender.writer(Kind::Binary)?;
        copy(&mut from_stream, &mut message).await?;
        message.finish().await?;
        drop(message);
        both_done.await?;
        sender.close(CloseCode::NORMAL, "").await?;
        Outcome::Ok(())
    };
    let inbound = async {
        let mut message = receiver.reader().await?.ok_or("the other side has gone")?;
        copy(&mut message, &mut to_stream).await?;
        to_stream.shutdown().await?;
        let _ = done.send(());
        // Nothing more is to come, but Pings are to be answered.
        while receiver.recv().await?.is_some() {}
        Ok(())
    };
    // The first failure ends both, and with that both connections.
    tokio::try_join!(outbound, inbound)?;
    Ok(())
}
