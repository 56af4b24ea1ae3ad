//! The ending: closing handshake, failure, end of the transport.

use alloc::borrow::Cow;
use alloc::boxed::Box;

use super::{Connection, State};
use crate::close::{Close, CloseCode};
use crate::config::Reply;
use crate::error::ProtocolError;
use crate::outcome::{Cause, Initiator, Outcome};

/// What to do with the transport now ([RFC 6455 §7.1.1]).
///
/// "In abnormal cases [...] a server SHOULD [...] close the TCP connection first": a server shuts its writing
/// side down behind its Close frame and reads on until the peer has ended its own side, so that no reset
/// overtakes the Close. A client leaves the first step to the server unless the connection has failed.
///
/// [RFC 6455 §7.1.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "an adapter must obey every value")]
pub enum Hangup {
    /// Nothing: go on writing, reading and ticking.
    NotYet,
    /// Shut the writing side down (once), then go on reading until `Drop`.
    ShutdownWrite,
    /// Close the transport.
    Drop,
}

/// What is known of the transport.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Up,
    /// The peer has ended its side.
    Ended,
    /// There is nothing more to wait for.
    GivenUp,
}

impl Connection {
    /// Fails the connection because of what the peer did ([RFC 6455 §7.1.7]): tells the peer by a Close frame, unless
    /// one was sent before, and swallows all further input. Does nothing once the connection is closed.
    ///
    /// `receive` has already done so for the errors that it returns. It is for those who check text or inflate
    /// messages themselves.
    ///
    /// [RFC 6455 §7.1.7]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
    pub fn fail(&mut self, error: ProtocolError) {
        let close = Close::new(error.close_code(), error.reason());
        self.end(Cause::Protocol(error), Some(close));
    }

    /// The peer has ended its side of the transport.
    ///
    /// After a Close each way that is as it should be; before, it is an ending of its own, which browsers report as
    /// 1006. What still waits in the outbox is worth a last try: the peer may have closed one direction only.
    pub fn eof(&mut self) {
        self.end(Cause::Eof, None);
        if self.transport == Transport::Up {
            self.transport = Transport::Ended;
        }
    }

    /// The transport failed, or the application gives the connection up without a closing handshake. The next
    /// [`hangup`](Self::hangup) is [`Hangup::Drop`].
    pub fn abort(&mut self) {
        self.end(Cause::Aborted, None);
        self.transport = Transport::GivenUp;
    }

    /// What to do with the transport now. Ask when as much as possible of the outbox has been written.
    #[must_use]
    pub fn hangup(&self) -> Hangup {
        match (self.state, self.transport, self.wants_write()) {
            (State::Closed, Transport::GivenUp, _) | (State::Closed, Transport::Ended, false) => {
                return Hangup::Drop;
            }
            (State::Closed, Transport::Up, false) => {}
            _ => return Hangup::NotYet,
        }
        let failed = self.outcome().is_some_and(|outcome| !outcome.is_clean());
        if failed || !self.is_client() { Hangup::ShutdownWrite } else { Hangup::NotYet }
    }

    /// Puts the Close into the outbox: our first, or the answer to the peer's.
    pub(super) fn begin_close(&mut self, close: Close<'_>) {
        match self.state {
            State::Open => {
                self.queue_close(close, Initiator::Local);
                self.state = State::CloseSent;
                self.restart_stall_timer();
                self.start_close_timer();
            }
            State::CloseReceived => {
                self.queue_close(close, Initiator::Peer);
                self.enter_closed(Cause::Clean);
            }
            State::CloseSent | State::Closed => {}
        }
    }

    pub(super) fn receive_close(&mut self, close: &Close<'_>) {
        let initiator = if self.state == State::CloseSent { Initiator::Local } else { Initiator::Peer };
        self.ending(initiator).received = Some(close.clone().into_owned());
        if self.state == State::CloseSent {
            return self.enter_closed(Cause::Clean);
        }
        self.state = State::CloseReceived;
        match self.config.close_reply {
            // "When sending a Close frame in response, the endpoint typically echos the status code it received"
            // (RFC 6455 §5.5.1). A server must not say 1010, not even as an echo.
            Reply::Automatic => {
                let code = close.code.map(|code| {
                    if self.is_client() || code != CloseCode::MANDATORY_EXTENSION {
                        code
                    } else {
                        CloseCode::NORMAL
                    }
                });
                self.begin_close(Close { code, reason: Cow::Borrowed(&close.reason) });
            }
            Reply::WhenAsked => self.start_close_timer(),
        }
    }

    /// Ends the connection for any cause but a clean closing. The Close goes out if none was sent before.
    pub(super) fn end(&mut self, cause: Cause, close: Option<Close<'_>>) {
        let initiator = match (self.state, cause) {
            (State::Closed, _) => return,
            (State::CloseReceived, _) | (State::Open, Cause::Eof) => Initiator::Peer,
            _ => Initiator::Local,
        };
        match close {
            Some(close) if self.state != State::CloseSent => self.queue_close(close, initiator),
            _ => {}
        }
        self.ending(initiator);
        self.enter_closed(cause);
    }

    fn queue_close(&mut self, close: Close<'_>, initiator: Initiator) {
        let mut payload = [0; 125];
        let n = close.encode(&mut payload);
        let key = self.fresh_key();
        self.frames_sent += 1;
        self.outbox.push_close(key, payload.get(..n).unwrap_or_default());
        self.ending(initiator).sent = Some(close.into_owned());
    }

    /// The ending, begun by `initiator` unless it has begun before.
    fn ending(&mut self, initiator: Initiator) -> &mut Outcome {
        self.ending.get_or_insert_with(|| {
            Box::new(Outcome { sent: None, received: None, initiator, cause: Cause::Clean })
        })
    }

    fn enter_closed(&mut self, cause: Cause) {
        if let Some(ending) = &mut self.ending {
            ending.cause = cause;
        }
        self.state = State::Closed;
        self.start_close_timer();
    }
}
