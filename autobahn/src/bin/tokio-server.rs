//! `tokio-server --listen ADDR [--certificates DIR]`: echoes messages over tokio, a task a connection; through TLS if
//! there is a certificate.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use websans_tokio::handshake::server::Choice;
use websans_tokio::{Config, Incoming};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = websans_autobahn::arguments(&["listen", "certificates"])?;
    let listener = TcpListener::bind(arguments.get("listen").ok_or("missing --listen ADDR")?).await?;
    let tls = arguments.get("certificates").map(|directory| acceptor(Path::new(directory))).transpose()?;
    println!("listening on {}", listener.local_addr()?);
    let config = Arc::new(websans_autobahn::config());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (config, tls) = (Arc::clone(&config), tls.clone());
        tokio::spawn(async move {
            let result = match tls {
                None => echo(stream, config).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => echo(stream, config).await,
                    Err(error) => Err(error.into()),
                },
            };
            // The suite breaks the rules on purpose.
            if let Err(error) = result {
                eprintln!("{error}");
            }
        });
    }
}

async fn echo<S>(stream: S, config: Arc<Config>) -> Result<(), websans_tokio::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut receiver, sender) = Incoming::read(stream, config).await?.accept(&Choice::new()).await?.split();
    while let Some(message) = receiver.recv().await? {
        sender.send(message).await?;
    }
    Ok(())
}

/// TLS with the certificate in a directory.
fn acceptor(directory: &Path) -> Result<TlsAcceptor, Box<dyn Error>> {
    let certificate = CertificateDer::from_pem_file(directory.join(websans_autobahn::CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_file(directory.join(websans_autobahn::KEY))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config).into())
}
