//! [`Process`]: a program in another role, which answers each line with one.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Failure;

/// A program in another role, which answers each line with one. It ends with this.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        Ok(Self { child, input, output })
    }

    /// Writes a line and waits for the answer.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn ask(&mut self, line: &str) -> Result<String, Failure> {
        self.tell(line)?;
        self.answer()
    }

    /// Writes a line.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn tell(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.input, "{line}")?)
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn answer(&mut self) -> Result<String, Failure> {
        Ok(self.output.next().ok_or("a process has ended too early")??)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
