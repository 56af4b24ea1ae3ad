//! One change that cargo-mutants can make.

use std::collections::BTreeMap;
use std::fs;

use crate::failure::{Doing, Result, fail};
use crate::workspace::Workspace;

/// A change of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// What cargo-mutants calls it: file, line, column and what is changed into what.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
    /// The text of that line, without the space around it: it stays when lines move.
    pub(super) text: String,
    /// The name without the place.
    pub(super) change: String,
}

/// What `cargo mutants --list` prints.
pub(super) fn parse(workspace: &Workspace, list: &str) -> Result<Vec<Mutant>> {
    let mut sources = BTreeMap::new();
    let mut mutants = Vec::new();
    for name in list.lines() {
        let mut parts = name.splitn(4, ':');
        let (Some(file), Some(line), Some(_), Some(change)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            fail!("cargo mutants lists something else than a change: {name}");
        };
        let line: usize = line.parse().doing(|| format!("cannot read the line of {name}"))?;
        if !sources.contains_key(file) {
            let path = workspace.path(file);
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            sources
                .insert(file.to_owned(), text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        }
        let text = line.checked_sub(1).and_then(|index| sources[file].get(index)).cloned();
        let change = change.trim().to_owned();
        let (name, file) = (name.to_owned(), file.to_owned());
        mutants.push(Mutant { name, file, line, text: text.unwrap_or_default(), change });
    }
    Ok(mutants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_with_their_lines() {
        let workspace = Workspace::locate().unwrap();
        let name = "crates/xtask/src/main.rs:1:5: replace a::b -> c with d: e";
        let mutants = parse(&workspace, &format!("{name}\n")).unwrap();
        let expected = Mutant {
            name: name.into(),
            file: "crates/xtask/src/main.rs".into(),
            line: 1,
            text: "//! What continuous integration runs, as one command: `cargo xtask`.".into(),
            change: "replace a::b -> c with d: e".into(),
        };
        assert_eq!(mutants, [expected]);
        assert!(parse(&workspace, "Found 3 mutants\n").is_err());
    }
}
