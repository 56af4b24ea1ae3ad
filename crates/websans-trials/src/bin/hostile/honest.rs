//! The honest clients.

use std::fmt;
use std::io::{self, BufRead as _};
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use websans_tokio::{Client, Error, Message, Transport, WebSocket, connect};
use websans_trials::Failure;
use websans_trials::times::Rounds;

use crate::server::PATH;

/// How often each client sends a message; those of all clients are spread over it.
pub(crate) const ROUND: Duration = Duration::from_secs(2);
/// Who waits for longer has lost its connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the clients have seen in some rounds, as a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Connections that have been lost, from the beginning on.
    pub(crate) lost: usize,
    /// Echoes that were none.
    pub(crate) wrong: usize,
    /// Round-trip times in microseconds.
    pub(crate) times: Rounds,
}

impl FromStr for Seen {
    type Err = Failure;

    fn from_str(line: &str) -> Result<Self, Failure> {
        let (lost, rest) = line.split_once(' ').ok_or("no lost connections")?;
        let (wrong, times) = rest.split_once(' ').ok_or("no wrong echoes")?;
        Ok(Self { lost: lost.parse()?, wrong: wrong.parse()?, times: Rounds::parse(times)? })
    }
}

/// A line of what has been seen, before times are sorted.
#[derive(Default)]
struct Seeing {
    lost: usize,
    wrong: usize,
    rounds: Vec<Vec<u128>>,
}

impl fmt::Display for Seeing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.lost, self.wrong)?;
        for (index, round) in self.rounds.iter().enumerate() {
            f.write_str(if index > 0 { ";" } else { "" })?;
            round.iter().try_for_each(|time| write!(f, "{time} "))?;
        }
        Ok(())
    }
}

/// Opens so many connections and says `ready`, then does one round after the other. A line of its input is the number of rounds
/// from the next one on of which it says what was seen.
pub(crate) fn run(address: SocketAddr, count: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::new(&format!("ws://{address}{PATH}"))?;
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(Some(connect(&client).await?));
        }
        println!("ready");
        let (lines, mut orders) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(io::Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut number = 0_u64;
        loop {
            let rounds = match orders.try_recv() {
                Ok(line) => line.parse()?,
                Err(mpsc::error::TryRecvError::Empty) => 0,
                Err(mpsc::error::TryRecvError::Disconnected) => return Ok(()),
            };
            let mut seeing = Seeing::default();
            for _ in 0..rounds.max(1) {
                round(&mut clients, number, &mut seeing).await?;
                number += 1;
            }
            if rounds > 0 {
                seeing.lost = clients.iter().filter(|client| client.is_none()).count();
                println!("{seeing}");
            }
        }
    })
}

/// One message of each client, evenly spread.
async fn round(
    clients: &mut [Option<WebSocket<Transport>>],
    number: u64,
    seeing: &mut Seeing,
) -> Result<(), Failure> {
    let start = tokio::time::Instant::now();
    let pace = ROUND / u32::try_from(clients.len())?;
    let (mut trips, mut times) = (JoinSet::new(), Vec::new());
    for (index, client) in clients.iter_mut().enumerate() {
        let Some(mut socket) = client.take() else { continue };
        let at = start + pace * u32::try_from(index)?;
        trips.spawn(async move {
            sleep_until(at).await;
            let message = format!("message {number} of client {index}");
            let tripped = timeout(PATIENCE, trip(&mut socket, &message)).await;
            (index, socket, tripped)
        });
    }
    while let Some(tripped) = trips.join_next().await {
        let (index, socket, tripped) = tripped?;
        match tripped {
            Ok(Ok((took, right))) => {
                times.push(took.as_micros());
                seeing.wrong += usize::from(!right);
                clients[index] = Some(socket);
            }
            Ok(Err(error)) => eprintln!("honest client {index}: {error}"),
            Err(_) => eprintln!("honest client {index}: no echo within {} s", PATIENCE.as_secs()),
        }
    }
    seeing.rounds.push(times);
    sleep_until(start + ROUND).await;
    Ok(())
}

/// How long an echo took, and whether it was one.
async fn trip(socket: &mut WebSocket<Transport>, message: &str) -> Result<(Duration, bool), Error> {
    let start = Instant::now();
    socket.send(message).await?;
    let Some(echo) = socket.recv().await? else {
        return Err(io::Error::other("the server has closed the connection").into());
    };
    Ok((start.elapsed(), echo == Message::Text(message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let seeing = Seeing { lost: 1, wrong: 2, rounds: vec![vec![50, 40], vec![30]] };
        let expected = Seen { lost: 1, wrong: 2, times: Rounds::parse("40 50;30").unwrap() };
        assert_eq!(seeing.to_string().parse::<Seen>().unwrap(), expected);
        let nobody = Seeing { lost: 1, wrong: 0, rounds: vec![vec![], vec![]] };
        assert!(nobody.to_string().parse::<Seen>().unwrap().times.is_empty());
        assert!("1".parse::<Seen>().is_err());
        assert!("1 x 3".parse::<Seen>().is_err());
    }
}
