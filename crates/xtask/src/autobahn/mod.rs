//! `cargo xtask autobahn`: the Autobahn testsuite against an adapter, as a server or as a client.
//!
//! A [`subject`] is what is tested. [`suite`] runs the suite and [`peer`] the program under test, for [`run`], which
//! runs several subjects at once; [`report`] reads what the suite says of each [`case`], [`expected`] is what it should
//! say, and [`results`] writes all of it down.

use core::time::Duration;
use std::path::PathBuf;

use self::case::Pattern;
use self::results::Date;
use self::run::Outcome;
pub(crate) use self::subject::{ADAPTERS, Adapter};
use self::subject::{Role, Subject};
use crate::failure::{Doing, Failure, Result, fail};
use crate::workspace::Workspace;

mod case;
mod expected;
mod peer;
mod report;
mod results;
mod run;
mod subject;
mod suite;

/// Where the suite, the programs and the reports are.
const DIRECTORY: &str = "autobahn";

/// Cases run at once, unless told otherwise: more would disturb those that measure time.
const JOBS: usize = 2;
/// Runs at once, if there are several. Messages go back and forth, so a run keeps one processor busy and not much more.
const RUNS: usize = 2;
/// For each run. Groups 12 and 13 take most of it.
const LIMIT: Duration = Duration::from_secs(60 * 60);

const HELP: &str = "\
Run the Autobahn testsuite and compare every verdict with autobahn/expected.json.

Usage: cargo xtask autobahn --adapter NAME --role server|client [OPTION...]
       cargo xtask autobahn --all [OPTION...]
       cargo xtask autobahn --url ws://HOST:PORT [OPTION...]
       cargo xtask autobahn --program PATH --role server|client [OPTION...]

  --adapter NAME     an adapter of this workspace (std, tokio, tower)
  --role ROLE        the side it takes
  --tls              through TLS; without --cases, those in which that makes a difference
  --all              every adapter in each of its roles, and through TLS; writes autobahn/RESULTS.md
  --url URL          a server that already runs
  --program PATH     any program that takes the arguments autobahn/README.md tells
  --cases PATTERN    only these cases, such as 6.4.* or 7.1.6; may be repeated
  --jobs N           cases of a run at once (2)
  --runs N           runs at once (2), of --all
  --time-limit SECS  for each run (3600)
  --date YYYY-MM-DD  what RESULTS.md is dated (today)

The suite is installed into autobahn/.wstest on first use. Reports are in autobahn/reports.
";

struct Options {
    cases: Vec<String>,
    jobs: usize,
    runs: usize,
    limit: Duration,
    /// The day to write results down for, if they are to be.
    results: Option<Date>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cases: Vec::new(), jobs: JOBS, runs: RUNS, limit: LIMIT, results: None }
    }
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let Some((subjects, options)) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    let results = run::all(workspace, &subjects, &options)?;
    if let Some(date) = &options.results {
        let command = format!("cargo xtask autobahn --all --jobs {} --runs {}", options.jobs, options.runs);
        results::write(workspace, *date, &command, &subjects, &results)?;
    }
    judge(&subjects, results)
}

/// One adapter in each of its roles, as a step of `cargo xtask test`.
pub(crate) fn check(workspace: &Workspace, adapter: &'static Adapter) -> Result {
    let cases = adapter.tested.iter().map(|&pattern| pattern.to_owned()).collect();
    every_role(workspace, adapter, false, &Options { cases, ..Options::default() })
}

/// Some cases against one adapter in each of its roles through TLS, as another such step.
pub(crate) fn check_tls(workspace: &Workspace, adapter: &'static Adapter) -> Result {
    every_role(workspace, adapter, true, &Options::default())
}

fn every_role(workspace: &Workspace, adapter: &'static Adapter, tls: bool, options: &Options) -> Result {
    let subjects: Vec<Subject> = adapter.subjects(tls).collect();
    judge(&subjects, run::all(workspace, &subjects, options)?)
}

/// Whether every subject did as expected.
fn judge(subjects: &[Subject], results: Vec<Result<Outcome>>) -> Result {
    let mut failed = Vec::new();
    for (subject, result) in subjects.iter().zip(results) {
        if let Err(failure) = result.and_then(|outcome| outcome.judge()) {
            eprintln!("error: {}: {failure}", subject.agent());
            failed.push(subject.agent());
        }
    }
    if !failed.is_empty() {
        fail!("not as expected: {}", failed.join(", "));
    }
    Ok(())
}

fn parse(arguments: &mut lexopt::Parser) -> Result<Option<(Vec<Subject>, Options)>> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let (mut adapter, mut role, mut program, mut url) = (None, None, None, None);
    let (mut all, mut tls, mut date) = (false, false, None);
    let mut options = Options::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("adapter") => {
                let name = arguments.value()?.string()?;
                let known: Vec<&str> = ADAPTERS.iter().map(|adapter| adapter.name).collect();
                let found = ADAPTERS.iter().find(|adapter| adapter.name == name);
                let missing = || format!("there is no adapter {name}; there is: {}", known.join(", "));
                adapter = Some(found.ok_or_else(|| Failure::new(missing()))?);
            }
            Long("role") => {
                role = match arguments.value()?.string()?.as_str() {
                    "server" => Some(Role::Server),
                    "client" => Some(Role::Client),
                    other => fail!("a role is server or client, not {other}"),
                }
            }
            Long("program") => {
                let path = PathBuf::from(arguments.value()?);
                program = Some(path.canonicalize().doing(|| format!("cannot find {}", path.display()))?);
            }
            Long("url") => url = Some(arguments.value()?.string()?),
            Long("all") => all = true,
            Long("tls") => tls = true,
            Long("cases") => options.cases.push(Pattern::new(arguments.value()?.string()?)?.to_string()),
            Long("jobs") => options.jobs = arguments.value()?.parse::<usize>()?.max(1),
            Long("runs") => options.runs = arguments.value()?.parse::<usize>()?.max(1),
            Long("date") => date = Some(arguments.value()?.string()?.parse::<Date>()?),
            Long("time-limit") => options.limit = Duration::from_secs(arguments.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if tls && adapter.is_none() {
        fail!("--tls goes with --adapter only; see --help");
    }
    if date.is_some() && !all {
        fail!("--date goes with --all only; see --help");
    }
    // Results of some of the cases would look like results of all.
    options.results = (all && options.cases.is_empty()).then(|| date.unwrap_or_else(Date::today));
    let subjects = match (all, adapter, program, url, role) {
        (true, None, None, None, None) => {
            [false, true].iter().flat_map(|tls| ADAPTERS.iter().flat_map(|a| a.subjects(*tls))).collect()
        }
        (false, Some(adapter), None, None, Some(role)) => {
            let missing = || format!("{} is no {role}", adapter.name);
            vec![adapter.subject(role, tls).ok_or_else(|| Failure::new(missing()))?]
        }
        (false, None, Some(program), None, Some(role)) => vec![Subject::Program(program, role)],
        (false, None, None, Some(url), None | Some(Role::Server)) => vec![Subject::Url(url)],
        _ => fail!("say --adapter and --role, --program and --role, --url, or --all; see --help"),
    };
    Ok(Some((subjects, options)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<(Vec<Subject>, Options)>> {
        parse(&mut lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn subjects_are_chosen() {
        let agents = |line| {
            let (subjects, _) = parsed(line).unwrap().unwrap();
            subjects.iter().map(Subject::agent).collect::<Vec<_>>()
        };
        assert_eq!(agents("--adapter std --role server"), ["std-server"]);
        assert_eq!(agents("--role client --adapter std"), ["std-client"]);
        assert_eq!(agents("--adapter tokio --role client --tls"), ["tokio-client-tls"]);
        assert_eq!(agents("--adapter tower --role server"), ["tower-server"]);
        assert_eq!(
            agents("--all"),
            [
                "std-server",
                "std-client",
                "tokio-server",
                "tokio-client",
                "tower-server",
                "std-server-tls",
                "std-client-tls",
                "tokio-server-tls",
                "tokio-client-tls",
                "tower-server-tls",
            ]
        );
        assert_eq!(agents("--url ws://127.0.0.1:9001"), ["url-server"]);
        assert!(parsed("--help").unwrap().is_none());
    }

    #[test]
    fn only_some_cases_go_through_tls() {
        let cases = |line| {
            let (subjects, options) = parsed(line).unwrap().unwrap();
            let cases = subjects[0].cases(&options.cases).unwrap();
            cases.iter().map(Pattern::to_string).collect::<Vec<_>>()
        };
        assert!(cases("--adapter tokio --role server").is_empty());
        assert_eq!(cases("--adapter tokio --role server --tls"), subject::TLS_CASES);
        assert_eq!(cases("--adapter tokio --role server --tls --cases 6.*"), ["6.*"]);
    }

    #[test]
    fn options_are_read() {
        let (_, options) =
            parsed("--all --cases 1.* --cases 7.1.6 --jobs 3 --runs 4 --time-limit 5").unwrap().unwrap();
        assert_eq!(options.cases, ["1.*", "7.1.6"]);
        assert_eq!((options.jobs, options.runs, options.limit), (3, 4, Duration::from_secs(5)));
    }

    #[test]
    fn only_all_results_are_written_down() {
        let date = |line| parsed(line).unwrap().unwrap().1.results.map(|date| date.to_string());
        assert_eq!(date("--all --date 2026-02-03").as_deref(), Some("2026-02-03"));
        assert!(date("--all").is_some());
        assert_eq!(date("--all --cases 1.*"), None);
        assert_eq!(date("--adapter std --role server"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "--adapter std",
            "--role server",
            "--adapter none --role server",
            "--adapter std --role peer",
            "--adapter tower --role client",
            "--all --role server",
            "--url ws://127.0.0.1:1 --role client",
            "--url ws://127.0.0.1:1 --tls",
            "--all --tls",
            "--all --cases x",
            "--all --jobs many",
            "--all --date tomorrow",
            "--adapter std --role server --date 2026-02-03",
            "std",
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
        let failure = parsed("--adapter none --role server").err().unwrap().to_string();
        assert_eq!(failure, "there is no adapter none; there is: std, tokio, tower");
    }
}
