//! Peers that keep silent: every step has its deadline, and says with whom it was.

use std::time::{Duration, Instant};

use websans::Config;
use websans_dial::{Cause, Limits, Proxy, Step, Tls};
use websans_tokio::{Client, Error, handshake};

use crate::servers::{failure, full, short, silent};

/// Connects in vain, and holds the step, the address and the time against what is due.
async fn times_out(client: Client, step: Step, address: Option<std::net::SocketAddr>, millis: u64) {
    let begun = Instant::now();
    let error = failure(&client).await;
    let elapsed = begun.elapsed();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((error.step(), error.address()), (step, address), "{error}");
    assert!(elapsed >= Duration::from_millis(millis), "{error} after {elapsed:?}");
    assert!(elapsed < Duration::from_millis(millis + 3_000), "{error} after {elapsed:?}");
}

fn hasty() -> Config {
    let mut config = Config::default();
    config.handshake_within = Duration::from_millis(400);
    config
}

#[tokio::test]
async fn connecting_has_a_deadline() {
    let (one, two) = (full().await, full().await);
    let mut limits = short();
    let client = Client::new("ws://example.com").unwrap().addresses([one.address, two.address]);
    let error = failure(&client.clone().limits(limits)).await;
    let Cause::Addresses(failures) = error.cause() else { panic!("{error}") };
    assert_eq!([failures[0].0, failures[1].0], [one.address, two.address]);
    // Both together begin at 0 and 250 ms, and have 400 ms each.
    times_out(client.clone().limits(limits), Step::Connect, None, 650).await;
    limits.connect = Duration::from_millis(300);
    times_out(client.clone().limits(limits), Step::Connect, None, 300).await;
    limits.total = Duration::from_millis(100);
    times_out(client.limits(limits), Step::Connect, None, 100).await;
}

#[tokio::test]
async fn a_proxy_has_a_deadline() {
    let silent = silent().await;
    for scheme in ["http", "socks5h"] {
        let proxy = Proxy::parse(&format!("{scheme}://{silent}")).unwrap();
        let client = Client::new("ws://example.com").unwrap().proxy(proxy).limits(short());
        times_out(client, Step::Proxy, Some(silent), 400).await;
    }
}

#[tokio::test]
async fn tls_has_a_deadline() {
    let silent = silent().await;
    let tls = Tls::roots([crate::tls::authority().der().clone()]).unwrap();
    let client = Client::new(&format!("wss://{silent}")).unwrap().tls(tls).limits(short());
    times_out(client, Step::Tls, Some(silent), 400).await;
}

#[tokio::test]
async fn the_opening_handshake_has_a_deadline() {
    let silent = silent().await;
    let client = Client::new(&format!("ws://{silent}")).unwrap().config(hasty());
    times_out(client, Step::Handshake, Some(silent), 400).await;
}

#[tokio::test]
async fn everything_together_has_a_deadline() {
    let silent = silent().await;
    let mut limits = Limits::default();
    limits.total = Duration::from_millis(200);
    let client = Client::new(&format!("ws://{silent}")).unwrap().limits(limits);
    times_out(client, Step::Handshake, Some(silent), 200).await;
}

#[tokio::test]
async fn a_stream_of_the_callers_has_a_deadline() {
    let (near, _far) = tokio::io::duplex(16); // too small for the request
    let begun = Instant::now();
    let client = Client::new("ws://example.com").unwrap().config(hasty());
    let Err(Error::Connect(error)) = handshake(near, &client).await else { panic!() };
    assert!(error.is_timeout() && error.step() == Step::Handshake, "{error}");
    assert_eq!(error.to_string(), "the opening handshake with example.com failed: it took too long");
    assert!(begun.elapsed() >= Duration::from_millis(400));
}
