//! [`Waits`]: how long reads and writes may wait, set as seldom as will do. [`Held`]: what a stream holds back.

use std::io;
use std::time::Duration;

use websans::Timestamp;

use crate::stream::Stream;
use crate::sync::Clock;

/// How long a write may wait before the connection's clock is looked at again, and how long a read while a write
/// is to be tried again. It costs a few wake-ups a second, and only while the peer does not read.
pub(crate) const RETRY: Duration = Duration::from_millis(20);

/// The read time-out that a stream has now.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    read: Option<Option<Duration>>,
}

impl Waits {
    /// Bounds the next read by `wait`. Setting a time-out is a system call and the deadline moves with every byte
    /// received, so a bound that is somewhat shorter than needed is left as it is: an early wake-up does no harm.
    pub(crate) fn bound_read(&mut self, io: &impl Stream, wait: Option<Duration>) -> io::Result<()> {
        let fits = match (self.read, wait) {
            (Some(Some(set)), Some(wait)) => set <= wait && set >= wait / 2,
            (Some(None), None) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let bound = wait.map(|wait| {
            let ahead = if wait > Duration::from_secs(1) { wait / 4 * 3 } else { wait };
            ahead.max(Duration::from_millis(1)) // zero would be refused
        });
        io.set_read_timeout(bound)?;
        self.read = Some(bound);
        Ok(())
    }
}

/// What became of a read or write.
pub(crate) enum Io {
    /// So many bytes were moved; 0: the end.
    Done(usize),
    /// It waited long enough.
    Waited,
    /// It failed.
    Failed(io::Error),
}

impl Io {
    pub(crate) fn of(result: io::Result<usize>) -> Self {
        match result {
            Ok(n) => Self::Done(n),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                    Self::Waited
                }
                // TLS that ends unannounced. A WebSocket knows by its own Close whether it was cut.
                io::ErrorKind::UnexpectedEof => Self::Done(0),
                _ => Self::Failed(error),
            },
        }
    }
}

/// Whether a stream may hold back some of what it has taken: records of TLS, say, which the peer had no room for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Held {
    #[default]
    Nothing,
    /// There was a write.
    Something,
    /// It would not leave.
    Since(Timestamp),
}

impl Held {
    pub(crate) fn is_something(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Lets it go as far as the peer takes it.
    pub(crate) fn flush(&mut self, io: &mut impl Stream, clock: &Clock) -> Io {
        if !self.is_something() {
            return Io::Done(0);
        }
        match Io::of(io.flush().map(|()| 0)) {
            Io::Waited => {
                if !matches!(self, Self::Since(_)) {
                    *self = Self::Since(clock.now());
                }
                Io::Waited
            }
            Io::Done(n) => {
                *self = Self::Nothing;
                Io::Done(n)
            }
            // What it has not let go by now is not known to have left.
            failed @ Io::Failed(_) => failed,
        }
    }

    /// Whether it has made no progress for `most`, and is given up.
    pub(crate) fn is_given_up(self, clock: &Clock, most: Duration) -> bool {
        matches!(self, Self::Since(since) if clock.now().since(since) >= most)
    }
}
