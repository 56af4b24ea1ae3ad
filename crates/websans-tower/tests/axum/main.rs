//! The middleware beneath routers of axum, and `Upgrade` as an extractor.

mod routing;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;

use ::axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An app that is served.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

/// Serves `router` until it is told to stop, after which it does this.
pub(crate) async fn serve(router: Router, then: impl FnOnce() + Send + 'static) -> App {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
        then();
    };
    let task =
        tokio::spawn(async move { ::axum::serve(listener, router).with_graceful_shutdown(shutdown).await });
    App { address, stop: Some(stop), task }
}

impl App {
    pub(crate) fn client(&self, path: &str) -> websans_tokio::Client {
        websans_tokio::Client::new(&format!("ws://{}{path}", self.address)).unwrap()
    }

    /// Sends a handshake to this path, and gives the status and, unless it is 101, all of the answer.
    pub(crate) async fn ask(&self, path: &str, further: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let request = support::request(further).replace("/chat", path);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = support::read_head(&mut stream).await;
        let status = answer[9..12].parse().unwrap();
        if status != 101 {
            support::soon(stream.read_to_string(&mut answer)).await.unwrap();
        }
        (status, answer)
    }

    /// Asks for a page, and gives all of the answer.
    pub(crate) async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        support::soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }
}
