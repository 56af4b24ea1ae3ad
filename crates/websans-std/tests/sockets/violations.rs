//! What becomes of a peer that breaks the protocol: it is told, and everything before was delivered.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use websans_std::{Cause, Error, ProtocolError};
use websans_testkit::wire::{Form, Frame, opcode};

use crate::support::{End, Owned, against_raw, config, everywhere};

/// Frames that break a rule, the rule, and the code of the Close that answers them.
fn violations(end: End) -> Vec<(Frame, ProtocolError, u16)> {
    use ProtocolError as E;
    let other_mask = match end {
        // `Raw` masks for us if it is a client: declare what the mask bit must not be by hand.
        End::Server => E::UnmaskedFrame,
        End::Client => E::MaskedFrame,
    };
    vec![
        (Frame::text("x").reserved(4), E::ReservedBits, 1002),
        (Frame::new(3, "x"), E::ReservedOpcode, 1002),
        (Frame::new(11, []), E::ReservedOpcode, 1002),
        (Frame::continuation("x"), E::UnexpectedContinuation, 1002),
        (Frame::ping("x").unfinished(), E::FragmentedControl, 1002),
        (Frame::ping([0; 126]), E::ControlTooLong, 1002),
        (Frame::close(1000, [b'x'; 124]), E::ControlTooLong, 1002),
        (Frame::new(opcode::CLOSE, [3]), E::TruncatedCloseCode, 1002),
        (Frame::close(1005, ""), E::InvalidCloseCode, 1002),
        (Frame::close(1000, [0xff]), E::InvalidCloseReason, 1007),
        (Frame::text([0xc0, 0x80]), E::InvalidUtf8, 1007),
        (Frame::text("x").form(Form::Two), E::LengthNotMinimal, 1002),
        (Frame::binary([]).declaring(1 << 63), E::LengthOutOfRange, 1002),
        (Frame::binary([]).declaring(2 << 20), E::MessageTooBig, 1009),
        (Frame::text("x").masked([9; 4]), other_mask, 1002),
    ]
}

/// The bytes of a violation, as the peer of `end` sends them.
fn bytes(end: End, frame: &Frame, error: ProtocolError) -> Vec<u8> {
    match error {
        ProtocolError::UnmaskedFrame => Frame { key: None, ..frame.clone() }.to_bytes(),
        ProtocolError::MaskedFrame => frame.to_bytes(),
        _ => end.peer().encode(std::slice::from_ref(frame)),
    }
}

/// The peer sends megabytes behind its fault before it reads anything. They are not looked at, and yet our Close is not
/// lost to a reset, nor does the peer's writing fail.
#[test]
fn a_violation_is_answered_and_nothing_before_it_is_lost() {
    everywhere(80, |end, mode| {
        for (frame, error, code) in violations(end) {
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            let mut sent =
                end.peer().encode(&[Frame::text("one"), Frame::binary([2; 5000]), Frame::text("")]);
            sent.extend(bytes(end, &frame, error));
            let mut fault = raw.io.try_clone().unwrap();
            let ended = Arc::new(AtomicBool::new(false));
            let ends = Arc::clone(&ended);
            let peer = thread::spawn(move || {
                fault.write_all(&sent).unwrap();
                fault
                    .write_all(&vec![0x5a; 4 << 20])
                    .expect("what comes behind a fault is taken and thrown away");
                assert_eq!(raw.frame().close().0, code);
                raw.assert_eof();
                for _ in 0..3 {
                    fault.write_all(&[0x5a; 100_000]).expect("also after the end of the other direction");
                    thread::sleep(Duration::from_millis(20));
                }
                ends.store(true, SeqCst);
                raw.shutdown();
            });
            assert_eq!(ours.recv().unwrap(), Some(Owned::text("one")), "{error:?}");
            assert_eq!(ours.recv().unwrap(), Some(Owned::Binary(vec![2; 5000])), "{error:?}");
            assert_eq!(ours.recv().unwrap(), Some(Owned::text("")), "{error:?}");
            match ours.recv() {
                Err(Error::Protocol(came)) => assert_eq!(came, error),
                other => panic!("{error:?}: {other:?}"),
            }
            assert!(ended.load(SeqCst), "{error:?}: the peer's end of the transport is waited for");
            let outcome = ours.assert_over();
            assert_eq!((outcome.cause, outcome.received.as_ref()), (Cause::Protocol(error), None));
            assert_eq!(outcome.sent.unwrap().code.unwrap().get(), code);
            peer.join().unwrap();
        }
    });
}

/// Bytes that are left over behind bad text, and fill the read buffer to its end, are no end of the transport.
#[test]
fn bad_text_with_a_full_buffer_behind_it_is_answered_all_the_same() {
    everywhere(20, |end, mode| {
        for streams in [false, true] {
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            let mut sent = end.peer().encode(&[Frame::text([0xff; 10])]);
            sent.resize(1 << 20, 0x5a);
            let ended = Arc::new(AtomicBool::new(false));
            let ends = Arc::clone(&ended);
            let peer = thread::spawn(move || {
                raw.io.write_all(&sent).expect("what comes behind a fault is taken and thrown away");
                assert_eq!(raw.frame().close().0, 1007);
                raw.assert_eof();
                for _ in 0..3 {
                    raw.io.write_all(&[0x5a; 100_000]).expect("the transport is still there");
                    thread::sleep(Duration::from_millis(50));
                }
                ends.store(true, SeqCst);
                raw.shutdown();
            });
            thread::sleep(Duration::from_millis(50));
            if streams {
                match ours.read() {
                    Err(Error::Protocol(ProtocolError::InvalidUtf8)) => {}
                    other => panic!("{other:?}"),
                }
            } else {
                assert!(matches!(ours.recv(), Err(Error::Protocol(ProtocolError::InvalidUtf8))));
            }
            assert!(ended.load(SeqCst), "the peer's end of the transport is waited for");
            peer.join().unwrap();
        }
    });
}

/// Both ends of a failed connection end their side of the transport at once; they do not wait for the peer to do so.
#[test]
fn a_failed_connection_ends_its_side_at_once() {
    everywhere(40, |end, mode| {
        let patient = || config(|config| config.close_within = Duration::from_secs(20));
        for frame in [Frame::close(1000, [b'x'; 124]), Frame::ping([0; 126]), Frame::text([0xff])] {
            let (mut ours, mut raw) = against_raw(end, mode, patient());
            let peer = thread::spawn(move || {
                let started = Instant::now();
                raw.write(&[frame]);
                raw.frame().close();
                raw.assert_eof();
                // Long before any time-out. The bound of one second that suites set is no matter of microseconds.
                assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
            });
            assert!(matches!(ours.recv(), Err(Error::Protocol(_))));
            peer.join().unwrap();
        }
    });
}

/// A Close with one byte too many of reason is no Close, but a peer that sends it will not send another.
#[test]
fn a_peer_that_keeps_the_transport_open_after_its_fault_is_let_go() {
    everywhere(40, |end, mode| {
        let (mut ours, mut raw) =
            against_raw(end, mode, config(|config| config.close_within = Duration::from_millis(500)));
        raw.write(&[Frame::close(1000, [b'x'; 124])]);
        let started = Instant::now();
        assert!(matches!(ours.recv(), Err(Error::Protocol(ProtocolError::ControlTooLong))));
        crate::support::assert_took(started, Duration::from_millis(500));
        ours.assert_over();
        assert_eq!(raw.frame().close().0, 1002);
        raw.assert_eof();
    });
}

/// A violation after our own Close ends the connection without a second Close.
#[test]
fn a_violation_after_our_close_gets_no_second_close() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        ours.start_close(websans_std::CloseCode::NORMAL, "").unwrap();
        let peer = thread::spawn(move || {
            raw.write(&[Frame::text("fine"), Frame::new(3, [])]);
            assert_eq!(raw.frame().close(), (1000, ""));
            raw.assert_eof();
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("fine")));
        assert!(matches!(ours.recv(), Err(Error::Protocol(ProtocolError::ReservedOpcode))));
        assert_eq!(ours.assert_over().cause, Cause::Protocol(ProtocolError::ReservedOpcode));
        peer.join().unwrap();
    });
}

/// Limits are the application's to set, and the same on either side of them.
#[test]
fn limits_are_exact() {
    everywhere(20, |end, mode| {
        let small = config(|config| {
            config.max_message = 1000;
            config.max_fragments = 5;
        });
        let pieces = |n: usize| {
            let mut frames = vec![Frame::binary([1; 10]).unfinished(); 1];
            frames.extend(vec![Frame::continuation([1; 10]).unfinished(); n - 2]);
            frames.push(Frame::continuation([1; 10]));
            frames
        };
        for (frames, error, code) in [
            (vec![Frame::binary([1; 1001])], ProtocolError::MessageTooBig, 1009),
            (
                vec![Frame::binary([1; 600]).unfinished(), Frame::continuation([1; 401])],
                ProtocolError::MessageTooBig,
                1009,
            ),
            (pieces(6), ProtocolError::TooManyFragments, 1008),
        ] {
            let (mut ours, mut raw) = against_raw(end, mode, small.clone());
            raw.write(&[Frame::binary([1; 1000])]);
            raw.write(&pieces(5));
            raw.write(&frames);
            let peer = thread::spawn(move || {
                assert_eq!(raw.frame().close().0, code);
                raw.assert_eof();
            });
            assert_eq!(ours.recv().unwrap(), Some(Owned::Binary(vec![1; 1000])));
            assert_eq!(ours.recv().unwrap(), Some(Owned::Binary(vec![1; 50])));
            assert!(matches!(ours.recv(), Err(Error::Protocol(came)) if came == error));
            peer.join().unwrap();
        }
    });
}
