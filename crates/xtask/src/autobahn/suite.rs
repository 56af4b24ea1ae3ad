//! The testsuite itself: `autobahn/wstest3.py`, installed by `autobahn/setup.sh`.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::case::Case;
use super::peer::Program;
use super::report::Report;
use crate::child::{self, Child, Lines, Next, seconds};
use crate::debian;
use crate::failure::{Doing, Failure, Result, fail};
use crate::workspace::Workspace;

/// How long a suite may take to say where it listens.
const START: Duration = Duration::from_secs(60);
/// No case takes as long: the suite itself ends the slowest after 480 s.
const SILENCE: Duration = Duration::from_secs(500);
/// After how many cases progress is told.
const STRIDE: usize = 50;

/// The installed suite, and how it is to be used.
pub(crate) struct Suite {
    program: PathBuf,
    pub(crate) jobs: usize,
}

/// What a run is about: its cases, and where its report goes.
pub(crate) struct Run<'r> {
    pub(crate) agent: &'r str,
    /// Ids or patterns.
    pub(crate) cases: &'r [String],
    pub(crate) directory: &'r Path,
    /// Where the certificate is, if the run goes through TLS.
    pub(crate) certificates: Option<&'r Path>,
    /// When it has to be over.
    pub(crate) deadline: Instant,
}

impl Suite {
    /// Installs the suite, unless that was done before.
    pub(crate) fn install(workspace: &Workspace, jobs: usize) -> Result<Self> {
        debian::ensure_python()?;
        child::run("autobahn/setup.sh", workspace.command("sh").arg("autobahn/setup.sh"))?;
        let program = workspace.path("autobahn/.wstest/bin/wstest3");
        Ok(Self { program, jobs })
    }

    /// The cases that ids or patterns select.
    pub(crate) fn list(&self, directory: &Path, cases: &[String]) -> Result<Vec<Case>> {
        let spec = write_spec(directory, json!({ "url": "ws://127.0.0.1:0", "cases": cases }))?;
        let list = child::output("list of cases", self.command("fuzzingserver", &spec).arg("--list"))?;
        list.lines().filter(|line| !line.is_empty()).map(str::parse).collect()
    }

    /// Runs the cases against the server at `url`. `server` is its process, if it is ours.
    pub(crate) fn test_server(&self, run: &Run<'_>, url: &str, server: Option<&mut Child>) -> Result<Report> {
        let spec = json!({
            "outdir": run.directory, "cases": run.cases, "servers": [{ "agent": run.agent, "url": url }],
            "certificates": run.certificates,
        });
        let spec = write_spec(run.directory, spec)?;
        let jobs = self.jobs.to_string();
        let mut command = self.command("fuzzingclient", &spec);
        let mut suite = Child::spawn("the suite", command.args(["--jobs", &jobs]).stdout(Stdio::piped()))?;
        let lines = suite.lines();
        let mut progress = Progress::until(run.deadline);
        while progress.step(&lines, SILENCE)? {}
        let status = suite.wait(START)?;
        if let Some(status) = server.map(Child::status).transpose()?.flatten() {
            fail!("the server ended by itself ({status}) {}", progress.so_far());
        }
        if !status.success() {
            fail!("the suite could not go on ({status}) {}", progress.so_far());
        }
        Report::read(run.directory, run.agent)
    }

    /// Has `client` run the cases as a client of ours.
    pub(crate) fn test_client(&self, run: &Run<'_>, client: &Program) -> Result<Report> {
        let spec = json!({
            "outdir": run.directory, "cases": run.cases, "url": client.url("127.0.0.1:0"),
            "certificates": run.certificates,
        });
        let spec = write_spec(run.directory, spec)?;
        let mut suite =
            Child::spawn("the suite", self.command("fuzzingserver", &spec).stdout(Stdio::piped()))?;
        let lines = suite.lines();
        let listening = |line: &str| Some(line.split_once("listening on ")?.1.to_string());
        let address = lines.find(START, listening).ok_or_else(|| Failure::new("the suite did not start"))?;

        let mut client = client.connect(&client.url(&address), run.agent, self.jobs)?;
        let mut progress = Progress::until(run.deadline);
        let status = loop {
            if let Some(status) = client.status()? {
                break status;
            }
            if !progress.step(&lines, Duration::from_millis(50))? {
                fail!("the suite ended by itself {}", progress.so_far());
            }
        };
        // What the suite has said by now.
        while let Next::Line(_) = lines.next_within(Duration::from_millis(200)) {
            progress.done += 1;
        }
        judge_client(status, &progress, run.directory.join("index.json").is_file())?;
        Report::read(run.directory, run.agent)
    }

    fn command(&self, mode: &str, spec: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--mode", mode, "--spec"]).arg(spec);
        command
    }
}

/// Whether a client that has ended did its part.
fn judge_client(status: ExitStatus, progress: &Progress, is_reported: bool) -> Result {
    if progress.done == 0 {
        fail!("the client never ran a case ({status})");
    }
    if !status.success() {
        fail!("the client failed ({status}) {}", progress.so_far());
    }
    if !is_reported {
        fail!("the client ended without asking for /updateReports {}", progress.so_far());
    }
    Ok(())
}

fn write_spec(directory: &Path, spec: Value) -> Result<PathBuf> {
    let path = directory.join("spec.json");
    fs::write(&path, format!("{spec:#}\n")).doing(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// How far a run is. The suite prints a line for each case it has done.
struct Progress {
    done: usize,
    last: String,
    heard: Instant,
    deadline: Instant,
}

impl Progress {
    fn until(deadline: Instant) -> Self {
        Self { done: 0, last: String::new(), heard: Instant::now(), deadline }
    }

    /// Waits up to `patience` for the next case; false means there will be none.
    fn step(&mut self, lines: &Lines, patience: Duration) -> Result<bool> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match lines.next_within(patience.min(left)) {
            Next::Line(line) => {
                self.done += 1;
                self.last = line;
                self.heard = Instant::now();
                if self.done % STRIDE == 0 {
                    println!("  {} cases done, last was {}", self.done, self.last);
                }
            }
            Next::End => return Ok(false),
            Next::Nothing => {}
        }
        if self.heard.elapsed() >= SILENCE {
            fail!("no case was finished for {} {}", seconds(SILENCE), self.so_far());
        }
        if Instant::now() >= self.deadline {
            fail!("the time limit was reached {}", self.so_far());
        }
        Ok(true)
    }

    fn so_far(&self) -> String {
        match self.done {
            0 => "before any case was done".into(),
            done => format!("after {done} cases, the last being {}", self.last),
        }
    }
}
