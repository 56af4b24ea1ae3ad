//! The quiet clients.

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use websans_tokio::{Client, Error, Transport, WebSocket, connect};
use websans_trials::Failure;

/// Over how long the clients' messages of one round are spread.
pub(crate) const ROUND: Duration = Duration::from_secs(2);
/// An echo that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client sends.
const MESSAGE: &str = "as quiet as a mouse";

/// Opens so many connections and says `ready`. For each line of its input, each client sends one message and waits for the
/// echo; the round-trip times in microseconds, all in one line, are the answer.
pub(crate) fn run(address: SocketAddr, count: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::new(&format!("ws://{address}/"))?;
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(Some(connect(&client).await?));
        }
        println!("ready");
        let (lines, mut orders) = mpsc::channel(1);
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(io::Result::ok) {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        while orders.recv().await.is_some() {
            let times = round(&mut clients).await?;
            let times: Vec<String> = times.iter().map(|time| time.as_micros().to_string()).collect();
            println!("{}", times.join(" "));
        }
        Ok(())
    })
}

/// One message of each client, evenly spread.
async fn round(clients: &mut [Option<WebSocket<Transport>>]) -> Result<Vec<Duration>, Failure> {
    let start = tokio::time::Instant::now();
    let pace = ROUND / u32::try_from(clients.len())?;
    let mut trips = JoinSet::new();
    for (index, client) in clients.iter_mut().enumerate() {
        let mut socket = client.take().ok_or("a client is missing")?;
        let at = start + pace * u32::try_from(index)?;
        trips.spawn(async move {
            sleep_until(at).await;
            let took = timeout(PATIENCE, trip(&mut socket)).await;
            (index, socket, took)
        });
    }
    let mut times = Vec::new();
    while let Some(trip) = trips.join_next().await {
        let (index, socket, took) = trip?;
        times.push(took??);
        clients[index] = Some(socket);
    }
    Ok(times)
}

async fn trip(socket: &mut WebSocket<Transport>) -> Result<Duration, Error> {
    let start = Instant::now();
    socket.send(MESSAGE).await?;
    socket.recv().await?;
    Ok(start.elapsed())
}
