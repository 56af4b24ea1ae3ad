//! [`hold`]: an adapter is held to the corpus.

use super::play::Verdict;
use super::scenario::{Role, Scenario};
use super::subject::Subject;
use super::{Played, corpus, failures, play_all, table};

/// Conversations at the same time: most of their time is waiting.
const AT_ONCE: usize = 24;

/// Plays everything for `role` but what needs a profile of those that it goes `without`, and prints the table. No scenario
/// may fail, and none be out of reach.
///
/// # Panics
/// If one is.
pub fn hold(name: &str, subject: &dyn Subject, role: Role, without: &[&str]) {
    let wanted = |one: &&Scenario| one.role == role && !without.contains(&one.profile.as_str());
    let scenarios: Vec<&Scenario> = corpus().scenarios.iter().filter(wanted).collect();
    let played = play_all(subject, &scenarios, AT_ONCE);
    println!("{name}\n{}", table(&played));
    let beyond: Vec<&Played<'_>> =
        played.iter().filter(|one| matches!(one.verdict, Verdict::NotExpressible(_))).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    let failures = failures(&played);
    assert!(failures.is_empty(), "{name}:\n{failures}");
}
