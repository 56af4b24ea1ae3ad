//! Messages as a stream of bytes, either way.

use std::io::ErrorKind;

use websans::{CloseCode, Kind, SendError};

use super::{Fault, Finish, Seat, Subject, assert_over, patient, pattern};
use crate::wire::Frame;

/// Longer by far than any buffer, and than what is received whole.
const LONG: usize = 8 << 20;

/// It is read as it arrives, in pieces of any size. The message behind it is whole.
pub fn a_long_message_is_read_in_pieces<S: Subject>(seat: Seat) {
    let long = pattern(LONG);
    let mut script = seat.script();
    for (n, piece) in long.chunks(300_000).enumerate() {
        let frame = if n == 0 { Frame::binary(piece) } else { Frame::continuation(piece) };
        let last = (n + 1) * 300_000 >= LONG;
        script = script.send(&[if last { frame } else { frame.unfinished() }]);
    }
    let script = script.send(&[Frame::text("next")]);
    let mut subject: S = seat.start(patient(), script);
    let read = subject.read(|kind, reader| {
        assert_eq!(kind, Kind::Binary);
        let mut piece = vec![0; 10_000];
        let mut at = 0;
        loop {
            let n = reader.read(&mut piece).expect("no error");
            assert!(piece[..n] == long[at..at + n], "another piece at {at}");
            at += n;
            if n == 0 {
                assert_eq!(reader.read(&mut piece).expect("no error"), 0, "it stays at its end");
                break at;
            }
        }
    });
    assert_eq!(read, Ok(Some(LONG)));
    assert_eq!(subject.recv(), Ok(Some("next".into())));
    assert_eq!(subject.stats().messages_received, 2);
    subject.join();
}

/// It leaves in frames of bounded size.
pub fn a_long_message_is_written_in_pieces<S: Subject>(seat: Seat) {
    let long = pattern(LONG);
    let script = seat.script().message_in(long.clone(), 256 << 10).message("next");
    let mut subject: S = seat.start(patient(), script);
    let written = subject.write(Kind::Binary, |writer| {
        let (small, large) = long.split_at(100_000);
        for piece in small.chunks(777) {
            writer.write_all(piece)?;
        }
        writer.write_all(&[])?;
        writer.flush()?;
        for piece in large.chunks(300_000) {
            writer.write_all(piece)?;
        }
        Ok(Finish::Yes)
    });
    assert_eq!(written, Ok(()));
    assert_eq!(subject.stats().messages_sent, 1);
    subject.send(&"next".into()).expect("it is sent");
    subject.join();
}

/// Half way: what is left of its message is skipped, by whatever comes next.
pub fn a_reader_that_is_dropped<S: Subject>(seat: Seat) {
    let long =
        || [Frame::binary(pattern(200_000)).unfinished(), Frame::ping("p"), Frame::continuation([1; 99])];
    let script = seat.script().send(&long()).send(&[Frame::text("whole")]);
    let script =
        script.send(&long()).send(&[Frame::text("streamed"), Frame::binary([1]), Frame::text("end")]);
    let mut subject: S = seat.start(patient(), script);
    let mut head = vec![0; 1000];
    assert!(matches!(subject.read(|_, reader| reader.read_exact(&mut head)), Ok(Some(Ok(())))));
    assert!(head == pattern(1000));
    assert_eq!(subject.recv(), Ok(Some("whole".into())));
    assert!(matches!(subject.read(|_, reader| reader.read_exact(&mut head)), Ok(Some(Ok(())))));
    let text = subject.read(|kind, reader| {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| (kind, text)).expect("text")
    });
    assert_eq!(text, Ok(Some((Kind::Text, "streamed".to_owned()))));
    // Not a byte of the next is read.
    assert_eq!(subject.read(|kind, _| kind), Ok(Some(Kind::Binary)));
    assert_eq!(subject.recv(), Ok(Some("end".into())));
    subject.join();
}

/// Unfinished: nothing but its continuation, or a Close, can be sent, so that the peer does not take half a message for
/// a whole.
pub fn a_writer_that_is_dropped<S: Subject>(seat: Seat) {
    let script = seat.script().half_and_close(1001, "half").send(&[Frame::close(1001, "half")]).end();
    let mut subject: S = seat.start(patient(), script);
    let half = subject.write(Kind::Binary, |writer| {
        writer.write_all(&pattern(50_000))?;
        writer.flush()?;
        Ok(Finish::No)
    });
    assert_eq!(half, Ok(()));
    let other = subject.send(&"other".into());
    assert_eq!(other, Err(Fault::Send(SendError::MessageInProgress)));
    let outcome = subject.close(CloseCode::GOING_AWAY, "half").expect("it is closed");
    assert!(outcome.is_clean());
    assert_eq!(assert_over(&mut subject), outcome);
    subject.join();
}

/// The reader's error tells that the message is not whole, whether the connection was closed or torn off.
pub fn an_end_within_what_is_read<S: Subject>(seat: Seat) {
    for closes in [false, true] {
        let script = seat.script().send(&[Frame::binary("begin").unfinished()]);
        let script = if closes {
            script.send(&[Frame::close(1001, "in the middle")]).close(1001, "in the middle").end()
        } else {
            script.half_close().eof()
        };
        let mut subject: S = seat.start(patient(), script);
        let read = subject.read(|_, reader| {
            let mut bytes = Vec::new();
            let error = reader.read_to_end(&mut bytes).expect_err("it is not whole");
            assert_eq!(bytes, b"begin", "what had arrived is there");
            assert_eq!(reader.read(&mut [0]).expect_err("nor will it be").kind(), ErrorKind::UnexpectedEof);
            error.kind()
        });
        assert_eq!(read, Ok(Some(ErrorKind::UnexpectedEof)));
        assert_eq!(assert_over(&mut subject).is_clean(), closes);
        subject.join();
    }
}

/// A broken protocol is the reader's to tell.
pub fn a_fault_within_what_is_read<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .send(&[Frame::text("good ").unfinished(), Frame::continuation([b'x', 0xff]).unfinished()])
        .close(1007, websans::ProtocolError::InvalidUtf8.reason())
        .eof()
        .half_close();
    let mut subject: S = seat.start(patient(), script);
    let read = subject.read(|_, reader| {
        let mut good = [0; 5];
        reader.read_exact(&mut good).expect("so much was good");
        assert_eq!(&good, b"good ");
        reader.read(&mut [0; 10]).expect_err("this is not").kind()
    });
    assert_eq!(read, Ok(Some(ErrorKind::InvalidData)));
    assert_over(&mut subject);
    subject.join();
}

/// The writer says so, and the connection goes on.
pub fn text_that_is_not_text_is_not_written<S: Subject>(seat: Seat) {
    let script = seat.script().message("é");
    let mut subject: S = seat.start(patient(), script);
    let bad = subject.write(Kind::Text, |writer| {
        writer.write_all(b"\xff")?;
        Ok(Finish::Yes)
    });
    assert_eq!(bad, Err(Fault::Send(SendError::InvalidUtf8)));
    let good = subject.write(Kind::Text, |writer| {
        writer.write_all(&"é".as_bytes()[..1])?;
        writer.write_all(&"é".as_bytes()[1..])?;
        Ok(Finish::Yes)
    });
    assert_eq!(good, Ok(()));
    subject.join();
}
