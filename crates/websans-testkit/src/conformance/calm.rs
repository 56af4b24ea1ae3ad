//! What a connection does while there is nothing to do: nothing.

use websans::{Cause, CloseCode, Keepalive};

use super::{AMPLE, Seat, Subject, assert_over, config, patient};
use crate::wire::Frame;

/// Without keep-alive it is not woken, however long nothing comes; then it is there at once.
pub fn an_idle_connection_sleeps<S: Subject>(seat: Seat) {
    let script = seat.script().pause(S::TIMES.long).mark().send(&[Frame::text("good morning")]);
    let mut subject: S = seat.start(patient(), script);
    let turns = subject.turns();
    assert_eq!(subject.recv(), Ok(Some("good morning".into())));
    let turns = subject.turns() - turns;
    assert!(turns <= 2, "{turns} turns");
    let woken = subject.now();
    let marks = subject.join().marks;
    assert!(marks[0] >= S::TIMES.long);
    S::TIMES.assert_took(woken, marks[0]);
}

/// With keep-alive: a turn for the timer, one for the answer, and one or two more.
pub fn keep_alive_costs_few_turns<S: Subject>(seat: Seat) {
    const PINGS: usize = 6;
    let mut script = seat.script();
    for _ in 0..PINGS {
        script = script.answer_ping();
    }
    let script = script.send(&[Frame::text("enough")]);
    let kept = config(|config| {
        let within = S::TIMES.keepalive.within.max(S::TIMES.slack);
        config.keepalive = Some(Keepalive { every: S::TIMES.keepalive.every, within });
    });
    let (mut subject, habits) = seat.start_with::<S>(AMPLE, kept, script);
    let turns = subject.turns();
    assert_eq!(subject.recv(), Ok(Some("enough".into())));
    let turns = subject.turns() - turns;
    assert!(turns <= PINGS * 6 + 2, "{turns} turns");
    assert_eq!(habits.writes(), PINGS);
    subject.join();
}

/// While the peer does not answer.
pub fn waiting_for_a_close_costs_few_turns<S: Subject>(seat: Seat) {
    let script = seat.script().close(1000, "").eof();
    let short = config(|config| {
        config.keepalive = None;
        config.close_within = S::TIMES.close_within;
    });
    let (mut subject, habits) = seat.start_with::<S>(AMPLE, short, script);
    let turns = subject.turns();
    let outcome = subject.close(CloseCode::NORMAL, "").expect("it ends");
    assert_eq!(outcome.cause, Cause::CloseTimeout);
    let turns = subject.turns() - turns;
    assert!(turns <= 12, "{turns} turns");
    // A first try, before the transport is known to be ready, counts too.
    assert!(habits.writes() <= 4, "{} writes", habits.writes());
    subject.join();
}

/// One to wait for it, one to learn it, however it comes.
pub fn an_end_costs_two_turns<S: Subject>(seat: Seat) {
    for resets in [false, true] {
        let script = seat.script().pause(S::TIMES.moment);
        let script = if resets { script.reset() } else { script.half_close() };
        let mut subject: S = seat.start(patient(), script);
        let turns = subject.turns();
        assert_eq!(subject.recv().is_err(), resets);
        let turns = subject.turns() - turns;
        assert!(turns <= 2, "{turns} turns");
        assert_over(&mut subject);
        subject.join();
    }
}

/// Whatever is called.
pub fn an_ended_connection_leaves_the_stream_alone<S: Subject>(seat: Seat) {
    let script = seat.script().half_close().eof();
    let (mut subject, habits) = seat.start_with::<S>(AMPLE, patient(), script);
    assert_eq!(subject.recv(), Ok(None));
    let before = (habits.reads(), habits.writes());
    for _ in 0..50 {
        assert_over(&mut subject);
        assert_eq!(subject.flush(), Ok(()), "nothing waits");
    }
    assert_eq!((habits.reads(), habits.writes()), before);
    subject.join();
}
