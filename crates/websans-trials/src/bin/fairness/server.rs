//! The server: an echo behind the middleware.

use std::net::SocketAddr;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use websans_tower::{Error, Options, Socket, Upgrade, WebSocketLayer};
use websans_trials::Failure;

/// Starts it on the runtime that this is called on.
pub(crate) async fn start() -> Result<SocketAddr, Failure> {
    let app = Router::new()
        .route("/", get(async |upgrade: Upgrade| upgrade.accept(echo).into_response()))
        .layer(WebSocketLayer::new(Options::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

async fn echo(socket: Socket) -> Result<(), Error> {
    let (mut receiver, sender) = socket.split();
    while let Some(message) = receiver.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}
