//! A server's process, and what the kernel says that it used.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::Result;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server, which prints its port. It has one core to itself, and this program the other.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let cores = thread::available_parallelism()?.get();
        // Children inherit this, with all threads that they start.
        pin(0)?;
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        pin(if cores > 1 { 1 } else { 0 })?;
        let mut process = started?;
        let output = process.stdout.take().expect("it is piped");
        let mut server = Self { process, port: 0 };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.port =
            line.trim().parse().map_err(|_| format!("the server printed {line:?}, not its port"))?;
        Ok(server)
    }

    /// The processor time that all its threads used so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // Unlike in `stat`, it is in nanoseconds.
            let times = fs::read_to_string(thread?.path().join("schedstat"))?;
            let running = times.split(' ').next().unwrap_or_default();
            total += Duration::from_nanos(running.parse()?);
        }
        Ok(total)
    }

    /// The bytes of memory that it wrote to and that are not files.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes = anonymous.and_then(|text| text.trim().strip_suffix("kB"));
        let kibibytes: u64 = kibibytes.ok_or("no RssAnon in the status of a process")?.trim().parse()?;
        Ok(1024 * kibibytes)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lets this thread run on one core only.
fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}
