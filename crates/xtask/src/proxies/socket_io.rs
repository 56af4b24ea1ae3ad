//! The sample app and a socket.io server on one port.

use core::time::Duration;
use std::net::SocketAddr;
use std::process::Stdio;

use super::app::App;
use super::proxy::{Kind, Proxy};
use super::recipe::Recipe;
use super::socket::Socket;
use super::stage::Stage;
use crate::child::{self, Child};
use crate::failure::{Failure, Result, fail};

const START: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(30);

/// Nginx tells them apart by path.
pub(crate) fn behind_nginx(stage: &Stage<'_>) -> Result {
    let app = App::start(stage, &[])?;
    let (_node, server) = server(stage, None)?;
    let recipe = Recipe::read(stage.workspace, "socket-io/nginx.conf")?
        .replace("127.0.0.1:5000", app.address.to_string())?
        .replace("127.0.0.1:3000", server.to_string())?;
    let proxy = Proxy::start(stage, Kind::Nginx, recipe)?;
    both(stage, proxy.plain)
}

/// Node has the port, and hands on to the app what is the app's.
pub(crate) fn behind_node(stage: &Stage<'_>) -> Result {
    let app = App::start(stage, &[])?;
    let (_node, server) = server(stage, Some(app.address))?;
    both(stage, server)?;
    for (origin, path, expected) in [("http://evil.test", "/ws", 403), ("http://evil.test", "/other", 404)] {
        let status = Socket::status(server, path, &format!("Origin: {origin}\r\n"))?;
        if status != expected {
            fail!("{status} instead of {expected} for {origin} at {path}");
        }
    }
    Ok(())
}

/// Socket.io's client has its echo while ours has its own, on the same port.
fn both(stage: &Stage<'_>, address: SocketAddr) -> Result {
    let origin = format!("Origin: http://{address}\r\n");
    let mut socket = Socket::open(address, "/ws", &origin)?;
    socket.echo()?;
    let mut client = stage.programs.node();
    client.args(["client.mjs", &format!("http://{address}")]).stdout(Stdio::null());
    child::run_within(LIMIT, "socket.io's client", &mut client)?;
    // Longer than socket.io waits before it ends upgrades that are not its own.
    if let Some(end) = socket.silence(Duration::from_millis(1500))? {
        fail!("{end:?} of our WebSocket beside socket.io");
    }
    socket.echo()?;
    socket.close()
}

/// Starts socket.io's server; in front of the app, if there is one.
fn server(stage: &Stage<'_>, app: Option<SocketAddr>) -> Result<(Child, SocketAddr)> {
    let mut command = stage.programs.node();
    command.args(["server.mjs", "0"]).stdout(Stdio::piped());
    if let Some(app) = app {
        command.env("WEBSANS", app.to_string());
    }
    let mut node = Child::spawn("socket.io's server", &mut command)?;
    let port = node.lines().find(START, |line| line.strip_prefix("port ")?.parse::<u16>().ok());
    let port = port.ok_or_else(|| Failure::new("socket.io's server did not say where it listens"))?;
    Ok((node, SocketAddr::from(([127, 0, 0, 1], port))))
}
