//! Compressed messages, with the codec that applications get. The peer's are made by zlib itself, and what the subject
//! sends is judged by a decoder written from the RFC.

use std::time::Duration;

use websans::Compression;
use websans::deflate::{Parameters, Provider};
use websans::{CloseCode, Config, Kind, Negotiated, Payload, Prepared};
use websans_deflate::{Deflate, Settings};

use super::{
    AMPLE, End, Finish, Hold, Owned, Seat, Setup, Subject, assert_over, config, echo, patient, pattern,
};
use crate::bombs;
use crate::wire::{Frame, opcode};
use crate::zlib::{self, Compressor, Habits};

/// Messages below are sent uncompressed.
const THRESHOLD: usize = 100;

/// A handshake that has agreed on compression, both ways alike.
pub(super) fn agreed(seat: Seat, takeover: bool) -> Negotiated {
    let mut settings = Settings::default();
    settings.threshold = THRESHOLD;
    settings.negotiation.server_no_context_takeover = !takeover;
    settings.negotiation.client_no_context_takeover = !takeover;
    agreed_with(seat, &Deflate::new(settings))
}

fn agreed_with(seat: Seat, deflate: &Deflate) -> Negotiated {
    let mut parameters = Parameters::default();
    let config = deflate.settings().negotiation;
    parameters.server_no_context_takeover = config.server_no_context_takeover;
    parameters.client_no_context_takeover = config.client_no_context_takeover;
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(parameters);
    negotiated.codec = Some(deflate.propose().codec(seat.end == End::Client, parameters));
    negotiated
}

/// A connection that compresses.
pub(super) fn start<S: Subject>(seat: Seat, takeover: bool, setup: Setup) -> S {
    S::start(Setup { negotiated: agreed(seat, takeover), ..setup })
}

fn compression<S: Subject>(subject: &S) -> Compression {
    subject.stats().compression.expect("it has been agreed on")
}

/// Lines that differ in their numbers: they compress to a fifth or so.
pub(super) fn lines(len: usize) -> String {
    let mut lines = String::new();
    let mut number = 1_u32;
    while lines.len() < len {
        number = number.wrapping_mul(0x9E37_79B1);
        lines.push_str(&format!("{{\"line\": {number}, \"of\": \"many that look alike\"}}\n"));
    }
    lines.truncate(len);
    lines
}

/// `message` as a compressed frame, on its own.
pub(super) fn deflated(message: &str) -> Frame {
    Frame::text(zlib::deflate(message.as_bytes(), Habits::default())).reserved(4)
}

/// As long as it takes for something to stand in a window of its own.
fn answer(n: usize) -> String {
    format!(
        "{{\"id\": {n}, \"ok\": true, \"tags\": [\"compressed\", \"together\"], \"text\": \"{}\"}}",
        lines(60)
    )
}

/// Binary and text, of every form of the length; those below the threshold come back as they are.
pub fn messages_of_every_size<S: Subject>(seat: Seat) {
    let mut script = seat.script();
    for size in [0, 1, THRESHOLD - 1, THRESHOLD, 1000, 65_535, 65_536, 1 << 20] {
        let payload = zlib::deflate(&pattern(size), Habits::default());
        let text = lines(size);
        script = script.send(&[Frame::binary(payload).reserved(4)]);
        script = if size < THRESHOLD {
            script.message(pattern(size)).send(&[deflated(&text)]).message(text)
        } else {
            let most = text.len() / 2 + 50;
            script
                .deflated(pattern(size), size + size / 100 + 10)
                .send(&[deflated(&text)])
                .deflated(text, most)
        };
    }
    script = script.send(&[Frame::close(1000, "done")]).close(1000, "done").end();
    let mut subject: S = start(seat, false, seat.setup(patient(), script));
    assert!(echo(&mut subject).is_clean());
    let stats = subject.stats();
    assert_eq!((stats.messages_received, stats.messages_sent, stats.bytes_queued), (16, 16, 0));
    let counted = compression(&subject);
    let long = 2 * (THRESHOLD + 1000 + 65_535 + 65_536 + (1 << 20)) as u64;
    assert_eq!(counted.sent_plain, long);
    assert_eq!(counted.received_plain, long + 2 * THRESHOLD as u64);
    assert!(
        counted.sent_compressed < long * 4 / 5 && counted.received_compressed < long * 4 / 5,
        "{counted:?}"
    );
    assert_eq!(counted.memory, 0, "nothing is kept between messages");
    subject.join();
}

/// Each message is compressed with what those before it have left, and forgets nothing over plain ones.
pub fn messages_that_resemble_each_other<S: Subject>(seat: Seat) {
    let mut script = seat.script();
    let mut window = Compressor::new(Habits::default());
    for n in 0..30 {
        let payload = window.message([answer(n).as_bytes()]);
        assert!(n == 0 || payload.len() < 30);
        script = script.send(&[Frame::text(payload).reserved(4)]);
        script = script.deflated_further(answer(n), if n == 0 { 150 } else { 30 });
        script = script.send(&[Frame::text("plain")]).message("plain");
    }
    script = script.send(&[Frame::close(1000, "")]).close(1000, "").end();
    let mut subject: S = start(seat, true, seat.setup(patient(), script));
    assert!(echo(&mut subject).is_clean());
    let counted = compression(&subject);
    assert_eq!(counted.sent_plain, counted.received_plain);
    assert!(counted.sent_compressed < 1000, "{counted:?}");
    assert!(counted.memory > 0, "windows are kept");
    subject.join();
}

/// Each Ping is answered before the message that it stands in is complete.
pub fn fragments_with_pings_in_between<S: Subject>(seat: Seat) {
    let mut script = seat.script();
    for text in [lines(700), lines(30_000)] {
        let Frame { payload, .. } = deflated(&text);
        let fragments = bombs::frames(&payload, payload.len() / 7 + 1, true);
        for (n, mut fragment) in fragments.into_iter().enumerate() {
            let last = fragment.fin;
            if n == 0 {
                fragment.opcode = opcode::TEXT;
            }
            script = script.send(&[fragment]);
            if !last {
                let ping = format!("ping {n}");
                script = script.send(&[Frame::ping(&*ping)]).expect(Frame::pong(ping));
            }
        }
        script = script.deflated(&*text, text.len() / 2);
    }
    let script = script.send(&[Frame::close(1000, "")]).close(1000, "").end();
    let mut subject: S = start(seat, false, seat.setup(patient(), script));
    assert!(echo(&mut subject).is_clean());
    subject.join();
}

/// Plain and compressed, whole and in fragments, in any order.
pub fn plain_messages_between_compressed_ones<S: Subject>(seat: Seat) {
    let text = lines(500);
    let (begin, end) = text.split_at(99);
    let script = seat
        .script()
        .send(&[
            Frame::text(&*text),
            deflated(&text),
            Frame::text(begin).unfinished(),
            Frame::continuation(end),
            deflated(&text),
            Frame::binary("plain"),
            Frame::binary([0]).reserved(4),
        ])
        .deflated(&*text, 250)
        .deflated(&*text, 250)
        .deflated(&*text, 250)
        .deflated(&*text, 250)
        .message(b"plain".to_vec())
        .message(Vec::new())
        .send(&[Frame::close(1000, "")])
        .close(1000, "")
        .end();
    let mut subject: S = start(seat, false, seat.setup(patient(), script));
    assert!(echo(&mut subject).is_clean());
    let counted = compression(&subject);
    assert_eq!((counted.received_plain, counted.sent_plain), (1000, 2000));
    subject.join();
}

/// What is said of a message goes before the threshold; nothing is said of most.
pub fn the_application_says_what_to_compress<S: Subject>(seat: Seat) {
    let (long, secret) = (lines(400), lines(5000));
    let script = seat
        .script()
        .message(&*secret)
        .deflated(&*long, 200)
        .deflated("short", 20)
        .message("short")
        .deflated("", 1)
        .message(&*secret)
        .deflated("prepared", 20);
    let mut subject: S = start(seat, false, seat.setup(patient(), script));
    let payloads = [
        Payload::from(&*secret).compress(false),
        Payload::from(&*long),
        Payload::from("short").compress(true),
        Payload::from("short"),
        Payload::from("").compress(true),
    ];
    for payload in payloads {
        subject.send_payload(payload).expect("it is sent");
    }
    for payload in [Payload::from(&*secret).compress(false), Payload::from("prepared").compress(true)] {
        subject.send_prepared(&Prepared::new(payload).expect("text")).expect("it is sent");
    }
    assert_eq!(compression(&subject).sent_plain, 400 + 5 + 8);
    subject.join();
}

/// Byte by byte, whatever stands on the wire.
pub fn a_split_at_every_byte<S: Subject>(seat: Seat) {
    let mut window = Compressor::new(Habits::default());
    let mut frames = Vec::new();
    let mut script = seat.script();
    for n in 0..4 {
        let payload = window.message([answer(n).as_bytes()]);
        let (begin, end) = payload.split_at(payload.len() / 2);
        frames.push(Frame::text(begin).reserved(4).unfinished());
        frames.push(Frame::continuation(end));
    }
    frames.push(Frame::close(1000, ""));
    script = script.drip(&frames, Duration::ZERO);
    for n in 0..4 {
        script = script.deflated_further(answer(n), if n == 0 { 150 } else { 30 });
    }
    let script = script.close(1000, "").end();
    let setup = seat.setup(patient(), script);
    setup.habits.halt(1, 1);
    let mut subject: S = start(seat, true, Setup { room: 2 << 10, ..setup });
    assert!(echo(&mut subject).is_clean());
    subject.join();
}

/// Compressed once, for whoever compresses alike; each for itself for those with a window; and plain for the others.
pub fn a_prepared_message_for_many<S: Subject>(seat: Seat) {
    let news = Prepared::new(lines(3000)).expect("text");
    let mut settings = Settings::default();
    let alike = Deflate::new(settings.clone());
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    let with_windows = Deflate::new(settings);
    let send = |negotiated: Negotiated, script| {
        let mut subject = S::start(Setup { negotiated, ..seat.setup(patient(), script) });
        for _ in 0..2 {
            subject.send_prepared(&news).expect("it is sent");
        }
        assert_eq!((subject.stats().messages_sent, subject.stats().frames_sent), (2, 2));
        let sent = subject.stats().compression.map(|counted| counted.sent_plain);
        assert!(sent.is_none_or(|sent| sent == 6000), "{sent:?}");
        subject.join();
    };
    for _ in 0..2 {
        let script = seat.script().deflated(lines(3000), 1500).deflated(lines(3000), 1500);
        send(agreed_with(seat, &alike), script);
        let script = seat.script().deflated_further(lines(3000), 1500).deflated_further(lines(3000), 40);
        send(agreed_with(seat, &with_windows), script);
        send(Negotiated::default(), seat.script().message(lines(3000)).message(lines(3000)));
    }
}

/// Longer by far than what is received whole, and than any buffer.
const LONG: usize = 4 << 20;

fn small_messages() -> Config {
    config(|config| {
        config.keepalive = None;
        config.max_message = 10_000;
    })
}

/// In pieces of any size, however much comes out of one frame. The message behind it is whole.
pub fn a_long_message_is_read_in_pieces<S: Subject>(seat: Seat) {
    let long = lines(LONG);
    let mut window = Compressor::new(Habits::default());
    let payload = window.message([long.as_bytes()]);
    let (first, rest) = payload.split_at(payload.len() / 3);
    let next = window.message([&long.as_bytes()[LONG - 5000..]]);
    let script = seat
        .script()
        .send(&[Frame::text(first).reserved(4).unfinished(), Frame::ping("p"), Frame::continuation(rest)])
        .send(&[Frame::text(next).reserved(4)])
        .expect(Frame::pong("p"));
    let mut subject: S = start(seat, true, seat.setup(small_messages(), script));
    let read = subject.read(|kind, reader| {
        assert_eq!(kind, Kind::Text);
        let mut piece = vec![0; 10_000];
        let mut at = 0;
        loop {
            let n = reader.read(&mut piece).expect("no error");
            assert!(piece[..n] == long.as_bytes()[at..at + n], "another piece at {at}");
            at += n;
            if n == 0 {
                break at;
            }
        }
    });
    assert_eq!(read, Ok(Some(LONG)));
    assert_eq!(subject.recv(), Ok(Some(long[LONG - 5000..].into())));
    let counted = compression(&subject);
    assert_eq!(counted.received_plain, (LONG + 5000) as u64);
    assert!(counted.received_compressed < (LONG / 2) as u64);
    subject.join();
}

/// Half way: the rest is skipped, and yet it is in the window of what comes next.
pub fn a_reader_that_is_dropped<S: Subject>(seat: Seat) {
    let long = lines(200_000);
    let mut window = Compressor::new(Habits::default());
    let mut message = |text: &str| Frame::text(window.message([text.as_bytes()])).reserved(4);
    let frames = [message(&long), message(&long[180_000..]), message(&long), message("end")];
    assert!(frames[1].payload.len() < 1000);
    let script = seat.script().send(&frames);
    let mut subject: S = start(seat, true, seat.setup(patient(), script));
    let mut head = vec![0; 1000];
    assert!(matches!(subject.read(|_, reader| reader.read_exact(&mut head)), Ok(Some(Ok(())))));
    assert!(head == long.as_bytes()[..1000]);
    assert_eq!(subject.recv(), Ok(Some(long[180_000..].into())));
    assert_eq!(subject.read(|kind, _| kind), Ok(Some(Kind::Text)));
    assert_eq!(subject.recv(), Ok(Some("end".into())));
    subject.join();
}

/// By the piece, in whatever frames come about.
pub fn a_long_message_is_written_in_pieces<S: Subject>(seat: Seat) {
    let long = lines(LONG / 4);
    let script =
        seat.script().deflated(&*long, long.len() / 3).deflated(pattern(500_000), 505_000).message("next");
    let mut subject: S = start(seat, false, seat.setup(patient(), script));
    let written = subject.write(Kind::Text, |writer| {
        for piece in long.as_bytes().chunks(7777) {
            writer.write_all(piece)?;
        }
        Ok(Finish::Yes)
    });
    assert_eq!(written, Ok(()));
    let written = subject.write(Kind::Binary, |writer| {
        for piece in pattern(500_000).chunks(300_000) {
            writer.write_all(piece)?;
        }
        Ok(Finish::Yes)
    });
    assert_eq!(written, Ok(()));
    subject.send(&"next".into()).expect("it is sent");
    assert_eq!(subject.stats().messages_sent, 3);
    assert_eq!(compression(&subject).sent_plain, (long.len() + 500_000) as u64);
    subject.join();
}

/// The peer can inflate all of it, and answers. A flush of nothing, or between messages, sends nothing.
pub fn what_is_flushed_arrives_at_once<S: Subject>(seat: Seat) {
    let script = seat
        .script()
        .deflated_part("tick")
        .send(&[Frame::text("go on")])
        .deflated_part("tick, tock")
        .send(&[Frame::text("go on")])
        .deflated("tick, tock, tick", 40)
        .send(&[Frame::text("done")])
        .silence(S::TIMES.moment)
        .message("end");
    let mut subject: S = start(seat, false, seat.setup(patient(), script));
    for part in ["tick", ", tock"] {
        let written = subject.write(Kind::Text, |writer| {
            writer.write_all(part.as_bytes())?;
            for _ in 0..3 {
                writer.flush()?;
            }
            Ok(Finish::No)
        });
        assert_eq!(written, Ok(()));
        assert_eq!(subject.recv(), Ok(Some("go on".into())));
    }
    let written = subject.write(Kind::Text, |writer| {
        writer.write_all(b", tick")?;
        Ok(Finish::Yes)
    });
    assert_eq!(written, Ok(()));
    assert_eq!(subject.recv(), Ok(Some("done".into())));
    subject.flush().expect("there is nothing to flush");
    subject.rest(S::TIMES.moment * 3);
    subject.send(&"end".into()).expect("it is sent");
    subject.join();
}

/// The outbox stays within its limit, as what waits there is compressed; nothing is refused and nothing lost.
pub fn feeding_waits_for_room<S: Subject>(seat: Seat) {
    let mut script = seat.script().pause(S::TIMES.moment * 2);
    for n in 0..60 {
        script = script.deflated(pattern(10_000 + n), 10_200).deflated(lines(5000 + n), 2500);
    }
    let small = config(|config| {
        config.max_outbox = 32 << 10;
        config.keepalive = None;
    });
    let setup = Setup { room: 1 << 10, ..seat.setup(small, script) };
    let mut subject: S = start(seat, false, setup);
    let started = subject.now();
    for n in 0..60 {
        for message in [Owned::from(pattern(10_000 + n)), lines(5000 + n).into()] {
            subject.feed(&message).expect("it waits, and does not fail");
            let queued = subject.stats().bytes_queued;
            assert!(queued <= (32 << 10) + 50, "{queued} bytes are queued");
        }
    }
    assert!(subject.now() - started >= S::TIMES.moment, "it waited for the peer");
    subject.flush().expect("all of it is written");
    assert_eq!(subject.stats().bytes_queued, 0);
    subject.join();
}

/// Megabytes each way, more than any buffer holds, with windows. A split connection does both at once.
pub fn bulk_both_ways<S: Subject>(seat: Seat) {
    let messages: Vec<Owned> =
        (0..4).flat_map(|n| [pattern(300_000 + n).into(), lines(300_000 + n).into()]).collect();
    let mut window = Compressor::new(Habits::default());
    let mut script = seat.script();
    let frames: Vec<_> = messages
        .iter()
        .map(|message| {
            let payload = window.message([message.as_bytes()]);
            let binary = matches!(message, Owned::Binary(_));
            if binary { Frame::binary(payload) } else { Frame::text(payload) }.reserved(4)
        })
        .collect();
    match seat.hold {
        Hold::Split => {
            script = script.send(&frames);
            for message in &messages {
                script = script.deflated_further(message.clone(), 305_000);
            }
        }
        Hold::Whole => {
            for (frame, message) in frames.into_iter().zip(&messages) {
                script = script.deflated_further(message.clone(), 305_000).send(&[frame]);
            }
        }
    }
    let mut subject: S = start(seat, true, Setup { room: 4 << 10, ..seat.setup(patient(), script) });
    let received = subject.exchange(&messages).expect("no error");
    assert!(received == messages);
    assert_eq!(subject.stats().bytes_queued, 0);
    subject.join();
}

/// They are delivered until the peer's Close.
pub fn messages_behind_our_close<S: Subject>(seat: Seat) {
    let mut window = Compressor::new(Habits::default());
    let mut message = |n| Frame::text(window.message([answer(n).as_bytes()])).reserved(4);
    let script = seat
        .script()
        .send(&[message(0)])
        .close(1000, "enough")
        .send(&[message(1), message(2), Frame::close(1000, "enough")])
        .end();
    let setup = Setup { room: AMPLE, ..seat.setup(patient(), script) };
    let mut subject: S = start(seat, true, setup);
    assert_eq!(subject.recv(), Ok(Some(answer(0).into())));
    subject.start_close(CloseCode::NORMAL, "enough").expect("it is sent");
    assert_eq!(subject.recv(), Ok(Some(answer(1).into())));
    assert_eq!(subject.recv(), Ok(Some(answer(2).into())));
    assert_eq!(subject.recv(), Ok(None));
    assert!(assert_over(&mut subject).is_clean());
    subject.join();
}
