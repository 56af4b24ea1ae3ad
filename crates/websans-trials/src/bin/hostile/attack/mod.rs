//! The attackers.

mod catalogue;
mod ear;
mod ending;
mod line;
mod pace;
mod requests;
mod scripts;
mod tally;

use std::io::{self, BufRead as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::sleep;
use websans_testkit::dice::Dice;
use websans_trials::Failure;

pub(crate) use catalogue::{Attack, CATALOGUE, LATE};
pub(crate) use ending::Ending;
use line::{Line, Since};
pub(crate) use tally::Tally;

use crate::options::Run;

/// Answers the name of a [`Run`] by starting it, and any line after it by ending it: with the tallies of its attacks, in their
/// order, with semicolons in between.
pub(crate) fn run(address: SocketAddr, count: usize) -> Result<(), Failure> {
    // Whatever the server and the honest clients leave of the machine.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut lines = io::stdin().lock().lines();
    while let Some(line) = lines.next() {
        let run: Run = line?.parse()?;
        let attackers = Attackers::start(&runtime, address, run, count);
        println!("started");
        if lines.next().transpose()?.is_some() {
            let tallies: Vec<String> =
                runtime.block_on(attackers.stop()).iter().map(Tally::to_string).collect();
            println!("{}", tallies.join(";"));
        }
    }
    Ok(())
}

/// The attackers of one run, at work.
struct Attackers {
    tasks: JoinSet<()>,
    tallies: Arc<[Mutex<Tally>]>,
    /// Of each connection that there may be: which attack it belongs to, and for how long it has been there.
    since: Vec<(usize, Since)>,
}

impl Attackers {
    fn start(runtime: &Runtime, address: SocketAddr, run: Run, count: usize) -> Self {
        let attacks = run.attacks();
        let tallies: Arc<[_]> = attacks.iter().map(|_| Mutex::default()).collect();
        let (mut tasks, mut since) = (JoinSet::new(), Vec::new());
        for number in 0..count {
            let index = number % attacks.len();
            for _ in 0..attacks[index].script.connections() {
                let this = Since::default();
                since.push((index, this.clone()));
                let seed = since.len() as u64;
                let attacker = Attacker {
                    address,
                    attack: &attacks[index],
                    source: source(number),
                    since: this,
                    dice: Dice::new(seed),
                };
                let tallies = Arc::clone(&tallies);
                tasks.spawn_on(async move { attacker.attack(&tallies[index]).await }, runtime.handle());
            }
        }
        Self { tasks, tallies, since }
    }

    async fn stop(mut self) -> Vec<Tally> {
        self.tasks.shutdown().await;
        for (index, since) in self.since {
            if let Some(lasted) = since.elapsed() {
                lock(&self.tallies[index]).end(Ending::Left, lasted);
            }
        }
        self.tallies.iter().map(|tally| lock(tally).clone()).collect()
    }
}

struct Attacker {
    address: SocketAddr,
    attack: &'static Attack,
    source: SocketAddr,
    since: Since,
    dice: Dice,
}

impl Attacker {
    /// Attacks for ever, with one connection at a time.
    async fn attack(mut self, tally: &Mutex<Tally>) {
        sleep(pace::arrival(&mut self.dice)).await;
        loop {
            match Line::connect(self.source, self.address, &self.since).await {
                Ok(mut line) => {
                    lock(tally).made += 1;
                    let followed = scripts::follow(self.attack.script, &mut line, &mut self.dice).await;
                    let ending = followed.err().unwrap_or(Ending::Left);
                    let lasted = self.since.elapsed().unwrap_or_default();
                    self.since.set(None);
                    lock(tally).end(ending, lasted);
                }
                Err(_) => lock(tally).end(Ending::Unconnected, std::time::Duration::ZERO),
            }
            sleep(pace::pause(&mut self.dice)).await;
        }
    }
}

/// An address of its own for each attacker, with ports of its own: those of one address would not do for them all.
fn source(number: usize) -> SocketAddr {
    let [.., high, low] = number.to_be_bytes();
    (Ipv4Addr::new(127, 1, high, low), 0).into()
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
