//! Floods and bombs, in one process and in virtual time. What needs sockets and load is done by the adapters' tests.

use allocation_counter::measure;
use websans::{Config, Connection, Inbox, ProtocolError};

use crate::control::plain;
use crate::support::*;

const KIB: u64 = 1 << 10;

/// What inflates to more than the limit is refused when the limit is reached: no more of it is ever held.
///
/// Fails when the assembler inflates without a limit.
#[test]
fn attack_01_bomb_of_another_codec() {
    const LIMIT: u64 = 64 << 10;
    for end in BOTH {
        // 255 bytes for two, in one frame and in fragments of every shape.
        let bomb = [255, 0].repeat(40_000);
        for fragment in [1, 2, 333, 8000, bomb.len()] {
            let mut config = quiet();
            config.max_message = LIMIT;
            config.max_fragments = u32::MAX;
            let mut frames = Vec::new();
            for (n, piece) in bomb[..8000.max(fragment)].chunks(fragment).enumerate() {
                let first = if n == 0 { 0x40 | BINARY } else { CONTINUATION };
                frames.extend(encode(first, end.incoming_key(), piece));
            }
            let (mut conn, mut inbox) = open_compressed(end, config);
            let mut result = (vec![], None);
            let info = measure(|| result = read(&mut conn, &mut inbox, &frames));
            assert_eq!(result, (vec![], Some(ProtocolError::MessageTooBig)), "{end:?}, {fragment}");
            // The limit, while the storage doubles twice that, and what is read and inflated at a time.
            assert!(info.bytes_max <= 2 * LIMIT + 64 * KIB, "{end:?}, {fragment}: {} bytes", info.bytes_max);
            assert_eq!(sent(&mut conn)[0].payload[..2], 1009_u16.to_be_bytes());
        }
        // To the byte: what reaches the limit passes, one more does not.
        for (len, passes) in [(LIMIT, true), (LIMIT + 1, false)] {
            let mut config = quiet();
            config.max_message = LIMIT;
            let bomb = RunLength::compress(&vec![7; usize::try_from(len).unwrap()]);
            let (mut conn, mut inbox) = open_compressed(end, config);
            let (messages, error) = read(&mut conn, &mut inbox, &end.incoming(FIN | 0x40 | BINARY, &bomb));
            assert_eq!((messages.len() == 1, error.is_none()), (passes, passes), "{end:?}, {len}");
        }
    }
}

/// Empty fragments, and fragments of one byte: no memory for each, and an end at their number.
///
/// Fails when `begin_frame` does not hold empty fragments in a row to their limit.
#[test]
fn attack_06_flood_of_tiny_fragments() {
    for end in BOTH {
        let limit = Config::default().max_fragments as usize;
        for (payload, expected) in [(&b""[..], 16), (b"x", limit)] {
            let (mut conn, mut inbox) = end.open(quiet());
            let flood = plain(end, CONTINUATION, payload).repeat(1000);
            let mut failed = None;
            let info = measure(|| {
                assert_eq!(read(&mut conn, &mut inbox, &plain(end, BINARY, payload)).1, None);
                for _ in 0..1000 {
                    failed = failed.or(read(&mut conn, &mut inbox, &flood).1);
                    if failed.is_some() {
                        break;
                    }
                }
            });
            assert_eq!(failed, Some(ProtocolError::TooManyFragments), "{end:?}");
            assert_eq!(conn.stats().frames_received, expected as u64 + 1, "{end:?}: frames up to the limit");
            let held = (limit * payload.len()) as u64;
            assert!(info.bytes_max <= 3 * held + 20 * KIB, "{end:?}: {} bytes", info.bytes_max);
        }
    }
}

/// Ten thousand connections, each of which announces as long a message as is allowed, and sends little or nothing of it.
///
/// Fails when `Assembler::begin` reserves storage for a message, and when `Assembler::room` makes room for all of a frame.
#[test]
fn attack_10_declared_lengths() {
    for end in BOTH {
        let config = std::sync::Arc::new(quiet());
        let head = header(FIN | BINARY, end.incoming_key(), config.max_message);
        let own = (size_of::<Connection>() + size_of::<Inbox>()) as u64;
        let mut held: Vec<(Connection, Inbox)> = Vec::with_capacity(10_010);
        for count in [10, 10_000] {
            let info = measure(|| {
                for n in 0..count {
                    let (mut conn, mut inbox) =
                        websans::open(end.role(), config.clone(), websans::Negotiated::default(), START);
                    fill(&mut inbox, &mut &head[..]);
                    assert_eq!(inbox.next(&mut conn), Ok(false));
                    // Some send the first bytes of the payload, in one piece or in two.
                    for _ in 0..n % 3 {
                        fill(&mut inbox, &mut &[7; 10][..]);
                        assert_eq!(inbox.next(&mut conn), Ok(false));
                    }
                    let _ = inbox.park();
                    held.push((conn, inbox));
                }
            });
            let each = info.bytes_max / count + own;
            assert!(each <= 4 * KIB, "{end:?}: {each} bytes each");
        }
    }
}
