//! Clients that are slow on purpose.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::App;
use crate::tls::Certificate;

/// What they have for a request, in all.
const WITHIN: Duration = Duration::from_secs(10);

/// However a request is not sent, its connection ends: nobody can keep connections for nothing.
#[test]
fn a_request_that_does_not_come_is_not_waited_for() {
    let certificate = Certificate::new("slow");
    let (plain, tls) = (App::start(&[]), App::start(&certificate.options()));
    let begins: [(&App, &[u8]); 7] = [
        (&plain, b""),
        (&plain, b"GET / HTTP/1.1\r\nHost: localhost\r\n"),
        (&plain, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (&plain, b"PRI * HTTP/2.0\r\n"),
        (&plain, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        (&tls, b""),
        (&tls, b"\x16\x03\x01\x02\0\x01"),
    ];
    thread::scope(|scope| {
        for (app, begin) in begins {
            scope.spawn(move || ends(app.connect(), begin));
        }
        scope.spawn(|| ends_though_it_says_something(plain.connect()));
        // Others are not held up meanwhile.
        thread::sleep(Duration::from_secs(1));
        plain.raw().assert_echo("in between");
        certificate.raw(&tls).assert_echo("in between");
    });
}

fn ends(mut stream: TcpStream, begin: &[u8]) {
    let start = Instant::now();
    stream.write_all(begin).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    assert_in_time(start, begin);
}

fn ends_though_it_says_something(mut stream: TcpStream) {
    let start = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nA: ").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    while !matches!(stream.read(&mut [0; 100]), Ok(0)) {
        if stream.write_all(b"b").is_err() {
            break;
        }
        assert!(start.elapsed() < 2 * WITHIN, "it goes on");
    }
    assert_in_time(start, b"one byte after the other");
}

fn assert_in_time(start: Instant, what: &[u8]) {
    let (took, what) = (start.elapsed(), what.escape_ascii());
    assert!(took > WITHIN / 2 && took < WITHIN + Duration::from_secs(5), "{what} ended after {took:?}");
}
