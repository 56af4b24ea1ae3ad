//! [`Pool`]: contexts that wait for the next message.

use std::sync::{Mutex, PoisonError};

/// Contexts that wait, the one that was used last on top: its memory is most likely still in the processor's cache.
pub(crate) struct Pool<T> {
    idle: Mutex<Vec<Box<T>>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { idle: Mutex::default() }
    }
}

impl<T> Pool<T> {
    pub(crate) fn take(&self) -> Option<Box<T>> {
        // Nothing panics while the lock is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps `context`, unless `most` are kept already.
    pub(crate) fn put(&self, context: Box<T>, most: usize) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < most {
            idle.push(context);
        } else {
            drop(idle);
            drop(context);
        }
    }
}
