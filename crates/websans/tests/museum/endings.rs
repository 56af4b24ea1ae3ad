//! Endings: closings that are not completed, transports that end or stall, and what is called afterwards.

use core::time::Duration;

use allocation_counter::measure;
use bytes::Buf;
use proptest::prelude::*;
use websans::{
    Cause, Config, Connection, Hangup, Inbox, Keepalive, ProtocolError, SendError, State, Timestamp,
};
use websans_testkit::calls::{self, play};

use crate::control::{flood, plain, until_full};
use crate::support::*;

fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_nanos(time.as_nanos() - 1)
}

/// We have closed, and the peer is silent or goes on sending: it is gone at the deadline, to the nanosecond, and what it
/// sends meanwhile is thrown away.
///
/// Fails when `Connection::tick` does not look at the deadline of a closing, and when what is received moves it.
#[test]
fn cve_2024_23672_closing_that_is_never_completed() {
    for end in BOTH {
        for talks in [false, true] {
            let mut conn = end.open(Config::default()).0;
            conn.tick(START + secs(1));
            conn.close(code(1000), "").unwrap();
            assert_eq!(sent(&mut conn).len(), 1);
            let due = START + secs(1) + Config::default().close_within;
            for n in 0..50 {
                conn.tick(START + secs(1) + Duration::from_millis(99 * n));
                if talks {
                    receive(&mut conn, &end.incoming(FIN | PING, b"x"));
                    receive(&mut conn, &end.incoming(FIN | BINARY, &[7; 1000]));
                }
                // Its Pings are still answered, which gains it no time.
                assert!(sent(&mut conn).iter().all(|frame| frame.opcode() == PONG));
                assert_eq!((conn.hangup(), conn.deadline()), (Hangup::NotYet, Some(due)), "{end:?}, {talks}");
            }
            conn.tick(just_before(due));
            assert_eq!(conn.hangup(), Hangup::NotYet);
            conn.tick(due);
            assert_eq!(conn.hangup(), Hangup::Drop, "{end:?}, {talks}");
            assert_eq!(conn.outcome().unwrap().cause, Cause::CloseTimeout);
        }
    }
}

/// A message that is sent while the connection closes is refused: it goes before the Close or not at all.
///
/// Fails when `Connection::can_send` is always true.
#[test]
fn cve_2024_23672_sending_and_closing_at_once() {
    for end in BOTH {
        for begin in 0..3 {
            let mut conn = end.open(Config::default()).0;
            conn.send("before").unwrap();
            match begin {
                0 => conn.close(code(1000), "").unwrap(),
                1 => drop(receive(&mut conn, &end.incoming_close(1000, ""))),
                _ => conn.fail(ProtocolError::InvalidUtf8),
            }
            assert_eq!(conn.send("after"), Err(SendError::Closing));
            assert_eq!(conn.send_part("after", false), Err(SendError::Closing));
            assert_eq!(conn.ping(b"after"), Err(SendError::Closing));
            assert_eq!(conn.pong(b"after"), Err(SendError::Closing));
            assert_eq!(conn.close(code(1000), "after"), Err(SendError::Closing));
            let frames = sent(&mut conn);
            let opcodes: Vec<_> = frames.iter().map(|frame| frame.opcode()).collect();
            assert_eq!(opcodes, [TEXT, CLOSE], "{end:?}, {begin}");
        }
    }
}

/// A peer that answers no Close and sends without end: thrown away as it comes, and gone in time.
///
/// Fails when `ignores_input` does not hold for what is closed.
#[test]
fn attack_12_endless_data_behind_a_close() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        conn.fail(ProtocolError::InvalidUtf8);
        drain(&mut conn);
        conn.tick(START);
        let mut bytes = plain(end, FIN | BINARY, &[7; 1000]).repeat(100);
        let info = measure(|| assert_eq!(flood(&mut conn, &mut bytes, 1000), Ok(0)));
        assert_eq!((info.bytes_max, info.count_total), (0, 0), "{end:?}");
        assert_eq!(conn.stats().bytes_received, 1000 * bytes.len() as u64, "counted");
        assert_eq!(conn.hangup(), Hangup::ShutdownWrite);
        let due = START + conn.config().close_within;
        assert_eq!(conn.deadline(), Some(due));
        conn.tick(due);
        assert_eq!(conn.hangup(), Hangup::Drop, "{end:?}");
    }
}

/// A peer whose window is shut: the connection keeps what the limit allows, and is given up when the stall is over.
///
/// Fails when `judge_writes` does not watch what waits to be written.
#[test]
fn attack_11_peer_that_does_not_read() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let limit = conn.config().max_outbox;
        until_full(|| conn.send(&[7; 5000][..]));
        assert!(conn.outbox().len() <= limit + 14);
        conn.tick(START);
        let due = START + conn.config().write_stall;
        assert_eq!(conn.deadline(), Some(due));
        // It goes on sending, which is life, but does not read.
        for n in 1..30 {
            conn.tick(START + secs(n));
            receive(&mut conn, &end.incoming(FIN | PING, b"x"));
            assert_eq!((conn.hangup(), conn.deadline()), (Hangup::NotYet, Some(due)));
            assert!(conn.outbox().len() <= limit + 14 + 131);
        }
        conn.tick(just_before(due));
        assert_eq!(conn.state(), State::Open);
        conn.tick(due);
        assert_eq!((conn.hangup(), conn.outcome().unwrap().cause), (Hangup::Drop, Cause::WriteStall));
    }
}

/// A peer that is gone without a word: asked after 30 seconds, given up 10 later, to the nanosecond.
///
/// Fails when `keep_alive` asks and does not give up.
#[test]
fn attack_13_half_open_connection() {
    for end in BOTH {
        let mut config = Config::default();
        config.keepalive = Some(Keepalive { every: secs(30), within: secs(10) });
        let mut conn = end.open(config).0;
        conn.tick(just_before(START + secs(30)));
        assert!(!conn.wants_write());
        conn.tick(START + secs(30));
        assert_eq!(sent(&mut conn)[0].opcode(), PING);
        conn.tick(just_before(START + secs(40)));
        assert_eq!(conn.state(), State::Open);
        conn.tick(START + secs(40));
        assert_eq!((conn.hangup(), conn.outcome().unwrap().cause), (Hangup::Drop, Cause::KeepaliveTimeout));
    }
}

/// What came before the end of the transport, and how it is reported: 1006 unless the peer's Close is there to the last
/// byte. Without TLS, or with a TLS that was cut, the end of the bytes proves nothing.
///
/// Fails when `Connection::eof` ends cleanly.
#[test]
fn attack_35_end_of_the_transport_at_every_byte() {
    for end in BOTH {
        let session = [
            end.incoming(FIN | TEXT, b"hello"),
            end.incoming(BINARY, &[7; 200]),
            end.incoming(FIN | PING, b"ping"),
            end.incoming(FIN, b"end"),
            end.incoming_close(1000, "bye"),
        ]
        .concat();
        for at in 0..=session.len() {
            let (mut conn, mut inbox) = end.open(quiet());
            let (messages, error) = read(&mut conn, &mut inbox, &session[..at]);
            assert_eq!(error, None);
            conn.eof();
            drain(&mut conn);
            let outcome = conn.outcome().unwrap();
            let whole = at == session.len();
            assert_eq!(outcome.is_clean(), whole, "{end:?}, {at}");
            assert_eq!(outcome.code(), if whole { 1000 } else { 1006 }, "{end:?}, {at}");
            assert_eq!((conn.hangup(), messages.len() <= 2), (Hangup::Drop, true));
            assert_eq!(inbox.next(&mut conn), Ok(false), "no half message is delivered");
        }
    }
}

/// Whatever is called after an error: no event, no message, and no word but the one Close.
///
/// Fails when `ignores_input` does not hold for what is closed.
#[test]
fn attack_31_every_call_after_an_error() {
    let bad = |end: End| {
        [
            end.incoming(FIN | 3, b"x"),
            end.incoming(FIN | 0x40 | TEXT, b"x"),
            end.incoming(FIN | TEXT, b"\xff"),
            end.incoming(PING, b""),
            end.incoming(FIN | CLOSE, b"x"),
            header(FIN | BINARY, end.incoming_key(), 1 << 40),
            end.peer().incoming(FIN | BINARY, b"x"),
        ]
    };
    for end in BOTH {
        for bytes in bad(end) {
            let (mut conn, mut inbox) = end.open(quiet());
            let error = read(&mut conn, &mut inbox, &bytes).1.expect("an error");
            let frames = sent(&mut conn);
            assert_eq!(frames.len(), 1, "{error}");
            after_the_end(end, &mut conn, &mut inbox);
            assert_eq!(conn.outcome().unwrap().cause, Cause::Protocol(error));
        }
    }
}

/// Calls everything there is, twice.
fn after_the_end(end: End, conn: &mut Connection, inbox: &mut Inbox) {
    let good = [end.incoming(FIN | TEXT, b"x"), end.incoming(FIN | PING, b""), end.incoming_close(1000, "")]
        .concat();
    let outcome = conn.outcome().cloned();
    for _ in 0..2 {
        assert_eq!(receive(conn, &good), (vec![], None));
        let (messages, error) = read(conn, inbox, &good);
        assert_eq!((messages.len(), error, inbox.next_chunk(conn)), (0, None, Ok(false)));
        assert!(inbox.message().is_none() && inbox.chunk().is_none() && inbox.take().is_none());
        assert_eq!(conn.send("x"), Err(SendError::Closing));
        assert_eq!(conn.send_part("x", true), Err(SendError::Closing));
        assert_eq!((conn.ping(b""), conn.pong(b"")), (Err(SendError::Closing), Err(SendError::Closing)));
        assert_eq!(conn.close(code(1000), ""), Err(SendError::Closing));
        conn.set_streamed(true);
        conn.fail(ProtocolError::MessageTooBig);
        conn.park();
        inbox.park();
        conn.note_blocked();
        conn.wake(START + secs(1));
        conn.tick(START + secs(1));
        assert_eq!((conn.state(), conn.wants_write()), (State::Closed, false));
        assert_eq!(conn.outcome().cloned(), outcome, "the ending stays what it was");
        conn.eof();
        conn.tick(START + secs(100));
        assert_eq!((conn.hangup(), conn.outcome().cloned()), (Hangup::Drop, outcome.clone()));
        conn.abort();
        conn.note_stalled();
        assert_eq!((conn.hangup(), conn.outcome().cloned()), (Hangup::Drop, outcome.clone()));
    }
}

/// What is misuse is an error that leaves everything as it was.
///
/// Fails when `send_control` takes 126 bytes, and when `close_with` takes 1010 from a server.
#[test]
fn attack_32_misuse_is_an_error() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let too_long = "x".repeat(124);
        assert_eq!(conn.ping(&[7; 126]), Err(SendError::ControlTooLong));
        assert_eq!(conn.pong(&[7; 126]), Err(SendError::ControlTooLong));
        assert_eq!(conn.close(code(1000), &too_long), Err(SendError::ReasonTooLong));
        let text = websans::Payload::new(websans::Kind::Text, b"\xff");
        assert_eq!(conn.send(text), Err(SendError::InvalidUtf8));
        assert!(websans::CloseCode::new(1005).is_none() && websans::CloseCode::new(999).is_none());
        assert_eq!((conn.state(), conn.wants_write(), conn.stats().frames_sent), (State::Open, false, 0));
        conn.send_part("x", false).unwrap();
        assert_eq!(conn.send("y"), Err(SendError::MessageInProgress));
        assert_eq!(conn.send_part(&b"y"[..], false), Err(SendError::KindChanged));
        conn.send_part("z", true).unwrap();
        assert_eq!(sent(&mut conn).len(), 2);
        if end == End::Server {
            assert_eq!(conn.close(code(1010), ""), Err(SendError::CodeNotForServers));
        }
        conn.outbox().advance(usize::MAX);
        conn.outbox().advance(1);
        let (mut conn, mut inbox) = end.open(quiet());
        inbox.filled(usize::MAX);
        assert!(inbox.next(&mut conn).is_ok());
    }
}

/// As many cases, or as many more as PROPTEST_CASES asks for.
fn cases(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(cases), failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Any call at any time, in any order: where best-of-class machines without I/O have had panics that no fuzzing of
    /// their bytes alone has found.
    ///
    /// Fails when `Connection::can_send` is always true.
    #[test]
    fn rustsec_2024_0373_any_call_in_any_order(
        client in any::<bool>(),
        calls in proptest::collection::vec(calls::call(), 0..30),
    ) {
        let end = if client { End::Client } else { End::Server };
        play(end.open(Config::default()), &calls);
    }
}
