//! The client's side of the opening handshake: rows 11 and 16 to 25.

use core::time::Duration;

use websans::handshake::client::{Answer, Connector, Refusal, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::handshake::{BuildError, HandshakeError, Url};
use websans::{Config, Negotiated, Timestamp, deflate};
use websans_testkit::stored;

const NOW: Timestamp = Timestamp::from_nanos(0);
const NONCE: [u8; 16] = *b"the sample nonce";

/// The response of §1.3, without what is optional.
const LINES: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// The response with the lines that begin with `start` replaced by `lines`.
fn with(start: &str, lines: &[&str]) -> Vec<u8> {
    assert!(LINES.iter().any(|line| line.starts_with(start)));
    let kept = LINES
        .iter()
        .flat_map(|line| if line.starts_with(start) { lines } else { core::slice::from_ref(line) });
    bytes(kept.copied())
}

/// The response with further lines.
fn plus(lines: &[&str]) -> Vec<u8> {
    bytes(LINES.iter().chain(lines).copied())
}

fn bytes<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes: Vec<u8> = lines.flat_map(|line| [line, "\r\n"]).flat_map(str::bytes).collect();
    bytes.extend(b"\r\n");
    bytes
}

fn request() -> Request {
    Request::new("ws://server.example.com/chat", NONCE).unwrap()
}

fn written(request: &Request) -> String {
    let mut out = Vec::new();
    request.write(&mut out);
    String::from_utf8(out).unwrap()
}

/// A connector, and what it says once it has been given all of `bytes` it wants.
fn given(
    request: Request,
    config: &Config,
    bytes: &[u8],
) -> (Connector, Result<Option<Answer>, HandshakeError>) {
    given_in_pieces(request, config, bytes, usize::MAX)
}

fn given_in_pieces(
    request: Request,
    config: &Config,
    mut bytes: &[u8],
    piece: usize,
) -> (Connector, Result<Option<Answer>, HandshakeError>) {
    let mut connector = Connector::new(request, config, NOW);
    loop {
        let answer = connector.poll(NOW);
        if !matches!(answer, Ok(None)) {
            return (connector, answer);
        }
        let spare = connector.spare_mut();
        let len = spare.len().min(piece);
        match std::io::Read::read(&mut bytes, &mut spare[..len]).unwrap() {
            0 => return (connector, answer),
            n => connector.filled(n),
        }
    }
}

/// What is agreed on by `bytes`, which are all that the server sends.
fn opened(request: Request, bytes: &[u8]) -> Result<Negotiated, HandshakeError> {
    match given(request, &Config::default(), bytes).1? {
        Some(Answer::Open(negotiated)) => Ok(negotiated),
        other => panic!("{other:?} by {}", String::from_utf8_lossy(bytes)),
    }
}

/// The refusal in `bytes`, after which the server ends the transport.
fn refused(config: &Config, bytes: &[u8]) -> Refusal {
    let refusal = refused_in_pieces(config, bytes, usize::MAX);
    for piece in [1, 2, 3] {
        assert_eq!(refused_in_pieces(config, bytes, piece), refusal);
    }
    refusal
}

fn refused_in_pieces(config: &Config, bytes: &[u8], piece: usize) -> Refusal {
    let (mut connector, answer) = given_in_pieces(request(), config, bytes, piece);
    let answer = answer.and_then(|answer| match answer {
        Some(answer) => Ok(Some(answer)),
        None => {
            connector.eof();
            connector.poll(NOW)
        }
    });
    let Ok(Some(Answer::Refused(refusal))) = answer else {
        panic!("{answer:?} by {}", String::from_utf8_lossy(bytes));
    };
    // It is told once, and nothing of it is the WebSocket's.
    assert!(matches!(connector.poll(NOW), Ok(None)) && connector.into_rest().is_empty());
    refusal
}

#[track_caller]
fn fails(error: HandshakeError, responses: &[Vec<u8>]) {
    for response in responses {
        let verdict = opened(request(), response);
        assert_eq!(verdict.map(|_| ()), Err(error), "{}", String::from_utf8_lossy(response));
    }
}

#[track_caller]
fn opens(responses: &[Vec<u8>]) {
    for response in responses {
        let verdict = opened(request(), response);
        assert!(verdict.is_ok(), "{verdict:?}: {}", String::from_utf8_lossy(response));
    }
}

#[test]
fn r011_offered_subprotocols_are_distinct_tokens() {
    let offer = request().protocol("chat").unwrap().protocol("Chat").unwrap().protocol("v1.x").unwrap();
    assert!(written(&offer).contains("\r\nSec-WebSocket-Protocol: chat, Chat, v1.x\r\n"));
    assert!(!written(&request()).contains("Protocol:"));
    for bad in ["", " ", "a b", "a,b", "a;b", "a/b", "a\r\nX: y", "a\0", "\u{7f}", "\u{80}", "\"a\""] {
        assert_eq!(request().protocol(bad).unwrap_err(), BuildError::ProtocolName, "{bad:?}");
    }
    assert_eq!(offer.protocol("Chat").unwrap_err(), BuildError::ProtocolRepeated);
}

#[test]
fn r016_a_repeated_header_fails_the_connection() {
    fails(HandshakeError::WrongAccept, &[plus(&["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])]);
    let offer =
        || request().protocol("a").unwrap().deflate(stored::extension(deflate::Config::default())).unwrap();
    for (lines, error) in [
        (["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a"], HandshakeError::UnexpectedProtocol),
        (
            [
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
                "Sec-WebSocket-Extensions:",
            ],
            HandshakeError::InvalidExtensions,
        ),
    ] {
        assert!(opened(offer(), &plus(&lines[..1])).is_ok());
        assert_eq!(opened(offer(), &plus(&lines)).map(|_| ()), Err(error), "{lines:?}");
    }
}

#[test]
fn r018_malformed_extensions_fail_the_connection() {
    let offer = || request().deflate(stored::extension(deflate::Config::default())).unwrap();
    for list in
        ["", ",", "permessage-deflate;", "permessage-deflate, ,\"", "a b", "permessage-deflate; x=\"\""]
    {
        let response = plus(&[&format!("Sec-WebSocket-Extensions: {list}")]);
        assert_eq!(opened(offer(), &response).map(|_| ()), Err(HandshakeError::InvalidExtensions), "{list}");
    }
}

#[test]
fn r019_the_key_is_the_nonce_and_differs_with_it() {
    assert!(written(&request()).contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    let other = Request::new("ws://server.example.com/chat", [0xff; 16]).unwrap();
    assert!(written(&other).contains("\r\nSec-WebSocket-Key: /////////////////////w==\r\n"));
    // The answer to one key is none to another.
    assert_eq!(opened(other, &plus(&[])).map(|_| ()), Err(HandshakeError::WrongAccept));
}

#[cfg(feature = "os-entropy")]
#[test]
fn r019_the_nonces_of_the_system_differ() {
    let nonces: std::collections::BTreeSet<_> =
        (0..1000).map(|_| websans::entropy::os_nonce().unwrap()).collect();
    assert_eq!(nonces.len(), 1000);
}

#[test]
fn r019_nothing_but_the_request_is_written() {
    // The request ends with its head, and only an `Answer::Open` has what a connection is made of.
    let request = written(&request());
    assert_eq!(request.find("\r\n\r\n"), Some(request.len() - 4));
}

#[test]
fn r020_only_101_opens() {
    for status in [200, 204, 300, 301, 304, 400, 401, 403, 426, 500, 599, 600, 999] {
        let response = with("HTTP", &[&format!("HTTP/1.1 {status} Whatever")]);
        let refusal = refused(&Config::default(), &response);
        assert_eq!((refusal.status, refusal.reason.as_str()), (status, "Whatever"));
        assert!(refusal.complete);
    }
    fails(
        HandshakeError::InvalidHead,
        &[
            "HTTP/1.1 99 x",
            "HTTP/1.1 000 x",
            "HTTP/1.1 099 x",
            "HTTP/1.1 1010 x",
            "HTTP/1.1  101 x",
            "HTTP/1.1 10",
        ]
        .map(|line| with("HTTP", &[line])),
    );
    fails(
        HandshakeError::HttpVersion,
        &["HTTP/1.0 101 x", "HTTP/1.2 101 x"].map(|line| with("HTTP", &[line])),
    );
    fails(
        HandshakeError::NotHttp,
        &["HTTP/2.0 101 x", "http/1.1 101 x", "ICY 101 OK", " HTTP/1.1 101 x"]
            .map(|line| with("HTTP", &[line])),
    );
    fails(HandshakeError::NotHttp, &[[b"\r\n", &plus(&[])[..]].concat(), b"\x81\x02hi".to_vec()]);
    fails(HandshakeError::FoldedLine, &[plus(&["X: y", " z"])]);
    fails(HandshakeError::ControlCharacter, &[plus(&["X: \0"]), plus(&["X: \r"])]);
    fails(HandshakeError::InvalidHead, &[plus(&["X : y"])]);
    // What is not HTTP/1 is refused at the first byte that shows it.
    for wrong in 0..7 {
        let mut start = *b"HTTP/1.";
        start[wrong] ^= 1;
        assert!(matches!(given(request(), &Config::default(), &start[..wrong]).1, Ok(None)));
        let refused = given(request(), &Config::default(), &start[..=wrong]).1;
        assert_eq!(refused.map(|_| ()), Err(HandshakeError::NotHttp), "{wrong}");
    }
    // The reason may be missing, or be anything that is not a control character.
    opens(&["HTTP/1.1 101", "HTTP/1.1 101 ", "HTTP/1.1 101 \tna\u{ef}ve"].map(|line| with("HTTP", &[line])));
}

#[test]
fn r020_interim_responses_are_skipped() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let mut response = [interim, &plus(&[])[..]].concat();
    response.extend(b"\x81\x02hi");
    let (connector, answer) = given(request(), &Config::default(), &response);
    assert!(matches!(answer, Ok(Some(Answer::Open(_)))));
    assert_eq!(connector.into_rest(), b"\x81\x02hi");

    let refusal = refused(&Config::default(), &[interim, &b"HTTP/1.1 404 x\r\nX: y\r\n\r\n"[..]].concat());
    assert_eq!((refusal.status, refusal.headers), (404, vec![("X".into(), b"y".into())]));
    // They count against the limits, so that they cannot go on for ever.
    fails(HandshakeError::HeadTooLarge, &[b"HTTP/1.1 100 x\r\n\r\n".repeat(2000)]);
    fails(HandshakeError::TooManyHeaders, &[b"HTTP/1.1 100 x\r\nX: y\r\n\r\n".repeat(65)]);
    // And an end within them is an end.
    let (mut connector, answer) = given(request(), &Config::default(), interim);
    assert!(matches!(answer, Ok(None)));
    connector.eof();
    assert_eq!(connector.poll(NOW).map(|_| ()), Err(HandshakeError::Incomplete));
    assert_eq!(connector.poll(NOW).map(|_| ()), Err(HandshakeError::Incomplete));
}

#[test]
fn r020_a_refusal_is_told_whole() {
    let refusal = refused(
        &Config::default(),
        b"HTTP/1.1 302 Found\r\nLocation: /there\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 5\r\n\r\nhelloX",
    );
    assert_eq!((refusal.status, refusal.reason.as_str()), (302, "Found"));
    assert_eq!(refusal.header("LOCATION"), Some(&b"/there"[..]));
    assert_eq!(refusal.header("set-cookie"), Some(&b"a"[..]));
    assert_eq!(refusal.header("none"), None);
    assert_eq!(refusal.headers.len(), 4);
    assert_eq!((&refusal.body[..], refusal.complete), (&b"hello"[..], true));
    assert!(!format!("{refusal:?}").contains("there"));
}

#[test]
fn r020_the_body_of_a_refusal_ends_as_its_headers_say() {
    let mut config = Config::default();
    config.max_refusal_body = 20;
    for (headers, body, expected, complete) in [
        ("Content-Length: 0", "x", "", true),
        ("Content-Length: 5", "hello more", "hello", true),
        ("Content-Length: 5", "hell", "hell", false),
        ("Content-Length: 20", "01234567890123456789", "01234567890123456789", true),
        ("Content-Length: 21", "012345678901234567890", "01234567890123456789", false),
        ("Content-Length: 99999999999999999999999", "to the end", "to the end", true),
        ("Content-Length: 5x", "to the end", "to the end", true),
        ("Content-Length: +5", "to the end", "to the end", true),
        ("Content-Length:", "to the end", "to the end", true),
        ("Content-Length: 5\r\nContent-Length: 5", "to the end", "to the end", true),
        ("X: y", "to the end", "to the end", true),
        ("X: y", "", "", true),
        ("X: y", "012345678901234567890", "01234567890123456789", false),
        ("Transfer-Encoding: gzip", "to the end", "to the end", true),
        ("Transfer-Encoding: chunked", "0\r\n\r\n", "", true),
        (
            "Transfer-Encoding: CHUNKED",
            "5\r\nhello\r\n1;a=\"b\"\r\n!\r\n00\r\nA: b\r\nC: d\r\n\r\n",
            "hello!",
            true,
        ),
        ("Transfer-Encoding: gzip, chunked", "5 ;x\r\nhello\r\n0\r\n\r\n", "hello", true),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n", "hi", true),
        (
            "Transfer-Encoding: chunked",
            "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "01234567890123456789",
            true,
        ),
        (
            "Transfer-Encoding: chunked",
            "15\r\n012345678901234567890\r\n0\r\n\r\n",
            "01234567890123456789",
            false,
        ),
        ("Transfer-Encoding: chunked", "fffffffffffffffff\r\nhi", "", false),
        ("Transfer-Encoding: chunked", "ffffffffffffffff\r\nhi", "hi", false),
        ("Transfer-Encoding: chunked", "2\r\nhix\r\n", "hi", false),
        ("Transfer-Encoding: chunked", "2\nhi", "", false),
        ("Transfer-Encoding: chunked", "\r\nhi", "", false),
        ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n", "hi", false),
        ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\nA: \nb\r\n\r\n", "hi", false),
        ("Transfer-Encoding: chunked", "-2\r\nhi", "", false),
    ] {
        let response = format!("HTTP/1.1 503 x\r\n{headers}\r\n\r\n{body}");
        let refusal = refused(&config, response.as_bytes());
        let body = String::from_utf8(refusal.body).unwrap();
        assert_eq!((body.as_str(), refusal.complete), (expected, complete), "{response}");
    }
    for status in [204, 304] {
        let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\nhello");
        let refusal = refused(&config, response.as_bytes());
        assert_eq!((refusal.body.len(), refusal.complete), (0, true));
    }
    config.max_refusal_body = 0;
    let refusal = refused(&config, b"HTTP/1.1 503 x\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((refusal.body.len(), refusal.complete), (0, false));
}

#[test]
fn r020_a_refusal_does_not_wait_beyond_the_deadline() {
    let config = Config::default();
    let (mut connector, answer) =
        given(request(), &config, b"HTTP/1.1 503 x\r\nContent-Length: 50\r\n\r\nhello");
    assert!(matches!(answer, Ok(None)));
    assert_eq!(connector.deadline(), NOW + Duration::from_secs(10));
    let Ok(Some(Answer::Refused(refusal))) = connector.poll(connector.deadline()) else {
        panic!("no refusal at the deadline");
    };
    assert_eq!((refusal.status, &refusal.body[..], refusal.complete), (503, &b"hello"[..], false));

    let (mut connector, _) = given(request(), &config, b"HTTP/1.1 101 x\r\n");
    assert!(matches!(connector.poll(NOW + Duration::from_secs(9)), Ok(None)));
    assert_eq!(connector.poll(connector.deadline()).map(|_| ()), Err(HandshakeError::Timeout));
    assert!(connector.spare_mut().is_empty());
    connector.eof();
    assert_eq!(connector.poll(NOW).map(|_| ()), Err(HandshakeError::Timeout));
}

#[test]
fn r021_upgrade_is_websocket_and_connection_has_upgrade() {
    opens(&[
        with("Upgrade", &["UPGRADE: WebSocket \t"]),
        with("Connection", &["connection:keep-alive, upgrade"]),
        with("Connection", &["Connection: keep-alive", "Connection: UPGRADE"]),
    ]);
    fails(
        HandshakeError::InvalidUpgrade,
        &[
            with("Upgrade", &[]),
            with("Upgrade", &["Upgrade:"]),
            with("Upgrade", &["Upgrade: h2c"]),
            with("Upgrade", &["Upgrade: websocket, h2c"]),
            with("Upgrade", &["Upgrade: websocket/13"]),
            with("Upgrade", &["Upgrade: websocket", "Upgrade: websocket"]),
        ],
    );
    fails(
        HandshakeError::InvalidConnection,
        &[
            with("Connection", &[]),
            with("Connection", &["Connection: close"]),
            with("Connection", &["Connection: notupgrade"]),
            with("Connection", &["Connection: upgrade; x"]),
        ],
    );
}

#[test]
fn r022_the_accept_value_is_exact() {
    let accept = |value: &str| with("Sec-WebSocket-Accept", &[&format!("Sec-WebSocket-Accept: {value}")]);
    opens(&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "].map(accept));
    fails(
        HandshakeError::WrongAccept,
        &[
            "",
            "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "s3pplmbitxaq9kygzzhzrbk+xoo=",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo==",
            "\"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=,s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "dGhlIHNhbXBsZSBub25jZQ==",
        ]
        .map(accept),
    );
    fails(HandshakeError::WrongAccept, &[with("Sec-WebSocket-Accept", &[])]);
}

#[test]
fn r023_an_extension_that_was_not_offered_fails_the_connection() {
    let extension = |list: &str| plus(&[&format!("Sec-WebSocket-Extensions: {list}")]);
    fails(
        HandshakeError::UnexpectedExtension,
        &["permessage-deflate", "foo", "foo, bar", "permessage-deflate, permessage-deflate"].map(extension),
    );
    let offer = || request().deflate(stored::extension(deflate::Config::default())).unwrap();
    assert!(written(&offer()).contains(
        "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
         client_no_context_takeover; client_max_window_bits\r\n"
    ));
    assert!(!written(&request()).contains("Extensions"));
    assert_eq!(opened(offer(), &plus(&[])).unwrap().deflate, None);
    let agreed = opened(offer(), &extension("permessage-deflate; server_no_context_takeover")).unwrap();
    assert!(agreed.deflate.unwrap().server_no_context_takeover);
    for list in [
        "foo",
        "permessage-deflate; server_no_context_takeover, foo",
        "permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; foo",
        "Permessage-Deflate; server_no_context_takeover",
    ] {
        let verdict = opened(offer(), &extension(list)).map(|_| ());
        assert_eq!(verdict, Err(HandshakeError::UnexpectedExtension), "{list}");
    }
}

#[test]
fn r024_a_subprotocol_that_was_not_offered_fails_the_connection() {
    let protocol = |value: &str| plus(&[&format!("Sec-WebSocket-Protocol: {value}")]);
    fails(HandshakeError::UnexpectedProtocol, &["chat", ""].map(protocol));
    let offer = || request().protocol("chat").unwrap().protocol("superchat").unwrap();
    assert_eq!(opened(offer(), &protocol("superchat")).unwrap().protocol.as_deref(), Some("superchat"));
    assert_eq!(opened(offer(), &plus(&[])).unwrap().protocol, None);
    for chosen in ["", "Chat", "chat, superchat", "chat,", "other", "\"chat\""] {
        let verdict = opened(offer(), &protocol(chosen)).map(|_| ());
        assert_eq!(verdict, Err(HandshakeError::UnexpectedProtocol), "{chosen}");
    }
}

#[test]
fn r025_the_url_is_ws_or_wss_without_fragment() {
    for (url, secure, host, port, authority, target) in [
        ("ws://a", false, "a", 80, "a", "/"),
        ("wss://a/", true, "a", 443, "a", "/"),
        ("WS://A.Example:80/P?q=1?", false, "a.example", 80, "a.example", "/P?q=1?"),
        ("ws://a:443/", false, "a", 443, "a:443", "/"),
        ("wSS://a:80/", true, "a", 80, "a:80", "/"),
        ("wss://a:443", true, "a", 443, "a", "/"),
        ("ws://a:?x", false, "a", 80, "a", "/?x"),
        ("ws://127.0.0.1:9001//x/%0d%0a", false, "127.0.0.1", 9001, "127.0.0.1:9001", "//x/%0d%0a"),
        ("ws://[::1]:9001/x", false, "::1", 9001, "[::1]:9001", "/x"),
        ("wss://[2001:DB8::1]", true, "2001:db8::1", 443, "[2001:db8::1]", "/"),
        ("ws://xn--bcher-kva.example./", false, "xn--bcher-kva.example.", 80, "xn--bcher-kva.example.", "/"),
        ("ws://a/?u=http://b:99999/@#".trim_end_matches('#'), false, "a", 80, "a", "/?u=http://b:99999/@"),
    ] {
        let parsed = Url::parse(url).unwrap();
        assert_eq!((parsed.is_secure(), parsed.host(), parsed.port()), (secure, host, port), "{url}");
        assert_eq!((parsed.authority().as_str(), parsed.target()), (authority, target), "{url}");
        assert_eq!(parsed.to_string().parse(), Ok(parsed));
    }
    for (url, error) in [
        ("", BuildError::UrlScheme),
        ("a", BuildError::UrlScheme),
        ("//a", BuildError::UrlScheme),
        ("ws:a", BuildError::UrlScheme),
        ("http://a", BuildError::UrlScheme),
        (" ws://a", BuildError::UrlScheme),
        ("ws://", BuildError::UrlHost),
        ("ws:///x", BuildError::UrlHost),
        ("ws://:80", BuildError::UrlHost),
        ("ws://?x", BuildError::UrlHost),
        ("ws://[::1", BuildError::UrlHost),
        ("ws://[::g]:80", BuildError::UrlHost),
        ("ws://::1", BuildError::UrlHost),
        ("ws://a..b", BuildError::UrlHost),
        ("ws://a%41", BuildError::UrlHost),
        ("ws://*.a", BuildError::UrlHost),
        ("ws://a:99999", BuildError::UrlPort),
        ("ws://a:0", BuildError::UrlPort),
        ("ws://a:x/", BuildError::UrlPort),
        ("ws://[::1]:-1", BuildError::UrlPort),
        ("ws://u@a", BuildError::UrlUserinfo),
        ("ws://u:p@a:80/x", BuildError::UrlUserinfo),
        ("ws://a#", BuildError::UrlFragment),
        ("ws://a/x#top", BuildError::UrlFragment),
        ("ws://a/x y", BuildError::UrlCharacter),
        ("ws://a/\r\nX: y", BuildError::UrlCharacter),
        ("ws://a/\0", BuildError::UrlCharacter),
        ("ws://a/\u{7f}", BuildError::UrlCharacter),
        ("ws://b\u{fc}cher.example/", BuildError::UrlCharacter),
    ] {
        assert_eq!(Url::parse(url), Err(error), "{url:?}");
        assert_eq!(Request::new(url, NONCE).unwrap_err(), error);
    }
}

#[test]
fn r025_the_request_says_what_it_must() {
    assert_eq!(
        written(&request()),
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let all = Request::new("wss://a:80/?x", NONCE).unwrap().host("b:81").unwrap();
    let all = all.origin("https://page.example").unwrap().header("Cookie", "a=b; c=d").unwrap();
    assert_eq!(
        written(&all),
        "GET /?x HTTP/1.1\r\nHost: b:81\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Origin: https://page.example\r\nCookie: a=b; c=d\r\n\r\n"
    );
    assert_eq!(all.url().authority(), "a:80");
    // Our own server accepts it.
    let mut acceptor = Acceptor::new(&Config::default(), NOW);
    let text = written(&all);
    acceptor.spare_mut()[..text.len()].copy_from_slice(text.as_bytes());
    acceptor.filled(text.len());
    assert_eq!(acceptor.poll(NOW), Ok(true));
    let server = acceptor.request().unwrap();
    let mut out = Vec::new();
    server.check().unwrap().accept(&Choice::new(), &mut out).unwrap();
    assert!(opened(all, &out).is_ok());
}

#[test]
fn r025_what_the_handshake_writes_is_not_the_callers() {
    for name in [
        "Host",
        "upgrade",
        "CONNECTION",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept",
        "Origin",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        let error = request().header(name, "x").unwrap_err();
        assert_eq!(error.to_string().matches(&name.to_lowercase()).count(), 1, "{error}");
        assert!(matches!(error, BuildError::ReservedHeader(_)), "{name}");
    }
    for bad in ["", "a b", "a:b", "a:80:81", "[", "\u{fc}", "a\r\nX: y", "a:99999"] {
        assert_eq!(request().host(bad).unwrap_err(), BuildError::Host, "{bad}");
    }
    for bad in ["", "a", "http://a/", "http://*.a", "http://a b", "http://a\r\nX: y", "http://\u{fc}"] {
        assert_eq!(request().origin(bad).unwrap_err(), BuildError::Origin, "{bad}");
    }
    let mut config = deflate::Config::default();
    for bits in [0, 8, 16, 255] {
        config.server_max_window_bits = bits;
        assert_eq!(request().deflate(stored::extension(config)).unwrap_err(), BuildError::WindowBits);
    }
    assert!(request().deflate(None).is_ok());
}

/// What a log shows of a handshake: names, not values, which may be credentials.
#[test]
fn secrets_stay_out_of_logs() {
    let request =
        request().header("Authorization", "Basic secret").unwrap().header("Cookie", "secret").unwrap();
    let shown = format!("{request:?}");
    assert!(shown.contains(r#"["Authorization", "Cookie"]"#) && !shown.contains("secret"), "{shown}");

    let (connector, answer) = given(request, &Config::default(), b"HTTP/1.1 101 x\r\nSet-Cookie: secret\r\n");
    assert!(matches!(answer, Ok(None)));
    let shown = format!("{connector:?}");
    assert!(shown.contains("bytes: 36, lines: 1, complete: Ok(false)"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");

    let refusal = b"HTTP/1.1 401 x\r\nSet-Cookie: secret\r\nContent-Length: 9\r\n\r\nsec";
    let (connector, answer) = given(self::request(), &Config::default(), refusal);
    assert!(matches!(answer, Ok(None)));
    let shown = format!("{connector:?}");
    assert!(shown.contains("401") && shown.contains("Length(6)"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
