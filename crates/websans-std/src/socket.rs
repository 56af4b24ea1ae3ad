//! [`WebSocket`]: a connection over a blocking stream, whole.

use std::io::IoSlice;
use std::mem;
use std::net::Shutdown;
use std::sync::Arc;

use bytes::Buf;
use websans::deflate::Flush;
use websans::{
    Close, CloseCode, Config, Connection, Hangup, Inbox, Kind, Message, Negotiated, Outcome, Payload,
    Prepared, ProtocolError, Role, SendError, State, Stats,
};

use crate::error::Error;
use crate::message::{MessageReader, MessageWriter, Parts, Source};
use crate::split::{self, Receiver, Sender};
use crate::stream::{CloneStream, Stream};
use crate::sync::{Clock, sleep};
use crate::wait::{Held, Io, RETRY, Waits};

/// A WebSocket connection over a blocking stream.
///
/// It moves bytes between the stream and the [`Connection`], which has all the rules, and keeps the connection's
/// deadlines while it waits. Keep-alive, answers to Pings and the closing handshake happen within
/// [`recv`](Self::recv), so call it in a loop; to receive and send at once, [`split`](Self::split).
///
/// Dropping it closes the transport; without a closing handshake before, the peer sees an abnormal end.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(crate) io: S,
    pub(crate) conn: Connection,
    pub(crate) inbox: Inbox,
    pub(crate) clock: Clock,
    pub(crate) protocol: Option<String>,
    waits: Waits,
    pub(crate) held: Held,
    /// The writing side has been shut down.
    pub(crate) shut: bool,
    /// Writing has failed; what had arrived is still delivered.
    pub(crate) broken: bool,
    /// The peer has ended its side of the transport.
    pub(crate) ended: bool,
    /// The transport has been ended.
    pub(crate) over: bool,
    /// To be reported once the peer has been told.
    pub(crate) failure: Option<ProtocolError>,
}

impl<S: Stream> WebSocket<S> {
    /// A connection whose opening handshake has been done by other means. `early` is what was read behind it.
    ///
    /// # Errors
    /// [`Error::Io`] if time-outs cannot be set.
    pub fn from_handshake(
        io: S,
        role: Role,
        config: impl Into<Arc<Config>>,
        mut negotiated: Negotiated,
        early: &[u8],
    ) -> Result<Self, Error> {
        io.set_write_timeout(Some(RETRY))?;
        let clock = Clock::new();
        let protocol = negotiated.protocol.take();
        let (conn, mut inbox) = websans::open(role, config, negotiated, clock.now());
        if !early.is_empty() {
            inbox.preload(early);
        }
        let (waits, held) = (Waits::default(), Held::default());
        let (shut, broken, ended, over, failure) = (false, false, false, false, None);
        Ok(Self { io, conn, inbox, clock, protocol, waits, held, shut, broken, ended, over, failure })
    }

    /// Waits for the next message, which is lent until the next call. `None`: the connection has ended, and
    /// [`outcome`](Self::outcome) tells how; or, with [`Reply::WhenAsked`](websans::Reply::WhenAsked), the peer has sent its
    /// [Close](Self::close_received), which [`close`](Self::close) answers.
    ///
    /// What waits to be sent is written before it waits.
    ///
    /// # Errors
    /// Once: [`Error::Protocol`] after all earlier messages, [`Error::Io`] if the transport failed. Afterwards `None`.
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.advance(Inbox::next)?;
        Ok(self.inbox.message())
    }

    /// Waits for the next message and gives it away, to be kept or sent on: uncopied if it came in more than one read, as long
    /// messages do, else at the cost of one copy.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_owned(&mut self) -> Result<Option<Payload<'static>>, Error> {
        self.advance(Inbox::next)?;
        Ok(self.inbox.take())
    }

    /// Waits for the next message and lends it as a [`Read`](std::io::Read), which takes it as it arrives: in bounded
    /// memory, however long it is, up to [`Config::max_streamed`]. `None`: the connection has ended.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn reader(&mut self) -> Result<Option<MessageReader<'_, Self>>, Error> {
        MessageReader::begin(self)
    }

    /// Sends a message: [`feed`](Self::feed), then [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Error::Send`] if it cannot be sent, [`Error::Io`] if the transport failed or the peer does not read.
    pub fn send<'p>(&mut self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        self.feed(message)?;
        self.flush()
    }

    /// Puts a message into the outbox, to be written with the next [`flush`](Self::flush) or [`recv`](Self::recv): many
    /// small messages then leave together. Makes room by writing if the outbox is full.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn feed<'p>(&mut self, message: impl Into<Payload<'p>>) -> Result<(), Error> {
        let message = message.into();
        self.make_room(message.as_bytes().len())?;
        Ok(self.conn.send(message)?)
    }

    /// Sends a message that was encoded beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.make_room(message.payload().len())?;
        self.conn.send_prepared(message)?;
        self.flush()
    }

    /// A message to be written piece by piece, in bounded memory, by [`Write`](std::io::Write).
    ///
    /// # Errors
    /// [`SendError::Closing`] if nothing more can be sent.
    pub fn writer(&mut self, kind: Kind) -> Result<MessageWriter<'_, Self>, Error> {
        if !self.conn.can_send() {
            return Err(SendError::Closing.into());
        }
        Ok(MessageWriter::new(self, kind))
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// [`Error::Io`] if the transport failed, or if the peer took nothing for [`Config::write_stall`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.conn.wake(self.clock.now());
        while self.wants_write() {
            if self.broken || self.conn.hangup() == Hangup::Drop {
                return Err(broken_pipe());
            }
            if !self.write_some()? {
                self.conn.tick_writes(self.clock.now());
            }
        }
        Ok(())
    }

    /// Sends a Ping, at most 125 bytes. The answer's time becomes [`Stats::round_trip`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.make_room(payload.len())?;
        self.conn.ping(payload)?;
        self.flush()
    }

    /// Sends a Pong, at most 125 bytes: a heartbeat, or the answer to a Ping where
    /// [`Config::pong_reply`] leaves that to the application.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.make_room(payload.len())?;
        self.conn.pong(payload)?;
        self.flush()
    }

    /// Closes the connection: sends a Close unless one was sent before, lets go what messages still arrive, waits for the
    /// peer's Close and the transport's end ([`Config::close_within`] bounds that), and tells how it ended. To get those
    /// messages, [`start_close`](Self::start_close) and go on with [`recv`](Self::recv).
    ///
    /// # Errors
    /// [`Error::Send`] if the reason is longer than 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<&Outcome, Error> {
        match self.start_close(code, reason) {
            Ok(()) | Err(Error::Send(SendError::Closing)) => {}
            Err(error @ Error::Send(_)) => return Err(error),
            // The reading side tells how the transport ended.
            Err(_) => self.broken = true,
        }
        while self.advance(Inbox::next_chunk).unwrap_or(false) {}
        if self.conn.outcome().is_none() {
            self.conn.abort();
        }
        self.conn.outcome().ok_or_else(broken_pipe)
    }

    /// Sends a Close and does not wait for the peer's.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::Closing`] if a Close was sent before.
    pub fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.conn.wake(self.clock.now());
        self.conn.close_with(Close::new(code, reason))?;
        self.flush()
    }

    /// How the connection ended; `None` before.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.conn.outcome()
    }

    /// The peer's Close, once it has arrived.
    #[must_use]
    pub fn close_received(&self) -> Option<&Close<'static>> {
        self.conn.close_received()
    }

    /// Where the connection stands in its closing.
    #[must_use]
    pub fn state(&self) -> State {
        self.conn.state()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.conn.stats()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The stream beneath. Reading or writing there breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// Two halves for two threads: see [`Receiver`] and [`Sender`]. They hold three handles of the stream, each a file
    /// descriptor of its own.
    ///
    /// # Errors
    /// [`Error::Io`] if the stream cannot be cloned; the connection is then lost.
    pub fn split(self) -> Result<(Receiver<S>, Sender<S>), Error>
    where
        S: CloneStream,
    {
        split::split(self)
    }

    /// Drives the connection until `next` has something (`true`) or the connection has ended (`false`).
    fn advance(
        &mut self,
        next: fn(&mut Inbox, &mut Connection) -> Result<bool, ProtocolError>,
    ) -> Result<bool, Error> {
        self.conn.wake(self.clock.now());
        let mut listened = false;
        loop {
            // 1. Hand out what has arrived.
            match next(&mut self.inbox, &mut self.conn) {
                Ok(true) => {
                    // A peer that always has something more to say does not keep a closing from its end.
                    if listened && self.conn.state() != State::Open {
                        self.conn.tick(self.clock.now());
                    }
                    return Ok(true);
                }
                Ok(false) => {}
                Err(error) => self.failure = Some(error),
            }
            // 2. Judge the time, once all that had arrived is known.
            if listened {
                self.conn.tick(self.clock.now());
            }
            // 3. Write what waits, as far as the peer takes it.
            //    What is left of a connection that was given up does not follow the end of the transport.
            if self.wants_write() && !self.broken && !self.over {
                let _ = self.write_some(); // reading tells how the transport ended
            }
            // 4. End the transport when its time has come.
            if self.broken && (self.ended || self.conn.state() == State::Closed) {
                self.conn.abort();
            }
            match self.conn.hangup() {
                Hangup::NotYet => {}
                // First the stream lets go what it has taken.
                Hangup::ShutdownWrite if self.held.is_something() && !self.broken => {}
                Hangup::ShutdownWrite => self.shutdown_write(),
                // So does it if the peer has ended its side and no more than that.
                Hangup::Drop if self.ended && self.lets_go() => {}
                Hangup::Drop => {
                    self.shutdown();
                    return self.failure.take().map_or(Ok(false), |error| Err(error.into()));
                }
            }
            if self.conn.state() == State::CloseReceived {
                return Ok(false); // for the application to answer
            }
            // 5. Wait for bytes or for the deadline.
            self.read_some()?;
            listened = true;
        }
    }

    fn read_some(&mut self) -> Result<(), Error> {
        let mut wait = self.conn.deadline().map(|deadline| self.clock.until(deadline));
        if self.wants_write() && !self.broken {
            wait = Some(RETRY.min(wait.unwrap_or(RETRY)));
        }
        if self.ended {
            // What waits to be written is all that is left to wait for.
            sleep(RETRY.min(wait.unwrap_or(RETRY)));
            return Ok(());
        }
        self.waits.bound_read(&self.io, wait)?;
        match Io::of(self.io.read(self.inbox.spare_mut())) {
            Io::Done(0) => {
                self.ended = true;
                self.conn.eof();
            }
            Io::Done(n) => {
                self.conn.wake(self.clock.now());
                self.inbox.filled(n);
            }
            Io::Waited => {}
            Io::Failed(error) => {
                let closed = self.conn.state() == State::Closed;
                self.conn.abort();
                // A reset after the closing handshake takes nothing from it.
                if !closed {
                    self.shutdown();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Whether anything waits to be written, here or in the stream.
    fn wants_write(&self) -> bool {
        self.conn.wants_write() || self.held.is_something()
    }

    /// Whether nothing but the stream has something to let go, and time for it.
    fn lets_go(&self) -> bool {
        let held = self.held.is_something() && !self.broken && !self.conn.wants_write();
        held && self.conn.deadline().is_some_and(|deadline| deadline > self.clock.now())
    }

    /// Writes once; false: the peer has taken nothing for a moment.
    fn write_some(&mut self) -> Result<bool, Error> {
        let mut written = if self.conn.wants_write() { self.write_once() } else { Io::Done(0) };
        if matches!(written, Io::Done(_)) && !self.conn.wants_write() {
            written = self.held.flush(&mut self.io, &self.clock);
        }
        match written {
            Io::Done(_) => Ok(true),
            Io::Waited => {
                // The connection does not see it: its outbox is empty.
                if self.held.is_given_up(&self.clock, self.conn.config().write_stall) {
                    self.broken = true;
                    self.conn.note_stalled();
                }
                Ok(false)
            }
            Io::Failed(error) => {
                self.broken = true;
                Err(error.into())
            }
        }
    }

    fn write_once(&mut self) -> Io {
        let outbox = self.conn.outbox();
        let mut slices = [IoSlice::new(&[]); 16];
        let filled = outbox.chunks_vectored(&mut slices);
        let written = match slices.get(..filled) {
            Some([_, _, ..]) => self.io.write_vectored(&slices[..filled]),
            _ => self.io.write(outbox.chunk()),
        };
        match Io::of(written) {
            Io::Done(0) => Io::Failed(std::io::ErrorKind::WriteZero.into()),
            Io::Done(n) => {
                self.held = Held::Something;
                outbox.advance(n);
                self.conn.wake(self.clock.now());
                Io::Done(n)
            }
            other => other,
        }
    }

    fn make_room(&mut self, len: usize) -> Result<(), Error> {
        self.conn.wake(self.clock.now());
        // What cannot be sent at all is told by the connection.
        if self.conn.can_send() && !self.conn.has_room(len) { self.flush() } else { Ok(()) }
    }

    /// Ends the transport, once.
    fn shutdown(&mut self) {
        if !mem::replace(&mut self.over, true) {
            let _ = self.io.shutdown(Shutdown::Both); // the peer may have done so
        }
    }

    fn shutdown_write(&mut self) {
        if !self.shut {
            self.shut = true;
            let _ = self.io.shutdown(Shutdown::Write); // the peer may have gone
        }
    }
}

/// The peer does not take what is sent.
pub(crate) fn broken_pipe() -> Error {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}

impl<S: Stream> Source for WebSocket<S> {
    fn advance(&mut self) -> Result<bool, Error> {
        self.advance(Inbox::next_chunk)
    }

    fn inbox(&self) -> Option<&Inbox> {
        Some(&self.inbox)
    }
}

impl<S: Stream> Parts for WebSocket<S> {
    fn send_part(&mut self, part: Payload<'_>, flush: Flush) -> Result<(), Error> {
        self.make_room(part.as_bytes().len())?;
        self.conn.write_part(part, flush)?;
        self.flush()
    }
}
