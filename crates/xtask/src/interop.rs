//! `cargo xtask interop`: exchanges with WebSocket implementations of other languages.

use core::time::Duration;

use crate::child;
use crate::debian;
use crate::failure::Result;
use crate::workspace::{Target, Workspace};

/// All exchanges take two minutes or so.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Installs the peers unless that was done before, and runs the program that starts them and talks to them.
pub(crate) fn check(workspace: &Workspace) -> Result {
    debian::ensure_python()?;
    child::run("interop/setup.sh", workspace.command("sh").arg("interop/setup.sh"))?;
    let program = workspace.build("websans-interop", Target::Bin, "websans-interop")?;
    let mut command = workspace.command(program);
    command.args(["--node", "interop/.peers/node", "--python", "interop/.peers/python"]);
    child::run_within(LIMIT, "interop", &mut command)
}
