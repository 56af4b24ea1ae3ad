//! [`Server`]: takes connections and speaks HTTP with them.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::app::Client;
use crate::log::Log;
use crate::transport::Transport;

/// Connections at once, WebSockets among them. Of those there can be fewer, so that there is room for pages and refusals.
const MOST: usize = 11_000;

/// For TLS and the first request together, and for each later request over HTTP/1.1.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

const MAX_HEAD: u32 = 16 << 10;
const MAX_HEADERS: usize = 64;

/// Requests, most of them WebSockets, of one HTTP/2 connection at once.
const STREAMS: u32 = 128;

/// What a client may send of one of them before it is read. All of them together must fit into the window of the connection:
/// a socket whose handler does not read, because its client does not, then takes nothing that the others need.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

type BoxError = Box<dyn Error + Send + Sync>;

/// Takes connections and speaks HTTP with them.
pub(crate) struct Server {
    app: Router,
    tls: Option<TlsAcceptor>,
    log: Log,
    http: auto::Builder<TokioExecutor>,
    places: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn new(app: Router, tls: Option<TlsAcceptor>, log: Log) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_WITHIN)
            .max_buf_size(MAX_HEAD as usize)
            .max_headers(MAX_HEADERS);
        http.http2()
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            // A client that has gone without a word would hold its place for ever.
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        Self { app, tls, log, http, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// Serves each connection in a task of its own, until `going` is true. Each task holds a clone of `going` as long as it
    /// has to do with HTTP.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, mut going: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = going.wait_for(|going| *going) => return,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer, &going),
                Err(error) if of_the_connection(error.kind()) => {}
                Err(error) => {
                    // Too many files, most likely: wait until there are fewer.
                    self.log.line(format_args!("cannot take a connection: {error}"));
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, going: &watch::Receiver<bool>) {
        // Beyond the limit there is nothing that would not cost what it saves: the stream is dropped.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let (server, mut going) = (Arc::clone(self), going.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let served = server.connection(Transport::new(stream, place), peer, &mut going).await;
            if let Err(error) = served {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                server.log.line(format_args!("{peer} {error}{cause}"));
            }
        });
    }

    async fn connection(
        &self,
        stream: Transport,
        peer: SocketAddr,
        going: &mut watch::Receiver<bool>,
    ) -> Result<(), BoxError> {
        let until = Instant::now() + REQUEST_WITHIN;
        let Some(tls) = &self.tls else { return self.http(stream, peer, until, going).await };
        let stream = tokio::select! {
            accepted = timeout_at(until, tls.accept(stream)) => accepted??,
            _ = going.wait_for(|going| *going) => return Ok(()),
        };
        self.http(stream, peer, until, going).await
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        until: Instant,
        going: &mut watch::Receiver<bool>,
    ) -> Result<(), BoxError> {
        let asked = Arc::new(AtomicBool::new(false));
        let client = Client { peer };
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(client);
            self.app.clone().call(request)
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let mut ending = false;
        // hyper's own deadline runs from the first bytes, and for HTTP/1.1 alone.
        let mut silent = pin!(sleep_until(until));
        let mut waiting = true;
        loop {
            tokio::select! {
                served = connection.as_mut() => {
                    // It is no error that no further request comes, nor what the end of the app cuts short.
                    let over = ending || asked.load(Ordering::Relaxed) && served.as_ref().is_err_and(is_timeout);
                    return if over { Ok(()) } else { served };
                }
                () = silent.as_mut(), if waiting => {
                    if !asked.load(Ordering::Relaxed) {
                        return Err("no request came in time".into());
                    }
                    waiting = false;
                }
                _ = going.wait_for(|going| *going), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn is_timeout(error: &BoxError) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

/// Whether this says nothing about those that come next.
fn of_the_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
