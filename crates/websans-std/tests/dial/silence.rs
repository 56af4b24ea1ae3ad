//! Peers that keep silent: every step has its deadline, and says with whom it was.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use websans_dial::{Cause, Limits, Proxy, Step};
use websans_std::{Client, Config, connect};

use crate::peers::{example, failure, full, short, silent};

/// Connects in vain, and holds the step, the address and the time against what is due.
fn times_out(client: &Client, step: Step, address: Option<SocketAddr>, millis: u64) {
    let begun = Instant::now();
    let error = failure(client);
    let elapsed = begun.elapsed();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((error.step(), error.address()), (step, address), "{error}");
    assert!(elapsed >= Duration::from_millis(millis), "{error} after {elapsed:?}");
    assert!(elapsed < Duration::from_millis(millis + 5_000), "{error} after {elapsed:?}");
}

fn hasty() -> Config {
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(400);
    config
}

#[test]
fn connecting_has_a_deadline() {
    let (one, two) = (full(), full());
    let mut limits = short();
    let client = Client::new("ws://example.com").unwrap().addresses([one.address, two.address]);
    let error = failure(&client.clone().limits(limits));
    let Cause::Addresses(failures) = error.cause() else { panic!("{error}") };
    assert_eq!([failures[0].0, failures[1].0], [one.address, two.address]);
    // Both together begin at 0 and 250 ms, and have 400 ms each.
    times_out(&client.clone().limits(limits), Step::Connect, None, 650);
    limits.connect = Duration::from_millis(300);
    times_out(&client.clone().limits(limits), Step::Connect, None, 300);
    limits.total = Duration::from_millis(100);
    times_out(&client.limits(limits), Step::Connect, None, 100);
}

#[test]
fn a_turn_that_does_not_come_has_a_deadline() {
    let silent = silent();
    let client = Client::new(&format!("ws://{silent}/")).unwrap().config(hasty());
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(&client).map(drop));
        thread::sleep(Duration::from_millis(100));
        let mut limits = short();
        limits.connect = Duration::from_millis(100);
        times_out(&client.clone().limits(limits), Step::Connect, None, 100);
        assert!(first.join().unwrap().is_err());
    });
    // Behind a proxy it is another wait.
    let proxied = client.proxy(Proxy::parse(&format!("http://{silent}")).unwrap());
    thread::scope(|scope| {
        let first = scope.spawn(|| connect(proxied.clone().limits(short())).map(drop));
        thread::sleep(Duration::from_millis(100));
        let mut limits = short();
        limits.connect = Duration::from_millis(100);
        times_out(&proxied.clone().limits(limits), Step::Connect, None, 100);
        assert!(first.join().unwrap().is_err());
    });
}

#[test]
fn a_proxy_has_a_deadline() {
    let silent = silent();
    for scheme in ["http", "socks5h"] {
        let proxy = Proxy::parse(&format!("{scheme}://{silent}")).unwrap();
        let client = Client::new("ws://example.com").unwrap().proxy(proxy).limits(short());
        times_out(&client, Step::Proxy, Some(silent), 400);
    }
}

#[test]
fn tls_has_a_deadline() {
    let silent = silent();
    times_out(&example(silent).limits(short()), Step::Tls, Some(silent), 400);
}

#[test]
fn the_opening_handshake_has_a_deadline() {
    let silent = silent();
    let client = Client::new(&format!("ws://{silent}")).unwrap().config(hasty());
    times_out(&client, Step::Handshake, Some(silent), 400);
}

#[test]
fn everything_together_has_a_deadline() {
    let silent = silent();
    let mut limits = Limits::default();
    limits.total = Duration::from_millis(200);
    let client = Client::new(&format!("ws://{silent}")).unwrap();
    times_out(&client.limits(limits), Step::Handshake, Some(silent), 200);
    times_out(&example(silent).limits(limits), Step::Tls, Some(silent), 200);
}
