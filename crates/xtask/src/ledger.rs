//! `LEDGER.md`: what long runs came to, and when.
//!
//! Runs that take hours are not repeated with every change. Each command that makes one has `--ledger`, which writes
//! its row here; `cargo xtask scoreboard` quotes it with its date.

use std::fs;

use crate::child;
use crate::failure::{Doing, Result, fail};
use crate::workspace::Workspace;

const FILE: &str = "LEDGER.md";

const HEAD: &str = "\
# Ledger

What runs that are too long for every change came to last. The commands write their rows themselves, with `--ledger`.

| Measure | Figure | Command | Date | Commit |
|---|---|---|---|---|
";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) measure: String,
    pub(crate) figure: String,
    pub(crate) command: String,
    /// Of the run, in UTC: 2026-01-31.
    pub(crate) date: String,
    /// What was run, with a + if there was more than that.
    pub(crate) commit: String,
}

/// All rows, in the order of the file.
pub(crate) fn read(workspace: &Workspace) -> Result<Vec<Row>> {
    let path = workspace.path(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    parse(&fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?)
}

/// Writes the row of this measure, in the place of an older one if there is one.
pub(crate) fn note(workspace: &Workspace, measure: &str, figure: &str, command: &str) -> Result {
    let row = Row {
        measure: measure.into(),
        figure: figure.into(),
        command: command.into(),
        date: today(workspace)?,
        commit: commit(workspace)?,
    };
    let mut rows = read(workspace)?;
    match rows.iter_mut().find(|old| old.measure == measure) {
        Some(old) => *old = row,
        None => rows.push(row),
    }
    let path = workspace.path(FILE);
    fs::write(&path, write(&rows)).doing(|| format!("cannot write {}", path.display()))
}

/// The date in UTC.
pub(crate) fn today(workspace: &Workspace) -> Result<String> {
    let date = child::output("date", workspace.command("date").args(["-u", "+%Y-%m-%d"]))?;
    Ok(date.trim().to_owned())
}

/// The commit that is checked out, with a + if files differ from it, but for ledgers.
pub(crate) fn commit(workspace: &Workspace) -> Result<String> {
    let git = |arguments: &[&str]| child::output("git", workspace.command("git").args(arguments));
    let hash = git(&["rev-parse", "--short=9", "HEAD"])?;
    let status = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let is_changed = status.lines().any(|line| !line.to_ascii_uppercase().contains("LEDGER"));
    Ok(format!("{}{}", hash.trim(), if is_changed { "+" } else { "" }))
}

fn parse(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [measure, figure, command, date, commit] = cells[..] else {
            fail!("{FILE}: a row has {} cells instead of 5: {line}", cells.len());
        };
        let [measure, figure, date, commit] = [measure, figure, date, commit].map(str::to_owned);
        rows.push(Row { measure, figure, command: command.trim_matches('`').into(), date, commit });
    }
    Ok(rows)
}

fn write(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for Row { measure, figure, command, date, commit } in rows {
        text += &format!("| {measure} | {figure} | `{command}` | {date} | {commit} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let row = |measure: &str| Row {
            measure: measure.into(),
            figure: "17 of 18".into(),
            command: "cargo xtask x --all".into(),
            date: "2026-01-31".into(),
            commit: "0123456+".into(),
        };
        let rows = vec![row("one"), row("two")];
        assert_eq!(parse(&write(&rows)).unwrap(), rows);
        assert_eq!(parse(HEAD).unwrap(), []);
        assert!(parse(&format!("{HEAD}| a | b |\n")).is_err());
    }
}
