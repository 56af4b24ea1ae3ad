//! [`Receiver`] and [`Sender`]: the two halves of a connection, for two threads at the same time.
//!
//! Both share the [`Connection`] under a mutex that is held while bytes are parsed or queued, never while a thread
//! waits for the transport. Writing has a mutex of its own: whoever holds it writes all that waits. The receiver, which
//! answers Pings and the Close, never waits for that mutex nor, longer than a moment, for the peer to read: it goes on
//! reading and tries again, so that two ends that both send in bulk cannot block one another.

mod receiver;
mod sender;

use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use websans::{Connection, Hangup};

use self::receiver::Reader;
pub use self::receiver::Receiver;
pub use self::sender::Sender;
use crate::error::Error;
use crate::socket::WebSocket;
use crate::stream::{CloneStream, Stream};
use crate::sync::{AtomicBool, Clock, Condvar, Mutex, MutexGuard};
use crate::wait::{Held, Io, Waits};

pub(crate) fn split<S: CloneStream>(socket: WebSocket<S>) -> Result<(Receiver<S>, Sender<S>), Error> {
    let WebSocket { io, conn, inbox, clock, protocol, held, shut, broken, ended, over, failure, .. } = socket;
    let (taken, write_stall) = (Bytes::new(), conn.config().write_stall);
    let writer = Writer { io: io.try_clone()?, taken, held, write_stall, broken };
    let shared = Arc::new(Shared {
        conn: Mutex::new(conn),
        closed: Condvar::new(),
        writer: Mutex::new(writer),
        control: Mutex::new(io.try_clone()?),
        held: AtomicBool::new(held.is_something()),
        over: AtomicBool::new(over),
        idle: Mutex::new(None),
        composing: AtomicBool::new(false),
        clock,
        protocol,
    });
    let reader = Reader { io, inbox, waits: Waits::default(), shut, ended, failure };
    Ok((Receiver::new(reader, Arc::clone(&shared)), Sender::new(shared)))
}

struct Shared<S> {
    conn: Mutex<Connection>,
    /// The connection's state has become `Closed`, or the receiver was dropped.
    closed: Condvar,
    writer: Mutex<Writer<S>>,
    /// For shutting the stream down whoever reads or writes.
    control: Mutex<S>,
    /// The stream may hold back some of what was written.
    held: AtomicBool,
    /// The transport has been ended.
    over: AtomicBool,
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
    held: Held,
    write_stall: Duration,
    broken: bool,
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
            }
            let rests = writer.taken.is_empty();
            // What is left of a connection that was given up does not follow the end of the transport.
            if self.over.load(Ordering::Acquire) && (!rests || writer.held.is_something()) {
                return Written::Broken;
            }
            let written = if rests {
                let Writer { io, held, .. } = &mut *writer;
                held.flush(io, &self.clock)
            } else {
                Io::of(writer.io.write(&writer.taken))
            };
            match written {
                Io::Done(_) if rests => {
                    self.held.store(false, Ordering::Release);
                    return Written::All;
                }
                Io::Done(0) | Io::Failed(_) => {
                    writer.broken = true;
                    self.held.store(false, Ordering::Release);
                }
                Io::Done(n) => {
                    // Before the connection learns that nothing waits there: then this does.
                    self.held.store(true, Ordering::Release);
                    writer.held = Held::Something;
                    writer.taken.advance(n);
                    self.conn().outbox().advance(n);
                }
                Io::Waited => {
                    let mut conn = self.conn();
                    conn.tick_writes(self.clock.now());
                    // The connection does not see it: its outbox is empty.
                    if writer.held.is_given_up(&self.clock, writer.write_stall) {
                        writer.broken = true;
                        self.held.store(false, Ordering::Release);
                        conn.note_stalled();
                    }
                    if conn.hangup() == Hangup::Drop && !self.lets_go(&conn) {
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

    /// Whether anything waits to be written, in the connection or in the stream.
    fn wants_write(&self, conn: &Connection) -> bool {
        conn.wants_write() || self.held.load(Ordering::Acquire)
    }

    /// Whether nothing but the stream has something to let go, and time for it.
    fn lets_go(&self, conn: &Connection) -> bool {
        let held = self.held.load(Ordering::Acquire) && !conn.wants_write();
        held && conn.deadline().is_some_and(|deadline| deadline > self.clock.now())
    }

    /// Ends the transport for both halves.
    fn end(&self) {
        self.over.store(true, Ordering::Release);
        let _ = lock(&self.control).shutdown(Shutdown::Both); // the peer may have done so
        self.closed.notify_all();
    }
}
