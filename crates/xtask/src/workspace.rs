//! The workspace xtask belongs to, and cargo in it.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::child;
use crate::failure::{Doing, Failure, Result};

/// Four times what the longest takes on a slow machine.
const TO_INSTALL: Duration = Duration::from_secs(40 * 60);

/// Where the workspace is.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// What kind of executable to build.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Bin,
    Example,
}

impl Workspace {
    /// The workspace this program was built in, or runs in under `cargo run` if it has been moved since.
    pub(crate) fn locate() -> Result<Self> {
        let manifest =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).ancestors().nth(2).map(Path::to_path_buf);
        let root = root.filter(|root| root.join("Cargo.toml").is_file());
        root.map(|root| Self { root })
            .ok_or_else(|| Failure::new("cannot find the workspace; use cargo xtask"))
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A command that runs in the workspace's root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs xtask, with these arguments.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// Makes sure that a subcommand of cargo is there, which a package of that name brings.
    pub(crate) fn tool(&self, subcommand: &str, package: &str) -> Result {
        let asked = self.cargo([subcommand, "--version"]).output();
        if asked.is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        let mut install = self.cargo(["install", "--locked", package]);
        child::run_within(TO_INSTALL, &format!("cargo install {package}"), &mut install)
    }

    /// Builds an executable in the release profile and says where it is, which depends on the user's settings.
    pub(crate) fn build(&self, package: &str, target: Target, name: &str) -> Result<PathBuf> {
        let kind = match target {
            Target::Bin => "--bin",
            Target::Example => "--example",
        };
        let arguments = ["build", "--release", "--package", package, kind, name];
        let mut command = self.cargo(arguments);
        command.arg("--message-format=json-render-diagnostics");
        let messages = child::output(&format!("cargo build of {name}"), &mut command)?;
        let executable = messages.lines().filter_map(|line| executable_in(line, name)).next_back();
        executable.ok_or_else(|| Failure::new(format!("cargo built no executable called {name}")))
    }

    /// The features of a package, except `default`.
    pub(crate) fn features(&self, package: &str) -> Result<Vec<String>> {
        let metadata = self.metadata()?;
        let mut packages = packages(&metadata).iter();
        let found = packages.find(|found| found["name"] == package);
        let features = found.and_then(|found| found["features"].as_object());
        let features = features.ok_or_else(|| Failure::new(format!("there is no package {package}")))?;
        Ok(features.keys().filter(|name| *name != "default").cloned().collect())
    }

    /// The packages that are published.
    pub(crate) fn published(&self) -> Result<Vec<String>> {
        let metadata = self.metadata()?;
        let published = packages(&metadata).iter().filter(|package| package["publish"].is_null());
        Ok(published.filter_map(|package| Some(package["name"].as_str()?.to_owned())).collect())
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let metadata = self.metadata()?;
        let target = metadata["target_directory"].as_str();
        target.map(PathBuf::from).ok_or_else(|| Failure::new("cargo metadata tells no target directory"))
    }

    fn metadata(&self) -> Result<Value> {
        let mut command = self.cargo(["metadata", "--no-deps", "--format-version", "1"]);
        let metadata = child::output("cargo metadata", &mut command)?;
        serde_json::from_str(&metadata).doing(|| "cannot read cargo metadata".into())
    }
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().map_or(&[], Vec::as_slice)
}

/// The executable that one line of cargo's JSON says was made of target `name`.
pub(crate) fn executable_in(line: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != name {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_of_the_target() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"dribble"},"executable":"/t/dribble"}"#;
        assert_eq!(executable_in(line, "dribble"), Some(PathBuf::from("/t/dribble")));
        assert_eq!(executable_in(line, "other"), None);
        let library = r#"{"reason":"compiler-artifact","target":{"name":"dribble"},"executable":null}"#;
        assert_eq!(executable_in(library, "dribble"), None);
        assert_eq!(executable_in("Compiling dribble", "dribble"), None);
    }
}
