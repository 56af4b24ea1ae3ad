//! The tunnel, both ends of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::{Server, keep_small, within};

const TUNNEL: &str = env!("CARGO_BIN_EXE_tunnel");

/// Both ends, to whoever listens there.
struct Tunnel {
    entry: Server,
    exit: Server,
}

impl Tunnel {
    fn to(target: &str) -> Self {
        let exit = Server::start_with(TUNNEL, &["exit", "127.0.0.1:0", target]);
        let entry = Server::start_with(TUNNEL, &["entry", "127.0.0.1:0", &exit.url()]);
        Self { entry, exit }
    }
}

/// A listener, and where it listens.
fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn byte_by_byte_and_in_bulk() {
    within(60, || {
        let (listener, address) = target();
        let tunnel = Tunnel::to(&address);
        let target = thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                std::io::copy(&mut stream.try_clone().unwrap(), &mut stream).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            }
        });
        // Nothing is kept back to be sent with more.
        let mut stream = tunnel.entry.stream();
        for n in 0..100 {
            let mut byte = [n];
            stream.write_all(&byte).unwrap();
            byte[0] = 0;
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [n]);
        }
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&stream), b"");

        let sent: Vec<u8> = (0..251).cycle().take(5_000_000).collect();
        let stream = tunnel.entry.stream();
        let mut writer = stream.try_clone().unwrap();
        let bytes = sent.clone();
        let writing = thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        assert!(read_to_end(&stream) == sent);
        writing.join().unwrap();
        target.join().unwrap();
    });
}

/// The end of one direction is passed on as that, in both.
#[test]
fn either_side_may_end_first() {
    within(60, || {
        let (listener, address) = target();
        let tunnel = Tunnel::to(&address);
        let target = thread::spawn(move || {
            let (mut asked, _) = listener.accept().unwrap();
            let question = read_to_end(&asked);
            asked.write_all(format!("{} bytes", question.len()).as_bytes()).unwrap();
            drop(asked);
            let (mut telling, _) = listener.accept().unwrap();
            telling.write_all(b"that is all").unwrap();
            telling.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&telling), b"thank you");
        });
        let mut asking = tunnel.entry.stream();
        asking.write_all(&[7; 12_345]).unwrap();
        asking.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&asking), b"12345 bytes");

        let mut hearing = tunnel.entry.stream();
        assert_eq!(read_to_end(&hearing), b"that is all");
        thread::sleep(Duration::from_millis(50));
        hearing.write_all(b"thank you").unwrap();
        drop(hearing);
        target.join().unwrap();
    });
}

/// Whoever does not read slows the other side down, and the tunnel stores nothing meanwhile.
#[test]
fn much_to_a_slow_reader() {
    within(90, || {
        const LEN: usize = 48 << 20;
        let (listener, address) = target();
        keep_small(&listener); // and with it what it accepts
        let tunnel = Tunnel::to(&address);
        let mut stream = tunnel.entry.stream();
        let (taken, progress) = std::sync::mpsc::channel();
        let writing = thread::spawn(move || {
            for _ in 0..LEN / (1 << 20) {
                stream.write_all(&[7; 1 << 20]).unwrap();
                let _ = taken.send(());
            }
            stream.shutdown(Shutdown::Write).unwrap();
            stream
        });
        let (target, _) = listener.accept().unwrap();
        let mut count = 0;
        while progress.recv_timeout(Duration::from_millis(500)).is_ok() {
            count += 1;
        }
        assert!(count < LEN >> 21, "{count} MiB were taken from a writer whose reader did not read");
        let mut got = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match (&target).read(&mut buffer).unwrap() {
                0 => break,
                n => got += n,
            }
        }
        assert_eq!(got, LEN);
        drop(target);
        assert_eq!(read_to_end(&writing.join().unwrap()), b"");
        #[cfg(target_os = "linux")]
        for end in [&tunnel.entry, &tunnel.exit] {
            assert!(end.program.memory() < 40, "{} MiB", end.program.memory());
        }
    });
}

#[test]
fn nobody_at_the_end_and_an_end_midway() {
    within(60, || {
        // A port where nobody listens any more.
        let (listener, address) = target();
        drop(listener);
        let tunnel = Tunnel::to(&address);
        let mut stream = tunnel.entry.stream();
        assert!(matches!(stream.read(&mut [0; 10]), Ok(0) | Err(_)), "the tunnel leads nowhere");

        let (listener, address) = target();
        let Tunnel { entry, exit } = Tunnel::to(&address);
        let mut stream = entry.stream();
        stream.write_all(b"hello").unwrap();
        let (mut target, _) = listener.accept().unwrap();
        target.read_exact(&mut [0; 5]).unwrap();
        drop(exit);
        assert!(matches!(stream.read(&mut [0; 10]), Ok(0) | Err(_)));
        assert!(matches!(target.read(&mut [0; 10]), Ok(0) | Err(_)));
    });
}
