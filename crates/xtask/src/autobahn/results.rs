//! `autobahn/RESULTS.md`: what the suite says of every adapter, written by `cargo xtask autobahn --all`.

use core::fmt;
use core::str::FromStr;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::DIRECTORY;
use super::case::Case;
use super::report::{COLUMNS, Row};
use super::run::Outcome;
use super::subject::Subject;
use crate::child::seconds;
use crate::failure::{Doing, Failure, Result};
use crate::workspace::Workspace;

/// The crates have one version, that of the workspace, which is also this program's.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const SUITE: &str = "autobahntestsuite";

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// The day it is in UTC.
    pub(super) fn today() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::after_epoch(since.as_secs() / 86_400)
    }

    /// The day so many days after the first of January 1970.
    fn after_epoch(mut days: u64) -> Self {
        let mut year = 1970;
        while days >= days_of_year(year) {
            days -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= days_of_month(year, month) {
            days -= days_of_month(year, month);
            month += 1;
        }
        Self { year, month, day: days + 1 }
    }
}

const fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let failure = || Failure::new(format!("{text:?} is no date; an example is 2026-02-03"));
        let numbers: core::result::Result<Vec<u64>, _> = text.split('-').map(str::parse).collect();
        let numbers = numbers.map_err(|_| failure())?;
        let &[year, month, day] = &numbers[..] else { return Err(failure()) };
        let date = Self { year, month, day };
        let exists = (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
        // What is written otherwise would not sort.
        if exists && date.to_string() == text { Ok(date) } else { Err(failure()) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Writes the file, unless a run has no result.
pub(super) fn write(
    workspace: &Workspace,
    date: Date,
    command: &str,
    subjects: &[Subject],
    results: &[Result<Outcome>],
) -> Result {
    let path = workspace.path(DIRECTORY).join("RESULTS.md");
    let outcomes: Option<Vec<&Outcome>> = results.iter().map(|result| result.as_ref().ok()).collect();
    let Some(outcomes) = outcomes else {
        println!("{} stays as it is, as a run has no result", path.display());
        return Ok(());
    };
    let requirements = workspace.path(DIRECTORY).join("requirements-py3.txt");
    let requirements =
        fs::read_to_string(&requirements).doing(|| format!("cannot read {}", requirements.display()))?;
    let suite = version(&requirements)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Results of the Autobahn testsuite\n\n\
         {date}, websans {VERSION}, {SUITE} {suite}, on {} {} with {processors} processors. This file was written by\n\n    \
         {command}\n\n\
         [README.md](README.md) says what the cases and the verdicts are. Through TLS some of the cases are run.\n\n",
        std::env::consts::ARCH,
        std::env::consts::OS,
    );
    let mut overview = Vec::new();
    let mut details = String::new();
    for (subject, outcome) in subjects.iter().zip(outcomes) {
        let title = subject.title();
        overview.push((title.clone(), outcome.report.total(), seconds(outcome.took)));
        details += &format!("\n## {title}\n\n{}", groups(&outcome.report.rows()));
        details += &told("As expected only when run a second time", &outcome.late);
        details += &told("Not as expected, also when run a second time", &outcome.failed);
    }
    text += &overview_table(&overview);
    text += &details;
    fs::write(&path, text).doing(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The version of the suite that the requirements pin.
fn version(requirements: &str) -> Result<&str> {
    let pinned = requirements.lines().find_map(|line| line.trim().strip_prefix(SUITE)?.strip_prefix("=="));
    let version = pinned.and_then(|pinned| pinned.split_whitespace().next());
    version.ok_or_else(|| Failure::new(format!("the requirements do not pin {SUITE}")))
}

fn heading(first: &str, last: Option<&str>) -> String {
    let words: Vec<&str> = [first, "cases"].into_iter().chain(COLUMNS).chain(last).collect();
    format!("| {} |\n|---{}|\n", words.join(" | "), "|---:".repeat(words.len() - 1))
}

fn numbers(row: &Row) -> String {
    row.counts.iter().fold(row.cases().to_string(), |text, count| text + &format!(" | {count}"))
}

/// A line for each subject.
fn overview_table(rows: &[(String, Row, String)]) -> String {
    rows.iter().fold(heading("adapter and role", Some("time")), |table, (title, row, time)| {
        table + &format!("| {title} | {} | {time} |\n", numbers(row))
    })
}

/// A line for each group of one subject's cases.
fn groups(rows: &[Row]) -> String {
    rows.iter().fold(heading("group", None), |table, row| {
        table + &format!("| {} | {} |\n", row.name.trim(), numbers(row))
    })
}

fn told(what: &str, cases: &[Case]) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let ids: Vec<String> = cases.iter().map(Case::to_string).collect();
    format!("\n{what}: {}.\n", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn days_are_counted() {
        for (days, date) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (20_513, "2026-03-01"),
            (20_818, "2026-12-31"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(Date::after_epoch(days).to_string(), date);
        }
    }

    #[test]
    fn dates_are_read() {
        assert_eq!("2026-02-03".parse::<Date>().unwrap(), Date { year: 2026, month: 2, day: 3 });
        assert_eq!("2024-02-29".parse::<Date>().unwrap().to_string(), "2024-02-29");
        for text in ["", "2026", "2026-2-3", "2026-13-01", "2026-02-29", "2026-00-01", "2026-01-00", "x-y-z"]
        {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_suite_has_a_version() {
        assert_eq!(version("# pins\nautobahn==0.10.9\nautobahntestsuite==25.10.1\n").unwrap(), "25.10.1");
        assert!(version("autobahntestsuite\n").is_err());
    }

    #[test]
    fn tables_have_all_counts() {
        let report = report(&[
            ("1.1.1", "OK", "OK"),
            ("1.1.2", "FAILED", "OK"),
            ("7.1.6", "INFORMATIONAL", "INFORMATIONAL"),
        ]);
        let expected = "\
| group | cases | OK | NON-STRICT | INFORMATIONAL | UNIMPLEMENTED | FAILED |
|---|---:|---:|---:|---:|---:|---:|
| 1 framing | 2 | 1 | 0 | 0 | 0 | 1 |
| 7 closing | 1 | 0 | 0 | 1 | 0 | 0 |
| all | 3 | 1 | 0 | 1 | 0 | 1 |
";
        assert_eq!(groups(&report.rows()), expected);
        let expected = "\
| adapter and role | cases | OK | NON-STRICT | INFORMATIONAL | UNIMPLEMENTED | FAILED | time |
|---|---:|---:|---:|---:|---:|---:|---:|
| std server | 3 | 1 | 0 | 1 | 0 | 1 | 4.0 s |
";
        assert_eq!(overview_table(&[("std server".into(), report.total(), "4.0 s".into())]), expected);
    }

    #[test]
    fn cases_are_named() {
        assert_eq!(told("Late", &[]), "");
        let cases = ["6.4.1", "12.1.1"].map(|id| id.parse().unwrap());
        assert_eq!(told("Late", &cases), "\nLate: 6.4.1, 12.1.1.\n");
    }
}
