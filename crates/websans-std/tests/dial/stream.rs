//! [`TlsStream`] for itself: time-outs, and ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use websans_dial::rustls::pki_types::ServerName;
use websans_dial::rustls::{ServerConnection, StreamOwned};
use websans_std::{CloneStream, Stream, TlsStream};

use crate::peers::{LONG, authority, identity, pattern, trusting};

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn client(tcp: TcpStream) -> TlsStream {
    let name = ServerName::try_from("example.com").unwrap();
    TlsStream::client(tcp, Arc::clone(trusting().config()), name, LONG).unwrap()
}

/// Two ends of a connection.
fn pair() -> (TlsStream, TlsStream) {
    let (near, far) = tcp();
    let far =
        thread::spawn(move || TlsStream::server(far, identity(authority(), "example.com"), LONG).unwrap());
    (client(near), far.join().unwrap())
}

fn waited(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn reads_and_writes_that_wait_too_long_lose_nothing() {
    let (mut near, mut far) = pair();
    near.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
    far.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert!(waited(far.read(&mut [0]).unwrap_err().kind()));
    let message = pattern(6 << 20, 1);
    let expected = message.clone();
    let reads = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        let (mut got, mut bytes) = (Vec::new(), vec![0; 5000]);
        while got.len() < expected.len() {
            match far.read(&mut bytes) {
                Ok(0) => panic!("an end"),
                Ok(n) => got.extend_from_slice(&bytes[..n]),
                Err(error) => assert!(waited(error.kind()), "{error}"),
            }
        }
        assert!(got == expected);
    });
    let (mut rest, mut waits) = (&message[..], 0);
    while !rest.is_empty() {
        match near.write(rest) {
            Ok(n) => rest = &rest[n..],
            Err(error) if waited(error.kind()) => waits += 1,
            Err(error) => panic!("{error}"),
        }
    }
    while let Err(error) = near.flush() {
        assert!(waited(error.kind()), "{error}");
    }
    assert!(waits > 0, "the peer was never late");
    reads.join().unwrap();
}

/// Whoever reads does not keep others from writing: the session is not locked meanwhile.
#[test]
fn a_read_that_waits_keeps_nobody_from_writing() {
    let (near, mut far) = pair();
    let (mut reads, mut writes) = (near.try_clone().unwrap(), near);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut got = [0; 6];
            reads.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"answer");
        });
        thread::sleep(Duration::from_millis(50));
        writes.write_all(b"question").unwrap();
        far.set_read_timeout(Some(LONG)).unwrap();
        far.read_exact(&mut [0; 8]).unwrap();
        far.write_all(b"answer").unwrap();
        reader.join().unwrap();
    });
}

/// What TLS says at an end: another implementation of blocking TLS, which minds, hears it.
#[test]
fn an_end_is_announced() {
    for how in [Shutdown::Write, Shutdown::Both] {
        let (near, far) = tcp();
        let far = thread::spawn(move || {
            let session = ServerConnection::new(identity(authority(), "example.com")).unwrap();
            let mut stream = StreamOwned::new(session, far);
            let mut got = Vec::new();
            stream.read_to_end(&mut got).expect("an announced end");
            got
        });
        let mut near = client(near);
        near.write_all(b"the last words").unwrap();
        near.shutdown(how).unwrap();
        assert_eq!(far.join().unwrap(), b"the last words");
    }
}

#[test]
fn an_end_is_an_end_announced_or_not() {
    let (near, mut far) = pair();
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(far.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(far.read(&mut [0; 9]).unwrap(), 0);
    // One direction has ended; the other goes on.
    far.write_all(b"still here").unwrap();
    let mut near = near;
    near.read_exact(&mut [0; 10]).unwrap();
    far.tcp().shutdown(Shutdown::Both).unwrap();
    assert_eq!(near.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn the_handshake_has_one_deadline() {
    for dribbles in [false, true] {
        let (near, mut far) = tcp();
        let peer = thread::spawn(move || {
            // The header of a long record of the handshake, and then a byte now and then.
            let _ = far.write_all(&[22, 3, 3, 0x20, 0]);
            while dribbles && far.write_all(&[2]).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = far.read_to_end(&mut Vec::new());
        });
        let begun = Instant::now();
        let name = ServerName::try_from("example.com").unwrap();
        let config = Arc::clone(trusting().config());
        let error = TlsStream::client(near, config, name, Duration::from_millis(300)).unwrap_err();
        let elapsed = begun.elapsed();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(elapsed >= Duration::from_millis(300) && elapsed < Duration::from_secs(6), "{elapsed:?}");
        peer.join().unwrap();
    }
}

/// The peer asks for new keys again and again while both sides speak: they change on the way, and nothing is lost.
#[test]
fn keys_may_change() {
    let (near, far) = tcp();
    let far = thread::spawn(move || {
        let session = ServerConnection::new(identity(authority(), "example.com")).unwrap();
        let mut stream = StreamOwned::new(session, far);
        for round in 0..20 {
            stream.write_all(&pattern(3000, round)).unwrap();
            stream.conn.refresh_traffic_keys().unwrap();
            let mut got = vec![0; 3000];
            stream.read_exact(&mut got).unwrap();
            assert!(got == pattern(3000, round + 100));
        }
    });
    let (mut reads, mut writes) = {
        let near = client(near);
        (near.try_clone().unwrap(), near)
    };
    for round in 0..20 {
        let mut got = vec![0; 3000];
        reads.read_exact(&mut got).unwrap();
        assert!(got == pattern(3000, round));
        writes.write_all(&pattern(3000, round + 100)).unwrap();
    }
    far.join().unwrap();
}
