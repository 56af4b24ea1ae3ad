//! What holds for every handshake: any split of the bytes gives the same result, what is built is read back as it
//! was meant, and no bytes at all do harm.
#![cfg(feature = "handshake")]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use websans::handshake::client::{Answer, Connector, Refusal, Request};
use websans::handshake::server::{Acceptor, Choice, HttpVersion, Response, check};
use websans::handshake::{HandshakeError, Headers, Origin, OriginPolicy, Url};
use websans::{Config, Timestamp, deflate};
use websans_testkit::stored;

const NOW: Timestamp = Timestamp::from_nanos(0);
const NONCE: [u8; 16] = *b"the sample nonce";

/// Heads of requests and responses, line by line, with and without faults.
const REQUEST_LINES: &[&str] = &[
    "Host: a\r\n",
    "Upgrade: websocket\r\n",
    "Connection: keep-alive, Upgrade\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Version: 13\r\n",
];
const RESPONSE_LINES: &[&str] = &[
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
];
const MORE_LINES: &[&str] = &[
    "X: y\r\n",
    "Cookie:  \t a=b; c=d \r\n",
    "Sec-WebSocket-Protocol: chat, superchat\r\n",
    "Sec-WebSocket-Protocol: chat\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y=\"z\"\r\n",
    "Content-Length: 7\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Origin: http://a\r\n",
    "Odd: \u{e9}\r\n",
    "Bad : x\r\n",
    " folded\r\n",
    "Lone: \r x\r\n",
    "Nul: \0\r\n",
    ": nameless\r\n",
    "\r\n",
    "\n",
];

/// A first line, most of `lines`, a few of `MORE_LINES`, the end, and whatever follows.
fn stream(first: &'static [&'static str], lines: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![8 => select(MORE_LINES).prop_map(str::to_owned), 1 => "[ -~]{0,80}\r\n"];
    (
        select(first),
        prop_oneof![6 => Just(lines.len()), 1 => 0..lines.len()],
        vec(line, 0..4),
        vec(any::<u8>(), 0..40),
        proptest::option::weighted(0.2, (any::<proptest::sample::Index>(), any::<u8>())),
    )
        .prop_map(move |(first, kept, more, rest, mutation)| {
            let mut bytes: Vec<u8> = first.bytes().collect();
            bytes.extend(lines.iter().take(kept).flat_map(|line| line.bytes()));
            bytes.extend(more.iter().flat_map(|line| line.bytes()));
            bytes.extend(b"\r\n");
            if let Some((place, byte)) = mutation {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            bytes.extend(rest);
            bytes
        })
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    stream(
        &[
            "GET /x?y HTTP/1.1\r\n",
            "\r\nGET http://a/ HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\n",
            "GET / HTTP/1.0\r\n",
        ],
        REQUEST_LINES,
    )
}

fn responses() -> impl Strategy<Value = Vec<u8>> {
    let first = &[
        "HTTP/1.1 101 Switching Protocols\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 \r\n",
        "HTTP/1.1 404 Not Found\r\n",
        "HTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.0 503\r\n",
    ];
    stream(first, RESPONSE_LINES)
}

/// What a server makes of a request: all it can tell about it, and what is left of the stream.
type Seen = Result<(String, Result<String, HandshakeError>, Vec<u8>), HandshakeError>;

/// Gives `bytes` in pieces of the sizes in `pieces`, over and over; an end of the stream behind them.
fn serve(config: &Config, bytes: &[u8], pieces: &[usize]) -> Seen {
    let mut acceptor = Acceptor::new(config, NOW);
    let mut unread = bytes;
    let mut pieces = pieces.iter().cycle();
    let mut ended = false;
    while !acceptor.poll(NOW)? {
        let spare = acceptor.spare_mut();
        assert!(!spare.is_empty(), "wants to be polled, not read to");
        let len = spare.len().min(unread.len()).min(*pieces.next().unwrap());
        if len == 0 {
            assert!(!ended, "the end of the stream is a verdict");
            ended = true;
            acceptor.eof();
            continue;
        }
        spare[..len].copy_from_slice(&unread[..len]);
        acceptor.filled(len);
        unread = &unread[len..];
    }
    let request = acceptor.request()?;
    let told = format!(
        "{} {} {} {:?} {:?} {} {:?}",
        request.method(),
        request.target(),
        request.path(),
        request.query(),
        request.version(),
        request.host(),
        request.headers().collect::<Vec<_>>()
    );
    let verdict = request.check().map(|offer| {
        let mut out = Vec::new();
        let choice = Choice::new().protocol(offer.protocols().first().copied());
        offer.accept(&choice.deflate(stored::extension(deflate::Config::default())), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    });
    Ok((told, verdict, [&acceptor.into_rest(), unread].concat()))
}

/// What a client makes of a response, and what is left of the stream if it opens the connection.
fn connect(
    config: &Config,
    bytes: &[u8],
    pieces: &[usize],
) -> Result<(String, Option<Vec<u8>>), HandshakeError> {
    let request = Request::new("ws://a/", NONCE).unwrap().protocol("chat").unwrap();
    let mut connector = Connector::new(request, config, NOW);
    let mut unread = bytes;
    let mut pieces = pieces.iter().cycle();
    let mut ended = false;
    loop {
        match connector.poll(NOW)? {
            Some(Answer::Open(negotiated)) => {
                assert!(connector.spare_mut().is_empty());
                return Ok((format!("{negotiated:?}"), Some([&connector.into_rest(), unread].concat())));
            }
            Some(Answer::Refused(Refusal { status, reason, headers, body, complete, .. })) => {
                assert!(connector.into_rest().is_empty());
                return Ok((format!("{status} {reason} {headers:?} {body:?} {complete}"), None));
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
        let spare = connector.spare_mut();
        assert!(!spare.is_empty(), "wants to be polled, not read to");
        let len = spare.len().min(unread.len()).min(*pieces.next().unwrap());
        if len == 0 {
            assert!(!ended, "the end of the stream is a verdict");
            ended = true;
            connector.eof();
            continue;
        }
        spare[..len].copy_from_slice(&unread[..len]);
        connector.filled(len);
        unread = &unread[len..];
    }
}

/// Limits that some of the streams above break.
fn configs() -> impl Strategy<Value = Config> {
    (
        prop_oneof![4 => Just(16 << 10), 1 => 0..400_usize],
        prop_oneof![4 => Just(64), 1 => 0..12_usize],
        0..60_usize,
    )
        .prop_map(|(max_head, max_headers, max_refusal_body)| {
            let mut config = Config::default();
            (config.max_head, config.max_headers, config.max_refusal_body) =
                (max_head, max_headers, max_refusal_body);
            config
        })
}

/// Strings of what is allowed here and there, and of what is allowed nowhere.
fn tricky() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "[!-~]{1,6}",
        2 => "[a-z]{1,6}",
        1 => Just("http://a".to_owned()),
        1 => select(&[" ", "\t", ",", ";", ":", "/", "=", "\"", "\\", "[", "@", "#", "%", "."]).prop_map(str::to_owned),
        1 => select(&["\r", "\n", "\0", "\u{7f}", "\u{80}", "\u{e9}", "\r\nX-Injected: 1\r\n", "\r\n\r\n", "\u{2028}"])
            .prop_map(str::to_owned),
    ];
    vec(word, 0..4).prop_map(|words| words.concat())
}

/// Names and values of the header lines in `bytes`, by a parser that knows nothing but lines and colons.
fn lines_of(bytes: &[u8]) -> Vec<(String, String)> {
    let text = core::str::from_utf8(bytes).expect("only ASCII is written");
    let head = text.split("\r\n\r\n").next().unwrap();
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{head:?}");
    head.split("\r\n")
        .skip(1)
        .map(|line| line.split_once(':').expect("a header line has a colon"))
        .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        .collect()
}

struct Parsed(Vec<(&'static str, Vec<u8>)>);

impl Headers for Parsed {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |(own, _)| *own == name).map(|(_, value)| &value[..])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_a_request_is_the_same_request(
        config in configs(), bytes in requests(), pieces in vec(1..50_usize, 1..8),
    ) {
        let whole = serve(&config, &bytes, &[usize::MAX]);
        prop_assert_eq!(&serve(&config, &bytes, &pieces), &whole);
        prop_assert_eq!(&serve(&config, &bytes, &[1]), &whole);
    }

    #[test]
    fn any_split_of_a_response_is_the_same_response(
        config in configs(), bytes in responses(), pieces in vec(1..50_usize, 1..8),
    ) {
        let whole = connect(&config, &bytes, &[usize::MAX]);
        prop_assert_eq!(&connect(&config, &bytes, &pieces), &whole);
        prop_assert_eq!(&connect(&config, &bytes, &[1]), &whole);
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..300), text in any::<String>(), pieces in vec(1..9_usize, 1..4)) {
        let config = Config::default();
        let _ = serve(&config, &bytes, &pieces);
        let _ = connect(&config, &bytes, &pieces);
        // Behind a beginning that gets past the first check.
        let _ = serve(&config, &[b"GET ", &bytes[..]].concat(), &pieces);
        let _ = serve(&config, &[b"GET / HTTP/1.1\r\n", &bytes[..]].concat(), &pieces);
        let _ = connect(&config, &[b"HTTP/1.1 ", &bytes[..]].concat(), &pieces);
        let _ = connect(&config, &[b"HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat(), &pieces);
        for text in [text.clone(), format!("wss://{text}"), format!("http://{text}"), format!("ws://a:{text}")] {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
            }
            let _ = Origin::parse(&text);
            let _ = OriginPolicy::SameHost.check([&text[..]], &text);
        }
    }

    #[test]
    fn no_headers_do_harm(
        values in vec((select(&[
            "host", "upgrade", "connection", "content-length", "sec-websocket-key", "sec-websocket-version",
            "sec-websocket-protocol", "sec-websocket-extensions",
        ]), prop_oneof![vec(any::<u8>(), 0..40), tricky().prop_map(String::into_bytes)]), 0..8),
    ) {
        // The handshake is valid but for one of these.
        let mut headers = Parsed(vec![
            ("host", b"a".into()), ("upgrade", b"websocket".into()), ("connection", b"upgrade".into()),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==".into()), ("sec-websocket-version", b"13".into()),
        ]);
        prop_assert!(check("GET", HttpVersion::Http11, &headers).is_ok());
        for (name, value) in values {
            headers.0.retain(|(own, _)| own != &name);
            headers.0.push((name, value));
            if let Ok(offer) = check("GET", HttpVersion::Http11, &headers) {
                let choice = Choice::new().protocol(offer.protocols().last().copied());
                let mut out = Vec::new();
                prop_assert!(offer.accept(&choice.deflate(stored::extension(deflate::Config::default())), &mut out).is_ok());
                prop_assert!(lines_of(&out).len() <= 5);
            } else {
                headers.0.retain(|(own, _)| own != &name);
            }
        }
    }

    #[test]
    fn a_built_request_reads_as_it_was_meant(
        url in tricky(), host in tricky(), origin in tricky(), protocols in vec(tricky(), 0..4),
        headers in vec((tricky(), tricky()), 0..4),
    ) {
        let Ok(mut request) = Request::new(&format!("ws://a{url}"), NONCE) else {
            return Ok(());
        };
        // The expected lines, as far as the setters have taken them.
        let mut expected = vec![
            ("Upgrade".to_owned(), "websocket".to_owned()),
            ("Connection".into(), "Upgrade".into()),
            ("Sec-WebSocket-Key".into(), "dGhlIHNhbXBsZSBub25jZQ==".into()),
            ("Sec-WebSocket-Version".into(), "13".into()),
        ];
        let authority = match request.clone().host(&host) {
            Ok(with) => { request = with; host }
            Err(_) => request.url().authority(),
        };
        expected.insert(0, ("Host".into(), authority.clone()));
        if let Ok(with) = request.clone().origin(&origin) {
            request = with;
            expected.push(("Origin".into(), origin));
        }
        let mut offered = Vec::new();
        for protocol in protocols {
            if let Ok(with) = request.clone().protocol(&protocol) {
                request = with;
                offered.push(protocol);
            }
        }
        if !offered.is_empty() {
            expected.push(("Sec-WebSocket-Protocol".into(), offered.join(", ")));
        }
        for (name, value) in headers {
            if let Ok(with) = request.clone().header(&name, &value) {
                request = with;
                expected.push((name, value));
            }
        }
        let mut out = Vec::new();
        request.write(&mut out);
        prop_assert_eq!(lines_of(&out), expected.clone());

        // Our own server reads the same, and nothing behind it.
        let mut acceptor = Acceptor::new(&Config::default(), NOW);
        let spare = acceptor.spare_mut();
        spare[..out.len()].copy_from_slice(&out);
        acceptor.filled(out.len());
        prop_assert_eq!(acceptor.poll(NOW), Ok(true));
        let read = acceptor.request().unwrap();
        prop_assert_eq!(read.target(), request.url().target());
        prop_assert_eq!(read.host(), authority);
        let lines: Vec<_> = read.headers()
            .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()))
            .collect();
        prop_assert_eq!(lines, expected);
        let offer = read.check().unwrap();
        prop_assert_eq!(offer.protocols(), offered);
        prop_assert!(acceptor.into_rest().is_empty());
    }

    #[test]
    fn a_built_response_reads_as_it_was_meant(
        status in 200..=599_u16, headers in vec((tricky(), tricky()), 0..4), body in vec(any::<u8>(), 0..50),
    ) {
        let mut response = Response::new(status).unwrap().body(body.clone());
        let mut choice = Choice::new();
        let mut expected = Vec::new();
        for (name, value) in headers {
            let with = (response.clone().header(&name, &value), choice.clone().header(&name, &value));
            prop_assert_eq!(with.0.is_ok(), with.1.is_ok(), "no name here is reserved, all rules are the same");
            if let (Ok(page), Ok(upgrade)) = with {
                (response, choice) = (page, upgrade);
                expected.push((name, value));
            }
        }
        let mut out = Vec::new();
        response.write(&mut out);
        let split = out.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut lines = lines_of(&out[..split]);
        prop_assert_eq!(lines.remove(0), ("Connection".to_owned(), "close".to_owned()));
        let has_body = !matches!(status, 204 | 304);
        if has_body {
            prop_assert_eq!(lines.pop().unwrap(), ("Content-Length".to_owned(), body.len().to_string()));
        }
        prop_assert_eq!(&lines, &expected);
        prop_assert_eq!(&out[split..], if has_body { &body[..] } else { b"" });

        // Our own client reads the same.
        let mut connector = Connector::new(Request::new("ws://a", NONCE).unwrap(), &Config::default(), NOW);
        connector.spare_mut()[..out.len()].copy_from_slice(&out);
        connector.filled(out.len());
        let Ok(Some(Answer::Refused(refusal))) = connector.poll(NOW) else {
            return Err(TestCaseError::fail("no refusal"));
        };
        prop_assert_eq!(refusal.status, status);
        prop_assert!(refusal.complete);
        prop_assert_eq!(refusal.body, &out[split..]);

        // And the same lines in a 101.
        let request = Request::new("ws://a", NONCE).unwrap();
        let mut out = Vec::new();
        request.write(&mut out);
        let mut acceptor = Acceptor::new(&Config::default(), NOW);
        acceptor.spare_mut()[..out.len()].copy_from_slice(&out);
        acceptor.filled(out.len());
        let mut answer = Vec::new();
        acceptor.request().unwrap().check().unwrap().accept(&choice, &mut answer).unwrap();
        prop_assert_eq!(&lines_of(&answer)[3..], &expected);
        prop_assert!(answer.ends_with(b"\r\n\r\n"));
        let mut connector = Connector::new(request, &Config::default(), NOW);
        connector.spare_mut()[..answer.len()].copy_from_slice(&answer);
        connector.filled(answer.len());
        prop_assert!(matches!(connector.poll(NOW), Ok(Some(Answer::Open(_)))));
        prop_assert!(connector.into_rest().is_empty());
    }

    #[test]
    fn both_ends_agree_on_the_same(
        protocols in proptest::collection::btree_set("[a-z]{1,5}", 0..5), chosen in any::<proptest::sample::Index>(),
        client in proptest::option::of((any::<bool>(), any::<bool>(), 9..=15_u8, 9..=15_u8)),
        server in proptest::option::of((any::<bool>(), any::<bool>(), 9..=15_u8, 9..=15_u8)),
    ) {
        let config = |(server_fresh, client_fresh, server_bits, client_bits)| {
            let mut config = deflate::Config::default();
            config.server_no_context_takeover = server_fresh;
            config.client_no_context_takeover = client_fresh;
            config.server_max_window_bits = server_bits;
            config.client_max_window_bits = client_bits;
            config
        };
        let mut request = Request::new("ws://a", NONCE).unwrap().deflate(client.map(config).map(stored::extension)).unwrap();
        for protocol in &protocols {
            request = request.protocol(protocol).unwrap();
        }
        let mut out = Vec::new();
        request.write(&mut out);
        let mut acceptor = Acceptor::new(&Config::default(), NOW);
        acceptor.spare_mut()[..out.len()].copy_from_slice(&out);
        acceptor.filled(out.len());
        let read = acceptor.request().unwrap();
        let offer = read.check().unwrap();
        let protocol = (!offer.protocols().is_empty()).then(|| *chosen.get(offer.protocols()));
        let mut answer = Vec::new();
        let choice = Choice::new().protocol(protocol).deflate(server.map(config).map(stored::extension));
        let mine = offer.accept(&choice, &mut answer).unwrap();

        let mut connector = Connector::new(request, &Config::default(), NOW);
        connector.spare_mut()[..answer.len()].copy_from_slice(&answer);
        connector.filled(answer.len());
        let Ok(Some(Answer::Open(theirs))) = connector.poll(NOW) else {
            return Err(TestCaseError::fail("not open"));
        };
        prop_assert_eq!(&mine.protocol, &theirs.protocol);
        prop_assert_eq!(mine.protocol.as_deref(), protocol);
        prop_assert_eq!(mine.deflate, theirs.deflate);
        prop_assert_eq!(mine.deflate.is_some(), client.is_some() && server.is_some());
    }
}

#[test]
fn every_setter_refuses_what_would_break_a_line() {
    for bad in ["a\r", "a\n", "a\0", "a\u{7f}", "a\u{80}", "a\r\nX-Injected: 1", "\r\n\r\nGET / HTTP/1.1"] {
        let request = || Request::new("ws://a/", NONCE).unwrap();
        assert!(Request::new(&format!("ws://a/{bad}"), NONCE).is_err(), "{bad:?}");
        assert!(Request::new(&format!("ws://{bad}/"), NONCE).is_err(), "{bad:?}");
        assert!(Request::new(&format!("ws://a/?{bad}"), NONCE).is_err(), "{bad:?}");
        assert!(request().header("X", bad).is_err(), "{bad:?}");
        assert!(request().header(bad, "x").is_err(), "{bad:?}");
        assert!(request().host(bad).is_err(), "{bad:?}");
        assert!(request().origin(&format!("http://{bad}")).is_err(), "{bad:?}");
        assert!(request().origin(&format!("{bad}://x")).is_err(), "{bad:?}");
        assert!(request().protocol(bad).is_err(), "{bad:?}");
        assert!(Response::new(200).unwrap().header("X", bad).is_err(), "{bad:?}");
        assert!(Response::new(200).unwrap().header(bad, "x").is_err(), "{bad:?}");
        assert!(Choice::new().header("X", bad).is_err(), "{bad:?}");
        assert!(Choice::new().header(bad, "x").is_err(), "{bad:?}");
    }
    // What a receiver would trim off is not taken either.
    for bad in [" a", "a ", "\ta", " ", "\t"] {
        assert!(Choice::new().header("X", bad).is_err(), "{bad:?}");
    }
    for good in ["", "a", "a b\tc", "\"\\,;:\""] {
        assert!(Choice::new().header("X", good).is_ok(), "{good:?}");
    }
}
