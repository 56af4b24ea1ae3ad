//! [`Receiver`] and [`Sender`]: the two halves of a connection, for two threads at the same time.
//!
//! Both share the [`Connection`] under a mutex that is held while bytes are parsed or queued, never while a thread
//! waits for the transport. Writing has a mutex of its own: whoever holds it writes all that waits. The receiver, which
//! answers Pings and the Close, never waits for that mutex nor, longer than a moment, for the peer to read: it goes on
//! reading and tries again, so that two ends that both send in bulk cannot block one another.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use websans::{
    Clock, Close, CloseCode, Connection, Hangup, Inbox, Kind, Message, Outcome, Payload, Prepared,
    ProtocolError, SendError, State, Stats,
};

use crate::error::Error;
use crate::message::{MessageReader, MessageWriter, Parts, Source};
use crate::socket::{WebSocket, broken_pipe};
use crate::stream::{CloneStream, Stream};
use crate::wait::{Io, RETRY, Waits};

pub(crate) fn split<S: CloneStream>(socket: WebSocket<S>) -> Result<(Receiver<S>, Sender<S>), Error> {
    let WebSocket { io, conn, inbox, clock, protocol, .. } = socket;
    let writer = Writer { io: io.try_clone()?, taken: Bytes::new(), broken: false };
    let shared = Arc::new(Shared {
        conn: Mutex::new(conn),
        closed: Condvar::new(),
        writer: Mutex::new(writer),
        control: io.try_clone()?,
        idle: Mutex::new(None),
        composing: AtomicBool::new(false),
        clock,
        protocol,
    });
    let reader = Reader { io, inbox, waits: Waits::default(), shut: false, ended: false, failure: None };
    Ok((Receiver { reader: Some(reader), shared: Arc::clone(&shared) }, Sender { shared }))
}

struct Shared<S> {
    conn: Mutex<Connection>,
    /// The connection's state has become `Closed`, or the receiver was dropped.
    closed: Condvar,
    writer: Mutex<Writer<S>>,
    /// For shutting the stream down whoever reads or writes.
    control: S,
    /// The reading side of a receiver that was dropped.
    idle: Mutex<Option<Reader<S>>>,
    /// One sender is writing a message piece by piece.
    composing: AtomicBool,
    clock: Clock,
    protocol: Option<String>,
}

struct Writer<S> {
    io: S,
    /// Bytes taken out of the outbox that are not written yet.
    taken: Bytes,
    broken: bool,
}

struct Reader<S> {
    io: S,
    inbox: Inbox,
    waits: Waits,
    shut: bool,
    /// The peer has ended its side of the transport.
    ended: bool,
    failure: Option<ProtocolError>,
}

/// How far writing got.
#[derive(PartialEq)]
enum Written {
    /// Nothing waits, or another thread is at it.
    All,
    /// The peer does not read.
    Blocked,
    /// The transport takes nothing any more.
    Broken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of the application's cannot happen while a guard is held: none of its code runs then.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Stream> Shared<S> {
    /// The connection, with its time moved and nothing judged: see [`Connection::wake`].
    fn conn(&self) -> MutexGuard<'_, Connection> {
        let mut conn = lock(&self.conn);
        conn.wake(self.clock.now());
        conn
    }

    /// Writes all that waits. `wait`: until the peer has taken it, or the connection gives it up.
    fn write(&self, wait: bool) -> Written {
        loop {
            let mut writer = if wait {
                lock(&self.writer)
            } else {
                match self.writer.try_lock() {
                    Ok(writer) => writer,
                    Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                    // That thread looks for more once it has let go.
                    Err(TryLockError::WouldBlock) => return Written::All,
                }
            };
            match self.write_with(&mut writer, wait) {
                Written::All => {}
                other => return other,
            }
            drop(writer);
            // Something may have been queued between the last look and the letting go.
            if !lock(&self.conn).wants_write() {
                return Written::All;
            }
        }
    }

    fn write_with(&self, writer: &mut Writer<S>, wait: bool) -> Written {
        loop {
            if writer.broken {
                return Written::Broken;
            }
            if writer.taken.is_empty() {
                writer.taken = self.conn().outbox().take_chunk();
                if writer.taken.is_empty() {
                    return Written::All;
                }
            }
            match Io::of(writer.io.write(&writer.taken)) {
                Io::Done(0) | Io::Failed(_) => writer.broken = true,
                Io::Done(n) => {
                    writer.taken.advance(n);
                    self.conn().outbox().advance(n);
                }
                Io::Waited => {
                    let mut conn = self.conn();
                    conn.tick(self.clock.now());
                    if conn.hangup() == Hangup::Drop {
                        drop(conn);
                        self.end();
                        return Written::Broken;
                    }
                    if !wait {
                        return Written::Blocked;
                    }
                }
            }
        }
    }

    /// Ends the transport for both halves.
    fn end(&self) {
        let _ = self.control.shutdown(Shutdown::Both); // the peer may have done so
        self.closed.notify_all();
    }
}

/// The half that receives. Keep calling it: keep-alive, answers to Pings and the closing handshake happen in it.
pub struct Receiver<S: Stream> {
    /// Present until it is dropped.
    reader: Option<Reader<S>>,
    shared: Arc<Shared<S>>,
}

impl<S: Stream> Receiver<S> {
    /// Waits for the next message, as [`WebSocket::recv`] does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.advance(Inbox::next)?;
        Ok(self.reader.as_ref().and_then(|reader| reader.inbox.message()))
    }

    /// Waits for the next message and takes it as it arrives, as [`WebSocket::reader`] does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub fn reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        MessageReader::begin(self)
    }

    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.shared.conn).outcome().cloned()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.conn).stats()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.shared.protocol.as_deref()
    }

    fn advance(
        &mut self,
        next: fn(&mut Inbox, &mut Connection) -> Result<bool, ProtocolError>,
    ) -> Result<bool, Error> {
        match &mut self.reader {
            Some(reader) => reader.advance(&self.shared, next),
            None => Ok(false),
        }
    }
}

impl<S: Stream> Reader<S> {
    /// The same steps as those of `WebSocket`, with the connection let go before each wait.
    fn advance(
        &mut self,
        shared: &Shared<S>,
        next: fn(&mut Inbox, &mut Connection) -> Result<bool, ProtocolError>,
    ) -> Result<bool, Error> {
        let mut listened = false;
        loop {
            // 1. Hand out what has arrived.
            let mut conn = shared.conn();
            match next(&mut self.inbox, &mut conn) {
                Ok(true) => {
                    // A peer that always has something more to say does not keep a closing from its end.
                    if conn.state() != State::Open {
                        conn.tick(shared.clock.now());
                    }
                    return Ok(true);
                }
                Ok(false) => {}
                Err(error) => self.failure = Some(error),
            }
            // 2. Judge the time, once all that had arrived is known.
            if listened {
                conn.tick(shared.clock.now());
            }
            let waits = conn.wants_write();
            drop(conn);
            // 3. Write what waits, as far as the peer takes it.
            let written = if waits { shared.write(false) } else { Written::All };
            // 4. End the transport when its time has come.
            let mut conn = shared.conn();
            if written == Written::Broken && (self.ended || conn.state() == State::Closed) {
                conn.abort();
            }
            if matches!(conn.state(), State::Closed | State::CloseReceived) {
                shared.closed.notify_all();
            }
            match conn.hangup() {
                Hangup::NotYet => {}
                Hangup::ShutdownWrite if self.shut => {}
                Hangup::ShutdownWrite => {
                    self.shut = true;
                    let _ = self.io.shutdown(Shutdown::Write); // the peer may have gone
                }
                Hangup::Drop => {
                    drop(conn);
                    shared.end();
                    return self.failure.take().map_or(Ok(false), |error| Err(error.into()));
                }
            }
            if conn.state() == State::CloseReceived {
                return Ok(false); // for the application to answer
            }
            // 5. Wait for bytes or for the deadline. The other half may start a closing meanwhile, whose deadline is no
            //    nearer than that.
            let close_within = conn.config().close_within.max(RETRY);
            let mut wait = conn.deadline().map_or(close_within, |deadline| shared.clock.until(deadline));
            if conn.wants_write() && written != Written::Broken {
                wait = wait.min(RETRY);
            }
            drop(conn);
            self.read(shared, wait.min(close_within))?;
            listened = true;
        }
    }

    fn read(&mut self, shared: &Shared<S>, wait: Duration) -> Result<(), Error> {
        if self.ended {
            // What waits to be written is all that is left to wait for.
            std::thread::sleep(wait.min(RETRY));
            return Ok(());
        }
        self.waits.bound_read(&self.io, Some(wait))?;
        match Io::of(self.io.read(self.inbox.spare_mut())) {
            Io::Done(0) => {
                self.ended = true;
                shared.conn().eof();
            }
            Io::Done(n) => self.inbox.filled(n),
            Io::Waited => {}
            Io::Failed(error) => {
                let mut conn = shared.conn();
                let closed = conn.state() == State::Closed;
                conn.abort();
                drop(conn);
                // A reset after the closing handshake takes nothing from it.
                if !closed {
                    shared.end();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}

impl<S: Stream> Drop for Receiver<S> {
    /// The reading side stays with the connection, for [`Sender::close`] to complete the closing handshake.
    fn drop(&mut self) {
        *lock(&self.shared.idle) = self.reader.take();
        // Behind the lock that a closing sender waits with, so that it cannot miss this.
        drop(lock(&self.shared.conn));
        self.shared.closed.notify_all();
    }
}

impl<S: Stream> Source for Receiver<S> {
    fn advance(&mut self) -> Result<bool, Error> {
        self.advance(Inbox::next_chunk)
    }

    fn inbox(&self) -> Option<&Inbox> {
        self.reader.as_ref().map(|reader| &reader.inbox)
    }
}

/// The half that sends. It can be cloned for any number of threads; a message goes out whole, whoever else sends.
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Stream> Sender<S> {
    /// Sends a message and waits until the transport has taken it.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub fn send<'p>(&self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        self.feed(message)?;
        self.flush()
    }

    /// Puts a message into the outbox, to be written with the next flush. Makes room by writing if it is full.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn feed<'p>(&self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        let message = message.into();
        // The clone is of a borrow, or of a handle to shared bytes.
        self.queue(|conn| conn.send(message.clone()))
    }

    /// Sends a message that was encoded beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, message: &Prepared) -> Result<(), Error> {
        self.queue(|conn| conn.send_prepared(message))?;
        self.flush()
    }

    /// A message to be written piece by piece, as [`WebSocket::writer`] does. While it is under way, clones of this sender
    /// cannot send ([`SendError::MessageInProgress`]).
    ///
    /// # Errors
    /// As [`WebSocket::writer`].
    pub fn writer(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error> {
        if !lock(&self.shared.conn).can_send() {
            return Err(SendError::Closing.into());
        }
        if self.shared.composing.swap(true, Ordering::AcqRel) {
            return Err(SendError::MessageInProgress.into());
        }
        Ok(MessageWriter::new(self, kind))
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// As [`WebSocket::flush`].
    pub fn flush(&self) -> Result<(), Error> {
        if self.shared.write(true) == Written::Broken { Err(broken_pipe()) } else { Ok(()) }
    }

    /// Sends a Ping, as [`WebSocket::ping`] does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|conn| conn.ping(payload))?;
        self.flush()
    }

    /// Sends a Pong, as [`WebSocket::pong`] does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|conn| conn.pong(payload))?;
        self.flush()
    }

    /// Closes the connection: sends a Close unless one was sent before, waits for the ending, which
    /// [`Config::close_within`](websans::Config::close_within) bounds, and tells how it was. The receiver gets what messages still
    /// arrive.
    ///
    /// # Errors
    /// [`Error::Send`] if the reason is longer than 123 bytes.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<Outcome, Error> {
        // Closing already, or broken: there is an ending to wait for all the same.
        if let Err(error @ Error::Send(SendError::ReasonTooLong | SendError::CodeNotForServers)) =
            self.start_close(code, reason)
        {
            return Err(error);
        }
        loop {
            let conn = self.shared.conn();
            // If nobody receives any more, this thread sees to the rest.
            let idle = lock(&self.shared.idle).take();
            if let Some(mut reader) = idle {
                drop(conn);
                while reader.advance(&self.shared, Inbox::next_chunk).unwrap_or(false) {}
                continue;
            }
            if let Some(outcome) = conn.outcome() {
                let outcome = outcome.clone();
                if conn.hangup() == Hangup::Drop {
                    drop(conn);
                    self.shared.end(); // wakes the receiver
                }
                return Ok(outcome);
            }
            let wait = conn.deadline().map_or(RETRY, |deadline| self.shared.clock.until(deadline));
            if let Ok((mut conn, _)) = self.shared.closed.wait_timeout(conn, wait) {
                conn.tick(self.shared.clock.now());
            }
        }
    }

    /// Sends a Close and does not wait for the peer's.
    ///
    /// # Errors
    /// As [`WebSocket::start_close`].
    pub fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let queued = self.shared.conn().close_with(Close::new(code, reason));
        // If the peer was first, the answer to it may still wait.
        let flushed = self.flush();
        queued?;
        flushed
    }

    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.shared.conn).outcome().cloned()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        lock(&self.shared.conn).stats()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.shared.protocol.as_deref()
    }

    /// Queues by `send`, once there is room.
    fn queue(&self, mut send: impl FnMut(&mut Connection) -> Result<(), SendError>) -> Result<(), Error> {
        loop {
            // The guard must be gone before the flush.
            let queued = send(&mut self.shared.conn());
            match queued {
                Err(SendError::OutboxFull) => self.flush()?,
                other => return Ok(other?),
            }
        }
    }
}

impl<S: Stream> Parts for Sender<S> {
    fn send_part(&mut self, part: Payload<'_>, last: bool) -> Result<(), Error> {
        self.queue(|conn| conn.send_part(part.clone(), last))?;
        self.flush()
    }

    fn done(&mut self) {
        self.shared.composing.store(false, Ordering::Release);
    }
}

impl<S: Stream> std::fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("connection", &*lock(&self.shared.conn)).finish()
    }
}

impl<S> std::fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("connection", &*lock(&self.shared.conn)).finish()
    }
}
