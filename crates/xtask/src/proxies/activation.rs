//! The sample app started by systemd, on a socket that it did not open.

use core::time::Duration;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use super::app::App;
use super::recipe::Recipe;
use super::socket::{End, Socket, dial, handshake};
use super::stage::{Stage, free_address};
use crate::child;
use crate::failure::{Doing as _, Result, fail};

const SOON: Duration = Duration::from_secs(10);

/// Systemd finds nothing wrong with the units.
pub(crate) fn units(stage: &Stage<'_>) -> Result {
    let directory = stage.directory().join("units");
    std::fs::create_dir_all(&directory).doing(|| format!("cannot make {}", directory.display()))?;
    let program = stage.program().to_string_lossy();
    let service = Recipe::read(stage.workspace, "websans.service")?;
    service.replace("/usr/local/bin/websans-echo", program)?.write(&directory.join("websans.service"))?;
    Recipe::read(stage.workspace, "websans.socket")?.write(&directory.join("websans.socket"))?;
    let mut command = stage.workspace.command("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=yes"]);
    command.args(["websans.socket", "websans.service"].map(|unit| directory.join(unit)));
    child::run("systemd-analyze", &mut command)
}

/// The first connection starts the app, and has it.
pub(crate) fn started(stage: &Stage<'_>) -> Result {
    let address = free_address()?;
    let mut command = stage.workspace.command("systemd-socket-activate");
    command.args(["--listen", &address.to_string()]).arg(stage.program());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = child::Child::spawn("systemd-socket-activate", &mut command)?;
    let lines = child.lines();
    connected(|| TcpStream::connect(address).map(drop))?;
    let mut socket = Socket::open(address, "/ws", &format!("Origin: http://{address}\r\n"))?;
    socket.echo()?;
    socket.close()?;
    let said = lines.find(SOON, |line| line.contains(&address.to_string()).then_some(()));
    if said.is_none() {
        fail!("the app does not say that it listens at {address}, which it was given");
    }
    Ok(())
}

/// Whoever comes while the app restarts is served by the next one; who is connected gets a 1001.
pub(crate) fn restarted(stage: &Stage<'_>) -> Result {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "cannot listen".into())?;
    let address = listener.local_addr().doing(|| "cannot listen".into())?;
    let start = || -> Result<App> {
        let listener = listener.try_clone().doing(|| "cannot share a socket".into())?;
        // As systemd does it: the socket is file 3, meant for this process.
        let script = "exec 3<&2 2>/dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"";
        let mut command = stage.workspace.command("sh");
        command.args(["-c", script]).arg(stage.program()).stderr(inherited(listener)?);
        App::spawn(&mut command)
    };
    let mut app = start()?;
    if app.address != address {
        fail!("the app listens at {}, but was given {address}", app.address);
    }
    let mut socket = Socket::open(address, "/ws", "")?;
    socket.echo()?;
    app.child.terminate();
    match socket.silence(SOON)? {
        Some(End::Closed(1001)) => {}
        other => fail!("{other:?} instead of 1001 from an app that is told to end"),
    }
    drop(socket);
    if !app.child.wait(SOON)?.success() {
        fail!("the app did not end well");
    }
    // Nobody is there to answer. The kernel takes it all the same.
    let waiting = dial(address, handshake("/ws", address, "").as_bytes())?;
    let _next = start()?;
    let mut socket = Socket::opened(waiting)?;
    socket.echo()?;
    socket.close()
}

/// Waits until somebody listens.
fn connected(connect: impl Fn() -> std::io::Result<()>) -> Result {
    let deadline = Instant::now() + SOON;
    while let Err(error) = connect() {
        if Instant::now() > deadline {
            fail!("nobody listens: {error}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A socket for a child to have.
#[cfg(unix)]
fn inherited(listener: TcpListener) -> Result<Stdio> {
    Ok(std::os::fd::OwnedFd::from(listener).into())
}

#[cfg(not(unix))]
fn inherited(_: TcpListener) -> Result<Stdio> {
    fail!("there is no systemd on this system")
}
