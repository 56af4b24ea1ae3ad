//! A server that runs, and clients for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{
    Config, Error, Incoming, Negotiated, Report, Role, SendError, Served, Server, WebSocket, serve,
};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Report>,
    events: Arc<Mutex<Vec<String>>>,
}

/// Starts a server on a port of its own.
pub(crate) async fn start<H, F>(server: Server, handler: H) -> Running
where
    H: Fn(Incoming<Served>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let events = Arc::new(Mutex::new(Vec::new()));
    let server = server.shutdown_on(stopped).on_event({
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap().push(event.to_string())
    });
    Running { address, stop, task: tokio::spawn(serve(listener, server, handler)), events }
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A client whose handshake has been accepted.
    pub(crate) async fn open(&self) -> WebSocket<TcpStream> {
        open(self.connect().await).await.unwrap()
    }

    /// Waits until a client is accepted: a place that has been freed.
    pub(crate) async fn open_when_free(&self) -> WebSocket<TcpStream> {
        timeout(SOON, async {
            loop {
                match open(self.connect().await).await {
                    Ok(socket) => break socket,
                    Err(status) => assert_eq!(status, 503),
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("the place is free by now")
    }

    /// Tells the server to go down.
    pub(crate) fn stop(self) -> JoinHandle<Report> {
        self.stop.send(()).unwrap();
        self.task
    }

    /// Stops it and waits for the report.
    pub(crate) async fn report(self) -> Report {
        timeout(SOON, self.stop()).await.expect("the server ends in time").unwrap()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// Waits for an event whose text has `part`.
    pub(crate) async fn event(&self, part: &str) -> String {
        let found = async {
            loop {
                if let Some(event) = self.events().into_iter().find(|event| event.contains(part)) {
                    break event;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, found).await.unwrap_or_else(|_| panic!("no event {part:?} in {:?}", self.events()))
    }
}

/// Echoes, and goes on to receive when the server goes down.
pub(crate) async fn echo(incoming: Incoming<Served>) -> Result<(), Error> {
    let (mut receiver, sender) = incoming.accept(&Choice::new()).await?.split();
    while let Some(message) = receiver.recv().await? {
        match sender.send(message).await {
            Ok(()) | Err(Error::Send(SendError::Closing)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
                                  Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                                  Sec-WebSocket-Version: 13\r\n";

/// Does the opening handshake; `Err` is the status of a refusal.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<WebSocket<S>, u16> {
    // A server that is full may have answered and ended before it has read this.
    let _ = stream.write_all(format!("{REQUEST}\r\n").as_bytes()).await;
    let head = read_head(&mut stream).await;
    match status(&head) {
        101 => Ok(WebSocket::from_handshake(stream, keys(), Config::default(), Negotiated::default(), &[])),
        status => Err(status),
    }
}

/// Sends `request` and reads all of the answer.
pub(crate) async fn ask(running: &Running, request: &str) -> String {
    let mut stream = running.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the answer ends in time").unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads to the end of the head of an answer, or of the stream.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(SOON, stream.read(&mut byte)).await.expect("an answer") {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// The status of an answer; 0 if there is none.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// Masking keys that nobody needs to guess.
fn keys() -> Role {
    let mut count = 0_u32;
    Role::Client(Box::new(move || {
        count = count.wrapping_add(0x9e37_79b9);
        count.to_ne_bytes()
    }))
}
