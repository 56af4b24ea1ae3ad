//! What the suite says of each case.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::case::Case;
use crate::failure::{Doing, Result};

pub(crate) const OK: &str = "OK";
/// Ours, not the suite's: the opening handshake was never completed, so the rest means nothing.
const NO_HANDSHAKE: &str = "NO HANDSHAKE";
/// Ours as well.
const NOT_RUN: &str = "NOT RUN";

/// The suite's judgement in its own words: of what the peer did, and of how the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) behavior: String,
    pub(crate) close: String,
}

impl Verdict {
    pub(crate) fn new(behavior: &str, close: &str) -> Self {
        Self { behavior: behavior.into(), close: close.into() }
    }

    /// The one of [`COLUMNS`] it is counted under. A wrong ending is a failure, whatever came before.
    fn column(&self) -> usize {
        let fine = ["OK", "INFORMATIONAL"].contains(&self.close.as_str());
        let column = COLUMNS.iter().position(|column| *column == self.behavior);
        column.filter(|_| fine).unwrap_or(COLUMNS.len() - 1)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, close {}", self.behavior, self.close)
    }
}

pub(crate) const COLUMNS: [&str; 5] = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"];

pub(crate) const GROUPS: &[(u32, &str)] = &[
    (1, "framing"),
    (2, "pings and pongs"),
    (3, "reserved bits"),
    (4, "opcodes"),
    (5, "fragmentation"),
    (6, "UTF-8"),
    (7, "closing"),
    (9, "limits, performance"),
    (10, "auto-fragmentation"),
    (12, "compression, payloads"),
    (13, "compression, parameters"),
];

/// One case's result.
#[derive(Clone, Debug)]
struct Entry {
    verdict: Verdict,
    milliseconds: u64,
    /// The suite's explanation, if it is not simply OK.
    said: String,
}

/// The results of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report(BTreeMap<Case, Entry>);

impl Report {
    /// Reads `index.json` in `directory`, where one agent must be.
    pub(crate) fn read(directory: &Path, agent: &str) -> Result<Self> {
        let path = directory.join("index.json");
        let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
        let said = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
        Self::parse(&text, agent, said).doing(|| format!("cannot use {}", path.display()))
    }

    /// `said` gives the text of a file that belongs to one case.
    fn parse(text: &str, agent: &str, said: impl Fn(&str) -> String) -> Result<Self> {
        let index: Value = serde_json::from_str(text).doing(|| "not JSON".into())?;
        let mut entries = BTreeMap::new();
        for (id, result) in index[agent].as_object().into_iter().flatten() {
            let word = |key: &str| result[key].as_str().unwrap_or("?");
            let mut verdict = Verdict::new(word("behavior"), word("behaviorClose"));
            if result["opened"] == false {
                verdict = Verdict::new(NO_HANDSHAKE, &verdict.close);
            }
            let said = if verdict == Verdict::new(OK, OK) {
                String::new()
            } else {
                explanation(&said(word("reportfile")), &verdict)
            };
            let milliseconds = result["duration"].as_u64().unwrap_or_default();
            entries.insert(id.parse()?, Entry { verdict, milliseconds, said });
        }
        Ok(Self(entries))
    }

    pub(crate) fn verdict(&self, case: &Case) -> Verdict {
        self.0.get(case).map_or_else(|| Verdict::new(NOT_RUN, NOT_RUN), |entry| entry.verdict.clone())
    }

    pub(crate) fn said(&self, case: &Case) -> &str {
        self.0.get(case).map_or("", |entry| &entry.said)
    }

    /// Takes over the results of a second run of some cases.
    pub(crate) fn replace(&mut self, again: Self) {
        self.0.extend(again.0);
    }

    /// A row for each group of cases, and one for all.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let groups: BTreeSet<u32> = self.0.keys().map(Case::group).collect();
        let mut rows: Vec<Row> = groups
            .into_iter()
            .map(|group| {
                let name = GROUPS.iter().find(|(number, _)| *number == group).map_or("?", |(_, name)| name);
                let cases = self.0.iter().filter(|(case, _)| case.group() == group);
                Row::new(format!("{group:>2} {name}"), cases.map(|(_, entry)| entry))
            })
            .collect();
        rows.push(self.total());
        rows
    }

    /// The row for all cases.
    pub(crate) fn total(&self) -> Row {
        Row::new("all".into(), self.0.values())
    }

    /// The rows for the terminal.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:<28} {:>5}", "group", "cases");
        COLUMNS.iter().for_each(|column| table += &format!(" {column:>13}"));
        table += &format!(" {:>8}\n", "time");
        self.rows().iter().for_each(|row| table += &row.line());
        table
    }

    /// The numbers of the table's last line, in words.
    pub(crate) fn summary(&self) -> String {
        let counts: Vec<String> = COLUMNS
            .iter()
            .zip(self.total().counts)
            .map(|(column, count)| format!("{count} {column}"))
            .collect();
        counts.join(", ")
    }
}

/// The numbers of some cases: how many there are of each of [`COLUMNS`], and how long all of them took.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) counts: [usize; COLUMNS.len()],
    milliseconds: u64,
}

impl Row {
    fn new<'e>(name: String, entries: impl Iterator<Item = &'e Entry>) -> Self {
        let mut row = Self { name, counts: [0; COLUMNS.len()], milliseconds: 0 };
        for entry in entries {
            row.counts[entry.verdict.column()] += 1;
            row.milliseconds += entry.milliseconds;
        }
        row
    }

    pub(crate) fn cases(&self) -> usize {
        self.counts.iter().sum()
    }

    fn line(&self) -> String {
        let mut line = format!("{:<28} {:>5}", self.name, self.cases());
        for count in self.counts {
            let shown = if count == 0 { ".".into() } else { count.to_string() };
            line += &format!(" {shown:>13}");
        }
        line + &format!(" {:>6}.{} s\n", self.milliseconds / 1000, self.milliseconds % 1000 / 100)
    }
}

/// The suite's own words in the report of one case: what it expects, and what was wrong.
fn explanation(text: &str, verdict: &Verdict) -> String {
    let detail: Value = serde_json::from_str(text).unwrap_or_default();
    let mut words = Vec::new();
    for (key, is_of_interest) in [
        ("expectation", true),
        ("result", !["OK", "NON-STRICT"].contains(&verdict.behavior.as_str())),
        ("resultClose", verdict.close != OK),
    ] {
        if let Some(said) = detail[key].as_str().filter(|_| is_of_interest) {
            words.extend(said.split_whitespace());
        }
    }
    words.join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A report of these cases, ids with behaviours and closing behaviours.
    pub(crate) fn report(cases: &[(&str, &str, &str)]) -> Report {
        let mut index = serde_json::Map::new();
        for (case, behavior, close) in cases {
            let result = serde_json::json!({
                "behavior": behavior, "behaviorClose": close, "opened": true, "duration": 1250,
                "reportfile": format!("{case}.json"),
            });
            index.insert((*case).into(), result);
        }
        let said = |_: &str| {
            r#"{"expectation": "A pong.", "result": "Actual events\n differ.", "resultClose": "Not closed."}"#
                .into()
        };
        Report::parse(&serde_json::json!({ "peer": index }).to_string(), "peer", said).unwrap()
    }

    fn case(id: &str) -> Case {
        id.parse().unwrap()
    }

    #[test]
    fn verdicts_come_with_reasons() {
        let report = report(&[("1.1.1", "OK", "OK"), ("2.9", "FAILED", "OK"), ("2.10", "OK", "UNCLEAN")]);
        assert_eq!(report.verdict(&case("1.1.1")), Verdict::new(OK, OK));
        assert_eq!(report.said(&case("1.1.1")), "");
        assert_eq!(report.said(&case("2.9")), "A pong. Actual events differ.");
        assert_eq!(report.said(&case("2.10")), "A pong. Not closed.");
    }

    #[test]
    fn silence_is_not_success() {
        let text = r#"{"peer": {"7.1.6": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL",
            "opened": false, "duration": 0, "reportfile": "x"}}}"#;
        let report = Report::parse(text, "peer", |_| String::new()).unwrap();
        assert_eq!(report.verdict(&case("7.1.6")).behavior, NO_HANDSHAKE);
        assert_eq!(report.verdict(&case("7.1.5")), Verdict::new(NOT_RUN, NOT_RUN));
        assert!(Report::parse("{}", "peer", |_| String::new()).unwrap().0.is_empty());
        assert!(Report::parse("", "peer", |_| String::new()).is_err());
    }

    #[test]
    fn a_second_run_replaces_verdicts() {
        let mut first = report(&[("1.1.1", "OK", "OK"), ("2.9", "FAILED", "OK"), ("2.10", "OK", "UNCLEAN")]);
        first.replace(report(&[("2.9", "OK", "OK")]));
        assert_eq!(first.verdict(&case("2.9")), Verdict::new(OK, OK));
        assert_eq!(first.verdict(&case("2.10")), Verdict::new(OK, "UNCLEAN"));
        assert_eq!(first.total().counts, [2, 0, 0, 0, 1]);
    }

    #[test]
    fn the_table_has_a_line_for_each_group() {
        let report = report(&[
            ("1.1.1", "OK", "OK"),
            ("1.1.2", "OK", "FAILED"),
            ("7.1.6", "INFORMATIONAL", "INFORMATIONAL"),
            ("12.1.1", "UNIMPLEMENTED", "OK"),
        ]);
        let expected = "\
group                        cases            OK    NON-STRICT INFORMATIONAL UNIMPLEMENTED        FAILED     time
 1 framing                       2             1             .             .             .             1      2.5 s
 7 closing                       1             .             .             1             .             .      1.2 s
12 compression, payloads         1             .             .             .             1             .      1.2 s
all                              4             1             .             1             1             1      5.0 s
";
        assert_eq!(report.table(), expected);
        assert_eq!(report.summary(), "1 OK, 0 NON-STRICT, 1 INFORMATIONAL, 1 UNIMPLEMENTED, 1 FAILED");
    }
}
