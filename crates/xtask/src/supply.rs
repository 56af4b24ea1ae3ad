//! `cargo xtask supply`: what the published crates are made of, and whether they can be built of it.
//!
//! Not a step of `cargo xtask test`: it compiles everything three times more and changes with manifests only. It is run
//! before a release, and when one of them changes.

use core::time::Duration;
use std::fs;

use crate::child;
use crate::failure::{Doing, Result, fail};
use crate::ledger;
use crate::workspace::Workspace;

const HELP: &str = "\
Check what the published crates are made of.

Usage: cargo xtask supply [--list] [--ledger] [PART...]

  deny      licences, sources, bans and duplicates, by cargo-deny and deny.toml (installed if it is missing)
  powerset  every combination of each crate's features compiles
  minimal   all crates compile with the lowest versions that their manifests allow
  package   what would be published builds from its own archive

  --ledger  write into LEDGER.md how many parts passed

Without PARTs, all of them. Known weaknesses of dependencies are looked up by `cargo deny check advisories`, which fetches the
database of rustsec.org.
";

type Part = (&'static str, fn(&Workspace) -> Result);

const PARTS: [Part; 4] = [("deny", deny), ("powerset", powerset), ("minimal", minimal), ("package", package)];

/// Four times what the longest takes on a slow machine that has built nothing before.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let (mut chosen, mut ledger, mut passed) = (Vec::new(), false, 0);
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help" | "list") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("ledger") => ledger = true,
            lexopt::Arg::Value(name) => chosen.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(unknown) = chosen.iter().find(|name| PARTS.iter().all(|(part, _)| part != *name)) {
        fail!("there is no part {unknown}; see cargo xtask supply --help");
    }
    for (name, run) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            println!("\n--- {name}");
            run(workspace)?;
            passed += 1;
        }
    }
    if ledger {
        ledger::note(workspace, "supply", &format!("{passed} checks"), "cargo xtask supply")?;
    }
    Ok(())
}

fn deny(workspace: &Workspace) -> Result {
    workspace.tool("deny", "cargo-deny")?;
    child::run("cargo-deny", &mut workspace.cargo(["deny", "check", "bans", "licenses", "sources"]))
}

/// Compiles every subset of each published crate's features.
fn powerset(workspace: &Workspace) -> Result {
    for package in workspace.published()? {
        let features = workspace.features(&package)?;
        for chosen in subsets(&features) {
            let mut check = workspace.cargo(["check", "--quiet", "--lib", "--no-default-features"]);
            check.args(["--package", &package, "--features", &chosen.join(",")]);
            check.env("RUSTFLAGS", "-D warnings");
            // Other flags, other artefacts: not those that everything else uses.
            check.env("CARGO_TARGET_DIR", workspace.target()?.join("powerset"));
            child::run("cargo check", &mut check)?;
        }
        println!("{package}: {} combinations of {} features", 1_u64 << features.len(), features.len());
    }
    Ok(())
}

/// All subsets, the empty one among them.
fn subsets(features: &[String]) -> Vec<Vec<&str>> {
    let mut subsets = vec![Vec::new()];
    for feature in features {
        let more = subsets.iter().map(|subset: &Vec<&str>| [&subset[..], &[feature.as_str()]].concat());
        subsets.extend(more.collect::<Vec<_>>());
    }
    subsets
}

/// Compiles all crates with the lowest versions of what they name themselves.
fn minimal(workspace: &Workspace) -> Result {
    let directory = workspace.target()?.join("minimal-versions");
    fs::create_dir_all(&directory).doing(|| format!("cannot make {}", directory.display()))?;
    let lock = directory.join("Cargo.lock");
    let with = |arguments: &[&str]| {
        let mut cargo = workspace.cargo(arguments.iter().copied());
        cargo.args(["-Z", "lockfile-path"]);
        cargo.env("CARGO_RESOLVER_LOCKFILE_PATH", &lock).env("CARGO_TARGET_DIR", &directory);
        // Of cargo alone: the crates are compiled by the compiler that everything else is compiled by.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo
    };
    if lock.exists() {
        fs::remove_file(&lock).doing(|| format!("cannot remove {}", lock.display()))?;
    }
    child::run("cargo", &mut with(&["generate-lockfile", "-Z", "direct-minimal-versions"]))?;
    let mut check = with(&["check", "--quiet", "--lib", "--all-features"]);
    for package in workspace.published()? {
        check.args(["--package", &package]);
    }
    child::run_within(LIMIT, "cargo check", &mut check)
}

/// Builds each published crate from the archive that would be uploaded.
fn package(workspace: &Workspace) -> Result {
    let mut package = workspace.cargo(["package", "--quiet", "--allow-dirty"]);
    let published = workspace.published()?;
    for name in &published {
        package.args(["--package", name]);
    }
    child::run_within(LIMIT, "cargo package", &mut package)?;
    println!("{} build from their archives", published.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_all_subsets() {
        let features = ["a", "b", "c"].map(str::to_owned);
        let all: Vec<String> = subsets(&features).iter().map(|subset| subset.join("")).collect();
        assert_eq!(all, ["", "a", "b", "ab", "c", "ac", "bc", "abc"]);
    }
}
