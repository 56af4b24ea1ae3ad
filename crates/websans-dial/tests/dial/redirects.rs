//! Redirections: where they lead, how many are followed, and what goes along.

use proptest::prelude::*;
use websans_dial::{Action, Cause, Client, Dial, RedirectError, Step};

use crate::peer::{START, answer, connect, dial, failure, opened, redirection, switching};

pub(crate) fn client(url: &str) -> Client {
    Client::new(url).unwrap()
}

/// Hangs up, as it must after a redirection, and connects again.
pub(crate) fn again(dial: &mut Dial) -> (String, u16) {
    assert!(matches!(dial.poll(START).unwrap(), Action::Hangup));
    connect(dial)
}

#[test]
fn none_is_followed_unless_asked() {
    let mut dial = dial(&client("ws://one.example/"));
    connect(&mut dial);
    answer(&mut dial, &redirection(301, "ws://two.example/"));
    let error = failure(&mut dial);
    assert_eq!(error.step(), Step::Handshake);
    assert_eq!(error.refusal().unwrap().header("location"), Some(&b"ws://two.example/"[..]));
    assert_eq!(
        error.to_string(),
        "the opening handshake with 192.0.2.1:80 (one.example) failed: the server answered with status 301"
    );
}

#[test]
fn locations_are_resolved() {
    for (location, host, port, target) in [
        ("ws://two.example/x", "two.example", 80, "/x"),
        ("http://two.example:81/x?y", "two.example", 81, "/x?y"),
        ("HTTP://two.example", "two.example", 80, "/"),
        ("//two.example/x", "two.example", 80, "/x"),
        ("/x/../y", "one.example", 8080, "/y"),
        ("x", "one.example", 8080, "/a/x"),
        ("./x?p:q", "one.example", 8080, "/a/x?p:q"),
        ("../../x/.", "one.example", 8080, "/x/"),
        ("..", "one.example", 8080, "/"),
        ("?z", "one.example", 8080, "/a/b?z"),
        ("", "one.example", 8080, "/a/b?c/d"),
        ("#f", "one.example", 8080, "/a/b?c/d"),
        ("x#f", "one.example", 8080, "/a/x"),
    ] {
        let mut dial = dial(&client("ws://one.example:8080/a/b?c/d").redirects(1));
        connect(&mut dial);
        answer(&mut dial, &redirection(302, location));
        assert_eq!(again(&mut dial), (host.into(), port), "{location}");
        let asked = answer(&mut dial, &switching());
        assert!(asked.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{location}: {asked}");
        assert_eq!(opened(&mut dial).url.host(), host);
    }
}

#[test]
fn only_redirections_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let mut dial = dial(&client("ws://one.example").redirects(1));
        connect(&mut dial);
        answer(&mut dial, &redirection(status, "/x"));
        again(&mut dial);
    }
    for status in [200, 300, 304, 305, 306, 401, 503] {
        let mut dial = dial(&client("ws://one.example").redirects(1));
        connect(&mut dial);
        answer(&mut dial, &redirection(status, "/x"));
        assert_eq!(failure(&mut dial).refusal().unwrap().status, status);
    }
    let mut dial = dial(&client("ws://one.example").redirects(1));
    connect(&mut dial);
    answer(&mut dial, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(failure(&mut dial).refusal().unwrap().status, 302);
}

#[test]
fn a_loop_ends() {
    let mut dial = dial(&client("ws://one.example/").redirects(3));
    connect(&mut dial);
    for _ in 0..3 {
        answer(&mut dial, &redirection(307, "/"));
        again(&mut dial);
    }
    answer(&mut dial, &redirection(307, "/"));
    let error = failure(&mut dial);
    assert!(matches!(error.cause(), Cause::Redirect(RedirectError::TooMany(3))), "{error}");
    assert_eq!(error.step(), Step::Redirect);
    assert_eq!(
        error.to_string(),
        "following a redirection by 192.0.2.1:80 (one.example) failed: there were more than 3 redirections"
    );
    assert!(matches!(failure(&mut dial).cause(), Cause::Ended));
}

#[test]
fn bad_locations_are_errors() {
    for location in
        ["ftp://two.example/", "ws://", "ws://user@two.example/", "ws://two.example:0/", "wss:x", "/\u{e9}"]
    {
        let mut dial = dial(&client("ws://one.example/").redirects(3));
        connect(&mut dial);
        answer(&mut dial, &redirection(302, location));
        let error = failure(&mut dial);
        assert!(matches!(error.cause(), Cause::Redirect(RedirectError::Location(_))), "{location}: {error}");
    }
    let mut dial = dial(&client("ws://one.example/").redirects(3));
    connect(&mut dial);
    answer(&mut dial, "HTTP/1.1 302 F\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(failure(&mut dial).cause(), Cause::Redirect(RedirectError::Ambiguous)));
}

pub(crate) fn with_secrets(url: &str) -> Client {
    let client = client(url).redirects(9).header("X-Open", "yes").unwrap();
    let client =
        client.bearer("hidden").unwrap().cookie("sid", "hidden").unwrap().host("alias.example").unwrap();
    let client = client.header("Proxy-Authorization", "hidden").unwrap();
    client.secret_header("X-Key", "hidden").unwrap().protocol("chat").unwrap()
}

#[test]
fn credentials_stay_with_their_origin() {
    let mut dial = dial(&with_secrets("ws://one.example/"));
    connect(&mut dial);
    let asked = answer(&mut dial, &redirection(302, "/same"));
    assert_eq!(asked.matches("hidden").count(), 4, "{asked}");
    assert!(asked.contains("\r\nHost: alias.example\r\n"));
    again(&mut dial);
    // Another name, another port, another scheme: each is another origin. Going back does not bring them back.
    let asked = answer(&mut dial, &redirection(302, "ws://one.example:81/"));
    assert_eq!(asked.matches("hidden").count(), 4, "{asked}");
    for next in ["ws://two.example/", "ws://one.example/"] {
        again(&mut dial);
        let asked = answer(&mut dial, &redirection(302, next));
        assert!(!asked.contains("hidden") && !asked.contains("alias"), "{asked}");
        assert!(asked.contains("\r\nX-Open: yes\r\n") && asked.contains("Protocol: chat\r\n"), "{asked}");
    }
    assert_eq!(again(&mut dial), ("one.example".into(), 80));
    let asked = answer(&mut dial, &switching());
    assert!(!asked.contains("hidden"), "{asked}");
}

#[test]
fn over_a_stream_of_the_callers_none_is_followed() {
    let client = client("ws://one.example/").redirects(3);
    let mut dial = Dial::over(&client, crate::peer::nonces(), START);
    answer(&mut dial, &redirection(302, "/x"));
    let error = failure(&mut dial);
    assert_eq!(error.refusal().unwrap().status, 302);
    assert_eq!(error.address(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// Whatever a server says, what is asked for next is a URL that can be asked for, at a host that was named.
    #[test]
    fn no_location_leads_astray(location in "((ws|http):)?/{0,3}[a-z.@:#?%/\\\\é -]{0,24}") {
        let location = location.replace("wss:", "ws:").replace("https:", "http:"); // without TLS
        let mut dial = dial(&client("ws://one.example/a/b?c").redirects(1));
        connect(&mut dial);
        answer(&mut dial, &redirection(302, &location));
        match dial.poll(START) {
            Ok(Action::Hangup) => {
                let (host, _) = connect(&mut dial);
                prop_assert!(host == "one.example" || location.contains(&host), "{host}");
                let asked = answer(&mut dial, &switching());
                let line = asked.split("\r\n").next().unwrap();
                let target = line.strip_prefix("GET /").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).unwrap();
                prop_assert!(!target.contains(['#', ' ', '\u{e9}']), "{target}");
            }
            Ok(action) => panic!("{action:?}"),
            Err(error) => prop_assert!(
                matches!(error.step(), Step::Redirect | Step::Handshake | Step::Tls), "{error}"
            ),
        }
    }
}
