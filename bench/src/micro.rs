//! The comparison without sockets: what the library adds to the calls of zlib, in time and in instructions.

use std::process::Command;
use std::time::Duration;

use bytes::Buf as _;
use nix::time::{ClockId, clock_gettime};
use websans::deflate::{Extension, Parameters};
use websans::{Connection, Inbox, Negotiated, Role, Timestamp};

use crate::Result;
use crate::frame::Framing;
use crate::load::Script;
use crate::server::raw::{Buffers, Contexts, echo};
use crate::server::websans::deflate;
use crate::table::{median, table};

/// Who does the work.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Raw,
    Websans,
}

/// What the work is.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) length: usize,
    pub(crate) level: u8,
    pub(crate) takeover: bool,
}

impl Side {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Raw, Self::Websans].into_iter().find(|side| side.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Websans => "websans",
        }
    }
}

/// Does the work a given number of times, for a profiler.
pub(crate) fn work(side: Side, case: Case, count: usize) -> Result<()> {
    Worker::new(side, case)?.run(count)
}

/// Prints the table. `quick` makes the times less exact; instructions are counted all the same.
pub(crate) fn run(quick: bool) -> Result<()> {
    let rounds = if quick { 5 } else { 51 };
    let header = [
        "in one process",
        "takeover",
        "level",
        "zlib, us",
        "websans, us",
        "ratio",
        "zlib, instructions",
        "websans, instructions",
        "ratio",
    ];
    let mut rows = Vec::new();
    for length in [1024, 65536] {
        for (level, takeover) in [(6, false), (6, true), (1, false), (1, true)] {
            let case = Case { length, level, takeover };
            eprintln!("in one process: {} KiB, level {level}, takeover {takeover}", length / 1024);
            let [raw, websans] = times(case, rounds)?;
            let (counted, counted_websans) =
                (instructions(Side::Raw, case)?, instructions(Side::Websans, case)?);
            rows.push([
                format!("{} KiB", length / 1024),
                if takeover { "yes" } else { "no" }.into(),
                level.to_string(),
                format!("{raw:.2}"),
                format!("{websans:.2}"),
                format!("{:.3}", websans / raw),
                format!("{counted:.0}"),
                format!("{counted_websans:.0}"),
                format!("{:.3}", counted_websans / counted),
            ]);
        }
    }
    println!("## Without sockets, per message\n\n{}", table(header, rows));
    Ok(())
}

/// Microseconds of processor time for each message, of both sides: medians of rounds that take turns.
fn times(case: Case, rounds: usize) -> Result<[f64; 2]> {
    // Some ten milliseconds.
    let count = 16 * (65536 / case.length).min(32);
    let mut workers = [Worker::new(Side::Raw, case)?, Worker::new(Side::Websans, case)?];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (worker, times) in workers.iter_mut().zip(&mut times) {
            let before = processor_time()?;
            worker.run(count)?;
            let taken = processor_time()?.saturating_sub(before);
            // The first round is for the caches.
            if round > 0 {
                times.push(taken.as_secs_f64() * 1e6 / count as f64);
            }
        }
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        median(&times)
    }))
}

fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Instructions for each message.
fn instructions(side: Side, case: Case) -> Result<f64> {
    // The difference is one round through the messages, by a process that has seen all of them.
    let few = Script::MESSAGES;
    Ok((collected(side, case, 2 * few)? - collected(side, case, few)?) / few as f64)
}

/// Instructions of a process that does the work, counted by callgrind.
fn collected(side: Side, case: Case, count: usize) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    command.args(["work", side.name(), &case.length.to_string(), &case.level.to_string()]);
    command.args([case.takeover.to_string(), count.to_string()]);
    let output = command.output().map_err(|error| format!("cannot start valgrind: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let figure = log.lines().find_map(|line| line.split_once("== Collected :"));
    match figure {
        Some((_, figure)) if output.status.success() => Ok(figure.trim().parse()?),
        _ => Err(format!("callgrind counted nothing: {log}").into()),
    }
}

/// Echoes the messages of a script in turn.
struct Worker {
    script: Script,
    next: usize,
    state: State,
}

enum State {
    Raw(Box<Raw>),
    Websans(Box<(Connection, Inbox)>),
}

struct Raw {
    contexts: Contexts,
    buffers: Buffers,
    input: Vec<u8>,
}

impl Worker {
    fn new(side: Side, case: Case) -> Result<Self> {
        let Case { length, level, takeover } = case;
        let (framing, state) = match side {
            Side::Raw => {
                let contexts = Contexts::new(level, takeover);
                let raw = Raw { contexts, buffers: Buffers::new(), input: Vec::new() };
                (Framing::Length, State::Raw(Box::new(raw)))
            }
            Side::Websans => (Framing::WebSocket, State::Websans(Box::new(open(level, takeover)))),
        };
        Ok(Self { script: Script::new(framing, length)?, next: 0, state })
    }

    fn run(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let request = self.script.request(self.next);
            self.next += 1;
            let replied = match &mut self.state {
                State::Raw(raw) => {
                    let Raw { contexts, buffers, input } = &mut **raw;
                    // The copy that reading from a socket is.
                    input.clear();
                    input.extend_from_slice(request);
                    echo(contexts, input, &mut buffers.plain, &mut buffers.reply)?.1
                }
                State::Websans(socket) => {
                    let (connection, inbox) = &mut **socket;
                    let mut length = 0;
                    exchange(connection, inbox, request, |reply| length += reply.len())?;
                    length
                }
            };
            if replied == 0 {
                return Err("a message was not echoed".into());
            }
        }
        Ok(())
    }
}

/// A server's end of a connection that has agreed on compression.
fn open(level: u8, takeover: bool) -> (Connection, Inbox) {
    let proposal = Extension::from(&deflate(level, takeover)).propose();
    let mut agreed = Parameters::default();
    agreed.server_no_context_takeover = !takeover;
    agreed.client_no_context_takeover = !takeover;
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(agreed);
    negotiated.codec = Some(proposal.codec(false, agreed));
    websans::open(Role::Server, websans::Config::default(), negotiated, Timestamp::from_nanos(0))
}

/// Receives a message and sends it back, as an adapter does; `write` is given the bytes of the reply.
fn exchange(
    connection: &mut Connection,
    inbox: &mut Inbox,
    mut request: &[u8],
    mut write: impl FnMut(&[u8]),
) -> Result<()> {
    while !request.is_empty() {
        let spare = inbox.spare_mut();
        let (now, rest) = request.split_at(spare.len().min(request.len()));
        spare[..now.len()].copy_from_slice(now);
        inbox.filled(now.len());
        request = rest;
        while inbox.next(connection)? {
            let message = inbox.message().ok_or("no message where there should be one")?;
            connection.send(message)?;
        }
    }
    while connection.wants_write() {
        let outbox = connection.outbox();
        let written = outbox.chunk().len();
        write(outbox.chunk());
        outbox.advance(written);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Replies;
    use crate::zlib::{Decompressor, TAIL};

    #[test]
    fn both_sides_echo_the_messages() {
        for (length, takeover) in [(1024, false), (1024, true), (65536, false), (65536, true)] {
            let case = Case { length, level: 6, takeover };
            for side in [Side::Raw, Side::Websans] {
                work(side, case, 3).unwrap();
            }
            let script = Script::new(Framing::WebSocket, length).unwrap();
            let (mut connection, mut inbox) = open(case.level, takeover);
            let (mut replies, mut decompressor) =
                (Replies::new(Framing::WebSocket), Decompressor::new(takeover));
            let (mut data, mut plain) = (Vec::new(), vec![0; 2 * length]);
            for number in 0..3 {
                exchange(&mut connection, &mut inbox, script.request(number), |written| {
                    let gather = |piece: &[u8], _| {
                        data.extend_from_slice(piece);
                        Ok(())
                    };
                    replies.take(written, gather).unwrap();
                })
                .unwrap();
                data.extend(TAIL);
                let inflated = decompressor.decompress(&data, &mut plain).unwrap();
                assert_eq!(&plain[..inflated], script.message(number));
                data.clear();
            }
        }
    }
}
