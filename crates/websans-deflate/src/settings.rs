//! [`Settings`]: what to agree on, and how to compress.

use websans::deflate::Config;

/// What to agree on, and how to compress.
///
/// ```
/// use websans_deflate::Settings;
///
/// // Messages that resemble each other, compressed with 4 KiB of what went before, at little cost.
/// let mut settings = Settings::default();
/// settings.negotiation.server_no_context_takeover = false;
/// settings.negotiation.server_max_window_bits = 12;
/// settings.memory_level = 4;
/// assert!(settings.send_memory(12) < 180_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Context takeover and windows, each way. The default has no takeover and windows of 32 KiB (15 bits). Fewer than 9
    /// bits count as 9, which is the least that zlib can be held to, more than 15 as 15.
    pub negotiation: Config,
    /// How hard to compress, from 1 (fast) to 9 (small); 0 does not compress, more than 9 counts as 9. Default 6.
    ///
    /// The levels are zlib-ng's. 1 is twice as fast as 2, but with fixed codes: text takes half as much again, and what does
    /// not shrink grows by 5 %. 2 to 6 are about as small as zlib's and faster, 7 to 9 the same.
    pub level: u8,
    /// The memory for a block's symbols, from 1 (1 KiB) to 9 (256 KiB), as zlib has it. Little memory means short blocks:
    /// long messages shrink less. Default 8.
    pub memory_level: u8,
    /// Whole messages of fewer bytes are not compressed, unless
    /// [`Payload::compress`](websans::Payload::compress) says so: they would gain little or nothing. Default 128.
    pub threshold: usize,
    /// Bytes that all connections together may keep for context takeover. Default 256 MiB. When there is not enough left
    /// for one more, it is offered, and granted, no takeover either way: by default from the 622nd connection on. What a
    /// message under way takes, without takeover, does not count.
    pub context_budget: usize,
    /// Contexts without takeover that are kept for the next message, of each kind and window; a message that is sent in
    /// parts takes a new one to compress. Default 16. There are never
    /// more than messages were under way at once: the number of threads, unless peers send and take them in parts.
    pub pool: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            negotiation: Config::default(),
            level: 6,
            memory_level: 8,
            threshold: 128,
            context_budget: 256 << 20,
            pool: 16,
        }
    }
}

impl Settings {
    /// Bytes of memory that compressing takes with a window of so many bits, for as long as a message is under way, or with
    /// context takeover for as long as the connection lives. Its hash table has 128 KiB whatever the window:
    ///
    /// | window | `memory_level` 8 | `memory_level` 4 |
    /// |---|---|---|
    /// | 15 bits | 375 KiB | 270 KiB |
    /// | 12 bits | 263 KiB | 158 KiB |
    /// | 9 bits | 249 KiB | 144 KiB |
    #[must_use]
    pub fn send_memory(&self, window_bits: u8) -> usize {
        let symbols = 1_usize << (self.memory_level() + 6);
        let window = 1_usize << window_bits.min(15);
        // The compressor's own state; a hash table of 64 Ki entries; two windows of text and one of links; the symbols of a
        // block and what they are written to.
        STATE + (128 << 10) + 4 * window + 7 * symbols
    }

    pub(crate) fn negotiation(&self) -> Config {
        let mut config = self.negotiation;
        config.server_max_window_bits = config.server_max_window_bits.clamp(9, 15);
        config.client_max_window_bits = config.client_max_window_bits.clamp(9, 15);
        config
    }

    pub(crate) fn level(&self) -> u8 {
        self.level.min(9)
    }

    pub(crate) fn memory_level(&self) -> u8 {
        self.memory_level.clamp(1, 9)
    }
}

/// What a compressor takes besides its tables, rounded up.
const STATE: usize = 7 << 10;
