//! HTTP/2.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use websans_testkit::wire::{self, Frame, opcode};

use crate::support::{App, Raw};
use crate::tls::Certificate;

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(20);

/// What the server may send of one stream before it is read.
const WINDOW: u32 = 1 << 16;

/// A client's connection.
pub(crate) struct Http2 {
    runtime: Arc<Runtime>,
    requests: SendRequest<Bytes>,
    base: String,
}

/// A WebSocket over it, as bytes.
pub(crate) struct Stream {
    runtime: Arc<Runtime>,
    send: SendStream<Bytes>,
    recv: RecvStream,
    unread: Bytes,
}

impl Http2 {
    /// In clear text, by prior knowledge.
    pub(crate) fn new(app: &App) -> Self {
        let runtime = runtime();
        let stream = runtime.block_on(TcpStream::connect(app.address)).unwrap();
        Self::over(runtime, stream, format!("http://{}", app.address))
    }

    pub(crate) fn secure(app: &App, certificate: &Certificate) -> Self {
        let runtime = runtime();
        let stream = runtime.block_on(async {
            let tls = TlsConnector::from(certificate.trusting(&["h2", "http/1.1"]));
            let stream = TcpStream::connect(app.address).await.unwrap();
            tls.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
        });
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self::over(runtime, stream, format!("https://{}", app.address))
    }

    fn over(
        runtime: Arc<Runtime>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        base: String,
    ) -> Self {
        let mut builder = h2::client::Builder::new();
        // What this client does not read of some streams must not hold up others of its own.
        builder.initial_window_size(WINDOW).initial_connection_window_size(100 * WINDOW);
        let (requests, connection) = runtime.block_on(builder.handshake(stream)).unwrap();
        runtime.spawn(connection);
        Self { runtime, requests, base }
    }

    /// Status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let request = Request::get(format!("{}{path}", self.base)).body(()).unwrap();
        self.runtime.block_on(async {
            let (response, _) =
                self.requests.clone().ready().await.unwrap().send_request(request, true).unwrap();
            let response = timeout(LONG, response).await.unwrap().unwrap();
            let status = response.status().as_u16();
            let (mut body, mut stream) = (Vec::new(), response.into_body());
            while let Some(bytes) = timeout(LONG, stream.data()).await.unwrap() {
                let bytes = bytes.unwrap();
                stream.flow_control().release_capacity(bytes.len()).unwrap();
                body.extend_from_slice(&bytes);
            }
            (status, body)
        })
    }

    /// Asks for the echo by extended CONNECT. The error is the status.
    pub(crate) fn open(&self, headers: &[(&str, &str)]) -> Result<Stream, u16> {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("{}/ws", self.base))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let opened = self.runtime.block_on(async {
            let mut requests = self.requests.clone().ready().await.unwrap();
            let announced = async {
                while !requests.is_extended_connect_protocol_enabled() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(LONG, announced).await.expect("extended CONNECT is announced");
            let (response, send) = requests.send_request(request, false).unwrap();
            let response = timeout(LONG, response).await.unwrap().unwrap();
            match response.status().as_u16() {
                200 => Ok((send, response.into_body())),
                status => Err(status),
            }
        });
        let (send, recv) = opened?;
        Ok(Stream { runtime: Arc::clone(&self.runtime), send, recv, unread: Bytes::new() })
    }

    pub(crate) fn raw(&self, headers: &[(&str, &str)]) -> Raw<Stream> {
        Raw { stream: self.open(headers).expect("it is opened") }
    }
}

fn runtime() -> Arc<Runtime> {
    Arc::new(Runtime::new().unwrap())
}

impl Stream {
    /// Ends this side.
    pub(crate) fn end(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            let runtime = Arc::clone(&self.runtime);
            let data = runtime.block_on(async { timeout(LONG, self.recv.data()).await })?;
            match data.transpose().map_err(io::Error::other)? {
                None => return Ok(0),
                Some(bytes) => {
                    self.recv.flow_control().release_capacity(bytes.len()).map_err(io::Error::other)?;
                    self.unread = bytes;
                }
            }
        }
        let n = buffer.len().min(self.unread.len());
        buffer[..n].copy_from_slice(&self.unread.split_to(n));
        Ok(n)
    }
}

impl Write for Stream {
    /// Within the window, and a little time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let runtime = Arc::clone(&self.runtime);
        self.send.reserve_capacity(bytes.len());
        let send = &mut self.send;
        let capacity =
            async { timeout(Duration::from_millis(500), poll_fn(|cx| send.poll_capacity(cx))).await };
        let capacity =
            runtime.block_on(capacity)?.ok_or(io::ErrorKind::BrokenPipe)?.map_err(io::Error::other)?;
        let n = capacity.min(bytes.len());
        self.send.send_data(Bytes::copy_from_slice(&bytes[..n]), false).map_err(io::Error::other)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn one_connection_carries_the_page_and_many_sockets() {
    let app = App::start(&[]);
    let http2 = Http2::new(&app);
    let (status, body) = http2.get("/");
    assert!(status == 200 && body == include_bytes!("../../index.html"));
    assert_eq!(http2.get("/favicon.ico").0, 404);
    assert_eq!(http2.get("/ws").0, 400);
    assert_eq!(app.log(), "refused: 400 Bad Request");
    let mut sockets: Vec<_> = (0..50).map(|_| http2.raw(&[])).collect();
    for n in 0..3 {
        for socket in &mut sockets {
            socket.assert_echo(&format!("message {n}"));
        }
    }
    let mut socket = sockets.pop().unwrap();
    socket.write(&[Frame::binary(vec![7; 60_000]), Frame::close(4001, "bye")]);
    assert_eq!(socket.frame(), (opcode::BINARY, vec![7; 60_000]));
    assert_eq!(socket.close(), (4001, "bye".to_owned()));
    socket.assert_eof();
    socket.stream.end();
    assert_eq!(app.log(), "closed cleanly (4001): bye");
    sockets[0].assert_echo("the others go on");
}

#[test]
fn a_background_task_and_compression_know_no_difference() {
    let app = App::start(&["--background", "--compression"]);
    let http2 = Http2::new(&app);
    http2.raw(&[]).assert_echo("as it is");
    let mut socket = http2.raw(&[("sec-websocket-extensions", "permessage-deflate")]);
    socket.write(&[Frame::text("again and again ".repeat(500))]);
    let (opcode, payload) = socket.frame();
    assert!(opcode == opcode::TEXT && payload.len() < 1000, "{} bytes", payload.len());
}

#[test]
fn a_foreign_page_is_refused_and_the_connection_goes_on() {
    let app = App::start(&[]);
    let http2 = Http2::new(&app);
    for foreign in ["http://evil.example", "null"] {
        assert_eq!(http2.open(&[("origin", foreign)]).err(), Some(403), "{foreign}");
    }
    http2.raw(&[("origin", &format!("http://{}", app.address))]).assert_echo("its own page");
}

/// The window of the connection holds those of its streams: what the echo does not take of some leaves enough for others.
#[test]
fn sockets_that_do_not_read_their_echoes_hold_up_no_other() {
    let app = App::start(&[]);
    let http2 = Http2::new(&app);
    let mut deaf: Vec<_> = (0..40).map(|_| http2.raw(&[])).collect();
    thread::scope(|scope| {
        for socket in &mut deaf {
            scope.spawn(|| {
                let message = wire::stream(&[Frame::binary(vec![7; 50_000])], true);
                let mut sent = 0;
                while socket.stream.write_all(&message).is_ok() {
                    sent += 1;
                    assert!(sent < 1000, "it takes everything");
                }
            });
        }
    });
    http2.raw(&[]).assert_echo("not held up");
}

#[test]
fn the_servers_orders_end_streams() {
    let app = App::start(&[]);
    let http2 = Http2::new(&app);
    let mut closed = http2.raw(&[]);
    closed.write(&[Frame::text("ServerClose")]);
    assert_eq!(closed.close(), (1000, "Closing from server".to_owned()));
    let mut aborted = http2.raw(&[]);
    aborted.write(&[Frame::text("ServerAbort")]);
    let mut rest = Vec::new();
    let _ = aborted.stream.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    http2.raw(&[]).assert_echo("still there");
}
