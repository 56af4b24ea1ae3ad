//! What holds for every request: no panic, and one verdict about what both versions of HTTP have in common.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use websans::handshake::HandshakeError;
use websans::handshake::server::{Choice, ExtendedConnect, HttpVersion, check, check_connect};

use crate::{Lines, REQUEST};

/// Lines that both handshakes have, with and without faults.
const SHARED: &[(&str, &str)] = &[
    ("Sec-WebSocket-Version", "13"),
    ("sec-websocket-version", "8"),
    ("Sec-WebSocket-Protocol", "chat, superchat"),
    ("Sec-WebSocket-Protocol", "chat"),
    ("Sec-WebSocket-Protocol", " ,, x"),
    ("Sec-WebSocket-Protocol", "a b"),
    ("Sec-WebSocket-Protocol", ""),
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x; y=\"z\""),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("Sec-WebSocket-Extensions", "x;"),
    ("Sec-WebSocket-Extensions", ""),
    ("Origin", "https://a.example"),
    ("Cookie", "a=b"),
];

/// What only a handshake of HTTP/1.1 has.
const UPGRADE: &[(&str, &str)] = &[
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn shared() -> impl Strategy<Value = Lines> {
    let value = prop_oneof![
        9 => select(SHARED).prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())),
        1 => (select(SHARED), vec(any::<u8>(), 0..40)).prop_map(|((name, _), value)| (name.to_owned(), value)),
    ];
    (proptest::bool::weighted(0.8), vec(value, 0..6)).prop_map(|(version, mut lines)| {
        if version {
            lines.insert(0, ("sec-websocket-version".to_owned(), b"13".to_vec()));
        }
        Lines(lines)
    })
}

fn text(usual: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        6 => select(usual).prop_map(|text| Some(text.to_owned())),
        2 => any::<String>().prop_map(Some),
        1 => Just(None),
    ]
}

proptest! {
    #[test]
    fn r112_both_versions_agree_on_what_they_share(lines in shared()) {
        let upgrade = Lines([Lines::new(UPGRADE).0, lines.0.clone()].concat());
        let one = check("GET", HttpVersion::Http11, &upgrade);
        let two = check_connect(&REQUEST, &lines);
        match (one, two) {
            (Ok(one), Ok(two)) => {
                prop_assert_eq!(one.protocols(), two.protocols());
                prop_assert_eq!(one.offers_deflate(), two.offers_deflate());
                let choice = Choice::new().protocol(two.protocols().first().copied());
                let (one, two) = (one.answer(&choice).unwrap(), two.answer(&choice).unwrap());
                prop_assert_eq!((one.status(), two.status()), (101, 200));
                let own = ["Upgrade", "Connection", "Sec-WebSocket-Accept"];
                let rest: Vec<_> = one.headers().filter(|(name, _)| !own.contains(name)).collect();
                prop_assert_eq!(rest, two.headers().collect::<Vec<_>>());
            }
            (one, two) => prop_assert_eq!(one.map(drop), two.map(drop)),
        }
    }

    #[test]
    fn no_request_does_harm(
        method in text(&["CONNECT", "GET"]),
        protocol in text(&["websocket", "connect-udp"]),
        scheme in text(&["https", "http", "ws"]),
        authority in text(&["server.example.com", "[::1]:9001", "a:"]),
        path in text(&["/", "/chat?x", "*"]),
        mut lines in shared(),
        more in vec((select(UPGRADE), any::<Vec<u8>>()), 0..2),
    ) {
        lines.0.extend(more.into_iter().map(|((name, _), value)| (name.to_owned(), value)));
        let request = ExtendedConnect {
            method: method.as_deref().unwrap_or_default(),
            protocol: protocol.as_deref(),
            scheme: scheme.as_deref(),
            authority: authority.as_deref(),
            path: path.as_deref(),
        };
        let _ = request.endpoint();
        match check_connect(&request, &lines) {
            Ok(offer) => {
                prop_assert_eq!(request.method, "CONNECT");
                prop_assert!(request.path.is_some_and(|path| path.starts_with('/') && path.is_ascii()));
                prop_assert_eq!(offer.answer(&Choice::new()).unwrap().status(), 200);
            }
            Err(error) => {
                let client_or_server = (400..=599).contains(&error.http_status());
                prop_assert!(client_or_server && error != HandshakeError::InvalidKey);
                prop_assert_eq!(error.response().status(), error.http_status());
            }
        }
    }
}
