//! [`Dice`]: chance that can be had again.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// A seeded source of chance. The same seed gives the same throws, on every machine.
pub struct Dice {
    rng: ChaCha8Rng,
}

impl Dice {
    /// The dice with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Four bytes, as for a masking key.
    pub fn key(&mut self) -> [u8; 4] {
        self.rng.next_u32().to_le_bytes()
    }

    /// A number from 0 to `end`, which is excluded; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.any()) * end as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of a hundred throws.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which must not be empty.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// A text of `len` bytes with characters of every length.
    pub fn text(&mut self, len: usize) -> String {
        let mut text = String::with_capacity(len);
        let mut throw = 0;
        while text.len() < len {
            if throw < 8 {
                throw = self.any() | 1 << 63;
            }
            let char = match throw & 7 {
                0 => '\u{10348}',
                1 => '€',
                2 | 3 => 'ß',
                _ => 'w',
            };
            throw >>= 3;
            text.push(if text.len() + char.len_utf8() > len { '.' } else { char });
        }
        text
    }

    /// The lengths of pieces of something of `len` bytes: none is empty, each has at most `most`.
    pub fn pieces(&mut self, len: usize, most: usize) -> Vec<usize> {
        let mut lens = Vec::new();
        let mut left = len;
        while left > 0 {
            lens.push(self.between(1, most.min(left)));
            left -= lens[lens.len() - 1];
        }
        lens
    }
}
