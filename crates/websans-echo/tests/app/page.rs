//! What is answered to requests that are no handshake, or a bad one.

use std::io::{Read, Write};

use crate::support::{App, Raw, head, header};

const PAGE: &str = include_str!("../../index.html");

#[test]
fn it_says_where_it_is() {
    let app = App::start(&[]);
    assert!(app.started.contains(&format!("http://{}/", app.address)), "{}", app.started);
    assert_ne!(app.address.port(), 0, "the real port");
}

#[test]
fn it_serves_its_page() {
    let app = App::start(&[]);
    let (head, body) = app.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(header(&head, "Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(header(&head, "X-Content-Type-Options"), Some("nosniff"));
    assert!(
        header(&head, "Content-Security-Policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert_eq!(header(&head, "Content-Length"), Some(&*PAGE.len().to_string()));
    assert!(body == PAGE, "the page is what lies in the source");

    let (same_head, nothing) = app.ask("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let lasting =
        |head: String| head.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n");
    assert_eq!((lasting(same_head), &*nothing), (lasting(head), ""));
    let (head, _) = app.ask("GET /?query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (head, _) =
        app.ask("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(
        header(&head, "Allow").is_some_and(|allow| allow.contains("GET") && allow.contains("HEAD")),
        "{head}"
    );
    for path in ["/favicon.ico", "/ws/", "/WS", "/index.html", "/../etc/passwd"] {
        let (head, body) =
            app.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
        assert!(!body.is_empty());
    }
}

/// A browser asks for the page and opens the echo over the same connection, if it likes.
#[test]
fn a_connection_takes_one_request_after_the_other() {
    let app = App::start(&[]);
    let mut stream = app.connect();
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = vec![0; header(&head, "Content-Length").unwrap().parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        assert!(body == PAGE.as_bytes());
    }
    Raw::open(stream, &app.upgrade("")).assert_echo("after the page");
}

/// Also while it is still being sent: the answer must not be lost to a reset.
#[test]
fn a_head_that_is_too_large_is_refused() {
    let app = App::start(&[]);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(100));
    for bomb in [long, many] {
        let (head, _) = app.ask(&bomb);
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    }
}

/// Someone who looks at `/ws` in a browser gets a sentence, not a download.
#[test]
fn the_echo_without_a_handshake_asks_for_one() {
    let app = App::start(&[]);
    for request in [
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: text/html\r\n\r\n",
    ] {
        let (head, body) = app.ask(request);
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
        assert!(header(&head, "Content-Type").is_some_and(|kind| kind.starts_with("text/plain")), "{head}");
        assert!(body.split_whitespace().count() >= 4, "a sentence: {body:?}");
    }
    // A handshake of another version is one, and is told which version is spoken here.
    let (head, _) = app.ask(&app.upgrade("").replace("Version: 13", "Version: 8"));
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    assert_eq!(header(&head, "Sec-WebSocket-Version"), Some("13"));
}
