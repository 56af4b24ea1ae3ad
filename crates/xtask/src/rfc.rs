//! `cargo xtask rfc`: whether every requirement of RFC 6455, RFC 7692 and RFC 8441 has a test.
//!
//! The requirements are rows of tables in Markdown, one file for each RFC. Each row has a number that is its own in all
//! of them. A test for row 40 is a function whose name starts with `r040_`, wherever in the crates it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::failure::{Doing, Result, fail};
use crate::source::{self, Token};
use crate::table;
use crate::workspace::Workspace;

const TABLES: [&str; 3] = [
    "crates/websans/tests/rfc6455/requirements.md",
    "crates/websans-deflate/tests/rfc7692/requirements.md",
    "crates/websans/tests/rfc8441/requirements.md",
];
const HEADING: [&str; 6] = ["Row", "Section", "Level", "Who", "Requirement", "Pending"];

/// One row of a table.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    /// The file it is in.
    table: &'static str,
    section: String,
    who: String,
    text: String,
    /// Why it has no test yet.
    pending: Option<String>,
}

/// A test named after a row.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    row: u32,
    name: String,
    line: usize,
}

/// The rows of all tables, and the tests that are named after them.
struct Found {
    requirements: BTreeMap<u32, Requirement>,
    /// How many tests a row has.
    tested: BTreeMap<u32, usize>,
    /// Where there is a test that is named after no row.
    wrong: Vec<String>,
}

fn find(workspace: &Workspace) -> Result<Found> {
    let mut requirements = BTreeMap::new();
    for table in TABLES {
        let path = workspace.path(table);
        let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
        parse(table, &text, &mut requirements)?;
    }

    let mut tested: BTreeMap<u32, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, text) in source::of_crates(&workspace.path("crates"))? {
        for test in tests(&source::tokens(&text)) {
            if requirements.contains_key(&test.row) && test.name == named(test.row, &test.name) {
                *tested.entry(test.row).or_default() += 1;
            } else {
                wrong.push(format!("{}:{}: {} is named after no row", path.display(), test.line, test.name));
            }
        }
    }
    Ok(Found { requirements, tested, wrong })
}

/// How many rows have a test, and how many there are.
pub(crate) fn tested(workspace: &Workspace) -> Result<(usize, usize)> {
    let Found { requirements, tested, .. } = find(workspace)?;
    Ok((tested.len(), requirements.len()))
}

/// Holds the tables against the tests.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let Found { requirements, tested, wrong } = find(workspace)?;
    wrong.iter().for_each(|line| println!("{line}"));
    let missing = untested(&requirements, &tested.keys().copied().collect());
    for (row, requirement) in &missing {
        let Requirement { table, section, who, text, pending } = requirement;
        let state = pending.as_ref().map_or("no test".into(), |reason| format!("pending: {reason}"));
        println!("row {row} (section {section}, {who}): {text}\n    {state}, see {table}");
    }
    let stale = requirements.iter().filter(|(row, r)| r.pending.is_some() && tested.contains_key(row));
    let stale: Vec<String> = stale.map(|(row, _)| row.to_string()).collect();
    let pending = missing.iter().filter(|(_, requirement)| requirement.pending.is_some()).count();
    for table in TABLES {
        println!("{table}: {}", totals(&requirements, &tested, |requirement| requirement.table == table));
    }
    println!("all: {}", totals(&requirements, &tested, |_| true));
    if !wrong.is_empty() {
        fail!("{} tests are named after rows that no table has", wrong.len());
    }
    if !stale.is_empty() {
        fail!("marked as pending though tested: row {}", stale.join(", "));
    }
    if missing.len() > pending {
        fail!("{} requirements have no test", missing.len() - pending);
    }
    Ok(())
}

/// How many of the chosen requirements there are, and how they fare.
fn totals(
    rows: &BTreeMap<u32, Requirement>,
    tested: &BTreeMap<u32, usize>,
    chosen: impl Fn(&Requirement) -> bool,
) -> String {
    let (mut all, mut with, mut tests, mut pending) = (0, 0, 0, 0);
    for (row, requirement) in rows.iter().filter(|(_, requirement)| chosen(requirement)) {
        let count = tested.get(row).copied().unwrap_or_default();
        all += 1;
        with += usize::from(count > 0);
        tests += count;
        pending += usize::from(count == 0 && requirement.pending.is_some());
    }
    let without = all - with - pending;
    format!("{all} requirements: {with} with {tests} tests, {pending} pending, {without} without a test")
}

fn untested<'r>(rows: &'r BTreeMap<u32, Requirement>, tested: &BTreeSet<u32>) -> Vec<(u32, &'r Requirement)> {
    rows.iter()
        .filter(|(row, _)| !tested.contains(row))
        .map(|(row, requirement)| (*row, requirement))
        .collect()
}

/// Adds the rows of the file `table`, by number.
fn parse(table: &'static str, text: &str, rows: &mut BTreeMap<u32, Requirement>) -> Result {
    let before = rows.len();
    for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        let Some(cells) = table::row(text, &HEADING) else { continue };
        let [row, section, level, who, requirement, pending] = cells[..] else {
            fail!("{table}:{line}: a row has {} cells: {}", HEADING.len(), HEADING.join(", "));
        };
        let number = row.parse().doing(|| format!("{table}:{line}: {row:?} is no row number"))?;
        if [section, level, who, requirement].contains(&"") {
            fail!("{table}:{line}: row {row} has an empty cell");
        }
        let requirement = Requirement {
            table,
            section: section.into(),
            who: who.into(),
            text: requirement.into(),
            pending: (!pending.is_empty()).then(|| pending.into()),
        };
        if let Some(other) = rows.insert(number, requirement) {
            fail!("{table}:{line}: row {row} is there twice, see {}", other.table);
        }
    }
    if rows.len() == before {
        fail!("{table} has no rows");
    }
    Ok(())
}

/// Test functions called `r`, digits, `_` and anything.
fn tests(tokens: &[Token<'_>]) -> Vec<Test> {
    let found = source::tests(tokens).into_iter();
    found
        .filter_map(|test| row_of(test.text).map(|row| Test { row, name: test.text.into(), line: test.line }))
        .collect()
}

/// The number in a name like `r040_unmasked_frame`.
fn row_of(name: &str) -> Option<u32> {
    let rest = name.strip_prefix('r')?;
    let (digits, _) = rest.split_once('_')?;
    digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// `name` with its row number in three digits, as it has to be.
fn named(row: u32, name: &str) -> String {
    let rest = name.split_once('_').map_or("", |(_, rest)| rest);
    format!("r{row:03}_{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
# Title\n\nWords | with a bar.\n\n\
| Row | Section | Level | Who | Requirement | Pending |\n\
|---|---|---|---|---|---|\n\
| 1 | 4.2.1 | MUST | server | The method is GET. | |\n\
| 26 | 4.1 | MUST | client | One at a time. | needs the dialler |\n";

    const MORE: &str = "| 80 | 7 | MUST | server | It is declined. | |\n";

    fn parsed(tables: &[&str]) -> Result<BTreeMap<u32, Requirement>> {
        let mut rows = BTreeMap::new();
        for (name, text) in ["first.md", "second.md"].into_iter().zip(tables) {
            parse(name, text, &mut rows)?;
        }
        Ok(rows)
    }

    #[test]
    fn a_table_is_read() {
        let rows = parsed(&[GOOD]).unwrap();
        assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [1, 26]);
        assert_eq!(rows[&1].pending, None);
        assert_eq!(rows[&26].pending.as_deref(), Some("needs the dialler"));
        assert_eq!(rows[&1].text, "The method is GET.");
    }

    #[test]
    fn tables_have_their_rows_together() {
        let rows = parsed(&[GOOD, MORE]).unwrap();
        assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [1, 26, 80]);
        assert_eq!((rows[&1].table, rows[&80].table), ("first.md", "second.md"));
        // A number is one row's in all of them, and none of them is empty.
        let failure = parsed(&[MORE, MORE]).unwrap_err().to_string();
        assert!(failure.contains("second.md:1: row 80 is there twice, see first.md"), "{failure}");
        assert!(parsed(&[GOOD, "no table"]).unwrap_err().to_string().contains("second.md has no rows"));
    }

    #[test]
    fn totals_are_of_what_was_chosen() {
        let rows = parsed(&[GOOD, MORE]).unwrap();
        let tested = BTreeMap::from([(1, 2), (80, 3)]);
        let of = |table| totals(&rows, &tested, |row| row.table == table);
        assert_eq!(of("first.md"), "2 requirements: 1 with 2 tests, 1 pending, 0 without a test");
        assert_eq!(of("second.md"), "1 requirements: 1 with 3 tests, 0 pending, 0 without a test");
        let all = totals(&rows, &BTreeMap::new(), |_| true);
        assert_eq!(all, "3 requirements: 0 with 0 tests, 1 pending, 2 without a test");
    }

    #[test]
    fn a_bad_table_is_refused() {
        for (line, about) in [
            ("| 2 | 4.1 | MUST | client | Too few. |", "6 cells"),
            ("| 1 | 4.1 | MUST | client | Again. | |", "twice"),
            ("| x | 4.1 | MUST | client | Which? | |", "no row number"),
            ("| 3 | 4.1 | MUST | client | | |", "empty cell"),
        ] {
            let failure = parsed(&[&format!("{GOOD}{line}\n")]).unwrap_err().to_string();
            assert!(failure.contains(about), "{line}: {failure}");
        }
        assert!(parsed(&["no table"]).is_err());
    }

    fn found(source: &str) -> Vec<(u32, String)> {
        tests(&source::tokens(source)).into_iter().map(|test| (test.row, test.name)).collect()
    }

    #[test]
    fn tests_are_found_by_attribute() {
        assert_eq!(found("#[test]\nfn r040_unmasked() {}"), [(40, "r040_unmasked".into())]);
        assert_eq!(found("#[tokio::test(flavor = \"x\")]\nasync fn r001_get() {}"), [(1, "r001_get".into())]);
        assert_eq!(found("#[test]\n#[should_panic]\nfn r7_x() {}"), [(7, "r7_x".into())]);
        assert_eq!(
            found(
                "proptest! {\n #![config(x)]\n /// Doc.\n #[test]\n fn r052_utf8(x in 0..9u8) { f(x); }\n}"
            ),
            [(52, "r052_utf8".into())]
        );
    }

    #[test]
    fn what_does_not_run_is_no_test() {
        for source in [
            "fn r040_helper() {}",
            "// #[test]\nfn r040_comment() {}",
            "#[test]\n#[ignore]\nfn r040_ignored() {}",
            "#[ignore = \"slow\"]\n#[test]\nfn r040_ignored() {}",
            "#[cfg(test)]\nfn r040_config() {}",
            "#[test]\nconst X: u8 = 1;\nfn r040_after() {}",
            "\"#[test] fn r040_text() {}\"",
            "#[test]\nfn round_trip() {}",
            "#[test]\nfn r040() {}",
        ] {
            assert!(found(source).is_empty(), "{source}");
        }
    }

    #[test]
    fn rows_have_three_digits() {
        assert_eq!(named(7, "r7_x"), "r007_x");
        assert_eq!(named(40, "r040_unmasked_frame"), "r040_unmasked_frame");
    }

    #[test]
    fn rows_without_tests_are_told() {
        let rows = parsed(&[GOOD]).unwrap();
        let missing = |tested: &[u32]| {
            untested(&rows, &tested.iter().copied().collect()).iter().map(|(row, _)| *row).collect::<Vec<_>>()
        };
        assert_eq!(missing(&[1]), [26]);
        assert_eq!(missing(&[]), [1, 26]);
        assert!(missing(&[1, 26]).is_empty());
    }
}
