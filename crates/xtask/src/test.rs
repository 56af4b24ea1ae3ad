//! `cargo xtask test`: all that continuous integration runs, step by step.

use core::time::Duration;
use std::time::Instant;

use crate::autobahn::{self, ADAPTERS};
use crate::child;
use crate::failure::{Failure, Result, fail};
use crate::workspace::Workspace;
use crate::{
    browser, conformance, dependencies, fairness, fuzz, hostile, interop, linear, museum, proxies, rfc,
    schedules, simulate, unsafety, vanish,
};

const HELP: &str = "\
Run what continuous integration runs, up to the first step that fails.

Usage: cargo xtask test [--list] [STEP...]

With STEPs, only those, in their usual order.

  --list  print the steps
";

/// The crates with features, each of which must build alone.
const LIBRARIES: [&str; 6] =
    ["websans", "websans-dial", "websans-record", "websans-std", "websans-tokio", "websans-tower"];

const NO_STD: &str = "proof-nostd/Cargo.toml";
/// Is in a workspace of its own, as its peers are, which are not built here.
const BENCH: &str = "bench/Cargo.toml";

/// One step, by a name that also selects it on the command line.
struct Step {
    name: String,
    about: String,
    run: Box<dyn Fn(&Workspace) -> Result>,
}

/// How a step went.
enum Verdict {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

impl Step {
    fn new(name: &str, about: &str, run: impl Fn(&Workspace) -> Result + 'static) -> Self {
        Self { name: name.into(), about: about.into(), run: Box::new(run) }
    }
}

/// The steps, quick ones that often fail first.
fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::new("format", "rustfmt changes nothing", format),
        Step::new("clippy", "no warning, with each feature alone", clippy),
        Step::new("docs", "rustdoc warns of nothing", docs),
        Step::new("tests", "unit, integration and documentation tests", tests),
        Step::new("no-std", "the core runs without the standard library", no_std),
        Step::new("dependencies", "the core and compression depend on what they may", dependencies::check),
        Step::new("unsafe", "unsafe is where it may be", unsafety::check),
        Step::new("rfc", "every requirement of RFC 6455, RFC 7692 and RFC 8441 has a test", rfc::check),
        Step::new("museum", "every known attack has a test", museum::check),
        Step::new("linear", "instruction counts grow in step with input", linear::check),
    ];
    let seeds = "every seed of the simulation keeps every promise";
    steps.push(Step::new("simulation", seeds, simulate::check));
    let schedules = "the split halves of the adapters under many schedules";
    steps.push(Step::new("schedules", schedules, schedules::check));
    steps.push(Step::new("fuzz", "a minute of all fuzz targets", fuzz::smoke));
    steps.push(Step::new("vanish", "clients that vanish are found dead in time", vanish::check));
    steps.push(Step::new("fairness", "one client that floods hardly slows others", fairness::check));
    steps.push(Step::new(
        "hostile",
        "attackers hardly slow others, and leave nothing behind",
        hostile::check,
    ));
    for adapter in ADAPTERS {
        let name = format!("autobahn-{}", adapter.name);
        let about = format!("Autobahn testsuite against {} of {}", adapter.sides(), adapter.name);
        steps.push(Step::new(&name, &about, move |workspace| autobahn::check(workspace, adapter)));
        let name = format!("autobahn-{}-tls", adapter.name);
        let about = format!("Autobahn testsuite against {} of {} through TLS", adapter.sides(), adapter.name);
        steps.push(Step::new(&name, &about, move |workspace| autobahn::check_tls(workspace, adapter)));
    }
    let corpus = "the scenario files against the adapters and implementations of other languages";
    steps.push(Step::new("conformance", corpus, conformance::check));
    steps.push(Step::new("interop", "exchanges with implementations of other languages", interop::check));
    let proxies = "the sample app behind nginx, HAProxy, systemd and beside Node";
    steps.push(Step::new("proxies", proxies, proxies::check));
    steps.push(Step::new("browser", "the sample app in Chromium", browser::check));
    steps
}

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let mut steps = steps();
    let mut chosen = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Long("list") => {
                steps.iter().for_each(|step| println!("{:<22} {}", step.name, step.about));
                return Ok(());
            }
            lexopt::Arg::Value(name) => chosen.push(name.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    if let Some(unknown) = chosen.iter().find(|name| steps.iter().all(|step| step.name != **name)) {
        fail!("there is no step {unknown}; see cargo xtask test --list");
    }
    steps.retain(|step| chosen.is_empty() || chosen.contains(&step.name));
    run(workspace, &steps)
}

fn run(workspace: &Workspace, steps: &[Step]) -> Result {
    let mut verdicts = Vec::new();
    let mut failed = None;
    for (index, step) in steps.iter().enumerate() {
        if failed.is_some() {
            verdicts.push((step, Verdict::NotRun));
            continue;
        }
        println!("\n=== {} ({} of {}): {}", step.name, index + 1, steps.len(), step.about);
        let started = Instant::now();
        let result = (step.run)(workspace);
        let took = started.elapsed();
        match result {
            Ok(()) => verdicts.push((step, Verdict::Passed(took))),
            Err(failure) => {
                eprintln!("error: {failure}");
                verdicts.push((step, Verdict::Failed(took)));
                failed = Some(step);
            }
        }
    }
    println!("\n{}", table(&verdicts));
    match failed {
        Some(step) => {
            Err(Failure::new(format!("{0} failed; run it alone with: cargo xtask test {0}", step.name)))
        }
        None => Ok(()),
    }
}

fn table(verdicts: &[(&Step, Verdict)]) -> String {
    let mut table = format!("{:<22} {:>8}  verdict\n", "step", "time");
    let mut total = Duration::ZERO;
    for (step, verdict) in verdicts {
        let (time, word) = match verdict {
            Verdict::Passed(took) => (Some(*took), "ok"),
            Verdict::Failed(took) => (Some(*took), "FAILED"),
            Verdict::NotRun => (None, "not run"),
        };
        total += time.unwrap_or_default();
        let time = time.map_or("-".into(), child::seconds);
        table += &format!("{:<22} {time:>8}  {word}\n", step.name);
    }
    table + &format!("{:<22} {:>8}\n", "all", child::seconds(total))
}

fn format(workspace: &Workspace) -> Result {
    component(workspace, "fmt", "rustfmt")?;
    child::run("rustfmt", &mut workspace.cargo(["fmt", "--all", "--check"]))?;
    child::run("rustfmt", &mut workspace.cargo(["fmt", "--manifest-path", NO_STD, "--check"]))
}

fn clippy(workspace: &Workspace) -> Result {
    component(workspace, "clippy", "clippy")?;
    let clippy = |arguments: &[&str]| {
        let all = [&["clippy"], arguments, &["--", "-D", "warnings"]].concat();
        child::run("clippy", &mut workspace.cargo(all))
    };
    clippy(&["--workspace", "--all-targets", "--all-features"])?;
    for package in LIBRARIES {
        let bare = ["--package", package, "--lib", "--no-default-features"];
        clippy(&bare)?;
        for feature in workspace.features(package)? {
            clippy(&[&bare[..], &["--features", &feature]].concat())?;
        }
    }
    clippy(&["--manifest-path", NO_STD])?;
    clippy(&["--manifest-path", BENCH, "--package", "websans-bench", "--all-targets"])
}

fn docs(workspace: &Workspace) -> Result {
    let mut command = workspace.cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    child::run("rustdoc", command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests(workspace: &Workspace) -> Result {
    child::run("cargo test", &mut workspace.cargo(["test", "--workspace", "--all-features"]))
}

fn no_std(workspace: &Workspace) -> Result {
    child::run("the no_std proof", &mut workspace.cargo(["run", "--release", "--manifest-path", NO_STD]))
}

/// Makes sure that a part of the Rust toolchain is there: rustup's minimal profile leaves these out.
fn component(workspace: &Workspace, subcommand: &str, component: &str) -> Result {
    let asked = workspace.cargo([subcommand, "--version"]).output();
    if asked.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let added = child::run("rustup", workspace.command("rustup").args(["component", "add", component]));
    added.map_err(|failure| Failure::new(format!("{component} is missing and could not be added: {failure}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_names_of_their_own() {
        let mut names: Vec<String> = steps().into_iter().map(|step| step.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        use core::cell::Cell;
        use std::rc::Rc;
        let workspace = Workspace::locate().unwrap();
        let runs = Rc::new(Cell::new(0));
        let counting = |name: &str, passes: bool| {
            let runs = Rc::clone(&runs);
            Step::new(name, "", move |_| {
                runs.set(runs.get() + 1);
                if passes { Ok(()) } else { Err(Failure::new("no")) }
            })
        };
        let steps = [counting("a", true), counting("b", false), counting("c", true)];
        let failure = run(&workspace, &steps).unwrap_err().to_string();
        assert_eq!(failure, "b failed; run it alone with: cargo xtask test b");
        assert_eq!(runs.get(), 2);
        run(&workspace, &steps[..1]).unwrap();
    }

    #[test]
    fn the_table_tells_every_step() {
        let steps = ["a", "b", "c"].map(|name| Step::new(name, "", |_| Ok(())));
        let verdicts = [
            (&steps[0], Verdict::Passed(Duration::from_secs(2))),
            (&steps[1], Verdict::Failed(Duration::from_secs(75))),
            (&steps[2], Verdict::NotRun),
        ];
        let expected = "\
step                       time  verdict
a                         2.0 s  ok
b                          75 s  FAILED
c                             -  not run
all                        77 s
";
        assert_eq!(table(&verdicts), expected);
    }
}
