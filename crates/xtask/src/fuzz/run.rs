//! One fuzzer's run, and what all came to.

use core::time::Duration;
use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Instant;

use super::build::Fuzzer;
use super::directory;
use super::progress::Progress;
use crate::child::{self, Child, Next};
use crate::failure::{Result, fail};
use crate::workspace::Workspace;

/// How often a run says how it is doing.
const REPORT: Duration = Duration::from_secs(15);
/// How much longer than asked for a run may take: to read the corpus, and the input it is at.
const SLACK: Duration = Duration::from_secs(300);
/// How many of the last lines are shown of a run that fails.
const LINES: usize = 60;

/// One fuzzer, to be run.
pub(super) struct Run<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) fuzzer: &'a Fuzzer,
    pub(super) seconds: u64,
}

/// How it went.
pub(super) struct Outcome {
    pub(super) target: String,
    pub(super) progress: Progress,
    pub(super) took: Duration,
    /// What to tell, if it failed.
    pub(super) failure: Option<String>,
}

impl Run<'_> {
    pub(super) fn to_end(&self) -> Result<Outcome> {
        let name = &self.fuzzer.target.name;
        let artifacts = format!("{}/", directory(self.workspace, &format!("fuzz/artifacts/{name}"))?);
        let corpora =
            ["corpus", "seeds"].map(|kind| directory(self.workspace, &format!("fuzz/{kind}/{name}")));
        let mut command = self.workspace.command(&self.fuzzer.program);
        command.args(self.fuzzer.options()).args(["-print_final_stats=1"]);
        command.arg(format!("-max_total_time={}", self.seconds)).arg(format!("-artifact_prefix={artifacts}"));
        for corpus in corpora {
            command.arg(corpus?);
        }
        let limit = Duration::from_secs(self.seconds) + SLACK;
        let started = Instant::now();
        let mut child = Child::spawn(name, command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let lines = child.errors();
        let mut progress = Progress::default();
        let mut last = VecDeque::new();
        let mut report = started + REPORT;
        println!("{name:<20} starts, for {}", child::seconds(Duration::from_secs(self.seconds)));
        loop {
            match lines.next_within(report.saturating_duration_since(Instant::now())) {
                Next::Line(line) => {
                    if !progress.take(&line) {
                        last.push_back(line);
                        last.drain(..last.len().saturating_sub(LINES));
                    }
                }
                Next::Nothing => {
                    let Progress { executions, edges, corpus, .. } = progress;
                    println!("{name:<20} {executions} executions, {edges} edges, {corpus} inputs");
                    report += REPORT;
                }
                Next::End => break,
            }
            if started.elapsed() > limit {
                fail!("{name} was stopped: it ran for more than {}", child::seconds(limit));
            }
        }
        let status = child.wait(limit)?;
        let took = started.elapsed();
        let mut failure = None;
        if !status.success() {
            let program = self.fuzzer.program.strip_prefix(self.workspace.path(""));
            let program = program.unwrap_or(&self.fuzzer.program).display();
            let again = format!("{program} {}", self.fuzzer.options().join(" "));
            let again = match &progress.artifact {
                Some(file) => format!("the input is {file}; run it again with: {again} {file}"),
                None => format!("it left no input; run it with one: {again} FILE"),
            };
            let last = last.make_contiguous().join("\n");
            println!("{name:<20} fails\n{last}");
            failure = Some(format!("{name}: {}, {status}\n{again}", progress.verdict()));
        }
        let outcome = Outcome { target: name.clone(), progress, took, failure };
        println!("{name:<20} ends after {}: {}", child::seconds(took), outcome.verdict());
        Ok(outcome)
    }
}

impl Outcome {
    fn verdict(&self) -> &'static str {
        if self.failure.is_some() { self.progress.verdict() } else { "ok" }
    }

    fn executions_per_second(&self) -> u64 {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.progress.executions.saturating_mul(1000) / millis
    }
}

pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut table = format!(
        "{:<22} {:>12} {:>8} {:>7} {:>7}  verdict\n",
        "target", "executions", "exec/s", "edges", "corpus"
    );
    for outcome in outcomes {
        let Progress { executions, edges, corpus, .. } = outcome.progress;
        let (target, rate, verdict) = (&outcome.target, outcome.executions_per_second(), outcome.verdict());
        table += &format!("{target:<22} {executions:>12} {rate:>8} {edges:>7} {corpus:>7}  {verdict}\n");
    }
    let executions: u64 = outcomes.iter().map(|outcome| outcome.progress.executions).sum();
    table + &format!("{:<22} {executions:>12}\n", "all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_every_target() {
        let outcome = |target: &str, artifact: Option<&str>, failure: Option<&str>| Outcome {
            target: target.into(),
            progress: Progress {
                executions: 3000,
                edges: 46,
                corpus: 12,
                artifact: artifact.map(Into::into),
            },
            took: Duration::from_millis(1500),
            failure: failure.map(Into::into),
        };
        let outcomes = [outcome("a", None, None), outcome("b", Some("x/crash-1"), Some("no"))];
        let expected = "\
target                   executions   exec/s   edges  corpus  verdict
a                              3000     2000      46      12  ok
b                              3000     2000      46      12  CRASH
all                            6000
";
        assert_eq!(table(&outcomes), expected);
    }
}
