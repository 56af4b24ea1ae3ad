//! Proptest strategies: frames, conversations of whole messages, splits and damage.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::wire::{Form, Frame, opcode};

/// Lengths, with those near a change of the header's form made likely.
pub fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..20usize,
        2 => 120..132usize,
        1 => Just(65535usize),
        1 => Just(65536usize),
        2 => 0..3000usize,
    ]
}

/// Short payloads, text now and then, so that they may pass as either.
pub fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "\\PC{0,20}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..40),
        1 => vec(Just(b'*'), 120..132),
        1 => length().prop_map(|len| vec![0xC3; len]),
    ]
}

/// Text that is UTF-8, short or rather long.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,30}",
        1 => "[aß€\u{10348}]{100,400}",
    ]
}

/// One message in some fragments.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let data = prop_oneof![
        text().prop_map(|text| (opcode::TEXT, text.into_bytes())),
        payload().prop_map(|bytes| (opcode::BINARY, bytes)),
    ];
    (data, vec(any::<Index>(), 0..4)).prop_map(|((first, payload), cuts)| {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(payload.len());
        let mut start = 0;
        let mut frames = Vec::new();
        for cut in cuts {
            let opcode = if frames.is_empty() { first } else { opcode::CONTINUATION };
            frames.push(Frame::new(opcode, &payload[start..cut]).unfinished());
            start = cut;
        }
        if let Some(last) = frames.last_mut() {
            last.fin = true;
        }
        frames
    })
}

/// A Ping or a Pong.
pub fn control() -> impl Strategy<Value = Frame> {
    (prop_oneof![Just(opcode::PING), Just(opcode::PONG)], vec(any::<u8>(), 0..=125), 0..=2u8).prop_map(
        |(opcode, payload, short)| {
            Frame::new(opcode, if short > 0 { &payload[..payload.len() / 10] } else { &payload })
        },
    )
}

/// A Close, legal or not.
pub fn close() -> impl Strategy<Value = Frame> {
    prop_oneof![
        2 => Just(Frame::new(opcode::CLOSE, "")),
        4 => (prop_oneof![Just(1000u16), Just(4999), 990..1020u16, any::<u16>()], "\\PC{0,30}")
            .prop_map(|(code, reason)| Frame::close(code, reason)),
        1 => vec(any::<u8>(), 0..6).prop_map(|bytes| Frame::new(opcode::CLOSE, bytes)),
    ]
}

/// Legal frames: whole messages with control frames between their fragments, and perhaps a Close and more behind it.
pub fn conversation() -> impl Strategy<Value = Vec<Frame>> {
    let controls = vec((any::<Index>(), control()), 0..4);
    (vec(message(), 0..5), controls, proptest::option::weighted(0.3, (close(), vec(control(), 0..2))))
        .prop_map(|(messages, controls, end)| {
            let mut frames: Vec<Frame> = messages.into_iter().flatten().collect();
            for (at, control) in controls {
                frames.insert(at.index(frames.len() + 1), control);
            }
            if let Some((close, rest)) = end {
                frames.push(close);
                frames.extend(rest);
            }
            frames
        })
}

/// Any frame, most of them with a fault.
pub fn frame() -> impl Strategy<Value = Frame> {
    (any::<u8>(), payload(), proptest::option::weighted(0.3, any::<u64>()), 0..12u8).prop_map(
        |(first, payload, declared, odd)| {
            let mut frame = Frame::new(first & 15, payload);
            frame.fin = first & 0x80 != 0;
            if odd == 0 {
                frame.rsv = first >> 4 & 7;
            }
            match odd {
                1 => frame.form = Form::Two,
                2 => frame.form = Form::Eight,
                3 => frame.declared = declared,
                _ => {}
            }
            frame
        },
    )
}

/// Damage to a byte string.
#[derive(Clone, Debug)]
pub enum Damage {
    /// A bit is flipped.
    Flip(Index, u8),
    /// A byte is another.
    Set(Index, u8),
    /// A byte comes in.
    Insert(Index, u8),
    /// A byte is lost.
    Remove(Index),
    /// All behind a place is lost.
    Truncate(Index),
}

impl Damage {
    /// Does it.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            _ if bytes.is_empty() => {}
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit & 7);
            }
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

/// Some damage.
pub fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        4 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => any::<Index>().prop_map(Damage::Remove),
        1 => any::<Index>().prop_map(Damage::Truncate),
    ];
    vec(one, 0..4)
}

/// Places at which to cut something, whatever its length; see [`split`].
pub fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..12)
}

/// The pieces between `cuts`, none of which is empty.
#[must_use]
pub fn split<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.dedup();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}
