//! Peers to connect to.

use std::fmt::Debug;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use websans_dial::rustls::ServerConfig;
use websans_dial::rustls::pki_types::PrivateKeyDer;
use websans_dial::{ConnectError, Limits};
use websans_std::{Client, Error, Message, Stream, Tls, TlsStream, Transport, WebSocket, accept, connect};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Serves every connection to a new port of 127.0.0.1.
pub(crate) fn serve(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), serve.clone());
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// A WebSocket server that sends back what it gets.
pub(crate) fn echo() -> SocketAddr {
    serve(echo_over)
}

pub(crate) fn echo_over<S: Stream>(stream: S) {
    let Ok(mut socket) = accept(stream) else { return };
    while let Ok(Some(Message::Text(text))) = socket.recv() {
        let text = text.to_owned();
        if socket.send(&*text).is_err() {
            return;
        }
    }
}

/// The same through TLS, with a certificate for `host`.
pub(crate) fn secure_echo(authority: &Authority, host: &str) -> SocketAddr {
    let identity = identity(authority, host);
    serve(move |stream| {
        if let Ok(stream) = TlsStream::server(stream, identity.clone(), LONG) {
            echo_over(stream);
        }
    })
}

/// Sends a message and waits for it to come back.
pub(crate) fn converse<S: Stream>(socket: &mut WebSocket<S>) {
    socket.send("there and back").unwrap();
    assert_eq!(socket.recv().unwrap(), Some(Message::Text("there and back")));
}

/// A server that takes connections and then neither reads nor writes.
pub(crate) fn silent() -> SocketAddr {
    serve(|stream| {
        thread::sleep(LONG);
        drop(stream);
    })
}

/// An address where connecting neither succeeds nor fails: the queue of the listener is full. To be kept while it is
/// needed.
pub(crate) struct Full {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

pub(crate) fn full() -> Full {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
        assert!(waiting.len() < 20, "the queue does not fill");
    }
    Full { address, _listener: listener, _waiting: waiting }
}

/// The head of an HTTP message.
pub(crate) fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn connect_error<S: Debug>(result: Result<WebSocket<S>, Error>) -> ConnectError {
    match result {
        Err(Error::Connect(error)) => *error,
        other => panic!("{other:?}"),
    }
}

/// Fails to connect.
pub(crate) fn failure(client: &Client) -> ConnectError {
    let result: Result<WebSocket<Transport>, Error> = connect(client);
    connect_error(result)
}

/// Limits under which nothing takes long.
pub(crate) fn short() -> Limits {
    let mut limits = Limits::default();
    limits.attempt = Duration::from_millis(400);
    limits.proxy = Duration::from_millis(400);
    limits.tls = Duration::from_millis(400);
    limits
}

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn new_authority(name: &str) -> Authority {
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

pub(crate) fn trusting() -> Tls {
    Tls::roots_from_pem(authority().pem()).unwrap()
}

/// How a server proves who it is: by a certificate for `host`.
pub(crate) fn identity(authority: &Authority, host: &str) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = websans_dial::rustls::crypto::ring::default_provider();
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A client for `wss://example.com` at `address`.
pub(crate) fn example(address: SocketAddr) -> Client {
    Client::new("wss://example.com/").unwrap().addresses([address]).tls(trusting())
}

/// Bytes that no piece of repeats another.
pub(crate) fn pattern(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(4)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    bytes
}
