//! [`Waits`]: how long reads and writes may wait, set as seldom as will do.

use std::io;
use std::time::Duration;

use crate::stream::Stream;

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
                _ => Self::Failed(error),
            },
        }
    }
}
