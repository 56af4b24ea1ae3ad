//! [`Ledger`]: how much each target has been run, kept beside the code it was run with.

use core::fmt;
use std::fs;
use std::io::ErrorKind;
use std::time::{SystemTime, UNIX_EPOCH};

use super::build::Sanitizer;
use super::run::Outcome;
use crate::child;
use crate::failure::{Doing, Failure, Result};
use crate::workspace::Workspace;

const PATH: &str = "fuzz/LEDGER.md";

const TITLE: &str = "\
# How much has been fuzzed

Kept by `cargo xtask fuzz`, which adds each run to what is here; `cargo xtask fuzz --ledger` sums it up. Edges and corpus
are the last run's. A commit with a + had changes that were not committed.

| target | sanitizer | executions | minutes | edges | corpus | last run | commit |
|---|---|---:|---:|---:|---:|---|---|
";

/// What has been run so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ledger(Vec<Row>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    target: String,
    sanitizer: String,
    executions: u64,
    /// Tenths of a minute.
    tenths: u64,
    edges: u64,
    corpus: u64,
    date: String,
    commit: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, sanitizer, executions, edges, corpus, date, commit, .. } = self;
        let minutes = minutes(self.tenths);
        write!(
            f,
            "| {target} | {sanitizer} | {executions} | {minutes} | {edges} | {corpus} | {date} | {commit} |"
        )
    }
}

impl Ledger {
    pub(super) fn read(workspace: &Workspace) -> Result<Self> {
        match fs::read_to_string(workspace.path(PATH)) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self(Vec::new())),
            Err(error) => Err(error).doing(|| format!("cannot read {PATH}")),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| target "));
        let row =
            |line: &str| row(line).ok_or_else(|| Failure::new(format!("{PATH} has a strange line: {line}")));
        rows.map(row).collect::<Result<_>>().map(Self)
    }

    pub(super) fn write(&self, workspace: &Workspace) -> Result {
        // At once or not at all: it cannot be had again.
        let (path, draft) = (workspace.path(PATH), workspace.path(format!("{PATH}.new")));
        fs::write(&draft, self.to_string())
            .and_then(|()| fs::rename(&draft, &path))
            .doing(|| format!("cannot write {PATH}"))
    }

    /// Adds a run.
    pub(super) fn add(&mut self, outcome: &Outcome, sanitizer: Sanitizer, commit: &str) {
        let (target, sanitizer) = (outcome.target.clone(), sanitizer.name().to_owned());
        let found = self.0.iter().position(|row| (&row.target, &row.sanitizer) == (&target, &sanitizer));
        let before = found.map(|index| self.0.remove(index));
        let (executions, tenths) = before.map_or((0, 0), |row| (row.executions, row.tenths));
        let took = u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX);
        self.0.push(Row {
            target,
            sanitizer,
            executions: executions + outcome.progress.executions,
            tenths: tenths + took.saturating_add(3000) / 6000,
            edges: outcome.progress.edges,
            corpus: outcome.progress.corpus,
            date: today(),
            commit: commit.into(),
        });
        self.0.sort();
    }

    /// All of it, and what it comes to.
    pub(super) fn with_sum(&self) -> String {
        let executions: u64 = self.0.iter().map(|row| row.executions).sum();
        let tenths = self.0.iter().map(|row| row.tenths).sum();
        format!("{self}| all | | {executions} | {} | | | | |\n", minutes(tenths))
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TITLE)?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [target, sanitizer, executions, minutes, edges, corpus, date, commit] = cells[..] else {
        return None;
    };
    let (whole, tenth) = minutes.split_once('.')?;
    Some(Row {
        target: target.into(),
        sanitizer: sanitizer.into(),
        executions: executions.parse().ok()?,
        tenths: whole.parse::<u64>().ok()? * 10 + tenth.parse::<u64>().ok().filter(|tenth| *tenth < 10)?,
        edges: edges.parse().ok()?,
        corpus: corpus.parse().ok()?,
        date: date.into(),
        commit: commit.into(),
    })
}

fn minutes(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The commit that is checked out, with a + if the code is not quite that.
pub(super) fn commit(workspace: &Workspace) -> Result<String> {
    let git = |arguments: &[&str]| child::output("git", workspace.command("git").args(arguments));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    // What runs leave behind is no change of what is run.
    let changed = git(&["status", "--porcelain", "--", ".", ":!fuzz/LEDGER.md", ":!fuzz/seeds"])?;
    Ok(format!("{}{}", commit.trim(), if changed.is_empty() { "" } else { "+" }))
}

/// The date in UTC.
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / (24 * 60 * 60))
}

/// The date so many days after 1970-01-01.
fn date(days: u64) -> String {
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::progress::Progress;
    use super::*;

    fn outcome(executions: u64, seconds: u64) -> Outcome {
        let progress = Progress { executions, edges: 46, corpus: 12, artifact: None };
        Outcome { target: "inflate".into(), progress, took: Duration::from_secs(seconds), failure: None }
    }

    #[test]
    fn runs_add_up() {
        let mut ledger = Ledger(Vec::new());
        ledger.add(&outcome(1000, 60), Sanitizer::None, "8c20954");
        ledger.add(&outcome(20, 30), Sanitizer::Address, "8c20954");
        ledger.add(&outcome(500, 75), Sanitizer::None, "8c20955+");
        let text = ledger.to_string();
        let today = today();
        let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1).collect();
        assert_eq!(
            rows,
            [
                format!("| inflate | address | 20 | 0.5 | 46 | 12 | {today} | 8c20954 |"),
                format!("| inflate | none | 1500 | 2.3 | 46 | 12 | {today} | 8c20955+ |"),
            ]
        );
        assert!(ledger.with_sum().ends_with("\n| all | | 1520 | 2.8 | | | | |\n"));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut ledger = Ledger(Vec::new());
        assert_eq!(Ledger::parse(&ledger.to_string()).unwrap(), ledger);
        ledger.add(&outcome(1000, 7), Sanitizer::Address, "8c20954");
        assert_eq!(Ledger::parse(&ledger.to_string()).unwrap(), ledger);
        assert!(Ledger::parse("| inflate | none | many | 1.0 | 1 | 1 | 2026-01-01 | 8c20954 |").is_err());
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (11_016, "2000-02-29"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
