//! `cargo xtask browser`: the sample app in a real browser.

use core::time::Duration;
use std::process::{Command, Stdio};

use crate::child::{self, Child};
use crate::debian;
use crate::failure::{Failure, Result};
use crate::workspace::{Target, Workspace};

const START: Duration = Duration::from_secs(30);

/// Starts the sample app and has the browser test use it.
pub(crate) fn check(workspace: &Workspace) -> Result {
    // Installs the browser if it is missing, for which it has to be root.
    let setup = "crates/websans-echo/browser/setup.sh";
    child::run("browser setup", &mut debian::as_root(workspace, &["sh", setup]))?;

    let program = workspace.build("websans-echo", Target::Bin, "websans-echo")?;
    let start = |options: &[&str]| start(workspace.command(&program).args(options));
    let (_plain, url) = start(&[])?;
    let (_deflate, deflate) = start(&["--deflate"])?;
    let (_takeover, takeover) = start(&["--deflate", "--deflate-takeover"])?;
    println!("websans-echo is at {url}, with compression at {deflate} and {takeover}");

    let test = ["crates/websans-echo/browser/test.py", "--url", &url];
    let compressing = ["--deflate-url", &deflate, "--takeover-url", &takeover];
    child::run("browser test", workspace.command("python3").args(test).args(compressing))
}

/// Starts one app, on a port of its own choice; also its address.
fn start(command: &mut Command) -> Result<(Child, String)> {
    command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut app = Child::spawn("websans-echo", command)?;
    let url = app.lines().find(START, url);
    let url = url.ok_or_else(|| Failure::new("websans-echo did not say where it listens"))?;
    Ok((app, url))
}

/// The address in a line like `open http://127.0.0.1:8080/ in a browser`.
fn url(line: &str) -> Option<String> {
    let start = line.find("http://127.0.0.1:")?;
    line[start..].split(|c: char| c.is_whitespace() || "\"'<>`".contains(c)).next().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_taken_from_its_line() {
        assert_eq!(
            url("open http://127.0.0.1:8080/ in a browser").as_deref(),
            Some("http://127.0.0.1:8080/")
        );
        assert_eq!(url("http://127.0.0.1:1/").as_deref(), Some("http://127.0.0.1:1/"));
        assert_eq!(url("listening"), None);
    }
}
