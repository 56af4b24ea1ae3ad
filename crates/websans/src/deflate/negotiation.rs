//! [`Terms`]: how permessage-deflate is offered, answered and agreed on ([RFC 7692 §5, §7.1]).
//!
//! [RFC 7692 §5, §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1

use alloc::borrow::Cow;
use core::fmt;

use super::{Config, LARGEST_WINDOW, Parameters};

/// The extension's name in `Sec-WebSocket-Extensions`.
pub(crate) const NAME: &str = "permessage-deflate";

/// The smallest window of our own compressor. RFC 7692 allows 8, but compressors of the zlib family cannot be held
/// to 256 bytes; to agree would be to break the agreement. A peer that compresses with 8 is understood.
const SMALLEST_OWN_WINDOW: u8 = 9;

/// The parameters of one element named permessage-deflate, in an offer or in a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// In an offer, without a value: the client can be told its window.
    client_max_window_bits: Option<Option<u8>>,
}

impl Terms {
    /// Parses the parameters of an offer or a response. `None` if one "is not defined for use" in either, "has an
    /// invalid value" or comes twice (RFC 7692 §7): a server declines such an offer (§7), a client fails such a
    /// response (§7).
    pub(crate) fn parse<'h>(
        parameters: impl Iterator<Item = (&'h str, Option<Cow<'h, str>>)>,
    ) -> Option<Self> {
        let mut terms = Self::default();
        for (name, value) in parameters {
            match (name, value.as_deref()) {
                ("server_no_context_takeover", None) if !terms.server_no_context_takeover => {
                    terms.server_no_context_takeover = true;
                }
                ("client_no_context_takeover", None) if !terms.client_no_context_takeover => {
                    terms.client_no_context_takeover = true;
                }
                ("server_max_window_bits", Some(value)) if terms.server_max_window_bits.is_none() => {
                    terms.server_max_window_bits = Some(window(value)?);
                }
                ("client_max_window_bits", value) if terms.client_max_window_bits.is_none() => {
                    terms.client_max_window_bits = Some(match value {
                        Some(value) => Some(window(value)?),
                        None => None,
                    });
                }
                _ => return None,
            }
        }
        Some(terms)
    }

    /// A server's answer to this offer. `None` declines it.
    pub(crate) fn answer(&self, config: &Config) -> Option<Self> {
        // "A server accepts an extension negotiation offer with this parameter by including the
        // "server_max_window_bits" extension parameter in the extension negotiation response [...] with the
        // same or smaller value as the offer" (§7.1.2.1); it may name a value unasked.
        let server = self.server_max_window_bits.unwrap_or(LARGEST_WINDOW).min(config.server_max_window_bits);
        if server < SMALLEST_OWN_WINDOW {
            return None;
        }
        // "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension
        // parameter, the corresponding extension negotiation response to the offer MUST NOT include" it (§7.1.2.2).
        let client = match self.client_max_window_bits {
            None if config.client_max_window_bits < LARGEST_WINDOW => return None,
            None => None,
            Some(hint) => Some(Some(hint.unwrap_or(LARGEST_WINDOW).min(config.client_max_window_bits))),
        };
        Some(Self {
            // "A server accepts an extension negotiation offer that includes the "server_no_context_takeover"
            // extension parameter by including" it in the response (§7.1.1.1); either may also be named unasked.
            server_no_context_takeover: self.server_no_context_takeover || config.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover || config.client_no_context_takeover,
            server_max_window_bits: (self.server_max_window_bits.is_some() || server < LARGEST_WINDOW)
                .then_some(server),
            client_max_window_bits: client,
        })
    }

    /// What a response with these terms means.
    pub(crate) fn parameters(self) -> Parameters {
        Parameters {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: self.server_max_window_bits.unwrap_or(LARGEST_WINDOW),
            client_max_window_bits: self.client_max_window_bits.flatten().unwrap_or(LARGEST_WINDOW),
        }
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2).
fn window(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

impl fmt::Display for Terms {
    /// As an element of `Sec-WebSocket-Extensions`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_max_window_bits {
            None => Ok(()),
            Some(None) => f.write_str("; client_max_window_bits"),
            Some(Some(bits)) => write!(f, "; client_max_window_bits={bits}"),
        }
    }
}

impl Config {
    /// Whether the windows are ones that both ends can be held to.
    pub(crate) fn is_valid(&self) -> bool {
        let valid = SMALLEST_OWN_WINDOW..=LARGEST_WINDOW;
        valid.contains(&self.server_max_window_bits) && valid.contains(&self.client_max_window_bits)
    }

    /// A client's offer.
    pub(crate) fn offer(&self) -> Terms {
        let limit = |bits| (bits < LARGEST_WINDOW).then_some(bits);
        Terms {
            server_no_context_takeover: self.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: limit(self.server_max_window_bits),
            client_max_window_bits: Some(limit(self.client_max_window_bits)),
        }
    }

    /// What a server's response to [`offer`](Self::offer) means for a client. `None` if it does not grant what
    /// was asked for, or asks for what cannot be done: "If the client doesn't support the configuration [...] the
    /// client MUST _Fail the WebSocket Connection_" (§5.1).
    pub(crate) fn agree(&self, response: Terms) -> Option<Parameters> {
        let granted = response.parameters();
        if (self.server_no_context_takeover && !granted.server_no_context_takeover)
            || granted.server_max_window_bits > self.server_max_window_bits
            || granted.client_max_window_bits < SMALLEST_OWN_WINDOW
            // In a response the parameter has a value (§7.1.2.2).
            || response.client_max_window_bits == Some(None)
        {
            return None;
        }
        Some(Parameters {
            // What the client has announced for itself it does, asked or not.
            client_no_context_takeover: granted.client_no_context_takeover || self.client_no_context_takeover,
            client_max_window_bits: granted.client_max_window_bits.min(self.client_max_window_bits),
            ..granted
        })
    }
}
