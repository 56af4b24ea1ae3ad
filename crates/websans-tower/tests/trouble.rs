//! What has gone wrong once, and what nearly did: places that are not freed, responses that are replaced, clients that are slow.

#[path = "support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use support::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use websans_testkit::wire::Frame;
use websans_tower::{Options, Socket, Upgrade};

fn empty(status: u16) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A client over HTTP/2 that reads all the time, slowly, is given up as one that does not read.
#[tokio::test]
async fn who_reads_slowly_over_http_2_is_not_given_up() {
    const LEN: usize = 800_000;
    let handler = async |mut socket: Socket| {
        for _ in 0..3 {
            socket.send(vec![7_u8; LEN]).await?;
        }
        socket.close(websans_tower::CloseCode::NORMAL, "").await.map(drop)
    };
    let options = Options::new().limits(|config| {
        config.write_stall = Duration::from_secs(1); // half of what one message takes
        config.close_within = Duration::from_secs(60);
    });
    let server = Server::start(options, serving(handler)).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(32 << 10).initial_connection_window_size(1 << 20);
    let mut client = Http2::connect_by(server.address, &builder).await;
    let mut stream = client.open().await;
    let mut got = 0;
    while let Some(Ok(data)) = stream.recv.data().await {
        stream.recv.flow_control().release_capacity(data.len()).unwrap();
        got += data.len();
        sleep(Duration::from_millis(40)).await; // about 400 KB/s
        if got >= 3 * LEN {
            break;
        }
    }
    assert!(got >= 3 * LEN, "only {got} of {}: {:?}", 3 * LEN, server.events.all());
}

/// An application that observes the drop itself takes the middleware's observer away.
#[tokio::test]
async fn an_observer_of_the_application_leaves_the_log_its_own() {
    let handler = async |mut socket: Socket| {
        socket.on_drop(|_, _| {});
        while socket.recv().await?.is_some() {}
        Ok(())
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut socket = server.open().await;
    socket.close(websans_tower::CloseCode::NORMAL, "").await.unwrap();
    server.assert_empty().await;
    sleep(Duration::from_millis(200)).await;
    let events = server.events.all();
    assert!(events.iter().any(|event| event.contains("closed cleanly")), "{events:?}");
}

/// Over HTTP/2 any 2xx counts as the response that accepts.
#[tokio::test]
async fn over_http_2_another_success_opens_nothing() {
    for other in [200, 204] {
        let ran = Arc::new(Mutex::new(false));
        let service = {
            let ran = Arc::clone(&ran);
            answering(move |upgrade: Upgrade| {
                let ran = Arc::clone(&ran);
                drop(upgrade.accept(move |mut socket: Socket| async move {
                    *ran.lock().unwrap() = true;
                    let _ = socket.recv().await;
                }));
                empty(other)
            })
        };
        let server = Server::start(Options::new().protocols(["chat"]), service).await;
        let mut request = connect_request();
        request.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
        let (response, _send) = Http2::connect(server.address).await.ask(request).await.unwrap();
        assert_eq!(response.status(), 501);
        sleep(Duration::from_millis(300)).await;
        assert!(!*ran.lock().unwrap(), "{other}: the handler runs, {:?}", server.events.all());
    }
}

/// A service that knows nothing of WebSocket and answers 200 opens one over HTTP/2, in the eyes of the client.
#[tokio::test]
async fn over_http_2_a_page_does_not_pass_for_a_websocket() {
    let service = answering(|_| text(200, "a page"));
    let server = Server::start(Options::new(), service).await;
    let (response, _send) = Http2::connect(server.address).await.ask(connect_request()).await.unwrap();
    let status = response.status();
    let mut body = response.into_body();
    let data = soon(body.data()).await;
    assert!(
        !status.is_success(),
        "{status}: the client believes that it is open; {data:?}; {:?}",
        server.events.all()
    );
}

/// `close_all`, then `shutdown`, as the example of the crate has it.
#[tokio::test]
async fn a_farewell_counts_those_who_were_told_before() {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(server.open().await);
    }
    assert_eq!(server.sockets.close_all(), 3);
    for socket in &mut sockets {
        assert_eq!(soon(socket.recv()).await.unwrap(), None);
    }
    drop(sockets);
    server.assert_empty().await;
    let farewell = server.sockets.shutdown(Duration::from_secs(1)).await;
    assert!(farewell.closed_cleanly <= farewell.open, "{farewell}");
}

/// An `Upgrade` that outlives the refusal.
#[tokio::test]
async fn who_keeps_a_refused_handshake_keeps_no_place() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let kept = Arc::clone(&kept);
        answering(move |upgrade: Upgrade| {
            kept.lock().unwrap().push(upgrade);
            text(403, "no")
        })
    };
    let server = Server::start(Options::new().max_connections(1), service).await;
    assert_eq!(server.status(&server.client()).await, 403);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(server.sockets.len(), 0, "the service has answered otherwise, the connection is gone");
}

/// A refusal whose client has already sent more than hyper reads.
#[tokio::test]
async fn a_refusal_is_read_though_much_was_sent_behind_the_handshake() {
    let server = Server::start(Options::new(), serving(echo)).await;
    let mut stream = server.connect().await;
    let mut bytes = request("Origin: http://evil.example\r\n").into_bytes();
    bytes.resize(bytes.len() + 200_000, b'x');
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = soon(stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "{read:?} after {} bytes", answer.len());
}

/// A handler that is blocked in a send is told by `close_all`, over either version.
#[tokio::test]
async fn who_is_blocked_over_http_1_is_told() {
    blocked(false).await;
}

#[tokio::test]
async fn who_is_blocked_over_http_2_is_told() {
    blocked(true).await;
}

async fn blocked(h2: bool) {
    let handler = async |mut socket: Socket| loop {
        socket.send(vec![7_u8; 1 << 20]).await?;
    };
    let options = Options::new().limits(|config| config.close_within = Duration::from_millis(300));
    let server = Server::start(options, serving(handler)).await;
    let mut held: Vec<Box<dyn std::any::Any>> = Vec::new();
    if h2 {
        let mut client = Http2::connect(server.address).await;
        held.push(Box::new(client.open().await));
        held.push(Box::new(client));
    } else {
        held.push(Box::new(server.open().await));
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.sockets.close_all(), 1);
    let freed = timeout(Duration::from_secs(5), server.sockets.closed()).await;
    assert!(freed.is_ok(), "still there after 5 s (close_within is 0.3 s): {:?}", server.events.all());
}

/// What was sent before the handler returns arrives.
#[tokio::test]
async fn what_was_sent_over_http_2_leaves_though_the_socket_is_dropped() {
    let handler = async |mut socket: Socket| {
        for n in 0..5_u8 {
            socket.send(vec![n; 100_000]).await?;
        }
        Ok(())
    };
    let server = Server::start(Options::new(), serving(handler)).await;
    let mut stream = Http2::connect(server.address).await.open().await;
    sleep(Duration::from_millis(300)).await;
    for n in 0..5 {
        stream.expect(&Frame::binary(vec![n; 100_000])).await;
    }
    assert_eq!(stream.rest().await, b"");
}

/// A place's waiters.
#[tokio::test]
async fn who_waits_no_longer_is_forgotten() {
    struct W;
    impl std::task::Wake for W {
        fn wake(self: Arc<Self>) {}
    }
    let server = Server::start(Options::new(), serving(echo)).await;
    let _socket = server.open().await;
    let mut weak = Vec::new();
    for _ in 0..100 {
        let wake = Arc::new(W);
        weak.push(Arc::downgrade(&wake));
        let waker = std::task::Waker::from(wake);
        let mut closed = Box::pin(server.sockets.closed());
        assert!(closed.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    let alive = weak.iter().filter(|weak| weak.strong_count() > 0).count();
    assert!(alive <= 1, "{alive} wakers of futures that are long gone");
}

/// As t10, but with messages that the outbox hands over in one piece: blocked in the flush.
#[tokio::test]
async fn who_is_blocked_in_a_flush_is_told() {
    let handler = async |mut socket: Socket| loop {
        socket.send(vec![7_u8; 1000]).await?;
    };
    let options = Options::new().limits(|config| config.close_within = Duration::from_millis(300));
    let server = Server::start(options, serving(handler)).await;
    let mut client = Http2::connect(server.address).await;
    let _stream = client.open().await;
    sleep(Duration::from_millis(1000)).await;
    assert_eq!(server.sockets.close_all(), 1);
    let freed = timeout(Duration::from_secs(5), server.sockets.closed()).await;
    assert!(freed.is_ok(), "still there after 5 s (close_within is 0.3 s): {:?}", server.events.all());
}

/// The example of the crate.
#[tokio::test]
async fn the_server_ends_though_a_handler_does_not() {
    use axum::{Router, response::IntoResponse, routing::any};
    let layer = websans_tower::WebSocketLayer::default();
    let sockets = layer.sockets();
    let app = Router::new()
        .route(
            "/ws",
            any(async |upgrade: Upgrade| {
                upgrade.accept(async |_socket: Socket| std::future::pending::<()>().await).into_response()
            }),
        )
        .layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ctrl_c, wait) = tokio::sync::oneshot::channel::<()>();
    let end = tokio::spawn({
        let sockets = sockets.clone();
        async move {
            let _ = wait.await;
            sockets.shutdown(Duration::from_secs(1)).await
        }
    });
    let main = tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async move { sockets.closing().await })
            .await
            .unwrap();
        end.await.unwrap()
    });
    let mut client = Http2::connect(address).await;
    let mut request = connect_request();
    *request.uri_mut() = "http://example.com/ws".parse().unwrap();
    let _stream = client.open_by(request).await;
    ctrl_c.send(()).unwrap();
    let ended = timeout(Duration::from_secs(8), main).await;
    assert_eq!(ended.expect("the rest is cut off").unwrap().aborted, 1);
}

/// A client that reads all the time, slowly, and answers each Ping as soon as it has it.
#[tokio::test]
async fn who_answers_slowly_over_http_2_is_alive() {
    const LEN: usize = 1_200_000;
    let handler = async |socket: Socket| {
        let (mut receiver, sender) = socket.split();
        sender.send(vec![7_u8; LEN]).await?;
        while receiver.recv().await?.is_some() {}
        Ok(())
    };
    let options = Options::new().keep_alive(websans_tower::Keepalive {
        every: Duration::from_millis(300),
        within: Duration::from_millis(700),
    });
    let server = Server::start(options, serving(handler)).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(32 << 10).initial_connection_window_size(1 << 20);
    let mut client = Http2::connect_by(server.address, &builder).await;
    let mut stream = client.open().await;
    let mut got = 0;
    while let Some(Ok(data)) = stream.recv.data().await {
        stream.recv.flow_control().release_capacity(data.len()).unwrap();
        got += data.len();
        sleep(Duration::from_millis(40)).await;
        if got >= LEN + 10 {
            break;
        }
    }
    let events = server.events.all();
    assert!(
        !events.iter().any(|event| event.contains("1006") || event.contains("1011")),
        "got {got}: {events:?}"
    );
}

/// How much is held.
#[tokio::test]
async fn little_is_out_of_our_hands_over_http_2() {
    const LEN: usize = 4 << 20;
    let handler = async |mut socket: Socket| {
        for _ in 0..6 {
            socket.send(vec![7_u8; LEN]).await?;
        }
        Ok(())
    };
    let options = Options::new().limits(|config| config.write_stall = Duration::from_millis(300));
    let server = Server::start(options, serving(handler)).await;
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1).initial_connection_window_size(1 << 20);
    let (mut requests, mut connection) = builder.handshake::<_, bytes::Bytes>(stream).await.unwrap();
    let widen = Arc::new(tokio::sync::Notify::new());
    let told = widen.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = &mut connection => return,
            () = told.notified() => connection.set_initial_window_size(1 << 30).unwrap(),
        }
        let _ = connection.await;
    });
    until(|| requests.is_extended_connect_protocol_enabled()).await;
    let (response, _send) = requests.send_request(connect_request(), false).unwrap();
    let mut body = soon(response).await.unwrap().into_body();
    until(|| server.sockets.len() == 1).await;
    until(|| server.sockets.is_empty()).await;
    sleep(Duration::from_secs(1)).await;
    widen.notify_one();
    let mut got = 0;
    while let Ok(Some(Ok(data))) = timeout(Duration::from_secs(5), body.data()).await {
        got += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    assert!(
        got < 200_000,
        "{got} bytes were held for a connection whose place is free (a message has {LEN}, max_outbox is 256 KiB)"
    );
}

/// `Upgrade` by an extractor of a layer of axum that only looks.
#[tokio::test]
async fn who_only_looks_takes_nothing() {
    use axum::{
        Router,
        extract::Request,
        middleware::{Next, from_fn},
        response::IntoResponse,
        routing::any,
    };
    let app = Router::new()
        .route("/chat", any(async |upgrade: Upgrade| upgrade.accept(echo).into_response()))
        .layer(from_fn(async |upgrade: Option<Upgrade>, request: Request, next: Next| {
            assert!(upgrade.is_some());
            next.run(request).await
        }))
        .layer(websans_tower::WebSocketLayer::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request("").as_bytes()).await.unwrap();
    let mut answer = [0; 600];
    let n = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
}

/// An opening that is never awaited, and one whose task is gone: somebody should be told.
#[tokio::test]
async fn an_opening_that_is_dropped_is_told() {
    let service = answering(|upgrade: Upgrade| {
        let (response, opening) = upgrade.accept_later();
        drop(opening);
        response.map(BodyExt::boxed)
    });
    let server = Server::start(Options::new(), service).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    let mut rest = Vec::new();
    let read = soon(stream.read_to_end(&mut rest)).await;
    server.assert_empty().await;
    assert!(!server.events.all().is_empty(), "no event at all after {head} and then {read:?}");
}

/// The close handshake of one who sent much to a slow reader, over HTTP/2.
#[tokio::test]
async fn a_close_waits_for_what_is_before_it_over_http_2() {
    let handler = async |mut socket: Socket| {
        socket.send(vec![7_u8; 1_200_000]).await?;
        socket.close(websans_tower::CloseCode::NORMAL, "").await.map(drop)
    };
    let options = Options::new().limits(|config| config.close_within = Duration::from_millis(800));
    let server = Server::start(options, serving(handler)).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(32 << 10).initial_connection_window_size(1 << 20);
    let mut client = Http2::connect_by(server.address, &builder).await;
    let mut stream = client.open().await;
    let mut got = 0;
    while let Some(Ok(data)) = stream.recv.data().await {
        stream.recv.flow_control().release_capacity(data.len()).unwrap();
        got += data.len();
        if got >= 1_200_014 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    let _ =
        stream.send.send_data(websans_testkit::wire::stream(&[Frame::close(1000, "")], true).into(), false);
    server.assert_empty().await;
    let events = server.events.all();
    assert!(events.iter().any(|event| event.contains("cleanly")), "got {got}: {events:?}");
}

/// A listener that fails while a connection is opened.
#[tokio::test]
async fn a_listener_that_panics_hears_of_the_end() {
    let closed = Arc::new(Mutex::new(0));
    let layer_closed = closed.clone();
    let options = Options::new();
    let layer = websans_tower::WebSocketLayer::new(options.on_event(move |_, event| match event {
        websans_tower::Event::Opened(_) => panic!("a bug of the listener"),
        websans_tower::Event::Closed(..) => *layer_closed.lock().unwrap() += 1,
        _ => {}
    }));
    use tower::Layer as _;
    let sockets = layer.sockets();
    let service =
        layer.layer(tower::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
            Ok::<_, std::convert::Infallible>(echoing(request).await)
        }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(service);
        let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
        let _ = builder.serve_connection_with_upgrades(hyper_util::rt::TokioIo::new(stream), service).await;
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request("").as_bytes()).await.unwrap();
    read_head(&mut stream).await;
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    soon(sockets.closed()).await;
    assert_eq!(
        *closed.lock().unwrap(),
        1,
        "opened was counted, closed was not: the gauge is off by one for ever"
    );
}

/// HTTP/2: a response of 200 that is another's, and whose compression is not what the client knows of.
#[tokio::test]
async fn nothing_is_compressed_that_was_not_agreed_on() {
    let service = answering(|upgrade: Upgrade| {
        drop(upgrade.accept(async |mut socket: Socket| socket.send("a".repeat(1000)).await));
        empty(200)
    });
    let options = Options::new().deflate(websans_deflate::Deflate::default());
    let server = Server::start(options, service).await;
    let mut request = connect_request();
    request.headers_mut().insert("sec-websocket-extensions", "permessage-deflate".parse().unwrap());
    let (response, _send) = Http2::connect(server.address).await.ask(request).await.unwrap();
    assert_eq!(response.status(), 501);
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
    let data = soon(response.into_body().data()).await.unwrap().unwrap();
    assert_eq!(data, "nothing here accepts a WebSocket\n");
}

/// Many connections in the midst of everything, and all are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_midst_of_everything_all_are_told() {
    for round in 0..6_u64 {
        let group = websans_tokio::Group::new(1000);
        let mut clients = Vec::new();
        let mut servers = Vec::new();
        for n in 0..20_u64 {
            let (a, b) = tokio::io::duplex(300);
            let member = group.enter().unwrap();
            servers.push(tokio::spawn(async move {
                let socket = websans_tokio::accept(member.guard(a)).await.unwrap();
                match n % 3 {
                    0 => {
                        let (mut receiver, sender) = socket.split();
                        let other = sender.clone();
                        let flood = tokio::spawn(async move {
                            while other.send(vec![1_u8; 700]).await.is_ok() {
                                tokio::task::yield_now().await;
                            }
                        });
                        while let Ok(Some(message)) = receiver.recv().await {
                            let _ = sender.send(message).await;
                        }
                        let _ = flood.await;
                    }
                    1 => {
                        let mut socket = socket;
                        while let Ok(Some(message)) = socket.recv_owned().await {
                            let _ = socket.send(message).await;
                        }
                    }
                    _ => {
                        let (receiver, sender) = socket.split();
                        drop(receiver);
                        while sender.send(vec![1_u8; 900]).await.is_ok() {}
                        let _ = sender.closed().await;
                    }
                }
            }));
            clients.push(tokio::spawn(async move {
                let client = websans_tokio::Client::new("ws://a/").unwrap();
                let socket = websans_tokio::handshake(b, &client).await.unwrap();
                let (mut receiver, sender) = socket.split();
                let send = tokio::spawn(async move {
                    while sender.send(vec![2_u8; 500]).await.is_ok() {
                        tokio::task::yield_now().await;
                    }
                });
                let mut failed = None;
                loop {
                    match receiver.recv().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(error) => {
                            failed = Some(error.to_string());
                            break;
                        }
                    }
                }
                let outcome = receiver.outcome();
                drop(receiver);
                let _ = send.await;
                (n % 3, outcome.map(|outcome| (outcome.code(), outcome.is_clean())), failed)
            }));
        }
        sleep(Duration::from_millis(20 + round * 3)).await;
        let farewell =
            timeout(Duration::from_secs(20), group.shutdown(Duration::from_secs(10))).await.unwrap();
        let mut outcomes = Vec::new();
        for client in clients {
            outcomes.push(soon(client).await.unwrap());
        }
        for server in servers {
            soon(server).await.unwrap();
        }
        let bad: Vec<_> = outcomes.iter().filter(|outcome| outcome.1 != Some((1001, true))).collect();
        assert_eq!(farewell.aborted, 0, "{round}: {farewell}");
        assert!(bad.is_empty(), "{round}: {farewell}; {bad:?}");
    }
}
