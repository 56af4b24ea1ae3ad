//! Headers: every boundary of the length, every first two bytes, and that writing and reading are each other's reverse.

use proptest::prelude::*;
use websans::ProtocolError;
use websans::frame::{Header, OpCode};
use websans_testkit::wire::Frame;

const OPCODES: [OpCode; 6] =
    [OpCode::Continuation, OpCode::Text, OpCode::Binary, OpCode::Close, OpCode::Ping, OpCode::Pong];

const LENGTHS: [u64; 13] =
    [0, 1, 124, 125, 126, 127, 128, 0xFFFE, 0xFFFF, 0x1_0000, 0x1_0001, u32::MAX as u64 + 1, i64::MAX as u64];

/// Written without the core.
fn plain(header: &Header) -> Vec<u8> {
    let mut frame = Frame::new(header.opcode as u8, "").reserved(header.rsv).declaring(header.len);
    frame.fin = header.fin;
    frame.key = header.mask;
    frame.to_bytes()
}

fn encode(header: &Header) -> Vec<u8> {
    let mut bytes = [0xEE; Header::MAX_LEN];
    let n = header.encode(&mut bytes);
    assert!(bytes[n..].iter().all(|&byte| byte == 0xEE), "written past the end");
    bytes[..n].to_vec()
}

fn legal_headers() -> impl Iterator<Item = Header> {
    let masks = [None, Some([0; 4]), Some([1, 2, 3, 0xFF])];
    OPCODES.into_iter().flat_map(move |opcode| {
        LENGTHS.into_iter().flat_map(move |len| {
            masks.into_iter().flat_map(move |mask| {
                (0..16).map(move |bits| Header { fin: bits & 8 != 0, rsv: bits & 7, opcode, mask, len })
            })
        })
    })
}

#[test]
fn every_length_takes_the_fewest_bytes_and_comes_back() {
    for header in legal_headers() {
        let bytes = encode(&header);
        assert_eq!(bytes, plain(&header));
        let long = [0, 2, 8][usize::from(header.len > 125) + usize::from(header.len > 0xFFFF)];
        assert_eq!(bytes.len(), 2 + long + if header.mask.is_some() { 4 } else { 0 });
        if header.opcode.is_control() && (!header.fin || header.len > 125) {
            assert!(Header::parse(&bytes).is_err());
            continue;
        }
        assert_eq!(Header::parse(&bytes), Ok(Some((header, bytes.len()))));
        for n in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..n]), Ok(None), "{header:?} cut to {n}");
        }
        let followed = [&bytes[..], &[0xAA; 20]].concat();
        assert_eq!(Header::parse(&followed), Ok(Some((header, bytes.len()))));
    }
}

#[test]
fn every_first_two_bytes_are_judged() {
    for first in 0..=0xFFu8 {
        let opcode = first & 15;
        let control = opcode >= 8;
        let at_first = match opcode {
            0 | 1 | 2 | 8 | 9 | 10 if control && first & 0x80 == 0 => Some(ProtocolError::FragmentedControl),
            0 | 1 | 2 | 8 | 9 | 10 => None,
            _ => Some(ProtocolError::ReservedOpcode),
        };
        assert_eq!(Header::parse(&[first]).err(), at_first, "{first:02x}");
        for second in 0..=0xFFu8 {
            let too_long = control && second & 0x7F > 125;
            let wanted = at_first.or(too_long.then_some(ProtocolError::ControlTooLong));
            assert_eq!(Header::parse(&[first, second]).err(), wanted, "{first:02x} {second:02x}");
            if wanted.is_none() {
                let key = if second & 0x80 != 0 { 4 } else { 0 };
                let whole = Header::parse(&[first, second, 0, 0, 0, 0]);
                if second & 0x7F < 126 {
                    let (header, n) = whole.unwrap().unwrap();
                    assert_eq!((header.len, n), (u64::from(second & 0x7F), 2 + key));
                    assert_eq!((header.fin, header.rsv), (first & 0x80 != 0, first >> 4 & 7));
                    assert_eq!(header.opcode as u8, opcode);
                }
            }
        }
    }
}

#[test]
fn every_length_of_two_bytes_is_judged() {
    for len in 0..=u16::MAX {
        let [a, b] = len.to_be_bytes();
        let parsed = Header::parse(&[0x82, 126, a, b]);
        if len < 126 {
            assert_eq!(parsed, Err(ProtocolError::LengthNotMinimal));
        } else {
            assert_eq!(parsed.unwrap().unwrap().0.len, u64::from(len));
        }
    }
}

#[test]
fn lengths_of_eight_bytes_are_judged_at_every_power_of_two() {
    for k in 0..64 {
        for len in [(1u64 << k) - 1, 1 << k, (1 << k) + 1] {
            let bytes = [&[0x82, 127][..], &len.to_be_bytes()].concat();
            let wanted = match len {
                0..=0xFFFF => Err(ProtocolError::LengthNotMinimal),
                0x1_0000..=0x7FFF_FFFF_FFFF_FFFF => Ok(len),
                _ => Err(ProtocolError::LengthOutOfRange),
            };
            let parsed = Header::parse(&bytes);
            assert_eq!(parsed.map(|header| header.unwrap().0.len), wanted, "{len:x}");
            // The most significant bit is judged as soon as it is there, and no prefix is taken for whole.
            for n in 0..bytes.len() {
                let early = n > 2 && len >> 63 == 1;
                let wanted = if early { Err(ProtocolError::LengthOutOfRange) } else { Ok(None) };
                assert_eq!(Header::parse(&bytes[..n]), wanted, "{len:x} cut to {n}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_can_be_read_is_written_alike(bytes in proptest::collection::vec(any::<u8>(), 14)) {
        if let Ok(Some((header, n))) = Header::parse(&bytes) {
            prop_assert_eq!(encode(&header), &bytes[..n]);
            prop_assert_eq!(Header::parse(&bytes[..n]), Ok(Some((header, n))));
        }
    }

    #[test]
    fn a_verdict_does_not_change_as_bytes_come(bytes in proptest::collection::vec(any::<u8>(), 14)) {
        let whole = Header::parse(&bytes);
        let mut early = Ok(None);
        for n in 0..=14 {
            if early == Ok(None) {
                early = Header::parse(&bytes[..n]);
            }
        }
        prop_assert_eq!(early, whole);
    }
}
