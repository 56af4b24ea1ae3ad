//! Attacks on the opening handshake: slow ones, large ones, and pages that speak for a user who does not know of it.

use std::io::Read as _;

use allocation_counter::measure;
use websans::Config;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice, HttpVersion, check};
use websans::handshake::{Endpoint, HandshakeError as E, OriginPolicy};

use crate::heads::{Parsed, REQUEST, RESPONSE, accepting, answered, head, plus, request, verdict, with};
use crate::slope::assert_linear;
use crate::support::*;

const KIB: u64 = 1 << 10;

/// A thousand clients that send a byte a second: each costs 1 KiB, and is refused when its time is over, to the nanosecond,
/// however lively it is.
///
/// Fails when `Acceptor::filled` moves the deadline, and when the first read is given 16 KiB.
#[test]
fn attack_03_a_byte_a_second() {
    let config = Config::default();
    let bytes = head(REQUEST);
    let mut acceptors = Vec::with_capacity(1000);
    let info = measure(|| acceptors.extend((0..1000).map(|_| Acceptor::new(&config, START))));
    assert_eq!(info.bytes_max, 0, "who has sent nothing costs nothing");
    let info = measure(|| {
        for (second, &byte) in (1..10).zip(&bytes[1..]) {
            for acceptor in &mut acceptors {
                acceptor.spare_mut()[0] = byte;
                acceptor.filled(1);
                assert_eq!(acceptor.poll(START + secs(second)), Ok(false));
            }
        }
    });
    assert!(info.bytes_max <= 1000 * 4 * KIB, "{} bytes each", info.bytes_max / 1000);
    for acceptor in &mut acceptors {
        assert_eq!(acceptor.deadline(), START + secs(10));
        let before = websans::Timestamp::from_nanos(acceptor.deadline().as_nanos() - 1);
        assert_eq!(acceptor.poll(before), Ok(false));
        assert_eq!(acceptor.poll(acceptor.deadline()), Err(E::Timeout));
        assert!(acceptor.spare_mut().is_empty());
    }
    // A server that answers a byte a second is a slow one as well.
    let mut connector = Connector::new(request(), &config, START);
    connector.spare_mut()[0] = b'H';
    connector.filled(1);
    assert!(matches!(connector.poll(START + secs(9)), Ok(None)));
    assert_eq!(connector.poll(START + secs(10)).unwrap_err(), E::Timeout);
}

/// A head of as many bytes, as long a line and as many lines as there can be, and then one more.
///
/// Fails when `Head::scan` lets a byte more pass than `max_head`, and when it does not hold lines to `max_headers`.
#[test]
fn attack_04_header_bombs() {
    let config = Config::default();
    let bombs = [
        [&b"GET / HTTP/1.1\r\n"[..], &b":\r\n".repeat(100_000)].concat(),
        [&b"GET / HTTP/1.1\r\nX: "[..], &b"y".repeat(100_000)].concat(),
        [&b"GET /"[..], &b"y".repeat(100_000)].concat(),
        [&b"GET / HTTP/1.1\r\n"[..], &b"y".repeat(100_000)].concat(),
        b"G".repeat(100_000),
        b"\r\n".repeat(100_000),
    ];
    for bomb in bombs {
        let mut kept = None;
        let info = measure(|| {
            let (acceptor, verdict, _) = accepting(&config, &bomb, 777);
            let error = verdict.unwrap_err();
            assert!(matches!(error, E::HeadTooLarge | E::TooManyHeaders | E::NotHttp), "{error:?}");
            kept = Some(acceptor);
        });
        // What is kept, and what there is while the buffer doubles.
        assert!(info.bytes_current <= (16 << 10) + (2 << 10), "{} bytes", info.bytes_current);
        assert!(info.bytes_max <= 24 * KIB + 2 * KIB, "{} bytes", info.bytes_max);
    }
    let mut exact = config.clone();
    exact.max_head = head(REQUEST).len();
    exact.max_headers = REQUEST.len() - 1;
    let bytes = head(REQUEST);
    assert_eq!(accepting(&exact, &bytes, 1).1, Ok(true));
    exact.max_headers -= 1;
    assert_eq!(accepting(&exact, &bytes, 1).1, Err(E::TooManyHeaders));
    exact.max_headers += 1;
    exact.max_head -= 1;
    assert_eq!(accepting(&exact, &bytes, 1).1, Err(E::HeadTooLarge));
}

/// A client reads what a server dribbles once as well: a head, interim ones, and a refusal's body in chunks of one byte.
///
/// Fails when `Connector::poll` parses a head that is not whole.
#[test]
fn attack_05_dribbled_answer() {
    const REFUSAL: &[u8] = b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n";
    type Shape = fn(usize) -> Vec<u8>;
    let shapes: [(&str, Shape); 3] = [
        ("a head", |n| plus(&RESPONSE, &[&format!("X: {}", "y".repeat(n))])),
        ("interim heads", |n| [b"HTTP/1.1 103 x\r\n\r\n".repeat(n / 18), head(RESPONSE)].concat()),
        ("a body", |n| [REFUSAL, &b"1\r\nx\r\n".repeat(n / 6), b"0\r\n\r\n"].concat()),
    ];
    for (what, shape) in shapes {
        let inputs = [shape(1 << 10), shape(15 << 10)];
        assert_linear(what, 1 << 10, |n| {
            let mut connector = Connector::new(request(), &Config::default(), START);
            let mut bytes = &inputs[usize::from(n > 1 << 10)][..];
            loop {
                if connector.poll(START).unwrap().is_some() {
                    break;
                }
                let spare = connector.spare_mut();
                let n = bytes.read(&mut spare[..1]).unwrap();
                assert_eq!(n, 1, "{what} is answered at its end");
                connector.filled(n);
            }
            assert!(bytes.is_empty(), "{what}");
        });
    }
}

fn list(origins: &[&str]) -> OriginPolicy {
    OriginPolicy::List(origins.iter().map(|origin| origin.parse().unwrap()).collect())
}

/// By default a page may connect to where it came from, and to nowhere else; who sends no `Origin` is no page.
///
/// Fails when `OriginPolicy::default` is `Any`, and when `is_served_by` does not compare ports.
#[test]
fn attack_20_page_of_another_origin() {
    let tls = |secure| Endpoint { host: "good.com", secure };
    let page = |origin: &str, endpoint| OriginPolicy::default().check([origin], endpoint).is_ok();
    for foreign in [
        "http://evil.com",
        "https://evil.com",
        "http://good.com:8080",
        "http://sub.good.com",
        "http://127.0.0.1",
        "http://localhost",
        "file://",
        "null",
        "",
    ] {
        for secure in [None, Some(true), Some(false)] {
            assert!(!page(foreign, tls(secure)), "{foreign:?}, {secure:?}");
        }
        let bytes = plus(&REQUEST, &[&format!("Origin: {foreign}")]);
        let (acceptor, _, _) = accepting(&Config::default(), &bytes, usize::MAX);
        let refused = acceptor.request().unwrap().check_origin(&OriginPolicy::default());
        assert_eq!((refused, E::OriginRefused.http_status()), (Err(E::OriginRefused), 403), "{foreign:?}");
    }
    assert!(page("http://good.com", tls(Some(false))) && !page("http://good.com", tls(Some(true))));
    assert!(page("https://good.com", tls(Some(true))) && !page("https://good.com", tls(Some(false))));
    assert!(page("http://good.com", tls(None)) && page("https://good.com", tls(None)));
    assert_eq!(OriginPolicy::default().check([""; 0], "good.com"), Ok(()));
}

/// Ways in which one origin is made to look like another.
///
/// Fails when `OriginPolicy::default` is `Any`, and when `is_served_by` compares the end of the host.
#[test]
fn attack_21_origins_that_look_alike() {
    let same = |values: &[&str]| OriginPolicy::default().check(values.iter().copied(), "good.com").is_ok();
    for alike in [
        "http://good.com.evil.com",
        "http://evilgood.com",
        "http://good.com@evil.com",
        "http://evil.com@good.com",
        "http://good.com.",
        "http://good.com/",
        "http://good.com/evil",
        "http://good.com?",
        "http://good.com#",
        "http://good.com:",
        "http://good.com:65616",
        "http://good.com:0x50",
        "http://good.com\\.evil.com",
        "http://g\u{f6}od.com",
        "http://good%2ecom",
        "http://good.com http://evil.com",
        "http://evil.com, http://good.com",
        "http:good.com",
        "//good.com",
        "good.com",
        "ws://good.com",
    ] {
        assert!(!same(&[alike]), "{alike}");
    }
    assert!(!same(&["http://good.com", "http://good.com"]) && !same(&["http://good.com", "http://evil.com"]));
    for same_as in ["http://good.com", "http://good.com:80", "HTTP://GOOD.COM", "https://good.com:443"] {
        assert!(same(&[same_as]), "{same_as}");
    }
    assert!(
        list(&["null"]).check(["null"], "good.com").is_ok()
            && list(&["http://a"]).check(["null"], "a").is_err()
    );
}

/// `*.good.com` is what stands below `good.com`, label by label, and nothing that only ends like it.
///
/// Fails when `Origin::covers` compares the end of the host without the dot before it, and when `Page::new` takes
/// what is no domain.
#[test]
fn attack_22_wildcards() {
    let wild = list(&["https://*.good.com"]);
    for (origin, passes) in [
        ("https://a.good.com", true),
        ("https://a.b.good.com", true),
        ("https://A.Good.com:443", true),
        ("https://good.com", false),
        ("https://.good.com", false),
        ("https://evilgood.com", false),
        ("https://evil-good.com", false),
        ("https://a.good.com.evil.com", false),
        ("https://evil.com/.good.com", false),
        ("https://evil.com#.good.com", false),
        ("https://*.good.com", false),
        ("http://a.good.com", false),
        ("https://a.good.com:444", false),
        ("https://a.good.com.", false),
    ] {
        assert_eq!(wild.check([origin], "evil.com").is_ok(), passes, "{origin}");
    }
    for bad in
        ["https://*good.com", "https://*", "https://*.*.com", "https://a*.com", "*://good.com", "https://*."]
    {
        assert!(bad.parse::<websans::handshake::Origin>().is_err(), "{bad}");
    }
}

/// Nobody is compressed who has not asked for it: not by default, and not because the other end offers it.
///
/// Fails when a client lets an extension pass that it has not offered.
#[test]
fn attack_23_compression_is_off_by_default() {
    let mut out = Vec::new();
    Request::new("ws://a/", [0; 16]).unwrap().write(&mut out);
    assert!(!String::from_utf8(out).unwrap().to_ascii_lowercase().contains("extensions"));
    let bytes = plus(&REQUEST, &["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]);
    let (acceptor, _, _) = accepting(&Config::default(), &bytes, usize::MAX);
    let parsed = acceptor.request().unwrap();
    let offer = parsed.check().unwrap();
    assert!(offer.offers_deflate());
    let mut out = Vec::new();
    let negotiated = offer.accept(&Choice::new(), &mut out).unwrap();
    assert!(negotiated.deflate.is_none() && negotiated.codec.is_none());
    assert!(!String::from_utf8(out).unwrap().to_ascii_lowercase().contains("extensions"));
    // And a server that compresses unasked is not listened to.
    let unasked = plus(&RESPONSE, &["Sec-WebSocket-Extensions: permessage-deflate"]);
    assert_eq!(answered(request(), &unasked).1.unwrap_err(), E::UnexpectedExtension);
}

/// What a peer has sent, credentials above all, is in no error and in nothing that is printed for a log; and names by the
/// thousand, all alike to a hash, cost what their bytes cost.
///
/// Fails when `Fields` prints values.
#[test]
fn attack_28_nothing_of_the_peers_in_logs() {
    const SECRET: &str = "hunter2";
    let secret = format!("Authorization: Bearer {SECRET}");
    let bytes = plus(&REQUEST, &[&secret, &format!("Cookie: {SECRET}")]);
    let (acceptor, _, _) = accepting(&Config::default(), &bytes, usize::MAX);
    let parsed = acceptor.request().unwrap();
    let handshake = parsed.handshake().unwrap();
    let mut printed = format!("{acceptor:?} {parsed:?} {handshake:?}");
    for bad in [
        &format!("X: {SECRET}\0")[..],
        SECRET,
        &format!("Host: {SECRET}"),
        &format!("Content-Length: {SECRET}"),
    ] {
        let error = verdict(&plus(&REQUEST, &[bad])).unwrap_err();
        let mut out = Vec::new();
        error.respond(&mut out);
        printed += &format!("{error} {error:?} {}", String::from_utf8(out).unwrap());
    }
    let asked = request().header("Authorization", SECRET).unwrap();
    printed += &format!("{asked:?} {:?}", Choice::new().header("Set-Cookie", SECRET).unwrap());
    let refusal = with(&RESPONSE, "HTTP", &["HTTP/1.1 401 no"]);
    let refusal =
        [&refusal[..refusal.len() - 2], format!("Set-Cookie: {SECRET}\r\n\r\n{SECRET}").as_bytes()].concat();
    let (connector, answer) = answered(asked, &refusal);
    let answer = answer.unwrap();
    assert!(matches!(&answer, Answer::Refused(refusal) if refusal.body == SECRET.as_bytes()));
    printed += &format!("{connector:?} {answer:?}");
    assert!(!printed.contains(SECRET), "{printed}");
    assert!(printed.contains("Authorization"), "names are printed: {printed}");

    let names = |n: usize| {
        let mut config = Config::default();
        (config.max_head, config.max_headers) = (usize::MAX, usize::MAX);
        let many: Vec<_> = REQUEST.into_iter().chain(core::iter::repeat_n("Same-Name: x", n)).collect();
        (config, head(many))
    };
    let inputs = [names(1 << 8), names(16 << 8)];
    assert_linear("many headers", 1 << 8, |n| {
        let (config, bytes) = &inputs[usize::from(n > 1 << 8)];
        let (acceptor, complete, _) = accepting(config, bytes, usize::MAX);
        assert_eq!(complete, Ok(true));
        assert!(acceptor.request().unwrap().check().is_ok());
    });
}

/// No version but the RFC's is spoken: the drafts had other frames, and none of their rules.
///
/// Fails when `Offer::of` takes 8, the version of the last drafts.
#[test]
fn attack_37_older_versions() {
    for version in
        ["0", "4", "6", "7", "8", "75", "76", "12", "14", "013", "13.0", "+13", "0x0d", "13 13", ""]
    {
        let headers = Parsed::request().with("Sec-WebSocket-Version", version);
        let error = check("GET", HttpVersion::Http11, &headers).unwrap_err();
        assert_eq!((error, error.http_status()), (E::WrongVersion, 426), "{version:?}");
        let mut out = Vec::new();
        error.respond(&mut out);
        let answer = String::from_utf8(out).unwrap();
        assert!(
            answer.contains("\r\nSec-WebSocket-Version: 13\r\n")
                && answer.contains("\r\nUpgrade: websocket\r\n")
        );
    }
    let none = with(&REQUEST, "Sec-WebSocket-Version", &[]);
    assert_eq!(verdict(&none), Err(E::WrongVersion));
}
