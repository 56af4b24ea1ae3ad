//! The app, and a client that speaks in bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use websans_testkit::wire::{self, Frame, opcode};

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_websans-echo"))
}

/// The app at work. It is killed when dropped.
pub(crate) struct App {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) started: String,
    log: Mutex<Receiver<String>>,
}

impl App {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::run(command().args(["--listen", "127.0.0.1:0"]).args(options))
    }

    /// Runs what is, or becomes, the app.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = output.next().expect("a first line").unwrap();
        let (say, log) = channel();
        // It is read all the time: what the app says must not fill the pipe.
        thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        let address = address(&started);
        Self { child, address, started, log: Mutex::new(log) }
    }

    /// One whose output is the caller's business.
    #[cfg(target_os = "linux")]
    pub(crate) fn adopt(child: Child, address: SocketAddr) -> Self {
        Self { child, address, started: String::new(), log: Mutex::new(channel().1) }
    }

    /// What comes in the log after the peer's address, next or soon.
    pub(crate) fn log(&self) -> String {
        let line = self.log.lock().unwrap().recv_timeout(Duration::from_secs(10)).expect("a line");
        let (peer, rest) = line.split_once(' ').unwrap();
        assert!(peer.starts_with("127.0.0.1:"), "{line}");
        rest.to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The response to the last `request` of a connection, which ends then: head and body.
    pub(crate) fn ask(&self, request: &str) -> (String, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("an end without a reset");
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {response:?}"));
        (head.to_owned(), body.to_owned())
    }

    /// The status of the answer to a handshake with these `lines` in it.
    pub(crate) fn handshake(&self, lines: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(self.upgrade(lines).as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }

    pub(crate) fn upgrade(&self, lines: &str) -> String {
        format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n",
            self.address
        )
    }

    pub(crate) fn raw(&self) -> Raw<TcpStream> {
        Raw::open(self.connect(), &self.upgrade(""))
    }

    /// Waits for the end of the process.
    #[cfg(unix)]
    pub(crate) fn ended(&mut self, within: Duration) -> std::process::ExitStatus {
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

/// Where it listens, by its first line.
pub(crate) fn address(started: &str) -> SocketAddr {
    let echo = started.rsplit("://").next().unwrap();
    echo.split_once("/ws").unwrap_or_else(|| panic!("no address in {started:?}")).0.parse().unwrap()
}

/// The head of a response, without the empty line.
pub(crate) fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head[..head.len() - 4].to_vec()).unwrap()
}

/// A client that speaks in bytes.
pub(crate) struct Raw<S> {
    pub(crate) stream: S,
}

impl<S: Read + Write> Raw<S> {
    pub(crate) fn open(mut stream: S, request: &str) -> Self {
        stream.write_all(request.as_bytes()).unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self { stream }
    }

    pub(crate) fn write(&mut self, frames: &[Frame]) {
        self.stream.write_all(&wire::stream(frames, true)).unwrap();
        self.stream.flush().unwrap();
    }

    pub(crate) fn assert_echo(&mut self, text: &str) {
        self.write(&[Frame::text(text)]);
        assert_eq!(self.frame(), (opcode::TEXT, text.as_bytes().to_vec()));
    }

    /// The next frame's opcode and payload, of a server that has nothing long to say.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
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

    pub(crate) fn close(&mut self) -> (u16, String) {
        let (opcode, payload) = self.frame();
        assert_eq!(opcode, opcode::CLOSE, "{payload:?}");
        (u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8(payload[2..].to_vec()).unwrap())
    }

    pub(crate) fn assert_eof(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).expect("an end without a reset"), 0);
    }
}

/// Of a head.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
