//! What the tests share: a watchdog, sockets in pairs, peers that speak in bytes, and one face for whole and split
//! connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use websans::{Negotiated, Role, entropy};
use websans_std::{
    CloneStream, CloseCode, Config, Error, Kind, Message, MessageReader, Outcome, Payload, Receiver,
    SendError, Sender, Source, State, Stats, Stream, WebSocket,
};
use websans_testkit::wire::{self, Frame};

/// How late anything may be on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(8);

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

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

/// Runs a test for both ends, whole and split, all at the same time.
pub(crate) fn everywhere(seconds: u64, test: fn(End, Mode)) {
    within(seconds, move || {
        let cases = BOTH.into_iter().flat_map(|end| MODES.map(|mode| (end, mode)));
        let threads: Vec<_> = cases
            .map(|(end, mode)| {
                let thread = thread::Builder::new().name(format!("{end:?}, {mode:?}"));
                thread.spawn(move || test(end, mode)).unwrap()
            })
            .collect();
        for thread in threads {
            thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause));
        }
    });
}

/// Which end of a connection is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

pub(crate) const BOTH: [End; 2] = [End::Server, End::Client];

impl End {
    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }

    /// A connection of ours over a stream whose handshake counts as done.
    pub(crate) fn open<S: Stream>(self, io: S, config: Config) -> WebSocket<S> {
        let role = match self {
            Self::Server => Role::Server,
            Self::Client => Role::Client(entropy::os_mask_keys().unwrap()),
        };
        WebSocket::from_handshake(io, role, config, Negotiated::default(), &[]).unwrap()
    }

    /// What `frames` look like when this end sends them.
    pub(crate) fn encode(self, frames: &[Frame]) -> Vec<u8> {
        wire::stream(frames, self == Self::Client)
    }
}

/// How a connection is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Whole,
    Split,
}

pub(crate) const MODES: [Mode; 2] = [Mode::Whole, Mode::Split];

impl Mode {
    pub(crate) fn hold<S: CloneStream>(self, socket: WebSocket<S>) -> Socket<S> {
        match self {
            Self::Whole => Socket::Whole(socket),
            Self::Split => {
                let (receiver, sender) = socket.split().unwrap();
                Socket::Split(receiver, sender)
            }
        }
    }
}

/// A message that outlives the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Text(String),
    Binary(Vec<u8>),
}

impl Owned {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

impl<'p> From<&'p Owned> for Payload<'p> {
    fn from(message: &'p Owned) -> Self {
        match message {
            Owned::Text(text) => text.into(),
            Owned::Binary(bytes) => bytes.into(),
        }
    }
}

/// A connection of ours, whole or split.
#[allow(clippy::large_enum_variant, reason = "there are few")]
pub(crate) enum Socket<S: CloneStream> {
    Whole(WebSocket<S>),
    Split(Receiver<S>, Sender<S>),
}

macro_rules! on {
    ($self:expr, $receiver:ident => $receive:expr) => {
        match $self {
            Self::Whole($receiver) => $receive,
            Self::Split($receiver, _) => $receive,
        }
    };
    ($self:expr, _, $sender:ident => $send:expr) => {
        match $self {
            Self::Whole($sender) => $send,
            Self::Split(_, $sender) => $send,
        }
    };
}

impl<S: CloneStream + Send + Sync> Socket<S> {
    pub(crate) fn recv(&mut self) -> Result<Option<Owned>, Error> {
        on!(self, receiver => Ok(receiver.recv()?.map(Owned::from)))
    }

    /// The next message, read as it arrives.
    pub(crate) fn read(&mut self) -> Result<Option<Owned>, Error> {
        fn all<S: Source>(reader: Option<MessageReader<'_, S>>) -> Result<Option<Owned>, Error> {
            let Some(mut reader) = reader else { return Ok(None) };
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            Ok(Some(match reader.kind() {
                Kind::Text => Owned::Text(String::from_utf8(bytes).expect("text has been checked")),
                Kind::Binary => Owned::Binary(bytes),
            }))
        }
        on!(self, receiver => all(receiver.reader()?))
    }

    /// Sends a message piece by piece.
    pub(crate) fn write<'p>(
        &mut self,
        kind: Kind,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> Result<(), Error> {
        on!(self, _, sender => {
            let mut writer = sender.writer(kind)?;
            for piece in pieces {
                writer.write_all(piece)?;
            }
            writer.finish()
        })
    }

    pub(crate) fn send<'p>(&mut self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        on!(self, _, sender => sender.send(message))
    }

    pub(crate) fn feed<'p>(&mut self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        on!(self, _, sender => sender.feed(message))
    }

    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        on!(self, _, sender => sender.flush())
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        on!(self, _, sender => sender.ping(payload))
    }

    pub(crate) fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        on!(self, _, sender => sender.start_close(code, reason))
    }

    /// Closes; a split connection with its receiver at work in another thread, as is usual.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Error> {
        match self {
            Self::Whole(socket) => socket.close(code, reason).cloned(),
            Self::Split(receiver, sender) => thread::scope(|scope| {
                scope.spawn(|| while let Ok(Some(_)) = receiver.recv() {});
                sender.close(code, reason)
            }),
        }
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Whole(socket) => socket.outcome().cloned(),
            Self::Split(receiver, sender) => {
                assert_eq!(receiver.outcome(), sender.outcome());
                receiver.outcome()
            }
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        on!(self, receiver => receiver.stats())
    }

    /// Echoes until the end, and tells it.
    pub(crate) fn echo(mut self) -> Result<Outcome, Error> {
        while let Some(message) = self.recv()? {
            self.send(&message)?;
        }
        Ok(self.outcome().expect("an end has an outcome"))
    }

    /// Asserts that the connection has ended, and stays ended.
    pub(crate) fn assert_over(&mut self) -> Outcome {
        let outcome = self.outcome().expect("an end has an outcome");
        for _ in 0..3 {
            assert!(self.recv().expect("an error is reported once").is_none());
            assert_eq!(self.outcome().as_ref(), Some(&outcome), "the outcome stays");
        }
        let late = self.send("too late").expect_err("nothing can be sent after the end");
        assert!(matches!(late, Error::Send(SendError::Closing) | Error::Io(_)), "{late:?}");
        if let Self::Whole(socket) = self {
            assert_eq!(socket.state(), State::Closed);
        }
        outcome
    }
}

/// Two ends of one TCP connection, without delays of Nagle's.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nodelay(true).unwrap();
    theirs.set_nodelay(true).unwrap();
    (ours, theirs)
}

/// The same with little room in the kernel, so that whoever does not read is felt soon.
pub(crate) fn tight_tcp() -> (TcpStream, TcpStream) {
    let (ours, theirs) = tcp();
    for stream in [&ours, &theirs] {
        let socket = socket2::SockRef::from(stream);
        // With less, the kernel's own timers decide how fast anything goes.
        socket.set_send_buffer_size(64 << 10).unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
    }
    (ours, theirs)
}

/// Our connection and a peer that speaks in bytes.
pub(crate) fn against_raw(end: End, mode: Mode, config: Config) -> (Socket<TcpStream>, Raw) {
    let (ours, theirs) = tcp();
    (mode.hold(end.open(ours, config)), Raw::new(end.peer(), theirs))
}

/// The default configuration, changed.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// Serves one connection to a port of its own in a thread of its own.
pub(crate) fn serve<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        serve(stream)
    });
    (address, thread)
}

/// A peer that speaks in bytes. It waits long, but not for ever.
#[derive(Debug)]
pub(crate) struct Raw<S = TcpStream> {
    pub(crate) io: S,
    end: End,
    arrived: Vec<u8>,
}

/// A frame that a [`Raw`] has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) fin: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Got {
    /// A Close's code and reason; 0 if it has none.
    pub(crate) fn close(&self) -> (u16, &str) {
        assert_eq!(self.opcode, wire::opcode::CLOSE, "{self:?}");
        match &self.payload[..] {
            [] => (0, ""),
            [high, low, reason @ ..] => {
                (u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason).expect("a reason is UTF-8"))
            }
            [_] => panic!("half a code"),
        }
    }
}

impl<S: Stream> Raw<S> {
    pub(crate) fn new(end: End, io: S) -> Self {
        io.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        io.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { io, end, arrived: Vec::new() }
    }

    pub(crate) fn write(&mut self, frames: &[Frame]) {
        self.io.write_all(&self.end.encode(frames)).expect("our end takes it");
    }

    /// The next frame; `None` at the end of the transport.
    pub(crate) fn try_frame(&mut self) -> io::Result<Option<Got>> {
        loop {
            if let Some((got, len)) = parse(&self.arrived, self.end == End::Server) {
                self.arrived.drain(..len);
                return Ok(Some(got));
            }
            let mut bytes = [0; 16 << 10];
            match self.io.read(&mut bytes)? {
                0 if self.arrived.is_empty() => return Ok(None),
                0 => panic!("the transport ended within a frame: {:?}", self.arrived.get(..32)),
                n => self.arrived.extend_from_slice(&bytes[..n]),
            }
        }
    }

    pub(crate) fn frame(&mut self) -> Got {
        self.try_frame().expect("no reset, no time-out").expect("a frame")
    }

    /// The next message, its fragments joined; Pings are answered, Pongs skipped.
    pub(crate) fn message(&mut self) -> Owned {
        let mut kind = None;
        let mut payload = Vec::new();
        loop {
            let got = self.frame();
            match got.opcode {
                wire::opcode::PING => self.write(&[Frame::pong(got.payload)]),
                wire::opcode::PONG => {}
                wire::opcode::CLOSE => panic!("a Close where a message was expected: {:?}", got.close()),
                opcode => {
                    assert_eq!(opcode == wire::opcode::CONTINUATION, kind.is_some(), "fragments go together");
                    let kind = *kind.get_or_insert(opcode);
                    payload.extend_from_slice(&got.payload);
                    match (got.fin, kind) {
                        (false, _) => {}
                        (true, wire::opcode::TEXT) => {
                            return Owned::Text(String::from_utf8(payload).unwrap());
                        }
                        (true, _) => return Owned::Binary(payload),
                    }
                }
            }
        }
    }

    /// Asserts that the transport ends here, without a reset.
    pub(crate) fn assert_eof(&mut self) {
        let got = self.try_frame().expect("an orderly end");
        assert_eq!(got, None, "an end where a frame came");
    }

    /// Ends this side of the transport.
    pub(crate) fn shutdown(&mut self) {
        self.io.shutdown(Shutdown::Write).unwrap();
    }

    /// What comes before the other end's Close, without control frames, and that Close.
    pub(crate) fn until_close(&mut self) -> (Vec<Got>, Got) {
        let mut before = Vec::new();
        loop {
            let got = self.frame();
            match got.opcode {
                wire::opcode::CLOSE => return (before, got),
                wire::opcode::PING | wire::opcode::PONG => {}
                _ => before.push(got),
            }
        }
    }

    /// Sees the transport to its end after a Close each way: the server ends its side first (RFC 6455 §7.1.1).
    pub(crate) fn end(mut self) {
        if self.end == End::Server {
            self.shutdown();
            self.assert_eof();
        } else {
            self.assert_eof();
            self.shutdown();
        }
    }

    /// Answers the other end's Close with the same, and sees the transport to its end.
    pub(crate) fn answer_close(mut self) -> Got {
        let (_, close) = self.until_close();
        self.write(&[Frame::new(wire::opcode::CLOSE, close.payload.clone())]);
        self.end();
        close
    }
}

/// A frame from the front of `bytes`, unmasked, and its length; what RFC 6455 §5.2 demands of a sender is asserted.
fn parse(bytes: &[u8], masked: bool) -> Option<(Got, usize)> {
    let [first, second, ..] = *bytes else { return None };
    assert_eq!(first & 0x70, 0, "a reserved bit is set");
    assert_eq!(second & 0x80 != 0, masked, "a client masks, a server does not");
    let (len, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()), 10),
        len => (len.into(), 2),
    };
    let shortest = match len {
        0..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    };
    assert_eq!(at, shortest, "a length is written in the fewest bytes");
    let key: [u8; 4] = if masked { bytes.get(at..at + 4)?.try_into().unwrap() } else { [0; 4] };
    at += if masked { 4 } else { 0 };
    let end = at + usize::try_from(len).unwrap();
    let payload = bytes.get(at..end)?.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Some((Got { fin: first & 0x80 != 0, opcode: first & 15, payload }, end))
}

/// Asserts that something took at least `least`, and not much more.
pub(crate) fn assert_took(since: Instant, least: Duration) {
    let took = since.elapsed();
    assert!(took >= least, "after {took:?}, which is before {least:?}");
    assert!(took < least + SLACK, "after {took:?}, which is long after {least:?}");
}

/// Bytes that tell where they stand.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0u32..).flat_map(|n| n.wrapping_mul(0x9E37_79B1).to_le_bytes()).take(len).collect()
}
