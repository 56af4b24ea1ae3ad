//! A WebSocket echo at `/ws` and a page to try it from: the sample app of websans.

mod app;
mod background;
mod echo;
mod listen;
mod log;
mod options;
mod serve;
mod signals;
mod tls;
mod transport;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use websans_tower::WebSocketLayer;

use app::App;
use background::Background;
use log::Log;
use options::Options;
use serve::Server;

/// For clients to answer a Close, and for answers under way to be read.
const GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match start(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<(), Box<dyn Error>> {
    let listeners = listen::listeners(&options.listen)?;
    let log = Log::start()?;
    let ended = Runtime::new()?.block_on(run(options, listeners, &log));
    log.flush(Duration::from_millis(200));
    ended
}

/// Serves until a signal comes, and for as long afterwards as it takes to tell everybody.
async fn run(
    options: &Options,
    listeners: Vec<std::net::TcpListener>,
    log: &Log,
) -> Result<(), Box<dyn Error>> {
    let tls = options.tls().map(|(certificates, key)| tls::acceptor(certificates, key)).transpose()?;
    let s = if tls.is_some() { "s" } else { "" };
    let layer = WebSocketLayer::new(options.websocket());
    let sockets = layer.sockets();
    let background = options.background.then(|| Background::start(log.clone()));
    let app = App { log: log.clone(), background };
    let server = Arc::new(Server::new(app.router(layer), tls, log.clone()));
    let ended = signals::ended()?;

    let (going, told) = watch::channel(false);
    for listener in listeners {
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(Arc::clone(&server).serve(listener, told.clone()));
        log.line(format_args!(
            "a page at http{s}://{address}/ and an echo at ws{s}://{address}/ws; Ctrl-C ends it"
        ));
    }
    drop(told);

    ended.await;
    going.send_replace(true);
    // Sockets over HTTP/2 end with their connections, and those with their last socket: both are waited for together.
    let _ = timeout(GRACE, async { tokio::join!(sockets.shutdown(GRACE), going.closed()) }).await;
    Ok(())
}
