//! The scenario files of websans-testkit, over HTTP/1.1 in hyper and TCP: what the wire shows of a server behind the
//! middleware.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use websans_testkit::corpus::scenario::{Role, Told};
use websans_testkit::corpus::tcp::{Reports, Servers};
use websans_testkit::corpus::{Profile, hold};
use websans_tower::{Options, Upgrade, WebSocketLayer};

use crate::converse::converse;

// A connection behind the middleware is one of websans-tokio.
#[path = "../../websans-tokio/tests/corpus/converse.rs"]
mod converse;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

#[test]
fn a_server_does_as_they_say() {
    // The limits of heads are hyper's, which has others.
    hold("websans-tower, server", &Servers::of_every_profile(serve), Role::Server, &["head"]);
}

fn serve(profile: &'static Profile, reports: Reports) -> SocketAddr {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let options = Options::new()
        .config(profile.config())
        .protocols(profile.protocols.clone())
        .deflate(profile.deflate().as_ref().map(Into::into));
    let layer = WebSocketLayer::new(options);
    RUNTIME.spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            tokio::spawn(converse_on(stream, peer, profile, layer.clone(), reports.clone()));
        }
    });
    address
}

async fn converse_on(
    stream: TcpStream,
    peer: SocketAddr,
    profile: &'static Profile,
    layer: WebSocketLayer,
    reports: Reports,
) {
    stream.set_nodelay(true).unwrap();
    let entered = reports.clone();
    let opened = Arc::new(Mutex::new(false));
    let note = Arc::clone(&opened);
    let app = Router::new()
        .fallback(async move |upgrade: Upgrade| {
            let (entered, note) = (entered.clone(), Arc::clone(&note));
            upgrade
                .accept(async move |socket| {
                    *note.lock().unwrap() = true;
                    entered.enter(peer, converse(socket).await);
                })
                .into_response()
        })
        .layer(layer);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    builder
        .header_read_timeout(profile.handshake_within.map_or(Duration::from_secs(10), Duration::from_millis));
    // The error is that the peer was no client, or was gone.
    let _ =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).with_upgrades().await;
    // What was accepted runs on; it says so at once, or never.
    tokio::time::sleep(Duration::from_millis(20)).await;
    if !*opened.lock().unwrap() {
        reports.enter(peer, Told::default());
    }
}
