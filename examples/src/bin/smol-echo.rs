//! An echo server on smol, without an adapter: a task for each connection. Its loop is the library's.
//!
//! `cargo run -p websans-examples --bin smol-echo -- 127.0.0.1:9001 [SECONDS]`: a client that is silent for so long is
//! asked whether it is there, and is given up when it is silent for as long again.

use std::env::args;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Timer};
use websans::handshake::server::{Acceptor, Choice};
use websans::{Clock, Config, Connection, Inbox, Keepalive, Role};
use websans_examples::drive;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = args().nth(1).ok_or("where to listen?")?.parse()?;
    let silence = Duration::from_secs(args().nth(2).map_or(Ok(30), |seconds| seconds.parse())?);
    let mut config = Config::default();
    config.keepalive = Some(Keepalive { every: silence, within: silence });
    let config = Arc::new(config);
    smol::block_on(async {
        let listener = Async::<TcpListener>::bind(address)?;
        println!("listening on {}", listener.get_ref().local_addr()?);
        loop {
            match listener.accept().await {
                Ok((io, _)) => smol::spawn(serve(io, Arc::clone(&config))).detach(),
                // Too many files are open, most likely.
                Err(_) => _ = Timer::after(Duration::from_millis(100)).await,
            }
        }
    })
}

async fn serve(mut io: Async<TcpStream>, config: Arc<Config>) {
    let _ = io.get_ref().set_nodelay(true); // fails if the client has gone
    let clock = Clock::new();
    if let Ok(Some(opened)) = accept(&mut io, config, clock).await {
        drive(&io, opened, clock, |conn, message| {
            let _ = conn.send(message); // fails after a Close: nobody listens any more
        })
        .await;
    }
}

/// The opening handshake. `None`: the request was none for a WebSocket, and has been answered.
async fn accept(
    io: &mut Async<TcpStream>,
    config: Arc<Config>,
    clock: Clock,
) -> io::Result<Option<(Connection, Inbox)>> {
    let mut acceptor = Acceptor::new(&config, clock.now());
    while acceptor.poll(clock.now()) == Ok(false) {
        let deadline = Timer::after(clock.until(acceptor.deadline()));
        let read = io.read(acceptor.spare_mut()).or(async {
            deadline.await;
            Err(io::ErrorKind::TimedOut.into())
        });
        match read.await {
            Ok(0) => acceptor.eof(),
            Ok(n) => acceptor.filled(n),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {} // `poll` knows
            Err(error) => return Err(error),
        }
    }
    let mut answer = Vec::new();
    let request = acceptor.request();
    let accepted = request.and_then(|request| Ok(request.check()?.accept(&Choice::new(), &mut answer)));
    let _ = accepted.as_ref().inspect_err(|error| error.respond(&mut answer));
    io.write_all(&answer).await?;
    let Ok(Ok(negotiated)) = accepted else { return Ok(None) };
    let (conn, mut inbox) = websans::open(Role::Server, config, negotiated, clock.now());
    inbox.preload(&acceptor.into_rest());
    Ok(Some((conn, inbox)))
}
