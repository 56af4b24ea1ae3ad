//! Payloads of compressed messages that are made to cost their receiver more than their sender: much output from
//! little input, much work for no output, states that are dear to keep.
//!
//! Each function gives the payload of one message, as sent; [`attacks`] gives all of them with what becomes of them, and
//! [`frames`] cuts one into fragments.

use crate::blocks::Blocks;
use crate::inflate::{Fault, TAIL};
use crate::wire::Frame;
use crate::zlib::{self, Habits};

/// Zeros, `len` of them, as zlib compresses them: about 1000 to 1.
#[must_use]
pub fn zeros(len: usize) -> Vec<u8> {
    zlib::deflate(&vec![0; len], Habits { level: 9, ..Habits::default() })
}

/// A message that inflates to [`zeros`]: 1000 to 1 for whoever inflates once, a million to 1 for whoever goes on.
#[must_use]
pub fn nested(len: usize) -> Vec<u8> {
    zlib::deflate(&zeros(len), Habits { level: 9, ..Habits::default() })
}

/// `blocks` blocks, each with codes of its own and the longest matches that there are, in two bits each.
#[must_use]
pub fn runs(blocks: usize, matches: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    all.stored(false, b"0");
    for _ in 0..blocks {
        all.run(matches);
    }
    all.message()
}

/// As [`runs`], with a hundred empty blocks before each: the ratio is small on the whole, and large where it is not.
#[must_use]
pub fn spread_runs(blocks: usize, matches: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    all.stored(false, b"0");
    for _ in 0..blocks {
        for _ in 0..100 {
            all.empty(false);
        }
        all.run(matches);
    }
    all.message()
}

/// Empty stored blocks, five bytes each. It is what a sender that flushes for nothing would send.
#[must_use]
pub fn empty_stored(blocks: usize) -> Vec<u8> {
    let mut all = [0].iter().chain(&TAIL).copied().cycle().take(5 * blocks).collect::<Vec<u8>>();
    all.push(0);
    all
}

/// Empty blocks with the fixed codes, ten bits each.
#[must_use]
pub fn empty_fixed(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    for _ in 0..blocks {
        all.empty(false);
    }
    all.message()
}

/// Empty blocks with codes of their own, a few bytes each: codes are to be built for nothing.
#[must_use]
pub fn empty_dynamic(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    for _ in 0..blocks {
        all.run(0);
    }
    all.message()
}

/// Empty blocks with the longest header that there is, 287 bytes each.
#[must_use]
pub fn longest_headers(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    for _ in 0..blocks {
        all.longest_header();
    }
    all.message()
}

/// Final stored blocks, five bytes each: streams that end and begin again.
#[must_use]
pub fn final_stored(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    for _ in 0..blocks {
        all.stored(true, b"");
    }
    all.message()
}

/// Final blocks with the fixed codes, two bytes each: the shortest streams that there are.
#[must_use]
pub fn final_fixed(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    for _ in 0..blocks {
        all.empty(true);
    }
    all.message()
}

/// As [`final_fixed`], behind as much as a window holds: a receiver may have to carry the window over each time.
#[must_use]
pub fn final_fixed_with_window(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    all.stored(false, b"0").run(127);
    for _ in 0..blocks {
        all.empty(true);
    }
    all.message()
}

/// Stored blocks of one byte, six bytes each.
#[must_use]
pub fn tiny_stored(blocks: usize) -> Vec<u8> {
    let mut all = Blocks::new();
    for _ in 0..blocks {
        all.stored(false, b"s");
    }
    all.message()
}

/// The longest header that there is without its last bytes: a message that ends within it.
#[must_use]
pub fn cut_header() -> Vec<u8> {
    let mut all = Blocks::new();
    all.longest_header();
    all.as_bytes()[..250].to_vec()
}

/// A literal, and a match that reaches back `distance` bytes: beyond what there is, if `distance` is that far.
#[must_use]
pub fn far_match(distance: u32) -> Vec<u8> {
    let mut all = Blocks::new();
    all.stored(false, b"f").far_match(distance);
    all.message()
}

/// A payload and what becomes of it.
#[derive(Clone, Debug)]
pub struct Attack {
    /// What it is.
    pub name: &'static str,
    /// The payload of the message.
    pub payload: Vec<u8>,
    /// How many bytes it inflates to, or why it does not, for a receiver with the largest window and nothing in it.
    pub result: Result<usize, Fault>,
}

/// All of them, with payloads of about `size` bytes, of at least 1000. What inflates to much inflates to 1000 times that.
#[must_use]
pub fn attacks(size: usize) -> Vec<Attack> {
    let attack = |name, payload, result| Attack { name, payload, result };
    let out = size * 1000;
    // Matches that make up blocks of about 100 bytes, and of about 1000.
    let (short, long) = (320, 3900);
    let spread = size / 1125;
    vec![
        attack("zeros", zeros(out), Ok(out)),
        attack("nested", nested(out), Ok(zeros(out).len())),
        attack("short runs", runs(size / 100, short), Ok(1 + size / 100 * short * 258)),
        attack("long runs", runs(size / 1000, long), Ok(1 + size / 1000 * long * 258)),
        attack("spread runs", spread_runs(spread, long), Ok(1 + spread * long * 258)),
        attack("empty stored blocks", empty_stored(size / 5), Ok(0)),
        attack("empty fixed blocks", empty_fixed(size * 8 / 10), Ok(0)),
        attack("empty dynamic blocks", empty_dynamic(size / 13), Ok(0)),
        attack("longest headers", longest_headers(size / 287), Ok(0)),
        attack("final stored blocks", final_stored(size / 5), Ok(0)),
        attack("final fixed blocks", final_fixed(size / 2), Ok(0)),
        attack("final blocks with a window", final_fixed_with_window(size / 2), Ok(1 + 127 * 258)),
        attack("tiny stored blocks", tiny_stored(size / 6), Ok(size / 6)),
        attack("cut header", cut_header(), Err(Fault::Truncated)),
        attack("distance of two", far_match(2), Err(Fault::TooFar)),
        attack("distance of 32 KiB", far_match(1 << 15), Err(Fault::TooFar)),
    ]
}

/// A compressed binary message in fragments of at most `most` bytes, which may go on behind them unless `fin`.
#[must_use]
pub fn frames(payload: &[u8], most: usize, fin: bool) -> Vec<Frame> {
    let mut frames = vec![Frame::binary("").reserved(4)];
    for (n, fragment) in payload.chunks(most.max(1)).enumerate() {
        match n {
            0 => frames[0].payload = fragment.to_vec(),
            _ => frames.push(Frame::continuation(fragment)),
        }
    }
    let whole = frames.len() - usize::from(fin);
    for frame in &mut frames[..whole] {
        frame.fin = false;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate::{Rules, judge};

    #[test]
    fn attacks_are_what_they_are_said_to_be() {
        for Attack { name, payload, result } in attacks(4000) {
            let verdict = judge(&payload, b"", Rules::UNLIMITED);
            assert_eq!(verdict.fault.map_or(Ok(verdict.bytes.len()), Err), result, "{name}");
            let zlib = zlib::judge(&payload, b"", Rules::UNLIMITED);
            assert!(zlib.agrees_with(verdict.fault) && zlib.bytes == verdict.bytes, "{name}");
            let sized = !matches!(name, "nested" | "cut header") && !name.starts_with("distance");
            assert!(!sized || (3000..5000).contains(&payload.len()), "{name}: {}", payload.len());
            if name == "zeros" || name.ends_with("runs") {
                assert!(verdict.bytes.len() > 400 * payload.len(), "{name}");
            }
        }
    }

    #[test]
    fn fragments_make_up_the_payload() {
        let payload = zeros(100_000);
        for most in [1, 2, 7, 100, 1000] {
            for fin in [true, false] {
                let frames = frames(&payload, most, fin);
                let all: Vec<u8> = frames.iter().flat_map(|frame| frame.payload.clone()).collect();
                assert_eq!(all, payload);
                assert!(frames.iter().all(|frame| frame.payload.len() <= most));
                assert_eq!(frames.iter().filter(|frame| frame.fin).count(), usize::from(fin));
                assert_eq!(frames.iter().filter(|frame| frame.rsv == 4).count(), 1);
                assert!(frames[1..].iter().all(|frame| frame.opcode == 0));
            }
        }
    }
}
