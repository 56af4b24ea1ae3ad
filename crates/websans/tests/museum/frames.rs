//! Frames whose first byte nothing was made for.

use websans::{Config, Negotiated, ProtocolError};
use websans_testkit::listen::{self, Way};
use websans_testkit::wire::Frame;
use websans_testkit::{oracle, stored};

use crate::support::*;

fn bytes_of(frame: Frame, masked: bool) -> Vec<u8> {
    if masked { frame.masked(KEY) } else { frame }.to_bytes()
}

/// The advisory's frame, "Hello" compressed, where nothing was agreed on; and each reserved bit.
///
/// Fails when `parse_header` allows RSV1 on text without looking at what was agreed on.
#[test]
fn cve_2026_59881_compressed_without_agreement() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    for end in BOTH {
        for rsv in 1..8 {
            for frame in [Frame::text(hello), Frame::binary(hello), Frame::text(&hello[..3]).unfinished()] {
                let bytes = bytes_of(frame.reserved(rsv), end == End::Server);
                assert_fails(end, &Config::default(), &bytes, &[], ProtocolError::ReservedBits);
                assert_eq!(
                    receive(&mut end.conn(), &bytes[..1]),
                    (vec![], Some(ProtocolError::ReservedBits))
                );
                let (mut conn, mut inbox) = end.open(Config::default());
                assert_eq!(read(&mut conn, &mut inbox, &bytes), (vec![], Some(ProtocolError::ReservedBits)));
            }
        }
    }
    assert_eq!(ProtocolError::ReservedBits.close_code(), code(1002));
}

/// Every first byte, masked and not: in and between messages, with compression and without, in both roles.
///
/// Fails when `Header::parse_with` lets control frames be fragmented, and when `parse_header` allows RSV1 on every opcode
/// where compression was agreed on.
#[test]
fn shape_control_frame_with_reserved_bits_has_a_verdict() {
    let mut verdicts = 0;
    for server in [true, false] {
        for compression in [false, true] {
            let mut befores = vec![vec![], bytes_of(Frame::text("a").unfinished(), server)];
            if compression {
                let begun = Frame::binary(stored::deflate(b"a")).reserved(4).unfinished();
                befores.push(bytes_of(begun, server));
            }
            let mut rules = oracle::Rules::of(&quiet(), server);
            rules.compression = compression;
            for before in &befores {
                for first in 0..=u8::MAX {
                    for masked in [true, false] {
                        for payload in [&b""[..], b"\x03\xe8ok", &[b'x'; 126]] {
                            let mut frame = Frame::new(first & 15, payload).reserved(first >> 4 & 7);
                            frame.fin = first & FIN != 0;
                            let ping = bytes_of(Frame::ping("still there"), server);
                            let bytes = [&before[..], &bytes_of(frame, masked), &ping].concat();
                            let expected = oracle::read(&bytes, &rules);
                            let cuts = [bytes.len(), before.len().max(1), 1];
                            for cut in cuts {
                                let negotiated =
                                    if compression { stored::negotiated(0) } else { Negotiated::default() };
                                let endpoint = listen::endpoint(server, &quiet(), negotiated);
                                let heard = listen::listen(Way::Receive, endpoint, bytes.chunks(cut));
                                let about = format!("server {server}, {bytes:02x?} in pieces of {cut}");
                                assert_eq!(
                                    (heard.end, heard.events),
                                    (expected.end, expected.events.clone()),
                                    "{about}"
                                );
                                verdicts += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!(verdicts, 2 * (2 + 3) * 512 * 3 * 3);
}
