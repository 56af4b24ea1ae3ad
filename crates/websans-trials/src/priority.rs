//! [`hurry`]: who goes before whom.

use std::process::{Command, Stdio};

/// Puts this process, and those it will start, before all others (`SCHED_FIFO` with this priority), if it may do that. There must
/// be no other thread yet.
#[must_use]
pub fn hurry(priority: u8) -> bool {
    let mut chrt = Command::new("chrt");
    chrt.args(["--fifo", "--pid", &priority.to_string(), &std::process::id().to_string()]);
    chrt.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
