//! The steps of a dialling: their order, their deadlines, and what their failures tell.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use websans::{Config, Timestamp};
use websans_dial::{Action, Cause, Client, Dial, Limits, Proxy, Step};

use crate::peer::{
    START, address, after, answer, connect, dial, failure, failure_at, feed, nonces, opened, redirection,
    request, switching,
};

fn client() -> Client {
    Client::new("ws://one.example/").unwrap()
}

#[test]
fn bytes_behind_the_answer_are_the_websockets() {
    let mut dial = dial(&client());
    connect(&mut dial);
    request(&mut dial);
    feed(&mut dial, format!("{}\u{1}early", switching()).as_bytes(), usize::MAX);
    let opened = opened(&mut dial);
    assert_eq!(opened.early, b"\x01early");
    assert_eq!(opened.url.to_string(), "ws://one.example/");
    assert!(matches!(failure(&mut dial).cause(), Cause::Ended));
}

#[test]
fn an_address_is_not_looked_up() {
    for url in ["ws://192.0.2.1", "ws://[2001:db8::1]"] {
        let mut dial = dial(&Client::new(url).unwrap());
        assert!(matches!(dial.poll(START), Ok(Action::Connect { turn: Some(_), .. })), "{url}");
    }
}

#[test]
fn a_step_that_takes_too_long() {
    let proxied = client().proxy(Proxy::parse("http://proxy.example").unwrap());
    let limits = Limits::default();

    let mut looking = dial(&client());
    looking.poll(START).unwrap();
    assert_eq!(looking.deadline(), START + limits.resolve);
    assert!(looking.poll(after(9_999)).is_ok());
    let error = failure_at(&mut looking, after(10_000));
    assert_eq!((error.step(), error.address(), error.is_timeout()), (Step::Resolve, None, true));
    assert_eq!(error.to_string(), "looking up one.example failed: it took too long");

    let mut asking = dial(&proxied);
    connect(&mut asking);
    assert_eq!(asking.deadline(), START + limits.proxy);
    let error = failure_at(&mut asking, after(10_000));
    assert_eq!((error.step(), error.host(), error.is_timeout()), (Step::Proxy, "proxy.example", true));
    assert_eq!(error.address(), Some(address("192.0.2.1:80")));

    let mut shaking = dial(&client());
    connect(&mut shaking);
    request(&mut shaking);
    assert_eq!(shaking.deadline(), START + Config::default().handshake_within);
    let error = failure_at(&mut shaking, after(10_000));
    assert_eq!((error.step(), error.is_timeout()), (Step::Handshake, true));
    assert_eq!(
        error.to_string(),
        "the opening handshake with 192.0.2.1:80 (one.example) failed: it took too long"
    );
    assert_eq!(error.code(), 1006);
}

#[test]
fn everything_together_has_a_limit() {
    let mut limits = Limits::default();
    limits.total = Duration::from_secs(3);
    let slow = client().limits(limits);
    let mut dial = dial(&slow);
    dial.poll(START).unwrap();
    assert_eq!(dial.deadline(), after(3_000));
    dial.resolved(Ok([address("192.0.2.1:80")]), after(1_000));
    let Ok(Action::Connect { deadline, .. }) = dial.poll(after(1_000)) else { panic!() };
    assert_eq!((deadline, dial.deadline()), (after(3_000), after(3_000)));
    dial.connected(address("192.0.2.1:80"), after(2_000));
    dial.poll(after(2_000)).unwrap();
    dial.written();
    assert_eq!(dial.deadline(), after(3_000));
    let error = failure_at(&mut dial, after(3_000));
    assert!(error.is_timeout());
    assert_eq!(error.step(), Step::Handshake);
}

#[test]
fn a_refusal_that_is_cut_off_by_the_deadline_is_one() {
    let mut dial = dial(&client());
    connect(&mut dial);
    request(&mut dial);
    feed(&mut dial, b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nbody", usize::MAX);
    assert!(matches!(dial.poll(START), Ok(Action::Read)));
    let error = failure_at(&mut dial, after(10_000));
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.status, &refusal.body[..], refusal.complete), (401, &b"body"[..], false));
    assert!(!error.is_timeout());
}

/// Starts all attempts that are due at `now`.
fn started(dial: &mut Dial, now: Timestamp) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    loop {
        match dial.poll(now).unwrap() {
            Action::Connect { address, .. } => addresses.push(address),
            Action::Wait => return addresses,
            action => panic!("{action:?}"),
        }
    }
}

#[test]
fn addresses_race() {
    let (one, two, three) = (address("[2001:db8::1]:80"), address("192.0.2.1:80"), address("192.0.2.2:80"));
    let mut dial = dial(&client());
    dial.poll(START).unwrap();
    dial.resolved(Ok([one, two, three]), START);
    assert_eq!(started(&mut dial, START), [one]);
    assert_eq!(dial.deadline(), after(250));
    assert_eq!(started(&mut dial, after(250)), [two]);
    dial.not_connected(two, io::ErrorKind::ConnectionRefused.into(), after(260));
    assert_eq!(started(&mut dial, after(260)), [three]);
    dial.connected(three, after(270));
    // The first one has lost, whatever becomes of it.
    dial.not_connected(one, io::ErrorKind::TimedOut.into(), after(270));
    assert!(matches!(dial.poll(after(270)), Ok(Action::Write)));
}

#[test]
fn every_address_that_failed_is_told_of() {
    let (one, two) = (address("[2001:db8::1]:80"), address("192.0.2.1:80"));
    let mut dial = dial(&client());
    dial.poll(START).unwrap();
    dial.resolved(Ok([one, two]), START);
    started(&mut dial, after(250));
    dial.not_connected(one, io::ErrorKind::ConnectionRefused.into(), after(260));
    started(&mut dial, after(500));
    dial.not_connected(two, io::ErrorKind::HostUnreachable.into(), after(510));
    let error = failure_at(&mut dial, after(510));
    assert_eq!((error.step(), error.is_timeout()), (Step::Connect, false));
    assert_eq!(
        error.to_string(),
        "connecting to one.example failed: [2001:db8::1]:80: connection refused; 192.0.2.1:80: host unreachable"
    );
    assert!(std::error::Error::source(&error).is_some());

    let mut silent = self::dial(&client());
    silent.poll(START).unwrap();
    silent.resolved(Ok([one, two]), START);
    started(&mut silent, START);
    started(&mut silent, after(250));
    assert_eq!(silent.deadline(), START + Limits::CONNECT);
    let error = failure_at(&mut silent, START + Limits::CONNECT);
    assert!(error.is_timeout(), "{error}");
    assert!(matches!(error.cause(), Cause::Addresses(failures) if failures.len() == 2), "{error}");
}

#[test]
fn addresses_may_be_given() {
    let given = [address("[2001:db8::9]:9"), address("192.0.2.9:9")];
    let mut dial = dial(&client().addresses(given).redirects(2));
    assert_eq!(started(&mut dial, START), [given[0]]);
    dial.connected(given[0], START);
    answer(&mut dial, &redirection(302, "/x"));
    assert!(matches!(dial.poll(START), Ok(Action::Hangup)));
    assert_eq!(started(&mut dial, START), [given[0]]);
    dial.connected(given[0], START);
    answer(&mut dial, &redirection(302, "ws://two.example"));
    assert!(matches!(dial.poll(START), Ok(Action::Hangup)));
    assert!(matches!(dial.poll(START), Ok(Action::Resolve { .. })));
    let error = failure(&mut self::dial(&client().addresses([])));
    assert!(matches!(error.cause(), Cause::NoAddress));
}

#[test]
fn names_without_addresses() {
    let mut dial = dial(&client());
    dial.poll(START).unwrap();
    dial.resolved(Ok([]), START);
    assert_eq!(failure(&mut dial).to_string(), "looking up one.example failed: it has no address");
    let mut dial = self::dial(&client());
    dial.poll(START).unwrap();
    dial.resolved(Err::<[SocketAddr; 0], _>(io::Error::other("no such host")), START);
    assert_eq!(failure(&mut dial).to_string(), "looking up one.example failed: no such host");
}

#[test]
fn transports_that_fail() {
    let mut dial = dial(&client());
    connect(&mut dial);
    request(&mut dial);
    dial.failed(io::ErrorKind::ConnectionReset.into());
    let error = failure(&mut dial);
    assert_eq!(error.step(), Step::Handshake);
    assert!(matches!(error.cause(), Cause::Io(error) if error.kind() == io::ErrorKind::ConnectionReset));
    // TLS without a goodbye: the answer that came before counts.
    let mut dial = self::dial(&client());
    connect(&mut dial);
    request(&mut dial);
    feed(&mut dial, b"HTTP/1.1 403 No\r\n\r\nbody", usize::MAX);
    dial.failed(io::ErrorKind::UnexpectedEof.into());
    assert_eq!(failure(&mut dial).refusal().unwrap().body, b"body");
}

#[test]
fn a_stream_that_is_there_already() {
    let mut dial = Dial::over(&Client::new("wss://one.example/x").unwrap(), nonces(), START);
    assert!(answer(&mut dial, &switching()).starts_with("GET /x HTTP/1.1\r\nHost: one.example\r\n"));
    opened(&mut dial);
}

#[cfg(not(feature = "rustls"))]
#[test]
fn without_tls_there_is_no_wss() {
    let error = failure(&mut dial(&Client::new("wss://one.example").unwrap()));
    assert_eq!(error.step(), Step::Tls);
    assert!(matches!(error.cause(), Cause::NoTls), "{error}");
}

#[test]
fn without_entropy_there_is_no_request() {
    let mut dial = Dial::new(&client(), Box::new(|| Err(io::Error::other("no entropy"))), START);
    connect(&mut dial);
    assert_eq!(failure(&mut dial).step(), Step::Handshake);
}

#[test]
fn what_is_told_out_of_turn_is_passed_over() {
    let mut dial = dial(&client());
    dial.queued(START);
    dial.connected(address("192.0.2.1:80"), START);
    dial.not_connected(address("192.0.2.1:80"), io::ErrorKind::TimedOut.into(), START);
    dial.written();
    dial.filled(10);
    dial.eof();
    dial.secured(START);
    assert!(dial.outgoing().is_empty() && dial.spare_mut().is_empty());
    connect(&mut dial);
    dial.resolved(Ok([address("192.0.2.9:80")]), START);
    dial.secured(START);
    answer(&mut dial, &switching());
    opened(&mut dial);
    dial.failed(io::ErrorKind::ConnectionReset.into());
    assert!(matches!(failure(&mut dial).cause(), Cause::Ended));
}
