//! The whole table of the closing: every state, at either end, and everything that can happen in it. None is left out:
//! the rows come out of nested loops, and what is expected out of one exhaustive `match`.

#[path = "rfc6455/support.rs"]
mod support;

use core::time::Duration;

use bytes::Buf;
use support::*;
use websans::{
    Cause, Close, CloseCode, Config, Connection, Hangup, Initiator, Keepalive, Kind, Payload, Prepared,
    ProtocolError, Reply, SendError, State, Timestamp,
};

/// A state, and for `Closed` the way into it, which decides about the transport's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Open,
    CloseSent,
    CloseReceived,
    ClosedByUs,
    ClosedByPeer,
    Failed,
    FailedAfterClose,
    Ended,
    Aborted,
    Silent,
    TimedOut,
}

const STATES: [Before; 11] = [
    Before::Open,
    Before::CloseSent,
    Before::CloseReceived,
    Before::ClosedByUs,
    Before::ClosedByPeer,
    Before::Failed,
    Before::FailedAfterClose,
    Before::Ended,
    Before::Aborted,
    Before::Silent,
    Before::TimedOut,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stimulus {
    Close,
    CloseEmpty,
    ReceiveClose,
    ReceiveEmptyClose,
    ReceiveData,
    ReceivePing,
    ReceivePong,
    ReceiveError,
    Fail,
    KeepaliveTimeout,
    CloseTimeout,
    WriteStall,
    Eof,
    Abort,
    Send,
    SendPart,
    SendPrepared,
    Ping,
    Pong,
}

const STIMULI: [Stimulus; 19] = [
    Stimulus::Close,
    Stimulus::CloseEmpty,
    Stimulus::ReceiveClose,
    Stimulus::ReceiveEmptyClose,
    Stimulus::ReceiveData,
    Stimulus::ReceivePing,
    Stimulus::ReceivePong,
    Stimulus::ReceiveError,
    Stimulus::Fail,
    Stimulus::KeepaliveTimeout,
    Stimulus::CloseTimeout,
    Stimulus::WriteStall,
    Stimulus::Eof,
    Stimulus::Abort,
    Stimulus::Send,
    Stimulus::SendPart,
    Stimulus::SendPrepared,
    Stimulus::Ping,
    Stimulus::Pong,
];

const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// What it is in connections that are to be past it when the stimulus comes.
const TIMED_OUT: Duration = Duration::from_secs(1);
const WRITE_STALL: Duration = Duration::from_secs(4);
const KEEPALIVE: Keepalive = Keepalive { every: Duration::from_secs(20), within: Duration::from_secs(1) };
const RECEIVED: ProtocolError = ProtocolError::ReservedOpcode;
const FOUND: ProtocolError = ProtocolError::InvalidUtf8;

/// What of the configuration matters: the keep-alive runs only where it is the stimulus, and the write stall likewise,
/// so that no other row is disturbed by them.
fn config(before: Before, reply: Reply, stimulus: Stimulus) -> Config {
    let mut config = Config::default();
    config.close_reply = reply;
    config.close_within = if before == Before::TimedOut { TIMED_OUT } else { CLOSE_WITHIN };
    config.write_stall = if stimulus == Stimulus::WriteStall { WRITE_STALL } else { secs(1000) };
    config.keepalive = match before {
        Before::Silent => Some(Keepalive { every: Duration::ZERO, within: Duration::ZERO }),
        _ => (stimulus == Stimulus::KeepaliveTimeout).then_some(KEEPALIVE),
    };
    config
}

type Said = Option<(Option<u16>, String)>;

fn said(code: u16, reason: &str) -> Said {
    Some((Some(code), reason.into()))
}

fn told(error: ProtocolError) -> Said {
    said(error.close_code().get(), error.reason())
}

/// A connection in the state. `blocked`: the transport has taken nothing, neither a message from before everything else
/// nor what the way into the state has added. Otherwise nothing waits.
fn bring_to(before: Before, end: End, reply: Reply, stimulus: Stimulus, blocked: bool) -> Connection {
    let mut conn = end.open(config(before, reply, stimulus)).0;
    if blocked {
        conn.send("waiting").unwrap();
    }
    let close = end.incoming_close(3000, "theirs");
    match before {
        Before::Open => {}
        Before::CloseSent => conn.close(code(4000), "ours").unwrap(),
        Before::CloseReceived => drop(receive(&mut conn, &close)),
        Before::ClosedByUs => {
            conn.close(code(4000), "ours").unwrap();
            receive(&mut conn, &close);
        }
        Before::ClosedByPeer => {
            receive(&mut conn, &close);
            if reply == Reply::WhenAsked {
                conn.close(code(4000), "ours").unwrap();
            }
        }
        Before::Failed => conn.fail(FOUND),
        Before::FailedAfterClose => {
            conn.close(code(4000), "ours").unwrap();
            conn.fail(FOUND);
        }
        Before::Ended => conn.eof(),
        Before::Aborted => conn.abort(),
        Before::Silent => {
            conn.tick(START);
            conn.tick(START);
        }
        Before::TimedOut => {
            conn.close(code(4000), "ours").unwrap();
            conn.tick(START + TIMED_OUT);
        }
    }
    if !blocked {
        drain(&mut conn);
    }
    conn
}

/// The outcome that the ways into `Closed` have left behind.
fn outcome_of(before: Before, reply: Reply) -> Ended {
    let (ours, theirs) = (said(4000, "ours"), said(3000, "theirs"));
    match before {
        Before::Open | Before::CloseSent | Before::CloseReceived => unreachable!("not ended"),
        Before::ClosedByUs => (ours, theirs, Initiator::Local, Cause::Clean, 3000),
        Before::ClosedByPeer => {
            let answer = if reply == Reply::WhenAsked { ours } else { theirs.clone() };
            (answer, theirs, Initiator::Peer, Cause::Clean, 3000)
        }
        Before::Failed => (told(FOUND), None, Initiator::Local, Cause::Protocol(FOUND), 1006),
        Before::FailedAfterClose => (ours, None, Initiator::Local, Cause::Protocol(FOUND), 1006),
        Before::Ended => (None, None, Initiator::Peer, Cause::Eof, 1006),
        Before::Aborted => (None, None, Initiator::Local, Cause::Aborted, 1006),
        Before::Silent => {
            let close = said(1011, "no answer to keep-alive");
            (close, None, Initiator::Local, Cause::KeepaliveTimeout, 1006)
        }
        Before::TimedOut => (ours, None, Initiator::Local, Cause::CloseTimeout, 1006),
    }
}

/// What `hangup` says in `Closed` once nothing waits, if nothing else happens.
fn hangup_of(before: Before, end: End) -> Hangup {
    match before {
        Before::Open | Before::CloseSent | Before::CloseReceived => Hangup::NotYet,
        // "a client SHOULD wait for the server to close the connection" (§7.1.1).
        Before::ClosedByUs | Before::ClosedByPeer => match end {
            End::Server => Hangup::ShutdownWrite,
            End::Client => Hangup::NotYet,
        },
        Before::Failed | Before::FailedAfterClose => Hangup::ShutdownWrite,
        Before::Ended | Before::Aborted | Before::Silent | Before::TimedOut => Hangup::Drop,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct After {
    state: State,
    /// Frames that the stimulus has added to the outbox.
    frames: Vec<(u8, Vec<u8>)>,
    /// What the application was told.
    events: Vec<Got>,
    error: Option<ProtocolError>,
    refused: Option<SendError>,
    outcome: Option<Ended>,
    /// While something waits, and when nothing does any more.
    hangup_before: Hangup,
    hangup_after: Hangup,
}

fn expected(before: Before, end: End, reply: Reply, stimulus: Stimulus, blocked: bool) -> After {
    use Before as B;
    use Stimulus as S;

    let (ours, theirs) = (said(4000, "ours"), said(3000, "theirs"));
    let closed = |sent: Said, received: Said, initiator, cause| {
        let code = received.as_ref().map_or(1006, |(code, _)| code.unwrap_or(1005));
        Some((sent, received, initiator, cause, code))
    };
    let frame_of = |said: &Said| {
        let payload = match said {
            Some((Some(code), reason)) => close_payload(*code, reason),
            _ => vec![],
        };
        vec![(FIN | CLOSE, payload)]
    };
    let clean = if end == End::Server { Hangup::ShutdownWrite } else { Hangup::NotYet };
    let state = match before {
        B::Open => State::Open,
        B::CloseSent => State::CloseSent,
        B::CloseReceived => State::CloseReceived,
        _ => State::Closed,
    };
    let ended = (state == State::Closed).then(|| outcome_of(before, reply));
    let hangup = hangup_of(before, end);
    // Some endings do not even wait for what waits.
    let given_up = matches!(before, B::Aborted | B::Silent | B::TimedOut);
    // Nothing happens: the row to start from.
    let same = After {
        state,
        frames: vec![],
        events: vec![],
        error: None,
        refused: None,
        outcome: ended,
        hangup_before: if blocked && !given_up { Hangup::NotYet } else { hangup },
        hangup_after: hangup,
    };
    // The end: frames, outcome, whether to drop everything at once, and the transport's end otherwise.
    let end_now = |frames, outcome, hangup_before, hangup_after| After {
        state: State::Closed,
        frames,
        events: vec![],
        error: None,
        refused: None,
        outcome,
        hangup_before,
        hangup_after,
    };
    // Who has begun the ending, and what was said, in the states that are not `Closed` when it comes from our side.
    let initiator = if before == B::CloseReceived { Initiator::Peer } else { Initiator::Local };
    let received = if before == B::CloseReceived { theirs.clone() } else { None };
    // Our last word, unless we have said it before.
    let last_word = |close: Said| match before {
        B::CloseSent => (ours.clone(), vec![]),
        _ => (close.clone(), frame_of(&close)),
    };
    let now_if_nothing_waits = |frames: &[(u8, Vec<u8>)], hangup| {
        if blocked || !frames.is_empty() { Hangup::NotYet } else { hangup }
    };

    match (stimulus, state) {
        (S::Close | S::CloseEmpty, State::Open | State::CloseReceived) => {
            let close = if stimulus == S::Close { said(4001, "bye") } else { Some((None, String::new())) };
            let frames = frame_of(&close);
            if state == State::Open {
                return After { state: State::CloseSent, frames, ..same };
            }
            let outcome = closed(close, theirs, Initiator::Peer, Cause::Clean);
            end_now(frames, outcome, Hangup::NotYet, clean)
        }
        (
            S::Close | S::CloseEmpty | S::Send | S::SendPart | S::SendPrepared | S::Ping | S::Pong,
            State::CloseSent | State::Closed,
        ) => After { refused: Some(SendError::Closing), ..same },
        (S::Send | S::SendPart | S::SendPrepared | S::Ping | S::Pong, State::Open | State::CloseReceived) => {
            let frame = match stimulus {
                S::Send => (FIN | TEXT, b"data".to_vec()),
                S::SendPart => (BINARY, b"part".to_vec()),
                S::SendPrepared => (FIN | TEXT, b"prepared".to_vec()),
                S::Ping => (FIN | PING, b"ping".to_vec()),
                _ => (FIN | PONG, b"pong".to_vec()),
            };
            After { frames: vec![frame], ..same }
        }

        (S::ReceiveClose | S::ReceiveEmptyClose, State::Open | State::CloseSent) => {
            let received =
                if stimulus == S::ReceiveClose { said(1001, "away") } else { Some((None, String::new())) };
            let event = received.clone().map(|(code, reason)| Got::Close(code, reason));
            let events = event.into_iter().collect();
            if state == State::CloseSent {
                let outcome = closed(ours, received, Initiator::Local, Cause::Clean);
                let hangup = now_if_nothing_waits(&[], clean);
                return After { events, ..end_now(vec![], outcome, hangup, clean) };
            }
            if reply == Reply::WhenAsked {
                return After { state: State::CloseReceived, events, ..same };
            }
            let frames = frame_of(&received);
            let outcome = closed(received.clone(), received, Initiator::Peer, Cause::Clean);
            After { events, ..end_now(frames, outcome, Hangup::NotYet, clean) }
        }
        (S::ReceiveData, State::Open | State::CloseSent) => After { events: vec![text("data")], ..same },
        (S::ReceivePing, State::Open | State::CloseSent) => After {
            frames: vec![(FIN | PONG, b"ping".to_vec())],
            events: vec![Got::Ping(b"ping".to_vec())],
            ..same
        },
        (S::ReceivePong, State::Open | State::CloseSent) => {
            After { events: vec![Got::Pong(b"pong".to_vec())], ..same }
        }
        (S::ReceiveError, State::Open | State::CloseSent) => {
            let (sent, frames) = last_word(told(RECEIVED));
            let outcome = closed(sent, None, Initiator::Local, Cause::Protocol(RECEIVED));
            let hangup = now_if_nothing_waits(&frames, Hangup::ShutdownWrite);
            After { error: Some(RECEIVED), ..end_now(frames, outcome, hangup, Hangup::ShutdownWrite) }
        }
        // "MUST NOT continue to attempt to process data" (§7.1.7).
        (
            S::ReceiveClose
            | S::ReceiveEmptyClose
            | S::ReceiveData
            | S::ReceivePing
            | S::ReceivePong
            | S::ReceiveError,
            State::CloseReceived | State::Closed,
        ) => same,

        (S::Fail, State::Open | State::CloseSent | State::CloseReceived) => {
            let (sent, frames) = last_word(told(FOUND));
            let outcome = closed(sent, received, initiator, Cause::Protocol(FOUND));
            let hangup = now_if_nothing_waits(&frames, Hangup::ShutdownWrite);
            end_now(frames, outcome, hangup, Hangup::ShutdownWrite)
        }
        (S::Fail, State::Closed) => same,

        // The keep-alive watches open connections; the others have a deadline anyway.
        (S::KeepaliveTimeout, State::Open) => {
            let close = said(1011, "no answer to keep-alive");
            let mut frames = vec![(FIN | PING, vec![])];
            frames.extend(frame_of(&close));
            let outcome = closed(close, None, Initiator::Local, Cause::KeepaliveTimeout);
            end_now(frames, outcome, Hangup::Drop, Hangup::Drop)
        }
        // It takes longer than the closing may.
        (S::KeepaliveTimeout | S::CloseTimeout, State::CloseSent | State::CloseReceived) => {
            let sent = if before == B::CloseSent { ours } else { None };
            let outcome = closed(sent, received, initiator, Cause::CloseTimeout);
            end_now(vec![], outcome, Hangup::Drop, Hangup::Drop)
        }
        (S::CloseTimeout, State::Open) => same,
        (S::KeepaliveTimeout | S::CloseTimeout, State::Closed) => {
            After { hangup_before: Hangup::Drop, hangup_after: Hangup::Drop, ..same }
        }

        // Only what waits can stall.
        (S::WriteStall, _) if !blocked => same,
        (S::WriteStall, State::Closed) => {
            After { hangup_before: Hangup::Drop, hangup_after: Hangup::Drop, ..same }
        }
        (S::WriteStall, State::Open | State::CloseSent | State::CloseReceived) => {
            let (sent, frames) = last_word(said(1011, "peer does not read"));
            let outcome = closed(sent, received, initiator, Cause::WriteStall);
            end_now(frames, outcome, Hangup::Drop, Hangup::Drop)
        }

        (S::Eof, State::Open | State::CloseSent | State::CloseReceived) => {
            let sent = if before == B::CloseSent { ours } else { None };
            // It is the peer that ends an open connection in this way.
            let initiator = if before == B::CloseSent { Initiator::Local } else { Initiator::Peer };
            let outcome = closed(sent, received, initiator, Cause::Eof);
            end_now(vec![], outcome, now_if_nothing_waits(&[], Hangup::Drop), Hangup::Drop)
        }
        (S::Eof, State::Closed) => {
            let hangup_before = if given_up { Hangup::Drop } else { now_if_nothing_waits(&[], Hangup::Drop) };
            After { hangup_before, hangup_after: Hangup::Drop, ..same }
        }
        (S::Abort, State::Open | State::CloseSent | State::CloseReceived) => {
            let sent = if before == B::CloseSent { ours } else { None };
            let outcome = closed(sent, received, initiator, Cause::Aborted);
            end_now(vec![], outcome, Hangup::Drop, Hangup::Drop)
        }
        (S::Abort, State::Closed) => {
            After { hangup_before: Hangup::Drop, hangup_after: Hangup::Drop, ..same }
        }
    }
}

/// What the stimulus does, and what the application learns from it.
fn apply(
    stimulus: Stimulus,
    conn: &mut Connection,
    end: End,
    now: Timestamp,
) -> (Vec<Got>, Option<ProtocolError>, Option<SendError>) {
    let mut got = (vec![], None, None);
    let mut incoming = |conn: &mut Connection, bytes: &[u8]| (got.0, got.1) = receive(conn, bytes);
    match stimulus {
        Stimulus::ReceiveClose => incoming(conn, &end.incoming_close(1001, "away")),
        Stimulus::ReceiveEmptyClose => incoming(conn, &end.incoming(FIN | CLOSE, b"")),
        Stimulus::ReceiveData => incoming(conn, &end.incoming(FIN | TEXT, b"data")),
        Stimulus::ReceivePing => incoming(conn, &end.incoming(FIN | PING, b"ping")),
        Stimulus::ReceivePong => incoming(conn, &end.incoming(FIN | PONG, b"pong")),
        Stimulus::ReceiveError => incoming(conn, &end.incoming(FIN | 3, b"data")),
        Stimulus::Close => got.2 = conn.close(code(4001), "bye").err(),
        Stimulus::CloseEmpty => got.2 = conn.close_with(Close::default()).err(),
        Stimulus::Send => got.2 = conn.send("data").err(),
        Stimulus::SendPart => got.2 = conn.send_part(Payload::new(Kind::Binary, b"part"), false).err(),
        Stimulus::SendPrepared => got.2 = conn.send_prepared(&Prepared::new("prepared").unwrap()).err(),
        Stimulus::Ping => got.2 = conn.ping(b"ping").err(),
        Stimulus::Pong => got.2 = conn.pong(b"pong").err(),
        Stimulus::Fail => conn.fail(FOUND),
        Stimulus::KeepaliveTimeout => {
            conn.tick(now + KEEPALIVE.every);
            conn.tick(now + KEEPALIVE.every + KEEPALIVE.within);
        }
        Stimulus::CloseTimeout => conn.tick(now + CLOSE_WITHIN),
        Stimulus::WriteStall => {
            conn.tick(now);
            conn.tick(now + WRITE_STALL);
        }
        Stimulus::Eof => conn.eof(),
        Stimulus::Abort => conn.abort(),
    }
    got
}

/// Everything that can still be done to a connection.
fn do_everything(conn: &mut Connection, end: End, now: Timestamp) {
    for stimulus in STIMULI {
        apply(stimulus, conn, end, now);
    }
    conn.tick(now + secs(10_000));
    conn.park();
}

#[test]
fn every_stimulus_in_every_state() {
    let mut rows = 0;
    for end in BOTH {
        for reply in [Reply::Automatic, Reply::WhenAsked] {
            for before in STATES {
                if before == Before::CloseReceived && reply == Reply::Automatic {
                    continue; // a state that there is not
                }
                for stimulus in STIMULI {
                    for blocked in [false, true] {
                        row(before, end, reply, stimulus, blocked);
                        rows += 1;
                    }
                }
            }
        }
    }
    assert_eq!(rows, 2 * (11 + 10) * 19 * 2);
}

fn row(before: Before, end: End, reply: Reply, stimulus: Stimulus, blocked: bool) {
    let name = format!("{stimulus:?} in {before:?}, {end:?}, {reply:?}, blocked: {blocked}");
    let mut conn = bring_to(before, end, reply, stimulus, blocked);
    let now = if before == Before::TimedOut { START + TIMED_OUT } else { START };
    let expected = expected(before, end, reply, stimulus, blocked);
    let waiting = decode(&copy_of_outbox(&mut conn));
    assert_eq!(waiting.is_empty(), !blocked, "{name}");

    let (events, error, refused) = apply(stimulus, &mut conn, end, now);
    let hangup_before = conn.hangup();
    let deadline = conn.deadline();
    let frames: Vec<_> = sent(&mut conn);
    // Of what waited nothing was lost or changed.
    assert_eq!(frames[..waiting.len()], waiting, "{name}");
    let added = &frames[waiting.len()..];
    assert!(added.iter().all(|frame| frame.key == end.outgoing_key()), "{name}");
    let frames = added
        .iter()
        .map(|frame| match frame.opcode() {
            // What a keep-alive Ping carries is its own affair.
            PING if stimulus == Stimulus::KeepaliveTimeout => (frame.first, vec![]),
            _ => (frame.first, frame.payload.clone()),
        })
        .collect();
    let after = After {
        state: conn.state(),
        frames,
        events,
        error,
        refused,
        outcome: conn.outcome().map(ended),
        hangup_before,
        hangup_after: conn.hangup(),
    };
    assert_eq!(after, expected, "{name}");

    // In every state but `Open` there is a way out that needs nobody's help.
    assert!(after.state == State::Open || deadline.is_some() && conn.deadline().is_some(), "{name}");
    if after.state != State::Open {
        let mut conn = bring_to(before, end, reply, stimulus, blocked);
        apply(stimulus, &mut conn, end, now);
        let mut steps = 0;
        while conn.hangup() != Hangup::Drop {
            conn.tick(conn.deadline().expect("a deadline"));
            steps += 1;
            assert!(steps < 5, "{name}: time leads nowhere");
        }
        assert_eq!(conn.state(), State::Closed, "{name}");
    }

    // An outcome is final, and so is `Closed`.
    if let Some(outcome) = conn.outcome().cloned() {
        do_everything(&mut conn, end, now);
        assert_eq!(conn.outcome(), Some(&outcome), "{name}");
        assert_eq!(conn.state(), State::Closed, "{name}");
        assert_eq!(conn.hangup(), Hangup::Drop, "{name}: everything includes an abort");
        assert_eq!(sent(&mut conn), [], "{name}: nothing goes out any more");
        assert_eq!(outcome.is_clean(), outcome.cause == Cause::Clean);
        assert_eq!(
            outcome.is_clean(),
            outcome.sent.is_some() && outcome.received.is_some() && clean(before, stimulus)
        );
        assert!(!outcome.to_string().is_empty());
    } else {
        assert_ne!(conn.state(), State::Closed, "{name}");
    }
}

/// Whether an ending with a Close each way is one by the closing handshake.
fn clean(before: Before, stimulus: Stimulus) -> bool {
    !(before == Before::CloseReceived && matches!(stimulus, Stimulus::Fail | Stimulus::WriteStall))
}

fn copy_of_outbox(conn: &mut Connection) -> Vec<u8> {
    let outbox = conn.outbox();
    assert_eq!(outbox.chunk().len(), outbox.remaining(), "small frames lie together");
    outbox.chunk().to_vec()
}

#[test]
fn the_ways_into_closed_are_what_they_are_called() {
    for end in BOTH {
        for reply in [Reply::Automatic, Reply::WhenAsked] {
            for before in STATES {
                if matches!(before, Before::Open | Before::CloseSent | Before::CloseReceived) {
                    continue;
                }
                let conn = bring_to(before, end, reply, Stimulus::Eof, false);
                assert_eq!(conn.outcome().map(ended), Some(outcome_of(before, reply)), "{before:?}");
                assert_eq!(conn.hangup(), hangup_of(before, end), "{before:?}");
            }
        }
    }
}

/// An idle connection is closed like any other: 1001, and then the rows of `CloseSent`.
#[test]
fn idleness_begins_a_closing() {
    for end in BOTH {
        let mut config = quiet();
        config.idle = Some(secs(60));
        let mut conn = end.open(config).0;
        conn.tick(START + secs(60));
        assert_eq!(conn.state(), State::CloseSent);
        assert_eq!(drain(&mut conn), end.outgoing_close(CloseCode::GOING_AWAY.get(), "idle"));
        receive(&mut conn, &end.incoming_close(1001, ""));
        let outcome = conn.outcome().map(ended);
        let expected = (said(1001, "idle"), said(1001, ""), Initiator::Local, Cause::Clean, 1001);
        assert_eq!(outcome, Some(expected));
    }
}
