//! `fairness [--clients N] [--rounds N]`: one client floods a server, and the others are to notice little.
//!
//! The server is an axum app with the middleware, in this process. A thousand quiet clients, in a second process, each send a
//! short message now and then, and take the time until its echo is there. In a third process one client floods: it sends as
//! much as the server takes, in small messages or in large ones, and reads the echoes. Rounds without flood, with small
//! messages and with large ones take turns, so that whatever else the machine does hits all three alike. Of each kind the
//! median of the rounds' 99th percentiles counts: under flood it may be three times what it is without.
//!
//! All three processes share the machine, and it is the server's fairness that is on trial. So the server and the quiet clients
//! go before whatever else wants a processor (`SCHED_FIFO`; if we may not do that, the flooding client has the lowest
//! priority). What is measured is then how long the server keeps a quiet client waiting because it is at work for the flooding
//! one.

mod flood;
mod quiet;
mod server;
mod trial;

use std::process::ExitCode;

use websans_trials::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    // Each client is a file on either side. If there may not be so many, that will be told.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["quiet", address, count] => return quiet::run(address.parse()?, count.parse()?),
        ["flood", address] => return flood::run(address.parse()?),
        _ => {}
    }
    let (mut clients, mut rounds) = (1000, 5);
    for pair in arguments.chunks(2) {
        match *pair {
            ["--clients", count] => clients = count.parse()?,
            ["--rounds", count] => rounds = count.parse()?,
            _ => return Err("usage: fairness [--clients N] [--rounds N]".into()),
        }
    }
    trial::run(clients, rounds)
}
