//! The examples of RFC 6455 §5.7, byte for byte, as received and as sent.

use websans::frame::{Header, OpCode};
use websans::{Kind, Prepared};

use crate::support::*;

const HELLO: &[u8] = b"\x81\x05Hello";
const HELLO_MASKED: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const FRAGMENTS: &[u8] = b"\x01\x03Hel\x80\x02lo";
const FRAGMENTS_MASKED: &[u8] = b"\x01\x83\x37\xfa\x21\x3d\x7f\x9f\x4d\x80\x82\x37\xfa\x21\x3d\x5b\x95";
const PING: &[u8] = b"\x89\x05Hello";
const PING_MASKED: &[u8] = b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const PONG: &[u8] = b"\x8a\x05Hello";
const PONG_MASKED: &[u8] = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const BYTES_256: &[u8] = b"\x82\x7e\x01\x00";
const BYTES_256_MASKED: &[u8] = b"\x82\xfe\x01\x00\x37\xfa\x21\x3d";
const BYTES_64K: &[u8] = b"\x82\x7f\0\0\0\0\0\x01\0\0";
const BYTES_64K_MASKED: &[u8] = b"\x82\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d";

/// Bytes that tell their places, so that a wrong mask phase or offset shows.
fn numbered(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("a byte")).collect()
}

#[test]
fn single_frame_text_message() {
    assert_events(End::Client, &quiet(), HELLO, &[text("Hello")]);
    assert_events(End::Server, &quiet(), HELLO_MASKED, &[text("Hello")]);
    for (end, bytes) in [(End::Server, HELLO), (End::Client, HELLO_MASKED)] {
        let mut conn = end.conn();
        conn.send("Hello").unwrap();
        assert_eq!(drain(&mut conn), bytes);
        conn.send(String::from("Hello")).unwrap();
        assert_eq!(drain(&mut conn), bytes);
        conn.send_prepared(&Prepared::new("Hello").unwrap()).unwrap();
        assert_eq!(drain(&mut conn), bytes);
    }
}

#[test]
fn fragmented_text_message() {
    assert_events(End::Client, &quiet(), FRAGMENTS, &[text("Hello")]);
    assert_events(End::Server, &quiet(), FRAGMENTS_MASKED, &[text("Hello")]);
    for (end, bytes) in [(End::Server, FRAGMENTS), (End::Client, FRAGMENTS_MASKED)] {
        let mut conn = end.conn();
        conn.send_part("Hel", false).unwrap();
        conn.send_part("lo", true).unwrap();
        assert_eq!(drain(&mut conn), bytes);

        let mut config = quiet();
        config.fragment_above = Some(3);
        let mut conn = end.open(config).0;
        conn.send("Hello").unwrap();
        assert_eq!(drain(&mut conn), bytes);
        conn.send_prepared(&Prepared::new("Hello").unwrap()).unwrap();
        assert_eq!(drain(&mut conn), bytes);
    }
}

#[test]
fn ping_and_its_pong() {
    assert_events(End::Client, &quiet(), PING, &[Got::Ping(b"Hello".to_vec())]);
    assert_events(End::Server, &quiet(), PING_MASKED, &[Got::Ping(b"Hello".to_vec())]);
    assert_events(End::Client, &quiet(), PONG, &[Got::Pong(b"Hello".to_vec())]);
    assert_events(End::Server, &quiet(), PONG_MASKED, &[Got::Pong(b"Hello".to_vec())]);
    for (end, ping, pong, peer_ping) in
        [(End::Server, PING, PONG, PING_MASKED), (End::Client, PING_MASKED, PONG_MASKED, PING)]
    {
        let mut conn = end.conn();
        conn.ping(b"Hello").unwrap();
        assert_eq!(drain(&mut conn), ping);
        conn.pong(b"Hello").unwrap();
        assert_eq!(drain(&mut conn), pong);
        receive(&mut conn, peer_ping);
        assert_eq!(drain(&mut conn), pong);
    }
}

#[test]
fn binary_of_256_bytes_and_of_64_kib() {
    for (len, plain, masked) in [(256, BYTES_256, BYTES_256_MASKED), (65_536, BYTES_64K, BYTES_64K_MASKED)] {
        let payload = numbered(len);
        for (end, header, key) in [(End::Server, plain, [0; 4]), (End::Client, masked, KEY)] {
            let bytes = [header, &xor(key, &payload)].concat();
            // What one end sends is what the other receives; borrowed, shared and shared by others too.
            let mut conn = end.conn();
            let shared = bytes::Bytes::from(payload.clone());
            conn.send(&payload).unwrap();
            assert!(drain(&mut conn) == bytes);
            conn.send(shared.clone()).unwrap();
            assert!(drain(&mut conn) == bytes);
            conn.send(shared).unwrap();
            assert!(drain(&mut conn) == bytes);
            conn.send_prepared(&Prepared::new(&payload).unwrap()).unwrap();
            assert!(drain(&mut conn) == bytes);

            let expected = [whole(Kind::Binary, &payload)];
            if len == 256 {
                assert_events(end.peer(), &quiet(), &bytes, &expected);
            }
            for size in [1, 2, 3, 13, 14, 15, 4096, 65_535, bytes.len()] {
                let mut conn = end.peer().conn();
                assert!(receive_pieces(&mut conn, bytes.chunks(size)) == (expected.to_vec(), None));
            }
            let (mut conn, mut inbox) = end.peer().open(quiet());
            assert!(read(&mut conn, &mut inbox, &bytes) == (vec![Owned::Binary(payload.clone())], None));
        }
    }
}

#[test]
fn headers_of_the_examples() {
    let header = |fin, opcode, mask, len| Header { fin, rsv: 0, opcode, mask, len };
    for (bytes, n, expected) in [
        (HELLO, 2, header(true, OpCode::Text, None, 5)),
        (HELLO_MASKED, 6, header(true, OpCode::Text, Some(KEY), 5)),
        (FRAGMENTS, 2, header(false, OpCode::Text, None, 3)),
        (&FRAGMENTS[5..], 2, header(true, OpCode::Continuation, None, 2)),
        (PING, 2, header(true, OpCode::Ping, None, 5)),
        (PONG_MASKED, 6, header(true, OpCode::Pong, Some(KEY), 5)),
        (BYTES_256, 4, header(true, OpCode::Binary, None, 256)),
        (BYTES_256_MASKED, 8, header(true, OpCode::Binary, Some(KEY), 256)),
        (BYTES_64K, 10, header(true, OpCode::Binary, None, 65_536)),
        (BYTES_64K_MASKED, 14, header(true, OpCode::Binary, Some(KEY), 65_536)),
    ] {
        assert_eq!(Header::parse(bytes), Ok(Some((expected, n))));
        for short in 0..n {
            assert_eq!(Header::parse(&bytes[..short]), Ok(None), "{short} of {bytes:02x?}");
        }
        let mut out = [0; Header::MAX_LEN];
        assert_eq!(expected.encode(&mut out), n);
        assert_eq!(out[..n], bytes[..n]);
    }
}
