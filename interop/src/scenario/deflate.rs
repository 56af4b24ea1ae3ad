//! permessage-deflate: agreed on or declined, kept contexts, fragments, long messages.

use serde_json::json;
use websans_std::{Kind, Payload};

use super::data::{end, end_with, same};
use super::traffic::{Item, exchange, mixed};
use super::{Scenario, ensure, unlimited};
use crate::bench::{Attempt, Bench, Open, hex};
use crate::compression::{Agreement, Compression};
use crate::payload;
use crate::peer::{Implementation, Role};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("deflate, 1000 messages", |bench| thousand(bench, true)),
        Scenario::new("deflate, contexts kept", |bench| thousand(bench, false)),
        Scenario::new("deflate, what contexts save", saving),
        Scenario::new("deflate, fragments from us", fragments_from_us),
        Scenario::new("deflate, fragments from them", fragments_from_them).only(unlimited),
        Scenario::new("deflate, 4 MiB", long),
        Scenario::new("deflate, declined", declined),
    ]
}

/// A connection where our side asks and the peer agrees to anything.
fn open(bench: &Bench, forgets: bool, task: serde_json::Value) -> Result<Open, String> {
    let agreement = Agreement { server_forgets: forgets, client_forgets: forgets, ..Agreement::FREE };
    let compression = Compression { ours: Some(agreement.config()), theirs: Some(json!({})) };
    let open = bench.open_with(Attempt { task, compression, ..Attempt::default() })?;
    ensure(open.deflate == agreement.report(), || format!("our side agreed to {}", open.deflate))?;
    Ok(open)
}

/// Messages of all sorts.
fn thousand(bench: &Bench, forgets: bool) -> Result<(), String> {
    let counted = exchange(bench, open(bench, forgets, json!({}))?, mixed())?;
    ensure(counted.is_some(), || "our side counts no compression".into())
}

/// Contexts that are kept make less than half of short messages that are like one another, on both sides.
fn saving(bench: &Bench) -> Result<(), String> {
    let item =
        |seed| Item { kind: Kind::Text, bytes: payload::json(200, seed).into_bytes(), compress: Some(true) };
    let items: Vec<Item> = (0..200).map(item).collect();
    let counted = |forgets| {
        let counted = exchange(bench, open(bench, forgets, json!({}))?, &items)?;
        counted.ok_or_else(|| "our side counts no compression".to_owned())
    };
    let (fresh, kept) = (counted(true)?, counted(false)?);
    let receives = bench.implementation() != Implementation::BuiltIn;
    let less = kept.sent_compressed * 2 < fresh.sent_compressed
        && (!receives || kept.received_compressed * 2 < fresh.received_compressed);
    ensure(less, || format!("without contexts: {fresh:?}, with: {kept:?}"))
}

/// Messages that we compress and send in pieces, which cut characters, with a Ping after each piece.
fn fragments_from_us(bench: &Bench) -> Result<(), String> {
    for forgets in [true, false] {
        let (text, bytes) = (payload::text(10_007).into_bytes(), payload::prose(10_007, 1).into_bytes());
        let mut open = open(bench, forgets, json!({}))?;
        let (mut frames, mut pings) = (0, 0);
        let mut sent: Vec<(Kind, &[u8])> = Vec::new();
        for (kind, whole) in [(Kind::Text, &text), (Kind::Binary, &bytes)] {
            for size in [1000, 97] {
                let pieces: Vec<&[u8]> = whole.chunks(size).collect();
                open.socket.write(kind, &pieces, Some(b"between"))?;
                frames += pieces.len();
                pings += pieces.len() - 1;
                same(open.socket.recv()?.as_ref(), kind, whole)?;
                sent.push((kind, whole));
                // One that is not compressed, behind one that is.
                open.socket.send(Payload::new(kind, whole).compress(false))?;
                frames += 1;
                same(open.socket.recv()?.as_ref(), kind, whole)?;
                sent.push((kind, whole));
            }
        }
        let stats = open.socket.stats();
        ensure(stats.frames_sent == (frames + pings) as u64, || {
            format!("we sent {} frames, not {frames} and {pings} Pings", stats.frames_sent)
        })?;
        let counted = stats.compression.ok_or("our side counts no compression")?;
        let plain = 2 * (text.len() + bytes.len()) as u64;
        ensure(counted.sent_plain == plain && counted.sent_compressed < plain, || {
            format!("{plain} bytes were compressed: {counted:?}")
        })?;
        let report = end_with(bench, open, &sent)?;
        report.expect("frames", frames, true)?;
        report.expect("pings", vec![hex(b"between"); pings], bench.is_limited())?;
    }
    Ok(())
}

/// Messages that the peer compresses and sends in pieces, with a Ping among them.
fn fragments_from_them(bench: &Bench) -> Result<(), String> {
    for forgets in [true, false] {
        let text = payload::prose(10_007, 2).into_bytes();
        let bytes = payload::bytes(10_007);
        let mut open = open(bench, forgets, json!({ "fragment": 1000, "between": hex(b"between") }))?;
        // One peer counts bytes, the other characters.
        let characters = String::from_utf8_lossy(&text).chars().count();
        let mut before = open.socket.stats().frames_received;
        for (kind, whole, units) in [(Kind::Text, &text, characters), (Kind::Binary, &bytes, bytes.len())] {
            open.socket.send(Payload::new(kind, whole))?;
            same(open.socket.read()?.as_ref(), kind, whole)?;
            let now = open.socket.stats().frames_received;
            let (frames, least) = (now - before, units.div_ceil(1000) as u64 + 1);
            ensure(frames >= least, || format!("{frames} frames came, a Ping among them, not {least}"))?;
            before = now;
        }
        let counted = open.socket.stats().compression.ok_or("our side counts no compression")?;
        let plain = (text.len() + bytes.len()) as u64;
        ensure(counted.received_plain == plain, || format!("{plain} bytes came compressed: {counted:?}"))?;
        let report = end_with(bench, open, &[(Kind::Text, &text), (Kind::Binary, &bytes)])?;
        report.expect("pongs", vec![hex(b"between"); 2], false)?;
    }
    Ok(())
}

/// A long message, whole and in pieces, both ways.
fn long(bench: &Bench) -> Result<(), String> {
    let text = payload::prose(4 << 20, 3).into_bytes();
    let mut open = open(bench, false, json!({}))?;
    open.socket.send(Payload::new(Kind::Text, &text))?;
    same(open.socket.recv()?.as_ref(), Kind::Text, &text)?;
    let pieces: Vec<&[u8]> = text.chunks(40_000).collect();
    open.socket.write(Kind::Text, &pieces, None)?;
    same(open.socket.read()?.as_ref(), Kind::Text, &text)?;
    let counted = open.socket.stats().compression.ok_or("our side counts no compression")?;
    let least = 2 * text.len() as u64;
    let receives = bench.implementation() != Implementation::BuiltIn;
    let right = counted.sent_plain == least
        && counted.sent_compressed < least / 2
        && (!receives || counted.received_plain == least && counted.received_compressed < least / 2);
    ensure(right, || format!("{least} bytes went each way: {counted:?}"))?;
    end(bench, open, &[(Kind::Text, &text), (Kind::Text, &text)])
}

/// A server without compression declines what the client offers, and messages go as they are.
fn declined(bench: &Bench) -> Result<(), String> {
    let compression = match bench.peer.role {
        Role::Server => Compression { ours: Some(Agreement::FREE.config()), theirs: None },
        Role::Client => Compression { ours: None, theirs: Some(json!({})) },
    };
    let open = bench.open_with(Attempt { task: json!({}), compression, ..Attempt::default() })?;
    ensure(open.deflate.is_null(), || format!("our side agreed to {}", open.deflate))?;
    let counted = exchange(bench, open, &mixed()[..50])?;
    ensure(counted.is_none(), || format!("our side counts {counted:?}"))
}
