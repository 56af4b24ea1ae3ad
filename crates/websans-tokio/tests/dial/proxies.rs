//! Through proxies: small ones, which carry bytes for real.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use websans_dial::proxy::SocksReply;
use websans_dial::{Cause, ConnectError, Proxy, ProxyError, Step};
use websans_tokio::{Client, connect};

use crate::servers::{Log, carry, closed, converse, echo, failure, head, serve};
use crate::tls::{authority, trusting};

/// An HTTP proxy that wants `authorization`, if any, and writes down what it is asked for.
async fn http(authorization: Option<&'static str>, log: &Log) -> SocketAddr {
    let log = log.clone();
    serve(move |mut stream| {
        let log = log.clone();
        async move {
            let Some(head) = head(&mut stream).await else { return };
            let target = head.split(' ').nth(1).unwrap().to_owned();
            log.add(&target);
            assert!(head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n")), "{head}");
            let wanted = authorization.map(|value| format!("\r\nProxy-Authorization: {value}\r\n"));
            if wanted.is_some_and(|line| !head.contains(&line)) {
                let refusal = b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(refusal).await;
                return;
            }
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            carry(stream, &target.replace("example.com", "127.0.0.1")).await;
        }
    })
    .await
}

/// A SOCKS5 proxy that wants `credentials`, if any, and writes down what it is asked for.
async fn socks(credentials: Option<(&'static str, &'static str)>, log: &Log) -> SocketAddr {
    let log = log.clone();
    serve(move |stream| {
        let log = log.clone();
        async move {
            let _ = socks_over(stream, credentials, &log).await;
        }
    })
    .await
}

async fn socks_over(
    mut stream: TcpStream,
    credentials: Option<(&str, &str)>,
    log: &Log,
) -> std::io::Result<()> {
    async fn bytes(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; stream.read_u8().await?.into()];
        stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }
    assert_eq!(stream.read_u8().await?, 5);
    let methods = bytes(&mut stream).await?;
    let method = if credentials.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        return stream.write_all(&[5, 0xff]).await;
    }
    stream.write_all(&[5, method]).await?;
    if let Some((user, password)) = credentials {
        assert_eq!(stream.read_u8().await?, 1);
        let given = (bytes(&mut stream).await?, bytes(&mut stream).await?);
        let right = given == (user.into(), password.into());
        stream.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return Ok(());
        }
    }
    let mut start = [0; 4];
    stream.read_exact(&mut start).await?;
    let host = match start {
        [5, 1, 0, 1] => std::net::Ipv4Addr::from_bits(stream.read_u32().await?).to_string(),
        [5, 1, 0, 3] => String::from_utf8(bytes(&mut stream).await?).unwrap(),
        other => panic!("{other:?}"),
    };
    let port = stream.read_u16().await?;
    log.add(format!("{host}:{port}"));
    let target = format!("{host}:{port}").replace("example.com", "127.0.0.1");
    if TcpStream::connect(&*target).await.is_err() {
        return stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    }
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 9]).await?;
    carry(stream, &target).await;
    Ok(())
}

fn through(scheme: &str, proxy: SocketAddr, url: &str) -> Client {
    let client = Client::new(url).unwrap();
    client.proxy(Proxy::parse(&format!("{scheme}{proxy}")).unwrap())
}

fn proxy_error(error: &ConnectError, proxy: SocketAddr) -> ProxyError {
    assert_eq!((error.step(), error.address()), (Step::Proxy, Some(proxy)), "{error}");
    match error.cause() {
        Cause::Proxy(error) => *error,
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn http_proxies_carry_ws() {
    let (log, server) = (Log::default(), echo().await);
    let proxy = http(None, &log).await;
    let url = format!("ws://example.com:{}/", server.port());
    converse(&mut connect(through("http://", proxy, &url)).await.unwrap()).await;
    assert_eq!(log.lines(), [format!("example.com:{}", server.port())]);
    let client = Client::new(&url).unwrap();
    let from = client.proxy_from(|name| (name == "http_proxy").then(|| proxy.to_string()));
    converse(&mut connect(from).await.unwrap()).await;
    assert_eq!(log.lines().len(), 2);
}

#[tokio::test]
async fn http_proxies_ask_who_it_is() {
    let (log, server) = (Log::default(), echo().await);
    let proxy = http(Some("Basic dXNlcjpwYTpzcw=="), &log).await;
    let url = format!("ws://{server}/");
    converse(&mut connect(through("http://user:pa%3Ass@", proxy, &url)).await.unwrap()).await;
    for who in ["http://", "http://user:hidden@"] {
        let error = failure(&through(who, proxy, &url)).await;
        assert_eq!(proxy_error(&error, proxy), ProxyError::Status(407));
        assert!(!error.to_string().contains("hidden") && !format!("{error:?}").contains("hidden"));
    }
}

#[tokio::test]
async fn proxies_carry_wss() {
    let log = Log::default();
    let server = crate::tls::echo(authority(), "example.com").await;
    let tls = trusting(authority());
    let url = format!("wss://example.com:{}/", server.port());
    let (http, socks) = (http(None, &log).await, socks(None, &log).await);
    for client in [through("http://", http, &url), through("socks5h://", socks, &url)] {
        converse(&mut connect(client.tls(tls.clone())).await.unwrap()).await;
    }
    // What TLS holds against the server is its own name, not the proxy's.
    let other = format!("wss://localhost:{}/", server.port());
    let error = failure(&through("http://", http, &other).tls(tls)).await;
    assert_eq!((error.step(), error.host()), (Step::Tls, "localhost"));
}

#[tokio::test]
async fn socks_proxies_look_names_up_or_do_not() {
    let (log, server) = (Log::default(), echo().await);
    let proxy = socks(None, &log).await;
    let port = server.port();
    for (scheme, host) in
        [("socks5h://", "example.com"), ("socks5h://", "127.0.0.1"), ("socks5://", "127.0.0.1")]
    {
        let client = through(scheme, proxy, &format!("ws://{host}:{port}/"));
        converse(&mut connect(client).await.unwrap()).await;
        assert_eq!(log.lines().pop().unwrap(), format!("{host}:{port}"));
    }
    let error = failure(&through("socks5://", proxy, "ws://no-such-host.invalid")).await;
    assert_eq!((error.step(), error.host()), (Step::Resolve, "no-such-host.invalid"));
}

#[tokio::test]
async fn socks_proxies_ask_who_it_is() {
    let (log, server) = (Log::default(), echo().await);
    let proxy = socks(Some(("user", "pa:ss")), &log).await;
    let url = format!("ws://{server}/");
    converse(&mut connect(through("socks5h://user:pa:ss@", proxy, &url)).await.unwrap()).await;
    let error = failure(&through("socks5h://user:hidden@", proxy, &url)).await;
    assert_eq!(proxy_error(&error, proxy), ProxyError::Credentials);
    assert!(!format!("{error} {error:?}").contains("hidden"));
    let error = failure(&through("socks5h://", proxy, &url)).await;
    assert_eq!(proxy_error(&error, proxy), ProxyError::Method);
}

#[tokio::test]
async fn a_proxy_that_cannot_connect_says_so() {
    let proxy = socks(None, &Log::default()).await;
    let error = failure(&through("socks5h://", proxy, &format!("ws://{}", closed().await))).await;
    assert_eq!(proxy_error(&error, proxy), ProxyError::Reply(SocksReply::Refused));
    assert_eq!(
        error.to_string(),
        format!(
            "asking for a tunnel at the proxy {proxy} failed: the proxy could not connect: connection refused (5)"
        )
    );
    // No proxy, but a web server, or nothing at all.
    let server = crate::servers::respond("HTTP/1.1 404 What?\r\n\r\n", &Log::default()).await;
    let error = failure(&through("http://", server, "ws://example.com")).await;
    assert_eq!(proxy_error(&error, server), ProxyError::Status(404));
    let error = failure(&through("socks5h://", closed().await, "ws://example.com")).await;
    assert_eq!(error.step(), Step::Connect);
}
