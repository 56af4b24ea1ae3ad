//! Many messages of all sorts, several of them under way at a time.

use std::collections::VecDeque;
use std::sync::LazyLock;

use websans::Compression;
use websans_std::{CloseCode, Kind, Payload};

use super::data::same;
use super::ensure;
use crate::bench::{Bench, Open};
use crate::payload;
use crate::peer::Implementation;
use crate::report::Report;

/// A message and whether it is to be compressed; `None`: as our side sees fit.
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    pub(super) compress: Option<bool>,
}

/// So many bytes may be under way at a time beyond one message, and so many messages.
const BYTES_UNDER_WAY: usize = 64 << 10;
const UNDER_WAY: usize = 32;

/// A thousand messages: every length with every sort of content, some of them beyond a frame's 16-bit length.
pub(super) fn mixed() -> &'static [Item] {
    const LENGTHS: [usize; 6] = [0, 1, 10, 125, 126, 1000];
    static MIXED: LazyLock<Vec<Item>> = LazyLock::new(|| {
        let item = |number: usize| {
            let (length, content) = match number {
                100 | 400 | 600 | 900 => (65_536 + number, number / 100 % 4),
                250 => (300 << 10, 0),
                751 => (300 << 10, 2),
                _ => (LENGTHS[number % 6], number / 6 % 4),
            };
            let (kind, bytes) = match content {
                0 => (Kind::Text, payload::prose(length, number as u64).into_bytes()),
                1 => (Kind::Text, payload::json(length, number as u64).into_bytes()),
                2 => (Kind::Binary, payload::bytes(length)),
                _ => (Kind::Binary, payload::prose(length, number as u64).into_bytes()),
            };
            let compress = match number % 7 {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            };
            Item { kind, bytes, compress }
        };
        (0..1000).map(item).collect()
    });
    &MIXED
}

/// Sends all messages, compares their echoes, ends the connection, and compares what the peer received. If it is
/// compressed, then that is as it should be. What our side counted of it.
pub(super) fn exchange(bench: &Bench, mut open: Open, items: &[Item]) -> Result<Option<Compression>, String> {
    if let Err(failure) = echoes(&mut open, items) {
        let outcome = open.socket.outcome().map_or_else(|| "nothing".into(), |outcome| outcome.to_string());
        drop(open.socket);
        let report = bench.report(&open.id).map_or_else(|none| none, |report| report.summary());
        return Err(format!("{failure}; our side ended with {outcome}; the peer's report: {report}"));
    }
    let compression = open.socket.stats().compression;
    let agreed = open.deflate.clone();
    let report = close(bench, open, items)?;
    report.expect("deflate", agreed, false)?;
    if let Some(compression) = compression {
        is_plausible(bench.implementation(), items, compression)?;
    }
    Ok(compression)
}

fn echoes(open: &mut Open, items: &[Item]) -> Result<(), String> {
    let mut under_way: VecDeque<&Item> = VecDeque::new();
    let mut bytes = 0;
    for item in items {
        while under_way.len() == UNDER_WAY || bytes > 0 && bytes + item.bytes.len() > BYTES_UNDER_WAY {
            bytes -= echo(open, &mut under_way)?;
        }
        let payload = Payload::new(item.kind, &item.bytes);
        let payload = match item.compress {
            Some(compress) => payload.compress(compress),
            None => payload,
        };
        open.socket.send(payload)?;
        under_way.push_back(item);
        bytes += item.bytes.len();
    }
    while !under_way.is_empty() {
        echo(open, &mut under_way)?;
    }
    Ok(())
}

/// The next echo; its length.
fn echo(open: &mut Open, under_way: &mut VecDeque<&Item>) -> Result<usize, String> {
    let Some(item) = under_way.pop_front() else { return Ok(0) };
    let back = open.socket.recv()?;
    same(back.as_ref(), item.kind, &item.bytes)?;
    Ok(item.bytes.len())
}

fn close(bench: &Bench, mut open: Open, items: &[Item]) -> Result<Report, String> {
    let outcome = open.socket.close(CloseCode::NORMAL, "")?;
    ensure(outcome.is_clean(), || format!("the connection ended with {outcome}"))?;
    let report = bench.report(&open.id)?;
    let messages: Vec<(Kind, &[u8])> = items.iter().map(|item| (item.kind, &item.bytes[..])).collect();
    report.expect_messages(&messages)?;
    report.expect_close(1000, "")?;
    Ok(report)
}

/// Whether each side compressed what it was to, and it became less.
fn is_plausible(peer: Implementation, items: &[Item], counted: Compression) -> Result<(), String> {
    let bytes = |chosen: &dyn Fn(usize, &Item) -> bool| -> u64 {
        items
            .iter()
            .enumerate()
            .filter(|(number, item)| chosen(*number, item))
            .map(|(_, item)| item.bytes.len() as u64)
            .sum()
    };
    let least = bytes(&|_, item| item.compress == Some(true));
    let most = bytes(&|_, item| item.compress != Some(false));
    let received = match peer {
        // Every third answer is not to be compressed.
        Implementation::Ws => bytes(&|number, _| number % 3 != 2),
        // It compresses nothing.
        Implementation::BuiltIn => 0,
        // It compresses everything.
        Implementation::Websockets => bytes(&|_, _| true),
    };
    let sent_less = counted.sent_compressed < counted.sent_plain;
    let received_less = counted.received_compressed < received || received == 0;
    let right = (least..=most).contains(&counted.sent_plain) && counted.received_plain == received;
    ensure(right && sent_less && received_less, || {
        format!(
            "{counted:?}: sent plain should be {least} to {most}, received plain {received}, and compressed less"
        )
    })
}
