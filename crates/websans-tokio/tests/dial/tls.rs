//! TLS with a private authority.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use websans_dial::{Cause, ConnectError, Step, Tls, TlsError};
use websans_tokio::{Client, Transport, connect};

use crate::servers::{Log, converse, echo_over, failure, serve};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

fn new_authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The authority that tests trust.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| new_authority("a private authority"))
}

pub(crate) fn trusting(authority: &Authority) -> Tls {
    Tls::roots_from_pem(authority.pem()).unwrap()
}

/// How a server proves who it is: by a certificate for `host`.
fn acceptor(authority: &Authority, host: &str, expired: bool) -> TlsAcceptor {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    if expired {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A server that writes down the name it is called by, the protocol that is spoken, or why there is no TLS.
async fn server(acceptor: TlsAcceptor, log: &Log) -> SocketAddr {
    let log = log.clone();
    serve(move |stream| {
        let (acceptor, log) = (acceptor.clone(), log.clone());
        async move {
            match acceptor.accept(stream).await {
                Ok(stream) => {
                    let session = stream.get_ref().1;
                    let protocol = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default());
                    log.add(format!("{} {protocol}", session.server_name().unwrap_or("nobody")));
                    echo_over(stream).await;
                }
                Err(error) => log.add(error.to_string()),
            }
        }
    })
    .await
}

pub(crate) async fn echo(authority: &Authority, host: &str) -> SocketAddr {
    server(acceptor(authority, host, false), &Log::default()).await
}

fn tls_error(error: &ConnectError) -> &TlsError {
    match error.cause() {
        Cause::Tls(error) => error,
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn r027_tls_names_the_server_and_a_failure_fails_the_connection() {
    let log = Log::default();
    let server = server(acceptor(authority(), "example.com", false), &log).await;
    let client = |host: &str| {
        let client = Client::new(&format!("wss://{host}:{}/", server.port())).unwrap();
        client.addresses([server]).tls(trusting(authority()))
    };
    let mut socket = connect(client("example.com")).await.unwrap();
    converse(&mut socket).await;
    assert!(matches!(socket.get_ref(), Transport::Tls(_)));
    assert!(socket.get_ref().tcp().nodelay().unwrap());
    assert_eq!(log.lines(), ["example.com http/1.1"]);
    // A dot at the end says that a name is whole; it is no part of it.
    converse(&mut connect(client("example.com.")).await.unwrap()).await;

    // "If this fails (e.g., the server's certificate could not be verified), then the client MUST _Fail the WebSocket
    // Connection_ and abort the connection." (RFC 6455 section 4.1)
    let error = failure(&client("other.example")).await;
    assert_eq!((error.step(), error.address(), error.host()), (Step::Tls, Some(server), "other.example"));
    assert_eq!(error.code(), 1015);
    assert!(matches!(tls_error(&error), TlsError::Handshake(_)));
    let text = error.to_string();
    assert!(text.starts_with(&format!("TLS with {server} (other.example) failed: ")), "{text}");
}

#[tokio::test]
async fn an_address_may_have_a_certificate() {
    let server = echo(authority(), "127.0.0.1").await;
    let client = Client::new(&format!("wss://{server}/")).unwrap().tls(trusting(authority()));
    converse(&mut connect(&client).await.unwrap()).await;
    let other = echo(authority(), "127.0.0.2").await;
    let client = Client::new(&format!("wss://{other}/")).unwrap().tls(trusting(authority()));
    assert_eq!(failure(&client).await.step(), Step::Tls);
}

#[tokio::test]
async fn who_is_not_trusted_is_not_talked_to() {
    let unknown = new_authority("somebody");
    for (acceptor, about) in [
        (acceptor(&unknown, "example.com", false), "UnknownIssuer"),
        (acceptor(authority(), "example.com", true), "xpired"),
    ] {
        let log = Log::default();
        let server = server(acceptor, &log).await;
        let client = Client::new("wss://example.com/").unwrap().addresses([server]).bearer("hidden").unwrap();
        let error = failure(&client.tls(trusting(authority()))).await;
        assert_eq!((error.step(), error.address()), (Step::Tls, Some(server)));
        let text = format!("{error} {error:?}");
        assert!(text.contains(about) && !text.contains("hidden"), "{text}");
    }
}

#[tokio::test]
async fn the_platform_does_not_know_a_private_authority() {
    let server = echo(authority(), "example.com").await;
    let error = failure(&Client::new("wss://example.com/").unwrap().addresses([server])).await;
    // It knows other ones, or none at all. Either is told, and neither panics.
    assert_eq!(error.step(), Step::Tls, "{error}");
    assert!(matches!(tls_error(&error), TlsError::Handshake(_) | TlsError::Settings(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls() {
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let server = serve(move |mut stream| async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _ = stream.read(&mut [0; 512]).await;
            let _ = stream.write_all(greeting.as_bytes()).await;
        })
        .await;
        let client = Client::new(&format!("wss://{server}/")).unwrap().tls(trusting(authority()));
        let error = failure(&client).await;
        assert_eq!(
            (error.step(), error.address(), error.is_timeout()),
            (Step::Tls, Some(server), false),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_configuration_of_the_callers() {
    let server = echo(authority(), "example.com").await;
    let mut roots = RootCertStore::empty();
    roots.add(authority().der().clone()).unwrap();
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::new("wss://example.com").unwrap().addresses([server]).tls(Tls::with(config));
    converse(&mut connect(client).await.unwrap()).await;
}

#[test]
fn settings_that_do_not_hold_are_told() {
    assert!(matches!(Tls::roots([]), Err(TlsError::NoRoots)));
    assert!(matches!(Tls::roots_from_pem(""), Err(TlsError::NoRoots)));
    assert!(matches!(Tls::roots_from_pem("nonsense"), Err(TlsError::Pem)));
    assert!(matches!(Tls::roots_from_pem("-----BEGIN CERTIFICATE-----\n!\n"), Err(TlsError::Pem)));
    assert!(matches!(Tls::roots([vec![1, 2, 3].into()]), Err(TlsError::Settings(_))));
}
