//! [`Limits`]: how long each step of a dialling may take.

use std::time::Duration;

/// How long the steps of a dialling may take, each for itself and all together. Every default is finite.
///
/// The opening handshake has its limit in [`Config::handshake_within`](websans::Config::handshake_within), where
/// servers have theirs.
///
/// ```
/// use std::time::Duration;
/// use websans_dial::Limits;
///
/// let mut limits = Limits::default();
/// limits.total = Duration::from_secs(5);
/// assert_eq!(limits.stagger, Limits::STAGGER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Everything together, redirections included. Default [`TOTAL`](Self::TOTAL).
    pub total: Duration,
    /// Each look-up of a name. Default [`RESOLVE`](Self::RESOLVE).
    pub resolve: Duration,
    /// Each attempt to connect to one address. Default [`ATTEMPT`](Self::ATTEMPT).
    pub attempt: Duration,
    /// All attempts to connect to one host. Default [`CONNECT`](Self::CONNECT).
    pub connect: Duration,
    /// The exchange with a proxy. Default [`PROXY`](Self::PROXY).
    pub proxy: Duration,
    /// The handshake of TLS. Default [`TLS`](Self::TLS).
    pub tls: Duration,
    /// How long an attempt has before the next address is tried beside it ([RFC 8305 §5]). Default
    /// [`STAGGER`](Self::STAGGER); taken to be no less than [`STAGGER_LEAST`](Self::STAGGER_LEAST) and no more than
    /// [`STAGGER_MOST`](Self::STAGGER_MOST).
    ///
    /// [RFC 8305 §5]: https://www.rfc-editor.org/rfc/rfc8305#section-5
    pub stagger: Duration,
}

impl Limits {
    /// 30 s.
    pub const TOTAL: Duration = Duration::from_secs(30);
    /// 10 s.
    pub const RESOLVE: Duration = Duration::from_secs(10);
    /// 10 s.
    pub const ATTEMPT: Duration = Duration::from_secs(10);
    /// 15 s.
    pub const CONNECT: Duration = Duration::from_secs(15);
    /// 10 s.
    pub const PROXY: Duration = Duration::from_secs(10);
    /// 10 s.
    pub const TLS: Duration = Duration::from_secs(10);
    /// 250 ms, as RFC 8305 §8 recommends.
    pub const STAGGER: Duration = Duration::from_millis(250);
    /// 100 ms: RFC 8305 §8 recommends this as the least; its lowest bound is 10 ms.
    pub const STAGGER_LEAST: Duration = Duration::from_millis(100);
    /// 2 s, as RFC 8305 §8 recommends.
    pub const STAGGER_MOST: Duration = Duration::from_secs(2);

    /// The stagger within its bounds.
    pub(crate) fn bounded_stagger(&self) -> Duration {
        self.stagger.clamp(Self::STAGGER_LEAST, Self::STAGGER_MOST)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: Self::TOTAL,
            resolve: Self::RESOLVE,
            attempt: Self::ATTEMPT,
            connect: Self::CONNECT,
            proxy: Self::PROXY,
            tls: Self::TLS,
            stagger: Self::STAGGER,
        }
    }
}
