//! The comparison: every server under every load, in rounds, so that whatever disturbs the machine disturbs all alike.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::entrant::{ENTRANTS, Entrant};
use crate::frame::Framing;
use crate::load::{Connection, Counts, Script};
use crate::process::Server;
use crate::table::{Standing, memory_table, standings_table};

/// What the command line says.
pub(crate) struct Options<'a> {
    pub(crate) quick: bool,
    /// Part of the titles of those who take part.
    pub(crate) only: &'a str,
    pub(crate) node: &'a str,
}

/// How many messages of what length are under way.
struct Shape {
    title: &'static str,
    length: usize,
    connections: usize,
    depth: usize,
}

const SHAPES: [Shape; 3] = [
    Shape { title: "1 KiB JSON, 100 connections, 1 message each", length: 1024, connections: 100, depth: 1 },
    Shape { title: "1 KiB JSON, 100 connections, 8 messages each", length: 1024, connections: 100, depth: 8 },
    Shape { title: "64 KiB JSON, 10 connections, 1 message each", length: 65536, connections: 10, depth: 1 },
];

impl Shape {
    /// How many messages it takes until no connection's history grows any more. Until then those with takeover do less
    /// work, in less memory: twice as fast a start would be twice as flattering.
    fn history(&self) -> u64 {
        let each = (4 * 32 * 1024 / self.length).max(2);
        (self.connections * each) as u64
    }
}

/// How long and how often.
struct Plan {
    rounds: usize,
    /// Before anything counts, at least.
    warm_up: Duration,
    measured: Duration,
    idle_connections: usize,
}

const FULL: Plan = Plan {
    rounds: 5,
    warm_up: Duration::from_millis(500),
    measured: Duration::from_millis(2000),
    idle_connections: 2000,
};

const QUICK: Plan = Plan {
    rounds: 3,
    warm_up: Duration::from_millis(100),
    measured: Duration::from_millis(200),
    idle_connections: 500,
};

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Microseconds of the server's processor time.
    pub(crate) cpu: f64,
    pub(crate) per_second: f64,
    pub(crate) reply_bytes: f64,
}

pub(crate) fn run(options: &Options<'_>) -> Result<()> {
    allow_many_files()?;
    let plan = if options.quick { QUICK } else { FULL };
    let entrants: Vec<&Entrant> =
        ENTRANTS.iter().filter(|entrant| entrant.title().contains(options.only)).collect();
    let mut scripts = Scripts::default();

    println!("# permessage-deflate\n");
    for shape in &SHAPES {
        let mut samples = vec![Vec::new(); entrants.len()];
        for round in 1..=plan.rounds {
            eprintln!("{}: round {round} of {}", shape.title, plan.rounds);
            for (entrant, samples) in entrants.iter().zip(&mut samples) {
                let script = scripts.get(entrant.framing(), shape.length)?;
                let server = Server::start(&mut entrant.command(options.node)?)?;
                let sample = on_this_thread(measure(&server, entrant, shape, &script, &plan));
                samples.push(sample.map_err(|error| format!("{}: {error}", entrant.title()))?);
            }
        }
        let standings: Vec<Standing<'_>> = entrants.iter().zip(samples).map(Standing::new).collect();
        println!("## {}\n\n{}", shape.title, standings_table(&standings));
    }

    let mut resident = Vec::new();
    for entrant in &entrants {
        eprintln!("memory: {}", entrant.title());
        let script = scripts.get(entrant.framing(), 1024)?;
        let server = Server::start(&mut entrant.command(options.node)?)?;
        let bytes = on_this_thread(weigh(&server, entrant, &script, plan.idle_connections));
        resident.push((*entrant, bytes.map_err(|error| format!("{}: {error}", entrant.title()))?));
    }
    println!(
        "## Resident bytes per connection, {} idle after a 1 KiB echo\n\n{}",
        plan.idle_connections,
        memory_table(&resident)
    );
    Ok(())
}

/// The scripts made so far.
#[derive(Default)]
struct Scripts(HashMap<(Framing, usize), Rc<Script>>);

impl Scripts {
    fn get(&mut self, framing: Framing, length: usize) -> Result<Rc<Script>> {
        if let Some(script) = self.0.get(&(framing, length)) {
            return Ok(Rc::clone(script));
        }
        let script = Rc::new(Script::new(framing, length)?);
        self.0.insert((framing, length), Rc::clone(&script));
        Ok(script)
    }
}

/// Puts the server under the load and reads its meters at two moments while that lasts.
async fn measure(
    server: &Server,
    entrant: &Entrant,
    shape: &Shape,
    script: &Rc<Script>,
    plan: &Plan,
) -> Result<Sample> {
    let mut connections = Vec::with_capacity(shape.connections);
    for number in 0..shape.connections {
        // Each begins somewhere else, so that the server does not see one message a hundred times.
        let first = 7 * number;
        connections.push(Connection::open(server.port, script, entrant.takeover, first, number == 0).await?);
    }
    let counts = Rc::new(Counts::default());
    let mut running = JoinSet::new();
    for connection in connections {
        running.spawn_local(connection.run(shape.depth, Rc::clone(&counts)));
    }
    keep_running(&mut running, plan.warm_up).await?;
    while counts.replies.get() < shape.history() {
        keep_running(&mut running, plan.warm_up).await?;
    }
    let started = Instant::now();
    let (cpu, replies, bytes) = (server.cpu()?, counts.replies.get(), counts.bytes.get());
    keep_running(&mut running, plan.measured).await?;
    let cpu = server.cpu()?.saturating_sub(cpu);
    let replies = (counts.replies.get() - replies) as f64;
    if replies == 0.0 {
        return Err("no reply came".into());
    }
    Ok(Sample {
        cpu: cpu.as_secs_f64() * 1e6 / replies,
        per_second: replies / started.elapsed().as_secs_f64(),
        reply_bytes: (counts.bytes.get() - bytes) as f64 / replies,
    })
}

/// Lets the connections run, which do not end by themselves.
async fn keep_running(running: &mut JoinSet<Result<()>>, time: Duration) -> Result<()> {
    match timeout(time, running.join_next()).await {
        Err(_) => Ok(()),
        Ok(Some(ended)) => ended?,
        Ok(None) => Err("there is no connection".into()),
    }
}

/// The memory that each of `count` connections takes which have echoed a message and are idle.
async fn weigh(server: &Server, entrant: &Entrant, script: &Rc<Script>, count: usize) -> Result<f64> {
    let counts = Counts::default();
    // Longer than anybody's timer that tidies up.
    let settle = Duration::from_millis(500);
    let mut open = Vec::with_capacity(count + 1);
    let mut before = 0;
    for number in 0..=count {
        let mut connection = Connection::open(server.port, script, entrant.takeover, number, false).await?;
        connection.exchange(&counts).await?;
        open.push(connection);
        if number == 0 {
            // What all connections share is there by now.
            sleep(settle).await;
            before = server.resident()?;
        }
    }
    sleep(settle).await;
    Ok((server.resident()? as f64 - before as f64) / count as f64)
}

fn on_this_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// Raises the number of files that this process and its children may open as far as that goes.
fn allow_many_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
