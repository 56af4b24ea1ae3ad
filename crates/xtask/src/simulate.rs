//! `cargo xtask simulate`: many lives of two connections under a virtual clock, each out of a seed.

use core::time::Duration;
use std::thread;

use crate::child::{self, Child};
use crate::failure::{Failure, Result, fail};
use crate::ledger;
use crate::workspace::{Target, Workspace};

const HELP: &str = "\
Let two connections talk over links that split, delay, stall, break, lie and are short of memory, under a virtual
clock, one life for each seed; hold them to what must be true of any.

Usage: cargo xtask simulate [--seeds N] [--from SEED] [--seed SEED] [--ledger]

  --seeds N    how many (100,000 if not said)
  --from SEED  the first of them (0)
  --seed SEED  this one alone; its trace is printed
  --ledger     write into LEDGER.md how many it were
";

/// What continuous integration plays.
const SEEDS: u64 = 100_000;

/// Twenty times what a seed takes, and a minute.
const fn limit(seeds: u64) -> Duration {
    Duration::from_millis(seeds * 20 + 60_000)
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let (mut seeds, mut from, mut alone, mut ledger) = (SEEDS, 0, None, false);
    let number = |value: std::ffi::OsString| {
        let text = value.to_string_lossy();
        text.replace(['_', ','], "")
            .parse::<u64>()
            .map_err(|_| Failure::new(format!("{text} is not a number")))
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("seeds") => seeds = number(arguments.value()?)?,
            lexopt::Arg::Long("from") => from = number(arguments.value()?)?,
            lexopt::Arg::Long("ledger") => ledger = true,
            lexopt::Arg::Long("seed") => alone = Some(number(arguments.value()?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    match alone {
        Some(seed) => {
            let program = workspace.build("websans-testkit", Target::Example, "simulate")?;
            child::run("the simulation", workspace.command(&program).arg(seed.to_string()))
        }
        None => {
            play(workspace, from, seeds)?;
            if ledger {
                let (figure, command) =
                    (format!("{seeds} seeds"), format!("cargo xtask simulate --seeds {seeds}"));
                ledger::note(workspace, "simulation", &figure, &command)?;
            }
            Ok(())
        }
    }
}

/// The step of continuous integration.
pub(crate) fn check(workspace: &Workspace) -> Result {
    play(workspace, 0, SEEDS)
}

/// One process for each processor: what is measured is a process's memory.
fn play(workspace: &Workspace, from: u64, seeds: u64) -> Result {
    let program = workspace.build("websans-testkit", Target::Example, "simulate")?;
    let workers = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let share = |worker: u64| seeds / workers + u64::from(worker < seeds % workers);
    let mut children = Vec::new();
    for worker in 0..workers {
        let mut command = workspace.command(&program);
        command.args([from + worker, share(worker), workers].map(|n| n.to_string()));
        children.push(Child::spawn(format!("simulation {worker}"), &mut command)?);
    }
    let mut failed = false;
    for mut child in children {
        failed |= !child.wait(limit(seeds))?.success();
    }
    if failed {
        fail!("a seed broke a promise");
    }
    println!("{seeds} seeds from {from} on kept every promise");
    Ok(())
}
