//! What is lent as text is UTF-8, whatever was done to make it something else.

use bytes::Buf;
use websans::deflate::{self, Codec, Decode, Decoded};
use websans::{Event, Inbox, Kind, Negotiated, Part, ProtocolError, State};

use crate::assert_text;
use crate::support::*;

/// One inbox, two connections: a mistake. The text of the one must not become a way around the check for the other.
#[test]
fn two_connections_at_one_inbox() {
    let parts: [&[(u8, &[u8])]; 8] = [
        &[(TEXT, b"a")],
        &[(BINARY, b"\xff")],
        &[(TEXT, b"\xc3")],
        &[(FIN, b"\xff")],
        &[(FIN, b"b")],
        &[(FIN, b"\xa4")],
        &[(0, b"\xff")],
        &[(FIN | TEXT, b"c")],
    ];
    for end in BOTH {
        for seed in 0..8usize.pow(4) {
            for lasting in [false, true] {
                let (mut one, mut inbox) = end.open(quiet());
                let (mut other, mut accepting) = end.open(quiet());
                // So that continuations are legal where the row wants them.
                receive(&mut other, &end.incoming(if lasting { TEXT } else { BINARY }, b""));
                let mut rest = seed;
                for turn in 0..4 {
                    let conn = if turn % 2 == 0 { &mut one } else { &mut other };
                    let mut bytes = Vec::new();
                    for &(first, payload) in parts[rest % 8] {
                        bytes.extend(end.incoming(first, payload));
                    }
                    rest /= 8;
                    inbox.preload(&bytes);
                    while let Ok(more) = inbox.next(conn) {
                        assert_text(inbox.message());
                        if !more {
                            break;
                        }
                    }
                    let mut input = &mut bytes[..];
                    while let Ok(Some(event)) = conn.receive(&mut input) {
                        if let Event::Part(part) = event {
                            if let Ok(message) = accepting.accept(conn, part) {
                                assert_text(message);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The same with reads that go straight into the place where a message is gathered.
#[test]
fn two_connections_at_one_inbox_that_reads_into_place() {
    for end in BOTH {
        for kinds in [(TEXT, BINARY), (BINARY, TEXT), (TEXT, TEXT)] {
            for payload in [[0xff; 64], [b'a'; 64]] {
                let (mut one, mut inbox) = end.open(quiet());
                let (mut other, _) = end.open(quiet());
                receive(&mut other, &end.incoming(kinds.1, b""));
                let long = end.incoming(kinds.0, &payload);
                inbox.preload(&long[..long.len() - 40]);
                if inbox.next(&mut one).is_err() {
                    continue;
                }
                // The room is for the rest of that frame; what is read is the other connection's next frame.
                let mut bytes = &end.incoming(FIN, &[0xff; 20])[..];
                fill(&mut inbox, &mut bytes);
                let _ = inbox.next(&mut other);
                assert_text(inbox.message());
                let _ = inbox.next(&mut one);
                assert_text(inbox.message());

                // A whole message of a third one, and garbage where such a message would lie otherwise.
                let (mut one, mut inbox) = end.open(quiet());
                inbox.lend(vec![0xff; 4096]);
                inbox.preload(&[&[0xff; 30][..], &long[..long.len() - 40]].concat());
                let mut sink = end.open(quiet()).0;
                let _ = inbox.next(&mut sink);
                inbox.preload(&long[..long.len() - 40]);
                if inbox.next(&mut one).is_err() {
                    continue;
                }
                let mut third = end.open(quiet()).0;
                let mut bytes = &end.incoming(FIN | TEXT, b"ascii")[..];
                fill(&mut inbox, &mut bytes);
                let _ = inbox.next(&mut third);
                assert_text(inbox.message());
            }
        }
    }
}

/// A part's fields are open to change; a changed part is no way around the check of text either.
#[test]
fn parts_that_were_tampered_with() {
    type Change = fn(&mut Part<'_>);
    let changes: [Change; 8] = [
        |part| part.ascii = true,
        |part| part.kind = Kind::Text,
        |part| (part.kind, part.ascii) = (Kind::Text, true),
        |part| (part.kind, part.ascii, part.first, part.last) = (Kind::Text, true, true, true),
        |part| part.payload = b"\xff",
        |part| (part.payload, part.ascii) = (b"\xff", true),
        |part| (part.first, part.last) = (true, false),
        |part| part.compressed = true,
    ];
    for end in BOTH {
        let bytes = [
            end.incoming(BINARY, b"\xff\xc3"),
            end.incoming(0, b"\x80"),
            end.incoming(FIN, b"\xff"),
            end.incoming(FIN | TEXT, b"good"),
            end.incoming(TEXT, b"go"),
            end.incoming(FIN, b"od"),
        ]
        .concat();
        for first in changes {
            for second in changes {
                for third in changes {
                    let (mut conn, mut inbox) = end.open(quiet());
                    let mut bytes = bytes.clone();
                    let mut input = &mut bytes[..];
                    let mut turn = [first, second, third].into_iter().cycle();
                    while let Ok(Some(event)) = conn.receive(&mut input) {
                        if let Event::Part(mut part) = event {
                            (turn.next().unwrap())(&mut part);
                            if let Ok(message) = inbox.accept(&mut conn, part) {
                                assert_text(message);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Parts can be copied: some come twice, in another order, or after the failure that they have caused.
#[test]
fn parts_that_come_again() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let mut frames = [
            end.incoming(TEXT, b"\xffa"),
            end.incoming(0, b"b"),
            end.incoming(FIN, b"c"),
            end.incoming(TEXT, b"\xc3"),
            end.incoming(FIN, b"\xa4"),
            end.incoming(BINARY, b"\xff"),
            end.incoming(FIN, b"d"),
        ];
        let mut parts = Vec::new();
        for frame in &mut frames {
            let mut input = &mut frame[..];
            let Ok(Some(Event::Part(part))) = conn.receive(&mut input) else { panic!("a part") };
            parts.push(part);
        }
        for sequence in 0..parts.len().pow(4) {
            let (mut conn, mut inbox) = end.open(quiet());
            let mut rest = sequence;
            for _ in 0..4 {
                if let Ok(message) = inbox.accept(&mut conn, parts[rest % parts.len()]) {
                    assert_text(message);
                }
                rest /= parts.len();
            }
        }
    }
}

/// All ways into an inbox in turns, with texts that are cut within characters: what is lent as text is text.
#[test]
fn all_ways_of_reading_in_turns() {
    for end in BOTH {
        let frames = [
            end.incoming(FIN | TEXT, "\u{e4}\u{20ac}".as_bytes()),
            end.incoming(TEXT, b"\xc3"),
            end.incoming(0, b"\xa4"),
            end.incoming(FIN, b"\xa4"),
            end.incoming_close(1000, ""),
        ];
        // Some of the bytes by `next`, some by `next_chunk`, some by `accept`, for one connection or another.
        for (from, to) in (0..4).flat_map(|from| (from + 1..5).map(move |to| (from, to))) {
            let bytes = frames[from..=to].concat();
            for cut in 1..bytes.len().min(24) {
                for ways in 0..6usize.pow(3) {
                    let (mut one, mut inbox) = end.open(quiet());
                    let mut other = end.open(quiet()).0;
                    receive(&mut other, &end.incoming(TEXT, b""));
                    let mut rest = ways;
                    for piece in bytes.chunks(cut).take(3) {
                        let way = rest % 6;
                        rest /= 6;
                        let conn = if way < 3 { &mut one } else { &mut other };
                        if way % 3 == 2 {
                            let mut piece = piece.to_vec();
                            let mut input = &mut piece[..];
                            while let Ok(Some(event)) = conn.receive(&mut input) {
                                if let Event::Part(part) = event {
                                    if let Ok(message) = inbox.accept(conn, part) {
                                        assert_text(message);
                                    }
                                }
                            }
                            continue;
                        }
                        let mut left = piece;
                        while !left.is_empty() {
                            fill(&mut inbox, &mut left);
                            loop {
                                let more =
                                    if way % 3 == 0 { inbox.next(conn) } else { inbox.next_chunk(conn) };
                                if more != Ok(true) {
                                    break;
                                }
                                assert_text(inbox.message());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A decoder that does what no decoder should: it is code like any other, and must not be able to make text of what is
/// none, nor to keep its caller for ever.
struct Meddler {
    calls: usize,
    meddle: Meddle,
}

/// What it does with input and room, and what it says of it, each time it is called.
type Meddle = fn(usize, &mut &[u8], &mut [u8]) -> Result<Decoded, ProtocolError>;

impl Decode for Meddler {
    fn decode(&mut self, input: &mut &[u8], _last: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        self.calls += 1;
        (self.meddle)(self.calls, input, out)
    }
}

/// As it should: the input as it is.
fn stored(input: &mut &[u8], out: &mut [u8]) -> usize {
    let n = input.len().min(out.len());
    out[..n].copy_from_slice(&input[..n]);
    *input = &input[n..];
    n
}

#[test]
fn a_decoder_that_meddles() {
    let ways: [Meddle; 9] = [
        |_, input, out| Ok(Decoded::Drained(stored(input, out))),
        // More room used than there is to tell of, or told of than used.
        |_, input, out| {
            out.fill(0xff);
            Ok(Decoded::Drained(stored(input, out)))
        },
        |_, input, out| {
            stored(input, out);
            Ok(Decoded::Drained(usize::MAX))
        },
        |_, input, out| {
            stored(input, out);
            Ok(Decoded::More(out.len()))
        },
        |_, _, out| Ok(Decoded::More(out.len())),
        |_, _, out| {
            out.fill(0xff);
            Ok(Decoded::More(out.len()))
        },
        // The input left lying.
        |_, _, out| {
            out.fill(b'x');
            Ok(Decoded::Drained(1))
        },
        |calls, input, out| {
            if calls > 1 {
                return Ok(Decoded::Drained(0));
            }
            out[..1].fill(0xc3);
            *input = &[];
            Ok(Decoded::Drained(1))
        },
        |calls, input, out| {
            if calls > 1 {
                Err(ProtocolError::InvalidDeflate)
            } else {
                Ok(Decoded::Drained(stored(input, out)))
            }
        },
    ];
    for end in BOTH {
        for meddle in ways {
            for limit in [0, 1, 10, 1 << 20] {
                for streamed in [false, true] {
                    let mut config = quiet();
                    config.max_message = limit;
                    config.max_streamed = 1 << 20;
                    let mut negotiated = Negotiated::default();
                    negotiated.deflate = Some(deflate::Parameters::default());
                    negotiated.codec = Some(Codec::new(
                        Box::new(RunLength::default()),
                        Box::new(Meddler { calls: 0, meddle }),
                    ));
                    let (mut conn, mut inbox) = websans::open(end.role(), config.clone(), negotiated, START);
                    let bytes = [
                        end.incoming(0x40 | TEXT, "\u{e4}\u{e4}".as_bytes()),
                        end.incoming(0, "\u{e4}".as_bytes()),
                        end.incoming(FIN, b""),
                        end.incoming(FIN | 0x40 | TEXT, "\u{e4}".as_bytes()),
                    ]
                    .concat();
                    inbox.preload(&bytes);
                    let mut rounds = 0;
                    loop {
                        let more = if streamed { inbox.next_chunk(&mut conn) } else { inbox.next(&mut conn) };
                        if more != Ok(true) {
                            break;
                        }
                        assert_text(inbox.message());
                        rounds += 1;
                        assert!(rounds < 1000, "without end");
                    }
                    // What a failure has left in the inbox must not be finished by a frame of another connection.
                    let (mut other, _) = end.open(config);
                    receive(&mut other, &end.incoming(TEXT, b""));
                    inbox.preload(&end.incoming(FIN, b"end"));
                    let _ = inbox.next(&mut other);
                    assert_text(inbox.message());
                }
            }
        }
    }
}

/// A negotiation that promises compression and brings none along.
#[test]
fn compression_without_a_codec() {
    for end in BOTH {
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(deflate::Parameters::default());
        let (mut conn, mut inbox) = websans::open(end.role(), quiet(), negotiated, START);
        conn.send("plain").unwrap();
        assert_eq!(drain(&mut conn), end.outgoing(FIN | TEXT, b"plain"));
        inbox.preload(&end.incoming(FIN | 0x40 | TEXT, b"\x01a"));
        assert!(inbox.next(&mut conn).is_err());
        assert_eq!(conn.state(), State::Closed);
    }
}

/// A codec of two functions.
struct Liar<E, D> {
    encode: E,
    decode: D,
}

impl<E: Fn(&mut Vec<u8>) + Send + Sync, D: Send + Sync> deflate::Encode for Liar<E, D> {
    fn wants(&mut self, _: websans::Kind, _: Option<usize>) -> bool {
        true
    }

    fn encode(&mut self, _: &[u8], _: deflate::Flush, out: &mut Vec<u8>) {
        (self.encode)(out);
    }
}

impl<E: Send + Sync, D: FnMut() -> Decoded + Send + Sync> Decode for Liar<E, D> {
    fn decode(&mut self, _: &mut &[u8], _: bool, _: &mut [u8]) -> Result<Decoded, ProtocolError> {
        Ok((self.decode)())
    }
}

fn with_codec(end: End, encode: fn(&mut Vec<u8>), decode: fn() -> Decoded) -> (websans::Connection, Inbox) {
    let half = || Box::new(Liar { encode, decode });
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(deflate::Parameters::default());
    negotiated.codec = Some(Codec::new(half(), half()));
    websans::open(end.role(), quiet(), negotiated, START)
}

/// A decoder that says it is done and leaves the input lying is broken, not asked for ever.
#[test]
fn a_decoder_that_takes_nothing() {
    for end in BOTH {
        for streamed in [false, true] {
            let (mut conn, mut inbox) = with_codec(end, |_| {}, || Decoded::Drained(0));
            inbox.preload(&end.incoming(FIN | 0x40 | TEXT, &[1; 60_000]));
            let found = if streamed { inbox.next_chunk(&mut conn) } else { inbox.next(&mut conn) };
            assert_eq!(found, Err(ProtocolError::InvalidDeflate));
        }
    }
}

/// An encoder that takes away what is not its own breaks messages, but neither hangs nor panics what writes them.
#[test]
fn an_encoder_that_takes_away() {
    for end in BOTH {
        for with_pong in [false, true] {
            let (mut conn, mut inbox) = with_codec(end, Vec::clear, || Decoded::Drained(0));
            conn.send(websans::Payload::from("plain and waiting").compress(false)).unwrap();
            conn.outbox().advance(5);
            if with_pong {
                conn.tick(START);
                inbox.preload(&end.incoming(FIN | PING, b""));
                assert_eq!(inbox.next(&mut conn), Ok(false));
            }
            conn.send("compressed").unwrap();
            assert!(conn.outbox().len() < 1000);
            drain(&mut conn);
            assert!(conn.outbox().is_empty());
        }
    }
}
