//! `cargo xtask fuzz`: the fuzz targets, all of them, for so many minutes each.
//!
//! libFuzzer needs no more of the compiler than LLVM's coverage counters, which stable Rust can insert. So the
//! fuzzers run with the toolchain that everything else is built with, and only a sanitizer asks for another.

use std::collections::VecDeque;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::failure::{Doing, Result, fail};
use crate::workspace::Workspace;

mod build;
mod corpus;
mod ledger;
mod progress;
mod run;

use build::{Fuzzer, Sanitizer};
use ledger::Ledger;
use run::{Outcome, Run};

const HELP: &str = "\
Build the fuzz targets and run each for some time, from fuzz/corpus/TARGET and fuzz/seeds/TARGET. Fails, with the file
and the command that runs it again, on a crash, a hang, a leak or too much memory. See fuzz/README.md.

Usage: cargo xtask fuzz [OPTION...] [TARGET...]

With TARGETs, only those.

  --minutes N            how long each target runs, 1 unless given; 0 for not at all
  --jobs J               how many run at a time, as many as there are processors unless given
  --sanitizer none       with debug assertions and overflow checks, by stable Rust: what is done unless given
  --sanitizer address    with AddressSanitizer too, which needs nightly Rust
  --minimize             afterwards drop from the corpus what adds no coverage
  --keep                 afterwards put a small set that covers what the corpus covers into fuzz/seeds, for fuzz_bodies
  --list                 print the targets
  --ledger               print what has been run so far, and its sum
  --no-ledger            leave fuzz/LEDGER.md alone
";

/// How long the step of `cargo xtask test` fuzzes.
const SMOKE_SECONDS: usize = 60;

/// What the command line asks for.
struct Options {
    seconds: u64,
    jobs: usize,
    sanitizer: Sanitizer,
    minimize: bool,
    keep: bool,
    ledger: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seconds: 60,
            jobs: thread::available_parallelism().map_or(1, usize::from),
            sanitizer: Sanitizer::None,
            minimize: false,
            keep: false,
            ledger: true,
        }
    }
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let mut options = Options::default();
    let mut chosen = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("list") => {
                build::targets(workspace)?.iter().for_each(|target| println!("{}", target.name));
                return Ok(());
            }
            lexopt::Arg::Long("ledger") => {
                print!("{}", Ledger::read(workspace)?.with_sum());
                return Ok(());
            }
            lexopt::Arg::Long("minutes") => {
                options.seconds = seconds(&arguments.value()?.to_string_lossy())?;
            }
            lexopt::Arg::Long("jobs") => {
                let jobs = arguments.value()?;
                options.jobs = jobs.to_string_lossy().parse().doing(|| "--jobs".into())?;
            }
            lexopt::Arg::Long("sanitizer") => {
                options.sanitizer = Sanitizer::named(&arguments.value()?.to_string_lossy())?;
            }
            lexopt::Arg::Long("minimize") => options.minimize = true,
            lexopt::Arg::Long("keep") => options.keep = true,
            lexopt::Arg::Long("no-ledger") => options.ledger = false,
            lexopt::Arg::Value(name) => chosen.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let mut targets = build::targets(workspace)?;
    if let Some(unknown) = chosen.iter().find(|name| targets.iter().all(|target| target.name != **name)) {
        fail!("there is no target {unknown}; see cargo xtask fuzz --list");
    }
    targets.retain(|target| chosen.is_empty() || chosen.contains(&target.name));
    let fuzzers = build::build(workspace, options.sanitizer, targets)?;
    fuzz(workspace, &options, &fuzzers)
}

/// Whole seconds in a decimal number of minutes.
fn seconds(minutes: &str) -> Result<u64> {
    let seconds = minutes.parse::<f64>().ok().map(|minutes| (minutes * 60.0).round());
    // Not beyond a year, so that deadlines can be computed.
    let Some(seconds) = seconds.filter(|seconds| (0.0..=3.2e7).contains(seconds)) else {
        fail!("--minutes is a number of minutes, not {minutes}");
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as just seen")]
    Ok(seconds as u64)
}

/// A minute of all targets together, as a step of `cargo xtask test`.
pub(crate) fn smoke(workspace: &Workspace) -> Result {
    let fuzzers = build::build(workspace, Sanitizer::None, build::targets(workspace)?)?;
    let mut options = Options { ledger: false, ..Options::default() };
    options.seconds = (SMOKE_SECONDS * options.jobs / fuzzers.len().max(1)).max(2) as u64;
    fuzz(workspace, &options, &fuzzers)
}

fn fuzz(workspace: &Workspace, options: &Options, fuzzers: &[Fuzzer]) -> Result {
    let outcomes = if options.seconds == 0 { Vec::new() } else { run_all(workspace, options, fuzzers)? };
    if !outcomes.is_empty() {
        println!("\n{}", run::table(&outcomes));
    }
    let failures: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.failure.as_deref()).collect();
    if !failures.is_empty() {
        // What is kept of a corpus must pass, so nothing is now.
        fail!("{} of {} targets failed\n\n{}", failures.len(), outcomes.len(), failures.join("\n\n"));
    }
    for fuzzer in fuzzers {
        if options.minimize {
            corpus::minimize(workspace, fuzzer)?;
        }
        if options.keep {
            corpus::keep(workspace, fuzzer)?;
        }
    }
    Ok(())
}

/// Runs all, so many at a time, and tells the ledger of each as it ends: who interrupts a long run loses little.
fn run_all(workspace: &Workspace, options: &Options, fuzzers: &[Fuzzer]) -> Result<Vec<Outcome>> {
    let commit = if options.ledger { Some(ledger::commit(workspace)?) } else { None };
    let waiting = Mutex::new(fuzzers.iter().collect::<VecDeque<_>>());
    let done = Mutex::new(Vec::new());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || -> Result {
        while let Some(fuzzer) = next() {
            let outcome = Run { workspace, fuzzer, seconds: options.seconds }.to_end()?;
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(commit) = &commit {
                let mut ledger = Ledger::read(workspace)?;
                ledger.add(&outcome, options.sanitizer, commit);
                ledger.write(workspace)?;
            }
            done.push(outcome);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.jobs.clamp(1, fuzzers.len().max(1))).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let mut outcomes = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(outcomes)
}

/// The directory, which is made if need be.
fn directory(workspace: &Workspace, relative: &str) -> Result<String> {
    let path = workspace.path(relative);
    fs::create_dir_all(&path).doing(|| format!("cannot make {}", path.display()))?;
    // Commands run in the workspace's root, and are easier to read so.
    Ok(relative.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_a_decimal_number() {
        assert_eq!(seconds("1").unwrap(), 60);
        assert_eq!(seconds("0.25").unwrap(), 15);
        assert_eq!(seconds("0").unwrap(), 0);
        for wrong in ["", "-1", "x", "inf", "NaN"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
