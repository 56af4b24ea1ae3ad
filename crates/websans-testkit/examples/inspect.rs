//! Prints a recording as a trace: `cargo run -p websans-testkit --example inspect FILE`.
//!
//! Each line is a time and what was done; indented below it what went over the wire, frame by frame (`<` came in, `>` went
//! out), and what came of it. Long payloads are elided. A compressed connection is replayed with the default settings of
//! `websans-deflate`.

use std::fmt::Write as _;
use std::process::ExitCode;

use websans::frame::Header;
use websans::{Kind, ProtocolError, State};
use websans_deflate::Deflate;
use websans_record::{Heard, Record, Recording, Replay, ReplayError, Step};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(std::path::PathBuf::from) else {
        eprintln!("usage: inspect FILE");
        return ExitCode::FAILURE;
    };
    let printed = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|file| print(&file));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn print(file: &[u8]) -> Result<(), String> {
    let recording = Recording::read(file).map_err(|error| error.to_string())?;
    let header = recording.header();
    println!("{:#?}", header);
    let start = header.start;
    let mut trace = Trace { inward: Frames::new('<'), outward: Frames::new('>'), state: State::Open };
    let replay = Replay::new().deflate(Deflate::default());
    let replayed = replay.run(file, |step| {
        let at = step.at.since(start).as_secs_f64();
        if !step.further {
            println!("{:>5} {at:>14.6} s  {}", step.record, call(&step.call));
        }
        for line in trace.lines(step) {
            println!("{:23}{line}", "");
        }
    });
    match replayed {
        Ok(replayed) => println!("{replayed:?}"),
        Err(error @ ReplayError::Format(_)) => println!("the rest cannot be read: {error}"),
        Err(error) => println!("the rest cannot be replayed: {error}"),
    }
    Ok(())
}

struct Trace {
    inward: Frames,
    outward: Frames,
    state: State,
}

impl Trace {
    fn lines(&mut self, step: &Step<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if !step.further {
            match step.call {
                Record::Filled(bytes)
                | Record::Preload(bytes)
                | Record::Receive(bytes)
                | Record::Received(_, bytes) => self.inward.read(bytes, &mut lines),
                _ => {}
            }
            self.outward.read(step.written, &mut lines);
        }
        if let Some(heard) = &step.heard {
            lines.push(format!("= {}", describe(heard)));
        }
        if step.conn.state() != self.state {
            self.state = step.conn.state();
            let rule = match self.state {
                State::Open => "",
                State::CloseSent => "RFC 6455 §7.1.2: the closing handshake has begun",
                State::CloseReceived => "RFC 6455 §5.5.1: the peer's Close is to be answered",
                State::Closed => "RFC 6455 §7.1.4",
            };
            let mut line = format!("* {:?} ({rule})", self.state);
            if let Some(outcome) = step.conn.outcome() {
                let _ = write!(line, ": {outcome}");
            }
            lines.push(line);
        }
        lines
    }
}

fn call(record: &Record<'_>) -> String {
    match record {
        Record::Filled(bytes) => format!("filled: {} bytes", bytes.len()),
        Record::Receive(bytes) => format!("receive: {} bytes", bytes.len()),
        Record::Preload(bytes) => format!("preload: {} bytes", bytes.len()),
        Record::Received(_, bytes) => format!("received: {} bytes", bytes.len()),
        Record::Sent(_, bytes) => format!("sent: {} bytes", bytes.len()),
        Record::Send(said) => format!("send: {}", payload(said.kind, said.bytes)),
        Record::SendPrepared(said) => format!("send_prepared: {}", payload(said.kind, said.bytes)),
        Record::SendPart(said, last) => {
            format!("send_part: {}{}", payload(said.kind, said.bytes), if *last { ", last" } else { "" })
        }
        Record::Accept(part) => format!("accept: {}", payload(part.kind, part.bytes)),
        Record::Ping(bytes) => format!("ping: {}", payload(Kind::Binary, bytes)),
        Record::Pong(bytes) => format!("pong: {}", payload(Kind::Binary, bytes)),
        other => format!("{other:?}"),
    }
}

fn describe(heard: &Heard<'_>) -> String {
    match heard {
        Heard::Part(part) => {
            let ends = [part.first.then_some("first"), part.last.then_some("last")];
            let compressed = if part.compressed { " compressed" } else { "" };
            format!(
                "part{compressed} {:?}: {}",
                ends.into_iter().flatten().collect::<Vec<_>>(),
                payload(part.kind, part.payload)
            )
        }
        Heard::Chunk(chunk) => match (chunk.first, chunk.last) {
            (true, true) => format!("message: {}", payload(chunk.kind, chunk.payload)),
            (first, last) => {
                format!("chunk (first: {first}, last: {last}): {}", payload(chunk.kind, chunk.payload))
            }
        },
        Heard::Message(message) => format!("message: {}", payload(message.kind(), message.as_bytes())),
        Heard::Ping(bytes) => format!("ping (RFC 6455 §5.5.2): {}", payload(Kind::Binary, bytes)),
        Heard::Pong(bytes) => format!("pong (RFC 6455 §5.5.3): {}", payload(Kind::Binary, bytes)),
        Heard::Close(close) => {
            format!("close (RFC 6455 §5.5.1): {:?} {:?}", close.code, elide(&close.reason))
        }
        // The reason names the section.
        Heard::Error(error) => format!("error {error:?}: {error}; closes with {}", error.close_code()),
        Heard::Refused(error) => format!("refused {error:?}: {error}"),
        other => format!("{other:?}"),
    }
}

/// Most of a payload that is shown.
const SHOWN: usize = 48;

fn payload(kind: Kind, bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    match kind {
        Kind::Text => format!("text of {} bytes {:?}{more}", bytes.len(), String::from_utf8_lossy(shown)),
        Kind::Binary => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{} bytes {hex}{more}", bytes.len())
        }
    }
}

fn elide(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// One direction of the wire.
struct Frames {
    way: char,
    head: Vec<u8>,
    /// Of the frame under way.
    remaining: u64,
    lost: bool,
}

impl Frames {
    fn new(way: char) -> Self {
        Self { way, head: Vec::new(), remaining: 0, lost: false }
    }

    fn read(&mut self, mut bytes: &[u8], lines: &mut Vec<String>) {
        while !bytes.is_empty() {
            if self.lost {
                return lines.push(format!("{} {} bytes that nobody reads", self.way, bytes.len()));
            }
            if self.remaining > 0 {
                let n = usize::try_from(self.remaining).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.remaining -= n as u64;
                bytes = &bytes[n..];
                if self.remaining > 0 {
                    lines.push(format!("{} … {n} bytes of payload, {} to come", self.way, self.remaining));
                }
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            match Header::parse(&self.head) {
                Ok(None) if bytes.is_empty() => {
                    lines.push(format!("{} {} bytes of a header", self.way, self.head.len()));
                }
                Ok(None) => {}
                Ok(Some((header, _))) => {
                    self.head.clear();
                    self.remaining = header.len;
                    lines.push(format!("{} {}", self.way, frame(&header)));
                }
                Err(error) => self.lose(error, lines),
            }
        }
    }

    fn lose(&mut self, error: ProtocolError, lines: &mut Vec<String>) {
        self.lost = true;
        lines.push(format!("{} no frame begins with {:02x?}: {error}", self.way, self.head));
    }
}

fn frame(header: &Header) -> String {
    let Header { fin, rsv, opcode, mask, len } = *header;
    let mut line = format!("{opcode:?} of {len} bytes");
    if !fin {
        line += ", more follows (RFC 6455 §5.4)";
    }
    if rsv == Header::RSV1 {
        line += ", RSV1: compressed (RFC 7692 §6)";
    } else if rsv != 0 {
        let _ = write!(line, ", RSV {rsv:03b} (RFC 6455 §5.2)");
    }
    match mask {
        Some(key) => line + &format!(", masked with {:08x}", u32::from_be_bytes(key)),
        None => line + ", not masked",
    }
}
