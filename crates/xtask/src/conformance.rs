//! `cargo xtask conformance`: the scenario files of websans-testkit against implementations over TCP.

use core::time::Duration;
use std::process::Stdio;

use crate::child::{self, Child};
use crate::debian;
use crate::failure::{Result, fail};
use crate::workspace::Workspace;

/// How long a peer may take to start.
const START: Duration = Duration::from_secs(20);

/// The third-party servers take half a minute each.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Implementations that are none of ours, as the command that starts them.
const PEERS: [(&str, [&str; 2]); 2] = [
    ("ws", ["interop/.peers/node", "interop/peers/corpus.mjs"]),
    ("websockets", ["interop/.peers/python", "interop/peers/corpus.py"]),
];

/// How many of a hundred scenarios must not fail with an implementation that many use: if fewer, it is the scenarios that
/// are wrong.
const LEAST: &str = "80";

/// Plays them against whatever the rest of the command line names; without any, does what the step of `test` does.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let given: Vec<String> =
        arguments.raw_args()?.map(|argument| argument.to_string_lossy().into_owned()).collect();
    if given.is_empty() {
        return check(workspace);
    }
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    play(workspace, &given)
}

/// Plays them against our adapters, then against what others have written. What becomes of the latter is printed.
pub(crate) fn check(workspace: &Workspace) -> Result {
    // With the features of the step `tests`, so that nothing is built anew.
    let arguments = ["test", "--workspace", "--all-features", "--test", "corpus", "--", "--nocapture"];
    child::run_within(LIMIT * 3, "the adapters", &mut workspace.cargo(arguments))?;
    debian::ensure_python()?;
    child::run("interop/setup.sh", workspace.command("sh").arg("interop/setup.sh"))?;
    for (name, [program, script]) in PEERS {
        let mut command = workspace.command(workspace.path(program));
        let mut peer = Child::spawn(name, command.arg(script).stdout(Stdio::piped()))?;
        // A line for each profile that it has: PROFILE=HOST:PORT.
        let Some(line) = peer.lines().find(START, |line| line.strip_prefix("servers ").map(str::to_owned))
        else {
            fail!("{name} does not say where it listens");
        };
        let mut arguments = vec!["--orders", "--least", LEAST];
        arguments.extend(line.split(' ').flat_map(|server| ["--server", server]));
        println!("\n{name}");
        play(workspace, &arguments)?;
    }
    Ok(())
}

fn play(workspace: &Workspace, arguments: &[&str]) -> Result {
    let program = [
        "run",
        "--quiet",
        "--package",
        "websans-testkit",
        "--features",
        "corpus",
        "--bin",
        "conformance",
        "--",
    ];
    let mut command = workspace.cargo(program);
    child::run_within(LIMIT, "conformance", command.args(arguments))
}
