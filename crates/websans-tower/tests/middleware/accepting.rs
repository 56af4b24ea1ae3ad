//! Handshakes that the service accepts: what is answered, and what is agreed on.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use websans_deflate::Deflate;
use websans_testkit::wire::{self, Frame};
use websans_tower::{BuildError, CloseCode, Message, Opening, Options, Socket, Upgrade};

use crate::support::{
    Body, Http2, Server, answering, connect_request, echo, echoing, expect, read_head, request, soon, text,
    until,
};

fn accept(upgrade: Upgrade) -> Response<Body> {
    upgrade.accept(echo).map(BodyExt::boxed)
}

#[tokio::test]
async fn messages_go_both_ways_and_the_closing_is_clean() {
    let server = Server::start(Options::new(), echoing).await;
    let mut socket = server.open().await;
    for size in [0, 1, 126, 70_000, 1 << 20] {
        let text = "x".repeat(size);
        socket.send(&text).await.unwrap();
        assert!(soon(socket.recv()).await.unwrap() == Some(Message::Text(&text)), "{size}");
    }
    let outcome = soon(socket.close(CloseCode::NORMAL, "done")).await.unwrap();
    assert!(outcome.is_clean(), "{outcome}");
    server.assert_empty().await;
    assert_eq!(server.events.all(), ["/chat opened", "/chat closed cleanly (1000): done"]);
}

#[tokio::test]
async fn the_101_has_what_it_must_and_no_more() {
    let server = Server::start(Options::new(), echoing).await;
    let mut stream = server.connect().await;
    let offers = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    stream.write_all(request(offers).as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    let mut lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "",
            "HTTP/1.1 101 Switching Protocols",
            "connection: Upgrade",
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "upgrade: websocket",
        ]
    );
}

#[tokio::test]
async fn the_200_of_http_2_has_next_to_nothing() {
    let server = Server::start(Options::new(), echoing).await;
    let (head, _stream) = Http2::connect(server.address).await.open_by(connect_request()).await;
    let names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["date"]);
}

#[tokio::test]
async fn of_subprotocols_the_server_chooses_by_its_own_preference() {
    let service = answering(|upgrade| {
        assert_eq!(upgrade.protocols().is_empty(), upgrade.protocol().is_none() && !upgrade.offers_deflate());
        accept(upgrade)
    });
    let server = Server::start(Options::new().protocols(["v3", "v2", "v1"]), service).await;
    for (offered, agreed) in [(&["v1", "v2"][..], Some("v2")), (&["v1"], Some("v1")), (&[], None)] {
        let mut client = server.client();
        for protocol in offered {
            client = client.protocol(protocol).unwrap();
        }
        let socket = server.open_by(&client).await.unwrap();
        assert_eq!(socket.protocol(), agreed);
    }
    // Over HTTP/2 too, in two lines.
    let mut request = connect_request();
    for protocol in ["v1, other", "v3"] {
        request.headers_mut().append("sec-websocket-protocol", protocol.parse().unwrap());
    }
    let (head, _stream) = Http2::connect(server.address).await.open_by(request).await;
    assert_eq!(head.headers["sec-websocket-protocol"], "v3");
    assert!(server.events.all().contains(&"/chat opened for v3".to_owned()));
}

#[tokio::test]
async fn a_subprotocol_of_nobodys_liking_is_left_out() {
    let server = Server::start(Options::new().protocols(["v1"]), echoing).await;
    let mut stream = server.connect().await;
    stream.write_all(request("Sec-WebSocket-Protocol: V1, v2\r\n").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("sec-websocket-protocol"), "{head}");
}

#[tokio::test]
async fn a_service_chooses_the_subprotocol_itself() {
    let service = answering(|upgrade| {
        assert_eq!(upgrade.protocols(), ["a", "b"]);
        assert_eq!(upgrade.protocol(), Some("a"));
        let refused = upgrade.clone().with_protocol("c").map(drop);
        assert_eq!(refused, Err(BuildError::ProtocolNotOffered));
        let none = upgrade.clone().with_protocol(None).unwrap();
        assert_eq!(none.protocol(), None);
        let upgrade = upgrade.with_protocol("b").unwrap();
        upgrade
            .accept(async |mut socket: Socket| {
                let protocol = socket.protocol().unwrap().to_owned();
                socket.send(protocol).await
            })
            .map(BodyExt::boxed)
    });
    let server = Server::start(Options::new().protocols(["a"]), service).await;
    let client = server.client().protocol("a").unwrap().protocol("b").unwrap();
    let mut socket = server.open_by(&client).await.unwrap();
    assert_eq!(socket.protocol(), Some("b"));
    assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("b")));
}

#[tokio::test]
async fn compression_is_agreed_on_if_both_want_it() {
    let deflate = Deflate::default();
    let plain = Server::start(Options::new(), answering(accept)).await;
    let compressing = Server::start(Options::new().deflate(&deflate), answering(accept)).await;
    let own = deflate.clone();
    let one = Server::start(
        Options::new(),
        answering(move |upgrade| {
            assert!(upgrade.offers_deflate());
            accept(upgrade.with_deflate(&own))
        }),
    )
    .await;
    let not = Server::start(
        Options::new().deflate(&deflate),
        answering(|upgrade| accept(upgrade.with_deflate(None))),
    )
    .await;
    for (server, agreed) in [(&plain, false), (&compressing, true), (&one, true), (&not, false)] {
        let client = server.client().deflate(&deflate).unwrap();
        let mut socket = server.open_by(&client).await.unwrap();
        let text = "again and ".repeat(1000);
        socket.send(&text).await.unwrap();
        assert!(soon(socket.recv()).await.unwrap() == Some(Message::Text(&text)));
        let compression = socket.stats().compression;
        assert_eq!(compression.is_some(), agreed);
        assert!(compression.is_none_or(|it| it.received_compressed < 200 && it.received_plain == 10_000));
    }
    // A client that does not offer it.
    let mut socket = compressing.open().await;
    assert!(socket.stats().compression.is_none());
    socket.send("plain").await.unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("plain")));
}

#[tokio::test]
async fn limits_are_the_layers_or_those_of_one_connection() {
    let layers = Server::start(Options::new().max_message(10), answering(accept)).await;
    let service = answering(|upgrade| accept(upgrade.with_limits(|config| config.max_message = 10)));
    let own = Server::start(Options::new(), service).await;
    for server in [layers, own] {
        let mut socket = server.open().await;
        socket.send("ten bytes.").await.unwrap();
        assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("ten bytes.")));
        socket.send("11 bytes...").await.unwrap();
        assert_eq!(soon(socket.recv()).await.unwrap(), None);
        assert_eq!(socket.outcome().unwrap().code(), 1009);
        server.assert_empty().await;
        assert!(server.events.wait("handler failed").await.contains("limit"), "{:?}", server.events.all());
    }
}

#[tokio::test]
async fn headers_of_the_services_go_with_the_answer() {
    let service = answering(|upgrade| {
        let reserved = upgrade.clone().with_header("Sec-WebSocket-Accept", "x").map(drop);
        assert!(matches!(reserved, Err(BuildError::ReservedHeader(_))));
        assert_eq!(upgrade.clone().with_header("a b", "x").map(drop), Err(BuildError::HeaderName));
        let upgrade = upgrade.with_header("Set-Cookie", "a=1; HttpOnly").unwrap();
        accept(upgrade.with_header("set-cookie", "b=2").unwrap())
    });
    let server = Server::start(Options::new(), service).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.contains("\r\nset-cookie: a=1; HttpOnly\r\nset-cookie: b=2\r\n"), "{head}");
    let (head, _stream) = Http2::connect(server.address).await.open_by(connect_request()).await;
    let cookies: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
}

#[tokio::test]
async fn frames_that_come_with_the_request_are_not_lost() {
    let server = Server::start(Options::new(), echoing).await;
    let mut stream = server.connect().await;
    let early = [Frame::text("early"), Frame::binary(vec![7; 50_000]), Frame::ping("p")];
    let mut bytes = request("").into_bytes();
    bytes.extend(wire::stream(&early, true));
    // Half of a frame, too.
    let late = wire::stream(&[Frame::text("late")], true);
    bytes.extend_from_slice(&late[..3]);
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        writer.write_all(&bytes).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        writer.write_all(&late[3..]).await.unwrap();
    };
    let reading = async {
        assert!(read_head(&mut reader).await.starts_with("HTTP/1.1 101 "));
        for frame in [&early[0], &early[1], &Frame::pong("p"), &Frame::text("late")] {
            expect(&mut reader, frame).await;
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn a_handshake_is_accepted_once() {
    let service = answering(|upgrade| {
        let clone = upgrade.clone();
        let first = accept(upgrade);
        let (second, opening) = clone.clone().accept_later();
        assert_eq!(second.status(), 500);
        let handler = async |_: Socket| -> () { panic!("nothing runs") };
        assert_eq!(clone.accept(handler).status(), 500);
        tokio::spawn(async move {
            let error = opening.await.unwrap_err();
            assert_eq!(error.to_string(), "the handshake has been accepted before");
        });
        first
    });
    let server = Server::start(Options::new().max_connections(1), service).await;
    let mut socket = server.open().await;
    socket.send("hello").await.unwrap();
    assert_eq!(soon(socket.recv()).await.unwrap(), Some(Message::Text("hello")));
    drop(socket);
    server.assert_empty().await;
    let not_opened = "/chat not opened: the handshake has been accepted before";
    assert_eq!(server.events.all()[..3], [not_opened, not_opened, "/chat opened"]);
}

#[tokio::test]
async fn the_answer_of_a_second_acceptance_ends_the_connection() {
    let service = answering(|upgrade| {
        drop(upgrade.clone().accept_later());
        accept(upgrade)
    });
    let server = Server::start(Options::new(), service).await;
    // What the client has sent behind its request is nobody's, and must not be taken for one.
    let answer = server.ask(&(request("") + "GET / HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(!answer.contains("a page"), "{answer}");
    let (response, _) = Http2::connect(server.address).await.ask(connect_request()).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(!response.headers().contains_key("connection"));
    server.assert_empty().await;
}

#[tokio::test]
async fn a_response_that_never_leaves_opens_nothing() {
    let service = answering(|upgrade| {
        let handler = async |_: Socket| -> () { panic!("nothing runs") };
        drop(upgrade.accept(handler));
        text(404, "second thoughts")
    });
    let server = Server::start(Options::new().max_connections(1), service).await;
    let not_opened = "/chat not opened: the response that accepts the connection has not left";
    let answer = server.ask(&request("Connection: close\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("second thoughts"), "{answer}");
    server.assert_empty().await;
    assert_eq!(server.events.all(), [not_opened]);
    let (response, _) = Http2::connect(server.address).await.ask(connect_request()).await.unwrap();
    assert_eq!(response.status(), 404);
    server.assert_empty().await;
    assert_eq!(server.events.all(), [not_opened; 2]);
}

#[tokio::test]
async fn a_background_task_has_the_connection_long_after_the_handler() {
    let (room, mut newcomers) = mpsc::channel::<Opening>(1);
    let service = move |request| {
        let room = room.clone();
        async move {
            let (response, opening) = Upgrade::of(&request).unwrap().accept_later();
            room.send(opening).await.unwrap();
            response.map(BodyExt::boxed)
        }
    };
    let server = Server::start(Options::new(), service).await;
    let background = tokio::spawn(async move {
        let mut guests = Vec::new();
        while guests.len() < 2 {
            guests.push(newcomers.recv().await.unwrap().await.unwrap());
        }
        for guest in &mut guests {
            guest.send("all are here").await.unwrap();
        }
        guests
    });
    let mut first = server.open().await;
    let mut second = Http2::connect(server.address).await.open().await;
    assert_eq!(soon(first.recv()).await.unwrap(), Some(Message::Text("all are here")));
    second.expect(&Frame::text("all are here")).await;
    let guests = soon(background).await.unwrap();
    assert_eq!(server.sockets.len(), 2);
    drop(guests);
    assert_eq!(soon(first.recv()).await.unwrap(), None);
    assert_eq!(first.outcome().unwrap().code(), 1006);
    assert_eq!(second.rest().await, b"");
    server.assert_empty().await;
}

#[tokio::test]
async fn an_opening_that_is_dropped_closes_the_connection() {
    let service = answering(|upgrade| upgrade.accept_later().0.map(BodyExt::boxed));
    let server = Server::start(Options::new(), service).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(Http2::connect(server.address).await.open().await.rest().await, b"");
    server.assert_empty().await;
    let events = server.events.all();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(
        events
            .iter()
            .all(|event| event.ends_with("not opened: it was dropped before the connection was there"))
    );
}

#[tokio::test]
async fn a_handler_may_return_nothing_or_a_result_of_any_error() {
    let service = answering(|upgrade| match upgrade.protocol() {
        Some("text") => {
            upgrade.accept(async |_: Socket| Err::<(), _>("a sentence is an error")).map(BodyExt::boxed)
        }
        Some("boxed") => upgrade
            .accept(async |_: Socket| Err::<u8, Box<dyn std::error::Error + Send + Sync>>("boxed".into()))
            .map(BodyExt::boxed),
        _ => upgrade.accept(async |_: Socket| {}).map(BodyExt::boxed),
    });
    let server = Server::start(Options::new().protocols(["text", "boxed"]), service).await;
    for protocol in ["text", "boxed"] {
        let client = server.client().protocol(protocol).unwrap();
        server.open_by(&client).await.unwrap();
    }
    server.open().await;
    server.assert_empty().await;
    server.events.wait("the handler failed: a sentence is an error").await;
    server.events.wait("the handler failed: boxed").await;
    assert_eq!(server.events.all().iter().filter(|event| event.contains("failed:")).count(), 2);
}

#[tokio::test]
async fn what_the_handler_is_given_stays_with_it() {
    // A handler is a `FnOnce` that may own what it needs, and is dropped unused if nothing is opened.
    let (given, received) = oneshot::channel();
    let given = Arc::new(Mutex::new(Some(given)));
    let service = answering(move |upgrade| {
        let given = given.lock().unwrap().take();
        upgrade
            .accept(async move |mut socket: Socket| {
                let text = soon(socket.recv_owned()).await.unwrap().unwrap();
                let _ = given.unwrap().send(text.as_bytes().to_vec());
            })
            .map(BodyExt::boxed)
    });
    let server = Server::start(Options::new(), service).await;
    let mut socket = server.open().await;
    socket.send("for you").await.unwrap();
    assert_eq!(soon(received).await.unwrap(), b"for you");
    until(|| server.sockets.is_empty()).await;
}

#[tokio::test]
async fn a_silent_upgrade_holds_a_place_until_it_is_answered() {
    let (answer, wait) = oneshot::channel::<()>();
    let wait = Arc::new(tokio::sync::Mutex::new(Some(wait)));
    let service = move |request| {
        let wait = Arc::clone(&wait);
        async move {
            let upgrade = Upgrade::of(&request).unwrap();
            let _ = wait.lock().await.take().unwrap().await;
            drop(upgrade);
            text(404, "no room")
        }
    };
    let server = Server::start(Options::new().max_connections(1), service).await;
    let mut stream = server.connect().await;
    stream.write_all(request("").as_bytes()).await.unwrap();
    until(|| server.sockets.len() == 1).await;
    assert_eq!(server.status(&server.client()).await, 503);
    answer.send(()).unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 404 "));
    server.assert_empty().await;
}

#[tokio::test]
async fn a_response_that_was_replaced_frees_the_place_at_once() {
    // The response is on its way, and stays there.
    let service = answering(|upgrade| {
        drop(upgrade.accept(echo));
        let forever = futures_util::stream::pending::<Result<http_body::Frame<bytes::Bytes>, Infallible>>();
        let mut response = Response::new(http_body_util::StreamBody::new(forever).boxed());
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        response
    });
    let server = Server::start(Options::new().max_connections(1), service).await;
    let mut streams = Vec::new();
    for n in 1..=2 {
        let mut stream = server.connect().await;
        stream.write_all(request("").as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 403 ") && head.contains("\r\nconnection: close\r\n"), "{head}");
        streams.push(stream);
        server.assert_empty().await;
        assert_eq!(server.events.all().len(), n, "{:?}", server.events.all());
    }
}

#[tokio::test]
async fn who_is_refused_after_all_has_no_say() {
    // An answer that goes on, so that frames arrive while it leaves.
    let service = answering(|upgrade| {
        let handler = async |mut socket: Socket| -> () { panic!("heard {:?}", socket.recv().await) };
        drop(upgrade.accept(handler));
        text(403, "not you")
    });
    let server = Server::start(Options::new(), service).await;
    let mut bytes = request("").replace("Connection: Upgrade", "Connection: close, Upgrade").into_bytes();
    bytes.extend(wire::stream(&[Frame::text("let me in")], true));
    let mut stream = server.connect().await;
    stream.write_all(&bytes).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 403 "));
    let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    server.assert_empty().await;
    let not_opened = "/chat not opened: the response that accepts the connection has not left";
    assert_eq!(server.events.all(), [not_opened]);
}
