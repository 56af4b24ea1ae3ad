//! The client's opening handshake: [`connect`], [`Client`].

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;

use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::{BuildError, Url};
use websans::{Clock, Config, Role, entropy};

use crate::error::Error;
use crate::socket::WebSocket;
use crate::stream::Stream;
use crate::wait::{Io, Waits};

/// Connects to a `ws://` URL with the default [`Config`].
///
/// ```no_run
/// let mut socket = websans_std::connect("ws://127.0.0.1:5000/ws")?;
/// socket.send("hello")?;
/// println!("{:?}", socket.recv()?);
/// # Ok::<(), websans_std::Error>(())
/// ```
///
/// # Errors
/// As [`Client::connect`].
pub fn connect(url: &str) -> Result<WebSocket<TcpStream>, Error> {
    Client::new(url)?.connect()
}

/// A connection to be opened: what to ask for, and within which limits.
#[derive(Debug)]
pub struct Client {
    url: Url,
    request: Request,
    config: Arc<Config>,
}

impl Client {
    /// A client for a `ws://` or `wss://` URL.
    ///
    /// # Errors
    /// [`Error::Build`] if the URL is not valid, [`Error::Io`] if the operating system has no entropy.
    pub fn new(url: &str) -> Result<Self, Error> {
        let nonce = entropy::os_nonce().map_err(io::Error::from)?;
        Ok(Self { url: Url::parse(url)?, request: Request::new(url, nonce)?, config: Arc::default() })
    }

    /// Sets limits and time-outs.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.config = config.into();
        self
    }

    /// Offers a subprotocol, after those offered before.
    ///
    /// # Errors
    /// [`BuildError`] if it is no token or has been offered before.
    pub fn protocol(mut self, protocol: &str) -> Result<Self, BuildError> {
        self.request = self.request.protocol(protocol)?;
        Ok(self)
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`BuildError`] if name or value is not valid, or if the handshake writes this header itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        self.request = self.request.header(name, value)?;
        Ok(self)
    }

    /// Connects by TCP to the addresses of the URL's host, one after the other, and does the handshake.
    ///
    /// Each attempt and then the handshake may take [`Config::handshake_within`]. TCP_NODELAY is on.
    ///
    /// # Errors
    /// [`Error::Io`] if no address answers, or if the URL is `wss://`: this crate speaks no TLS itself. Set a TLS stream
    /// up and call [`handshake`](Self::handshake). Then as there.
    pub fn connect(self) -> Result<WebSocket<TcpStream>, Error> {
        if self.url.is_secure() {
            let text = "wss needs a TLS stream: set one up and pass it to `Client::handshake`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text).into());
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (self.url.host(), self.url.port()).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, self.config.handshake_within) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return self.handshake(stream);
                }
                Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            }
        }
        Err(last.into())
    }

    /// Does the handshake over a stream that is connected to the URL's host.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server answers with something else than a WebSocket, [`Error::Handshake`] if it breaks
    /// the rules or is too slow, [`Error::Io`] if the transport fails.
    pub fn handshake<S: Stream>(self, mut io: S) -> Result<WebSocket<S>, Error> {
        let clock = Clock::new();
        let mut waits = Waits::default();
        let mut out = Vec::new();
        self.request.write(&mut out);
        io.set_write_timeout(Some(self.config.handshake_within))?;
        io.write_all(&out)?;
        io.flush()?;

        let mut connector = Connector::new(self.request, &self.config, clock.now());
        let answer = loop {
            if let Some(answer) = connector.poll(clock.now())? {
                break answer;
            }
            waits.bound_read(&io, Some(clock.until(connector.deadline())))?;
            match Io::of(io.read(connector.spare_mut())) {
                Io::Done(0) => connector.eof(),
                Io::Done(n) => connector.filled(n),
                Io::Waited => {}
                Io::Failed(error) => return Err(error.into()),
            }
        };
        match answer {
            Answer::Open(negotiated) => {
                let keys = entropy::os_mask_keys().map_err(io::Error::from)?;
                let early = connector.into_rest();
                WebSocket::from_handshake(io, Role::Client(keys), self.config, negotiated, &early)
            }
            Answer::Refused(refusal) => Err(Error::Refused(Box::new(refusal))),
            _ => Err(io::Error::other("an answer of a kind unknown to this crate").into()),
        }
    }
}
