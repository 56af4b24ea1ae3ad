//! Through a proxy: a small one, which carries bytes for real.

use std::io::Write;
use std::net::SocketAddr;

use websans_dial::{Cause, ProxyError, Step};
use websans_std::{Client, Proxy, connect};

use crate::peers::{authority, converse, failure, head, secure_echo, serve, trusting};
use crate::relay::{Habit, carry};

/// An HTTP proxy for whoever is called `user`.
fn proxy(server: SocketAddr) -> SocketAddr {
    serve(move |mut stream| {
        let Some(head) = head(&mut stream) else { return };
        assert!(head.starts_with("CONNECT example.com:443 HTTP/1.1\r\n"), "{head}");
        if !head.contains("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n") {
            let _ = stream.write_all(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        carry(stream, server, &Habit::default());
    })
}

#[test]
fn a_proxy_carries_wss() {
    let proxy = proxy(secure_echo(authority(), "example.com"));
    let client = Client::new("wss://example.com/").unwrap().tls(trusting());
    let known = Proxy::parse(&format!("http://user:pass@{proxy}")).unwrap();
    let mut socket = connect(client.clone().proxy(known)).unwrap();
    assert_eq!(socket.get_ref().tcp().peer_addr().unwrap(), proxy);
    converse(&mut socket);

    let error = failure(&client.proxy(Proxy::parse(&format!("http://{proxy}")).unwrap()));
    assert_eq!((error.step(), error.address()), (Step::Proxy, Some(proxy)), "{error}");
    assert!(matches!(error.cause(), Cause::Proxy(ProxyError::Status(407))), "{error}");
}
