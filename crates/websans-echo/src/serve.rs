//! [`App`]: what is answered to whom.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use websans_deflate::Deflate;
use websans_std::handshake::server::{Choice, Response};
use websans_std::handshake::{BuildError, OriginPolicy};
use websans_std::{CloseCode, Config, Error, Incoming, Outcome, SendError};

use crate::connections::Connections;

/// The page: one file, which needs nothing else.
const PAGE: &str = include_str!("../index.html");

/// What the page may do: its own style and script, connections to wherever its user says.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           img-src data:; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page at `/`, the echo at `/ws`.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    origins: OriginPolicy,
    deflate: Option<Deflate>,
    connections: Arc<Connections>,
}

impl App {
    pub(crate) fn new(
        config: Config,
        origins: OriginPolicy,
        deflate: Option<Deflate>,
        connections: Arc<Connections>,
    ) -> Self {
        Self { config: Arc::new(config), origins, deflate, connections }
    }

    /// Serves each connection in a thread of its own.
    pub(crate) fn serve(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let app = Arc::clone(self);
            let started = stream.and_then(|stream| {
                let peer = stream.peer_addr()?;
                thread::Builder::new().spawn(move || match app.handle(stream) {
                    Ok(Some(outcome)) => log(format_args!("{peer} {outcome}")),
                    Ok(None) => {}
                    Err(error) => log(format_args!("{peer} {error}")),
                })
            });
            if let Err(error) = started {
                // Too many files or threads, most likely: wait until there are fewer.
                log(format_args!("cannot take a connection: {error}"));
                thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// Answers one request. An echo tells how it ended.
    fn handle(&self, stream: TcpStream) -> Result<Option<Outcome>, Error> {
        stream.set_nodelay(true)?;
        let incoming = Incoming::read(stream, Arc::clone(&self.config))?;
        let request = incoming.request()?;
        match request.path() {
            "/ws" => match request.check_origin(&self.origins) {
                Ok(()) => self.echo(incoming).map(Some),
                Err(error) => Err(incoming.refuse(error)),
            },
            "/" if matches!(request.method(), "GET" | "HEAD") => respond(incoming, page()?),
            "/" => respond(incoming, text(405, "the page can be had by GET")?.header("Allow", "GET, HEAD")?),
            _ => respond(incoming, text(404, "there is a page at / and an echo at /ws")?),
        }
    }

    /// Returns each message whole, as the kind it came as.
    fn echo(&self, incoming: Incoming<TcpStream>) -> Result<Outcome, Error> {
        let choice = Choice::new().deflate(self.deflate.as_ref().map(Into::into));
        let (mut receiver, sender) = incoming.accept(&choice)?.split()?;
        let Some(_entry) = self.connections.add(sender.clone()) else {
            drop(receiver);
            return sender.close(CloseCode::GOING_AWAY, "server is going down");
        };
        while let Some(message) = receiver.recv()? {
            match sender.send(message) {
                // The server is going down: let go what still comes until the client's Close does.
                Ok(()) | Err(Error::Send(SendError::Closing)) => {}
                Err(error) => return receiver.outcome().ok_or(error),
            }
        }
        receiver.outcome().ok_or_else(|| io::Error::other("ended without an outcome").into())
    }
}

fn respond(mut incoming: Incoming<TcpStream>, response: Response) -> Result<Option<Outcome>, Error> {
    incoming.respond(&response).map(|()| None)
}

fn text(status: u16, sentence: &str) -> Result<Response, BuildError> {
    let response = Response::new(status)?.header("Content-Type", "text/plain; charset=utf-8")?;
    Ok(response.body(format!("{sentence}\n")))
}

/// Says it on standard output, if anybody listens.
fn log(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn page() -> Result<Response, BuildError> {
    let response = Response::new(200)?
        .header("Content-Type", "text/html; charset=utf-8")?
        .header("Content-Security-Policy", PAGE_POLICY)?
        .header("X-Content-Type-Options", "nosniff")?
        // An isolated page has the finer clock for round-trip times.
        .header("Cross-Origin-Opener-Policy", "same-origin")?
        .header("Cross-Origin-Embedder-Policy", "require-corp")?
        .header("Cache-Control", "no-cache")?;
    Ok(response.body(PAGE))
}
