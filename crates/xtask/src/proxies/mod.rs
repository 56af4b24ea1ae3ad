//! `cargo xtask proxies`: the sample app behind nginx and HAProxy, beside socket.io, and started by systemd.
//!
//! The configurations are the files in `deploy/`, which the deployment guide shows: what is tested here is what people
//! copy. Only addresses, certificates and what a check is about are replaced in them, see [`recipe`].

use std::time::Instant;

use crate::child;
use crate::failure::{Failure, Result};
use crate::workspace::Workspace;

mod activation;
mod app;
mod attack;
mod direct;
mod echo;
mod http;
mod idle;
mod paths;
mod programs;
mod proxy;
mod recipe;
mod relay;
mod smuggling;
mod socket;
mod socket_io;
mod stage;
mod tls;

use proxy::Kind;
use stage::Stage;

/// Runs every check.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let stage = Stage::set(workspace)?;
    for kind in Kind::ALL {
        step(format!("messages through {kind}"), || echo::check(&stage, kind))?;
        step(format!("origins through {kind}"), || echo::origins(&stage, kind))?;
        step(format!("what {kind} says of clients"), || echo::trust(&stage, kind))?;
        step(format!("silence through {kind}"), || idle::check(&stage, kind))?;
        step(format!("TLS and HTTP/2 at {kind}"), || tls::check(&stage, kind))?;
        step(format!("refused upgrades through {kind}"), || smuggling::check(&stage, kind))?;
    }
    step("refused upgrades without a proxy".into(), || direct::check(&stage))?;
    step("two apps by path".into(), || paths::check(&stage))?;
    step("beside socket.io behind nginx".into(), || socket_io::behind_nginx(&stage))?;
    step("behind socket.io's server".into(), || socket_io::behind_node(&stage))?;
    step("systemd's units".into(), || activation::units(&stage))?;
    step("started by systemd-socket-activate".into(), || activation::started(&stage))?;
    step("a restart with the same socket".into(), || activation::restarted(&stage))
}

/// One check, with a line that says how long it took.
fn step(name: String, run: impl FnOnce() -> Result) -> Result {
    let started = Instant::now();
    run().map_err(|failure| Failure::new(format!("{name}: {failure}")))?;
    println!("{name:<40} ok {:>8}", child::seconds(started.elapsed()));
    Ok(())
}
