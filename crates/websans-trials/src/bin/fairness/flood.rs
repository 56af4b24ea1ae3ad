//! The client that floods.

use std::io::{self, BufRead};
use std::net::SocketAddr;

use tokio::sync::watch;
use websans_tokio::{Client, Config, Receiver, Sender, Transport, connect};
use websans_trials::Failure;

/// What it floods with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Many small messages, as many as there is room for in one write.
    Small,
    /// Messages of a megabyte.
    Large,
}

impl Flood {
    pub(crate) const ALL: [Self; 2] = [Self::Small, Self::Large];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }

    /// Fewer messages in a round are no flood.
    pub(crate) const fn least(self) -> u64 {
        match self {
            Self::Small => 10_000,
            Self::Large => 10,
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Small => 16,
            Self::Large => 1 << 20,
        }
    }
}

/// Floods the server with what each line of its input names, or stops. The answer to each line is how many messages and bytes
/// have come back since the last one.
pub(crate) fn run(address: SocketAddr) -> Result<(), Failure> {
    // Sending and receiving at once.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut config = Config::default();
        config.keepalive = None;
        let client = Client::new(&format!("ws://{address}/"))?.config(config);
        let (receiver, sender) = connect(client).await?.split();
        let (order, orders) = watch::channel(None);
        tokio::spawn(drain(receiver));
        let stats = sender.clone();
        tokio::spawn(flood(sender, orders));
        println!("ready");
        let (mut messages, mut bytes) = (0, 0);
        tokio::task::spawn_blocking(move || {
            for line in io::stdin().lock().lines().map_while(io::Result::ok) {
                order.send_replace(Flood::ALL.into_iter().find(|flood| flood.name() == line));
                let now = stats.stats();
                println!("{} {}", now.messages_received - messages, now.bytes_received - bytes);
                (messages, bytes) = (now.messages_received, now.bytes_received);
            }
        })
        .await?;
        Ok(())
    })
}

async fn drain(mut receiver: Receiver<Transport>) {
    while let Ok(Some(_)) = receiver.recv().await {}
}

async fn flood(sender: Sender<Transport>, mut orders: watch::Receiver<Option<Flood>>) {
    let message = vec![b'!'; Flood::Large.len()];
    loop {
        let order = *orders.borrow_and_update();
        let Some(flood) = order else {
            // What is queued goes out before it is quiet.
            if sender.flush().await.is_err() || orders.changed().await.is_err() {
                return;
            }
            continue;
        };
        // Fed, a message waits for room only; whatever is in the outbox leaves in one write.
        if sender.feed(&message[..flood.len()]).await.is_err() {
            return;
        }
    }
}
