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

/// How many packages the core needs, without any feature.
pub(crate) fn of_core(workspace: &Workspace) -> Result<usize> {
    let tree = tree(workspace, CORE, &["--no-default-features"])?;
    Ok(packages(&tree).iter().filter(|name| **name != CORE).count())
}

fn tree(workspace: &Workspace, package: &str, arguments: &[&str]) -> Result<String> {
    let tree = ["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--target", "all"];
    child::output("cargo tree", workspace.cargo(tree).args(arguments))
}

fn expect(workspace: &Workspace, package: &str, what: &str, arguments: &[&str], expected: &[&str]) -> Result {
    let output = tree(workspace, package, arguments)?;
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
    use std::fs;

    use super::*;

    /// The versions in which defects are mended that dependencies have had.
    const MENDED: [(&str, [u32; 3]); 4] =
        [("bytes", [1, 11, 1]), ("h2", [0, 4, 16]), ("http", [0, 1, 20]), ("zlib-rs", [0, 4, 0])];

    fn version(text: &str) -> [u32; 3] {
        let mut numbers = text.split('.').map(|number| number.parse().expect("a number"));
        [(); 3].map(|()| numbers.next().unwrap_or(0))
    }

    /// What a line of a manifest requires, if it requires a version of that package.
    fn required(line: &str, package: &str) -> Option<[u32; 3]> {
        let value = line.strip_prefix(package)?.trim_start().strip_prefix('=')?;
        let value = value.split_once("version = ").map_or(value, |(_, rest)| rest);
        Some(version(value.trim_start().strip_prefix('"')?.split('"').next()?))
    }

    /// Whoever uses the crates of this workspace cannot be left with an old version of what they depend on.
    fn is_required_mended(package: &str) {
        let workspace = Workspace::locate().unwrap();
        let least = MENDED.iter().find(|(name, _)| *name == package).unwrap().1;
        let crates = fs::read_dir(workspace.path("crates")).unwrap().map(|entry| entry.unwrap().path());
        let manifests = crates.chain([workspace.path("")]).map(|path| path.join("Cargo.toml"));
        let mut found = 0;
        for manifest in manifests {
            let text = fs::read_to_string(&manifest).unwrap();
            for version in text.lines().filter_map(|line| required(line, package)) {
                assert!(version >= least, "{package} {version:?} in {}", manifest.display());
                found += 1;
            }
        }
        assert!(found > 0, "{package} is not required");
        let lock = fs::read_to_string(workspace.path("Cargo.lock")).unwrap();
        let locked = lock.split("[[package]]").filter_map(|entry| {
            let rest = entry.trim_start().strip_prefix(&format!("name = \"{package}\"\nversion = \""))?;
            Some(version(rest.split('"').next()?))
        });
        assert!(locked.min().unwrap() >= least, "{package} in Cargo.lock");
    }

    /// Fails when the workspace requires `bytes` 1.11.0.
    #[test]
    fn rustsec_2026_0007_dependencies_are_required_mended() {
        is_required_mended("bytes");
        is_required_mended("http");
    }

    /// Fails when `websans-tokio` requires `h2` 0.4.15, be it as one version or in a table.
    #[test]
    fn rustsec_2026_0258_h2_is_required_mended() {
        is_required_mended("h2");
        assert_eq!(required("h2 = \"0.4.15\"", "h2"), Some([0, 4, 15]));
        assert_eq!(required("h2 = { version = \"0.4\", optional = true }", "h2"), Some([0, 4, 0]));
        assert_eq!(required("h2.workspace = true", "h2"), None);
    }

    /// Fails when `websans-deflate` requires `zlib-rs` 0.3.
    #[test]
    fn rustsec_2024_0401_the_inflater_is_required_mended() {
        is_required_mended("zlib-rs");
    }

    #[test]
    fn names_are_the_first_words() {
        let tree = "websans v0.1.0 (/w/crates/websans)\nbytes v1.11.1\n\nbase64 v0.23.0\nbytes v1.11.1 (*)\n";
        assert_eq!(list(&packages(tree)), "base64, bytes, websans");
    }
}
