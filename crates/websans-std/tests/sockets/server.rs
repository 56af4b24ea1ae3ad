//! The server's opening handshake as clients see it: accepted, refused, or no WebSocket at all.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::handshake::server::{Choice, Response};
use websans_std::handshake::{BuildError, HandshakeError, OriginPolicy};
use websans_std::{Config, Error, Incoming, accept, accept_with};
use websans_testkit::wire::{Frame, opcode};

use crate::odd::Odd;
use crate::support::{End, MODES, Owned, Raw, assert_took, config, millis, serve, within};

/// A valid handshake, with `lines` in it.
fn upgrade(path: &str, lines: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
    .into_bytes()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// A response's head and what follows it.
fn head(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return (String::from_utf8(bytes).unwrap(), rest);
        }
        let mut buffer = [0; 1000];
        let n = stream.read(&mut buffer).expect("a response without a reset");
        assert_ne!(n, 0, "an end within the head: {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..n]);
    }
}

/// A whole response up to the end of the transport, which must be orderly.
fn response(stream: &mut TcpStream) -> (String, String) {
    let (head, mut body) = head(stream);
    stream.read_to_end(&mut body).expect("an end without a reset");
    (head, String::from_utf8(body).unwrap())
}

fn assert_refusal(head: &str, body: &str, status: u16) {
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}{body}");
    assert!(!body.is_empty(), "{head}");
}

#[test]
fn a_handshake_is_accepted() {
    within(20, || {
        let (address, server) = serve(|stream| {
            let mut socket = accept(stream).unwrap();
            assert_eq!(socket.protocol(), None);
            assert_eq!(socket.recv().unwrap().map(Owned::from), Some(Owned::text("hello")));
        });
        let mut client = connect(address);
        client.write_all(&upgrade("/", "Sec-WebSocket-Protocol: chat\r\n")).unwrap();
        let (head, rest) = head(&mut client);
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("sec-websocket-protocol"), "none was chosen");
        assert!(!head.to_lowercase().contains("sec-websocket-extensions"), "none was offered");
        assert_eq!(rest, b"");
        Raw::new(End::Client, client).write(&[Frame::text("hello")]);
        server.join().unwrap();
    });
}

#[test]
fn the_application_chooses_subprotocol_and_headers() {
    within(20, || {
        for split in [false, true] {
            let (address, server) = serve(move |stream| {
                let socket = accept_with(stream, |request| {
                    assert_eq!((request.path(), request.query()), ("/room", Some("id=7")));
                    assert_eq!(request.header("x-token"), Some(&b"secret"[..]));
                    assert_eq!(request.protocols(), ["v2.chat", "chat"]);
                    let protocol = request.protocols().iter().copied().find(|&protocol| protocol == "chat");
                    Ok(Choice::new().protocol(protocol).header("X-Served-By", "number 3").unwrap())
                });
                let socket = socket.unwrap().expect("it was accepted");
                if split {
                    let (receiver, sender) = socket.split().unwrap();
                    assert_eq!((receiver.protocol(), sender.protocol()), (Some("chat"), Some("chat")));
                } else {
                    assert_eq!(socket.protocol(), Some("chat"));
                }
            });
            let mut client = connect(address);
            let lines =
                "Sec-WebSocket-Protocol: v2.chat\r\nX-Token: secret\r\nSec-WebSocket-Protocol: chat\r\n";
            client.write_all(&upgrade("/room?id=7", lines)).unwrap();
            let (head, _) = head(&mut client);
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            assert!(head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"), "{head}");
            assert!(head.contains("\r\nX-Served-By: number 3\r\n"), "{head}");
            server.join().unwrap();
        }
    });
}

#[test]
fn the_application_refuses() {
    within(20, || {
        let not_found = Response::new(404).unwrap().body("no such room\n");
        let who = Response::new(401).unwrap().header("WWW-Authenticate", "Basic realm=\"chat\"").unwrap();
        for (refusal, status, body) in
            [(not_found, "404 Not Found", "no such room\n"), (who, "401 Unauthorized", "")]
        {
            let (address, server) = serve(move |stream| {
                let refused = accept_with(stream, |_| Err(refusal)).unwrap();
                assert!(refused.is_none());
            });
            let mut client = connect(address);
            client.write_all(&upgrade("/elsewhere", "")).unwrap();
            // What comes behind a handshake that is refused is nobody's.
            client.write_all(&End::Client.encode(&[Frame::text("early")])).unwrap();
            let (head, came) = response(&mut client);
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
            assert_eq!(
                head.contains("\r\nWWW-Authenticate: Basic realm=\"chat\"\r\n"),
                status.starts_with("401")
            );
            assert_eq!(came, body);
            server.join().unwrap();
        }
    });
}

#[test]
fn a_request_can_be_looked_at_before_it_is_decided() {
    within(20, || {
        let (address, server) = serve(|stream| {
            let incoming = Incoming::read(stream, Config::default()).unwrap();
            let request = incoming.request().unwrap();
            assert!(request.is_upgrade());
            assert_eq!((request.method(), request.target(), request.host()), ("GET", "/a?b", "example.com"));
            assert_eq!(request.origin(), Some(&b"http://example.com"[..]));
            assert_eq!(request.check_origin(&OriginPolicy::SameHost), Ok(()));
            let mut socket = incoming.accept(&Choice::new()).unwrap();
            socket.send("welcome").unwrap();
        });
        let mut client = connect(address);
        client.write_all(&upgrade("/a?b", "Origin: http://example.com\r\n")).unwrap();
        let (head, rest) = head(&mut client);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut client = Raw::new(End::Client, client);
        if rest.is_empty() {
            assert_eq!(client.message(), Owned::text("welcome"));
        } else {
            assert_eq!(rest, b"\x81\x07welcome");
        }
        server.join().unwrap();
    });
}

/// RFC 6455 §10.2.
#[test]
fn a_foreign_page_is_refused() {
    within(20, || {
        let (address, server) = serve(|stream| {
            let incoming = Incoming::read(stream, Config::default()).unwrap();
            let verdict = incoming.request().unwrap().check_origin(&OriginPolicy::SameHost);
            incoming.refuse(verdict.unwrap_err())
        });
        let mut client = connect(address);
        client.write_all(&upgrade("/", "Origin: http://evil.example\r\n")).unwrap();
        let (head, body) = response(&mut client);
        assert_refusal(&head, &body, 403);
        assert!(matches!(server.join().unwrap(), Error::Handshake(HandshakeError::OriginRefused)));
    });
}

#[test]
fn ordinary_requests_are_answered_on_the_same_port() {
    fn answer(stream: TcpStream) {
        let mut incoming = Incoming::read(stream, Config::default()).unwrap();
        let request = incoming.request().unwrap();
        assert!(!request.is_upgrade());
        let status = if request.method() == "POST" { 202 } else { 200 };
        let page = format!("{} {}", request.method(), request.path());
        let response =
            Response::new(status).unwrap().header("Content-Type", "text/plain").unwrap().body(page);
        incoming.respond(&response).unwrap();
    }
    within(20, || {
        let requests = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "GET /", 5),
            ("GET /old HTTP/1.0\r\n\r\n", "200 OK", "GET /old", 8),
            ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "", 6),
            // The body lies unread in the socket when the answer has been given; it must not make a reset of the end.
            (
                "POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n",
                "202 Accepted",
                "POST /form",
                10,
            ),
        ];
        for (request, status, body, length) in requests {
            let (address, server) = serve(answer);
            let mut client = connect(address);
            client.write_all(request.as_bytes()).unwrap();
            if request.starts_with("POST") {
                client.write_all(&vec![b'x'; 300_000]).unwrap();
            }
            let (head, came) = response(&mut client);
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert!(head.contains("\r\nContent-Type: text/plain\r\n"), "{head}");
            assert!(head.contains(&format!("\r\nContent-Length: {length}\r\n")), "{head}");
            assert_eq!(came, body);
            drop(client);
            server.join().unwrap();
        }
    });
}

/// Whatever is wrong with a request, its sender is told so in HTTP, and the transport then ends without a reset, however
/// much has been sent behind it.
#[test]
fn a_bad_handshake_is_answered() {
    use HandshakeError as E;
    within(60, || {
        let without = |line: &str| {
            let request = String::from_utf8(upgrade("/", "")).unwrap();
            let kept: Vec<&str> =
                request.split_inclusive("\r\n").filter(|own| !own.starts_with(line)).collect();
            kept.concat().into_bytes()
        };
        let changed = |from: &str, to: &str| {
            let request = String::from_utf8(upgrade("/", "")).unwrap();
            assert!(request.contains(from));
            request.replace(from, to).into_bytes()
        };
        let cases: Vec<(Vec<u8>, u16, E, &str)> = vec![
            (without("Host"), 400, E::InvalidHost, ""),
            (without("Connection"), 400, E::InvalidConnection, ""),
            (without("Sec-WebSocket-Key"), 400, E::InvalidKey, ""),
            (changed("dGhlIHNhbXBsZSBub25jZQ==", "dG9vIHNob3J0"), 400, E::InvalidKey, ""),
            (changed("keep-alive, Upgrade", "notupgrade"), 400, E::InvalidConnection, ""),
            (upgrade("/", "Content-Length: 44\r\n"), 400, E::UnexpectedBody, ""),
            (upgrade("/", "Sec-WebSocket-Protocol: a,a\r\n"), 400, E::InvalidProtocols, ""),
            (upgrade("/", "Sec-WebSocket-Version: 13\r\n"), 400, E::RepeatedVersion, ""),
            (upgrade("/", "A: b\nC: d\r\n"), 400, E::ControlCharacter, ""),
            (upgrade("/", "A: b\r\n c\r\n"), 400, E::FoldedLine, ""),
            (upgrade("a", ""), 400, E::InvalidTarget, ""),
            (upgrade("/ü", ""), 400, E::InvalidTarget, ""),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400, E::NotHttp, ""),
            (b"\x81\x05Hello".to_vec(), 400, E::NotHttp, ""),
            (changed("GET", "POST"), 405, E::MethodNotGet, "Allow: GET"),
            (without("Upgrade"), 426, E::NotUpgrade, "Upgrade: websocket"),
            (changed("Version: 13", "Version: 8"), 426, E::WrongVersion, "Sec-WebSocket-Version: 13"),
            (without("Sec-WebSocket-Version"), 426, E::WrongVersion, "Sec-WebSocket-Version: 13"),
            (upgrade("/", &format!("A: {}\r\n", "b".repeat(16 << 10))), 431, E::HeadTooLarge, ""),
            (upgrade("/", &"A: b\r\n".repeat(60)), 431, E::TooManyHeaders, ""),
            (changed("HTTP/1.1", "HTTP/1.0"), 505, E::HttpVersion, ""),
            (changed("HTTP/1.1", "HTTP/2.0"), 505, E::HttpVersion, ""),
        ];
        for (request, status, error, line) in cases {
            let shown = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
            let (address, server) = serve(accept);
            let mut client = connect(address);
            client.write_all(&request).unwrap();
            client.write_all(&[b'x'; 200_000]).unwrap();
            let (head, body) = response(&mut client);
            assert_refusal(&head, &body, status);
            assert!(line.is_empty() || head.contains(&format!("\r\n{line}\r\n")), "{head}");
            drop(client);
            match server.join().unwrap() {
                Err(Error::Handshake(came)) => assert_eq!(came, error, "{shown}"),
                other => panic!("{shown}: {other:?}"),
            }
        }
    });
}

/// "The server MUST NOT send content in the response" to HEAD (RFC 9110 §9.3.2), nor in a refusal of it.
#[test]
fn a_refused_head_request_gets_no_body() {
    within(20, || {
        let (address, server) = serve(accept);
        let mut client = connect(address);
        let request = String::from_utf8(upgrade("/", "")).unwrap().replace("GET", "HEAD");
        client.write_all(request.as_bytes()).unwrap();
        let (head, body) = response(&mut client);
        assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("\r\nContent-Length: "), "{head}");
        assert_eq!(body, "");
        assert!(server.join().unwrap().is_err());
    });
}

#[test]
fn a_subprotocol_that_was_not_offered_is_the_applications_mistake() {
    within(20, || {
        for decides in [false, true] {
            let (address, server) = serve(move |stream| {
                let incoming = Incoming::read(stream, Config::default()).unwrap();
                let choice = Choice::new().protocol("chat");
                if decides {
                    incoming.decide(|_| Ok(choice)).map(drop)
                } else {
                    incoming.accept(&choice).map(drop)
                }
            });
            let mut client = connect(address);
            client.write_all(&upgrade("/", "")).unwrap();
            let (head, _) = response(&mut client);
            assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
            let error = server.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::Build(BuildError::ProtocolNotOffered)), "{error:?}");
        }
    });
}

/// The time for the handshake is one for all of it: a byte now and then buys none.
#[test]
fn a_slow_handshake_is_ended_at_its_deadline() {
    within(30, || {
        for dribbles in [false, true] {
            let (address, server) = serve(|stream| {
                let started = Instant::now();
                let short = config(|config| config.handshake_within = millis(700));
                let error = Incoming::read(stream, short).unwrap_err();
                assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
                assert_took(started, millis(700));
            });
            let mut client = connect(address);
            let mut slow = client.try_clone().unwrap();
            thread::spawn(move || {
                for byte in upgrade("/", "") {
                    if !dribbles || slow.write_all(&[byte]).is_err() {
                        return;
                    }
                    thread::sleep(millis(20));
                }
            });
            let (head, body) = response(&mut client);
            assert_refusal(&head, &body, 408);
            server.join().unwrap();
        }
    });
}

#[test]
fn a_client_that_leaves_before_its_request_is_whole_is_an_error() {
    within(20, || {
        for sent in [0, 1, 50] {
            let (address, server) = serve(accept);
            let mut client = connect(address);
            client.write_all(&upgrade("/", "")[..sent]).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let (head, body) = response(&mut client);
            assert_refusal(&head, &body, 400);
            let error = server.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::Handshake(HandshakeError::Incomplete)), "{error:?}");
        }
        let (address, server) = serve(accept);
        let client = connect(address);
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let error = server.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error:?}");
    });
}

/// What a client sends behind its request, without waiting for the answer, are the first frames.
#[test]
fn frames_right_behind_the_request_are_not_lost() {
    within(30, || {
        let frames =
            [Frame::text("early"), Frame::binary([7; 900]), Frame::ping("p"), Frame::close(1000, "bye")];
        let mut bytes = upgrade("/", "");
        let head_len = bytes.len();
        bytes.extend(End::Client.encode(&frames));
        // All at once, and cut near the end of the head, within the frames and near their end.
        let cuts = [
            bytes.len(),
            head_len - 1,
            head_len,
            head_len + 1,
            head_len + 5,
            head_len + 500,
            bytes.len() - 1,
        ];
        for mode in MODES {
            for cut in cuts {
                let (address, server) = serve(move |stream| {
                    let socket = accept(stream).unwrap();
                    let mut socket = mode.hold(socket);
                    assert_eq!(socket.recv().unwrap(), Some(Owned::text("early")));
                    assert_eq!(socket.recv().unwrap(), Some(Owned::Binary(vec![7; 900])));
                    assert_eq!(socket.recv().unwrap(), None);
                    assert!(socket.assert_over().is_clean());
                });
                let mut client = connect(address);
                client.set_nodelay(true).unwrap();
                client.write_all(&bytes[..cut]).unwrap();
                thread::sleep(millis(30));
                client.write_all(&bytes[cut..]).unwrap();
                let (head, rest) = head(&mut client);
                assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
                let mut expected = b"\x8a\x01p\x88\x05\x03\xe8bye".to_vec();
                expected.drain(..rest.len());
                let mut came = Vec::new();
                client.read_to_end(&mut came).unwrap();
                assert_eq!(came, expected);
                drop(client);
                server.join().unwrap();
            }
        }
    });
}

/// A handshake that is read and answered a byte at a time, with interruptions, is the same handshake.
#[test]
fn a_handshake_survives_a_halting_stream() {
    use std::sync::atomic::Ordering::SeqCst;
    within(30, || {
        for (path, status) in [("/yes", "101"), ("/no", "404")] {
            let (address, server) = serve(move |stream| {
                let (stream, habits) = Odd::new(stream);
                habits.most_read.store(1, SeqCst);
                habits.most_write.store(1, SeqCst);
                habits.interrupt_every.store(3, SeqCst);
                let decided = accept_with(stream, |request| match request.path() {
                    "/yes" => Ok(Choice::new()),
                    _ => Err(Response::new(404).unwrap().body("no\n")),
                });
                let Some(mut socket) = decided.expect("an interruption is no failure") else { return };
                assert_eq!(socket.recv().unwrap().map(Owned::from), Some(Owned::text("early")));
                socket.send("late").unwrap();
            });
            let mut client = connect(address);
            client.write_all(&upgrade(path, "")).unwrap();
            client.write_all(&End::Client.encode(&[Frame::text("early")])).unwrap();
            let (head, mut rest) = head(&mut client);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            client.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, if status == "101" { &b"\x81\x04late"[..] } else { b"no\n" });
            server.join().unwrap();
        }
    });
}

/// A client that stops reading cannot hold a refusal's thread for ever.
#[test]
fn a_refused_client_that_goes_on_sending_is_let_go() {
    within(30, || {
        let (address, server) = serve(|stream| {
            let started = Instant::now();
            assert!(accept(stream).is_err());
            assert_took(started, Duration::ZERO);
        });
        let mut client = connect(address);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        while client.write(&[b'x'; 5000]).is_ok() {
            thread::sleep(millis(1));
        }
        server.join().unwrap();
    });
}

#[test]
fn a_ping_in_the_first_packet_is_answered() {
    within(20, || {
        let (address, server) =
            serve(|stream| accept(stream).unwrap().recv().map(|message| message.map(Owned::from)));
        let mut client = connect(address);
        let mut bytes = upgrade("/", "");
        bytes.extend(End::Client.encode(&[Frame::ping("first")]));
        client.write_all(&bytes).unwrap();
        let (_, rest) = head(&mut client);
        let mut client = Raw::new(End::Client, client);
        if rest.is_empty() {
            let pong = client.frame();
            assert_eq!((pong.opcode, &pong.payload[..]), (opcode::PONG, &b"first"[..]));
        } else {
            assert_eq!(rest, b"\x8a\x05first");
        }
        client.write(&[Frame::text("then")]);
        assert_eq!(server.join().unwrap().unwrap(), Some(Owned::text("then")));
    });
}
