//! The program or server under test.

use core::time::Duration;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::child::Child;
use crate::failure::{Doing, Failure, Result, fail};

/// How long a server may take to say where it listens, or to answer a first handshake.
const START: Duration = Duration::from_secs(30);
/// How many lines of what the peer wrote are shown when something went wrong.
const SHOWN: usize = 40;

/// A program that is told on its command line what to do.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Receives its standard error.
    pub(crate) log: PathBuf,
    /// Where the certificate is by which the server is known, if it speaks TLS.
    pub(crate) certificates: Option<PathBuf>,
}

impl Program {
    /// Starts it as a server and returns its URL.
    pub(crate) fn serve(&self) -> Result<(Child, String)> {
        let mut command = self.command();
        let mut server = self.spawn(command.args(["--listen", "127.0.0.1:0"]))?;
        let address =
            server.lines().find(START, |line| Some(line.strip_prefix("listening on ")?.to_string()));
        let Some(address) = address else {
            match server.status()? {
                Some(status) => fail!("the server ended ({status}) before it said where it listens"),
                None => fail!("the server did not print \"listening on ADDR\" within {} s", START.as_secs()),
            }
        };
        Ok((server, self.url(address.trim())))
    }

    /// Starts it as a client that runs all cases of the server at `url`.
    pub(crate) fn connect(&self, url: &str, agent: &str, jobs: usize) -> Result<Child> {
        let jobs = jobs.to_string();
        let arguments = ["--url", url, "--agent", agent, "--jobs", &jobs];
        self.spawn(self.command().args(arguments))
    }

    /// The URL of a server at this address. Certificates are for names.
    pub(crate) fn url(&self, address: &str) -> String {
        match (&self.certificates, address.rsplit_once(':')) {
            (Some(_), Some((_, port))) => format!("wss://localhost:{port}"),
            _ => format!("ws://{address}"),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(directory) = &self.certificates {
            command.arg("--certificates").arg(directory);
        }
        command
    }

    fn spawn(&self, command: &mut Command) -> Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.doing(|| format!("cannot write {}", self.log.display()))?;
        Child::spawn(self.path.display().to_string(), command.stdout(Stdio::piped()).stderr(log))
    }

    /// Shows the end of what it wrote to standard error.
    pub(crate) fn show_log(&self) {
        let text = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            eprintln!("the peer wrote nothing to its standard error");
            return;
        }
        let left_out = lines.len().saturating_sub(SHOWN);
        eprintln!("the end of what the peer wrote to its standard error ({}):", self.log.display());
        lines[left_out..].iter().for_each(|line| eprintln!("    {line}"));
    }
}

/// Makes one opening handshake, so that a server which cannot do even that is told from one that fails cases. Through
/// TLS, the suite finds that out with its first case.
pub(crate) fn probe(url: &str) -> Result {
    if url.starts_with("wss://") {
        return Ok(());
    }
    let (authority, path) = split(url)?;
    let never = |what: &str| format!("the peer at {url} never answered: {what}");
    let address = authority.to_socket_addrs().doing(|| never("no such address"))?.next();
    let address = address.ok_or_else(|| Failure::new(never("no such address")))?;
    let mut stream = TcpStream::connect_timeout(&address, START).doing(|| never("cannot connect"))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).doing(|| never("cannot send the handshake"))?;

    let deadline = Instant::now() + START;
    let mut response = Vec::new();
    let mut buffer = [0; 1024];
    while !response.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let read = stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut buffer));
        match read.doing(|| never("no response to the handshake"))? {
            0 => fail!("{}", never("it closed the connection during the handshake")),
            count => response.extend_from_slice(&buffer[..count]),
        }
    }
    let status = response.split(|&byte| byte == b'\r').next().unwrap_or_default();
    if !status.starts_with(b"HTTP/1.1 101") {
        fail!("the peer at {url} does not speak WebSocket: it answered {}", status.escape_ascii());
    }
    Ok(())
}

/// The authority and path of a `ws:` URL.
fn split(url: &str) -> Result<(&str, &str)> {
    let Some(rest) = url.strip_prefix("ws://") else {
        fail!("{url:?} is no ws:// URL");
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    if !authority.contains(':') {
        fail!("{url:?} has no port");
    }
    Ok((authority, path))
}

/// The directory a run may write to, made empty.
pub(crate) fn fresh(directory: &Path) -> Result {
    if directory.exists() {
        fs::remove_dir_all(directory).doing(|| format!("cannot empty {}", directory.display()))?;
    }
    fs::create_dir_all(directory).doing(|| format!("cannot make {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn urls_are_split() {
        assert_eq!(split("ws://127.0.0.1:9001").unwrap(), ("127.0.0.1:9001", "/"));
        assert_eq!(split("ws://[::1]:9001/a/b?c").unwrap(), ("[::1]:9001", "/a/b?c"));
        assert!(split("wss://127.0.0.1:9001").is_err());
        assert!(split("ws://localhost").is_err());
    }

    #[test]
    fn tls_servers_have_a_name() {
        let program = |certificates| Program { path: "p".into(), log: "l".into(), certificates };
        assert_eq!(program(None).url("127.0.0.1:9001"), "ws://127.0.0.1:9001");
        assert_eq!(program(Some("d".into())).url("127.0.0.1:9001"), "wss://localhost:9001");
    }

    /// What [`probe`] says of a server that answers with these pieces and closes.
    fn probed(answer: &'static [&'static str]) -> Result {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            for piece in answer {
                stream.write_all(piece.as_bytes()).unwrap();
            }
        });
        let result = probe(&url);
        server.join().unwrap();
        result
    }

    #[test]
    fn only_101_is_an_answer() {
        probed(&["HTTP/1.1 101 Switching Protocols\r\n", "Upgrade: websocket\r\n\r", "\n"]).unwrap();
        let refused = probed(&["HTTP/1.1 400 Bad Request\r\n\r\n"]).unwrap_err().to_string();
        assert!(refused.ends_with("it answered HTTP/1.1 400 Bad Request"), "{refused}");
        let closed = probed(&["HTTP/1.1 101"]).unwrap_err().to_string();
        assert!(closed.contains("never answered"), "{closed}");
    }

    #[test]
    fn nobody_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        drop(listener);
        let failure = probe(&url).unwrap_err().to_string();
        assert!(failure.contains("never answered: cannot connect"), "{failure}");
    }
}
