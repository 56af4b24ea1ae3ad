//! The peer over TCP: a thread of its own, which blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::peer::{Peer, Report, Task};

/// How long a peer waits for anything; its scripts wait long, but not for ever.
const PATIENCE: Duration = Duration::from_secs(40);

/// Two ends of one TCP connection without Nagle's delays: ours and the peer's. Room below 64 KiB is made small on
/// either side; with less than that, the kernel's own timers decide how fast anything goes.
///
/// # Panics
/// If the system has no sockets for us.
#[must_use]
pub fn pair(room: usize) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let theirs = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (ours, _) = listener.accept().expect("a connection");
    for stream in [&ours, &theirs] {
        stream.set_nodelay(true).expect("no delay");
        if room < 64 << 10 {
            SockRef::from(stream).set_send_buffer_size(64 << 10).expect("a small buffer");
            SockRef::from(stream).set_recv_buffer_size(64 << 10).expect("a small buffer");
        }
    }
    (ours, theirs)
}

/// A peer that plays in a thread of its own.
#[derive(Debug)]
pub struct Playing {
    thread: Option<JoinHandle<(Report, Option<TcpStream>)>>,
}

impl Playing {
    /// Sets the peer going. The times that it notes count from `origin`.
    #[must_use]
    pub fn start(peer: Peer, io: TcpStream, origin: Instant) -> Self {
        Self { thread: Some(thread::spawn(move || play(peer, io, origin))) }
    }

    /// Waits for the peer's end; its side of the transport is closed then.
    ///
    /// # Panics
    /// If the peer did, or has been asked before.
    pub fn join(&mut self) -> Report {
        let thread = self.thread.take().expect("a peer is joined once");
        thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause)).0
    }
}

fn play(mut peer: Peer, io: TcpStream, origin: Instant) -> (Report, Option<TcpStream>) {
    io.set_write_timeout(Some(PATIENCE)).expect("a bound");
    let mut io = Some(io);
    let mut buffer = vec![0; Peer::READ];
    loop {
        let task = peer.next(origin.elapsed());
        match (task, &mut io) {
            (Task::Done, io) => return (peer.report(), io.take()),
            (Task::Wait(time), _) => thread::sleep(time),
            (Task::Write(bytes), Some(io)) => peer.wrote(io.write_all(&bytes)),
            (Task::Read { at_most, within }, Some(io)) => {
                io.set_read_timeout(Some(within.unwrap_or(PATIENCE))).expect("a bound");
                match io.read(&mut buffer[..at_most]) {
                    Err(error)
                        if within.is_some()
                            && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                    {
                        peer.nothing_came();
                    }
                    result => peer.read(result.map(|n| &buffer[..n])),
                }
            }
            // The other end may have reset the connection.
            (Task::HalfClose, Some(io)) => drop(io.shutdown(Shutdown::Write)),
            (Task::Reset, io) => {
                if let Some(io) = io.take() {
                    SockRef::from(&io).set_linger(Some(Duration::ZERO)).expect("no lingering");
                }
            }
            (Task::Leave, io) => drop(io.take()),
            (Task::Write(_), None) => peer.wrote(Err(io::ErrorKind::NotConnected.into())),
            (Task::Read { .. } | Task::HalfClose, None) => panic!("the script has torn the transport down"),
        }
    }
}
