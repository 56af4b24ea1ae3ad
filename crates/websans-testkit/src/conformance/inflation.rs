//! What becomes of a peer that sends what does not inflate, or what inflates to too much: it is told, and everything
//! before was delivered.

use std::io::ErrorKind;

use websans::ProtocolError as E;

use super::compression::{agreed, deflated, lines, start};
use super::violation::told;
use super::{Seat, Subject, assert_over, config};
use crate::bombs;
use crate::wire::Frame;
use crate::zlib::{self, Habits};

/// A fault in a compressed message, or of one.
fn compressed_fault<S: Subject>(seat: Seat, error: E, code: u16, frames: &[Frame]) {
    let limited = config(|config| {
        config.keepalive = None;
        config.max_inflate_ratio = (error == E::InflateRatio).then_some(100);
        config.max_message = 300_000;
    });
    for takeover in [false, true] {
        let bytes = seat.script().encode(frames);
        told::<S>(seat, error, code, bytes, limited.clone(), agreed(seat, takeover));
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $error:expr, $code:literal, $frames:expr;)+) => {
        $($(#[$doc])*
        pub fn $name<S: Subject>(seat: Seat) {
            compressed_fault::<S>(seat, $error, $code, &$frames);
        })+
    };
}

faults! {
    /// A few hundred bytes that come to one more than is allowed.
    a_bomb: E::MessageTooBig, 1009, bombs::frames(&bombs::zeros(300_001), 64, true);
    /// Long before its end.
    a_bomb_without_an_end: E::MessageTooBig, 1009, bombs::frames(&bombs::zeros(2 << 20), 900, false);
    /// Bytes that come to nothing, as many as one likes to send.
    input_without_output: E::UnproductiveDeflate, 1009, bombs::frames(&bombs::empty_stored(8000), 700, false);
    /// Where the application allows only what text comes to.
    too_much_from_too_little: E::InflateRatio, 1009, bombs::frames(&bombs::zeros(200_000), 50, true);
    /// RFC 7692 §7.2.2.
    no_deflate: E::InvalidDeflate, 1007, [Frame::binary("no DEFLATE").reserved(4)];
    /// It ends within a block.
    truncated_deflate: E::InvalidDeflate, 1007, {
        let mut frame = deflated(&lines(5000));
        frame.payload.truncate(500);
        [frame]
    };
    /// What is referred to was never sent.
    a_match_from_before_the_beginning: E::InvalidDeflate, 1007, bombs::frames(&bombs::far_match(2), 99, true);
    /// RFC 6455 §8.1, whatever the text was compressed with.
    compressed_text_that_is_not_text: E::InvalidUtf8, 1007, {
        let payload = zlib::deflate(&[lines(900).as_bytes(), b"\xf4\x90"].concat(), Habits::default());
        [Frame::text(payload).reserved(4)]
    };
    /// RFC 7692 §6.1.
    a_marked_continuation: E::ReservedBits, 1002, [
        Frame::binary([0]).reserved(4).unfinished(),
        Frame::continuation([0]).reserved(4),
    ];
    /// RFC 7692 §6.1.
    a_marked_ping: E::ReservedBits, 1002, [Frame::ping("p").reserved(4)];
}

/// What was within the limit has been read by then.
pub fn a_bomb_within_what_is_read<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::text("one")])
        .send(&bombs::frames(&bombs::zeros(1 << 20), 100, true))
        .close(1009, E::MessageTooBig.reason())
        .eof()
        .half_close();
    let limited = config(|config| {
        config.keepalive = None;
        config.max_streamed = 100_000;
    });
    let mut subject: S = start(seat, false, seat.setup(limited, script));
    assert_eq!(subject.recv(), Ok(Some("one".into())));
    let read = subject.read(|_, reader| {
        let mut bytes = Vec::new();
        let error = reader.read_to_end(&mut bytes).expect_err("it is too long");
        assert!(bytes.len() <= 100_000 && bytes.len() >= 80_000, "{}", bytes.len());
        error.kind()
    });
    assert_eq!(read, Ok(Some(ErrorKind::InvalidData)));
    assert_over(&mut subject);
    subject.join();
}
