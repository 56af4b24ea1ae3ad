//! Pings and Pongs, both ways.

use serde_json::json;
use websans_std::{CloseCode, Kind, Payload};

use super::{Scenario, ensure, unlimited};
use crate::bench::{Bench, hex};
use crate::payload;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("ping from us", ping_from_us),
        Scenario::new("ping from them", |bench| ping_from_them(bench, &payload::bytes(125))).only(unlimited),
        Scenario::new("empty ping from them", |bench| ping_from_them(bench, b"")).only(unlimited),
    ]
}

/// Pings of all sizes arrive with their payload, and their Pongs are taken for what they are.
fn ping_from_us(bench: &Bench) -> Result<(), String> {
    let payloads = [Vec::new(), b"ping".to_vec(), payload::bytes(125)];
    for payload in &payloads {
        let mut open = bench.open(json!({}))?;
        open.socket.ping(payload)?;
        // The peer answers in order.
        open.socket.send(Payload::from("after"))?;
        let back = open.socket.recv()?;
        ensure(back == Some((Kind::Text, b"after".to_vec())), || format!("{back:?} is no echo"))?;
        // Some peers answer the message first.
        open.socket.send(Payload::from("after"))?;
        open.socket.recv()?;
        let round_trip = open.socket.stats().round_trip;
        ensure(round_trip.is_some_and(|time| time.as_secs() < 10), || {
            format!("the round trip of a ping with {} bytes was {round_trip:?}", payload.len())
        })?;
        open.socket.close(CloseCode::NORMAL, "")?;
        bench.report(&open.id)?.expect("pings", vec![hex(payload)], bench.is_limited())?;
    }
    Ok(())
}

/// A Ping of the peer's is answered with its payload while we wait for a message.
fn ping_from_them(bench: &Bench, payload: &[u8]) -> Result<(), String> {
    let mut open = bench.open(json!({ "ping": hex(payload) }))?;
    // What the peer sends once it has the Pong.
    let said = open.socket.recv()?;
    ensure(said == Some((Kind::Text, b"pong".to_vec())), || format!("the peer sent {said:?}"))?;
    open.socket.close(CloseCode::NORMAL, "")?;
    let report = bench.report(&open.id)?;
    report.expect("pongs", vec![hex(payload)], false)?;
    let latency = report.0["latency"].as_f64();
    ensure(latency.is_some_and(|time| (0.0..10_000.0).contains(&time)), || {
        format!("the peer measured {latency:?} ms")
    })
}
