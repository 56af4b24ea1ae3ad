//! [`serve`]: accepts connections, at most so many, and closes them together.

mod event;
mod handshake;
mod refuse;
mod served;
mod server;

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use crate::accept::Incoming;
use crate::group::Group;
use event::Log;
use handshake::Host;
use refuse::Refusals;

pub use event::{Report, ServeEvent};
pub use served::Served;
pub use server::Server;

/// Serves the connections of `listener`, each in a task of its own, until it is
/// [told to go down](Server::shutdown_on): at most [`Server::max_connections`] at once, and each with a deadline for its
/// handshake. `server` is a [`Server`], or the connections' [`Config`](crate::Config) alone.
///
/// The handler gets each request that has arrived, and decides: it may look at path and headers, choose a subprotocol,
/// refuse, or answer a request that is not for WebSocket. Pages that the server's
/// [`origins`](Server::origins) exclude do not come so far.
///
/// # Going down
/// The listener is closed, requests that have not arrived in full are let go, and each open connection is closed by
/// 1001 ("going away", [RFC 6455 §7.4.1]) as soon as its handler receives. What the peer sends before its own Close is still
/// delivered. A handler can send nothing more then ([`SendError::Closing`](crate::SendError::Closing)); one that goes on
/// to receive until `None` closes cleanly, one that returns at once leaves the peer without an answer to its Close.
/// When all connections and handlers have ended, or [`Server::grace`] is over and the rest has been cut off, the
/// report is returned.
///
/// # Cancel safety
/// Dropped, the listener is closed and all handlers are dropped where they are, without a Close.
///
/// ```
/// use websans_tokio::handshake::server::Choice;
/// use websans_tokio::{Error, Incoming, SendError, Served, Server, serve};
///
/// async fn echo(incoming: Incoming<Served>) -> Result<(), Error> {
///     let (mut receiver, sender) = incoming.accept(&Choice::new()).await?.split();
///     while let Some(message) = receiver.recv().await? {
///         match sender.send(message).await {
///             Ok(()) | Err(Error::Send(SendError::Closing)) => {} // going down: wait for the peer's Close
///             Err(error) => return Err(error),
///         }
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let ctrl_c = std::future::ready(());
/// let server = Server::default().max_connections(1000).shutdown_on(ctrl_c);
/// let report = serve(listener, server, echo).await;
/// println!("{report}");
/// # Ok(()) }
/// ```
///
/// [RFC 6455 §7.4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
pub async fn serve<H, F, E>(listener: TcpListener, server: impl Into<Server>, handler: H) -> Report
where
    H: Fn(Incoming<Served>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    server.into().serve(listener, handler).await
}

impl Server {
    /// Serves: see [`serve`].
    pub async fn serve<H, F, E>(self, listener: TcpListener, handler: H) -> Report
    where
        H: Fn(Incoming<Served>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let Self { config, most, grace, retry_after, origins, shutdown, listener: log, .. } = self;
        let group = Group::new(most);
        let mut refusals = Refusals::new(retry_after);
        let host = Arc::new(Host {
            config,
            origins,
            #[cfg(feature = "rustls")]
            tls: self.tls,
            handler,
            log: Log::new(log),
        });
        let mut tasks = JoinSet::new();
        let mut shutdown = shutdown.unwrap_or_else(|| Box::pin(std::future::pending()));
        let mut pause = Pause::default();
        let mut accepted = 0;
        loop {
            let turn = poll_fn(|cx| {
                while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
                refusals.poll(cx);
                if shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                if let Some(sleep) = &mut pause.sleep {
                    ready!(sleep.as_mut().poll(cx));
                    pause.sleep = None;
                }
                listener.poll_accept(cx).map(Some)
            });
            match turn.await {
                None => break,
                Some(Err(error)) => {
                    host.log.note(ServeEvent::NotAccepted(&error));
                    pause.after(&error);
                }
                Some(Ok((stream, peer))) => {
                    pause.length = Duration::ZERO;
                    // Frames are written whole, and none must wait for more. A stream that has failed says so when it is read.
                    let _ = stream.set_nodelay(true);
                    match group.enter_from(peer) {
                        Some(member) => {
                            accepted += 1;
                            tasks.spawn(Arc::clone(&host).attend(stream, peer, member));
                        }
                        None => {
                            host.log.note(ServeEvent::Refused(peer));
                            // To answer inside TLS costs a handshake, which is most of what a connection costs.
                            if !host.speaks_tls() {
                                refusals.refuse(stream);
                            }
                        }
                    }
                }
            }
        }
        drop(listener);
        let open_at_shutdown = group.close_all();
        let mut closed = pin!(group.closed());
        let mut none_open = false;
        let all_gone = poll_fn(|cx| {
            while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
            refusals.poll(cx);
            // Also those that handlers have given to other tasks.
            none_open = none_open || closed.as_mut().poll(cx).is_ready();
            if none_open && tasks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        let _ = timeout(grace, all_gone).await;
        let (closed_cleanly, aborted) = group.cut();
        // Not waited for: a handler that blocks its thread would hold us up.
        tasks.abort_all();
        Report { accepted, open_at_shutdown, closed_cleanly, aborted, ..host.log.report() }
    }
}

/// The pause after connections that could not be accepted.
#[derive(Default)]
struct Pause {
    sleep: Option<Pin<Box<Sleep>>>,
    length: Duration,
}

impl Pause {
    const SHORTEST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    /// Twice as long each time, unless the error was that connection's alone.
    fn after(&mut self, error: &io::Error) {
        if concerns_one_connection(error) {
            return;
        }
        self.length = (self.length * 2).clamp(Self::SHORTEST, Self::LONGEST);
        self.sleep = Some(Box::pin(sleep(self.length)));
    }
}

/// Whether the client has gone before it was accepted. The next one may well be accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(all(test, not(websans_schedules)))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lack_of_descriptors_is_waited_out_and_a_lost_client_is_not() {
        let lacks = io::Error::from_raw_os_error(24); // EMFILE on Linux and the BSDs
        let lost = io::Error::from(io::ErrorKind::ConnectionAborted);
        let mut pause = Pause::default();
        pause.after(&lost);
        assert!(pause.sleep.is_none());
        let mut lengths = Vec::new();
        for _ in 0..10 {
            pause.after(&lacks);
            assert!(pause.sleep.is_some());
            lengths.push(pause.length.as_millis());
        }
        assert_eq!(lengths, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
