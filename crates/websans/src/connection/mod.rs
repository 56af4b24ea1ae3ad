//! [`Connection`]: the rules of RFC 6455 as a state machine.

mod closing;
mod compress;
mod receive;
mod send;
mod timers;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use crate::close::Close;
use crate::config::{Config, MaskKeys, Role};
use crate::outbox::Outbox;
use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::text::Utf8;
use crate::time::Timestamp;

use closing::Transport;
use compress::Compressing;
use receive::Receiving;
use send::Sending;
use timers::Timers;

pub use closing::Hangup;
pub(crate) use compress::halves;
pub use receive::{Event, Part};

/// Where a connection stands in its closing ([RFC 6455 §7.1]).
///
/// Two bits make it up, "has Close been sent" and "has Close been received"; a failure sets both at once.
///
/// ```text
///                  close()                       Close received
///        ┌──────────────────────> CloseSent ──────────────────────┐
///        │                                                        │
///        │              Close received, echoed; fail(); eof()     v
///      Open ───────────────────────────────────────────────────> Closed ──> hangup()
///        │                                                        ^
///        │  Close received (Reply::WhenAsked)        close()      │
///        └─────────────────────> CloseReceived ───────────────────┘
/// ```
///
/// Every state but `Open` has a [`deadline`](Connection::deadline) that leads to `Closed` and out of it.
///
/// [RFC 6455 §7.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "two bits have four values")]
pub enum State {
    /// Messages go both ways.
    Open,
    /// Our Close is sent; the peer's messages still arrive.
    CloseSent,
    /// The peer's Close has arrived and waits for the application to answer it with
    /// [`Connection::close`]; messages can still be sent. Only with [`Config::close_reply`] set to
    /// [`Reply::WhenAsked`](crate::Reply::WhenAsked).
    CloseReceived,
    /// No frame goes either way any more. What remains is the transport's end: [`Connection::hangup`].
    Closed,
}

/// One end of a WebSocket connection, without its transport.
///
/// It holds bits, not received bytes: whoever drives it owns the buffers. Its methods come in four kinds.
/// After each call of the first two kinds look at the third; the fourth may be read at any time.
///
/// * **The outside world.** [`wake`](Self::wake) when bytes have been read, [`receive`](Self::receive) with them until it
///   has no more events (or through an [`Inbox`](crate::Inbox), which makes whole messages of them), then
///   [`tick`](Self::tick): time moves by these alone. [`eof`](Self::eof) when the peer ends its
///   side of the transport, [`abort`](Self::abort) when the transport fails.
/// * **The application.** [`send`](Self::send), [`send_part`](Self::send_part),
///   [`send_prepared`](Self::send_prepared), [`ping`](Self::ping), [`pong`](Self::pong),
///   [`close`](Self::close), [`fail`](Self::fail).
/// * **What to do now.** Write out the [`outbox`](Self::outbox); obey [`hangup`](Self::hangup); wait no longer than
///   until [`deadline`](Self::deadline), then `tick`.
/// * **Getters.** [`state`](Self::state), [`outcome`](Self::outcome), [`stats`](Self::stats),
///   [`is_client`](Self::is_client), [`config`](Self::config).
///
/// ```
/// use websans::{Config, Event, Negotiated, Role, Timestamp};
/// use bytes::Buf;
///
/// let now = Timestamp::from_nanos(0);
/// let (mut server, _) = websans::open(Role::Server, Config::default(), Negotiated::default(), now);
///
/// // A masked "Hello" arrives (RFC 6455 §5.7) and is echoed. (Parts of compressed messages go through an `Inbox` first.)
/// let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// let mut input = &mut bytes[..];
/// while let Some(event) = server.receive(&mut input)? {
///     if let Event::Part(part) = event {
///         server.send_part(part, part.last)?;
///     }
/// }
/// assert_eq!(server.outbox().chunk(), b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    config: Arc<Config>,
    /// Present on clients, whose frames are masked. Boxed twice: thin, since servers have none.
    mask_keys: Option<Box<MaskKeys>>,
    /// Present if compression was agreed on.
    compressing: Option<Box<Compressing>>,
    state: State,
    transport: Transport,
    /// What asks for the answer that is waited for, a keep-alive Ping or our Close, has not left yet.
    asking: bool,
    /// The message that is being sent in parts, and the check of its text.
    sending: Option<Sending>,
    sent_text: Utf8,
    messages_sent: u64,
    frames_sent: u64,
    outbox: Outbox,
    receiving: Receiving,
    timers: Timers,
    /// What is known of the ending; the outcome once the state is `Closed`.
    ending: Option<Box<Outcome>>,
}

// One connection in hundreds of thousands must stay small.
const _: () = assert!(size_of::<Connection>() <= 248);

impl Connection {
    /// A connection whose handshake is done. Its inbox has the other half of the codec.
    pub(crate) fn new(
        role: Role,
        config: Arc<Config>,
        compressing: Option<Compressing>,
        now: Timestamp,
    ) -> Self {
        let mask_keys = match role {
            Role::Server => None,
            Role::Client(keys) => Some(Box::new(keys)),
        };
        Self {
            // Without it, RSV1 is a violation.
            receiving: Receiving::new(compressing.is_some()),
            transport: Transport::Up,
            asking: false,
            sending: None,
            sent_text: Utf8::new(),
            messages_sent: 0,
            frames_sent: 0,
            timers: Timers::new(now),
            state: State::Open,
            outbox: Outbox::default(),
            ending: None,
            config,
            mask_keys,
            compressing: compressing.map(Box::new),
        }
    }

    /// The frames that wait to be written.
    #[inline]
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Whether anything waits in the [`outbox`](Self::outbox).
    #[must_use]
    #[inline]
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether anything may still be sent: not after our Close, nor after the end.
    #[must_use]
    #[inline]
    pub fn can_send(&self) -> bool {
        matches!(self.state, State::Open | State::CloseReceived)
    }

    /// Frees what storage an idle connection does not need; it is allocated anew when needed.
    pub fn park(&mut self) {
        drop(self.outbox.park());
    }

    /// Where the connection stands in its closing.
    #[must_use]
    #[inline]
    pub fn state(&self) -> State {
        self.state
    }

    /// How the connection ended; `None` until its state is [`State::Closed`].
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.ending.as_deref().filter(|_| self.state == State::Closed)
    }

    /// The peer's Close, once it has arrived: in [`State::CloseReceived`] it waits for an answer.
    #[must_use]
    pub fn close_received(&self) -> Option<&Close<'static>> {
        self.ending.as_ref()?.received.as_ref()
    }

    /// The counters and the last round-trip time.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            messages_received: self.receiving.messages,
            messages_sent: self.messages_sent,
            frames_received: self.receiving.frames,
            frames_sent: self.frames_sent,
            bytes_received: self.receiving.bytes,
            bytes_sent: self.outbox.written(),
            bytes_queued: self.outbox.len(),
            round_trip: self.timers.round_trip(),
            compression: self.compressing.as_ref().map(|compressing| compressing.stats),
        }
    }

    /// Whether this end opened the connection.
    #[must_use]
    #[inline]
    pub fn is_client(&self) -> bool {
        self.mask_keys.is_some()
    }

    /// The limits and habits.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// "a client MUST mask all frames that it sends", each with "a fresh masking key" (RFC 6455 §5.1, §5.3).
    #[inline]
    fn fresh_key(&mut self) -> Option<[u8; 4]> {
        self.mask_keys.as_mut().map(|keys| keys())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("client", &self.is_client())
            .field("state", &self.state)
            .field("stats", &self.stats())
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}
