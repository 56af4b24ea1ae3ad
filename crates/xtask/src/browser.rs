//! `cargo xtask browser`: the sample app in a real browser.

use crate::child;
use crate::debian;
use crate::failure::Result;
use crate::workspace::{Target, Workspace};

/// Where the pictures of the last run are, for a person to look at.
const PICTURES: &str = "crates/websans-echo/browser/pictures";

/// Builds the sample app and has the browser test use it, which starts it in all the ways it needs: with TLS and without,
/// with every kind of compression, ended and started again, at the other end of a link that is cut.
pub(crate) fn check(workspace: &Workspace) -> Result {
    // Installs the browser if it is missing, for which it has to be root.
    let setup = "crates/websans-echo/browser/setup.sh";
    child::run("browser setup", &mut debian::as_root(workspace, &["sh", setup]))?;

    let program = workspace.build("websans-echo", Target::Bin, "websans-echo")?;
    let test = ["crates/websans-echo/browser/test.py", "--screenshots", PICTURES, "--app"];
    child::run("browser test", workspace.command("python3").args(test).arg(program))
}
