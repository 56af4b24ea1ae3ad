//! [`Timestamp`], the only time the core knows, and [`Clock`], which makes one from `std`.

use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// A point in time: nanoseconds since an origin of the caller's choice.
///
/// The core never reads a clock. The caller chooses an origin (the start of the process, say), passes the
/// time with [`Connection::tick`](crate::Connection::tick), and reads the next wake-up from
/// [`Connection::deadline`](crate::Connection::deadline). 584 years fit.
///
/// ```
/// use core::time::Duration;
/// use websans::Timestamp;
///
/// let start = Timestamp::from_nanos(0);
/// assert_eq!((start + Duration::from_secs(2)).since(start), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64); // nanoseconds + 1, so that an `Option<Timestamp>` is eight bytes too

impl Timestamp {
    /// The time `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl core::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the end of time, which no deadline reaches.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.as_nanos()))
    }
}

/// A monotonic clock for adapters on `std`: timestamps count from its creation.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

#[cfg(feature = "std")]
impl Clock {
    /// A clock whose origin is now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long it is until `deadline`; zero if it has passed.
    #[must_use]
    pub fn until(&self, deadline: Timestamp) -> Duration {
        deadline.since(self.now())
    }
}

#[cfg(feature = "std")]
impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
