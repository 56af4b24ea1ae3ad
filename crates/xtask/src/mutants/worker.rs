//! One cargo-mutants at work.

use core::time::Duration;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use super::PACKAGES;
use super::mutant::Mutant;
use super::rounds::Round;
use crate::child::Child;
use crate::failure::{Doing, Result, fail};
use crate::workspace::Workspace;

/// For all changes together: a day.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// To end what it is doing and to remove its copy of the source.
const TO_END: Duration = Duration::from_secs(30);
/// Every one of its exit codes that is not a failure of its own: all caught, some missed, some timed out.
const CODES: [i32; 3] = [0, 2, 3];

pub(super) struct Worker {
    child: Child,
    log: std::path::PathBuf,
}

impl Worker {
    /// Starts to try these changes, in a directory of its own.
    pub(super) fn start(
        workspace: &Workspace,
        directory: &Path,
        job: usize,
        number: usize,
        round: &Round,
        mutants: &[&Mutant],
    ) -> Result<Self> {
        let directory = directory.join(job.to_string());
        let (output, copies) = (directory.join("mutants.out"), directory.join("tmp"));
        for old in [&output, &copies] {
            if old.exists() {
                fs::remove_dir_all(old).doing(|| format!("cannot remove {}", old.display()))?;
            }
        }
        for new in [&output, &copies] {
            fs::create_dir_all(new).doing(|| format!("cannot make {}", new.display()))?;
        }
        let write = |path: &Path, text: &str| {
            fs::write(path, text).doing(|| format!("cannot write {}", path.display()))
        };
        write(&directory.join("round"), &number.to_string())?;

        let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
        let mut command =
            workspace.cargo(["mutants", "--iterate", "--colors", "never", "--profile", "mutants"]);
        command.args(PACKAGES).args(files.iter().map(|file| format!("--file={file}")));
        // The only way to name the changes it is to make is to tell it that all others were caught before.
        let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        let all = super::list(workspace, &files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())?;
        let others: Vec<String> =
            all.into_iter().map(|mutant| mutant.name).filter(|name| !names.contains(name.as_str())).collect();
        write(&output.join("previously_caught.txt"), &(others.join("\n") + "\n"))?;

        command.arg("--output").arg(&directory);
        command.args(["--timeout-multiplier", "4", "--minimum-test-timeout", "30"]);
        command.args(round.packages.iter().map(|package| format!("--test-package={package}")));
        command.args(round.tests.iter().map(|test| format!("--cargo-arg={test}")));
        command.arg("--cargo-test-arg=--");
        command.args(round.skipped.iter().map(|test| format!("--cargo-test-arg=--skip={test}")));
        command.env("CARGO_TARGET_DIR", directory.join("target")).env("TMPDIR", &copies);
        command.env("WEBSANS_SEEDS", "300").env("PROPTEST_CASES", "64");
        let child = Child::spawn(format!("cargo mutants {job}"), &mut command)?;
        Ok(Self { child, log: directory.join("mutants.out/log") })
    }

    /// Waits until it has tried all, or until `deadline`.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> Result {
        let left = deadline.map_or(LIMIT, |deadline| deadline.saturating_duration_since(Instant::now()));
        let end = Instant::now() + left.min(LIMIT);
        while Instant::now() < end {
            if let Some(status) = self.child.status()? {
                return match status.code() {
                    Some(code) if CODES.contains(&code) => Ok(()),
                    _ => fail!("cargo mutants failed ({status}); its logs are in {}", self.log.display()),
                };
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        self.child.terminate();
        // Whatever is left of it is killed with the child.
        let _ = self.child.wait(TO_END);
        Ok(())
    }
}
