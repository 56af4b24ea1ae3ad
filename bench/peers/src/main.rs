//! Echo servers over other Rust implementations: `websans-bench-peers yawc|sockudo default|no-takeover`.

use std::error::Error;
use std::process::ExitCode;

use bytes::Bytes;

mod echo;
mod sockudo;
mod yawc;

/// Which of an implementation's ways to keep compression contexts it is to use.
#[derive(Clone, Copy, PartialEq)]
enum Setup {
    /// What it does by default. For all of these that is takeover in both directions.
    Default,
    /// No takeover in either direction, in the way that its documentation recommends for many connections.
    NoTakeover,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [peer, setup] = arguments.as_slice() else {
        return Err("usage: websans-bench-peers yawc|sockudo default|no-takeover".into());
    };
    let setup = match setup.as_str() {
        "default" => Setup::Default,
        "no-takeover" => Setup::NoTakeover,
        other => return Err(format!("there is no setup {other}").into()),
    };
    match peer.as_str() {
        "sockudo" => sockudo::serve(setup)?,
        "yawc" => yawc::serve(setup)?,
        other => return Err(format!("there is no peer {other}").into()),
    }
    Ok(())
}

/// The request's answer has no body.
type Empty = http_body_util::Empty<Bytes>;
