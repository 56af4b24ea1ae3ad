//! The two halves under many schedules: `cargo xtask schedules`.
//!
//! Each scenario says how it was seen to fail: what was broken in the adapter for a moment, and what the scenario made of it.

mod closing;
mod pipe;
mod talking;
mod trouble;

use std::time::Duration;

use websans::{Config, Negotiated, Outcome, Role};
use websans_testkit::schedules::time;

use self::pipe::{Pipe, pipe};
use crate::{Error, Receiver, WebSocket};

/// Nothing waits for a deadline: each wake-up has come, and a few retries at most were needed.
const SOON: Duration = Duration::from_secs(1);

/// Nobody asks whether the peer is there, so nothing but the scenario wakes anybody.
fn quiet() -> Config {
    let mut config = Config::default();
    config.keepalive = None;
    config
}

fn open(io: Pipe, role: Role, config: Config) -> WebSocket<Pipe> {
    WebSocket::from_handshake(io, role, config, Negotiated::default(), &[]).unwrap()
}

/// Ours, a server, and the peer, over a transport that holds so many bytes each way.
fn sockets(capacity: usize, ours: Config) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (near, far) = pipe(capacity);
    (open(near, Role::Server, ours), open(far, Role::Client(Box::new(|| [1, 2, 3, 4])), quiet()))
}

/// The messages that tell who has sent them, which they are, and whether they are whole.
fn message(sender: u8, number: u8) -> Vec<u8> {
    let mut message = vec![sender, number];
    message.resize(9 + 17 * usize::from(number) + usize::from(sender), sender);
    message
}

/// What messages come from.
trait Receive {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error>;
}

impl Receive for WebSocket<Pipe> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.recv().map(|message| message.map(|message| message.as_bytes().to_vec()))
    }
}

impl Receive for Receiver<Pipe> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.recv().map(|message| message.map(|message| message.as_bytes().to_vec()))
    }
}

/// Takes messages until the connection has ended. A transport that has failed says so once.
fn receive_all(from: &mut impl Receive) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| from.next().ok().flatten()).collect()
}

/// Each sender's messages are there, once, whole and in order.
fn assert_all(mut messages: Vec<Vec<u8>>, senders: u8, each: u8) {
    messages.sort_by_key(|message| message[0]); // a stable sort: the order of each stays
    let sent = (0..senders).flat_map(|sender| (0..each).map(move |number| message(sender, number)));
    assert_eq!(messages, sent.collect::<Vec<_>>());
}

fn assert_soon() {
    assert!(time::now() < SOON, "something was waited for that had come: {:?}", time::now());
}

/// Both halves tell the same of an ending that was clean.
fn assert_clean(halves: [Option<Outcome>; 2]) {
    let [one, other] = halves;
    assert!(one.as_ref().is_some_and(Outcome::is_clean), "{one:?}");
    assert_eq!(one, other);
}
