//! `cargo xtask fairness`: the middleware with one client that floods and a thousand that are quiet.

use core::time::Duration;

use crate::failure::Result;
use crate::workspace::{Target, Workspace};
use crate::{child, debian};

/// It takes two thirds of a minute, or three times that.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs the program, which measures and judges.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let program = workspace.build("websans-trials", Target::Bin, "fairness")?;
    // Root may go before others, which keeps them out of what is measured.
    let mut command = debian::as_root(workspace, &[&program.to_string_lossy()]);
    child::run_within(LIMIT, "fairness", &mut command)
}
