//! The two halves, and groups, under many schedules: `cargo xtask schedules`.
//!
//! No runtime is needed: tasks are the explorer's, and so is time. Each scenario says how it was seen to fail: what was broken
//! in the adapter for a moment, and what the scenario made of it.

mod closing;
mod crowd;
mod pipe;
mod talking;
mod trouble;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use websans::{Config, Initiator, Negotiated, Outcome, Role};
use websans_testkit::schedules::{future, time};

use self::pipe::{Pipe, pipe};
use crate::{Error, Receiver, WebSocket};

/// Nothing waits for a deadline, and nobody tries again after a while: each wake-up has come.
const SOON: Duration = Duration::from_secs(1);

/// Nobody asks whether the peer is there, so nothing but the scenario wakes anybody.
fn quiet() -> Config {
    let mut config = Config::default();
    config.keepalive = None;
    config
}

fn server<S: AsyncRead + AsyncWrite + Unpin>(io: S, config: Config) -> WebSocket<S> {
    WebSocket::from_handshake(io, Role::Server, config, Negotiated::default(), &[])
}

fn client(io: Pipe) -> WebSocket<Pipe> {
    let role = Role::Client(Box::new(|| [1, 2, 3, 4]));
    WebSocket::from_handshake(io, role, quiet(), Negotiated::default(), &[])
}

/// Ours, a server, and the peer, over a transport that holds so many bytes each way.
fn sockets(capacity: usize, ours: Config) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (near, far) = pipe(capacity);
    (server(near, ours), client(far))
}

/// A task of the explorer's, which need not be `Send`.
fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> future::JoinHandle<T> {
    future::spawn_local(task)
}

/// Runs a scenario under many schedules.
fn explore<F: Future<Output = ()>>(name: &str, scenario: fn() -> F)
where
    F: 'static,
{
    websans_testkit::schedules::explore(name, move || future::block_on(scenario()));
}

/// The messages that tell who has sent them, which they are, and whether they are whole.
fn message(sender: u8, number: u8) -> Vec<u8> {
    let mut message = vec![sender, number];
    message.resize(9 + 17 * usize::from(number) + usize::from(sender), sender);
    message
}

/// What messages come from.
trait Receive {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error>;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receive for WebSocket<S> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.recv().await?.map(|message| message.as_bytes().to_vec()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receive for Receiver<S> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.recv().await?.map(|message| message.as_bytes().to_vec()))
    }
}

/// Takes messages until the connection has ended. A transport that has failed says so once.
async fn receive_all(from: &mut impl Receive) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Ok(Some(message)) = from.next().await {
        messages.push(message);
    }
    messages
}

/// A peer that takes all it gets until the end, and how it ended.
async fn listen(mut theirs: WebSocket<Pipe>) -> (Vec<Vec<u8>>, Outcome) {
    let messages = receive_all(&mut theirs).await;
    (messages, theirs.outcome().cloned().unwrap())
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

/// Both tell the same of an ending that was clean.
fn assert_clean(one: Option<Outcome>, other: Option<Outcome>) {
    assert!(one.as_ref().is_some_and(Outcome::is_clean), "{one:?}");
    assert_eq!(one, other);
}

/// The same ending as the other end sees it.
fn mirrored(outcome: Outcome) -> Outcome {
    let mut mirrored = outcome;
    std::mem::swap(&mut mirrored.sent, &mut mirrored.received);
    mirrored.initiator = match mirrored.initiator {
        Initiator::Local => Initiator::Peer,
        Initiator::Peer => Initiator::Local,
    };
    mirrored
}
