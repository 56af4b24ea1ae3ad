//! [`Profile`]: the settings that a subject must have for a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use websans::{Config, Keepalive};
use websans_deflate::{Deflate, Settings};

/// Settings. What is not said is as in `plain`: no subprotocol, no compression, no timer that would fire within a few
/// seconds, and limits far above what the scenario sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What they are for.
    pub about: String,
    /// Longest message, in bytes.
    #[serde(default)]
    pub max_message: Option<u64>,
    /// Most fragments of a message.
    #[serde(default)]
    pub max_fragments: Option<u32>,
    /// Most empty fragments in a row.
    #[serde(default)]
    pub max_empty_fragments: Option<u8>,
    /// Longest head, in bytes.
    #[serde(default)]
    pub max_head: Option<usize>,
    /// Most header lines.
    #[serde(default)]
    pub max_headers: Option<usize>,
    /// How long the opening handshake may take, in milliseconds.
    #[serde(default)]
    pub handshake_within: Option<u64>,
    /// How long the peer's Close and its end of the transport are waited for, in milliseconds.
    #[serde(default)]
    pub close_within: Option<u64>,
    /// A Ping after so many milliseconds without a byte, and the end so many milliseconds after it.
    #[serde(default)]
    pub keepalive: Option<(u64, u64)>,
    /// The connection is closed after so many milliseconds without a message.
    #[serde(default)]
    pub idle: Option<u64>,
    /// The subprotocols that are spoken, the best one first.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Permessage-deflate, and how it is negotiated.
    #[serde(default)]
    pub compression: Option<Compression>,
}

/// How permessage-deflate is negotiated.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    /// Whether the server keeps its window if the client agrees.
    pub server_context_takeover: bool,
    /// Whether the client does.
    pub client_context_takeover: bool,
    /// The largest window of the server.
    #[serde(default = "largest")]
    pub server_max_window_bits: u8,
    /// The largest window of the client.
    #[serde(default = "largest")]
    pub client_max_window_bits: u8,
}

impl Compression {
    /// Windows of 32 KiB that stay.
    pub const LARGEST: Self = Self {
        server_context_takeover: true,
        client_context_takeover: true,
        server_max_window_bits: 15,
        client_max_window_bits: 15,
    };
}

const fn largest() -> u8 {
    15
}

/// All of them by name.
pub type Profiles = BTreeMap<String, Profile>;

impl Profile {
    /// The same for websans.
    #[must_use]
    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.max_message = self.max_message.unwrap_or(config.max_message);
        config.max_fragments = self.max_fragments.unwrap_or(config.max_fragments);
        config.max_empty_fragments = self.max_empty_fragments.unwrap_or(config.max_empty_fragments);
        config.max_head = self.max_head.unwrap_or(config.max_head);
        config.max_headers = self.max_headers.unwrap_or(config.max_headers);
        config.handshake_within =
            self.handshake_within.map_or(config.handshake_within, Duration::from_millis);
        config.close_within = self.close_within.map_or(config.close_within, Duration::from_millis);
        config.keepalive = self.keepalive.map(|(every, within)| Keepalive {
            every: Duration::from_millis(every),
            within: Duration::from_millis(within),
        });
        config.idle = self.idle.map(Duration::from_millis);
        config
    }

    /// The same for websans-deflate, which compresses even what is not worth it.
    #[must_use]
    pub fn deflate(&self) -> Option<Deflate> {
        let wanted = self.compression?;
        let mut settings = Settings::default();
        settings.threshold = 0;
        settings.negotiation.server_no_context_takeover = !wanted.server_context_takeover;
        settings.negotiation.client_no_context_takeover = !wanted.client_context_takeover;
        settings.negotiation.server_max_window_bits = wanted.server_max_window_bits;
        settings.negotiation.client_max_window_bits = wanted.client_max_window_bits;
        Some(Deflate::new(settings))
    }

    /// The subprotocol that a server chooses of those offered.
    #[must_use]
    pub fn choose(&self, offered: &[&str]) -> Option<&str> {
        self.protocols.iter().map(String::as_str).find(|name| offered.contains(name))
    }
}
