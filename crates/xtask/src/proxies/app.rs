//! [`App`]: the sample app, running.

use core::time::Duration;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::stage::Stage;
use crate::child::{Child, Lines};
use crate::failure::{Failure, Result};

const START: Duration = Duration::from_secs(30);

/// A sample app and what it prints.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    lines: Lines,
}

impl App {
    /// Starts it on a port of its own choice.
    pub(crate) fn start(stage: &Stage<'_>, options: &[&str]) -> Result<Self> {
        let mut command = stage.workspace.command(stage.program());
        Self::spawn(command.args(["--listen", "127.0.0.1:0"]).args(options))
    }

    /// Starts what has to become a sample app.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = Child::spawn("websans-echo", command.stdout(Stdio::piped()))?;
        let lines = child.lines();
        let address = lines.find(START, address);
        let address = address.ok_or_else(|| Failure::new("websans-echo did not say where it listens"))?;
        Ok(Self { address, child, lines })
    }

    /// How the next of its connections to end did end, without the address of the peer.
    pub(crate) fn ending(&self, within: Duration) -> Result<String> {
        let ending = self.lines.find(within, |line| Some(line.split_once(' ')?.1.to_owned()));
        ending.ok_or_else(|| Failure::new("websans-echo did not say that a connection has ended"))
    }
}

/// Where it listens, from a line like `a page at http://127.0.0.1:8080/ and so on`.
fn address(line: &str) -> Option<SocketAddr> {
    line.split_once("://")?.1.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_the_first_line() {
        let line = "a page at http://127.0.0.1:5000/ and an echo at ws://127.0.0.1:5000/ws; Ctrl-C ends it";
        assert_eq!(address(line), Some(SocketAddr::from(([127, 0, 0, 1], 5000))));
        assert_eq!(address("127.0.0.1:5000 closed by the peer"), None);
    }
}
