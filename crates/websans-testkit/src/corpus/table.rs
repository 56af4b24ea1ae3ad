//! The report: a row for each group of scenarios, and what failed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::play::Verdict;
use super::scenario::Scenario;

/// A scenario and what became of it.
#[derive(Clone, Debug)]
pub struct Played<'s> {
    /// What was played.
    pub scenario: &'s Scenario,
    /// What became of it.
    pub verdict: Verdict,
}

/// Counts by group.
#[must_use]
pub fn table(all: &[Played<'_>]) -> String {
    let mut rows: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut sum = [0; 4];
    for played in all {
        let column = match played.verdict {
            Verdict::Passed => 0,
            Verdict::Acceptable => 1,
            Verdict::Failed(_) => 2,
            Verdict::NotExpressible(_) => 3,
        };
        rows.entry(played.scenario.group()).or_default()[column] += 1;
        sum[column] += 1;
    }
    let mut out = format!(
        "{:<24} {:>6} {:>10} {:>6} {:>15}\n",
        "scenarios", "passed", "acceptable", "failed", "not expressible"
    );
    for (group, [passed, acceptable, failed, not]) in rows.into_iter().chain([("all", sum)]) {
        let _ = writeln!(out, "{group:<24} {passed:>6} {acceptable:>10} {failed:>6} {not:>15}");
    }
    out
}

/// A paragraph for each failure.
#[must_use]
pub fn failures(all: &[Played<'_>]) -> String {
    let mut out = String::new();
    for Played { scenario, verdict } in all {
        if let Verdict::Failed(why) = verdict {
            let rfc = scenario.rfc.join(", ");
            let _ = writeln!(out, "{}: {why}\n    {} ({rfc})", scenario.id, scenario.shows);
        }
    }
    out
}

/// All of it for programs.
#[must_use]
pub fn json(all: &[Played<'_>]) -> serde_json::Value {
    let one = |played: &Played<'_>| {
        let (verdict, why) = match &played.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Acceptable => ("acceptable", None),
            Verdict::Failed(why) => ("failed", Some(why)),
            Verdict::NotExpressible(why) => ("not expressible", Some(why)),
        };
        serde_json::json!({ "id": played.scenario.id, "verdict": verdict, "why": why })
    };
    all.iter().map(one).collect()
}
