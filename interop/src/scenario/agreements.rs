//! permessage-deflate by every agreement that there is with four sizes of window: 64, asked for by either side.

use std::time::Duration;

use serde_json::json;

use super::traffic::{exchange, mixed};
use super::{Scenario, ensure};
use crate::bench::{Attempt, Bench};
use crate::compression::{Agreement, Compression};
use crate::peer::Role;

/// From the smallest to the largest that anybody compresses with.
const WINDOWS: [u8; 4] = [9, 10, 12, 15];

/// Each scenario makes 16 agreements.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// How many messages are exchanged where the peer asks: what comes of an agreement depends on who asked for it only at its
/// beginning.
const FEWER: usize = 150;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Us,
    Them,
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let contexts = [
        ("no context kept", true, true),
        ("the server's kept", false, true),
        ("the client's kept", true, false),
        ("both contexts kept", false, false),
    ];
    let mut scenarios = Vec::new();
    for (name, server, client) in contexts {
        let ours = Scenario::new(format!("16 windows, {name}"), move |bench| {
            windows(bench, Asker::Us, server, client)
        });
        scenarios.push(ours.only(plain).within(LIMIT));
    }
    for (name, server, client) in contexts {
        let theirs = Scenario::new(format!("16 windows of theirs, {name}"), move |bench| {
            windows(bench, Asker::Them, server, client)
        });
        scenarios.push(theirs.only(plain_and_unlimited).within(LIMIT));
    }
    scenarios
}

/// TLS knows nothing of what it carries, which takes its time.
fn plain(bench: &Bench) -> bool {
    !bench.tls
}

fn plain_and_unlimited(bench: &Bench) -> bool {
    plain(bench) && !bench.is_limited()
}

/// All windows with one agreement on contexts. Every second one with messages in fragments, ours and theirs.
fn windows(bench: &Bench, asker: Asker, server_forgets: bool, client_forgets: bool) -> Result<(), String> {
    let (mut failures, mut sizes) = (Vec::new(), Vec::new());
    for (row, server_bits) in WINDOWS.into_iter().enumerate() {
        for (column, client_bits) in WINDOWS.into_iter().enumerate() {
            let agreement = Agreement { server_forgets, client_forgets, server_bits, client_bits };
            let cut = (row + column) % 2 == 1;
            match one(bench, asker, agreement, cut) {
                Ok(sent) => sizes.push((agreement, sent)),
                Err(failure) => failures.push((agreement, failure)),
            }
        }
    }
    if !failures.is_empty() {
        let mut sentences = format!("{} of 16 failed:", failures.len());
        for (number, (agreement, failure)) in failures.iter().enumerate() {
            // What is wrong with many is the same, most often.
            let failure = if number < 3 { failure } else { "as well" };
            sentences += &format!("\n  {agreement}: {failure}");
        }
        return Err(sentences);
    }
    if asker == Asker::Us { larger_is_less(bench, &sizes) } else { Ok(()) }
}

/// How many bytes we sent compressed.
fn one(bench: &Bench, asker: Asker, agreement: Agreement, cut: bool) -> Result<u64, String> {
    let (compression, count) = match asker {
        Asker::Us => (Compression { ours: Some(agreement.config()), theirs: Some(json!({})) }, mixed().len()),
        Asker::Them => {
            (Compression { ours: Some(Agreement::FREE.config()), theirs: Some(agreement.task()) }, FEWER)
        }
    };
    let task = if cut { json!({ "fragment": 700 }) } else { json!({}) };
    let fragment_above = cut.then_some(1000);
    let open = bench.open_with(Attempt { task, compression, fragment_above, ..Attempt::default() })?;
    ensure(open.deflate == agreement.report(), || format!("our side agreed to {}", open.deflate))?;
    let counted = exchange(bench, open, &mixed()[..count])?;
    counted.map(|counted| counted.sent_compressed).ok_or_else(|| "our side counts no compression".into())
}

/// A larger window of ours makes less of the same messages, so it is one.
fn larger_is_less(bench: &Bench, sizes: &[(Agreement, u64)]) -> Result<(), String> {
    let ours = |agreement: &Agreement| match bench.peer.role {
        Role::Server => (agreement.client_bits, agreement.server_bits),
        Role::Client => (agreement.server_bits, agreement.client_bits),
    };
    for theirs in WINDOWS {
        let size = |bits| {
            sizes.iter().find(|(agreement, _)| ours(agreement) == (bits, theirs)).map(|(_, size)| *size)
        };
        let (small, large) = (size(9), size(15));
        ensure(large < small, || {
            format!(
                "with windows of 9 bits {small:?} bytes were sent, with 15 {large:?}; theirs had {theirs}"
            )
        })?;
    }
    Ok(())
}
