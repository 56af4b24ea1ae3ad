//! The deadlines: each is kept, by whoever happens to wait.

use std::time::Duration;

use websans::{Cause, Config, Keepalive};

use super::{Fault, Seat, Subject, assert_over, config, pattern};
use crate::wire::Frame;

/// A Ping, then the end with 1011.
pub fn a_silent_peer_is_given_up<S: Subject>(seat: Seat) {
    let Keepalive { every, within } = S::TIMES.keepalive;
    let script = seat.script().ignore_ping().mark().close(1011, "no answer to keep-alive").mark().eof();
    let mut subject: S = seat.start(kept(every, within), script);
    assert_eq!(subject.recv(), Ok(None));
    S::TIMES.assert_took(subject.now(), every + within);
    let outcome = assert_over(&mut subject);
    assert_eq!((outcome.cause, outcome.code()), (Cause::KeepaliveTimeout, 1006));
    let marks = subject.join().marks;
    S::TIMES.assert_took(marks[0], every);
    S::TIMES.assert_took(marks[1], every + within);
}

/// As long as each Ping is answered; no two are alike.
pub fn a_peer_that_answers_is_kept<S: Subject>(seat: Seat) {
    let Keepalive { every, within } = S::TIMES.keepalive;
    let mut script = seat.script();
    for _ in 0..4 {
        script = script.answer_ping().mark();
    }
    let script = script.pause(S::TIMES.moment).send(&[Frame::text("still here")]);
    // A machine may be busy for longer than a short deadline.
    let mut subject: S = seat.start(kept(every, within.max(S::TIMES.slack)), script);
    assert_eq!(subject.recv(), Ok(Some("still here".into())));
    let stats = subject.stats();
    assert!(stats.round_trip.is_some());
    let marks = subject.join().marks;
    for (n, mark) in (1..).zip(marks) {
        S::TIMES.assert_took(mark, every * n);
    }
}

/// Half a frame will do.
pub fn any_byte_is_a_sign_of_life<S: Subject>(seat: Seat) {
    let Keepalive { every, within } = S::TIMES.keepalive;
    let script = seat.script().drip(&[Frame::text("bit by bit")], every / 4);
    let mut subject: S = seat.start(kept(every * 2, within), script);
    assert_eq!(subject.recv(), Ok(Some("bit by bit".into())));
    assert!(subject.now() > every * 2);
    assert_eq!(subject.stats().frames_sent, 0, "no Ping was needed");
    subject.join();
}

/// With 1001, some time after the last message. Pings and Pongs are no messages.
pub fn an_idle_connection_is_closed<S: Subject>(seat: Seat) {
    let idle = S::TIMES.idle;
    let script = seat
        .script()
        .mark()
        .send(&[Frame::text("the last word")])
        .close(1001, "idle")
        .mark()
        .send(&[Frame::close(1001, "idle")])
        .end();
    let configured = config(|config| {
        config.idle = Some(idle);
        config.keepalive = Some(Keepalive { every: idle / 5, within: S::TIMES.long });
    });
    let mut subject: S = seat.start(configured, script);
    assert_eq!(subject.recv(), Ok(Some("the last word".into())));
    assert_eq!(subject.recv(), Ok(None));
    assert!(assert_over(&mut subject).is_clean());
    assert!(subject.stats().frames_sent > 1, "Pings were sent meanwhile");
    let marks = subject.join().marks;
    S::TIMES.assert_took(marks[1] - marks[0], idle);
}

/// Received or sent.
pub fn messages_keep_it_from_being_idle<S: Subject>(seat: Seat) {
    let idle = S::TIMES.idle * 2;
    let mut script = seat.script();
    for n in 0..5 {
        script = script.pause(idle / 4).send(&[Frame::text(format!("{n}"))]);
    }
    for n in 0..5 {
        script = script.message(format!("answer {n}"));
    }
    let configured = config(|config| {
        config.idle = Some(idle);
        config.keepalive = None;
    });
    let mut subject: S = seat.start(configured, script);
    for n in 0..5 {
        assert_eq!(subject.recv(), Ok(Some(format!("{n}").into())));
    }
    for n in 0..5 {
        subject.rest(idle / 4);
        subject.send(&format!("answer {n}").into()).expect("it is sent");
    }
    assert!(subject.now() > idle * 2);
    assert_eq!(subject.outcome(), None);
    subject.join();
}

/// The sender learns it, and the receiver finds the connection ended.
pub fn a_peer_that_does_not_read_fails_the_sending<S: Subject>(seat: Seat) {
    let script = seat.script().pause(S::TIMES.write_stall * 3);
    let (mut subject, _) = seat.start_with::<S>(1 << 10, stalling::<S>(), script);
    let started = subject.now();
    let turns = subject.turns();
    let failed = subject.send(&pattern(1 << 20).into());
    assert!(matches!(failed, Err(Fault::Io(_))), "{failed:?}");
    S::TIMES.assert_took(subject.now() - started, S::TIMES.write_stall);
    let turns = subject.turns() - turns;
    assert!(turns <= S::TIMES.turns_of_a_stall, "{turns} turns");
    assert_eq!(subject.recv(), Ok(None));
    assert_eq!(assert_over(&mut subject).cause, Cause::WriteStall);
    subject.end();
}

/// The same for what was fed, when it is the receiving that notices. What arrives meanwhile is delivered.
pub fn a_peer_that_does_not_read_ends_the_receiving<S: Subject>(seat: Seat) {
    let script = seat.script().send(&[Frame::text("I only write")]).pause(S::TIMES.write_stall * 3);
    let (mut subject, _) = seat.start_with::<S>(1 << 10, stalling::<S>(), script);
    subject.feed(&pattern(1 << 20).into()).expect("the first message always fits");
    let turns = subject.turns();
    assert_eq!(subject.recv(), Ok(Some("I only write".into())));
    assert_eq!(subject.recv(), Ok(None));
    S::TIMES.assert_took(subject.now(), S::TIMES.write_stall);
    let turns = subject.turns() - turns;
    assert!(turns <= S::TIMES.turns_of_a_stall, "{turns} turns");
    assert_eq!(assert_over(&mut subject).cause, Cause::WriteStall);
    subject.end();
}

/// A peer that reads slowly is no peer that does not read.
pub fn a_slow_reader_is_kept<S: Subject>(seat: Seat) {
    let stall = S::TIMES.write_stall * 2;
    let script = seat.script().take(700_000, 35_000, stall / 8);
    let configured = config(|config| {
        config.write_stall = stall;
        config.keepalive = None;
    });
    let (mut subject, _) = seat.start_with::<S>(1 << 10, configured, script);
    let started = subject.now();
    subject.send(&pattern(700_000).into()).expect("it is sent");
    assert!(subject.now() - started > stall, "that was no slow reader");
    subject.join();
}

fn kept(every: Duration, within: Duration) -> Config {
    config(|config| config.keepalive = Some(Keepalive { every, within }))
}

fn stalling<S: Subject>() -> Config {
    config(|config| {
        config.write_stall = S::TIMES.write_stall;
        config.keepalive = None;
    })
}
