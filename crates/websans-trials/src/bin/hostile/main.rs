//! `hostile [--adapter tower|tokio] [--attack NAME]... [--clients N] [--attackers N] [--brief]`: a thousand attackers, and a
//! thousand honest clients that are to notice little.
//!
//! The server is the sample app's, hyper and the middleware with all its limits, or `websans_tokio::serve`, in a process of its
//! own that counts the bytes on its heap. In a second process honest clients each send a short message every 2 s and take the
//! time until its echo is there. In a third one attackers, each with a raw socket and an address of its own, do what the
//! catalogue (`attack/catalogue.rs`) says: one attack after the other, and then all of them at once.
//!
//! During each of them 99 % of the honest round trips may take three times as long as without, no honest connection may be lost,
//! and every echo must be right. Attackers must be told off as the catalogue expects and in time, may cost the heap so many bytes
//! each at its peak, and everything must be given back when they have gone.
//!
//! All three processes share the machine, and it is the server that is on trial. So the server, and before it the honest clients,
//! go before whatever else wants a processor (`SCHED_FIFO`; if we may not do that, the attackers have the lowest priority): an
//! honest client stands for one with a machine of its own. And an attacker has one connection at a time, waits before it makes
//! another, and floods by the chunk (`attack/pace.rs`): how many bytes two processors can send, receive and judge is not what is
//! measured, but what they cost others and what they leave behind.
//!
//! Needs Linux.

#[cfg(target_os = "linux")]
mod attack;
#[cfg(target_os = "linux")]
mod holding;
#[cfg(target_os = "linux")]
mod honest;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod trial;
#[cfg(target_os = "linux")]
mod verdict;

// The sample app's own sources: its server is on trial, and not one like it.
#[cfg(target_os = "linux")]
#[path = "../../../../websans-echo/src/app.rs"]
mod app;
#[cfg(target_os = "linux")]
#[path = "../../../../websans-echo/src/background.rs"]
#[expect(dead_code, reason = "echoes run in the handlers of their requests here")]
mod background;
#[cfg(target_os = "linux")]
#[path = "../../../../websans-echo/src/echo.rs"]
mod echo;
#[cfg(target_os = "linux")]
#[path = "../../../../websans-echo/src/serve.rs"]
mod serve;
#[cfg(target_os = "linux")]
#[path = "../../../../websans-echo/src/transport.rs"]
mod transport;

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

#[cfg(target_os = "linux")]
fn run() -> Result<(), Failure> {
    // Each client is a file on either side. If there may not be so many, that will be told.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server", adapter, places] => server::run(adapter.parse()?, places.parse()?),
        ["honest", address, count] => honest::run(address.parse()?, count.parse()?),
        ["attack", address, count] => attack::run(address.parse()?, count.parse()?),
        _ => trial::run(&options::Options::parse(&arguments)?),
    }
}

#[cfg(not(target_os = "linux"))]
fn run() -> Result<(), Failure> {
    Err("what a process holds is read from /proc, which is Linux's".into())
}
