//! What goes through a tap, and what comes of it once more.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use websans::handshake::server::Choice;
use websans::{CloseCode, Config, Message};
use websans_deflate::Deflate;
use websans_dial::Client;
use websans_record::{Heard, Record, Recording, Replay, ReplayError, Source, Tap, redact};
use websans_std::Incoming;

/// The messages and Closes of a recording, and the bytes that it says were sent.
fn heard(file: &[u8]) -> (Vec<String>, usize) {
    let (mut heard, mut sent) = (Vec::new(), 0);
    Replay::new()
        .deflate(Deflate::default())
        .run(file, |step| {
            sent += step.written.len();
            match &step.heard {
                Some(Heard::Message(Message::Text(text))) => heard.push((*text).to_owned()),
                Some(Heard::Message(Message::Binary(bytes))) => heard.push(format!("{} bytes", bytes.len())),
                Some(Heard::Close(close)) => heard.push(format!("close {:?}", close.code)),
                Some(other) => heard.push(format!("{other:?}")),
                None => {}
            }
        })
        .expect("it replays");
    (heard, sent)
}

#[tokio::test]
async fn a_server_of_tokio_and_a_client_with_secrets() {
    let (here, there) = tokio::io::duplex(1 << 10);
    let server = tokio::spawn(async move {
        let tap = Tap::server(there, &Config::default(), Vec::new(), 1 << 20);
        let recording = tap.handle();
        let mut socket = websans_tokio::accept(tap).await.expect("a handshake");
        while let Some(message) = socket.recv_owned().await.expect("it is legal") {
            socket.send(message).await.expect("it is open");
        }
        recording.with(|file| file.clone())
    });
    // A client by hand, so that its Cookie and its first message go in one write.
    let (mut read, mut write) = tokio::io::split(here);
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut bytes =
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: secret\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            .to_vec();
    use websans_testkit::wire::Frame;
    Frame::text("first").masked([1; 4]).write(&mut bytes);
    Frame::binary(vec![7; 5000]).masked([2; 4]).write(&mut bytes);
    Frame::close(1000, "").masked([3; 4]).write(&mut bytes);
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = read.read_to_end(&mut all).await;
        all.len()
    });
    write.write_all(&bytes).await.expect("it reads");
    write.shutdown().await.expect("it reads");
    let file = server.await.expect("no panic");
    drop(write);
    let answered = reader.await.expect("no panic");
    assert!(!file.windows(6).any(|window| window == b"secret"));
    let (messages, sent) = heard(&file);
    assert_eq!(messages, ["first", "5000 bytes", "close Some(1000)"]);
    assert!(sent > 5000 && sent < answered, "the response is left out: {sent} of {answered}");

    let redacted = redact(&file).expect("it is not compressed");
    assert_eq!(redacted.len(), file.len());
    assert_eq!(heard(&redacted).0, ["xxxxx", "5000 bytes", "close Some(1000)"]);
}

#[test]
fn a_client_of_std_that_compresses() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    let text = "compressed, compressed, compressed, compressed, compressed, compressed, compressed, \
        compressed, compressed, compressed, compressed";
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let choice = Choice::new().deflate(Deflate::default());
        let mut socket = Incoming::read(stream, Config::default())
            .and_then(|incoming| incoming.accept(&choice))
            .expect("a handshake");
        while let Some(message) = socket.recv_owned().expect("it is legal") {
            socket.send(message).expect("it is open");
        }
    });
    let stream = TcpStream::connect(address).expect("it listens");
    let tap = Tap::client(stream, &Config::default(), Vec::new(), 1 << 20);
    let recording = tap.handle();
    let client = Client::new("ws://localhost/").and_then(|client| client.deflate(Deflate::default()));
    let mut socket = websans_std::handshake(tap, &client.expect("a URL")).expect("a handshake");
    socket.send(text).expect("it is open");
    assert_eq!(socket.recv().expect("it is legal"), Some(Message::Text(text)));
    socket.close(CloseCode::NORMAL, "").expect("it is open");
    drop(socket);
    server.join().expect("no panic");
    let file = recording.with(std::mem::take);
    assert_eq!(heard(&file).0, [text, "close Some(1000)"]);
}

#[test]
fn what_was_agreed_on_is_found_in_the_response() {
    let response = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: chat\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=10\r\n\r\n\x81\x01a";
    let mut tap = Tap::server(std::io::Cursor::new(Vec::new()), &Config::default(), Vec::new(), 1 << 20);
    // A byte at a time, which is how it must not matter.
    for byte in response {
        tap.write_all(&[*byte]).expect("there is room");
    }
    let file = tap.handle().with(std::mem::take);
    let mut recording = Recording::read(&file).expect("a recording");
    assert_eq!(recording.header().source, Source::Transport);
    match recording.next_record() {
        Ok(Some(Record::Agreed { protocol: Some("chat"), deflate: Some(agreed) })) => {
            assert!(agreed.server_no_context_takeover && !agreed.client_no_context_takeover);
            assert_eq!((agreed.server_max_window_bits, agreed.client_max_window_bits), (15, 10));
        }
        other => panic!("{other:?}"),
    }
    let mut sent = Vec::new();
    while let Some(record) = recording.next_record().expect("whole records") {
        match record {
            Record::Sent(_, bytes) => sent.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sent, b"\x81\x01a");
    assert_eq!(redact(&file), Err(ReplayError::Compressed));
}

#[test]
fn a_changed_byte_of_a_tap_is_found() {
    let negotiated = websans::Negotiated::default();
    let tap = Tap::open(
        std::io::empty(),
        true,
        &Config::default(),
        &negotiated,
        b"\x81\x02ab",
        Vec::new(),
        1 << 20,
    );
    let file = tap.handle().with(std::mem::take);
    assert_eq!(heard(&file).0, ["ab"]);
    let mut changed = file.clone();
    let last = changed.len() - 6;
    changed[last] ^= 1;
    assert!(
        matches!(websans_record::replay(&changed), Err(ReplayError::Divergence(divergence)) if divergence.record == 1)
    );
}
