//! `std-server --listen ADDR [--certificates DIR]`: echoes messages over blocking sockets, a thread a connection;
//! through TLS if there is a certificate.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use websans_std::handshake::server::Choice;
use websans_std::{CloneStream, Config, Incoming, TlsStream};

/// How long a TLS handshake may take.
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["listen", "certificates"])?;
    let listener = TcpListener::bind(arguments.get("listen").ok_or("missing --listen ADDR")?)?;
    let tls =
        arguments.get("certificates").map(|directory| websans_autobahn::identity(directory)).transpose()?;
    println!("listening on {}", listener.local_addr()?);
    let config = Arc::new(websans_autobahn::config());
    let choice = Arc::new(Choice::new().deflate(websans_autobahn::deflate()));
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        let (config, choice, tls) = (Arc::clone(&config), Arc::clone(&choice), tls.clone());
        std::thread::spawn(move || {
            let result = match tls {
                None => echo(stream, config, &choice),
                Some(tls) => match TlsStream::server(stream, tls, LIMIT) {
                    Ok(stream) => echo(stream, config, &choice),
                    Err(error) => Err(error.into()),
                },
            };
            // The suite breaks the rules on purpose.
            if let Err(error) = result {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn echo<S: CloneStream>(
    stream: S,
    config: Arc<Config>,
    choice: &Choice<'_>,
) -> Result<(), websans_std::Error> {
    let (mut receiver, sender) = Incoming::read(stream, config)?.accept(choice)?.split()?;
    while let Some(message) = receiver.recv()? {
        sender.send(message)?;
    }
    Ok(())
}
