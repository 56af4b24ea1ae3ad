//! The client's opening handshake: against our own server, and against servers of every other kind.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use websans::handshake::accept_key;
use websans::handshake::client::Refusal;
use websans_dial::{Cause, ConnectError, Step};
use websans_std::handshake::server::{Choice, Response};
use websans_std::handshake::{BuildError, HandshakeError};
use websans_std::{
    Client, CloseCode, Config, Error, Transport, WebSocket, accept, accept_with, connect, handshake,
};
use websans_testkit::wire::Frame;

use crate::odd::Odd;
use crate::support::{End, MODES, Owned, Raw, assert_took, config, millis, serve, within};

/// Reads a request's head and returns its lines.
fn request(stream: &mut TcpStream) -> Vec<String> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "an end within the request");
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn value<'l>(lines: &'l [String], name: &str) -> Option<&'l str> {
    lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A 101 response that answers the request in `lines`, with `more` lines in it.
fn switching(lines: &[String], more: &str) -> Vec<u8> {
    let accept = accept_key(value(lines, "Sec-WebSocket-Key").unwrap().as_bytes());
    let accept = std::str::from_utf8(&accept).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
    .into_bytes()
}

/// What our client makes of a server that answers in bytes.
fn against(
    config: Config,
    server: impl FnOnce(TcpStream) + Send + 'static,
) -> Result<WebSocket<Transport>, Error> {
    let (address, server) = serve(server);
    let result = connect(Client::new(&format!("ws://{address}/")).unwrap().config(config));
    server.join().unwrap();
    result
}

fn connect_error<S: std::fmt::Debug>(result: Result<WebSocket<S>, Error>) -> ConnectError {
    match result {
        Err(Error::Connect(error)) => *error,
        other => panic!("{other:?}"),
    }
}

fn handshake_error(result: Result<WebSocket<Transport>, Error>) -> HandshakeError {
    let error = connect_error(result);
    assert_eq!(error.step(), Step::Handshake);
    match error.cause() {
        Cause::Handshake(error) => *error,
        _ => panic!("{error:?}"),
    }
}

fn refusal(result: Result<WebSocket<Transport>, Error>) -> Refusal {
    connect_error(result).refusal().expect("a refusal").clone()
}

#[test]
fn a_client_and_a_server_of_ours_understand_each_other() {
    within(30, || {
        for mode in MODES {
            let (address, server) = serve(move |stream| {
                let socket = accept_with(stream, |request| {
                    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
                    assert_eq!(request.header("cookie"), Some(&b"id=7"[..]));
                    assert_eq!(request.protocols(), ["b", "a"]);
                    Ok(Choice::new().protocol("a"))
                });
                mode.hold(socket.unwrap().unwrap()).echo().unwrap()
            });
            let client = Client::new(&format!("ws://{address}/chat?room=1#fragment"));
            assert!(client.is_err(), "a URL with a fragment is refused (RFC 6455 §3)");
            let client = Client::new(&format!("ws://{address}/chat?room=1")).unwrap();
            let client =
                client.protocol("b").unwrap().protocol("a").unwrap().header("Cookie", "id=7").unwrap();
            let mut socket = connect(client).unwrap();
            assert_eq!(socket.protocol(), Some("a"));
            assert!(socket.get_ref().tcp().nodelay().unwrap());
            socket.send("hello").unwrap();
            assert_eq!(socket.recv().unwrap().map(Owned::from), Some(Owned::text("hello")));
            let outcome = socket.close(CloseCode::NORMAL, "thanks").unwrap();
            assert!(outcome.is_clean());
            let outcome = server.join().unwrap();
            assert!(outcome.is_clean());
            assert_eq!(outcome.received.unwrap().reason, "thanks");
        }
    });
}

#[test]
fn a_refusal_is_seen_whole() {
    within(20, || {
        let (address, server) = serve(|stream| {
            let page = "x".repeat(10_000);
            let refused = accept_with(stream, |_| {
                let response = Response::new(401).unwrap().header("WWW-Authenticate", "Basic").unwrap();
                Err(response
                    .header("Set-Cookie", "a=1")
                    .unwrap()
                    .header("Set-Cookie", "b=2")
                    .unwrap()
                    .body(page))
            });
            assert!(refused.unwrap().is_none());
        });
        let refusal = refusal(connect(format!("ws://{address}")));
        assert_eq!((refusal.status, &*refusal.reason), (401, "Unauthorized"));
        assert_eq!(refusal.header("www-authenticate"), Some(&b"Basic"[..]));
        let cookies = refusal.headers.iter().filter(|(name, _)| name == "Set-Cookie");
        assert_eq!(cookies.map(|(_, value)| &value[..]).collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        assert_eq!(refusal.body, [b'x'; 10_000]);
        assert!(refusal.complete);
        server.join().unwrap();
    });
}

/// Our server's own refusals reach our client, with the sentence that explains them.
#[test]
fn a_handshake_that_our_server_refuses_says_why() {
    within(20, || {
        let (address, server) = serve(|stream| {
            let short = config(|config| config.max_headers = 4);
            websans_std::Incoming::read(stream, short).map(drop)
        });
        let refusal = refusal(connect(format!("ws://{address}/")));
        assert_eq!(refusal.status, 431);
        assert!(refusal.complete && refusal.body.starts_with(b"the head has too many lines"));
        assert!(server.join().unwrap().is_err());
    });
}

#[test]
fn refusals_of_other_servers_are_seen_as_far_as_they_come() {
    within(40, || {
        let plain = "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n";
        let cases: [(String, u16, &str, bool); 7] = [
            (format!("{plain}Content-Length: 4\r\n\r\nlater, they said"), 503, "late", true),
            (format!("{plain}\r\nuntil the end"), 503, "until the end", true),
            (
                format!("{plain}Transfer-Encoding: chunked\r\n\r\n4\r\nlate\r\n1\r\nr\r\n0\r\n\r\n"),
                503,
                "later",
                true,
            ),
            (format!("{plain}Content-Length: 9\r\n\r\nlate"), 503, "late", false),
            (
                "HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\nContent-Length: 0\r\n\r\n".into(),
                302,
                "",
                true,
            ),
            ("HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nok".into(), 200, "ok", true),
            // Longer than the client keeps.
            (format!("{plain}Content-Length: 100000\r\n\r\n{}", "x".repeat(100_000)), 503, "", false),
        ];
        for (response, status, body, complete) in cases {
            let result = against(Config::default(), move |mut stream| {
                request(&mut stream);
                // The client may have enough before all is written.
                let _ = stream.write_all(response.as_bytes());
            });
            let refusal = refusal(result);
            assert_eq!((refusal.status, refusal.complete), (status, complete), "{refusal:?}");
            let expected = if body.is_empty() && !complete { "x".repeat(64 << 10) } else { body.into() };
            assert!(refusal.body == expected.as_bytes(), "{refusal:?}");
        }
    });
}

#[test]
fn a_false_101_is_refused() {
    use HandshakeError as E;
    within(30, || {
        type Falsify = fn(Vec<String>) -> Vec<u8>;
        fn replaced(lines: &[String], from: &str, to: &str) -> Vec<u8> {
            let response = String::from_utf8(switching(lines, "")).unwrap();
            assert!(response.contains(from));
            response.replace(from, to).into_bytes()
        }
        let cases: [(Falsify, E); 9] = [
            (|lines| replaced(&lines, "Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"), E::WrongAccept),
            (|lines| replaced(&lines, "Sec-WebSocket-Accept: ", "X: "), E::WrongAccept),
            (|lines| replaced(&lines, "Upgrade: websocket", "Upgrade: websockets"), E::InvalidUpgrade),
            (
                |lines| replaced(&lines, "Connection: keep-alive, Upgrade", "Connection: close"),
                E::InvalidConnection,
            ),
            (|lines| switching(&lines, "Sec-WebSocket-Protocol: chat\r\n"), E::UnexpectedProtocol),
            (
                |lines| switching(&lines, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
                E::UnexpectedExtension,
            ),
            (|lines| replaced(&lines, "HTTP/1.1", "HTTP/1.0"), E::HttpVersion),
            (|_| b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), E::NotHttp),
            (|_| b"HTTP/1.1 101\r\nno colon\r\n\r\n".to_vec(), E::InvalidHead),
        ];
        for (n, (falsify, error)) in cases.into_iter().enumerate() {
            let result = against(Config::default(), move |mut stream| {
                let lines = request(&mut stream);
                stream.write_all(&falsify(lines)).unwrap();
                // The client ends the transport at once.
                let _ = stream.read(&mut [0]);
            });
            assert_eq!(handshake_error(result), error, "case {n}");
        }
    });
}

#[test]
fn a_server_that_ends_within_its_answer_is_an_error() {
    within(20, || {
        for len in [0, 1, 20] {
            let result = against(Config::default(), move |mut stream| {
                let lines = request(&mut stream);
                stream.write_all(&switching(&lines, "")[..len]).unwrap();
            });
            assert_eq!(handshake_error(result), HandshakeError::Incomplete);
        }
        let result = against(Config::default(), |mut stream| {
            request(&mut stream);
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        });
        match connect_error(result).cause() {
            Cause::Io(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    });
}

/// The time for the handshake is one for all of it: a byte now and then buys none.
#[test]
fn a_slow_server_is_given_up_at_the_deadline() {
    within(30, || {
        for dribbles in [false, true] {
            let started = Instant::now();
            let result =
                against(config(|config| config.handshake_within = millis(700)), move |mut stream| {
                    let lines = request(&mut stream);
                    if !dribbles {
                        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the client goes");
                        return;
                    }
                    for byte in switching(&lines, &format!("X: {}\r\n", "y".repeat(1000))) {
                        if stream.write_all(&[byte]).is_err() {
                            return;
                        }
                        thread::sleep(millis(10));
                    }
                });
            let error = connect_error(result);
            assert!(error.is_timeout() && error.step() == Step::Handshake, "{error}");
            assert_took(started, millis(700));
        }
    });
}

/// A refusal whose body does not end is told at the deadline all the same.
#[test]
fn a_refusal_that_does_not_end_is_told_at_the_deadline() {
    within(20, || {
        let started = Instant::now();
        let result = against(config(|config| config.handshake_within = millis(500)), |mut stream| {
            request(&mut stream);
            stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nthe beginning").unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the client says nothing more");
        });
        let refusal = refusal(result);
        assert_eq!(
            (refusal.status, &refusal.body[..], refusal.complete),
            (500, &b"the beginning"[..], false)
        );
        assert_took(started, millis(500));
    });
}

#[test]
fn what_cannot_be_connected_to_is_an_error() {
    within(20, || {
        for url in ["", "http://localhost/", "ws://", "ws://local host/", "ws://h:99999/", "ws://h/#f", "/ws"]
        {
            assert!(matches!(connect(url), Err(Error::Build(_))), "{url}");
        }
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = connect_error(connect(format!("ws://{address}/")));
        assert_eq!(error.step(), Step::Connect);
        assert!(error.to_string().contains(&address.to_string()), "the address is named: {error}");
        match error.cause() {
            Cause::Addresses(failures) => {
                let [(tried, error)] = &failures[..] else { panic!("{failures:?}") };
                assert_eq!((*tried, error.kind()), (address, io::ErrorKind::ConnectionRefused));
            }
            other => panic!("{other:?}"),
        }
        let client = || Client::new("ws://localhost/").unwrap();
        assert_eq!(client().header("A", "b\r\nC: d").unwrap_err(), BuildError::HeaderValue);
        assert_eq!(client().protocol("a b").unwrap_err(), BuildError::ProtocolName);
        assert!(matches!(client().header("Sec-WebSocket-Key", "x"), Err(BuildError::ReservedHeader(_))));
    });
}

/// A name with two addresses of which one does not answer is tried at both.
#[test]
fn localhost_is_found_at_either_address() {
    within(20, || {
        let (address, server) = serve(|stream| accept(stream).unwrap().recv().map(drop));
        let socket = connect(format!("ws://localhost:{}/", address.port())).unwrap();
        drop(socket);
        server.join().unwrap().unwrap();
    });
}

/// What a server sends right behind its 101 are the first frames.
#[test]
fn frames_right_behind_the_response_are_not_lost() {
    within(40, || {
        let frames =
            [Frame::text("early"), Frame::binary([7; 900]), Frame::ping("p"), Frame::close(1000, "bye")];
        let frames_len = End::Server.encode(&frames).len();
        for mode in MODES {
            for late in [0, 1, 2, frames_len / 2, frames_len - 1, frames_len, frames_len + 1, frames_len + 60]
            {
                let frames = frames.clone();
                let (address, server) = serve(move |mut stream| {
                    let mut bytes = switching(&request(&mut stream), "");
                    bytes.extend(End::Server.encode(&frames));
                    let (now, then) = bytes.split_at(bytes.len() - late);
                    stream.write_all(now).unwrap();
                    thread::sleep(millis(30));
                    stream.write_all(then).unwrap();
                    let mut raw = Raw::new(End::Server, stream);
                    assert_eq!(raw.frame().payload, b"p");
                    assert_eq!(raw.frame().close(), (1000, "bye"));
                    raw.end();
                });
                let mut socket = mode.hold(connect(format!("ws://{address}/")).unwrap());
                assert_eq!(socket.recv().unwrap(), Some(Owned::text("early")));
                assert_eq!(socket.recv().unwrap(), Some(Owned::Binary(vec![7; 900])));
                assert_eq!(socket.recv().unwrap(), None);
                assert!(socket.assert_over().is_clean());
                server.join().unwrap();
            }
        }
    });
}

/// Interim responses are skipped, and a request and response that come a byte at a time are the same handshake.
#[test]
fn a_handshake_survives_a_halting_stream() {
    use std::sync::atomic::Ordering::SeqCst;
    within(20, || {
        let (address, server) = serve(|mut stream| {
            let response = switching(&request(&mut stream), "");
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").unwrap();
            stream.write_all(&response).unwrap();
            let mut raw = Raw::new(End::Server, stream);
            assert_eq!(raw.message(), Owned::text("hello"));
        });
        let (stream, habits) = Odd::new(TcpStream::connect(address).unwrap());
        habits.most_read.store(1, SeqCst);
        habits.most_write.store(1, SeqCst);
        habits.interrupt_every.store(3, SeqCst);
        let mut socket = handshake(stream, &Client::new(&format!("ws://{address}/")).unwrap()).unwrap();
        socket.send("hello").unwrap();
        server.join().unwrap();
    });
}
