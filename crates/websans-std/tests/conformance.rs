//! The scenarios that hold for every adapter, over TCP.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{
    CloneStream, CloseCode, Error, Kind, MessageReader, MessageWriter, Outcome, Parts, Payload, Prepared,
    Receiver, Sender, Source, Stats, Stream, WebSocket,
};
use websans_testkit::conformance::tcp::{self, Playing};
use websans_testkit::conformance::{
    Fault, Finish, Habits, Hold, Owned, Report, Setup, Subject, Times, WriteHabit,
};

websans_testkit::conformance!(Blocking);

/// A connection over TCP, with a peer in a thread of its own.
struct Blocking {
    socket: Socket,
    habits: Arc<Habits>,
    peer: Playing,
    origin: Instant,
}

#[allow(clippy::large_enum_variant, reason = "there are few")]
enum Socket {
    Whole(WebSocket<Habitual>),
    Split(Option<Receiver<Habitual>>, Sender<Habitual>),
}

/// Calls `$receive` or `$send` of whichever holds the connection.
macro_rules! on {
    ($subject:expr, $receiver:ident => $receive:expr) => {
        match &mut $subject.socket {
            Socket::Whole($receiver) => $receive,
            Socket::Split(receiver, _) => {
                let $receiver = receiver.as_mut().expect("a receiver");
                $receive
            }
        }
    };
    ($subject:expr, _, $sender:ident => $send:expr) => {
        match &mut $subject.socket {
            Socket::Whole($sender) => $send,
            Socket::Split(_, $sender) => $send,
        }
    };
}

impl Subject for Blocking {
    const TIMES: Times = Times::REAL;

    fn start(setup: Setup) -> Self {
        let (ours, theirs) = tcp::pair(setup.room);
        let origin = Instant::now();
        let role = setup.role();
        let Setup { seat, config, negotiated, habits, peer, .. } = setup;
        let io = Habitual::new(ours, Arc::clone(&habits));
        let socket = WebSocket::from_handshake(io, role, config, negotiated, &[]).unwrap();
        let socket = match seat.hold {
            Hold::Whole => Socket::Whole(socket),
            Hold::Split => {
                let (receiver, sender) = socket.split().unwrap();
                Socket::Split(Some(receiver), sender)
            }
        };
        Self { socket, habits, peer: Playing::start(peer, theirs, origin), origin }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn rest(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn turns(&self) -> usize {
        self.habits.reads() + self.habits.writes()
    }

    fn recv(&mut self) -> Result<Option<Owned>, Fault> {
        on!(self, receiver => Ok(receiver.recv().map_err(fault)?.map(Owned::from)))
    }

    fn read<T>(&mut self, read: impl FnOnce(Kind, &mut dyn Read) -> T) -> Result<Option<T>, Fault> {
        fn lend<S: Source, T>(
            mut reader: MessageReader<'_, S>,
            read: impl FnOnce(Kind, &mut dyn Read) -> T,
        ) -> T {
            read(reader.kind(), &mut reader)
        }
        on!(self, receiver => Ok(receiver.reader().map_err(fault)?.map(|reader| lend(reader, read))))
    }

    fn write(
        &mut self,
        kind: Kind,
        write: impl FnOnce(&mut dyn Write) -> io::Result<Finish>,
    ) -> Result<(), Fault> {
        fn lend<P: Parts>(
            mut writer: MessageWriter<'_, P>,
            write: impl FnOnce(&mut dyn Write) -> io::Result<Finish>,
        ) -> Result<(), Error> {
            match write(&mut writer)? {
                Finish::Yes => writer.finish(),
                Finish::No => Ok(()),
            }
        }
        on!(self, _, sender => lend(sender.writer(kind).map_err(fault)?, write).map_err(fault))
    }

    fn send_payload(&mut self, message: Payload<'_>) -> Result<(), Fault> {
        on!(self, _, sender => sender.send(message)).map_err(fault)
    }

    fn send_prepared(&mut self, message: &Prepared) -> Result<(), Fault> {
        on!(self, _, sender => sender.send_prepared(message)).map_err(fault)
    }

    fn exchange(&mut self, messages: &[Owned]) -> Result<Vec<Owned>, Fault> {
        let mut received = Vec::new();
        match &mut self.socket {
            Socket::Whole(socket) => {
                for message in messages {
                    socket.send(message).map_err(fault)?;
                    received.extend(socket.recv().map_err(fault)?.map(Owned::from));
                }
            }
            Socket::Split(receiver, sender) => thread::scope(|scope| {
                let receiver = receiver.as_mut().expect("a receiver");
                let sends = scope.spawn(|| messages.iter().try_for_each(|message| sender.send(message)));
                for _ in messages {
                    received.extend(receiver.recv().map_err(fault)?.map(Owned::from));
                }
                sends.join().unwrap().map_err(fault)
            })?,
        }
        Ok(received)
    }

    fn feed(&mut self, message: &Owned) -> Result<(), Fault> {
        on!(self, _, sender => sender.feed(message)).map_err(fault)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        on!(self, _, sender => sender.flush()).map_err(fault)
    }

    fn ping(&mut self, payload: &[u8]) -> Result<(), Fault> {
        on!(self, _, sender => sender.ping(payload)).map_err(fault)
    }

    fn pong(&mut self, payload: &[u8]) -> Result<(), Fault> {
        on!(self, _, sender => sender.pong(payload)).map_err(fault)
    }

    fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Fault> {
        on!(self, _, sender => sender.start_close(code, reason)).map_err(fault)
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Outcome, Fault> {
        match &mut self.socket {
            Socket::Whole(socket) => socket.close(code, reason).cloned(),
            Socket::Split(None, sender) => sender.close(code, reason),
            Socket::Split(Some(receiver), sender) => thread::scope(|scope| {
                scope.spawn(|| while let Ok(Some(_)) = receiver.recv() {});
                sender.close(code, reason)
            }),
        }
        .map_err(fault)
    }

    fn drop_receiver(&mut self) {
        if let Socket::Split(receiver, _) = &mut self.socket {
            *receiver = None;
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        match &self.socket {
            Socket::Whole(socket) => socket.outcome().cloned(),
            Socket::Split(_, sender) => sender.outcome(),
        }
    }

    fn stats(&self) -> Stats {
        match &self.socket {
            Socket::Whole(socket) => socket.stats(),
            Socket::Split(_, sender) => sender.stats(),
        }
    }

    fn join(&mut self) -> Report {
        self.peer.join()
    }

    fn end(self) -> Report {
        let Self { socket, mut peer, .. } = self;
        drop(socket);
        peer.join()
    }
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Io(error) => match error.downcast::<Error>() {
            Ok(cause) => fault(cause),
            Err(error) => Fault::Io(error.kind()),
        },
        Error::Protocol(error) => Fault::Protocol(error),
        Error::Send(error) => Fault::Send(error),
        other => Fault::Other(other.to_string()),
    }
}

/// A TCP stream with habits.
#[derive(Debug)]
struct Habitual {
    io: TcpStream,
    habits: Arc<Habits>,
    /// What is written and not flushed, shared by the clones.
    hoard: Arc<Mutex<Vec<u8>>>,
}

impl Habitual {
    fn new(io: TcpStream, habits: Arc<Habits>) -> Self {
        Self { io, habits, hoard: Arc::default() }
    }

    fn move_on(&self) -> io::Result<()> {
        let mut hoard = self.hoard.lock().unwrap();
        (&self.io).write_all(&hoard)?;
        hoard.clear();
        Ok(())
    }
}

impl Read for Habitual {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.habits.note_read());
        match (self.io.read(&mut buffer[..most])?, self.habits.note_end()) {
            (0, Some(end)) => Err(end.into()),
            (n, _) => Ok(n),
        }
    }
}

impl Write for Habitual {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.habits.note_write() {
            WriteHabit::Fail => Err(io::ErrorKind::BrokenPipe.into()),
            WriteHabit::AtMost(0) => Ok(0),
            _ if self.habits.hoards() => {
                self.hoard.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            WriteHabit::AtMost(most) => self.io.write(&bytes[..bytes.len().min(most)]),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.habits.note_write() {
            WriteHabit::Fail => Err(io::ErrorKind::BrokenPipe.into()),
            WriteHabit::AtMost(0) => Ok(0),
            _ if self.habits.hoards() => self.hoard.lock().unwrap().write_vectored(slices),
            WriteHabit::AtMost(usize::MAX) => self.io.write_vectored(slices),
            WriteHabit::AtMost(most) => {
                let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
                self.io.write(&first[..first.len().min(most)])
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.move_on()
    }
}

impl Stream for Habitual {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.move_on()?;
        self.io.shutdown(how)
    }
}

impl CloneStream for Habitual {
    fn try_clone(&self) -> io::Result<Self> {
        let (habits, hoard) = (Arc::clone(&self.habits), Arc::clone(&self.hoard));
        Ok(Self { io: self.io.try_clone()?, habits, hoard })
    }
}
