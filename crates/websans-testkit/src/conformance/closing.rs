//! The closing handshake, and the order of what goes before it.

use websans::{Cause, CloseCode, Initiator, ProtocolError, Reply, SendError};

use super::{End, Fault, Owned, Seat, Subject, assert_bare, assert_over, config, echo, patient, pattern};
use crate::wire::{Frame, opcode};

/// We say it first.
pub fn our_close_is_answered<S: Subject>(seat: Seat) {
    let script = seat.script().close(4321, "we go").send(&[Frame::close(4321, "we go")]).end();
    let mut subject: S = seat.start(patient(), script);
    let code = CloseCode::new(4321).expect("a legal code");
    let outcome = subject.close(code, "we go").expect("it is closed");
    assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Local));
    assert_eq!((outcome.code(), &outcome.sent), (4321, &outcome.received));
    assert_eq!(assert_over(&mut subject), outcome);
    subject.join();
}

/// They say it first: with a code and a reason, with a code alone, and with nothing.
pub fn their_close_is_echoed<S: Subject>(seat: Seat) {
    for close in [Frame::close(1001, "they go"), Frame::close(3999, ""), Frame::new(opcode::CLOSE, [])] {
        let script = seat.script().send(&[Frame::text("last"), close.clone()]).expect(close).end();
        let mut subject: S = seat.start(patient(), script);
        assert_eq!(subject.recv(), Ok(Some("last".into())));
        assert_eq!(subject.recv(), Ok(None));
        let outcome = assert_over(&mut subject);
        assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Peer));
        assert_eq!(outcome.sent, outcome.received);
        subject.join();
    }
}

/// RFC 6455 §5.5.1: the Closes may cross, and neither is answered.
pub fn both_close_at_once<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::close(1001, "they")]).close(1000, "we").end();
    let mut subject: S = seat.start(patient(), script);
    subject.start_close(CloseCode::NORMAL, "we").expect("it is sent");
    assert_eq!(subject.recv(), Ok(None));
    let outcome = assert_over(&mut subject);
    assert_eq!((outcome.cause, outcome.initiator), (Cause::Clean, Initiator::Local));
    assert_eq!(outcome.code(), 1001);
    assert_eq!(outcome.sent.and_then(|close| close.code), Some(CloseCode::NORMAL));
    subject.join();
}

/// What is sent in answer to a message goes before the answer to the Close that came right behind it; what came behind
/// that Close is not looked at.
pub fn answers_go_before_the_echo_of_a_close<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[
            Frame::text("question 1"),
            Frame::ping("are you there?"),
            Frame::binary(pattern(5000)),
            Frame::text("question 3"),
            Frame::close(1000, "no more questions"),
            Frame::text("not looked at"),
            Frame::new(3, "not even this"),
        ])
        .message("question 1")
        .message(pattern(5000))
        .message("question 3")
        .close(1000, "no more questions")
        .end();
    let mut subject: S = seat.start(patient(), script);
    for _ in 0..3 {
        let message = subject.recv().expect("no error").expect("no end");
        subject.rest(S::TIMES.moment); // the Close has long arrived
        subject.send(&message).expect("it can be sent");
    }
    assert_eq!(subject.recv(), Ok(None));
    assert!(assert_over(&mut subject).is_clean());
    subject.join();
}

/// However long it takes the peer to read it.
pub fn what_was_fed_goes_before_our_close<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .pause(S::TIMES.moment)
        .message("first")
        .message(pattern(300_000))
        .close(1000, "that was all")
        .send(&[Frame::close(1000, "that was all")])
        .end();
    let (mut subject, _) = seat.start_with::<S>(1 << 10, patient(), script);
    subject.feed(&"first".into()).expect("there is room");
    subject.feed(&pattern(300_000).into()).expect("room is made");
    let outcome = subject.close(CloseCode::NORMAL, "that was all").expect("it is closed");
    assert!(outcome.is_clean());
    assert_eq!(assert_over(&mut subject), outcome);
    subject.join();
}

/// After our Close the peer's messages still arrive, until its own.
pub fn messages_arrive_until_their_close<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .close(1000, "enough")
        .send(&[Frame::text("one more"), Frame::ping("p"), Frame::text("and").unfinished()])
        // "unless it already received a Close frame" (RFC 6455 §5.5.2): that we have sent one is no reason.
        .expect(Frame::pong("p"))
        .pause(S::TIMES.moment)
        .send(&[Frame::continuation(" another"), Frame::close(1000, "")])
        .end();
    let mut subject: S = seat.start(patient(), script);
    subject.start_close(CloseCode::NORMAL, "enough").expect("it is sent");
    let late = subject.send(&"no more".into());
    assert_eq!(late, Err(Fault::Send(SendError::Closing)));
    assert_eq!(subject.recv(), Ok(Some("one more".into())));
    assert_eq!(subject.recv(), Ok(Some("and another".into())));
    assert_eq!(subject.recv(), Ok(None));
    assert!(assert_over(&mut subject).is_clean());
    subject.join();
}

/// RFC 6455 §5.4: control frames may come within a message, and a Close is one. The message is lost, what was before is
/// not.
pub fn a_close_within_a_message<S: Subject>(seat: Seat) {
    let frames = [Frame::text("whole"), Frame::text("half").unfinished(), Frame::close(1001, "gone")];
    let script = seat.script().send(&frames).close(1001, "gone").end();
    let mut subject: S = seat.start(patient(), script);
    assert_eq!(subject.recv(), Ok(Some("whole".into())));
    assert_eq!(subject.recv(), Ok(None));
    assert!(assert_over(&mut subject).is_clean());
    subject.join();
}

/// "The server MUST close the TCP connection first" in all ordinary cases (RFC 6455 §7.1.1): a client waits.
pub fn the_server_ends_the_transport_first<S: Subject>(seat: Seat) {
    for we_begin in [true, false] {
        let close = [Frame::close(1000, "")];
        let script = if we_begin {
            seat.script().close(1000, "").send(&close)
        } else {
            seat.script().send(&close).close(1000, "")
        };
        let script = match seat.end {
            End::Server => script.eof().pause(S::TIMES.moment).mark().half_close(),
            End::Client => script.silence(S::TIMES.moment).mark().half_close().eof(),
        };
        let mut subject: S = seat.start(patient(), script);
        if we_begin {
            subject.start_close(CloseCode::NORMAL, "").expect("it is sent");
        }
        assert_eq!(subject.recv(), Ok(None));
        let ended = subject.now();
        assert!(assert_over(&mut subject).is_clean());
        assert!(ended >= subject.join().marks[0], "either waits for the other's end of the transport");
    }
}

/// With [`Reply::WhenAsked`] the application learns of the peer's Close, may still send, and answers it.
pub fn the_application_answers_the_close<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::text("before"), Frame::close(1000, "your turn")])
        .silence(S::TIMES.moment)
        .message("after")
        .close(1001, "my turn")
        .end();
    let when_asked = config(|config| {
        config.keepalive = None;
        config.close_reply = Reply::WhenAsked;
        config.close_within = S::TIMES.moment * 100;
    });
    let mut subject: S = seat.start(when_asked, script);
    assert_eq!(subject.recv(), Ok(Some("before".into())));
    for _ in 0..3 {
        assert_eq!(subject.recv(), Ok(None));
        assert_eq!(subject.outcome(), None, "it is not at its end yet");
    }
    subject.rest(S::TIMES.moment * 2);
    subject.send(&"after".into()).expect("it is sent");
    let outcome = subject.close(CloseCode::GOING_AWAY, "my turn").expect("it is closed");
    assert_eq!((outcome.cause, outcome.initiator, outcome.code()), (Cause::Clean, Initiator::Peer, 1000));
    assert_over(&mut subject);
    subject.join();
}

/// The same with an application that is not at its end either, but goes away.
pub fn an_answer_that_never_comes<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::text("before"), Frame::close(1000, "your turn")]).eof();
    let when_asked = config(|config| config.close_reply = Reply::WhenAsked);
    let mut subject: S = seat.start(when_asked, script);
    assert_eq!(subject.recv(), Ok(Some("before".into())));
    assert_eq!(subject.recv(), Ok(None));
    assert_eq!(subject.outcome(), None);
    subject.end();
}

/// The peer says nothing.
pub fn our_close_is_not_answered<S: Subject>(seat: Seat) {
    let script = seat.script().close(1000, "hello?").eof();
    let mut subject: S = seat.start(short_close::<S>(), script);
    let started = subject.now();
    let outcome = subject.close(CloseCode::NORMAL, "hello?").expect("it ends");
    S::TIMES.assert_took(subject.now() - started, S::TIMES.close_within);
    assert_eq!((outcome.cause, outcome.code()), (Cause::CloseTimeout, 1006));
    assert_eq!(assert_over(&mut subject), outcome);
    subject.join();
}

/// The peer does say something, but not that.
pub fn our_close_is_not_answered_while_we_receive<S: Subject>(seat: Seat) {
    let what = [Frame::text("what?"), Frame::ping("p")];
    let script = seat.script().close(1000, "hello?").send(&what).expect(Frame::pong("p")).eof();
    let mut subject: S = seat.start(short_close::<S>(), script);
    let started = subject.now();
    subject.start_close(CloseCode::NORMAL, "hello?").expect("it is sent");
    assert_eq!(subject.recv(), Ok(Some("what?".into())));
    assert_eq!(subject.recv(), Ok(None));
    S::TIMES.assert_took(subject.now() - started, S::TIMES.close_within);
    assert_eq!(assert_over(&mut subject).cause, Cause::CloseTimeout);
    subject.join();
}

/// A peer that goes on sending after our Close cannot keep us, whether the application waits for the end or goes on
/// receiving.
pub fn endless_data_after_our_close<S: Subject>(seat: Seat) {
    for receives in [false, true] {
        let pause = S::TIMES.close_within / 100;
        let flood = vec![Frame::text("more and more"); 10];
        let script = seat.script().flood(&flood, 200, pause);
        let mut subject: S = seat.start(short_close::<S>(), script);
        let started = subject.now();
        if receives {
            subject.start_close(CloseCode::NORMAL, "stop").expect("it is sent");
            let mut messages = 0;
            while let Some(message) = subject.recv().expect("no error") {
                assert_eq!(message, Owned::from("more and more"));
                messages += 1;
            }
            assert!(messages > 0, "they are delivered as long as there is time");
        } else {
            subject.close(CloseCode::NORMAL, "stop").expect("it ends");
        }
        S::TIMES.assert_took(subject.now() - started, S::TIMES.close_within);
        let outcome = assert_over(&mut subject);
        assert_eq!((outcome.cause, outcome.received), (Cause::CloseTimeout, None));
        subject.end();
    }
}

/// The same when there is always a message more, and the application takes its time for each: nothing is waited for, and
/// yet the time goes by.
pub fn endless_data_while_we_are_busy<S: Subject>(seat: Seat) {
    // What one read has brought is handed out, however long that takes: four of these at the most.
    let more = "more".repeat(1 << 10);
    let script = seat.script().send(&vec![Frame::text(more.as_str()); 200]).close(1000, "stop").eof();
    let (mut subject, _) = seat.start_with::<S>(1 << 20, short_close::<S>(), script);
    assert_eq!(subject.recv(), Ok(Some(more.as_str().into())));
    subject.start_close(CloseCode::NORMAL, "stop").expect("it is sent");
    let mut messages = 0;
    while subject.recv().expect("no error").is_some() {
        subject.rest(S::TIMES.close_within / 8);
        messages += 1;
    }
    assert!(messages <= 13, "{messages} messages in a time for 8, and one read");
    assert_eq!(assert_over(&mut subject).cause, Cause::CloseTimeout);
    subject.join();
}

/// A split connection whose receiver is gone comes to its end as well: what arrives is thrown away, but for Pings and the
/// Close.
pub fn a_connection_that_nobody_receives_on<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .message("still here")
        .close(1000, "alone")
        .send(&[Frame::text("unheard"), Frame::ping("p")])
        .expect(Frame::pong("p"))
        .send(&[Frame::close(1000, "alone")])
        .end();
    let mut subject: S = seat.start(patient(), script);
    subject.drop_receiver();
    subject.send(&"still here".into()).expect("it is sent");
    let outcome = subject.close(CloseCode::NORMAL, "alone").expect("it ends");
    assert!(outcome.is_clean(), "{outcome:?}");
    assert_eq!(subject.outcome(), Some(outcome));
    assert_eq!(subject.send(&"too late".into()), Err(Fault::Send(SendError::Closing)));
    subject.join();
}

/// After a Close each way the other end of the transport is waited for, but not for ever.
pub fn the_transport_is_not_ended<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::close(1000, "")]).close(1000, "").eof();
    let mut subject: S = seat.start(short_close::<S>(), script);
    assert_eq!(subject.recv(), Ok(None));
    S::TIMES.assert_took(subject.now(), S::TIMES.close_within);
    assert!(assert_over(&mut subject).is_clean(), "a Close went each way");
    subject.join();
}

/// A reset after both Closes takes nothing from a clean ending.
pub fn a_reset_after_the_closes<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::close(1000, "bye")]).close(1000, "bye").reset();
    let mut subject: S = seat.start(patient(), script);
    assert_eq!(subject.recv(), Ok(None));
    assert!(assert_over(&mut subject).is_clean());
    subject.join();
}

/// It ends the connection without a second Close.
pub fn a_violation_after_our_close<S: Subject>(seat: Seat) {
    let script =
        seat.script().send(&[Frame::text("fine"), Frame::new(3, [])]).close(1000, "").eof().half_close();
    let mut subject: S = seat.start(patient(), script);
    subject.start_close(CloseCode::NORMAL, "").expect("it is sent");
    assert_eq!(subject.recv(), Ok(Some("fine".into())));
    assert_eq!(subject.recv(), Err(Fault::Protocol(ProtocolError::ReservedOpcode)));
    assert_eq!(assert_over(&mut subject).cause, Cause::Protocol(ProtocolError::ReservedOpcode));
    subject.join();
}

/// Without a Close, the transport is ended nevertheless; what was sent before arrives.
pub fn a_dropped_connection_ends_the_transport<S: Subject>(seat: Seat) {
    let script = seat.script().message("goodbye").eof();
    let mut subject: S = seat.start(patient(), script);
    subject.send(&"goodbye".into()).expect("it is sent");
    assert_eq!(subject.outcome(), None);
    subject.end();

    // Nor does one that has ended hold on to anything.
    let script = seat.script().half_close().eof();
    let mut subject: S = seat.start(patient(), script);
    assert_bare(&echo(&mut subject));
    subject.end();
}

fn short_close<S: Subject>() -> websans::Config {
    config(|config| {
        config.close_within = S::TIMES.close_within;
        config.keepalive = None;
    })
}
