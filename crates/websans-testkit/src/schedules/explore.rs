//! [`explore`]: one scenario under many schedules.

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, MaxSteps, Runner};

use super::time;

/// How many schedules, unless `WEBSANS_SCHEDULES` says it.
const SCHEDULES: usize = 100;

/// Changes of priority in a schedule, and one: most defects of this kind take no more.
const DEPTH: usize = 3;

/// Far more than any scenario takes: beyond it, it goes round in circles.
const MAX_STEPS: usize = 50_000;

/// One in so many turns is that of the time, although others could go on.
const HASTY: u64 = 64;

thread_local! {
    static IDLE: Cell<bool> = const { Cell::new(false) };
}

/// Whether nobody but the time can do anything.
pub(super) fn is_idle() -> bool {
    IDLE.get()
}

/// Runs `scenario` under `WEBSANS_SCHEDULES` schedules, the first half of them at random and the other by priorities, from
/// the seed `WEBSANS_SEED` if there is one; or only under the one that `WEBSANS_REPLAY` holds.
///
/// # Panics
/// If the scenario does, or gets stuck. What replays the schedule has been printed then.
pub fn explore(name: &str, scenario: impl Fn() + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    let begin = || {
        let scenario = Arc::clone(&scenario);
        move || {
            time::begin();
            scenario();
        }
    };
    if let Ok(schedule) = std::env::var("WEBSANS_REPLAY") {
        Runner::new(Timed::new(ReplayScheduler::new_from_encoded(&schedule), true), config()).run(begin());
        println!("schedules: {name} replayed");
        return;
    }
    let schedules = number("WEBSANS_SCHEDULES").unwrap_or(SCHEDULES);
    let seed =
        number("WEBSANS_SEED").map_or_else(|| RandomState::new().build_hasher().finish(), |seed| seed as u64);
    println!("schedules: {name} from {seed}");
    let random = Timed::new(RandomScheduler::new_from_seed(seed, schedules - schedules / 2), false);
    let by_priority = Timed::new(PctScheduler::new_from_seed(seed, DEPTH, schedules / 2), false);
    let seen = [Arc::clone(&random.seen), Arc::clone(&by_priority.seen)];
    let ran = Runner::new(random, config()).run(begin()) + Runner::new(by_priority, config()).run(begin());
    let mut different = HashSet::new();
    for seen in seen {
        different.extend(seen.lock().unwrap_or_else(PoisonError::into_inner).drain());
    }
    println!("schedules: {name} explored {ran} different {} seed {seed}", different.len());
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.silence_warnings = true; // of orderings: the module says so
    config.max_steps = MaxSteps::FailAfter(MAX_STEPS);
    config
}

fn number(variable: &str) -> Option<usize> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

/// Another scheduler, for whom the time is no task: its turn comes when no other can go on, and now and then.
struct Timed<S> {
    scheduler: S,
    replay: bool,
    chance: u64,
    /// What tells this schedule from others.
    trace: u64,
    seen: Arc<Mutex<HashSet<u64>>>,
}

impl<S> Timed<S> {
    fn new(scheduler: S, replay: bool) -> Self {
        Self { scheduler, replay, chance: 0, trace: 0, seen: Arc::default() }
    }

    fn note(&mut self) {
        if self.trace != 0 {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(self.trace);
        }
        self.trace = 0;
    }

    /// SplitMix64.
    fn throw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl<S: Scheduler> Scheduler for Timed<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.note();
        let schedule = self.scheduler.new_execution()?;
        self.chance = schedule.seed;
        Some(schedule)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        // The first task that a scenario's begin has spawned.
        let clock = TaskId::from(1);
        let ticking = runnable.iter().any(|task| task.id() == clock);
        let idle = ticking && runnable.len() == 1;
        IDLE.set(idle);
        let next = if !ticking || idle || self.replay {
            self.scheduler.next_task(runnable, current, is_yielding)
        } else if self.throw() % HASTY == 0 {
            Some(clock)
        } else {
            let others: Vec<&Task> = runnable.iter().copied().filter(|task| task.id() != clock).collect();
            self.scheduler.next_task(&others, current, is_yielding)
        };
        if let Some(next) = next {
            self.trace = (self.trace ^ (usize::from(next) as u64 + 1)).wrapping_mul(0x100_0000_01b3);
        }
        next
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}
