//! What must be true of a whole run.

use websans::{Cause, Close, CloseCode, Initiator, Kind, ProtocolError};

use super::plan::Plan;
use super::{Ended, Run, Said};
use crate::oracle::{self, Event, Meaning, Rules};
use crate::stored;

pub(super) fn check(plan: &Plan, run: &Run) {
    let wire = [0, 1].map(|i| Wire::read(plan, &run.ends[i], i == 0));
    for (i, end) in run.ends.iter().enumerate() {
        let other = &run.ends[1 - i];
        check_wire(plan, &wire[i], end);
        check_fault(end);
        // What arrived is what was written, unless someone lied.
        let arrived =
            end.heard.as_ref().map(|heard| oracle::read(heard, &Rules::of(&plan.speakers[i].config, i == 1)));
        match &arrived {
            Some(arrived) => check_lied_to(arrived, end),
            None => {
                check_order(&wire[1 - i], other, end);
                check_outcome(end, other);
            }
        }
        let theirs = &wire[1 - i];
        let asked: Vec<&Event> = match &arrived {
            Some(arrived) => arrived.events.iter().collect(),
            None => theirs.said.events.iter().chain(&theirs.after.events).collect(),
        };
        check_pongs(&wire[i], &asked, end);
    }
    if plan.calm {
        check_calm(run);
    }
}

/// Who gave the peer up for a fault said so, if a Close could be sent at all.
fn check_fault(end: &Ended) {
    let Cause::Protocol(error) = end.outcome.cause else { return };
    let why = if error == ProtocolError::OutOfMemory { end.scarce } else { end.heard.is_some() };
    assert!(why, "an honest peer was given up: {error:?}");
    let idle = end.outcome.sent.as_ref().is_some_and(|close| close.reason == "idle");
    if !end.closing && !idle {
        let close = Close::new(error.close_code(), error.reason());
        assert_eq!(end.outcome.sent, Some(close), "the fault was not told");
    }
}

/// What arrived was not what was written: it means what the oracle says.
fn check_lied_to(arrived: &Meaning, end: &Ended) {
    let mut messages = arrived.events.iter().filter_map(|event| match event {
        Event::Message { kind, payload, .. } => {
            Some(Said { kind: *kind, payload: payload.clone(), skipped: false })
        }
        _ => None,
    });
    for received in &end.received {
        assert_same(received, &messages.next().expect("a message that did not arrive was received"));
    }
    if let Cause::Protocol(error) = end.outcome.cause {
        assert_eq!(arrived.end, oracle::End::Failed(error), "another fault was named");
        assert!(end.skipping || messages.next().is_none(), "a message before the fault was not received");
    }
    if let Some(close) = &end.outcome.received {
        assert_eq!(arrived.events.last(), Some(&Event::Close(content(close))), "not the Close that arrived");
    }
}

/// What an end put on the wire.
struct Wire {
    said: Meaning,
    /// Behind its Close.
    after: Meaning,
}

impl Wire {
    fn read(plan: &Plan, end: &Ended, by_server: bool) -> Self {
        let rules = Rules { compression: plan.deflate.is_some(), ..Rules::unlimited(by_server) };
        let mut said = oracle::read(&end.wrote, &rules);
        assert!(!matches!(said.end, oracle::End::Failed(_)), "not legal: {:?}", said.end);
        for event in &mut said.events {
            if let Event::Message { compressed: true, payload, .. } = event {
                *payload = stored::inflate(payload).expect("what was deflated inflates");
            }
        }
        let after = if said.end == oracle::End::Closed { &end.wrote[said.used..] } else { &[] };
        Self { after: oracle::read(after, &rules), said }
    }

    fn messages(&self) -> impl Iterator<Item = (Kind, &Vec<u8>)> {
        self.said.events.iter().filter_map(|event| match event {
            Event::Message { kind, payload, .. } => Some((*kind, payload)),
            _ => None,
        })
    }
}

/// What an end put on the wire is what it accepted, and stops where it must.
fn check_wire(plan: &Plan, wire: &Wire, end: &Ended) {
    let Wire { said, after } = wire;
    let mut accepted = end.sent.iter().map(|said| (said.kind, &said.payload));
    for message in wire.messages() {
        assert!(accepted.next() == Some(message), "another message was written than was accepted");
    }
    if let Some(Event::Close(close)) = said.events.last() {
        assert_eq!(accepted.next(), None, "a Close overtook a message");
        let sent = end.outcome.sent.as_ref().expect("a Close was written");
        assert_eq!(*close, content(sent), "another Close than the outcome tells");
        // Only Pings that came between the two Closes may still be answered.
        let only_pongs = after.events.iter().all(|event| matches!(event, Event::Pong(_)));
        assert!(only_pongs && after.end == oracle::End::Open, "frames after the Close: {after:?}");
        let began = end.outcome.initiator == Initiator::Local && sent.code != Some(CloseCode::INTERNAL_ERROR);
        assert!(began || end.wrote.len() == said.used, "a Pong after the last frame: {after:?}");
    } else {
        assert!(!plan.calm, "the Close was never written");
    }
}

/// Pongs answer the Pings that were heard, in their order, though not each one.
fn check_pongs(wire: &Wire, heard: &[&Event], end: &Ended) {
    let mut pings = heard.iter().filter_map(|event| match event {
        Event::Ping(payload) => Some(payload),
        _ => None,
    });
    for event in wire.said.events.iter().chain(&wire.after.events) {
        if let Event::Pong(payload) = event {
            if !end.unasked.contains(payload) {
                assert!(pings.any(|ping| ping == payload), "a Pong that answers no Ping, or an older one");
            }
        }
    }
}

/// Every message once, in order.
fn check_order(wire: &Wire, end: &Ended, other: &Ended) {
    assert!(other.received.len() <= wire.messages().count(), "more was received than was written");
    for (received, sent) in other.received.iter().zip(&end.sent) {
        assert_same(received, sent);
    }
}

fn assert_same(received: &Said, sent: &Said) {
    assert_eq!(received.kind, sent.kind);
    if received.skipped {
        assert!(sent.payload.starts_with(&received.payload), "a skipped message began differently");
    } else {
        assert!(received.payload == sent.payload, "a message was changed under way");
    }
}

fn check_outcome(end: &Ended, other: &Ended) {
    let outcome = &end.outcome;
    if outcome.received.is_some() {
        assert_eq!(outcome.received, other.outcome.sent, "not what the other sent");
    }
    if outcome.is_clean() {
        assert!(
            outcome.sent.is_some() && outcome.received.is_some(),
            "clean without a Close each way: {outcome:?}"
        );
    }
}

/// Nothing went wrong: all arrived, both ended well, and agree on how.
fn check_calm(run: &Run) {
    let [client, server] = &run.ends;
    assert!(!run.reset, "the transport was reset though nothing went wrong");
    for (end, other) in [(client, server), (server, client)] {
        assert_eq!(end.outcome.cause, Cause::Clean, "not a clean end: {:?}", end.outcome);
        assert_eq!(end.outcome.sent, other.outcome.received, "not what the other sent");
        // A message of which the rest was being skipped is counted by nobody if it was the last.
        let missing = end.sent.len() - other.received.len();
        assert!(missing == 0 || missing == 1 && other.skipping, "{missing} messages were lost");
    }
    let both = [client.outcome.initiator, server.outcome.initiator];
    assert!(both.contains(&Initiator::Local), "neither began");
}

fn content(close: &Close<'_>) -> Option<(u16, String)> {
    close.code.map(|code| (code.get(), close.reason.clone().into_owned()))
}
