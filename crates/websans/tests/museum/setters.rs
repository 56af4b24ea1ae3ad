//! Whatever a caller passes on from somewhere else: it stays within its own line.

use proptest::prelude::*;
use websans::Config;
use websans::handshake::client::Request;
use websans::handshake::server::{Choice, Response};
use websans::handshake::{Origin, Url};

use crate::heads::{REQUEST, accepting, head, request};

/// What has no place in any value, whatever stands around it.
const POISON: [&str; 9] = [
    "\r",
    "\n",
    "\0",
    "\u{7f}",
    "\u{80}",
    "\r\nX-Injected: 1",
    "\r\n\r\nGET /admin HTTP/1.1",
    "\u{b}",
    "\u{2028}",
];

type Setter = fn(&str) -> Option<Vec<u8>>;

fn written(request: Request) -> Vec<u8> {
    let mut out = Vec::new();
    request.write(&mut out);
    out
}

fn answered(choice: &Choice<'_>) -> Option<Vec<u8>> {
    let bytes = head(REQUEST);
    let (acceptor, _, _) = accepting(&Config::default(), &bytes, usize::MAX);
    let request = acceptor.request().unwrap();
    let mut out = Vec::new();
    request.check().unwrap().accept(choice, &mut out).ok().map(|_| out)
}

fn refused(response: Response) -> Vec<u8> {
    let mut out = Vec::new();
    response.write(&mut out);
    out
}

/// Every way in which a string of the caller's gets into a head: what is written then, if it is taken.
const SETTERS: [(&str, Setter); 14] = [
    ("url", |value| Some(written(Request::new(&format!("ws://a/{value}"), [0; 16]).ok()?))),
    ("query", |value| Some(written(Request::new(&format!("ws://a/?{value}"), [0; 16]).ok()?))),
    ("authority", |value| Some(written(Request::new(&format!("ws://{value}/"), [0; 16]).ok()?))),
    ("host", |value| Some(written(request().host(value).ok()?))),
    ("origin", |value| Some(written(request().origin(value).ok()?))),
    ("origin's host", |value| Some(written(request().origin(&format!("http://{value}")).ok()?))),
    ("protocol", |value| Some(written(request().protocol(value).ok()?))),
    ("request header", |value| Some(written(request().header("X-Value", value).ok()?))),
    ("request header's name", |value| Some(written(request().header(value, "x").ok()?))),
    ("response header", |value| answered(&Choice::new().header("X-Value", value).ok()?)),
    ("response header's name", |value| answered(&Choice::new().header(value, "x").ok()?)),
    ("chosen protocol", |value| answered(&Choice::new().protocol(value))),
    ("refusal's header", |value| Some(refused(Response::new(403).unwrap().header("X-Value", value).ok()?))),
    ("refusal's header's name", |value| Some(refused(Response::new(403).unwrap().header(value, "x").ok()?))),
];

/// Every setter refuses every character that could end a line, at the beginning, within and at the end.
///
/// Fails when `is_target`, `Request::host` or `Request::protocol` takes anything.
#[test]
fn cve_2026_1527_line_breaks_in_what_is_set() {
    for (name, set) in SETTERS {
        for poison in POISON {
            for value in
                [poison.to_owned(), format!("{poison}a"), format!("a{poison}"), format!("a{poison}b")]
            {
                let taken = set(&value);
                assert!(taken.is_none(), "{name} {value:?}: {}", taken.unwrap().escape_ascii());
            }
        }
    }
    for poison in POISON {
        assert!(Url::parse(&format!("ws://a{poison}")).is_err(), "{poison:?}");
        assert!(Url::parse(&format!("ws{poison}://a")).is_err(), "{poison:?}");
        assert!(Origin::parse(&format!("http://a{poison}")).is_err(), "{poison:?}");
    }
    // Of these the handshake has its own: a second one could say something else.
    for own in [
        "Host",
        "upgrade",
        "CONNECTION",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "sec-websocket-accept",
    ] {
        assert!(request().header(own, "x").is_err() && Choice::new().header(own, "x").is_err(), "{own}");
    }
}

/// The lines of a head, as another parser sees them; the names in lower case, in order.
fn lines(bytes: &[u8]) -> Vec<(String, String)> {
    let text = core::str::from_utf8(bytes).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").skip(1).map(|line| line.split_once(':').unwrap());
    lines
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
        .collect()
}

/// A header as somebody may pass it on from elsewhere.
fn given() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof!["[A-Za-z-]{1,12}", "[ -~]{0,8}", "\\PC{0,4}", Just("X\r\nY".to_owned())];
    let value = prop_oneof!["[ -~]{0,20}", "\\PC{0,8}", "[\\x00-\\xff]{0,8}", "[a\\r\\n:]{0,8}"];
    (name, value)
}

/// As many cases, or as many more as PROPTEST_CASES asks for.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(cases), failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config(400))]

    /// What is set is read again by a parser of another make: the same headers, and no others.
    ///
    /// Fails when `is_target` takes anything, and when `Fields::add` takes any name.
    #[test]
    fn attack_18_what_is_set_is_what_is_read(
        headers in proptest::collection::vec(given(), 0..6),
        path in prop_oneof!["[!-~]{0,20}", "\\PC{0,10}", "[a \\r\\n]{0,6}"],
    ) {
        let mut asked = Request::new(&format!("ws://a/{path}"), [0; 16]).unwrap_or_else(|_| request());
        let mut answer = Choice::new();
        let mut refusal = Response::new(403).unwrap();
        let (mut in_request, mut in_answer, mut in_refusal) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in &headers {
            let line = (name.to_ascii_lowercase(), value.clone());
            if let Ok(more) = asked.clone().header(name, value) {
                asked = more;
                in_request.push(line.clone());
            }
            if let Ok(more) = answer.clone().header(name, value) {
                answer = more;
                in_answer.push(line.clone());
            }
            if let Ok(more) = refusal.clone().header(name, value) {
                refusal = more;
                in_refusal.push(line);
            }
        }
        let bytes = written(asked.clone());
        prop_assert_eq!(&lines(&bytes)[5..], &in_request[..]);
        let first = bytes.split(|&byte| byte == b'\r').next().unwrap();
        let expected = format!("GET {} HTTP/1.1", asked.url().target());
        prop_assert_eq!(first, expected.as_bytes());
        prop_assert!(!asked.url().target().contains([' ', '#']));
        prop_assert_eq!(&lines(&answered(&answer).unwrap())[3..], &in_answer[..]);
        let found = lines(&refused(refusal));
        prop_assert_eq!(&found[1..found.len() - 1], &in_refusal[..]);
    }
}

/// A path is sent as it is given, or not at all.
///
/// Fails when `is_target` takes anything.
#[test]
fn attack_19_paths_that_are_more_than_a_path() {
    assert!(Request::new("ws://a/a HTTP/1.1\r\nX: ", [0; 16]).is_err());
    for bad in ["/a b", "/#f", "/a\tb", "/a\r\nX: y", "/\u{e9}", "/\u{7f}"] {
        assert!(Request::new(&format!("ws://a{bad}"), [0; 16]).is_err(), "{bad:?}");
        // Nor does a server take it for one.
        let bytes = head([&format!("GET {bad} HTTP/1.1")[..]].into_iter().chain(REQUEST[1..].to_vec()));
        let (acceptor, complete, _) = accepting(&Config::default(), &bytes, usize::MAX);
        assert!(complete.is_err() || acceptor.request().is_err(), "{bad:?}");
    }
    for (url, target) in [
        ("ws://a/%0d%0aX:%20y", "/%0d%0aX:%20y"),
        ("ws://a//x", "//x"),
        ("ws://a//evil.example/", "//evil.example/"),
        ("ws://a/../b", "/../b"),
        ("ws://a?x=/..", "/?x=/.."),
        ("ws://a/%2e%2e/%00", "/%2e%2e/%00"),
        ("ws://a/\\evil", "/\\evil"),
    ] {
        let bytes = written(Request::new(url, [0; 16]).unwrap());
        assert!(bytes.starts_with(format!("GET {target} HTTP/1.1\r\nHost: a\r\n").as_bytes()), "{url}");
        // To a server it is a path of the host that `Host` names, not a host.
        let (acceptor, complete, _) = accepting(&Config::default(), &bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        let request = acceptor.request().unwrap();
        assert_eq!((request.target(), request.host()), (target, "a"));
    }
}
