//! The echo servers, which must not be told apart from the outside.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{CloseCode, Config, Message};
use websans_testkit::wire::{self, Frame};

use crate::support::{Raw, SLACK, Server, keep_small, within};

pub(crate) const ECHOES: [&str; 3] =
    [env!("CARGO_BIN_EXE_mio-echo"), env!("CARGO_BIN_EXE_smol-echo"), env!("CARGO_BIN_EXE_tokio-echo")];

/// Runs the test against each of the servers.
fn every(seconds: u64, further: &'static [&'static str], test: fn(Server)) {
    within(seconds, move || {
        for path in ECHOES {
            println!("{path}");
            test(Server::start(path, further));
        }
    });
}

#[test]
fn messages_come_back_as_they_were() {
    every(60, &[], |server| {
        let mut socket = websans_std::connect(server.url().as_str()).unwrap();
        let limit = usize::try_from(Config::default().max_message).unwrap();
        let sizes = [0, 1, 125, 126, 65_535, 65_536, 300_000, limit];
        for size in sizes {
            let bytes: Vec<u8> = (0..251).cycle().take(size).collect();
            socket.send(&bytes).unwrap();
            assert!(socket.recv().unwrap() == Some(Message::Binary(&bytes)), "{size} bytes");
            let text = "ä".repeat(size / 2);
            socket.send(&text).unwrap();
            assert!(socket.recv().unwrap() == Some(Message::Text(&text)), "{size} bytes of text");
        }
        let outcome = socket.close(CloseCode::NORMAL, "done").unwrap();
        assert!(outcome.is_clean(), "{outcome}");
        assert_eq!(outcome.received.as_ref().unwrap().code, Some(CloseCode::NORMAL));
    });
}

#[test]
fn fragments_pings_and_the_closing() {
    every(60, &[], |server| {
        let mut raw = server.raw();
        raw.send(&[
            Frame::text("Hel").unfinished(),
            Frame::ping("are you there"),
            Frame::continuation("").unfinished(),
            Frame::continuation("lo"),
        ]);
        raw.expect(&Frame::pong("are you there"));
        raw.expect(&Frame::text("Hello"));
        // A character in two fragments, all in single bytes.
        for byte in wire::stream(&[Frame::text("\u{c4}").unfinished(), Frame::continuation("!")], true) {
            raw.stream.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        raw.expect(&Frame::text("\u{c4}!"));
        raw.send(&[Frame::text("last"), Frame::close(1000, "bye"), Frame::text("too late")]);
        raw.expect(&Frame::text("last"));
        raw.expect(&Frame::close(1000, "bye"));
        // The server ends the transport first (RFC 6455 §7.1.1).
        assert_eq!(raw.rest(), b"");
    });
}

#[test]
fn violations_are_told() {
    every(60, &[], |server| {
        let mut raw = server.raw();
        raw.send(&[Frame::text("before"), Frame::text(*b"\xff")]);
        raw.expect(&Frame::text("before"));
        let rest = raw.rest();
        assert_eq!(rest[..1], [0x88], "a Close frame: {rest:02x?}");
        assert_eq!(rest[2..4], 1007u16.to_be_bytes());
        let mut page = Raw { stream: server.stream() };
        page.stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(page.head().starts_with("HTTP/1.1 426 "), "no upgrade was asked for");
        let mut noise = Raw { stream: server.stream() };
        noise.stream.write_all(b"hello there\r\n\r\n").unwrap();
        assert!(noise.head().starts_with("HTTP/1.1 400 "), "no HTTP");
    });
}

#[test]
fn frames_right_behind_the_request_are_not_lost() {
    every(60, &[], |server| {
        let mut raw = Raw { stream: server.stream() };
        let mut bytes = server.upgrade().into_bytes();
        bytes.extend(wire::stream(&[Frame::text("early"), Frame::binary("bird")], true));
        raw.stream.write_all(&bytes).unwrap();
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        raw.expect(&Frame::text("early"));
        raw.expect(&Frame::binary("bird"));
    });
}

#[test]
fn many_connections_at_once() {
    every(60, &[], |server| {
        let mut raws: Vec<_> = (0..200).map(|_| server.raw()).collect();
        for round in 0..3 {
            for (raw, n) in raws.iter_mut().zip(0u8..) {
                raw.send(&[Frame::text(format!("{n} in round {round}")), Frame::binary(vec![n; 3000])]);
            }
            for (raw, n) in raws.iter_mut().zip(0u8..) {
                raw.expect(&Frame::text(format!("{n} in round {round}")));
                raw.expect(&Frame::binary(vec![n; 3000]));
            }
            // Some leave, with a goodbye or without.
            raws.truncate(raws.len() - 50);
            if let Some(mut raw) = raws.pop() {
                raw.send(&[Frame::close(1001, "")]);
                raw.expect(&Frame::close(1001, ""));
                assert_eq!(raw.rest(), b"");
            }
        }
    });
}

/// What is sent is written in parts as the client reads, and nobody else waits for that client.
#[test]
fn a_client_that_does_not_read_for_a_while() {
    every(60, &[], |server| {
        // Far more than the system stores on the way.
        const COUNT: u8 = 80;
        let mut slow = server.raw();
        keep_small(&slow.stream);
        let mut writer = slow.stream.try_clone().unwrap();
        let (blocked, wait) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            for n in 0..COUNT {
                writer.write_all(&wire::stream(&[Frame::binary(vec![n; 1_000_000])], true)).unwrap();
                let _ = blocked.send(n);
            }
        });
        // Its writing comes to a halt, since the server does not store what it cannot send.
        let mut taken = 0;
        while let Ok(n) = wait.recv_timeout(Duration::from_millis(500)) {
            taken = n;
        }
        assert!(taken < COUNT - 1, "the server has taken all of it");
        let mut other = server.raw();
        other.send(&[Frame::text("meanwhile")]);
        other.expect(&Frame::text("meanwhile"));
        #[cfg(target_os = "linux")]
        is_at_rest(&server);
        for n in 0..COUNT {
            slow.expect(&Frame::binary(vec![n; 1_000_000]));
        }
        thread.join().unwrap();
        slow.send(&[Frame::close(1000, "")]);
        slow.expect(&Frame::close(1000, ""));
        assert_eq!(slow.rest(), b"");
    });
}

/// A client that ends its side of the transport still gets what was under way; and what waits for it costs no work.
#[test]
fn half_closed() {
    every(60, &[], |server| {
        let mut raw = server.raw();
        raw.send(&[Frame::text("one"), Frame::text("two")]);
        raw.stream.shutdown(Shutdown::Write).unwrap();
        let expected = wire::stream(&[Frame::text("one"), Frame::text("two")], false);
        assert!(raw.rest().starts_with(&expected));

        // The same, but reading only after a while.
        let mut slow = server.raw();
        slow.send(&[Frame::binary(vec![7; 1 << 20])]);
        slow.stream.shutdown(Shutdown::Write).unwrap();
        #[cfg(target_os = "linux")]
        is_at_rest(&server);
        slow.expect(&Frame::binary(vec![7; 1 << 20]));
        slow.rest();
    });
}

#[test]
fn silent_peers_are_asked_and_given_up() {
    every(60, &["1"], |server| {
        // One answers, one is dead, one never says what it wants.
        let mut alive = server.raw();
        let mut dead = server.raw();
        let began = Instant::now();
        let mut ping = [0; 10];
        dead.stream.read_exact(&mut ping).unwrap();
        assert_eq!(ping[..2], [0x89, 8], "a keep-alive Ping");
        assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
        alive.stream.read_exact(&mut ping).unwrap();
        alive.send(&[Frame::pong(&ping[2..])]);
        let rest = dead.rest();
        assert_eq!(rest[2..4], 1011u16.to_be_bytes(), "{rest:02x?}");
        assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
        assert!(began.elapsed() < SLACK);
        alive.send(&[Frame::text("still here")]);
        // There may be a further Ping before.
        let mut head = [0; 2];
        alive.stream.read_exact(&mut head).unwrap();
        if head[0] == 0x89 {
            alive.stream.read_exact(&mut [0; 8]).unwrap();
            alive.stream.read_exact(&mut head).unwrap();
        }
        assert_eq!(head, [0x81, 10]);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_to_do_is_nothing_done() {
    every(60, &[], |server| {
        let _open: Vec<_> = (0..20).map(|_| server.raw()).collect();
        let _undecided: Vec<_> = (0..20).map(|_| server.stream()).collect();
        is_at_rest(&server);
    });
}

/// It waits without working.
#[cfg(target_os = "linux")]
fn is_at_rest(server: &Server) {
    thread::sleep(Duration::from_millis(100));
    let before = server.program.busy();
    thread::sleep(Duration::from_millis(600));
    let worked = server.program.busy() - before;
    assert!(worked <= Duration::from_millis(60), "{worked:?} of work in 600 ms with nothing to do");
}
