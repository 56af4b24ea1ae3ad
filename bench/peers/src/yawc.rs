//! The crate [yawc](https://docs.rs/yawc).

use std::io;

use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use yawc::{CompressionLevel, DeflatePool, Frame, OpCode, Options, WebSocket, WebSocketError};

use crate::echo::echo;
use crate::{Empty, Failure, Setup};

pub(crate) fn serve(setup: Setup) -> io::Result<()> {
    let mut options = Options::default().with_compression_level(CompressionLevel::default());
    if setup == Setup::NoTakeover {
        let pool = DeflatePool::new(64);
        options = options.server_no_context_takeover().client_no_context_takeover().with_deflate_pool(pool);
    }
    websans_bench_serve::serve(move |stream| connection(stream, options.clone()))
}

async fn connection(stream: TcpStream, options: Options) -> Result<(), Failure> {
    let service = service_fn(move |request| upgrade(request, options.clone()));
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await?;
    Ok(())
}

async fn upgrade(mut request: Request<Incoming>, options: Options) -> Result<Response<Empty>, Failure> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async {
        let echoed = async {
            // A failure comes as a Close frame, or as the end.
            let socket = upgraded.await?.map(Ok::<Frame, WebSocketError>);
            echo(socket, |frame| matches!(frame.opcode(), OpCode::Text | OpCode::Binary).then_some(frame))
                .await?;
            Ok::<(), Failure>(())
        };
        if let Err(error) = echoed.await {
            eprintln!("connection failed: {error}");
        }
    });
    Ok(response)
}
