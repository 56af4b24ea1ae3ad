//! The trial itself.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use websans_trials::times::{Times, median, ratio};
use websans_trials::{Failure, Process, hurry};

use crate::flood::Flood;
use crate::quiet::ROUND;
use crate::server;

/// How many times as long a round trip may take while one client floods.
const MOST: f64 = 3.0;
const ATTEMPTS: u32 = 3;
/// Until a flood has begun, or is over.
const PAUSE: Duration = Duration::from_millis(300);

pub(crate) fn run(clients: usize, rounds: usize) -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    let hurried = hurry(10);
    // The flooding client goes after the others, one way or the other.
    let mut after = if hurried { Command::new("chrt") } else { Command::new("nice") };
    after.args(if hurried { ["--other", "0"] } else { ["-n", "19"] }).arg(&program).arg("flood");
    if !hurried {
        println!("at an ordinary priority: what else the machine does counts as the server's");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let address = runtime.block_on(server::start())?;
    let address = address.to_string();
    let mut quiet = Process::start(Command::new(program).args(["quiet", &address, &clients.to_string()]))?;
    let mut flood = Process::start(after.arg(&address))?;
    quiet.answer()?;
    flood.answer()?;
    println!("{clients} quiet clients, {rounds} rounds of {} s each", ROUND.as_secs());
    quiet.ask("warm up")?;
    // Whatever else the machine does can only make others wait longer: one attempt that shows they need not is enough.
    for attempt in 1..=ATTEMPTS {
        let worst = compare(&mut quiet, &mut flood, rounds)?;
        if worst <= MOST {
            return Ok(());
        }
        println!("attempt {attempt} of {ATTEMPTS}: a flood makes others wait {worst:.2} times as long");
    }
    Err(format!("a flood makes others wait more than {MOST} times as long").into())
}

/// How many times as long others wait under the worse of the two floods.
fn compare(quiet: &mut Process, flood: &mut Process, rounds: usize) -> Result<f64, Failure> {
    let conditions = [None, Some(Flood::Small), Some(Flood::Large)];
    let mut results: [Vec<u64>; 3] = Default::default();
    for _ in 0..rounds {
        for (condition, results) in conditions.iter().zip(&mut results) {
            results.push(round(quiet, flood, *condition)?);
        }
    }
    let [idle, small, large] = results.map(median);
    let mut worst = 0.0_f64;
    for (name, flooded) in [("small", small), ("large", large)] {
        let ratio = ratio(flooded, idle);
        println!("{name} messages: {flooded} us, {ratio:.2} times {idle} us");
        worst = worst.max(ratio);
    }
    Ok(worst)
}

/// One round: the time in microseconds within which 99 % of the echoes were there.
fn round(quiet: &mut Process, flood: &mut Process, condition: Option<Flood>) -> Result<u64, Failure> {
    let name = condition.map_or("nothing", Flood::name);
    flood.ask(name)?;
    sleep(PAUSE);
    flood.ask(name)?; // what came before does not count
    let times = quiet.ask("go")?;
    let came = flood.ask("nothing")?;
    sleep(PAUSE);
    let times = Times::parse(&times)?;
    let (half, most) = (times.percentile(50), times.percentile(99));
    let (messages, bytes) = came.split_once(' ').ok_or("no figures of the flood")?;
    let (messages, bytes): (u64, u64) = (messages.parse()?, bytes.parse()?);
    println!(
        "  {name:<8} median {half:>6} us, 99 % within {most:>6} us; {messages:>7} messages, {bytes:>10} bytes"
    );
    if condition.is_some_and(|flood| messages < flood.least()) {
        return Err(format!("{messages} {name} messages are no flood: the machine is too busy").into());
    }
    Ok(most)
}
