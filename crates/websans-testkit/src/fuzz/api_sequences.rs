//! [`api_sequences`]: any method of the core at any time.

use core::time::Duration;

use websans::{Keepalive, Kind};

use crate::calls::{Call, play};
use crate::listen::endpoint;
use crate::wire::{Frame, opcode};

use super::input::Input;
use super::received::Settings;

/// Most calls of one input.
const MOST: usize = 100;

/// Makes the [calls](crate::calls) that the bytes say, of a client or a server.
///
/// The first five bytes are the role and the settings, each further one a call, with what it needs in the bytes behind it.
///
/// # Panics
/// As [`play`]: if the core does, or if a call changes what must not change.
pub fn api_sequences(data: &[u8]) {
    let mut input = Input::new(data);
    let Settings { mut config, compression } = Settings::read(&mut input);
    let (role, habits) = (input.byte(), input.byte());
    let server = role & 1 == 0;
    config.max_outbox = [256 << 10, 0, 1, 1000][usize::from(role >> 1 & 3)];
    config.fragment_above = [None, Some(0), Some(7), Some(1000)][usize::from(role >> 3 & 3)];
    config.keepalive = (habits & 1 == 0).then(Keepalive::default);
    config.idle = (habits & 2 != 0).then_some(Duration::from_secs(20));
    if habits & 4 != 0 {
        config.write_stall = Duration::ZERO;
    }
    if habits & 8 != 0 {
        config.close_within = Duration::ZERO;
    }
    let negotiated = Settings { config: config.clone(), compression }.negotiated();
    let mut calls = Vec::new();
    while !input.is_empty() && calls.len() < MOST {
        calls.push(call(&mut input, server));
    }
    play(endpoint(server, &config, negotiated), &calls);
}

fn call(input: &mut Input<'_>, server: bool) -> Call {
    let what = input.byte();
    let flag = what & 0x80 != 0;
    let kind = if what & 0x40 == 0 { Kind::Binary } else { Kind::Text };
    match what & 0x3F {
        0..=9 => Call::Feed(arriving(input, server)),
        10..=13 => Call::Receive(arriving(input, server)),
        14..=15 => Call::Accept(arriving(input, server)),
        16..=20 => Call::Next,
        21..=25 => Call::NextChunk,
        26 => Call::Filled(input.word()),
        27 => Call::Preload(arriving(input, server)),
        28..=31 => Call::Send(kind, payload(input)),
        32..=35 => Call::Part(kind, payload(input), flag),
        36 => Call::Prepared(kind, payload(input)),
        37 => Call::Flush,
        38..=39 => Call::Control(flag, vec![b'c'; usize::from(input.byte() % 130)]),
        40 => Call::Close(reason_code(input), "r".repeat(usize::from(input.byte()))),
        41 => Call::Fail,
        42 => Call::Eof,
        43 => Call::Abort,
        44..=47 => Call::Tick(time(input)),
        48 => Call::Wake(time(input)),
        49 => Call::TickWrites(time(input)),
        50..=53 => Call::Write(length(input)),
        54 => Call::Take,
        55..=56 => Call::TakeMessage,
        57..=58 => Call::Park(flag),
        59 => Call::Streamed(flag),
        60 => Call::Blocked,
        61 => Call::Stalled,
        _ => Call::Write(usize::MAX),
    }
}

/// Up to twenty seconds or so, in steps of 78 milliseconds.
fn time(input: &mut Input<'_>) -> u64 {
    u64::from(input.byte()) * 78_125_000
}

fn reason_code(input: &mut Input<'_>) -> u16 {
    const CODES: [u16; 8] = [1000, 1001, 1005, 1010, 1011, 3000, 4999, 999];
    CODES[usize::from(input.byte() & 7)]
}

/// Lengths around those where the form of a header or of a buffer changes.
fn length(input: &mut Input<'_>) -> usize {
    const LENGTHS: [usize; 16] = [0, 1, 2, 3, 5, 17, 124, 125, 126, 127, 300, 1000, 2047, 2049, 4097, 9000];
    LENGTHS[usize::from(input.byte() & 15)]
}

/// What is to be sent: some bytes of the input, or many of one kind.
fn payload(input: &mut Input<'_>) -> Vec<u8> {
    let how = input.byte();
    if how & 1 == 0 {
        input.take(usize::from(how >> 1 & 15)).to_vec()
    } else {
        vec![how >> 1 | 1; length(input)]
    }
}

/// What arrives: bytes as they are, or a frame that is well-formed but for what the input says.
fn arriving(input: &mut Input<'_>, server: bool) -> Vec<u8> {
    let how = input.byte();
    if how & 7 == 0 {
        return input.take(usize::from(how >> 3)).to_vec();
    }
    let code = input.byte();
    let opcodes = [
        opcode::TEXT,
        opcode::BINARY,
        opcode::CONTINUATION,
        opcode::CONTINUATION,
        opcode::PING,
        opcode::PONG,
        opcode::CLOSE,
        code & 15,
    ];
    let mut frame = Frame::new(opcodes[usize::from(how >> 3 & 7)], payload(input));
    frame.fin = how & 0x40 == 0 || frame.opcode >= 8;
    frame.rsv = if code & 0x80 == 0 { 0 } else { code >> 4 & 7 };
    if how & 0x80 != 0 {
        // A part of it: the rest may come later, or never.
        frame.declared = Some(frame.payload.len() as u64 + u64::from(code));
    }
    if server { frame.masked([1, 2, 3, code]) } else { frame }.to_bytes()
}
