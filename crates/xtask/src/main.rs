//! What continuous integration runs, as one command: `cargo xtask`.
//!
//! Every check of this repository that is more than a plain `cargo test` is a subcommand here, so that it runs the
//! same by hand and in CI. [`mod@test`] runs all of them. Only Rust is taken for granted: [`debian`] installs what else
//! a step needs. Every process is started through [`child`], which lets none outlive its step.

use std::process::ExitCode;

use crate::failure::{Result, fail};
use crate::workspace::Workspace;

mod autobahn;
mod bench;
mod browser;
mod child;
mod conformance;
mod coverage;
mod debian;
mod dependencies;
mod failure;
mod fairness;
mod fuzz;
mod hostile;
mod interop;
mod ledger;
mod linear;
mod miri;
mod museum;
mod mutants;
mod proxies;
mod rfc;
mod schedules;
mod scoreboard;
mod simulate;
mod source;
mod supply;
mod table;
mod test;
mod unsafety;
mod vanish;
mod workspace;

const HELP: &str = "\
What continuous integration runs, as one command.

Usage: cargo xtask COMMAND [ARGUMENT...]

  test          all of it, step by step
  autobahn      the Autobahn testsuite against an adapter
  bench         what things cost, beside what they cost others
  browser       the sample app in Chromium
  conformance   the scenario files of websans-testkit against any implementation
  coverage      which lines of the core no test reaches
  dependencies  what the core crate may depend on
  fairness      a thousand quiet clients beside one that floods
  hostile       a thousand honest clients beside a thousand attackers
  fuzz          the fuzz targets, for some time each
  interop       exchanges with WebSocket implementations of other languages
  linear        whether instruction counts grow in step with input
  miri          the core where words are of 32 bits, and big-endian
  museum        whether every known attack has a test
  mutants       whether tests notice when the core is changed
  proxies       the sample app behind nginx, HAProxy, systemd and beside Node
  rfc           whether every requirement of RFC 6455, RFC 7692 and RFC 8441 has a test
  scoreboard    what is promised, in figures, held against its targets
  simulate      many lives of two connections, each out of a seed
  supply        what the published crates are made of
  schedules     the split halves of the adapters under many schedules
  unsafe        how often the source says unsafe
  vanish        clients that vanish from the network without a word

cargo xtask COMMAND --help says more.
";

/// A command that takes no arguments.
struct Plain {
    name: &'static str,
    /// What its `--help` says.
    about: &'static str,
    run: fn(&Workspace) -> Result,
}

const PLAIN: &[Plain] = &[
    Plain {
        name: "browser",
        about: "Start the sample app and use its page in headless Chromium.\n\n\
                Chromium and what drives it are installed if they are missing.",
        run: browser::check,
    },
    Plain {
        name: "dependencies",
        about: "Compare the packages the core crate depends on with the list of those it may depend on,\n\
                without features, with all but os-entropy, and with all.",
        run: dependencies::check,
    },
    Plain {
        name: "fairness",
        about: "Have a thousand quiet clients time round trips through the middleware while one client floods it, with small\n\
                messages and with large ones, and fail if the slowest in a hundred take more than three times as long as\n\
                without the flood. Needs a machine that has nothing else to do; as root it minds less.",
        run: fairness::check,
    },
    Plain {
        name: "interop",
        about: "Exchange messages, as server and as client, with and without TLS, with the npm package ws, the WebSocket\n\
                that is part of Node, and the Python package websockets.\n\n\
                They are installed into interop/.peers on first use, Node among them. Fails unless everything that\n\
                a peer can do goes as it should; prints a table.",
        run: interop::check,
    },
    Plain {
        name: "linear",
        about: "Count the instructions of programs under callgrind, for an input and one 16 times as large,\n\
                and fail if the second takes more than 16.5 times as many as the first.",
        run: linear::check,
    },
    Plain {
        name: "miri",
        about: "Run the core's unit tests under Miri, as on a machine of 32 bits and as on one that is big-endian.\n\n\
                Needs nightly Rust with Miri: rustup toolchain install nightly --component miri,rust-src.",
        run: miri::check,
    },
    Plain {
        name: "museum",
        about: "Look for a test for each row of crates/websans/tests/museum/exhibits.md that applies.\n\n\
                The table names the tests' prefixes: a test of CVE-2020-27813 is a test function whose name starts with\n\
                cve_2020_27813_, in any crate. Fails on rows without a test, and on tests that are named after no row.",
        run: museum::check,
    },
    Plain {
        name: "proxies",
        about: "Run the configurations in deploy/, which the deployment guide shows, with the sample app behind them.\n\n\
                Nginx and HAProxy are unpacked from Debian packages into deploy/.programs if they are not installed, and\n\
                socket.io is fetched from npm. Everything listens on 127.0.0.1 and ends with the command.",
        run: proxies::check,
    },
    Plain {
        name: "rfc",
        about: "Look for a test for each row of crates/websans/tests/rfc6455/requirements.md.\n\n\
                A test for row 40 is a test function whose name starts with r040_, in any crate. Fails on\n\
                rows without a test that are not marked as pending, and on tests of rows that do not exist.",
        run: rfc::check,
    },
    Plain {
        name: "unsafe",
        about: "Count the word unsafe in the source of all crates, comments and strings aside.\n\n\
                It may occur once, in the core's text validation.",
        run: unsafety::check,
    },
    Plain {
        name: "vanish",
        about: "Cut clients off from the middleware in network namespaces, so that neither FIN nor RST arrives, and fail\n\
                unless each connection is found dead in time and its memory is given back. Needs Linux, and root or\n\
                namespaces of users.",
        run: vanish::check,
    },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    child::kill_all_on_signal()?;
    let mut arguments = lexopt::Parser::from_env();
    let command = match arguments.next()? {
        None | Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            print!("{HELP}");
            return Ok(());
        }
        Some(lexopt::Arg::Value(command)) => command.to_string_lossy().into_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    let workspace = Workspace::locate()?;
    match command.as_str() {
        "test" => return test::command(&workspace, &mut arguments),
        "autobahn" => return autobahn::command(&workspace, &mut arguments),
        "bench" => return bench::command(&workspace, &mut arguments),
        "coverage" => return coverage::command(&workspace, &mut arguments),
        "mutants" => return mutants::command(&workspace, &mut arguments),
        "supply" => return supply::command(&workspace, &mut arguments),
        "scoreboard" => return scoreboard::command(&workspace, &mut arguments),
        "simulate" => return simulate::command(&workspace, &mut arguments),
        "hostile" => return hostile::command(&workspace, &mut arguments),
        "schedules" => return schedules::command(&workspace, &mut arguments),
        "fuzz" => return fuzz::command(&workspace, &mut arguments),
        "conformance" => return conformance::command(&workspace, &mut arguments),
        _ => {}
    }
    let Some(Plain { name, about, run }) = PLAIN.iter().find(|plain| plain.name == command) else {
        fail!("there is no command {command}; see cargo xtask --help");
    };
    match arguments.next()? {
        None => run(&workspace),
        Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => {
            println!("{about}\n\nUsage: cargo xtask {name}");
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
    }
}
