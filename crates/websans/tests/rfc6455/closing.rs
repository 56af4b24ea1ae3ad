//! The closing handshake, failure, and the transport's end: RFC 6455 §5.5.1, §7.

use std::collections::HashSet;

use bytes::Buf;
use websans::{
    Cause, Close, CloseCode, Connection, Hangup, Initiator, ProtocolError, SendError, State, Timestamp,
};

use crate::support::*;

/// "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer" (§5.5.1).
#[test]
fn r060_body_of_a_close() {
    let error = ProtocolError::TruncatedCloseCode;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        for byte in [0, 3, 0xff] {
            assert_fails(end, &quiet(), &end.incoming(FIN | CLOSE, &[byte]), &[], error);
            assert_fails(end, &when_asked(), &end.incoming(FIN | CLOSE, &[byte]), &[], error);
        }
        assert_events(end, &quiet(), &end.incoming(FIN | CLOSE, b""), &[Got::Close(None, String::new())]);
        for reason in ["", "r", "two words", &"r".repeat(123)] {
            assert_events(
                end,
                &quiet(),
                &end.incoming_close(1000, reason),
                &[Got::Close(Some(1000), reason.into())],
            );
        }
    }
}

/// "the 2-byte integer [is followed by] UTF-8-encoded data" (§5.5.1), and other data fails the connection (§8.1).
#[test]
fn r061_reason_received() {
    let error = ProtocolError::InvalidCloseReason;
    assert_eq!(error.close_code().get(), 1007);
    for end in BOTH {
        for reason in [
            &b"\xff"[..],
            b"\x80",
            b"\xc2",
            b"\xc2A",
            b"ok so far \xe2\x82",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\xf4\x90\x80\x80",
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        ] {
            let payload = [&1000u16.to_be_bytes(), reason].concat();
            assert_fails(end, &quiet(), &end.incoming(FIN | CLOSE, &payload), &[], error);
            assert_fails(end, &when_asked(), &end.incoming(FIN | CLOSE, &payload), &[], error);
        }
        let reason = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5} \u{1f600}";
        assert_events(
            end,
            &quiet(),
            &end.incoming_close(1000, reason),
            &[Got::Close(Some(1000), reason.into())],
        );
    }
}

/// A reason shares the 125 bytes of a control frame with the code.
#[test]
fn r061_reason_sent() {
    for end in BOTH {
        for fits in ["", "r", &"r".repeat(123), &"\u{e4}".repeat(61)] {
            let mut conn = end.conn();
            assert_eq!(conn.close(code(1000), fits), Ok(()));
            assert_eq!(drain(&mut conn), end.outgoing_close(1000, fits));
        }
        for too_long in [&"r".repeat(124), &"r".repeat(70_000), &"\u{e4}".repeat(62), &"\u{1f600}".repeat(31)]
        {
            let mut conn = end.conn();
            assert_eq!(conn.close(code(1000), too_long), Err(SendError::ReasonTooLong));
            assert_eq!(
                conn.close_with(Close::new(code(1000), too_long.as_str())),
                Err(SendError::ReasonTooLong)
            );
            assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
            // The caller may have it cut, and then no character is.
            let fitting = Close::fit(too_long);
            assert!(too_long.starts_with(fitting) && (120..=123).contains(&fitting.len()));
            assert_eq!(conn.close(code(1000), fitting), Ok(()));
            assert_eq!(drain(&mut conn), end.outgoing_close(1000, fitting));
        }
    }
    // Cut at every place of a text with characters of all lengths.
    let text = "a\u{e4}\u{20ac}\u{1f600}".repeat(20);
    for skip in 0..20 {
        let Some(text) = text.get(skip..) else { continue };
        let fitting = Close::fit(text);
        assert!(text.starts_with(fitting) && fitting.len() > 119 && fitting.len() <= 123);
    }
    assert_eq!(Close::fit("short"), "short");
}

fn may_be_on_the_wire(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// "Status codes in the range 0-999 are not used"; 1004 is reserved; 1005, 1006 and 1015 "MUST NOT be set as a status
/// code in a Close control frame"; those from 1016 to 2999 are not assigned (§7.4).
#[test]
fn r062_codes_received() {
    assert_eq!(ProtocolError::InvalidCloseCode.close_code().get(), 1002);
    for end in BOTH {
        for code in 0..=u16::MAX {
            let mut conn = end.conn();
            let (events, error) = receive(&mut conn, &end.incoming_close(code, "r"));
            if may_be_on_the_wire(code) {
                assert_eq!((events, error), (vec![Got::Close(Some(code), "r".into())], None), "{code}");
                assert_eq!(conn.outcome().unwrap().code(), code);
            } else {
                assert_eq!((events, error), (vec![], Some(ProtocolError::InvalidCloseCode)), "{code}");
                assert_failed(&mut conn, ProtocolError::InvalidCloseCode, "code");
            }
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert_fails(end, &quiet(), &end.incoming_close(code, ""), &[], ProtocolError::InvalidCloseCode);
        }
    }
}

#[test]
fn r063_codes_sent() {
    for number in 0..=u16::MAX {
        assert_eq!(CloseCode::new(number).map(CloseCode::get), may_be_on_the_wire(number).then_some(number));
    }
    for end in BOTH {
        for number in (0..=u16::MAX).filter(|&number| may_be_on_the_wire(number)) {
            let mut conn = end.conn();
            let result = conn.close(code(number), "");
            // "1010 [...] is not used by the server" (§7.4.1).
            if end == End::Server && number == 1010 {
                assert_eq!(result, Err(SendError::CodeNotForServers));
                assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
            } else {
                assert_eq!(result, Ok(()));
                assert_eq!(drain(&mut conn), end.outgoing_close(number, ""));
            }
        }
    }
    // Not as an echo either.
    let mut server = End::Server.conn();
    receive(&mut server, &End::Server.incoming_close(1010, "x-extension"));
    assert_eq!(drain(&mut server), End::Server.outgoing_close(1000, "x-extension"));
    assert_eq!(server.outcome().unwrap().code(), 1010);
    let mut client = End::Client.conn();
    receive(&mut client, &End::Client.incoming_close(1010, "odd"));
    assert_eq!(drain(&mut client), End::Client.outgoing_close(1010, "odd"));
}

/// "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close
/// frame in response. (When sending a Close frame in response, the endpoint typically echos the status code it
/// received.)" (§5.5.1)
#[test]
fn r064_close_is_answered_once() {
    for end in BOTH {
        for payload in [vec![], close_payload(1000, ""), close_payload(4000, "bye \u{1f600}")] {
            let bytes = end.incoming(FIN | CLOSE, &payload);
            splits(&bytes, |pieces| {
                let mut conn = end.conn();
                receive_pieces(&mut conn, pieces);
                assert_eq!(drain(&mut conn), end.outgoing(FIN | CLOSE, &payload));
            });
            let mut conn = end.conn();
            receive(&mut conn, &bytes.repeat(3));
            assert_eq!(conn.close(code(1000), ""), Err(SendError::Closing));
            conn.fail(ProtocolError::InvalidUtf8);
            conn.eof();
            conn.tick(START + secs(100));
            assert_eq!(drain(&mut conn), end.outgoing(FIN | CLOSE, &payload));

            // The application answers with what it likes.
            let mut conn = end.open(when_asked()).0;
            receive(&mut conn, &bytes.repeat(3));
            assert_eq!((conn.state(), conn.wants_write()), (State::CloseReceived, false));
            conn.send("last words").unwrap();
            conn.close_with(Close::default()).unwrap();
            assert_eq!(conn.close_with(Close::default()), Err(SendError::Closing));
            conn.fail(ProtocolError::InvalidUtf8);
            let expected = [end.outgoing(FIN | TEXT, b"last words"), end.outgoing(FIN | CLOSE, b"")];
            assert_eq!(drain(&mut conn), expected.concat());

            // Ours was first: theirs is the answer and gets none.
            let mut conn = end.conn();
            conn.close(code(3000), "first").unwrap();
            assert_eq!(drain(&mut conn), end.outgoing_close(3000, "first"));
            receive(&mut conn, &bytes.repeat(3));
            assert_eq!(conn.state(), State::Closed);
            assert_eq!(sent(&mut conn), []);
        }
    }
}

/// "The application MUST NOT send any more data frames after sending a Close frame"; data that was under way is
/// delivered until the peer's Close (§5.5.1, §7.1.1).
#[test]
fn r065_between_our_close_and_theirs() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(quiet());
        conn.send_part("unfinished", false).unwrap();
        conn.close(code(1001), "away").unwrap();
        assert_eq!(conn.send_part("end", true), Err(SendError::Closing));
        assert_eq!(conn.ping(b""), Err(SendError::Closing));
        let bytes = [
            end.incoming(TEXT, b"under "),
            end.incoming(FIN | PING, b"?"),
            end.incoming(FIN, b"way"),
            end.incoming(FIN | BINARY, b"too"),
            end.incoming_close(1001, ""),
            end.incoming(FIN | PING, b"??"),
            end.incoming(FIN | TEXT, b"late"),
        ]
        .concat();
        let messages = vec![Owned::Text("under way".into()), Owned::Binary(b"too".to_vec())];
        assert_eq!(read(&mut conn, &mut inbox, &bytes), (messages, None));
        assert_eq!(conn.state(), State::Closed);
        let frames = sent(&mut conn);
        let opcodes: Vec<u8> = frames.iter().map(Frame::opcode).collect();
        assert_eq!(opcodes, [TEXT, CLOSE, PONG]);
        assert_eq!(frames[2].payload, b"?");
    }
}

/// "After receiving a control frame indicating the connection should be closed, a peer discards any further data
/// received" (§1.4).
#[test]
fn r066_bytes_behind_the_close() {
    for end in BOTH {
        for config in [quiet(), when_asked()] {
            for behind in [
                end.incoming(FIN | TEXT, b"late"),
                end.incoming(FIN | PING, b""),
                end.incoming_close(1002, "again"),
                end.incoming(FIN | CLOSE, b"x"),
                vec![0xff; 1000],
                vec![0; 1000],
                b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            ] {
                let bytes = [end.incoming(FIN | TEXT, b"m"), end.incoming_close(1000, ""), behind].concat();
                let expected = [text("m"), Got::Close(Some(1000), String::new())];
                assert_events(end, &config, &bytes, &expected);
                let (mut conn, mut inbox) = end.open(config.clone());
                assert_eq!(read(&mut conn, &mut inbox, &bytes), (vec![Owned::Text("m".into())], None));
                assert_eq!(conn.stats().bytes_received, bytes.len() as u64);
                assert_eq!(conn.stats().frames_received, 2);
                if config == quiet() {
                    assert_eq!(drain(&mut conn), end.outgoing_close(1000, ""));
                    assert!(conn.outcome().unwrap().is_clean());
                }
            }
        }
    }
}

/// "the underlying TCP connection, in most normal cases, SHOULD be closed first by the server [...]; a client SHOULD
/// wait for the server" (§7.1.1).
#[test]
fn r067_who_ends_the_transport() {
    for ours_first in [false, true] {
        let close = |end: End| {
            let mut conn = end.conn();
            if ours_first {
                conn.close(code(1000), "").unwrap();
            }
            assert_eq!(conn.hangup(), Hangup::NotYet);
            receive(&mut conn, &end.incoming_close(1000, ""));
            // Nothing before the Close is written.
            assert_eq!((conn.state(), conn.hangup()), (State::Closed, Hangup::NotYet));
            drain(&mut conn);
            conn
        };
        let mut server = close(End::Server);
        assert_eq!(server.hangup(), Hangup::ShutdownWrite);
        assert_eq!(server.deadline(), Some(START + secs(5)));
        server.eof();
        assert_eq!(server.hangup(), Hangup::Drop);
        let mut server = close(End::Server);
        server.tick(START + secs(5));
        assert_eq!(server.hangup(), Hangup::Drop);

        let mut client = close(End::Client);
        assert_eq!(client.hangup(), Hangup::NotYet);
        client.eof();
        assert_eq!(client.hangup(), Hangup::Drop);
        let mut client = close(End::Client);
        client.tick(START + secs(4));
        assert_eq!(client.hangup(), Hangup::NotYet);
        client.tick(START + secs(5));
        assert_eq!(client.hangup(), Hangup::Drop);
        // Its ending is no less clean for that.
        assert!(client.outcome().unwrap().is_clean());
    }
}

/// "If this Close control frame contains no status code, _The WebSocket Connection Close Code_ is considered to be
/// 1005. If [...] no Close control frame was received [...] 1006" (§7.1.5).
#[test]
fn r067_codes_of_endings_without_a_code() {
    for end in BOTH {
        let mut conn = end.conn();
        receive(&mut conn, &end.incoming(FIN | CLOSE, b""));
        let outcome = conn.outcome().unwrap();
        assert_eq!((outcome.code(), outcome.cause), (1005, Cause::Clean));
        let mut conn = end.conn();
        conn.eof();
        let outcome = conn.outcome().unwrap();
        assert_eq!((outcome.code(), outcome.cause, outcome.initiator), (1006, Cause::Eof, Initiator::Peer));
        let mut conn = end.conn();
        conn.close(code(1000), "").unwrap();
        conn.eof();
        let outcome = conn.outcome().unwrap();
        assert_eq!((outcome.code(), outcome.cause, outcome.initiator), (1006, Cause::Eof, Initiator::Local));
        assert_eq!(outcome_close(outcome.sent.as_ref()), Some((Some(1000), String::new())));
    }
}

/// "the endpoint SHOULD send a Close frame with an appropriate status code before proceeding to _Close the WebSocket
/// Connection_. [...] an endpoint MUST NOT continue to attempt to process data" (§7.1.7). What came before the error is
/// delivered, what comes after it is swallowed.
#[test]
fn r069_failure_in_the_middle_of_a_read() {
    for end in BOTH {
        let good = [
            end.incoming(FIN | TEXT, b"one"),
            end.incoming(BINARY, b"t"),
            end.incoming(FIN | PING, b"ping"),
            end.incoming(FIN, b"wo"),
        ]
        .concat();
        let after =
            [end.incoming(FIN | TEXT, b"three"), end.incoming_close(1000, ""), vec![0xff; 300]].concat();
        for (bad, error) in [
            (end.incoming(FIN | 3, b""), ProtocolError::ReservedOpcode),
            (end.incoming(FIN | TEXT, b"\xff"), ProtocolError::InvalidUtf8),
            (end.incoming(FIN, b""), ProtocolError::UnexpectedContinuation),
            (end.incoming_close(1005, ""), ProtocolError::InvalidCloseCode),
            (header(FIN | TEXT, end.incoming_key(), 1 << 30), ProtocolError::MessageTooBig),
        ] {
            let bytes = [&good[..], &bad, &after].concat();
            splits(&bytes, |pieces| {
                let (mut conn, mut inbox) = end.open(quiet());
                let mut messages = Vec::new();
                let mut errors = Vec::new();
                for mut piece in pieces {
                    // As an application does: each message is answered as it comes.
                    while !piece.is_empty() {
                        fill(&mut inbox, &mut piece);
                        loop {
                            match inbox.next(&mut conn) {
                                Ok(true) => {
                                    let message = inbox.message().unwrap();
                                    messages.push(Owned::from(message));
                                    conn.send(message).unwrap();
                                }
                                Ok(false) => break,
                                Err(error) => errors.push(error),
                            }
                        }
                    }
                }
                assert_eq!(messages, [Owned::Text("one".into()), Owned::Binary(b"two".to_vec())]);
                assert_eq!(errors, [error], "once");
                let outcome = conn.outcome().unwrap();
                assert_eq!((outcome.cause, outcome.received.clone()), (Cause::Protocol(error), None));
                let answers = [
                    end.outgoing(FIN | TEXT, b"one"),
                    end.outgoing(FIN | PONG, b"ping"),
                    end.outgoing(FIN | BINARY, b"two"),
                    end.outgoing_close(error.close_code().get(), error.reason()),
                ];
                assert_eq!(conn.hangup(), Hangup::NotYet);
                assert_eq!(drain(&mut conn), answers.concat());
                // "(including a responding Close frame)": both ends hang up, the client too.
                assert_eq!(conn.hangup(), Hangup::ShutdownWrite);
                assert_eq!(conn.deadline(), Some(START + secs(5)));
                conn.eof();
                assert_eq!(conn.hangup(), Hangup::Drop);
            });
        }
    }
}

/// What two ends and the way between them have done so far.
struct Pair {
    ends: [Connection; 2],
    /// Whether each has closed, and what is on its way to each.
    closed: [bool; 2],
    wires: [Vec<u8>; 2],
    sent_closes: [usize; 2],
}

/// One thing that may happen: an end closes, writes some bytes, or reads some.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Close(usize),
    Write(usize, usize),
    Read(usize, usize),
}

impl Pair {
    fn new() -> Self {
        Self {
            ends: [End::Server.conn(), End::Client.conn()],
            closed: [false; 2],
            wires: [vec![], vec![]],
            sent_closes: [0; 2],
        }
    }

    fn possible(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for at in 0..2 {
            if !self.closed[at] {
                steps.push(Step::Close(at));
            }
            let waiting = self.ends[at].outbox().remaining();
            let amounts = [1, 3, waiting];
            steps.extend(amounts.iter().filter(|&&n| n > 0 && n <= waiting).map(|&n| Step::Write(at, n)));
            let waiting = self.wires[at].len();
            let amounts = [1, 3, waiting];
            steps.extend(amounts.iter().filter(|&&n| n > 0 && n <= waiting).map(|&n| Step::Read(at, n)));
        }
        steps.dedup();
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Close(at) => {
                self.closed[at] = true;
                let reason = ["server", "client"][at];
                let state = self.ends[at].state();
                let result = self.ends[at].close(code(if at == 0 { 1001 } else { 3000 }), reason);
                assert_eq!(result.is_ok(), state == State::Open);
            }
            Step::Write(at, mut n) => {
                while n > 0 {
                    let outbox = self.ends[at].outbox();
                    let some = n.min(outbox.chunk().len());
                    self.wires[1 - at].extend_from_slice(&outbox.chunk()[..some]);
                    outbox.advance(some);
                    n -= some;
                }
            }
            Step::Read(at, n) => {
                let bytes: Vec<u8> = self.wires[at].drain(..n).collect();
                let (events, error) = receive(&mut self.ends[at], &bytes);
                assert_eq!(error, None);
                for event in events {
                    assert!(matches!(event, Got::Close(..)));
                    self.sent_closes[1 - at] += 1;
                }
            }
        }
    }

    /// All that can be told apart, so that no situation is looked at twice.
    fn situation(&mut self) -> String {
        let ends = self.ends.each_mut().map(|end| {
            let waiting = drain_copy(end);
            format!("{:?} {:?} {:?} {}", end.state(), end.outcome(), waiting, end.stats().bytes_received)
        });
        format!("{:?} {:?} {:?}", ends, self.closed, self.wires)
    }
}

fn drain_copy(conn: &mut Connection) -> Vec<u8> {
    assert!(conn.outbox().chunk().len() == conn.outbox().remaining(), "small frames lie together");
    conn.outbox().chunk().to_vec()
}

/// Both close at once, or one of them does, and every byte takes its time: in all orders in which things can happen,
/// each sends one Close and both end cleanly.
#[test]
fn r070_simultaneous_close_in_all_orders() {
    let mut seen = HashSet::new();
    let mut open: Vec<Vec<Step>> = vec![vec![]];
    let (mut ended, mut both_closed) = (0, 0);
    while let Some(path) = open.pop() {
        let mut pair = Pair::new();
        for &step in &path {
            pair.take(step);
        }
        if !seen.insert(pair.situation()) {
            continue;
        }
        let steps = pair.possible();
        let can_move = steps.iter().any(|step| !matches!(step, Step::Close(_)));
        if !can_move && (pair.closed[0] || pair.closed[1]) {
            ended += 1;
            let outcomes = pair.ends.each_ref().map(|end| end.outcome().expect("closed").clone());
            for (outcome, conn) in outcomes.iter().zip(&pair.ends) {
                assert_eq!(outcome.cause, Cause::Clean, "{path:?}");
                assert!(outcome.sent.is_some() && outcome.received.is_some());
                assert_eq!(conn.stats().frames_sent, 1, "one Close each: {path:?}");
                assert_eq!(conn.stats().frames_received, 1);
            }
            assert_eq!(outcomes[0].sent, outcomes[1].received);
            assert_eq!(outcomes[1].sent, outcomes[0].received);
            assert_eq!(pair.ends[0].hangup(), Hangup::ShutdownWrite);
            assert_eq!(pair.ends[1].hangup(), Hangup::NotYet);
            let local = outcomes.each_ref().map(|outcome| outcome.initiator == Initiator::Local);
            assert!(local[0] || local[1], "somebody began: {path:?}");
            both_closed += usize::from(local[0] && local[1]);
        }
        for step in steps {
            let mut path = path.clone();
            path.push(step);
            open.push(path);
        }
    }
    assert!(ended > 2 && both_closed > 0, "{ended} endings, {both_closed} of them simultaneous");
}

/// "If at any point the underlying transport layer connection is unexpectedly lost, the client MUST _Fail the
/// WebSocket Connection_" (§7.2.1): at every byte of a session, in every state.
#[test]
fn r071_transport_lost_at_every_byte() {
    for end in BOTH {
        let session = [
            end.incoming(FIN | TEXT, b"one"),
            end.incoming(TEXT, b"tw"),
            end.incoming(FIN | PING, b"ping"),
            end.incoming(FIN, b"o"),
            end.incoming(FIN | BINARY, &[7; 200]),
            end.incoming_close(1000, "bye"),
        ]
        .concat();
        for at in 0..=session.len() {
            for by_abort in [false, true] {
                for config in [quiet(), when_asked()] {
                    let (mut conn, mut inbox) = end.open(config);
                    let (messages, error) = read(&mut conn, &mut inbox, &session[..at]);
                    assert_eq!(error, None);
                    let state = conn.state();
                    let before = conn.outcome().cloned();
                    if by_abort {
                        conn.abort();
                        assert_eq!(conn.hangup(), Hangup::Drop);
                    } else {
                        conn.eof();
                    }
                    assert_eq!(conn.state(), State::Closed);
                    let outcome = conn.outcome().unwrap().clone();
                    match state {
                        State::Closed => assert_eq!(Some(&outcome), before.as_ref()),
                        _ => {
                            let cause = if by_abort { Cause::Aborted } else { Cause::Eof };
                            assert_eq!(outcome.cause, cause, "{end:?} at {at}");
                            let received = state == State::CloseReceived;
                            assert_eq!(outcome.received.is_some(), received);
                            assert_eq!(outcome.code(), if received { 1000 } else { 1006 });
                        }
                    }
                    // What was whole is not taken back; what was not never comes.
                    assert!(messages.len() <= 3);
                    assert_eq!(inbox.next(&mut conn), Ok(false));
                    assert_eq!(inbox.message(), None);
                    // What still waits is worth a try after the peer's end of stream, and then it is over.
                    drain(&mut conn);
                    assert_eq!(conn.hangup(), Hangup::Drop);
                    assert_eq!(conn.send("x"), Err(SendError::Closing));
                    assert_eq!(*conn.outcome().unwrap(), outcome);
                }
            }
        }
    }
}

#[test]
fn r071_transport_lost_in_every_state() {
    type Prepare = fn(&mut Connection, End);
    let states: [(&str, Prepare); 5] = [
        ("open", |_, _| {}),
        ("close sent", |conn, _| conn.close(code(1000), "").unwrap()),
        ("close received", |conn, end| drop(receive(conn, &end.incoming_close(1000, "")))),
        ("failed", |conn, _| conn.fail(ProtocolError::InvalidUtf8)),
        ("closed", |conn, end| {
            conn.close(code(1000), "").unwrap();
            receive(conn, &end.incoming_close(1000, ""));
        }),
    ];
    for end in BOTH {
        for (name, prepare) in states {
            for drained in [false, true] {
                let mut conn = end.open(when_asked()).0;
                prepare(&mut conn, end);
                let before = conn.outcome().cloned();
                if drained {
                    drain(&mut conn);
                }
                conn.eof();
                assert_eq!(conn.state(), State::Closed, "{name}");
                let outcome = conn.outcome().unwrap();
                match before {
                    Some(before) => assert_eq!(*outcome, before),
                    None => assert_eq!(outcome.cause, Cause::Eof, "{name}"),
                }
                drain(&mut conn);
                assert_eq!(conn.hangup(), Hangup::Drop, "{name}");
                // Time and bytes change nothing any more.
                conn.tick(Timestamp::from_nanos(u64::MAX));
                receive(&mut conn, &[0xff; 10]);
                conn.eof();
                assert_eq!((conn.hangup(), conn.wants_write()), (Hangup::Drop, false), "{name}");
            }
        }
    }
}
