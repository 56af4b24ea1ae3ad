//! Messages there and back.

use std::time::Duration;

use super::{AMPLE, End, Seat, Subject, echo, patient, pattern};
use crate::wire::{Frame, opcode};
use websans::Prepared;

/// The lengths at which the frame's form changes, and a long one.
const SIZES: [usize; 7] = [0, 1, 125, 126, 65_535, 65_536, 1 << 20];

/// Binary and text, of every form of the length.
pub fn messages_of_every_size<S: Subject>(seat: Seat) {
    let mut script = seat.script();
    for size in SIZES {
        let text = "é€🦀z".repeat(size / 10);
        script = script.send(&[Frame::binary(pattern(size))]).message(pattern(size));
        script = script.send(&[Frame::text(&*text)]).message(text);
    }
    script = script.send(&[Frame::close(1000, "done")]).close(1000, "done").end();
    let mut subject: S = seat.start(patient(), script);
    assert!(echo(&mut subject).is_clean());
    let stats = subject.stats();
    assert_eq!((stats.messages_received, stats.messages_sent), (14, 14));
    assert_eq!(stats.bytes_queued, 0);
    subject.join();
}

/// Each waits for the one before.
pub fn many_small_messages<S: Subject>(seat: Seat) {
    let mut script = seat.script();
    for n in 0..200 {
        script = script.send(&[Frame::text(format!("{n}"))]).message(format!("{n}"));
    }
    script = script.send(&[Frame::new(opcode::CLOSE, [])]).empty_close().end();
    let mut subject: S = seat.start(patient(), script);
    let outcome = echo(&mut subject);
    assert_eq!((outcome.is_clean(), outcome.code()), (true, 1005));
    subject.join();
}

/// Each Ping is answered before the message it stands in is complete.
pub fn fragments_with_pings_in_between<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::text([0xe2]).unfinished(), Frame::ping("one")])
        .expect(Frame::pong("one"))
        .send(&[Frame::continuation([]).unfinished(), Frame::ping([])])
        .expect(Frame::pong([]))
        .send(&[Frame::continuation([0x82]).unfinished(), Frame::ping([0; 125])])
        .expect(Frame::pong([0; 125]))
        .send(&[Frame::continuation([0xac]), Frame::close(1000, "")])
        .expect(Frame::text("€"))
        .close(1000, "")
        .end();
    let mut subject: S = seat.start(patient(), script);
    assert!(echo(&mut subject).is_clean());
    subject.join();
}

/// Whatever stands on the wire, it may come byte by byte.
pub fn a_split_at_every_byte<S: Subject>(seat: Seat) {
    let frames = [
        Frame::text("one"),
        Frame::ping("p"),
        Frame::binary(pattern(126)),
        Frame::text("t").unfinished(),
        Frame::ping("q"),
        Frame::continuation("wo"),
        Frame::close(3000, "byte by byte"),
    ];
    let script = seat.script().drip(&frames, Duration::ZERO);
    let script = script.message("one").message(pattern(126)).message("two").close(3000, "byte by byte").end();
    let (mut subject, habits) = seat.start_with::<S>(1 << 10, patient(), script);
    habits.halt(1, usize::MAX);
    assert!(echo(&mut subject).is_clean());
    assert_eq!(subject.stats().frames_received, 7);
    subject.join();
}

/// Every write takes one byte, and there is room for little more.
pub fn a_peer_that_takes_a_byte_at_a_time<S: Subject>(seat: Seat) {
    let header = if seat.end == End::Server { 4 } else { 8 };
    let script = seat
        .script()
        .send(&[Frame::binary(pattern(1000))])
        .take(header + 1000, 1, Duration::ZERO)
        .send(&[Frame::text("end")])
        .message("end")
        .send(&[Frame::ping("p")])
        .expect(Frame::pong("p"))
        .send(&[Frame::close(1000, "")])
        .close(1000, "")
        .end();
    let (mut subject, habits) = seat.start_with::<S>(2, patient(), script);
    habits.halt(usize::MAX, 1);
    assert!(echo(&mut subject).is_clean());
    subject.join();
}

/// It is encoded once, and masked all the same.
pub fn a_prepared_message<S: Subject>(seat: Seat) {
    let script =
        seat.script().expect(Frame::text("news")).expect(Frame::binary(pattern(70_000))).message("end");
    let mut subject: S = seat.start(patient(), script);
    let messages = [Prepared::new("news"), Prepared::new(pattern(70_000))];
    for message in messages {
        subject.send_prepared(&message.expect("text is UTF-8")).expect("it is sent");
    }
    subject.send(&"end".into()).expect("it is sent");
    assert_eq!(subject.stats().messages_sent, 3);
    subject.join();
}

/// What is fed while the messages of one read are handled is written when all of them are.
pub fn answers_to_one_read_leave_in_one_write<S: Subject>(seat: Seat) {
    let questions: Vec<_> = (0..50).map(|n| Frame::text(format!("question {n}"))).collect();
    let mut script = seat.script().send(&questions);
    for n in 0..50 {
        script = script.expect(Frame::text(format!("question {n}")));
    }
    script = script.send(&[Frame::text("last")]);
    let (mut subject, habits) = seat.start_with::<S>(AMPLE, patient(), script);
    loop {
        let message = subject.recv().expect("no error").expect("no end");
        if message == "last".into() {
            break;
        }
        subject.feed(&message).expect("there is room");
    }
    // The questions came in one read, unless the transport split them.
    let reads = habits.reads();
    assert!(habits.writes() < reads.min(5), "{} writes for {reads} reads", habits.writes());
    subject.join();
}
