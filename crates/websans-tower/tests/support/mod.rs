//! Servers of hyper that run, and clients for them over HTTP/1.1 and HTTP/2.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tower::Layer as _;
use websans_testkit::wire::{self, Frame};
use websans_tokio::{Client, ConnectCause, Error, WebSocket, handshake};
use websans_tower::{Options, SendError, Socket, Sockets, Upgrade, WebSocketLayer};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Waits for what must come soon.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it comes in time")
}

/// Waits until it is so.
pub(crate) async fn until(what: impl Fn() -> bool) {
    soon(async {
        while !what() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// A response with this text.
pub(crate) fn text(status: u16, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Echoes, and goes on to receive when the connection is being closed.
pub(crate) async fn echo(socket: Socket) -> Result<(), Error> {
    let (mut receiver, sender) = socket.split();
    while let Some(message) = receiver.recv().await? {
        match sender.send(message).await {
            Ok(()) | Err(Error::Send(SendError::Closing)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A service that echoes, and has one page.
pub(crate) async fn echoing(request: Request<Incoming>) -> Response<Body> {
    match Upgrade::of(&request) {
        Some(upgrade) => upgrade.accept(echo).map(BodyExt::boxed),
        None => text(200, "a page"),
    }
}

/// A service that does this with each connection.
pub(crate) fn serving<H, F>(
    handler: H,
) -> impl Fn(Request<Incoming>) -> std::future::Ready<Response<Body>> + Clone + Send + Sync + 'static
where
    H: Fn(Socket) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    answering(move |upgrade| upgrade.accept(handler.clone()).map(BodyExt::boxed))
}

/// A service that answers each handshake like this.
pub(crate) fn answering<A>(
    answer: A,
) -> impl Fn(Request<Incoming>) -> std::future::Ready<Response<Body>> + Clone + Send + Sync + 'static
where
    A: Fn(Upgrade) -> Response<Body> + Clone + Send + Sync + 'static,
{
    move |request| {
        std::future::ready(match Upgrade::of(&request) {
            Some(upgrade) => answer(upgrade),
            None => text(200, "a page"),
        })
    }
}

/// What has happened, each event with its path.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn listen(&self, options: Options) -> Options {
        let events = Arc::clone(&self.0);
        options.on_event(move |details, event| {
            assert!(details.id() > 0);
            events.lock().unwrap().push(format!("{} {event}", details.path()));
        })
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for an event whose text has `part`.
    pub(crate) async fn wait(&self, part: &str) -> String {
        let found = || self.all().into_iter().find(|event| event.contains(part));
        let _ = timeout(SOON, async {
            while found().is_none() {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        found().unwrap_or_else(|| panic!("no event {part:?} in {:?}", self.all()))
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) sockets: Sockets,
    pub(crate) events: Events,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts one with the middleware and this service beneath.
    pub(crate) async fn start<H, F>(options: Options, service: H) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_with(options, service, |_| {}).await
    }

    /// The same with a server of HTTP that is set up like this.
    pub(crate) async fn start_with<H, F>(
        options: Options,
        service: H,
        set_up: impl Fn(&mut Builder<TokioExecutor>) + Send + 'static,
    ) -> Self
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let events = Events::default();
        let layer = WebSocketLayer::new(events.listen(options));
        let sockets = layer.sockets();
        let service = layer.layer(tower::service_fn(move |request| {
            let response = service(request);
            async move { Ok::<_, Infallible>(response.await) }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(service.clone());
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http2().enable_connect_protocol();
                set_up(&mut builder);
                tokio::spawn(async move {
                    let io = TokioIo::new(stream);
                    let _ = builder.serve_connection_with_upgrades(io, service).await;
                });
            }
        });
        Self { address, sockets, events, task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("ws://{}/chat", self.address)).unwrap()
    }

    /// A client over HTTP/1.1 whose handshake has been accepted.
    pub(crate) async fn open(&self) -> WebSocket<TcpStream> {
        self.open_by(&self.client()).await.unwrap()
    }

    pub(crate) async fn open_by(&self, client: &Client) -> Result<WebSocket<TcpStream>, Error> {
        soon(handshake(self.connect().await, client)).await
    }

    /// The status with which this handshake is answered.
    pub(crate) async fn status(&self, client: &Client) -> u16 {
        match self.open_by(client).await {
            Ok(_) => 101,
            Err(Error::Connect(error)) => match error.cause() {
                ConnectCause::Refused(refusal) => refusal.status,
                cause => panic!("{cause:?}"),
            },
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until a handshake is accepted: for a place that has been freed.
    pub(crate) async fn open_when_free(&self) -> WebSocket<TcpStream> {
        soon(async {
            loop {
                match self.open_by(&self.client()).await {
                    Ok(socket) => break socket,
                    Err(Error::Connect(_)) => sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await
    }

    /// Sends this and reads all that comes, to the end of the connection, which must be in order.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.expect("an end without a reset");
        String::from_utf8(answer).unwrap()
    }

    /// All places are free.
    pub(crate) async fn assert_empty(&self) {
        soon(self.sockets.closed()).await;
        assert_eq!(self.sockets.len(), 0);
    }
}

/// A good handshake, with the further lines given.
pub(crate) fn request(further: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{further}\r\n"
    )
}

/// Reads to the end of the head of an answer, or of the stream.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match soon(stream.read(&mut byte)).await {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Reads this frame and nothing else.
pub(crate) async fn expect(stream: &mut (impl AsyncRead + Unpin), frame: &Frame) {
    let expected = frame.to_bytes();
    let mut bytes = vec![0; expected.len()];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, expected);
}

/// Reads a Ping of keep-alive and nothing else.
pub(crate) async fn expect_ping(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = [0; 10];
    soon(stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes[..2], [0x89, 8]);
}

/// A client over HTTP/2: one TCP connection.
pub(crate) struct Http2 {
    pub(crate) requests: h2::client::SendRequest<Bytes>,
    pub(crate) driver: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    /// Connects, and waits until the server has said that it takes extended CONNECT.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_by(address, &h2::client::Builder::new()).await
    }

    pub(crate) async fn connect_by(address: SocketAddr, builder: &h2::client::Builder) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (requests, connection) = soon(builder.handshake(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        until(|| requests.is_extended_connect_protocol_enabled()).await;
        Self { requests, driver }
    }

    /// Sends a request, whose stream stays open, and waits for the answer.
    pub(crate) async fn ask(
        &mut self,
        request: Request<()>,
    ) -> Result<(Response<h2::RecvStream>, h2::SendStream<Bytes>), h2::Error> {
        self.requests = soon(self.requests.clone().ready()).await?;
        let (response, send) = self.requests.send_request(request, false)?;
        Ok((soon(response).await?, send))
    }

    /// A WebSocket.
    pub(crate) async fn open(&mut self) -> Stream {
        self.open_by(connect_request()).await.1
    }

    /// A WebSocket, and how it was accepted.
    pub(crate) async fn open_by(&mut self, request: Request<()>) -> (http::response::Parts, Stream) {
        let (response, send) = self.ask(request).await.unwrap();
        let (head, recv) = response.into_parts();
        assert_eq!(head.status, 200);
        (head, Stream { send, recv, unread: Vec::new() })
    }
}

/// A good handshake over HTTP/2.
pub(crate) fn connect_request() -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = "http://example.com/chat".parse().unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request
}

/// A stream of HTTP/2 that is a WebSocket, in bytes.
pub(crate) struct Stream {
    pub(crate) send: h2::SendStream<Bytes>,
    pub(crate) recv: h2::RecvStream,
    unread: Vec<u8>,
}

impl Stream {
    /// Sends masked frames.
    pub(crate) fn send(&mut self, frames: &[Frame]) {
        self.send.send_data(wire::stream(frames, true).into(), false).unwrap();
    }

    /// Ends our side of the stream.
    pub(crate) fn finish(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// The next bytes; `None` at the end of the stream.
    pub(crate) async fn read(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = soon(self.recv.data()).await;
        if let Some(Ok(data)) = &data {
            self.recv.flow_control().release_capacity(data.len()).unwrap();
        }
        data
    }

    /// Reads this frame.
    pub(crate) async fn expect(&mut self, frame: &Frame) {
        let expected = frame.to_bytes();
        while self.unread.len() < expected.len() {
            let data = self.read().await.expect("more before the end").expect("no reset");
            self.unread.extend_from_slice(&data);
        }
        let rest = self.unread.split_off(expected.len());
        assert_eq!(self.unread, expected);
        self.unread = rest;
    }

    /// Reads a Ping of keep-alive.
    pub(crate) async fn expect_ping(&mut self) {
        while self.unread.len() < 10 {
            let data = self.read().await.expect("more before the end").expect("no reset");
            self.unread.extend_from_slice(&data);
        }
        assert_eq!(self.unread[..2], [0x89, 8]);
        self.unread.drain(..10);
    }

    /// Reads to the end of the stream, which must be one in order: END_STREAM. Then ends our side.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        while let Some(data) = self.read().await {
            rest.extend_from_slice(&data.expect("END_STREAM and no reset"));
        }
        let _ = self.send.send_data(Bytes::new(), true); // it may be over
        rest
    }
}
