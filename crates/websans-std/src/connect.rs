//! The client's side: [`connect`], and [`handshake`] over a stream that is there already.
//!
//! What is to be done, and when it has failed, is told by a [`Dial`]; here it is done.

use std::io;
use std::time::Duration;

use websans::{Clock, Role, entropy};
use websans_dial::{Action, Client, Dial, Nonces, Opened, Turn};

use crate::attempts::{Attempts, look_up, wait_for};
use crate::error::Error;
use crate::socket::WebSocket;
use crate::stream::Stream;
#[cfg(feature = "rustls")]
use crate::tls::TlsStream;
use crate::transport::Transport;
use crate::wait::{Io, Waits};

/// Connects to a `ws://` or `wss://` URL, or as a [`Client`] says.
///
/// ```no_run
/// # fn main() -> Result<(), websans_std::Error> {
/// use websans_std::{Client, connect};
///
/// let mut socket = connect("ws://127.0.0.1:9001/chat")?;
/// socket.send("hello")?;
///
/// let client = Client::new("ws://127.0.0.1:9001/chat")?.protocol("chat.v2")?.redirects(3);
/// let mut another = connect(&client)?;
/// # Ok(()) }
/// ```
///
/// The addresses of a host race (RFC 8305), `TCP_NODELAY` is on, and every step has a deadline that
/// [`Limits`](websans_dial::Limits) sets. Looking up a name and each attempt to connect take a thread of their
/// own. Those that are not wanted any more end by themselves: an attempt within its limit, a look-up, which no
/// system can call off, when the system gives it up.
///
/// # Errors
/// [`Error::Connect`] says which step failed, with which address, and why; [`Error::Build`] if the URL is not valid.
pub fn connect<C>(to: C) -> Result<WebSocket<Transport>, Error>
where
    C: TryInto<Client, Error: Into<Error>>,
{
    let client = to.try_into().map_err(Into::into)?;
    let clock = Clock::new();
    let mut dial = Dial::new(&client, nonces(), clock.now());
    let mut attempts = Attempts::new();
    let mut connected: Option<Exchange<Transport>> = None;
    let mut turn: Option<Turn> = None;
    loop {
        let action = dial.poll(clock.now()).map_err(Error::Connect)?;
        // Whatever is waited for, it ends at the deadline, where the dialling says what that means.
        let left = clock.until(dial.deadline());
        match action {
            Action::Queue(taking) => {
                if let Some(taken) = wait_for(taking, left, || false) {
                    turn = Some(taken);
                    dial.queued(clock.now());
                }
            }
            Action::Resolve { host, port } => {
                if let Some(found) = look_up(host, port, left) {
                    dial.resolved(found, clock.now());
                }
            }
            Action::Connect { address, deadline, turn } => {
                if let Err(error) = attempts.add(address, turn, clock.until(deadline)) {
                    dial.not_connected(address, error, clock.now());
                }
            }
            Action::Wait => match attempts.next(left) {
                Some((address, Ok((stream, own)))) => {
                    attempts = Attempts::new();
                    connected = Some(Exchange::new(Transport::Tcp(stream)));
                    turn = own.or(turn);
                    dial.connected(address, clock.now());
                }
                Some((address, Err(error))) => dial.not_connected(address, error, clock.now()),
                None => {}
            },
            #[cfg(feature = "rustls")]
            Action::Tls { config, name } => {
                let Some(Exchange { io: Transport::Tcp(stream), .. }) = connected.take() else {
                    return Err(out_of_step());
                };
                match TlsStream::client(stream, config, name, left) {
                    Ok(stream) => {
                        connected = Some(Exchange::new(Transport::Tls(stream)));
                        dial.secured(clock.now());
                    }
                    // At the deadline it is the dialling's to tell.
                    Err(_) if clock.until(dial.deadline()).is_zero() => {}
                    Err(error) => dial.failed(error),
                }
            }
            Action::Hangup => {
                connected = None;
                turn = None;
            }
            Action::Open(opened) => {
                drop(turn);
                return established(connected.ok_or_else(out_of_step)?.io, *opened);
            }
            action => connected.as_mut().ok_or_else(out_of_step)?.act(action, &mut dial, &clock)?,
        }
    }
}

/// Does the opening handshake over a stream that is connected to the client's host: a Unix socket, an SSH channel, TLS
/// of another make. The client's proxy, redirections and TLS settings do not matter here.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use websans_std::{Client, handshake};
///
/// let stream = std::net::TcpStream::connect("127.0.0.1:9001")?;
/// let mut socket = handshake(stream, &Client::new("ws://example.com/chat")?)?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Connect`], always of the step [`Handshake`](websans_dial::Step::Handshake).
pub fn handshake<S: Stream>(io: S, client: &Client) -> Result<WebSocket<S>, Error> {
    let clock = Clock::new();
    let mut dial = Dial::over(client, nonces(), clock.now());
    let mut exchange = Exchange::new(io);
    loop {
        match dial.poll(clock.now()).map_err(Error::Connect)? {
            Action::Open(opened) => return established(exchange.io, *opened),
            action => exchange.act(action, &mut dial, &clock)?,
        }
    }
}

/// A stream that a dialling writes to and reads from.
struct Exchange<S> {
    io: S,
    waits: Waits,
}

impl<S: Stream> Exchange<S> {
    fn new(io: S) -> Self {
        Self { io, waits: Waits::default() }
    }

    /// Writes or reads, as far as there is time.
    fn act(&mut self, action: Action, dial: &mut Dial, clock: &Clock) -> Result<(), Error> {
        match action {
            Action::Write => match self.write(dial, clock) {
                Ok(true) => dial.written(),
                Ok(false) => {}
                Err(error) => dial.failed(error),
            },
            Action::Read => {
                let bounded = self.waits.bound_read(&self.io, Some(clock.until(dial.deadline())));
                match bounded.map_or_else(Io::Failed, |()| Io::of(self.io.read(dial.spare_mut()))) {
                    Io::Done(0) => dial.eof(),
                    Io::Done(n) => dial.filled(n),
                    Io::Waited => {}
                    Io::Failed(error) => dial.failed(error),
                }
            }
            _ => return Err(out_of_step()),
        }
        Ok(())
    }

    /// Writes all that there is; false: there is no more time.
    fn write(&mut self, dial: &Dial, clock: &Clock) -> io::Result<bool> {
        let mut rest = dial.outgoing();
        loop {
            let left = clock.until(dial.deadline());
            if left.is_zero() {
                return Ok(false);
            }
            self.io.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
            let done = if rest.is_empty() { self.io.flush().map(|()| 0) } else { self.io.write(rest) };
            match Io::of(done) {
                Io::Done(_) if rest.is_empty() => return Ok(true),
                Io::Done(0) => return Err(io::ErrorKind::WriteZero.into()),
                Io::Done(n) => rest = rest.get(n..).unwrap_or_default(),
                Io::Waited => {}
                Io::Failed(error) => return Err(error),
            }
        }
    }
}

fn established<S: Stream>(io: S, opened: Opened) -> Result<WebSocket<S>, Error> {
    let Opened { negotiated, early, config, .. } = opened;
    let keys = entropy::os_mask_keys().map_err(io::Error::from)?;
    WebSocket::from_handshake(io, Role::Client(keys), config, negotiated, &early)
}

fn nonces() -> Nonces {
    Box::new(|| entropy::os_nonce().map_err(io::Error::from))
}

/// The dialling asked for what this version does not know, or had not got.
fn out_of_step() -> Error {
    io::Error::other("the dialling and its driver are out of step").into()
}
