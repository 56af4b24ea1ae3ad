//! `cargo xtask linear`: whether work grows in step with input.
//!
//! Time is too noisy to tell linear from slightly worse on a shared machine. Callgrind counts instructions, which
//! are the same in every run, so the bound can be tight.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::child::Child;
use crate::debian;
use crate::failure::{Failure, Result, fail};
use crate::workspace::{Target, Workspace};

/// How much larger the large input is.
const FACTOR: u32 = 16;
/// How many times the instructions it may take. What is constant per input may only lower the ratio.
const BOUND: f64 = 16.5;

/// An example program whose last argument is the size of its input.
struct Slope {
    what: &'static str,
    package: &'static str,
    example: &'static str,
    arguments: &'static [&'static str],
    small: u32,
}

const SLOPES: &[Slope] = &[
    Slope {
        what: "server handshake, head of n bytes one at a time",
        package: "websans",
        example: "dribble",
        arguments: &[],
        small: 1024,
    },
    Slope {
        what: "message of n fragments of one byte",
        package: "websans",
        example: "slopes",
        arguments: &["fragments"],
        small: 1024,
    },
    Slope {
        what: "text message of n fragments of one character",
        package: "websans",
        example: "slopes",
        arguments: &["text"],
        small: 1024,
    },
    Slope {
        what: "frame of n bytes one at a time",
        package: "websans",
        example: "slopes",
        arguments: &["dribble"],
        small: 1024,
    },
    Slope {
        what: "n messages that leave one byte at a time",
        package: "websans",
        example: "slopes",
        arguments: &["drain"],
        small: 1024,
    },
    Slope {
        what: "n messages put in as others leave",
        package: "websans",
        example: "slopes",
        arguments: &["refill"],
        small: 1024,
    },
    Slope {
        what: "n Pings while large messages wait",
        package: "websans",
        example: "slopes",
        arguments: &["pongs"],
        small: 1024,
    },
    Slope {
        what: "compressed message of n fragments of one byte",
        package: "websans-deflate",
        example: "compressed_slopes",
        arguments: &["fragments"],
        small: 1024,
    },
    Slope {
        what: "compressed message of n final blocks",
        package: "websans-deflate",
        example: "compressed_slopes",
        arguments: &["finals"],
        small: 1024,
    },
    Slope {
        what: "compressed message sent in n parts, each flushed",
        package: "websans-deflate",
        example: "compressed_slopes",
        arguments: &["parts"],
        small: 1024,
    },
];

/// Measures every slope and fails on those that are too steep.
pub(crate) fn check(workspace: &Workspace) -> Result {
    debian::ensure("valgrind", &["valgrind"])?;
    let (mut steep, mut steepest) = (0, 0_f64);
    for slope in SLOPES {
        let program = workspace.build(slope.package, Target::Example, slope.example)?;
        let large = slope.small * FACTOR;
        let [start, few, many] =
            [0, slope.small, large].map(|size| instructions(&program, slope.arguments, size));
        let start = start?;
        let (few, many) = (few?.saturating_sub(start), many?.saturating_sub(start));
        if few == 0 {
            fail!("{} {} did no work", slope.example, slope.small);
        }
        let ratio = ratio(few, many);
        steep += usize::from(ratio > BOUND);
        steepest = steepest.max(ratio);
        println!("{}", slope.what);
        println!("    start of the program {start:>12} instructions");
        for (size, count) in [(slope.small, few), (large, many)] {
            println!("    n = {size:<8} {count:>21}   {:.1} for each", per(count, size));
        }
        println!("    ratio {ratio:.2}, at most {BOUND} is linear");
    }
    println!("measure slopes: {} slopes", SLOPES.len());
    println!("measure steepest slope: {steepest:.2} times");
    if steep > 0 {
        fail!("{steep} of {} slopes are steeper than linear", SLOPES.len());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read, of a few million")]
fn ratio(few: u64, many: u64) -> f64 {
    many as f64 / few as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read, of a few million")]
fn per(count: u64, size: u32) -> f64 {
    count as f64 / f64::from(size)
}

/// How many instructions the program takes from its start to its end.
fn instructions(program: &Path, arguments: &[&str], size: u32) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-fd=1"]);
    command.arg(program).args(arguments).arg(size.to_string()).stdout(Stdio::piped());
    let name = format!("{} {size} under callgrind", program.display());
    let mut child = Child::spawn(&name, &mut command)?;
    let collected = child.lines().find(crate::child::LIMIT, collected);
    let status = child.wait(crate::child::LIMIT)?;
    if !status.success() {
        fail!("{name} failed: {status}");
    }
    collected.ok_or_else(|| Failure::new(format!("{name} did not count instructions")))
}

/// The figure in callgrind's line `==123== Collected : 4567`.
fn collected(line: &str) -> Option<u64> {
    line.strip_prefix("==")?.split_once("== Collected :")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_in_one_line() {
        assert_eq!(collected("==18044== Collected : 122673"), Some(122_673));
        assert_eq!(collected("==18044== Events    : Ir"), None);
        assert_eq!(collected("Collected : 5"), None);
    }

    #[test]
    fn a_square_is_steep_and_a_line_is_not() {
        assert!(ratio(1024 * 1024, 16384 * 16384) > BOUND);
        assert!(ratio(100 + 50 * 1024, 100 + 50 * 16384) <= BOUND);
    }
}
