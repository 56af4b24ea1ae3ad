//! Any sequence of calls is recorded without changing what it does, and replays exactly.

use bytes::{Buf, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use websans::deflate::Extension;
use websans::{
    CloseCode, Config, Connection, Event, Inbox, Keepalive, Kind, Negotiated, Payload, Prepared,
    ProtocolError, Role, Timestamp,
};
use websans_deflate::{Deflate, Settings};
use websans_record::{FormatError, Recorder, Recording, Replay, ReplayError, Stop, redact};
use websans_testkit::calls::{self, Call};
use websans_testkit::listen::counted_keys;

/// One end, recorded or not: the calls of the tests.
trait Driven {
    fn conn(&mut self) -> &Connection;
    fn call(&mut self, call: &Call, now: u64) -> String;
}

/// Does the same with both: they have the same methods, but no trait.
macro_rules! drive {
    ($conn:expr, $inbox:expr, $next:expr, $next_chunk:expr, $accept:expr, $park:expr, $lend:expr, $call:expr, $now:expr) => {
        match $call {
            Call::Feed(bytes) => {
                let spare = $inbox.spare_mut();
                let n = spare.len().min(bytes.len());
                spare[..n].copy_from_slice(&bytes[..n]);
                $inbox.filled(n);
                n.to_string()
            }
            Call::Receive(bytes) => {
                let mut bytes = bytes.clone();
                let mut input = &mut bytes[..];
                let mut said = String::new();
                loop {
                    let received = $conn.receive(&mut input);
                    said += &format!("{received:?}");
                    if !matches!(received, Ok(Some(_))) {
                        return said;
                    }
                }
            }
            Call::Accept(bytes) => {
                let mut bytes = bytes.clone();
                let mut input = &mut bytes[..];
                let mut said = String::new();
                while let Ok(Some(event)) = $conn.receive(&mut input) {
                    if let Event::Part(part) = event {
                        said += &format!("{:?}", $accept(part));
                    }
                }
                said
            }
            Call::Next => format!("{:?}{:?}", $next, $inbox.message()),
            Call::NextChunk => format!("{:?}{:?}", $next_chunk, $inbox.chunk()),
            Call::Filled(n) => {
                // To fill what was not asked for is the one thing that a recorder does otherwise.
                let most = $inbox.spare_mut().len();
                $inbox.filled(*n % (most + 1));
                String::new()
            }
            Call::Preload(bytes) => format!("{:?}", $inbox.preload(bytes)),
            Call::Send(kind, bytes) => {
                let shared = bytes::Bytes::from(bytes.clone());
                format!("{:?}", $conn.send(Payload::new(*kind, shared)))
            }
            Call::Part(kind, bytes, last) => {
                format!(
                    "{:?}{:?}",
                    $conn.send_part(Payload::new(*kind, &bytes[..]), *last),
                    $conn.flush_part()
                )
            }
            Call::Control(true, bytes) => format!("{:?}", $conn.ping(bytes)),
            Call::Control(false, bytes) => format!("{:?}", $conn.pong(bytes)),
            Call::Close(code, reason) => {
                format!("{:?}", CloseCode::new(*code).map(|code| $conn.close(code, reason)))
            }
            Call::Fail => format!("{:?}", $conn.fail(ProtocolError::InvalidUtf8)),
            Call::Eof => format!("{:?}", $conn.eof()),
            Call::Abort => format!("{:?}", $conn.abort()),
            Call::Tick(_) => format!("{:?}", $conn.tick(Timestamp::from_nanos($now))),
            Call::Write(n) => {
                let n = (*n).min($conn.outbox().len());
                format!("{:?}", $conn.outbox().advance(n))
            }
            Call::Take => format!("{:?}", $conn.outbox().take_chunk()),
            Call::Park(lend) => {
                $conn.park();
                let parked = $park;
                let said = format!("{:?}", parked.as_ref().map(Vec::len));
                if *lend {
                    $lend(parked.unwrap_or_default());
                }
                said
            }
            Call::Streamed(streamed) => format!("{:?}", $conn.set_streamed(*streamed)),
            Call::Prepared(kind, bytes) => {
                format!(
                    "{:?}",
                    Prepared::new(Payload::new(*kind, &bytes[..])).map(|made| $conn.send_prepared(&made))
                )
            }
            Call::Flush => format!("{:?}", $conn.flush_part()),
            Call::TakeMessage => format!("{:?}", $inbox.take()),
            Call::Wake(_) => format!("{:?}", $conn.wake(Timestamp::from_nanos($now))),
            Call::TickWrites(_) => format!("{:?}", $conn.tick_writes(Timestamp::from_nanos($now))),
            Call::Blocked => format!("{:?}", $conn.note_blocked()),
            Call::Stalled => format!("{:?}", $conn.note_stalled()),
        }
    };
}

struct Plain(Connection, Inbox);

impl Driven for Plain {
    fn conn(&mut self) -> &Connection {
        &self.0
    }

    fn call(&mut self, call: &Call, now: u64) -> String {
        let Self(conn, inbox) = self;
        drive!(
            conn,
            inbox,
            inbox.next(conn),
            inbox.next_chunk(conn),
            |part| inbox.accept(conn, part).map(|message| format!("{message:?}")),
            inbox.park(),
            |buffer| inbox.lend(buffer),
            call,
            now
        )
    }
}

impl Driven for Recorder<Vec<u8>> {
    fn conn(&mut self) -> &Connection {
        self
    }

    fn call(&mut self, call: &Call, now: u64) -> String {
        drive!(
            self,
            self,
            self.next(),
            self.next_chunk(),
            |part| self.accept(part).map(|message| format!("{message:?}")),
            self.park_inbox(),
            |buffer| self.lend_inbox(buffer),
            call,
            now
        )
    }
}

fn look(conn: &Connection) -> String {
    format!(
        "{conn:?} {:?} {:?} {:?} {:?}",
        conn.deadline(),
        conn.write_deadline(),
        conn.hangup(),
        conn.outcome()
    )
}

fn config(tight: bool) -> Config {
    let mut config = Config::default();
    if tight {
        config.max_message = 500;
        config.max_streamed = 2000;
        config.max_fragments = 3;
        config.max_inflate_ratio = Some(20);
        config.max_outbox = 300;
        config.read_buffer = 100;
        config.fragment_above = Some(50);
        config.keepalive = Some(Keepalive {
            every: core::time::Duration::from_secs(3),
            within: core::time::Duration::from_millis(1500),
        });
        config.idle = Some(core::time::Duration::from_secs(90));
    }
    config
}

fn deflate() -> Deflate {
    let mut settings = Settings::default();
    settings.threshold = 10;
    Deflate::new(settings)
}

fn role(is_client: bool) -> Role {
    if is_client { Role::Client(counted_keys()) } else { Role::Server }
}

fn negotiated(compressed: bool, is_client: bool) -> Negotiated {
    let mut negotiated = Negotiated::default();
    negotiated.protocol = Some("chat".into());
    if compressed {
        let agreed = websans::deflate::Parameters::default();
        negotiated.deflate = Some(agreed);
        negotiated.codec = Some(Extension::from(deflate()).propose().codec(is_client, agreed));
    }
    negotiated
}

fn recorder(is_client: bool, tight: bool, compressed: bool, cap: u64) -> Recorder<Vec<u8>> {
    let start = Timestamp::from_nanos(5);
    Recorder::open(role(is_client), config(tight), negotiated(compressed, is_client), start, Vec::new(), cap)
}

fn replay(file: &[u8]) -> Result<websans_record::Replayed, ReplayError> {
    Replay::new().deflate(deflate()).run(file, |_| {})
}

/// Up to the first message.
fn hear_one(conn: &mut Recorder<Vec<u8>>, bytes: &[u8]) {
    conn.spare_mut()[..bytes.len()].copy_from_slice(bytes);
    conn.filled(bytes.len());
    assert_eq!(conn.next(), Ok(true));
}

fn hear(conn: &mut Recorder<Vec<u8>>, bytes: &[u8]) {
    conn.spare_mut()[..bytes.len()].copy_from_slice(bytes);
    conn.filled(bytes.len());
    while conn.next().expect("it is legal") {}
}

/// Where the records of a file begin, and its end.
fn places(file: &[u8]) -> Vec<usize> {
    let mut recording = Recording::read(file).expect("a recording");
    let mut places = vec![recording.offset()];
    while recording.next_record().expect("whole records").is_some() {
        places.push(recording.offset());
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_recorded_is_what_happens(
        calls in vec(calls::call(), 0..50),
        is_client: bool,
        tight: bool,
        compressed: bool,
        full in proptest::option::weighted(0.2, 0..4000u64),
    ) {
        let cap = full.unwrap_or(u64::MAX);
        let mut recorded = recorder(is_client, tight, compressed, cap);
        let (conn, inbox) = websans::open(
            role(is_client),
            config(tight),
            negotiated(compressed, is_client),
            Timestamp::from_nanos(5),
        );
        let mut plain = Plain(conn, inbox);
        let mut now = 0;
        for call in &calls {
            if let Call::Tick(step) | Call::Wake(step) | Call::TickWrites(step) = call {
                now += step;
            }
            prop_assert_eq!(recorded.call(call, now), plain.call(call, now), "{:?}", call);
            prop_assert_eq!(look(recorded.conn()), look(plain.conn()), "{:?}", call);
        }
        let mut ours = recorded.outbox();
        let ours = ours.copy_to_bytes(ours.remaining());
        let theirs = plain.0.outbox();
        prop_assert_eq!(ours, theirs.copy_to_bytes(theirs.remaining()));

        let stopped = recorded.stopped();
        prop_assert!(full.is_some() || stopped.is_none());
        let file = recorded.finish();
        prop_assert!(file.len() as u64 <= cap);
        if !file.is_empty() {
            let replayed = replay(&file);
            prop_assert_eq!(replayed.as_ref().map(|replayed| replayed.stopped), Ok(stopped));
        }
    }

    #[test]
    fn a_changed_byte_is_found_where_it_is(seed: u64, data in vec(any::<u8>(), 80..300), at: prop::sample::Index, bit in 0..8u8) {
        let (files, deflate) = websans_testkit::fuzz::record(&data);
        let file = &files[usize::from(seed % 2 == 0)];
        let replay = Replay::new().deflate(&deflate);
        let whole = replay.run(file, |_| {});
        prop_assert!(whole.is_ok(), "{:?}", whole);
        let places = places(file);
        let from = places[0];
        prop_assume!(file.len() > from);
        let at = from + at.index(file.len() - from);
        let mut changed = file.clone();
        changed[at] ^= 1 << bit;
        let record = places.iter().filter(|place| **place <= at).count() - 1;
        let mut reported = 0;
        match replay.run(&changed, |_| reported += 1) {
            // A record that stops it has no check; and one that is made so ends it.
            Ok(replayed) => prop_assert!(replayed.stopped.is_some() && record >= replayed.records),
            Err(ReplayError::Divergence(divergence)) => {
                prop_assert_eq!(divergence.record, record, "{}", divergence);
                prop_assert_eq!(divergence.offset, places[record]);
            }
            Err(ReplayError::Format(_)) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
        prop_assert_eq!(reported, record);
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..200), keep in 0..110usize) {
        // Behind some of a header, or behind all of it.
        let mut file = recorder(bytes.len() % 2 == 0, true, false, u64::MAX).finish();
        file.truncate(keep);
        file.append(&mut bytes);
        let _ = replay(&file);
        let _ = redact(&file);
    }
}

#[test]
fn cut_anywhere_it_says_so_or_ends_sooner() {
    for compressed in [false, true] {
        let mut client = recorder(true, true, compressed, u64::MAX);
        client.tick(Timestamp::from_nanos(1_000_000));
        client.send("one message, one message").expect("it is open");
        client.ping(b"?").expect("it is open");
        let left = client.outbox().remaining();
        client.outbox().advance(left);
        hear(&mut client, b"\x81\x05Hello\x8a\x01?\x88\x02\x03\xe8");
        let file = client.finish();
        let places = places(&file);
        assert!(places.len() > 6, "{}", places.len());
        for end in 0..=file.len() {
            let replayed = replay(&file[..end]);
            match places.iter().position(|place| *place == end) {
                Some(records) => assert_eq!(replayed.map(|replayed| replayed.records), Ok(records)),
                None => assert!(
                    matches!(replayed, Err(ReplayError::Format(FormatError::Truncated(_)))),
                    "{end}: {replayed:?}"
                ),
            }
        }
    }
}

/// Some bytes without content have storage that they are the only ones to hold; what a replay makes of them has none.
#[test]
fn what_is_empty_replays_whatever_was_in_it_once() {
    let held = Bytes::from(vec![7; 100]);
    let empties: [&dyn Fn() -> Bytes; 7] = [
        &Bytes::new,
        &|| Bytes::from_static(b""),
        &|| Bytes::from(Vec::with_capacity(100)),
        &|| BytesMut::with_capacity(100).freeze(),
        &|| Bytes::from(vec![7; 100]).split_off(100),
        &|| held.slice(50..50),
        &|| {
            let mut bytes = held.clone();
            bytes.clear();
            bytes
        },
    ];
    for (is_client, compressed) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut conn = recorder(is_client, false, compressed, u64::MAX);
        for empty in empties {
            for compress in [None, Some(true)] {
                let payload = || Payload::new(Kind::Binary, empty()).compress(compress);
                assert_eq!(conn.send(payload()), Ok(()));
                assert_eq!(conn.send_part(payload(), false), Ok(()));
                assert_eq!(conn.send_part(payload(), true), Ok(()));
            }
        }
        // What was gathered, and came to nothing.
        let frame = websans_testkit::wire::Frame::binary("");
        hear_one(&mut conn, &if is_client { frame } else { frame.masked([9, 8, 7, 6]) }.to_bytes());
        let taken = conn.take().expect("an empty message");
        assert_eq!(conn.send(taken), Ok(()));
        let file = conn.finish();
        let replayed = replay(&file);
        assert_eq!(replayed.map(|replayed| replayed.messages), Ok(1), "{is_client} {compressed}");
    }
}

#[test]
fn full_is_full_and_says_so() {
    for cap in 0..400 {
        let mut recorder = recorder(true, false, false, cap);
        let before = recorder.recorded();
        for _ in 0..10 {
            recorder.send("a message that takes some room").expect("the connection does not care");
        }
        assert_eq!(recorder.stopped(), Some(Stop::Full));
        assert_eq!(recorder.stats().messages_sent, 10);
        let file = recorder.finish();
        assert!(file.len() as u64 <= cap);
        if before == 0 {
            assert!(file.is_empty());
        } else {
            assert_eq!(replay(&file).map(|replayed| replayed.stopped), Ok(Some(Stop::Full)));
        }
    }
}

#[test]
fn a_sink_that_fails_does_not_fail_the_connection() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let start = Timestamp::from_nanos(0);
    let mut recorder =
        Recorder::open(Role::Server, Config::default(), Negotiated::default(), start, Full, u64::MAX);
    assert_eq!(recorder.send("Hello"), Ok(()));
    assert_eq!(recorder.stopped(), Some(Stop::Unwritable));
    assert_eq!(recorder.error().map(std::io::Error::kind), Some(std::io::ErrorKind::StorageFull));
}

#[test]
fn a_version_to_come_is_refused_by_its_number() {
    let mut file = recorder(false, false, false, u64::MAX).finish();
    assert_eq!(file[8], 1);
    file[8] = 2;
    let error = replay(&file).expect_err("nobody knows it");
    assert_eq!(error, ReplayError::Format(FormatError::UnknownVersion(2)));
    assert_eq!(error.to_string(), "the recording is of version 2 of the format, and only version 1 is known");
    assert_eq!(replay(b"GET / HTTP/1.1\r\n"), Err(ReplayError::Format(FormatError::NotARecording)));
}

#[test]
fn what_compresses_needs_what_compresses() {
    let mut recorder = recorder(false, false, true, u64::MAX);
    recorder.send("la la la la la la la la la la la la").expect("it is open");
    let file = recorder.finish();
    assert_eq!(websans_record::replay(&file), Err(ReplayError::NoCodec));
    assert_eq!(redact(&file), Err(ReplayError::Compressed));
    assert!(replay(&file).is_ok());
}

#[test]
fn redacted_nothing_is_left_of_what_was_said() {
    let secret = "Grüße, Паро́ль: 漢字 𐍈";
    let mut server = recorder(false, false, false, u64::MAX);
    let hello = websans_testkit::wire::Frame::text(secret).masked([9, 8, 7, 6]).to_bytes();
    for bytes in hello.chunks(5) {
        hear(&mut server, bytes);
    }
    server.send(secret).expect("it is open");
    server.send(&b"\x01\x02 secret"[..]).expect("it is open");
    server.close(CloseCode::NORMAL, "because of Müller").expect("it is open");
    let left = server.outbox().remaining();
    server.outbox().advance(left);
    let file = server.finish();
    let redacted = redact(&file).expect("it is not compressed");
    let mut said = Vec::new();
    Replay::new()
        .run(&redacted, |step| {
            said.extend_from_slice(step.written);
            if let Some(websans_record::Heard::Chunk(chunk)) = &step.heard {
                said.extend_from_slice(chunk.payload);
            }
        })
        .expect("it replays");
    let letters: Vec<u8> = said.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    assert!(letters.len() > 20 && letters.iter().all(|letter| *letter == b'x'), "{letters:?}");
    // What was received comes first: as many characters of each length.
    let received = core::str::from_utf8(&said[..secret.len()]).expect("text stays text");
    let lengths = |text: &str| text.chars().map(char::len_utf8).collect::<Vec<_>>();
    assert_eq!(lengths(received), lengths(secret));
}

#[test]
fn what_is_read_of_a_large_buffer_is_copied_once() {
    // Many small frames in one buffer: recording must not cost their number times the buffer.
    let frame = websans_testkit::wire::Frame::binary("").masked([1; 4]).to_bytes();
    let mut bytes = frame.repeat(20_000);
    let mut server = recorder(false, false, false, u64::MAX);
    let mut input = &mut bytes[..];
    let mut events = 0;
    while server.receive(&mut input).expect("it is legal").is_some() {
        events += 1;
    }
    assert_eq!(events, 20_000);
    let file = server.finish();
    assert!(file.len() < 20_000 * (frame.len() + 10), "{}", file.len());
    assert_eq!(replay(&file).map(|replayed| replayed.messages), Ok(20_000));
}
