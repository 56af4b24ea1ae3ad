//! How it ends.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use websans_std::{Error, Message, connect};
use websans_testkit::wire::{self, Frame};

use crate::http2::Http2;
use crate::support::App;
use crate::tls::Certificate;

impl App {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

/// "Within a second or so", on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// A client that answers, as most do.
fn well_behaved(app: &App) -> thread::JoinHandle<u16> {
    let mut socket = connect(app.url()).unwrap();
    socket.send("I am here").unwrap();
    assert_eq!(socket.recv().unwrap(), Some(Message::Text("I am here")));
    thread::spawn(move || {
        assert!(socket.recv().unwrap().is_none());
        let outcome = socket.outcome().unwrap();
        assert!(outcome.is_clean(), "{outcome:?}");
        outcome.code()
    })
}

#[test]
fn every_connection_is_told_and_the_app_ends_well() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut app = App::start(&[]);
        let clients: Vec<_> = (0..20).map(|_| well_behaved(&app)).collect();
        app.signal(signal);
        let status = app.ended(SOON);
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
        for client in clients {
            assert_eq!(client.join().unwrap(), 1001);
        }
        assert!(TcpStream::connect(app.address).is_err(), "nobody listens any more");
    }
}

#[test]
fn without_connections_it_ends_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut app = App::start(&[]);
        app.signal(signal);
        assert_eq!(app.ended(SOON).code(), Some(0));
    }
}

/// None of these keeps the app from ending, nor the others from being told.
#[test]
fn clients_that_do_not_answer_are_not_waited_for_for_long() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut app = App::start(&["--max-message", "100000000"]);
        let good = well_behaved(&app);
        // Reads, but answers nothing.
        let mut silent = app.raw();
        // In the middle of a frame, of a message, and of its handshake.
        let mut in_frame = app.raw();
        let frame = wire::stream(&[Frame::text("the end of this never comes")], true);
        in_frame.stream.write_all(&frame[..10]).unwrap();
        let mut in_message = app.raw();
        in_message.write(&[Frame::text("nor the end of this").unfinished()]);
        let mut in_handshake = app.connect();
        in_handshake.write_all(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUp").unwrap();
        // Does not read, so that its echo is stuck.
        let mut deaf = app.raw();
        deaf.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let long = wire::stream(&[Frame::binary(vec![7; 1 << 20])], true);
        while deaf.stream.write_all(&long).is_ok() {}

        app.signal(signal);
        for raw in [&mut silent, &mut in_frame, &mut in_message] {
            assert_eq!(raw.close().0, 1001);
        }
        let status = app.ended(SOON);
        assert_eq!(status.code(), Some(0), "{signal}: {status}");
        assert_eq!(good.join().unwrap(), 1001);
        drop((in_handshake, deaf));
    }
}

/// Whether nobody listens any more.
fn is_refused(error: &Error) -> bool {
    let inner = std::error::Error::source(error).and_then(|inner| inner.downcast_ref::<std::io::Error>());
    inner.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Who comes while it ends is not taken, or is told; nobody hangs.
#[test]
fn clients_that_come_while_it_ends_do_not_hang() {
    let mut app = App::start(&[]);
    let _silent = app.raw();
    let url = app.url();
    let comes = thread::spawn(move || {
        loop {
            match connect(&url) {
                Ok(mut socket) => while let Ok(Some(_)) = socket.recv() {},
                Err(error) if is_refused(&error) => return,
                Err(_) => {}
            }
        }
    });
    thread::sleep(Duration::from_millis(50));
    app.signal(Signal::SIGINT);
    assert_eq!(app.ended(Duration::from_secs(10)).code(), Some(0));
    comes.join().unwrap();
}

/// One that has idle connections of HTTP, and sockets over HTTP/2, plain and through TLS.
#[test]
fn sockets_over_http2_are_told_as_well() {
    let certificate = Certificate::new("signals");
    for tls in [false, true] {
        let options = certificate.options();
        let mut app = App::start(if tls { &options } else { &[] });
        let http2 = if tls { Http2::secure(&app, &certificate) } else { Http2::new(&app) };
        let idle = if tls { Http2::secure(&app, &certificate) } else { Http2::new(&app) };
        assert_eq!(idle.get("/").0, 200);
        let mut sockets: Vec<_> = (0..10).map(|_| http2.raw(&[])).collect();
        app.signal(Signal::SIGTERM);
        for socket in &mut sockets {
            assert_eq!(socket.close(), (1001, "server is going down".to_owned()));
            socket.write(&[Frame::close(1001, "")]);
            socket.assert_eof();
            socket.stream.end();
        }
        assert_eq!(app.ended(SOON).code(), Some(0));
        assert_eq!(app.log(), "closed cleanly (1001): server is going down");
    }
}
