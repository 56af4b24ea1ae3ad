//! Two connections, a virtual clock, links that split, merge, delay, stall and break: many lives, all checked.

use std::thread;

use websans_testkit::sim::{self, Plan};

/// Seeds of a run of the tests; `WEBSANS_SEEDS` asks for more.
const SEEDS: u64 = 2000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = variable("WEBSANS_SEED") {
        println!("{}", sim::run(Plan::from_seed(seed)).trace);
        return;
    }
    let seeds = variable("WEBSANS_SEEDS").unwrap_or(SEEDS);
    thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || {
                for seed in (worker..seeds).step_by(2) {
                    let _ = sim::run(Plan::from_seed(seed));
                }
            });
        }
    });
}

#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..100 {
        let [once, again] = [0, 1].map(|_| sim::run(Plan::from_seed(seed)));
        assert_eq!(once.trace.hash(), again.trace.hash());
        assert_eq!(once.trace, again.trace);
    }
}
#[test]
#[ignore = "timing"]
fn timing() {
    let mut all = vec![];
    for seed in 0..600 {
        let t = std::time::Instant::now();
        let run = sim::run(Plan::from_seed(seed));
        all.push((t.elapsed(), seed, run.trace.entries().len(), run.ends[0].wrote.len() + run.ends[1].wrote.len()));
    }
    all.sort();
    all.reverse();
    let sum: core::time::Duration = all.iter().map(|x| x.0).sum();
    println!("{sum:?}");
    for x in &all[..15] { println!("{x:?}"); }
}
#[test]
#[ignore = "count"]
fn count_failures() {
    let mut bad = vec![];
    for seed in 0..600 {
        if std::panic::catch_unwind(|| { let _ = sim::run(Plan::from_seed(seed)); }).is_err() { bad.push(seed) }
    }
    println!("BAD {bad:?}");
}
