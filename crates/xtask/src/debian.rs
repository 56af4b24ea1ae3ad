//! Tools the steps need besides Rust, taken from Debian packages where they are missing.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::child;
use crate::failure::{Result, fail};
use crate::workspace::Workspace;

/// Makes sure that `program` can be run, installing `packages` if it cannot.
pub(crate) fn ensure(program: &str, packages: &[&str]) -> Result {
    if installed(program) {
        return Ok(());
    }
    install(program, packages)?;
    if !installed(program) {
        fail!("{program} is still missing after apt-get installed {}", packages.join(" "));
    }
    Ok(())
}

/// Makes sure that there is a Python 3 that can install packages from PyPI.
pub(crate) fn ensure_python() -> Result {
    ensure("python3", &["python3", "python3-venv"])?;
    let can = |arguments: &[&str]| succeeds(Command::new("python3").args(arguments));
    // setup.sh makes a venv, which needs both modules, or else uses pip.
    if can(&["-c", "import venv, ensurepip"]) || can(&["-m", "pip", "--version"]) {
        return Ok(());
    }
    install("Python's venv", &["python3-venv"])
}

/// A command run as root if that is possible, and else as whoever we are.
pub(crate) fn as_root(workspace: &Workspace, words: &[&str]) -> Command {
    let words = [root().unwrap_or_default(), words].concat();
    let mut command = workspace.command(words[0]);
    command.args(&words[1..]);
    command
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file())
}

fn install(what: &str, packages: &[&str]) -> Result {
    let list = packages.join(" ");
    if !installed("apt-get") {
        fail!("{what} is missing: install {list} (the names of the Debian packages)");
    }
    let Some(prefix) = root() else {
        fail!("{what} is missing: install it with apt-get install {list}, as root");
    };
    let apt = |arguments: &[&str]| {
        // sudo forgets the environment, hence env.
        let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    };
    eprintln!("{what} is missing, installing {list}");
    child::run("apt-get update", &mut apt(&["-qq", "update"]))?;
    let arguments = [&["-qq", "install", "--yes", "--no-install-recommends"], packages].concat();
    child::run("apt-get install", &mut apt(&arguments))
}

/// What to put before a command to run it as root: nothing if we are, or sudo if it asks no password.
fn root() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
        return Some(&[]);
    }
    (installed("sudo") && succeeds(Command::new("sudo").args(["-n", "true"]))).then_some(&["sudo", "-n"])
}

/// Whether a command that only takes a moment succeeds.
fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
