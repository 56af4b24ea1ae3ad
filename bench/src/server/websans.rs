//! This project's: the loop of its example server.

use std::io;

use tokio::net::TcpStream;
use websans_deflate::{Deflate, Settings};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Config, Error, Incoming};

pub(crate) fn serve(level: u8, takeover: bool) -> io::Result<()> {
    let deflate = deflate(level, takeover);
    websans_bench_serve::serve(move |stream| connection(stream, deflate.clone()))
}

/// The default, but for these two.
pub(crate) fn deflate(level: u8, takeover: bool) -> Deflate {
    let mut settings = Settings::default();
    settings.level = level;
    settings.negotiation.server_no_context_takeover = !takeover;
    settings.negotiation.client_no_context_takeover = !takeover;
    // All connections are to do the same work, however many there are. By default some of them would go without
    // takeover.
    settings.context_budget = usize::MAX;
    Deflate::new(settings)
}

async fn connection(stream: TcpStream, deflate: Deflate) -> Result<(), Error> {
    let incoming = Incoming::read(stream, Config::default()).await?;
    let socket = incoming.accept(&Choice::new().deflate(&deflate)).await?;
    drop(deflate);
    let (mut receiver, sender) = socket.split();
    while let Some(message) = receiver.recv().await? {
        sender.feed(message).await?;
    }
    Ok(())
}
