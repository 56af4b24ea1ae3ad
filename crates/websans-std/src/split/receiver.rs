//! [`Receiver`]: the half that receives.

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use websans::{Connection, Hangup, Inbox, Message, Outcome, Payload, ProtocolError, State, Stats};

use super::{Shared, Written, lock};
use crate::error::Error;
use crate::message::{MessageReader, Source};
use crate::stream::Stream;
use crate::sync::sleep;
use crate::wait::{Io, RETRY, Waits};

/// The half that receives. Keep calling it: keep-alive, answers to Pings and the closing handshake happen in it.
pub struct Receiver<S: Stream> {
    /// Present until it is dropped.
    reader: Option<Reader<S>>,
    shared: Arc<Shared<S>>,
}

impl<S: Stream> Receiver<S> {
    pub(super) fn new(reader: Reader<S>, shared: Arc<Shared<S>>) -> Self {
        Self { reader: Some(reader), shared }
    }

    /// Waits for the next message, as [`WebSocket::recv`](crate::WebSocket::recv) does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`](crate::WebSocket::recv).
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.advance(Inbox::next)?;
        Ok(self.reader.as_ref().and_then(|reader| reader.inbox.message()))
    }

    /// Waits for the next message and gives it away, as [`WebSocket::recv_owned`](crate::WebSocket::recv_owned) does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`](crate::WebSocket::recv).
    pub fn recv_owned(&mut self) -> Result<Option<Payload<'static>>, Error> {
        self.advance(Inbox::next)?;
        Ok(self.reader.as_mut().and_then(|reader| reader.inbox.take()))
    }

    /// Waits for the next message and takes it as it arrives, as [`WebSocket::reader`](crate::WebSocket::reader) does.
    ///
    /// # Errors
    /// As [`WebSocket::recv`](crate::WebSocket::recv).
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

/// The reading side of a connection.
pub(super) struct Reader<S> {
    pub(super) io: S,
    pub(super) inbox: Inbox,
    pub(super) waits: Waits,
    pub(super) shut: bool,
    /// The peer has ended its side of the transport.
    pub(super) ended: bool,
    pub(super) failure: Option<ProtocolError>,
}

impl<S: Stream> Reader<S> {
    /// The same steps as those of `WebSocket`, with the connection let go before each wait.
    pub(super) fn advance(
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
                    if listened && conn.state() != State::Open {
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
            let waits = shared.wants_write(&conn);
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
            // Looked at once: what is put off here because the stream holds something back must be tried again below,
            // although the stream may have let it go meanwhile.
            let held = shared.held.load(Ordering::Acquire);
            match conn.hangup() {
                Hangup::NotYet => {}
                // First the stream lets go what it has taken.
                Hangup::ShutdownWrite if self.shut || held => {}
                Hangup::ShutdownWrite => {
                    self.shut = true;
                    let _ = self.io.shutdown(Shutdown::Write); // the peer may have gone
                }
                // So does it if the peer has ended its side and no more than that.
                Hangup::Drop if self.ended && held && written != Written::Broken && shared.lets_go(&conn) => {
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
            if (conn.wants_write() || held) && written != Written::Broken {
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
            sleep(wait.min(RETRY));
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
    /// The reading side stays with the connection, for [`Sender::close`](super::Sender::close) to complete the
    /// closing handshake.
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

impl<S: Stream> std::fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("connection", &*lock(&self.shared.conn)).finish()
    }
}
