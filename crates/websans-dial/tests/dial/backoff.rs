//! Whether and when a client connects again.

use std::time::Duration;

use proptest::prelude::*;
use websans::{CloseCode, Config, Negotiated, Outcome, Role, open};
use websans_dial::backoff::{Backoff, Next};
use websans_dial::{Client, ConnectError, Proxy};

use crate::peer::{START, after, answer, connect, dial, failure, feed, redirection, request};

const MOST: u64 = u64::MAX;

/// The failure of a dialling that was answered so.
fn refused(response: &str) -> ConnectError {
    let mut dial = dial(&Client::new("ws://one.example").unwrap().redirects(1));
    connect(&mut dial);
    answer(&mut dial, response);
    dial.eof();
    failure(&mut dial)
}

/// The ending of a connection whose peer has sent a Close of this code, or has gone away without.
fn ended(code: Option<u16>) -> Outcome {
    let role = Role::Client(Box::new(|| [0; 4]));
    let (mut connection, mut inbox) = open(role, Config::default(), Negotiated::default(), START);
    if let Some(code) = code {
        let [high, low] = code.to_be_bytes();
        inbox.preload(&[0x88, 2, high, low]);
        assert_eq!(inbox.next(&mut connection), Ok(false));
    }
    connection.outbox().take_chunk();
    connection.eof();
    connection.outcome().unwrap().clone()
}

fn seconds(next: Next) -> u64 {
    match next {
        // The share of a window is a little less than all of it.
        Next::Retry(wait) => (wait + Duration::from_nanos(10)).as_secs(),
        Next::Stop => panic!("it gave up"),
    }
}

#[test]
fn r072_waits_are_random_and_grow_within_bounds() {
    let error = refused("HTTP/1.1 503 No\r\n\r\n");
    let mut windows = Vec::new();
    let mut backoff = Backoff::new();
    for _ in 0..6 {
        let (mut least, mut half) = (backoff.clone(), backoff.clone());
        assert_eq!(least.after(&error, START, 0), Next::Retry(Duration::ZERO));
        let Next::Retry(middle) = half.after(&error, START, MOST / 2) else { panic!() };
        windows.push(seconds(backoff.after(&error, START, MOST)));
        assert_eq!((middle * 2 + Duration::from_micros(1)).as_secs(), *windows.last().unwrap());
    }
    // "a random amount of time [...] between 0 and 5 seconds", then "truncated binary exponential backoff"
    assert_eq!(windows, [5, 10, 20, 40, 60, 60]);
    for _ in 0..100 {
        assert_eq!(seconds(backoff.after(&error, START, MOST)), 60);
    }
}

#[test]
fn a_connection_that_stood_starts_the_count_anew() {
    let error = refused("HTTP/1.1 503 No\r\n\r\n");
    let mut backoff = Backoff::new();
    for _ in 0..3 {
        backoff.after(&error, START, MOST);
    }
    backoff.opened(START);
    assert_eq!(seconds(backoff.after(&ended(None), after(29_999), MOST)), 40);
    backoff.opened(START);
    assert_eq!(seconds(backoff.after(&ended(None), after(30_000), MOST)), 5);
    // A failure that no connection came before does not count as one that stood.
    assert_eq!(seconds(backoff.after(&error, after(90_000), MOST)), 10);
}

#[test]
fn closes_tell_what_is_next() {
    for (code, least, most) in [
        (None, 0, 5),
        (Some(1000), 0, 5),
        (Some(1001), 0, 5),
        (Some(1012), 5, 30),
        (Some(1013), 30, 60),
        (Some(4000), 0, 5),
    ] {
        let outcome = ended(code);
        assert_eq!(seconds(Backoff::new().after(&outcome, START, 0)), least, "{code:?}");
        assert_eq!(seconds(Backoff::new().after(&outcome, START, MOST)), most, "{code:?}");
    }
    assert_eq!(Backoff::new().after(&ended(Some(1008)), START, MOST), Next::Stop);
}

#[test]
fn refusals_tell_what_is_next() {
    for status in [400, 401, 403, 404, 407, 410, 426, 431, 499] {
        let error = refused(&format!("HTTP/1.1 {status} No\r\nRetry-After: 1\r\n\r\n"));
        assert_eq!(Backoff::new().after(&error, START, MOST), Next::Stop, "{status}");
    }
    for status in [200, 408, 425, 429, 500, 502, 503, 504] {
        let error = refused(&format!("HTTP/1.1 {status} No\r\n\r\n"));
        assert_eq!(seconds(Backoff::new().after(&error, START, MOST)), 5, "{status}");
    }
    let mut dial = dial(&Client::new("ws://one.example").unwrap());
    connect(&mut dial);
    answer(&mut dial, &redirection(302, "/x"));
    assert_eq!(Backoff::new().after(&failure(&mut dial), START, MOST), Next::Stop);
}

#[test]
fn the_server_may_ask_for_a_wait() {
    let date = "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n";
    for (headers, asked) in [
        ("Retry-After: 120\r\n".to_owned(), 120),
        ("Retry-After: 0\r\n".to_owned(), 0),
        ("Retry-After: 99999999999999999999999\r\n".to_owned(), 3600),
        (format!("Retry-After: Sat, 21 Nov 2026 12:02:00 GMT\r\n{date}"), 120),
        (format!("Retry-After: Sat, 21 Nov 2026 11:00:00 GMT\r\n{date}"), 0),
        (format!("Retry-After: Sun, 21 Nov 2027 11:00:00 GMT\r\n{date}"), 3600),
        ("Retry-After: Sat, 21 Nov 2026 12:02:00 GMT\r\n".to_owned(), 0),
        (format!("Retry-After: soon\r\n{date}"), 0),
        ("Retry-After: -5\r\n".to_owned(), 0),
        ("Retry-After:\r\n".to_owned(), 0),
    ] {
        let error = refused(&format!("HTTP/1.1 503 No\r\n{headers}\r\n"));
        assert_eq!(seconds(Backoff::new().after(&error, START, 0)), asked, "{headers}");
        assert_eq!(seconds(Backoff::new().after(&error, START, MOST)), asked + 5, "{headers}");
    }
}

#[test]
fn some_failures_would_repeat_for_ever() {
    let proxied = |answers: &[u8]| {
        let client = Client::new("ws://one.example").unwrap();
        let mut dial = dial(&client.proxy(Proxy::parse("http://proxy.example").unwrap()));
        connect(&mut dial);
        request(&mut dial);
        feed(&mut dial, answers, usize::MAX);
        failure(&mut dial)
    };
    let error = proxied(b"HTTP/1.1 407 No\r\n\r\n");
    assert_eq!(Backoff::new().after(&error, START, MOST), Next::Stop);
    let error = proxied(b"HTTP/1.1 502 No\r\n\r\n");
    assert_eq!(seconds(Backoff::new().after(&error, START, MOST)), 5);
    let error = refused(&redirection(301, "ftp://x"));
    assert_eq!(Backoff::new().after(&error, START, MOST), Next::Stop);
    let variables = |name: &str| (name == "all_proxy").then(|| "ftp://x".to_owned());
    let mut dial = dial(&Client::new("ws://one.example").unwrap().proxy_from(variables));
    let error = failure(&mut dial);
    assert_eq!(
        error.to_string(),
        "finding the proxy for one.example failed: \
         the environment variable `all_proxy` does not hold the URL of a proxy (http, socks5 or socks5h)"
    );
    assert_eq!(Backoff::new().after(&error, START, MOST), Next::Stop);
}

/// Nobody asked for that end: the limit of idleness is reached when there is nothing to say, and there may be again.
#[test]
fn a_connection_that_was_closed_for_being_idle_comes_back() {
    let mut config = Config::default();
    (config.keepalive, config.idle) = (None, Some(Duration::from_secs(60)));
    let role = Role::Client(Box::new(|| [0; 4]));
    let (mut connection, mut inbox) = open(role, config, Negotiated::default(), START);
    connection.tick(START + Duration::from_secs(60));
    connection.outbox().take_chunk();
    inbox.preload(&[0x88, 2, 0x03, 0xe9]);
    assert_eq!(inbox.next(&mut connection), Ok(false));
    connection.eof();
    let outcome = connection.outcome().unwrap();
    assert!(outcome.is_clean());
    assert!(matches!(Backoff::new().after(outcome, START, MOST), Next::Retry(_)));
}

#[test]
fn who_closes_the_connection_does_not_want_it_back() {
    let role = Role::Client(Box::new(|| [0; 4]));
    let (mut connection, mut inbox) = open(role, Config::default(), Negotiated::default(), START);
    connection.close(CloseCode::NORMAL, "").unwrap();
    connection.outbox().take_chunk();
    inbox.preload(&[0x88, 2, 0x03, 0xe8]);
    assert_eq!(inbox.next(&mut connection), Ok(false));
    connection.eof();
    let outcome = connection.outcome().unwrap();
    assert_eq!(Backoff::new().after(outcome, START, MOST), Next::Stop);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn r072_no_wait_is_longer_than_its_window(randoms in prop::collection::vec(any::<u64>(), 1..80)) {
        let error = refused("HTTP/1.1 500 No\r\n\r\n");
        let mut backoff = Backoff::new();
        for (count, random) in randoms.into_iter().enumerate() {
            let Next::Retry(wait) = backoff.after(&error, START, random) else { panic!() };
            let window = 5_u64 << count.min(8);
            prop_assert!(wait < Duration::from_secs(window.min(60)));
        }
    }
}
