//! Figures that are counted in the source, and those that other commands keep in files of their own.

use std::collections::BTreeSet;
use std::fs;

use super::Reading;
use super::value::Value;
use crate::failure::{Doing, Result, fail};
use crate::source;
use crate::table;
use crate::workspace::Workspace;

const FUZZ_LEDGER: &str = "fuzz/LEDGER.md";
const FUZZ_HEADING: [&str; 8] =
    ["target", "sanitizer", "executions", "minutes", "edges", "corpus", "last run", "commit"];

const FUZZ_MANIFEST: &str = "fuzz/Cargo.toml";

const SCHEDULES: &str = "crates/websans-testkit/SCHEDULES.md";
const SCHEDULES_HEADING: [&str; 4] = ["scenario", "schedules", "date", "commit"];

const AUTOBAHN: &str = "autobahn/RESULTS.md";
const AUTOBAHN_HEADING: [&str; 8] =
    ["adapter and role", "cases", "OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED", "time"];

const CORE: &str = "crates/websans/src/lib.rs";
/// Clippy's lints of what panics.
const PANICS: [&str; 6] = ["expect_used", "indexing_slicing", "panic", "todo", "unreachable", "unwrap_used"];

/// The text of a file, unless there is none.
fn text(workspace: &Workspace, path: &str) -> Result<Option<String>> {
    let file = workspace.path(path);
    file.exists().then(|| fs::read_to_string(&file).doing(|| format!("cannot read {path}"))).transpose()
}

#[expect(clippy::cast_precision_loss, reason = "counts to be read")]
fn number(count: u64) -> Value {
    Value::Number(count as f64)
}

/// How many executions of the fuzz targets the ledger has, of those rows whose target and sanitizer are wanted.
pub(super) fn fuzzed(workspace: &Workspace, is_wanted: fn(&str, &str) -> bool) -> Result<Option<Reading>> {
    let Some(text) = text(workspace, FUZZ_LEDGER)? else { return Ok(None) };
    executions(&text, is_wanted)
}

fn executions(text: &str, is_wanted: fn(&str, &str) -> bool) -> Result<Option<Reading>> {
    let mut sum = 0_u64;
    let mut last = None;
    for row in text.lines().filter_map(|line| table::row(line, &FUZZ_HEADING)) {
        let [target, sanitizer, executions, .., date, commit] = row[..] else {
            fail!("{FUZZ_LEDGER}: a row has {} cells: {}", row.len(), row.join(", "));
        };
        if is_wanted(target, sanitizer) {
            sum +=
                executions.parse::<u64>().doing(|| format!("{FUZZ_LEDGER}: {executions:?} of {target}"))?;
            last = last.max(Some((date, commit)));
        }
    }
    Ok(last.map(|(date, commit)| Reading { value: number(sum), of: format!("{date} {commit}") }))
}

/// How many fuzz targets there are.
pub(super) fn targets(workspace: &Workspace) -> Result<Value> {
    let Some(text) = text(workspace, FUZZ_MANIFEST)? else { fail!("there is no {FUZZ_MANIFEST}") };
    let paths = text.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    let found: BTreeSet<&str> = paths.filter(|path| workspace.path("fuzz").join(path).is_file()).collect();
    Ok(number(found.len() as u64))
}

/// How many schedules of threads and tasks have been explored.
pub(super) fn schedules(workspace: &Workspace) -> Result<Option<Reading>> {
    let Some(text) = text(workspace, SCHEDULES)? else { return Ok(None) };
    explored(&text)
}

fn explored(text: &str) -> Result<Option<Reading>> {
    for row in text.lines().filter_map(|line| table::row(line, &SCHEDULES_HEADING)) {
        if let ["all", schedules, date, commit] = row[..] {
            let schedules = schedules.parse().doing(|| format!("{SCHEDULES}: {schedules:?} schedules"))?;
            return Ok(Some(Reading { value: number(schedules), of: format!("{date} {commit}") }));
        }
    }
    Ok(None)
}

/// Of the last full run of the Autobahn testsuite, the cases that went as they should.
pub(super) fn autobahn(workspace: &Workspace) -> Result<Option<Reading>> {
    let Some(text) = text(workspace, AUTOBAHN)? else { return Ok(None) };
    let Cases { good, all, date, .. } = cases(&text)?;
    Ok(Some(Reading { value: Value::Share(good, all), of: date }))
}

/// The fewest cases that any adapter was held to, in either role, but for those through TLS.
pub(super) fn fewest_cases(workspace: &Workspace) -> Result<Option<Reading>> {
    let Some(text) = text(workspace, AUTOBAHN)? else { return Ok(None) };
    let Cases { fewest, date, .. } = cases(&text)?;
    Ok(Some(Reading { value: number(fewest as u64), of: date }))
}

struct Cases {
    /// OK, or informational, which no implementation can do better in.
    good: usize,
    all: usize,
    fewest: usize,
    date: String,
}

fn cases(text: &str) -> Result<Cases> {
    // The tables after the first are of one adapter and role each.
    let summary = text.split("\n## ").next().unwrap_or_default();
    let is_date = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit()) && line.get(4..5) == Some("-");
    let date = summary.lines().find(is_date).and_then(|line| line.get(..10));
    let Some(date) = date else { fail!("{AUTOBAHN} has no date") };
    let mut cases = Cases { good: 0, all: 0, fewest: usize::MAX, date: date.into() };
    let (mut server, mut client) = (false, false);
    for row in summary.lines().filter_map(|line| table::row(line, &AUTOBAHN_HEADING)) {
        let [role, all, ok, _, informational, _, _, _] = row[..] else {
            fail!("{AUTOBAHN}: a row has {} cells: {}", row.len(), row.join(", "));
        };
        let count = |cell: &str| cell.parse::<usize>().doing(|| format!("{AUTOBAHN}: {cell:?} of {role}"));
        let all = count(all)?;
        cases.all += all;
        cases.good += count(ok)? + count(informational)?;
        (server, client) = (server || role.ends_with(" server"), client || role.ends_with(" client"));
        if !role.ends_with(", TLS") {
            cases.fewest = cases.fewest.min(all);
        }
    }
    if !server || !client {
        fail!("{AUTOBAHN} does not have both roles");
    }
    Ok(cases)
}

/// How many lints that forbid panics the core denies.
pub(super) fn lints(workspace: &Workspace) -> Result<Value> {
    let Some(text) = text(workspace, CORE)? else { fail!("there is no {CORE}") };
    Ok(Value::Share(denied(&text), PANICS.len()))
}

fn denied(text: &str) -> usize {
    let tokens = source::tokens(text);
    let words: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        // An attribute of the whole crate: `#![deny(...)]`, or within `cfg_attr(not(test), ...)`.
        if ["deny", "forbid"].contains(word) && words.get(at + 1) == Some(&"(") {
            found.extend(words[at..].iter().take_while(|word| **word != ")"));
        }
    }
    PANICS.iter().filter(|lint| found.contains(*lint)).count()
}

/// Whether the policy on weaknesses has what readers look for.
pub(super) fn policy(workspace: &Workspace) -> Result<Value> {
    let text = text(workspace, "SECURITY.md")?.unwrap_or_default();
    let headings = ["## Reporting", "## Limits"];
    let found = headings.iter().filter(|heading| text.lines().any(|line| line == **heading)).count();
    Ok(Value::Share(found, headings.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_add_up() {
        let text = "\
| target | sanitizer | executions | minutes | edges | corpus | last run | commit |
|---|---|---:|---:|---:|---:|---|---|
| inflate | address | 20 | 0.5 | 46 | 12 | 2026-01-02 | 8c20954 |
| inflate | none | 1500 | 2.3 | 46 | 12 | 2026-01-03 | 8c20955+ |
| utf8 | none | 7 | 2.3 | 46 | 12 | 2026-01-01 | 8c20956 |
";
        let reading = |sum, of: &str| Some(Reading { value: number(sum), of: of.into() });
        assert_eq!(executions(text, |_, _| true).unwrap(), reading(1527, "2026-01-03 8c20955+"));
        assert_eq!(executions(text, |_, by| by == "address").unwrap(), reading(20, "2026-01-02 8c20954"));
        assert_eq!(executions(text, |target, _| target == "utf8").unwrap(), reading(7, "2026-01-01 8c20956"));
        assert_eq!(executions(text, |target, _| target == "mask").unwrap(), None);
        assert!(executions("| utf8 | none | many | 1 | 1 | 1 | 2026-01-01 | a |", |_, _| true).is_err());
        assert!(executions("| utf8 | none | 7 |", |_, _| true).is_err());
    }

    #[test]
    fn schedules_are_those_of_all_scenarios() {
        let text = "| scenario | schedules | date | commit |\n|---|---|---|---|\n\
                    | std::a | 3 | 2026-01-01 | abc |\n| all | 3 | 2026-01-01 | abc |\n";
        let expected = Reading { value: number(3), of: "2026-01-01 abc".into() };
        assert_eq!(explored(text).unwrap(), Some(expected));
        assert_eq!(explored("# Nothing yet").unwrap(), None);
        assert!(explored("| all | many | 2026-01-01 | abc |").is_err());
    }

    const RESULTS: &str = "\
# Results\n\n2026-11-21, websans 0.1.0\n\n\
| adapter and role | cases | OK | NON-STRICT | INFORMATIONAL | UNIMPLEMENTED | FAILED | time |\n\
|---|---:|---:|---:|---:|---:|---:|---:|\n\
| std server | 517 | 514 | 0 | 3 | 0 | 0 | 415 s |\n\
| std client | 517 | 513 | 1 | 3 | 0 | 0 | 14 min |\n\
| std server, TLS | 97 | 94 | 0 | 3 | 0 | 0 | 3.4 s |\n\n\
## std server\n\n| all | 517 | 514 | 0 | 3 | 0 | 0 |\n";

    #[test]
    fn autobahn_is_strict() {
        let found = cases(RESULTS).unwrap();
        assert_eq!((found.good, found.all, found.fewest), (1130, 1131, 517));
        assert_eq!(found.date, "2026-11-21");
        for missing in ["std client", "2026-11-21"] {
            assert!(cases(&RESULTS.replace(missing, "std server")).is_err(), "{missing}");
        }
    }

    #[test]
    fn lints_are_those_that_are_denied() {
        assert_eq!(denied("#![deny(clippy::panic)]\n#![warn(clippy::todo)]"), 1);
        assert_eq!(denied("#![cfg_attr(not(test), forbid(clippy::panic, clippy::unwrap_used))]"), 2);
        assert_eq!(denied("// #![deny(clippy::panic)]\n#![allow(clippy::panic)]"), 0);
    }
}
