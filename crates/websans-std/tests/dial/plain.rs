//! Connecting without anything in between.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use websans_dial::{Place, Step, Turns};
use websans_std::{Client, connect};

use crate::peers::{converse, echo, failure, full};

#[test]
fn a_url_is_all_it_takes() {
    let server = echo();
    let mut socket = connect(format!("ws://{server}/")).unwrap();
    converse(&mut socket);
    assert!(socket.get_ref().tcp().nodelay().unwrap());
    assert_eq!(socket.get_ref().tcp().peer_addr().unwrap(), server);
    let client = Client::new(&format!("ws://{server}/")).unwrap();
    converse(&mut connect(&client).unwrap());
    converse(&mut connect(client).unwrap());
}

#[test]
fn names_are_looked_up() {
    let server = echo();
    // Whether the name has an IPv6 address too or not: nobody listens there.
    converse(&mut connect(format!("ws://localhost:{}", server.port())).unwrap());
    let error = failure(&Client::new("ws://no-such-host.invalid").unwrap());
    assert_eq!((error.step(), error.host(), error.address()), (Step::Resolve, "no-such-host.invalid", None));
}

#[test]
fn an_address_that_never_answers_is_overtaken() {
    let (dead, server) = (full(), echo());
    let turns = Turns::default();
    let client =
        Client::new("ws://example.com").unwrap().addresses([dead.address, server]).turns(turns.clone());
    let begun = Instant::now();
    let mut socket = connect(&client).unwrap();
    let elapsed = begun.elapsed();
    assert_eq!(socket.get_ref().tcp().peer_addr().unwrap(), server);
    assert!(elapsed >= Duration::from_millis(250) && elapsed < Duration::from_secs(5), "{elapsed:?}");
    converse(&mut socket);
    // The thread that still connects to the other keeps nobody from their turn there.
    let taking = pin!(turns.take(Place::Address(dead.address)));
    assert!(matches!(taking.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_)));
}

/// "If multiple connections to the same IP address are attempted simultaneously, the client MUST serialize them"
/// (RFC 6455 section 4.1).
#[test]
fn threads_wait_for_their_turns() {
    let server = echo();
    let client = Client::new(&format!("ws://{server}/")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| converse(&mut connect(&client).unwrap()));
        }
    });
}
