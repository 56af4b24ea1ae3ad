//! `std-client --url URL --agent NAME [--jobs N] [--certificates DIR]`: runs the suite's cases as a client over
//! blocking sockets. The server of a `wss` URL is recognized by the certificate in DIR.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

use websans_std::{Client, Message, connect};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["url", "agent", "jobs", "certificates"])?;
    let url = arguments.get("url").ok_or("missing --url URL")?.trim_end_matches('/');
    let agent = arguments.get("agent").ok_or("missing --agent NAME")?;
    let jobs = arguments.get("jobs").map_or(Ok(1), |jobs| jobs.parse::<usize>())?;
    let tls =
        arguments.get("certificates").map(|directory| websans_autobahn::trust(directory)).transpose()?;
    let config = std::sync::Arc::new(websans_autobahn::config());
    let deflate = websans_autobahn::deflate();
    let client = |path: &str| -> Result<Client, websans_std::Error> {
        let client = Client::new(&format!("{url}/{path}"))?.config(config.clone()).deflate(&deflate)?;
        Ok(match &tls {
            None => client,
            Some(tls) => client.tls(tls.clone()),
        })
    };

    let mut socket = connect(client("getCaseCount")?)?;
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
                    if let Err(error) = client(&format!("runCase?case={case}&agent={agent}")).and_then(run) {
                        eprintln!("case {case}: {error}");
                    }
                }
            });
        }
    });

    let mut socket = connect(client(&format!("updateReports?agent={agent}"))?)?;
    while socket.recv()?.is_some() {}
    Ok(())
}

fn run(client: Client) -> Result<(), websans_std::Error> {
    let (mut receiver, sender) = connect(client)?.split()?;
    while let Some(message) = receiver.recv()? {
        sender.send(message)?;
    }
    Ok(())
}
