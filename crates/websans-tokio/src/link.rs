//! [`Link`]: a connection and its transport, and the loop that drives both. The two halves of a split connection share one.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;
use websans::{
    Connection, Hangup, Inbox, Outcome, Payload, ProtocolError, SendError, State, Stats, Timestamp,
};

use crate::error::{Error, broken_pipe};
use crate::notice::Notice;
use crate::pool;
use crate::timer::Timer;

/// Goes on to the next message, or the next chunk of one.
pub(crate) type Next = fn(&mut Inbox, &mut Connection) -> Result<bool, ProtocolError>;

/// A connection and its transport. The [`Inbox`] is apart, since messages are lent from it.
///
/// All state is in here and none in futures, so every future can be dropped at any time.
pub(crate) struct Link<S> {
    pub(crate) io: S,
    pub(crate) conn: Connection,
    pub(crate) timer: Timer,
    /// To be reported once the peer has been told.
    failure: Option<ProtocolError>,
    shut: Shut,
    /// The transport may hold on to what was written until it is flushed.
    unflushed: bool,
    /// Writing has failed; what had arrived is still delivered.
    broken: bool,
    /// The peer has ended its side of the transport.
    ended: bool,
    rare: Option<Box<Rare>>,
}

/// What few connections have, or only in trouble.
#[derive(Default)]
struct Rare {
    protocol: Option<Box<str>>,
    observer: Option<Observer>,
    /// Since when the transport has not let go what it has taken, or writing has failed.
    since: Option<Timestamp>,
    /// Why writing has failed, to be told if nothing else ends the connection.
    error: Option<io::Error>,
    /// Nothing else did.
    tell: bool,
}

/// What is to be told how the connection ended.
pub(crate) type Observer = Box<dyn FnOnce(Option<&Outcome>, &Stats) + Send + Sync>;

/// Our side of the transport.
#[derive(Clone, Copy, PartialEq)]
enum Shut {
    No,
    Asked,
    Done,
}

impl<S> Link<S> {
    pub(crate) fn new(io: S, conn: Connection, timer: Timer) -> Self {
        let (unflushed, broken, ended) = (false, false, false);
        Self { io, conn, timer, failure: None, shut: Shut::No, unflushed, broken, ended, rare: None }
    }

    /// The subprotocol.
    pub(crate) fn protocol(&self) -> Option<&str> {
        self.rare.as_ref()?.protocol.as_deref()
    }

    pub(crate) fn set_protocol(&mut self, protocol: Option<Box<str>>) {
        if protocol.is_some() {
            self.rare().protocol = protocol;
        }
    }

    /// Adds an observer to those there are.
    pub(crate) fn add_observer(&mut self, observer: Observer) {
        let rare = self.rare();
        rare.observer = Some(match rare.observer.take() {
            None => observer,
            Some(first) => Box::new(move |outcome, stats| {
                first(outcome, stats);
                observer(outcome, stats);
            }),
        });
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Bytes that have left when all that is queued now has.
    pub(crate) fn mark(&self) -> u64 {
        let stats = self.conn.stats();
        stats.bytes_sent + stats.bytes_queued as u64
    }

    /// Whether writing has failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}

impl<S> Drop for Link<S> {
    fn drop(&mut self) {
        if let Some(observer) = self.rare.as_mut().and_then(|rare| rare.observer.take()) {
            observer(self.conn.outcome(), &self.conn.stats());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Drives the connection until `next` has something (`true`) or the connection has ended (`false`).
    ///
    /// Who reads is woken by `cx`. Writing and time concern both halves of a split connection, but a transport
    /// and a timer remember one waker each: `both`, which wakes both.
    pub(crate) fn poll_advance(
        &mut self,
        inbox: &mut Inbox,
        next: Next,
        cx: &mut Context<'_>,
        both: &Waker,
    ) -> Poll<Result<bool, Error>> {
        let mut both = Context::from_waker(both);
        self.conn.wake(self.timer.now());
        // This call has read: what there is to hand out is not what lay here while the application was busy.
        let mut fresh = false;
        loop {
            // A connection that always has something to do lets others have their turn.
            let turn = ready!(coop::poll_proceed(cx));
            // 1. Hand out what has arrived.
            match next(inbox, &mut self.conn) {
                Ok(true) => {
                    // A peer that always has something more to say does not keep a closing from its end.
                    if fresh && self.conn.state() != State::Open {
                        self.poll_deadline(&mut both);
                    }
                    turn.made_progress();
                    return Poll::Ready(Ok(true));
                }
                // Nor does one that says much and never ends a message keep any deadline from being met.
                Ok(false) if fresh => {
                    self.poll_deadline(&mut both);
                }
                Ok(false) => {}
                Err(error) => self.failure = Some(error),
            }
            // 2. Write what waits, as far as the transport takes it, in as few writes as it can. If that fails, reading
            //    tells how the transport ended, unless it has nothing to tell.
            if let Err(Error::Io(error)) = self.write_out(&mut both) {
                self.rare().error.get_or_insert(error);
            }
            // 3. End the transport when its time has come.
            if self.broken && (self.ended || self.conn.state() == State::Closed) {
                self.conn.abort();
            }
            match self.conn.hangup() {
                Hangup::NotYet => {}
                Hangup::ShutdownWrite => self.shutdown(&mut both),
                // The answer to the peer's Close is still on its way, and has its time.
                Hangup::Drop if self.ended && self.unflushed && !self.broken && !self.is_overdue() => {}
                Hangup::Drop => {
                    self.shutdown(&mut both);
                    self.timer.poll(None, &mut both);
                    pool::park(inbox, &mut self.conn);
                    turn.made_progress();
                    let tell = self.rare.as_mut().is_some_and(|rare| mem::take(&mut rare.tell));
                    let told = if tell { self.rare().error.take() } else { None };
                    let error = self.failure.take().map(Error::from).or(told.map(Error::from));
                    return Poll::Ready(error.map_or(Ok(false), Err));
                }
            }
            if self.conn.state() == State::CloseReceived {
                turn.made_progress();
                return Poll::Ready(Ok(false)); // for the application to answer
            }
            // 4. Read.
            if !self.ended {
                if let Poll::Ready(read) = self.poll_read(inbox, cx) {
                    turn.made_progress();
                    fresh = true;
                    match read {
                        Ok(()) => continue,
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                // That the turn is over says nothing of what has arrived.
                if !coop::has_budget_remaining() {
                    cx.waker().wake_by_ref(); // the transport may not know of turns
                    return Poll::Pending;
                }
            }
            // 5. Wait for bytes or for the deadline: time is judged once all that had arrived is known.
            if !self.poll_deadline(&mut both) {
                pool::park(inbox, &mut self.conn);
                return Poll::Pending;
            }
        }
    }

    /// Reads once; `Ready` if that changed anything.
    fn poll_read(&mut self, inbox: &mut Inbox, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        pool::lend_inbox(inbox, &self.conn);
        let spare = inbox.spare_mut();
        let most = spare.len().min(MAX_MOVE);
        let mut buffer = ReadBuf::new(&mut spare[..most]);
        match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
            Ok(()) => {
                let n = buffer.filled().len();
                spend(n, cx);
                if n == 0 {
                    self.end_of_input();
                } else {
                    self.conn.wake(self.timer.now());
                    inbox.filled(n);
                    if self.broken {
                        // It cannot be answered, but heard.
                        self.rare().since = Some(self.timer.now());
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The group is being closed: its streams say so once, and the connection closes.
            Err(error) if Notice::obey(&error, &mut self.conn, self.timer.now()) => {}
            // TLS says so when it ends without an alert. A WebSocket knows by its own Close whether it was cut.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.end_of_input(),
            Err(error) => {
                let closed = self.conn.state() == State::Closed;
                self.conn.abort();
                // A reset after the closing handshake takes nothing from it.
                if !closed {
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end_of_input(&mut self) {
        self.ended = true;
        self.conn.eof();
    }

    /// Waits until all is written that waits. `Err`: the transport takes nothing any more.
    pub(crate) fn poll_flush(&mut self, both: &Waker) -> Poll<Result<(), Error>> {
        self.poll_until(both, |conn| !conn.wants_write(), true)
    }

    /// Waits until what was queued at the [`mark`](Self::mark) has been written, whatever others have queued since.
    pub(crate) fn poll_sent(&mut self, mark: u64, both: &Waker) -> Poll<Result<(), Error>> {
        self.poll_until(both, |conn| !conn.wants_write() || conn.stats().bytes_sent >= mark, true)
    }

    /// Waits until a message of `len` bytes can be queued, or never can.
    pub(crate) fn poll_room(&mut self, len: usize, both: &Waker) -> Poll<Result<(), Error>> {
        self.conn.wake(self.timer.now());
        if self.conn.can_send() && !self.conn.has_room(len) {
            ready!(self.poll_until(both, |conn| !conn.can_send() || conn.has_room(len), false))?;
        }
        pool::lend_outbox(&mut self.conn);
        Poll::Ready(Ok(()))
    }

    /// Queues `message`, once there is room for it. It is taken when it is queued.
    pub(crate) fn poll_feed(
        &mut self,
        message: &mut Option<Payload<'_>>,
        both: &Waker,
    ) -> Poll<Result<(), Error>> {
        let Some(len) = message.as_ref().map(|message| message.as_bytes().len()) else {
            return Poll::Ready(Ok(()));
        };
        ready!(self.poll_room(len, both))?;
        Poll::Ready(message.take().map_or(Ok(()), |message| self.queue(|conn| conn.send(message))))
    }

    fn poll_until(
        &mut self,
        both: &Waker,
        done: impl Fn(&Connection) -> bool,
        flush: bool,
    ) -> Poll<Result<(), Error>> {
        let mut both = Context::from_waker(both);
        self.conn.wake(self.timer.now());
        loop {
            let written = self.write_out(&mut both)?;
            // While there is more to be written, what the transport has taken leaves with that.
            if done(&self.conn) && (!flush || written || self.conn.wants_write()) {
                pool::park_outbox(&mut self.conn);
                return Poll::Ready(Ok(()));
            }
            if self.conn.hangup() == Hangup::Drop {
                return Poll::Ready(Err(broken_pipe()));
            }
            if !self.poll_write_deadline(&mut both) {
                return Poll::Pending;
            }
        }
    }

    /// Writes what waits, as far as the transport takes it. `Ok(true)`: all of it has left.
    pub(crate) fn write_out(&mut self, both: &mut Context<'_>) -> Result<bool, Error> {
        loop {
            let wants_write = self.conn.wants_write();
            if !wants_write && !self.unflushed {
                return Ok(true);
            }
            // What is left of a connection that was given up does not follow the end of the transport.
            if self.broken || wants_write && self.shut != Shut::No {
                return Err(broken_pipe());
            }
            let moved = if wants_write { self.poll_write(both) } else { self.poll_unflushed(both) };
            match moved {
                Poll::Ready(Ok(())) => {}
                // The group is being closed: see `poll_read`.
                Poll::Ready(Err(error)) if Notice::obey(&error, &mut self.conn, self.timer.now()) => {}
                Poll::Ready(Err(error)) => return self.fail_write(error),
                Poll::Pending => return Ok(false),
            }
        }
    }

    /// The transport has let go all that it had taken.
    fn let_go(&mut self) {
        self.unflushed = false;
        if let Some(rare) = &mut self.rare {
            rare.since = None;
        }
    }

    fn fail_write(&mut self, error: io::Error) -> Result<bool, Error> {
        self.broken = true;
        self.rare().since = Some(self.timer.now());
        Err(error.into())
    }

    /// Sees to it that the transport lets go what it has taken.
    fn poll_unflushed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        match &flushed {
            Poll::Ready(Ok(())) => self.let_go(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let now = self.timer.now();
                self.rare().since.get_or_insert(now);
            }
        }
        flushed
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outbox = self.conn.outbox();
        let next = (&mut *outbox).take(MAX_MOVE);
        let mut slices = [IoSlice::new(&[]); 16];
        let filled = next.chunks_vectored(&mut slices);
        let io = Pin::new(&mut self.io);
        let written = match slices.get(..filled) {
            Some(slices @ [_, _, ..]) if io.is_write_vectored() => io.poll_write_vectored(cx, slices),
            _ => io.poll_write(cx, next.chunk()),
        };
        // That the turn is over says nothing of the transport.
        if written.is_pending() && coop::has_budget_remaining() {
            self.conn.note_blocked();
        }
        match ready!(written) {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => {
                spend(n, cx);
                self.conn.outbox().advance(n);
                self.let_go();
                self.unflushed = true;
                self.conn.wake(self.timer.now());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    /// Judges the time if a deadline has come (`true`), or sees to being woken when it does.
    pub(crate) fn poll_deadline(&mut self, both: &mut Context<'_>) -> bool {
        let due = self.timer.poll(earlier(self.conn.deadline(), self.held_until()), both);
        if due {
            let now = self.timer.now();
            self.judge_transport(now);
            self.conn.tick(now);
        }
        due
    }

    /// The same for one who writes. Until the closing, whether the peer is alive is for the receiver to say: its answers may
    /// lie unread.
    pub(crate) fn poll_write_deadline(&mut self, both: &mut Context<'_>) -> bool {
        if !self.conn.can_send() {
            return self.poll_deadline(both);
        }
        let deadline = earlier(self.conn.write_deadline(), self.held_until());
        let due = deadline.is_some() && self.timer.poll(deadline, both);
        if due {
            let now = self.timer.now();
            self.judge_transport(now);
            self.conn.tick_writes(now);
        }
        due
    }

    /// Whether a deadline of the connection has passed. If it has judged that already, it would do so for ever.
    fn is_overdue(&self) -> bool {
        self.conn.deadline().is_some_and(|deadline| deadline <= self.timer.now())
    }

    /// Until when a transport may keep what it has taken, or have failed to write without any other sign of its end.
    fn held_until(&self) -> Option<Timestamp> {
        let since = self.rare.as_ref()?.since?;
        let config = self.conn.config();
        match (self.conn.state(), self.broken) {
            (State::CloseSent | State::Closed, true) => None, // the closing has a deadline of its own
            (State::Open | State::CloseReceived, true) | (State::Closed, false) => {
                Some(since + config.close_within)
            }
            (_, false) => Some(since + config.write_stall),
        }
    }

    fn judge_transport(&mut self, now: Timestamp) {
        if self.held_until().is_none_or(|until| until > now) {
            return;
        }
        self.rare().since = None;
        if self.broken {
            self.rare().tell = true;
            self.conn.abort();
        } else if self.conn.state() == State::Closed {
            self.broken = true;
        } else {
            self.conn.note_stalled();
        }
    }

    /// Ends our side of the transport. The peer may have gone, so how that went is of no interest.
    fn shutdown(&mut self, both: &mut Context<'_>) {
        if self.shut != Shut::Done {
            let mut ended = Pin::new(&mut self.io).poll_shutdown(both);
            // A stream of a server that goes away asks how the connection ended before it ends itself.
            let now = self.timer.now();
            if matches!(&ended, Poll::Ready(Err(error)) if Notice::obey(error, &mut self.conn, now)) {
                ended = Pin::new(&mut self.io).poll_shutdown(both);
            }
            self.shut = if ended.is_ready() { Shut::Done } else { Shut::Asked };
        }
    }

    /// Queues by `send`, for which there must be room, and whose time is now.
    pub(crate) fn queue(
        &mut self,
        send: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        Ok(send(&mut self.conn)?)
    }
}

/// Most bytes that are read or written at once: what the kernel copies meanwhile keeps a thread from all else.
const MAX_MOVE: usize = 64 << 10;

/// Bytes that count as much as one step of a task's turn, of which tokio allows 128: a connection with much to say, in few and large
/// messages, lets others have their turn after an eighth of a megabyte.
const STEP: usize = 1 << 10;

/// Takes the bytes that were moved from what is left of the turn. The transport ends it, which asks before it does anything.
fn spend(bytes: usize, cx: &mut Context<'_>) {
    for _ in 0..bytes / STEP {
        match coop::poll_proceed(cx) {
            Poll::Ready(step) => step.made_progress(),
            Poll::Pending => break,
        }
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
