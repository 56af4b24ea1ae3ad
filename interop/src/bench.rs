//! What a scenario works with: one adapter of ours, one peer, and how to bring them together.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::adapter::{Adapter, Dial, Door, Failure, Socket};
use crate::certificates::{Certificates, Identity};
use crate::compression::{Compression, Recorder};
use crate::peer::{Implementation, Peer, Role};
use crate::report::Report;

/// How long a client may take to come, and a connection to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ids of connections, which no two in a run share.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// One of our adapters against one peer, with or without TLS.
pub(crate) struct Bench {
    pub(crate) adapter: Arc<dyn Adapter>,
    pub(crate) peer: Arc<Peer>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) tls: bool,
}

/// A connection that is about to be made, whoever is the client.
#[derive(Default)]
pub(crate) struct Attempt {
    /// What the peer does on it: see `../README.md`.
    pub(crate) task: Value,
    /// What the client offers.
    pub(crate) protocols: &'static [&'static str],
    /// What the server chooses of it.
    pub(crate) choose: Option<&'static str>,
    /// What the server answers instead of accepting.
    pub(crate) refuse: Option<u16>,
    pub(crate) compression: Compression,
    /// Our side cuts longer frames into fragments.
    pub(crate) fragment_above: Option<usize>,
}

/// How the two ends use TLS.
#[derive(Clone, Copy)]
pub(crate) struct Security {
    /// What the client expects.
    pub(crate) client: bool,
    /// What the server shows, if it speaks TLS.
    pub(crate) server: Option<Identity>,
}

/// What came of an attempt at our side: a connection, a refusal that was meant, a failure.
type Tried = Result<Option<Box<dyn Socket>>, Failure>;

/// An open connection and the id by which the peer reports on it.
pub(crate) struct Open {
    pub(crate) socket: Box<dyn Socket>,
    pub(crate) id: String,
    /// The parameters of permessage-deflate that our side works by, as the peer would report them.
    pub(crate) deflate: Value,
}

impl Bench {
    pub(crate) fn implementation(&self) -> Implementation {
        self.peer.implementation
    }

    /// Whether the peer shows and can do less than others, as those in browsers.
    pub(crate) fn is_limited(&self) -> bool {
        self.implementation().is_browser_like()
    }

    /// A connection on which the peer does `task`.
    pub(crate) fn open(&self, task: Value) -> Result<Open, String> {
        self.open_with(Attempt { task, ..Attempt::default() })
    }

    pub(crate) fn open_with(&self, attempt: Attempt) -> Result<Open, String> {
        let security = Security { client: self.tls, server: self.tls.then_some(Identity::Localhost) };
        let recorder = attempt.compression.recorder();
        let (id, result) = self.attempt_with(attempt, security, &recorder)?;
        match result {
            Ok(Some(socket)) => Ok(Open { socket, id, deflate: recorder.agreed() }),
            Ok(None) => Err("the handshake was refused".into()),
            Err(failure) => {
                let report = self.peer.report(&id, Duration::from_secs(1));
                let report = report.map_or_else(|none| none, |report| report.0.to_string());
                Err(format!("no connection: {failure}; the peer's report: {report}"))
            }
        }
    }

    /// Tries to connect, and says what came of it here; the id is for what came of it there.
    pub(crate) fn attempt(&self, attempt: Attempt, security: Security) -> Result<(String, Tried), String> {
        let recorder = attempt.compression.recorder();
        self.attempt_with(attempt, security, &recorder)
    }

    fn attempt_with(
        &self,
        attempt: Attempt,
        security: Security,
        recorder: &Recorder,
    ) -> Result<(String, Tried), String> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let mut task = if attempt.task.is_null() { json!({}) } else { attempt.task };
        task["id"] = id.clone().into();
        if let Some(theirs) = attempt.compression.theirs {
            task["deflate"] = theirs;
        }
        let (deflate, fragment_above) = (recorder.extension(), attempt.fragment_above);
        let scheme = if security.client { "wss://localhost" } else { "ws://127.0.0.1" };
        let result = match self.peer.role {
            Role::Server => {
                task["choose"] = attempt.choose.into();
                task["refuse"] = attempt.refuse.into();
                let port = self.peer.port(security.server)?;
                let dial = Dial {
                    url: format!("{scheme}:{port}/{}", hex(task.to_string().as_bytes())),
                    protocols: attempt.protocols.iter().map(|protocol| (*protocol).into()).collect(),
                    tls: self.certificates.client().map_err(|error| error.to_string())?,
                    deflate,
                    fragment_above,
                };
                self.adapter.connect(&dial).map(Some)
            }
            Role::Client => {
                let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
                let port = listener.local_addr().map_err(|error| error.to_string())?.port();
                task["url"] = format!("{scheme}:{port}/").into();
                task["protocols"] = attempt.protocols.into();
                self.peer.tell(&task)?;
                let tls = security.server.map(|identity| self.certificates.server(identity)).transpose();
                let door = Door {
                    tls: tls.map_err(|error| error.to_string())?,
                    choose: attempt.choose.map(str::to_owned),
                    refuse: attempt.refuse,
                    deflate,
                    fragment_above,
                };
                let stream =
                    accept(&listener).map_err(|error| format!("the peer does not connect: {error}"))?;
                self.adapter.accept(stream, &door)
            }
        };
        Ok((id, result))
    }

    /// The peer's report, once the connection has ended.
    pub(crate) fn report(&self, id: &str) -> Result<Report, String> {
        self.peer.report(id, PATIENCE)
    }
}

/// The next connection, if one comes in time.
fn accept(listener: &TcpListener) -> io::Result<std::net::TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
        }
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
