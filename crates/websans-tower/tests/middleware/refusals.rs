//! Handshakes that the service never sees: what is said to them, and that the connection ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use websans_tower::{HandshakeError, Options, OriginPolicy};

use crate::support::{
    Http2, Server, connect_request, echo, echoing, read_head, request, serving, soon, text, until,
};

use HandshakeError as E;

/// A server whose service must not be asked.
async fn unasked(options: Options) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let service = move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(text(200, "a page"))
    };
    (Server::start(options, service).await, asked)
}

/// The answer must have this status, say why, and be the last on its connection.
fn assert_refused(answer: &str, error: HandshakeError) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", error.http_status())), "{error:?}: {answer}");
    assert_eq!(body, format!("{error}\n"), "{error:?}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1 + body.matches("HTTP/1.1 ").count(), "{answer}");
    let has = |line: &str| head.lines().any(|found| found.eq_ignore_ascii_case(line));
    assert!(has("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(has(&format!("content-length: {}", body.len())), "{head}");
    match error.http_status() {
        405 => assert!(has("allow: GET") && has("connection: close"), "{head}"),
        426 => {
            assert!(has("connection: close, upgrade"), "{head}");
            assert!(has("upgrade: websocket") && has("sec-websocket-version: 13"), "{head}");
        }
        _ => assert!(has("connection: close"), "{head}"),
    }
}

#[tokio::test]
async fn each_fault_is_told_and_ends_the_connection() {
    let (server, asked) = unasked(Options::new()).await;
    let good = request("");
    let many: Vec<String> = (0..65).map(|n| format!("p{n}")).collect();
    let faults = [
        (good.replacen("GET", "POST", 1), E::MethodNotGet),
        (good.replacen("GET", "HEADS", 1), E::MethodNotGet),
        (good.replace("Host: example.com\r\n", ""), E::InvalidHost),
        (request("Host: example.com\r\n"), E::InvalidHost),
        (good.replace("example.com", "a b"), E::InvalidHost),
        (request("Content-Length: 3\r\n") + "abc", E::UnexpectedBody),
        (request("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", E::UnexpectedBody),
        (good.replace("Connection: Upgrade", "Connection: keep-alive"), E::InvalidConnection),
        (good.replace("Connection: Upgrade", "Connection: upgraded"), E::InvalidConnection),
        (good.replace("Version: 13", "Version: 8"), E::WrongVersion),
        (good.replace("Sec-WebSocket-Version: 13\r\n", ""), E::WrongVersion),
        (request("Sec-WebSocket-Version: 13\r\n"), E::RepeatedVersion),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"), E::InvalidKey),
        (good.replace("Sec-WebSocket-Key", "X-Key"), E::InvalidKey),
        (request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), E::InvalidKey),
        (request("Sec-WebSocket-Protocol: a, b, a\r\n"), E::InvalidProtocols),
        (request("Sec-WebSocket-Protocol: a b\r\n"), E::InvalidProtocols),
        (request(&format!("Sec-WebSocket-Protocol: {}\r\n", many.join(", "))), E::TooManyProtocols),
        (request("Sec-WebSocket-Extensions: x; =1\r\n"), E::InvalidExtensions),
        (request("Origin: http://evil.example\r\n"), E::OriginRefused),
    ];
    for (n, (fault, error)) in faults.iter().enumerate() {
        // What is sent behind it is answered by nobody.
        let answer = server.ask(&format!("{fault}GET /page HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_refused(&answer, *error);
        assert_eq!(server.events.all().get(n), Some(&format!("/chat refused: {error}")), "{fault}");
    }
    assert_eq!(server.events.all().len(), faults.len());
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(server.sockets.len(), 0);
}

#[tokio::test]
async fn http_1_0_has_no_websocket() {
    let (server, asked) = unasked(Options::new()).await;
    let answer = server.ask(&request("").replace("HTTP/1.1", "HTTP/1.0")).await;
    assert!(answer.starts_with("HTTP/1.0 505 "), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{}\n", E::HttpVersion)), "{answer}");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_refused_connection_ends_though_the_client_holds_it_open() {
    let (server, _) = unasked(Options::new()).await;
    // `ask` writes, and reads to the end without ever ending its own side.
    let started = tokio::time::Instant::now();
    server.ask(&request("Origin: http://evil.example\r\n")).await;
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn r111_server_faults_over_http_2_are_told_without_headers_of_a_connection() {
    let (server, asked) = unasked(Options::new()).await;
    let mut client = Http2::connect(server.address).await;
    let with = |name: &'static str, value: &'static str| {
        let mut request = connect_request();
        request.headers_mut().append(name, value.parse().unwrap());
        request
    };
    let mut ftp = connect_request();
    *ftp.uri_mut() = "ftp://example.com/chat".parse().unwrap();
    let mut no_version = connect_request();
    no_version.headers_mut().clear();
    let faults = [
        (ftp, E::InvalidConnect),
        (with("host", "other.example"), E::InvalidHost),
        (with("content-length", "0"), E::UnexpectedBody),
        (no_version, E::WrongVersion),
        (with("sec-websocket-version", "13"), E::RepeatedVersion),
        (with("sec-websocket-protocol", "a, a"), E::InvalidProtocols),
        (with("sec-websocket-extensions", ";"), E::InvalidExtensions),
        (with("origin", "http://evil.example"), E::OriginRefused),
        // The scheme of the page is not that by which the client has come.
        (with("origin", "https://example.com"), E::OriginRefused),
    ];
    for (request, error) in faults {
        let (response, _send) = client.ask(request).await.unwrap();
        assert_eq!(response.status(), error.http_status(), "{error:?}");
        for name in ["connection", "upgrade"] {
            assert!(!response.headers().contains_key(name), "{error:?}");
        }
        let mut body = Vec::new();
        let mut recv = response.into_body();
        while let Some(data) = soon(recv.data()).await {
            body.extend_from_slice(&data.unwrap());
        }
        assert_eq!(body, format!("{error}\n").into_bytes(), "{error:?}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    // The TCP connection is as good as before.
    let mut request = connect_request();
    request.extensions_mut().remove::<h2::ext::Protocol>();
    *request.method_mut() = http::Method::GET;
    assert_eq!(client.ask(request).await.unwrap().0.status(), 200);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(server.sockets.len(), 0);
}

#[tokio::test]
async fn r112_server_ignores_the_key_and_refuses_headers_of_a_connection() {
    let server = Server::start(Options::new(), echoing).await;
    let mut client = Http2::connect(server.address).await;
    let mut request = connect_request();
    request.headers_mut().insert("sec-websocket-key", "no key at all".parse().unwrap());
    let (head, _stream) = client.open_by(request).await;
    for name in ["sec-websocket-accept", "upgrade", "connection", "sec-websocket-protocol", "content-length"]
    {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    // hyper's HTTP/2 refuses them itself and resets the stream; none is opened.
    let good = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "example.com"),
        (":path", "/chat"),
        ("sec-websocket-version", "13"),
    ];
    assert_eq!(raw_answer(&server, &good).await, Raw::Headers);
    for header in [("connection", "upgrade"), ("upgrade", "websocket"), ("te", "gzip")] {
        let answer = raw_answer(&server, &[&good[..], &[header]].concat()).await;
        assert_eq!(answer, Raw::Reset, "{header:?}");
    }
    // As it does a CONNECT that lacks what it must have.
    for missing in [":scheme", ":path", ":authority"] {
        let fields: Vec<_> = good.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_ne!(raw_answer(&server, &fields).await, Raw::Headers, "{missing}");
    }
    until(|| server.sockets.len() == 1).await;
}

/// What comes first on a stream of HTTP/2.
#[derive(Debug, PartialEq)]
enum Raw {
    /// A successful answer.
    Headers,
    /// An answer of another status.
    Refused,
    Reset,
    /// The end of the TCP connection.
    Ended,
}

/// Sends a request of HTTP/2 that no client would make.
async fn raw_answer(server: &Server, fields: &[(&str, &str)]) -> Raw {
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal field without indexing, with a new name (RFC 7541 §6.2.2).
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]); // SETTINGS, empty
    bytes.extend_from_slice(&[0, 0, u8::try_from(block.len()).unwrap(), 1, 4, 0, 0, 0, 1]); // HEADERS, END_HEADERS
    bytes.extend_from_slice(&block);
    let mut stream = server.connect().await;
    stream.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        if soon(stream.read_exact(&mut head)).await.is_err() {
            return Raw::Ended;
        }
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        soon(stream.read_exact(&mut payload)).await.unwrap();
        match (head[3], head[8]) {
            // 0x88 is the field `:status: 200` of the static table (RFC 7541, appendix A).
            (1, 1) if payload[0] == 0x88 => return Raw::Headers,
            (1, 1) => return Raw::Refused,
            (3, 1) => return Raw::Reset,
            _ => {}
        }
    }
}

#[tokio::test]
async fn beyond_the_limit_503_says_when_to_come_back() {
    let options = Options::new().max_connections(2).retry_after(Duration::from_millis(6500));
    let server = Server::start(options, serving(echo)).await;
    let first = server.open().await;
    let mut http2 = Http2::connect(server.address).await;
    let stream = http2.open().await;
    assert_eq!(server.sockets.len(), 2);
    let answer = server.ask(&(request("") + "GET / HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nall places are taken: try again later\n"), "{answer}");
    let (response, _) = http2.ask(connect_request()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"7".parse().unwrap())
    );
    assert!(!response.headers().contains_key("connection"));
    // A broken handshake, and one of a foreign page, are told so though there is no place.
    assert_refused(&server.ask(&request("Origin: http://evil.example\r\n")).await, E::OriginRefused);
    // Pages are served still.
    let answer = server.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("a page"), "{answer}");
    drop(first);
    server.open_when_free().await;
    drop(stream);
    assert!(
        server
            .events
            .all()
            .contains(&"/chat refused: all places are taken, or the server goes down".to_owned())
    );
}

#[tokio::test]
async fn while_closing_503_is_all_there_is() {
    let server = Server::start(Options::new(), echoing).await;
    assert_eq!(server.sockets.close_all(), 0);
    let answer = server.ask(&request("")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 5\r\n"), "{answer}");
    let (response, _) = Http2::connect(server.address).await.ask(connect_request()).await.unwrap();
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn a_server_without_upgrades_is_told_apart() {
    use http_body_util::BodyExt;
    use tower::{Layer as _, ServiceExt as _};

    let layer = websans_tower::WebSocketLayer::new(Options::new().allowed_origins(OriginPolicy::Any));
    let service =
        layer.layer(tower::service_fn(async |_: http::Request<String>| -> Result<_, std::io::Error> {
            Ok(http::Response::new(String::from("never asked")))
        }));
    let mut request = http::Request::new(String::new());
    for (name, value) in [
        ("host", "example.com"),
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "the HTTP server beneath the middleware offers no upgrade\n");
    assert_eq!(layer.sockets().len(), 0);
}

/// Which of two layers' options would count? Neither is left out: the second one refuses.
#[tokio::test]
async fn one_layer_in_another_fails_closed() {
    use http_body_util::BodyExt;
    use tower::{Layer as _, ServiceExt as _};

    let inner = websans_tower::WebSocketLayer::default();
    let service = move |request: http::Request<hyper::body::Incoming>| {
        let echo =
            tower::service_fn(async |request| Ok::<_, std::convert::Infallible>(echoing(request).await));
        let service = inner.layer(echo);
        async move {
            let Ok(response) = service.oneshot(request).await;
            response.map(BodyExt::boxed)
        }
    };
    let server = Server::start(Options::new(), service).await;
    let answer = server.ask(&request("")).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\nthe handshake has come through another WebSocketLayer already\n"),
        "{answer}"
    );
    let page = server.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(page.ends_with("a page"), "{page}");
    server.assert_empty().await;
}

#[tokio::test]
async fn frames_behind_a_refused_handshake_are_nobodys() {
    let (server, asked) = unasked(Options::new().max_connections(0)).await;
    let mut stream = server.connect().await;
    let smuggled = "GET /page HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(format!("{}{smuggled}", request("")).as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 503 "));
    soon(async { while stream.write_all(smuggled.as_bytes()).await.is_ok() {} }).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}
