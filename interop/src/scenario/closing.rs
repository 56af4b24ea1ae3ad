//! Ends of connections, by either side.

use serde_json::json;
use websans_std::{Cause, CloseCode, Initiator, Payload};

use super::{Scenario, ensure, unlimited};
use crate::bench::Bench;

/// The longest reason there may be, with characters of several bytes.
fn longest_reason() -> String {
    format!("{}.", "ß".repeat(61))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let codes = || {
        [
            (1000, "done".to_owned()),
            (1001, String::new()),
            (3000, "tschüß 👋".into()),
            (4999, longest_reason()),
        ]
    };
    let mut scenarios = Vec::new();
    for (code, reason) in codes() {
        scenarios
            .push(Scenario::new(format!("close {code} from us"), move |bench| from_us(bench, code, &reason)));
    }
    for (code, reason) in codes() {
        let scenario = Scenario::new(format!("close {code} from them"), move |bench| {
            from_them(bench, Some(code), &reason)
        });
        // A browser may say 1000 and from 3000 on.
        scenarios.push(if code == 1001 { scenario.only(unlimited) } else { scenario });
    }
    scenarios.push(Scenario::new("close without code", |bench| from_them(bench, None, "")));
    scenarios.push(Scenario::new("end without close by us", lost_by_us));
    scenarios.push(Scenario::new("end without close by them", lost_by_them).only(unlimited));
    scenarios
}

/// The peer gets our code and reason, and answers with the code.
fn from_us(bench: &Bench, code: u16, reason: &str) -> Result<(), String> {
    let mut open = bench.open(json!({}))?;
    let close = CloseCode::new(code).ok_or("not a code")?;
    let outcome = open.socket.close(close, reason)?;
    let ours = outcome.initiator == Initiator::Local && outcome.is_clean() && outcome.code() == code;
    ensure(ours, || format!("our side ended with {outcome:?}"))?;
    bench.report(&open.id)?.expect_close(code, reason)
}

/// We get the peer's code and reason, and answer with the code.
fn from_them(bench: &Bench, code: Option<u16>, reason: &str) -> Result<(), String> {
    let mut open = bench.open(json!({ "close": { "code": code, "reason": reason } }))?;
    let message = open.socket.recv()?;
    ensure(message.is_none(), || format!("{message:?} came instead of a close"))?;
    let outcome = open.socket.outcome().ok_or("the connection has ended without an outcome")?;
    let received =
        outcome.received.as_ref().map(|close| (close.code.map(CloseCode::get), close.reason.as_ref()));
    let theirs = outcome.initiator == Initiator::Peer && outcome.is_clean();
    ensure(theirs && received == Some((code, reason)), || format!("our side ended with {outcome:?}"))?;
    let answered = outcome.sent.as_ref().map(|close| close.code.map(CloseCode::get));
    ensure(answered == Some(code), || format!("we answered with {:?}", outcome.sent))?;
    // What the peer says of it: its own API gives the code of our answer, and the reason of one side or the other.
    let report = bench.report(&open.id)?;
    let close = &report.0["close"];
    ensure(close["code"] == code.unwrap_or(1005), || format!("the peer reports {close}"))
}

/// A connection that we give up ends with 1006 for the peer.
fn lost_by_us(bench: &Bench) -> Result<(), String> {
    let mut open = bench.open(json!({}))?;
    open.socket.send(Payload::from("there"))?;
    open.socket.recv()?;
    drop(open.socket);
    let report = bench.report(&open.id)?;
    ensure(report.0["close"]["code"] == 1006, || format!("the peer reports {}", report.0))
}

/// One that the peer gives up ends with 1006 for us.
fn lost_by_them(bench: &Bench) -> Result<(), String> {
    let mut open = bench.open(json!({ "abort": true }))?;
    let ended = open.socket.recv();
    ensure(!matches!(ended, Ok(Some(_))), || format!("{ended:?} came"))?;
    let outcome = open.socket.outcome().ok_or("the connection has ended without an outcome")?;
    let lost = matches!(outcome.cause, Cause::Eof | Cause::Aborted) && outcome.code() == 1006;
    ensure(lost, || format!("our side ended with {outcome:?}"))?;
    bench.report(&open.id).map(drop)
}
