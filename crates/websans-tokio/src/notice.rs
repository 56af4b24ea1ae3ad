//! [`Notice`]: what a stream of [`serve`](crate::serve()) has to say to the connection above it.

use std::fmt;
use std::io;
use std::sync::Weak;

use websans::{Close, CloseCode, Connection, Outcome, Timestamp};

/// Why the server closes.
const REASON: &str = "server is going down";

/// Asks the connection to close with 1001 and to tell how it ended.
///
/// It travels as the payload of an [`io::Error`], the one thing that a stream of any type can hand up: so connections over
/// other streams need nothing for it, neither room nor a look. Whoever keeps such an error keeps nothing else.
#[derive(Debug)]
pub(crate) struct Notice(Weak<dyn Ended>);

/// Who wants to know how a connection ended.
pub(crate) trait Ended: fmt::Debug + Send + Sync {
    fn ended(&self, outcome: &Outcome);
}

impl Notice {
    pub(crate) fn error(to: Weak<dyn Ended>) -> io::Error {
        io::Error::other(Self(to))
    }

    /// Does what `error` asks for, if it is a notice (`true`).
    pub(crate) fn obey(error: &io::Error, conn: &mut Connection, now: Timestamp) -> bool {
        let Some(Self(to)) = error.get_ref().and_then(|inner| inner.downcast_ref()) else { return false };
        conn.wake(now);
        // A connection that is closing already goes on with that.
        let _ = conn.close_with(Close::new(CloseCode::GOING_AWAY, REASON));
        if let (Some(outcome), Some(to)) = (conn.outcome(), to.upgrade()) {
            to.ended(outcome);
        }
        true
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REASON)
    }
}

impl std::error::Error for Notice {}
