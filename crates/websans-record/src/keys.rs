//! [`KeyLog`]: the masking keys that a client draws.

use std::sync::{Arc, Mutex, PoisonError};

use websans::{MaskKeys, Role};

/// The keys that were drawn since they were last looked at, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyLog(Arc<Mutex<Drawn>>);

#[derive(Debug, Default)]
struct Drawn {
    keys: Vec<u8>,
    off: bool,
}

impl KeyLog {
    /// The role, with a source of keys that is listened to.
    pub(crate) fn wrap(role: Role) -> (Role, Option<Self>) {
        match role {
            Role::Client(mut keys) => {
                let log = Self::default();
                let drawn = log.clone();
                let wrapped: MaskKeys = Box::new(move || {
                    let key = keys();
                    drawn.with(|drawn| {
                        if !drawn.off {
                            drawn.keys.extend_from_slice(&key);
                        }
                    });
                    key
                });
                (Role::Client(wrapped), Some(log))
            }
            role => (role, None),
        }
    }

    /// Hands the keys that were drawn to `take`.
    pub(crate) fn drain<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        self.with(|drawn| {
            let taken = take(&drawn.keys);
            drawn.keys.clear();
            taken
        })
    }

    /// Nobody will ask any more.
    pub(crate) fn turn_off(&self) {
        self.with(|drawn| *drawn = Drawn { keys: Vec::new(), off: true });
    }

    fn with<R>(&self, change: impl FnOnce(&mut Drawn) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
