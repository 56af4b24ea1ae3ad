//! `cargo xtask autobahn`: the Autobahn testsuite against an adapter, as a server or as a client.
//!
//! [`suite`] runs the suite, [`peer`] the program under test; [`report`] reads what the suite says of each
//! [`case`], and [`expected`] is what it should say.

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::case::{Case, Pattern};
use self::expected::Expected;
use self::peer::Program;
use self::report::Report;
use self::suite::{Run, Suite};
use crate::child::{self, Child, seconds};
use crate::failure::{Doing, Failure, Result, fail};
use crate::workspace::{Target, Workspace};

mod case;
mod expected;
mod peer;
mod report;
mod suite;

/// A crate of this workspace that moves bytes for the core, by the programs that test it.
pub(crate) struct Adapter {
    pub(crate) name: &'static str,
    server: &'static str,
    client: &'static str,
}

/// The adapters there are.
pub(crate) const ADAPTERS: &[Adapter] = &[
    Adapter { name: "std", server: "std-server", client: "std-client" },
    Adapter { name: "tokio", server: "tokio-server", client: "tokio-client" },
];

/// The cases that are run through TLS: those in which it matters how bytes arrive, and when the transport ends. The
/// rest is about the content of frames.
const TLS_CASES: &[&str] = &["1.*", "2.*", "5.*", "7.*", "9.1.*", "9.2.*", "10.*"];

/// The package of those programs.
const PACKAGE: &str = "websans-autobahn";
const DIRECTORY: &str = "autobahn";

/// Cases run at once, unless told otherwise: more would disturb those that measure time.
const JOBS: usize = 2;
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The side the peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

impl Role {
    pub(crate) const BOTH: [Self; 2] = [Self::Server, Self::Client];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

const HELP: &str = "\
Run the Autobahn testsuite and compare every verdict with autobahn/expected.json.

Usage: cargo xtask autobahn --adapter NAME --role server|client [OPTION...]
       cargo xtask autobahn --all [OPTION...]
       cargo xtask autobahn --url ws://HOST:PORT [OPTION...]
       cargo xtask autobahn --program PATH --role server|client [OPTION...]

  --adapter NAME     an adapter of this workspace (std, tokio)
  --role ROLE        the side it takes
  --tls              through TLS; without --cases, those in which that makes a difference
  --all              every adapter in both roles, and through TLS
  --url URL          a server that already runs
  --program PATH     any program that takes the arguments autobahn/README.md tells
  --cases PATTERN    only these cases, such as 6.4.* or 7.1.6; may be repeated
  --jobs N           cases run at once (2)
  --time-limit SECS  for each run (1200)

The suite is installed into autobahn/.wstest on first use. Reports are in autobahn/reports.
";

impl Adapter {
    /// The program that takes this side.
    const fn program(&self, role: Role) -> &'static str {
        match role {
            Role::Server => self.server,
            Role::Client => self.client,
        }
    }
}

/// What is tested.
enum Subject {
    Adapter { adapter: &'static Adapter, role: Role, tls: bool },
    Program(PathBuf, Role),
    Url(String),
}

impl Subject {
    /// What the suite calls it, which is also the name of its report.
    fn agent(&self) -> String {
        match self {
            Self::Adapter { adapter, role, tls: false } => adapter.program(*role).into(),
            Self::Adapter { adapter, role, tls: true } => adapter.program(*role).to_owned() + "-tls",
            Self::Program(_, role) => format!("program-{role}"),
            Self::Url(_) => "url-server".into(),
        }
    }

    /// The patterns of the cases to run, if not all.
    fn cases(&self, options: &Options) -> Result<Vec<Pattern>> {
        let chosen: Vec<&str> = match self {
            Self::Adapter { tls: true, .. } if options.cases.is_empty() => TLS_CASES.to_vec(),
            _ => options.cases.iter().map(String::as_str).collect(),
        };
        chosen.into_iter().map(Pattern::new).collect()
    }
}

struct Options {
    cases: Vec<String>,
    jobs: usize,
    limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cases: Vec::new(), jobs: JOBS, limit: LIMIT }
    }
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let Some((subjects, options)) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    let mut failed = Vec::new();
    for subject in &subjects {
        if let Err(failure) = test(workspace, subject, &options) {
            eprintln!("error: {}: {failure}", subject.agent());
            failed.push(subject.agent());
        }
    }
    if !failed.is_empty() {
        fail!("not as expected: {}", failed.join(", "));
    }
    Ok(())
}

/// All cases against one adapter, as a step of `cargo xtask test`.
pub(crate) fn check(workspace: &Workspace, adapter: &'static Adapter, role: Role) -> Result {
    test(workspace, &Subject::Adapter { adapter, role, tls: false }, &Options::default())
}

/// Some cases against one adapter in both roles through TLS, as another such step.
pub(crate) fn check_tls(workspace: &Workspace, adapter: &'static Adapter) -> Result {
    Role::BOTH.into_iter().try_for_each(|role| {
        test(workspace, &Subject::Adapter { adapter, role, tls: true }, &Options::default())
    })
}

fn parse(arguments: &mut lexopt::Parser) -> Result<Option<(Vec<Subject>, Options)>> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let (mut adapter, mut role, mut program, mut url) = (None, None, None, None);
    let (mut all, mut tls) = (false, false);
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
            Long("time-limit") => options.limit = Duration::from_secs(arguments.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if tls && adapter.is_none() {
        fail!("--tls goes with --adapter only; see --help");
    }
    let subjects = match (all, adapter, program, url, role) {
        (true, None, None, None, None) => ADAPTERS.iter().flat_map(subjects).collect(),
        (false, Some(adapter), None, None, Some(role)) => vec![Subject::Adapter { adapter, role, tls }],
        (false, None, Some(program), None, Some(role)) => vec![Subject::Program(program, role)],
        (false, None, None, Some(url), None | Some(Role::Server)) => vec![Subject::Url(url)],
        _ => fail!("say --adapter and --role, --program and --role, --url, or --all; see --help"),
    };
    Ok(Some((subjects, options)))
}

/// All ways to test an adapter.
fn subjects(adapter: &'static Adapter) -> impl Iterator<Item = Subject> {
    [false, true]
        .into_iter()
        .flat_map(move |tls| Role::BOTH.map(|role| Subject::Adapter { adapter, role, tls }))
}

/// What the suite is run against, once it is built and, if it is a server of ours, running.
enum Peer {
    Server { url: String, process: Option<(Child, Program)> },
    Client(Program),
}

impl Peer {
    fn start(workspace: &Workspace, subject: &Subject, directory: &Path) -> Result<Self> {
        let (path, role, tls) = match subject {
            Subject::Url(url) => return Ok(Self::Server { url: url.clone(), process: None }),
            Subject::Program(path, role) => (path.clone(), *role, false),
            Subject::Adapter { adapter, role, tls } => {
                (workspace.build(PACKAGE, Target::Bin, adapter.program(*role))?, *role, *tls)
            }
        };
        let certificates = tls.then(|| make_certificate(workspace, directory)).transpose()?;
        let program = Program { path, log: directory.join("peer.log"), certificates };
        if role == Role::Client {
            return Ok(Self::Client(program));
        }
        match program.serve() {
            Ok((child, url)) => Ok(Self::Server { url, process: Some((child, program)) }),
            Err(failure) => {
                program.show_log();
                Err(failure)
            }
        }
    }

    fn run(&mut self, suite: &Suite, run: &Run<'_>) -> Result<Report> {
        match self {
            Self::Server { url, process } => {
                suite.test_server(run, url, process.as_mut().map(|(child, _)| child))
            }
            Self::Client(program) => suite.test_client(run, program),
        }
    }

    fn certificates(&self) -> Option<&Path> {
        match self {
            Self::Server { process: Some((_, program)), .. } | Self::Client(program) => {
                program.certificates.as_deref()
            }
            Self::Server { process: None, .. } => None,
        }
    }

    fn show_log(&self) {
        match self {
            Self::Server { process: Some((_, program)), .. } | Self::Client(program) => program.show_log(),
            Self::Server { process: None, .. } => {}
        }
    }
}

/// Makes a certificate for the TLS server of a run, and says in which directory it is.
fn make_certificate(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    let program = workspace.build(PACKAGE, Target::Bin, "certificate")?;
    let directory = directory.join("certificates");
    peer::fresh(&directory)?;
    child::run("certificate", workspace.command(program).arg("--directory").arg(&directory))?;
    Ok(directory)
}

/// Runs the chosen cases against one subject.
fn test(workspace: &Workspace, subject: &Subject, options: &Options) -> Result {
    let expected = Expected::read(&workspace.path(DIRECTORY).join("expected.json"))?;
    let agent = subject.agent();
    let directory = workspace.path(DIRECTORY).join("reports").join(&agent);
    peer::fresh(&directory)?;
    let suite = Suite::install(workspace, options.jobs, options.limit)?;
    let all = suite.list(&directory, &["*".into()])?;
    expected.check(&all)?;
    let patterns = subject.cases(options)?;
    if let Some(unknown) = patterns.iter().find(|pattern| !all.iter().any(|case| pattern.matches(case))) {
        fail!("{unknown} is no case");
    }
    let is_chosen = |case: &Case| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(case));
    let cases: Vec<Case> = all.into_iter().filter(is_chosen).collect();

    let mut peer = Peer::start(workspace, subject, &directory)?;
    let result = compare(&suite, &mut peer, &agent, &cases, &expected, &directory);
    if result.is_err() {
        peer.show_log();
        eprintln!("what happened in each case is in {}", directory.display());
    }
    result
}

/// Runs the cases, and once more those that differ from what is expected: some depend on time.
fn compare(
    suite: &Suite,
    peer: &mut Peer,
    agent: &str,
    cases: &[Case],
    expected: &Expected,
    directory: &Path,
) -> Result {
    if let Peer::Server { url, .. } = peer {
        peer::probe(url)?;
    }
    println!("{agent}: {} cases, {} at once", cases.len(), suite.jobs);
    let started = Instant::now();
    let ids = |cases: &[Case]| cases.iter().map(Case::to_string).collect::<Vec<_>>();
    let certificates = peer.certificates().map(Path::to_path_buf);
    let certificates = certificates.as_deref();
    let first = peer.run(suite, &Run { agent, cases: &ids(cases), directory, certificates })?;
    println!("\n{}", first.table());
    println!("{agent}: {} in {}", first.summary(), seconds(started.elapsed()));

    let differences = expected.differences(cases, &first);
    if differences.is_empty() {
        println!("{agent}: as expected");
        return Ok(());
    }
    println!("{} of {} cases differ from expected.json:", differences.len(), cases.len());
    differences.iter().for_each(|difference| println!("  {difference}"));

    println!("running them once more, as some depend on time");
    let again: Vec<Case> = differences.into_iter().map(|difference| difference.case).collect();
    let directory = directory.join("again");
    peer::fresh(&directory)?;
    let second = peer.run(suite, &Run { agent, cases: &ids(&again), directory: &directory, certificates })?;
    let differences = expected.differences(&again, &second);
    for case in again.iter().filter(|case| differences.iter().all(|difference| difference.case != **case)) {
        let (first, second) = (first.verdict(case), second.verdict(case));
        println!("  {case}: {first} the first time; {second} the second time");
    }
    if differences.is_empty() {
        println!("{agent}: as expected the second time");
        return Ok(());
    }
    println!("the second time:");
    for difference in &differences {
        println!("  {difference}");
        if let Some(reason) = expected.reason(&difference.case) {
            println!("      expected because {reason}");
        }
        if !second.said(&difference.case).is_empty() {
            println!("      the suite says: {}", second.said(&difference.case));
        }
    }
    let ids: Vec<String> = differences.iter().map(|difference| difference.case.to_string()).collect();
    fail!("not as in expected.json, also the second time: {}", listed(&ids));
}

/// The first few, and how many more there are.
fn listed(ids: &[String]) -> String {
    let (shown, rest) = ids.split_at(ids.len().min(10));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let ids: Vec<String> = (1..13).map(|number| number.to_string()).collect();
        assert_eq!(listed(&ids[..2]), "1, 2");
        assert_eq!(listed(&ids), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }

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
        assert_eq!(
            agents("--all"),
            [
                "std-server",
                "std-client",
                "std-server-tls",
                "std-client-tls",
                "tokio-server",
                "tokio-client",
                "tokio-server-tls",
                "tokio-client-tls",
            ]
        );
        assert_eq!(agents("--url ws://127.0.0.1:9001"), ["url-server"]);
        assert!(parsed("--help").unwrap().is_none());
    }

    #[test]
    fn only_some_cases_go_through_tls() {
        let cases = |line| {
            let (subjects, options) = parsed(line).unwrap().unwrap();
            let cases = subjects[0].cases(&options).unwrap();
            cases.iter().map(Pattern::to_string).collect::<Vec<_>>()
        };
        assert!(cases("--adapter tokio --role server").is_empty());
        assert_eq!(cases("--adapter tokio --role server --tls"), TLS_CASES);
        assert_eq!(cases("--adapter tokio --role server --tls --cases 6.*"), ["6.*"]);
    }

    #[test]
    fn options_are_read() {
        let (_, options) =
            parsed("--all --cases 1.* --cases 7.1.6 --jobs 3 --time-limit 5").unwrap().unwrap();
        assert_eq!(options.cases, ["1.*", "7.1.6"]);
        assert_eq!((options.jobs, options.limit), (3, Duration::from_secs(5)));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "--adapter std",
            "--role server",
            "--adapter none --role server",
            "--adapter std --role peer",
            "--all --role server",
            "--url ws://127.0.0.1:1 --role client",
            "--url ws://127.0.0.1:1 --tls",
            "--all --tls",
            "--all --cases x",
            "--all --jobs many",
            "std",
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
        let failure = parsed("--adapter none --role server").err().unwrap().to_string();
        assert_eq!(failure, "there is no adapter none; there is: std, tokio");
    }
}
