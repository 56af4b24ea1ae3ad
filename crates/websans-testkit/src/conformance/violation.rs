//! What becomes of a peer that breaks the protocol: it is told, and everything before was delivered.

use websans::ProtocolError as E;
use websans::{Cause, Config, Negotiated};

use super::{End, Fault, Seat, Setup, Subject, assert_over, config, pattern};
use crate::stored;
use crate::wire::{Form, Frame, opcode};

macro_rules! scenarios {
    ($($(#[$doc:meta])* $name:ident: $error:expr, $code:literal, $frames:expr;)+) => {
        $($(#[$doc])*
        pub fn $name<S: Subject>(seat: Seat) {
            let bytes = seat.script().encode(&$frames);
            told::<S>(seat, $error, $code, bytes, limited(), Negotiated::default());
        })+
    };
}

scenarios! {
    /// RFC 6455 §5.2.
    reserved_bits: E::ReservedBits, 1002, [Frame::text("x").reserved(4)];
    /// RFC 6455 §5.2.
    reserved_opcode: E::ReservedOpcode, 1002, [Frame::new(3, "x")];
    /// RFC 6455 §5.2.
    length_not_minimal: E::LengthNotMinimal, 1002, [Frame::text("x").form(Form::Two)];
    /// RFC 6455 §5.2.
    length_out_of_range: E::LengthOutOfRange, 1002, [Frame::binary([]).declaring(1 << 63)];
    /// RFC 6455 §5.4.
    unexpected_continuation: E::UnexpectedContinuation, 1002, [Frame::continuation("x")];
    /// RFC 6455 §5.4.
    expected_continuation: E::ExpectedContinuation, 1002, [Frame::text("x").unfinished(), Frame::text("x")];
    /// RFC 6455 §5.5.
    fragmented_control: E::FragmentedControl, 1002, [Frame::ping("x").unfinished()];
    /// RFC 6455 §5.5.
    control_too_long: E::ControlTooLong, 1002, [Frame::close(1000, [b'x'; 124])];
    /// RFC 6455 §5.5.1.
    truncated_close_code: E::TruncatedCloseCode, 1002, [Frame::new(opcode::CLOSE, [3])];
    /// RFC 6455 §7.4.
    invalid_close_code: E::InvalidCloseCode, 1002, [Frame::close(1005, "")];
    /// RFC 6455 §5.5.1.
    invalid_close_reason: E::InvalidCloseReason, 1007, [Frame::close(1000, [0xff])];
    /// RFC 6455 §8.1: at the byte that cannot be, though the message is not at its end.
    invalid_utf8: E::InvalidUtf8, 1007, [Frame::text([0xf4]).unfinished(), Frame::continuation([0x90]).unfinished()];
    /// RFC 6455 §10.4: at the header, before any of it has come.
    message_too_big: E::MessageTooBig, 1009, [Frame::binary([]).declaring(2 << 20)];
    /// RFC 6455 §10.4.
    too_many_fragments: E::TooManyFragments, 1008, {
        let mut frames = vec![Frame::continuation("x").unfinished(); 6];
        frames[0] = Frame::binary("x").unfinished();
        frames
    };
}

/// RFC 6455 §5.1: a client that does not mask, or a server that does.
pub fn unmasked_or_masked_frame<S: Subject>(seat: Seat) {
    let (error, frame) = match seat.end {
        End::Server => (E::UnmaskedFrame, Frame::text("x")),
        End::Client => (E::MaskedFrame, Frame::text("x").masked([1, 2, 3, 4])),
    };
    told::<S>(seat, error, 1002, frame.to_bytes(), limited(), Negotiated::default());
}

/// RFC 7692 §7.2.2.
pub fn invalid_deflate<S: Subject>(seat: Seat) {
    let bytes = seat.script().encode(&[Frame::text([0xff, 0xff]).reserved(4)]);
    told::<S>(seat, E::InvalidDeflate, 1007, bytes, limited(), stored::negotiated(usize::MAX));
}

fn limited() -> Config {
    config(|config| {
        config.keepalive = None;
        config.max_fragments = 5;
    })
}

/// The peer sends more behind its fault before it reads anything, and after that. It is not looked at, and yet our Close
/// is not lost, nor does the peer's writing fail.
pub(super) fn told<S: Subject>(
    seat: Seat,
    error: E,
    code: u16,
    fault: Vec<u8>,
    config: Config,
    negotiated: Negotiated,
) {
    let script = seat.script();
    let mut before = script.encode(&[Frame::text("one"), Frame::binary(pattern(5000)), Frame::text("")]);
    before.extend(fault);
    let script = script
        .raw(before)
        .raw(vec![0x5a; 200_000])
        .close(code, error.reason())
        .eof()
        .raw(vec![0x5a; 1000])
        .pause(S::TIMES.moment)
        .raw(vec![0x5a; 1000])
        .mark()
        .half_close();
    let mut subject = S::start(Setup { negotiated, ..seat.setup(config, script) });
    assert_eq!(subject.recv(), Ok(Some("one".into())));
    assert_eq!(subject.recv(), Ok(Some(pattern(5000).into())));
    assert_eq!(subject.recv(), Ok(Some("".into())));
    assert_eq!(subject.recv(), Err(Fault::Protocol(error)));
    let ended = subject.now();
    let outcome = assert_over(&mut subject);
    assert_eq!((outcome.cause, outcome.code()), (Cause::Protocol(error), 1006));
    assert_eq!(outcome.received, None);
    assert_eq!(outcome.sent.and_then(|close| close.code), Some(error.close_code()));
    assert!(ended >= subject.join().marks[0], "the peer's end of the transport is waited for");
}
