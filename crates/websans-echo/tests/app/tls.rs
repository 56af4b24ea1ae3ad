//! `--tls`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};
use websans_std::{Client, CloseCode, Message, Tls, connect};

use crate::http2::Http2;
use crate::support::{App, Raw, command, head};

/// A certificate and its key, in files.
pub(crate) struct Certificate {
    files: [PathBuf; 2],
    pem: String,
    roots: RootCertStore,
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Certificate {
    /// `name` tells the files of one test from those of another.
    pub(crate) fn new(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let files = ["certificate", "key"].map(|kind| {
            PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("{name}-{}-{kind}.pem", std::process::id()))
        });
        fs::write(&files[0], cert.pem()).unwrap();
        fs::write(&files[1], signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        Self { files, pem: cert.pem(), roots }
    }

    pub(crate) fn options(&self) -> [&str; 3] {
        ["--tls", self.files[0].to_str().unwrap(), self.files[1].to_str().unwrap()]
    }

    /// What clients use that trust the certificate and offer these protocols.
    pub(crate) fn trusting(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.into()
    }

    fn stream(&self, app: &App, protocols: &[&str]) -> TlsStream {
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(self.trusting(protocols), name).unwrap();
        StreamOwned::new(session, app.connect())
    }

    pub(crate) fn raw(&self, app: &App) -> Raw<TlsStream> {
        Raw::open(self.stream(app, &["http/1.1"]), &app.upgrade(""))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

#[test]
fn it_echoes_through_tls() {
    let certificate = Certificate::new("echo");
    let app = App::start(&certificate.options());
    assert!(app.started.contains(&format!("https://{}/", app.address)), "{}", app.started);
    assert!(app.started.contains(&format!("wss://{}/ws", app.address)), "{}", app.started);
    let tls = Tls::roots_from_pem(&certificate.pem).unwrap();
    let url = format!("wss://{}/ws", app.address);
    let mut socket = connect(Client::new(&url).unwrap().tls(tls)).unwrap();
    let bytes = vec![7; 300_000];
    socket.send(&bytes).unwrap();
    assert!(socket.recv().unwrap() == Some(Message::Binary(&bytes)));
    assert!(socket.close(CloseCode::NORMAL, "").unwrap().is_clean());
    drop(socket);

    // The page's origin is https there.
    let page = app.upgrade(&format!("Origin: https://{}\r\n", app.address));
    Raw::open(certificate.stream(&app, &[]), &page).assert_echo("without ALPN");
    let foreign = page.replace("Origin: https", "Origin: http");
    let mut stream = certificate.stream(&app, &[]);
    stream.write_all(foreign.as_bytes()).unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 403 "), "a page that came without TLS");
    let mut raw = certificate.raw(&app);
    assert_eq!(raw.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    raw.assert_echo("by ALPN");
}

#[test]
fn it_speaks_http2_through_tls() {
    let certificate = Certificate::new("http2");
    let app = App::start(&certificate.options());
    let http2 = Http2::secure(&app, &certificate);
    let (status, body) = http2.get("/");
    assert_eq!((status, body.len()), (200, include_str!("../../index.html").len()));
    let origin = format!("https://{}", app.address);
    http2.raw(&[("origin", &origin)]).assert_echo("by HTTP/2");
    assert_eq!(http2.open(&[("origin", "https://evil.example")]).err(), Some(403));
    // The scheme is known here.
    assert_eq!(http2.open(&[("origin", &origin.replace("https", "http"))]).err(), Some(403));
}

#[test]
fn who_does_not_speak_tls_disturbs_nobody() {
    let certificate = Certificate::new("plain");
    let app = App::start(&certificate.options());
    let mut plain = app.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    certificate.raw(&app).assert_echo("still there");
}

#[test]
fn what_is_no_certificate_is_named() {
    let (one, other) = (Certificate::new("one"), Certificate::new("other"));
    let [_, certificate, key] = one.options();
    let [_, _, other_key] = other.options();
    for (files, named) in [
        ([certificate, "/no/such/key.pem"], "/no/such/key.pem"),
        (["/no/such/certificate.pem", key], "/no/such/certificate.pem"),
        ([key, key], key),
        ([certificate, certificate], certificate),
        ([certificate, other_key], other_key),
    ] {
        let output = command().args(["--listen", "127.0.0.1:0", "--tls"]).args(files).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{files:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(named), "{files:?}: {said}");
    }
}
