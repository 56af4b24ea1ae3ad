//! Pings and Pongs.

use super::{Seat, Subject, config, echo, patient, pattern};
use crate::wire::Frame;
use websans::Reply;

/// All that the subject does is receive.
pub fn pings_are_answered_while_nobody_sends<S: Subject>(seat: Seat) {
    let mut script = seat.script();
    for n in 0u8..10 {
        script = script.send(&[Frame::ping([n])]).expect(Frame::pong([n]));
        if n % 3 == 0 {
            script = script.pause(S::TIMES.moment);
        }
    }
    let script = script.send(&[Frame::text("enough")]);
    let mut subject: S = seat.start(patient(), script);
    assert_eq!(subject.recv(), Ok(Some("enough".into())));
    assert_eq!(subject.stats().frames_sent, 10);
    subject.join();
}

/// While a message is read as it arrives, its reader answers.
pub fn pings_are_answered_within_a_message<S: Subject>(seat: Seat) {
    let mut script = seat.script().send(&[Frame::binary(pattern(1000)).unfinished()]);
    for n in 0u8..5 {
        let more = Frame::continuation(vec![n; 1000]).unfinished();
        script = script.send(&[Frame::ping([n])]).expect(Frame::pong([n])).send(&[more]);
    }
    let script = script.send(&[Frame::continuation([9])]);
    let mut subject: S = seat.start(patient(), script);
    let read = subject.read(|_, reader| {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = read.expect("no error").expect("a message").expect("all of it");
    assert_eq!((bytes.len(), bytes.last()), (6001, Some(&9)));
    subject.join();
}

/// The answer's time is kept; a Pong with another payload is no answer.
pub fn our_ping_is_timed<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .expect(Frame::ping("ours"))
        .send(&[Frame::pong("not ours"), Frame::text("one")])
        .message("one")
        .pause(S::TIMES.moment)
        .send(&[Frame::pong("ours"), Frame::text("two")])
        .message("two");
    let mut subject: S = seat.start(patient(), script);
    subject.ping(b"ours").expect("it is sent");
    let one = subject.recv().expect("no error").expect("no end");
    assert_eq!(subject.stats().round_trip, None);
    subject.send(&one).expect("it is sent");
    let two = subject.recv().expect("no error").expect("no end");
    let round_trip = subject.stats().round_trip.expect("it was answered");
    S::TIMES.assert_took(round_trip, S::TIMES.moment);
    subject.send(&two).expect("it is sent");
    subject.join();
}

/// They are neither messages nor answered.
pub fn pongs_that_nobody_asked_for_mean_nothing<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::pong([]), Frame::text("m").unfinished(), Frame::pong([7; 125])])
        .send(&[Frame::continuation([]), Frame::close(1000, "")])
        .expect(Frame::text("m"))
        .close(1000, "")
        .end();
    let mut subject: S = seat.start(patient(), script);
    assert!(echo(&mut subject).is_clean());
    assert_eq!(subject.stats().round_trip, None);
    subject.join();
}

/// With [`Reply::WhenAsked`] the connection does not.
pub fn an_application_that_answers_pings_itself<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::ping("p")])
        .silence(S::TIMES.moment)
        .send(&[Frame::ping("q"), Frame::text("m")])
        .expect(Frame::text("m"))
        .expect(Frame::pong("q"))
        .silence(S::TIMES.moment);
    let mut subject: S = seat.start(
        config(|config| {
            config.keepalive = None;
            config.pong_reply = Reply::WhenAsked;
        }),
        script,
    );
    let message = subject.recv().expect("no error").expect("no end");
    subject.send(&message).expect("it is sent");
    subject.pong(b"q").expect("it is sent");
    subject.join();
}
