//! `cargo xtask miri`: the core on machines that are not like this one.

use core::cell::Cell;
use core::time::Duration;
use std::process::Stdio;

use crate::child::Child;
use crate::failure::{Result, fail};
use crate::workspace::Workspace;

/// What differs, and a target where it does.
const TARGETS: [(&str, &str); 2] =
    [("32 bits", "i686-unknown-linux-gnu"), ("big-endian", "s390x-unknown-linux-gnu")];

/// The unit tests, which are about lengths, masks and text, where words matter. The tests of the RFCs take too long: Miri is a
/// thousand times slower than a processor.
const TESTS: &str = "--lib";
/// Tries every agreement there is.
const SKIPPED: [&str; 2] = ["--skip", "our_two_ends_always_agree_or_decline"];

/// Ten times what a slow machine takes.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs the unit tests under Miri, for each of the targets.
pub(crate) fn check(workspace: &Workspace) -> Result {
    for (what, target) in TARGETS {
        let mut command = workspace.command("rustup");
        command.args(["run", "nightly", "cargo", "miri", "test", "--package", "websans"]);
        command.args([TESTS, "--target", target, "--"]).args(SKIPPED).stdout(Stdio::piped());
        // What Miri builds is for Miri alone.
        command.env("CARGO_TARGET_DIR", workspace.target()?.join("miri")).env_remove("CARGO");
        let mut child = Child::spawn(format!("Miri for {target}"), &mut command)?;
        let count = Cell::new(0);
        child.lines().find::<()>(LIMIT, |line| {
            println!("{line}");
            count.set(count.get() + passed(line).unwrap_or(0));
            None
        });
        // It has closed its output, or had its time.
        let status = child.wait(Duration::from_secs(10))?;
        if !status.success() || count.get() == 0 {
            fail!("tests fail for {target}, or Miri is missing: rustup +nightly component add miri rust-src");
        }
        println!("measure unit tests of the core under Miri, {what}: {} tests", count.get());
    }
    Ok(())
}

/// How many tests have passed, in the last line of a program of them.
fn passed(line: &str) -> Option<u32> {
    line.strip_prefix("test result: ok. ")?.split_once(" passed;")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_how_many_tests_passed() {
        let line =
            "test result: ok. 17 passed; 0 failed; 1 ignored; 0 measured; 1 filtered out; finished in 9.05s";
        assert_eq!(passed(line), Some(17));
        assert_eq!(passed(&line.replace("ok", "FAILED")), None);
        assert_eq!(passed("test a ... ok"), None);
    }
}
