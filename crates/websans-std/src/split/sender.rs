//! [`Sender`]: the half that sends.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use websans::deflate::Flush;
use websans::{
    Close, CloseCode, Connection, Hangup, Inbox, Kind, Outcome, Payload, Prepared, SendError, Stats,
};

use super::{Shared, Written, lock};
use crate::error::Error;
use crate::message::{MessageWriter, Parts};
use crate::socket::broken_pipe;
use crate::stream::Stream;
use crate::wait::RETRY;

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
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared }
    }

    /// Sends a message and waits until the transport has taken it.
    ///
    /// # Errors
    /// As [`WebSocket::send`](crate::WebSocket::send).
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

    /// A message to be written piece by piece, as [`WebSocket::writer`](crate::WebSocket::writer) does. While it is
    /// under way, clones of this sender cannot send ([`SendError::MessageInProgress`]).
    ///
    /// # Errors
    /// As [`WebSocket::writer`](crate::WebSocket::writer).
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
    /// As [`WebSocket::flush`](crate::WebSocket::flush).
    pub fn flush(&self) -> Result<(), Error> {
        if self.shared.write(true) == Written::Broken { Err(broken_pipe()) } else { Ok(()) }
    }

    /// Sends a Ping, as [`WebSocket::ping`](crate::WebSocket::ping) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|conn| conn.ping(payload))?;
        self.flush()
    }

    /// Sends a Pong, as [`WebSocket::pong`](crate::WebSocket::pong) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|conn| conn.pong(payload))?;
        self.flush()
    }

    /// Closes the connection: sends a Close unless one was sent before, waits for the ending, which
    /// [`Config::close_within`](websans::Config::close_within) bounds, and tells how it was. The receiver gets what
    /// messages still arrive.
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
            // Poisoned, it waits no more than a connection that is not, and its time has to be judged all the same.
            let waited = self.shared.closed.wait_timeout(conn, wait);
            let (mut conn, _) = waited.unwrap_or_else(PoisonError::into_inner);
            conn.tick(self.shared.clock.now());
        }
    }

    /// Sends a Close and does not wait for the peer's.
    ///
    /// # Errors
    /// As [`WebSocket::start_close`](crate::WebSocket::start_close).
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
    fn send_part(&mut self, part: Payload<'_>, flush: Flush) -> Result<(), Error> {
        self.queue(|conn| conn.write_part(part.clone(), flush))?;
        self.flush()
    }

    fn done(&mut self) {
        self.shared.composing.store(false, Ordering::Release);
    }
}

impl<S> std::fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("connection", &*lock(&self.shared.conn)).finish()
    }
}
