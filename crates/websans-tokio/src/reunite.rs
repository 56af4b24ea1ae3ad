//! [`ReuniteError`]: what keeps two halves from being made one again.

use std::fmt;

use crate::split::{Receiver, Sender};

/// Two halves that are not the only ones of one connection.
pub struct ReuniteError<S>(Box<(Receiver<S>, Sender<S>)>);

impl<S> ReuniteError<S> {
    pub(crate) fn new(receiver: Receiver<S>, sender: Sender<S>) -> Self {
        Self(Box::new((receiver, sender)))
    }

    /// Gives the halves back.
    #[must_use]
    pub fn into_halves(self) -> (Receiver<S>, Sender<S>) {
        *self.0
    }
}

impl<S> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not the only two of one connection")
    }
}

impl<S> std::error::Error for ReuniteError<S> {}

impl<S> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError").field(&self.0).finish()
    }
}
