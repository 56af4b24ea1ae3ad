//! What the trials share: [`Process`], a program in another role; [`hurry`]; and the statistics of [`times`](mod@times).

mod priority;
mod process;
pub mod times;

use std::error::Error;

pub use priority::hurry;
pub use process::Process;

/// Whatever went wrong, for the person at the terminal.
pub type Failure = Box<dyn Error + Send + Sync>;
