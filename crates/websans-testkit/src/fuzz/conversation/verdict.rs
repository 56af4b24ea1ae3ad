//! What must be true of a conversation that is over.

use websans::{Cause, Kind};

use super::World;
use super::end::End;
use crate::fuzz::got::Got;
use crate::oracle::{self, Event};

pub(super) fn check(world: &World) {
    let [client, server] = &world.ends;
    for (end, other) in [(client, server), (server, client)] {
        check_outcome(world, end, other);
        let clean = [end, other].iter().all(|end| end.outcome().cause == Cause::Clean);
        compare(&end.received, end.current.as_ref(), &other.sent, clean);
        check_written(world, end);
    }
}

/// Both agree on how it ended, and that it did so well if nothing was in the way.
fn check_outcome(world: &World, end: &End, other: &End) {
    let (outcome, others) = (end.outcome(), other.outcome());
    assert!(world.troubled || outcome.is_clean(), "not a clean end: {outcome:?}");
    if outcome.received.is_some() {
        assert_eq!(outcome.received, others.sent, "not what the other sent");
    }
    assert!(!outcome.is_clean() || outcome.sent.is_some() && outcome.received.is_some());
}

/// Each message once, in order and unchanged; all of them if `all`.
pub(super) fn compare(received: &[Got], current: Option<&Got>, sent: &[(Kind, Vec<u8>)], all: bool) {
    assert!(received.len() <= sent.len(), "a message that was not sent");
    for (got, (kind, payload)) in received.iter().zip(sent) {
        got.hold(*kind, payload);
    }
    let missing = &sent[received.len()..];
    // A message of which the rest was being skipped is counted by nobody if it was the last.
    let skipped = usize::from(current.is_some_and(Got::has_gap));
    assert!(!all || missing.len() <= skipped, "{} messages are lost", missing.len());
    if let (Some(current), [(kind, payload), ..]) = (current, missing) {
        current.hold_beginning(*kind, payload);
    }
}

/// What it wrote is legal and ends with its Close, of which there is one.
fn check_written(world: &World, end: &End) {
    let rules = oracle::Rules { compression: world.compression, ..oracle::Rules::unlimited(end.is_client()) };
    let said = oracle::read(&end.written, &rules);
    match said.end {
        oracle::End::Open => {}
        oracle::End::Failed(error) => panic!("it wrote what is not legal: {error:?}"),
        oracle::End::Closed => {
            let sent = end.outcome().sent.as_ref().expect("a Close was written");
            let content = sent.code.map(|code| (code.get(), sent.reason.clone().into_owned()));
            assert_eq!(
                said.events.last(),
                Some(&Event::Close(content)),
                "another Close than the outcome tells"
            );
            // Pings that came between the two Closes may still be answered.
            let after = oracle::read(&end.written[said.used..], &rules);
            let only_pongs = after.events.iter().all(|event| matches!(event, Event::Pong(_)));
            assert!(only_pongs && after.end == oracle::End::Open, "frames after the Close: {after:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Vec<(Kind, Vec<u8>)> {
        [&b"one"[..], b"two"].map(|payload| (Kind::Binary, payload.to_vec())).into()
    }

    fn got(payload: &[u8]) -> Got {
        Got::whole(Kind::Binary, payload)
    }

    #[test]
    fn what_is_so_passes() {
        compare(&[got(b"one"), got(b"two")], None, &sent(), true);
        compare(&[got(b"one")], None, &sent(), false);
    }

    #[test]
    #[should_panic(expected = "1 messages are lost")]
    fn a_lost_message_is_found() {
        compare(&[got(b"one")], None, &sent(), true);
    }

    #[test]
    #[should_panic(expected = "another message")]
    fn a_lost_message_in_the_middle_is_found() {
        compare(&[got(b"two")], None, &sent(), false);
    }

    #[test]
    #[should_panic(expected = "was not sent")]
    fn a_message_that_comes_twice_is_found() {
        compare(&[got(b"one"), got(b"two"), got(b"two")], None, &sent(), false);
    }
}
