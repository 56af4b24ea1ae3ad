//! What came of each change, on disk.
//!
//! cargo-mutants writes the name of a change into a file of its own for each outcome as soon as it knows. These files
//! are gathered into one, whenever cargo-mutants has ended, be it by a signal.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Result, fail};

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A test failed.
    Caught,
    /// Tests did not come to an end.
    TimedOut,
    /// It does not compile.
    Unviable,
    /// No test noticed, up to this round.
    Missed(usize),
}

/// cargo-mutants' file for each outcome; the round of a missed one is that of the worker.
const FILES: [(&str, Outcome); 4] = [
    ("caught.txt", Outcome::Caught),
    ("timeout.txt", Outcome::TimedOut),
    ("unviable.txt", Outcome::Unviable),
    ("missed.txt", Outcome::Missed(0)),
];

impl Outcome {
    fn write(self) -> String {
        match self {
            Self::Caught => "caught".into(),
            Self::TimedOut => "timeout".into(),
            Self::Unviable => "unviable".into(),
            Self::Missed(round) => format!("missed {round}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "caught" => Self::Caught,
            "timeout" => Self::TimedOut,
            "unviable" => Self::Unviable,
            _ => Self::Missed(text.strip_prefix("missed ")?.parse().ok()?),
        })
    }
}

/// All that is known, by the names of the changes.
pub(super) struct Record {
    directory: PathBuf,
    outcomes: HashMap<String, Outcome>,
}

impl Record {
    /// What earlier runs have left in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).doing(|| format!("cannot make {}", directory.display()))?;
        let mut record = Self { directory: directory.into(), outcomes: HashMap::new() };
        let path = record.path();
        if path.exists() {
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            for line in text.lines() {
                let Some((outcome, name)) = line.split_once('\t') else { continue };
                let Some(outcome) = Outcome::read(outcome) else {
                    fail!("{}: there is no outcome {outcome}", path.display());
                };
                // A later line is a later run.
                record.outcomes.insert(name.to_owned(), outcome);
            }
        }
        record.absorb()?;
        Ok(record)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn outcome(&self, name: &str) -> Option<Outcome> {
        self.outcomes.get(name).copied()
    }

    fn path(&self) -> PathBuf {
        self.directory.join("outcomes.txt")
    }

    /// Takes over what workers have left, running or not.
    pub(super) fn absorb(&mut self) -> Result {
        let reading = || format!("cannot read {}", self.directory.display());
        let mut lines = String::new();
        let mut left = Vec::new();
        for entry in fs::read_dir(&self.directory).doing(reading)? {
            let worker = entry.doing(reading)?.path();
            let output = worker.join("mutants.out");
            let Ok(round) = fs::read_to_string(worker.join("round")) else { continue };
            let Ok(round) = round.parse() else { fail!("{} has no round", worker.display()) };
            for (file, outcome) in FILES {
                let outcome = if outcome == Outcome::Missed(0) { Outcome::Missed(round) } else { outcome };
                for name in fs::read_to_string(output.join(file)).unwrap_or_default().lines() {
                    lines += &format!("{}\t{name}\n", outcome.write());
                    self.outcomes.insert(name.to_owned(), outcome);
                }
            }
            left.push((worker, output));
        }
        let path = self.path();
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(&path)
            .doing(|| format!("cannot open {}", path.display()))?;
        file.write_all(lines.as_bytes()).doing(|| format!("cannot write {}", path.display()))?;
        for (worker, output) in left {
            let logs = worker.join("last");
            // The logs of the last run stay, for whoever wonders.
            let _ = fs::remove_dir_all(&logs);
            let _ = fs::rename(output, logs);
            let _ = fs::remove_file(worker.join("round"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_leave_is_kept() {
        let directory = std::env::temp_dir().join(format!("websans-mutants-{}", std::process::id()));
        let leave = |round: &str, files: &[(&str, &str)]| {
            let output = directory.join("0/mutants.out");
            fs::create_dir_all(&output).unwrap();
            fs::write(directory.join("0/round"), round).unwrap();
            files.iter().for_each(|(file, text)| fs::write(output.join(file), text).unwrap());
        };
        let mut record = Record::open(&directory).unwrap();
        leave("0", &[("caught.txt", "a: b\n"), ("missed.txt", "c: d\ne: f\n"), ("unviable.txt", "")]);
        record.absorb().unwrap();
        leave("1", &[("missed.txt", "c: d\n"), ("timeout.txt", "e: f\n")]);
        for record in [Record::open(&directory).unwrap(), Record::open(&directory).unwrap()] {
            assert_eq!(record.outcome("a: b"), Some(Outcome::Caught));
            assert_eq!(record.outcome("c: d"), Some(Outcome::Missed(1)));
            assert_eq!(record.outcome("e: f"), Some(Outcome::TimedOut));
            assert_eq!(record.outcome("g: h"), None);
        }
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn outcomes_are_read_as_written() {
        for outcome in [Outcome::Caught, Outcome::TimedOut, Outcome::Unviable, Outcome::Missed(2)] {
            assert_eq!(Outcome::read(&outcome.write()), Some(outcome));
        }
        assert_eq!(Outcome::read("missed"), None);
    }
}
