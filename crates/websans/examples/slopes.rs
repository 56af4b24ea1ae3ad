//! Does one kind of work whose size is N: `slopes WORK N`.
//!
//! It exists to be counted: under callgrind sixteen times N takes at most about sixteen times the instructions, because
//! nothing is measured, checked or moved anew for each piece of what arrives or leaves.

use std::process::ExitCode;

use bytes::{Buf, Bytes};
use websans::frame::{Header, OpCode};
use websans::{Config, Connection, Inbox, Negotiated, Role, Timestamp};

const NOW: Timestamp = Timestamp::from_nanos(0);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (work, n) = (arguments.next(), arguments.next().and_then(|n| n.parse().ok()));
    let (Some(work), Some(n)) = (work, n) else {
        eprintln!("usage: slopes WORK N");
        return ExitCode::FAILURE;
    };
    match work.as_str() {
        "fragments" => fragments(OpCode::Binary, b"x", n),
        "text" => fragments(OpCode::Text, "€".as_bytes(), n),
        "dribble" => dribble(n),
        "drain" => drain(n),
        "refill" => refill(n),
        "pongs" => pongs(n),
        _ => {
            eprintln!("no such work");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn open() -> (Connection, Inbox) {
    let mut config = Config::default();
    config.max_fragments = u32::MAX;
    config.max_message = u64::MAX;
    config.max_outbox = usize::MAX;
    websans::open(Role::Server, config, Negotiated::default(), NOW)
}

/// A client's frame, masked with zeros.
fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = Header { fin, rsv: 0, opcode, mask: Some([0; 4]), len: payload.len() as u64 };
    let mut bytes = [0; Header::MAX_LEN];
    let n = header.encode(&mut bytes);
    [&bytes[..n], payload].concat()
}

fn receive(conn: &mut Connection, inbox: &mut Inbox, mut bytes: &[u8]) -> usize {
    let mut messages = 0;
    while !bytes.is_empty() {
        let spare = inbox.spare_mut();
        let n = spare.len().min(bytes.len());
        spare[..n].copy_from_slice(&bytes[..n]);
        inbox.filled(n);
        bytes = &bytes[n..];
        while inbox.next(conn).expect("legal frames") {
            messages += 1;
        }
    }
    messages
}

/// A message of `n` fragments.
fn fragments(opcode: OpCode, payload: &[u8], n: usize) {
    let (mut conn, mut inbox) = open();
    let mut opcode = opcode;
    for _ in 0..n {
        receive(&mut conn, &mut inbox, &frame(false, opcode, payload));
        opcode = OpCode::Continuation;
    }
}

/// A frame of `n` bytes that arrives byte by byte.
fn dribble(n: usize) {
    let (mut conn, mut inbox) = open();
    let bytes = frame(true, OpCode::Text, &vec![b'x'; n]);
    let messages: usize = bytes.chunks(1).map(|byte| receive(&mut conn, &mut inbox, byte)).sum();
    assert_eq!(messages, 1);
}

/// `n` messages that leave byte by byte.
fn drain(n: usize) {
    let (mut conn, _) = open();
    for _ in 0..n {
        conn.send(b"message").expect("room");
    }
    while conn.wants_write() {
        conn.outbox().advance(1);
    }
}

/// `n` messages, each put in as one leaves, behind many.
fn refill(n: usize) {
    let (mut conn, _) = open();
    let some = if n == 0 { 0 } else { 1000 };
    for _ in 0..some {
        conn.send(&[7; 98]).expect("room");
    }
    for _ in 0..n {
        conn.outbox().advance(100);
        conn.send(&[7; 98]).expect("room");
    }
}

/// As many Pings as `n` while `n` / 64 large messages wait, which then leave.
fn pongs(n: usize) {
    let (mut conn, mut inbox) = open();
    let shared = Bytes::from(vec![7; 9000]);
    for _ in 0..n / 64 {
        conn.send(shared.clone()).expect("room");
    }
    conn.tick(NOW);
    let ping = frame(true, OpCode::Ping, b"ping");
    for _ in 0..n {
        receive(&mut conn, &mut inbox, &ping);
    }
    while conn.wants_write() {
        conn.outbox().advance(1000);
    }
}
