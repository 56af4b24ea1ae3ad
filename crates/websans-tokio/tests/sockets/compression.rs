//! permessage-deflate between a server and clients of ours, agreed on in real handshakes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use websans_deflate::{Deflate, RECEIVE_MEMORY, Settings};
use websans_tokio::handshake::server::Choice;
use websans_tokio::{
    Client, CloseCode, Config, Error, Incoming, Kind, Message, Outcome, Payload, Prepared, ProtocolError,
    Report, Server, Stats, Transport, WebSocket, accept_with, connect, serve,
};

const SOON: Duration = Duration::from_secs(30);

/// Settings with context takeover both ways.
fn takeover() -> Settings {
    let mut settings = Settings::default();
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    settings
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

type Accepted = WebSocket<TcpStream>;

/// A server that accepts one connection, with or without compression.
async fn server(deflate: Option<&Deflate>) -> (SocketAddr, JoinHandle<Accepted>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let choice = Choice::new().deflate(deflate.map(Into::into));
    let accepting = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut config = Config::default();
        config.max_message = 16 << 20;
        Incoming::read(stream, config).await.unwrap().accept(&choice).await.unwrap()
    });
    (address, accepting)
}

fn client(address: SocketAddr, deflate: Option<&Deflate>) -> Client {
    let mut config = Config::default();
    config.max_message = 16 << 20;
    let client = Client::new(&format!("ws://{address}/")).unwrap();
    client.config(config).deflate(deflate.map(Into::into)).unwrap()
}

/// Both ends of a connection whose handshake is done.
async fn pair(
    server_has: Option<&Deflate>,
    client_has: Option<&Deflate>,
) -> (Accepted, WebSocket<Transport>) {
    let (address, accepting) = server(server_has).await;
    let socket = connect(client(address, client_has)).await.unwrap();
    (accepting.await.unwrap(), socket)
}

/// Sends a message from one end to the other.
macro_rules! pass {
    ($from:expr, $to:expr, $message:expr) => {{
        let message = $message;
        let (sent, received) = tokio::join!($from.send(&message[..]), timeout(SOON, $to.recv_owned()));
        sent.unwrap();
        let received = received.expect("it arrives").unwrap().expect("it is no end");
        assert!(received.as_bytes() == AsRef::<[u8]>::as_ref(&message[..]), "it is another");
    }};
}

/// What an end has sent and received: plain, compressed, plain, compressed.
fn counts(stats: Stats) -> [u64; 4] {
    let it = stats.compression.expect("it has been agreed on");
    [it.sent_plain, it.sent_compressed, it.received_plain, it.received_compressed]
}

#[tokio::test]
async fn both_ends_compress_and_count_alike() {
    for settings in [Settings::default(), takeover()] {
        let deflate = Deflate::new(settings);
        let (mut server, mut client) = pair(Some(&deflate), Some(&deflate)).await;
        for len in [0, 1, 127, 128, 1000, 65_535, 65_536, 3 << 20] {
            pass!(client, server, text(len, len));
            pass!(server, client, text(len, len));
            pass!(client, server, noise(len));
            pass!(server, client, noise(len));
        }
        let [plain, sent, received_plain, received] = counts(client.stats());
        assert_eq!(
            counts(server.stats()),
            [received_plain, received, plain, sent],
            "each counts what the other does"
        );
        // The threshold is in the default settings.
        let long = 2 * (128 + 1000 + 65_535 + 65_536 + (3 << 20));
        assert_eq!((plain, received_plain), (long, long));
        assert!(sent < long * 6 / 10 && sent > long / 2, "{sent} of {long}");
        let outcome = tokio::join!(client.close(CloseCode::NORMAL, ""), server.recv()).0.unwrap();
        assert!(outcome.is_clean());
    }
}

/// Windows are worth it where messages are alike, and take memory from the budget for as long as there is any.
#[tokio::test]
async fn windows_are_paid_for_from_a_budget() {
    let mut settings = takeover();
    let each = settings.send_memory(15) + RECEIVE_MEMORY;
    settings.context_budget = 5 * each / 2;
    let (ours, theirs) = (Deflate::new(settings), Deflate::new(takeover()));
    let mut kept = Vec::new();
    let mut sent = Vec::new();
    // There is room for two.
    for memory in [each, each, 0] {
        let (mut server, mut client) = pair(Some(&ours), Some(&theirs)).await;
        for _ in 0..2 {
            pass!(server, client, text(7, 1000));
        }
        let kept_by = |stats: Stats| stats.compression.unwrap().memory;
        assert_eq!((kept_by(server.stats()), kept_by(client.stats())), (memory, memory));
        sent.push(counts(server.stats())[1]);
        kept.push((server, client));
    }
    assert!(sent[0] == sent[1] && sent[0] < sent[2] * 2 / 3, "{sent:?}");
    assert_eq!(ours.budget_left(), each / 2);
    drop(kept);
    assert_eq!((ours.budget_left(), theirs.budget_left()), (5 * each / 2, theirs.settings().context_budget));
}

/// It is no more than a connection without it.
#[tokio::test]
async fn either_end_may_not_want_it() {
    let deflate = Deflate::default();
    for (server_has, client_has) in [(Some(&deflate), None), (None, Some(&deflate)), (None, None)] {
        let (mut server, mut client) = pair(server_has, client_has).await;
        pass!(client, server, text(1, 10_000));
        pass!(server, client, text(2, 10_000));
        assert_eq!((server.stats().compression, client.stats().compression), (None, None));
        assert!(server.stats().bytes_received > 10_000);
    }
}

/// The server decides by what the request says.
#[tokio::test]
async fn the_server_may_decide() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let deflate = Deflate::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let socket = accept_with(stream, async |handshake| {
                let wanted = handshake.path() == "/small";
                Ok(Choice::new().deflate(wanted.then(|| (&deflate).into())))
            });
            let mut socket = socket.await.unwrap().unwrap();
            let message = socket.recv_owned().await.unwrap().unwrap();
            socket.send(message).await.unwrap();
        }
    });
    for (target, compresses) in [("small", true), ("plain", false)] {
        let client =
            Client::new(&format!("ws://{address}/{target}")).unwrap().deflate(Deflate::default()).unwrap();
        let mut socket = connect(client).await.unwrap();
        socket.send(text(1, 5000)).await.unwrap();
        assert_eq!(socket.recv().await.unwrap(), Some(Message::Text(&text(1, 5000))));
        assert_eq!(socket.stats().compression.is_some(), compresses);
        assert_eq!(socket.stats().bytes_received < 2500, compresses);
    }
}

#[tokio::test]
async fn a_server_of_many() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let deflate = Deflate::default();
    let choice = Arc::new(Choice::new().deflate(&deflate));
    let serving: JoinHandle<Report> =
        tokio::spawn(serve(listener, Server::default().shutdown_on(stopped), move |incoming| {
            let choice = Arc::clone(&choice);
            async move {
                let (mut receiver, sender) = incoming.accept(&choice).await?.split();
                while let Some(message) = receiver.recv().await? {
                    match sender.send(message).await {
                        Ok(()) | Err(Error::Send(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }));
    let talks: Vec<_> = (0..20)
        .map(|n| {
            // Every other one compresses.
            let client = client(address, (n % 2 == 0).then_some(&deflate));
            tokio::spawn(async move {
                let mut socket = connect(client).await.unwrap();
                for round in 0..10 {
                    let message = text(n + round, 20_000);
                    socket.send(&*message).await.unwrap();
                    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text(&message)));
                }
                assert_eq!(socket.stats().bytes_received < 100_000, n % 2 == 0);
                socket
            })
        })
        .collect();
    let mut sockets = Vec::new();
    for talk in talks {
        sockets.push(timeout(SOON, talk).await.unwrap().unwrap());
    }
    stop.send(()).unwrap();
    for socket in &mut sockets {
        assert!(socket.recv().await.unwrap().is_none());
        assert!(socket.outcome().is_some_and(Outcome::is_clean));
    }
    timeout(SOON, serving).await.unwrap().unwrap();
}

/// All four halves at work at once, in tasks of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_compress_and_inflate_at_once() {
    let deflate = Deflate::new(takeover());
    let (server, client) = pair(Some(&deflate), Some(&deflate)).await;
    let ((mut server_receives, server_sends), (mut client_receives, client_sends)) =
        (server.split(), client.split());
    let message = |n: usize| if n % 3 == 0 { noise(50_000 + n) } else { text(n, 30_000 + n).into_bytes() };
    macro_rules! sends {
        ($sender:expr) => {{
            let sender = $sender.clone();
            tokio::spawn(async move {
                for n in 0..60 {
                    sender.send(message(n)).await.unwrap();
                }
            })
        }};
    }
    macro_rules! receives {
        ($receiver:expr) => {
            tokio::spawn(async move {
                for n in 0..60 {
                    let received = timeout(SOON, $receiver.recv()).await.unwrap().unwrap().unwrap();
                    assert!(received.as_bytes() == message(n), "message {n}");
                }
                $receiver
            })
        };
    }
    let (a, b) = (sends!(server_sends), sends!(client_sends));
    let (c, d) = (receives!(server_receives), receives!(client_receives));
    a.await.unwrap();
    b.await.unwrap();
    let (server_receives, client_receives) = (c.await.unwrap(), d.await.unwrap());
    assert_eq!(counts(server_sends.stats()), counts(client_sends.stats()), "they have done the same");
    assert_eq!(counts(server_sends.stats()), counts(server_receives.stats()));
    drop(client_receives);
}

/// One frame for all who compress alike, whatever the others have agreed on.
#[tokio::test]
async fn a_prepared_message_goes_to_all() {
    let (deflate, with_windows) = (Deflate::default(), Deflate::new(takeover()));
    let mut guests = Vec::new();
    for has in [Some(&deflate), Some(&deflate), Some(&with_windows), None, Some(&deflate)] {
        guests.push(pair(has, has).await);
    }
    let (news, secret) = (text(5, 4000), text(6, 4000));
    let prepared = Prepared::new(&*news).unwrap();
    let kept = Prepared::new(Payload::from(&*secret).compress(false)).unwrap();
    for (server, client) in &mut guests {
        for (message, text) in [(&prepared, &news), (&kept, &secret), (&prepared, &news)] {
            server.send_prepared(message).await.unwrap();
            assert_eq!(client.recv().await.unwrap(), Some(Message::Text(text)));
        }
    }
    let alike: Vec<_> = [0, 1, 4].map(|n: usize| counts(guests[n].0.stats())).into();
    assert!(alike.iter().all(|counts| *counts == alike[0] && counts[0] == 8000), "{alike:?}");
    let [_, with_window, ..] = counts(guests[2].0.stats());
    assert!(with_window < alike[0][1] * 2 / 3, "{with_window} and {alike:?}");
    assert_eq!(guests[3].0.stats().compression, None);
}

/// Of single messages, sent whole and in pieces, and the other way round.
#[tokio::test]
async fn the_application_may_say_what_to_compress() {
    let deflate = Deflate::default();
    let (mut server, mut client) = pair(Some(&deflate), Some(&deflate)).await;
    client.send(Payload::from(text(1, 3000)).compress(false)).await.unwrap();
    client.feed(Payload::from("tiny").compress(true)).await.unwrap();
    for compress in [false, true] {
        let mut writer = client.writer(Kind::Binary).unwrap().compress(compress);
        writer.write_all(&noise(100)).await.unwrap();
        writer.finish().await.unwrap();
    }
    for expected in [text(1, 3000).as_bytes(), b"tiny", &noise(100), &noise(100)] {
        assert_eq!(server.recv().await.unwrap().unwrap().as_bytes(), expected);
    }
    assert_eq!(counts(client.stats())[0], 4 + 100);
}

/// The peer has it all, though the message goes on and the compressor would rather wait for more.
#[tokio::test]
async fn what_a_writer_flushes_can_be_read() {
    for settings in [Settings::default(), takeover()] {
        let deflate = Deflate::new(settings);
        let (mut server, client) = pair(Some(&deflate), Some(&deflate)).await;
        let (_receiver, mut sender) = client.split();
        let mut writer = sender.writer(Kind::Text).unwrap();
        writer.write_all(b"0: at once\n").await.unwrap();
        writer.flush().await.unwrap();
        let mut reader = timeout(SOON, server.reader()).await.expect("it has begun").unwrap().unwrap();
        for n in 0..20 {
            if n > 0 {
                writer.write_all(format!("{n}: at once\n").as_bytes()).await.unwrap();
                writer.flush().await.unwrap();
                writer.flush().await.unwrap();
            }
            let mut line = vec![0; format!("{n}: at once\n").len()];
            timeout(SOON, reader.read_exact(&mut line)).await.expect("it is there").unwrap();
            assert_eq!(line, format!("{n}: at once\n").as_bytes());
        }
        writer.finish().await.unwrap();
        assert_eq!(timeout(SOON, reader.read(&mut [0])).await.unwrap().unwrap(), 0);
    }
}

/// What it inflates to is far more than may be received whole, and than is ever in memory.
#[test]
fn a_long_message_passes_in_bounded_memory() {
    const LEN: usize = 24 << 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deflate = Deflate::default();
    let (server, mut client) = runtime.block_on(pair(Some(&deflate), Some(&deflate)));
    let piece = text(9, 50_000);
    let (mut receiver, _sender) = server.split();
    let allocated = measure(|| {
        runtime.block_on(async {
            let writes = async {
                let mut writer = client.writer(Kind::Text).unwrap();
                let mut left = LEN;
                while left > 0 {
                    let n = left.min(piece.len());
                    writer.write_all(&piece.as_bytes()[..n]).await.unwrap();
                    left -= n;
                }
                writer.finish().await.unwrap();
            };
            let reads = async {
                let mut reader = receiver.reader().await.unwrap().unwrap();
                let (mut buffer, mut at) = (vec![0; 30_000], 0);
                loop {
                    let n = reader.read(&mut buffer).await.unwrap();
                    if n == 0 {
                        break;
                    }
                    let from = at % piece.len();
                    let same = n.min(piece.len() - from);
                    assert!(
                        buffer[..same] == piece.as_bytes()[from..from + same],
                        "another byte behind {at}"
                    );
                    at += n;
                }
                assert_eq!(at, LEN);
            };
            tokio::join!(writes, reads);
        });
    });
    assert!(counts(client.stats())[1] < (LEN / 5) as u64);
    println!("both ends of {LEN} bytes: at most {} bytes at once", allocated.bytes_max);
    // Both contexts, 414 KiB, and what both ends hold of the message: an outbox of 256 KiB that is filled again while the transport
    // takes it takes up to twice as much.
    assert!(allocated.bytes_max < 3 << 19, "{} bytes", allocated.bytes_max);
}

/// A typed end for us, 1009 for the peer, and what came before is delivered.
#[tokio::test]
async fn bombs_do_not_go_off() {
    for (ratio, error, len) in
        [(None, ProtocolError::MessageTooBig, 17 << 20), (Some(50), ProtocolError::InflateRatio, 1 << 20)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut config = Config::default();
            config.max_message = 16 << 20;
            config.max_inflate_ratio = ratio;
            let choice = Choice::new().deflate(Deflate::default());
            let mut socket = Incoming::read(stream, config).await.unwrap().accept(&choice).await.unwrap();
            assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("before")));
            let end = socket.recv().await.map(drop);
            assert!(socket.recv().await.unwrap().is_none());
            (end, socket.outcome().cloned().unwrap())
        });
        let mut socket = connect(client(address, Some(&Deflate::default()))).await.unwrap();
        socket.send("before").await.unwrap();
        socket.send(vec![0; len]).await.unwrap();
        assert!(socket.recv().await.unwrap().is_none());
        let told = socket.outcome().unwrap().received.clone().unwrap();
        assert_eq!((told.code.map(CloseCode::get), &*told.reason), (Some(1009), error.reason()));
        drop(socket);
        let (end, outcome) = timeout(SOON, receiving).await.unwrap().unwrap();
        assert!(matches!(end, Err(Error::Protocol(met)) if met == error), "{end:?}");
        assert_eq!(outcome.sent.unwrap().code, Some(CloseCode::MESSAGE_TOO_BIG));
    }
}

/// What a compressed echo of 1 KiB allocates once things are under way.
#[test]
fn an_echo_allocates_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    for (name, settings, most) in [("alone", Settings::default(), 100), ("with windows", takeover(), 100)] {
        let (server, client) = over_a_pipe(&runtime, &Deflate::new(settings));
        let (mut server_receives, server_sends) = server.split();
        let (mut client_receives, client_sends) = client.split();
        let message = text(3, 1024);
        let mut allocations = [(0, 0); 4];
        for round in 0..110 {
            let mut question = None;
            let steps = [
                measure(|| at_once(client_sends.send(&*message)).unwrap()),
                measure(|| question = at_once(server_receives.recv()).unwrap()),
                measure(|| at_once(server_sends.send(question.unwrap())).unwrap()),
                measure(|| {
                    let answer = at_once(client_receives.recv()).unwrap();
                    assert_eq!(answer, Some(Message::Text(&message)));
                }),
            ];
            // Both wait once, as between messages.
            for receiver in [&mut server_receives, &mut client_receives] {
                let mut waiting = std::pin::pin!(receiver.recv());
                let mut cx = Context::from_waker(std::task::Waker::noop());
                assert!(waiting.as_mut().poll(&mut cx).is_pending());
            }
            for (sum, step) in allocations.iter_mut().zip(steps) {
                if round >= 10 {
                    *sum = (sum.0 + step.count_total, sum.1 + step.bytes_total);
                }
            }
        }
        // What goes out is compressed into the outbox. What comes in needs a buffer of its own, which waiting gives back:
        // four times as long as what arrived, and twice that if it proves too small.
        let [asking, receiving, answering, hearing] = allocations.map(|(count, _)| count);
        assert_eq!((asking, answering), (0, 0), "{name}");
        assert!(receiving <= most && hearing <= most, "{name}: {allocations:?}");
        println!(
            "{name}: asking, receiving, answering, receiving (allocations, bytes in 100): {allocations:?}"
        );
    }
}

/// What needs not wait, since the pipe has room.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(tokio::task::unconstrained(future));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
    }
}

/// Both ends over a pipe in memory, handshake included.
fn over_a_pipe(
    runtime: &tokio::runtime::Runtime,
    deflate: &Deflate,
) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = tokio::io::duplex(64 << 10);
    let client = Client::new("ws://example.com/").unwrap().deflate(deflate).unwrap();
    let choice = Choice::new().deflate(deflate);
    runtime.block_on(async {
        let accepting = async { Incoming::read(far, Config::default()).await.unwrap().accept(&choice).await };
        let (server, client) = tokio::join!(accepting, websans_tokio::handshake(near, &client));
        (server.unwrap(), client.unwrap())
    })
}

/// Everything has left and the peer has closed in good order: there is nothing to flush, and nothing that fails.
#[tokio::test]
async fn a_flush_of_nothing_does_nothing() {
    let (ours, mut theirs) = crate::support::pipe(1 << 16, Config::default());
    let peer = tokio::spawn(async move {
        assert!(theirs.recv().await.unwrap().is_some());
        theirs.close(CloseCode::NORMAL, "bye").await.map(|outcome| outcome.is_clean())
    });
    let (mut receiver, mut sender) = ours.split();
    let mut writer = sender.writer(Kind::Text).unwrap();
    writer.write_all(b"hello").await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), None);
    assert!(peer.await.unwrap().unwrap());
    writer.flush().await.unwrap();
}
