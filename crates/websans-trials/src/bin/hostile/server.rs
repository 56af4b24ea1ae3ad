//! The server on trial.

use std::fs;
use std::io::{self, BufRead as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use peak_alloc::PeakAlloc;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use websans_deflate::Deflate;
use websans_tokio::handshake::server::Choice;
use websans_tokio::{CloseCode, Config, Error, Incoming, Keepalive, Message, SendError, Served, serve};
use websans_tower::{Options, Sockets, WebSocketLayer};
use websans_trials::Failure;

use crate::app::App;
use crate::holding::Holding;
use crate::log::Log;
use crate::options::Adapter;
use crate::serve::Server;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Small, so that the bound on what an attacker may cost bites.
pub(crate) const MAX_MESSAGE: usize = 64 << 10;
const MAX_OUTBOX: usize = 32 << 10;
/// Short, so that one trial sees all of them pass. That for a handshake is the sample app's, and the default.
pub(crate) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(3);
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Keepalive = Keepalive { every: Duration::from_secs(5), within: Duration::from_secs(3) };

/// What the system buffers for a connection, each way. It would grow to 4 MiB for a client that does not read, a thousand of which
/// have more than the system allows for all connections together (`tcp_mem`); from there on it is the system that keeps others
/// waiting.
const SYSTEM_BUFFERS: u32 = 64 << 10;
/// As tokio's.
const BACKLOG: u32 = 1024;

/// Where WebSockets are served.
pub(crate) const PATH: &str = "/ws";

/// Serves, and says on which address. Each line of the input is answered with what the server holds; `mark` begins a new peak.
pub(crate) fn run(adapter: Adapter, places: usize) -> Result<(), Failure> {
    // As the sample app's.
    let runtime = tokio::runtime::Runtime::new()?;
    let (address, count) = runtime.block_on(async { start(adapter, places) })?;
    println!("{address}");
    for line in io::stdin().lock().lines() {
        if line? == "mark" {
            HEAP.reset_peak_usage();
        }
        let holding = Holding {
            heap: HEAP.current_usage(),
            peak: HEAP.peak_usage(),
            files: fs::read_dir("/proc/self/fd")?.count(),
            sockets: count.now(),
        };
        println!("{holding}");
    }
    Ok(())
}

fn start(adapter: Adapter, places: usize) -> Result<(SocketAddr, Count), Failure> {
    let listener = listen()?;
    let address = listener.local_addr()?;
    let count = match adapter {
        Adapter::Tower => tower(listener, places),
        Adapter::Tokio => tokio(listener, places),
    };
    Ok((address, count))
}

/// Listens. What the system buffers for a connection is bounded.
fn listen() -> Result<TcpListener, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SYSTEM_BUFFERS)?;
    socket.set_recv_buffer_size(SYSTEM_BUFFERS)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(socket.listen(BACKLOG)?)
}

fn limit(config: &mut Config) {
    config.max_message = MAX_MESSAGE as u64;
    config.max_outbox = MAX_OUTBOX;
    config.handshake_within = HANDSHAKE_WITHIN;
    config.write_stall = WRITE_STALL;
    config.close_within = CLOSE_WITHIN;
    config.keepalive = Some(KEEP_ALIVE);
}

/// The sample app's server.
fn tower(listener: TcpListener, places: usize) -> Count {
    let deflate = &Deflate::default();
    let options = Options::new().path(PATH).limits(limit).max_connections(places).deflate(deflate);
    let layer = WebSocketLayer::new(options);
    let sockets = layer.sockets();
    let app = App { log: Log, background: None };
    let server = Arc::new(Server::new(app.router(layer), None, Log));
    tokio::spawn(async move {
        // Nobody tells it to end.
        let (_going, told) = watch::channel(false);
        server.serve(listener, told).await;
    });
    Count::Sockets(sockets)
}

/// The server of the adapter for tokio.
fn tokio(listener: TcpListener, places: usize) -> Count {
    let (open, deflate) = (Arc::new(AtomicUsize::new(0)), Deflate::default());
    let count = Count::Handlers(Arc::clone(&open));
    let handler = move |incoming| echo(incoming, deflate.clone(), Handler::new(&open));
    let mut config = Config::default();
    limit(&mut config);
    let server = websans_tokio::Server::new(config).max_connections(places);
    tokio::spawn(serve(listener, server, handler));
    count
}

/// Does as the sample app does.
async fn echo(incoming: Incoming<Served>, deflate: Deflate, _handler: Handler) -> Result<(), Error> {
    let (mut receiver, sender) = incoming.accept(&Choice::new().deflate(&deflate)).await?.split();
    while let Some(message) = receiver.recv().await? {
        let done = match message {
            Message::Text("ServerClose") => {
                sender.start_close(CloseCode::NORMAL, "Closing from server").await
            }
            message => sender.send(message).await,
        };
        match done {
            Ok(()) | Err(Error::Send(SendError::Closing)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How many connections there are.
enum Count {
    Sockets(Sockets),
    Handlers(Arc<AtomicUsize>),
}

impl Count {
    fn now(&self) -> usize {
        match self {
            Self::Sockets(sockets) => sockets.len(),
            Self::Handlers(open) => open.load(Ordering::Relaxed),
        }
    }
}

/// A handler that is counted.
struct Handler(Arc<AtomicUsize>);

impl Handler {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
