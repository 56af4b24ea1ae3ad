//! A chat whose messages are compressed on either side: each text goes to everybody, encoded and compressed once. What
//! is secret is not compressed, and whoever leaves prints what compression has saved.
//!
//! `cargo run -p websans-examples --bin compressed-chat -- serve 127.0.0.1:9001`, and in other terminals
//! `cargo run -p websans-examples --bin compressed-chat -- join ws://127.0.0.1:9001/`.

use std::io::BufRead as _;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use websans_deflate::{Deflate, Settings};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{
    Client, CloseCode, Config, Error, Incoming, Message, Payload, Prepared, SendError, Stats, connect,
};

type News = broadcast::Sender<Prepared>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(TcpListener::bind(address).await?).await,
        ["join", url] => join(url).await,
        _ => Err("serve ADDRESS, or join URL".into()),
    }
}

async fn serve(listener: TcpListener) -> Result<(), Box<dyn std::error::Error>> {
    println!("listening on {}", listener.local_addr()?);
    let news = News::new(64);
    // One for all: connections share its pool and its budget. Without context takeover, the default, what goes to all is
    // compressed once for all, and an idle connection keeps no window.
    let mut settings = Settings::default();
    settings.threshold = 64; // what is said in a chat is short
    let deflate = Deflate::new(settings);
    for id in 1_u32.. {
        let (stream, _) = listener.accept().await?;
        let (news, deflate) = (news.clone(), deflate.clone());
        tokio::spawn(async move {
            if let Err(error) = guest(id, stream, news, &deflate).await {
                eprintln!("guest {id}: {error}");
            }
        });
    }
    Ok(())
}

async fn guest(id: u32, stream: TcpStream, news: News, deflate: &Deflate) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    // It is agreed on if the client offers it, too.
    let choice = Choice::new().deflate(deflate);
    let socket = Incoming::read(stream, Config::default()).await?.accept(&choice).await?;
    let (mut receiver, sender) = socket.split();
    let mut to_tell = news.subscribe();
    // Compressed, its length would tell what it resembles.
    let key = websans::entropy::os_nonce().map_err(std::io::Error::from)?;
    let secret = format!("your key, to come back with: {:032x}", u128::from_be_bytes(key));
    sender.send(Payload::from(secret).compress(false)).await?;

    let telling = tokio::spawn({
        let sender = sender.clone();
        async move {
            while let Ok(news) = to_tell.recv().await {
                sender.send_prepared(&news).await?;
            }
            // It has been too slow, and missed some.
            sender.start_close(CloseCode::TRY_AGAIN_LATER, "too slow").await
        }
    });
    while let Some(message) = receiver.recv().await? {
        if let Message::Text(text) = message {
            // Nobody may be left to hear it.
            let _ = news.send(Prepared::new(format!("guest {id}: {text}"))?);
        }
    }
    telling.abort();
    println!("guest {id} has left: {}", saved(&receiver.stats()));
    Ok(())
}

async fn join(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = connect(Client::new(url)?.deflate(Deflate::default())?).await?;
    let (typed, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    loop {
        tokio::select! {
            message = socket.recv() => match message? {
                Some(Message::Text(text)) => println!("{text}"),
                Some(Message::Binary(_)) => {}
                None => break,
            },
            line = lines.recv() => match line {
                Some(line) => match socket.send(line).await {
                    Err(Error::Send(SendError::Closing)) => {} // `recv` tells
                    sent => sent?,
                },
                None => drop(socket.close(CloseCode::NORMAL, "").await?),
            },
        }
    }
    println!("{}", saved(&socket.stats()));
    std::process::exit(0); // a read of standard input cannot be called off
}

fn saved(stats: &Stats) -> String {
    let Some(it) = stats.compression else { return "without compression".to_owned() };
    format!(
        "sent {} bytes as {}, received {} as {}",
        it.sent_plain, it.sent_compressed, it.received_plain, it.received_compressed
    )
}
