//! The programs of the other side, and what they say.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::certificates::{Certificates, Identity};
use crate::report::Report;

/// How long a peer may take to start.
const START: Duration = Duration::from_secs(30);

/// A WebSocket implementation that others made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// The npm package `ws`.
    Ws,
    /// The `WebSocket` that is part of Node.
    BuiltIn,
    /// The Python package `websockets`.
    Websockets,
}

/// The side a peer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What is needed to start peers.
pub(crate) struct Interpreters {
    pub(crate) node: PathBuf,
    pub(crate) python: PathBuf,
    /// The directory of the programs.
    pub(crate) programs: PathBuf,
}

/// A running peer, which can be told any number of tasks. Killed when dropped.
pub(crate) struct Peer {
    pub(crate) implementation: Implementation,
    pub(crate) role: Role,
    process: Mutex<Child>,
    input: Mutex<ChildStdin>,
    said: Arc<Said>,
}

/// What a peer has written so far.
#[derive(Default)]
struct Said {
    lines: Mutex<Lines>,
    news: Condvar,
}

#[derive(Default)]
struct Lines {
    listening: Option<Value>,
    reports: HashMap<String, Value>,
    /// Everything that is no report.
    other: Vec<String>,
    ended: bool,
}

impl Implementation {
    /// All of them, with the sides each can take.
    pub(crate) const ALL: [(Self, &'static [Role]); 3] = [
        (Self::Ws, &[Role::Server, Role::Client]),
        (Self::BuiltIn, &[Role::Client]),
        (Self::Websockets, &[Role::Server, Role::Client]),
    ];

    /// Whether it has the interface of the browsers, which neither shows nor sends Pings and fragments, tells nothing
    /// of a handshake that failed, and sends few close codes.
    pub(crate) const fn is_browser_like(self) -> bool {
        matches!(self, Self::BuiltIn)
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ws => "ws",
            Self::BuiltIn => "node",
            Self::Websockets => "websockets",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

impl Interpreters {
    fn command(&self, implementation: Implementation) -> Command {
        let (interpreter, program) = match implementation {
            Implementation::Ws => (&self.node, "ws.mjs"),
            Implementation::BuiltIn => (&self.node, "built-in.mjs"),
            Implementation::Websockets => (&self.python, "peer.py"),
        };
        let mut command = Command::new(interpreter);
        command.arg(self.programs.join(program));
        command
    }
}

impl Peer {
    /// Starts a peer; a server listens when this returns.
    pub(crate) fn start(
        interpreters: &Interpreters,
        implementation: Implementation,
        role: Role,
        certificates: &Certificates,
    ) -> Result<Self, String> {
        let mut command = interpreters.command(implementation);
        command.arg(role.to_string()).arg(certificates.directory());
        // What the machine trusts besides must not matter.
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        command.env("NODE_EXTRA_CA_CERTS", certificates.ca()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = format!("{implementation} {role}");
        let mut process = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(format!("{name} has no pipes"));
        };
        let said = Arc::new(Said::default());
        said.listen(output, true);
        said.listen(errors, false);
        let peer =
            Self { implementation, role, process: Mutex::new(process), input: Mutex::new(input), said };
        if role == Role::Server && peer.wait(START, |lines| lines.listening.clone()).is_none() {
            return Err(format!("{name} did not say where it listens\n{}", peer.output()));
        }
        Ok(peer)
    }

    /// The port where a server shows this certificate, or where it does without TLS.
    pub(crate) fn port(&self, identity: Option<Identity>) -> Result<u16, String> {
        let key = match identity {
            None => "plain",
            Some(Identity::Localhost) => "tls",
            Some(Identity::Wrong) => "wrong",
            Some(Identity::Unknown) => "unknown",
        };
        let lines = self.said.lock();
        let port = lines.listening.as_ref().and_then(|listening| listening[key].as_u64());
        port.and_then(|port| u16::try_from(port).ok()).ok_or_else(|| format!("the peer has no port {key}"))
    }

    /// Tells a client what to do.
    pub(crate) fn tell(&self, task: &Value) -> Result<(), String> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(input, "{task}")
            .map_err(|error| format!("the peer takes no task: {error}\n{}", self.output()))
    }

    /// What it reports of the connection with this id, once that has ended.
    pub(crate) fn report(&self, id: &str, limit: Duration) -> Result<Report, String> {
        let report = self.wait(limit, |lines| lines.reports.remove(id));
        report.map(Report).ok_or_else(|| {
            let ended = self.said.lock().ended;
            let what = if ended { "it has ended" } else { "the connection has not ended for it" };
            format!("the peer reports nothing: {what}")
        })
    }

    /// Everything it wrote that was no report, since this was last asked.
    pub(crate) fn output(&self) -> String {
        let other = std::mem::take(&mut self.said.lock().other);
        let status = self.process.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
        let status = match status {
            Ok(Some(status)) => format!("    (ended: {status})\n"),
            _ => String::new(),
        };
        other.iter().map(|line| format!("    {line}\n")).collect::<String>() + &status
    }

    fn wait<T>(&self, limit: Duration, mut find: impl FnMut(&mut Lines) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut lines = self.said.lock();
        loop {
            if let Some(found) = find(&mut lines) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                return None;
            }
            lines = self.said.news.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = process.kill(); // it may have ended
        let _ = process.wait();
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what comes through a pipe, in a thread. Only the standard output has reports.
    fn listen(self: &Arc<Self>, pipe: impl Read + Send + 'static, reports: bool) {
        let said = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(io::Result::ok) {
                said.take(line, reports);
            }
            if reports {
                said.lock().ended = true;
                said.news.notify_all();
            }
        });
    }

    fn take(&self, line: String, reports: bool) {
        let mut lines = self.lock();
        match serde_json::from_str::<Value>(&line).ok().filter(|_| reports) {
            Some(value) if value["listening"].is_object() => {
                lines.listening = Some(value["listening"].clone())
            }
            Some(value) if value["id"].is_string() => {
                let id = value["id"].as_str().unwrap_or_default().to_owned();
                lines.reports.insert(id, value);
            }
            _ => lines.other.push(line),
        }
        self.news.notify_all();
    }
}

/// Where the programs are if nobody says otherwise: beside this source.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
