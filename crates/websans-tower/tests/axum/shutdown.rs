//! The graceful shutdown of `axum::serve`, and that of the connections.

use std::time::{Duration, Instant};

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::any;
use tokio::time::sleep;
use websans_testkit::wire::Frame;
use websans_tokio::connect;
use websans_tower::{Sockets, Upgrade, WebSocketLayer};

use crate::support::{Http2, connect_request, echo, soon};
use crate::{App, serve};

/// An app that closes its connections when it is stopped.
async fn app() -> (App, Sockets) {
    let layer = WebSocketLayer::default();
    let sockets = layer.sockets();
    let router = Router::new()
        .route("/ws", any(async |upgrade: Upgrade| upgrade.accept(echo).into_response()))
        .layer(layer);
    let app = serve(router, {
        let sockets = sockets.clone();
        move || {
            sockets.close_all();
        }
    })
    .await;
    (app, sockets)
}

fn request() -> http::Request<()> {
    let mut request = connect_request();
    *request.uri_mut() = "http://example.com/ws".parse().unwrap();
    request
}

#[tokio::test]
async fn all_are_told_and_waited_for() {
    let (mut app, sockets) = app().await;
    let mut socket = connect(&app.client("/ws")).await.unwrap();
    let mut client = Http2::connect(app.address).await;
    let (_, mut stream) = client.open_by(request()).await;
    assert_eq!(sockets.len(), 2);
    app.stop.take().unwrap().send(()).unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), None);
    assert_eq!(socket.outcome().unwrap().code(), 1001);
    assert!(socket.outcome().unwrap().is_clean());
    stream.expect(&Frame::close(1001, "server is going down")).await;
    // axum waits for the stream, which is a request of its own to it.
    sleep(Duration::from_millis(200)).await;
    assert!(!app.task.is_finished());
    assert_eq!(sockets.len(), 1);
    stream.send(&[Frame::close(1001, "")]);
    assert_eq!(stream.rest().await, b"");
    soon(&mut app.task).await.unwrap().unwrap();
    let farewell = sockets.shutdown(Duration::from_secs(10)).await;
    assert_eq!((farewell.open, farewell.closed_cleanly, farewell.aborted), (2, 2, 0));
    // The TCP connection has ended in order.
    soon(client.driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_does_not_answer_is_cut_off_and_axum_ends() {
    let (mut app, sockets) = app().await;
    let mut client = Http2::connect(app.address).await;
    let (_, mut stream) = client.open_by(request()).await;
    app.stop.take().unwrap().send(()).unwrap();
    stream.expect(&Frame::close(1001, "server is going down")).await;
    let started = Instant::now();
    let farewell = soon(sockets.shutdown(Duration::from_millis(200))).await;
    assert_eq!((farewell.open, farewell.closed_cleanly, farewell.aborted), (1, 0, 1));
    soon(sockets.closed()).await;
    soon(&mut app.task).await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(4), "before `close_within`: {:?}", started.elapsed());
}

#[tokio::test]
async fn handshakes_on_the_way_meet_503() {
    let (mut app, sockets) = app().await;
    let mut client = Http2::connect(app.address).await;
    let (_, mut stream) = client.open_by(request()).await;
    sockets.close_all();
    let (response, _) = client.ask(request()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(app.ask("/ws", "").await.0, 503);
    stream.send(&[Frame::close(1001, "")]);
    app.stop.take().unwrap().send(()).unwrap();
    soon(&mut app.task).await.unwrap().unwrap();
}
