//! Both halves of connections over TLS at work at the same time, and peers that do not read.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{
    CloneStream, CloseCode, Config, Error, Incoming, Message, Receiver, Sender, TlsStream, WebSocket, connect,
};

use crate::peers::{LONG, authority, example, identity, pattern, serve};

const LARGE: usize = 8 << 20;

fn large() -> Config {
    let mut config = Config::default();
    config.max_message = LARGE as u64;
    config
}

/// Little room in the kernel, so that whoever does not read is felt soon.
fn tighten(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    socket.set_send_buffer_size(64 << 10).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
}

/// A server of ours, for what `serve` does with its socket.
fn server(run: impl Fn(WebSocket<TlsStream>) + Clone + Send + 'static) -> SocketAddr {
    let identity = identity(authority(), "example.com");
    serve(move |stream| {
        tighten(&stream);
        let stream = TlsStream::server(stream, identity.clone(), LONG).unwrap();
        let choice = websans_std::handshake::server::Choice::new();
        run(Incoming::read(stream, large()).unwrap().accept(&choice).unwrap());
    })
}

/// Sends a large message while one arrives, and Pings in between.
fn both_ways<S: CloneStream + Send>(receiver: &mut Receiver<S>, sender: &Sender<S>, own: u32, theirs: u32) {
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..20u8 {
                sender.ping(&[n]).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        scope.spawn(|| sender.send(pattern(LARGE, own)).unwrap());
        match receiver.recv().unwrap() {
            Some(Message::Binary(bytes)) => assert!(bytes == pattern(LARGE, theirs), "it is another"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn one_thread_reads_while_others_write() {
    let (sender, ended) = mpsc::channel();
    let server = server(move |socket| {
        let (mut receiver, to) = socket.split().unwrap();
        both_ways(&mut receiver, &to, 1, 2);
        assert_eq!(receiver.recv().unwrap(), None);
        sender.send(receiver.outcome().unwrap()).unwrap();
    });
    let socket = connect(example(server).config(large())).unwrap();
    tighten(socket.get_ref().tcp());
    let (mut receiver, sender) = socket.split().unwrap();
    both_ways(&mut receiver, &sender, 2, 1);
    thread::scope(|scope| {
        scope.spawn(|| while receiver.recv().unwrap().is_some() {});
        assert!(sender.close(CloseCode::NORMAL, "").unwrap().is_clean());
    });
    assert!(sender.stats().round_trip.is_some(), "no Pong came");
    assert!(ended.recv_timeout(LONG).unwrap().is_clean());
}

/// What was sent leaves to its last byte though the peer reads late, and nobody receives at this end. Somewhere among
/// these lengths the last records are sealed but do not leave at once: there is no more room for them.
#[test]
fn a_peer_that_reads_late_gets_everything() {
    thread::scope(|scope| {
        for split in [false, true] {
            for n in 2..20 {
                scope.spawn(move || reads_late(split, n << 15));
            }
        }
    });
}

fn reads_late(split: bool, len: usize) {
    let (sender, got) = mpsc::channel();
    let server = server(move |mut socket| {
        thread::sleep(Duration::from_millis(500));
        let message = socket.recv().unwrap().map(|message| message.as_bytes().to_vec());
        sender.send(message).unwrap();
    });
    let mut socket = connect(example(server).config(large())).unwrap();
    tighten(socket.get_ref().tcp());
    let message = pattern(len, 3);
    let kept: Box<dyn std::any::Any> = if split {
        let (receiver, sender) = socket.split().unwrap();
        sender.send(&message).unwrap();
        Box::new((receiver, sender))
    } else {
        socket.send(&message).unwrap();
        Box::new(socket)
    };
    assert!(got.recv_timeout(LONG / 2).unwrap() == Some(message), "split: {split}, {len} bytes");
    drop(kept);
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    for split in [false, true] {
        let (done, wait) = mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let server = server(move |socket| {
            let _ = wait.lock().unwrap().recv_timeout(LONG);
            drop(socket);
        });
        let mut config = large();
        config.write_stall = Duration::from_millis(500);
        let mut socket = connect(example(server).config(config)).unwrap();
        tighten(socket.get_ref().tcp());
        let (message, begun) = (pattern(4 << 20, 4), Instant::now());
        let result = if split { socket.split().unwrap().1.send(&message) } else { socket.send(&message) };
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_millis(500) && elapsed < LONG / 2, "{elapsed:?}");
        drop(done);
    }
}
