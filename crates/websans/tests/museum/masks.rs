//! Masks, texts, and bytes that must not be where they are.

use bytes::Buf;
use websans::mask::Mask;
use websans::{Connection, Kind, Message, Payload, ProtocolError};
use websans_testkit::dice::Dice;

use crate::slope::assert_linear;
use crate::support::*;

/// A frame without a mask is refused by a server, whatever its length and opcode, and a masked one by a client.
///
/// Fails when `parse_header` does not look at the mask bit, or not at that of longer frames.
#[test]
fn ghsa_rhh8_5xw9_c3gm_unmasked_frames() {
    for len in [0, 1, 2, 125, 126, 127, 65_535, 65_536] {
        for opcode in [TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE] {
            for end in BOTH {
                if opcode >= CLOSE && len > 125 {
                    continue;
                }
                let (mut conn, mut inbox) = end.open(quiet());
                if opcode == CONTINUATION {
                    read(&mut conn, &mut inbox, &end.incoming(BINARY, b"x"));
                }
                let wrong = end.peer().incoming(FIN | opcode, &vec![b'x'; len]);
                let (messages, error) = read(&mut conn, &mut inbox, &wrong);
                let expected = match end {
                    End::Server => ProtocolError::UnmaskedFrame,
                    End::Client => ProtocolError::MaskedFrame,
                };
                assert_eq!((messages, error), (vec![], Some(expected)), "{end:?}, {opcode}, {len}");
                assert_eq!(sent(&mut conn)[0].payload[..2], 1002_u16.to_be_bytes());
            }
        }
    }
}

/// A two-byte character whose second byte is ASCII, cut before that byte: in a message, in fragments, in a reason.
///
/// Fails when `Utf8::push` begins anew with each chunk, or with one of ASCII.
#[test]
fn shape_ascii_where_a_continuation_is_expected() {
    for end in BOTH {
        for bytes in
            [&b"\xc2A"[..], b"\xe2\x82A", b"\xf0\x9f\x98A", b"\xc2", b"A\xc2A", b"\xe2A\x82", b"\xed\xa0\x80"]
        {
            let frame = end.incoming(FIN | TEXT, bytes);
            splits(&frame, |pieces| {
                let (mut conn, mut inbox) = end.open(quiet());
                let results: Vec<_> = pieces.iter().map(|piece| read(&mut conn, &mut inbox, piece)).collect();
                assert!(results.iter().all(|(messages, _)| messages.is_empty()), "{pieces:02x?}");
                let error = results.into_iter().find_map(|(_, error)| error);
                assert_eq!(error, Some(ProtocolError::InvalidUtf8), "{pieces:02x?}");
            });
            for at in 0..=bytes.len() {
                let (mut conn, mut inbox) = end.open(quiet());
                let fragments = [end.incoming(TEXT, &bytes[..at]), end.incoming(FIN, &bytes[at..])].concat();
                let (messages, error) = read(&mut conn, &mut inbox, &fragments);
                assert_eq!(
                    (messages, error),
                    (vec![], Some(ProtocolError::InvalidUtf8)),
                    "{bytes:02x?} at {at}"
                );
            }
            let close = end.incoming(FIN | CLOSE, &[&1000_u16.to_be_bytes()[..], bytes].concat());
            splits(&close, |pieces| {
                let mut conn = end.open(quiet()).0;
                let (events, error) = receive_pieces(&mut conn, pieces);
                assert_eq!((events, error), (vec![], Some(ProtocolError::InvalidCloseReason)));
            });
        }
    }
}

/// Every character of every length at every cut, what stands next to the limits of each, and what is none.
///
/// Fails when `Utf8::push` forgets what the last chunk ended in.
#[test]
fn attack_26_text_cut_anywhere() {
    let texts: &[&[u8]] = &[
        "a\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
        "\u{d7ff}\u{e000}\u{20ac}\u{1f600}".as_bytes(),
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
        b"\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xf0\x9f\x98\x80\x80",
    ];
    for text in texts {
        let valid = core::str::from_utf8(text).is_ok();
        for end in BOTH {
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let fragments = [
                        end.incoming(TEXT, &text[..first]),
                        end.incoming(CONTINUATION, &text[first..second]),
                        end.incoming(FIN, &text[second..]),
                    ]
                    .concat();
                    for size in [1, 3, usize::MAX] {
                        let (mut conn, mut inbox) = end.open(quiet());
                        let results: Vec<_> = fragments
                            .chunks(size.min(fragments.len()))
                            .map(|piece| read(&mut conn, &mut inbox, piece))
                            .collect();
                        let delivered = results.iter().flat_map(|(messages, _)| messages).count();
                        let failed =
                            results.iter().any(|(_, error)| *error == Some(ProtocolError::InvalidUtf8));
                        assert_eq!(
                            (delivered == 1, failed),
                            (valid, !valid),
                            "{text:02x?}, {first}, {second}"
                        );
                    }
                }
            }
        }
    }
}

/// A text in fragments of one byte is judged once, not once for each of them.
///
/// Fails when `Assembler::gather` looks at all that has been gathered whenever a part comes.
#[test]
fn attack_27_text_in_fragments_of_one_byte() {
    let frames = |n: usize| {
        let middle = encode(CONTINUATION, Some([0; 4]), b"x").repeat(n);
        [encode(TEXT, Some([0; 4]), "\u{e9}".as_bytes()), middle, encode(FIN, Some([0; 4]), b"")].concat()
    };
    let inputs = [frames(1 << 10), frames(16 << 10)];
    assert_linear("a text of many fragments", 1 << 10, |n| {
        let (mut conn, mut inbox) = End::Server.open(quiet());
        let (messages, error) = read(&mut conn, &mut inbox, &inputs[usize::from(n > 1 << 10)]);
        assert_eq!((messages.len(), error), (1, None));
    });
}

/// Every length, offset and phase: what is masked is masked, and what stands beside it is not touched.
///
/// Fails when `Mask::apply` does not turn its key by one byte where it should.
#[test]
fn shape_mask_beside_its_bytes_touches_nothing() {
    const AROUND: u8 = 0xa5;
    let key = [0x37, 0xfa, 0x21, 0xbd];
    let source = Dice::new(1).bytes(300);
    for phase in 0..4 {
        for offset in 0..64 {
            for len in 0..=300 {
                let mut buffer = vec![AROUND; offset + len + 64];
                buffer[offset..offset + len].copy_from_slice(&source[..len]);
                let mut mask = Mask::new(key);
                mask.apply(&mut [0; 3][..phase]);
                mask.apply(&mut buffer[offset..offset + len]);
                let (before, rest) = buffer.split_at(offset);
                let (masked, behind) = rest.split_at(len);
                let right =
                    masked.iter().enumerate().all(|(at, byte)| *byte == source[at] ^ key[(at + phase) % 4]);
                assert!(right, "{len} bytes at {offset}, phase {phase}");
                assert!(before.iter().chain(behind).all(|&byte| byte == AROUND), "{len} bytes at {offset}");
            }
        }
    }
}

/// Storage that has held secrets.
fn secret(len: usize) -> Vec<u8> {
    let mut storage = vec![SECRET; len];
    storage.clear();
    storage
}

const SECRET: u8 = 0x5a;

/// Leaves secrets wherever the heap may give storage from.
fn litter() {
    let pieces: Vec<_> = (0..12).map(|power| vec![SECRET; 1 << power]).collect();
    drop(core::hint::black_box(pieces));
}

/// What is written is what was given to be sent, to the byte, though all storage has held something else before.
///
/// Fails when `Outbox::lend` does not clear what it is lent.
#[test]
fn cve_2016_10518_nothing_but_what_was_sent_is_on_the_wire() {
    let lend = |conn: &mut Connection| {
        drain(conn);
        conn.park();
        litter();
        conn.outbox().lend(|| vec![SECRET; 1000]);
        assert!(!conn.wants_write());
    };
    for end in BOTH {
        for len in (0..=125).chain([126, 1000, 5000, 9000]) {
            let payload: Vec<u8> = (0..len).map(|n| b'a' + u8::try_from(n % 25).unwrap()).collect();
            let text = core::str::from_utf8(&payload).unwrap();
            let mut conn = end.open(quiet()).0;
            let expect = |conn: &mut Connection, first: u8, payload: &[u8]| {
                let frames = sent(conn);
                let expected = Frame { first, key: end.outgoing_key(), payload: payload.to_vec() };
                assert_eq!(frames, [expected], "{end:?}, {len}");
                lend(conn);
            };
            conn.send(text).unwrap();
            expect(&mut conn, FIN | TEXT, &payload);
            conn.send(Payload::new(Kind::Binary, bytes::Bytes::from(payload.clone()))).unwrap();
            expect(&mut conn, FIN | BINARY, &payload);
            if len > 125 {
                continue;
            }
            conn.ping(&payload).unwrap();
            expect(&mut conn, FIN | PING, &payload);
            conn.pong(&payload).unwrap();
            expect(&mut conn, FIN | PONG, &payload);
            receive(&mut conn, &end.incoming(FIN | PING, &payload));
            expect(&mut conn, FIN | PONG, &payload);
            // A Pong that is half written, and another behind it.
            receive(&mut conn, &end.incoming(FIN | PING, &payload));
            let half = conn.outbox().len() / 2;
            let mut written = conn.outbox().chunk()[..half].to_vec();
            conn.outbox().advance(half);
            conn.tick(START);
            receive(&mut conn, &end.incoming(FIN | PING, &payload));
            written.extend(drain(&mut conn));
            let pong = end.outgoing(FIN | PONG, &payload);
            assert_eq!(written, pong.repeat(written.len() / pong.len()), "{end:?}, {len}");
            if len > 123 {
                continue;
            }
            conn.close(code(1000), text).unwrap();
            expect(&mut conn, FIN | CLOSE, &close_payload(1000, text));
        }
    }
    assert!(secret(10).is_empty());
}

/// A reader that says it has read more than there was room for: what it has not written is zero, not what was there before.
///
/// Fails when `Inbox::spare_mut` gives out storage that it has not cleared.
#[test]
fn shape_reader_that_lies_about_its_length() {
    for end in BOTH {
        litter();
        let (mut conn, mut inbox) = end.open(quiet());
        let frame = header(FIN | BINARY, end.incoming_key().map(|_| [0; 4]), 1000);
        let room = inbox.spare_mut();
        assert!(room.iter().all(|&byte| byte == 0), "storage is cleared");
        room[..frame.len()].copy_from_slice(&frame);
        inbox.filled(usize::MAX);
        assert_eq!(inbox.next(&mut conn), Ok(true));
        assert_eq!(inbox.message(), Some(Message::Binary(&[0; 1000])), "{end:?}");
        // Storage that is lent is the lender's to answer for.
        inbox.park();
        inbox.lend(vec![0; 100]);
        inbox.filled(usize::MAX);
        let _ = inbox.next(&mut conn);
    }
}

/// A length that would be small if it were cut to 32 bits, or to fewer, is the large one that it is.
///
/// Fails when `begin_frame` cuts a length to 32 bits before it is held to the limit.
#[test]
fn attack_25_length_cut_to_fewer_bits() {
    for end in BOTH {
        for power in [16, 31, 32, 33, 40, 62] {
            for rest in [0, 1, 5] {
                let mut config = quiet();
                config.max_message = 1000;
                let len = (1_u64 << power) + rest;
                // At the header: what else the inbox would object to has not come.
                let mut conn = end.open(config).0;
                let (events, error) = receive(&mut conn, &header(FIN | BINARY, end.incoming_key(), len));
                assert_eq!((events, error), (vec![], Some(ProtocolError::MessageTooBig)), "{end:?}, {len}");
            }
        }
    }
}
