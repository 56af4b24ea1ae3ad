//! Attacks and defects that have happened elsewhere, as far as they concern what reads and writes: the rows of `exhibits.md`
//! that are about adapters.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use websans::{Connection, Inbox, Timestamp};
use websans_deflate::{Deflate, RECEIVE_MEMORY, Settings};
use websans_testkit::bombs;
use websans_testkit::wire::{self, Frame};
use websans_testkit::zlib;
use websans_tokio::{Cause, CloseCode, Config, Error, Message, Negotiated, Role, WebSocket, accept};

use crate::support::{agreed, pipe};

const LONG: Duration = Duration::from_secs(3600);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A transport that has so much to read and takes so much, and then reads as ended and takes nothing, without an error.
struct Ended {
    input: VecDeque<u8>,
    takes: usize,
    vectored: bool,
    /// How often it was read after its end, and written to in vain.
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl Ended {
    fn new(input: &[u8], takes: usize, vectored: bool) -> Self {
        let input = input.iter().copied().collect();
        Self { input, takes, vectored, reads: Arc::default(), writes: Arc::default() }
    }

    fn counts(&self) -> [Arc<AtomicUsize>; 2] {
        [Arc::clone(&self.reads), Arc::clone(&self.writes)]
    }

    fn take(&mut self, len: usize) -> Poll<io::Result<usize>> {
        let n = len.min(self.takes);
        self.takes -= n;
        if n == 0 && len > 0 && self.writes.fetch_add(1, Ordering::Relaxed) == 10 {
            panic!("it writes again and again what is not taken");
        }
        Poll::Ready(Ok(n))
    }
}

impl AsyncRead for Ended {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = self.input.len().min(out.remaining());
        self.input.drain(..n).for_each(|byte| out.put_slice(&[byte]));
        if n == 0 && self.reads.fetch_add(1, Ordering::Relaxed) == 10 {
            panic!("it reads again and again what has ended");
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ended {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn quiet() -> Config {
    let mut config = Config::default();
    config.keepalive = None;
    config
}

fn server<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> WebSocket<S> {
    WebSocket::from_handshake(io, Role::Server, quiet(), Negotiated::default(), &[])
}

/// What a client sends in the course of a connection.
fn session() -> Vec<u8> {
    let frames = [
        Frame::text("hello"),
        Frame::binary(vec![7; 300]).unfinished(),
        Frame::ping("ping"),
        Frame::continuation(vec![7; 300]),
        Frame::close(1000, "bye"),
    ];
    wire::stream(&frames, true)
}

/// The transport ends at every byte of the handshake and of a connection: whoever waits returns, after at most two reads.
#[tokio::test(start_paused = true)]
async fn rustsec_2024_0336_end_of_the_stream_at_every_state() {
    for at in 0..REQUEST.len() {
        let io = Ended::new(&REQUEST[..at], usize::MAX, false);
        let [reads, _] = io.counts();
        assert!(timeout(LONG, accept(io)).await.unwrap().is_err());
        assert!(reads.load(Ordering::Relaxed) <= 2, "{at} bytes of a handshake: {reads:?} reads");
    }
    let session = session();
    for at in 0..=session.len() {
        for closing in [false, true] {
            let io = Ended::new(&session[..at], usize::MAX, false);
            let [reads, _] = io.counts();
            let mut socket = server(io);
            if closing {
                socket.start_close(CloseCode::NORMAL, "").await.unwrap();
            }
            while timeout(LONG, socket.recv()).await.unwrap().unwrap().is_some() {}
            assert!(reads.load(Ordering::Relaxed) <= 2, "{at}, {closing}: {reads:?} reads");
            let clean = at == session.len();
            assert_eq!(socket.outcome().unwrap().cause == Cause::Clean, clean, "{at}, {closing}");
            // It has ended, and says so as often as it is asked.
            assert!(socket.recv().await.unwrap().is_none() && socket.send("x").await.is_err());
            assert!(reads.load(Ordering::Relaxed) <= 2);
        }
        let io = Ended::new(&session[..at], usize::MAX, false);
        let [reads, _] = io.counts();
        let (mut receiver, sender) = server(io).split();
        while timeout(LONG, receiver.recv()).await.unwrap().unwrap().is_some() {}
        assert!(sender.send("x").await.is_err());
        assert!(reads.load(Ordering::Relaxed) <= 2, "halves, {at}: {reads:?} reads");
    }
}

/// A transport that takes nothing, and says that it has done so, at every byte that there is to write: an error, at once.
#[tokio::test(start_paused = true)]
async fn shape_write_of_nothing_is_no_progress() {
    for vectored in [false, true] {
        for takes in 0..140 {
            let io = Ended::new(REQUEST, takes, vectored);
            let [_, writes] = io.counts();
            let accepted = timeout(LONG, accept(io)).await.unwrap();
            assert!(accepted.is_err() || takes >= 129, "{takes} bytes of a response");
            assert!(writes.load(Ordering::Relaxed) <= 2);
        }
        for takes in [0, 1, 2, 50, 9000] {
            for what in 0..5 {
                let io = Ended::new(&session(), takes, vectored);
                let [_, writes] = io.counts();
                let mut socket = server(io);
                let failed = timeout(LONG, async {
                    match what {
                        0 => socket.send(vec![7; 10_000]).await.is_err(),
                        1 => {
                            socket.feed("x").await.unwrap();
                            socket.feed(vec![7; 10_000]).await.unwrap();
                            socket.flush().await.is_err()
                        }
                        // The peer's Close has come, so these two may tell of an ending instead of an error.
                        2 => {
                            let _ = socket.close(CloseCode::NORMAL, "").await;
                            true
                        }
                        3 => {
                            while socket.recv().await.is_ok_and(|message| message.is_some()) {}
                            true
                        }
                        _ => socket.ping(&[7; 100]).await.is_err() || takes >= 102,
                    }
                })
                .await
                .expect("it returns");
                assert!(failed, "{what}, {takes}, {vectored}");
                assert!(writes.load(Ordering::Relaxed) <= 2, "{what}, {takes}: {writes:?} writes");
            }
        }
    }
}

/// Receiving that is given up at any poll, and begun anew, loses no message and makes none twice.
#[tokio::test(start_paused = true)]
async fn attack_33_receiving_can_be_dropped_at_every_poll() {
    for size in [1, 3, 100] {
        let (mut socket, mut client) = pipe(size, quiet());
        let sending = tokio::spawn(async move {
            for n in 0..50_u8 {
                client.send(vec![n; usize::from(n) * 7]).await.unwrap();
            }
            client.close(CloseCode::NORMAL, "").await.unwrap().clone()
        });
        let (mut next, mut dropped) = (0, 0);
        loop {
            let polled = match pin!(socket.recv()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(received) => received.unwrap().map(|message| message.as_bytes().to_vec()),
                Poll::Pending => {
                    dropped += 1;
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let Some(payload) = polled else { break };
            assert_eq!(payload, vec![next; usize::from(next) * 7]);
            next += 1;
        }
        assert_eq!(next, 50);
        assert!(dropped > 10, "{dropped} futures were dropped");
        assert!(sending.await.unwrap().is_clean());
    }
}

/// A receiver and many senders at once, on several threads: every message is whole, and nobody waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn attack_34_halves_at_once() {
    let (server, mut client) = pipe(1000, quiet());
    let (mut receiver, sender) = server.split();
    let senders: Vec<_> = (0..4_u8)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    sender.send(vec![n; 500]).await.unwrap();
                    sender.ping(&[n]).await.unwrap();
                }
            })
        })
        .collect();
    let receiving = tokio::spawn(async move {
        let mut messages = 0;
        while receiver.recv().await.unwrap().is_some() {
            messages += 1;
        }
        messages
    });
    let all = timeout(Duration::from_secs(60), async {
        for n in 0..400 {
            let message = client.recv().await.unwrap().expect("as many as were sent").as_bytes().to_vec();
            assert!(message.len() == 500 && message.iter().all(|byte| *byte == message[0]), "message {n}");
            client.send(message).await.unwrap();
        }
        for sending in senders {
            sending.await.unwrap();
        }
        assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        receiving.await.unwrap()
    });
    assert_eq!(all.await.expect("nobody waits for ever"), 400);
}

/// Always something to read, and never a message.
struct Endless(Vec<u8>, Arc<AtomicUsize>);

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(self.1.fetch_add(1, Ordering::Relaxed) < 100_000, "others never have their turn");
        while out.remaining() >= self.0.len() {
            out.put_slice(&self.0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A transport that knows nothing of turns and always has more: after a bounded number of reads it is another's turn.
#[tokio::test]
async fn attack_36_flood_lets_others_have_their_turn() {
    for frame in [Frame::ping("x"), Frame::pong("x"), Frame::binary(*b"x").unfinished()] {
        let continues = frame.opcode == 2;
        let bytes =
            wire::stream(&[if continues { Frame::continuation(*b"x").unfinished() } else { frame }], true);
        let reads = Arc::new(AtomicUsize::new(0));
        let mut config = quiet();
        config.max_fragments = u32::MAX;
        let begun = wire::stream(&[Frame::binary(*b"x").unfinished()], true);
        let begun = if continues { &begun[..] } else { &[] };
        let io = Endless(bytes, Arc::clone(&reads));
        let mut socket = WebSocket::from_handshake(io, Role::Server, config, Negotiated::default(), begun);
        for turn in 1..=20 {
            let polled = pin!(socket.recv()).poll(&mut Context::from_waker(Waker::noop())).is_pending();
            assert!(polled, "nothing has come");
            let reads = reads.load(Ordering::Relaxed);
            assert!(reads <= turn * 200, "{reads} reads in {turn} turns");
            tokio::task::yield_now().await;
        }
    }
}

/// A connection that has agreed on compression.
fn compressing(deflate: &Deflate, config: &Arc<Config>) -> (Connection, Inbox) {
    websans::open(Role::Server, Arc::clone(config), agreed(Some(deflate), false), Timestamp::from_nanos(0))
}

/// What arrives, and what is answered.
fn echo((conn, inbox): &mut (Connection, Inbox), mut bytes: &[u8]) -> Result<usize, websans::ProtocolError> {
    let mut messages = 0;
    while !bytes.is_empty() {
        let room = inbox.spare_mut();
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        inbox.filled(n);
        bytes = &bytes[n..];
        while inbox.next(conn)? {
            conn.send(inbox.message().unwrap()).unwrap();
            messages += 1;
            let outbox = conn.outbox();
            outbox.advance(outbox.len());
        }
    }
    Ok(messages)
}

/// No message of a megabyte on the wire costs a multiple of the dearest honest one of that size.
#[test]
fn attack_02_no_message_costs_more_than_an_honest_one() {
    let deflate = Deflate::default();
    let mut config = quiet();
    config.max_message = 1 << 20;
    config.max_fragments = u32::MAX;
    let config = Arc::new(config);
    let fastest = |bytes: &[u8]| {
        let tries = (0..3).map(|_| {
            let mut connection = compressing(&deflate, &config);
            let start = Instant::now();
            let _ = echo(&mut connection, bytes);
            start.elapsed()
        });
        tries.min().unwrap()
    };
    let mut dice = websans_testkit::dice::Dice::new(1);
    let honest = zlib::deflate(dice.text(1 << 20).as_bytes(), zlib::Habits::default());
    let honest = wire::stream(&[Frame::text(honest).reserved(4)], true);
    let honest = fastest(&honest);
    for attack in bombs::attacks(64 << 10) {
        let frames = wire::stream(&bombs::frames(&attack.payload, usize::MAX, true), true);
        let took = fastest(&frames);
        assert!(took <= 20 * honest, "{}: {took:?}, {honest:?} for an honest message", attack.name);
    }
}

/// A connection that compresses and is idle holds next to nothing; with context takeover it holds what the settings say.
#[test]
fn attack_24_memory_of_compression() {
    let mut takeover = Settings::default();
    takeover.negotiation.server_no_context_takeover = false;
    takeover.negotiation.client_no_context_takeover = false;
    let windows = takeover.send_memory(15) + RECEIVE_MEMORY;
    for (settings, most) in [(Settings::default(), 2 << 10), (takeover, windows + (2 << 10))] {
        let deflate = Deflate::new(settings);
        let config = Arc::new(quiet());
        let message =
            zlib::deflate(b"a message, a message, a message, of some length", zlib::Habits::default());
        let frame = wire::stream(&[Frame::text(message).reserved(4)], true);
        let run = || {
            let mut connection = compressing(&deflate, &config);
            assert_eq!(echo(&mut connection, &frame), Ok(1));
            connection.0.park();
            drop(connection.1.park());
            connection
        };
        // The pool is filled by those before.
        drop([run(), run()]);
        let mut kept = Vec::with_capacity(20);
        let info = measure(|| kept.extend((0..20).map(|_| run())));
        let each = usize::try_from(info.bytes_current).unwrap_or(0) / 20;
        assert!(each <= most, "{each} bytes each, of {most}");
    }
}

/// The side channel of compression is closed by default: no context outlives a message, and a message can be left alone.
#[test]
fn attack_23_no_context_takeover_by_default() {
    let negotiation = Settings::default().negotiation;
    assert!(negotiation.server_no_context_takeover && negotiation.client_no_context_takeover);
    let deflate = Deflate::default();
    let mut conn = compressing(&deflate, &Arc::new(quiet())).0;
    let text = "secret and guess, secret and guess, secret and guess; ".repeat(10);
    let mut sent = |compress: Option<bool>| {
        let payload = websans::Payload::from(&text[..]);
        let payload = compress.map_or(payload.clone(), |compress| payload.compress(compress));
        conn.send(payload).unwrap();
        let outbox = conn.outbox();
        let bytes = outbox.chunk().to_vec();
        outbox.advance(bytes.len());
        bytes
    };
    let [first, second] = [sent(None), sent(None)];
    assert_eq!(first, second, "what was sent before does not show");
    assert!(first.len() < text.len() / 2 && first[0] == 0xc1);
    let alone = sent(Some(false));
    assert!(alone[0] == 0x81 && alone.len() > text.len(), "the length tells nothing of the content");
}

/// Frames that come in the same read as the handshake belong to the connection, and those behind a refused one to nobody.
#[tokio::test(start_paused = true)]
async fn shape_frames_behind_a_refusal_are_read_by_nobody() {
    let frames = wire::stream(&[Frame::text("hi"), Frame::close(1000, "")], true);
    let good = [REQUEST, &frames].concat();
    let mut socket = accept(Ended::new(&good, usize::MAX, false)).await.unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::Text("hi")));
    let bad = String::from_utf8(REQUEST.to_vec()).unwrap().replace("Version: 13", "Version: 8");
    let io = Ended::new(&[bad.as_bytes(), &frames].concat(), usize::MAX, false);
    assert!(matches!(accept(io).await, Err(Error::Handshake(_))));
}
