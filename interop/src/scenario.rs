//! What is exchanged with every peer, in either role.

use std::sync::Arc;
use std::time::Duration;

use crate::bench::Bench;

mod agreements;
mod closing;
mod control;
mod data;
mod deflate;
mod opening;
mod traffic;

/// One thing that is tried with a peer.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Where it can be tried at all.
    applies: fn(&Bench) -> bool,
    pub(crate) run: Arc<Run>,
    /// How long it may take.
    pub(crate) limit: Duration,
}

type Run = dyn Fn(&Bench) -> Result<(), String> + Send + Sync;

/// How long most scenarios may take; most take less than a second.
const LIMIT: Duration = Duration::from_secs(60);

impl Scenario {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&Bench) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), applies: |_| true, run: Arc::new(run), limit: LIMIT }
    }

    fn only(mut self, applies: fn(&Bench) -> bool) -> Self {
        self.applies = applies;
        self
    }

    fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn applies(&self, bench: &Bench) -> bool {
        (self.applies)(bench)
    }
}

/// All scenarios, in the order of the table.
pub(crate) fn all() -> Vec<Scenario> {
    [
        data::scenarios(),
        control::scenarios(),
        closing::scenarios(),
        opening::scenarios(),
        deflate::scenarios(),
        agreements::scenarios(),
    ]
    .concat()
}

/// For scenarios that ask more of a peer than the interface of browsers offers.
fn unlimited(bench: &Bench) -> bool {
    !bench.is_limited()
}

/// Fails with a sentence unless something holds.
fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(sentence()) }
}
