//! What recording costs: `echo MESSAGES LEN [record]` echoes so many messages through a client and a server in memory, with
//! `record` the server recorded, and tells the bytes of the file for each message.
//!
//! Instructions for each message are the difference between two numbers of messages:
//! `valgrind --tool=callgrind target/release/examples/echo 2000 16 record`, and again with 1000.

use std::io::Sink;

use bytes::Buf;
use websans::{Config, Connection, Inbox, Negotiated, Role, Timestamp};
use websans_record::Recorder;

const START: Timestamp = Timestamp::from_nanos(0);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|word| word.parse::<usize>().ok());
    let (Some(messages), Some(len)) = (number(0), number(1)) else {
        eprintln!("usage: echo MESSAGES LEN [record]");
        return;
    };
    let message = vec![b'm'; len];
    let frames = frames(&message, messages);
    let mut now = 0;
    if arguments.get(2).is_some_and(|word| word == "record") {
        let negotiated = Negotiated::default();
        let mut server: Recorder<Sink> =
            Recorder::open(Role::Server, Config::default(), negotiated, START, std::io::sink(), u64::MAX);
        let before = server.recorded();
        for frame in frames.chunks_exact(frames.len() / messages) {
            now += 1_000_000;
            server.wake(Timestamp::from_nanos(now));
            server.spare_mut()[..frame.len()].copy_from_slice(frame);
            server.filled(frame.len());
            while server.next().expect("it is legal") {
                let message = server.take().expect("it was found");
                server.send(message).expect("there is room");
            }
            let left = server.outbox().remaining();
            server.outbox().advance(left);
            server.tick(Timestamp::from_nanos(now));
        }
        let bytes = (server.recorded() - before) / messages as u64;
        println!(
            "{bytes} bytes for each message; a recorder has {} bytes, a connection with its inbox {}",
            size_of::<Recorder<Sink>>(),
            size_of::<(Connection, Inbox)>()
        );
    } else {
        let (mut server, mut inbox) =
            websans::open(Role::Server, Config::default(), Negotiated::default(), START);
        for frame in frames.chunks_exact(frames.len() / messages) {
            now += 1_000_000;
            server.wake(Timestamp::from_nanos(now));
            inbox.spare_mut()[..frame.len()].copy_from_slice(frame);
            inbox.filled(frame.len());
            while inbox.next(&mut server).expect("it is legal") {
                let message = inbox.take().expect("it was found");
                server.send(message).expect("there is room");
            }
            let left = server.outbox().remaining();
            server.outbox().advance(left);
            server.tick(Timestamp::from_nanos(now));
        }
    }
}

/// As a client sends them.
fn frames(message: &[u8], count: usize) -> Vec<u8> {
    let mut config = Config::default();
    config.max_outbox = usize::MAX;
    let role = Role::Client(Box::new(|| [1, 2, 3, 4]));
    let (mut client, _) = websans::open(role, config, Negotiated::default(), START);
    for _ in 0..count {
        client.send(message).expect("there is room");
    }
    let outbox = client.outbox();
    outbox.copy_to_bytes(outbox.remaining()).into()
}
