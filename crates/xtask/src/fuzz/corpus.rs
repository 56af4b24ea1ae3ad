//! Corpora made small: the fuzzer's own, and what is kept of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::build::Fuzzer;
use super::directory;
use crate::child;
use crate::failure::{Doing, Result};
use crate::workspace::Workspace;

/// How much is kept for a target: tests run all of it, each time.
const FILES: usize = 150;
const BYTES: u64 = 100 << 10;

/// How the names begin of seeds that are kept here. All others were written by someone.
const FOUND: &str = "found-";

/// Drops from the corpus what leads nowhere that the rest does not lead.
pub(super) fn minimize(workspace: &Workspace, fuzzer: &Fuzzer) -> Result {
    let name = &fuzzer.target.name;
    let corpus = directory(workspace, &format!("fuzz/corpus/{name}"))?;
    let merged = empty(workspace, name)?;
    merge(workspace, fuzzer, &[], &[&merged, &corpus])?;
    let before = files(&workspace.path(&corpus))?.len();
    let after = files(&workspace.path(&merged))?.len();
    replace(&workspace.path(&corpus), &workspace.path(&merged))?;
    println!("{name:<20} {before} inputs in the corpus are now {after}");
    Ok(())
}

/// Makes the seeds that were found anew, from those and the corpus.
pub(super) fn keep(workspace: &Workspace, fuzzer: &Fuzzer) -> Result {
    let name = &fuzzer.target.name;
    let seeds = directory(workspace, &format!("fuzz/seeds/{name}"))?;
    let corpus = directory(workspace, &format!("fuzz/corpus/{name}"))?;
    let merged = empty(workspace, name)?;
    // What somebody wrote is there anyway: only what it does not cover is looked for.
    let mut written = Vec::new();
    for file in files(&workspace.path(&seeds))? {
        let file_name = file.path.file_name().unwrap_or_default().to_owned();
        if !file_name.to_string_lossy().starts_with(FOUND) {
            copy(&file.path, &workspace.path(&merged).join(&file_name))?;
            written.push(file_name);
        }
    }
    // Places alone, without how often each is passed: enough for a test, and a fraction of the inputs.
    merge(workspace, fuzzer, &["-use_counters=0"], &[&merged, &seeds, &corpus])?;
    let mut found = files(&workspace.path(&merged))?;
    found.retain(|file| file.path.file_name().is_some_and(|name| !written.contains(&name.to_owned())));
    let all = found.len();
    let found = smallest(found);
    for file in files(&workspace.path(&seeds))? {
        if file.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOUND)) {
            fs::remove_file(&file.path).doing(|| format!("cannot remove {}", file.path.display()))?;
        }
    }
    let mut bytes = 0;
    for file in &found {
        // The fuzzer names inputs by their hash, or as they were called where they came from.
        let hash = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hash: String = hash.trim_start_matches(FOUND).chars().take(12).collect();
        copy(&file.path, &workspace.path(&seeds).join(format!("{FOUND}{hash}")))?;
        bytes += file.len;
    }
    println!(
        "{name:<20} {} of {all} inputs kept, {bytes} bytes, beside {} seeds",
        found.len(),
        written.len()
    );
    Ok(())
}

struct File {
    path: PathBuf,
    len: u64,
}

/// As many as are kept.
fn smallest(mut files: Vec<File>) -> Vec<File> {
    files.sort_by(|a, b| (a.len, &a.path).cmp(&(b.len, &b.path)));
    let mut bytes = 0;
    files
        .into_iter()
        .take(FILES)
        .take_while(|file| {
            bytes += file.len;
            bytes <= BYTES
        })
        .collect()
}

/// Lets the fuzzer copy into the first of `directories` what the others add to it.
fn merge(workspace: &Workspace, fuzzer: &Fuzzer, options: &[&str], directories: &[&str]) -> Result {
    let mut command = workspace.command(&fuzzer.program);
    command.arg("-merge=1").args(fuzzer.options()).args(options).args(directories);
    // It tells every single thing.
    let log = workspace.path(format!("fuzz/target/{}.merge.log", fuzzer.target.name));
    let file = fs::File::create(&log).doing(|| format!("cannot write {}", log.display()))?;
    let merged = child::run(&format!("merge of {}", fuzzer.target.name), command.stderr(file));
    merged.inspect_err(|_| eprintln!("what it said is in {}", log.display()))
}

/// A directory for what a merge leaves, empty.
fn empty(workspace: &Workspace, name: &str) -> Result<String> {
    let relative = format!("fuzz/target/merged/{name}");
    let path = workspace.path(&relative);
    if path.exists() {
        fs::remove_dir_all(&path).doing(|| format!("cannot remove {}", path.display()))?;
    }
    directory(workspace, &relative)
}

fn files(directory: &Path) -> Result<Vec<File>> {
    let read = || -> std::io::Result<Vec<File>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                files.push(File { path: entry.path(), len: metadata.len() });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    };
    read().doing(|| format!("cannot read {}", directory.display()))
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map(drop).doing(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Puts the second directory in place of the first.
fn replace(old: &Path, new: &Path) -> Result {
    fs::remove_dir_all(old)
        .and_then(|()| fs::rename(new, old))
        .doing(|| format!("cannot put {} in place of {}", new.display(), old.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_are_kept_within_bounds() {
        let files = |lens: &[u64]| {
            lens.iter().enumerate().map(|(i, &len)| File { path: format!("{i}").into(), len }).collect()
        };
        let lens = |files: Vec<File>| files.into_iter().map(|file| file.len).collect::<Vec<_>>();
        assert_eq!(lens(smallest(files(&[3, 1, 2]))), [1, 2, 3]);
        assert_eq!(lens(smallest(files(&[BYTES, 5, 6]))), [5, 6]);
        assert_eq!(smallest(files(&[1; 2 * FILES])).len(), FILES);
    }
}
