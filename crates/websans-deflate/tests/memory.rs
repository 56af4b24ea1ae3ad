//! Storage: what compression takes, and that no message makes it take more.
//!
//! The counting allocator sees a growing `Vec` as the old and the new storage together, which is what it costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use bytes::Buf;
use websans::deflate::{Extension, Parameters};
use websans::{Cause, Config, Connection, Inbox, Kind, Negotiated, ProtocolError, Role, Timestamp};
use websans_deflate::{Deflate, RECEIVE_MEMORY, Settings};
use websans_testkit::bombs::{self, Attack};
use websans_testkit::wire::{self, Frame};

const KIB: usize = 1 << 10;
const NOW: Timestamp = Timestamp::from_nanos(0);

/// A server or a client that has agreed on compression.
fn open(client: bool, config: &Arc<Config>, deflate: &Deflate) -> (Connection, Inbox) {
    let extension = Extension::from(deflate);
    let proposal = extension.propose();
    let wanted = proposal.config();
    let mut agreed = Parameters::default();
    agreed.server_no_context_takeover = wanted.server_no_context_takeover;
    agreed.client_no_context_takeover = wanted.client_no_context_takeover;
    agreed.server_max_window_bits = wanted.server_max_window_bits;
    agreed.client_max_window_bits = wanted.client_max_window_bits;
    let mut negotiated = Negotiated::default();
    negotiated.codec = Some(proposal.codec(client, agreed));
    negotiated.deflate = Some(agreed);
    let role = if client { Role::Client(Box::new(|| [0; 4])) } else { Role::Server };
    websans::open(role, Arc::clone(config), negotiated, NOW)
}

fn with_takeover() -> Settings {
    let mut settings = Settings::default();
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    settings
}

/// Reads all of `bytes` as a socket would be read, and counts the messages and their bytes.
fn feed(
    conn: &mut Connection,
    inbox: &mut Inbox,
    mut bytes: &[u8],
    streamed: bool,
) -> Result<(usize, usize), ProtocolError> {
    let (mut messages, mut content) = (0, 0);
    loop {
        let found = if streamed { inbox.next_chunk(conn)? } else { inbox.next(conn)? };
        if found {
            let chunk = inbox.chunk().unwrap();
            messages += usize::from(chunk.last);
            content += chunk.payload.len();
            continue;
        }
        if bytes.is_empty() {
            return Ok((messages, content));
        }
        let spare = inbox.spare_mut();
        let n = spare.len().min(bytes.len());
        spare[..n].copy_from_slice(&bytes[..n]);
        inbox.filled(n);
        bytes = &bytes[n..];
    }
}

fn drain(conn: &mut Connection) -> Vec<u8> {
    let n = conn.outbox().remaining();
    conn.outbox().copy_to_bytes(n).to_vec()
}

/// The code of the Close that ends what has been written.
fn close_code(written: &[u8], client: bool) -> u16 {
    let reason = written.iter().rposition(|byte| *byte == 0x88).unwrap();
    let at = reason + if client { 6 } else { 2 };
    u16::from_be_bytes(written[at..at + 2].try_into().unwrap())
}

/// 10 MiB of zeros in 10 KB, in one frame, in fragments, behind empty blocks: a limit of 64 KiB is a limit of 64 KiB.
#[test]
fn a_bomb_takes_the_limit_and_64_kib() {
    let mut config = Config::default();
    config.max_message = 64 << 10;
    config.max_streamed = 64 << 10;
    let config = Arc::new(config);
    let zeros = bombs::zeros(10 << 20);
    assert!(zeros.len() < 11_000, "{}", zeros.len());
    let padded = [[0, 0, 0, 0xff, 0xff].repeat(1000), zeros.clone()].concat();
    let mut peak = 0;
    for client in [false, true] {
        for settings in [Settings::default(), with_takeover()] {
            for (payload, cut) in [(&zeros, usize::MAX), (&zeros, 1000), (&zeros, 1), (&padded, usize::MAX)] {
                for streamed in [false, true] {
                    let mut frames = vec![Frame::binary("before")];
                    frames.extend(bombs::frames(payload, cut, true));
                    let bytes = wire::stream(&frames, !client);
                    let deflate = Deflate::new(settings.clone());
                    let (mut conn, mut inbox) = open(client, &config, &deflate);
                    let mut got = Ok((0, 0));
                    let info = measure(|| got = feed(&mut conn, &mut inbox, &bytes, streamed));
                    assert_eq!(got, Err(ProtocolError::MessageTooBig));
                    let most = (64 + 64) * KIB as u64;
                    assert!(info.bytes_max <= most, "{} bytes of at most {most}", info.bytes_max);
                    assert_eq!(conn.stats().messages_received, 1);
                    assert_eq!(conn.outcome().unwrap().cause, Cause::Protocol(ProtocolError::MessageTooBig));
                    assert_eq!(close_code(&drain(&mut conn), client), 1009);
                    peak = peak.max(info.bytes_max);
                }
            }
        }
    }
    println!("measure heap of a decompression bomb: {peak} bytes");
}

/// It is refused when the limit is met, not when all of it has been inflated.
#[test]
fn a_bomb_is_refused_in_no_time() {
    let mut config = Config::default();
    config.max_message = 64 << 10;
    let config = Arc::new(config);
    let deflate = Deflate::default();
    let bytes = wire::stream(&bombs::frames(&bombs::zeros(10 << 20), usize::MAX, true), true);
    // The least of many: what else runs on the machine makes it longer, and nothing makes it shorter.
    let times = (0..50).map(|_| {
        let (mut conn, mut inbox) = open(false, &config, &deflate);
        let began = Instant::now();
        assert_eq!(feed(&mut conn, &mut inbox, &bytes, false), Err(ProtocolError::MessageTooBig));
        began.elapsed()
    });
    let took = times.min().unwrap();
    assert!(took < Duration::from_millis(5), "{took:?}");
    println!("measure time to refuse a decompression bomb: {} µs", took.as_micros());
}

/// What is within the limit is no bomb, however small it was.
#[test]
fn a_long_message_of_zeros_is_a_message() {
    let mut config = Config::default();
    config.max_message = 2 << 20;
    let config = Arc::new(config);
    let frames = bombs::frames(&bombs::zeros(1 << 20), usize::MAX, true);
    let (mut conn, mut inbox) = open(false, &config, &Deflate::default());
    let bytes = wire::stream(&frames, true);
    assert_eq!(feed(&mut conn, &mut inbox, &bytes, false), Ok((1, 1 << 20)));
    let stats = conn.stats().compression.unwrap();
    assert_eq!(stats.received_plain, 1 << 20);
    assert!(stats.received_compressed < 1100);
}

/// The limit is met exactly, and missed by one byte.
#[test]
fn the_limit_is_exact() {
    for limit in [0, 1, 1000, 1023, 1024, 1025, 16 << 10, (16 << 10) + 1, 64 << 10, 100_000] {
        for len in [limit, limit + 1] {
            for (cut, streamed) in [(usize::MAX, false), (1, false), (usize::MAX, true), (7, true)] {
                let mut config = Config::default();
                // The bytes on the wire count, too.
                config.max_message = limit.max(40);
                config.max_streamed = limit.max(40);
                let len = usize::try_from(if limit < 40 { len + 40 - limit } else { len }).unwrap();
                let fits = len as u64 <= config.max_message;
                let config = Arc::new(config);
                let (mut conn, mut inbox) = open(false, &config, &Deflate::default());
                let bytes = wire::stream(&bombs::frames(&bombs::zeros(len), cut, true), true);
                let got = feed(&mut conn, &mut inbox, &bytes, streamed);
                let expected = if fits { Ok((1, len)) } else { Err(ProtocolError::MessageTooBig) };
                assert_eq!(got, expected, "{len} of {limit}");
            }
        }
    }
}

/// Whatever is sent costs what the limits say, whole or cut.
#[test]
fn no_attack_costs_more_than_the_limits() {
    let mut config = Config::default();
    config.max_message = 256 << 10;
    let config = Arc::new(config);
    for Attack { name, payload, .. } in bombs::attacks(100_000) {
        for cut in [usize::MAX, 100] {
            let bytes = wire::stream(&bombs::frames(&payload, cut, true), true);
            let deflate = Deflate::default();
            let (mut conn, mut inbox) = open(false, &config, &deflate);
            let mut got = Ok((0, 0));
            let info = measure(|| got = feed(&mut conn, &mut inbox, &bytes, false));
            // Storage grows by doubling; both count while it is moved.
            let most = (2 * 256 + 64) * KIB as u64;
            assert!(info.bytes_max <= most, "{name}: {} bytes", info.bytes_max);
            match name {
                "tiny stored blocks" => assert_eq!(got, Ok((1, payload.len() / 6))),
                "final blocks with a window" => assert_eq!(got, Err(ProtocolError::UnproductiveDeflate)),
                "cut header" | "distance of two" | "distance of 32 KiB" => {
                    assert_eq!(got, Err(ProtocolError::InvalidDeflate), "{name}");
                }
                "empty stored blocks"
                | "empty fixed blocks"
                | "empty dynamic blocks"
                | "longest headers"
                | "final stored blocks"
                | "final fixed blocks" => {
                    assert_eq!(got, Err(ProtocolError::UnproductiveDeflate), "{name}");
                }
                "nested" => assert!(got.is_ok_and(|(_, content)| content > 1000)),
                _ => assert_eq!(got, Err(ProtocolError::MessageTooBig), "{name}"),
            }
        }
    }
}

/// Nothing is kept between messages, but by the pool; and what is said of the memory is so.
#[test]
fn without_takeover_an_idle_connection_has_nothing() {
    let config = Arc::new(Config::default());
    let deflate = Deflate::default();
    let exchange = |conn: &mut Connection, inbox: &mut Inbox| {
        let bytes = wire::stream(&bombs::frames(&bombs::zeros(1000), usize::MAX, true), true);
        feed(conn, inbox, &bytes, false).unwrap();
        conn.send(vec![b'x'; 1000]).unwrap();
        drain(conn);
        drop(inbox.park());
        conn.park();
    };
    // Fills the pool.
    let (mut conn, mut inbox) = open(false, &config, &deflate);
    assert_eq!(conn.stats().compression.unwrap().memory, 0);
    exchange(&mut conn, &mut inbox);
    let mut connections = Vec::with_capacity(1000);
    let info = measure(|| {
        for _ in 0..1000 {
            let (mut conn, mut inbox) = open(false, &config, &deflate);
            exchange(&mut conn, &mut inbox);
            connections.push((conn, inbox));
        }
    });
    let each = info.bytes_current / 1000;
    println!("{each} bytes of storage for each idle connection without takeover");
    assert!(each <= 400, "{each} bytes each");
}

#[test]
fn contexts_take_what_is_said_of_them() {
    let config = Arc::new(Config::default());
    let mut noise = 1_u32;
    let mut random = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    };
    let data: Vec<u8> = (0..200_000).map(|_| random() & 15).collect();
    for bits in 9..=15 {
        for memory_level in [1, 4, 8, 9] {
            let mut settings = with_takeover();
            settings.negotiation.server_max_window_bits = bits;
            settings.negotiation.client_max_window_bits = bits;
            settings.memory_level = memory_level;
            let deflate = Deflate::new(settings.clone());
            let (mut server, _inbox) = open(false, &config, &deflate);
            let (mut client, mut inbox) = open(true, &config, &deflate);
            let said = server.stats().compression.unwrap().memory;
            assert_eq!(said, settings.send_memory(bits) + RECEIVE_MEMORY);
            let info = measure(|| {
                server.send(&data).unwrap();
                drop(drain(&mut server));
                server.park();
            });
            let kept = usize::try_from(info.bytes_current).unwrap();
            let send = settings.send_memory(bits);
            assert!((send - send / 20..=send).contains(&kept), "{bits} {memory_level}: {kept} of {send}");
            // What the client has not seen, it cannot be referred to.
            let (mut server, _inbox) = open(false, &config, &deflate);
            server.send(&data).unwrap();
            let bytes = drain(&mut server);
            let info = measure(|| {
                feed(&mut client, &mut inbox, &bytes, true).unwrap();
                drop(inbox.park());
            });
            let kept = usize::try_from(info.bytes_current).unwrap();
            assert!((RECEIVE_MEMORY - 2048..=RECEIVE_MEMORY).contains(&kept), "{kept} of {RECEIVE_MEMORY}");
        }
    }
    println!(
        "with takeover both ways and windows of 32 KiB: {} + {RECEIVE_MEMORY} bytes",
        Settings::default().send_memory(15)
    );
}

/// In steady state, as long as the connections are not parked.
#[test]
fn a_message_needs_no_allocation() {
    let config = Arc::new(Config::default());
    for settings in [Settings::default(), with_takeover()] {
        let deflate = Deflate::new(settings);
        let (mut server, mut inbox) = open(false, &config, &deflate);
        let (mut client, _inbox) = open(true, &config, &deflate);
        let text = "to be or not to be, that is the question. ".repeat(24);
        let mut bytes = Vec::with_capacity(4096);
        let mut exchange = |times: usize| {
            for _ in 0..times {
                client.send(&text).unwrap();
                bytes.clear();
                bytes.extend_from_slice(client.outbox().chunk());
                client.outbox().advance(bytes.len());
                assert_eq!(feed(&mut server, &mut inbox, &bytes, false), Ok((1, text.len())));
            }
        };
        exchange(10);
        let info = measure(|| exchange(100));
        assert_eq!(info.count_total, 0, "allocations for 100 messages");
    }
}

/// The whole of the budget is granted and no more, and what is given back is granted again.
#[test]
fn the_budget_is_kept() {
    let config = Arc::new(Config::default());
    let mut settings = with_takeover();
    let each = settings.send_memory(15) + RECEIVE_MEMORY;
    settings.context_budget = 3 * each + each / 2;
    let deflate = Deflate::new(settings);
    let open_one = || open(false, &config, &deflate);
    let memory = |conn: &Connection| conn.stats().compression.unwrap().memory;
    let mut connections: Vec<_> = (0..5).map(|_| open_one()).collect();
    let granted: Vec<usize> = connections.iter().map(|(conn, _)| memory(conn)).collect();
    assert_eq!(granted, [each, each, each, 0, 0]);
    assert_eq!(deflate.budget_left(), each / 2);
    let (conn, inbox) = connections.remove(1);
    drop(conn);
    assert_eq!(deflate.budget_left(), each / 2, "the inbox may still inflate");
    drop(inbox);
    assert_eq!(deflate.budget_left(), each / 2 + each);
    assert_eq!(memory(&open_one().0), each);
    // The window that was agreed on is what counts in the end.
    let proposal = Extension::from(&deflate).propose();
    let mut agreed = Parameters::default();
    agreed.client_no_context_takeover = true;
    agreed.server_max_window_bits = 9;
    let codec = proposal.codec(false, agreed);
    assert_eq!(codec.memory, deflate.settings().send_memory(9));
    assert_eq!(deflate.budget_left(), each / 2 + each - codec.memory);
    drop(codec);
    drop(connections);
    assert_eq!(deflate.budget_left(), deflate.settings().context_budget);
}

/// A message is inflated no further than it is taken.
#[test]
fn chunks_come_in_bounded_pieces() {
    let config = Arc::new(Config::default());
    let bytes = wire::stream(&bombs::frames(&bombs::zeros(10 << 20), usize::MAX, true), true);
    let (mut conn, mut inbox) = open(false, &config, &Deflate::default());
    let mut content = 0;
    inbox.preload(&bytes);
    let info = measure(|| {
        while inbox.next_chunk(&mut conn).unwrap() {
            let chunk = inbox.chunk().unwrap();
            assert!(chunk.payload.len() <= 16 << 10 && chunk.kind == Kind::Binary);
            content += chunk.payload.len();
        }
    });
    assert_eq!(content, 10 << 20);
    assert!(info.bytes_max <= 80 * KIB as u64, "{} bytes", info.bytes_max);
}

/// Storage for a long message is moved now and then, not anew for each piece of it.
#[test]
fn long_messages_are_moved_as_often_as_they_double() {
    let mut config = Config::default();
    config.max_message = 1 << 30;
    let config = Arc::new(config);
    let moved = |mib: usize| {
        let bytes = wire::stream(&bombs::frames(&bombs::zeros(mib << 20), usize::MAX, true), true);
        let (mut conn, mut inbox) = open(false, &config, &Deflate::default());
        let mut got = Ok((0, 0));
        let info = measure(|| got = feed(&mut conn, &mut inbox, &bytes, false));
        assert_eq!(got, Ok((1, mib << 20)));
        info.bytes_total
    };
    let (small, large) = (moved(4), moved(32));
    assert!(large < 10 * small, "{small} bytes for 4 MiB, {large} for 32 MiB");
    assert!(large < 6 * (32 << 20), "{large} bytes for 32 MiB");
}

/// An owned message keeps about what it is long, however much room was made for it.
#[test]
fn an_owned_message_is_as_long_as_it_says() {
    for limit in [64 << 10, 1 << 20] {
        for len in [24, 1000, 2044, 8000, 40_000] {
            let mut config = Config::default();
            config.max_message = limit;
            let (mut conn, mut inbox) = open(false, &Arc::new(config), &Deflate::default());
            let mut blocks = websans_testkit::blocks::Blocks::new();
            blocks.stored(false, &vec![7; len]);
            inbox.preload(&wire::stream(&bombs::frames(&blocks.message(), usize::MAX, true), true));
            assert!(inbox.next(&mut conn).unwrap());
            let mut kept = inbox.take().map(websans::Payload::into_bytes);
            assert_eq!(kept.as_ref().unwrap().len(), len);
            let freed = measure(|| drop(kept.take())).bytes_current;
            let most = len + len / 2 + 1100;
            assert!(-freed <= i64::try_from(most).unwrap(), "{len} bytes keep {}", -freed);
        }
    }
}

/// Whatever ends a connection gives its decompressor back, not only what it has found itself.
#[test]
fn the_decompressor_goes_with_the_connection() {
    let config = Arc::new(Config::default());
    let ends: [(&str, &[u8]); 4] = [
        ("no DEFLATE", &[0x80, 0x81, 0, 0, 0, 0, 0xff]),
        ("too long", &[0x80, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("reserved bits", &[0xf2, 0x80, 0, 0, 0, 0]),
        ("a Close", &[0x88, 0x80, 0, 0, 0, 0]),
    ];
    for settings in [Settings::default(), with_takeover()] {
        for (name, end) in ends {
            for streamed in [false, true] {
                let deflate = Deflate::new(settings.clone());
                let mut kept = None;
                let info = measure(|| {
                    let (mut conn, mut inbox) = open(false, &config, &deflate);
                    let bytes = [&[0x42, 0x81, 0, 0, 0, 0, 0x4a][..], end].concat();
                    let _ = feed(&mut conn, &mut inbox, &bytes, streamed);
                    let _ = if streamed { inbox.next_chunk(&mut conn) } else { inbox.next(&mut conn) };
                    drop(inbox.park());
                    kept = Some((conn, inbox));
                });
                assert!(
                    info.bytes_current < 2000,
                    "{name} {streamed}: {} bytes are still held",
                    info.bytes_current
                );
            }
        }
    }
}

/// A part that the compressor takes in whole leaves no large storage behind.
#[test]
fn a_parked_outbox_is_small() {
    let config = Arc::new(Config::default());
    let (mut conn, _inbox) = open(false, &config, &Deflate::default());
    for _ in 0..2 {
        conn.send_part(vec![b'x'; 64 << 10], false).unwrap();
        drain(&mut conn);
    }
    assert!(conn.outbox().park().is_none_or(|storage| storage.capacity() <= 4 << 10));
}

/// Who has gone is told no more of what lies here.
#[test]
fn nothing_is_inflated_after_an_abort() {
    let config = Arc::new(Config::default());
    let (mut conn, mut inbox) = open(false, &config, &Deflate::default());
    inbox.preload(&wire::stream(&bombs::frames(&bombs::zeros(1 << 20), usize::MAX, true), true));
    assert_eq!(inbox.next_chunk(&mut conn), Ok(true));
    conn.abort();
    assert_eq!(inbox.next_chunk(&mut conn), Ok(false));
}
