//! `cargo xtask coverage`: which lines of the core and of compression no test reaches.
//!
//! Lines are those that the compiler made code of, in the source of the two crates alone: their own unit tests do not
//! count. What is not reached is either about to be tested, or listed in a table with the reason.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::child;
use crate::failure::{Doing, Failure, Result, fail};
use crate::ledger;
use crate::source;
use crate::table;
use crate::workspace::Workspace;

const HELP: &str = "\
Run the tests of the core and of compression, and tell which lines of the two crates they do not reach.

Usage: cargo xtask coverage [--ledger]

  --ledger  write into LEDGER.md how much is reached

Fails if less than 98 in 100 lines are reached or listed, with the reason, in crates/websans/tests/uncovered.md. cargo-llvm-cov
is installed if it is missing.
";

const TABLE: &str = "crates/websans/tests/uncovered.md";
const HEADING: [&str; 3] = ["File", "Line", "Why no test reaches it"];
/// Lines in a thousand.
const REQUIRED: usize = 980;
const SOURCES: [&str; 2] = ["crates/websans/src/", "crates/websans-deflate/src/"];
/// Whose tests are run: those of the crates, and the fuzz targets' replay.
const RUNS: [&[&str]; 2] = [
    &["--package", "websans", "--package", "websans-deflate", "--tests"],
    &["--package", "websans-testkit", "--test", "fuzz_bodies"],
];
/// Building with counters and running so takes a slow machine some minutes.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// A line that is not reached, or is said not to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    file: String,
    /// Without the space around it. Numbers would change with every other line.
    text: String,
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let mut ledger = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("ledger") => ledger = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let figure = check(workspace)?;
    if ledger {
        ledger::note(workspace, "coverage of the core", &figure, "cargo xtask coverage")?;
    }
    Ok(())
}

fn check(workspace: &Workspace) -> Result<String> {
    let path = workspace.path(TABLE);
    let listed = parse(&fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?)?;
    let sources = sources(workspace)?;
    let text = |file: &str, number: u64| -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        sources.get(file)?.get(index).map(|line| line.trim())
    };
    let (lines, regions) = measure(workspace)?;

    let mut totals = BTreeMap::<String, [usize; 2]>::new();
    let mut unreached = Vec::new();
    for ((file, number), count) in read_lines(&lines, workspace) {
        let Some(text) = text(&file, number) else { continue };
        let [reached, all] = totals.entry(file.clone()).or_default();
        *reached += usize::from(count > 0);
        *all += 1;
        if count == 0 {
            unreached.push((number, Line { file, text: text.to_owned() }));
        }
    }
    for (file, [reached, all]) in &totals {
        println!("{:>5.1} % of {all:>4} lines  {file}", percent(*reached, *all));
    }
    let mut excused = 0;
    let mut left = listed;
    for (number, line) in &unreached {
        // A row is for one line: there may be more of the same text.
        let row = left.iter().position(|row| row == line);
        let is_listed = row.map(|row| left.swap_remove(row)).is_some();
        excused += usize::from(is_listed);
        println!("{}:{number}: {}{}", line.file, line.text, if is_listed { "  (listed)" } else { "" });
    }
    for line in left {
        println!("{TABLE}: a test reaches this line of {}, or it is gone: {}", line.file, line.text);
    }

    let regions = read_regions(&regions, workspace)?;
    let regions = regions.iter().filter(|((file, [line, ..]), _)| text(file, *line).is_some());
    let (mut all_regions, mut reached_regions) = (0, 0);
    for (_, count) in regions {
        all_regions += 1;
        reached_regions += usize::from(*count > 0);
    }
    let all = totals.values().map(|[_, all]| all).sum::<usize>();
    let reached = all - unreached.len();
    let figure = format!(
        "{:.2} % of {all} lines, {:.2} % of {all_regions} regions",
        percent(reached, all),
        percent(reached_regions, all_regions)
    );
    println!("{figure}; {} lines are not reached, {excused} of them are listed", unreached.len());
    if (reached + excused) * 1000 < all * REQUIRED {
        fail!("less than {REQUIRED} in 1000 lines are reached or listed in {TABLE}");
    }
    Ok(figure)
}

#[allow(clippy::cast_precision_loss, reason = "numbers of lines")]
fn percent(part: usize, all: usize) -> f64 {
    if all == 0 { 100.0 } else { part as f64 * 100.0 / all as f64 }
}

/// Runs the tests and returns the counts of lines as LCOV and those of regions as JSON.
fn measure(workspace: &Workspace) -> Result<(String, String)> {
    workspace.tool("llvm-cov", "cargo-llvm-cov")?;
    let llvm_cov = |arguments: &[&str]| {
        let mut command = workspace.cargo([&["llvm-cov"], arguments].concat());
        // It adds the component llvm-tools without asking.
        command.env("CARGO_LLVM_COV_SETUP", "yes");
        command
    };
    // Counts of programs that were built of other source would be mixed in.
    child::run("cargo llvm-cov clean", &mut llvm_cov(&["clean", "--workspace"]))?;
    for run in RUNS {
        let arguments = [&["--no-report", "--all-features"], run].concat();
        child::run_within(LIMIT, "cargo llvm-cov", &mut llvm_cov(&arguments))?;
    }
    let directory = workspace.target()?.join("coverage");
    fs::create_dir_all(&directory).doing(|| format!("cannot make {}", directory.display()))?;
    let report = |format: &str, name: &str| {
        let path = directory.join(name);
        let mut command = llvm_cov(&["report", format, "--output-path"]);
        child::run("cargo llvm-cov report", command.arg(&path))?;
        fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))
    };
    Ok((report("--lcov", "lines.info")?, report("--json", "regions.json")?))
}

/// The lines of each source file up to its unit tests, which come last, by its path in the workspace.
fn sources(workspace: &Workspace) -> Result<BTreeMap<String, Vec<String>>> {
    let mut sources = BTreeMap::new();
    for directory in SOURCES {
        for path in source::files(&workspace.path(directory))? {
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::to_owned).collect();
            sources.extend(relative(workspace, &path.to_string_lossy()).map(|file| (file, lines)));
        }
    }
    Ok(sources)
}

/// A path in the workspace, with slashes.
fn relative(workspace: &Workspace, path: &str) -> Option<String> {
    let relative = Path::new(path).strip_prefix(workspace.path("")).ok()?;
    Some(relative.to_string_lossy().replace('\\', "/"))
}

/// What lines of LCOV say: `SF:` begins a file, `DA:` tells a line and its count.
fn read_lines(lcov: &str, workspace: &Workspace) -> BTreeMap<(String, u64), u64> {
    let mut counts = BTreeMap::new();
    let mut file = None;
    for line in lcov.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            file = relative(workspace, path);
        } else if let (Some(file), Some((line, count))) =
            (&file, line.strip_prefix("DA:").and_then(|line| line.split_once(',')))
        {
            if let (Ok(line), Ok(count)) = (line.parse(), count.parse::<u64>()) {
                *counts.entry((file.clone(), line)).or_default() += count;
            }
        }
    }
    counts
}

/// The regions of code, each once, however many instances a generic function has.
fn read_regions(json: &str, workspace: &Workspace) -> Result<BTreeMap<(String, [u64; 4]), u64>> {
    let report: Value = serde_json::from_str(json).doing(|| "cannot read the report of llvm-cov".into())?;
    let functions = report["data"][0]["functions"].as_array();
    let functions = functions.ok_or_else(|| Failure::new("the report of llvm-cov has no functions"))?;
    let mut counts = BTreeMap::new();
    for function in functions {
        let files: Vec<Option<String>> = function["filenames"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|file| relative(workspace, file.as_str()?))
            .collect();
        for region in function["regions"].as_array().into_iter().flatten() {
            let numbers: Vec<u64> =
                region.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
            // From line and column to line and column, count, file, file of an expansion, kind: 0 is code.
            let [a, b, c, d, count, file, _, 0] = numbers[..] else { continue };
            let file = usize::try_from(file).ok().and_then(|file| files.get(file)?.clone());
            if let Some(file) = file {
                *counts.entry((file, [a, b, c, d])).or_default() += count;
            }
        }
    }
    Ok(counts)
}

/// The rows of the table.
fn parse(text: &str) -> Result<Vec<Line>> {
    let mut listed = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let Some(cells) = table::row(line, &HEADING) else { continue };
        let [file, text, why] = cells[..] else {
            fail!("{TABLE}:{number}: a row has {} cells: {}", HEADING.len(), HEADING.join(", "));
        };
        if [file, text, why].contains(&"") {
            fail!("{TABLE}:{number}: a cell is empty");
        }
        listed.push(Line { file: table::decode(file), text: table::decode(text) });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_regions_are_read() {
        let workspace = Workspace::locate().unwrap();
        let path = workspace.path("crates/websans/src/mask.rs").display().to_string();
        let lcov = format!(
            "SF:/elsewhere/lib.rs\nDA:1,5\nend_of_record\nSF:{path}\nFN:3,x\nDA:3,0\nDA:4,2\nend_of_record\n"
        );
        let file = "crates/websans/src/mask.rs".to_owned();
        let expected = BTreeMap::from([((file.clone(), 3), 0), ((file.clone(), 4), 2)]);
        assert_eq!(read_lines(&lcov, &workspace), expected);

        let json = serde_json::json!({ "data": [{ "functions": [
            { "filenames": ["/elsewhere/lib.rs", path], "regions": [
                [1, 1, 2, 2, 7, 0, 0, 0], [3, 1, 3, 9, 0, 1, 0, 0], [4, 1, 4, 9, 2, 1, 0, 3],
            ] },
            { "filenames": [path], "regions": [[3, 1, 3, 9, 6, 0, 0, 0]] },
        ] }] });
        let expected = BTreeMap::from([((file, [3, 1, 3, 9]), 6)]);
        assert_eq!(read_regions(&json.to_string(), &workspace).unwrap(), expected);
        assert!(read_regions("{}", &workspace).is_err());
    }

    #[test]
    fn the_table_is_read() {
        let text = "# Words\n\n| File | Line | Why no test reaches it |\n|---|---|---|\n\
                    | `a/b.rs` | `None \\|\\| false,` | no memory of that size |\n";
        let line = Line { file: "a/b.rs".into(), text: "None || false,".into() };
        assert_eq!(parse(text).unwrap(), [line]);
        for (row, about) in [("| a | b |", ":6: a row has 3 cells"), ("| a | b | |", "empty")] {
            let failure = parse(&format!("{text}{row}\n")).unwrap_err().to_string();
            assert!(failure.contains(about), "{failure}");
        }
    }

    #[test]
    fn shares_of_nothing_are_whole() {
        assert_eq!(percent(1, 4), 25.0);
        assert_eq!(percent(0, 0), 100.0);
    }
}
