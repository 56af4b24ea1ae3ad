//! What a command says when it did not succeed.

use core::fmt;

/// A sentence for the person at the terminal.
///
/// Nothing here is handled by code: a failure is only ever printed, so it carries text and nothing else.
pub(crate) struct Failure(String);

/// The result of everything a command does.
pub(crate) type Result<T = ()> = core::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// For `unwrap` in the tests.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self(format!("{error}; see --help"))
    }
}

/// Says what was being done when some other error came up.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for core::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("{}: {error}", what())))
    }
}

/// Returns from the function with a [`Failure`] of the formatted text.
macro_rules! fail {
    ($($text:tt)*) => { return Err($crate::failure::Failure::new(format!($($text)*))) };
}
pub(crate) use fail;
