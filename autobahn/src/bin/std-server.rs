//! `std-server --listen ADDR`: echoes messages over blocking sockets, a thread a connection.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use websans_std::handshake::server::Choice;
use websans_std::{Config, Incoming};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["listen"])?;
    let listener = TcpListener::bind(arguments.get("listen").ok_or("missing --listen ADDR")?)?;
    println!("listening on {}", listener.local_addr()?);
    let config = Arc::new(websans_autobahn::config());
    for stream in listener.incoming() {
        let (stream, config) = (stream?, Arc::clone(&config));
        std::thread::spawn(move || {
            // The suite breaks the rules on purpose.
            if let Err(error) = echo(stream, config) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn echo(stream: TcpStream, config: Arc<Config>) -> Result<(), websans_std::Error> {
    stream.set_nodelay(true)?;
    let (mut receiver, sender) = Incoming::read(stream, config)?.accept(&Choice::new())?.split()?;
    while let Some(message) = receiver.recv()? {
        sender.send(message)?;
    }
    Ok(())
}
