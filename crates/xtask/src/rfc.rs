//! `cargo xtask rfc`: whether every requirement of RFC 6455 has a test.
//!
//! The requirements are rows of a table in Markdown, each with a number. A test for row 40 is a function whose
//! name starts with `r040_`, wherever in the crates it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::failure::{Doing, Result, fail};
use crate::source::{self, Token};
use crate::workspace::Workspace;

const TABLE: &str = "crates/websans/tests/rfc6455/requirements.md";
const HEADING: [&str; 6] = ["Row", "Section", "Level", "Who", "Requirement", "Pending"];

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
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

/// Holds the table against the tests.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let path = workspace.path(TABLE);
    let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
    let requirements = parse(&text)?;

    let crates = workspace.path("crates");
    let directories = [source::in_crates(&crates, "tests")?, source::in_crates(&crates, "src")?].concat();
    let mut tested: BTreeMap<u32, usize> = BTreeMap::new();
    let mut wrong = 0;
    for directory in directories {
        for path in source::files(&directory)? {
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            for test in tests(&source::tokens(&text)) {
                if requirements.contains_key(&test.row) && test.name == named(test.row, &test.name) {
                    *tested.entry(test.row).or_default() += 1;
                } else {
                    println!("{}:{}: {} is named after no row", path.display(), test.line, test.name);
                    wrong += 1;
                }
            }
        }
    }

    let missing = untested(&requirements, &tested.keys().copied().collect());
    for (row, requirement) in &missing {
        let Requirement { section, who, text, pending } = requirement;
        let state = pending.as_ref().map_or("no test".into(), |reason| format!("pending: {reason}"));
        println!("row {row} (section {section}, {who}): {text}\n    {state}");
    }
    let stale = requirements.iter().filter(|(row, r)| r.pending.is_some() && tested.contains_key(row));
    let stale: Vec<String> = stale.map(|(row, _)| row.to_string()).collect();
    let pending = missing.iter().filter(|(_, requirement)| requirement.pending.is_some()).count();
    println!(
        "{} requirements: {} with {} tests, {pending} pending, {} without a test",
        requirements.len(),
        tested.len(),
        tested.values().sum::<usize>(),
        missing.len() - pending,
    );
    if wrong > 0 {
        fail!("{wrong} tests are named after rows that {TABLE} does not have");
    }
    if !stale.is_empty() {
        fail!("marked as pending though tested: row {}", stale.join(", "));
    }
    if missing.len() > pending {
        fail!("{} requirements have no test", missing.len() - pending);
    }
    Ok(())
}

fn untested<'r>(rows: &'r BTreeMap<u32, Requirement>, tested: &BTreeSet<u32>) -> Vec<(u32, &'r Requirement)> {
    rows.iter()
        .filter(|(row, _)| !tested.contains(row))
        .map(|(row, requirement)| (*row, requirement))
        .collect()
}

/// The rows of all tables in the file, by number.
fn parse(text: &str) -> Result<BTreeMap<u32, Requirement>> {
    let mut rows = BTreeMap::new();
    for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        let Some(cells) = cells(text) else { continue };
        if cells == HEADING || cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':')) {
            continue;
        }
        let [row, section, level, who, requirement, pending] = cells[..] else {
            fail!("{TABLE}:{line}: a row has {} cells: {}", HEADING.len(), HEADING.join(", "));
        };
        let number = row.parse().doing(|| format!("{TABLE}:{line}: {row:?} is no row number"))?;
        if [section, level, who, requirement].contains(&"") {
            fail!("{TABLE}:{line}: row {row} has an empty cell");
        }
        let requirement = Requirement {
            section: section.into(),
            who: who.into(),
            text: requirement.into(),
            pending: (!pending.is_empty()).then(|| pending.into()),
        };
        if rows.insert(number, requirement).is_some() {
            fail!("{TABLE}:{line}: row {row} is there twice");
        }
    }
    if rows.is_empty() {
        fail!("{TABLE} has no rows");
    }
    Ok(rows)
}

/// The cells of a line of a Markdown table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// Test functions called `r`, digits, `_` and anything. Ignored tests are not counted: nothing runs them.
fn tests(tokens: &[Token<'_>]) -> Vec<Test> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    let mut at = 0;
    while at < tokens.len() {
        match (tokens[at].text, tokens.get(at + 1)) {
            ("#", Some(next)) if next.text == "[" => {
                let (path, end) = attribute(tokens, at + 2);
                is_test |= path == Some("test");
                is_ignored |= path == Some("ignore");
                at = end;
                continue;
            }
            ("fn", Some(next)) => {
                if let Some(row) = row_of(next.text).filter(|_| is_test && !is_ignored) {
                    found.push(Test { row, name: next.text.into(), line: next.line });
                }
                (is_test, is_ignored) = (false, false);
            }
            // The end of an item: attributes seen before it were not for the next one.
            ("{" | "}" | ";", _) => (is_test, is_ignored) = (false, false),
            _ => {}
        }
        at += 1;
    }
    found
}

/// The last segment of an attribute's path (`test` of `#[tokio::test]`), and where the attribute ends.
fn attribute<'s>(tokens: &[Token<'s>], start: usize) -> (Option<&'s str>, usize) {
    let is_path = |token: &&Token<'_>| token.text == ":" || !is_mark(token.text);
    let path = tokens[start..].iter().take_while(is_path).last().map(|token| token.text);
    let mut depth = 1;
    let mut end = start;
    while end < tokens.len() && depth > 0 {
        depth += match tokens[end].text {
            "[" => 1,
            "]" => -1,
            _ => 0,
        };
        end += 1;
    }
    (path, end)
}

fn is_mark(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_punctuation() && c != '_')
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

    #[test]
    fn a_table_is_read() {
        let rows = parse(GOOD).unwrap();
        assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [1, 26]);
        assert_eq!(rows[&1].pending, None);
        assert_eq!(rows[&26].pending.as_deref(), Some("needs the dialler"));
        assert_eq!(rows[&1].text, "The method is GET.");
    }

    #[test]
    fn a_bad_table_is_refused() {
        for (line, about) in [
            ("| 2 | 4.1 | MUST | client | Too few. |", "6 cells"),
            ("| 1 | 4.1 | MUST | client | Again. | |", "twice"),
            ("| x | 4.1 | MUST | client | Which? | |", "no row number"),
            ("| 3 | 4.1 | MUST | client | | |", "empty cell"),
        ] {
            let failure = parse(&format!("{GOOD}{line}\n")).unwrap_err().to_string();
            assert!(failure.contains(about), "{line}: {failure}");
        }
        assert!(parse("no table").is_err());
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
        let rows = parse(GOOD).unwrap();
        let missing = |tested: &[u32]| {
            untested(&rows, &tested.iter().copied().collect()).iter().map(|(row, _)| *row).collect::<Vec<_>>()
        };
        assert_eq!(missing(&[1]), [26]);
        assert_eq!(missing(&[]), [1, 26]);
        assert!(missing(&[1, 26]).is_empty());
    }
}
