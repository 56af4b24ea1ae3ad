//! `cargo xtask scoreboard`: what is promised, in figures, each with its target and with where it comes from.
//!
//! What is quick is measured each time. Figures of tests and of long runs are in ledgers, with their dates and commits:
//! `--fresh` measures the tests' anew. A figure that nobody has measured is told as such, and is no failure.

use std::collections::BTreeMap;

use crate::failure::{Failure, Result, fail};
use crate::ledger;
use crate::workspace::Workspace;

mod measures;
mod printed;
mod records;
mod show;
mod value;

use measures::{MEASURES, Measure, Source};
use printed::Missing;
use value::Value;

const HELP: &str = "\
Hold what websans promises against its targets, in figures.

Usage: cargo xtask scoreboard [--markdown] [--fresh [WHAT...]]

  --fresh     measure anew what tests and cargo xtask linear measure, some minutes, and write it into LEDGER.md;
              with WHATs, only by commands that contain one of them: memory, utf8, linear
              (interop, which needs npm and PyPI, and miri, which needs nightly Rust, only if they are named)
  --markdown  as a table in Markdown

Fails if a figure misses its target. What has not been measured is told and is no failure, unless it was to be now.
";

/// Where a figure is from.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    value: Value,
    /// The date and the commit, or `now`.
    of: String,
}

/// What is known of a measure.
enum State {
    Met(Reading),
    Missed(Reading),
    /// Nobody has measured it yet.
    NotYet,
    /// It could not be measured.
    Failed(Failure),
}

/// A measure and what is known of it.
struct Standing<'m> {
    measure: &'m Measure,
    state: State,
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let (mut fresh, mut markdown, mut chosen) = (false, false, Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("fresh") => fresh = true,
            lexopt::Arg::Long("markdown") => markdown = true,
            lexopt::Arg::Value(what) if fresh => chosen.push(what.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = if fresh { printed::measure(workspace, &chosen)? } else { BTreeMap::new() };
    let standings = standings(workspace, missing)?;
    print!("{}", if markdown { show::markdown(&standings) } else { show::text(&standings) });
    verdict(&standings)
}

fn standings(workspace: &Workspace, mut missing: Missing) -> Result<Vec<Standing<'static>>> {
    let rows = ledger::read(workspace)?;
    let standing = |measure| {
        let state = reading(workspace, measure, &rows, &mut missing);
        Standing { measure, state: judged(measure, state) }
    };
    Ok(MEASURES.iter().map(standing).collect())
}

fn reading(
    workspace: &Workspace,
    measure: &Measure,
    rows: &[ledger::Row],
    missing: &mut Missing,
) -> Result<Option<Reading>> {
    let row = |name: &str| rows.iter().find(|row| row.measure == name);
    match measure.source {
        Source::Now(compute) => compute(workspace).map(|value| Some(Reading { value, of: "now".into() })),
        Source::Record(read) => read(workspace),
        Source::Ledger(name) => row(name).map(|row| noted(measure, row)).transpose(),
        Source::Printed(name) => match missing.remove(name) {
            Some(failure) => Err(failure),
            None => row(name).map(|row| noted(measure, row)).transpose(),
        },
    }
}

/// What a row of the ledger says of a measure.
fn noted(measure: &Measure, row: &ledger::Row) -> Result<Reading> {
    let Some(value) = Value::before(&row.figure, measure.unit) else {
        fail!("the ledger's figure of {} is not in {}: {}", row.measure, measure.unit, row.figure);
    };
    Ok(Reading { value, of: format!("{} {}", row.date, row.commit) })
}

fn judged(measure: &Measure, reading: Result<Option<Reading>>) -> State {
    match reading {
        Ok(Some(reading)) if measure.bound.is_met(reading.value) => State::Met(reading),
        Ok(Some(reading)) => State::Missed(reading),
        Ok(None) => State::NotYet,
        Err(failure) => State::Failed(failure),
    }
}

/// Whether the command succeeds.
fn verdict(standings: &[Standing<'_>]) -> Result {
    let count = |is: fn(&State) -> bool| standings.iter().filter(|standing| is(&standing.state)).count();
    let missed = count(|state| matches!(state, State::Missed(_)));
    let failed = count(|state| matches!(state, State::Failed(_)));
    match (missed, failed) {
        (0, 0) => Ok(()),
        (missed, 0) => fail!("{missed} figures miss their targets"),
        (0, failed) => fail!("{failed} figures could not be measured"),
        (missed, failed) => fail!("{missed} figures miss their targets, {failed} could not be measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: &str) -> ledger::Row {
        ledger::Row {
            measure: "simulation".into(),
            figure: figure.into(),
            command: "cargo xtask simulate".into(),
            date: "2026-01-31".into(),
            commit: "0123456+".into(),
        }
    }

    fn named(name: &str) -> &'static Measure {
        MEASURES.iter().find(|measure| measure.name == name).unwrap()
    }

    #[test]
    fn the_ledger_is_judged() {
        let workspace = Workspace::locate().unwrap();
        let measure = named("lives simulated");
        let state =
            |rows: &[ledger::Row]| judged(measure, reading(&workspace, measure, rows, &mut BTreeMap::new()));
        let State::Met(reading) = state(&[row("1000000 seeds")]) else { panic!("it is met") };
        assert_eq!(reading, Reading { value: Value::Number(1e6), of: "2026-01-31 0123456+".into() });
        assert!(matches!(state(&[row("999999 seeds")]), State::Missed(_)));
        assert!(matches!(state(&[row("many seeds")]), State::Failed(_)));
        assert!(matches!(state(&[]), State::NotYet));
    }

    #[test]
    fn a_test_that_printed_nothing_hides_its_old_figure() {
        let workspace = Workspace::locate().unwrap();
        let name = "heap that a Ping flood adds";
        let measure = named(name);
        let old = ledger::Row { measure: name.into(), ..row("0 bytes") };
        let mut missing = BTreeMap::from([(name, Failure::new("the test printed nothing"))]);
        let mut state =
            || judged(measure, reading(&workspace, measure, core::slice::from_ref(&old), &mut missing));
        assert!(matches!(state(), State::Failed(_)));
        assert!(matches!(state(), State::Met(_)));
    }

    #[test]
    fn only_what_was_not_measured_is_no_failure() {
        let measure = &MEASURES[0];
        let reading = || Reading { value: Value::Number(1.0), of: "now".into() };
        let says = |states: Vec<State>| {
            let standings: Vec<_> = states.into_iter().map(|state| Standing { measure, state }).collect();
            verdict(&standings).err().map(|failure| failure.to_string())
        };
        assert_eq!(says(vec![State::Met(reading()), State::NotYet]), None);
        assert_eq!(
            says(vec![State::Missed(reading()), State::NotYet]).as_deref(),
            Some("1 figures miss their targets")
        );
        let failed = says(vec![State::Missed(reading()), State::Failed(Failure::new("no"))]);
        assert_eq!(failed.as_deref(), Some("1 figures miss their targets, 1 could not be measured"));
        assert!(says(vec![State::Failed(Failure::new("no"))]).is_some());
    }

    /// Whatever has been measured so far, each measure has a line.
    #[test]
    fn every_measure_has_a_standing() {
        let workspace = Workspace::locate().unwrap();
        let standings = standings(&workspace, BTreeMap::new()).unwrap();
        assert_eq!(standings.len(), MEASURES.len());
        for Standing { measure, state } in &standings {
            if let State::Failed(failure) = state {
                panic!("{}: {failure}", measure.name);
            }
            assert!(
                !matches!((measure.source, state), (Source::Now(_), State::NotYet)),
                "{} can be measured now",
                measure.name
            );
        }
    }
}
