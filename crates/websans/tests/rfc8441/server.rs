//! The server's side.

use websans::deflate;
use websans::handshake::server::{Choice, ExtendedConnect, check_connect};
use websans::handshake::{BuildError, Endpoint, HandshakeError, OriginPolicy};
use websans_testkit::stored;

use crate::{Lines, REQUEST};

const VERSION: (&str, &str) = ("sec-websocket-version", "13");

fn verdict(request: &ExtendedConnect<'_>, lines: &[(&str, &str)]) -> Result<(), HandshakeError> {
    check_connect(request, &Lines::new(lines)).map(drop)
}

/// The handshake of RFC 8441 §5.1 with further lines.
fn with(lines: &[(&str, &str)]) -> Result<(), HandshakeError> {
    verdict(&REQUEST, &[&[VERSION], lines].concat())
}

#[track_caller]
fn refused(request: &ExtendedConnect<'_>, error: HandshakeError, status: u16) {
    assert_eq!(verdict(request, &[VERSION]), Err(error), "{request:?}");
    assert_eq!((error.http_status(), error.response().status()), (status, status));
}

#[test]
fn r111_the_pseudo_headers_are_all_there() {
    assert_eq!(with(&[]), Ok(()));
    let missing = |request: ExtendedConnect<'_>| refused(&request, HandshakeError::InvalidConnect, 400);
    missing(ExtendedConnect { protocol: None, ..REQUEST }); // which would be a proxy's CONNECT
    missing(ExtendedConnect { scheme: None, ..REQUEST });
    missing(ExtendedConnect { authority: None, ..REQUEST });
    missing(ExtendedConnect { path: None, ..REQUEST });
    // What is malformed is that before it is of an unknown protocol.
    missing(ExtendedConnect { protocol: Some("connect-udp"), path: None, ..REQUEST });

    for method in ["GET", "POST", "connect", "CONNECT ", ""] {
        refused(&ExtendedConnect { method, ..REQUEST }, HandshakeError::MethodNotConnect, 405);
    }
    let response = HandshakeError::MethodNotConnect.response();
    assert!(response.headers().any(|line| line == ("Allow", "CONNECT")));
}

#[test]
fn r111_another_protocol_is_not_implemented() {
    for protocol in ["connect-udp", "websockets", "websocket/13", "websocket ", "h2c", ""] {
        let request = ExtendedConnect { protocol: Some(protocol), ..REQUEST };
        refused(&request, HandshakeError::UnknownProtocol, 501);
    }
    // The names of protocols are compared as those in `Upgrade` are (RFC 9110 §7.8).
    let request = ExtendedConnect { protocol: Some("WebSocket"), ..REQUEST };
    assert_eq!(verdict(&request, &[VERSION]), Ok(()));
}

#[test]
fn r111_scheme_path_and_authority_are_valid() {
    for scheme in ["http", "https", "HTTPS"] {
        assert_eq!(verdict(&ExtendedConnect { scheme: Some(scheme), ..REQUEST }, &[VERSION]), Ok(()));
    }
    for scheme in ["ws", "wss", "ftp", "https:", ""] {
        let request = ExtendedConnect { scheme: Some(scheme), ..REQUEST };
        refused(&request, HandshakeError::InvalidConnect, 400);
    }
    for path in ["/", "/chat?room=1?2", "//x/%0d%0a", "/*"] {
        assert_eq!(verdict(&ExtendedConnect { path: Some(path), ..REQUEST }, &[VERSION]), Ok(()));
    }
    for path in ["", "*", "chat", "?x", "https://server.example.com/", "/a b", "/#top", "/\r\n", "/\u{e9}"] {
        let request = ExtendedConnect { path: Some(path), ..REQUEST };
        refused(&request, HandshakeError::InvalidTarget, 400);
    }
    for authority in ["a", "a:", "a:80", "[::1]:9001", "127.0.0.1"] {
        let request = ExtendedConnect { authority: Some(authority), ..REQUEST };
        assert_eq!(verdict(&request, &[VERSION]), Ok(()), "{authority}");
    }
    for authority in ["", ":80", "a b", "u@a", "a/", "a:99999", "[::1", "https://a", "\u{e9}"] {
        let request = ExtendedConnect { authority: Some(authority), ..REQUEST };
        refused(&request, HandshakeError::InvalidHost, 400);
    }
}

#[test]
fn r111_a_host_says_what_the_authority_says() {
    for (authority, host) in [
        ("server.example.com", "server.example.com"),
        ("server.example.com", "Server.Example.Com:443"),
        ("server.example.com:443", "server.example.com"),
        ("[::1]:9001", "[::1]:9001"),
    ] {
        let request = ExtendedConnect { authority: Some(authority), ..REQUEST };
        assert_eq!(verdict(&request, &[VERSION, ("host", host)]), Ok(()), "{host}");
    }
    for host in ["other.example.com", "server.example.com:80", "server.example.com.", "", "a b"] {
        assert_eq!(with(&[("host", host)]), Err(HandshakeError::InvalidHost), "{host}");
    }
    let twice = ("host", "server.example.com");
    assert_eq!(with(&[twice, twice]), Err(HandshakeError::InvalidHost));
    // The default port is that of the scheme.
    let request = ExtendedConnect { scheme: Some("http"), ..REQUEST };
    assert_eq!(verdict(&request, &[VERSION, ("host", "server.example.com:80")]), Ok(()));
}

#[test]
fn r112_the_key_has_no_part_in_it() {
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "no key at all", ""] {
        let lines = Lines::new(&[VERSION, ("sec-websocket-key", key), ("sec-websocket-accept", "x")]);
        let accepted = check_connect(&REQUEST, &lines).unwrap().answer(&Choice::new()).unwrap();
        assert_eq!(accepted.headers().count(), 0);
    }
}

#[test]
fn r112_headers_of_a_connection_are_refused() {
    for line in [
        ("connection", "Upgrade"),
        ("Connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
    ] {
        assert_eq!(with(&[line]), Err(HandshakeError::ConnectionHeader), "{line:?}");
    }
    assert_eq!(with(&[("te", "trailers")]), Ok(()));
    assert_eq!(with(&[("te", "trailers"), ("te", "trailers")]), Err(HandshakeError::ConnectionHeader));
    assert_eq!(HandshakeError::ConnectionHeader.http_status(), 400);
    // The length of a body would end the connection after so many bytes; 0 of them are none.
    for length in ["0", "17", "x"] {
        assert_eq!(with(&[("content-length", length)]), Err(HandshakeError::UnexpectedBody), "{length}");
    }
}

#[test]
fn r112_version_protocols_and_extensions_are_those_of_rfc_6455() {
    use HandshakeError as E;
    let cases: &[(&[(&str, &str)], E)] = &[
        (&[], E::WrongVersion),
        (&[("sec-websocket-version", "8")], E::WrongVersion),
        (&[("sec-websocket-version", "13, 8")], E::WrongVersion),
        (&[VERSION, VERSION], E::RepeatedVersion),
        (&[VERSION, ("sec-websocket-protocol", "a b")], E::InvalidProtocols),
        (&[VERSION, ("sec-websocket-protocol", "a, a")], E::InvalidProtocols),
        (&[VERSION, ("sec-websocket-protocol", "")], E::InvalidProtocols),
        (&[VERSION, ("sec-websocket-extensions", "a b")], E::InvalidExtensions),
        (&[VERSION, ("sec-websocket-extensions", "")], E::InvalidExtensions),
    ];
    for (lines, error) in cases {
        assert_eq!(verdict(&REQUEST, lines), Err(*error), "{lines:?}");
    }
    let many: Vec<String> = (0..65).map(|n| format!("p{n}")).collect();
    assert_eq!(with(&[("sec-websocket-protocol", &many.join(","))]), Err(E::TooManyProtocols));

    let lines = Lines::new(&[
        VERSION,
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-protocol", "superchat"),
        ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
    ]);
    let offer = check_connect(&REQUEST, &lines).unwrap();
    assert_eq!(offer.protocols(), ["chat", "superchat"]);
    assert!(offer.offers_deflate());
    let choice = Choice::new().protocol("superchat").deflate(stored::extension(deflate::Config::default()));
    let accepted = offer.answer(&choice.header("Set-Cookie", "a=b").unwrap()).unwrap();
    let names: Vec<&str> = accepted.headers().map(|(name, _)| name).collect();
    assert_eq!(names, ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Set-Cookie"]);
    assert_eq!(accepted.negotiated.protocol.as_deref(), Some("superchat"));
    assert!(accepted.negotiated.deflate.is_some());
    assert_eq!(
        offer.answer(&Choice::new().protocol("Chat")).unwrap_err(),
        BuildError::ProtocolNotOffered,
        "their case matters"
    );
}

#[test]
fn r112_the_origin_is_that_of_rfc_6455() {
    let secure = REQUEST.endpoint();
    assert_eq!(secure, Endpoint { host: "server.example.com", secure: Some(true) });
    let plain = ExtendedConnect { scheme: Some("http"), ..REQUEST }.endpoint();
    assert_eq!(plain.secure, Some(false));
    let policy = OriginPolicy::default();
    assert_eq!(policy.check(["https://server.example.com"], secure), Ok(()));
    let refused = Err(HandshakeError::OriginRefused);
    assert_eq!(policy.check(["http://server.example.com"], secure), refused);
    assert_eq!(policy.check(["https://server.example.com"], plain), refused);
    assert_eq!(policy.check(["https://evil.example"], secure), refused);
    // Of a request that is none, nothing is known.
    let none = ExtendedConnect { scheme: None, authority: None, ..REQUEST }.endpoint();
    assert_eq!(none, Endpoint { host: "", secure: None });
}

#[test]
fn r113_success_is_200_and_no_text() {
    let lines = Lines::new(&[VERSION]);
    let offer = check_connect(&REQUEST, &lines).unwrap();
    let accepted = offer.answer(&Choice::new()).unwrap();
    assert_eq!((accepted.status(), accepted.headers().count()), (200, 0));
    // HTTP/1.1 is the one version whose responses are text.
    let mut out = Vec::new();
    assert_eq!(offer.accept(&Choice::new(), &mut out).unwrap_err(), BuildError::ExtendedConnect);
    assert!(out.is_empty());
}

/// What a response says of its connection stays behind when it goes by a stream.
#[test]
fn responses_by_a_stream() {
    let chosen = Choice::new().header("Keep-Alive", "timeout=5").unwrap().header("Server", "x").unwrap();
    let lines = Lines::new(&[VERSION]);
    let accepted = check_connect(&REQUEST, &lines).unwrap().answer(&chosen).unwrap();
    assert_eq!(accepted.headers().collect::<Vec<_>>(), [("Server", "x")]);

    let response = HandshakeError::WrongVersion.response();
    let all: Vec<_> = response.headers().collect();
    assert_eq!(all[..2], [("Connection", "close, Upgrade"), ("Upgrade", "websocket")]);
    assert_eq!(response.stream_headers().collect::<Vec<_>>(), all[2..]);
    assert_eq!(all[2], ("Sec-WebSocket-Version", "13"));
    assert!(response.content().ends_with(b"\n"));

    let response = websans::handshake::server::Response::new(204).unwrap().body("left out");
    assert_eq!((response.status(), response.content()), (204, &b""[..]));
}
