//! Messages as `Read` and `Write`.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::thread;

use websans_std::{CloseCode, Error, Kind, MessageReader, ProtocolError, SendError, Source};
use websans_testkit::wire::{Frame, opcode};

use crate::support::{Owned, Socket, against_raw, config, everywhere, millis, pattern, tcp};

/// Calls `$body` with the next message's reader, whichever kind of connection has it.
macro_rules! with_reader {
    ($socket:expr, |$reader:ident| $body:expr) => {
        match &mut $socket {
            Socket::Whole(socket) => {
                let mut $reader = socket.reader().unwrap().expect("a message");
                $body
            }
            Socket::Split(receiver, _) => {
                let mut $reader = receiver.reader().unwrap().expect("a message");
                $body
            }
        }
    };
}

/// Calls `$body` with a writer of `$kind`, likewise.
macro_rules! with_writer {
    ($socket:expr, $kind:expr, |$writer:ident| $body:expr) => {
        match &mut $socket {
            Socket::Whole(socket) => {
                let mut $writer = socket.writer($kind).unwrap();
                $body
            }
            Socket::Split(_, sender) => {
                let mut $writer = sender.writer($kind).unwrap();
                $body
            }
        }
    };
}

#[test]
fn messages_are_read_as_they_arrive() {
    everywhere(30, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        let writes = thread::spawn(move || {
            raw.write(&[Frame::text("first, "), Frame::binary([]), Frame::text([])]);
            raw.write(&[Frame::binary(pattern(100)).unfinished()]);
            thread::sleep(millis(50));
            raw.write(&[Frame::ping("p"), Frame::continuation([]).unfinished()]);
            let pong = raw.frame();
            assert_eq!((pong.opcode, &pong.payload[..]), (opcode::PONG, &b"p"[..]));
            // Nothing of the message's rest has been sent when its beginning is read.
            raw.write(&[Frame::continuation(pattern(2 << 20))]);
            raw.write(&[Frame::text("end")]);
            raw
        });
        assert_eq!(ours.read().unwrap(), Some(Owned::text("first, ")));
        assert_eq!(ours.read().unwrap(), Some(Owned::Binary(vec![])));
        assert_eq!(ours.read().unwrap(), Some(Owned::text("")));
        with_reader!(ours, |reader| {
            assert_eq!(reader.kind(), Kind::Binary);
            let mut first = [0; 100];
            reader.read_exact(&mut first).unwrap();
            assert_eq!(first[..], pattern(100));
            // Longer than `max_message`, which holds for messages that are received whole.
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert!(rest == pattern(2 << 20));
            for _ in 0..3 {
                assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0, "it stays at its end");
            }
        });
        assert_eq!(ours.recv().unwrap(), Some(Owned::text("end")));
        writes.join().unwrap();
    });
}

/// The Ping in the middle of a message that is read slowly is answered before the message has come to its end.
#[test]
fn lines_of_a_message_can_be_read() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        raw.write(&[
            Frame::text("one\ntw").unfinished(),
            Frame::continuation("o\r\n\nvier ").unfinished(),
            Frame::continuation("größer\nlast"),
            Frame::text("next\n"),
        ]);
        with_reader!(ours, |reader| {
            let lines: Vec<String> = reader.by_ref().lines().map(Result::unwrap).collect();
            assert_eq!(lines, ["one", "two", "", "vier größer", "last"]);
        });
        with_reader!(ours, |reader| {
            let mut line = String::new();
            assert_eq!(reader.read_line(&mut line).unwrap(), 5);
            assert_eq!(reader.read_line(&mut line).unwrap(), 0);
            assert_eq!(line, "next\n");
        });
    });
}

/// A text message may be cut anywhere, by fragments and by reads, within characters too.
#[test]
fn text_is_checked_across_all_cuts() {
    everywhere(30, |end, mode| {
        let text = "aé€🦀".repeat(3);
        for cut in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            let (a, b) = (Frame::text(a).unfinished(), Frame::continuation(b));
            raw.write(&[a.clone(), Frame::ping("p"), b.clone()]);
            let mut bytes = end.peer().encode(&[a, b]);
            let rest = bytes.split_off(bytes.len() / 2);
            raw.io.write_all(&bytes).unwrap();
            raw.io.write_all(&rest).unwrap();
            raw.write(&[Frame::text(&text.as_bytes()[..text.len() - 1])]);
            assert_eq!(ours.read().unwrap(), Some(Owned::Text(text.clone())), "cut at {cut}");
            with_reader!(ours, |reader| {
                let mut small = [0; 3];
                let mut all = Vec::new();
                loop {
                    match reader.read(&mut small).unwrap() {
                        0 => break,
                        n => all.extend_from_slice(&small[..n]),
                    }
                }
                assert_eq!(all, text.as_bytes());
            });
            // The third ends within a character.
            let peer = thread::spawn(move || {
                assert_eq!(raw.frame().payload, b"p");
                assert_eq!(raw.frame().close().0, 1007);
                raw.assert_eof();
            });
            match ours.read() {
                Err(Error::Protocol(ProtocolError::InvalidUtf8)) => {}
                other => panic!("{other:?}"),
            }
            peer.join().unwrap();
        }
    });
}

/// A fault in the middle of a message that is being read is the reader's to tell, with its cause.
#[test]
fn a_fault_within_a_message_is_an_error_of_the_reader() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        raw.write(&[Frame::text("good ").unfinished(), Frame::continuation([b'x', 0xff]).unfinished()]);
        let peer = thread::spawn(move || {
            assert_eq!(raw.frame().close().0, 1007);
            raw.assert_eof();
        });
        with_reader!(ours, |reader| {
            let mut good = [0; 5];
            reader.read_exact(&mut good).unwrap();
            assert_eq!(&good, b"good ");
            let error = reader.read(&mut [0; 10]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let cause = error.into_inner().unwrap().downcast::<Error>().unwrap();
            assert!(matches!(*cause, Error::Protocol(ProtocolError::InvalidUtf8)));
            assert_eq!(reader.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        });
        ours.assert_over();
        peer.join().unwrap();
    });
}

#[test]
fn a_connection_that_ends_within_a_message_is_an_unexpected_end() {
    everywhere(20, |end, mode| {
        for closes in [false, true] {
            let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
            raw.write(&[Frame::binary("begin").unfinished()]);
            let peer = thread::spawn(move || {
                if closes {
                    raw.write(&[Frame::close(1001, "in the middle")]);
                    raw.frame().close();
                    raw.end();
                } else {
                    raw.shutdown();
                    raw.assert_eof();
                }
            });
            with_reader!(ours, |reader| {
                let mut bytes = Vec::new();
                let error = reader.read_to_end(&mut bytes).unwrap_err();
                assert_eq!((&bytes[..], error.kind()), (&b"begin"[..], ErrorKind::UnexpectedEof));
                assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
                assert_eq!(reader.fill_buf().unwrap_err().kind(), ErrorKind::UnexpectedEof);
            });
            assert_eq!(ours.assert_over().is_clean(), closes);
            peer.join().unwrap();
        }
    });
}

/// A reader that is dropped leaves the rest of its message to be skipped, by whatever comes next.
#[test]
fn what_is_not_read_is_skipped() {
    everywhere(30, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        let writes = thread::spawn(move || {
            for n in 0..12u8 {
                let long = vec![n; 300_000];
                raw.write(&[
                    Frame::binary(&long[..1000]).unfinished(),
                    Frame::ping([n]),
                    Frame::continuation(&long[1000..]).unfinished(),
                    Frame::continuation(""),
                    Frame::text(format!("after {n}")),
                ]);
            }
            let pongs: Vec<_> = (0..12).map(|_| raw.frame().payload).collect();
            assert_eq!(pongs, (0..12u8).map(|n| vec![n]).collect::<Vec<_>>());
        });
        for n in 0..12u8 {
            with_reader!(ours, |reader| {
                // Nothing, a little, all but the last byte, or all but the end.
                let take = [0, 1, 999, 1000, 1001, 299_999, 300_000][usize::from(n) % 7];
                let mut bytes = vec![0; take];
                reader.read_exact(&mut bytes).unwrap();
                assert!(bytes.iter().all(|&byte| byte == n));
            });
            let text = Owned::Text(format!("after {n}"));
            assert_eq!(if n % 2 == 0 { ours.recv() } else { ours.read() }.unwrap(), Some(text));
        }
        writes.join().unwrap();
    });
}

#[test]
fn a_message_is_written_piece_by_piece() {
    everywhere(30, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        let reads = thread::spawn(move || {
            let got = raw.frame();
            assert_eq!((got.fin, got.opcode, &got.payload[..]), (false, opcode::TEXT, &b"flushed: "[..]));
            let got = raw.frame();
            assert_eq!((got.fin, got.opcode, &got.payload[..]), (false, opcode::CONTINUATION, &b"\xe2"[..]));
            let (mut rest, mut frames) = (Vec::new(), 0);
            loop {
                let got = raw.frame();
                assert_eq!(got.opcode, opcode::CONTINUATION);
                rest.extend(got.payload);
                frames += 1;
                if got.fin {
                    break;
                }
            }
            let numbers: String = (0..10_000).map(|n| format!(" {n:06}")).collect();
            assert!(rest == [b"\x82\xac", numbers.as_bytes()].concat());
            assert!((3..10).contains(&frames), "{frames} frames for 70 kB");
            assert_eq!(raw.message(), Owned::Binary(vec![]));
            assert_eq!(raw.message(), Owned::Binary(pattern(1 << 20)));
            assert_eq!(raw.message(), Owned::text("whole"));
        });
        with_writer!(ours, Kind::Text, |writer| {
            writer.write_all(b"flushed: ").unwrap();
            writer.flush().unwrap();
            writer.flush().unwrap();
            // Within a character.
            writer.write_all(&"€".as_bytes()[..1]).unwrap();
            writer.flush().unwrap();
            writer.write_all(&"€".as_bytes()[1..]).unwrap();
            for n in 0..10_000 {
                write!(writer, " {n:06}").unwrap();
            }
            writer.finish().unwrap();
        });
        ours.write(Kind::Binary, []).unwrap();
        let long = pattern(1 << 20);
        ours.write(Kind::Binary, [&long[..]]).unwrap();
        ours.send("whole").unwrap();
        reads.join().unwrap();
    });
}

/// A writer that is dropped unfinished has sent half a message: only its continuation, or a Close, can follow.
#[test]
fn a_message_that_is_not_finished_stays_open() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        with_writer!(ours, Kind::Text, |writer| {
            writer.write_all(b"half").unwrap();
            writer.flush().unwrap();
        });
        assert!(matches!(ours.send("no"), Err(Error::Send(SendError::MessageInProgress))));
        ours.ping(b"control frames may").unwrap();
        assert_eq!(raw.frame().payload, b"half");
        assert_eq!(raw.frame().payload, b"control frames may");
        ours.write(Kind::Text, [&b" and half"[..]]).unwrap();
        let got = raw.frame();
        assert_eq!((got.fin, got.opcode, &got.payload[..]), (true, opcode::CONTINUATION, &b" and half"[..]));
        ours.send("next").unwrap();
        assert_eq!(raw.message(), Owned::text("next"));
        with_writer!(ours, Kind::Binary, |writer| {
            writer.write_all(b"half").unwrap();
            writer.flush().unwrap();
        });
        assert_eq!(raw.frame().payload, b"half");
        let peer = thread::spawn(move || raw.answer_close());
        assert!(ours.close(CloseCode::NORMAL, "").unwrap().is_clean());
        peer.join().unwrap();
    });
}

#[test]
fn text_that_is_not_utf8_is_not_written() {
    everywhere(20, |end, mode| {
        let (mut ours, mut raw) = against_raw(end, mode, config(|_| {}));
        let bad = vec![0xff; 100_000];
        match ours.write(Kind::Text, [&b"good"[..], &bad]) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
            other => panic!("{other:?}"),
        }
        let got = raw.frame();
        assert_eq!((got.fin, &got.payload[..]), (false, &b"good"[..]), "what was good has been sent");
        // Its end is checked, too.
        match ours.write(Kind::Text, [&b"\xe2"[..]]) {
            Err(Error::Send(SendError::InvalidUtf8)) => {}
            other => panic!("{other:?}"),
        }
        ours.write(Kind::Text, []).unwrap();
        let got = raw.frame();
        assert_eq!((got.fin, got.opcode, got.payload.len()), (true, opcode::CONTINUATION, 0));
    });
}

#[test]
fn nothing_is_written_after_a_close() {
    everywhere(20, |end, mode| {
        let (mut ours, _raw) = against_raw(end, mode, config(|_| {}));
        ours.start_close(CloseCode::NORMAL, "").unwrap();
        match ours.write(Kind::Text, [&b"late"[..]]) {
            Err(Error::Send(SendError::Closing)) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// `io::copy` from a message to a message, while the other end does both.
#[test]
fn a_message_is_echoed_as_it_comes() {
    everywhere(60, |end, mode| {
        fn copy<S: Source>(mut reader: MessageReader<'_, S>, writer: &mut impl Write) -> u64 {
            std::io::copy(&mut reader, writer).unwrap()
        }
        // Whole connections cannot read one message and write another at the same time.
        if mode == crate::support::Mode::Whole {
            return;
        }
        let (ours, theirs) = tcp();
        let Socket::Split(mut receiver, mut sender) = mode.hold(end.open(ours, config(|_| {}))) else {
            unreachable!()
        };
        let echo = thread::spawn(move || {
            while let Some(reader) = receiver.reader().unwrap() {
                let mut writer = sender.writer(reader.kind()).unwrap();
                copy(reader, &mut writer);
                writer.finish().unwrap();
            }
            receiver.outcome().unwrap()
        });
        let Socket::Split(mut receiver, mut sender) = mode.hold(end.peer().open(theirs, config(|_| {})))
        else {
            unreachable!()
        };
        const LEN: usize = 48 << 20;
        let expected = pattern(1 << 20);
        let sent = expected.clone();
        let sends = thread::spawn(move || {
            let mut writer = sender.writer(Kind::Binary).unwrap();
            for _ in 0..LEN >> 20 {
                writer.write_all(&sent).unwrap();
            }
            writer.finish().unwrap();
            sender
        });
        let mut reader = receiver.reader().unwrap().expect("the echo");
        let mut bytes = vec![0; 1 << 20];
        for n in 0..LEN >> 20 {
            reader.read_exact(&mut bytes).unwrap();
            assert!(bytes == expected, "MiB {n}");
        }
        assert_eq!(reader.read(&mut bytes).unwrap(), 0);
        let sender = sends.join().unwrap();
        let receives = thread::spawn(move || receiver.recv().map(|message| message.map(Owned::from)));
        assert!(sender.close(CloseCode::NORMAL, "").unwrap().is_clean());
        assert!(receives.join().unwrap().unwrap().is_none());
        assert!(echo.join().unwrap().is_clean());
    });
}
