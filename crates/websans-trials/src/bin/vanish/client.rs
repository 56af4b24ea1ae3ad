//! The clients: a process of its own, at the far end.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use websans_tokio::{Client, Config, WebSocket, handshake};

use crate::Failure;
use crate::server::Habit;

/// How long a client takes over a message. The server sends as fast as it is read, so it always waits to send more.
const PACE: Duration = Duration::from_millis(20);
/// What a client's system receives ahead of it. With the megabytes that it would grow to, the server's could send nothing for
/// seconds at a time.
const AHEAD: u32 = 64 << 10;

/// Opens so many connections for each habit of the server's, says `ready` and lives until its input ends.
pub(crate) fn run(address: SocketAddr, count: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // It is the server's keep-alive that is on trial.
        let mut config = Config::default();
        config.keepalive = None;
        // Dropped at the end: the connections close, or try to.
        let mut open = JoinSet::new();
        // One by one: of many packets for an address that is not resolved yet some are dropped, and sent again after a second.
        for path in Habit::ALL.iter().flat_map(|habit| vec![habit.path(); count]) {
            let client = Client::new(&format!("ws://{address}{path}"))?.config(config.clone());
            let mut socket = connect(address, &client).await?;
            open.spawn(async move {
                while let Ok(Some(_)) = socket.recv().await {
                    sleep(PACE).await;
                    if socket.send("got it").await.is_err() {
                        break;
                    }
                }
            });
        }
        println!("ready");
        tokio::task::spawn_blocking(|| io::stdin().read(&mut [0])).await??;
        Ok(())
    })
}

/// Opens a connection and waits for a first message, which is the answer to this one or comes by itself.
async fn connect(address: SocketAddr, client: &Client) -> Result<WebSocket<TcpStream>, websans_tokio::Error> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(AHEAD)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let mut socket = handshake(stream, client).await?;
    socket.send("hello").await?;
    socket.recv().await?;
    Ok(socket)
}
