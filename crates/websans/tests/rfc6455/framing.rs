//! Frames and their headers: RFC 6455 §5.1 to §5.3.

use std::sync::{Arc, Mutex};

use websans::frame::{Header, OpCode};
use websans::{Kind, Negotiated, Prepared, ProtocolError, Role};

use crate::support::*;

const OPCODES: [u8; 6] = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG];

/// "The server MUST close the connection upon receiving a frame that is not masked. In this case, a server MAY send a
/// Close frame with a status code of 1002 (protocol error)" (§5.1).
#[test]
fn r040_unmasked_frame_of_any_size_and_kind() {
    let end = End::Server;
    let error = ProtocolError::UnmaskedFrame;
    assert_eq!(error.close_code().get(), 1002);
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for len in [0, 1, 2, 125, 126, 65_535, 65_536] {
            if opcode & 8 != 0 && len > 125 {
                continue;
            }
            let payload = vec![b'x'; len];
            let bytes = encode(FIN | opcode, None, &payload);
            let cut = bytes.len().min(200);
            assert_fails(end, &quiet(), &bytes[..cut], &[], error);

            let mut conn = end.conn();
            assert_eq!(receive(&mut conn, &bytes), (vec![], Some(error)));
            assert_failed(&mut conn, error, &format!("{opcode} of {len} bytes"));

            // The second byte tells, and no more is waited for.
            let mut conn = end.conn();
            assert_eq!(receive(&mut conn, &bytes[..1]), (vec![], None));
            assert_eq!(receive(&mut conn, &bytes[1..2]), (vec![], Some(error)));
        }
    }
}

#[test]
fn r040_unmasked_frame_after_good_ones() {
    let end = End::Server;
    let before = [end.incoming(FIN | TEXT, b"one"), end.incoming(FIN | PING, b"two")].concat();
    let events = [text("one"), Got::Ping(b"two".into())];
    let bytes = [&before[..], &encode(FIN | TEXT, None, b"three")].concat();
    assert_fails(end, &quiet(), &bytes, &events, ProtocolError::UnmaskedFrame);
    // Within a message, its continuation and a control frame alike.
    for unmasked in [encode(FIN, None, b"b"), encode(FIN | PONG, None, b"")] {
        let bytes = [end.incoming(TEXT, b"a"), unmasked].concat();
        assert_fails(end, &quiet(), &bytes, &[], ProtocolError::UnmaskedFrame);
    }
}

/// "A client MUST close a connection if it detects a masked frame" (§5.1).
#[test]
fn r041_masked_frame_from_server() {
    let end = End::Client;
    let error = ProtocolError::MaskedFrame;
    assert_eq!(error.close_code().get(), 1002);
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for key in [KEY, [0; 4]] {
            for len in [0, 1, 125, 126, 65_536] {
                if opcode & 8 != 0 && len > 125 {
                    continue;
                }
                let bytes = encode(FIN | opcode, Some(key), &vec![b'x'; len]);
                assert_fails(end, &quiet(), &bytes[..bytes.len().min(140)], &[], error);
                let mut conn = end.conn();
                assert_eq!(receive(&mut conn, &bytes[..1]), (vec![], None));
                assert_eq!(receive(&mut conn, &bytes[1..2]), (vec![], Some(error)));
            }
        }
    }
}

/// "A server MUST NOT mask any frames that it sends to the client" (§5.1).
#[test]
fn r041_server_masks_nothing() {
    let frames = one_of_each(End::Server);
    assert!(frames.len() > 10);
    for frame in frames {
        assert_eq!(frame.key, None, "{frame:?}");
    }
}

/// All kinds of frames that an end sends by itself or is asked to send.
fn one_of_each(end: End) -> Vec<Frame> {
    let mut config = quiet();
    config.keepalive = Some(websans::Keepalive { every: secs(1), within: secs(9) });
    let mut conn = end.open(config).0;
    conn.send("").unwrap();
    conn.send("text").unwrap();
    conn.send(&[0; 300]).unwrap();
    conn.send(vec![1; 70_000]).unwrap();
    conn.send_part("", false).unwrap();
    conn.send_part("part", false).unwrap();
    conn.send_part("", true).unwrap();
    conn.send_prepared(&Prepared::new("prepared").unwrap()).unwrap();
    conn.send_prepared(&Prepared::new(vec![2; 20_000]).unwrap()).unwrap();
    conn.ping(b"").unwrap();
    conn.ping(b"ping").unwrap();
    conn.pong(b"pong").unwrap();
    receive(&mut conn, &end.incoming(FIN | PING, b"answer me"));
    let mut frames = sent(&mut conn);
    conn.tick(START + secs(1));
    receive(&mut conn, &end.incoming(FIN | PING, b"answer me at once"));
    receive(&mut conn, &end.incoming_close(1000, "bye"));
    frames.extend(sent(&mut conn));

    let mut conn = end.conn();
    conn.close(code(3000), "reason").unwrap();
    frames.extend(sent(&mut conn));
    let mut conn = end.conn();
    conn.fail(ProtocolError::InvalidUtf8);
    frames.extend(sent(&mut conn));
    frames
}

/// "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (§5.2).
#[test]
fn r042_reserved_bits() {
    let error = ProtocolError::ReservedBits;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        for rsv in 1..8 {
            for opcode in OPCODES {
                // A continuation is judged by its opcode too; here it has something to continue.
                let begun = if opcode == CONTINUATION { end.incoming(TEXT, b"a") } else { vec![] };
                let first = FIN | rsv << 4 | opcode;
                let bytes = [&begun[..], &end.incoming(first, b"x")].concat();
                assert_fails(end, &quiet(), &bytes, &[], error);
                // The first byte tells.
                let bytes = [&begun[..], &[first]].concat();
                assert_fails(end, &quiet(), &bytes, &[], error);
            }
        }
    }
}

/// RFC 7692 gives RSV1 a meaning on the first frame of a message, and no other bit on no other frame.
#[test]
fn r042_reserved_bits_with_compression() {
    for end in BOTH {
        for rsv in 0..8 {
            for opcode in OPCODES {
                for fin in [0, FIN] {
                    if fin == 0 && opcode & 8 != 0 {
                        continue;
                    }
                    let mut conn = open_compressed(end, quiet()).0;
                    if opcode == CONTINUATION {
                        assert_eq!(receive(&mut conn, &end.incoming(TEXT, b"a")).1, None);
                    }
                    let first = fin | rsv << 4 | opcode;
                    let fine = rsv == 0 || rsv == 4 && matches!(opcode, TEXT | BINARY);
                    let expected = (!fine).then_some(ProtocolError::ReservedBits);
                    assert_eq!(receive(&mut conn, &[first]).1, expected, "{end:?} {first:02x}");
                }
            }
        }
    }
}

/// "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_" (§5.2).
#[test]
fn r043_reserved_opcodes() {
    let error = ProtocolError::ReservedOpcode;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
            for bits in 0..16 {
                let first = bits << 4 | opcode;
                assert_fails(end, &quiet(), &[first], &[], error);
                assert_fails(end, &quiet(), &end.incoming(first, b"abc"), &[], error);
                let bytes = [end.incoming(TEXT, b"a"), vec![first]].concat();
                assert_fails(end, &quiet(), &bytes, &[], error);
            }
        }
        // All bits of the length are set, and the opcode is unknown: that comes first.
        let bytes = b"\x83\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
        assert_fails(end, &quiet(), bytes, &[], error);
    }
}

/// "the most significant bit MUST be 0" (§5.2).
#[test]
fn r043_most_significant_bit_of_a_length() {
    let error = ProtocolError::LengthOutOfRange;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        let mask = if end == End::Server { 0x80 } else { 0 };
        for high in [0x80, 0x81, 0xff] {
            for low in [0, 0xff] {
                let bytes = [FIN | BINARY, mask | 127, high, low, low, low, low, low, low, low, 0, 0, 0, 0];
                assert_fails(end, &unlimited(), &bytes, &[], error);
                // The first byte of the length tells.
                assert_fails(end, &unlimited(), &bytes[..3], &[], error);
            }
        }
    }
}

fn unlimited() -> websans::Config {
    let mut config = quiet();
    config.max_message = u64::MAX;
    config
}

/// Every power of two and its neighbours as a 64-bit length, the header cut in every possible way.
#[test]
fn r045_all_magnitudes_of_64_bit_lengths_in_all_splits() {
    let around = |k: u32| [1u64.wrapping_shl(k).wrapping_sub(1), 1 << k, (1 << k) + 1];
    let mut lengths: Vec<u64> = (0..64).flat_map(around).chain([u64::MAX, u64::MAX - 1]).collect();
    lengths.sort_unstable();
    lengths.dedup();
    for config in [quiet(), unlimited()] {
        for end in BOTH {
            let mask = if end == End::Server { 0x80 } else { 0 };
            for &len in &lengths {
                let expected = match len {
                    0..=0xffff => Some(ProtocolError::LengthNotMinimal),
                    _ if len >> 63 != 0 => Some(ProtocolError::LengthOutOfRange),
                    _ if len > config.max_message => Some(ProtocolError::MessageTooBig),
                    _ => None,
                };
                let mut bytes = vec![FIN | BINARY, mask | 127];
                bytes.extend(len.to_be_bytes());
                bytes.extend(end.incoming_key().iter().flatten());
                for cuts in 0..1u32 << (bytes.len() - 1) {
                    // All cuts for one limit, a few for the other.
                    if config.max_message == u64::MAX && cuts.count_ones() > 2 {
                        continue;
                    }
                    let mut conn = end.open(config.clone()).0;
                    let mut result = None;
                    let mut piece = [0; Header::MAX_LEN];
                    let mut n = 0;
                    for (at, &byte) in bytes.iter().enumerate() {
                        piece[n] = byte;
                        n += 1;
                        if cuts >> at & 1 == 1 || at + 1 == bytes.len() {
                            match conn.receive(&mut &mut piece[..n]) {
                                Ok(event) => assert_eq!(event, None),
                                Err(error) => result = result.or(Some(error)),
                            }
                            n = 0;
                        }
                    }
                    assert_eq!(result, expected, "{end:?}: length {len}, cuts {cuts:b}");
                }
            }
        }
    }
}

/// "the minimal number of bytes MUST be used to encode the length" (§5.2).
#[test]
fn r045_minimal_length_received() {
    let error = ProtocolError::LengthNotMinimal;
    assert_eq!(error.close_code().get(), 1002);
    for end in BOTH {
        let mask = if end == End::Server { 0x80 } else { 0 };
        for len in 0..126u16 {
            let [high, low] = len.to_be_bytes();
            assert_fails(end, &quiet(), &[FIN | TEXT, mask | 126, high, low], &[], error);
            let eight = u64::from(len).to_be_bytes();
            let bytes = [&[FIN | TEXT, mask | 127][..], &eight].concat();
            assert_fails(end, &quiet(), &bytes, &[], error);
        }
        for len in [126, 127, 255, 256, 32_767, 65_534, 65_535u64] {
            let bytes = [&[FIN | TEXT, mask | 127][..], &len.to_be_bytes()].concat();
            assert_fails(end, &quiet(), &bytes, &[], error);
        }
        for len in [0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537] {
            let payload = vec![b'x'; len];
            let mut conn = end.conn();
            let (events, error) = receive(&mut conn, &end.incoming(FIN | BINARY, &payload));
            assert!(events == [whole(Kind::Binary, &payload)] && error.is_none(), "{len}");
        }
    }
}

#[test]
fn r045_minimal_length_sent() {
    // `decode_one` refuses any other form.
    for end in BOTH {
        for len in (0..300).chain([65_534, 65_535, 65_536, 65_537, 200_000]) {
            let payload = vec![7; len];
            let mut conn = end.conn();
            conn.send(&payload).unwrap();
            assert!(drain(&mut conn) == end.outgoing(FIN | BINARY, &payload), "{len}");
        }
        for len in 0..=125 {
            let mut conn = end.conn();
            conn.ping(&vec![7; len]).unwrap();
            assert_eq!(drain(&mut conn), end.outgoing(FIN | PING, &vec![7; len]));
        }
    }
    let mut out = [0; Header::MAX_LEN];
    for len in [0, 125, 126, 65_535, 65_536, 1 << 32, u64::MAX >> 1] {
        for mask in [None, Some(KEY)] {
            let n = Header { fin: true, rsv: 0, opcode: OpCode::Binary, mask, len }.encode(&mut out);
            assert_eq!(out[..n], header(FIN | BINARY, mask, len));
        }
    }
}

/// A length in the base-128 form of the drafts 75 and 76, which has no end, and their text frames.
#[test]
fn r045_lengths_and_frames_of_the_old_drafts() {
    for end in BOTH {
        let endless = vec![0x80; 1 << 20];
        let mut conn = end.conn();
        let (events, error) = receive(&mut conn, &endless[..2]);
        assert!(events.is_empty() && error.is_some(), "within two bytes");
        assert_eq!(error.unwrap().close_code().get(), 1002);
        assert_eq!(receive(&mut conn, &endless[2..]), (vec![], None));

        for bytes in [&b"\x00Hello\xff"[..], b"\xff\x00", b"\x81\xff\xff\xff"] {
            let mut conn = end.conn();
            let (events, error) = receive(&mut conn, bytes);
            assert_eq!((events, error.map(|error| error.close_code().get())), (vec![], Some(1002)));
        }
    }
}

/// "A client MUST mask all frames that it sends", "a fresh masking key" each (§5.1, §5.3).
#[test]
fn r046_client_masks_every_frame_with_its_own_key() {
    for frame in one_of_each(End::Client) {
        assert_eq!(frame.key, Some(KEY), "{frame:?}");
    }

    let made = Arc::new(Mutex::new(Vec::new()));
    let keys = made.clone();
    let role = Role::Client(Box::new(move || {
        let mut keys = keys.lock().unwrap();
        let key = u32::try_from(keys.len())
            .unwrap()
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(0x0102_0304)
            .to_be_bytes();
        keys.push(key);
        key
    }));
    let mut config = quiet();
    config.fragment_above = Some(9_000);
    let (mut conn, _) = websans::open(role, config, Negotiated::default(), START);
    let mut bytes = Vec::new();
    for payload in [vec![], vec![1; 5], vec![2; 100_000]] {
        conn.send(payload.clone()).unwrap();
        bytes.extend(drain(&mut conn));
        conn.send(&payload).unwrap();
        bytes.extend(drain(&mut conn));
    }
    conn.send_part("a", false).unwrap();
    conn.send_part("b", true).unwrap();
    conn.send_prepared(&Prepared::new("c").unwrap()).unwrap();
    conn.ping(b"").unwrap();
    conn.pong(b"").unwrap();
    conn.close(code(1000), "").unwrap();
    bytes.extend(drain(&mut conn));
    let frames = decode(&bytes);
    let used: Vec<_> = frames.iter().map(|frame| frame.key.expect("masked")).collect();
    assert_eq!(used, *made.lock().unwrap(), "each key is used once, in order");
    assert_eq!(frames.len(), 4 + 2 * 12 + 6);
}

/// "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of entropy,
/// and the masking key for a given frame MUST NOT make it simple for a server/proxy to predict the masking key for a
/// subsequent frame" (§5.3).
#[cfg(feature = "os-entropy")]
#[test]
fn r046_keys_of_the_operating_system_look_random() {
    let keys = || websans::entropy::os_mask_keys().expect("the operating system has entropy");
    let (mut one, mut other) = (keys(), keys());
    let drawn: Vec<u32> = (0..1_000_000).map(|_| u32::from_be_bytes(one())).collect();
    // 10^6 draws from 2^32: 116 repetitions are to be expected, with a deviation of 11.
    let repeated = drawn.len() - drawn.iter().collect::<std::collections::HashSet<_>>().len();
    assert!((30..250).contains(&repeated), "{repeated} keys came twice");
    for bit in 0..32 {
        let ones = drawn.iter().filter(|&&key| key >> bit & 1 == 1).count();
        // 500,000 with a deviation of 500: five of those.
        assert!((497_500..=502_500).contains(&ones), "bit {bit} is one {ones} times");
    }
    let same = drawn.iter().take(1000).filter(|&&key| key == u32::from_be_bytes(other())).count();
    assert!(same < 2, "two connections share their keys");
    assert_ne!(websans::entropy::os_nonce().unwrap(), websans::entropy::os_nonce().unwrap());
}

/// Masking is XOR with the key's bytes in turn (§5.3), wherever a payload is cut.
#[test]
fn r053_unmasking_in_every_phase() {
    let plain: Vec<u8> = (0..300u16).map(|at| at.to_be_bytes()[1].wrapping_mul(7)).collect();
    for len in (0..70).chain([127, 128, 255, 300]) {
        let bytes = End::Server.incoming(FIN | BINARY, &plain[..len]);
        for size in [1, 2, 3, 5, 7, 8, 9, 16, 63, 64, 65] {
            let mut conn = End::Server.conn();
            let (events, error) = receive_pieces(&mut conn, bytes.chunks(size));
            assert_eq!((events, error), (vec![whole(Kind::Binary, &plain[..len])], None), "{len} in {size}s");
        }
    }
    // At every alignment and length, from every phase.
    for offset in 0..16 {
        for len in 0..100 {
            for phase in 0..4 {
                let mut data = plain.clone();
                let mut mask = websans::mask::Mask::new(KEY);
                mask.apply(&mut vec![0; phase]);
                let ascii = mask.apply(&mut data[offset..offset + len]);
                let expected: Vec<u8> =
                    (0..len).map(|at| plain[offset + at] ^ KEY[(phase + at) % 4]).collect();
                assert_eq!(data[offset..offset + len], expected);
                assert_eq!(data[..offset], plain[..offset]);
                assert_eq!(data[offset + len..], plain[offset + len..]);
                assert_eq!(ascii, expected.is_ascii());
            }
        }
    }
}
