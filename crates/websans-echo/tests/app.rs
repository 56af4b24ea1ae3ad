//! The app as a process: what it answers, what its options do, and how it ends.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{Client, CloseCode, Config, Error, Message, connect};
use websans_testkit::wire::{self, Frame, opcode};

const PAGE: &str = include_str!("../index.html");

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_websans-echo"))
}

/// The app at work. It is killed when dropped.
struct App {
    child: Child,
    address: SocketAddr,
    started: String,
}

impl App {
    fn start(options: &[&str]) -> Self {
        let mut child = command()
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut started = String::new();
        output.read_line(&mut started).unwrap();
        // What it says later must not fill the pipe.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        let (_, rest) = started.split_once("ws://").unwrap_or_else(|| panic!("no address in {started:?}"));
        let (address, _) = rest.split_once("/ws").unwrap();
        Self { child, address: address.parse().unwrap(), started }
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The whole response to `request`: head and body.
    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("an end without a reset");
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {response:?}"));
        (head.to_owned(), body.to_owned())
    }

    /// The status of the answer to a handshake with these `lines` in it.
    fn handshake(&self, lines: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(self.upgrade(lines).as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }

    fn upgrade(&self, lines: &str) -> String {
        format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n",
            self.address
        )
    }

    fn raw(&self) -> Raw {
        let mut stream = self.connect();
        stream.write_all(self.upgrade("").as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Raw { stream }
    }

    /// Waits for the end of the process.
    #[cfg(unix)]
    fn ended(&mut self, within: Duration) -> std::process::ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < within, "it still runs after {within:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that speaks in bytes.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    fn write(&mut self, frames: &[Frame]) {
        self.stream.write_all(&wire::stream(frames, true)).unwrap();
    }

    /// The next frame's opcode and payload, of a server that has nothing long to say.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).expect("a frame");
        assert!(header[0] & 0x80 != 0 && header[1] < 127, "{header:?}");
        let mut len = usize::from(header[1]);
        if len == 126 {
            let mut two = [0; 2];
            self.stream.read_exact(&mut two).unwrap();
            len = u16::from_be_bytes(two).into();
        }
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).unwrap();
        (header[0] & 15, payload)
    }

    fn close(&mut self) -> (u16, String) {
        let (opcode, payload) = self.frame();
        assert_eq!(opcode, opcode::CLOSE, "{payload:?}");
        (u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8(payload[2..].to_vec()).unwrap())
    }

    fn assert_eof(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).expect("an end without a reset"), 0);
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn it_says_where_it_is() {
    let app = App::start(&[]);
    assert!(app.started.contains(&format!("http://{}/", app.address)), "{}", app.started);
    assert_ne!(app.address.port(), 0, "the real port");
}

#[test]
fn it_serves_its_page() {
    let app = App::start(&[]);
    let (head, body) = app.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(header(&head, "Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(header(&head, "X-Content-Type-Options"), Some("nosniff"));
    assert!(
        header(&head, "Content-Security-Policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert_eq!(header(&head, "Content-Length"), Some(&*PAGE.len().to_string()));
    assert!(body == PAGE, "the page is what lies in the source");

    let (same_head, nothing) = app.ask("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((same_head, &*nothing), (head, ""));
    let (head, _) = app.ask("GET /?query HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let (head, _) = app.ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    for path in ["/favicon.ico", "/ws/", "/WS", "/index.html", "/../etc/passwd"] {
        let (head, body) = app.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
        assert!(!body.is_empty());
    }
}

#[test]
fn it_echoes() {
    let app = App::start(&["--max-message", "20000000"]);
    let mut config = Config::default();
    config.max_message = 20_000_000;
    let mut socket = connect(Client::new(&app.url()).unwrap().config(config)).unwrap();
    for len in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let text = "ä".repeat(len / 2);
        socket.send(&text).unwrap();
        assert_eq!(socket.recv().unwrap(), Some(Message::Text(&text)));
        let bytes = vec![0xa5; len];
        socket.send(&bytes).unwrap();
        assert!(socket.recv().unwrap() == Some(Message::Binary(&bytes)));
    }
    // Many at once, before the first echo is read.
    for n in 0..1000 {
        socket.feed(format!("{n}")).unwrap();
    }
    socket.flush().unwrap();
    for n in 0..1000 {
        assert_eq!(socket.recv().unwrap(), Some(Message::Text(&format!("{n}"))));
    }
    let outcome = socket.close(CloseCode::new(4001).unwrap(), "auf Wiedersehen, größter Server").unwrap();
    assert!(outcome.is_clean());
    let received = outcome.received.as_ref().unwrap();
    assert_eq!((received.code.unwrap().get(), &*received.reason), (4001, "auf Wiedersehen, größter Server"));
}

#[test]
fn it_answers_pings_and_echoes_the_close_and_ends_the_transport_first() {
    let app = App::start(&[]);
    let mut raw = app.raw();
    raw.write(&[Frame::ping("ping"), Frame::text("text"), Frame::close(1000, "bye"), Frame::text("late")]);
    assert_eq!(raw.frame(), (opcode::PONG, b"ping".to_vec()));
    assert_eq!(raw.frame(), (opcode::TEXT, b"text".to_vec()));
    assert_eq!(raw.close(), (1000, "bye".to_owned()));
    raw.assert_eof();
}

/// One that breaks the protocol is told, and the app goes on with the others.
#[test]
fn it_survives_a_bad_client() {
    let app = App::start(&[]);
    for bad in [Frame::new(3, "x"), Frame::text([0xff]), Frame::close(1006, "")] {
        let mut raw = app.raw();
        raw.write(&[Frame::text("fine"), bad]);
        assert_eq!(raw.frame(), (opcode::TEXT, b"fine".to_vec()));
        assert!(matches!(raw.close().0, 1002 | 1007));
        raw.assert_eof();
    }
    drop(app.raw());
    drop(app.connect());
    let (head, _) = app.ask("\x16\x03\x01 no HTTP\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let mut socket = connect(app.url()).unwrap();
    socket.send("still there?").unwrap();
    assert_eq!(socket.recv().unwrap(), Some(Message::Text("still there?")));
}

/// Someone who looks at `/ws` in a browser gets a sentence, not a download.
#[test]
fn the_echo_without_a_handshake_is_a_bad_request() {
    let app = App::start(&[]);
    for request in [
        "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\nAccept: text/html\r\n\r\n",
    ] {
        let (head, body) = app.ask(request);
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(header(&head, "Content-Type").is_some_and(|kind| kind.starts_with("text/plain")), "{head}");
        assert!(body.split_whitespace().count() >= 4, "a sentence: {body:?}");
    }
    // A handshake of another version is one, and is told which version is spoken here.
    let (head, _) = app.ask(&app.upgrade("").replace("Version: 13", "Version: 8"));
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    assert_eq!(header(&head, "Sec-WebSocket-Version"), Some("13"));
}

#[test]
fn only_its_own_page_may_connect() {
    let app = App::start(&[]);
    let own = format!("Origin: http://{}\r\n", app.address);
    assert_eq!(app.handshake(""), "101", "no browser");
    assert_eq!(app.handshake(&own), "101");
    for foreign in ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"] {
        let request = app.upgrade(&format!("Origin: {foreign}\r\n"));
        let (head, body) = app.ask(&request);
        assert!(head.starts_with("HTTP/1.1 403 "), "{foreign}: {head}");
        assert!(!body.is_empty());
    }
}

#[test]
fn other_pages_may_connect_if_they_are_named() {
    let app = App::start(&[
        "--allow-origin",
        "https://example.com",
        "--allow-origin",
        "https://*.example.org:8443",
    ]);
    let status = |origin: &str| app.handshake(&format!("Origin: {origin}\r\n"));
    assert_eq!(status("https://example.com"), "101");
    assert_eq!(status("https://a.example.org:8443"), "101");
    assert_eq!(app.handshake(""), "101");
    for foreign in
        ["http://example.com", "https://example.com.evil.example", "https://example.org:8443", "null"]
    {
        assert_eq!(status(foreign), "403", "{foreign}");
    }
    let app = App::start(&["--allow-origin", "any"]);
    assert_eq!(app.handshake("Origin: http://evil.example\r\n"), "101");
}

#[test]
fn long_messages_are_refused() {
    let app = App::start(&["--max-message", "1000"]);
    let mut raw = app.raw();
    raw.write(&[Frame::binary([7; 1000]), Frame::binary([7; 1001])]);
    assert_eq!(raw.frame(), (opcode::BINARY, vec![7; 1000]));
    assert_eq!(raw.close().0, 1009);
    raw.assert_eof();
}

#[test]
fn silent_clients_are_pinged_and_dropped() {
    let started = Instant::now();
    let app = App::start(&["--keep-alive", "0.3", "--keep-alive-timeout", "0.5"]);
    let mut raw = app.raw();
    for _ in 0..3 {
        let (opcode, payload) = raw.frame();
        assert_eq!(opcode, opcode::PING);
        raw.write(&[Frame::pong(payload)]);
    }
    assert!(started.elapsed() >= Duration::from_millis(900));
    assert_eq!(raw.frame().0, opcode::PING);
    assert_eq!(raw.close().0, 1011);
    raw.assert_eof();

    let app = App::start(&["--keep-alive", "0"]);
    let mut raw = app.raw();
    raw.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let error = raw.stream.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn help_names_every_option() {
    fn run(arguments: &[&str]) -> Output {
        command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }
    let help = run(&["--help"]);
    assert!(help.status.success());
    // However the terminal's width breaks its lines.
    let text = String::from_utf8(help.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for option in [
        "--listen",
        "--keep-alive",
        "--keep-alive-timeout",
        "--allow-origin",
        "--max-message",
        "--help",
        "--version",
    ] {
        assert!(text.contains(option), "{option} is missing:\n{text}");
    }
    for default in ["127.0.0.1:5000", "1048576", "30", "10"] {
        assert!(text.contains(&format!("[default: {default}]")), "the default {default} is missing:\n{text}");
    }
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert!(String::from_utf8(version.stdout).unwrap().contains(env!("CARGO_PKG_VERSION")));
    for wrong in [
        &["--no-such-option"][..],
        &["--keep-alive", "soon"],
        &["--keep-alive", "-1"],
        &["--keep-alive", "NaN"],
        &["--max-message", "-1"],
        &["--allow-origin", "example.com"],
        &["surplus"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&address), "the address is named");
}

#[cfg(unix)]
mod signals {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

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
}
