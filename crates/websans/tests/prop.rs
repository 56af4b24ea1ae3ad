//! Properties: any split of the input is as good as any other, what is sent is what arrives, nothing panics.

use bytes::Buf;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use websans::deflate::{Decode, Decoded};
use websans::{
    Config, Connection, Inbox, Kind, Message, Negotiated, Payload, Prepared, ProtocolError, SendError,
};
use websans_testkit::listen::{Heard, Way, endpoint, judge, listen};
use websans_testkit::oracle::{self, End, Rules};
use websans_testkit::wire::{Frame, opcode, stream};
use websans_testkit::{calls, stored, strategies};

/// Short streams that hold a bit of everything, of at most 20 bytes each.
fn short_streams(server: bool) -> Vec<Vec<u8>> {
    let text = |payload: &str| Frame::text(payload);
    let streams = [
        vec![text("ß").unfinished(), Frame::continuation("")],
        vec![Frame::ping("x"), Frame::close(1001, "y")],
        vec![text("aß")],
        vec![Frame::text(b"a\xED\xA0")],
        vec![Frame::text(b"\xC3").unfinished(), Frame::continuation(b"\x28")],
        vec![Frame::binary("").unfinished(), Frame::ping("")],
        vec![Frame::close(1000, b"\xFF")],
        vec![Frame::close(999, "")],
        vec![text("a"), Frame::continuation("")],
        vec![text("a").reserved(2)],
        vec![Frame::binary([0; 3]).form(websans_testkit::wire::Form::Two)],
    ];
    streams.iter().map(|frames| stream(frames, server)).collect()
}

/// The pieces of `bytes` cut wherever `cuts` has a bit set.
fn cut(bytes: &[u8], cuts: u32) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in 1..=bytes.len() {
        if end == bytes.len() || cuts >> (end - 1) & 1 == 1 {
            pieces.push(&bytes[start..end]);
            start = end;
        }
    }
    pieces
}

#[test]
fn every_split_of_short_streams_is_the_same() {
    for server in [true, false] {
        for bytes in short_streams(server) {
            assert!(bytes.len() <= 17, "{}", bytes.len());
            for cuts in 0..1 << (bytes.len() - 1) {
                for way in Way::ALL {
                    judge(way, server, &Config::default(), &cut(&bytes, cuts));
                }
            }
        }
    }
}

/// All 524,288 splits of twenty bytes: a text of two fragments, a Ping between them, a Close.
#[test]
fn every_split_of_twenty_bytes_is_the_same() {
    let frames = [
        Frame::text("a€").unfinished(),
        Frame::ping("p"),
        Frame::continuation(b"\xC3"),
        Frame::new(opcode::CLOSE, ""),
        Frame::text("late"),
    ];
    let mut bytes = stream(&frames, false);
    bytes.truncate(20);
    let config = Config::default();
    let [whole, next] = [Way::Receive, Way::Next]
        .map(|way| listen(way, endpoint(false, &config, Negotiated::default()), [&bytes[..]]));
    let mut splits = 0;
    for cuts in 0..1 << 19 {
        let (way, wanted) = if cuts % 2 == 0 { (Way::Receive, &whole) } else { (Way::Next, &next) };
        let heard = listen(way, endpoint(false, &config, Negotiated::default()), cut(&bytes, cuts));
        assert_eq!((&heard.events, heard.end), (&wanted.events, wanted.end), "{way:?} cut by {cuts:b}");
        assert_eq!(heard.outcome, wanted.outcome);
        splits += 1;
    }
    assert_eq!(splits, 1 << (bytes.len() - 1));
    println!("measure splits of one session: {splits} splits");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The same words in every way to read, cut anywhere, from streams of any length.
    #[test]
    fn any_split_is_the_same(
        frames in strategies::conversation(),
        long in strategies::length(),
        server: bool,
        cuts in strategies::cuts(),
        size in 1..200usize,
    ) {
        let mut frames = frames;
        frames.insert(0, Frame::binary(vec![7; long]));
        let bytes = stream(&frames, server);
        for way in Way::ALL {
            judge(way, server, &Config::default(), &[&bytes]);
            judge(way, server, &Config::default(), &strategies::split(&bytes, &cuts));
            judge(way, server, &Config::default(), &bytes.chunks(size).collect::<Vec<_>>());
        }
    }
}

fn fill(inbox: &mut Inbox, bytes: &[u8]) {
    inbox.spare_mut()[..bytes.len()].copy_from_slice(bytes);
    inbox.filled(bytes.len());
}

fn take_all(
    conn: &mut Connection,
    inbox: &mut Inbox,
    found: &mut Vec<(Kind, Vec<u8>)>,
) -> Option<ProtocolError> {
    loop {
        match inbox.next(conn) {
            Ok(true) => {
                found.extend(inbox.message().map(|message| (message.kind(), message.as_bytes().to_vec())))
            }
            Ok(false) => return None,
            Err(error) => return Some(error),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// An inbox that is parked between reads, has its buffer swapped for another, or is given the first bytes by hand,
    /// finds the same.
    #[test]
    fn buffers_come_and_go(
        frames in strategies::conversation(),
        server: bool,
        cuts in strategies::cuts(),
        by_hand in any::<Index>(),
        sizes in vec(0..5000usize, 1..5),
    ) {
        let bytes = stream(&frames, server);
        let wanted = oracle::read(&bytes, &Rules::of(&Config::default(), server));
        let (mut conn, mut inbox) = endpoint(server, &Config::default(), Negotiated::default());
        let mut found = Vec::new();
        let mut error = None;
        let (first, rest) = bytes.split_at(by_hand.index(bytes.len() + 1));
        for part in first.chunks(first.len() / 2 + 1) {
            inbox.preload(part);
        }
        error = error.or(take_all(&mut conn, &mut inbox, &mut found));
        let mut sizes = sizes.iter().cycle();
        for mut piece in strategies::split(rest, &cuts) {
            while !piece.is_empty() {
                if let Some(size) = sizes.next().filter(|&&size| size % 2 == 0) {
                    prop_assert!(inbox.park().is_none_or(|buffer| !buffer.is_empty()));
                    inbox.lend(vec![0xEE; *size]);
                }
                let n = inbox.spare_mut().len().min(piece.len());
                prop_assert!(n > 0);
                fill(&mut inbox, &piece[..n]);
                piece = &piece[n..];
                error = error.or(take_all(&mut conn, &mut inbox, &mut found));
            }
        }
        let messages = wanted.events.into_iter().filter_map(|event| match event {
            oracle::Event::Message { kind, payload, .. } => Some((kind, payload)),
            _ => None,
        });
        prop_assert_eq!(found, messages.collect::<Vec<_>>());
        prop_assert_eq!(error.map(End::Failed), Some(wanted.end).filter(|end| matches!(end, End::Failed(_))));
    }
}

/// What an application may say.
#[derive(Clone, Debug)]
enum Saying {
    Whole(Kind, Vec<u8>, u8),
    Parts(Kind, Vec<u8>, Vec<Index>),
    Ping(Vec<u8>),
}

fn saying() -> impl Strategy<Value = Saying> {
    let data = || {
        prop_oneof![
            strategies::text().prop_map(|text| (Kind::Text, text.into_bytes())),
            strategies::payload().prop_map(|bytes| (Kind::Binary, bytes)),
            (0..20_000usize).prop_map(|len| (Kind::Binary, vec![9; len])),
        ]
    };
    prop_oneof![
        3 => (data(), 0..5u8).prop_map(|((kind, bytes), how)| Saying::Whole(kind, bytes, how)),
        2 => (data(), vec(any::<Index>(), 0..4)).prop_map(|((kind, bytes), cuts)| Saying::Parts(kind, bytes, cuts)),
        1 => vec(any::<u8>(), 0..=125).prop_map(Saying::Ping),
    ]
}

/// Says it, and writes to `wrote` what is to be written.
fn say(conn: &mut Connection, saying: &Saying, wrote: &mut Vec<u8>) {
    match saying {
        Saying::Whole(kind, bytes, how) => {
            let payload = match how {
                0 => Payload::new(*kind, &bytes[..]),
                1 => Payload::new(*kind, bytes.clone()),
                2 => Payload::new(*kind, bytes::Bytes::from(bytes.clone())),
                3 if *kind == Kind::Text => core::str::from_utf8(bytes).unwrap().into(),
                3 => (&bytes[..]).into(),
                _ => {
                    let prepared = Prepared::new(Payload::new(*kind, &bytes[..])).unwrap();
                    assert_eq!((prepared.kind(), prepared.payload()), (*kind, &bytes[..]));
                    conn.send_prepared(&prepared).unwrap();
                    return drain(conn, wrote);
                }
            };
            conn.send(payload).unwrap();
        }
        Saying::Parts(kind, bytes, cuts) => {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            let count = cuts.len() - 1;
            for (n, part) in parts.enumerate() {
                conn.send_part(Payload::new(*kind, part), n + 1 == count).unwrap();
                drain(conn, wrote);
                if n + 1 < count {
                    assert_eq!(conn.send("between"), Err(SendError::MessageInProgress));
                    let other = if *kind == Kind::Text { Kind::Binary } else { Kind::Text };
                    assert_eq!(conn.send_part(Payload::new(other, ""), true), Err(SendError::KindChanged));
                    assert!(!conn.wants_write());
                }
            }
        }
        Saying::Ping(payload) => conn.ping(payload).unwrap(),
    }
    drain(conn, wrote);
}

fn drain(conn: &mut Connection, wrote: &mut Vec<u8>) {
    let outbox = conn.outbox();
    while outbox.has_remaining() {
        let n = outbox.chunk().len();
        wrote.extend_from_slice(outbox.chunk());
        outbox.advance(n);
    }
}

fn said(sayings: &[Saying]) -> Vec<oracle::Event> {
    let event = |saying: &Saying| match saying {
        Saying::Whole(kind, bytes, _) | Saying::Parts(kind, bytes, _) => {
            oracle::Event::Message { kind: *kind, compressed: false, payload: bytes.clone() }
        }
        Saying::Ping(payload) => oracle::Event::Ping(payload.clone()),
    };
    sayings.iter().map(event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// What one end says the other hears, and the oracle finds every byte legal.
    #[test]
    fn what_is_sent_is_what_arrives(
        sayings in vec(saying(), 0..8),
        server: bool,
        above in proptest::option::of(prop_oneof![1..200usize, Just(65536)]),
        deflate in proptest::option::weighted(0.3, prop_oneof![Just(0usize), Just(50)]),
        cuts in strategies::cuts(),
    ) {
        let mut config = Config::default();
        config.fragment_above = above;
        let negotiated = || deflate.map(stored::negotiated).unwrap_or_default();
        let (mut conn, _) = endpoint(server, &config, negotiated());
        let mut wrote = Vec::new();
        for saying in &sayings {
            say(&mut conn, saying, &mut wrote);
        }
        let whole = said(&sayings);
        prop_assert_eq!(conn.stats().bytes_sent, wrote.len() as u64);

        let rules = Rules { compression: deflate.is_some(), ..Rules::unlimited(!server) };
        let mut meaning = oracle::read(&wrote, &rules);
        prop_assert_eq!((meaning.end, meaning.used), (End::Open, wrote.len()));
        for event in &mut meaning.events {
            if let oracle::Event::Message { compressed: compressed @ true, payload, .. } = event {
                *payload = stored::inflate(payload).unwrap();
                *compressed = false;
            }
        }
        prop_assert_eq!(&meaning.events, &whole);

        let messages: Vec<_> =
            whole.iter().filter(|event| matches!(event, oracle::Event::Message { .. })).cloned().collect();
        for way in Way::ALL {
            // Reading by hand shows compressed messages as they came.
            if deflate.is_some() && way == Way::Receive {
                continue;
            }
            let other = endpoint(!server, &config, negotiated());
            let Heard { events, end, .. } = listen(way, other, strategies::split(&wrote, &cuts));
            prop_assert_eq!(end, End::Open);
            prop_assert_eq!(&events, if way.sees_all() { &whole } else { &messages });
        }
    }

    /// No frame is longer than `fragment_above`, only the last may be shorter, and a short message stays whole.
    #[test]
    fn fragments_are_as_long_as_asked(len in 0..2000usize, above in 1..300usize, server: bool, shared: bool) {
        let mut config = Config::default();
        config.fragment_above = Some(above);
        let (mut conn, _) = endpoint(server, &config, Negotiated::default());
        let payload = vec![5; len];
        if shared { conn.send(payload) } else { conn.send(&payload) }.unwrap();
        let mut wrote = Vec::new();
        drain(&mut conn, &mut wrote);
        let mut lens = Vec::new();
        let mut rest = &wrote[..];
        while !rest.is_empty() {
            let (header, n) = websans::frame::Header::parse(rest).unwrap().unwrap();
            let len = usize::try_from(header.len).unwrap();
            lens.push(len);
            rest = &rest[n + len..];
            prop_assert_eq!(header.fin, rest.is_empty());
            prop_assert_eq!(header.mask.is_some(), !server);
        }
        prop_assert_eq!(lens.len(), len.div_ceil(above).max(1));
        prop_assert!(lens[..lens.len() - 1].iter().all(|&len| len == above));
        prop_assert_eq!(lens.iter().sum::<usize>(), len);
        prop_assert_eq!(conn.stats().frames_sent, lens.len() as u64);
    }

    /// Text is refused exactly if it is not UTF-8, wherever it is cut, and a refusal changes nothing.
    #[test]
    fn text_is_checked_before_it_is_sent(bytes in strategies::payload(), cuts in strategies::cuts(), server: bool) {
        let valid = core::str::from_utf8(&bytes).is_ok();
        let (mut conn, _) = endpoint(server, &Config::default(), Negotiated::default());
        let whole = conn.send(Payload::new(Kind::Text, &bytes[..]));
        prop_assert_eq!(whole, if valid { Ok(()) } else { Err(SendError::InvalidUtf8) });
        prop_assert_eq!(conn.wants_write(), valid);

        let (mut conn, _) = endpoint(server, &Config::default(), Negotiated::default());
        let pieces = strategies::split(&bytes, &cuts);
        let mut sent = 0;
        let mut refused = false;
        for (n, piece) in pieces.iter().enumerate() {
            let before = conn.outbox().len();
            match conn.send_part(Payload::new(Kind::Text, *piece), n + 1 == pieces.len()) {
                Ok(()) => sent += piece.len(),
                Err(error) => {
                    prop_assert_eq!(error, SendError::InvalidUtf8);
                    prop_assert_eq!(conn.outbox().len(), before);
                    refused = true;
                    break;
                }
            }
        }
        prop_assert_eq!(refused, !valid && !bytes.is_empty());
        if refused && sent > 0 {
            // The message under way can still be brought to a good end, if it stands at the end of a character.
            let good = core::str::from_utf8(&bytes[..sent]).is_ok();
            prop_assert_eq!(conn.send_part("ok", true).is_ok(), good);
        }
    }
}

#[derive(Clone, Debug)]
enum Beat {
    /// A Ping with so much payload arrives.
    Ping(usize),
    /// The application sends a message of this length, or one of it that was encoded beforehand.
    Send(usize, bool),
    /// The transport takes so much.
    Write(usize),
    /// Something wakes the connection.
    Tick,
    /// The next piece is taken out and written later.
    Take,
}

fn beat() -> impl Strategy<Value = Beat> {
    prop_oneof![
        4 => (4..=125usize).prop_map(Beat::Ping),
        2 => (prop_oneof![0..40usize, 8000..9000usize], any::<bool>()).prop_map(|(len, early)| Beat::Send(len, early)),
        4 => prop_oneof![1..12usize, 1..300usize].prop_map(Beat::Write),
        2 => Just(Beat::Tick),
        1 => Just(Beat::Take),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// However the transport stalls: Pongs go in the order of their Pings, the newest goes in any case, and those that
    /// wait do not add up.
    #[test]
    fn pongs_keep_their_order(beats in vec(beat(), 1..60), server: bool) {
        let mut config = Config::default();
        config.max_outbox = 1 << 20;
        let (mut conn, _) = endpoint(server, &config, Negotiated::default());
        let mut wrote = Vec::new();
        let mut taken = bytes::Bytes::new();
        let (mut pings, mut messages, mut queued) = (0u32, 0, 0);
        for (n, beat) in beats.iter().enumerate() {
            match beat {
                Beat::Ping(len) => {
                    let mut payload = pings.to_be_bytes().to_vec();
                    payload.resize(*len, b'.');
                    let mut bytes = stream(&[Frame::ping(payload)], server);
                    let mut input = &mut bytes[..];
                    prop_assert!(conn.receive(&mut input).unwrap().is_some());
                    pings += 1;
                }
                Beat::Send(len, early) => {
                    let payload = vec![1; *len];
                    if *early {
                        conn.send_prepared(&Prepared::new(payload).unwrap()).unwrap();
                    } else {
                        conn.send(payload).unwrap();
                    }
                    messages += 1;
                    queued += len + 14;
                }
                Beat::Write(most) => {
                    let mut most = *most;
                    while most > 0 && conn.wants_write() {
                        let outbox = conn.outbox();
                        let n;
                        if taken.is_empty() {
                            n = outbox.chunk().len().min(most);
                            wrote.extend_from_slice(&outbox.chunk()[..n]);
                        } else {
                            n = taken.len().min(most);
                            wrote.extend_from_slice(&taken.split_to(n));
                        }
                        outbox.advance(n);
                        most -= n;
                    }
                }
                Beat::Tick => conn.tick(websans::Timestamp::from_nanos(n as u64)),
                Beat::Take if taken.is_empty() && conn.wants_write() => taken = conn.outbox().take_chunk(),
                Beat::Take => {}
            }
            // Some in a batch, one that is half written, one behind it.
            prop_assert!(conn.outbox().len() <= queued + 250 + 2 * 131, "{} bytes wait", conn.outbox().len());
        }
        wrote.extend_from_slice(&taken);
        conn.outbox().advance(taken.len());
        drain(&mut conn, &mut wrote);
        let meaning = oracle::read(&wrote, &Rules::unlimited(!server));
        prop_assert_eq!((meaning.end, meaning.used), (End::Open, wrote.len()));
        let mut last = None;
        let mut seen = 0;
        for event in &meaning.events {
            match event {
                oracle::Event::Pong(payload) => {
                    let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
                    prop_assert!(last < Some(number), "{last:?}, then {number}");
                    last = Some(number);
                }
                _ => seen += 1,
            }
        }
        prop_assert_eq!(seen, messages);
        prop_assert_eq!(last, pings.checked_sub(1));
    }
}

// ---- compression's two hooks

fn compressed(first: u8, payload: &[u8]) -> Frame {
    Frame::new(first, stored::deflate(payload)).reserved(4)
}

fn deflating(server: bool, config: &Config) -> (Connection, Inbox) {
    endpoint(server, config, stored::negotiated(0))
}

fn message(kind: Kind, payload: impl Into<Vec<u8>>) -> oracle::Event {
    oracle::Event::Message { kind, compressed: false, payload: payload.into() }
}

#[test]
fn compressed_messages_among_others_at_every_split() {
    let inflated = "aß€".repeat(3);
    let deflated = stored::deflate(inflated.as_bytes());
    let frames = [
        Frame::text(&deflated[..4]).reserved(4).unfinished(),
        Frame::ping("p"),
        Frame::continuation(&deflated[4..9]).unfinished(),
        Frame::pong(""),
        Frame::continuation(&deflated[9..]),
        Frame::text("not compressed"),
        compressed(opcode::BINARY, b""),
        compressed(opcode::TEXT, b"whole"),
    ];
    let wanted = [
        message(Kind::Text, &*inflated),
        message(Kind::Text, "not compressed"),
        message(Kind::Binary, ""),
        message(Kind::Text, "whole"),
    ];
    for server in [true, false] {
        let bytes = stream(&frames, server);
        for way in [Way::Next, Way::NextChunk, Way::Accept] {
            for at in 0..bytes.len() {
                let pieces = [&bytes[..at], &bytes[at..]];
                let heard = listen(way, deflating(server, &Config::default()), pieces);
                let messages: Vec<_> = heard
                    .events
                    .into_iter()
                    .filter(|event| matches!(event, oracle::Event::Message { .. }))
                    .collect();
                assert_eq!((messages, heard.end), (wanted.to_vec(), End::Open), "{way:?} cut at {at}");
            }
            let heard = listen(way, deflating(server, &Config::default()), bytes.chunks(1));
            assert_eq!(heard.end, End::Open, "{way:?} byte by byte");
        }
    }
}

#[test]
fn rsv1_marks_the_first_frame_of_a_message_and_no_other() {
    let begin = Frame::text([0]).unfinished(); // also the beginning of a stored block
    let bad = [
        vec![begin.clone(), Frame::continuation("").reserved(4)],
        vec![begin.reserved(4), Frame::continuation("").reserved(4)],
        vec![Frame::ping("").reserved(4)],
        vec![Frame::new(opcode::CLOSE, "").reserved(4)],
        vec![Frame::text("").reserved(6)],
        vec![Frame::text("").reserved(5)],
        vec![Frame::text("").reserved(2)],
    ];
    for server in [true, false] {
        for frames in &bad {
            let heard =
                listen(Way::Next, deflating(server, &Config::default()), [&stream(frames, server)[..]]);
            assert_eq!(heard.end, End::Failed(ProtocolError::ReservedBits));
        }
        let alone = stream(&[compressed(opcode::TEXT, b"x")], server);
        let heard =
            listen(Way::Next, endpoint(server, &Config::default(), Negotiated::default()), [&alone[..]]);
        assert_eq!(heard.end, End::Failed(ProtocolError::ReservedBits), "not agreed on");
    }
}

#[test]
fn what_is_sent_compressed_has_rsv1_on_its_first_frame() {
    let mut config = Config::default();
    config.fragment_above = Some(10);
    for server in [true, false] {
        let (mut conn, _) = endpoint(server, &config, stored::negotiated(5));
        conn.send("long enough to be compressed").unwrap();
        conn.ping(b"").unwrap();
        conn.send("tiny").unwrap();
        conn.send_part("of unknown length: ", false).unwrap();
        conn.send_part("uncompressed", true).unwrap();
        let mut wrote = Vec::new();
        drain(&mut conn, &mut wrote);
        let mut seen = Vec::new();
        let mut rest = &wrote[..];
        while let Some((header, n)) = websans::frame::Header::parse(rest).unwrap() {
            seen.push((header.opcode as u8, header.rsv, header.fin));
            rest = &rest[n + usize::try_from(header.len).unwrap()..];
        }
        let wanted = [
            (1, 4, false),
            (0, 0, false),
            (0, 0, false),
            (0, 0, true),
            (9, 0, true),
            (1, 0, true),
            (1, 0, false),
            (0, 0, false),
            (0, 0, false),
            (0, 0, true),
        ];
        assert_eq!(seen, wanted);
    }
}

/// A message that inflates beyond the limit fails there, however it is cut, and one that fits just so does not.
#[test]
fn inflated_size_is_what_is_limited() {
    let mut config = Config::default();
    config.max_message = 40_000;
    config.max_streamed = 40_000;
    for server in [true, false] {
        for len in [0u32, 1, 16_383, 16_384, 16_385, 32_768, 39_999, 40_000, 40_001] {
            let [a, b, c, _] = len.to_le_bytes();
            let frame = Frame::binary([a, b, c]).reserved(4);
            for way in [Way::Next, Way::NextChunk, Way::Accept] {
                let mut negotiated = stored::negotiated(0);
                let codec = negotiated.codec.as_mut().unwrap();
                codec.decode = Box::new(Zeros::default());
                let heard = listen(
                    way,
                    endpoint(server, &config, negotiated),
                    stream(core::slice::from_ref(&frame), server).chunks(7),
                );
                if len > 40_000 {
                    assert_eq!(heard.end, End::Failed(ProtocolError::MessageTooBig), "{way:?}, {len}");
                } else {
                    assert_eq!(
                        heard.events,
                        [message(Kind::Binary, vec![0; len as usize])],
                        "{way:?}, {len}"
                    );
                }
            }
        }
    }
}

/// The limit is one message's, not the connection's.
#[test]
fn inflated_size_is_counted_anew_for_each_message() {
    let mut config = Config::default();
    config.max_message = 1000;
    config.max_streamed = 1000;
    let frame = compressed(opcode::BINARY, &[7; 900]);
    for server in [true, false] {
        let bytes = stream(&[frame.clone(), frame.clone(), frame.clone()], server);
        for way in [Way::Next, Way::NextChunk, Way::Accept] {
            let heard = listen(way, deflating(server, &config), bytes.chunks(500));
            assert_eq!((heard.events.len(), heard.end), (3, End::Open), "{way:?}");
        }
    }
}

/// More may be read, or handed over, while a compressed piece is only half inflated: it stays what it is.
#[test]
fn reading_on_does_not_disturb_what_is_being_inflated() {
    let mut config = Config::default();
    config.read_buffer = 200_000;
    let text = "aß€".repeat(15_000);
    let bytes = stream(&[compressed(opcode::TEXT, text.as_bytes()), Frame::text("next")], true);
    for by_hand in [false, true] {
        let (mut conn, mut inbox) = deflating(true, &config);
        inbox.lend(vec![0; 100_000]);
        let (now, later) = bytes.split_at(60_000);
        fill(&mut inbox, now);
        let mut later = later.chunks(1000);
        let mut got = Vec::new();
        loop {
            let found = inbox.next_chunk(&mut conn).unwrap();
            if let Some(chunk) = inbox.chunk() {
                got.extend_from_slice(chunk.payload);
            }
            if !found && later.len() == 0 {
                break;
            }
            for piece in later.by_ref().take(20) {
                if by_hand { inbox.preload(piece) } else { fill(&mut inbox, piece) }
            }
            assert!(inbox.park().is_none() || got.len() == text.len() + 4, "unread bytes were given away");
        }
        assert_eq!(got, [text.as_bytes(), b"next"].concat());
    }
}

/// That a message has begun is told at once, also if nothing of it is there yet.
#[test]
fn an_empty_beginning_is_a_chunk() {
    for (frame, end) in [
        (Frame::binary("").unfinished(), Frame::continuation("x")),
        (Frame::binary("").reserved(4).unfinished(), Frame::continuation(stored::deflate(b"x"))),
    ] {
        let (mut conn, mut inbox) = deflating(false, &Config::default());
        fill(&mut inbox, &stream(&[frame], false));
        assert_eq!(inbox.next_chunk(&mut conn), Ok(true));
        let chunk = inbox.chunk().unwrap();
        assert_eq!(
            (chunk.kind, chunk.payload, chunk.first, chunk.last),
            (Kind::Binary, &b""[..], true, false)
        );
        assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
        fill(&mut inbox, &stream(&[end], false));
        assert_eq!(inbox.next_chunk(&mut conn), Ok(true));
        let chunk = inbox.chunk().unwrap();
        assert_eq!((chunk.payload, chunk.first, chunk.last), (&b"x"[..], false, true));
    }
}

/// Inflates three bytes to as many zeros as they say, as a bomb would.
#[derive(Default)]
struct Zeros {
    seen: Vec<u8>,
    left: usize,
}

impl Decode for Zeros {
    fn decode(&mut self, input: &mut &[u8], last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        let mut bytes = Vec::new();
        let full = self.inflate(input, last, out.len(), &mut bytes)?;
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(if full { Decoded::More(bytes.len()) } else { Decoded::Drained(bytes.len()) })
    }
}

impl Zeros {
    /// True: there is more than `limit` bytes of it.
    fn inflate(
        &mut self,
        input: &mut &[u8],
        last: bool,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, ProtocolError> {
        if !input.is_empty() {
            self.seen.extend_from_slice(input);
            *input = &[];
            if let [a, b, c] = self.seen[..] {
                self.left = u32::from_le_bytes([a, b, c, 0]) as usize;
                self.seen.clear();
            }
        }
        assert!(limit <= 16 << 10, "inflated in steps");
        let n = self.left.min(limit);
        out.resize(out.len() + n, 0);
        self.left -= n;
        assert!(!last || self.seen.is_empty());
        Ok(n == limit && self.left > 0)
    }
}

/// A long message comes in bounded steps, and its text is checked across them.
#[test]
fn chunks_of_a_compressed_message_are_bounded() {
    let text = "€".repeat(50_000);
    let (mut conn, mut inbox) = deflating(true, &Config::default());
    let frames = stream(&[compressed(opcode::TEXT, text.as_bytes())], true);
    let mut got = Vec::new();
    let mut chunks = 0;
    let mut feed = &frames[..];
    while !feed.is_empty() {
        let spare = inbox.spare_mut();
        let n = spare.len().min(feed.len());
        spare[..n].copy_from_slice(&feed[..n]);
        inbox.filled(n);
        feed = &feed[n..];
        while inbox.next_chunk(&mut conn).unwrap() {
            let chunk = inbox.chunk().unwrap();
            assert!(chunk.payload.len() <= 16 << 10, "{}", chunk.payload.len());
            assert_eq!(chunk.first, chunks == 0);
            got.extend_from_slice(chunk.payload);
            chunks += 1;
            assert_eq!(chunk.last, got.len() == text.len() && feed.is_empty());
        }
    }
    assert_eq!(got, text.as_bytes());
    assert!(chunks > 9);
}

#[test]
fn what_does_not_inflate_or_is_not_text_fails() {
    let broken = Frame::binary([3, 2, 1]).reserved(4);
    let cut_short = Frame::binary(&stored::deflate(b"hello")[..8]).reserved(4);
    let not_text = compressed(opcode::TEXT, b"a\xFF");
    let half_text = compressed(opcode::TEXT, b"a\xC3");
    for server in [true, false] {
        for way in [Way::Next, Way::NextChunk, Way::Accept] {
            for (frame, error) in [
                (&broken, ProtocolError::InvalidDeflate),
                (&cut_short, ProtocolError::InvalidDeflate),
                (&not_text, ProtocolError::InvalidUtf8),
                (&half_text, ProtocolError::InvalidUtf8),
            ] {
                let bytes = stream(core::slice::from_ref(frame), server);
                for size in [1, 2, 100] {
                    let heard = listen(way, deflating(server, &Config::default()), bytes.chunks(size));
                    assert_eq!(heard.end, End::Failed(error), "{way:?} in pieces of {size}");
                    assert_eq!(heard.events, []);
                }
            }
        }
    }
}

// ---- whole and in chunks, by turns

/// A message of which `next` has gathered nothing but its empty first fragment is still new to `next_chunk`, and still
/// whole to a later `next`.
#[test]
fn an_empty_beginning_is_not_skipped() {
    let frames = stream(&[Frame::text("").unfinished(), Frame::continuation("whole")], false);
    let (mut conn, mut inbox) = endpoint(false, &Config::default(), Negotiated::default());
    fill(&mut inbox, &frames[..2]);
    assert_eq!(inbox.next(&mut conn), Ok(false));
    assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
    fill(&mut inbox, &frames[2..]);
    assert_eq!(inbox.next(&mut conn), Ok(true), "no part of it was given out, so nothing is skipped");
    assert_eq!(inbox.message(), Some(Message::Text("whole")));
}

/// Who gathers whole messages is held to `max_message`, whichever method saw the beginning of the header.
#[test]
fn a_whole_message_keeps_to_its_limit_after_a_look_for_chunks() {
    let mut config = Config::default();
    config.max_message = 1000;
    let bytes = stream(&[Frame::binary([1; 1500])], false);
    let (mut conn, mut inbox) = endpoint(false, &config, Negotiated::default());
    fill(&mut inbox, &bytes[..4]);
    assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
    fill(&mut inbox, &bytes[4..]);
    assert_eq!(inbox.next(&mut conn), Err(ProtocolError::MessageTooBig));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// By turns in any order, every message comes once: whole, in chunks, or cut short by `next`.
    #[test]
    fn whole_and_in_chunks_by_turns(
        sayings in vec(saying(), 1..6),
        turns in vec(any::<bool>(), 1..40),
        cuts in vec(any::<Index>(), 0..30),
        deflate: bool,
    ) {
        let config = Config::default();
        let negotiated = || if deflate { stored::negotiated(20) } else { Negotiated::default() };
        let (mut conn, _) = endpoint(true, &config, negotiated());
        let mut wrote = Vec::new();
        for saying in &sayings {
            say(&mut conn, saying, &mut wrote);
        }
        let mut wanted = said(&sayings).into_iter().filter_map(|event| match event {
            oracle::Event::Message { kind, payload, .. } => Some((kind, payload)),
            _ => None,
        });
        let (mut conn, mut inbox) = endpoint(false, &config, negotiated());
        let mut turns = turns.iter().cycle();
        // The message that is coming in chunks: how it must go on, and whether `next` has been asked meanwhile.
        let mut current: Option<(Kind, Vec<u8>, usize, bool)> = None;
        for mut piece in strategies::split(&wrote, &cuts) {
            while !piece.is_empty() {
                let spare = inbox.spare_mut();
                let n = spare.len().min(piece.len());
                spare[..n].copy_from_slice(&piece[..n]);
                inbox.filled(n);
                piece = &piece[n..];
                loop {
                    let whole = *turns.next().unwrap();
                    if whole {
                        if let Some((.., skipped)) = &mut current {
                            *skipped = true;
                        }
                    }
                    let found = if whole { inbox.next(&mut conn) } else { inbox.next_chunk(&mut conn) };
                    if !found.unwrap() {
                        break;
                    }
                    let chunk = inbox.chunk().unwrap();
                    if chunk.first {
                        prop_assert!(current.is_none_or(|(.., skipped)| skipped), "one in another");
                        let (kind, payload) = wanted.next().expect("no more was sent");
                        current = Some((kind, payload, 0, false));
                    }
                    let (kind, payload, seen, skipped) = current.as_mut().expect("a chunk of no message");
                    prop_assert_eq!(chunk.kind, *kind);
                    if !*skipped {
                        prop_assert_eq!(chunk.payload, &payload[*seen..*seen + chunk.payload.len()]);
                        *seen += chunk.payload.len();
                    }
                    if chunk.last {
                        prop_assert!(*skipped || *seen == payload.len());
                        current = None;
                    }
                }
            }
        }
        prop_assert!(current.is_none_or(|(.., skipped)| skipped));
        prop_assert_eq!(wanted.next(), None);
    }
}

// ---- nothing panics, whatever is called when

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_sequence_of_calls_panics(calls in vec(calls::call(), 0..60), server: bool, tight: bool, deflate: bool) {
        let mut config = Config::default();
        if tight {
            config.max_message = 100;
            config.max_outbox = 200;
            config.fragment_above = Some(30);
            config.read_buffer = 0;
            config.close_reply = websans::Reply::WhenAsked;
        }
        let negotiated = if deflate { stored::negotiated(10) } else { Negotiated::default() };
        calls::play(endpoint(server, &config, negotiated), &calls);
    }
}
