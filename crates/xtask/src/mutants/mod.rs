//! `cargo xtask mutants`: whether tests notice when the core is changed.
//!
//! cargo-mutants makes the changes, one at a time, and runs tests. A change costs what compiling takes, so each runs
//! few tests first, those that [`rounds`] knows to be strict with its file; what they miss has to face more of them in
//! the next round. What came of it is written down after every change, so that a run can be stopped at any time and
//! goes on where it was; the [`summary`] is kept with the source.

use core::time::Duration;
use std::collections::BTreeSet;
use std::thread;
use std::time::Instant;

use crate::child;
use crate::failure::{Doing, Result, fail};
use crate::ledger;
use crate::workspace::Workspace;

mod mutant;
mod record;
mod rounds;
mod summary;
mod worker;

use mutant::Mutant;
use record::{Outcome, Record};
use rounds::{GROUPS, Group};
use worker::Worker;

const HELP: &str = "\
Change the core and compression in each of the ways that cargo-mutants knows, one at a time, and see whether tests fail.

Usage: cargo xtask mutants [--file GLOB]... [--shard K/N] [--minutes N] [--jobs N] [--missed] [--all] [--ledger]

  --file GLOB   only changes of these files
  --shard K/N   only every Nth change, from the Kth on, which is 0 to N - 1
  --minutes N   stop after so long; the next run goes on there
  --jobs N      how many changes at a time (as many as there are processors)
  --missed      also those again that no test noticed
  --all         also those again that were tried in files that have not changed since
  --ledger      write the score into LEDGER.md, once all were tried

What came of it is added to crates/websans/tests/mutants/summary.md. Fails if a change went unnoticed that
crates/websans/tests/mutants/survivors.md does not explain. cargo-mutants is installed if it is missing.
";

/// The crates that are changed.
const PACKAGES: [&str; 4] = ["--package", "websans", "--package", "websans-deflate"];
/// Most memory of each process, in bytes: a changed loop may reserve without end.
const MEMORY: u64 = 8 << 30;

/// What the command line says.
struct Options {
    files: Vec<String>,
    shard: (usize, usize),
    deadline: Option<Instant>,
    jobs: usize,
    missed: bool,
    all: bool,
    ledger: bool,
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let Some(options) = options(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    workspace.tool("mutants", "cargo-mutants")?;
    limit_memory()?;
    let mutants = list(workspace, &[])?;
    let directory = workspace.target()?.join("mutants");
    let mut record = Record::open(&directory)?;
    let chosen = chosen(workspace, &options, &mutants, &record)?;
    println!("{} of {} changes are to be tried", chosen.len(), mutants.len());
    for group in GROUPS {
        let of_group: Vec<&Mutant> =
            chosen.iter().copied().filter(|mutant| group.is_of(&mutant.file)).collect();
        play(workspace, &options, group, &of_group, &mut record)?;
    }
    let summary = summary::update(workspace, &mutants, &record)?;
    if options.ledger && summary.not_tried > 0 {
        fail!("no score is noted before all changes were tried: {} were not", summary.not_tried);
    }
    if options.ledger {
        ledger::note(workspace, "mutation score", &summary.figure, "cargo xtask mutants")?;
    }
    if summary.unexplained > 0 {
        fail!(
            "{} changes went unnoticed and are not explained in {}",
            summary.unexplained,
            summary::SURVIVORS
        );
    }
    Ok(())
}

fn options(arguments: &mut lexopt::Parser) -> Result<Option<Options>> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        files: vec![],
        shard: (0, 1),
        deadline: None,
        jobs,
        missed: false,
        all: false,
        ledger: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            lexopt::Arg::Long("file") => options.files.push(value(arguments)?),
            lexopt::Arg::Long("shard") => options.shard = shard(&value(arguments)?)?,
            lexopt::Arg::Long("minutes") => {
                options.deadline = Some(Instant::now() + Duration::from_secs(60 * number(arguments)?));
            }
            lexopt::Arg::Long("jobs") => {
                options.jobs = usize::try_from(number(arguments)?).unwrap_or(1).max(1)
            }
            lexopt::Arg::Long("missed") => options.missed = true,
            lexopt::Arg::Long("all") => options.all = true,
            lexopt::Arg::Long("ledger") => options.ledger = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn value(arguments: &mut lexopt::Parser) -> Result<String> {
    Ok(arguments.value()?.to_string_lossy().into_owned())
}

fn number(arguments: &mut lexopt::Parser) -> Result<u64> {
    let text = value(arguments)?;
    text.parse().doing(|| format!("{text} is no number"))
}

fn shard(text: &str) -> Result<(usize, usize)> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((k, n)) if k < n => Ok((k, n)),
        _ => fail!("{text} is no shard: K/N with K from 0 to N - 1"),
    }
}

/// Children inherit it.
#[cfg(unix)]
fn limit_memory() -> Result {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let doing = || "cannot limit memory".to_owned();
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).doing(doing)?;
    setrlimit(Resource::RLIMIT_AS, MEMORY.min(hard), hard).doing(doing)
}

#[cfg(not(unix))]
fn limit_memory() -> Result {
    Ok(())
}

/// All changes, or those of some files, in the order of files and lines.
fn list(workspace: &Workspace, files: &[String]) -> Result<Vec<Mutant>> {
    let mut command = workspace.cargo(["mutants", "--list", "--colors", "never"]);
    command.args(PACKAGES).args(files.iter().map(|file| format!("--file={file}")));
    mutant::parse(workspace, &child::output("cargo mutants", &mut command)?)
}

/// The changes that have to be tried.
fn chosen<'m>(
    workspace: &Workspace,
    options: &Options,
    mutants: &'m [Mutant],
    record: &Record,
) -> Result<Vec<&'m Mutant>> {
    let within: Option<BTreeSet<String>> = match &options.files[..] {
        [] => None,
        files => Some(list(workspace, files)?.into_iter().map(|mutant| mutant.name).collect()),
    };
    // Of these, other machines or emptied build directories have the record.
    let done = if options.all || options.missed { BTreeSet::new() } else { summary::done(workspace)? };
    let (k, n) = options.shard;
    let chosen = mutants.iter().enumerate().filter(|(at, mutant)| {
        at % n == k
            && within.as_ref().is_none_or(|names| names.contains(&mutant.name))
            && match record.outcome(&mutant.name) {
                None => !done.contains(&mutant.file),
                Some(Outcome::Missed(round)) => {
                    options.all || options.missed || round + 1 < rounds::group(&mutant.file).rounds.len()
                }
                Some(_) => options.all,
            }
    });
    Ok(chosen.map(|(_, mutant)| mutant).collect())
}

/// Tries changes, round by round.
fn play(
    workspace: &Workspace,
    options: &Options,
    group: &Group,
    mutants: &[&Mutant],
    record: &mut Record,
) -> Result {
    // Those that were missed by the last round begin with the first again: tests may have been added to any.
    let last = group.rounds.len() - 1;
    let before = |mutant: &Mutant, record: &Record| match record.outcome(&mutant.name) {
        Some(Outcome::Missed(round)) if round < last => Some(round),
        _ => None,
    };
    let mut pending: Vec<(&Mutant, usize)> =
        mutants.iter().map(|mutant| (*mutant, before(mutant, record).map_or(0, |round| round + 1))).collect();
    for (number, round) in group.rounds.iter().enumerate() {
        let (now, later): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(_, first)| *first == number);
        pending = later;
        if now.is_empty() || options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            continue;
        }
        let now: Vec<&Mutant> = now.into_iter().map(|(mutant, _)| mutant).collect();
        println!("\n--- {}, round {} of {}: {} changes", group.name, number + 1, last + 1, now.len());
        let jobs = options.jobs.min(now.len());
        let mut workers = Vec::new();
        for job in 0..jobs {
            let share: Vec<&Mutant> = now.iter().copied().skip(job).step_by(jobs).collect();
            workers.push(Worker::start(workspace, record.directory(), job, number, round, &share)?);
        }
        let mut result = Ok(());
        for worker in &mut workers {
            result = result.and(worker.wait(options.deadline));
        }
        drop(workers);
        record.absorb()?;
        result?;
        let missed = now.into_iter().filter(|m| record.outcome(&m.name) == Some(Outcome::Missed(number)));
        pending.extend(missed.map(|mutant| (mutant, number + 1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_read() {
        assert_eq!(shard("0/1").unwrap(), (0, 1));
        assert_eq!(shard("3/8").unwrap(), (3, 8));
        for text in ["", "1", "1/1", "8/8", "a/b", "-1/2"] {
            assert!(shard(text).is_err(), "{text}");
        }
    }
}
