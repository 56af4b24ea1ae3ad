//! The adapter websans-std.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use websans_std::handshake::server::{Choice, Response};
use websans_std::{
    Client, CloseCode, Error, Incoming, Kind, Outcome, Payload, Stats, Stream, Tls, TlsStream, WebSocket,
    connect,
};

use super::{Adapter, Dial, Door, Failure, LIMIT, Owned, Socket, certificate, config};

/// websans-std: TCP and TLS by its own dialler, its own TLS stream for servers.
pub(crate) struct Blocking;

impl Adapter for Blocking {
    fn name(&self) -> &'static str {
        "std"
    }

    fn connect(&self, dial: &Dial) -> Result<Box<dyn Socket>, Failure> {
        let mut client = Client::new(&dial.url)
            .map_err(Error::from)?
            .config(config(dial.fragment_above))
            .tls(Tls::with(Arc::clone(&dial.tls)))
            .deflate(dial.deflate.clone())
            .map_err(Error::from)?;
        for protocol in &dial.protocols {
            client = client.protocol(protocol).map_err(Error::from)?;
        }
        Ok(Box::new(connect(client)?))
    }

    fn accept(&self, stream: TcpStream, door: &Door) -> Result<Option<Box<dyn Socket>>, Failure> {
        stream.set_nodelay(true)?;
        match &door.tls {
            None => decide(stream, door),
            Some(config) => decide(TlsStream::server(stream, Arc::clone(config), LIMIT)?, door),
        }
    }
}

fn decide<S: Stream + 'static>(stream: S, door: &Door) -> Result<Option<Box<dyn Socket>>, Failure> {
    let socket =
        Incoming::read(stream, config(door.fragment_above))?.decide(|request| match door.refuse {
            Some(status) => Err(Response::new(status).expect("a valid status").body("go away\n")),
            None => {
                let choice =
                    request.protocols().iter().find(|offered| Some(**offered) == door.choose.as_deref());
                Ok(Choice::new().protocol(choice.copied()).deflate(door.deflate.clone()))
            }
        })?;
    Ok(socket.map(|socket| Box::new(socket) as Box<dyn Socket>))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Handshake(error) => Self::Handshake(error),
            Error::Connect(error) => Self::from(*error),
            error => certificate(&error).unwrap_or_else(|| Self::Other(error.to_string())),
        }
    }
}

impl<S: Stream> Socket for WebSocket<S> {
    fn send(&mut self, payload: Payload<'_>) -> Result<(), Failure> {
        Ok(self.send(payload)?)
    }

    fn write(&mut self, kind: Kind, pieces: &[&[u8]], between: Option<&[u8]>) -> Result<(), Failure> {
        let mut writer = self.writer(kind)?;
        for (number, piece) in pieces.iter().enumerate() {
            writer.write_all(piece)?;
            // The last piece leaves with the end of the message.
            if number + 1 == pieces.len() {
                break;
            }
            writer.flush()?;
            if let Some(between) = between {
                // The message stays begun: the next writer goes on with it.
                drop(writer);
                self.ping(between)?;
                writer = self.writer(kind)?;
            }
        }
        Ok(writer.finish()?)
    }

    fn recv(&mut self) -> Result<Option<Owned>, Failure> {
        let message = self.recv()?;
        Ok(message.map(|message| (message.kind(), message.as_bytes().to_vec())))
    }

    fn read(&mut self) -> Result<Option<Owned>, Failure> {
        let Some(mut reader) = self.reader()? else { return Ok(None) };
        let kind = reader.kind();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        Ok(Some((kind, bytes)))
    }

    fn ping(&mut self, payload: &[u8]) -> Result<(), Failure> {
        Ok(self.ping(payload)?)
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Failure> {
        Ok(self.close(code, reason)?.clone())
    }

    fn outcome(&self) -> Option<Outcome> {
        self.outcome().cloned()
    }

    fn stats(&self) -> Stats {
        self.stats()
    }

    fn protocol(&self) -> Option<String> {
        self.protocol().map(str::to_owned)
    }
}
