//! What libFuzzer says of itself while it runs.

/// What is known of a run, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) executions: u64,
    pub(super) edges: u64,
    /// Inputs in the corpus.
    pub(super) corpus: u64,
    /// The input that ended the run.
    pub(super) artifact: Option<String>,
}

impl Progress {
    /// Takes in a line, and says whether that was all there is to it: other lines tell of a failure.
    pub(super) fn take(&mut self, line: &str) -> bool {
        if let Some((executions, status)) = line.strip_prefix('#').and_then(|line| line.split_once('\t')) {
            let Ok(executions) = executions.parse() else { return false };
            self.executions = self.executions.max(executions);
            let number = |key: &str| {
                let rest = status.split_once(key)?.1.trim_start();
                rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
            };
            self.edges = number("cov: ").unwrap_or(self.edges);
            self.corpus = number("corp: ").unwrap_or(self.corpus);
            return true;
        }
        if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = executions.trim().parse().unwrap_or(self.executions);
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            // A unit that is only slow ends nothing.
            if !path.contains("/slow-unit-") {
                self.artifact = Some(path.trim().into());
            }
        }
        line.starts_with("stat::") || line.starts_with("INFO:")
    }

    /// What kind of input ended the run.
    pub(super) fn verdict(&self) -> &'static str {
        let name = self.artifact.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or("");
        match name.split_once('-').map(|(kind, _)| kind) {
            Some("crash") => "CRASH",
            Some("timeout") => "HANG",
            Some("leak") => "LEAK",
            Some("oom") => "OUT OF MEMORY",
            _ => "FAILED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(lines: &[&str]) -> Progress {
        let mut progress = Progress::default();
        lines.iter().for_each(|line| {
            progress.take(line);
        });
        progress
    }

    #[test]
    fn figures_are_those_of_the_last_line() {
        let progress = progress(&[
            "INFO: Seed: 3203442563",
            "#2\tINITED cov: 40 ft: 41 corp: 1/1b exec/s: 0 rss: 27Mb",
            "#128\tNEW    cov: 45 ft: 67 corp: 8/120b lim: 4 exec/s: 0 rss: 30Mb L: 4/4 MS: 1 ChangeByte-",
            "#65536\tpulse  cov: 46 ft: 70 corp: 12/1220b lim: 4 exec/s: 32768 rss: 30Mb",
            "stat::number_of_executed_units: 70001",
            "stat::peak_rss_mb:              31",
        ]);
        assert_eq!(progress, Progress { executions: 70001, edges: 46, corpus: 12, artifact: None });
    }

    #[test]
    fn the_file_tells_what_happened() {
        for (kind, verdict) in
            [("crash", "CRASH"), ("timeout", "HANG"), ("leak", "LEAK"), ("oom", "OUT OF MEMORY")]
        {
            let path = format!("fuzz/artifacts/inflate/{kind}-0a4d55a8");
            let line = format!("artifact_prefix='fuzz/artifacts/inflate/'; Test unit written to {path}");
            let progress = progress(&[&line]);
            assert_eq!(progress.artifact, Some(path));
            assert_eq!(progress.verdict(), verdict);
        }
        let line = "artifact_prefix='a/'; Test unit written to a/slow-unit-0a4d55a8";
        assert_eq!(progress(&[line]).artifact, None);
    }

    #[test]
    fn a_panic_is_kept() {
        let mut progress = Progress::default();
        assert!(!progress.take("thread '<unnamed>' panicked at src/fuzz/inflate.rs:3:5:"));
        assert!(!progress.take("#0 0x55 in frame_of_a_stack"), "a stack trace is no status");
        assert!(progress.take("#0\tREAD units: 3"));
    }
}
