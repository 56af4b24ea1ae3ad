//! The adapter websans-tokio.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;
use websans_tokio::handshake::server::{Choice, Response};
use websans_tokio::{
    Client, CloseCode, Error, Incoming, Kind, Outcome, Payload, Stats, Tls, WebSocket, connect,
};

use super::{Adapter, Dial, Door, Failure, LIMIT, Owned, Socket, certificate, config};

/// websans-tokio: TCP and TLS by its own dialler, TLS for servers by tokio-rustls beneath it.
///
/// The scenarios wait for each call, so a runtime of one thread runs while they do.
pub(crate) struct Asynchronous {
    runtime: Arc<Runtime>,
}

impl Asynchronous {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { runtime: Arc::new(Builder::new_current_thread().enable_all().build()?) })
    }

    fn hold<S>(&self, socket: WebSocket<S>) -> Box<dyn Socket>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Box::new(Held { socket, runtime: Arc::clone(&self.runtime) })
    }
}

impl Adapter for Asynchronous {
    fn name(&self) -> &'static str {
        "tokio"
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
        Ok(self.hold(self.runtime.block_on(connect(client))?))
    }

    fn accept(&self, stream: TcpStream, door: &Door) -> Result<Option<Box<dyn Socket>>, Failure> {
        stream.set_nonblocking(true)?;
        self.runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            stream.set_nodelay(true)?;
            Ok(match &door.tls {
                None => decide(stream, door).await?.map(|socket| self.hold(socket)),
                Some(config) => {
                    decide(secure(stream, config).await?, door).await?.map(|socket| self.hold(socket))
                }
            })
        })
    }
}

async fn secure(
    stream: tokio::net::TcpStream,
    config: &Arc<ServerConfig>,
) -> io::Result<tokio_rustls::server::TlsStream<tokio::net::TcpStream>> {
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    tokio::time::timeout(LIMIT, acceptor.accept(stream)).await?
}

async fn decide<S>(stream: S, door: &Door) -> Result<Option<WebSocket<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let incoming = Incoming::read(stream, config(door.fragment_above)).await?;
    let decided = incoming.decide(async |request| match door.refuse {
        Some(status) => Err(Response::new(status).expect("a valid status").body("go away\n")),
        None => {
            let choice = request.protocols().iter().find(|offered| Some(**offered) == door.choose.as_deref());
            Ok(Choice::new().protocol(choice.copied()).deflate(door.deflate.clone()))
        }
    });
    Ok(decided.await?)
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

/// A connection and what it runs on.
struct Held<S> {
    // Dropped first, while there is still a runtime.
    socket: WebSocket<S>,
    runtime: Arc<Runtime>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for Held<S> {
    fn send(&mut self, payload: Payload<'_>) -> Result<(), Failure> {
        Ok(self.runtime.block_on(self.socket.send(payload))?)
    }

    fn write(&mut self, kind: Kind, pieces: &[&[u8]], between: Option<&[u8]>) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let mut writer = self.socket.writer(kind)?;
            for (number, piece) in pieces.iter().enumerate() {
                writer.write_all(piece).await?;
                // The last piece leaves with the end of the message.
                if number + 1 == pieces.len() {
                    break;
                }
                writer.flush().await?;
                if let Some(between) = between {
                    // The message stays begun: the next writer goes on with it.
                    drop(writer);
                    self.socket.ping(between).await?;
                    writer = self.socket.writer(kind)?;
                }
            }
            Ok(writer.finish().await?)
        })
    }

    fn recv(&mut self) -> Result<Option<Owned>, Failure> {
        let message = self.runtime.block_on(self.socket.recv())?;
        Ok(message.map(|message| (message.kind(), message.as_bytes().to_vec())))
    }

    fn read(&mut self) -> Result<Option<Owned>, Failure> {
        self.runtime.block_on(async {
            let Some(mut reader) = self.socket.reader().await? else { return Ok(None) };
            let kind = reader.kind();
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await?;
            Ok(Some((kind, bytes)))
        })
    }

    fn ping(&mut self, payload: &[u8]) -> Result<(), Failure> {
        Ok(self.runtime.block_on(self.socket.ping(payload))?)
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Failure> {
        Ok(self.runtime.block_on(self.socket.close(code, reason))?.clone())
    }

    fn outcome(&self) -> Option<Outcome> {
        self.socket.outcome().cloned()
    }

    fn stats(&self) -> Stats {
        self.socket.stats()
    }

    fn protocol(&self) -> Option<String> {
        self.socket.protocol().map(str::to_owned)
    }
}
