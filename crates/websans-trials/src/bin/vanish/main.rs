//! `vanish [--peers N]`: clients vanish without a word, and the middleware has to find that out.
//!
//! A server and its clients are on two networks with a cable between them, which is cut: neither FIN nor RST arrives, and TCP
//! has nothing to say for a quarter of an hour. Whatever the handlers are at, each of their connections must be found dead
//! within the keep-alive's interval, its time-out and a second, with an outcome that says so; and then the server's memory
//! must be what it was before. Needs Linux, and root or namespaces of users.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod net;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod trial;

use std::error::Error;
use std::process::ExitCode;

/// Whatever went wrong, for the person at the terminal.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => trial::run(trial::PEERS),
        ["--peers", count] => trial::run(count.parse()?),
        ["client", address, count] => client::run(address.parse()?, count.parse()?),
        _ => Err("usage: vanish [--peers N]".into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn run() -> Result<(), Failure> {
    Err("network namespaces are Linux's".into())
}
