//! What a head of HTTP may be, and what it may cost.

use allocation_counter::measure;
use websans::Config;
use websans::handshake::client::Answer;
use websans::handshake::server::{HttpVersion, check};
use websans::handshake::{HandshakeError as E, OriginPolicy};

use crate::heads::{
    Parsed, REQUEST, RESPONSE, accepting, answered, head, opens, plus, request, verdict, verdict_within, with,
};
use crate::slope::assert_linear;

/// A request whose head is `len` bytes long and has no more lines than need be.
fn padded(len: usize) -> Vec<u8> {
    let rest = len - plus(&REQUEST, &["X: "]).len();
    let bytes = plus(&REQUEST, &[&format!("X: {}", "y".repeat(rest))]);
    assert_eq!(bytes.len(), len);
    bytes
}

/// 16 KiB of head, a byte at a time, cost what sixteen heads of 1 KiB cost, and an allocation for each doubling.
///
/// Fails when `Head::scan` looks at the whole buffer at each call, and when `Acceptor::poll` parses what has come so
/// far.
#[test]
fn cve_2023_43669_dribbled_head_is_read_once() {
    let heads = [padded(1 << 10), padded(16 << 10)];
    assert_linear("a head in pieces of one byte", 1 << 10, |n| {
        let bytes = &heads[usize::from(n > 1 << 10)];
        let (_, complete, rest) = accepting(&Config::default(), bytes, 1);
        assert_eq!((complete, rest.len()), (Ok(true), 0));
    });
    let info = measure(|| drop(accepting(&Config::default(), &heads[1], 1)));
    assert!(info.count_total <= 5, "{} allocations", info.count_total);
    assert_eq!(verdict(&heads[1]), Ok(()));
}

/// 20 MB of head are refused when the limit is reached, not when they have come.
///
/// Fails when `Head::new` does not take `max_head` from its `Config`.
#[test]
fn cve_2023_43669_endless_head_is_refused_at_the_limit() {
    let config = Config::default();
    let bytes = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'y'; 20_000_000]].concat();
    for piece in [1, 1000, usize::MAX] {
        let info = measure(|| {
            let (mut acceptor, verdict, rest) = accepting(&config, &bytes, piece);
            assert_eq!(verdict, Err(E::HeadTooLarge));
            assert_eq!(bytes.len() - rest.len(), config.max_head);
            assert!(acceptor.spare_mut().is_empty(), "nothing more is read");
        });
        // While the buffer doubles, the old and the new one exist together.
        assert!(info.bytes_max <= 24 << 10, "{} bytes", info.bytes_max);
    }
    assert_eq!(E::HeadTooLarge.http_status(), 431);
    // At the limit to the byte it is still a request.
    assert_eq!(verdict(&padded(config.max_head)), Ok(()));
    assert_eq!(verdict(&padded(config.max_head + 1)), Err(E::HeadTooLarge));
}

/// Judges a request with this value for a header in time that is linear in its length.
fn linear_in(name: &'static str, value: impl Fn(usize) -> Vec<u8>, expected: Result<(), E>) {
    assert_linear(name, 1 << 9, |n| {
        let headers = Parsed::request().with(name, value(n));
        let found = check("GET", HttpVersion::Http11, &headers).map(drop);
        assert_eq!(found, expected, "{name}");
    });
}

/// Long runs of white space in a list of subprotocols are passed over once.
///
/// Fails when `elements` looks back to the beginning of the list for each byte.
#[test]
fn cve_2021_32640_spaces_in_a_list_of_subprotocols() {
    let spaces = |n| [b"b".to_vec(), vec![b' '; n], b"x".to_vec()].concat();
    linear_in("Sec-WebSocket-Protocol", spaces, Err(E::InvalidProtocols));
    linear_in("Sec-WebSocket-Protocol", |n| [b"b".to_vec(), vec![b' '; n]].concat(), Ok(()));
    linear_in("Sec-WebSocket-Protocol", |n| b" ,\t".repeat(n), Err(E::InvalidProtocols));
}

/// A quoted string that never ends is read once, escapes and all; so are any number of offers.
///
/// Fails when `Cursor::quoted` looks at the string from its beginning for each of its bytes.
#[test]
fn cve_2020_7662_unclosed_string_in_a_list_of_extensions() {
    let value = |n: usize| [&b"a; b=\""[..], &b"\\c".repeat(n)].concat();
    linear_in("Sec-WebSocket-Extensions", value, Err(E::InvalidExtensions));
    linear_in("Sec-WebSocket-Extensions", |n| [&b"a"[..], &b"; b".repeat(n)].concat(), Ok(()));
    linear_in("Sec-WebSocket-Extensions", |n| b"permessage-deflate,".repeat(n), Ok(()));
    let spaces = |n| [&b"a;"[..], &vec![b' '; n], b"=b"].concat();
    linear_in("Sec-WebSocket-Extensions", spaces, Err(E::InvalidExtensions));
}

/// `Connection` and `Upgrade` are lists, and are read once whatever stands in them.
///
/// Fails when `elements` looks back to the beginning of the list for each byte.
#[test]
fn cve_2023_26103_spaces_in_connection_and_upgrade() {
    let spaces = |n| [&vec![b' '; n][..], b"x", &vec![b'\t'; n], b"y"].concat();
    linear_in("Connection", spaces, Err(E::InvalidConnection));
    linear_in("Upgrade", spaces, Err(E::NotUpgrade));
    linear_in("Connection", |n| [b" ,".repeat(n), b"upgrade".to_vec()].concat(), Ok(()));
    linear_in("Upgrade", |n| [b"x/1,".repeat(n), b"websocket".to_vec()].concat(), Ok(()));
}

/// Names that mean something to a language mean nothing here: extensions and parameters are compared, never looked up.
///
/// Fails when `deflate_offers`, or the client, takes an extension of any name for compression.
#[test]
fn shape_names_of_a_languages_own_are_unknown() {
    for value in [
        "constructor",
        "__proto__",
        "constructor; __proto__",
        "__proto__; constructor=prototype",
        "toString; hasOwnProperty=\"valueOf\"",
        "permessage-deflate; __proto__",
        "permessage-deflate; constructor=15",
    ] {
        let bytes = plus(&REQUEST, &[&format!("Sec-WebSocket-Extensions: {value}")]);
        let (acceptor, complete, _) = accepting(&Config::default(), &bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        let request = acceptor.request().unwrap();
        assert!(!request.check().unwrap().offers_deflate(), "{value}");
        let bytes = plus(&RESPONSE, &[&format!("Sec-WebSocket-Extensions: {value}")]);
        assert_eq!(answered(request_alone(), &bytes).1.unwrap_err(), E::UnexpectedExtension, "{value}");
    }
}

fn request_alone() -> websans::handshake::client::Request {
    request()
}

/// `count` header lines.
fn lines(count: usize, line: &str) -> Vec<&str> {
    vec![line; count]
}

/// Two thousand headers before the one that matters: the request is refused, and nothing is taken to be there that is not.
///
/// Fails when `Head::scan` stops counting lines at the limit instead of refusing them.
#[test]
fn cve_2024_37890_upgrade_behind_too_many_headers() {
    for filler in ["X: y", "X:", ":", "a: b"] {
        let many: Vec<_> =
            [REQUEST[0]].into_iter().chain(lines(2000, filler)).chain(REQUEST[1..].to_vec()).collect();
        assert_eq!(verdict(&head(many)), Err(E::TooManyHeaders));
        let many: Vec<_> =
            [RESPONSE[0]].into_iter().chain(lines(2000, filler)).chain(RESPONSE[1..].to_vec()).collect();
        assert_eq!(answered(request(), &head(many)).1.unwrap_err(), E::TooManyHeaders);
    }
    assert_eq!(E::TooManyHeaders.http_status(), 431);
    // At the limit to the line, and one beyond.
    let max = Config::default().max_headers;
    let exactly = |count: usize| plus(&REQUEST, &lines(count - 5, "X: y"));
    assert_eq!(verdict(&exactly(max)), Ok(()));
    assert_eq!(verdict(&exactly(max + 1)), Err(E::TooManyHeaders));
    // A parser that has dropped what it had no room for.
    let bare = Parsed(Vec::new()).with("Host", "a");
    assert_eq!(check("GET", HttpVersion::Http11, &bare).unwrap_err(), E::NotUpgrade);
}

/// A million header lines, most of which are never read.
///
/// Fails when `Head::scan` counts lines and does not compare them with `max_headers`.
#[test]
fn cve_2026_54465_endless_list_of_headers() {
    let bytes = plus(&REQUEST, &lines(1_000_000, "X: y"));
    let config = Config::default();
    let info = measure(|| {
        let (_, verdict, rest) = accepting(&config, &bytes, 1000);
        assert_eq!(verdict, Err(E::TooManyHeaders));
        assert!(bytes.len() - rest.len() <= 2000, "the rest is not read");
    });
    assert!(info.bytes_max <= 4 << 10, "{} bytes", info.bytes_max);
    // With no limit of their number it is the bytes that count.
    let mut config = config;
    config.max_headers = usize::MAX;
    assert_eq!(verdict_within(&config, &bytes).unwrap_err(), E::HeadTooLarge);
}

/// A `Host` of any bytes is refused, whoever has parsed it, and no policy takes it for anybody's.
///
/// Fails when `offer::host` takes whatever is UTF-8 for a host.
#[test]
fn cve_2026_61666_malformed_host() {
    let bad: &[&[u8]] = &[
        b"[",
        b"]",
        b"[]",
        b"[:",
        b"a b",
        b":99999",
        b":80",
        b"a:99999",
        b"a:65536",
        b"a:-1",
        b"a:x",
        b"\x80",
        b"\xff\xfe",
        b"",
        b" ",
        b"a/b",
        b"a@b",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[::g]",
        b"%",
        b"%4",
        b"\"a\"",
        b"<a>",
    ];
    for host in bad {
        let headers = Parsed::request().with("Host", *host);
        assert_eq!(
            check("GET", HttpVersion::Http11, &headers).unwrap_err(),
            E::InvalidHost,
            "{}",
            host.escape_ascii()
        );
        let mut bytes = with(&REQUEST, "Host", &[]);
        let end = bytes.len() - 2;
        bytes.splice(end..end, [&b"Host: "[..], host, b"\r\n"].concat());
        assert_eq!(verdict(&bytes), Err(E::InvalidHost), "{}", host.escape_ascii());
        if let Ok(host) = core::str::from_utf8(host) {
            for origin in ["http://a", "http://b", "http://[::1]", "http://a:80"] {
                assert_eq!(OriginPolicy::SameHost.check([origin], host), Err(E::OriginRefused), "{host:?}");
            }
        }
    }
    assert_eq!(E::InvalidHost.http_status(), 400);
    for host in ["a", "a.b", "a:80", "127.0.0.1:1", "[::1]", "[::1]:80"] {
        let line = format!("Host: {host}");
        assert_eq!(verdict(&with(&REQUEST, "Host", &[&line])), Ok(()), "{host}");
    }
}

/// A longer word is another word, and a list is a list however it is spread.
///
/// Fails when `has_token` looks for the word anywhere in the value.
#[test]
fn shape_substring_taken_for_a_token_is_refused() {
    let connection = |lines: &[&str]| verdict(&with(&REQUEST, "Connection", lines));
    for bad in [
        "notupgrade",
        "upgraded",
        "keep-alive",
        "Upgrade;q=1",
        "Upgrade x",
        "\"Upgrade\"",
        "up,grade",
        "Upgrade/1",
        "",
    ] {
        let line = format!("Connection: {bad}");
        assert_eq!(connection(&[&line]), Err(E::InvalidConnection), "{bad}");
        assert!(!opens(&with(&RESPONSE, "Connection", &[&line])), "{bad}");
    }
    for good in [
        &["Connection: keep-alive, Upgrade"][..],
        &["Connection: keep-alive", "Connection: UPGRADE"],
        &["Connection: ,upgrade,,"],
    ] {
        assert_eq!(connection(good), Ok(()), "{good:?}");
        assert!(opens(&with(&RESPONSE, "Connection", good)), "{good:?}");
    }
    let upgrade = |lines: &[&str]| verdict(&with(&REQUEST, "Upgrade", lines));
    for bad in ["websocket2", "notwebsocket", "web socket", "websocket/13", "h2c", ""] {
        let line = format!("Upgrade: {bad}");
        assert_eq!(upgrade(&[&line]), Err(E::NotUpgrade), "{bad}");
        assert!(!opens(&with(&RESPONSE, "Upgrade", &[&line])), "{bad}");
    }
    assert_eq!(upgrade(&["Upgrade: h2c", "Upgrade: WebSocket"]), Ok(()));
}

/// Each line of either head is needed: without it there is no connection.
///
/// Fails when `check` does not look at `Upgrade`, or at `Connection`, and when `offer::host` takes anything.
#[test]
fn cve_2026_59898_each_header_removed_in_turn() {
    let expected = [E::InvalidHost, E::NotUpgrade, E::InvalidConnection, E::InvalidKey, E::WrongVersion];
    assert_eq!(verdict(&head(REQUEST)), Ok(()));
    for (line, error) in REQUEST[1..].iter().zip(expected) {
        assert_eq!(verdict(&with(&REQUEST, line, &[])), Err(error), "{line}");
        // An empty value is no value.
        let name = line.split_once(' ').unwrap().0;
        assert_eq!(verdict(&with(&REQUEST, line, &[name])), Err(error), "{name}");
    }
    assert!(opens(&head(RESPONSE)));
    for (line, error) in RESPONSE[1..].iter().zip([E::InvalidUpgrade, E::InvalidConnection, E::WrongAccept]) {
        assert_eq!(answered(request(), &with(&RESPONSE, line, &[])).1.unwrap_err(), error, "{line}");
        let name = line.split_once(' ').unwrap().0;
        assert_eq!(answered(request(), &with(&RESPONSE, line, &[name])).1.unwrap_err(), error, "{name}");
    }
    // Handshakes of the drafts before the RFC, whose keys are others.
    for old in [
        &["GET / HTTP/1.1", "Host: a", "Upgrade: WebSocket", "Connection: Upgrade", "Origin: http://a"][..],
        &[
            "GET / HTTP/1.1",
            "Host: a",
            "Upgrade: WebSocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key1: 1 2",
            "Sec-WebSocket-Key2: 3 4",
        ],
    ] {
        assert_eq!(verdict(&head(old.iter().copied())), Err(E::WrongVersion));
    }
}

/// Whatever else it says, and be its proof right: a response opens a connection if it is a 101.
///
/// Fails when `Connector::judge` verifies a 200, or a 426, as it does a 101.
#[test]
fn cve_2024_23326_only_a_101_switches() {
    let lines = |status: u16| {
        let first = format!("HTTP/1.1 {status} Switching Protocols");
        with(&RESPONSE, "HTTP", &[&first])
    };
    for status in [100, 101, 102, 103, 200, 201, 204, 301, 304, 400, 401, 403, 426, 500, 999] {
        let bytes = [&lines(status)[..], b"\x81\x02hi"].concat();
        let (connector, answer) = answered(request(), &bytes);
        match answer {
            Ok(Answer::Open(_)) => {
                assert_eq!(status, 101);
                assert_eq!(connector.into_rest(), b"\x81\x02hi");
            }
            Ok(Answer::Refused(refusal)) => {
                assert_eq!(refusal.status, status);
                assert_eq!(connector.into_rest(), b"", "nothing of it is a frame");
            }
            // An interim response, behind which there is no other but something that is no HTTP.
            Err(error) => assert_eq!((status / 100, error), (1, E::NotHttp)),
            Ok(other) => panic!("{other:?}"),
        }
    }
    // A 101 of HTTP/1.0, and lines that are none.
    for first in
        ["HTTP/1.0 101 x", "HTTP/1.1 1011 x", "HTTP/1.1 10 x", "HTTP/1.1 +101 x", "HTTP/2 101 x", "ICY 101 x"]
    {
        assert!(!opens(&with(&RESPONSE, "HTTP", &[first])), "{first}");
    }
}
