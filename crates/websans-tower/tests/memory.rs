//! What an idle connection costs on the heap of the server, all of hyper's share included. The clients are in another thread,
//! whose allocations are not counted.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tower::Layer as _;
use websans_testkit::wire::{self, Frame};
use websans_tower::{Error, Opening, Options, Socket, Sockets, Upgrade, WebSocketLayer};

const COUNT: usize = 300;
/// At most so many bytes each: what tokio keeps of a socket, the box in which hyper hands it over, the place in the group, and the task,
/// which is that of an `echo` that has been given a socket whole and splits it.
const LIMIT: usize = 2_500;
/// What the span and the counters of the features may add to that.
const OBSERVED: usize = if cfg!(any(feature = "tracing", feature = "metrics")) { 300 } else { 0 };

async fn echo(socket: Socket) -> Result<(), Error> {
    let (mut receiver, sender) = socket.split();
    while let Some(message) = receiver.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}

/// Serves in the runtime of the caller.
async fn serve() -> (SocketAddr, Sockets) {
    let layer = WebSocketLayer::new(Options::new());
    let sockets = layer.sockets();
    let service = layer.layer(tower::service_fn(async |request: http::Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(match Upgrade::of(&request) {
            Some(upgrade) => upgrade.accept(echo).map(BodyExt::boxed),
            None => http::Response::new(Empty::new().boxed()),
        })
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, sockets)
}

/// Opens connections, has a message come back over each, and says when that is done.
fn open(address: SocketAddr, count: usize, done: oneshot::Sender<Vec<TcpStream>>) {
    let clients = (0..count).map(|_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = "GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let message = Frame::binary(vec![7; 5000]);
        stream.write_all(&wire::stream(std::slice::from_ref(&message), true)).unwrap();
        let mut echo = vec![0; message.to_bytes().len()];
        stream.read_exact(&mut echo).unwrap();
        assert!(echo == message.to_bytes());
        stream
    });
    done.send(clients.collect()).unwrap();
}

/// What an idle connection takes, and what is given back at its end.
fn measured(runtime: &Runtime, address: SocketAddr) -> [usize; 2] {
    let clients = |count| {
        let (done, wait) = oneshot::channel();
        std::thread::spawn(move || open(address, count, done));
        runtime.block_on(async {
            let clients = wait.await.unwrap();
            // The last echo has left; its connection falls idle.
            sleep(Duration::from_millis(200)).await;
            clients
        })
    };
    // What the first connections bring about once for all is not the others' cost.
    let first = clients(20);
    let mut others = None;
    let opened = allocation_counter::measure(|| others = Some(clients(COUNT)));
    let closed = allocation_counter::measure(|| {
        others = None;
        runtime.block_on(async { sleep(Duration::from_millis(500)).await });
    });
    drop(first);
    [opened.bytes_current, -closed.bytes_current].map(|bytes| usize::try_from(bytes).unwrap() / COUNT)
}

#[test]
fn an_idle_connection_is_small() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (address, sockets) = runtime.block_on(serve());
    let [each, back] = measured(&runtime, address);
    println!(
        "an idle connection behind the middleware: {each} bytes, of which {back} are given back at its end"
    );
    assert!(each <= LIMIT + OBSERVED, "{each} bytes, of {}", LIMIT + OBSERVED);
    assert!(each > 1000, "the task alone takes as much: {each}");
    // A table that has grown stays.
    assert!(back * 10 >= each * 9, "{back} of {each} bytes are given back");
    assert!(sockets.len() <= 20);
}

#[test]
fn what_a_task_keeps_is_small() {
    // A handler's task has one of these at a time, besides what the handler itself keeps.
    assert!(size_of::<Socket>() <= 512);
    assert!(size_of::<Opening>() <= 64);
    // In the extensions of each request that is a handshake, for as long as that takes.
    assert!(size_of::<Upgrade>() <= 128);
}
