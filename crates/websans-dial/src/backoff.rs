//! [`Backoff`]: whether and when a client connects again.

use std::time::Duration;

use websans::handshake::client::Refusal;
use websans::{Cause, Close, CloseCode, Initiator, Outcome, Timestamp};

use crate::error::{self, ConnectError};
use crate::proxy::ProxyError;

/// Decides whether and when a client connects again, so that many clients of a server that has failed do not come
/// back all at once.
///
/// The `n`th wait is random, uniform between nothing and a window of [`first`](Self::first) · 2ⁿ, at most
/// [`longest`](Self::longest): truncated exponential back-off with full jitter, the first window being the 5 s of
/// [RFC 6455 §7.2.3]. A connection that has stood for [`steady`](Self::steady) starts the count anew.
///
/// | the last ending | what is next |
/// |---|---|
/// | this end closed the connection, and cleanly | stop |
/// | Close 1008 (policy) received | stop |
/// | Close 1012 (restart) received | from 5 s to 30 s, as its registration says |
/// | Close 1013 (try again later) received | from half of the longest wait to all of it |
/// | refused with 4xx but 408, 425, 429; a proxy's 4xx but those | stop: the same request would be refused again |
/// | refused with 3xx, or a redirection not to be followed | stop: it leads elsewhere, and was not to be followed |
/// | the request or the settings are at fault | stop |
/// | refused with `Retry-After` | what it says, at most [`MOST_ASKED`](Self::MOST_ASKED), and the usual wait on top |
/// | anything else | the usual wait |
///
/// It has neither clock nor entropy: pass the time, and 64 random bits for each decision.
///
/// ```
/// use std::time::Duration;
/// use websans::Timestamp;
/// use websans_dial::backoff::{Backoff, Next};
/// # use websans_dial::{Action, Client, Dial};
/// # let refused = {
/// #     let now = Timestamp::from_nanos(0);
/// #     let client = Client::new("ws://127.0.0.1:9")?;
/// #     let mut dial = Dial::new(&client, Box::new(|| Ok([0; 16])), now);
/// #     let Ok(Action::Connect { address, .. }) = dial.poll(now) else { panic!() };
/// #     dial.not_connected(address, std::io::ErrorKind::ConnectionRefused.into(), now);
/// #     dial.poll(now).unwrap_err()
/// # };
///
/// let mut backoff = Backoff::new();
/// let now = Timestamp::from_nanos(0);
/// let random = u64::MAX / 2; // from a generator
/// let Next::Retry(wait) = backoff.after(&*refused, now, random) else { panic!() };
/// assert_eq!(wait.as_millis(), 2499);
/// // Wait; connect; and once the connection stands:
/// backoff.opened(now + wait);
/// # Ok::<(), websans::handshake::BuildError>(())
/// ```
///
/// [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The window of the first wait. Default 5 s.
    pub first: Duration,
    /// The largest window. Default 60 s.
    pub longest: Duration,
    /// How long a connection must have stood to be counted as a success. Default 30 s: a server that accepts and then
    /// fails gets no less rest than one that refuses.
    pub steady: Duration,
    /// Waits since the last success.
    waits: u32,
    opened: Option<Timestamp>,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a client connects again, or it does not")]
pub enum Next {
    /// It waits for so long, and connects again.
    Retry(Duration),
    /// It gives up: nothing would be different.
    Stop,
}

/// How a connection, or the attempt to open one, ended.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a connection was open, or it was not")]
pub enum Ending<'e> {
    /// It was open, and ended.
    Connection(&'e Outcome),
    /// It did not come about.
    Dial(&'e ConnectError),
}

/// What an ending asks for.
enum Verdict {
    Stop,
    Usual,
    /// A random wait between these bounds.
    Between(Duration, Duration),
    /// This, and the usual wait on top.
    Asked(Duration),
}

impl Backoff {
    /// The longest `Retry-After` that is honoured, 1 h: no server can send a client to sleep for good.
    pub const MOST_ASKED: Duration = Duration::from_secs(60 * 60);

    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            steady: Duration::from_secs(30),
            waits: 0,
            opened: None,
        }
    }

    /// A connection is open since `now`.
    pub fn opened(&mut self, now: Timestamp) {
        self.opened = Some(now);
    }

    /// What to do after `ending`. `random` is 64 uniformly random bits.
    pub fn after<'e>(&mut self, ending: impl Into<Ending<'e>>, now: Timestamp, random: u64) -> Next {
        if self.opened.take().is_some_and(|opened| now.since(opened) >= self.steady) {
            self.waits = 0;
        }
        let verdict = match ending.into() {
            Ending::Connection(outcome) => self.judge_outcome(outcome),
            Ending::Dial(error) => judge_dial(error),
        };
        let usual = share(self.window(), random);
        self.waits = self.waits.saturating_add(1);
        match verdict {
            Verdict::Stop => Next::Stop,
            Verdict::Usual => Next::Retry(usual),
            Verdict::Between(least, most) => {
                Next::Retry(least.saturating_add(share(most.saturating_sub(least), random)))
            }
            Verdict::Asked(asked) => Next::Retry(asked.min(Self::MOST_ASKED).saturating_add(usual)),
        }
    }

    /// The window of the wait that is next.
    fn window(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.waits).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    fn judge_outcome(&self, outcome: &Outcome) -> Verdict {
        // Not the application's doing: a connection that was closed for being idle may be needed again.
        let idle =
            outcome.sent.as_ref().is_some_and(|close| *close == Close::new(CloseCode::GOING_AWAY, "idle"));
        if outcome.cause == Cause::Clean && outcome.initiator == Initiator::Local && !idle {
            return Verdict::Stop;
        }
        match outcome.received.as_ref().and_then(|close| close.code).map(CloseCode::get) {
            Some(1008) => Verdict::Stop,
            Some(1012) => Verdict::Between(Duration::from_secs(5), Duration::from_secs(30)),
            Some(1013) => Verdict::Between(self.longest / 2, self.longest),
            _ => Verdict::Usual,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl<'e> From<&'e Outcome> for Ending<'e> {
    fn from(outcome: &'e Outcome) -> Self {
        Self::Connection(outcome)
    }
}

impl<'e> From<&'e ConnectError> for Ending<'e> {
    fn from(error: &'e ConnectError) -> Self {
        Self::Dial(error)
    }
}

/// That part of `window` which `random` is of all 64-bit numbers.
fn share(window: Duration, random: u64) -> Duration {
    let nanos = window.as_nanos().saturating_mul(u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn judge_dial(error: &ConnectError) -> Verdict {
    match error.cause() {
        error::Cause::Refused(refusal) => match refusal.status {
            status if is_final(status) => Verdict::Stop,
            _ => retry_after(refusal).map_or(Verdict::Usual, Verdict::Asked),
        },
        error::Cause::Proxy(ProxyError::Status(status)) if is_final(*status) => Verdict::Stop,
        error::Cause::Proxy(ProxyError::Credentials | ProxyError::Method) => Verdict::Stop,
        error::Cause::Build(_)
        | error::Cause::ProxyUrl(_)
        | error::Cause::Redirect(_)
        | error::Cause::NoTls
        | error::Cause::Ended => Verdict::Stop,
        #[cfg(feature = "rustls")]
        error::Cause::Tls(error) if !matches!(error, crate::tls::TlsError::Handshake(_)) => Verdict::Stop,
        _ => Verdict::Usual,
    }
}

/// Whether a request that was answered so would be answered so again.
const fn is_final(status: u16) -> bool {
    matches!(status, 300..=499) && !matches!(status, 408 | 425 | 429)
}

/// How long `Retry-After` asks to wait ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)). A
/// date is held against the response's own `Date`: so no clock is needed, and none can be wrong.
fn retry_after(refusal: &Refusal) -> Option<Duration> {
    let text = |name| std::str::from_utf8(refusal.header(name)?).ok();
    let value = text("retry-after")?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let since = httpdate::parse_http_date(text("date")?).ok()?;
    Some(until.duration_since(since).unwrap_or_default())
}
