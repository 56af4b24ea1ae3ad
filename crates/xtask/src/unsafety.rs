//! `cargo xtask unsafe`: how often the source says `unsafe`.

use std::fs;
use std::path::PathBuf;

use crate::failure::{Doing, Result, fail};
use crate::source::{self, Token};
use crate::workspace::Workspace;

/// The one place that may: streaming UTF-8 validation hands on what it has just validated.
const ALLOWED: &str = "crates/websans/src/text.rs";

/// What was found in the source of all crates.
struct Found {
    files: usize,
    /// Where `unsafe` is.
    uses: Vec<(PathBuf, usize)>,
}

fn find(workspace: &Workspace) -> Result<Found> {
    let mut directories = source::in_crates(&workspace.path("crates"), "src")?;
    directories.push(workspace.path("autobahn/src"));
    let mut found = Found { files: 0, uses: Vec::new() };
    for directory in directories {
        for path in source::files(&directory)? {
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            found.files += 1;
            found.uses.extend(uses(&source::tokens(&text)).into_iter().map(|line| (path.clone(), line)));
        }
    }
    Ok(found)
}

/// How often it is said where it may be, and elsewhere.
pub(crate) fn count(workspace: &Workspace) -> Result<(usize, usize)> {
    let allowed = workspace.path(ALLOWED);
    let (allowed, misplaced): (Vec<_>, Vec<_>) =
        find(workspace)?.uses.into_iter().partition(|(path, _)| *path == allowed);
    Ok((allowed.len(), misplaced.len()))
}

/// Counts `unsafe` in the source of all crates: at most one, in the file above.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let Found { files, uses } = find(workspace)?;
    let allowed = workspace.path(ALLOWED);
    uses.iter().for_each(|(path, line)| println!("{}:{line}: unsafe", path.display()));
    println!("{files} files, {} uses of unsafe", uses.len());
    if uses.iter().any(|(path, _)| *path != allowed) {
        fail!("unsafe is for {ALLOWED} alone");
    }
    if uses.len() > 1 {
        fail!("{ALLOWED} may use unsafe once");
    }
    Ok(())
}

/// The lines of blocks, functions, implementations, traits, extern blocks and attributes that are unsafe.
fn uses(tokens: &[Token<'_>]) -> Vec<usize> {
    tokens.iter().filter(|token| token.text == "unsafe").map(|token| token.line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_counts_and_talk_does_not() {
        let text = "// unsafe\n#[allow(unsafe_code)]\nfn f() { unsafe { g() } }\nunsafe impl Send for S {}\n\"unsafe\"";
        assert_eq!(uses(&source::tokens(text)), [3, 4]);
    }
}
