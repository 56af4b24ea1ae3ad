//! permessage-deflate between a server and clients of ours, agreed on in real handshakes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use websans_deflate::{Deflate, RECEIVE_MEMORY, Settings};
use websans_std::handshake::server::Choice;
use websans_std::{
    Client, CloseCode, Config, Error, Incoming, Kind, Message, Payload, Prepared, ProtocolError, Stats,
    Transport, WebSocket, accept_with, connect,
};

use crate::support::{MODES, Owned, config, within};

/// Settings with context takeover both ways.
fn takeover() -> Settings {
    let mut settings = Settings::default();
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    settings
}

fn large() -> Config {
    config(|config| config.max_message = 16 << 20)
}

/// A text that compresses well, and unlike the one of any other number.
fn text(n: usize, len: usize) -> String {
    let mut text = String::new();
    while text.len() < len {
        text.push_str(&format!("{{\"number\": {n}, \"at\": {}}}, ", text.len()));
    }
    text.truncate(len);
    text
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

fn client(address: SocketAddr, deflate: Option<&Deflate>) -> Client {
    let client = Client::new(&format!("ws://{address}/")).unwrap();
    client.config(large()).deflate(deflate.map(Into::into)).unwrap()
}

/// Both ends of a connection whose handshake is done.
fn pair(
    server_has: Option<&Deflate>,
    client_has: Option<&Deflate>,
) -> (WebSocket<TcpStream>, WebSocket<Transport>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(listener.local_addr().unwrap(), client_has);
    let connecting = thread::spawn(move || connect(&client).unwrap());
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let choice = Choice::new().deflate(server_has.map(Into::into));
    let server = Incoming::read(stream, large()).unwrap().accept(&choice).unwrap();
    (server, connecting.join().unwrap())
}

/// What an end has sent and received: plain, compressed, plain, compressed.
fn counts(stats: Stats) -> [u64; 4] {
    let it = stats.compression.expect("it has been agreed on");
    [it.sent_plain, it.sent_compressed, it.received_plain, it.received_compressed]
}

const SIZES: [usize; 8] = [0, 1, 127, 128, 1000, 65_535, 65_536, 3 << 20];

#[test]
fn whole_and_split_both_ends_compress_and_count_alike() {
    within(60, || {
        for (mode, settings) in MODES.into_iter().zip([Settings::default(), takeover()]) {
            let deflate = Deflate::new(settings);
            let (server, client) = pair(Some(&deflate), Some(&deflate));
            let (echo, mut asks) = (mode.hold(server), mode.hold(client));
            let echo = thread::spawn(move || echo.echo());
            for len in SIZES {
                for message in [Owned::Text(text(len, len)), Owned::Binary(noise(len))] {
                    asks.send(&message).unwrap();
                    assert!(asks.recv().unwrap() == Some(message), "{len} bytes");
                }
            }
            let [plain, sent, received_plain, received] = counts(asks.stats());
            assert_eq!((received_plain, received), (plain, sent), "the echo compresses alike");
            // The threshold is in the default settings.
            let long = 2 * (128 + 1000 + 65_535 + 65_536 + (3 << 20));
            assert_eq!(plain, long);
            assert!(sent < long * 6 / 10 && sent > long / 2, "{sent} of {long}");
            assert!(asks.close(CloseCode::NORMAL, "").unwrap().is_clean());
            assert!(echo.join().unwrap().unwrap().is_clean());
        }
    });
}

/// Windows are worth it where messages are alike, and take memory from the budget for as long as there is any.
#[test]
fn windows_are_paid_for_from_a_budget() {
    within(30, || {
        let mut settings = takeover();
        let each = settings.send_memory(15) + RECEIVE_MEMORY;
        settings.context_budget = 3 * each / 2;
        let (ours, theirs) = (Deflate::new(settings), Deflate::new(takeover()));
        let (mut kept, mut sent) = (Vec::new(), Vec::new());
        for has_window in [true, false] {
            let (mut server, mut client) = pair(Some(&ours), Some(&theirs));
            for _ in 0..2 {
                server.send(text(7, 1000)).unwrap();
                assert_eq!(client.recv().unwrap(), Some(Message::Text(&text(7, 1000))));
            }
            let memory = |stats: Stats| stats.compression.unwrap().memory;
            let expected = if has_window { each } else { 0 };
            assert_eq!((memory(server.stats()), memory(client.stats())), (expected, expected));
            sent.push(counts(server.stats())[1]);
            kept.push((server, client));
        }
        assert!(sent[0] < sent[1] * 2 / 3, "{sent:?}");
        assert_eq!(ours.budget_left(), each / 2);
        drop(kept);
        assert_eq!(ours.budget_left(), 3 * each / 2);
        assert_eq!(theirs.budget_left(), theirs.settings().context_budget);
    });
}

/// It is no more than a connection without it.
#[test]
fn either_end_may_not_want_it() {
    within(30, || {
        let deflate = Deflate::default();
        for (server_has, client_has) in [(Some(&deflate), None), (None, Some(&deflate)), (None, None)] {
            let (mut server, mut client) = pair(server_has, client_has);
            client.send(text(1, 10_000)).unwrap();
            assert_eq!(server.recv().unwrap(), Some(Message::Text(&text(1, 10_000))));
            server.send(text(2, 10_000)).unwrap();
            assert_eq!(client.recv().unwrap(), Some(Message::Text(&text(2, 10_000))));
            assert_eq!((server.stats().compression, client.stats().compression), (None, None));
        }
    });
}

/// The server decides by what the request says.
#[test]
fn the_server_may_decide() {
    within(30, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let deflate = Deflate::default();
        for (path, compresses) in [("small", true), ("plain", false)] {
            let client = Client::new(&format!("ws://{address}/{path}")).unwrap();
            let client = client.deflate(&deflate).unwrap();
            let asks = thread::spawn(move || {
                let mut socket = connect(client).unwrap();
                socket.send(text(1, 5000)).unwrap();
                assert_eq!(socket.recv().unwrap(), Some(Message::Text(&text(1, 5000))));
                socket.stats()
            });
            let (stream, _) = listener.accept().unwrap();
            let socket = accept_with(stream, |request| {
                Ok(Choice::new().deflate((request.path() == "/small").then(|| (&deflate).into())))
            });
            let mut socket = socket.unwrap().unwrap();
            let message = socket.recv_owned().unwrap().unwrap();
            socket.send(message).unwrap();
            let stats = asks.join().unwrap();
            assert_eq!((stats.compression.is_some(), stats.bytes_received < 2500), (compresses, compresses));
        }
    });
}

/// Both ends send and receive in bulk at the same time, from threads that share what compresses.
#[test]
fn halves_compress_and_inflate_at_once() {
    within(60, || {
        let deflate = Deflate::new(takeover());
        let (server, client) = pair(Some(&deflate), Some(&deflate));
        let ((mut server_receives, server_sends), (mut client_receives, client_sends)) =
            (server.split().unwrap(), client.split().unwrap());
        let message =
            |n: usize| if n % 3 == 0 { noise(50_000 + n) } else { text(n, 30_000 + n).into_bytes() };
        thread::scope(|scope| {
            scope.spawn(|| (0..60).for_each(|n| server_sends.send(message(n)).unwrap()));
            scope.spawn(|| (0..60).for_each(|n| client_sends.send(message(n)).unwrap()));
            scope.spawn(|| {
                for n in 0..60 {
                    assert!(server_receives.recv().unwrap().unwrap().as_bytes() == message(n), "message {n}");
                }
            });
            for n in 0..60 {
                assert!(client_receives.recv().unwrap().unwrap().as_bytes() == message(n), "message {n}");
            }
        });
        assert_eq!(counts(server_sends.stats()), counts(client_sends.stats()), "they have done the same");
        assert_eq!(counts(server_sends.stats()), counts(server_receives.stats()));
    });
}

/// One frame for all who compress alike, whatever the others have agreed on.
#[test]
fn a_prepared_message_goes_to_all() {
    within(30, || {
        let (deflate, with_windows) = (Deflate::default(), Deflate::new(takeover()));
        let mut guests: Vec<_> = [Some(&deflate), Some(&with_windows), None, Some(&deflate)]
            .into_iter()
            .map(|has| pair(has, has))
            .collect();
        let (news, secret) = (text(5, 4000), text(6, 4000));
        let prepared = Prepared::new(&*news).unwrap();
        let kept = Prepared::new(Payload::from(&*secret).compress(false)).unwrap();
        for (server, client) in &mut guests {
            for (message, text) in [(&prepared, &news), (&kept, &secret), (&prepared, &news)] {
                server.send_prepared(message).unwrap();
                assert_eq!(client.recv().unwrap(), Some(Message::Text(text)));
            }
        }
        let alone = counts(guests[0].0.stats());
        assert_eq!((counts(guests[3].0.stats()), alone[0]), (alone, 8000));
        let [_, with_window, ..] = counts(guests[1].0.stats());
        assert!(with_window < alone[1] * 2 / 3, "{with_window} and {alone:?}");
        assert_eq!(guests[2].0.stats().compression, None);
    });
}

/// Of single messages, sent whole and in pieces, and the other way round.
#[test]
fn the_application_may_say_what_to_compress() {
    within(30, || {
        let deflate = Deflate::default();
        let (mut server, mut client) = pair(Some(&deflate), Some(&deflate));
        client.send(Payload::from(text(1, 3000)).compress(false)).unwrap();
        client.feed(Payload::from("tiny").compress(true)).unwrap();
        for compress in [false, true] {
            let mut writer = client.writer(Kind::Binary).unwrap().compress(compress);
            writer.write_all(&noise(100)).unwrap();
            writer.finish().unwrap();
        }
        for expected in [text(1, 3000).as_bytes(), b"tiny", &noise(100), &noise(100)] {
            assert_eq!(server.recv().unwrap().unwrap().as_bytes(), expected);
        }
        assert_eq!(counts(client.stats())[0], 4 + 100);
    });
}

/// The peer has it all, though the message goes on and the compressor would rather wait for more.
#[test]
fn what_a_writer_flushes_can_be_read() {
    within(30, || {
        for settings in [Settings::default(), takeover()] {
            let deflate = Deflate::new(settings);
            let (mut server, client) = pair(Some(&deflate), Some(&deflate));
            let (_receiver, mut sender) = client.split().unwrap();
            let mut writer = sender.writer(Kind::Text).unwrap();
            writer.write_all(b"0: at once\n").unwrap();
            writer.flush().unwrap();
            let mut reader = server.reader().unwrap().unwrap();
            for n in 0..20 {
                if n > 0 {
                    writer.write_all(format!("{n}: at once\n").as_bytes()).unwrap();
                    writer.flush().unwrap();
                    writer.flush().unwrap();
                }
                let mut line = vec![0; format!("{n}: at once\n").len()];
                reader.read_exact(&mut line).unwrap();
                assert_eq!(line, format!("{n}: at once\n").as_bytes());
            }
            writer.finish().unwrap();
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        }
    });
}

/// What it inflates to is far more than may be received whole, and than is ever in memory: of either end, in threads of
/// their own.
#[test]
fn a_long_message_passes_in_bounded_memory() {
    const LEN: usize = 24 << 20;
    within(60, || {
        let deflate = Deflate::default();
        let (mut server, mut client) = pair(Some(&deflate), Some(&deflate));
        let piece = Arc::new(text(9, 50_000));
        let writes = thread::spawn({
            let piece = Arc::clone(&piece);
            move || {
                let allocated = allocation_counter::measure(|| {
                    let mut writer = client.writer(Kind::Text).unwrap();
                    let mut left = LEN;
                    while left > 0 {
                        let n = left.min(piece.len());
                        writer.write_all(&piece.as_bytes()[..n]).unwrap();
                        left -= n;
                    }
                    writer.finish().unwrap();
                });
                assert!(counts(client.stats())[1] < (LEN / 5) as u64);
                allocated
            }
        });
        let reading = allocation_counter::measure(|| {
            let mut reader = server.reader().unwrap().unwrap();
            let (mut buffer, mut at) = (vec![0; 30_000], 0);
            loop {
                let n = reader.read(&mut buffer).unwrap();
                if n == 0 {
                    break;
                }
                let from = at % piece.len();
                let same = n.min(piece.len() - from);
                assert!(buffer[..same] == piece.as_bytes()[from..from + same], "another byte behind {at}");
                at += n;
            }
            assert_eq!(at, LEN);
        });
        let writing = writes.join().unwrap();
        println!("at once: writing {} bytes, reading {} bytes", writing.bytes_max, reading.bytes_max);
        // With the contexts: 373 and 41 KiB.
        assert!(writing.bytes_max < 768 << 10, "{} bytes", writing.bytes_max);
        assert!(reading.bytes_max < 256 << 10, "{} bytes", reading.bytes_max);
    });
}

/// A typed end for us, 1009 for the peer, and what came before is delivered.
#[test]
fn bombs_do_not_go_off() {
    within(30, || {
        for (ratio, error, len) in
            [(None, ProtocolError::MessageTooBig, 17 << 20), (Some(50), ProtocolError::InflateRatio, 1 << 20)]
        {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = client(listener.local_addr().unwrap(), Some(&Deflate::default()));
            let sending = thread::spawn(move || {
                let mut socket = connect(client).unwrap();
                socket.send("before").unwrap();
                socket.send(vec![0; len]).unwrap();
                assert!(socket.recv().unwrap().is_none());
                socket.outcome().unwrap().received.clone().unwrap()
            });
            let (stream, _) = listener.accept().unwrap();
            let mut config = large();
            config.max_inflate_ratio = ratio;
            let choice = Choice::new().deflate(Deflate::default());
            let mut socket = Incoming::read(stream, config).unwrap().accept(&choice).unwrap();
            assert_eq!(socket.recv().unwrap(), Some(Message::Text("before")));
            let end = socket.recv().map(drop);
            assert!(matches!(end, Err(Error::Protocol(met)) if met == error), "{end:?}");
            assert!(socket.recv().unwrap().is_none());
            assert_eq!(
                socket.outcome().unwrap().sent.clone().unwrap().code,
                Some(CloseCode::MESSAGE_TOO_BIG)
            );
            let told = sending.join().unwrap();
            assert_eq!((told.code.map(CloseCode::get), &*told.reason), (Some(1009), error.reason()));
        }
    });
}
