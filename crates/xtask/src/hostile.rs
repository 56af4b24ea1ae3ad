//! `cargo xtask hostile`: a server with a thousand honest clients and a thousand attackers.

use core::time::Duration;

use crate::failure::{Result, fail};
use crate::workspace::{Target, Workspace};
use crate::{child, debian};

const HELP: &str = "\
Attack a server in every way there is, and watch what its other clients notice.

Usage: cargo xtask hostile [--adapter NAME] [--attack NAME]... [--clients N] [--attackers N] [--brief]

A thousand honest clients each send a short message every 2 s and time its echo, while a thousand attackers with raw
sockets do what one row of a catalogue says: slow, endless and oversized handshakes, fragment, Ping and Pong floods,
declared lengths, decompression bombs, messages without an end, peers that never read or never close, broken rules,
connections beyond the limit, resets. Then all of them at once.

Fails if, during any of it, 99 % of the honest round trips take more than three times as long as without, an honest
connection is lost or an echo wrong; if an attacker costs the server's heap more at its peak than the longest message
and 64 KiB, or two messages where it has the server send one that it never reads; if connections are not ended as they must be, or later than a second after their deadline; or if memory,
connections and file descriptors are not given back when the attackers have gone. Prints a table.

A connection of an attacker's lasts until the server ends it. Then the attacker waits for 50 to 100 ms before the next
one, and as long after each 4 KiB of a flood: server, honest clients and attackers share one machine, and how much of
it attackers can use up is not what is measured. Server and honest clients go before them, as root by SCHED_FIFO.
Takes five minutes. Needs Linux, and a machine that has nothing else to do; as root it minds less.

  --adapter NAME    tower, the sample app's server (default), or tokio, that of websans-tokio
  --attack NAME     only this one (repeatable); mixed is all of them at once
  --clients N       how many are honest
  --attackers N     how many are not
  --brief           200 of each, a few of the attacks, and all at once: the step of cargo xtask test
";

/// The whole catalogue takes five minutes, and what the machine may be to blame for is tried again.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs the command with the rest of the command line, which is the program's.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let mut words = Vec::new();
    for argument in arguments.raw_args()? {
        words.push(argument.to_string_lossy().into_owned());
    }
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return Ok(());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(workspace, &words)
}

/// Runs it in brief, with either adapter.
pub(crate) fn check(workspace: &Workspace) -> Result {
    run(workspace, &["--brief"])?;
    run(workspace, &["--brief", "--adapter", "tokio", "--attack", "mixed"])
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Result {
    if !cfg!(target_os = "linux") {
        fail!("what a process holds is read from /proc, which is Linux's");
    }
    let program = workspace.build("websans-trials", Target::Bin, "hostile")?;
    // Root may go before others, which keeps them out of what is measured.
    let program = program.to_string_lossy();
    let mut command = debian::as_root(workspace, &[&[&*program], arguments].concat());
    child::run_within(LIMIT, "hostile", &mut command)
}
