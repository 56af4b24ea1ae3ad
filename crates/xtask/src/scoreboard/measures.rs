//! [`MEASURES`]: what is measured, what it must be, and where its figure comes from.

use super::printed;
use super::records::{autobahn, fewest_cases, fuzzed, lints, policy, schedules, targets};
use super::value::Bound::{self, All, AtLeast, AtMost};
use super::value::Value;
use super::{Reading, Result};
use crate::workspace::Workspace;
use crate::{dependencies, museum, rfc, unsafety};

/// One figure. Those with the same number are about the same thing.
pub(super) struct Measure {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) bound: Bound,
    /// What the figure is a number of.
    pub(super) unit: &'static str,
    pub(super) source: Source,
    /// What measures it, if that is not known from what prints it.
    command: &'static str,
}

/// Where a figure comes from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// Counted now.
    Now(fn(&Workspace) -> Result<Value>),
    /// A file of the command's own, with its date.
    Record(fn(&Workspace) -> Result<Option<Reading>>),
    /// A row of the ledger, which the command writes.
    Ledger(&'static str),
    /// A row of the ledger, which is written from what a program prints under this name.
    Printed(&'static str),
}

impl Measure {
    pub(super) fn command(&self) -> String {
        match self.source {
            Source::Printed(name) => printed::command(name).unwrap_or_default(),
            _ => self.command.into(),
        }
    }

    /// What to do to have a figure.
    pub(super) fn remedy(&self) -> String {
        match self.source {
            Source::Printed(name) => {
                format!("cargo xtask scoreboard --fresh {}", printed::only_by(name)).trim_end().into()
            }
            _ => self.command.into(),
        }
    }
}

const fn measure(
    number: u8,
    name: &'static str,
    bound: Bound,
    unit: &'static str,
    source: Source,
    command: &'static str,
) -> Measure {
    Measure { number, name, bound, unit, source, command }
}

/// A figure that a program prints under a name.
const fn printed(number: u8, name: &'static str, bound: Bound, unit: &'static str) -> Measure {
    measure(number, name, bound, unit, Source::Printed(name), "")
}

fn share((part, all): (usize, usize)) -> Value {
    Value::Share(part, all)
}

#[expect(clippy::cast_precision_loss, reason = "counts to be read")]
fn count(count: usize) -> Value {
    Value::Number(count as f64)
}

const KIB: f64 = 1024.0;
const THOUSAND_MILLION: f64 = 1e9;
const MILLION: f64 = 1e6;

const FUZZ: &str = "cargo xtask fuzz";
const AUTOBAHN: &str = "cargo xtask autobahn --all";
const COVERAGE: &str = "cargo xtask coverage --ledger";
const HOSTILE: &str = "cargo xtask hostile --ledger";

pub(super) static MEASURES: &[Measure] = &[
    measure(
        1,
        "inputs fuzzed",
        AtLeast(10.0 * THOUSAND_MILLION),
        "executions",
        Source::Record(|workspace| fuzzed(workspace, |_, _| true)),
        FUZZ,
    ),
    measure(
        1,
        "of them under AddressSanitizer",
        AtLeast(THOUSAND_MILLION),
        "executions",
        Source::Record(|workspace| fuzzed(workspace, |_, sanitizer| sanitizer == "address")),
        "cargo xtask fuzz --sanitizer address",
    ),
    measure(2, "fuzz targets", AtLeast(10.0), "targets", Source::Now(targets), "cargo xtask scoreboard"),
    measure(
        3,
        "coverage of the core: lines",
        AtLeast(98.0),
        "% of lines",
        Source::Ledger("coverage of the core"),
        COVERAGE,
    ),
    measure(
        3,
        "coverage of the core: regions",
        AtLeast(95.0),
        "% of regions",
        Source::Ledger("coverage of the core"),
        COVERAGE,
    ),
    measure(4, "Autobahn: cases OK or informational", All, "cases", Source::Record(autobahn), AUTOBAHN),
    measure(
        4,
        "Autobahn: fewest cases of an adapter and role",
        AtLeast(517.0),
        "cases",
        Source::Record(fewest_cases),
        AUTOBAHN,
    ),
    measure(
        5,
        "requirements of the RFCs with a test",
        All,
        "rows",
        Source::Now(|workspace| rfc::tested(workspace).map(share)),
        "cargo xtask rfc",
    ),
    measure(
        6,
        "known attacks that apply with a test",
        All,
        "rows",
        Source::Now(|workspace| museum::tested(workspace).map(share)),
        "cargo xtask museum",
    ),
    measure(
        7,
        "mutants of the core that tests catch",
        AtLeast(95.0),
        "%",
        Source::Ledger("mutation score"),
        "cargo xtask mutants --ledger",
    ),
    measure(
        8,
        "unsafe in the core",
        AtMost(1.0),
        "uses",
        Source::Now(|workspace| unsafety::count(workspace).map(|(core, _)| count(core))),
        "cargo xtask unsafe",
    ),
    measure(
        8,
        "unsafe elsewhere",
        AtMost(0.0),
        "uses",
        Source::Now(|workspace| unsafety::count(workspace).map(|(_, others)| count(others))),
        "cargo xtask unsafe",
    ),
    measure(
        9,
        "lints of panics denied in the core",
        All,
        "lints",
        Source::Now(lints),
        "cargo xtask test clippy",
    ),
    printed(10, "Pings of a flood", AtLeast(10.0 * MILLION), "Pings"),
    printed(10, "heap that a Ping flood adds", AtMost(256.0), "bytes"),
    printed(10, "Pongs that wait after a Ping flood", AtMost(1.0), "Pongs"),
    printed(11, "heap beyond max_outbox for a slow reader", AtMost(4.0 * KIB), "bytes"),
    printed(11, "time until a writer that stalls is given up", AtMost(30_000.0), "ms"),
    printed(12, "connection with a declared length", AtMost(4.0 * KIB), "bytes"),
    printed(13, "size of a connection", AtMost(512.0), "bytes"),
    printed(13, "heap of an idle connection", AtMost(KIB), "bytes"),
    printed(13, "idle connection over tokio", AtMost(8.0 * KIB), "bytes"),
    measure(
        14,
        "heap of an attacker beyond the longest message",
        AtMost(64.0 * KIB),
        "bytes",
        Source::Ledger("hostile load"),
        HOSTILE,
    ),
    // The limit of the test is 64 KiB.
    printed(15, "heap of a decompression bomb", AtMost((64.0 + 64.0) * KIB), "bytes"),
    printed(15, "time to refuse a decompression bomb", AtMost(5000.0), "µs"),
    printed(16, "slopes", AtLeast(8.0), "slopes"),
    printed(16, "steepest slope", AtMost(16.5), "times"),
    printed(17, "splits of one session", AtLeast(524_288.0), "splits"),
    measure(
        17,
        "splits fuzzed",
        AtLeast(THOUSAND_MILLION),
        "executions",
        Source::Record(|workspace| fuzzed(workspace, |target, _| target == "chunked_bytes")),
        FUZZ,
    ),
    printed(18, "strings of four bytes", AtLeast(4_294_967_296.0), "strings"),
    printed(18, "bytes judged behind every state", AtLeast(9.0 * 256.0), "bytes"),
    measure(
        18,
        "texts fuzzed",
        AtLeast(THOUSAND_MILLION),
        "executions",
        Source::Record(|workspace| fuzzed(workspace, |target, _| target == "utf8")),
        FUZZ,
    ),
    printed(19, "unit tests of the core under Miri, 32 bits", AtLeast(17.0), "tests"),
    printed(19, "unit tests of the core under Miri, big-endian", AtLeast(17.0), "tests"),
    measure(
        20,
        "lives simulated",
        AtLeast(MILLION),
        "seeds",
        Source::Ledger("simulation"),
        "cargo xtask simulate --seeds 1000000 --ledger",
    ),
    printed(21, "futures dropped", AtLeast(MILLION), "futures"),
    measure(
        22,
        "schedules of threads and tasks",
        AtLeast(MILLION),
        "schedules",
        Source::Record(schedules),
        "cargo xtask schedules --ledger",
    ),
    printed(23, "implementations of others", AtLeast(8.0), "implementations"),
    printed(23, "exchanges with others", AtLeast(1000.0), "exchanges"),
    printed(23, "exchanges with others that failed", AtMost(0.0), "exchanges"),
    measure(
        24,
        "honest round trips beside attackers, p99",
        AtMost(3.0),
        "times",
        Source::Ledger("hostile load"),
        HOSTILE,
    ),
    measure(
        25,
        "packages the core needs",
        AtMost(2.0),
        "packages",
        Source::Now(|workspace| dependencies::of_core(workspace).map(count)),
        "cargo xtask dependencies",
    ),
    measure(
        25,
        "checks of the supply that pass",
        AtLeast(4.0),
        "checks",
        Source::Ledger("supply"),
        "cargo xtask supply --ledger",
    ),
    measure(
        25,
        "reporting and limits in SECURITY.md",
        All,
        "headings",
        Source::Now(policy),
        "cargo xtask scoreboard",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_measure_and_every_measure_a_command() {
        let mut numbers: Vec<u8> = MEASURES.iter().map(|measure| measure.number).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers, (1..=25).collect::<Vec<_>>());
        for measure in MEASURES {
            assert!(measure.command().starts_with("cargo "), "{}", measure.name);
            assert!(measure.remedy().starts_with("cargo xtask "), "{}", measure.name);
        }
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MEASURES.len());
    }
}
