//! [`inflate`]: compressed messages of any bytes, against the reference.

use websans::ProtocolError;
use websans::deflate::{Config, Decode, Decoded, Extension, Parameters};
use websans_deflate::{Deflate, Settings};

use crate::dice::Dice;
use crate::inflate::{Fault, Rules, Verdict, judge};
use crate::zlib::{Compressor, Habits, STRATEGIES};

use super::input::Input;

/// The highest limit: the reference is slow, and bombs are large.
const LONGEST: usize = 256 << 10;

/// Inflates messages made of `data`, cut in different ways, and holds what comes out to the
/// [reference](crate::inflate::judge).
///
/// The first five bytes are the window and whether it is kept, the limit, how the messages are cut, and whether what
/// follows is their payload or is to be compressed first, and damaged. The rest is the messages.
///
/// # Panics
/// If a decoder says anything else than the reference, or another time something else of the same messages.
pub fn inflate(data: &[u8]) {
    let mut input = Input::new(data);
    let agreed = parameters(&mut input);
    let limit = match input.byte() {
        0 => LONGEST,
        byte => usize::from(byte).pow(2),
    };
    let mut dice = Dice::new(u64::try_from(input.word()).unwrap_or(0));
    let compress = input.byte();
    let messages = cut(input.rest(), &mut dice);
    let messages =
        if compress & 1 == 0 { messages } else { compressed(&messages, agreed, compress, &mut dice) };

    let expected = expectations(&messages, agreed, limit);
    // Whole messages into much room; single bytes into little; and something in between.
    for (piece, room) in
        [(usize::MAX, 64 << 10), (1, 1 + dice.below(300)), (1 + dice.below(40), 1 + dice.below(5000))]
    {
        let mut decoder = Decoder::new(agreed, limit);
        for (message, expected) in messages.iter().zip(&expected) {
            let said = decoder.message(message, piece, room, &mut dice);
            if !said.is(expected) {
                panic!(
                    "{said:?} instead of {expected:?} with {agreed:?}: {message:02x?} in pieces of {piece} into {room}"
                );
            }
            if said.fault.is_some() {
                break;
            }
        }
    }
}

/// What a server has agreed on for what a client sends.
fn parameters(input: &mut Input<'_>) -> Parameters {
    let byte = input.byte();
    let mut agreed = Parameters::default();
    agreed.client_max_window_bits = 8 + byte % 8;
    agreed.client_no_context_takeover = byte & 8 != 0;
    agreed.server_no_context_takeover = true;
    agreed
}

/// One to four messages.
fn cut(mut data: &[u8], dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for _ in 0..dice.below(4) {
        let (message, rest) = data.split_at(dice.below(data.len() + 1));
        messages.push(message.to_vec());
        data = rest;
    }
    messages.push(data.to_vec());
    messages
}

/// The messages as a client would send them, with a few bits turned over if `how` says so.
fn compressed(messages: &[Vec<u8>], agreed: Parameters, how: u8, dice: &mut Dice) -> Vec<Vec<u8>> {
    let habits = Habits {
        level: i32::from(how >> 4) % 10,
        window_bits: agreed.client_max_window_bits.max(9),
        mem_level: dice.pick(&[1, 8, 9]),
        strategy: dice.pick(&STRATEGIES),
    };
    let mut compressor = Compressor::new(habits);
    let mut payloads = Vec::new();
    for message in messages {
        let message = message.repeat(dice.pick(&[1, 1, 1, 2, 100]));
        if agreed.client_no_context_takeover {
            compressor = Compressor::new(habits);
        }
        let (first, second) = message.split_at(dice.below(message.len() + 1));
        let mut payload = compressor.message([first, second]);
        if how & 2 != 0 && dice.chance(30) {
            // A stream of its own before it: whoever keeps the window still has it.
            let mut whole = Vec::new();
            Compressor::new(habits).finish(first, &mut whole);
            payload.splice(0..0, whole);
        }
        if how & 4 != 0 {
            for _ in 0..dice.between(0, 2) {
                let place = dice.below(payload.len());
                payload[place] ^= 1 << dice.below(8);
            }
        }
        if how & 8 != 0 && dice.chance(20) {
            payload.truncate(dice.below(payload.len()));
        }
        payloads.push(payload);
    }
    payloads
}

/// What is to be said of the messages, up to the first with a fault.
fn expectations(messages: &[Vec<u8>], agreed: Parameters, limit: usize) -> Vec<Verdict> {
    // The decoder has the largest window whatever was agreed on: nothing forbids to understand what should not have
    // been sent. Behind a final block it starts anew.
    let rules = Rules { limit, final_forgets: true, ..Rules::UNLIMITED };
    let mut history = Vec::new();
    let mut all = Vec::new();
    for message in messages {
        let mut verdict = judge(message, &history, rules);
        if message.is_empty() {
            // It is to be an empty block, but what else can it mean?
            verdict.fault = None;
        } else if verdict.from_tail {
            // What is stripped from a message is nothing but the end of an empty block.
            verdict.fault = Some(Fault::Truncated);
        } else if !agreed.client_no_context_takeover {
            history.clone_from(&verdict.history);
        }
        let failed = verdict.fault.is_some();
        all.push(verdict);
        if failed {
            break;
        }
    }
    all
}

/// What a decoder said of a message.
#[derive(Debug)]
struct Said {
    bytes: Vec<u8>,
    fault: Option<ProtocolError>,
}

impl Said {
    /// Whether it is what the reference says.
    fn is(&self, verdict: &Verdict) -> bool {
        match (verdict.fault, self.fault) {
            (None, None) | (Some(Fault::TooLong), Some(TOO_LONG)) => self.bytes == verdict.bytes,
            // What the call that failed has written is lost.
            (Some(fault), Some(ProtocolError::InvalidDeflate)) => {
                fault != Fault::TooLong && verdict.bytes.starts_with(&self.bytes)
            }
            _ => false,
        }
    }
}

/// What the one who calls the decoder makes of more than there may be.
const TOO_LONG: ProtocolError = ProtocolError::MessageTooBig;

struct Decoder {
    decode: Box<dyn Decode>,
    limit: usize,
}

impl Decoder {
    fn new(agreed: Parameters, limit: usize) -> Self {
        let mut settings = Settings::default();
        let mut config = Config::default();
        config.client_no_context_takeover = agreed.client_no_context_takeover;
        settings.negotiation = config;
        let codec = Extension::from(Deflate::new(settings)).propose().codec(false, agreed);
        Self { decode: codec.decode, limit }
    }

    /// Gives it the message in pieces of at most `piece` bytes, with at most `room` for what comes out.
    fn message(&mut self, message: &[u8], piece: usize, room: usize, dice: &mut Dice) -> Said {
        let mut said = Said { bytes: Vec::new(), fault: None };
        let mut pieces = dice.pieces(message.len(), piece.min(message.len()).max(1));
        if pieces.is_empty() || dice.chance(10) {
            pieces.push(0);
        }
        let mut calls = 0;
        let mut at = 0;
        for (n, len) in pieces.iter().enumerate() {
            let last = n + 1 == pieces.len();
            let mut piece = &message[at..at + len];
            at += len;
            loop {
                calls += 1;
                // A byte over the limit tells that there is more.
                let left = (self.limit - said.bytes.len()).saturating_add(1);
                let mut out = vec![0xA5; dice.between(1, room).min(left)];
                let before = piece.len();
                let decoded = match self.decode.decode(&mut piece, last, &mut out) {
                    Ok(decoded) => decoded,
                    Err(error) => {
                        said.fault = Some(error);
                        return said;
                    }
                };
                assert!(piece.len() <= before, "input is taken, not given");
                match decoded {
                    Decoded::More(written) => said.bytes.extend_from_slice(&out[..written]),
                    Decoded::Drained(written) => {
                        assert!(piece.is_empty(), "{} bytes of input are left over", piece.len());
                        said.bytes.extend_from_slice(&out[..written]);
                    }
                }
                if said.bytes.len() > self.limit {
                    said.bytes.truncate(self.limit);
                    said.fault = Some(TOO_LONG);
                    return said;
                }
                if matches!(decoded, Decoded::Drained(_)) {
                    break;
                }
            }
        }
        // Every call but one for each piece has filled its room.
        assert!(calls <= pieces.len() + said.bytes.len(), "{calls} calls");
        said
    }
}
