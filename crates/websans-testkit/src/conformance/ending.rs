//! Transports that end, break and reset: nothing that had arrived is lost, nothing is told twice.

use std::io::ErrorKind;

use websans::{Cause, CloseCode, Initiator};

use super::{Fault, Owned, Seat, Subject, assert_bare, assert_over, config, patient, pattern};
use crate::wire::Frame;

/// Without a Close.
pub fn eof_between_frames<S: Subject>(seat: Seat) {
    cut::<S>(seat, &[0]);
}

/// At each of its bytes.
pub fn eof_within_a_header<S: Subject>(seat: Seat) {
    cut::<S>(seat, &[1, 2, 3]);
}

/// At its beginning, in the middle, before its last byte; in the control frame too.
pub fn eof_within_a_payload<S: Subject>(seat: Seat) {
    cut::<S>(seat, &[9, 150, 300, 303, 312, 320, usize::MAX]);
}

/// Behind a whole frame that is not the last.
pub fn eof_within_a_message<S: Subject>(seat: Seat) {
    // With and without masking keys in the headers.
    let first = if seat.end == super::End::Server { 308 } else { 304 };
    cut::<S>(seat, &[first]);
}

/// Before anything has come.
pub fn eof_at_once<S: Subject>(seat: Seat) {
    let mut subject: S = seat.start(patient(), seat.script().half_close().eof());
    assert_eq!(subject.recv(), Ok(None));
    let outcome = assert_over(&mut subject);
    assert_eq!((outcome.cause, outcome.initiator), (Cause::Eof, Initiator::Peer));
    assert_bare(&outcome);
    subject.join();
}

/// Both ways, and without having read all: whoever sends learns it soon, and what had arrived is delivered.
pub fn a_peer_that_is_gone<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::text("last"), Frame::binary(pattern(3000))]).leave();
    let mut subject: S = seat.start(patient(), script);
    subject.join();
    let mut failed = None;
    for _ in 0..50 {
        failed = subject.send(&"are you there?".into()).err();
        if failed.is_some() {
            break;
        }
        subject.rest(S::TIMES.moment / 5);
    }
    assert!(matches!(failed, Some(Fault::Io(_))), "{failed:?}");
    assert_eq!(subject.recv(), Ok(Some("last".into())), "it had arrived");
    assert_eq!(subject.recv(), Ok(Some(pattern(3000).into())), "it had arrived");
    let end = subject.recv();
    assert!(matches!(end, Ok(None) | Err(Fault::Io(_))), "{end:?}");
    let outcome = assert_over(&mut subject);
    assert!(matches!(outcome.cause, Cause::Aborted | Cause::Eof), "{outcome:?}");
    assert_bare(&outcome);
}

/// The transport ends so many bytes behind a message, but before the last of what follows.
fn cut<S: Subject>(seat: Seat, places: &[usize]) {
    for &at in places {
        let script = seat.script();
        let cut = script.encode(&[
            Frame::binary(pattern(300)).unfinished(),
            Frame::ping("in between"),
            Frame::continuation(pattern(300)),
        ]);
        let at = at.min(cut.len() - 1);
        let script = script.send(&[Frame::text("whole")]).raw(cut[..at].to_vec()).half_close();
        let mut subject: S = seat.start(patient(), script);
        assert_eq!(subject.recv(), Ok(Some("whole".into())), "cut at {at}");
        assert_eq!(subject.recv(), Ok(None), "cut at {at}");
        let outcome = assert_over(&mut subject);
        assert_eq!((outcome.cause, outcome.initiator), (Cause::Eof, Initiator::Peer), "cut at {at}");
        assert_bare(&outcome);
        subject.join();
    }
}

/// The peer ends its side and no more than that: what we have to say to it still arrives, sent or fed.
pub fn a_half_close_leaves_our_answers<S: Subject>(seat: Seat) {
    for feeds in [false, true] {
        let questions: Vec<_> = (0..300).map(|n| Frame::text(format!("{n}"))).collect();
        let mut script = seat.script().send(&questions).send(&[Frame::ping("p")]).half_close();
        for n in 0..300 {
            script = script.message(format!("{n}"));
        }
        let script = script.expect(Frame::pong("p")).eof();
        let mut subject: S = seat.start(patient(), script);
        while let Some(message) = subject.recv().expect("no error") {
            if feeds { subject.feed(&message) } else { subject.send(&message) }.expect("it can be sent");
        }
        assert_eq!(assert_over(&mut subject).cause, Cause::Eof);
        subject.join();
    }
}

/// Before it has seen our Close, which it will not answer any more.
pub fn a_half_close_while_we_close<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::text("last")]).half_close().close(1000, "we").eof();
    let mut subject: S = seat.start(patient(), script);
    subject.start_close(CloseCode::NORMAL, "we").expect("it is sent");
    assert_eq!(subject.recv(), Ok(Some("last".into())));
    assert_eq!(subject.recv(), Ok(None));
    let outcome = assert_over(&mut subject);
    assert_eq!((outcome.cause, outcome.code()), (Cause::Eof, 1006));
    subject.join();
}

/// An error, once.
pub fn a_reset_while_idle<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::text("before")]).message("read").reset();
    let mut subject: S = seat.start(patient(), script);
    assert_eq!(subject.recv(), Ok(Some("before".into())));
    subject.send(&"read".into()).expect("it is sent");
    assert_eq!(subject.recv(), Err(Fault::Io(ErrorKind::ConnectionReset)));
    let outcome = assert_over(&mut subject);
    assert_eq!(outcome.cause, Cause::Aborted);
    assert_bare(&outcome);
    subject.join();
}

/// TLS tells an end without an alert of its own as an error. A WebSocket knows by its own Close whether it was cut off:
/// behind the Closes it has not been, before them it is an end like any other.
pub fn a_transport_that_is_cut_off<S: Subject>(seat: Seat) {
    for closes in [true, false] {
        let script = seat.script().send(&[Frame::text("last")]);
        let close = [Frame::close(1000, "")];
        let script =
            if closes { script.send(&close).close(1000, "").end() } else { script.half_close().eof() };
        let (mut subject, habits) = seat.start_with::<S>(super::AMPLE, patient(), script);
        habits.cut();
        assert_eq!(subject.recv(), Ok(Some("last".into())));
        assert_eq!(subject.recv(), Ok(None));
        let outcome = assert_over(&mut subject);
        assert_eq!(outcome.cause, if closes { Cause::Clean } else { Cause::Eof });
        subject.join();
    }
}

/// The same in the middle of what arrives.
pub fn a_reset_within_a_message<S: Subject>(seat: Seat) {
    let begin = [Frame::text("before"), Frame::binary(pattern(100)).unfinished()];
    let script = seat.script().send(&begin).message("read").reset();
    let mut subject: S = seat.start(patient(), script);
    assert_eq!(subject.recv(), Ok(Some("before".into())));
    subject.send(&"read".into()).expect("it is sent");
    assert_eq!(subject.recv(), Err(Fault::Io(ErrorKind::ConnectionReset)));
    assert_eq!(assert_over(&mut subject).cause, Cause::Aborted);
    subject.join();
}

/// The sender learns it at once; what had arrived is delivered; there is at most one error more.
pub fn a_reset_within_our_write<S: Subject>(seat: Seat) {
    let before = [Frame::text("one"), Frame::ping("p"), Frame::text("two")];
    let script = seat.script().send(&before).take(10_000, 10_000, S::TIMES.moment).reset();
    let (mut subject, _) = seat.start_with::<S>(1 << 10, patient(), script);
    subject.rest(S::TIMES.moment);
    let started = subject.now();
    let failed = subject.send(&pattern(1 << 20).into());
    assert!(matches!(failed, Err(Fault::Io(_))), "{failed:?}");
    for text in ["one", "two"] {
        assert_eq!(subject.recv(), Ok(Some(text.into())), "it had arrived");
    }
    let end = subject.recv();
    assert!(matches!(end, Ok(None) | Err(Fault::Io(_))), "{end:?}");
    S::TIMES.assert_took(subject.now() - started, S::TIMES.moment);
    let outcome = assert_over(&mut subject);
    assert!(matches!(outcome.cause, Cause::Aborted | Cause::Eof), "{outcome:?}");
    assert_bare(&outcome);
    subject.join();
}

/// A write of nothing is an end of writing, not a reason to try for ever. What the peer says still arrives.
pub fn a_transport_that_takes_nothing<S: Subject>(seat: Seat) {
    broken::<S>(seat, true);
}

/// The same for one that says so.
pub fn a_transport_whose_writes_fail<S: Subject>(seat: Seat) {
    broken::<S>(seat, false);
}

fn broken<S: Subject>(seat: Seat, takes_nothing: bool) {
    let mut script = seat.script();
    for n in 0..5 {
        script =
            script.send(&[Frame::text(format!("{n}")), Frame::ping("unanswerable")]).pause(S::TIMES.moment);
    }
    let script = script.send(&[Frame::close(1000, "")]).half_close();
    let (mut subject, habits) = seat.start_with::<S>(super::AMPLE, patient(), script);
    if takes_nothing {
        habits.take_nothing()
    } else {
        habits.fail_writes()
    }
    let failed = subject.send(&"lost".into());
    let kinds = [ErrorKind::WriteZero, ErrorKind::BrokenPipe];
    assert!(matches!(failed, Err(Fault::Io(kind)) if kinds.contains(&kind)), "{failed:?}");
    let turns = subject.turns();
    for n in 0..5 {
        assert_eq!(subject.recv(), Ok(Some(format!("{n}").into())));
    }
    assert_eq!(subject.recv(), Ok(None));
    let turns = subject.turns() - turns;
    assert!(turns <= 50, "{turns} turns");
    assert!(habits.writes() <= 10, "{} writes", habits.writes());
    let outcome = subject.outcome().expect("an end has an outcome");
    assert_eq!(outcome.code(), 1000, "their Close has arrived");
    assert_eq!(subject.recv(), Ok(None));
    assert_eq!(subject.outcome(), Some(outcome));
    subject.join();
}

/// It comes to its end as well: the peer, which will never hear of it, has the time that any answer has.
pub fn closing_a_broken_transport<S: Subject>(seat: Seat) {
    for takes_nothing in [false, true] {
        let short = config(|config| {
            config.keepalive = None;
            config.close_within = S::TIMES.close_within;
        });
        let (mut subject, habits) = seat.start_with::<S>(super::AMPLE, short, seat.script());
        if takes_nothing {
            habits.take_nothing()
        } else {
            habits.fail_writes()
        }
        let started = subject.now();
        let outcome = subject.close(CloseCode::NORMAL, "").expect("it ends");
        assert!(!outcome.is_clean(), "{outcome:?}");
        assert!(subject.now() - started < S::TIMES.close_within + S::TIMES.slack);
        assert!(habits.writes() <= 4, "{} writes", habits.writes());
        assert_eq!(subject.recv(), Ok(None::<Owned>));
        assert_eq!(subject.outcome(), Some(outcome));
        subject.end();
    }
}
