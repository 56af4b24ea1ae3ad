//! What must be true of a whole run.

use websans::{Cause, Close, Initiator, State};

use super::plan::Plan;
use super::{Ended, Run, Said};
use crate::oracle::{self, Event, Meaning, Rules};
use crate::stored;

pub(super) fn check(plan: &Plan, run: &Run) {
    for (i, end) in run.ends.iter().enumerate() {
        let other = &run.ends[1 - i];
        let said = check_wire(plan, i, end, other);
        check_order(&said, end, other);
        check_outcome(end);
    }
    if plan.calm {
        check_calm(run);
    }
}

/// What an end put on the wire is legal, is what it accepted, and stops where it must.
fn check_wire(plan: &Plan, i: usize, end: &Ended, other: &Ended) -> Meaning {
    let read_by_server = i == 0;
    let mut rules = Rules::unlimited(read_by_server);
    rules.compression = plan.deflate.is_some();
    let mut said = oracle::read(&end.wrote, &rules);
    assert!(!matches!(said.end, oracle::End::Failed(_)), "not legal: {:?}", said.end);
    let mut close = None;
    for event in &mut said.events {
        match event {
            Event::Message { compressed: true, payload, .. } => {
                *payload = stored::inflate(payload).expect("what was deflated inflates");
            }
            Event::Close(content) => close = Some(content.clone()),
            _ => {}
        }
    }
    let messages = said.events.iter().filter_map(|event| match event {
        Event::Message { kind, payload, .. } => Some((*kind, payload)),
        _ => None,
    });
    let mut accepted = end.sent.iter().map(|said| (said.kind, &said.payload));
    for message in messages {
        assert!(accepted.next() == Some(message), "another message was written than was accepted");
    }
    if close.is_some() {
        assert_eq!(accepted.next(), None, "a Close overtook a message");
    }

    let after = oracle::read(&end.wrote[said.used..], &rules);
    if said.end == oracle::End::Closed {
        let sent = end.outcome.sent.as_ref().expect("a Close was written");
        assert_eq!(close, Some(content(sent)), "another Close than the outcome tells");
        // Only Pings that came between the two Closes may still be answered.
        let only_pongs = after.events.iter().all(|event| matches!(event, Event::Pong(_)));
        let first = end.outcome.initiator == Initiator::Local && matches!(end.outcome.cause, Cause::Clean | Cause::Eof | Cause::CloseTimeout | Cause::Aborted | Cause::WriteStall);
        assert!(only_pongs && after.end == oracle::End::Open, "frames after the Close: {after:?}");
        assert!(first || end.wrote.len() == said.used, "a Pong after the last frame: {after:?}");
    } else {
        assert!(end.outcome.sent.is_none() || end.outcome.cause != Cause::Clean, "the Close was never written");
    }
    check_pongs(&said, &after, end, other);
    said
}

/// Pongs answer Pings, in their order, though not each one.
fn check_pongs(said: &Meaning, after: &Meaning, end: &Ended, other: &Ended) {
    // Those that nobody asked for are marked by the plan with a first byte of their own.
    let rules = Rules { compression: true, ..Rules::unlimited(!other.is_server) };
    let pings = oracle::read(&other.wrote, &rules);
    let mut pings = pings.events.iter().filter_map(|event| match event {
        Event::Ping(payload) => Some(payload),
        _ => None,
    });
    for event in said.events.iter().chain(&after.events) {
        if let Event::Pong(payload) = event {
            if !end.unasked.contains(payload) {
                assert!(pings.any(|ping| ping == payload), "a Pong that answers no Ping, or an older one");
            }
        }
    }
}

/// Every message once, in order.
fn check_order(said: &Meaning, end: &Ended, other: &Ended) {
    let written = said.events.iter().filter(|event| matches!(event, Event::Message { .. })).count();
    assert!(other.received.len() <= written, "more was received than was written");
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

fn check_outcome(end: &Ended) {
    let outcome = &end.outcome;
    let both = outcome.sent.is_some() && outcome.received.is_some();
    assert_eq!(outcome.is_clean(), both || outcome.is_clean() && both);
    if outcome.is_clean() {
        assert!(both, "clean without a Close each way: {outcome:?}");
    }
    assert_eq!(end.state, State::Closed);
}

/// Nothing went wrong: all arrived, both ended well, and agree on how.
fn check_calm(run: &Run) {
    let [client, server] = &run.ends;
    assert!(!run.reset, "the transport was reset though nothing went wrong");
    for (end, other) in [(client, server), (server, client)] {
        assert_eq!(end.outcome.cause, Cause::Clean, "not a clean end: {:?}", end.outcome);
        assert_eq!(end.outcome.sent, other.outcome.received, "not what the other sent");
        let skipping = usize::from(other.skipping);
        assert_eq!(other.received.len() + skipping, end.sent.len(), "messages were lost");
    }
    let both = [client.outcome.initiator, server.outcome.initiator];
    assert!(both.contains(&Initiator::Local), "neither began");
}

fn content(close: &Close<'_>) -> Option<(u16, String)> {
    close.code.map(|code| (code.get(), close.reason.clone().into_owned()))
}
