//! `cargo xtask dependencies`: what the core crate, and the compression on top of it, may depend on.

use std::collections::BTreeSet;

use crate::child;
use crate::failure::{Result, fail};
use crate::workspace::Workspace;

const CORE: &str = "websans";
/// What there is without any feature.
const ALWAYS: &[&str] = &["bytes"];
/// What the opening handshake adds.
const HANDSHAKE: &[&str] = &["httparse", "sha1_smol", "base64"];
/// What the operating system's entropy adds. Only these may need other packages.
const ENTROPY: &[&str] = &["getrandom", "chacha20"];
const ENTROPY_FEATURE: &str = "os-entropy";

const DEFLATE: &str = "websans-deflate";
/// All that compression takes: nothing in C, nothing for the handshake.
const DEFLATE_NEEDS: &[&str] = &["websans", "bytes", "zlib-rs"];

/// Compares cargo's tree with the lists above, for every platform.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let features = workspace.features(CORE)?;
    let others: Vec<&str> =
        features.iter().map(String::as_str).filter(|name| *name != ENTROPY_FEATURE).collect();
    if others.len() == features.len() {
        fail!("{CORE} has no feature {ENTROPY_FEATURE}");
    }
    let without_entropy = [ALWAYS, HANDSHAKE].concat();
    let all = [ALWAYS, HANDSHAKE, ENTROPY].concat();
    expect(workspace, CORE, "no feature", &["--no-default-features"], ALWAYS)?;
    let selected = others.join(",");
    let arguments = ["--no-default-features", "--features", &selected];
    expect(workspace, CORE, &format!("every feature but {ENTROPY_FEATURE}"), &arguments, &without_entropy)?;
    expect(workspace, CORE, "every feature, direct dependencies", &["--all-features", "--depth", "1"], &all)?;
    expect(workspace, DEFLATE, "every feature", &["--all-features"], DEFLATE_NEEDS)
}

fn expect(workspace: &Workspace, package: &str, what: &str, arguments: &[&str], expected: &[&str]) -> Result {
    let tree = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--target", "all"];
    let output = child::output("cargo tree", workspace.cargo(tree).args(arguments))?;
    let found = packages(&output);
    let expected: BTreeSet<&str> = expected.iter().copied().chain([package]).collect();
    println!("{package}, {what}: {}", list(&found));
    if found != expected {
        fail!("with {what}, {package} should have {}", list(&expected));
    }
    Ok(())
}

/// The names in the output of `cargo tree --prefix none`.
fn packages(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_first_words() {
        let tree = "websans v0.1.0 (/w/crates/websans)\nbytes v1.11.1\n\nbase64 v0.23.0\nbytes v1.11.1 (*)\n";
        assert_eq!(list(&packages(tree)), "base64, bytes, websans");
    }
}
