//! Peers to connect to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use websans_dial::{ConnectError, Limits};
use websans_tokio::{Client, Error, Message, Transport, WebSocket, connect};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What has been seen, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Serves every connection to a new port of 127.0.0.1.
pub(crate) async fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A WebSocket server that sends back what it gets.
pub(crate) async fn echo() -> SocketAddr {
    serve(echo_over).await
}

pub(crate) async fn echo_over<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let Ok(mut socket) = websans_tokio::accept(stream).await else { return };
    while let Ok(Some(message)) = socket.recv().await {
        let Message::Text(text) = message else { return };
        let text = text.to_owned();
        if socket.send(&*text).await.is_err() {
            return;
        }
    }
}

/// Sends a message and waits for it to come back.
pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocket<S>) {
    socket.send("there and back").await.unwrap();
    let message = tokio::time::timeout(LONG, socket.recv()).await.unwrap().unwrap().unwrap();
    assert!(matches!(message, Message::Text("there and back")), "{message:?}");
}

/// The head of an HTTP message.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A server that answers every request with `response`, writes the requests down, and then ends.
pub(crate) async fn respond(response: impl Into<String>, log: &Log) -> SocketAddr {
    let (response, log) = (response.into(), log.clone());
    serve(move |mut stream| {
        let (response, log) = (response.clone(), log.clone());
        async move {
            if let Some(head) = head(&mut stream).await {
                log.add(head);
                let _ = stream.write_all(response.as_bytes()).await;
            }
        }
    })
    .await
}

/// A server that takes connections and then neither reads nor writes.
pub(crate) async fn silent() -> SocketAddr {
    serve(|stream| async move {
        tokio::time::sleep(LONG).await;
        drop(stream);
    })
    .await
}

/// An address where connecting neither succeeds nor fails: the queue of the listener is full. To be kept while it is
/// needed.
pub(crate) struct Full {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

pub(crate) async fn full() -> Full {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 20, "the queue does not fill");
    }
    Full { address, _listener: listener, _waiting: waiting }
}

/// An address where nobody listens.
pub(crate) async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Carries bytes between `stream` and `target` until both have ended.
pub(crate) async fn carry(mut stream: TcpStream, target: &str) {
    if let Ok(mut other) = TcpStream::connect(target).await {
        let _ = copy_bidirectional(&mut stream, &mut other).await;
    }
}

/// Fails to connect.
pub(crate) async fn failure(client: &Client) -> ConnectError {
    let result: Result<WebSocket<Transport>, Error> =
        tokio::time::timeout(LONG, connect(client)).await.unwrap();
    match result.map(drop).unwrap_err() {
        Error::Connect(error) => *error,
        error => panic!("{error}"),
    }
}

/// Limits under which nothing takes long.
pub(crate) fn short() -> Limits {
    let mut limits = Limits::default();
    limits.attempt = Duration::from_millis(400);
    limits.proxy = Duration::from_millis(400);
    limits.tls = Duration::from_millis(400);
    limits
}
