//! Fuzzers out of fuzz targets.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::failure::{Doing, Failure, Result, fail};
use crate::workspace::{Workspace, executable_in};
use crate::{child, debian};

/// A workspace of its own: its packages are built with flags that suit nothing else.
const MANIFEST: &str = "fuzz/Cargo.toml";

/// What libFuzzer needs to see where an input leads, and what it is compared with: what cargo-fuzz sets too.
const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Keeps branches that would become one, so that each counts.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    // Several would each hide functions from the others' optimizer once coverage is inserted.
    "-Ccodegen-units=1",
];

/// What watches over memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sanitizer {
    None,
    Address,
}

impl Sanitizer {
    const ALL: [Self; 2] = [Self::None, Self::Address];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Address => "address",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|sanitizer| sanitizer.name() == name);
        found
            .ok_or_else(|| Failure::new(format!("there is no sanitizer {name}; see cargo xtask fuzz --help")))
    }

    /// Cargo of a toolchain that has it.
    fn cargo(self, workspace: &Workspace) -> Result<Command> {
        if self == Self::None {
            return Ok(workspace.cargo([]));
        }
        let mut asked = workspace.command("rustup");
        let has_nightly = asked.args(["run", "nightly", "cargo", "--version"]).output();
        if !has_nightly.is_ok_and(|output| output.status.success()) {
            let arguments = ["toolchain", "install", "nightly", "--profile", "minimal"];
            child::run("rustup", workspace.command("rustup").args(arguments))?;
        }
        let mut command = workspace.command("rustup");
        command.args(["run", "nightly", "cargo"]);
        Ok(command)
    }
}

/// A target, as its manifest has it.
pub(super) struct Target {
    pub(super) name: String,
    /// Longest input that is worth trying, if `package.metadata.max_len` says so.
    max_len: Option<u64>,
}

/// A target that can be run.
pub(super) struct Fuzzer {
    pub(super) target: Target,
    pub(super) program: PathBuf,
}

impl Fuzzer {
    /// Options of libFuzzer that hold whatever it is to do.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = vec!["-timeout=10".into(), "-rss_limit_mb=1024".into()];
        options.extend(self.target.max_len.map(|len| format!("-max_len={len}")));
        options
    }
}

/// All targets that there are.
pub(super) fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--manifest-path", MANIFEST];
    let metadata = child::output("cargo metadata", &mut workspace.cargo(arguments))?;
    let metadata: Value = serde_json::from_str(&metadata).doing(|| "cannot read cargo metadata".into())?;
    let targets = targets_in(&metadata);
    if targets.is_empty() {
        fail!("{MANIFEST} has no targets");
    }
    Ok(targets)
}

fn targets_in(metadata: &Value) -> Vec<Target> {
    let package = &metadata["packages"][0];
    let targets = package["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let binaries = targets.iter().filter(|target| target["kind"][0] == "bin");
    let mut targets: Vec<Target> = binaries
        .filter_map(|target| target["name"].as_str())
        .map(|name| Target { name: name.into(), max_len: package["metadata"]["max_len"][name].as_u64() })
        .collect();
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    targets
}

/// Builds them into a directory of their own, so that other builds need not be done again.
pub(super) fn build(
    workspace: &Workspace,
    sanitizer: Sanitizer,
    targets: Vec<Target>,
) -> Result<Vec<Fuzzer>> {
    // The fuzzer itself is C++.
    debian::ensure("c++", &["g++"])?;
    let mut command = sanitizer.cargo(workspace)?;
    // With a target given, build scripts and macros are spared the flags.
    command.args(["build", "--release", "--manifest-path", MANIFEST, "--target", &host(workspace)?]);
    command.args(["--target-dir", &format!("fuzz/target/{}", sanitizer.name())]);
    command.arg("--message-format=json-render-diagnostics");
    targets.iter().for_each(|target| {
        command.args(["--bin", &target.name]);
    });
    let mut flags = COVERAGE.to_vec();
    if sanitizer == Sanitizer::Address {
        flags.push("-Zsanitizer=address");
    }
    command.env("RUSTFLAGS", flags.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let messages = child::output("cargo build of the fuzzers", &mut command)?;
    let program = |target: &Target| {
        let program = messages.lines().filter_map(|line| executable_in(line, &target.name)).next_back();
        program.ok_or_else(|| Failure::new(format!("cargo built no executable called {}", target.name)))
    };
    targets.into_iter().map(|target| Ok(Fuzzer { program: program(&target)?, target })).collect()
}

/// The name of this kind of machine.
fn host(workspace: &Workspace) -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = child::output("rustc", workspace.command(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc does not say for which machine it is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_binaries_of_the_manifest() {
        let metadata = serde_json::json!({"packages": [{
            "metadata": {"max_len": {"inflate": 300}},
            "targets": [
                {"kind": ["bin"], "name": "inflate"},
                {"kind": ["bin"], "name": "decode"},
                {"kind": ["custom-build"], "name": "build-script-build"},
            ],
        }]});
        let targets: Vec<_> =
            targets_in(&metadata).into_iter().map(|target| (target.name, target.max_len)).collect();
        assert_eq!(targets, [("decode".into(), None), ("inflate".into(), Some(300))]);
    }

    #[test]
    fn sanitizers_have_names() {
        for sanitizer in Sanitizer::ALL {
            assert_eq!(Sanitizer::named(sanitizer.name()).unwrap(), sanitizer);
        }
        assert!(Sanitizer::named("memory").is_err());
    }
}
