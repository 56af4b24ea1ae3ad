//! What the tests share: a watchdog, programs that listen, and clients that speak in bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use websans_testkit::wire::{self, Frame};

/// How late anything may be on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(20);

/// Runs a test that must come to its end: one that hangs fails.
pub(crate) fn within<T: Send + 'static>(seconds: u64, test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        let value = test();
        let _ = done.send(());
        value
    });
    match wait.recv_timeout(Duration::from_secs(seconds)) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs: no end after {seconds} s"),
        // Done, or panicked.
        _ => thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause)),
    }
}

/// Has the system store little of what arrives there: else it may be tens of MiB.
pub(crate) fn keep_small<'s, S>(socket: &'s S)
where
    socket2::SockRef<'s>: From<&'s S>,
{
    socket2::SockRef::from(socket).set_recv_buffer_size(64 << 10).unwrap();
}

/// A program at work. It is killed when dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    /// What it prints, line by line.
    pub(crate) lines: Receiver<String>,
    pub(crate) stdin: Option<ChildStdin>,
}

impl Program {
    pub(crate) fn start(path: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines() {
                let Ok(line) = line else { return };
                let _ = to.send(line); // what nobody asks for must not fill the pipe
            }
        });
        let stdin = child.stdin.take();
        Self { child, lines, stdin }
    }

    /// The next line that it prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(SLACK).expect("a further line")
    }

    /// Waits for its end, and tells whether it was content.
    pub(crate) fn ended(&mut self) -> bool {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(started.elapsed() < SLACK, "it still runs");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The most memory that it has used, in MiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Processor time that it has used.
    #[cfg(target_os = "linux")]
    pub(crate) fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The fields behind the name, which stands in parentheses: utime and stime are the 12th and the 13th.
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10) // 100 ticks a second on every Linux
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that listens.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it on a free port, with further arguments behind that.
    pub(crate) fn start(path: &str, further: &[&str]) -> Self {
        Self::start_with(path, &[&["127.0.0.1:0"], further].concat())
    }

    /// Starts it with arguments of which one says that the port is any that is free.
    pub(crate) fn start_with(path: &str, arguments: &[&str]) -> Self {
        let program = Program::start(path, arguments);
        let line = program.line();
        let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { address: address.parse().unwrap(), program }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    pub(crate) fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SLACK)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The request that opens a WebSocket.
    pub(crate) fn upgrade(&self) -> String {
        format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            self.address
        )
    }

    /// A client of bytes, whose handshake is done.
    pub(crate) fn raw(&self) -> Raw {
        let mut raw = Raw { stream: self.stream() };
        raw.stream.write_all(self.upgrade().as_bytes()).unwrap();
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }
}

/// A client that speaks in bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

impl Raw {
    /// The head of a response.
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    pub(crate) fn send(&mut self, frames: &[Frame]) {
        self.stream.write_all(&wire::stream(frames, true)).unwrap();
    }

    /// What comes next must be this frame.
    pub(crate) fn expect(&mut self, frame: &Frame) {
        let expected = frame.to_bytes();
        let mut bytes = vec![0; expected.len()];
        self.stream.read_exact(&mut bytes).unwrap();
        let differs = bytes.iter().zip(&expected).position(|(got, wanted)| got != wanted);
        assert_eq!(differs, None, "of {} bytes", expected.len());
    }

    /// The opcode and the payload of the next frame.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let mut len = [0; 8];
        match head[1] {
            127 => self.stream.read_exact(&mut len).unwrap(),
            126 => self.stream.read_exact(&mut len[6..]).unwrap(),
            short => len[7] = short,
        }
        let mut payload = vec![0; usize::try_from(u64::from_be_bytes(len)).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        (head[0] & 15, payload)
    }

    /// All that comes until the end of the stream, which must be in order.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end without a reset");
        rest
    }
}
