//! The client's side: [`connect`], and [`handshake`] over a stream that is there already.
//!
//! What is to be done, and when it has failed, is told by a [`Dial`]; here it is done.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use websans::{Role, entropy};
use websans_dial::{Action, Client, Dial, Nonces, Opened, Turn};

use crate::error::Error;
use crate::socket::WebSocket;
use crate::sync::timeout_at;
use crate::timer::Timer;
use crate::transport::Transport;

/// Connects to a `ws://` or `wss://` URL, or as a [`Client`] says.
///
/// ```no_run
/// # async fn open() -> Result<(), websans_tokio::Error> {
/// use websans_tokio::{Client, connect};
///
/// let mut socket = connect("ws://127.0.0.1:9001/chat").await?;
/// socket.send("hello").await?;
///
/// let client = Client::new("ws://127.0.0.1:9001/chat")?.protocol("chat.v2")?.redirects(3);
/// let mut another = connect(&client).await?;
/// # Ok(()) }
/// ```
///
/// The addresses of a host race (RFC 8305), `TCP_NODELAY` is on, and every step has a deadline that
/// [`Limits`](websans_dial::Limits) sets.
///
/// # Errors
/// [`Error::Connect`] says which step failed, with which address, and why; [`Error::Build`] if the URL is not valid.
///
/// # Cancel safety
/// Dropped, whatever it has begun is ended; only a look-up of a name, which no system can call off, runs to its end on a
/// thread of the runtime's.
pub async fn connect<C>(to: C) -> Result<WebSocket<Transport>, Error>
where
    C: TryInto<Client, Error: Into<Error>>,
{
    let client = to.try_into().map_err(Into::into)?;
    // On the heap, and only as long as it takes: a task that connects and then goes on for days would otherwise keep
    // room for a dialling all the while.
    Box::pin(dial(&client)).await
}

async fn dial(client: &Client) -> Result<WebSocket<Transport>, Error> {
    let timer = Timer::new();
    let mut dial = Dial::new(client, nonces(), timer.now());
    let mut attempts = Attempts::default();
    let mut connected: Option<Transport> = None;
    let mut turn: Option<Turn> = None;
    loop {
        let action = dial.poll(timer.now()).map_err(Error::Connect)?;
        // Whatever is waited for, it ends at the deadline, where the dialling says what that means.
        let deadline = timer.instant(dial.deadline());
        match action {
            Action::Queue(taking) => {
                if let Ok(taken) = timeout_at(deadline, taking).await {
                    turn = Some(taken);
                    dial.queued(timer.now());
                }
            }
            Action::Resolve { host, port } => {
                if let Ok(found) = timeout_at(deadline, lookup_host((host, port))).await {
                    dial.resolved(found, timer.now());
                }
            }
            Action::Connect { address, deadline, turn } => {
                let until = timer.instant(deadline);
                let attempt = async move {
                    let turn = match turn {
                        Some(taking) => Some(taking.await),
                        None => None,
                    };
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Ok((stream, turn))
                };
                attempts.add(address, async move {
                    timeout_at(until, attempt).await.unwrap_or_else(|late| Err(late.into()))
                });
            }
            Action::Wait => match timeout_at(deadline, attempts.next()).await {
                Ok((address, Ok((stream, own)))) => {
                    attempts = Attempts::default();
                    connected = Some(Transport::Tcp(stream));
                    turn = own.or(turn);
                    dial.connected(address, timer.now());
                }
                Ok((address, Err(error))) => dial.not_connected(address, error, timer.now()),
                Err(_) => {}
            },
            #[cfg(feature = "rustls")]
            Action::Tls { config, name } => {
                let Some(Transport::Tcp(stream)) = connected.take() else {
                    return Err(out_of_step());
                };
                let connector = tokio_rustls::TlsConnector::from(config);
                match timeout_at(deadline, connector.connect(name, stream)).await {
                    Ok(Ok(stream)) => {
                        connected = Some(Transport::Tls(Box::new(stream)));
                        dial.secured(timer.now());
                    }
                    Ok(Err(error)) => dial.failed(error),
                    Err(_) => {}
                }
            }
            Action::Hangup => {
                connected = None;
                turn = None;
            }
            Action::Open(opened) => {
                drop(turn);
                return established(connected.ok_or_else(out_of_step)?, *opened);
            }
            action => {
                exchange(action, connected.as_mut().ok_or_else(out_of_step)?, &mut dial, &timer).await?
            }
        }
    }
}

/// Does the opening handshake over a stream that is connected to the client's host: a Unix socket, an SSH channel, TLS
/// of another make. The client's proxy, redirections and TLS settings do not matter here.
///
/// ```no_run
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// use websans_tokio::{Client, handshake};
///
/// let stream = tokio::net::TcpStream::connect("127.0.0.1:9001").await?;
/// let mut socket = handshake(stream, &Client::new("ws://example.com/chat")?).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Connect`], always of the step [`Handshake`](websans_dial::Step::Handshake).
///
/// # Cancel safety
/// Dropped, the stream is closed.
pub async fn handshake<S>(io: S, client: &Client) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Box::pin(handshake_over(io, client)).await
}

async fn handshake_over<S>(mut io: S, client: &Client) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let timer = Timer::new();
    let mut dial = Dial::over(client, nonces(), timer.now());
    loop {
        match dial.poll(timer.now()).map_err(Error::Connect)? {
            Action::Open(opened) => return established(io, *opened),
            action => exchange(action, &mut io, &mut dial, &timer).await?,
        }
    }
}

/// Writes or reads, as far as there is time.
async fn exchange<S>(action: Action, io: &mut S, dial: &mut Dial, timer: &Timer) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = timer.instant(dial.deadline());
    match action {
        Action::Write => {
            // A copy, lest the future be one that cannot move between threads: a `Dial` is not for two at once.
            let outgoing = dial.outgoing().to_vec();
            let write = async {
                io.write_all(&outgoing).await?;
                io.flush().await
            };
            match timeout_at(deadline, write).await {
                Ok(Ok(())) => dial.written(),
                Ok(Err(error)) => dial.failed(error),
                Err(_) => {}
            }
        }
        Action::Read => match timeout_at(deadline, io.read(dial.spare_mut())).await {
            Ok(Ok(0)) => dial.eof(),
            Ok(Ok(n)) => dial.filled(n),
            Ok(Err(error)) => dial.failed(error),
            Err(_) => {}
        },
        _ => return Err(out_of_step()),
    }
    Ok(())
}

fn established<S>(io: S, opened: Opened) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Opened { negotiated, early, config, .. } = opened;
    let keys = entropy::os_mask_keys().map_err(io::Error::from)?;
    Ok(WebSocket::from_handshake(io, Role::Client(keys), config, negotiated, &early))
}

fn nonces() -> Nonces {
    Box::new(|| entropy::os_nonce().map_err(io::Error::from))
}

/// The dialling asked for what this version does not know, or had not got.
fn out_of_step() -> Error {
    io::Error::other("the dialling and its driver are out of step").into()
}

/// A connection, and the turn to make it.
type Connected = (TcpStream, Option<Turn>);

type Attempt = Pin<Box<dyn Future<Output = io::Result<Connected>> + Send>>;

/// The attempts to connect that are under way. Dropping it ends them.
#[derive(Default)]
struct Attempts(Vec<(SocketAddr, Attempt)>);

impl Attempts {
    fn add(
        &mut self,
        address: SocketAddr,
        attempt: impl Future<Output = io::Result<Connected>> + Send + 'static,
    ) {
        self.0.push((address, Box::pin(attempt)));
    }

    /// The next of them to end. There are few: all are asked whenever one has something to tell.
    async fn next(&mut self) -> (SocketAddr, io::Result<Connected>) {
        poll_fn(|cx| {
            for (index, (address, attempt)) in self.0.iter_mut().enumerate() {
                if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
                    let address = *address;
                    drop(self.0.swap_remove(index));
                    return Poll::Ready((address, result));
                }
            }
            Poll::Pending
        })
        .await
    }
}
