//! What waits to be sent, and who waits for it.

use websans::{Cause, CloseCode, Kind};

use super::{AMPLE, Finish, Hold, Owned, Seat, Subject, assert_over, config, patient, pattern};
use crate::wire::Frame;

/// The outbox stays within its limit, nothing is refused and nothing lost.
pub fn feeding_waits_for_room<S: Subject>(seat: Seat) {
    let mut script = seat.script().pause(S::TIMES.moment * 2);
    for n in 0..80 {
        script = script.message(pattern(10_000 + n));
    }
    let small = config(|config| {
        config.max_outbox = 32 << 10;
        config.keepalive = None;
    });
    let (mut subject, _) = seat.start_with::<S>(1 << 10, small, script);
    let started = subject.now();
    for n in 0..80 {
        subject.feed(&pattern(10_000 + n).into()).expect("it waits, and does not fail");
        let queued = subject.stats().bytes_queued;
        assert!(queued <= (32 << 10) + 14, "{queued} bytes are queued");
    }
    assert!(subject.now() - started >= S::TIMES.moment, "it waited for the peer");
    subject.flush().expect("all of it is written");
    assert_eq!(subject.stats().bytes_queued, 0);
    subject.join();
}

/// Nobody need flush who goes on to receive.
pub fn what_was_fed_leaves_when_we_receive<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .silence(S::TIMES.moment)
        .send(&[Frame::text("go")])
        .message("one")
        .message(pattern(3000))
        .send(&[Frame::text("thanks")]);
    let (mut subject, habits) = seat.start_with::<S>(AMPLE, patient(), script);
    subject.feed(&"one".into()).expect("there is room");
    subject.rest(S::TIMES.moment * 3);
    assert_eq!(habits.writes(), 0, "feeding does not write");
    assert_eq!(subject.recv(), Ok(Some("go".into())));
    subject.feed(&pattern(3000).into()).expect("there is room");
    assert_eq!(subject.recv(), Ok(Some("thanks".into())));
    assert_eq!(subject.stats().bytes_queued, 0);
    subject.join();
}

/// Both ends have much to say before either listens: whoever receives does both.
pub fn receiving_goes_on_while_writing_is_blocked<S: Subject>(seat: Seat) {
    let large = pattern(1 << 20);
    let script = seat
        .script()
        .send(&[Frame::binary(large.clone()), Frame::ping("p"), Frame::binary(large.clone())])
        .message(large.clone())
        .expect(Frame::pong("p"))
        .half_close()
        .eof();
    let (mut subject, _) = seat.start_with::<S>(1 << 10, patient(), script);
    subject.feed(&large.clone().into()).expect("the first always fits");
    for _ in 0..2 {
        let message = subject.recv().expect("no error").expect("no end");
        assert!(message.as_bytes() == large);
    }
    assert_eq!(subject.recv(), Ok(None));
    assert_eq!(assert_over(&mut subject).cause, Cause::Eof);
    subject.join();
}

/// Megabytes each way, more than any buffer holds. A split connection does not wait for the peer to read before it
/// reads itself, though the peer does nothing else; a whole one takes turns with its peer.
pub fn bulk_both_ways<S: Subject>(seat: Seat) {
    let messages: Vec<_> = (0..6).map(|n| Owned::from(pattern(500_000 + n))).collect();
    let mut script = seat.script();
    let frames: Vec<_> = messages.iter().map(|message| Frame::binary(message.as_bytes())).collect();
    match seat.hold {
        Hold::Split => {
            script = script.send(&frames);
            for message in &messages {
                script = script.message(message.clone());
            }
        }
        Hold::Whole => {
            for (frame, message) in frames.into_iter().zip(&messages) {
                script = script.message(message.clone()).send(&[frame]);
            }
        }
    }
    let (mut subject, _) = seat.start_with::<S>(4 << 10, patient(), script);
    let received = subject.exchange(&messages).expect("no error");
    assert!(received == messages);
    assert_eq!(subject.stats().bytes_queued, 0);
    subject.join();
}

/// Until it is flushed, as buffers and TLS may: whatever is waited for has left by then.
pub fn a_transport_that_hoards<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::ping("p")])
        .expect(Frame::pong("p"))
        .send(&[Frame::text("question")])
        .message("sent")
        .send(&[Frame::text("another")])
        .message("fed")
        .message(pattern(40_000))
        .close(1000, "")
        .send(&[Frame::close(1000, "")])
        .end();
    let (mut subject, habits) = seat.start_with::<S>(AMPLE, patient(), script);
    habits.hoard();
    assert_eq!(subject.recv(), Ok(Some("question".into())));
    subject.send(&"sent".into()).expect("it is sent");
    assert_eq!(subject.recv(), Ok(Some("another".into())));
    subject.feed(&"fed".into()).expect("there is room");
    let written = subject.write(Kind::Binary, |writer| {
        writer.write_all(&pattern(40_000))?;
        Ok(Finish::Yes)
    });
    assert_eq!(written, Ok(()));
    assert!(subject.close(CloseCode::NORMAL, "").expect("it is closed").is_clean());
    subject.join();
}
