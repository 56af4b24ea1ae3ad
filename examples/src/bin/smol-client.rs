//! A client on smol, without an adapter: sends its words one by one, each after the answer to the one before, prints
//! the answers, and closes. Its loop is the library's.
//!
//! `cargo run -p websans-examples --bin smol-client -- ws://127.0.0.1:9001/ WORD...`

use std::env::args;
use std::error::Error;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Timer};
use websans::handshake::client::{Answer, Connector, Request};
use websans::{Clock, CloseCode, Config, Connection, Inbox, Message, Role, entropy};
use websans_examples::drive;

type Io = Async<TcpStream>;

fn main() -> Result<(), Box<dyn Error>> {
    let url = args().nth(1).ok_or("which URL?")?;
    let mut words = args().skip(2);
    // Says the next word, or that there are no more.
    let mut go_on = move |conn: &mut Connection| match words.next() {
        Some(word) => conn.send(word),
        None => conn.close(CloseCode::NORMAL, ""),
    };
    smol::block_on(async {
        let clock = Clock::new();
        let (io, mut opened) = connect(&url, clock).await?;
        go_on(&mut opened.0)?;
        let outcome = drive(&io, opened, clock, |conn, message| {
            match message {
                Message::Text(text) => println!("{text}"),
                Message::Binary(bytes) => println!("{} bytes", bytes.len()),
            }
            let _ = go_on(conn); // fails after a Close: nobody listens any more
        });
        println!("{}", outcome.await.ok_or("the reactor failed")?);
        Ok(())
    })
}

/// Connects, and does the opening handshake.
async fn connect(url: &str, clock: Clock) -> Result<(Arc<Io>, (Connection, Inbox)), Box<dyn Error>> {
    let config = Config::default();
    let request = Request::new(url, entropy::os_nonce()?)?;
    if request.url().is_secure() {
        return Err("this example has no TLS".into());
    }
    let stream = smol::net::TcpStream::connect((request.url().host(), request.url().port())).await?;
    stream.set_nodelay(true)?;
    let shared: Arc<Io> = stream.into();
    let mut io = &*shared;
    let mut out = Vec::new();
    request.write(&mut out);
    io.write_all(&out).await?;

    let mut connector = Connector::new(request, &config, clock.now());
    let answer = loop {
        if let Some(answer) = connector.poll(clock.now())? {
            break answer;
        }
        let deadline = Timer::after(clock.until(connector.deadline()));
        let read = io.read(connector.spare_mut()).or(async {
            deadline.await;
            Err(io::ErrorKind::TimedOut.into())
        });
        match read.await {
            Ok(0) => connector.eof(),
            Ok(n) => connector.filled(n),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {} // `poll` knows
            Err(error) => return Err(error.into()),
        }
    };
    let negotiated = match answer {
        Answer::Open(negotiated) => negotiated,
        Answer::Refused(refusal) => return Err(format!("refused with status {}", refusal.status).into()),
        _ => return Err("unknown answer".into()),
    };
    let role = Role::Client(entropy::os_mask_keys()?);
    let (conn, mut inbox) = websans::open(role, config, negotiated, clock.now());
    inbox.preload(&connector.into_rest());
    Ok((shared, (conn, inbox)))
}
