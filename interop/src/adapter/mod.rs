//! Our side: one interface for both adapters, so that each scenario is written once.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, ClientConfig, ServerConfig};
use websans::deflate::Extension;
use websans_std::handshake::HandshakeError;
use websans_std::{CloseCode, Config, ConnectError, Kind, Outcome, Payload, Stats};

mod asynchronous;
mod blocking;

/// How long a server's TLS handshake may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The adapters there are.
pub(crate) fn all() -> io::Result<Vec<Arc<dyn Adapter>>> {
    Ok(vec![Arc::new(blocking::Blocking), Arc::new(asynchronous::Asynchronous::new()?)])
}

/// A crate that moves bytes for the core.
pub(crate) trait Adapter: Send + Sync {
    fn name(&self) -> &'static str;

    /// Opens a connection as a client.
    fn connect(&self, dial: &Dial) -> Result<Box<dyn Socket>, Failure>;

    /// Answers a client; `None` if it was refused, as `door` says.
    fn accept(&self, stream: TcpStream, door: &Door) -> Result<Option<Box<dyn Socket>>, Failure>;
}

/// Where to connect, and how.
pub(crate) struct Dial {
    /// Its host is 127.0.0.1, or `localhost` for the sake of its certificate.
    pub(crate) url: String,
    pub(crate) protocols: Vec<String>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) deflate: Option<Extension>,
    pub(crate) fragment_above: Option<usize>,
}

/// How to answer clients.
#[derive(Default)]
pub(crate) struct Door {
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) choose: Option<String>,
    pub(crate) refuse: Option<u16>,
    pub(crate) deflate: Option<Extension>,
    pub(crate) fragment_above: Option<usize>,
}

/// A message of our own: kind and bytes.
pub(crate) type Owned = (Kind, Vec<u8>);

/// An open connection of either adapter.
pub(crate) trait Socket {
    fn send(&mut self, payload: Payload<'_>) -> Result<(), Failure>;

    /// Sends a message piece by piece, each a frame of its own, if `pieces` are not too long for one. A Ping with the
    /// payload `between` follows each piece but the last.
    fn write(&mut self, kind: Kind, pieces: &[&[u8]], between: Option<&[u8]>) -> Result<(), Failure>;

    fn recv(&mut self) -> Result<Option<Owned>, Failure>;

    /// The next message, read as it arrives.
    fn read(&mut self) -> Result<Option<Owned>, Failure>;

    fn ping(&mut self, payload: &[u8]) -> Result<(), Failure>;

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Failure>;

    fn outcome(&self) -> Option<Outcome>;

    fn stats(&self) -> Stats;

    fn protocol(&self) -> Option<String>;
}

/// Why something did not go as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's answer to the handshake was another one.
    Refused { status: u16, body: Vec<u8> },
    /// The server's certificate is not acceptable.
    Certificate(CertificateError),
    /// The client's handshake is not acceptable.
    Handshake(HandshakeError),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, body } => write!(f, "refused with {status}: {}", body.escape_ascii()),
            Self::Certificate(error) => write!(f, "certificate not accepted: {error}"),
            Self::Handshake(error) => write!(f, "handshake not accepted: {error}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error.refusal() {
            Some(refusal) => Self::Refused { status: refusal.status, body: refusal.body.clone() },
            None => certificate(&error).unwrap_or_else(|| Self::Other(error.to_string())),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        certificate(&error).unwrap_or_else(|| Self::Other(format!("{error} ({:?})", error.kind())))
    }
}

/// A failed check of a certificate, if that is what lies beneath an error.
fn certificate(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(error)) = error.downcast_ref() {
            return Some(Failure::Certificate(error.clone()));
        }
        // An io::Error passes its content over when asked for its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// The configuration of both adapters: room for the largest message, no Pings but those of the scenarios.
fn config(fragment_above: Option<usize>) -> Config {
    let mut config = Config::default();
    config.max_message = 64 << 20;
    config.max_outbox = 64 << 20;
    config.keepalive = None;
    config.fragment_above = fragment_above;
    config
}
