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
