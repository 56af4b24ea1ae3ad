//! The scenarios that hold for every adapter, for connections that the middleware has accepted in hyper over HTTP/1.1 and TCP.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{Layer as _, service_fn};
use websans_deflate::{Deflate, Settings};
use websans_testkit::conformance::tcp::{self, Playing};
use websans_testkit::conformance::{Report, Seat, Setup, Times};
use websans_tower::{Opening, Options, Socket, Upgrade, Upgraded, WebSocketLayer, deflate};

use crate::habitual::Habitual;
use crate::subject::{Driven, Transport};

// A connection is driven as one of websans-tokio is: it is one.
#[path = "../../websans-tokio/tests/conformance/habitual.rs"]
#[allow(dead_code, reason = "here every stream sleeps at first")]
mod habitual;
#[path = "../../websans-tokio/tests/conformance/subject.rs"]
mod subject;

type OverHttp1 = Driven<Http1>;

websans_testkit::conformance!(OverHttp1);

struct Http1;

impl Transport for Http1 {
    const TIMES: Times = Times::REAL;
    // Middleware answers handshakes and makes none.
    const SEATS: &'static [Seat] = &[Seat::ALL[0], Seat::ALL[1]];
    type Io = Upgraded;
    type Playing = Playing;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn start(setup: Setup, origin: Instant) -> (Socket, Playing) {
        let Setup { config, negotiated, room, habits, peer, .. } = setup;
        let (ours, mut theirs) = tcp::pair(room);
        ours.set_nonblocking(true).unwrap();
        let is_awake = Arc::new(AtomicBool::new(false));
        let io = tokio::net::TcpStream::from_std(ours).unwrap();
        let io = Habitual::asleep(io, habits, Arc::clone(&is_awake));
        let options =
            Options::new().config(config).deflate(negotiated.deflate.map(|agreed| extension(&agreed)));

        let (accepted, opening) = oneshot::channel();
        let service = WebSocketLayer::new(options).layer(accept(accepted));
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
            .with_upgrades();
        tokio::spawn(connection);
        let offer = if negotiated.deflate.is_some() {
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{offer}\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        theirs.write_all(request.as_bytes()).unwrap();
        let socket = opening.await.unwrap().await.unwrap();
        let head = head(&mut theirs);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        for (parameter, is_agreed) in [
            ("permessage-deflate", negotiated.deflate.is_some()),
            (
                "server_no_context_takeover",
                negotiated.deflate.is_some_and(|it| it.server_no_context_takeover),
            ),
            (
                "client_no_context_takeover",
                negotiated.deflate.is_some_and(|it| it.client_no_context_takeover),
            ),
        ] {
            assert_eq!(head.contains(parameter), is_agreed, "{head}");
        }
        is_awake.store(true, SeqCst);
        (socket, Playing::start(peer, theirs, origin.into_std()))
    }

    fn join(_: &Runtime, peer: &mut Playing) -> Report {
        peer.join()
    }
}

/// A service that accepts one handshake, for us to have the connection.
fn accept(
    to: oneshot::Sender<Opening>,
) -> impl tower::Service<
    Request<Incoming>,
    Response = Response<Empty<Bytes>>,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    let to = Arc::new(Mutex::new(Some(to)));
    service_fn(move |request| {
        let (response, opening) = Upgrade::of(&request).expect("a handshake").accept_later();
        let to = to.lock().unwrap().take().expect("one handshake");
        assert!(to.send(opening).is_ok(), "the connection is waited for");
        std::future::ready(Ok(response))
    })
}

/// Compression that agrees on what the scenario wants.
fn extension(agreed: &deflate::Parameters) -> deflate::Extension {
    let mut settings = Settings::default();
    settings.threshold = 100; // that of the scenarios
    settings.negotiation.server_no_context_takeover = agreed.server_no_context_takeover;
    settings.negotiation.client_no_context_takeover = agreed.client_no_context_takeover;
    (&Deflate::new(settings)).into()
}

/// The head of the response, and nothing behind it.
fn head(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
