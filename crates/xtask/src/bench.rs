//! `cargo xtask bench`: what things cost, beside what they cost others.

use core::time::Duration;

use crate::failure::{Result, fail};
use crate::workspace::Workspace;
use crate::{child, debian};

const HELP: &str = "\
Measure permessage-deflate: processor time, memory and bytes on the wire of echo servers over websans, over zlib
alone, and over other implementations. Prints tables in Markdown. Needs Linux, and a quiet machine of two cores or more.

Usage: cargo xtask bench deflate [--quick] [--only TEXT]

  --quick      short measurements, to see that the program works: not figures to quote
  --only TEXT  only servers whose title, such as yawc, no takeover, level 6, contains this, and nothing else

See bench/README.md. Node and its package ws are installed into interop/.peers on first use.
";

/// A workspace of its own.
const MANIFEST: &str = "bench/Cargo.toml";

/// Ten times what it takes.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Runs the command with the rest of the command line.
pub(crate) fn command(workspace: &Workspace, arguments: &mut lexopt::Parser) -> Result {
    let mut deflate = false;
    let mut options = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            lexopt::Arg::Value(what) if what == "deflate" && !deflate => deflate = true,
            lexopt::Arg::Long("quick") => options.push("--quick".into()),
            lexopt::Arg::Long("only") => {
                options.push("--only".into());
                options.push(arguments.value()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if !deflate {
        fail!("what is to be measured? see cargo xtask bench --help");
    }
    debian::ensure_python()?;
    debian::ensure("valgrind", &["valgrind"])?;
    child::run("interop/setup.sh", workspace.command("sh").arg("interop/setup.sh"))?;
    // One package at a time: built together, each would get the features that the other wants of zlib-rs.
    let cargo = |arguments: &[&str], package| {
        let built = ["--release", "--manifest-path", MANIFEST, "--package", package];
        workspace.cargo([arguments, &built].concat())
    };
    child::run("cargo build of the peers", &mut cargo(&["build"], "websans-bench-peers"))?;
    let mut measure = cargo(&["run"], "websans-bench");
    measure.args(["--", "deflate", "--node", "interop/.peers/node"]).args(options);
    child::run_within(LIMIT, "the measurement", &mut measure)
}
