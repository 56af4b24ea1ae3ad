//! Pairs of connections, and peers.

use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use websans::deflate::{Parameters, Provider as _};
use websans_deflate::Deflate;
use websans_tokio::{Config, Negotiated, Role, WebSocket};

/// Masking keys that nobody needs to guess.
pub(crate) fn keys() -> Role {
    let mut count = 0_u32;
    Role::Client(Box::new(move || {
        count = count.wrapping_add(0x9e37_79b9);
        count.to_ne_bytes()
    }))
}

/// What a handshake brings that agrees on all that `deflate` wants.
pub(crate) fn agreed(deflate: Option<&Deflate>, is_client: bool) -> Negotiated {
    let mut negotiated = Negotiated::default();
    if let Some(deflate) = deflate {
        let config = deflate.settings().negotiation;
        let mut parameters = Parameters::default();
        parameters.server_no_context_takeover = config.server_no_context_takeover;
        parameters.client_no_context_takeover = config.client_no_context_takeover;
        negotiated.deflate = Some(parameters);
        negotiated.codec = Some(deflate.propose().codec(is_client, parameters));
    }
    negotiated
}

/// A server and a client over an in-memory pipe that holds `size` bytes each way.
pub(crate) fn pipe(size: usize, config: Config) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (a, b) = tokio::io::duplex(size);
    let server = WebSocket::from_handshake(a, Role::Server, config.clone(), Negotiated::default(), &[]);
    let client = WebSocket::from_handshake(b, keys(), config, Negotiated::default(), &[]);
    (server, client)
}

/// A server and a client over TCP.
pub(crate) async fn tcp(config: Config) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = tokio::join!(listener.accept(), TcpStream::connect(listener.local_addr().unwrap()));
    let (a, b) = (a.unwrap().0, b.unwrap());
    a.set_nodelay(true).unwrap();
    b.set_nodelay(true).unwrap();
    let server = WebSocket::from_handshake(a, Role::Server, config.clone(), Negotiated::default(), &[]);
    let client = WebSocket::from_handshake(b, keys(), config, Negotiated::default(), &[]);
    (server, client)
}
