//! `tokio-server --listen ADDR [--certificates DIR]`: echoes messages over tokio, a task a connection; through TLS if
//! there is a certificate.

use std::error::Error;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Config, Incoming};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["listen", "certificates"])?;
    let listener = TcpListener::bind(arguments.get("listen").ok_or("missing --listen ADDR")?).await?;
    let tls =
        arguments.get("certificates").map(|directory| websans_autobahn::identity(directory)).transpose()?;
    let tls = tls.map(TlsAcceptor::from);
    println!("listening on {}", listener.local_addr()?);
    let config = Arc::new(websans_autobahn::config());
    let choice = Arc::new(Choice::new().deflate(websans_autobahn::deflate()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (config, choice, tls) = (Arc::clone(&config), Arc::clone(&choice), tls.clone());
        tokio::spawn(async move {
            let result = match tls {
                None => echo(stream, config, &choice).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => echo(stream, config, &choice).await,
                    Err(error) => Err(error.into()),
                },
            };
            // The suite breaks the rules on purpose.
            if let Err(error) = result {
                eprintln!("{error}");
            }
        });
    }
}

async fn echo<S>(stream: S, config: Arc<Config>, choice: &Choice<'_>) -> Result<(), websans_tokio::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut receiver, sender) = Incoming::read(stream, config).await?.accept(choice).await?.split();
    while let Some(message) = receiver.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}
