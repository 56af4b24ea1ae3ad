//! The trial itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use tokio::runtime::Builder;
use tokio::time::sleep;
use websans_tower::Cause;

use crate::Failure;
use crate::net::{NEAR, Net};
use crate::server::{End, Habit, KEEP_ALIVE, Server};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Clients for each habit of the handlers, unless told otherwise.
pub(crate) const PEERS: usize = 50;
/// What may come on top of the keep-alive's interval and time-out.
const SLACK: Duration = Duration::from_secs(1);
/// What the server may keep once it has had connections at all: the buffers that its threads have pooled, and what axum and
/// tokio keep.
const KEPT: usize = 256 << 10;
/// What it may keep for each further one.
const KEPT_EACH: usize = 64;
/// Until everything is back that a connection had.
const SETTLE: Duration = Duration::from_secs(1);

/// What a server holds.
struct Holding {
    /// Bytes.
    heap: usize,
    /// File descriptors that are sockets.
    files: usize,
    /// Connections that the middleware counts.
    sockets: usize,
}

pub(crate) fn run(peers: usize) -> Result<(), Failure> {
    let net = Net::build()?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(rounds(&net, peers))
}

async fn rounds(net: &Net, peers: usize) -> Result<(), Failure> {
    let server = Server::start(NEAR).await?;
    let count = peers * Habit::ALL.len();
    println!(
        "{count} clients vanish; keep-alive {} s + {} s",
        KEEP_ALIVE.every.as_secs_f32(),
        KEEP_ALIVE.within.as_secs_f32()
    );
    let before = holding(&server)?;
    println!("heap {} KiB", before.heap >> 10);
    let once = vanish(net, &server, peers).await?;
    is_back(&before, &once, KEPT)?;
    // What the first time left is there once and for all: the second time adds nothing for each connection.
    let twice = vanish(net, &server, peers).await?;
    is_back(&once, &twice, count * KEPT_EACH)
}

/// Whether the server holds what it held before, but for so many bytes.
fn is_back(before: &Holding, after: &Holding, most: usize) -> Result<(), Failure> {
    println!("  without them: heap {} KiB", after.heap >> 10);
    let kept = after.heap.saturating_sub(before.heap);
    if kept > most {
        return Err(format!("{kept} bytes are still there, of which {most} may be").into());
    }
    if (after.files, after.sockets) != (before.files, 0) {
        let (files, counted) = (after.files - before.files, after.sockets);
        return Err(format!("{files} sockets are left, and {counted} are still counted").into());
    }
    Ok(())
}

/// Has clients connect and vanish. What the server holds when all of that is over.
async fn vanish(net: &Net, server: &Server, peers: usize) -> Result<Holding, Failure> {
    let count = peers * Habit::ALL.len();
    let clients = Clients::start(net, server, peers)?;
    // As long as they are there they are kept, over two Pings.
    sleep(2 * KEEP_ALIVE.every + KEEP_ALIVE.within / 4).await;
    let full = holding(server)?;
    if server.ends() > 0 || full.sockets != count {
        return Err(format!(
            "of {count} connections {} have ended too early: {:?}",
            server.ends(),
            server.take_ends()
        )
        .into());
    }
    net.cut()?;
    let cut = Instant::now();
    let bound = KEEP_ALIVE.every + KEEP_ALIVE.within + SLACK;
    while server.ends() < count && cut.elapsed() < bound + Duration::from_secs(10) {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(SETTLE).await;
    let after = holding(server)?;
    drop(clients);
    net.mend()?;
    let ends = server.take_ends();
    println!("  with all of them: heap {} KiB, {} sockets", full.heap >> 10, full.files);
    for habit in Habit::ALL {
        judge(habit, &ends, cut, bound, peers)?;
    }
    Ok(after)
}

/// Whether all connections of handlers with this habit ended as they should.
fn judge(habit: Habit, ends: &[End], cut: Instant, bound: Duration, peers: usize) -> Result<(), Failure> {
    // Who only sends does not hear whether the peer lives, and sees it take nothing.
    let expected = match habit {
        Habit::Echoes | Habit::PushesAndReceives => Cause::KeepaliveTimeout,
        Habit::Pushes => Cause::WriteStall,
    };
    let ends: Vec<&End> = ends.iter().filter(|end| end.habit == habit).collect();
    let times = || ends.iter().map(|end| end.at.duration_since(cut));
    let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
    println!("  {habit:<18} {} found dead after {first:.2?} to {last:.2?}: {expected}", ends.len());
    if ends.len() < peers {
        return Err(format!("{habit}: {} of {peers} were never found dead", peers - ends.len()).into());
    }
    if let Some(other) = ends.iter().find(|end| end.outcome.as_ref().is_none_or(|end| end.cause != expected))
    {
        return Err(format!("{habit}: {:?}", other.outcome).into());
    }
    if last > bound {
        return Err(format!("{habit}: {last:.2?} is more than {bound:.2?}").into());
    }
    Ok(())
}

fn holding(server: &Server) -> Result<Holding, Failure> {
    let heap = HEAP.current_usage();
    let links = fs::read_dir("/proc/self/fd")?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let files = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    Ok(Holding { heap, files, sockets: server.sockets.len() })
}

/// A process full of clients, ended with this.
struct Clients(Child);

impl Clients {
    fn start(net: &Net, server: &Server, peers: usize) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["client", &server.address.to_string(), &peers.to_string()]);
        let mut clients = Self(net.start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?);
        let output = clients.0.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line != "ready\n" {
            return Err("the clients did not get ready".into());
        }
        Ok(clients)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
