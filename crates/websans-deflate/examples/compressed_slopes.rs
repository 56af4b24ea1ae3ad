//! Does one kind of work with compressed messages whose size is N: `compressed_slopes WORK N`.
//!
//! It exists to be counted: under callgrind sixteen times N takes at most about sixteen times the instructions, however a
//! message is cut and wherever its blocks end.

use std::process::ExitCode;

use bytes::Buf;
use websans::deflate::{Extension, Parameters};
use websans::frame::{Header, OpCode};
use websans::{Config, Connection, Inbox, Kind, Negotiated, Payload, Role, Timestamp};
use websans_deflate::{Deflate, Settings};

const NOW: Timestamp = Timestamp::from_nanos(0);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (work, n) = (arguments.next(), arguments.next().and_then(|n| n.parse().ok()));
    let (Some(work), Some(n)) = (work, n) else {
        eprintln!("usage: compressed_slopes WORK N");
        return ExitCode::FAILURE;
    };
    match work.as_str() {
        "fragments" => fragments(n),
        "finals" => finals(n),
        "parts" => parts(n),
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
    let mut agreed = Parameters::default();
    agreed.server_no_context_takeover = true;
    agreed.client_no_context_takeover = true;
    let mut negotiated = Negotiated::default();
    let extension = Extension::from(Deflate::new(Settings::default()));
    negotiated.codec = Some(extension.propose().codec(false, agreed));
    negotiated.deflate = Some(agreed);
    websans::open(Role::Server, config, negotiated, NOW)
}

/// A client's frame, masked with zeros.
fn frame(fin: bool, rsv: u8, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = Header { fin, rsv, opcode, mask: Some([0; 4]), len: payload.len() as u64 };
    let mut bytes = [0; Header::MAX_LEN];
    let n = header.encode(&mut bytes);
    [&bytes[..n], payload].concat()
}

fn receive(conn: &mut Connection, inbox: &mut Inbox, mut bytes: &[u8]) -> usize {
    let mut content = 0;
    while !bytes.is_empty() {
        let spare = inbox.spare_mut();
        let n = spare.len().min(bytes.len());
        spare[..n].copy_from_slice(&bytes[..n]);
        inbox.filled(n);
        bytes = &bytes[n..];
        while inbox.next(conn).expect("legal frames") {
            content += inbox.message().map_or(0, |message| message.as_bytes().len());
        }
    }
    content
}

/// A message of `n` stored bytes, a byte of it in each fragment.
fn fragments(n: usize) {
    let (mut conn, mut inbox) = open();
    let mut rsv = Header::RSV1;
    let mut opcode = OpCode::Text;
    for block in b"some text ".repeat(n / 10 + 1)[..n].chunks(1000) {
        let len = u16::try_from(block.len()).expect("at most 1000");
        let stored = [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), block].concat();
        for byte in stored {
            receive(&mut conn, &mut inbox, &frame(false, rsv, opcode, &[byte]));
            (rsv, opcode) = (0, OpCode::Continuation);
        }
    }
    assert_eq!(receive(&mut conn, &mut inbox, &frame(true, rsv, opcode, &[0])), n);
}

/// A message of `n` final blocks of one byte each.
fn finals(n: usize) {
    let (mut conn, mut inbox) = open();
    let mut payload = [1, 1, 0, 0xfe, 0xff, b'x'].repeat(n);
    payload.push(0);
    assert_eq!(receive(&mut conn, &mut inbox, &frame(true, Header::RSV1, OpCode::Text, &payload)), n);
}

/// A message that is sent in `n` parts, with a flush behind each.
fn parts(n: usize) {
    let (mut conn, _inbox) = open();
    for _ in 0..n {
        conn.send_part(Payload::new(Kind::Text, &b"some text"[..]), false).expect("room");
        conn.flush_part().expect("open");
        let waiting = conn.outbox().remaining();
        conn.outbox().advance(waiting);
    }
    conn.send_part(Payload::new(Kind::Text, &b""[..]), true).expect("room");
}
