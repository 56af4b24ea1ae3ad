//! Where the layer may stand, and what the extractor says.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, middleware};
use websans_testkit::wire::Frame;
use websans_tokio::{Message, connect};
use websans_tower::{NotUpgradable, Options, Socket, Upgrade, WebSocketLayer};

use crate::serve;
use crate::support::{Http2, connect_request, echo, soon};

async fn ws(upgrade: Upgrade) -> impl IntoResponse {
    upgrade.accept(echo)
}

#[tokio::test]
async fn a_layer_around_the_whole_router() {
    let layer = WebSocketLayer::default();
    let router = Router::new().route("/ws", any(ws)).route("/page", get(async || "a page"));
    let app = serve(router.layer(layer.clone()), || {}).await;
    let mut socket = connect(&app.client("/ws?x=1")).await.unwrap();
    socket.send("hello").await.unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("hello")));
    let mut http2 = Http2::connect(app.address).await;
    let mut request = connect_request();
    *request.uri_mut() = "http://example.com/ws".parse().unwrap();
    let (_, mut stream) = http2.open_by(request).await;
    stream.send(&[Frame::text("hello")]);
    stream.expect(&Frame::text("hello")).await;
    assert_eq!(layer.sockets().len(), 2);
    assert!(app.get("/page").await.ends_with("a page"));
    // A handshake where there is none.
    assert_eq!(app.ask("/nowhere", "Connection: close\r\n").await.0, 404);
    assert_eq!(app.ask("/page", "").await.0, 200); // and the connection ends, since nothing was accepted
    assert_eq!(app.ask("/ws", "Origin: http://evil.example\r\n").await.0, 403);
    drop((socket, stream));
    soon(layer.sockets().closed()).await;
}

#[tokio::test]
async fn a_layer_around_some_routes() {
    let router = Router::new()
        .route("/in", any(ws))
        .route("/in/{room}", any(ws))
        .route_layer(WebSocketLayer::default())
        .route("/out", any(ws));
    let app = serve(router, || {}).await;
    assert_eq!(app.ask("/in", "").await.0, 101);
    assert_eq!(app.ask("/in/7", "").await.0, 101);
    assert_eq!(app.ask("/nowhere", "Connection: close\r\n").await.0, 404);
    let (status, answer) = app.ask("/out", "").await;
    assert_eq!(status, 500);
    assert!(answer.ends_with("this handshake has not come through a WebSocketLayer that serves its path\n"));
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_nested_router_sees_paths_without_the_prefix() {
    let inner = Router::new()
        .route("/ws", any(ws))
        .route("/other", any(ws))
        .layer(WebSocketLayer::new(Options::new().path("/ws")));
    let outer = Router::new().nest("/api", inner);
    let app = serve(outer, || {}).await;
    assert_eq!(app.ask("/api/ws", "").await.0, 101);
    assert_eq!(app.ask("/api/other", "").await.0, 500);
    assert_eq!(app.ask("/ws", "Connection: close\r\n").await.0, 404);
    // Around the outer one, it sees the whole.
    let outer = Router::new().nest("/api", Router::new().route("/ws", any(ws)));
    let app = serve(outer.layer(WebSocketLayer::new(Options::new().path("/api/ws"))), || {}).await;
    assert_eq!(app.ask("/api/ws", "").await.0, 101);
}

#[tokio::test]
async fn handlers_may_have_a_state_and_further_extractors() {
    async fn greet(
        State(greeting): State<String>,
        Path(name): Path<String>,
        upgrade: Upgrade,
    ) -> impl IntoResponse {
        upgrade.accept(async move |mut socket: Socket| socket.send(format!("{greeting}, {name}")).await)
    }
    let router = Router::new()
        .route("/greet/{name}", any(greet))
        .layer(WebSocketLayer::default())
        .with_state("good evening".to_owned());
    let app = serve(router, || {}).await;
    let mut socket = connect(&app.client("/greet/ann")).await.unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("good evening, ann")));
}

#[tokio::test]
async fn who_asks_for_a_page_is_told_what_this_is() {
    let router = Router::new().route("/ws", any(ws)).layer(WebSocketLayer::default());
    let app = serve(router, || {}).await;
    let answer = app.get("/ws").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close, Upgrade\r\n"), "{answer}");
    assert!(answer.ends_with("send Upgrade: websocket (RFC 6455 section 4.2.1)\n"), "{answer}");
    // Over HTTP/2 there is no Upgrade.
    let mut request = connect_request();
    *request.uri_mut() = "http://example.com/ws".parse().unwrap();
    *request.method_mut() = http::Method::GET;
    request.extensions_mut().remove::<h2::ext::Protocol>();
    let (response, _) = Http2::connect(app.address).await.ask(request).await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(!response.headers().contains_key("upgrade"));
    let text = response.into_body().data().await.unwrap().unwrap();
    assert_eq!(
        text,
        "this is a WebSocket endpoint: send CONNECT with :protocol websocket (RFC 8441 section 4)\n"
    );
}

#[tokio::test]
async fn an_optional_upgrade_lets_one_path_do_both() {
    async fn both(upgrade: Option<Upgrade>) -> Response {
        match upgrade {
            Some(upgrade) => upgrade.accept(echo).into_response(),
            None => "a page".into_response(),
        }
    }
    let router = Router::new()
        .route("/both", any(both))
        .route_layer(WebSocketLayer::default())
        .route("/bare", any(both));
    let app = serve(router, || {}).await;
    assert!(app.get("/both").await.ends_with("a page"));
    assert_eq!(app.ask("/both", "").await.0, 101);
    // Without a layer it is a mistake of the program's, and no page.
    assert!(app.get("/bare").await.ends_with("a page"));
    assert_eq!(app.ask("/bare", "").await.0, 500);
}

#[tokio::test]
async fn a_rejection_is_an_error_that_can_be_told() {
    async fn custom(upgrade: Result<Upgrade, NotUpgradable>) -> Response {
        match upgrade {
            Ok(upgrade) => upgrade.accept(echo).into_response(),
            Err(error) => format!("sorry: {error}").into_response(),
        }
    }
    let router = Router::new().route("/ws", any(custom)).layer(WebSocketLayer::default());
    let app = serve(router, || {}).await;
    assert!(app.get("/ws").await.contains("sorry: this is a WebSocket endpoint"));
}

#[tokio::test]
async fn a_layer_between_that_refuses_keeps_the_handler_from_running() {
    // It lets the handler accept, and then thinks better of it.
    let refuse = middleware::from_fn(async |request, next: middleware::Next| {
        drop(next.run(request).await);
        http::StatusCode::UNAUTHORIZED
    });
    let layer = WebSocketLayer::default();
    let accept = async |upgrade: Upgrade| {
        upgrade.accept(async |_: Socket| -> () { panic!("it has been refused") }).into_response()
    };
    let router = Router::new().route("/ws", any(accept)).layer(refuse).layer(layer.clone());
    let app = serve(router, || {}).await;
    let (status, answer) = app.ask("/ws", "").await;
    assert_eq!(status, 401, "{answer}");
    soon(layer.sockets().closed()).await;
}
