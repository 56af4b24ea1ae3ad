//! Storage: what a connection takes, what a peer can make it take, and that neither grows where it should not.
//!
//! The counting allocator sees a growing `Vec` as the old and the new storage together, which is what it costs.

#[path = "rfc6455/support.rs"]
mod support;

use core::time::Duration;

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use bytes::{Buf, Bytes};
use support::*;
use websans::{
    Config, Connection, Inbox, Keepalive, Kind, Message, Payload, Prepared, ProtocolError, Reply, SendError,
    State,
};

const KIB: u64 = 1 << 10;

/// A frame whose mask changes nothing, so that its bytes can be fed again and again.
fn plain(end: End, first: u8, payload: &[u8]) -> Vec<u8> {
    encode(first, end.incoming_key().map(|_| [0; 4]), payload)
}

/// Hands over the bytes again and again, without any allocation of its own.
fn flood(conn: &mut Connection, bytes: &mut [u8], times: usize) -> Result<usize, ProtocolError> {
    let mut events = 0;
    for _ in 0..times {
        let mut input = &mut bytes[..];
        while conn.receive(&mut input)?.is_some() {
            events += 1;
        }
    }
    Ok(events)
}

/// Writes all that waits, to nowhere.
fn write_out(conn: &mut Connection) -> usize {
    let outbox = conn.outbox();
    let n = outbox.len();
    outbox.advance(n);
    n
}

fn quiet_shared() -> Arc<Config> {
    Arc::new(quiet())
}

fn open(end: End, config: &Arc<Config>) -> (Connection, Inbox) {
    websans::open(end.role(), config.clone(), websans::Negotiated::default(), START)
}

fn bounded(info: AllocationInfo, most: u64, what: &str) {
    assert!(info.bytes_max <= most, "{what}: {} bytes at most, {most} are fine", info.bytes_max);
}

/// Ten million Pings, and a peer that reads nothing: one Pong waits at the most, and it is the newest's.
#[test]
fn ping_flood_against_a_blocked_writer() {
    let (mut pinged, mut most, mut waiting) = (u64::MAX, 0, 0);
    for end in BOTH {
        let mut pings = plain(end, FIN | PING, b"flood").repeat(10_000);
        let mut conn = end.open(quiet()).0;
        conn.send("half of this is written").unwrap();
        conn.outbox().advance(10);
        conn.tick(START);
        let before = conn.outbox().len();
        let info = measure(|| {
            assert_eq!(flood(&mut conn, &mut pings, 1000), Ok(10_000_000));
        });
        assert!(info.bytes_current <= 256, "{} bytes more", info.bytes_current);
        bounded(info, 256, "flood");
        receive(&mut conn, &end.incoming(FIN | PING, b"newest"));
        let newest = end.outgoing(FIN | PONG, b"newest");
        let added = conn.outbox().len() - before;
        assert_eq!(added, newest.len());
        assert!(drain(&mut conn).ends_with(&newest));
        assert_eq!(conn.stats().frames_received, 10_000_001);
        pinged = pinged.min(conn.stats().frames_received - 1);
        most = most.max(info.bytes_max);
        waiting = waiting.max(added.div_ceil(newest.len()));
    }
    println!("measure Pings of a flood: {pinged} Pings");
    println!("measure heap that a Ping flood adds: {most} bytes");
    println!("measure Pongs that wait after a Ping flood: {waiting} Pongs");
}

/// The same when nothing but Pongs waits, when one of them is cut by the transport, and with the largest of them.
#[test]
fn ping_flood_in_all_circumstances() {
    for end in BOTH {
        for len in [0, 1, 125] {
            let mut pings = plain(end, FIN | PING, &vec![7; len]).repeat(1000);
            for written in [0, 1, 3] {
                for waited in [false, true] {
                    let mut conn = end.open(quiet()).0;
                    let info = measure(|| {
                        assert_eq!(flood(&mut conn, &mut pings, 1), Ok(1000));
                        conn.outbox().advance(written);
                        if waited {
                            conn.tick(START);
                        }
                        for _ in 0..10 {
                            assert_eq!(flood(&mut conn, &mut pings, 10), Ok(10_000));
                        }
                    });
                    let because = format!("{end:?}, {len}, {written}, {waited}");
                    bounded(info, KIB, &because);
                    assert!(conn.outbox().len() <= 400, "{because}: {}", conn.outbox().len());
                    write_out(&mut conn);
                }
            }
        }
    }
}

#[test]
fn flood_of_control_frames_and_a_peer_that_reads() {
    for end in BOTH {
        for opcode in [PING, PONG] {
            for len in [0, 125] {
                let mut frames = plain(end, FIN | opcode, &vec![7; len]).repeat(100);
                let mut conn = end.open(quiet()).0;
                flood(&mut conn, &mut frames, 1).unwrap();
                write_out(&mut conn);
                let read = conn.stats().bytes_received;
                let written = conn.stats().bytes_sent;
                let info = measure(|| {
                    for _ in 0..2000 {
                        assert_eq!(flood(&mut conn, &mut frames, 1), Ok(100));
                        write_out(&mut conn);
                    }
                });
                assert!(info.bytes_current <= 256, "{} bytes more", info.bytes_current);
                bounded(info, KIB, "flood");
                let (read, written) = (conn.stats().bytes_received - read, conn.stats().bytes_sent - written);
                // A client's frames are longer than a server's, by a key.
                let keys = if end == End::Client { 800_000 } else { 0 };
                assert!(written <= read + keys, "{written} bytes in answer to {read}");
            }
        }
    }
}

/// Control frames that come in two pieces are put together in storage that is given back.
#[test]
fn control_frames_in_pieces() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let mut ping = plain(end, FIN | PING, &[7; 125]);
        let info = measure(|| {
            for _ in 0..10_000 {
                for piece in ping.chunks_mut(50) {
                    let mut input = piece;
                    while conn.receive(&mut input).unwrap().is_some() {}
                }
                write_out(&mut conn);
                conn.park();
            }
        });
        assert_eq!((info.bytes_current, info.count_current), (0, 0));
        bounded(info, KIB, "pieces");
    }
}

/// Fourteen bytes cost a peer nothing, so they must cost next to nothing here.
#[test]
fn declared_lengths_cost_nothing() {
    let mut most = 0;
    for end in BOTH {
        let config = quiet_shared();
        let head = header(FIN | BINARY, end.incoming_key(), config.max_message);
        let one = measure(|| {
            let (mut conn, mut inbox) = open(end, &config);
            fill(&mut inbox, &mut &head[..]);
            assert_eq!(inbox.next(&mut conn), Ok(false));
            assert!(!inbox.spare_mut().is_empty());
        });
        let own = size_of::<Connection>() as u64 + size_of::<Inbox>() as u64;
        bounded(one, 4 * KIB - own, "one connection");

        // All of many, some of them with the first bytes of the payload.
        let mut held = Vec::with_capacity(10_000);
        let many = measure(|| {
            for n in 0..10_000 {
                let (mut conn, mut inbox) = open(end, &config);
                fill(&mut inbox, &mut &head[..]);
                assert_eq!(inbox.next(&mut conn), Ok(false));
                for _ in 0..n % 3 {
                    fill(&mut inbox, &mut &[7; 10][..]);
                    assert_eq!(inbox.next(&mut conn), Ok(false));
                }
                let _ = inbox.park();
                held.push((conn, inbox));
            }
        });
        bounded(many, 10_000 * (4 * KIB - own), "many connections");
        most = most.max(own + one.bytes_max).max(own + many.bytes_max.div_ceil(10_000));
    }
    println!("measure connection with a declared length: {most} bytes");
}

/// Also when the frame declares a terabyte and the limit allows it.
#[test]
fn declared_lengths_cost_nothing_without_limits() {
    for end in BOTH {
        let mut config = quiet();
        config.max_message = u64::MAX;
        for len in [1 << 40, u64::MAX >> 1] {
            let (mut conn, mut inbox) = end.open(config.clone());
            let head = header(FIN | BINARY, end.incoming_key(), len);
            let info = measure(|| {
                fill(&mut inbox, &mut &head[..]);
                assert_eq!(inbox.next(&mut conn), Ok(false));
                for _ in 0..1000 {
                    fill(&mut inbox, &mut &[7; 10][..]);
                    assert_eq!(inbox.next(&mut conn), Ok(false));
                }
            });
            bounded(info, 3 * 10_000 + 8 * KIB, "ten kilobytes of it");
        }
    }
}

/// A connection that has nothing to do owns no storage beyond its own few bytes.
#[test]
fn no_heap_while_idle() {
    let mut most = 0;
    for end in BOTH {
        let config = quiet_shared();
        let mut kept = None;
        let info = measure(|| {
            let (mut conn, mut inbox) = open(end, &config);
            let session = [
                end.incoming(FIN | TEXT, b"hello"),
                end.incoming(BINARY, &[7; 3000]),
                end.incoming(FIN | PING, b"ping"),
                end.incoming(FIN, &[7; 30_000]),
                end.incoming(BINARY, &[7; 300]),
                end.incoming(FIN, &[7; 300]),
            ];
            let (messages, error) = read(&mut conn, &mut inbox, &session.concat());
            assert_eq!((messages.len(), error), (3, None));
            conn.send("hello").unwrap();
            conn.send(vec![7; 20_000]).unwrap();
            write_out(&mut conn);
            // Idle from here on.
            conn.park();
            assert!(inbox.park().is_some());
            kept = Some((conn, inbox));
        });
        // A client has its key source, in a box that is thin for the sake of servers, which have none.
        let keys = if end == End::Client { (16, 1) } else { (0, 0) };
        assert_eq!((info.bytes_current, info.count_current), keys, "{end:?}");
        most = most.max(info.bytes_current);
        drop(kept);
        let mut fresh = None;
        let info = measure(|| fresh = Some(open(end, &config)));
        assert_eq!(
            (info.bytes_current, info.count_total),
            (keys.0, keys.1.unsigned_abs()),
            "{end:?}: and none to begin with"
        );
    }
    // The numbers that the documentation gives.
    assert!(size_of::<Connection>() <= 248 && size_of::<Inbox>() <= 152);
    println!("measure size of a connection: {} bytes", size_of::<Connection>() + size_of::<Inbox>());
    println!("measure heap of an idle connection: {most} bytes");
    assert_eq!(size_of::<Option<websans::Timestamp>>(), 8);
}

/// Once things are under way, an echo allocates nothing.
#[test]
fn no_allocation_per_message() {
    for end in BOTH {
        for shape in 0..4 {
            let bytes = match shape {
                0 => plain(end, FIN | TEXT, b"a small message"),
                1 => plain(end, FIN | BINARY, &[0xff; 1000]),
                2 => {
                    [plain(end, TEXT, b"in two "), plain(end, FIN, "fragments \u{20ac}".as_bytes())].concat()
                }
                _ => [plain(end, FIN | TEXT, b"x").repeat(50), plain(end, FIN | PING, b"ping")].concat(),
            };
            let (mut conn, mut inbox) = end.open(quiet());
            let mut messages = 0;
            let mut round = |pieces: usize| {
                for mut piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
                    fill(&mut inbox, &mut piece);
                    while inbox.next(&mut conn).unwrap() {
                        conn.send(inbox.message().unwrap()).unwrap();
                        messages += 1;
                    }
                }
                write_out(&mut conn);
            };
            for pieces in [1, 2] {
                round(pieces);
                let info = measure(|| {
                    for _ in 0..10_000 {
                        round(pieces);
                    }
                });
                // A Ping cut in two is put together in a box of its own.
                let boxes = if shape == 3 && pieces == 2 { 20_000 } else { 0 };
                assert!(info.count_total <= boxes, "{end:?}, {shape}, {pieces}: {info:?}");
            }
            assert!(messages >= 20_000);
        }
    }
}

/// As many fragments as there are bytes cost what the bytes cost.
#[test]
fn a_million_fragments_of_one_byte() {
    const FRAGMENTS: usize = 1_000_000;
    for end in BOTH {
        for opcode in [TEXT, BINARY] {
            let mut config = quiet();
            config.max_fragments = u32::MAX;
            let (mut conn, mut inbox) = end.open(config);
            let first = plain(end, opcode, b"x");
            let middle = plain(end, 0, b"x").repeat(1000);
            let last = plain(end, FIN, b"x");
            let mut whole = false;
            let info = measure(|| {
                let middles = core::iter::repeat_n(&middle[..], FRAGMENTS / 1000);
                for mut piece in core::iter::once(&first[..]).chain(middles).chain([&last[..]]) {
                    while !piece.is_empty() {
                        fill(&mut inbox, &mut piece);
                        whole |= inbox.next(&mut conn).unwrap();
                    }
                }
            });
            assert!(whole && inbox.message().unwrap().as_bytes().len() == FRAGMENTS + 2);
            bounded(info, 2 * FRAGMENTS as u64 + 4 * KIB + 16 * KIB, "fragments and read buffer");
            assert!(info.count_total < 100, "{} allocations", info.count_total);
        }
    }
}

/// Streams of any length need no more than the read buffer.
#[test]
fn a_stream_in_bounded_memory() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(quiet());
        let mut piece = plain(end, BINARY, &[7; 10_000]);
        let rest = plain(end, 0, &[7; 10_000]);
        let mut n = 0;
        let info = measure(|| {
            for _ in 0..3000 {
                let mut bytes = &piece[..];
                while !bytes.is_empty() {
                    fill(&mut inbox, &mut bytes);
                    while inbox.next_chunk(&mut conn).unwrap() {
                        n += inbox.chunk().unwrap().payload.len();
                    }
                }
                piece.clone_from(&rest);
            }
        });
        assert_eq!(n, 30_000_000);
        bounded(info, 3 * 16 * KIB, "stream");
    }
}

/// An application that sends to a peer that does not read is refused in time.
#[test]
fn a_peer_that_does_not_read() {
    let mut most = 0;
    for end in BOTH {
        for len in [0, 1, 100, 5000, 20_000] {
            for shared in [false, true] {
                let mut conn = end.open(quiet()).0;
                let payload = Bytes::from(vec![7; len]);
                let limit = conn.config().max_outbox as u64;
                let mut sent = 0u64;
                let info = measure(|| {
                    let result = loop {
                        let payload =
                            if shared { Payload::from(payload.clone()) } else { Payload::from(&payload[..]) };
                        match conn.send(payload) {
                            Ok(()) => sent += 1,
                            Err(error) => break error,
                        }
                    };
                    assert_eq!(result, SendError::OutboxFull);
                    for _ in 0..10_000 {
                        assert_eq!(conn.send(&payload[..]), Err(SendError::OutboxFull));
                    }
                });
                let queued = conn.outbox().len() as u64;
                assert!(
                    queued <= limit + 14 && queued + len as u64 + 14 > limit,
                    "{queued} bytes of {limit}"
                );
                // A `Vec` that doubles, while it does.
                bounded(info, 3 * limit + 4 * KIB, &format!("{end:?}, {len}, {shared}"));
                assert!(info.bytes_current <= 2 * limit as i64 + 4096);
                most = most.max(info.bytes_current - limit as i64);
                // Emptied, it keeps a little for the next message.
                write_out(&mut conn);
                let (mut fresh, _) = end.open(quiet());
                fresh.send("x").unwrap();
                conn.park();
                assert!(!conn.wants_write());
            }
        }
    }
    println!("measure heap beyond max_outbox for a slow reader: {most} bytes");
}

/// A peer that reads just a little now and then does not make the outbox grow either.
#[test]
fn a_peer_that_reads_slowly() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let limit = conn.config().max_outbox as u64;
        while conn.send(&[7; 1000]).is_ok() {}
        let info = measure(|| {
            for step in 0..200_000usize {
                conn.outbox().advance(1 + step % 7 * 100);
                let _ = conn.send(&[7; 90]);
            }
        });
        bounded(info, 3 * limit, "slowly");
        assert!(conn.outbox().len() as u64 <= limit + 14);
    }
}

/// Messages that were shared are queued as they are.
#[test]
fn large_shared_payloads_are_not_copied() {
    const LEN: usize = 1 << 20;
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let mut owned = Some(vec![7; LEN]);
        // A client masks what nobody else holds where it lies.
        let info = measure(|| conn.send(owned.take().unwrap()).unwrap());
        bounded(info, KIB, "owned");
        write_out(&mut conn);
    }
    let mut server = End::Server.open(quiet()).0;
    let shared = Bytes::from(vec![7; LEN]);
    let prepared = Prepared::new(shared.clone()).unwrap();
    let info = measure(|| {
        server.send(shared.clone()).unwrap();
        server.outbox().take_chunk();
        server.outbox().take_chunk();
    });
    bounded(info, KIB, "shared");
    write_out(&mut server);
    let info = measure(|| server.send_prepared(&prepared).unwrap());
    bounded(info, KIB, "prepared");
}

/// A long message is gathered in little more than its own length, and the storage is given back.
#[test]
fn one_long_message() {
    const LEN: usize = 1 << 20;
    for end in BOTH {
        for size in [100, 1460, 16 << 10, 1 << 20] {
            for fragment in [LEN, 10_000] {
                let (mut conn, mut inbox) = end.open(quiet());
                let payload = vec![7; LEN];
                let mut bytes = Vec::new();
                let mut parts = payload.chunks(fragment).enumerate().peekable();
                while let Some((at, part)) = parts.next() {
                    let fin = if parts.peek().is_none() { FIN } else { 0 };
                    bytes.extend(end.incoming(if at == 0 { BINARY } else { 0 } | fin, part));
                }
                let mut lent = 0;
                let info = measure(|| {
                    for mut piece in bytes.chunks(size) {
                        while !piece.is_empty() {
                            fill(&mut inbox, &mut piece);
                            while inbox.next(&mut conn).unwrap() {
                                lent = inbox.message().unwrap().as_bytes().len();
                            }
                        }
                    }
                });
                assert_eq!(lent, LEN);
                bounded(info, 3 * LEN as u64 / 2 * 2 + 32 * KIB, &format!("{end:?}, {size}, {fragment}"));
                // The message was forgotten by the `next` that found no other.
                assert!(info.bytes_current <= 34 * 1024, "{} bytes are kept", info.bytes_current);
            }
        }
    }
}

/// After a failure what still arrives is thrown away in large pieces, wherever in a frame the failure came.
#[test]
fn what_follows_a_failure_is_read_in_large_pieces() {
    for end in BOTH {
        for fails_by_text in [false, true] {
            let (mut conn, mut inbox) = end.open(quiet());
            // All of a frame but its last byte.
            let mut payload = vec![b'x'; 5000];
            let frame = end.incoming(FIN | TEXT, &payload);
            assert_eq!(read(&mut conn, &mut inbox, &frame[..frame.len() - 1000]), (vec![], None));
            if fails_by_text {
                payload[4998] = 0xff;
                let frame = end.incoming(FIN | TEXT, &payload);
                let rest = &frame[frame.len() - 1000..frame.len() - 1];
                assert_eq!(read(&mut conn, &mut inbox, rest), (vec![], Some(ProtocolError::InvalidUtf8)));
            } else {
                assert_eq!(read(&mut conn, &mut inbox, &frame[frame.len() - 1000..frame.len() - 1]).1, None);
                conn.fail(ProtocolError::InvalidDeflate);
            }
            assert_eq!(conn.state(), State::Closed);
            assert_eq!(inbox.next(&mut conn), Ok(false));
            assert!(inbox.spare_mut().len() >= 1024, "{end:?}: {} bytes at a time", inbox.spare_mut().len());
            let garbage = vec![0xff; 100_000];
            let info = measure(|| assert_eq!(read(&mut conn, &mut inbox, &garbage), (vec![], None)));
            bounded(info, 64 * KIB, "garbage");
        }
    }
}

/// What inflates without end stops at the limit.
#[test]
fn inflation_stops_at_the_limit() {
    for end in BOTH {
        let mut config = quiet();
        config.max_message = 64 * KIB;
        // 255 times what comes in.
        let bomb = RunLength::compress(&vec![0; 10 << 20]);
        assert!(bomb.len() > 64 << 10, "too long for one message, even as it is");
        let fragment =
            [end.incoming(0x40 | BINARY, &bomb[..30_000]), end.incoming(FIN, &bomb[30_000..60_000])].concat();
        for bytes in [fragment, end.incoming(FIN | 0x40 | BINARY, &bomb[..60_000])] {
            let (mut conn, mut inbox) = open_compressed(end, config.clone());
            let info = measure(|| {
                let (messages, error) = read(&mut conn, &mut inbox, &bytes);
                assert_eq!((messages.len(), error), (0, Some(ProtocolError::MessageTooBig)));
            });
            bounded(info, 4 * 64 * KIB, "bomb");
            assert_failed(&mut conn, ProtocolError::MessageTooBig, "bomb");
        }
        // As a stream it takes as much as one step at a time.
        let (mut conn, mut inbox) = open_compressed(end, config);
        let bytes = end.incoming(FIN | 0x40 | BINARY, &bomb[..60_000]);
        let mut n = 0;
        let info = measure(|| {
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                fill(&mut inbox, &mut bytes);
                while inbox.next_chunk(&mut conn).unwrap() {
                    n += inbox.chunk().unwrap().payload.len();
                }
            }
        });
        assert_eq!(n, 30_000 * 255);
        bounded(info, 128 * KIB, "stream");
    }
}

/// A session with a bit of everything, for any limits: it may fail, and that is all.
fn session(end: End, config: Config) {
    for streamed in [false, true] {
        for compressed in [false, true] {
            let (mut conn, mut inbox) =
                if compressed { open_compressed(end, config.clone()) } else { end.open(config.clone()) };
            let mut bytes = [
                end.incoming(FIN | TEXT, b""),
                end.incoming(FIN | TEXT, b"text"),
                end.incoming(BINARY, b""),
                end.incoming(FIN | PING, b"ping"),
                end.incoming(0, &[7; 3000]),
                end.incoming(FIN, b"end"),
                end.incoming(FIN | BINARY, &[7; 70_000]),
            ]
            .concat();
            if compressed {
                bytes.extend(end.incoming(FIN | 0x40 | TEXT, b"\xffa\xffb"));
            }
            bytes.extend(end.incoming_close(1000, "bye"));
            let mut now = START;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                now = now + secs(1);
                conn.tick(now);
                assert!(conn.deadline().is_none_or(|deadline| deadline >= START));
                fill(&mut inbox, &mut rest);
                loop {
                    let more = if streamed { inbox.next_chunk(&mut conn) } else { inbox.next(&mut conn) };
                    match more {
                        Ok(true) => {
                            let chunk = inbox.chunk().unwrap();
                            let _ = conn.send_part(Payload::new(chunk.kind, chunk.payload), chunk.last);
                        }
                        Ok(false) => break,
                        Err(_) => assert_eq!(conn.state(), State::Closed),
                    }
                }
                let _ = (conn.ping(b"ping"), conn.pong(b""), conn.send("x"), conn.send(vec![7; 10_000]));
                let n = conn.outbox().len() / 2;
                conn.outbox().advance(n);
            }
            let _ = conn.close(code(1000), "bye");
            let _ = inbox.park();
            for _ in 0..5 {
                if let Some(deadline) = conn.deadline() {
                    conn.tick(deadline);
                }
            }
            drain(&mut conn);
        }
    }
}

#[test]
fn every_limit_at_its_extremes() {
    type Set = fn(&mut Config, usize);
    /// Nothing, the least, the most.
    fn pick<T: Copy>(values: [T; 3], at: usize) -> T {
        values[at]
    }
    let limits: [Set; 13] = [
        |config, at| config.max_message = pick([0, 1, u64::MAX], at),
        |config, at| config.max_streamed = pick([0, 1, u64::MAX], at),
        |config, at| config.max_fragments = pick([0, 1, u32::MAX], at),
        |config, at| config.max_empty_fragments = pick([0, 1, u8::MAX], at),
        |config, at| config.max_outbox = pick([0, 1, usize::MAX], at),
        |config, at| config.read_buffer = pick([0, 1, usize::MAX], at),
        |config, at| config.fragment_above = pick([Some(0), Some(1), Some(usize::MAX)], at),
        |config, at| {
            let time = pick([Duration::ZERO, Duration::from_nanos(1), Duration::MAX], at);
            config.keepalive = Some(Keepalive { every: time, within: time });
        },
        |config, at| config.idle = Some(pick([Duration::ZERO, Duration::from_nanos(1), Duration::MAX], at)),
        |config, at| config.close_within = pick([Duration::ZERO, Duration::from_nanos(1), Duration::MAX], at),
        |config, at| config.write_stall = pick([Duration::ZERO, Duration::from_nanos(1), Duration::MAX], at),
        |config, at| config.pong_reply = pick([Reply::Automatic, Reply::WhenAsked, Reply::WhenAsked], at),
        |config, at| config.close_reply = pick([Reply::Automatic, Reply::WhenAsked, Reply::WhenAsked], at),
    ];
    for end in BOTH {
        for first in 0..limits.len() {
            for second in first..limits.len() {
                for at in 0..9 {
                    let mut config = Config::default();
                    limits[first](&mut config, at / 3);
                    limits[second](&mut config, at % 3);
                    session(end, config);
                }
            }
        }
        for at in 0..3 {
            let mut config = Config::default();
            limits.iter().for_each(|limit| limit(&mut config, at));
            session(end, config);
        }
    }
}

/// A message is lent from where it was read: nothing is copied.
#[test]
fn messages_in_one_piece_are_lent_from_the_read_buffer() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(quiet());
        let bytes = end.incoming(FIN | TEXT, b"in place");
        let at = inbox.spare_mut().as_ptr() as usize + bytes.len() - 8;
        fill(&mut inbox, &mut &bytes[..]);
        assert_eq!(inbox.next(&mut conn), Ok(true));
        let message = inbox.message().unwrap();
        assert_eq!((message, message.as_bytes().as_ptr() as usize), (Message::Text("in place"), at));
        // The same of a buffer of the caller's.
        let mut bytes = end.incoming(FIN | BINARY, b"in place");
        let at = bytes[bytes.len() - 8..].as_ptr();
        let mut input = &mut bytes[..];
        let Ok(Some(websans::Event::Part(part))) = conn.receive(&mut input) else { panic!("a part") };
        assert_eq!((part.kind, part.payload.as_ptr()), (Kind::Binary, at));
        let message = inbox.accept(&mut conn, part).unwrap().unwrap();
        assert_eq!(message.as_bytes().as_ptr(), at);
    }
}

#[test]
fn the_storage_of_an_outbox_can_be_pooled() {
    let mut conn = End::Server.conn();
    assert!(conn.outbox().park().is_none());
    conn.send("hello").unwrap();
    assert!(conn.outbox().park().is_none(), "what waits was given away");
    write_out(&mut conn);
    let storage = conn.outbox().park().unwrap();
    assert!(storage.is_empty() && storage.capacity() > 0 && storage.capacity() <= 4 << 10);
    assert!(conn.outbox().park().is_none());
    let info = measure(|| {
        let mut storage = Some(storage);
        for _ in 0..100 {
            conn.outbox().lend(|| storage.take().unwrap());
            conn.outbox().lend(|| panic!("it has storage"));
            conn.send("hello").unwrap();
            write_out(&mut conn);
            storage = conn.outbox().park();
        }
        conn.outbox().lend(|| storage.take().unwrap());
    });
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn room_is_what_the_outbox_takes() {
    let mut config = Config::default();
    config.max_outbox = 100;
    let mut conn = End::Server.open(config).0;
    assert!(conn.has_room(1 << 20), "an empty outbox takes any message");
    conn.send("x".repeat(58)).unwrap();
    assert!(conn.has_room(40) && !conn.has_room(41));
    assert_eq!(conn.send("x".repeat(41)), Err(SendError::OutboxFull));
    conn.send("x".repeat(40)).unwrap();
}

#[test]
fn long_messages_are_given_away_uncopied() {
    for end in BOTH {
        let (mut conn, mut inbox) = end.open(quiet());
        assert!(inbox.take().is_none());
        for (kind, first, long) in
            [(Kind::Text, TEXT, "naïve ".repeat(20_000)), (Kind::Binary, BINARY, "x".repeat(100))]
        {
            let bytes =
                [end.incoming(first, &long.as_bytes()[..10]), end.incoming(FIN, &long.as_bytes()[10..])];
            let bytes = bytes.concat();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                fill(&mut inbox, &mut rest);
                assert_eq!(inbox.next(&mut conn), Ok(rest.is_empty()));
            }
            let mut taken = None;
            let info = measure(|| taken = inbox.take());
            let taken = taken.unwrap();
            assert_eq!((taken.kind(), taken.as_bytes()), (kind, long.as_bytes()));
            assert!(info.bytes_total <= 64, "{info:?}");
            assert!(inbox.message().is_none() && inbox.take().is_none());
            // As it came, so it goes.
            conn.send(taken).unwrap();
            drain(&mut conn);
        }
        // One that lies in the read buffer costs a copy.
        fill(&mut inbox, &mut &end.incoming(FIN | TEXT, b"short")[..]);
        assert_eq!(inbox.next(&mut conn), Ok(true));
        let taken = inbox.take().unwrap();
        assert_eq!((taken.kind(), taken.into_bytes()), (Kind::Text, Bytes::from_static(b"short")));
    }
}

#[test]
fn connections_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Connection>();
    shared::<Inbox>();
}
