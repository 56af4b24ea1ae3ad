//! `tower-server --listen ADDR [--certificates DIR]`: echoes messages in an axum app behind the middleware, over HTTP/1.1; through
//! TLS if there is a certificate.

use std::error::Error;

use axum::Router;
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use websans_tower::{Options, Socket, Upgrade, WebSocketLayer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["listen", "certificates"])?;
    let listener = TcpListener::bind(arguments.get("listen").ok_or("missing --listen ADDR")?).await?;
    let tls =
        arguments.get("certificates").map(|directory| websans_autobahn::identity(directory)).transpose()?;
    let tls = tls.map(TlsAcceptor::from);
    println!("listening on {}", listener.local_addr()?);
    let options = Options::new().config(websans_autobahn::config()).deflate(websans_autobahn::deflate());
    let app = Router::new()
        .fallback(async |upgrade: Upgrade| upgrade.accept(echo).into_response())
        .layer(WebSocketLayer::new(options));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (app, tls) = (app.clone(), tls.clone());
        tokio::spawn(async move {
            let result = match tls {
                None => serve(stream, app).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, app).await,
                    Err(error) => Err(error.into()),
                },
            };
            if let Err(error) = result {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve<S>(stream: S, app: Router) -> Result<(), Box<dyn Error>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = TowerToHyperService::new(app);
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await?)
}

async fn echo(socket: Socket) {
    let (mut receiver, sender) = socket.split();
    let echo = async {
        while let Some(message) = receiver.recv().await? {
            sender.send(message).await?;
        }
        Ok::<_, websans_tower::Error>(())
    };
    // The suite breaks the rules on purpose.
    if let Err(error) = echo.await {
        eprintln!("{error}");
    }
}
