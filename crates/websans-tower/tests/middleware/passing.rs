//! What is none of the middleware's business passes through it untouched.

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use websans_tower::{Options, OriginPolicy, Upgrade};

use crate::support::{Body, Http2, Server, connect_request, echoing, read_head, request, soon, text};

/// Tells what has arrived, and takes over what asks for it by whatever protocol: each byte comes back plus one.
async fn tell_all(mut request: Request<Incoming>) -> Response<Body> {
    let header = |name: &str| {
        request.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let told = format!(
        "{} {} {:?} upgrade={} custom={} can_upgrade={} websocket={}",
        request.method(),
        request.uri().path(),
        request.version(),
        header("upgrade"),
        header("x-custom"),
        request.extensions().get::<OnUpgrade>().is_some(),
        Upgrade::is_websocket(&request),
    );
    let connect = request.extensions().get::<Protocol>().is_some();
    let status = match header("upgrade").as_str() {
        "plus-one" => 101,
        _ if connect => 200,
        _ => {
            let body = request.collect().await.unwrap().to_bytes();
            let body = format!("{told} body={}", String::from_utf8_lossy(&body));
            let mut response = Response::new(http_body_util::Full::from(body).boxed());
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            response.headers_mut().append("x-answer", "first".parse().unwrap());
            response.headers_mut().append("x-answer", "second".parse().unwrap());
            return response;
        }
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        let mut byte = [0];
        while io.read(&mut byte).await.unwrap() == 1 {
            io.write_all(&[byte[0] + 1]).await.unwrap();
            io.flush().await.unwrap();
        }
    });
    let response = Response::builder().status(status).header("x-told", told);
    let response = if connect {
        response
    } else {
        response.header("connection", "upgrade").header("upgrade", "plus-one")
    };
    response.body(Empty::new().boxed()).unwrap()
}

#[tokio::test]
async fn requests_and_responses_pass_as_they_are() {
    let server = Server::start(Options::new(), tell_all).await;
    let answer = server
        .ask(
            "POST /page?q HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nX-Custom: yes\r\n\
             Content-Length: 5\r\nConnection: close\r\n\r\nhello",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 418 "), "{answer}");
    assert!(answer.contains("\r\nx-answer: first\r\nx-answer: second\r\n"), "{answer}");
    let told = "POST /page HTTP/1.1 upgrade= custom=yes can_upgrade=false websocket=false body=hello";
    assert!(answer.ends_with(told), "{answer}");
    assert_eq!(server.events.all(), [""; 0]);
    assert_eq!(server.sockets.len(), 0);
}

#[tokio::test]
async fn another_upgrade_is_the_services_own() {
    let server = Server::start(Options::new(), tell_all).await;
    let mut stream = server.connect().await;
    let ask = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: plus-one\r\n\r\n1";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("can_upgrade=true websocket=false"), "{head}");
    assert_eq!(soon(stream.read_u8()).await.unwrap(), b'2');
    stream.write_all(b"a").await.unwrap();
    assert_eq!(soon(stream.read_u8()).await.unwrap(), b'b');
}

#[tokio::test]
async fn an_extended_connect_for_another_protocol_is_the_services_own() {
    let server = Server::start(Options::new(), tell_all).await;
    let mut client = Http2::connect(server.address).await;
    let mut request = connect_request();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("plus-one"));
    let (head, mut stream) = client.open_by(request).await;
    let told = head.headers["x-told"].to_str().unwrap();
    assert_eq!(told, "CONNECT /chat HTTP/2.0 upgrade= custom= can_upgrade=true websocket=false");
    stream.send.send_data("a".into(), false).unwrap();
    assert_eq!(stream.read().await.unwrap().unwrap(), "b");
    // A request that is no CONNECT.
    let mut request = Request::new(());
    *request.uri_mut() = "http://example.com/page".parse().unwrap();
    request.headers_mut().insert("sec-websocket-version", "12".parse().unwrap());
    client.requests = client.requests.clone().ready().await.unwrap();
    let (response, _) = client.requests.send_request(request, true).unwrap();
    let mut response = soon(response).await.unwrap();
    assert_eq!(response.status(), 418);
    let body = soon(response.body_mut().data()).await.unwrap().unwrap();
    assert!(body.starts_with(b"GET /page HTTP/2.0 "), "{body:?}");
    assert_eq!(server.events.all(), [""; 0]);
}

/// What becomes of handshakes, the last of them broken, on this path: statuses.
async fn statuses(server: &Server, path: &str) -> [u16; 2] {
    let good = request("Connection: close\r\n").replace("/chat", path);
    let broken = good.replace("Version: 13", "Version: 12");
    let mut statuses = [0; 2];
    for (status, request) in statuses.iter_mut().zip([good, broken]) {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        *status = head[9..12].parse().unwrap();
        let passed = head.contains("websocket=false");
        assert!(!passed, "told in the body only: {head}");
        if *status == 418 {
            let mut body = String::new();
            soon(stream.read_to_string(&mut body)).await.unwrap();
            assert!(body.contains("upgrade=websocket") && body.contains("can_upgrade=true"), "{body}");
            assert!(body.contains("websocket=false"), "{body}");
        }
    }
    statuses
}

/// Echoes where the middleware serves, and tells all elsewhere.
async fn either(request: Request<Incoming>) -> Response<Body> {
    if Upgrade::is_websocket(&request) { echoing(request).await } else { tell_all(request).await }
}

#[tokio::test]
async fn only_the_paths_of_the_list_are_served() {
    let server = Server::start(Options::new().path("/chat").path("/a%20b"), either).await;
    for path in ["/chat", "/chat?to=all", "/a%20b", "http://example.com/chat"] {
        assert_eq!(statuses(&server, path).await, [101, 426], "{path}");
    }
    for path in ["/", "/chat/", "/Chat", "/chat2", "/x/chat", "/a b".replace(' ', "+").as_str(), "/%63hat"] {
        assert_eq!(statuses(&server, path).await, [418, 418], "{path}");
    }
    // Over HTTP/2 too.
    let mut client = Http2::connect(server.address).await;
    let mut request = connect_request();
    *request.uri_mut() = "http://example.com/other".parse().unwrap();
    let (head, _stream) = client.open_by(request).await;
    assert!(head.headers["x-told"].to_str().unwrap().ends_with("can_upgrade=true websocket=false"));
    assert!(!client.open_by(connect_request()).await.0.headers.contains_key("x-told"));
}

#[tokio::test]
async fn a_predicate_chooses_paths() {
    let options = Options::new().path("/never").paths(|path| path.starts_with("/rooms/"));
    let server = Server::start(options, either).await;
    assert_eq!(statuses(&server, "/rooms/1?x=/y").await, [101, 426]);
    assert_eq!(statuses(&server, "/never").await, [418, 418]);
    assert_eq!(statuses(&server, "/x?/rooms/").await, [418, 418]);
}

#[tokio::test]
async fn a_service_may_answer_a_good_handshake_otherwise() {
    let server = Server::start(Options::new().allowed_origins(OriginPolicy::Any), async |request| {
        let upgrade = Upgrade::of(&request).expect("a good handshake");
        assert_eq!(upgrade.origin(), Some(&b"null"[..]));
        assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/chat"));
        text(401, "who are you?")
    })
    .await;
    let answer = server.ask(&request("Origin: null\r\nConnection: close\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.ends_with("who are you?"), "{answer}");
    server.assert_empty().await;
    assert_eq!(server.events.all(), [""; 0]);
}
