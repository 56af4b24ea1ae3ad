//! zlib as another end would use it: [`Compressor`] makes messages, [`judge`] judges them.

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status, Strategy};

use crate::inflate::{Fault, LARGEST_WINDOW, Rules, TAIL};

/// How hard and by which means to compress.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// 0 (stored blocks alone) to 9.
    pub level: i32,
    /// The base-2 logarithm of the window's size: 9 to 15.
    pub window_bits: u8,
    /// How much of a message a block takes in: 1 to 9.
    pub mem_level: i32,
    /// What is looked for.
    pub strategy: Strategy,
}

impl Default for Habits {
    fn default() -> Self {
        Self { level: 6, window_bits: 15, mem_level: 8, strategy: Strategy::Default }
    }
}

/// All that zlib can look for.
pub const STRATEGIES: [Strategy; 5] =
    [Strategy::Default, Strategy::Filtered, Strategy::HuffmanOnly, Strategy::Rle, Strategy::Fixed];

/// Makes the payloads of one direction's messages, each with the window of those before it.
pub struct Compressor {
    deflate: Deflate,
}

impl Compressor {
    /// A new window.
    #[must_use]
    pub fn new(habits: Habits) -> Self {
        let Habits { level, window_bits, mem_level, strategy } = habits;
        let window_bits = -i32::from(window_bits);
        let config = DeflateConfig { level, window_bits, mem_level, strategy, ..DeflateConfig::default() };
        Self { deflate: Deflate::new_with_config(config) }
    }

    /// The message of these parts, as it is sent. Each part is flushed behind it.
    pub fn message<'p>(&mut self, parts: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            // zlib does not flush twice with nothing in between, and need not.
            if part.is_empty() && out.ends_with(&TAIL) {
                continue;
            }
            self.run(part, DeflateFlush::SyncFlush, &mut out);
        }
        if !out.ends_with(&TAIL) {
            // Nothing was to be flushed: an empty stored block is a message, too.
            out.push(0);
            return out;
        }
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// Appends `part` as a stream of its own, with a final block; the window is forgotten.
    pub fn finish(&mut self, part: &[u8], out: &mut Vec<u8>) {
        self.run(part, DeflateFlush::Finish, out);
        self.deflate.reset();
    }

    fn run(&mut self, mut part: &[u8], flush: DeflateFlush, out: &mut Vec<u8>) {
        let mut room = vec![0; 64 << 10];
        loop {
            let (before_in, before_out) = (self.deflate.total_in(), self.deflate.total_out());
            let status = self.deflate.compress(part, &mut room, flush).expect("zlib compresses anything");
            let took = usize::try_from(self.deflate.total_in() - before_in).expect("at most what there is");
            let gave = usize::try_from(self.deflate.total_out() - before_out).expect("at most the room");
            part = &part[took..];
            out.extend_from_slice(&room[..gave]);
            if gave < room.len() || status == Status::StreamEnd {
                return;
            }
        }
    }
}

/// `payload` as a message of its own.
#[must_use]
pub fn deflate(payload: &[u8], habits: Habits) -> Vec<u8> {
    Compressor::new(habits).message([payload])
}

/// What zlib has to say of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// What it inflates to, up to the fault if there is one.
    pub bytes: Vec<u8>,
    /// What is wrong with it.
    pub fault: Option<Objection>,
}

/// Why zlib does not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// This is why.
    To(Fault),
    /// Its fast path does not tell which of the faults of a symbol or a distance it has found.
    ToASymbol,
}

impl Opinion {
    /// Whether the two see the same fault, if any.
    #[must_use]
    pub fn agrees_with(&self, fault: Option<Fault>) -> bool {
        match self.fault {
            Some(Objection::ToASymbol) => {
                matches!(fault, Some(Fault::LiteralSymbol | Fault::DistanceSymbol | Fault::TooFar))
            }
            Some(Objection::To(objection)) => fault == Some(objection),
            None => fault.is_none(),
        }
    }
}

/// Has zlib judge a message as [`inflate::judge`](crate::inflate::judge) does. It does not hold matches to a window that
/// is not the largest.
///
/// # Panics
/// If zlib has something to say that it never says.
#[must_use]
pub fn judge(payload: &[u8], history: &[u8], Rules { limit, final_forgets, .. }: Rules) -> Opinion {
    /// A final block with contents that no accident brings forth: at the end of a block, and nowhere else, it is itself.
    const PROBE: [u8; 21] = *b"\x01\x10\x00\xef\xffwherever it ends";

    let mut bytes: Vec<u8> = Vec::new();
    let input = [payload, &TAIL].concat();
    let mut input = &input[..];
    let mut stream = Stream::new(history);
    loop {
        // A byte more than it may be tells that it is too long.
        let mut room = vec![0; (limit - bytes.len()).saturating_add(1).min(64 << 10)];
        let all = input.is_empty();
        let (gave, state) = stream.step(&mut input, &mut room);
        bytes.extend_from_slice(&room[..gave]);
        if bytes.len() > limit {
            bytes.truncate(limit);
            return Opinion { bytes, fault: Some(Objection::To(Fault::TooLong)) };
        }
        match state {
            Err(fault) => return Opinion { bytes, fault: Some(fault) },
            Ok(true) if input.is_empty() => return Opinion { bytes, fault: None },
            Ok(true) if final_forgets => stream = Stream::new(b""),
            Ok(true) => stream = Stream::new(&[history, &bytes].concat()),
            // Nothing comes any more, however much room there is.
            Ok(false) if all && gave == 0 => break,
            Ok(false) => {}
        }
    }
    let mut probe = &PROBE[..];
    let mut room = [0; 32];
    let (gave, state) = stream.step(&mut probe, &mut room);
    let at_end = state == Ok(true) && room[..gave] == PROBE[5..] && probe.is_empty();
    Opinion { bytes, fault: (!at_end).then_some(Objection::To(Fault::Truncated)) }
}

struct Stream {
    inflate: Inflate,
}

impl Stream {
    fn new(history: &[u8]) -> Self {
        let mut inflate = Inflate::new(false, 15);
        let history = &history[history.len() - history.len().min(LARGEST_WINDOW)..];
        inflate.set_dictionary(history).expect("a stream without a header takes a window at its beginning");
        Self { inflate }
    }

    /// Bytes that came out, and whether the stream ended with a final block.
    fn step(&mut self, input: &mut &[u8], room: &mut [u8]) -> (usize, Result<bool, Objection>) {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, room, InflateFlush::SyncFlush);
        let took = usize::try_from(self.inflate.total_in() - before_in).expect("at most what there is");
        let gave = usize::try_from(self.inflate.total_out() - before_out).expect("at most the room");
        *input = &input[took..];
        let state = match status {
            Ok(status) => Ok(status == Status::StreamEnd),
            Err(_) => Err(Objection::To(match self.inflate.error_message().unwrap_or_default() {
                "invalid block type" => Fault::ReservedBlock,
                "invalid stored block lengths" => Fault::StoredLength,
                "too many length or distance symbols" => Fault::TooManyCodes,
                "invalid code lengths set" => Fault::LengthsCode,
                "invalid bit length repeat" => Fault::Repeat,
                "invalid code -- missing end-of-block" => Fault::NoEndOfBlock,
                "invalid literal/lengths set" => Fault::LiteralCode,
                "invalid distances set" => Fault::DistanceCode,
                "invalid literal/length code" => Fault::LiteralSymbol,
                "invalid distance code" => Fault::DistanceSymbol,
                "invalid distance too far back" => Fault::TooFar,
                "repeated call with bad state" => return (gave, Err(Objection::ToASymbol)),
                other => panic!("zlib says {other:?}"),
            })),
        };
        (gave, state)
    }
}
