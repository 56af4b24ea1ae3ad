//! `cargo xtask vanish`: the middleware with clients that vanish without a word.

use core::time::Duration;

use crate::failure::Result;
use crate::workspace::{Target, Workspace};
use crate::{child, debian};

/// It takes a quarter of a minute.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the program, which makes networks and cuts them.
pub(crate) fn check(workspace: &Workspace) -> Result {
    debian::ensure("ip", &["iproute2"])?;
    let program = workspace.build("websans-trials", Target::Bin, "vanish")?;
    // Who is not root tries it in a namespace of users.
    let mut command = debian::as_root(workspace, &[&program.to_string_lossy()]);
    child::run_within(LIMIT, "vanish", &mut command)
}
