//! Compressed messages through TLS.

use std::thread;

use websans_deflate::Deflate;
use websans_std::handshake::server::Choice;
use websans_std::{Config, Incoming, Message, TlsStream, connect};

use crate::peers::{LONG, authority, example, identity, serve};

#[test]
fn both_halves_compress_through_tls() {
    let identity = identity(authority(), "example.com");
    let deflate = Deflate::default();
    let choice = deflate.clone();
    let server = serve(move |stream| {
        let stream = TlsStream::server(stream, identity.clone(), LONG).unwrap();
        let choice = Choice::new().deflate(&choice);
        let socket = Incoming::read(stream, Config::default()).unwrap().accept(&choice).unwrap();
        let (mut receiver, sender) = socket.split().unwrap();
        while let Ok(Some(message)) = receiver.recv() {
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    let socket = connect(example(server).deflate(&deflate).unwrap()).unwrap();
    let (mut receiver, sender) = socket.split().unwrap();
    let text = |n: usize| format!("{n} of many; ").repeat(20_000);
    thread::scope(|scope| {
        scope.spawn(|| (0..30).for_each(|n| sender.send(text(n)).unwrap()));
        for n in 0..30 {
            assert!(receiver.recv().unwrap() == Some(Message::Text(&text(n))), "message {n}");
        }
    });
    let counted = sender.stats().compression.expect("it was agreed on");
    assert_eq!(
        (counted.sent_plain, counted.sent_compressed),
        (counted.received_plain, counted.received_compressed)
    );
    assert!(counted.sent_plain > 6_000_000 && sender.stats().bytes_received < 200_000);
}
