//! A server of HTTP/2 whose streams a test decides about.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::server::SendResponse;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use websans_tokio::h2::H2Stream;
use websans_tokio::handshake::client::Request;
use websans_tokio::handshake::server::{Choice, ExtendedConnect, check_connect};
use websans_tokio::handshake::{HandshakeError, Headers};
use websans_tokio::{Config, Role, WebSocket};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A stream that a client has opened.
pub(crate) type Asked = (http::Request<RecvStream>, SendResponse<Bytes>);

/// The request of most tests.
pub(crate) fn request() -> Request {
    Request::new("wss://example.com/chat", [0; 16]).unwrap()
}

/// A server that allows WebSockets, and has room for what nobody reads.
pub(crate) fn server() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol().initial_connection_window_size(8 << 20);
    builder
}

/// A client over `io`, its connection under way.
pub(crate) async fn client(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(8 << 20);
    let (requests, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    requests
}

/// Serves the streams of `io` with `each`, each in a task of its own.
pub(crate) fn serve<F, Fut>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    builder: h2::server::Builder,
    each: F,
) where
    F: Fn(Asked) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
        while let Some(Ok(asked)) = connection.accept().await {
            tokio::spawn(each(asked));
        }
    });
}

/// A client of a server whose streams go to `each`, in memory.
pub(crate) async fn piped<F, Fut>(each: F) -> SendRequest<Bytes>
where
    F: Fn(Asked) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (a, b) = tokio::io::duplex(64 << 10);
    serve(a, server(), each);
    client(b).await
}

/// The same over TCP.
pub(crate) async fn over_tcp<F, Fut>(each: F) -> SendRequest<Bytes>
where
    F: Fn(Asked) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    let (a, b) = (a.unwrap().0, b.unwrap());
    a.set_nodelay(true).unwrap();
    b.set_nodelay(true).unwrap();
    serve(a, server(), each);
    client(b).await
}

/// A client and the streams that it opens, as the server gets them.
pub(crate) async fn raw() -> (SendRequest<Bytes>, tokio::sync::mpsc::UnboundedReceiver<Asked>) {
    let (asked, streams) = tokio::sync::mpsc::unbounded_channel();
    let requests = piped(move |stream| {
        let asked = asked.clone();
        async move { asked.send(stream).unwrap_or_else(|_| panic!("nobody asks for streams any more")) }
    })
    .await;
    (requests, streams)
}

/// Headers of the crate `http`.
pub(crate) struct Fields<'m>(pub(crate) &'m http::HeaderMap);

impl Headers for Fields<'_> {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.0.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}

/// Judges an extended CONNECT by the core, answers it, and makes a connection of it.
pub(crate) fn accept(
    asked: Asked,
    choice: &Choice<'_>,
    config: Config,
) -> Result<WebSocket<H2Stream>, HandshakeError> {
    let (request, mut respond) = asked;
    let accepted = {
        let uri = request.uri();
        let connect = ExtendedConnect {
            method: request.method().as_str(),
            protocol: request.extensions().get::<Protocol>().map(Protocol::as_str),
            scheme: uri.scheme_str(),
            authority: uri.authority().map(http::uri::Authority::as_str),
            path: uri.path_and_query().map(http::uri::PathAndQuery::as_str),
        };
        let fields = Fields(request.headers());
        check_connect(&connect, &fields)?.answer(choice).unwrap()
    };
    let mut response = http::Response::builder().status(accepted.status());
    for (name, value) in accepted.headers() {
        response = response.header(name, value);
    }
    let outgoing = respond.send_response(response.body(()).unwrap(), false).unwrap();
    let io = H2Stream::new(outgoing, request.into_body());
    Ok(WebSocket::from_handshake(io, Role::Server, config, accepted.negotiated, &[]))
}

/// Echoes until the end.
pub(crate) async fn echo(asked: Asked) {
    let mut socket = accept(asked, &Choice::new(), Config::default()).unwrap();
    while let Ok(Some(message)) = socket.recv_owned().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// A response without headers.
pub(crate) fn status(status: u16) -> http::Response<()> {
    http::Response::builder().status(status).body(()).unwrap()
}
