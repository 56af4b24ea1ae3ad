//! Child processes that never outlive their use.
//!
//! Every process xtask starts is a [`Child`]: leader of its own process group, which is killed when the value is
//! dropped, and also when xtask itself is interrupted or terminated. So a failing step, a time limit, Ctrl-C and
//! a cancelled CI job all leave the machine as they found it.

use core::time::Duration;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{io, thread};

use crate::failure::{Doing, Result, fail};

/// Longest any one child may run, unless its caller sets another limit. Nothing here takes half of it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Process groups to kill if xtask has to end at once.
static LIVE: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Makes SIGINT, SIGTERM and SIGHUP kill all children before xtask ends.
pub(crate) fn kill_all_on_signal() -> Result {
    ctrlc::set_handler(|| {
        // The lock is held up to the end, so that no further child can be started.
        let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().for_each(|&id| kill_group(id));
        eprintln!("\ninterrupted");
        std::process::exit(130);
    })
    .doing(|| "cannot handle signals".into())
}

/// A running process and all it starts, killed when dropped.
pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts `command`, which is called `name` in messages. It reads nothing from the terminal.
    pub(crate) fn spawn(name: impl Into<String>, command: &mut Command) -> Result<Self> {
        let name = name.into();
        command.stdin(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        let process = command
            .spawn()
            .doing(|| format!("cannot start {name} ({})", command.get_program().to_string_lossy()))?;
        live.push(process.id());
        Ok(Self { name, process, status: None })
    }

    /// Its standard output by lines, if that was piped. A thread reads on when nobody listens any more, so that
    /// the child cannot block on a full pipe.
    pub(crate) fn lines(&mut self) -> Lines {
        Lines::of(self.process.stdout.take())
    }

    /// Its standard error in the same way.
    pub(crate) fn errors(&mut self) -> Lines {
        Lines::of(self.process.stderr.take())
    }

    /// How it ended, or `None` while it runs.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.process.try_wait().doing(|| format!("cannot wait for {}", self.name))?;
        }
        Ok(self.status)
    }

    /// Asks it to end, as a terminal or a supervisor does.
    pub(crate) fn terminate(&self) {
        #[cfg(unix)]
        if let Ok(id) = i32::try_from(self.process.id()) {
            use nix::sys::signal::{Signal, kill};
            // The error is that it has ended.
            let _ = kill(nix::unistd::Pid::from_raw(id), Signal::SIGTERM);
        }
    }

    /// Waits until it has ended, but not beyond `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                fail!("{} was stopped: it ran for more than {}", self.name, seconds(limit));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        // Also if the leader has ended: what it started may still run.
        kill_group(self.process.id());
        let _ = self.process.kill();
        let _ = self.process.wait();
        live.retain(|&id| id != self.process.id());
    }
}

#[cfg(unix)]
fn kill_group(id: u32) {
    use nix::sys::signal::{Signal, killpg};
    if let Ok(id) = i32::try_from(id) {
        // The error is that there is no such group any more.
        let _ = killpg(nix::unistd::Pid::from_raw(id), Signal::SIGKILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: u32) {}

/// Lines of a child's output, as they come.
pub(crate) struct Lines(Receiver<String>);

/// What waiting for a line came to.
pub(crate) enum Next {
    Line(String),
    /// Nothing came in time.
    Nothing,
    /// There will be no more lines.
    End,
}

impl Lines {
    fn of(output: Option<impl io::Read + Send + 'static>) -> Self {
        let (sender, receiver) = mpsc::channel();
        if let Some(output) = output {
            thread::spawn(move || {
                // A line that is not text is none to look at; those behind it are.
                let lines = io::BufRead::split(io::BufReader::new(output), b'\n').map_while(io::Result::ok);
                for line in lines {
                    let line = String::from_utf8_lossy(&line);
                    let _ = sender.send(line.strip_suffix('\r').unwrap_or(&line).to_owned());
                }
            });
        }
        Self(receiver)
    }

    pub(crate) fn next_within(&self, limit: Duration) -> Next {
        match self.0.recv_timeout(limit) {
            Ok(line) => Next::Line(line),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// The first thing `find` finds in a line, if that comes within `limit`.
    pub(crate) fn find<T>(&self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        loop {
            match self.next_within(deadline.saturating_duration_since(Instant::now())) {
                Next::Line(line) => {
                    if let Some(found) = find(&line) {
                        return Some(found);
                    }
                }
                Next::Nothing | Next::End => return None,
            }
        }
    }
}

/// Runs `command` to its end with its output shown; anything but success is a failure.
pub(crate) fn run(name: &str, command: &mut Command) -> Result {
    run_within(LIMIT, name, command)
}

/// [`run`] with another time limit.
pub(crate) fn run_within(limit: Duration, name: &str, command: &mut Command) -> Result {
    eprintln!("$ {}", shown(command));
    let status = Child::spawn(name, command)?.wait(limit)?;
    if !status.success() {
        fail!("{name} failed: {status}");
    }
    Ok(())
}

/// Runs `command` to its end and returns its standard output.
pub(crate) fn output(name: &str, command: &mut Command) -> Result<String> {
    eprintln!("$ {}", shown(command));
    let mut child = Child::spawn(name, command.stdout(Stdio::piped()))?;
    let lines = child.lines();
    let deadline = Instant::now() + LIMIT;
    let mut output = String::new();
    loop {
        match lines.next_within(deadline.saturating_duration_since(Instant::now())) {
            Next::Line(line) => output.extend([line.as_str(), "\n"]),
            Next::End => break,
            Next::Nothing => fail!("{name} was stopped: it ran for more than {}", seconds(LIMIT)),
        }
    }
    let status = child.wait(LIMIT)?;
    if !status.success() {
        fail!("{name} failed: {status}");
    }
    Ok(output)
}

/// The command as one could type it.
fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut words: Vec<String> = variables
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())))
        .collect();
    let program = command.get_program();
    let is_cargo = std::env::var_os("CARGO").is_some_and(|cargo| cargo == program);
    words.push(if is_cargo { "cargo".into() } else { quoted(&program.to_string_lossy()) });
    words.extend(command.get_args().map(|word| quoted(&word.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{word}'") }
}

/// A duration for people: `9.4 s`, `75 s`, `20 min`.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..600 => format!("{:.0} s", duration.as_secs_f64()),
        more => format!("{} min", more.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_typed() {
        let mut command = Command::new("cargo");
        command.args(["doc", "two words", ""]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(shown(&command), "RUSTDOCFLAGS='-D warnings' cargo doc 'two words' ''");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(seconds(Duration::from_millis(9_440)), "9.4 s");
        assert_eq!(seconds(Duration::from_secs(75)), "75 s");
        assert_eq!(seconds(Duration::from_secs(1200)), "20 min");
    }

    #[cfg(unix)]
    mod groups {
        use super::*;

        /// A shell that starts a `sleep`, says its process id and waits.
        fn shell() -> (Child, i32) {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 1000 & echo $!; wait"]).stdout(Stdio::piped());
            let mut child = Child::spawn("sh", &mut command).unwrap();
            let id = child.lines().find(Duration::from_secs(10), |line| line.parse().ok()).unwrap();
            (child, id)
        }

        /// Whether the process ends within a few seconds. A killed one may stay a zombie of whoever adopts it.
        fn ends(id: i32) -> bool {
            (0..500).any(|_| {
                thread::sleep(Duration::from_millis(10));
                match std::fs::read_to_string(format!("/proc/{id}/stat")) {
                    Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
                    Err(_) => true,
                }
            })
        }

        #[test]
        #[cfg(target_os = "linux")]
        fn dropping_kills_grandchildren() {
            let (child, grandchild) = shell();
            assert!(std::fs::exists(format!("/proc/{grandchild}")).unwrap());
            drop(child);
            assert!(ends(grandchild));
        }

        #[test]
        fn a_time_limit_is_a_failure() {
            let (mut child, _) = shell();
            let failure = child.wait(Duration::from_millis(50)).unwrap_err().to_string();
            assert!(failure.starts_with("sh was stopped"), "{failure}");
        }

        #[test]
        fn output_and_failure_are_told() {
            assert_eq!(output("sh", Command::new("sh").args(["-c", "echo a; echo b"])).unwrap(), "a\nb\n");
            let failure = output("sh", Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
            assert!(failure.starts_with("sh failed"), "{failure}");
        }
    }
}
