//! `cargo xtask unsafe`: how often the source says `unsafe`.

use std::fs;

use crate::failure::{Doing, Result, fail};
use crate::source::{self, Token};
use crate::workspace::Workspace;

/// The one place that may: streaming UTF-8 validation hands on what it has just validated.
const ALLOWED: &str = "crates/websans/src/text.rs";

/// Counts `unsafe` in the source of all crates: at most one, in the file above.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut directories = source::in_crates(&workspace.path("crates"), "src")?;
    directories.push(workspace.path("autobahn/src"));
    let allowed = workspace.path(ALLOWED);
    let (mut files, mut count, mut misplaced) = (0, 0, 0);
    for directory in directories {
        for path in source::files(&directory)? {
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            files += 1;
            for line in uses(&source::tokens(&text)) {
                println!("{}:{line}: unsafe", path.display());
                count += 1;
                misplaced += usize::from(path != allowed);
            }
        }
    }
    println!("{files} files, {count} uses of unsafe");
    if misplaced > 0 {
        fail!("unsafe is for {ALLOWED} alone");
    }
    if count > 1 {
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
