//! Exchanges between this workspace's adapters and WebSocket implementations of other languages, as server and as
//! client: see `README.md`.

use std::error::Error;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use lexopt::ValueExt as _;

use crate::bench::Bench;
use crate::certificates::Certificates;
use crate::peer::{Implementation, Interpreters, Peer};
use crate::scenario::Scenario;
use crate::table::{Column, Verdict};

mod adapter;
mod bench;
mod certificates;
mod compression;
mod payload;
mod peer;
mod report;
mod scenario;
mod table;

const HELP: &str = "\
Exchange messages with WebSocket implementations of other languages.

Usage: websans-interop --node PATH --python PATH [OPTION...]

  --node PATH      Node with the package ws (.peers/node)
  --python PATH    Python with the package websockets (.peers/python)
  --adapter NAME   only this adapter: std, tokio
  --peer NAME      only this peer: ws, node, websockets
  --scenario TEXT  only scenarios with this in their names
";

/// What the command line chooses.
struct Options {
    interpreters: Interpreters,
    adapter: Option<String>,
    peer: Option<String>,
    scenario: Option<String>,
}

fn main() -> ExitCode {
    let result = parse().and_then(|options| options.map_or(Ok(true), |options| run(&options)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line's choice; `None` if it asks for help.
fn parse() -> Result<Option<Options>, Box<dyn Error>> {
    use lexopt::Arg::{Long, Short};
    let (mut node, mut python, mut adapter, mut peer, mut scenario) = (None, None, None, None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        let into = match argument {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(None);
            }
            Long("node") => &mut node,
            Long("python") => &mut python,
            Long("adapter") => &mut adapter,
            Long("peer") => &mut peer,
            Long("scenario") => &mut scenario,
            other => return Err(other.unexpected().into()),
        };
        *into = Some(arguments.value()?.string()?);
    }
    let (Some(node), Some(python)) = (node, python) else {
        return Err("say --node and --python; see --help".into());
    };
    let absolute =
        |path: String| fs::canonicalize(&path).map_err(|error| format!("cannot find {path}: {error}"));
    let interpreters =
        Interpreters { node: absolute(node)?, python: absolute(python)?, programs: peer::programs() };
    Ok(Some(Options { interpreters, adapter, peer, scenario }))
}

/// Tries all that is chosen; whether everything went well.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let is_chosen =
        |chosen: &Option<String>, name: &str| chosen.as_deref().is_none_or(|chosen| chosen == name);
    let certificates = Arc::new(Certificates::make()?);
    let mut peers = Vec::new();
    for (implementation, roles) in Implementation::ALL {
        for role in roles.iter().filter(|_| is_chosen(&options.peer, &implementation.to_string())) {
            peers.push(Arc::new(Peer::start(&options.interpreters, implementation, *role, &certificates)?));
        }
    }
    let mut scenarios = scenario::all();
    scenarios.retain(|scenario| options.scenario.as_ref().is_none_or(|part| scenario.name.contains(part)));
    let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();

    let mut tables = String::new();
    let mut counts = [0; 3];
    for adapter in adapter::all()?.into_iter().filter(|adapter| is_chosen(&options.adapter, adapter.name())) {
        let mut columns = Vec::new();
        for peer in &peers {
            for tls in [false, true] {
                let (adapter, peer) = (Arc::clone(&adapter), Arc::clone(peer));
                let bench = Bench { adapter, peer, certificates: Arc::clone(&certificates), tls };
                columns.push(column(Arc::new(bench), &scenarios));
            }
        }
        for verdict in columns.iter().flat_map(|column| &column.verdicts) {
            counts[*verdict as usize] += 1;
        }
        tables += &format!("\nwebsans-{} with\n{}", adapter.name(), table::table(&names, &columns));
    }
    let [passed, failed, impossible] = counts;
    println!("{tables}\n{passed} passed, {failed} failed, {impossible} are not possible with the peer");
    let mut names: Vec<String> = peers.iter().map(|peer| peer.implementation.to_string()).collect();
    names.dedup();
    println!("measure implementations of others: {} implementations", names.len());
    println!("measure exchanges with others: {passed} exchanges");
    println!("measure exchanges with others that failed: {failed} exchanges");
    if passed + failed == 0 {
        return Err("nothing was tried".into());
    }
    Ok(failed == 0)
}

/// Tries every scenario with one peer.
fn column(bench: Arc<Bench>, scenarios: &[Scenario]) -> Column {
    let tls = if bench.tls { "TLS" } else { "" };
    let head = [bench.implementation().to_string(), bench.peer.role.to_string(), tls.to_owned()];
    let name = format!("websans-{} with {}", bench.adapter.name(), head.join(" ").trim_end());
    let started = Instant::now();
    let mut verdicts = Vec::new();
    for scenario in scenarios {
        if !scenario.applies(&bench) {
            verdicts.push(Verdict::Impossible);
            continue;
        }
        let result = within(scenario.limit, &bench, scenario);
        let output = bench.peer.output();
        verdicts.push(match result {
            Ok(()) => Verdict::Passed,
            Err(failure) => {
                eprintln!("{name}: {}: {failure}", scenario.name);
                if !output.is_empty() {
                    eprintln!("  the peer wrote:\n{output}");
                }
                Verdict::Failed
            }
        });
    }
    println!("{name}: {:.1} s", started.elapsed().as_secs_f64());
    Column { head, verdicts }
}

/// Runs a scenario, but not beyond `limit`. One that goes on is left to the end of the process.
fn within(limit: Duration, bench: &Arc<Bench>, scenario: &Scenario) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    let (bench, run) = (Arc::clone(bench), Arc::clone(&scenario.run));
    std::thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| run(&bench)));
        let _ = sender.send(result.unwrap_or_else(|_| Err("it panicked".into())));
    });
    receiver
        .recv_timeout(limit)
        .unwrap_or_else(|_| Err(format!("it did not end within {} s", limit.as_secs())))
}
