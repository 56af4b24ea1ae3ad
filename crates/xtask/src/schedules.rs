//! `cargo xtask schedules`: the split halves of the adapters, and groups, under many schedules.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::child::{self, Child, Next};
use crate::failure::{Doing, Failure, Result, fail};
use crate::workspace::Workspace;

const HELP: &str = "\
Run threads and tasks that share a connection under one schedule after the other, and fail at a deadlock, a lost wake-up, a message
that is lost or doubled, or an ending that not all see alike.

Usage: cargo xtask schedules [--schedules N] [--seed N] [--ledger] [NAME...]
       cargo xtask schedules --replay SCHEDULE NAME

With NAMEs, only scenarios whose names contain one of them.

  --schedules  how many for each scenario; 1000 unless said
  --seed       where to begin, for the same schedules again; anywhere unless said
  --ledger     add what was explored to crates/websans-testkit/SCHEDULES.md
  --replay     only this one, as a failure has printed it, quoted
";

/// The schedules of each scenario in `cargo xtask test`: always the same, so that no change fails by another's defect.
const STEP: Plan<'static> = Plan { schedules: "400", seed: Some("1"), replay: None };

const LEDGER: &str = "crates/websans-testkit/SCHEDULES.md";

/// What to run of each scenario.
struct Plan<'a> {
    schedules: &'a str,
    seed: Option<&'a str>,
    replay: Option<&'a str>,
}

/// One scenario, a test in the unit tests of an adapter.
struct Scenario {
    binary: PathBuf,
    /// Of the test.
    test: String,
    /// Of the adapter and the scenario.
    name: String,
}

/// What was explored of a scenario.
struct Explored {
    name: String,
    schedules: u64,
}

/// The step of `cargo xtask test`.
pub(crate) fn check(workspace: &Workspace) -> Result {
    explore(&scenarios(workspace)?, &STEP).map(|_| ())
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let (mut schedules, mut seed, mut replay, mut ledger) = ("1000".to_owned(), None, None, false);
    let mut names = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("schedules") => schedules = value(arguments)?,
            lexopt::Arg::Long("seed") => seed = Some(value(arguments)?),
            lexopt::Arg::Long("replay") => replay = Some(value(arguments)?),
            lexopt::Arg::Long("ledger") => ledger = true,
            lexopt::Arg::Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut scenarios = scenarios(workspace)?;
    scenarios.retain(|scenario| names.is_empty() || names.iter().any(|name| scenario.name.contains(name)));
    if scenarios.is_empty() {
        fail!("no scenario has such a name");
    }
    let plan = Plan { schedules: &schedules, seed: seed.as_deref(), replay: replay.as_deref() };
    let explored = explore(&scenarios, &plan)?;
    if ledger { enter(workspace, &explored) } else { Ok(()) }
}

/// What follows an option.
fn value(arguments: &mut lexopt::Parser) -> Result<String> {
    Ok(arguments.value()?.to_string_lossy().into_owned())
}

/// Builds the adapters with the explorer's locks and timers, in a place of their own: flags are part of what cargo rebuilds for.
fn scenarios(workspace: &Workspace) -> Result<Vec<Scenario>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.path("target"), PathBuf::from);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default() + " --cfg websans_schedules";
    let mut build = workspace.cargo(["test", "--release", "--lib", "--no-run", "--no-default-features"]);
    build.args(["--package", "websans-std", "--package", "websans-tokio"]);
    build.arg("--message-format=json-render-diagnostics");
    build.env("RUSTFLAGS", flags.trim()).env("CARGO_TARGET_DIR", target.join("schedules"));
    // Building takes longer than running, and this is not for speed.
    build.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    let messages = child::output("cargo build of the scenarios", &mut build)?;
    let mut scenarios = Vec::new();
    for binary in messages.lines().filter_map(test_binary) {
        let listed =
            child::output("the list of scenarios", Command::new(&binary).args(["--list", "schedules::"]))?;
        scenarios.extend(listed.lines().filter_map(|line| scenario(&binary, line)));
    }
    if scenarios.is_empty() {
        fail!("there are no scenarios");
    }
    Ok(scenarios)
}

/// The unit tests that one line of cargo's JSON says were built.
fn test_binary(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    message["executable"].as_str().filter(|_| test).map(PathBuf::from)
}

/// The scenario that a line of a list of tests names.
fn scenario(binary: &Path, line: &str) -> Option<Scenario> {
    let test = line.strip_suffix(": test")?;
    let file = binary.file_name()?.to_string_lossy();
    let adapter = file.strip_prefix("websans_")?.split('-').next()?.to_owned();
    let name = test.rsplit("::").next()?;
    Some(Scenario { binary: binary.to_owned(), test: test.to_owned(), name: format!("{adapter}::{name}") })
}

/// Runs one scenario after the other, to the first that fails.
fn explore(scenarios: &[Scenario], plan: &Plan<'_>) -> Result<Vec<Explored>> {
    println!("{:<56} {:>9} {:>9} {:>8}  seed", "scenario", "schedules", "different", "time");
    let (mut explored, began) = (Vec::new(), Instant::now());
    for scenario in scenarios {
        if let Some(schedules) = run(scenario, plan)? {
            explored.push(Explored { name: scenario.name.clone(), schedules });
        }
    }
    let all: u64 = explored.iter().map(|explored| explored.schedules).sum();
    println!("{:<56} {all:>9} {:>9} {:>8}", "all", "", child::seconds(began.elapsed()));
    Ok(explored)
}

/// How many schedules were explored, if more than one was run again.
fn run(scenario: &Scenario, plan: &Plan<'_>) -> Result<Option<u64>> {
    let name = &scenario.name;
    let mut command = Command::new(&scenario.binary);
    command.args(["--exact", &scenario.test, "--nocapture", "--test-threads=1"]).stdout(Stdio::piped());
    command.env("WEBSANS_SCHEDULES", plan.schedules);
    let variables = [("WEBSANS_SEED", plan.seed), ("WEBSANS_REPLAY", plan.replay)];
    for (variable, value) in variables {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let began = Instant::now();
    let mut child = Child::spawn(name.as_str(), &mut command)?;
    let lines = child.lines();
    let (mut counts, mut seed) = (None, None);
    loop {
        match lines.next_within(child::LIMIT.saturating_sub(began.elapsed())) {
            Next::Line(line) => {
                seed = seed.or_else(|| line.split_once(" from ").map(|(_, seed)| seed.to_owned()));
                counts = counts.or_else(|| numbers(&line));
            }
            Next::End => break,
            Next::Nothing => {
                fail!("{name} was stopped: it ran for more than {}", child::seconds(child::LIMIT))
            }
        }
    }
    let seed = seed.as_deref().unwrap_or("-");
    if !child.wait(Duration::from_secs(60))?.success() {
        println!("{name:<56} {:>9} {:>9} {:>8}  {seed}", "FAILED", "", "");
        fail!("{name} failed; the failing schedule is above: cargo xtask schedules --replay SCHEDULE {name}");
    }
    let time = child::seconds(began.elapsed());
    let Some((schedules, different)) = counts else {
        println!("{name:<56} {:>9} {:>9} {time:>8}", "replayed", "");
        return Ok(None);
    };
    println!("{name:<56} {schedules:>9} {different:>9} {time:>8}  {seed}");
    Ok(Some(schedules))
}

/// What the explorer says at its end: how many schedules, and how many different ones.
fn numbers(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.split_once(" explored ")?;
    let (schedules, rest) = counts.split_once(" different ")?;
    Some((schedules.parse().ok()?, rest.split(' ').next()?.parse().ok()?))
}

/// Adds what was explored to the ledger.
fn enter(workspace: &Workspace, explored: &[Explored]) -> Result {
    let path = workspace.path(LEDGER);
    let ledger = std::fs::read_to_string(&path).doing(|| format!("cannot read {LEDGER}"))?;
    let git = child::output("git", workspace.command("git").args(["rev-parse", "--short", "HEAD"]))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::new("the clock is wrong"))?;
    let ledger = entered(&ledger, explored, &date(now.as_secs() / 86_400), git.trim());
    std::fs::write(&path, ledger).doing(|| format!("cannot write {LEDGER}"))
}

/// The ledger with more in it. Its rows are those lines that begin with `| std::` or `| tokio::`.
fn entered(ledger: &str, explored: &[Explored], date: &str, commit: &str) -> String {
    let is_row = |line: &str| line.starts_with("| std::") || line.starts_with("| tokio::");
    let mut rows: Vec<(String, u64, String)> = Vec::new();
    for line in ledger.lines().filter(|line| is_row(line)) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, name, schedules, date, commit, ..] = cells[..] {
            rows.push((name.into(), schedules.parse().unwrap_or(0), format!("{date} | {commit}")));
        }
    }
    for Explored { name, schedules } in explored {
        let last = format!("{date} | {commit}");
        match rows.iter_mut().find(|row| row.0 == *name) {
            Some(row) => (row.1, row.2) = (row.1 + schedules, last),
            None => rows.push((name.clone(), *schedules, last)),
        }
    }
    rows.sort();
    let head = ledger.lines().take_while(|line| !is_row(line) && !line.starts_with("| all"));
    let mut lines: Vec<String> = head.map(str::to_owned).collect();
    lines.extend(rows.iter().map(|(name, schedules, last)| format!("| {name} | {schedules} | {last} |")));
    let all: u64 = rows.iter().map(|row| row.1).sum();
    lines.push(format!("| all | {all} | {date} | {commit} |"));
    lines.join("\n") + "\n"
}

/// A day of the Gregorian calendar, by its number since 1970.
fn date(days: u64) -> String {
    // Years that begin in March, in eras of 400 of them.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    format!("{}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_adds_up() {
        let head = "# Schedules\n\n| scenario | schedules | date | commit |\n|---|---|---|---|\n";
        let explored = |name: &str, schedules| Explored { name: name.into(), schedules };
        let first = entered(head, &[explored("tokio::b", 2), explored("std::a", 3)], "2026-01-01", "abc");
        let rows = "| std::a | 3 | 2026-01-01 | abc |\n| tokio::b | 2 | 2026-01-01 | abc |\n";
        assert_eq!(first, format!("{head}{rows}| all | 5 | 2026-01-01 | abc |\n"));
        let second = entered(&first, &[explored("std::a", 4)], "2026-01-02", "def");
        let rows = "| std::a | 7 | 2026-01-02 | def |\n| tokio::b | 2 | 2026-01-01 | abc |\n";
        assert_eq!(second, format!("{head}{rows}| all | 9 | 2026-01-02 | def |\n"));
    }

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782), "2024-02-29");
        assert_eq!(date(20_819), "2027-01-01");
    }

    #[test]
    fn what_the_explorer_says_is_understood() {
        assert_eq!(numbers("schedules: std::echo explored 400 different 399 seed 1"), Some((400, 399)));
        assert_eq!(numbers("schedules: std::echo from 1"), None);
        let found = scenario(Path::new("/t/websans_std-0123"), "schedules::talking::echo: test").unwrap();
        assert_eq!((found.name.as_str(), found.test.as_str()), ("std::echo", "schedules::talking::echo"));
    }
}
