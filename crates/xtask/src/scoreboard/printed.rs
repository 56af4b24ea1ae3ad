//! Figures that programs print: a line `measure NAME: FIGURE UNIT` for each, which goes into the ledger.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::child::{self, Child, Next};
use crate::failure::{Doing, Failure, Result, fail};
use crate::ledger;
use crate::workspace::Workspace;

/// A program that prints figures.
struct Run {
    program: Program,
    /// The names of the figures, and the test that prints each, if it is one.
    prints: &'static [(&'static str, &'static str)],
    /// Runs only if it is named: it needs more than this machine.
    only_named: bool,
}

enum Program {
    Tests {
        package: &'static str,
        binary: &'static str,
    },
    /// Tests that are too long for every day, optimized.
    LongTests {
        package: &'static str,
        binary: &'static str,
    },
    Xtask(&'static str),
}

/// Why figures that were to be measured now were not, by their names.
pub(super) type Missing = BTreeMap<&'static str, Failure>;

const RUNS: &[Run] = &[
    Run {
        program: Program::Tests { package: "websans", binary: "memory" },
        prints: &[
            ("Pings of a flood", "ping_flood_against_a_blocked_writer"),
            ("heap that a Ping flood adds", "ping_flood_against_a_blocked_writer"),
            ("Pongs that wait after a Ping flood", "ping_flood_against_a_blocked_writer"),
            ("heap beyond max_outbox for a slow reader", "a_peer_that_does_not_read"),
            ("connection with a declared length", "declared_lengths_cost_nothing"),
            ("size of a connection", "no_heap_while_idle"),
            ("heap of an idle connection", "no_heap_while_idle"),
        ],
        only_named: false,
    },
    Run {
        program: Program::Tests { package: "websans", binary: "timers" },
        prints: &[("time until a writer that stalls is given up", "a_writer_that_stalls_is_given_up")],
        only_named: false,
    },
    Run {
        program: Program::Tests { package: "websans", binary: "prop" },
        prints: &[("splits of one session", "every_split_of_twenty_bytes_is_the_same")],
        only_named: false,
    },
    Run {
        program: Program::Tests { package: "websans", binary: "utf8" },
        prints: &[("bytes judged behind every state", "every_state_that_matters_judges_every_byte")],
        only_named: false,
    },
    Run {
        program: Program::LongTests { package: "websans", binary: "utf8" },
        prints: &[("strings of four bytes", "all_strings_of_four_bytes")],
        only_named: false,
    },
    Run {
        program: Program::Tests { package: "websans-deflate", binary: "memory" },
        prints: &[
            ("heap of a decompression bomb", "a_bomb_takes_the_limit_and_64_kib"),
            ("time to refuse a decompression bomb", "a_bomb_is_refused_in_no_time"),
        ],
        only_named: false,
    },
    Run {
        program: Program::Tests { package: "websans-tokio", binary: "idle" },
        prints: &[("idle connection over tokio", "an_idle_connection_is_small")],
        only_named: false,
    },
    Run {
        program: Program::Tests { package: "websans-tokio", binary: "sockets" },
        prints: &[("futures dropped", "cancel::every_future_can_be_dropped_at_every_poll")],
        only_named: false,
    },
    Run {
        program: Program::Xtask("linear"),
        prints: &[("slopes", ""), ("steepest slope", "")],
        only_named: false,
    },
    Run {
        program: Program::Xtask("miri"),
        prints: &[
            ("unit tests of the core under Miri, 32 bits", ""),
            ("unit tests of the core under Miri, big-endian", ""),
        ],
        only_named: true,
    },
    Run {
        program: Program::Xtask("interop"),
        prints: &[
            ("implementations of others", ""),
            ("exchanges with others", ""),
            ("exchanges with others that failed", ""),
        ],
        only_named: true,
    },
];

/// The command that prints a figure.
pub(super) fn command(name: &str) -> Option<String> {
    RUNS.iter().find_map(|run| {
        let (_, test) = run.prints.iter().find(|(printed, _)| *printed == name)?;
        Some(run.program.shown(test))
    })
}

/// The word without which the figure is not measured, if there is one.
pub(super) fn only_by(name: &str) -> &'static str {
    let is_printed = |run: &&Run| run.only_named && run.prints.iter().any(|(printed, _)| *printed == name);
    match RUNS.iter().find(is_printed).map(|run| &run.program) {
        Some(Program::Xtask(name)) => name,
        _ => "",
    }
}

impl Program {
    /// As one could type it.
    fn shown(&self, test: &str) -> String {
        match self {
            Self::Tests { package, binary } => {
                format!("cargo test -p {package} --test {binary} {test} -- --show-output")
            }
            Self::LongTests { package, binary } => {
                format!("cargo test --release -p {package} --test {binary} {test} -- --ignored --show-output")
            }
            Self::Xtask(name) => format!("cargo xtask {name}"),
        }
    }

    fn command(&self, workspace: &Workspace, prints: &[(&str, &str)]) -> Result<Command> {
        let cargo = |package, binary, release: &[&str], ignored: &[&str]| {
            let mut tests: Vec<&str> = prints.iter().map(|(_, test)| *test).collect();
            tests.dedup();
            let chosen = ["test", "--package", package, "--test", binary, "--all-features"];
            let mut command = workspace.cargo(chosen);
            command.args(release).args(["--", "--show-output", "--exact"]).args(ignored).args(tests);
            command
        };
        Ok(match self {
            Self::Tests { package, binary } => cargo(package, binary, &[], &[]),
            Self::LongTests { package, binary } => cargo(package, binary, &["--release"], &["--ignored"]),
            Self::Xtask(name) => {
                let xtask = std::env::current_exe().doing(|| "cannot find xtask itself".into())?;
                let mut command = workspace.command(xtask);
                command.arg(name);
                command
            }
        })
    }
}

/// Runs what prints figures, or that part of it whose commands have one of `chosen` in them, and writes the figures into
/// the ledger. What is missing then does not keep the others from being measured.
pub(super) fn measure(workspace: &Workspace, chosen: &[String]) -> Result<Missing> {
    let is_chosen = |run: &&Run| {
        let is_named = || {
            let shown: Vec<String> = run.prints.iter().map(|(_, test)| run.program.shown(test)).collect();
            chosen.iter().any(|chosen| shown.iter().any(|shown| shown.contains(chosen.as_str())))
        };
        if chosen.is_empty() { !run.only_named } else { is_named() }
    };
    let runs: Vec<&Run> = RUNS.iter().filter(is_chosen).collect();
    if runs.is_empty() {
        fail!("no figure is measured by a command with {} in it", chosen.join(" or "));
    }
    let mut missing = Missing::new();
    for run in runs {
        let lines = run
            .program
            .command(workspace, run.prints)
            .and_then(|mut command| lines(&run.program.shown(run.prints[0].1), &mut command));
        for (name, test) in run.prints {
            let figure = match &lines {
                Ok(lines) => figure(lines, name),
                Err(failure) => Err(Failure::new(failure.to_string())),
            };
            match figure {
                Ok(figure) => ledger::note(workspace, name, figure, &run.program.shown(test))?,
                Err(failure) => drop(missing.insert(name, failure)),
            }
        }
    }
    Ok(missing)
}

/// What the command prints, which is shown as well, on the other stream: this one is for the table.
fn lines(name: &str, command: &mut Command) -> Result<Vec<String>> {
    eprintln!("\n=== {name}");
    let mut child = Child::spawn(name, command.stdout(Stdio::piped()))?;
    let (output, deadline) = (child.lines(), Instant::now() + child::LIMIT);
    let mut lines = Vec::new();
    loop {
        match output.next_within(deadline.saturating_duration_since(Instant::now())) {
            Next::Line(line) => {
                eprintln!("{line}");
                lines.push(line);
            }
            Next::End => break,
            Next::Nothing => fail!("it ran for more than {}", child::seconds(child::LIMIT)),
        }
    }
    let status = child.wait(child::LIMIT)?;
    if !status.success() {
        fail!("it failed: {status}");
    }
    Ok(lines)
}

/// The figure of that name, which must have been printed once.
fn figure<'l>(lines: &'l [String], name: &str) -> Result<&'l str> {
    let named = |line: &'l String| {
        let (printed, figure) = line.strip_prefix("measure ")?.rsplit_once(": ")?;
        (printed == name).then_some(figure)
    };
    match lines.iter().filter_map(named).collect::<Vec<_>>()[..] {
        [figure] => Ok(figure),
        [] => fail!("the test printed nothing"),
        _ => fail!("the test printed it more than once"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::measures::{MEASURES, Source};
    use super::*;

    #[test]
    fn a_figure_is_printed_once() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let output = lines("running 1 test\nmeasure heap: at rest: 12 bytes\nmeasure heap: 13 bytes\nok");
        assert_eq!(figure(&output, "heap: at rest").unwrap(), "12 bytes");
        assert_eq!(figure(&output, "heap").unwrap(), "13 bytes");
        assert!(figure(&output, "hea").unwrap_err().to_string().contains("nothing"));
        let twice = lines("measure heap: 1 bytes\nmeasure heap: 1 bytes");
        assert!(figure(&twice, "heap").unwrap_err().to_string().contains("more than once"));
    }

    #[test]
    fn what_is_printed_is_a_measure_and_the_other_way_round() {
        let mut printed: Vec<&str> = RUNS.iter().flat_map(|run| run.prints).map(|(name, _)| *name).collect();
        let measures = MEASURES.iter().filter_map(|measure| match measure.source {
            Source::Printed(name) => Some(name),
            _ => None,
        });
        let mut read: Vec<&str> = measures.collect();
        printed.sort_unstable();
        read.sort_unstable();
        assert_eq!(printed, read);
    }

    #[test]
    #[cfg(unix)]
    fn programs_that_fail_have_no_figures() {
        let shell = |script: &str| lines("sh", Command::new("sh").args(["-c", script]));
        assert_eq!(shell("echo measure a: 1 b").unwrap(), ["measure a: 1 b"]);
        assert!(shell("echo measure a: 1 b; exit 1").unwrap_err().to_string().starts_with("it failed"));
    }

    #[test]
    fn commands_run_one_test_or_all_of_a_program() {
        assert_eq!(
            command("splits of one session").unwrap(),
            "cargo test -p websans --test prop every_split_of_twenty_bytes_is_the_same -- --show-output"
        );
        assert_eq!(command("slopes").unwrap(), "cargo xtask linear");
        assert_eq!(command("anything else"), None);
        assert_eq!((only_by("exchanges with others"), only_by("slopes")), ("interop", ""));
        let workspace = Workspace::locate().unwrap();
        let run = &RUNS[0];
        let command = run.program.command(&workspace, run.prints).unwrap();
        let tests = command.get_args().skip_while(|word| *word != "--exact").skip(1);
        assert_eq!(tests.count(), 4);
        let unknown = measure(&workspace, &["no such test".into()]).unwrap_err().to_string();
        assert!(unknown.contains("no such test"), "{unknown}");
    }
}
