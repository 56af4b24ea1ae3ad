//! Messages: kinds, sizes, fragments.

use serde_json::json;
use websans_std::{CloseCode, Kind, Payload};

use super::{Scenario, ensure, unlimited};
use crate::adapter::Owned;
use crate::bench::{Bench, Open, hex};
use crate::payload;

const SIZES: [(&str, usize); 8] = [
    ("empty", 0),
    ("1 B", 1),
    ("125 B", 125),
    ("126 B", 126),
    ("65535 B", 65_535),
    ("65536 B", 65_536),
    ("1 MiB", 1 << 20),
    ("16 MiB", 16 << 20),
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (name, size) in SIZES {
        scenarios.push(Scenario::new(format!("text, {name}"), move |bench| {
            echo(bench, &[(Kind::Text, payload::text(size).into_bytes())])
        }));
        scenarios.push(Scenario::new(format!("binary, {name}"), move |bench| {
            echo(bench, &[(Kind::Binary, payload::bytes(size))])
        }));
    }
    scenarios.push(Scenario::new("many, both kinds", many));
    scenarios.push(Scenario::new("fragments from us", fragments_from_us));
    scenarios.push(Scenario::new("fragments from them", fragments_from_them).only(unlimited));
    scenarios.push(Scenario::new("streamed, 16 MiB", streamed));
    scenarios
}

/// Every message comes back as it was, one by one.
fn echo(bench: &Bench, messages: &[Owned]) -> Result<(), String> {
    let mut open = bench.open(json!({}))?;
    for (kind, bytes) in messages {
        open.socket.send(Payload::new(*kind, &bytes[..]))?;
        let back = open.socket.recv()?;
        same(back.as_ref(), *kind, bytes)?;
    }
    let messages: Vec<(Kind, &[u8])> = messages.iter().map(|(kind, bytes)| (*kind, &bytes[..])).collect();
    end(bench, open, &messages)
}

/// Messages of all small sizes at once, of both kinds in turn.
fn many(bench: &Bench) -> Result<(), String> {
    let messages: Vec<Owned> = (0..300)
        .flat_map(|size| {
            [(Kind::Text, payload::text(size).into_bytes()), (Kind::Binary, payload::bytes(size))]
        })
        .collect();
    let mut open = bench.open(json!({}))?;
    for (kind, bytes) in &messages {
        open.socket.send(Payload::new(*kind, &bytes[..]))?;
    }
    for (kind, bytes) in &messages {
        let back = open.socket.recv()?;
        same(back.as_ref(), *kind, bytes)?;
    }
    let messages: Vec<(Kind, &[u8])> = messages.iter().map(|(kind, bytes)| (*kind, &bytes[..])).collect();
    end(bench, open, &messages)
}

/// Messages that we send in pieces, which cut characters.
fn fragments_from_us(bench: &Bench) -> Result<(), String> {
    let (text, bytes) = (payload::text(10_007).into_bytes(), payload::bytes(10_007));
    let mut open = bench.open(json!({}))?;
    let mut frames = 0;
    for (kind, whole) in [(Kind::Text, &text), (Kind::Binary, &bytes)] {
        for size in [1000, 97] {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            open.socket.write(kind, &pieces, None)?;
            frames += pieces.len();
            let back = open.socket.recv()?;
            same(back.as_ref(), kind, whole)?;
        }
    }
    let sent = open.socket.stats().frames_sent;
    ensure(sent == frames as u64, || format!("we sent {sent} frames, not {frames}"))?;
    let messages: [(Kind, &[u8]); 4] =
        [(Kind::Text, &text), (Kind::Text, &text), (Kind::Binary, &bytes), (Kind::Binary, &bytes)];
    let id = open.id.clone();
    let report = end_with(bench, open, &messages)?;
    report.expect("frames", frames, true).map_err(|error| format!("connection {id}: {error}"))
}

/// Messages that the peer sends in pieces, with a Ping among them.
fn fragments_from_them(bench: &Bench) -> Result<(), String> {
    let (text, bytes) = (payload::text(10_007).into_bytes(), payload::bytes(10_007));
    let mut open = bench.open(json!({ "fragment": 1000, "between": hex(b"between") }))?;
    // One peer counts bytes, the other characters.
    let characters = String::from_utf8_lossy(&text).chars().count();
    let mut before = open.socket.stats().frames_received;
    for (kind, whole, units) in [(Kind::Text, &text, characters), (Kind::Binary, &bytes, bytes.len())] {
        open.socket.send(Payload::new(kind, &whole[..]))?;
        let back = open.socket.read()?;
        same(back.as_ref(), kind, whole)?;
        let now = open.socket.stats().frames_received;
        let (frames, least) = (now - before, units.div_ceil(1000) as u64 + 1);
        ensure(frames >= least, || format!("{frames} frames came, a Ping among them, not {least}"))?;
        before = now;
    }
    let report = end_with(bench, open, &[(Kind::Text, &text), (Kind::Binary, &bytes)])?;
    report.expect("pongs", vec![hex(b"between"); 2], false)
}

/// A message that we hold in pieces, both ways.
fn streamed(bench: &Bench) -> Result<(), String> {
    let bytes = payload::bytes(16 << 20);
    let mut open = bench.open(json!({}))?;
    let pieces: Vec<&[u8]> = bytes.chunks(40_000).collect();
    open.socket.write(Kind::Binary, &pieces, None)?;
    let back = open.socket.read()?;
    same(back.as_ref(), Kind::Binary, &bytes)?;
    end(bench, open, &[(Kind::Binary, &bytes)])
}

pub(super) fn same(back: Option<&Owned>, kind: Kind, bytes: &[u8]) -> Result<(), String> {
    let Some((back_kind, back)) = back else {
        return Err(format!("no echo of {} bytes: the connection has ended", bytes.len()));
    };
    ensure(*back_kind == kind, || format!("{kind:?} came back as {back_kind:?}"))?;
    if back == bytes {
        return Ok(());
    }
    let at = back.iter().zip(bytes).position(|(back, sent)| back != sent);
    let at = at.unwrap_or(back.len().min(bytes.len()));
    Err(format!("{} bytes came back as {}; they differ from byte {at} on", bytes.len(), back.len()))
}

/// Ends the connection, and compares what the peer received.
pub(super) fn end(bench: &Bench, open: Open, messages: &[(Kind, &[u8])]) -> Result<(), String> {
    end_with(bench, open, messages).map(drop)
}

pub(super) fn end_with(
    bench: &Bench,
    mut open: Open,
    messages: &[(Kind, &[u8])],
) -> Result<crate::report::Report, String> {
    let outcome = open.socket.close(CloseCode::NORMAL, "")?;
    ensure(outcome.is_clean(), || format!("the connection ended with {outcome}"))?;
    let report = bench.report(&open.id)?;
    report.expect_messages(messages)?;
    report.expect_close(1000, "")?;
    Ok(report)
}
