//! TLS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{CloseCode, Config, Error, Incoming, Message, Served, Server, WebSocket};

use crate::support::{Running, SOON, open, start};

/// A server with a certificate of its own, and a client that trusts it.
fn pair(config: Config) -> (Server, TlsConnector) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = Server::new(config).tls_from_pem(cert.pem(), signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    (server, TlsConnector::from(Arc::new(client)))
}

async fn dial(running: &Running, tls: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    tls.connect(ServerName::try_from("localhost").unwrap(), running.connect().await).await
}

async fn open_tls(running: &Running, tls: &TlsConnector) -> WebSocket<TlsStream<TcpStream>> {
    open(dial(running, tls).await.unwrap()).await.unwrap()
}

async fn echo(incoming: Incoming<Served>) -> Result<(), Error> {
    let mut socket = incoming.accept(&Choice::new()).await?;
    let tls = socket.get_ref().tls().expect("TLS");
    assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(socket.get_ref().tcp().unwrap().nodelay()?);
    while let Some(message) = socket.recv().await? {
        let bytes = message.as_bytes().to_vec();
        socket.send(&bytes).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_echo_and_a_clean_end() {
    let (server, tls) = pair(Config::default());
    let running = start(server, echo).await;
    let mut first = open_tls(&running, &tls).await;
    let payload = vec![7; 300_000];
    first.send(&payload).await.unwrap();
    assert_eq!(first.recv().await.unwrap(), Some(Message::Binary(&payload)));
    assert!(first.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    let mut second = open_tls(&running, &tls).await;
    let stopped = running.stop();
    assert_eq!(second.recv().await.unwrap(), None);
    assert_eq!(second.outcome().unwrap().code(), 1001);
    assert!(second.outcome().unwrap().is_clean());
    let report = timeout(SOON, stopped).await.unwrap().unwrap();
    assert_eq!((report.accepted, report.open_at_shutdown, report.closed_cleanly), (2, 1, 1), "{report}");
    assert_eq!((report.handler_failed, report.handler_panicked), (0, 0), "{report}");
}

/// One deadline for TLS and the request together; a client that stops in the middle of either frees its place.
#[tokio::test]
async fn a_slow_handshake_frees_its_place() {
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(400);
    let (server, tls) = pair(config);
    let running = start(server.max_connections(1), echo).await;
    for say in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stalled = running.connect().await;
        let start = Instant::now();
        stalled.write_all(say).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(SOON, stalled.read_to_end(&mut rest)).await.expect("it is closed");
        assert!((300..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }
    // TLS is done, and no request comes.
    let mut stalled = dial(&running, &tls).await.unwrap();
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = timeout(SOON, stalled.read_to_end(&mut rest)).await.expect("it is closed");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let mut socket = open_tls(&running, &tls).await;
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(running.report().await.handshake_failed, 3);
}

#[tokio::test]
async fn who_does_not_speak_tls_frees_its_place() {
    let (server, tls) = pair(Config::default());
    let running = start(server.max_connections(1), echo).await;
    let mut plain = running.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let event = running.event("did not connect").await;
    assert!(event.contains("transport"), "{event}");
    let mut socket = open_tls(&running, &tls).await;
    socket.send("hi").await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap().as_bytes(), b"hi");
}

/// To answer inside TLS costs a handshake: whoever comes beyond the limit is closed.
#[tokio::test]
async fn beyond_the_limit_nobody_gets_a_handshake() {
    let (server, tls) = pair(Config::default());
    let running = start(server.max_connections(1), echo).await;
    let mut socket = open_tls(&running, &tls).await;
    assert!(timeout(SOON, dial(&running, &tls)).await.unwrap().is_err());
    socket.close(CloseCode::NORMAL, "").await.unwrap();
    drop(socket);
    for _ in 0..200 {
        if let Ok(stream) = dial(&running, &tls).await {
            assert!(open(stream).await.is_ok());
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place was never freed");
}

#[test]
fn what_is_no_certificate_is_refused() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (cert.pem(), signing_key.serialize_pem());
    assert!(Server::default().tls_from_pem(&pem, &key).is_ok());
    assert!(Server::default().tls_from_pem("", &key).is_err());
    assert!(Server::default().tls_from_pem(&pem, "").is_err());
    assert!(Server::default().tls_from_pem(&pem, other.signing_key.serialize_pem()).is_err());
}
