//! [`Dial`]: one dialling, from a URL to an open connection.
//!
//! ```text
//!            ┌──────────────────────────────────────────────────────────────────────────────┐ redirection:
//!            ▼                                                                              │ Hangup
//!  start ─► (look up the target, for socks5) ─► (queue, with a proxy) ─► look up ─► race ─► │
//!              ─► (tunnel, with a proxy) ─► (TLS, for wss) ─► opening handshake ────────────┴─► open
//! ```

mod steps;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, mem};

use websans::handshake::client::{Answer, Connector};
use websans::handshake::{HandshakeError, Url};
use websans::{Config, Negotiated, Timestamp};

use crate::client::Client;
use crate::error::{Cause, ConnectError, Step};
use crate::proxy::{Connect, Kind, Proxy, Socks, Target, Tunnel};
use crate::race::Race;
use crate::redirect::{Redirects, same_origin};
#[cfg(feature = "rustls")]
use crate::tls::{Tls, TlsError, server_name};
use crate::turns::{Place, Taking};

/// Where the nonces of opening handshakes come from: 16 fresh, random bytes each call (RFC 6455 §4.1). Tests pass a
/// constant, adapters what `websans::entropy::os_nonce` yields.
pub type Nonces = Box<dyn FnMut() -> io::Result<[u8; 16]> + Send + Sync>;

/// What the owner of a [`Dial`] is to do next. Whatever it waits for, it waits until [`Dial::deadline`] and then calls
/// [`Dial::poll`] in any case.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Wait for this turn, keep it, and call [`Dial::queued`].
    Queue(Taking),
    /// Look up the addresses of the host, and call [`Dial::resolved`].
    Resolve {
        /// A name.
        host: String,
        /// The port that the addresses are to have.
        port: u16,
    },
    /// Begin to connect to this address, beside what has begun already: wait for the turn if there is one, connect, and
    /// switch `TCP_NODELAY` on. Then call [`Dial::connected`], keep the connection and its turn and drop all other
    /// attempts, or call [`Dial::not_connected`].
    Connect {
        /// Where to connect to.
        address: SocketAddr,
        /// When the attempt has failed, as timed out, if it has not ended.
        deadline: Timestamp,
        /// What to wait for first.
        turn: Option<Taking>,
    },
    /// Nothing more is to begin: wait for one of the attempts to end.
    Wait,
    /// Write all of [`Dial::outgoing`], flush, and call [`Dial::written`].
    Write,
    /// Read to [`Dial::spare_mut`], and call [`Dial::filled`] or [`Dial::eof`].
    Read,
    /// Do the handshake of TLS, and call [`Dial::secured`]. From now on all is written to and read from TLS.
    #[cfg(feature = "rustls")]
    Tls {
        /// The settings.
        config: Arc<rustls::ClientConfig>,
        /// Whose certificate is wanted.
        name: rustls::pki_types::ServerName<'static>,
    },
    /// Drop the connection and its turn: a redirection leads elsewhere.
    Hangup,
    /// The connection is open; drop its turn. This is told once.
    Open(Box<Opened>),
}

/// A connection that is open.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// What was agreed on.
    pub negotiated: Negotiated,
    /// What the server has sent already: the first bytes of the WebSocket.
    pub early: Vec<u8>,
    /// The settings of the connection.
    pub config: Arc<Config>,
    /// The URL that it was opened for, after all redirections.
    pub url: Url,
}

/// One dialling. Its owner calls [`poll`](Self::poll), does what the [`Action`] says, tells what came of it, and so
/// on; the crate's first page has an example.
///
/// Any step that fails is told by [`failed`](Self::failed), or by the method that the action names. It holds nothing
/// of the operating system's: dropping it, the connection and the turn leaves nothing behind.
pub struct Dial {
    client: Client,
    nonces: Nonces,
    url: Url,
    /// The proxy on the way to the URL.
    proxy: Option<Proxy>,
    /// What a SOCKS proxy is told to connect to.
    target: Option<IpAddr>,
    /// What the connection was made to.
    address: Option<SocketAddr>,
    stage: Stage,
    failure: Option<Box<ConnectError>>,
    agreed: Option<Negotiated>,
    /// Whether no other origin than the first has been met.
    trusted: bool,
    followed: u8,
    /// Whether the connection is the dialler's own, which a redirection may give up.
    owns: bool,
    stage_end: Timestamp,
    end: Timestamp,
}

/// How far a [`Dial`] has come.
enum Stage {
    Start,
    ResolveTarget,
    Queue,
    Resolve,
    Race(Race),
    Tunnel(Tunnel),
    #[cfg(feature = "rustls")]
    Tls,
    Handshake {
        outgoing: Vec<u8>,
        /// None if the request could not be made.
        connector: Option<Box<Connector>>,
    },
    /// A redirection has been met.
    Redirected,
    Ended,
}

impl Stage {
    /// For debugging: what is in a stage may hold credentials.
    const fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::ResolveTarget => "resolve target",
            Self::Queue => "queue",
            Self::Resolve => "resolve",
            Self::Race(_) => "race",
            Self::Tunnel(_) => "tunnel",
            #[cfg(feature = "rustls")]
            Self::Tls => "TLS",
            Self::Handshake { .. } => "handshake",
            Self::Redirected => "redirected",
            Self::Ended => "ended",
        }
    }
}

impl Dial {
    /// A dialling of `client` that begins `now`.
    #[must_use]
    pub fn new(client: &Client, nonces: Nonces, now: Timestamp) -> Self {
        Self {
            client: client.clone(),
            nonces,
            url: client.url().clone(),
            proxy: None,
            target: None,
            address: None,
            stage: Stage::Start,
            failure: None,
            agreed: None,
            trusted: true,
            followed: 0,
            owns: true,
            stage_end: now + client.limits.total,
            end: now + client.limits.total,
        }
    }

    /// The opening handshake alone, over a connection that is there already, TLS included. Redirections are not
    /// followed.
    #[must_use]
    pub fn over(client: &Client, nonces: Nonces, now: Timestamp) -> Self {
        let mut dial = Self { owns: false, ..Self::new(client, nonces, now) };
        dial.begin_handshake(now);
        dial
    }

    /// What to do next.
    ///
    /// # Errors
    /// Why there will be no connection: once the step's deadline has passed, or what has failed. Told once; later
    /// calls get [`Cause::Ended`].
    pub fn poll(&mut self, now: Timestamp) -> Result<Action, Box<ConnectError>> {
        if self.failure.is_none() {
            self.judge(now);
        }
        if let Some(failure) = self.failure.take() {
            self.stage = Stage::Ended;
            return Err(failure);
        }
        if let Some(opened) = self.opened() {
            return Ok(Action::Open(Box::new(opened)));
        }
        match &mut self.stage {
            Stage::Queue => match self.queue() {
                Some(turn) => Ok(Action::Queue(turn)),
                None => {
                    self.queued(now);
                    self.poll(now)
                }
            },
            Stage::ResolveTarget => {
                Ok(Action::Resolve { host: self.url.host().to_owned(), port: self.url.port() })
            }
            Stage::Resolve => {
                let (host, port) = self.peer();
                Ok(Action::Resolve { host: host.to_owned(), port })
            }
            Stage::Race(race) => match race.next(now) {
                Some(address) => {
                    let deadline = race.attempt_until(now).min(self.end);
                    let turns = self.client.turns.as_ref().filter(|_| self.proxy.is_none());
                    let turn = turns.map(|turns| turns.take(Place::Address(address)));
                    Ok(Action::Connect { address, deadline, turn })
                }
                None => Ok(Action::Wait),
            },
            Stage::Tunnel(tunnel) if !tunnel.outgoing().is_empty() => Ok(Action::Write),
            Stage::Handshake { outgoing, .. } if !outgoing.is_empty() => Ok(Action::Write),
            Stage::Tunnel(_) | Stage::Handshake { .. } => Ok(Action::Read),
            #[cfg(feature = "rustls")]
            Stage::Tls => {
                let tls = self.client.tls.clone().map_or_else(Tls::shared, Ok);
                match tls.and_then(|tls| Ok((tls.config().clone(), server_name(self.url.host())?))) {
                    Ok((config, name)) => Ok(Action::Tls { config, name }),
                    Err(error) => {
                        self.fail(Cause::Tls(error));
                        self.poll(now)
                    }
                }
            }
            Stage::Redirected => {
                self.stage = Stage::Start;
                Ok(Action::Hangup)
            }
            Stage::Start | Stage::Ended => Err(Box::new(self.error(Step::Handshake, Cause::Ended))),
        }
    }

    /// When [`poll`](Self::poll) must be called, if not before.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        let stage = match &self.stage {
            Stage::Race(race) => race.deadline(),
            _ => self.stage_end,
        };
        stage.min(self.end)
    }

    /// The turn of [`Action::Queue`] has come.
    pub fn queued(&mut self, now: Timestamp) {
        if matches!(self.stage, Stage::Queue) {
            self.find_peer(now);
        }
    }

    /// The addresses that [`Action::Resolve`] asked for, or why there are none.
    pub fn resolved<A>(&mut self, found: io::Result<A>, now: Timestamp)
    where
        A: IntoIterator<Item = SocketAddr>,
    {
        if !matches!(self.stage, Stage::Resolve | Stage::ResolveTarget) {
            return;
        }
        let mut found = match found {
            Ok(found) => found.into_iter().peekable(),
            Err(error) => return self.fail(Cause::Io(error)),
        };
        let Some(first) = found.peek() else {
            return self.fail(Cause::NoAddress);
        };
        if matches!(self.stage, Stage::ResolveTarget) {
            self.target = Some(first.ip());
            self.enter(Stage::Queue, self.client.limits.connect, now);
        } else {
            self.stage = Stage::Race(Race::new(found, &self.client.limits, now));
        }
    }

    /// An attempt to connect has succeeded: this is the connection.
    pub fn connected(&mut self, address: SocketAddr, now: Timestamp) {
        if !matches!(self.stage, Stage::Race(_)) {
            return;
        }
        self.address = Some(address);
        let Some(proxy) = &self.proxy else {
            return self.begin_security(now);
        };
        let tunnel = match proxy.kind() {
            Kind::Http => Tunnel::Connect(Connect::new(proxy, &self.url, self.client.settings())),
            Kind::Socks5 | Kind::Socks5h => {
                let target = match self.target.or_else(|| self.url.host().parse().ok()) {
                    Some(address) => Target::Address(address),
                    None => Target::Name(self.url.host().to_owned()),
                };
                Tunnel::Socks(Socks::new(proxy, &target, self.url.port()))
            }
        };
        self.enter(Stage::Tunnel(tunnel), self.client.limits.proxy, now);
    }

    /// An attempt to connect has failed.
    pub fn not_connected(&mut self, address: SocketAddr, error: io::Error, now: Timestamp) {
        if let Stage::Race(race) = &mut self.stage {
            race.failed(address, error, now);
        }
    }

    /// What [`Action::Write`] is to write.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        match &self.stage {
            Stage::Tunnel(tunnel) => tunnel.outgoing(),
            Stage::Handshake { outgoing, .. } => outgoing,
            _ => &[],
        }
    }

    /// All of [`outgoing`](Self::outgoing) has been written.
    pub fn written(&mut self) {
        match &mut self.stage {
            Stage::Tunnel(tunnel) => tunnel.written(),
            Stage::Handshake { outgoing, .. } => outgoing.clear(),
            _ => {}
        }
    }

    /// Where [`Action::Read`] is to read to.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        match &mut self.stage {
            Stage::Tunnel(tunnel) => tunnel.spare_mut(),
            Stage::Handshake { connector: Some(connector), .. } => connector.spare_mut(),
            _ => &mut [],
        }
    }

    /// So many bytes have been read to the start of [`spare_mut`](Self::spare_mut).
    pub fn filled(&mut self, n: usize) {
        match &mut self.stage {
            Stage::Tunnel(tunnel) => tunnel.filled(n),
            Stage::Handshake { connector: Some(connector), .. } => connector.filled(n),
            _ => {}
        }
    }

    /// The peer sends no more.
    pub fn eof(&mut self) {
        match &mut self.stage {
            Stage::Tunnel(tunnel) => tunnel.eof(),
            Stage::Handshake { connector: Some(connector), .. } => connector.eof(),
            _ => {}
        }
    }

    /// The handshake of TLS is done.
    pub fn secured(&mut self, now: Timestamp) {
        #[cfg(feature = "rustls")]
        if matches!(self.stage, Stage::Tls) {
            self.begin_handshake(now);
        }
        #[cfg(not(feature = "rustls"))]
        let _ = now;
    }

    /// Reading, writing or the handshake of TLS has failed.
    pub fn failed(&mut self, error: io::Error) {
        match &self.stage {
            // TLS that ends without saying so: what has come may be a whole answer all the same.
            Stage::Handshake { .. } | Stage::Tunnel(_) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.eof();
            }
            #[cfg(feature = "rustls")]
            _ => self.fail(TlsError::in_io(&error).map_or(Cause::Io(error), Cause::Tls)),
            #[cfg(not(feature = "rustls"))]
            _ => self.fail(Cause::Io(error)),
        }
    }

    /// Goes on as far as it can with what it has been told.
    fn judge(&mut self, now: Timestamp) {
        match &mut self.stage {
            Stage::Start => return self.start(now),
            Stage::Race(race) if race.is_lost() || now >= race.end().min(self.end) => {
                return self.lost();
            }
            Stage::Race(_) | Stage::Redirected | Stage::Ended => return,
            Stage::Handshake { connector: Some(connector), .. } => {
                // It keeps the time itself: at its deadline a refusal without the rest of its body is still one.
                match connector.poll(now) {
                    Ok(None) => {}
                    Ok(Some(answer)) => self.answered(answer),
                    Err(HandshakeError::Timeout) => self.fail(Cause::Timeout),
                    Err(error) => self.fail(Cause::Handshake(error)),
                }
                return;
            }
            Stage::Tunnel(tunnel) => match tunnel.poll() {
                Ok(true) => return self.begin_security(now),
                Ok(false) => {}
                Err(error) => return self.fail(Cause::Proxy(error)),
            },
            _ => {}
        }
        if now >= self.deadline() {
            self.fail(Cause::Timeout);
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("client", &self.client)
            .field("address", &self.address)
            .field("stage", &self.stage.name())
            .finish_non_exhaustive()
    }
}
