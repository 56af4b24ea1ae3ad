//! Which origins a policy lets pass: every trick by which one host can look like another.
#![cfg(feature = "handshake")]

use websans::handshake::{BuildError, Endpoint, HandshakeError, Origin, OriginPolicy};

const REFUSED: Result<(), HandshakeError> = Err(HandshakeError::OriginRefused);

fn list(origins: &[&str]) -> OriginPolicy {
    OriginPolicy::List(origins.iter().map(|origin| origin.parse().unwrap()).collect())
}

#[test]
fn same_host() {
    // The value of `Origin`, that of `Host`, whether it passes.
    let rows = [
        ("http://good.com", "good.com", true),
        ("https://good.com", "good.com", true), // a proxy may terminate TLS
        ("HTTP://GOOD.COM", "good.com", true),
        ("http://good.com", "GOOD.com", true),
        ("http://good.com:80", "good.com", true),
        ("http://good.com", "good.com:80", true),
        ("https://good.com:443", "good.com", true),
        ("https://good.com", "good.com:443", true),
        ("http://good.com:8080", "good.com:8080", true),
        ("https://good.com:8443", "good.com:8443", true),
        ("http://127.0.0.1:9001", "127.0.0.1:9001", true),
        ("http://[::1]:9001", "[::1]:9001", true),
        (" http://good.com\t", "good.com", true),
        // another port
        ("http://good.com:443", "good.com", false),
        ("https://good.com:80", "good.com", false),
        ("https://good.com", "good.com:80", false),
        ("http://good.com", "good.com:443", false),
        ("http://good.com:8080", "good.com", false),
        ("http://good.com", "good.com:8080", false),
        ("http://good.com:8081", "good.com:8080", false),
        // another host
        ("http://evil.com", "good.com", false),
        ("http://evilgood.com", "good.com", false),
        ("http://good.com.evil.com", "good.com", false),
        ("http://www.good.com", "good.com", false),
        ("http://good.com", "www.good.com", false),
        ("http://good.co", "good.com", false),
        ("http://[::2]", "[::1]", false),
        // what only looks like it
        ("http://good.com.", "good.com", false),
        ("http://good.com.", "good.com.", false),
        ("http://good.com/", "good.com", false),
        ("http://good.com/evil", "good.com", false),
        ("http://good.com:", "good.com", false),
        ("http://good.com:080x", "good.com", false),
        ("http://good.com:65616", "good.com:80", false), // 80 if it were cut to 16 bits
        ("http://evil.com@good.com", "good.com", false),
        ("http://good.com@evil.com", "good.com", false),
        ("http://good.com#x", "good.com", false),
        ("http://good.com?x", "good.com", false),
        ("http://good.com http://good.com", "good.com", false),
        ("http://good.com, http://evil.com", "good.com", false),
        ("http:good.com", "good.com", false),
        ("http:/good.com", "good.com", false),
        ("http:///good.com", "good.com", false),
        ("http:\\\\good.com", "good.com", false),
        ("//good.com", "good.com", false),
        ("good.com", "good.com", false),
        ("http://", "", false),
        ("http://g%6fod.com", "good.com", false),
        ("http://g\u{f6}\u{f6}d.com", "g\u{f6}\u{f6}d.com", false),
        ("http://*.com", "good.com", false),
        ("http://.good.com", ".good.com", false),
        // other schemes have no hosts of ours
        ("ftp://good.com", "good.com", false),
        ("ws://good.com", "good.com", false),
        ("chrome-extension://good", "good", false),
        ("file://", "good.com", false),
        ("1http://good.com", "good.com", false),
        ("null", "null", false),
        ("null", "good.com", false),
        ("", "good.com", false),
        ("", "", false),
    ];
    for (origin, host, passes) in rows {
        let expected = if passes { Ok(()) } else { REFUSED };
        assert_eq!(OriginPolicy::SameHost.check([origin], host), expected, "{origin:?} at {host:?}");
        assert_eq!(OriginPolicy::Any.check([origin], host), Ok(()));
    }
}

#[test]
fn absent_and_repeated() {
    for policy in [OriginPolicy::default(), list(&[]), list(&["http://good.com"]), OriginPolicy::Any] {
        assert_eq!(policy.check([""; 0], "good.com"), Ok(()), "whoever sends none is no browser");
    }
    for policy in [OriginPolicy::default(), list(&["http://good.com"])] {
        assert_eq!(policy.check(["http://good.com", "http://good.com"], "good.com"), REFUSED);
        assert_eq!(policy.check(["http://good.com", ""], "good.com"), REFUSED);
        assert_eq!(policy.check([&b"http://good.com\xff"[..]], "good.com"), REFUSED);
    }
    assert_eq!(OriginPolicy::Any.check(["a", "b"], "good.com"), Ok(()));
    assert_eq!(OriginPolicy::default(), OriginPolicy::SameHost);
}

#[test]
fn listed() {
    let policy = list(&[
        "https://good.com",
        "http://good.com:8080",
        "https://*.app.com",
        "chrome-extension://abc",
        "null",
    ]);
    let rows = [
        ("https://good.com", true),
        ("https://good.com:443", true),
        ("HTTPS://Good.Com", true),
        ("http://good.com:8080", true),
        ("https://a.app.com", true),
        ("https://A.B.app.com", true),
        ("https://a-b.app.com:443", true),
        ("chrome-extension://abc", true),
        ("null", true),
        ("http://good.com", false),
        ("https://good.com:8080", false),
        ("https://www.good.com", false),
        ("https://evil-good.com", false),
        ("https://good.com.evil.com", false),
        ("https://app.com", false),
        ("https://.app.com", false),
        ("https://evilapp.com", false),
        ("https://evil-app.com", false),
        ("https://a..app.com", false),
        ("https://*.app.com", false),
        ("https://a.app.com.", false),
        ("https://a.app.com:444", false),
        ("http://a.app.com", false),
        ("https://evil.com/.app.com", false),
        ("https://evil.com?.app.com", false),
        ("https://evil.com:1.app.com", false),
        ("https://evil.com#.app.com", false),
        ("https://evil@a.app.com", false),
        ("https://[::1].app.com", false),
        ("chrome-extension://abcd", false),
        ("NULL", false),
    ];
    for (origin, passes) in rows {
        let expected = if passes { Ok(()) } else { REFUSED };
        // The host of the server has no say.
        assert_eq!(policy.check([origin], "evil.com"), expected, "{origin}");
    }
    assert_eq!(list(&["https://good.com"]).check(["null"], "good.com"), REFUSED);
    assert_eq!(list(&[]).check(["http://good.com"], "good.com"), REFUSED);
}

#[test]
fn origins_that_could_never_match_are_not_listed() {
    for bad in [
        "",
        "good.com",
        "https://",
        "https://good.com/",
        "https://good.com.",
        "https://u@good.com",
        "https://*",
        "https://*good.com",
        "https://*.",
        "https://*.*.com",
        "https://a.*.com",
        "*://good.com",
        "*",
        "Null",
        "https://good.com:",
        "https://good.com:99999",
        "https://g\u{f6}\u{f6}d.com",
        "https://good.com ",
        "https://a,https://b",
        "://good.com",
    ] {
        assert_eq!(Origin::parse(bad), Err(BuildError::Origin), "{bad}");
    }
    for (origin, shown) in [
        ("null", "null"),
        ("HTTPS://Good.com:443", "https://good.com"),
        ("http://good.com:8080", "http://good.com:8080"),
        ("https://*.Good.com", "https://*.good.com"),
        ("app+x://[::1]:5", "app+x://[::1]:5"),
    ] {
        let parsed = Origin::parse(origin).unwrap();
        assert_eq!(parsed.to_string(), shown);
        assert_eq!(Origin::parse(shown), Ok(parsed));
    }
}

/// Pages that take over a session from elsewhere, by every trick: what `Origin` says, where the client believes to
/// have connected to, and how, if that is known.
#[test]
fn hijacking() {
    const TLS: Option<bool> = Some(true);
    const PLAIN: Option<bool> = Some(false);
    let same = OriginPolicy::default();
    let wild = list(&["https://*.good.com"]);
    let puny = list(&["https://xn--bcher-kva.example", "https://*.xn--bcher-kva.example"]);
    let local = list(&["null", "http://localhost:3000"]);
    type Row<'r> = (&'r OriginPolicy, &'r [&'r str], &'r str, Option<bool>, bool);
    let rows: &[Row<'_>] = &[
        // Scheme, host and port are the same.
        (&same, &["https://good.com"], "good.com", TLS, true),
        (&same, &["http://good.com"], "good.com", PLAIN, true),
        (&same, &["https://good.com"], "good.com", None, true),
        (&same, &["http://good.com"], "good.com", None, true),
        (&same, &["https://good.com:8443"], "good.com:8443", TLS, true),
        (&same, &["http://127.0.0.1:9001"], "127.0.0.1:9001", PLAIN, true),
        (&same, &["https://[2001:db8::7]:8443"], "[2001:DB8::7]:8443", TLS, true),
        // Another scheme.
        (&same, &["http://good.com"], "good.com", TLS, false),
        (&same, &["https://good.com"], "good.com", PLAIN, false),
        (&same, &["http://good.com:443"], "good.com", TLS, false),
        (&same, &["https://good.com:80"], "good.com", PLAIN, false),
        (&same, &["http://good.com:8443"], "good.com:8443", TLS, false),
        (&same, &["wss://good.com"], "good.com", TLS, false),
        (&same, &["ws://good.com"], "good.com", PLAIN, false),
        // The default port may be there or not, on either side.
        (&same, &["https://good.com:443"], "good.com", TLS, true),
        (&same, &["https://good.com"], "good.com:443", TLS, true),
        (&same, &["http://good.com:80"], "good.com", PLAIN, true),
        (&same, &["http://good.com"], "good.com:80", PLAIN, true),
        (&same, &["https://good.com:80"], "good.com", TLS, false),
        (&same, &["https://good.com"], "good.com:80", TLS, false),
        (&same, &["https://good.com:8443"], "good.com", TLS, false),
        (&same, &["https://good.com"], "good.com:8443", TLS, false),
        // The case of scheme and host does not matter.
        (&same, &["HTTPS://GOOD.COM"], "good.com", TLS, true),
        (&same, &["https://good.com"], "Good.Com", TLS, true),
        // Hosts that look like it.
        (&same, &["https://evil.com"], "good.com", TLS, false),
        (&same, &["https://evilgood.com"], "good.com", TLS, false),
        (&same, &["https://evil-good.com"], "good.com", TLS, false),
        (&same, &["https://good.com.evil.com"], "good.com", TLS, false),
        (&same, &["https://sub.good.com"], "good.com", TLS, false),
        (&same, &["https://good.com."], "good.com", TLS, false),
        (&same, &["https://good.com"], "good.com.", TLS, false),
        // More than an origin.
        (&same, &["https://good.com/"], "good.com", TLS, false),
        (&same, &["https://good.com/evil"], "good.com", TLS, false),
        (&same, &["https://good.com?evil"], "good.com", TLS, false),
        (&same, &["https://user@good.com"], "good.com", TLS, false),
        (&same, &["https://evil.com@good.com"], "good.com", TLS, false),
        (&same, &["https://good.com:pass@evil.com"], "good.com", TLS, false),
        (&same, &["https://good.com https://evil.com"], "good.com", TLS, false),
        (&same, &["https://good.com,https://evil.com"], "good.com", TLS, false),
        // None, several, nothing in it, and no origin at all.
        (&same, &[], "good.com", TLS, true),
        (&same, &["https://good.com", "https://good.com"], "good.com", TLS, false),
        (&same, &["https://good.com", "https://evil.com"], "good.com", TLS, false),
        (&same, &["", "https://good.com"], "good.com", TLS, false),
        (&same, &[""], "good.com", TLS, false),
        (&same, &["null"], "good.com", TLS, false),
        (&same, &["null"], "null", None, false),
        (&local, &["null"], "good.com", TLS, true),
        (&local, &["NULL"], "good.com", TLS, false),
        (&local, &[], "good.com", TLS, true),
        (&local, &[""], "good.com", TLS, false),
        (&local, &["null", "null"], "good.com", TLS, false),
        // A list says all there is to say: the endpoint has no part in it.
        (&local, &["http://localhost:3000"], "good.com", TLS, true),
        (&local, &["http://localhost"], "localhost", PLAIN, false),
        (&local, &["https://localhost:3000"], "localhost:3000", TLS, false),
        (&local, &["http://localhost:30000"], "localhost:30000", PLAIN, false),
        // A name outside ASCII is sent as punycode, and is that.
        (&same, &["https://xn--bcher-kva.example"], "xn--bcher-kva.example", TLS, true),
        (&same, &["https://b\u{fc}cher.example"], "b\u{fc}cher.example", TLS, false),
        (&same, &["https://b\u{fc}cher.example"], "xn--bcher-kva.example", TLS, false),
        (&puny, &["https://xn--bcher-kva.example"], "good.com", TLS, true),
        (&puny, &["https://XN--Bcher-KVA.example"], "good.com", TLS, true),
        (&puny, &["https://a.xn--bcher-kva.example"], "good.com", TLS, true),
        (&puny, &["https://b\u{fc}cher.example"], "good.com", TLS, false),
        (&puny, &["https://xn--bcher-kva.evil.example"], "good.com", TLS, false),
        // `*.good.com` is one label or more before `.good.com`.
        (&wild, &["https://a.good.com"], "good.com", TLS, true),
        (&wild, &["https://a.b.c.good.com"], "good.com", TLS, true),
        (&wild, &["https://A.Good.Com:443"], "good.com", TLS, true),
        (&wild, &["https://good.com"], "good.com", TLS, false),
        (&wild, &["https://.good.com"], "good.com", TLS, false),
        (&wild, &["https://evil-good.com"], "good.com", TLS, false),
        (&wild, &["https://evilgood.com"], "good.com", TLS, false),
        (&wild, &["https://a.good.com.evil.com"], "good.com", TLS, false),
        (&wild, &["https://a.good.com."], "good.com", TLS, false),
        (&wild, &["https://evil.com/.good.com"], "good.com", TLS, false),
        (&wild, &["https://evil.com#.good.com"], "good.com", TLS, false),
        (&wild, &["https://evil.com@a.good.com"], "good.com", TLS, false),
        (&wild, &["https://*.good.com"], "good.com", TLS, false),
        (&wild, &["http://a.good.com"], "good.com", PLAIN, false),
        (&wild, &["https://a.good.com:8443"], "good.com", TLS, false),
    ];
    assert!(rows.len() >= 40);
    for (policy, values, host, secure, passes) in rows {
        let expected = if *passes { Ok(()) } else { REFUSED };
        let endpoint = Endpoint { host, secure: *secure };
        assert_eq!(
            policy.check(values.iter().copied(), endpoint),
            expected,
            "{values:?} at {endpoint:?}, {policy:?}"
        );
    }
}

/// A host alone leaves the scheme open, whichever way it is given.
#[test]
fn endpoints() {
    let host = String::from("good.com");
    let unknown = Endpoint { host: "good.com", secure: None };
    assert_eq!(Endpoint::from(&host), unknown);
    assert_eq!(Endpoint::from("good.com"), unknown);
}
