//! `std-client --url URL --agent NAME [--jobs N]`: runs the suite's cases as a client over blocking sockets.

use std::error::Error;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use websans_std::{Client, Config, Message, WebSocket};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["url", "agent", "jobs"])?;
    let url = arguments.get("url").ok_or("missing --url URL")?.trim_end_matches('/');
    let agent = arguments.get("agent").ok_or("missing --agent NAME")?;
    let jobs = arguments.get("jobs").map_or(Ok(1), |jobs| jobs.parse::<usize>())?;
    let config = Arc::new(websans_autobahn::config());

    let mut socket = connect(&format!("{url}/getCaseCount"), &config)?;
    let count: usize = match socket.recv()? {
        Some(Message::Text(count)) => count.trim().parse()?,
        other => return Err(format!("no case count but {other:?}").into()),
    };
    while socket.recv()?.is_some() {}

    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let case = next.fetch_add(1, Ordering::Relaxed);
                    if case > count {
                        return;
                    }
                    // The suite breaks the rules on purpose.
                    if let Err(error) = run(&format!("{url}/runCase?case={case}&agent={agent}"), &config) {
                        eprintln!("case {case}: {error}");
                    }
                }
            });
        }
    });

    let mut socket = connect(&format!("{url}/updateReports?agent={agent}"), &config)?;
    while socket.recv()?.is_some() {}
    Ok(())
}

fn connect(url: &str, config: &Arc<Config>) -> Result<WebSocket<TcpStream>, websans_std::Error> {
    Client::new(url)?.config(Arc::clone(config)).connect()
}

fn run(url: &str, config: &Arc<Config>) -> Result<(), websans_std::Error> {
    let (mut receiver, sender) = connect(url, config)?.split()?;
    while let Some(message) = receiver.recv()? {
        sender.send(message)?;
    }
    Ok(())
}
