//! [`Input`]: decisions out of bytes.

use websans::deflate::Config;
use websans_deflate::Settings;

/// What is left of a fuzzer's bytes. Once it is used up, all that comes is 0.
pub(super) struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'d [u8] {
        core::mem::take(&mut self.0)
    }

    /// As many bytes, or as there are left.
    #[cfg(feature = "adapters")]
    pub(super) fn some(&mut self, len: usize) -> &'d [u8] {
        let (some, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        some
    }

    pub(super) fn byte(&mut self) -> u8 {
        match self.0 {
            [byte, rest @ ..] => {
                self.0 = rest;
                *byte
            }
            [] => 0,
        }
    }

    /// Two bytes.
    pub(super) fn word(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// At most `most` bytes.
    pub(super) fn take(&mut self, most: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(self.0.len().min(most));
        self.0 = rest;
        taken
    }

    /// All that is left as a text of at most `most` bytes or so, in which bytes that are not ASCII are each one of `words`.
    pub(super) fn spell(&mut self, words: &[&str], most: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for &byte in self.rest() {
            match byte.checked_sub(0x80) {
                Some(word) => text.extend_from_slice(words[usize::from(word) % words.len()].as_bytes()),
                None => text.push(byte),
            }
            if text.len() >= most {
                break;
            }
        }
        text
    }

    /// Settings of an end: three bytes.
    pub(super) fn settings(&mut self) -> Settings {
        let (flags, windows, level) = (self.byte(), self.byte(), self.byte());
        let mut config = Config::default();
        config.server_no_context_takeover = flags & 1 != 0;
        config.client_no_context_takeover = flags & 2 != 0;
        config.server_max_window_bits = 9 + windows % 7;
        config.client_max_window_bits = 9 + windows / 7 % 7;
        let mut settings = Settings::default();
        settings.negotiation = config;
        settings.level = 1 + level % 9;
        settings.threshold = if flags & 4 != 0 { 0 } else { usize::from(level) };
        if flags & 8 != 0 {
            // Nobody may keep anything: what is negotiated is without context takeover.
            settings.context_budget = 0;
        }
        if flags & 16 != 0 {
            settings.pool = 0;
        }
        settings
    }
}
