//! The trial itself.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use websans_trials::times::Rounds;
use websans_trials::{Failure, Process, hurry};

use crate::attack::{LATE, Tally};
use crate::holding::Holding;
use crate::honest::{ROUND, Seen};
use crate::options::{Options, Run};
use crate::server::MAX_MESSAGE;
use crate::verdict::{HEADS, KEPT, KEPT_EACH, Measured, baseline_row, is_back};

/// Rounds of the honest clients without an attack.
const BASELINE: u32 = 3;
/// How often a run is tried in which the machine may be to blame.
const ATTEMPTS: u32 = 3;
/// Until everything is given back: as long as a connection may take to close, and a second.
const RETURN: Duration = Duration::from_secs(3);
/// What the server may hold in the end, over what it held in the beginning, whatever has happened in between.
const KEPT_IN_ALL: usize = 2 * KEPT;

/// The server goes before all others, and the honest clients before the server: they stand for other machines, where it does not
/// take the processor from them.
const SERVER: u8 = 10;
const HONEST: u8 = 11;

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let Options { adapter, clients, attackers, runs, .. } = options;
    let hurried = hurry(SERVER);
    println!(
        "{clients} honest clients, {attackers} attackers, adapter {}; messages of at most {} KiB, of which an attacker \
         may cost as much and 64 KiB",
        adapter.name(),
        MAX_MESSAGE >> 10
    );
    if !hurried {
        println!("at an ordinary priority: what else the machine does counts as the server's");
    }
    let mut trial = Trial::start(options, hurried)?;
    let first: Holding = trial.server.ask("look")?.parse()?;
    println!("{HEADS}");
    let mut bad = Vec::new();
    for &run in runs {
        bad.extend(trial.attempt(run)?);
    }
    let last: Holding = trial.server.ask("look")?.parse()?;
    println!("the server's heap: {} KiB before, {} KiB after", first.heap >> 10, last.heap >> 10);
    if last.heap > first.heap + KEPT_IN_ALL + attackers * KEPT_EACH {
        bad.push("the server's heap has grown".into());
    }
    if bad.is_empty() { Ok(()) } else { Err(bad.join("\n       ").into()) }
}

/// The three processes. They end in this order: who is honest need not see the server vanish.
struct Trial {
    attack: Process,
    honest: Process,
    server: Process,
    clients: usize,
    attackers: usize,
    rounds: u32,
    baseline: Rounds,
}

impl Trial {
    fn start(options: &Options, hurried: bool) -> Result<Self, Failure> {
        let Options { adapter, clients, attackers, rounds, .. } = *options;
        let program = std::env::current_exe()?;
        let before = |words: &[&str]| {
            let mut command = Command::new(words.first().map_or(program.as_os_str(), |word| word.as_ref()));
            if let Some(rest) = words.get(1..) {
                command.args(rest).arg(&program);
            }
            command
        };
        // Besides the honest clients and one connection of each attacker, there are those that have not ended yet.
        let places = clients + 2 * attackers;
        let mut server = Process::start(before(&[]).args(["server", adapter.name(), &places.to_string()]))?;
        let address = server.answer()?;
        let hurry = ["chrt", "--fifo", &HONEST.to_string()];
        let mut honest = before(if hurried { &hurry } else { &[] });
        let mut honest = Process::start(honest.args(["honest", &address, &clients.to_string()]))?;
        honest.answer()?;
        let mut attack = before(if hurried { &["chrt", "--other", "0"] } else { &["nice", "-n", "19"] });
        let attack = Process::start(attack.args(["attack", &address, &attackers.to_string()]))?;
        let baseline = Rounds::default();
        Ok(Self { attack, honest, server, clients, attackers, rounds, baseline })
    }

    /// What is wrong after as many attempts as it takes.
    fn attempt(&mut self, run: Run) -> Result<Vec<String>, Failure> {
        let mut attempt = 1;
        loop {
            // Once for all runs, and again if the machine may have changed.
            if self.baseline.is_empty() || attempt > 1 {
                self.measure_baseline()?;
            }
            let measured = self.measure(run)?;
            println!("{measured}");
            let complaints = measured.complaints();
            for complaint in complaints.wrong.iter().chain(&complaints.slow) {
                println!("    {complaint}");
            }
            if !complaints.wrong.is_empty() || complaints.slow.is_empty() {
                return Ok(complaints.wrong);
            }
            // Whatever else the machine does can only make things slower: one attempt that shows they need not be is enough.
            if attempt == ATTEMPTS {
                return Ok(complaints.slow.iter().map(|slow| format!("{}: {slow}", run.name())).collect());
            }
            attempt += 1;
        }
    }

    fn measure_baseline(&mut self) -> Result<(), Failure> {
        let seen: Seen = self.honest.ask(&BASELINE.to_string())?.parse()?;
        self.baseline = seen.times;
        println!("{}", baseline_row(&self.baseline));
        Ok(())
    }

    fn measure(&mut self, run: Run) -> Result<Measured<'_>, Failure> {
        let before: Holding = self.server.ask("mark")?.parse()?;
        self.attack.ask(run.name())?;
        let seen = self.honest.ask(&rounds(run, self.rounds).to_string())?.parse()?;
        let during = self.server.ask("look")?.parse()?;
        let tallies = self.attack.ask("stop")?;
        let tallies: Vec<Tally> = tallies.split(';').map(str::parse).collect::<Result<_, _>>()?;
        let left = Instant::now();
        let (after, returned) = loop {
            let now: Holding = self.server.ask("look")?.parse()?;
            let waited = left.elapsed();
            if is_back(&before, &now, self.attackers) {
                break (now, Some(waited));
            }
            if waited > RETURN {
                break (now, None);
            }
            sleep(Duration::from_millis(20));
        };
        let Self { clients, attackers, ref baseline, .. } = *self;
        Ok(Measured { run, clients, attackers, baseline, tallies, seen, before, during, after, returned })
    }
}

/// Rounds in which every deadline passes, at least so many.
fn rounds(run: Run, least: u32) -> u32 {
    let longest = run.attacks().iter().filter_map(|attack| attack.within).max().unwrap_or_default();
    let rounds = (longest + 2 * LATE).as_millis().div_ceil(ROUND.as_millis());
    u32::try_from(rounds).unwrap_or(u32::MAX).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_outlasts_its_deadlines() {
        for run in crate::options::Options::parse(&[]).unwrap().runs {
            let lasts = ROUND * rounds(run, 1);
            for attack in run.attacks() {
                assert!(attack.within.is_none_or(|within| within + LATE < lasts), "{}", attack.name);
            }
        }
    }
}
