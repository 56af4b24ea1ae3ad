//! What came of the changes of each file, as it is kept with the source, and why those that no test notices cannot be
//! noticed.
//!
//! The record is left behind in the build directory; the summary tells those who have no such directory. A row holds for
//! as long as its file is what it was, which the hash that git has for it tells.

use core::fmt::Write as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::mutant::Mutant;
use super::record::{Outcome, Record};
use super::rounds;
use crate::child;
use crate::failure::{Doing, Result, fail};
use crate::ledger;
use crate::table;
use crate::workspace::Workspace;

const SUMMARY: &str = "crates/websans/tests/mutants/summary.md";
pub(super) const SURVIVORS: &str = "crates/websans/tests/mutants/survivors.md";

const HEADING: [&str; 10] =
    ["File", "Changes", "Caught", "Timed out", "Missed", "Unviable", "Not tried", "Date", "Commit", "Blob"];
const EXPLAINED: [&str; 4] = ["File", "Line", "Change", "Why no test can notice"];

/// As [`EXPLAINED`], so that a row can be moved there when its reason is found.
const UNEXPLAINED: [&str; 4] = ["File", "Line", "Change", "Where"];

const HEAD: &str = "\
# Changes that tests notice

What came of changing the core and compression in each of the ways that cargo-mutants knows, one at a time, and running the
tests. `cargo xtask mutants` writes this file and goes on where the last run stopped; a row holds while its file has the hash
of the last column. The score is the share of changes that made a test fail, or never end, among those that compile.

";

/// What came of the changes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    caught: usize,
    timed_out: usize,
    missed: usize,
    unviable: usize,
    not_tried: usize,
}

impl Counts {
    fn add(&mut self, outcome: Option<Outcome>, rounds: usize) {
        *match outcome {
            Some(Outcome::Caught) => &mut self.caught,
            Some(Outcome::TimedOut) => &mut self.timed_out,
            Some(Outcome::Unviable) => &mut self.unviable,
            Some(Outcome::Missed(round)) if round + 1 == rounds => &mut self.missed,
            // Not by all that it has to face.
            Some(Outcome::Missed(_)) | None => &mut self.not_tried,
        } += 1;
    }

    const fn tried(&self) -> usize {
        self.caught + self.timed_out + self.missed + self.unviable
    }

    const fn all(&self) -> usize {
        self.tried() + self.not_tried
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    counts: Counts,
    /// Of the last run that added to it, in UTC.
    date: String,
    commit: String,
    /// The hash that git has for the file that was changed.
    blob: String,
}

/// How it stands.
pub(super) struct Summary {
    pub(super) figure: String,
    /// How many changes were missed, and nobody says why.
    pub(super) unexplained: usize,
    /// How many are still to be tried.
    pub(super) not_tried: usize,
}

/// The files all of whose changes were tried, as they are now.
pub(super) fn done(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let rows = read(workspace)?;
    let blobs = blobs(workspace, rows.keys().map(String::as_str))?;
    let done = rows
        .iter()
        .filter(|(file, row)| row.counts.not_tried == 0 && blobs.get(file.as_str()) == Some(&row.blob));
    Ok(done.map(|(file, _)| file.clone()).collect())
}

/// Brings the file up to date and tells what is missed and not explained.
pub(super) fn update(workspace: &Workspace, mutants: &[Mutant], record: &Record) -> Result<Summary> {
    let mut counts = BTreeMap::<&str, Counts>::new();
    for mutant in mutants {
        let rounds = rounds::group(&mutant.file).rounds.len();
        counts.entry(&mutant.file).or_default().add(record.outcome(&mutant.name), rounds);
    }
    let (date, commit) = (ledger::today(workspace)?, ledger::commit(workspace)?);
    let old = read(workspace)?;
    let blobs = blobs(workspace, counts.keys().copied())?;
    let mut rows = BTreeMap::new();
    for (file, counts) in counts {
        let blob = blobs.get(file).cloned().unwrap_or_default();
        let kept = old.get(file).filter(|row| {
            row.blob == blob
                && row.counts.all() == counts.all()
                && (row.counts == counts || row.counts.tried() > counts.tried())
        });
        let run = |what: &String| if counts.tried() > 0 { what.clone() } else { "-".into() };
        let new = || Row { counts, date: run(&date), commit: run(&commit), blob };
        rows.insert(file.to_owned(), kept.cloned().unwrap_or_else(new));
    }
    let explained = explained(workspace)?;
    let is_missed = |mutant: &&Mutant| {
        let last = rounds::group(&mutant.file).rounds.len() - 1;
        record.outcome(&mutant.name) == Some(Outcome::Missed(last))
    };
    let missed: Vec<&Mutant> = mutants.iter().filter(is_missed).collect();
    let key = |mutant: &Mutant| [&mutant.file, &mutant.text, &mutant.change].map(String::clone);
    let unexplained: Vec<&Mutant> =
        missed.iter().copied().filter(|mutant| !explained.contains(&key(mutant))).collect();
    for mutant in &unexplained {
        println!("missed: {}\n    {}", mutant.name, mutant.text);
    }
    for [file, text, change] in &explained {
        let of: Vec<&Mutant> =
            mutants.iter().filter(|m| key(m) == [file, text, change].map(String::clone)).collect();
        if of.is_empty() {
            println!("{SURVIVORS}: there is no such change of {file} any more: {change} in {text}");
        } else if of
            .iter()
            .all(|m| matches!(record.outcome(&m.name), Some(Outcome::Caught | Outcome::TimedOut)))
        {
            println!("{SURVIVORS}: a test does notice this change of {file}: {change} in {text}");
        }
    }
    let figure = figure(rows.values().map(|row| row.counts), missed.len() - unexplained.len());
    println!("{figure}");
    let path = workspace.path(SUMMARY);
    fs::write(&path, write(&rows, &figure, &unexplained))
        .doing(|| format!("cannot write {}", path.display()))?;
    let not_tried = rows.values().map(|row| row.counts.not_tried).sum();
    Ok(Summary { figure, unexplained: unexplained.len(), not_tried })
}

fn figure(counts: impl Iterator<Item = Counts>, explained: usize) -> String {
    let mut sum = Counts::default();
    for counts in counts {
        sum.caught += counts.caught;
        sum.timed_out += counts.timed_out;
        sum.missed += counts.missed;
        sum.unviable += counts.unviable;
        sum.not_tried += counts.not_tried;
    }
    let caught = sum.caught + sum.timed_out;
    let viable = caught + sum.missed;
    // In hundredths of a percent, rounded down.
    let score = (caught * 10_000).checked_div(viable).unwrap_or(0);
    format!(
        "{}.{:02} %: {caught} of {viable} caught, {explained} of the {} missed explained; {} of {} changes tried, {} did not compile",
        score / 100,
        score % 100,
        sum.missed,
        sum.tried(),
        sum.all(),
        sum.unviable
    )
}

/// The beginning of the hash that git has for each of these files, if it is there.
fn blobs<'f>(
    workspace: &Workspace,
    files: impl Iterator<Item = &'f str>,
) -> Result<BTreeMap<&'f str, String>> {
    let files: Vec<&str> = files.filter(|file| workspace.path(file).exists()).collect();
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = workspace.command("git");
    let hashes = child::output("git", command.args(["hash-object", "--"]).args(&files))?;
    Ok(files.into_iter().zip(hashes.lines().map(|hash| hash.chars().take(9).collect())).collect())
}

fn read(workspace: &Workspace) -> Result<BTreeMap<String, Row>> {
    let path = workspace.path(SUMMARY);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    parse(&fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?)
}

fn parse(text: &str) -> Result<BTreeMap<String, Row>> {
    let mut rows = BTreeMap::new();
    let table = text.split("\n## ").next().unwrap_or_default();
    for line in table.lines() {
        let Some(cells) = table::row(line, &HEADING) else { continue };
        let [file, all, numbers @ .., date, commit, blob] = &cells[..] else {
            fail!("{SUMMARY}: a row has {} cells: {line}", HEADING.len());
        };
        let numbers: Option<Vec<usize>> = numbers.iter().map(|cell| cell.parse().ok()).collect();
        let Some(&[caught, timed_out, missed, unviable, not_tried]) = numbers.as_deref() else {
            fail!("{SUMMARY}: what should be numbers is not: {line}");
        };
        let counts = Counts { caught, timed_out, missed, unviable, not_tried };
        if *all != counts.all().to_string() {
            fail!("{SUMMARY}: the numbers do not add up: {line}");
        }
        let [file, date, commit, blob] = [file, date, commit, blob].map(|cell| (*cell).to_owned());
        rows.insert(file, Row { counts, date, commit, blob });
    }
    Ok(rows)
}

fn write(rows: &BTreeMap<String, Row>, figure: &str, unexplained: &[&Mutant]) -> String {
    let mut text =
        format!("{HEAD}Score: {figure}.\n\n| {} |\n|{}\n", HEADING.join(" | "), "---|".repeat(HEADING.len()));
    for (file, Row { counts, date, commit, blob }) in rows {
        let all = counts.all();
        let Counts { caught, timed_out, missed, unviable, not_tried } = counts;
        let numbers = format!("{all} | {caught} | {timed_out} | {missed} | {unviable} | {not_tried}");
        let _ = writeln!(text, "| {file} | {numbers} | {date} | {commit} | {blob} |");
    }
    if !unexplained.is_empty() {
        text += &format!(
            "\n## Missed and not explained\n\n| {} |\n|{}\n",
            UNEXPLAINED.join(" | "),
            "---|".repeat(4)
        );
        for mutant in unexplained {
            let Mutant { file, line, change, text: source, .. } = mutant;
            let (source, change) = (table::code(source), table::code(change));
            let _ = writeln!(text, "| {file} | {source} | {change} | line {line} |");
        }
    }
    text
}

/// File, line's text and change of each row of the table of survivors.
fn explained(workspace: &Workspace) -> Result<BTreeSet<[String; 3]>> {
    let path = workspace.path(SURVIVORS);
    let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
    let mut explained = BTreeSet::new();
    for line in text.lines() {
        let Some(cells) = table::row(line, &EXPLAINED) else { continue };
        let [file, source, change, why] = cells[..] else {
            fail!("{SURVIVORS}: a row has {} cells: {line}", EXPLAINED.len());
        };
        if why.is_empty() {
            fail!("{SURVIVORS}: a row gives no reason: {line}");
        }
        explained.insert([file, source, change].map(table::decode));
    }
    Ok(explained)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let counts = Counts { caught: 7, timed_out: 1, missed: 2, unviable: 3, not_tried: 4 };
        let row = Row { counts, date: "2026-01-31".into(), commit: "0123456+".into(), blob: "abc".into() };
        let rows = BTreeMap::from([("a/b.rs".to_owned(), row)]);
        let text = write(&rows, "all", &[]);
        assert_eq!(parse(&text).unwrap(), rows);
        assert!(parse(&text.replace("| 17 |", "| 18 |")).is_err());
        assert!(parse(&text.replace("| 7 |", "| x |")).is_err());
    }

    #[test]
    fn changes_count_as_missed_when_the_last_round_missed_them() {
        let mut counts = Counts::default();
        for outcome in [None, Some(Outcome::Missed(0)), Some(Outcome::Missed(1)), Some(Outcome::TimedOut)] {
            counts.add(outcome, 2);
        }
        assert_eq!(counts, Counts { not_tried: 2, missed: 1, timed_out: 1, ..Counts::default() });
    }

    #[test]
    fn the_score_leaves_out_what_does_not_compile() {
        let counts = Counts { caught: 95, timed_out: 1, missed: 3, unviable: 50, not_tried: 10 };
        assert_eq!(
            figure([counts].into_iter(), 1),
            "96.96 %: 96 of 99 caught, 1 of the 3 missed explained; 149 of 159 changes tried, 50 did not compile"
        );
        assert!(figure([].into_iter(), 0).starts_with("0.00 %: 0 of 0"));
    }
}
