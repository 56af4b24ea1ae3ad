//! `cargo xtask museum`: whether every attack that is known has a test.
//!
//! The attacks are rows of tables in one file in Markdown. What a row is called is the public id of an advisory, or a
//! word of our own for the shape of a defect that has none. A test for CVE-2020-27813 is a function whose name starts
//! with `cve_2020_27813_`, wherever in the crates it is. A row names the tests it has, so that one test can serve
//! several rows, or says why it needs none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::failure::{Doing, Result, fail};
use crate::source;
use crate::table;
use crate::workspace::Workspace;

const TABLE: &str = "crates/websans/tests/museum/exhibits.md";
const HEADING: [&str; 4] = ["Exhibit", "Shape", "Required", "Test"];
/// What the last cell begins with if there is no test.
const NONE: &str = "does not apply: ";

/// One row of a table.
#[derive(Debug, PartialEq, Eq)]
struct Exhibit {
    /// The heading it stands under.
    room: String,
    line: usize,
    /// Its ids, as the names of tests begin with them.
    ids: Vec<String>,
    /// The ids that its tests are named after. None: it does not apply.
    tests: Vec<String>,
}

/// The rows of all tables, and the tests that are named after them.
struct Found {
    exhibits: Vec<Exhibit>,
    /// How many tests are named after an id.
    tested: BTreeMap<String, usize>,
    /// Where there is a test that is named after no row.
    wrong: Vec<String>,
}

fn find(workspace: &Workspace) -> Result<Found> {
    let path = workspace.path(TABLE);
    let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
    let exhibits = parse(&text)?;
    let ids: BTreeSet<&str> = exhibits.iter().flat_map(|exhibit| &exhibit.ids).map(String::as_str).collect();

    let mut tested: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, text) in source::of_crates(&workspace.path("crates"))? {
        for test in source::tests(&source::tokens(&text)) {
            match after(test.text, &ids) {
                Some(id) => *tested.entry(id.into()).or_default() += 1,
                None if is_id(test.text) => {
                    wrong.push(format!(
                        "{}:{}: {} is named after no row",
                        path.display(),
                        test.line,
                        test.text
                    ));
                }
                None => {}
            }
        }
    }
    Ok(Found { exhibits, tested, wrong })
}

/// How many rows that apply have all their tests, and how many apply.
pub(crate) fn tested(workspace: &Workspace) -> Result<(usize, usize)> {
    let Found { exhibits, tested, .. } = find(workspace)?;
    let missing: BTreeSet<usize> = untested(&exhibits, &tested).into_iter().map(|(line, _)| line).collect();
    let apply = exhibits.iter().filter(|exhibit| !exhibit.tests.is_empty()).count();
    Ok((apply - missing.len(), apply))
}

/// Holds the table against the tests.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let Found { exhibits, tested, wrong } = find(workspace)?;
    wrong.iter().for_each(|line| println!("{line}"));

    let missing = untested(&exhibits, &tested);
    for (line, id) in &missing {
        println!("{TABLE}:{line}: no test starts with {id}_");
    }
    for room in rooms(&exhibits) {
        println!("{room}: {}", totals(&exhibits, &tested, |exhibit| exhibit.room == room));
    }
    println!("all: {}", totals(&exhibits, &tested, |_| true));
    if !wrong.is_empty() {
        fail!("{} tests are named after attacks that are not in {TABLE}", wrong.len());
    }
    if !missing.is_empty() {
        fail!("{} tests are missing", missing.len());
    }
    Ok(())
}

/// The headings, in their order.
fn rooms(exhibits: &[Exhibit]) -> Vec<&str> {
    let mut rooms: Vec<&str> = exhibits.iter().map(|exhibit| exhibit.room.as_str()).collect();
    rooms.dedup();
    rooms
}

/// How many of the chosen rows there are, and how they fare.
fn totals(
    exhibits: &[Exhibit],
    tested: &BTreeMap<String, usize>,
    chosen: impl Fn(&Exhibit) -> bool,
) -> String {
    let (mut rows, mut ids, mut without) = (0, 0, 0);
    let mut named = BTreeSet::new();
    for exhibit in exhibits.iter().filter(|exhibit| chosen(exhibit)) {
        rows += 1;
        ids += exhibit.ids.len();
        without += usize::from(exhibit.tests.is_empty());
        named.extend(&exhibit.tests);
    }
    let tests: usize = named.into_iter().filter_map(|id| tested.get(id.as_str())).sum();
    format!("{rows} rows with {ids} ids, {tests} tests, {without} rows that do not apply")
}

fn untested<'e>(exhibits: &'e [Exhibit], tested: &BTreeMap<String, usize>) -> Vec<(usize, &'e str)> {
    let wanted =
        exhibits.iter().flat_map(|exhibit| exhibit.tests.iter().map(|id| (exhibit.line, id.as_str())));
    wanted.filter(|(_, id)| !tested.contains_key(*id)).collect()
}

/// The rows of the tables in `text`.
fn parse(text: &str) -> Result<Vec<Exhibit>> {
    let mut exhibits: Vec<Exhibit> = Vec::new();
    let mut room = "";
    for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        room = text.strip_prefix("## ").unwrap_or(room);
        let Some(cells) = table::row(text, &HEADING) else { continue };
        let [names, shape, required, tests] = cells[..] else {
            fail!("{TABLE}:{line}: a row has {} cells: {}", HEADING.len(), HEADING.join(", "));
        };
        if [names, shape, required, tests].contains(&"") {
            fail!("{TABLE}:{line}: a cell is empty");
        }
        if room.is_empty() {
            fail!("{TABLE}:{line}: a row is under no heading");
        }
        let ids: Vec<String> = names.split(", ").map(as_prefix).collect();
        for (at, id) in ids.iter().enumerate() {
            if !is_id(id) {
                fail!("{TABLE}:{line}: {id} is no id");
            }
            let others = exhibits.iter().flat_map(|exhibit| &exhibit.ids).chain(&ids[..at]);
            if others.into_iter().any(|other| other == id) {
                fail!("{TABLE}:{line}: {id} is there twice");
            }
        }
        let tests = if tests.strip_prefix(NONE).is_some_and(|reason| !reason.is_empty()) {
            Vec::new()
        } else {
            tests.split(", ").map(as_prefix).collect()
        };
        exhibits.push(Exhibit { room: room.into(), line, ids, tests });
    }
    if exhibits.is_empty() {
        fail!("{TABLE} has no rows");
    }
    for exhibit in &exhibits {
        for test in &exhibit.tests {
            if !exhibits.iter().any(|other| other.ids.contains(test)) {
                fail!(
                    "{TABLE}:{}: tests cannot be named after {test}, which is no id of the tables",
                    exhibit.line
                );
            }
        }
    }
    Ok(exhibits)
}

/// What the names of an id's tests begin with, the last underscore aside.
fn as_prefix(id: &str) -> String {
    id.trim_matches('`').to_lowercase().replace('-', "_")
}

/// Whether a name begins as an id does.
fn is_id(name: &str) -> bool {
    let Some((kind, rest)) = name.split_once('_') else { return false };
    match kind {
        "cve" | "rustsec" | "pysec" | "attack" => rest.starts_with(|c: char| c.is_ascii_digit()),
        "ghsa" | "shape" => !rest.is_empty(),
        _ => false,
    }
}

/// The id that a test is named after: the longest, as one may be the beginning of another.
fn after<'i>(name: &str, ids: &BTreeSet<&'i str>) -> Option<&'i str> {
    let ends = name.match_indices('_').map(|(at, _)| at).rev();
    ends.filter_map(|end| ids.get(&name[..end]).copied()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
# Title\n\nWords | with a bar.\n\n## Lengths\n\n\
| Exhibit | Shape | Required | Test |\n\
|---|---|---|---|\n\
| CVE-2020-27813, GHSA-rhh8-5xw9-c3gm | A length. | 1002 | `cve_2020_27813` |\n\
| CVE-2020-13935 | Another. | 1002 | `cve_2020_27813`, `shape_quadratic_drain` |\n\n\
## Floods\n\n\
| shape_quadratic_drain | Moved. | linear | `shape_quadratic_drain` |\n\
| RUSTSEC-2019-0033 | Elsewhere. | none | does not apply: no map is kept |\n";

    #[test]
    fn a_table_is_read() {
        let exhibits = parse(GOOD).unwrap();
        assert_eq!(rooms(&exhibits), ["Lengths", "Floods"]);
        assert_eq!(exhibits[0].ids, ["cve_2020_27813", "ghsa_rhh8_5xw9_c3gm"]);
        assert_eq!(exhibits[1].tests, ["cve_2020_27813", "shape_quadratic_drain"]);
        assert!(exhibits[3].tests.is_empty());
    }

    #[test]
    fn a_bad_table_is_refused() {
        for (line, about) in [
            ("| CVE-2020-1 | Too few. | x |", "4 cells"),
            ("| CVE-2020-1 | | x | `cve_2020_1` |", "empty"),
            ("| CVE-2020-13935 | Again. | x | `cve_2020_13935` |", ":16: cve_2020_13935 is there twice"),
            ("| CVE-2020-1, CVE-2020-1 | Twice. | x | `cve_2020_1` |", "twice"),
            ("| Something | What? | x | `something` |", "no id"),
            ("| CVE-2020-1 | Whose? | x | `cve_2020_2` |", "named after cve_2020_2"),
            ("| CVE-2020-1 | Why? | x | does not apply: |", "named after does not apply"),
        ] {
            let failure = parse(&format!("{GOOD}{line}\n")).unwrap_err().to_string();
            assert!(failure.contains(about), "{line}: {failure}");
        }
        assert!(
            parse("| CVE-2020-1 | A. | b | `cve_2020_1` |")
                .unwrap_err()
                .to_string()
                .contains("under no heading")
        );
        assert!(parse("## Words\n\nand no table").is_err());
    }

    #[test]
    fn tests_are_told_by_their_names() {
        let ids = BTreeSet::from(["cve_2020_27813", "shape_drain", "shape_drain_twice"]);
        assert_eq!(after("cve_2020_27813_length", &ids), Some("cve_2020_27813"));
        assert_eq!(after("shape_drain_once", &ids), Some("shape_drain"));
        assert_eq!(after("shape_drain_twice_over", &ids), Some("shape_drain_twice"));
        for name in ["cve_2020_278130_length", "cve_2020_2781_x", "shape_drained", "cve_2020_27813", "r040_x"]
        {
            assert_eq!(after(name, &ids), None, "{name}");
        }
        for (name, expected) in [
            ("cve_2020_1_x", true),
            ("rustsec_2022_0035_x", true),
            ("ghsa_rhh8_x", true),
            ("shape_x", true),
            ("attack_06_x", true),
            ("attacks_are_what_they_are_said_to_be", false),
            ("attack_trees", false),
            ("shapes", false),
        ] {
            assert_eq!(is_id(name), expected, "{name}");
        }
    }

    #[test]
    fn rows_without_tests_are_told() {
        let exhibits = parse(GOOD).unwrap();
        let tested = BTreeMap::from([("cve_2020_27813".to_owned(), 2)]);
        assert_eq!(
            untested(&exhibits, &tested),
            [(10, "shape_quadratic_drain"), (14, "shape_quadratic_drain")]
        );
        assert_eq!(
            totals(&exhibits, &tested, |_| true),
            "4 rows with 5 ids, 2 tests, 1 rows that do not apply"
        );
        let of = |room| totals(&exhibits, &tested, |exhibit| exhibit.room == room);
        assert_eq!(of("Floods"), "2 rows with 2 ids, 0 tests, 1 rows that do not apply");
        let tested = [("cve_2020_27813", 2), ("shape_quadratic_drain", 1)]
            .map(|(id, tests)| (id.to_owned(), tests))
            .into();
        assert!(untested(&exhibits, &tested).is_empty());
    }
}
