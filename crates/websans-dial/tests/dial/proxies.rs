//! The exchanges with proxies.

use proptest::prelude::*;
use websans::handshake::HandshakeError;
use websans_dial::proxy::SocksReply;
use websans_dial::{Action, Cause, Client, ConnectError, Dial, Proxy, ProxyError, Step};

use crate::peer::{START, answer, base64, connect, dial, failure, feed, opened, request, switching, written};

fn through(proxy: &str, url: &str) -> Dial {
    let client = Client::new(url).unwrap().proxy(Proxy::parse(proxy).unwrap());
    dial(&client)
}

/// What a failed exchange with a proxy is told to have failed by.
fn told(error: &ConnectError) -> ProxyError {
    assert_eq!(error.step(), Step::Proxy, "{error}");
    match error.cause() {
        Cause::Proxy(error) => *error,
        _ => panic!("{error}"),
    }
}

/// What becomes of a proxy's answer that has been fed.
fn outcome(dial: &mut Dial) -> Result<(), ProxyError> {
    match dial.poll(START) {
        Ok(Action::Write) => Ok(()),
        Ok(action) => panic!("{action:?} is no outcome"),
        Err(error) => Err(told(&error)),
    }
}

#[test]
fn connect_asks_for_host_and_port() {
    for (proxy, url, asked) in [
        (
            "http://proxy.example:3128",
            "ws://one.example/x",
            "CONNECT one.example:80 HTTP/1.1\r\nHost: one.example:80\r\n\r\n".to_owned(),
        ),
        (
            "http://proxy.example:3128",
            "ws://[2001:db8::1]:9/",
            "CONNECT [2001:db8::1]:9 HTTP/1.1\r\nHost: [2001:db8::1]:9\r\n\r\n".to_owned(),
        ),
        (
            "http://us%65r:p%3Aw@proxy.example:3128",
            "ws://one.example/",
            format!(
                "CONNECT one.example:80 HTTP/1.1\r\nHost: one.example:80\r\nProxy-Authorization: Basic {}\r\n\r\n",
                base64(b"user:p:w")
            ),
        ),
    ] {
        let mut dial = through(proxy, url);
        assert_eq!(connect(&mut dial), ("proxy.example".into(), 3128));
        assert_eq!(request(&mut dial), asked);
        feed(&mut dial, b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n", usize::MAX);
        let asked = answer(&mut dial, &switching());
        assert!(!asked.contains("Proxy-Authorization"), "{asked}");
        opened(&mut dial);
    }
}

const HEADS: [(&str, Result<(), ProxyError>); 11] = [
    ("HTTP/1.1 200 OK\r\n\r\n", Ok(())),
    ("HTTP/1.0 204 Yes\r\nContent-Length: 5\r\n\r\n", Ok(())),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Ok(())),
    ("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", Err(ProxyError::Status(407))),
    ("HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nabc", Err(ProxyError::Status(503))),
    ("HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", Err(ProxyError::Status(301))),
    (
        "HTTP/1.1 102 A\r\n\r\nHTTP/1.1 102 A\r\n\r\nHTTP/1.1 102 A\r\n\r\nHTTP/1.1 102 A\r\n\r\nHTTP/1.1 102 A\r\n\r\n",
        Err(ProxyError::Status(102)),
    ),
    ("SSH-2.0-x\r\n", Err(ProxyError::Head(HandshakeError::NotHttp))),
    ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Err(ProxyError::Head(HandshakeError::FoldedLine))),
    ("HTTP/2.0 200 OK\r\n\r\n", Err(ProxyError::Head(HandshakeError::NotHttp))),
    ("HTTP/1.1 2x0 OK\r\n\r\n", Err(ProxyError::Head(HandshakeError::InvalidHead))),
];

#[test]
fn connect_is_answered() {
    for (head, expected) in HEADS {
        for part in [usize::MAX, 1, 7] {
            assert_eq!(http(head.as_bytes(), &[part]), expected, "{head} by {part}");
        }
    }
}

#[test]
fn nothing_may_stand_behind_the_answer() {
    let interim = "HTTP/1.1 102 A\r\n\r\n";
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{}", "a".repeat(1200), "b".repeat(1500));
    for head in [
        "HTTP/1.1 200 OK\r\n\r\nx".to_owned(),
        format!("{interim}HTTP/1.1 200 OK\r\n\r\nx"),
        format!("{interim}{long}"),
    ] {
        let mut dial = through("http://proxy.example", "ws://one.example");
        connect(&mut dial);
        request(&mut dial);
        feed(&mut dial, head.as_bytes(), usize::MAX);
        match dial.poll(START) {
            // Not all of it has been read: the first head filled the buffer.
            Ok(Action::Read) => {
                let fed = feed(&mut dial, &head.as_bytes()[1024.min(head.len())..], usize::MAX);
                assert!(fed > 0);
                assert_eq!(outcome(&mut dial), Err(ProxyError::Surplus));
            }
            Err(error) => assert_eq!(told(&error), ProxyError::Surplus),
            Ok(action) => panic!("{action:?}"),
        }
    }
}

#[test]
fn nothing_may_stand_behind_an_answer_that_just_fills_the_buffer() {
    let interim = format!("HTTP/1.1 102 A\r\nX: {}\r\n\r\n", "a".repeat(2100));
    let start = "HTTP/1.1 200 OK\r\nX: ";
    let last = format!("{start}{}\r\n\r\n", "a".repeat(1024 - start.len() - 4));
    for (behind, expected) in [("", Ok(())), ("x", Err(ProxyError::Surplus))] {
        let mut dial = through("http://proxy.example", "ws://one.example");
        connect(&mut dial);
        request(&mut dial);
        let answer = format!("{interim}{last}{behind}");
        assert_eq!(feed(&mut dial, answer.as_bytes(), usize::MAX), answer.len());
        assert_eq!(outcome(&mut dial), expected);
    }
}

#[test]
fn a_proxy_that_leaves_is_told_of() {
    for proxy in ["http://proxy.example", "socks5h://proxy.example"] {
        let mut dial = through(proxy, "ws://one.example");
        connect(&mut dial);
        written(&mut dial);
        dial.eof();
        let error = failure(&mut dial);
        assert!(matches!(error.cause(), Cause::Proxy(ProxyError::Incomplete)));
        assert_eq!((error.step(), error.host()), (Step::Proxy, "proxy.example"));
        assert!(error.to_string().starts_with("asking for a tunnel at the proxy 192.0.2.1:"), "{error}");
    }
}

#[test]
fn endless_heads_are_not_read_for_ever() {
    let mut dial = through("http://proxy.example", "ws://one.example");
    connect(&mut dial);
    request(&mut dial);
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(100_000));
    assert!(feed(&mut dial, endless.as_bytes(), usize::MAX) <= 16 << 10);
    assert_eq!(outcome(&mut dial), Err(ProxyError::Head(HandshakeError::HeadTooLarge)));
}

#[test]
fn socks_with_names_and_addresses() {
    for (proxy, url, wanted) in [
        ("socks5h", "ws://one.example:9", &b"\x05\x01\x00\x03\x0bone.example\x00\x09"[..]),
        ("socks5h", "ws://192.0.2.7", b"\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x50"),
        (
            "socks5h",
            "ws://[::1]",
            b"\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50",
        ),
        // Looked up here: `connect` resolves all names to this address.
        ("socks5", "ws://one.example:9", b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x09"),
    ] {
        let mut dial = through(&format!("{proxy}://proxy.example:1080"), url);
        assert_eq!(connect(&mut dial), ("proxy.example".into(), 1080), "{url}");
        assert_eq!(written(&mut dial), b"\x05\x01\x00");
        assert_eq!(feed(&mut dial, b"\x05\x00\x05", 2), 2);
        assert_eq!(written(&mut dial), wanted, "{proxy} {url}");
        // What is behind the reply belongs to the tunnel.
        let reply = b"\x05\x00\x00\x01\x01\x02\x03\x04\x05\x06HTTP";
        assert_eq!(feed(&mut dial, reply, usize::MAX), 10);
        answer(&mut dial, &switching());
        opened(&mut dial);
    }
}

#[test]
fn socks_with_credentials() {
    let mut dial = through("socks5h://user:pass@proxy.example", "ws://one.example");
    connect(&mut dial);
    assert_eq!(written(&mut dial), b"\x05\x02\x00\x02");
    feed(&mut dial, b"\x05\x02", 1);
    assert_eq!(written(&mut dial), b"\x01\x04user\x04pass");
    feed(&mut dial, b"\x01\x00", 1);
    assert!(written(&mut dial).starts_with(b"\x05\x01\x00\x03"));
    feed(&mut dial, b"\x05\x00\x00\x03\x03abc\x00\x00", 1);
    answer(&mut dial, &switching());
    opened(&mut dial);
}

/// The replies of a SOCKS proxy, all in one, and what is told of them.
fn socks(credentials: bool, replies: &[u8], most: usize) -> (Result<(), ProxyError>, usize) {
    let user = if credentials { "user:pass@" } else { "" };
    let mut dial = through(&format!("socks5h://{user}proxy.example"), "ws://one.example");
    connect(&mut dial);
    let mut fed = 0_usize;
    loop {
        match dial.poll(START) {
            Ok(Action::Write) if dial.outgoing().starts_with(b"GET") => return (Ok(()), fed),
            Ok(Action::Write) => dial.written(),
            Ok(Action::Read) => {
                let end = fed.saturating_add(most).min(replies.len());
                match feed(&mut dial, &replies[fed..end], most) {
                    0 => dial.eof(),
                    n => fed += n,
                }
            }
            Ok(action) => panic!("{action:?}"),
            Err(error) => return (Err(told(&error)), fed),
        }
    }
}

#[test]
fn socks_refusals_are_typed() {
    for (credentials, replies, expected) in [
        (false, &b"\x05\xff"[..], ProxyError::Method),
        (false, b"\x05\x02", ProxyError::Method),
        (true, b"\x05\x01", ProxyError::Method),
        (false, b"\x04\x00", ProxyError::Version),
        (false, b"HTTP/1.1 400", ProxyError::Version),
        (true, b"\x05\x02\x01\x01", ProxyError::Credentials),
        (true, b"\x05\x02\x07\x00", ProxyError::Malformed),
        (true, b"\x05\x02\x01", ProxyError::Incomplete),
        (false, b"\x05\x00\x05\x01", ProxyError::Reply(SocksReply::Failure)),
        (false, b"\x05\x00\x05\x02", ProxyError::Reply(SocksReply::NotAllowed)),
        (false, b"\x05\x00\x05\x03", ProxyError::Reply(SocksReply::NetworkUnreachable)),
        (false, b"\x05\x00\x05\x04", ProxyError::Reply(SocksReply::HostUnreachable)),
        (false, b"\x05\x00\x05\x05", ProxyError::Reply(SocksReply::Refused)),
        (false, b"\x05\x00\x05\x06", ProxyError::Reply(SocksReply::TtlExpired)),
        (false, b"\x05\x00\x05\x07", ProxyError::Reply(SocksReply::CommandNotSupported)),
        (false, b"\x05\x00\x05\x08", ProxyError::Reply(SocksReply::AddressNotSupported)),
        (false, b"\x05\x00\x05\x09\x00\x01\x00\x00\x00\x00\x00\x00", ProxyError::Reply(SocksReply::Other(9))),
        (false, b"\x05\x00\x06\x00\x00\x01\x00\x00\x00\x00\x00\x00", ProxyError::Version),
        (false, b"\x05\x00\x05\x00\x00\x02\x00\x00\x00\x00\x00\x00", ProxyError::Malformed),
        (false, b"\x05\x00\x05\x00\x00\x03\xff\x00", ProxyError::Incomplete),
        (false, b"", ProxyError::Incomplete),
    ] {
        for most in [usize::MAX, 1, 2, 3] {
            assert_eq!(socks(credentials, replies, most).0, Err(expected), "{replies:?} by {most}");
        }
    }
}

/// What `CONNECT` makes of `head`, read in parts of the lengths of `parts`, over and over.
fn http(head: &[u8], parts: &[usize]) -> Result<(), ProxyError> {
    let mut dial = through("http://proxy.example", "ws://one.example");
    connect(&mut dial);
    request(&mut dial);
    let (mut fed, mut parts) = (0_usize, parts.iter().cycle());
    loop {
        match dial.poll(START) {
            Ok(Action::Read) => {
                let end = fed.saturating_add(*parts.next().unwrap()).min(head.len());
                match feed(&mut dial, &head[fed..end], usize::MAX) {
                    0 => dial.eof(),
                    n => fed += n,
                }
            }
            Ok(Action::Write) => return Ok(()),
            Ok(action) => panic!("{action:?}"),
            Err(error) => return Err(told(&error)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn socks_is_the_same_however_it_is_split(
        credentials in any::<bool>(),
        replies in prop::collection::vec(prop_oneof![Just(5_u8), Just(0), Just(1), Just(2), Just(3), any::<u8>()], 0..40),
        most in 1..10_usize,
    ) {
        let (split, split_len) = socks(credentials, &replies, most);
        let (whole, whole_len) = socks(credentials, &replies, usize::MAX);
        prop_assert_eq!(split, whole);
        // Of a tunnel that is there not one byte is taken.
        prop_assert!(whole.is_err() || split_len == whole_len);
    }

    #[test]
    fn connect_is_the_same_however_it_is_split(
        which in 0..HEADS.len(),
        parts in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let (head, expected) = HEADS[which];
        prop_assert_eq!(http(head.as_bytes(), &parts), expected);
    }

    #[test]
    fn no_answer_of_a_proxy_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), http in any::<bool>()) {
        let mut dial = through(if http { "http://p.example" } else { "socks5h://a:b@p.example" }, "ws://one.example");
        connect(&mut dial);
        dial.written();
        feed(&mut dial, &bytes, 7);
        dial.eof();
        let _ = dial.poll(START);
        let _ = dial.poll(START);
    }
}

/// Whoever reads the error must know that the address is not the server's.
#[test]
fn errors_say_that_there_is_a_proxy() {
    let mut dial = through("http://proxy.example:3128", "ws://one.example/x");
    connect(&mut dial);
    request(&mut dial);
    feed(&mut dial, b"HTTP/1.1 200 OK\r\n\r\n", usize::MAX);
    answer(&mut dial, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let error = failure(&mut dial);
    let text = error.to_string();
    assert!(text.starts_with("the opening handshake with one.example, through the proxy at "), "{text}");
    assert!(text.ends_with(" failed: the server answered with status 404"), "{text}");
}
