//! The client's side.

use websans::Negotiated;
use websans::deflate;
use websans::handshake::HandshakeError;
use websans::handshake::client::{Refusal, Request};
use websans::handshake::server::{Choice, ExtendedConnect, check_connect};
use websans_testkit::stored;

use crate::Lines;

fn request() -> Request {
    let request = Request::new("wss://server.example.com/chat?room=1", [7; 16]).unwrap();
    let request = request.protocol("chat").unwrap().protocol("superchat").unwrap();
    let request = request.origin("https://www.example.com").unwrap().header("Cookie", "a=b").unwrap();
    request.deflate(stored::extension(deflate::Config::default())).unwrap()
}

fn answered(status: u16, lines: &[(&str, &str)]) -> Result<Option<Negotiated>, HandshakeError> {
    request().connected(status, &Lines::new(lines))
}

#[test]
fn r111_the_pseudo_headers_are_those_of_the_url() {
    for (url, host, scheme, authority, path) in [
        ("wss://Server.example.com/chat?x", None, "https", "server.example.com", "/chat?x"),
        ("ws://server.example.com", None, "http", "server.example.com", "/"),
        ("ws://[::1]:9001?x", None, "http", "[::1]:9001", "/?x"),
        ("wss://server.example.com:443/", Some("other:1"), "https", "other:1", "/"),
    ] {
        let mut request = Request::new(url, [7; 16]).unwrap();
        if let Some(host) = host {
            request = request.host(host).unwrap();
        }
        let pseudo = request.connect_pseudo_headers();
        let expected = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
        ];
        assert_eq!(pseudo.each_ref().map(|(name, value)| (*name, &value[..])), expected);
    }
}

#[test]
fn r112_a_request_has_no_key_and_nothing_of_a_connection() {
    let request = request().header("Keep-Alive", "timeout=5").unwrap().header("TE", "gzip").unwrap();
    let lines: Vec<(String, String)> =
        request.connect_headers().map(|(name, value)| (name, value.into_owned())).collect();
    let names: Vec<&str> = lines.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(
        names,
        ["sec-websocket-version", "origin", "sec-websocket-protocol", "sec-websocket-extensions", "cookie"]
    );
    assert_eq!((&lines[0].1[..], &lines[2].1[..], &lines[4].1[..]), ("13", "chat, superchat", "a=b"));
    // Beside what belongs to a connection it is what the same request is over HTTP/1.1.
    let mut out = Vec::new();
    request.write(&mut out);
    let text = String::from_utf8(out).unwrap().to_ascii_lowercase();
    for (name, value) in &lines {
        assert!(text.contains(&format!("\r\n{name}: {}\r\n", value.to_ascii_lowercase())), "{name}");
    }
}

#[test]
fn r112_a_request_is_understood_by_our_server() {
    let request = request();
    let pseudo = request.connect_pseudo_headers();
    let [(_, method), (_, protocol), (_, scheme), (_, authority), (_, path)] = &pseudo;
    let connect = ExtendedConnect {
        method,
        protocol: Some(protocol),
        scheme: Some(scheme),
        authority: Some(authority),
        path: Some(path),
    };
    let lines = request.connect_headers().map(|(name, value)| (name, value.as_bytes().to_vec()));
    let lines = Lines(lines.collect());
    let offer = check_connect(&connect, &lines).unwrap();
    let choice = Choice::new().protocol("superchat").deflate(stored::extension(deflate::Config::default()));
    let accepted = offer.answer(&choice).unwrap();
    let answer = accepted.headers().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let answer = Lines(answer.collect());
    let negotiated = request.connected(accepted.status(), &answer).unwrap().unwrap();
    assert_eq!(negotiated.protocol, accepted.negotiated.protocol);
    assert_eq!(negotiated.deflate, accepted.negotiated.deflate);
    assert!(negotiated.deflate.is_some());
}

#[test]
fn r112_the_answer_is_judged_as_in_http_1_1() {
    use HandshakeError as E;
    let extension = "sec-websocket-extensions";
    let cases: &[(&[(&str, &str)], E)] = &[
        (&[("sec-websocket-protocol", "other")], E::UnexpectedProtocol),
        (&[("sec-websocket-protocol", "Chat")], E::UnexpectedProtocol),
        (&[("sec-websocket-protocol", "chat, superchat")], E::UnexpectedProtocol),
        (&[("sec-websocket-protocol", "chat"), ("sec-websocket-protocol", "chat")], E::UnexpectedProtocol),
        (&[(extension, "x-other")], E::UnexpectedExtension),
        (&[(extension, "permessage-deflate; unknown")], E::UnexpectedExtension),
        (&[(extension, "a b")], E::InvalidExtensions),
        (&[(extension, "permessage-deflate"), (extension, "permessage-deflate")], E::InvalidExtensions),
        (&[("connection", "Upgrade")], E::ConnectionHeader),
        (&[("upgrade", "websocket")], E::ConnectionHeader),
        (&[("transfer-encoding", "chunked")], E::ConnectionHeader),
    ];
    for (lines, error) in cases {
        assert_eq!(answered(200, lines).unwrap_err(), *error, "{lines:?}");
        // Whoever refuses agrees on nothing.
        assert!(answered(403, lines).unwrap().is_none());
    }
    // The accept value has no part in it.
    assert!(answered(200, &[("sec-websocket-accept", "x")]).unwrap().is_some());
}

#[test]
fn r113_success_is_2xx() {
    for status in 0..1000 {
        let opened = answered(status, &[("sec-websocket-protocol", "chat")]).unwrap();
        assert_eq!(opened.is_some(), (200..300).contains(&status), "{status}");
        assert!(opened.is_none_or(|negotiated| negotiated.protocol.as_deref() == Some("chat")));
    }
    assert!(answered(200, &[]).unwrap().unwrap().protocol.is_none());
}

#[test]
fn a_refusal_can_be_made() {
    let mut refusal = Refusal::new(403, [("Retry-After".to_owned(), b"7".to_vec())]);
    assert_eq!((refusal.status, refusal.header("retry-after")), (403, Some(&b"7"[..])));
    assert!(refusal.reason.is_empty() && refusal.body.is_empty() && !refusal.complete);
    refusal.body.extend(b"no");
    refusal.complete = true;
}
