//! What is told of each connection, and in which order.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use websans_tower::{CloseCode, Event, Message, Options, Socket, Upgrade};

use crate::support::{Http2, Server, answering, connect_request, echo, request, serving, soon, until};

#[tokio::test]
async fn each_connection_has_its_events_in_order() {
    type Told = (u64, String, http::Version, Option<Vec<u8>>, String);
    let told = Arc::new(Mutex::new(Vec::<Told>::new()));
    // The server's own listener is replaced by this one: the last one counts.
    let layer = websans_tower::WebSocketLayer::new(
        Options::new().protocols(["v1"]).on_event(|_, _| panic!("it was replaced")).on_event({
            let told = Arc::clone(&told);
            move |details, event| {
                let kind = match event {
                    Event::Refused(error) => format!("refused {}", error.http_status()),
                    Event::Opened(protocol) => format!("opened {protocol:?}"),
                    Event::Closed(Some(outcome), stats) => format!(
                        "closed {} {} {} {}",
                        outcome.code(),
                        stats.messages_received,
                        stats.messages_sent,
                        stats.bytes_received > 0 && stats.bytes_sent > 0
                    ),
                    Event::Closed(None, _) => "dropped".to_owned(),
                    other => format!("other {other}"),
                };
                let origin = details.origin().map(<[u8]>::to_vec);
                told.lock().unwrap().push((
                    details.id(),
                    details.path().into(),
                    details.version(),
                    origin,
                    kind,
                ));
            }
        }),
    );
    let service = {
        use tower::Layer as _;
        layer.layer(tower::service_fn(async |request| {
            Ok::<_, std::convert::Infallible>(Upgrade::of(&request).unwrap().accept(echo))
        }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let io = hyper_util::rt::TokioIo::new(listener.accept().await.unwrap().0);
            let service = hyper_util::service::TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let builder = hyper::server::conn::http1::Builder::new();
                builder.serve_connection(io, service).with_upgrades().await
            });
        }
    });
    let origin = format!("http://{address}");
    let client = websans_tokio::Client::new(&format!("ws://{address}/a/path?query")).unwrap();
    let client = client.protocol("v1").unwrap().origin(&origin).unwrap();
    let mut socket = websans_tokio::connect(&client).await.unwrap();
    for _ in 0..2 {
        socket.send("hello").await.unwrap();
        assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("hello")));
    }
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    let refused = websans_tokio::connect(client.origin("http://evil.example").unwrap()).await;
    assert!(refused.is_err());
    soon(layer.sockets().closed()).await;
    until(|| told.lock().unwrap().len() == 3).await;
    let told = told.lock().unwrap();
    let kinds: Vec<_> = told.iter().map(|told| told.4.as_str()).collect();
    assert_eq!(kinds, ["opened Some(\"v1\")", "closed 1000 2 2 true", "refused 403"]);
    assert!(told[0].0 == told[1].0 && told[1].0 < told[2].0, "{told:?}");
    assert!(told.iter().all(|told| told.1 == "/a/path" && told.2 == http::Version::HTTP_11), "{told:?}");
    assert_eq!(told[0].3.as_deref(), Some(origin.as_bytes()));
    assert_eq!(told[2].3.as_deref(), Some(&b"http://evil.example"[..]));
}

#[tokio::test]
async fn a_failed_handler_is_told_after_the_end_of_its_connection() {
    let handler = async |mut socket: Socket| -> Result<(), websans_tokio::Error> {
        soon(socket.recv()).await?;
        Err(std::io::Error::other("out of luck").into())
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    server.open().await.send("go").await.unwrap();
    server.events.wait("handler").await;
    assert_eq!(
        server.events.all(),
        [
            "/chat opened",
            "/chat dropped before it was closed",
            "/chat the handler failed: the transport failed: out of luck"
        ]
    );
}

#[tokio::test]
async fn a_panic_is_told_after_the_end_of_its_connection() {
    let handler = async |mut socket: Socket| {
        soon(socket.recv()).await?;
        panic!("this one is meant");
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    server.open().await.send("go").await.unwrap();
    server.events.wait("panicked").await;
    assert_eq!(
        server.events.all(),
        ["/chat opened", "/chat dropped before it was closed", "/chat the handler panicked"]
    );
}

#[tokio::test]
async fn refusals_are_told() {
    let server = Server::start(Options::new().max_connections(1), serving(echo)).await;
    let _socket = server.open().await;
    server.ask(&request("")).await;
    server.ask(&request("Origin: null\r\n")).await;
    server.ask(&request("").replace("13", "7")).await;
    let mut http2 = Http2::connect(server.address).await;
    http2.ask(connect_request()).await.unwrap();
    let places = "/chat refused: all places are taken, or the server goes down";
    assert_eq!(
        server.events.all(),
        [
            "/chat opened",
            places,
            "/chat refused: pages of this origin may not connect (RFC 6455 section 10.2)",
            "/chat refused: Sec-WebSocket-Version must be 13 (RFC 6455 section 4.2.1)",
            places,
        ]
    );
}

#[tokio::test]
async fn an_opening_of_the_services_own_tells_the_same() {
    let service = answering(|upgrade| {
        let (response, opening) = upgrade.accept_later();
        tokio::spawn(async move { echo(opening.await.unwrap()).await });
        response.map(BodyExt::boxed)
    });
    let server = Server::start(Options::new(), service).await;
    let mut socket = server.open().await;
    soon(socket.close(CloseCode::new(3000).unwrap(), "bye")).await.unwrap();
    server.assert_empty().await;
    assert_eq!(server.events.all(), ["/chat opened", "/chat closed cleanly (3000): bye"]);
}
