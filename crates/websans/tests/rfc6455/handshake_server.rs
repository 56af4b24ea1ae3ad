//! The server's side of the opening handshake: rows 1 to 18, 29 and 30.

use core::time::Duration;

use websans::handshake::server::{Acceptor, Choice, HttpVersion, Request, Response, check, is_upgrade};
use websans::handshake::{BuildError, HandshakeError, Headers, OriginPolicy, accept_key};
use websans::{Config, Negotiated, Timestamp, deflate};
use websans_testkit::stored;

/// The request of §1.3, without what is optional.
const LINES: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// The request with the lines that begin with `start` replaced by `lines`.
fn with(start: &str, lines: &[&str]) -> Vec<u8> {
    assert!(LINES.iter().any(|line| line.starts_with(start)));
    let kept = LINES
        .iter()
        .flat_map(|line| if line.starts_with(start) { lines } else { core::slice::from_ref(line) });
    bytes(kept.copied())
}

/// The request with further lines.
fn plus(lines: &[&str]) -> Vec<u8> {
    bytes(LINES.iter().chain(lines).copied())
}

fn bytes<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes: Vec<u8> = lines.flat_map(|line| [line, "\r\n"]).flat_map(str::bytes).collect();
    bytes.extend(b"\r\n");
    bytes
}

const NOW: Timestamp = Timestamp::from_nanos(0);

/// An acceptor that has been given as much of `bytes` as it wanted.
fn given(config: &Config, bytes: &[u8]) -> (Acceptor, Result<bool, HandshakeError>) {
    let mut acceptor = Acceptor::new(config, NOW);
    let mut bytes = bytes;
    loop {
        let n = std::io::Read::read(&mut bytes, acceptor.spare_mut()).unwrap();
        if n == 0 {
            break;
        }
        acceptor.filled(n);
    }
    let complete = acceptor.poll(NOW);
    (acceptor, complete)
}

/// The response to `bytes`, and what was agreed on if it is 101.
fn answer_with(bytes: &[u8], choice: &Choice<'_>) -> Result<(String, Negotiated), HandshakeError> {
    let (acceptor, complete) = given(&Config::default(), bytes);
    assert!(complete?, "incomplete");
    let request = acceptor.request()?;
    let mut out = Vec::new();
    let negotiated = request.check()?.accept(choice, &mut out).unwrap();
    Ok((String::from_utf8(out).unwrap(), negotiated))
}

fn verdict(bytes: &[u8]) -> Result<(), HandshakeError> {
    answer_with(bytes, &Choice::new()).map(|_| ())
}

/// The whole error response as text, its framing checked.
fn response_to(error: HandshakeError) -> String {
    let mut out = Vec::new();
    error.respond(&mut out);
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(head.ends_with(&format!("\r\nContent-Length: {}", body.len())), "{head}");
    assert_eq!(body, format!("{error}\n"));
    text
}

/// Each of `requests` is refused with `error`, whose response has `status`.
#[track_caller]
fn refused(error: HandshakeError, status: u16, requests: &[Vec<u8>]) {
    for request in requests {
        assert_eq!(verdict(request), Err(error), "{:.400}", String::from_utf8_lossy(request));
    }
    assert_eq!(error.http_status(), status);
    assert!(response_to(error).starts_with(&format!("HTTP/1.1 {status} ")));
}

#[track_caller]
fn accepted(requests: &[Vec<u8>]) {
    for request in requests {
        assert_eq!(verdict(request), Ok(()), "{}", String::from_utf8_lossy(request));
    }
}

#[test]
fn r001_the_method_is_get() {
    let start = |line| with("GET", &[line]);
    refused(
        HandshakeError::MethodNotGet,
        405,
        &[
            start("POST /chat HTTP/1.1"),
            start("get /chat HTTP/1.1"),
            start("HEAD /chat HTTP/1.1"),
            start("GETX / HTTP/1.1"),
        ],
    );
    assert!(response_to(HandshakeError::MethodNotGet).contains("\r\nAllow: GET\r\n"));
}

#[test]
fn r001_the_version_is_http_1_1() {
    let versions = ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/3", "http/1.1", "HTTP/1.10"];
    for version in versions {
        let error = verdict(&with("GET", &[&format!("GET /chat {version}")])).unwrap_err();
        assert!(
            [HandshakeError::HttpVersion, HandshakeError::InvalidHead].contains(&error),
            "{version}: {error}"
        );
        assert!([400, 505].contains(&error.http_status()));
    }
    let start = |line| with("GET", &[line]);
    refused(
        HandshakeError::HttpVersion,
        505,
        &[
            start("GET /chat HTTP/1.0"),
            start("GET /chat HTTP/2.0"),
            start("GET /chat HTTP/0.9"),
            start("PRI * HTTP/2.0"),
        ],
    );
    refused(
        HandshakeError::InvalidHead,
        400,
        &[
            "GET /chat HTTP/x.1",
            "GET /chat HTTP/2.y",
            "GET /chat HTTP/22.0",
            "GET /chat http/2.0",
            "GET /a b HTTP/1.1",
        ]
        .map(start),
    );
}

#[test]
fn r001_the_target_is_a_path_or_a_url() {
    for (target, path, query, host) in [
        ("/", "/", None, "server.example.com"),
        ("/chat?room=1?2", "/chat", Some("room=1?2"), "server.example.com"),
        ("//x/%0d%0a", "//x/%0d%0a", None, "server.example.com"),
        ("http://other.example:81/chat?x", "/chat", Some("x"), "other.example:81"),
        ("WS://other.example", "/", None, "other.example"),
        ("wss://[::1]?x", "/", Some("x"), "[::1]"),
    ] {
        let bytes = with("GET", &[&format!("GET {target} HTTP/1.1")]);
        let (acceptor, _) = given(&Config::default(), &bytes);
        let request = acceptor.request().unwrap();
        assert_eq!((request.target(), request.path(), request.query()), (target, path, query));
        assert_eq!(request.host(), host, "{target}");
        assert!(request.check().is_ok(), "{target}");
    }
    let get = |target: &str| with("GET", &[&format!("GET {target} HTTP/1.1")]);
    refused(
        HandshakeError::InvalidTarget,
        400,
        &[
            "*",
            "chat",
            "/chat#top",
            "server.example.com:80",
            "ftp://x/",
            "http://",
            "http://u@x/",
            "http:///x",
            "://x/",
            "/\u{e9}",
        ]
        .map(get),
    );
    refused(HandshakeError::InvalidHead, 400, &["", "/a b", " /", "/\t"].map(get));
}

#[test]
fn r002_there_is_one_valid_host() {
    let host = |value: &str| with("Host", &[&format!("Host: {value}")]);
    accepted(&["a", "a:", "a:80", "[::1]:9001", "127.0.0.1", "A_b-c.example."].map(host));
    refused(
        HandshakeError::InvalidHost,
        400,
        &[
            "", "[", "a b", ":99999", "a:99999", ":80", "a,\tb", "\u{80}", "a@b", "http://a", "a/", "[::1",
            "[::g]",
        ]
        .map(host),
    );
    refused(
        HandshakeError::InvalidHost,
        400,
        &[with("Host", &[]), with("Host", &["Host: a", "Host: a"]), with("Host", &["Host: a", "HOST: b"])],
    );
    // A target that is a whole URL does not make up for it.
    let absolute = String::from_utf8(with("Host", &[])).unwrap().replacen("/chat", "http://a/chat", 1);
    refused(HandshakeError::InvalidHost, 400, &[absolute.into_bytes()]);
}

#[test]
fn r003_upgrade_contains_websocket() {
    accepted(&[
        with("Upgrade", &["Upgrade: WebSocket"]),
        with("Upgrade", &["upgrade:WEBSOCKET\t"]),
        with("Upgrade", &["Upgrade: h2c, websocket"]),
        with("Upgrade", &["Upgrade: ,, websocket ,x/1"]),
        with("Upgrade", &["Upgrade: h2c", "X: y", "Upgrade: websocket"]),
    ]);
    refused(
        HandshakeError::NotUpgrade,
        426,
        &[
            with("Upgrade", &[]),
            with("Upgrade", &["Upgrade:"]),
            with("Upgrade", &["Upgrade: websockets"]),
            with("Upgrade", &["Upgrade: notwebsocket"]),
            with("Upgrade", &["Upgrade: websocket/13"]),
            with("Upgrade", &["Upgrade: web socket"]),
            with("Upgrade", &["Upgrade: websocket;x"]),
            with("Upgrade", &["Upgrade: \"websocket\""]),
            with("Upgrade", &["Upgrade: web", "Upgrade: socket"]),
        ],
    );
    // The answer says what to ask for: 426 goes with `Upgrade` (RFC 9110 §15.5.22).
    let response = response_to(HandshakeError::NotUpgrade);
    for line in ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: close, Upgrade"] {
        assert!(response.contains(&format!("\r\n{line}\r\n")), "{response}");
    }
}

#[test]
fn r004_connection_contains_the_token_upgrade() {
    accepted(&[
        with("Connection", &["Connection: upgrade"]),
        with("Connection", &["connection: keep-alive, UPGRADE"]),
        with("Connection", &["Connection: keep-alive", "Connection: Upgrade"]),
        with("Connection", &["Connection: ,Upgrade,,"]),
    ]);
    refused(
        HandshakeError::InvalidConnection,
        400,
        &[
            with("Connection", &[]),
            with("Connection", &["Connection:"]),
            with("Connection", &["Connection: notupgrade"]),
            with("Connection", &["Connection: upgrade-x"]),
            with("Connection", &["Connection: keep-alive"]),
            with("Connection", &["Connection: Upgrade;q=1"]),
            with("Connection", &["Connection: Upgrade, k@a"]),
            with("Connection", &["Connection: keep alive Upgrade"]),
        ],
    );
}

#[test]
fn r005_the_key_is_sixteen_bytes_in_canonical_base64() {
    let key = |value: &str| with("Sec-WebSocket-Key", &[&format!("Sec-WebSocket-Key: {value}")]);
    accepted(
        &["AAAAAAAAAAAAAAAAAAAAAA==", "/////////////////////w==", "\t+/+/+/+/+/+/+/+/+/+/+w== "].map(key),
    );
    refused(
        HandshakeError::InvalidKey,
        400,
        &[
            "",
            "AAAAAAAAAAAAAAAAAAAA",         // 15 bytes
            "AAAAAAAAAAAAAAAAAAAAAAA=",     // 17
            "AAAAAAAAAAAAAAAAAAAAAAAA",     // 18, but of the right length
            "AAAAAAAAAAAAAAAAAAAAAA",       // no padding
            "AAAAAAAAAAAAAAAAAAAAAA=",      // half of it
            "AAAAAAAAAAAAAAAAAAAAAB==",     // stray bits
            "_____________________w==",     // the alphabet for URLs
            "-------------- -------w==",    // and a space
            "AAAAAAAAAA AAAAAAAAAAA==",     // a space within 24 characters
            "dGhlIHNhbXBsZSBub25jZQ==,x",   // a list
            "\"dGhlIHNhbXBsZSBub25jZQ==\"", // quoted
            "AAAAAAAAAAAAAAAAAAAA\u{e9}==", // not ASCII
            "=AAAAAAAAAAAAAAAAAAAAA==",
        ]
        .map(key),
    );
    refused(HandshakeError::InvalidKey, 400, &[with("Sec-WebSocket-Key", &[])]);
}

#[test]
fn r006_the_key_is_not_repeated() {
    refused(
        HandshakeError::InvalidKey,
        400,
        &[
            plus(&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]),
            plus(&["sec-websocket-KEY: AAAAAAAAAAAAAAAAAAAAAA=="]),
            plus(&["Sec-WebSocket-Key:"]),
        ],
    );
}

#[test]
fn r007_the_version_is_13() {
    let version = |value: &str| with("Sec-WebSocket-Version", &[&format!("Sec-WebSocket-Version: {value}")]);
    accepted(&["13", " 13\t"].map(version));
    refused(
        HandshakeError::WrongVersion,
        426,
        &["", "0", "7", "8", "12", "013", "13, 8", "13,13", "+13", "13.0", "130", "\"13\"", "1\u{b3}"]
            .map(version),
    );
    refused(HandshakeError::WrongVersion, 426, &[with("Sec-WebSocket-Version", &[])]);
    // Whoever speaks an older version has no key of ours, and learns the version all the same.
    let draft_76 = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\
        Sec-WebSocket-Key1: 18x 6]8vM;54 *(5:  {   U1]8  z [  8\r\n\r\n";
    refused(HandshakeError::WrongVersion, 426, &[draft_76.into()]);

    let response = response_to(HandshakeError::WrongVersion);
    for line in ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Connection: close, Upgrade"] {
        assert!(response.contains(&format!("\r\n{line}\r\n")), "{response}");
    }
}

#[test]
fn r008_the_version_is_not_repeated() {
    refused(
        HandshakeError::RepeatedVersion,
        400,
        &[
            plus(&["Sec-WebSocket-Version: 13"]),
            plus(&["sec-websocket-version: 8"]),
            plus(&["Sec-WebSocket-Version:"]),
        ],
    );
}

#[test]
fn r009_a_request_that_breaks_the_grammar_is_not_processed() {
    refused(
        HandshakeError::InvalidHead,
        400,
        &[
            with("GET", &["GET  /chat HTTP/1.1"]),
            with("GET", &["GET /chat  HTTP/1.1"]),
            with("GET", &["GET /chat HTTP/1.1 "]),
            with("GET", &["GET /chat"]),
            with("GET", &["GET / chat HTTP/1.1"]),
            plus(&["no colon"]),
            plus(&[": no name"]),
            plus(&["na(me: x"]),
            plus(&["n\u{e4}me: x"]),
            plus(&["\"name\": x"]),
        ],
    );
    // Each mandatory header in turn: the request without it is refused.
    for line in &LINES[1..] {
        let name = line.split(':').next().unwrap();
        assert!(verdict(&with(name, &[])).is_err(), "{name}");
    }
    // What is not ours is left alone, whatever it holds.
    accepted(&[plus(&["X-Odd: \u{e9}\u{ff}\t!"]), plus(&["X-Empty:"]), plus(&["Cookie: a=b; c=\"d\""])]);
}

#[test]
fn r009_what_cannot_be_http_is_refused_at_once() {
    let hopeless: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00",     // a TLS hello
        b"\x81\x85\x37\xfa\x21\x3d", // a frame
        b"\x00",
        b"\n",
        b" GET / HTTP/1.1",
        b"\r\r",
        b"\r\n\r\n",
        b"(GET",
        b"SSH-2.0-x\r",
    ];
    for bytes in hopeless {
        let (mut acceptor, complete) = given(&Config::default(), bytes);
        let error = complete.unwrap_err();
        assert!([HandshakeError::NotHttp, HandshakeError::ControlCharacter].contains(&error), "{bytes:?}");
        assert_eq!(error.http_status(), 400);
        // It stays refused, whatever else comes.
        assert!(acceptor.spare_mut().is_empty());
        acceptor.filled(10);
        acceptor.eof();
        assert_eq!(acceptor.poll(acceptor.deadline()), Err(error));
        assert_eq!(acceptor.request().map(|_| ()), Err(error));
    }
    // One empty line before the request is forgiven (RFC 9112 §2.2).
    accepted(&[[b"\r\n", &plus(&[])[..]].concat()]);
}

#[test]
fn r010_the_subprotocol_is_one_that_was_offered() {
    let offer = plus(&["Sec-WebSocket-Protocol: chat, superchat"]);
    let (response, negotiated) = answer_with(&offer, &Choice::new().protocol("superchat")).unwrap();
    assert!(response.contains("\r\nSec-WebSocket-Protocol: superchat\r\n"));
    assert_eq!(negotiated.protocol.as_deref(), Some("superchat"));

    let (response, negotiated) = answer_with(&offer, &Choice::new()).unwrap();
    assert!(!response.to_ascii_lowercase().contains("sec-websocket-protocol"));
    assert_eq!(negotiated.protocol, None);

    for (request, chosen) in
        [(&offer, "Chat"), (&offer, ""), (&offer, "chat,superchat"), (&plus(&[]), "chat")]
    {
        let (acceptor, _) = given(&Config::default(), request);
        let request = acceptor.request().unwrap();
        let mut out = Vec::new();
        let refused = request.check().unwrap().accept(&Choice::new().protocol(chosen), &mut out);
        assert_eq!(refused.unwrap_err(), BuildError::ProtocolNotOffered, "{chosen}");
        assert!(out.is_empty());
    }
}

#[test]
fn r011_offered_subprotocols_are_distinct_tokens() {
    let offer = |list: &str| plus(&[&format!("Sec-WebSocket-Protocol: {list}")]);
    accepted(&["chat", "chat, Chat", " ,a,,b, ", "v1.chat.example.com,!#$%&'*+-.^_`|~09"].map(offer));
    refused(
        HandshakeError::InvalidProtocols,
        400,
        &["", ",", "chat, chat", "a b", "a;q=1", "a/b", "a,\"b\"", "a,b@", "a,\u{e9}", "a,b,c,a"].map(offer),
    );
    refused(
        HandshakeError::InvalidProtocols,
        400,
        &[plus(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b, a"])],
    );
    let many = |count: usize| offer(&(0..count).map(|n| format!("p{n}")).collect::<Vec<_>>().join(","));
    accepted(&[many(64)]);
    refused(HandshakeError::TooManyProtocols, 400, &[many(65), many(2000)]);
}

#[test]
fn r012_only_offered_extensions_are_answered() {
    let willing = Choice::new().deflate(stored::extension(deflate::Config::default()));
    for (offer, choice, answered) in [
        ("X: y", &willing, None),
        ("Sec-WebSocket-Extensions: permessage-deflate", &Choice::new(), None),
        ("Sec-WebSocket-Extensions: foo, x-webkit-deflate-frame", &willing, None),
        ("Sec-WebSocket-Extensions: permessage-deflate; unknown", &willing, None),
        (
            "Sec-WebSocket-Extensions: foo, permessage-deflate; x, permessage-deflate; client_max_window_bits",
            &willing,
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=15",
            ),
        ),
    ] {
        let (response, negotiated) = answer_with(&plus(&[offer]), choice).unwrap();
        let line = response.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        assert_eq!(line, answered, "{offer}");
        assert_eq!(negotiated.deflate.is_some(), answered.is_some());
    }
    // A server is spared from reading offers without end: the first sixteen must do.
    for (hopeless, answered) in [(15, true), (16, false), (600, false)] {
        let mut offers = "permessage-deflate;server_max_window_bits=8,".repeat(hopeless);
        if hopeless == 600 {
            offers = "permessage-deflate;x,".repeat(hopeless); // not even well-formed: they do not count
        }
        let offers = format!("Sec-WebSocket-Extensions: {offers}permessage-deflate");
        let (_, negotiated) = answer_with(&plus(&[&offers]), &willing).unwrap();
        assert_eq!(negotiated.deflate.is_some(), answered || hopeless == 600, "{hopeless}");
    }
}

#[test]
fn r012_an_offer_that_can_be_answered_is_told() {
    for (list, can) in [
        ("permessage-deflate", true),
        ("foo, permessage-deflate; client_max_window_bits", true),
        ("foo", false),
        ("permessage-deflate; foo", false),
    ] {
        let bytes = plus(&[&format!("Sec-WebSocket-Extensions: {list}")]);
        let (acceptor, _) = given(&Config::default(), &bytes);
        assert_eq!(acceptor.request().unwrap().check().unwrap().offers_deflate(), can, "{list}");
    }
}

#[test]
fn r013_the_response_switches_protocols() {
    assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let choice = Choice::new().header("Set-Cookie", "a=b").unwrap().header("Set-Cookie", "c=d").unwrap();
    let (response, _) = answer_with(&plus(&[]), &choice).unwrap();
    assert_eq!(
        response,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"
    );
}

#[test]
fn r013_what_follows_the_request_belongs_to_the_websocket() {
    let mut bytes = plus(&[]);
    bytes.extend(b"\x81\x80\r\n\r\nGET");
    let (acceptor, complete) = given(&Config::default(), &bytes);
    assert_eq!(complete, Ok(true));
    assert!(acceptor.request().unwrap().check().is_ok());
    assert_eq!(acceptor.into_rest(), b"\x81\x80\r\n\r\nGET");
}

#[test]
fn r013_parsed_headers_are_judged_by_the_same_rules() {
    struct Parsed(Vec<(String, Vec<u8>)>);
    impl Headers for Parsed {
        fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
            self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| &value[..])
        }
    }
    let bytes = plus(&["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b"]);
    let (acceptor, _) = given(&Config::default(), &bytes);
    let request = acceptor.request().unwrap();
    let parsed =
        Parsed(request.headers().map(|(name, value)| (name.to_lowercase(), value.to_vec())).collect());
    let offer = check("GET", HttpVersion::Http11, &parsed).unwrap();
    assert_eq!(offer.protocols(), ["a", "b"]);
    let accepted = offer.answer(&Choice::new().protocol("b")).unwrap();
    assert_eq!(accepted.negotiated.protocol.as_deref(), Some("b"));
    assert_eq!(
        accepted.headers().collect::<Vec<_>>(),
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("Sec-WebSocket-Protocol", "b"),
        ]
    );
    assert_eq!(check("PUT", HttpVersion::Http11, &parsed).unwrap_err(), HandshakeError::MethodNotGet);
    assert_eq!(check("GET", HttpVersion::Http10, &parsed).unwrap_err(), HandshakeError::HttpVersion);
    assert_eq!(
        check("GET", HttpVersion::Http11, &Parsed(Vec::new())).unwrap_err(),
        HandshakeError::InvalidHost
    );
}

#[test]
fn r014_a_foreign_origin_is_forbidden() {
    let origin = |policy: &OriginPolicy, lines: &[&str]| {
        let bytes = plus(lines);
        let (acceptor, _) = given(&Config::default(), &bytes);
        acceptor.request().unwrap().check_origin(policy)
    };
    let default = OriginPolicy::default();
    assert_eq!(origin(&default, &[]), Ok(()));
    assert_eq!(origin(&default, &["Origin: http://server.example.com"]), Ok(()));
    let refused: [&[&str]; 4] = [
        &["Origin: http://evil.example"],
        &["Origin: http://server.example.com", "Origin: http://server.example.com"],
        &["Origin:"],
        &["Origin: null"],
    ];
    for lines in refused {
        assert_eq!(origin(&default, lines), Err(HandshakeError::OriginRefused), "{lines:?}");
        assert_eq!(origin(&OriginPolicy::Any, lines), Ok(()));
    }
    assert!(response_to(HandshakeError::OriginRefused).starts_with("HTTP/1.1 403 Forbidden\r\n"));
    // The host of a target that is a whole URL counts, not that of `Host`.
    let absolute = String::from_utf8(plus(&["Origin: http://a"]))
        .unwrap()
        .replacen("/chat", "http://a/chat", 1)
        .into_bytes();
    let (acceptor, _) = given(&Config::default(), &absolute);
    let request = acceptor.request().unwrap();
    assert_eq!(request.check_origin(&default), Ok(()));
    assert_eq!(request.origin(), Some(&b"http://a"[..]));
    assert!(request.is_upgrade());
}

#[test]
fn r014_an_unknown_path_is_not_found() {
    let mut out = Vec::new();
    Response::new(404).unwrap().body("no such room\n").write(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 13\r\n\r\nno such room\n"
    );
}

#[test]
fn r014_a_page_can_be_served_on_the_same_port() {
    let (acceptor, complete) =
        given(&Config::default(), b"GET /index.html?x HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    assert_eq!(complete, Ok(true));
    let request = acceptor.request().unwrap();
    assert!(!request.is_upgrade());
    assert!(!format!("{request:?}").contains("text/html"), "values stay out of logs");
    assert_eq!((request.method(), request.path(), request.query()), ("GET", "/index.html", Some("x")));
    assert_eq!(request.header("ACCEPT"), Some(&b"text/html"[..]));
    assert_eq!(request.origin(), None);
    assert_eq!(request.check().unwrap_err(), HandshakeError::NotUpgrade);

    let mut out = Vec::new();
    let page = Response::new(200).unwrap().header("Content-Type", "text/html").unwrap().body("<p>");
    page.write_head(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n"
    );
    // An old client may ask for a page, even without a host.
    let (acceptor, _) = given(&Config::default(), b"GET / HTTP/1.0\r\n\r\n");
    let request = acceptor.request().unwrap();
    assert_eq!((request.version(), request.host()), (HttpVersion::Http10, ""));
    let (acceptor, _) = given(&Config::default(), b"GET / HTTP/1.0\r\nHost: a:80\r\n\r\n");
    assert_eq!(acceptor.request().unwrap().host(), "a:80");
    // But what it says of its host must be right, and in HTTP/1.1 it must say it.
    for bytes in [&b"GET / HTTP/1.0\r\nHost: [\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let (acceptor, _) = given(&Config::default(), bytes);
        assert_eq!(acceptor.request().map(|_| ()), Err(HandshakeError::InvalidHost));
    }
    // OPTIONS and CONNECT have targets of their own.
    for (line, path, host) in [("OPTIONS * HTTP/1.1", "*", "a"), ("CONNECT b:443 HTTP/1.1", "b:443", "b:443")]
    {
        let bytes = format!("{line}\r\nHost: a\r\n\r\n").into_bytes();
        let (acceptor, _) = given(&Config::default(), &bytes);
        let request = acceptor.request().unwrap();
        assert_eq!((request.path(), request.query(), request.host()), (path, None, host));
    }
}

#[test]
fn r014_statuses_are_checked_and_some_have_no_body() {
    for status in [0, 99, 101, 600, u16::MAX] {
        assert_eq!(Response::new(status).unwrap_err(), BuildError::Status);
    }
    for (status, expected) in [
        (204, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        (304, "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"),
        (103, "HTTP/1.1 103 Early Hints\r\n\r\n"),
        (599, "HTTP/1.1 599 \r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"),
    ] {
        let mut out = Vec::new();
        Response::new(status).unwrap().body("x").write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn r016_the_response_repeats_no_header() {
    let request = plus(&[
        "Sec-WebSocket-Protocol: a, b",
        "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate",
    ]);
    let choice = Choice::new()
        .protocol("a")
        .deflate(stored::extension(deflate::Config::default()))
        .header("X", "y")
        .unwrap();
    let (response, _) = answer_with(&request, &choice).unwrap();
    let mut names: Vec<&str> = response.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(names.len(), 6);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 6, "{response}");
    // Nor can the caller make it: the handshake's own headers are refused.
    for name in [
        "sec-websocket-accept",
        "Sec-WebSocket-Protocol",
        "SEC-WEBSOCKET-EXTENSIONS",
        "upgrade",
        "Connection",
    ] {
        let own = Choice::new().header(name, "x").unwrap_err();
        assert!(matches!(own, BuildError::ReservedHeader(own) if own.eq_ignore_ascii_case(name)), "{own}");
    }
}

#[test]
fn r017_repeated_lines_are_one_list() {
    let protocols = |lines: &[&str]| {
        let bytes = plus(lines);
        let (acceptor, _) = given(&Config::default(), &bytes);
        let request = acceptor.request().unwrap();
        let offer = request.check().unwrap();
        offer.protocols().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        protocols(&["Sec-WebSocket-Protocol: a, b", "X: y", "sec-websocket-protocol: c"]),
        protocols(&["Sec-WebSocket-Protocol: a,b,c"])
    );
    let choice = Choice::new().deflate(stored::extension(deflate::Config::default()));
    let split = plus(&["Sec-WebSocket-Extensions: foo", "Sec-WebSocket-Extensions: permessage-deflate"]);
    let joined = plus(&["Sec-WebSocket-Extensions: foo, permessage-deflate"]);
    assert_eq!(answer_with(&split, &choice).unwrap().0, answer_with(&joined, &choice).unwrap().0);
}

#[test]
fn r018_malformed_extensions_are_refused() {
    let offer = |list: &str| plus(&[&format!("Sec-WebSocket-Extensions: {list}")]);
    accepted(
        &["a", "a; b; c=d", "a;b=\"c\"", ",a,,", "a ; b = c , d", "a;b=\"\\c\"", "constructor; __proto__"]
            .map(offer),
    );
    let long = format!("b{}x", " ".repeat(12_000));
    refused(
        HandshakeError::InvalidExtensions,
        400,
        &[
            "",
            ",",
            ";",
            "a;",
            "a b",
            "a; b c",
            "a;b=",
            "a;=b",
            "a=b",
            "a;b=\"\"",
            "a;b=\"c d\"",
            "a;b=\"c,d\"",
            "a;b=\"c",
            "a; b=\"\\c\\c\\c..",
            "a;b=\"c\"d",
            "permessage-deflate; server_max_window_bits=\"1 0\"",
            "\u{e9}",
            &long,
        ]
        .map(offer),
    );
    refused(
        HandshakeError::InvalidExtensions,
        400,
        &[plus(&["Sec-WebSocket-Extensions: a", "Sec-WebSocket-Extensions: b c"])],
    );
}

#[test]
fn r029_what_makes_headers_ambiguous_is_refused() {
    refused(
        HandshakeError::InvalidHead,
        400,
        &[plus(&["X : y"]), plus(&["X\t: y"]), with("Host", &["Host : a"])],
    );
    refused(
        HandshakeError::FoldedLine,
        400,
        &[plus(&["X: y", " z"]), plus(&["X: y", "\tz"]), plus(&[" X: y"]), with("Host", &[" Host: a"])],
    );
    refused(
        HandshakeError::ControlCharacter,
        400,
        &[
            plus(&["X: a\rb"]),
            plus(&["X: a\nb"]),
            plus(&["X: a\0b"]),
            plus(&["X: a\x7fb"]),
            plus(&["X: a\x1bb"]),
            plus(&["X: a\r"]),
            plus(&["X\0: a"]),
            with("GET", &["GET /chat\0 HTTP/1.1"]),
            String::from_utf8(plus(&[])).unwrap().replace("\r\n", "\n").into_bytes(),
            String::from_utf8(plus(&[])).unwrap().replace("\r\n", "\r").into_bytes(),
        ],
    );
}

#[test]
fn r030_a_request_with_a_body_is_refused() {
    accepted(&[plus(&["Content-Length: 0"]), plus(&["Content-Length:  00\t"]), plus(&["TE: trailers"])]);
    refused(
        HandshakeError::UnexpectedBody,
        400,
        &[
            plus(&["Content-Length: 44"]),
            plus(&["Content-Length: 1000000000"]),
            plus(&["Content-Length: +5"]),
            plus(&["Content-Length: -0"]),
            plus(&["Content-Length: 5,5"]),
            plus(&["Content-Length: 0,0"]),
            plus(&["Content-Length: 0x0"]),
            plus(&["Content-Length:"]),
            plus(&["Content-Length: 0", "Content-Length: 0"]),
            plus(&["Content-Length: 0", "content-length: 5"]),
            plus(&["Content-Length: 99999999999999999999999"]),
            plus(&["Transfer-Encoding: chunked"]),
            plus(&["Transfer-Encoding: xchunked"]),
            plus(&["Transfer-Encoding: identity"]),
            plus(&["transfer-encoding:"]),
            plus(&["Content-Length: 0", "Transfer-Encoding: chunked"]),
        ],
    );
}

#[test]
fn r030_a_head_over_the_limit_is_too_large() {
    let mut config = Config::default();
    let padded = |len: usize| plus(&[&format!("X: {}", "a".repeat(len - plus(&["X: "]).len()))]);
    let verdict = |config: &Config, bytes: &[u8]| given(config, bytes).1;

    // To the byte.
    assert_eq!(verdict(&config, &padded(config.max_head)), Ok(true));
    assert_eq!(verdict(&config, &padded(config.max_head + 1)), Err(HandshakeError::HeadTooLarge));
    let endless = [&b"GET /"[..], &vec![b'a'; 20 << 20]].concat();
    assert_eq!(verdict(&config, &endless), Err(HandshakeError::HeadTooLarge));
    // What follows the head does not count.
    let mut followed = padded(config.max_head - 10);
    followed.extend([0x81; 100]);
    assert_eq!(verdict(&config, &followed), Ok(true));

    // To the line. The six lines of the request hold five headers.
    let lines = |count: usize| plus(&vec!["X: y"; count - 5]);
    assert_eq!(verdict(&config, &lines(config.max_headers)), Ok(true));
    assert_eq!(verdict(&config, &lines(config.max_headers + 1)), Err(HandshakeError::TooManyHeaders));
    assert_eq!(verdict(&config, &lines(2000)), Err(HandshakeError::TooManyHeaders));
    assert_eq!(verdict(&config, &plus(&[":"; 100])), Err(HandshakeError::TooManyHeaders));

    for limit in [0, 1, 17] {
        config.max_head = limit;
        assert_eq!(verdict(&config, &plus(&[])), Err(HandshakeError::HeadTooLarge), "{limit}");
    }
    config.max_head = usize::MAX;
    config.max_headers = usize::MAX;
    assert_eq!(verdict(&config, &plus(&["X: y"; 5000])), Ok(true));
    config.max_headers = 0;
    assert_eq!(verdict(&config, &plus(&[])), Err(HandshakeError::TooManyHeaders));
    assert_eq!(verdict(&config, b"GET / HTTP/1.1\r\n\r\n"), Ok(true));

    for error in [HandshakeError::HeadTooLarge, HandshakeError::TooManyHeaders] {
        assert!(response_to(error).starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    }
}

#[test]
fn r030_the_time_for_the_head_is_counted_from_the_start() {
    let mut config = Config::default();
    config.handshake_within = Duration::from_secs(10);
    let start = Timestamp::from_nanos(5);
    let mut acceptor = Acceptor::new(&config, start);
    let deadline = start + Duration::from_secs(10);
    assert_eq!(acceptor.deadline(), deadline);
    // A byte a second does not move it.
    let mut bytes = plus(&[]).into_iter();
    for second in 0..10 {
        acceptor.spare_mut()[0] = bytes.next().unwrap();
        acceptor.filled(1);
        assert_eq!(acceptor.poll(start + Duration::from_secs(second)), Ok(false));
        assert_eq!(acceptor.deadline(), deadline);
    }
    assert_eq!(acceptor.request().map(|_: Request<'_>| ()), Err(HandshakeError::Incomplete));
    assert_eq!(acceptor.poll(deadline), Err(HandshakeError::Timeout));
    // It has failed for good, even if the clock goes back and the rest comes.
    assert!(acceptor.spare_mut().is_empty());
    assert_eq!(acceptor.poll(start), Err(HandshakeError::Timeout));
    assert!(response_to(HandshakeError::Timeout).starts_with("HTTP/1.1 408 Request Timeout\r\n"));

    // A head that is whole is not late, however late it is asked for.
    let (mut acceptor, _) = given(&config, &plus(&[]));
    assert_eq!(acceptor.poll(Timestamp::from_nanos(u64::MAX)), Ok(true));
}

#[test]
fn r030_the_end_of_the_transport_ends_the_handshake() {
    for len in 0..plus(&[]).len() {
        let (mut acceptor, complete) = given(&Config::default(), &plus(&[])[..len]);
        assert_eq!(complete, Ok(false));
        acceptor.eof();
        assert_eq!(acceptor.poll(NOW), Err(HandshakeError::Incomplete));
        assert!(acceptor.into_rest().is_empty());
    }
    // A client may have closed its sending side once its request was out.
    let (mut acceptor, _) = given(&Config::default(), &plus(&[]));
    acceptor.eof();
    assert_eq!(acceptor.poll(NOW), Ok(true));
}

/// An adapter hands the request on with what is offered in it, for the application to decide.
#[test]
fn a_handshake_keeps_its_request_at_hand() {
    let (acceptor, complete) = given(&Config::default(), &plus(&["Sec-WebSocket-Protocol: a, b"]));
    assert_eq!(complete, Ok(true));
    let request = acceptor.request().unwrap();
    let handshake = request.handshake().unwrap();
    assert_eq!(handshake.protocols(), ["a", "b"]);
    assert_eq!(handshake.offer().protocols(), ["a", "b"]);
    assert_eq!(handshake.path(), "/chat");
    let mut out = Vec::new();
    handshake.offer().clone().accept(&Choice::new().protocol("b"), &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\r\nSec-WebSocket-Protocol: b\r\n"));

    let (acceptor, _) = given(&Config::default(), &with("Sec-WebSocket-Version", &[]));
    let request = acceptor.request().unwrap();
    assert_eq!(request.handshake().map(|_| ()), Err(request.check().map(|_| ()).unwrap_err()));
}

/// Requests for WebSocket are told from requests for pages by what they upgrade to.
#[test]
fn a_request_for_a_page_is_none_for_a_websocket() {
    /// Headers as another parser has them, of which only one matters.
    struct Upgrade(&'static [&'static str]);
    impl Headers for Upgrade {
        fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
            self.0.iter().filter(move |_| name == "upgrade").map(|value| value.as_bytes())
        }
    }
    for values in [
        &["websocket"][..],
        &["WebSocket"],
        &["h2c, websocket"],
        &["h2c,\twebsocket ,"],
        &["h2c", "websocket"],
    ] {
        assert!(is_upgrade(&Upgrade(values)), "{values:?}");
    }
    for values in [&["h2c"][..], &["websockets"], &["web socket"], &[""], &[]] {
        assert!(!is_upgrade(&Upgrade(values)), "{values:?}");
    }
}

/// A window that RFC 7692 does not have is the application's mistake, and is not agreed on.
#[test]
fn windows_out_of_range_are_not_agreed_on() {
    let offer = plus(&["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]);
    let (acceptor, _) = given(&Config::default(), &offer);
    let request = acceptor.request().unwrap();
    let mut config = deflate::Config::default();
    for bits in [0, 8, 16, 255] {
        config.server_max_window_bits = bits;
        let choice = Choice::new().deflate(stored::extension(config));
        assert_eq!(request.check().unwrap().answer(&choice).map(|_| ()), Err(BuildError::WindowBits));
    }
    config.server_max_window_bits = 9;
    assert!(request.check().unwrap().answer(&Choice::new().deflate(stored::extension(config))).is_ok());
}

/// What a log shows of a request that is being read: how far it has come, not what is in it.
#[test]
fn secrets_stay_out_of_logs() {
    let (acceptor, complete) = given(&Config::default(), b"GET /secret HTTP/1.1\r\nCookie: secret\r\n");
    assert_eq!(complete, Ok(false));
    let shown = format!("{acceptor:?}");
    assert!(shown.contains("bytes: 38, lines: 1, complete: Ok(false)"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
