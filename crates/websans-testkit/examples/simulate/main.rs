//! Plays seeds of the simulation, each in a memory that can be short: `cargo xtask simulate` runs it.
//!
//! Arguments: the first seed, how many, and the distance between two; or one seed alone, whose trace is printed.

mod scarce;

use std::process::ExitCode;

use scarce::Scarce;
use websans_testkit::sim::{self, Memory, Plan};

#[global_allocator]
static ALLOCATOR: Scarce = Scarce::new();

const MEMORY: Memory = Memory { limit: scarce::refuse, live: || ALLOCATOR.live() };

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    match arguments[..] {
        [seed] => println!("{}", sim::run_in(Plan::from_seed(seed), MEMORY).trace),
        [first, count, step] => play((0..count).map(|i| first + i * step)),
        _ => {
            eprintln!("usage: simulate SEED | FIRST COUNT STEP");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Each seed once to its end; every eighth once more, for the same trace, and every fourth half way, to be weighed.
fn play(seeds: impl Iterator<Item = u64>) {
    let (mut runs, mut lied, mut short, mut digest) = (0_u64, 0_u64, 0_u64, 0_u64);
    for seed in seeds {
        let before = (MEMORY.live)();
        let run = sim::run_in(Plan::from_seed(seed), MEMORY);
        let hash = run.trace.hash();
        let steps = run.trace.entries().len();
        for end in &run.ends {
            match end.outcome.cause {
                websans::Cause::Protocol(websans::ProtocolError::OutOfMemory) => short += 1,
                websans::Cause::Protocol(_) => lied += 1,
                _ => {}
            }
        }
        drop(run);
        assert_eq!((MEMORY.live)(), before, "seed {seed} leaks");
        if seed % 8 == 0 {
            let again = sim::run_in(Plan::from_seed(seed), MEMORY).trace.hash();
            assert_eq!(hash, again, "seed {seed} has another trace");
        }
        if seed % 4 == 1 {
            sim::weigh(Plan::from_seed(seed), MEMORY, steps / 2);
        }
        digest = digest.rotate_left(1) ^ hash;
        runs += 1;
    }
    println!("{runs} runs, {lied} ends lied to, {short} without memory, digest {digest:016x}");
}
