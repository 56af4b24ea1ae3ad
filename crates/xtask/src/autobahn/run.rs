//! Runs of the suite: several subjects at once, and in each those cases again that did not go as expected.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::case::{Case, Pattern};
use super::expected::{Difference, Expected};
use super::peer::{self, Program};
use super::report::Report;
use super::subject::{Built, Role, Subject};
use super::suite::{Run, Suite};
use super::{DIRECTORY, Options};
use crate::child::{self, Child, seconds};
use crate::failure::{Result, fail};
use crate::workspace::Workspace;

/// How one subject did.
pub(super) struct Outcome {
    /// The last verdict on each case.
    pub(super) report: Report,
    pub(super) took: Duration,
    /// The cases that went as expected only the second time.
    pub(super) late: Vec<Case>,
    /// Those that never did.
    pub(super) failed: Vec<Case>,
}

impl Outcome {
    /// What is wrong, if anything is.
    pub(super) fn judge(&self) -> Result {
        if self.failed.is_empty() {
            return Ok(());
        }
        fail!("not as in expected.json, also the second time: {}", listed(&self.failed));
    }
}

/// Runs the chosen cases against all subjects, `options.runs` of them at a time, and says how each one did.
///
/// Everything that two of them would do at the same time is done before: the suite is installed and the programs built.
pub(super) fn all(
    workspace: &Workspace,
    subjects: &[Subject],
    options: &Options,
) -> Result<Vec<Result<Outcome>>> {
    let expected = Expected::read(&workspace.path(DIRECTORY).join("expected.json"))?;
    let reports = workspace.path(DIRECTORY).join("reports");
    let suite = Suite::install(workspace, options.jobs)?;
    let listing = reports.join("list");
    peer::fresh(&listing)?;
    let cases = suite.list(&listing, &["*".into()])?;
    expected.check(&cases)?;
    let tests: Result<Vec<Test<'_>>> = subjects
        .iter()
        .map(|subject| {
            let agent = subject.agent();
            Ok(Test {
                workspace,
                suite: &suite,
                expected: &expected,
                cases: select(&cases, &subject.cases(&options.cases)?)?,
                built: subject.build(workspace)?,
                directory: reports.join(&agent),
                agent,
                limit: options.limit,
            })
        })
        .collect();
    Ok(share(&tests?, options.runs, Test::run))
}

/// The cases that fit a pattern; all if there is none.
fn select(cases: &[Case], patterns: &[Pattern]) -> Result<Vec<Case>> {
    if let Some(unknown) = patterns.iter().find(|pattern| !cases.iter().any(|case| pattern.matches(case))) {
        fail!("{unknown} is no case");
    }
    let is_chosen =
        |case: &&Case| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(case));
    Ok(cases.iter().filter(is_chosen).cloned().collect())
}

/// What `work` makes of each item, in their order, done by so many threads.
fn share<I: Sync, O: Send>(items: &[I], threads: usize, work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What the suite is run against: if it is a server of ours, a running one.
enum Peer {
    Server { url: String, process: Option<(Child, Program)> },
    Client(Program),
}

impl Peer {
    fn run(&mut self, suite: &Suite, run: &Run<'_>) -> Result<Report> {
        match self {
            Self::Server { url, process } => {
                suite.test_server(run, url, process.as_mut().map(|(child, _)| child))
            }
            Self::Client(program) => suite.test_client(run, program),
        }
    }

    fn program(&self) -> Option<&Program> {
        match self {
            Self::Server { process: Some((_, program)), .. } | Self::Client(program) => Some(program),
            Self::Server { process: None, .. } => None,
        }
    }
}

/// One subject, and all that its run needs.
struct Test<'t> {
    workspace: &'t Workspace,
    suite: &'t Suite,
    expected: &'t Expected,
    cases: Vec<Case>,
    built: Built,
    agent: String,
    directory: PathBuf,
    limit: Duration,
}

impl Test<'_> {
    fn run(&self) -> Result<Outcome> {
        let directory = &self.directory;
        peer::fresh(directory)?;
        let mut peer = self.start()?;
        let result = self.compare(&mut peer);
        if !result.as_ref().is_ok_and(|outcome| outcome.failed.is_empty()) {
            if let Some(program) = peer.program() {
                program.show_log();
            }
            eprintln!("what happened in each case is in {}", directory.display());
        }
        result
    }

    fn start(&self) -> Result<Peer> {
        let (path, role, certificate) = match &self.built {
            Built::Url(url) => return Ok(Peer::Server { url: url.clone(), process: None }),
            Built::Program { path, role, certificate } => (path.clone(), *role, certificate.as_deref()),
        };
        let certificates = certificate.map(|program| self.make_certificate(program)).transpose()?;
        let program = Program { path, log: self.directory.join("peer.log"), certificates };
        if role == Role::Client {
            return Ok(Peer::Client(program));
        }
        match program.serve() {
            Ok((child, url)) => Ok(Peer::Server { url, process: Some((child, program)) }),
            Err(failure) => {
                program.show_log();
                Err(failure)
            }
        }
    }

    /// Makes a certificate for the TLS server of a run, and says in which directory it is.
    fn make_certificate(&self, program: &Path) -> Result<PathBuf> {
        let directory = self.directory.join("certificates");
        peer::fresh(&directory)?;
        child::run("certificate", self.workspace.command(program).arg("--directory").arg(&directory))?;
        Ok(directory)
    }

    /// Runs the cases, and once more those that differ from what is expected: some depend on time. Others may print at
    /// the same time, so what belongs together is printed at once.
    fn compare(&self, peer: &mut Peer) -> Result<Outcome> {
        let agent = &self.agent;
        if let Peer::Server { url, .. } = peer {
            peer::probe(url)?;
        }
        println!("{agent}: {} cases, {} at once", self.cases.len(), self.suite.jobs);
        let started = Instant::now();
        let certificates = peer.program().and_then(|program| program.certificates.clone());
        let mut once = |cases: &[Case], directory: &Path| {
            let cases: Vec<String> = cases.iter().map(Case::to_string).collect();
            let deadline = started + self.limit;
            let certificates = certificates.as_deref();
            peer.run(self.suite, &Run { agent, cases: &cases, directory, certificates, deadline })
        };
        let mut report = once(&self.cases, &self.directory)?;
        let took = started.elapsed();
        println!("\n{}\n{agent}: {} in {}", report.table(), report.summary(), seconds(took));

        let differences = self.expected.differences(&self.cases, &report);
        if differences.is_empty() {
            println!("{agent}: as expected");
            return Ok(Outcome { report, took, late: Vec::new(), failed: Vec::new() });
        }
        println!(
            "{agent}: {} of {} cases differ from expected.json:{}\n\
             {agent}: running them once more, as some depend on time",
            differences.len(),
            self.cases.len(),
            indented(&differences)
        );
        let again: Vec<Case> = differences.into_iter().map(|difference| difference.case).collect();
        let directory = self.directory.join("again");
        peer::fresh(&directory)?;
        let second = once(&again, &directory)?;
        let differences = self.expected.differences(&again, &second);
        let failed: Vec<Case> = differences.iter().map(|difference| difference.case.clone()).collect();
        let late: Vec<Case> = again.into_iter().filter(|case| !failed.contains(case)).collect();
        let mut said = format!("{agent}: the second time:");
        for case in &late {
            let (first, second) = (report.verdict(case), second.verdict(case));
            said += &format!("\n  {case}: {first} the first time; {second} the second time");
        }
        said += &self.explained(&differences, &second);
        let verdict = if failed.is_empty() { "as expected" } else { "not as expected" };
        println!("{said}\n{agent}: {verdict} the second time");
        report.replace(second);
        Ok(Outcome { report, took, late, failed })
    }

    /// The differences by line, with all that is known of them.
    fn explained(&self, differences: &[Difference], report: &Report) -> String {
        let mut text = String::new();
        for difference in differences {
            text += &format!("\n  {difference}");
            if let Some(reason) = self.expected.reason(&difference.case) {
                text += &format!("\n      expected because {reason}");
            }
            if !report.said(&difference.case).is_empty() {
                text += &format!("\n      the suite says: {}", report.said(&difference.case));
            }
        }
        text
    }
}

fn indented(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n  {difference}")).collect()
}

/// The first few, and how many more there are.
fn listed(cases: &[Case]) -> String {
    let ids: Vec<String> = cases.iter().map(Case::to_string).collect();
    let (shown, rest) = ids.split_at(ids.len().min(10));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn cases(ids: &[&str]) -> Vec<Case> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn long_lists_are_cut() {
        let numbers: Vec<String> = (1..13).map(|number| number.to_string()).collect();
        let ids = cases(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(listed(&ids[..2]), "1, 2");
        assert_eq!(listed(&ids), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }

    #[test]
    fn cases_are_selected() {
        let all = cases(&["1.1.1", "6.4.1", "6.4.2"]);
        assert_eq!(select(&all, &[]).unwrap(), all);
        assert_eq!(select(&all, &[Pattern::new("6.*").unwrap()]).unwrap(), all[1..]);
        let failure = select(&all, &[Pattern::new("8.*").unwrap()]).unwrap_err().to_string();
        assert_eq!(failure, "8.* is no case");
    }

    #[test]
    fn work_is_shared_and_stays_in_order() {
        // Nobody passes the barrier unless two are at work at once.
        let barrier = Barrier::new(2);
        let doubled = share(&[1, 2, 3, 4], 2, |number| {
            barrier.wait();
            number * 2
        });
        assert_eq!(doubled, [2, 4, 6, 8]);
        assert!(share(&[0; 0], 2, |number| *number).is_empty());
    }

    #[test]
    fn one_thread_does_one_after_the_other() {
        let running = AtomicUsize::new(0);
        let most = share(&[(); 5], 1, |()| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
            now
        });
        assert_eq!(most, [1; 5]);
    }
}
