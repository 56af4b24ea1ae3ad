//! `tokio-client --url URL --agent NAME [--jobs N] [--certificates DIR]`: runs the suite's cases as a client over
//! tokio. The server of a `wss` URL is recognized by the certificate in DIR.

use std::error::Error;

use tokio::task::JoinSet;
use websans_tokio::{Client, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["url", "agent", "jobs", "certificates"])?;
    let url = arguments.get("url").ok_or("missing --url URL")?.trim_end_matches('/');
    let agent = arguments.get("agent").ok_or("missing --agent NAME")?;
    let jobs = arguments.get("jobs").map_or(Ok(1), |jobs| jobs.parse::<usize>())?;
    let tls =
        arguments.get("certificates").map(|directory| websans_autobahn::trust(directory)).transpose()?;
    let config = std::sync::Arc::new(websans_autobahn::config());
    let deflate = websans_autobahn::deflate();
    let client = |path: &str| -> Result<Client, websans_tokio::Error> {
        let client = Client::new(&format!("{url}/{path}"))?.config(config.clone()).deflate(&deflate)?;
        Ok(match &tls {
            None => client,
            Some(tls) => client.tls(tls.clone()),
        })
    };

    let mut socket = websans_tokio::connect(client("getCaseCount")?).await?;
    let count: usize = match socket.recv().await? {
        Some(Message::Text(count)) => count.trim().parse()?,
        other => return Err(format!("no case count but {other:?}").into()),
    };
    while socket.recv().await?.is_some() {}

    let mut running = JoinSet::new();
    for case in 1..=count {
        if running.len() == jobs {
            running.join_next().await;
        }
        let client = client(&format!("runCase?case={case}&agent={agent}"))?;
        running.spawn(async move {
            // The suite breaks the rules on purpose.
            if let Err(error) = run(client).await {
                eprintln!("case {case}: {error}");
            }
        });
    }
    while running.join_next().await.is_some() {}

    let mut socket = websans_tokio::connect(client(&format!("updateReports?agent={agent}"))?).await?;
    while socket.recv().await?.is_some() {}
    Ok(())
}

async fn run(client: Client) -> Result<(), websans_tokio::Error> {
    let (mut receiver, sender) = websans_tokio::connect(client).await?.split();
    while let Some(message) = receiver.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}
