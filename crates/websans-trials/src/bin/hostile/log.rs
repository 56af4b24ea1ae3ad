//! [`Log`]: the sample app's lines, which nobody reads here.

use std::fmt::Display;
use std::hint::black_box;

/// Stands for the sample app's log: lines are made, at the cost that they have there, and not written, since this program's
/// standard output is for answers.
#[derive(Clone, Debug)]
pub(crate) struct Log;

impl Log {
    #[expect(clippy::unused_self, reason = "as in the sample app")]
    pub(crate) fn line(&self, line: impl Display) {
        black_box(line.to_string());
    }
}
