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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use alloc::format;
    use alloc::string::{String, ToString};

    use super::*;

    /// The terms of an element, whose grammar is another module's concern.
    fn terms(element: &str) -> Option<Terms> {
        let mut parts = element.split("; ");
        assert_eq!(parts.next(), Some(NAME));
        Terms::parse(parts.map(|part| match part.split_once('=') {
            Some((name, value)) => (name, Some(Cow::Borrowed(value.trim_matches('"')))),
            None => (part, None),
        }))
    }

    fn config(server_fresh: bool, client_fresh: bool, server_bits: u8, client_bits: u8) -> Config {
        Config {
            server_no_context_takeover: server_fresh,
            client_no_context_takeover: client_fresh,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits,
        }
    }

    /// A server that grants whatever is asked for.
    fn granting() -> Config {
        config(false, false, 15, 15)
    }

    fn answered(offer: &str, config: &Config) -> Option<String> {
        terms(offer)?.answer(config).map(|answer| answer.to_string())
    }

    #[test]
    fn windows_are_8_to_15_without_leading_zero() {
        for bits in 0..=300 {
            let parsed = terms(&format!("permessage-deflate; server_max_window_bits={bits}"));
            assert_eq!(parsed.is_some(), (8..=15).contains(&bits), "{bits}");
            let parsed = terms(&format!("permessage-deflate; client_max_window_bits={bits}"));
            assert_eq!(parsed.is_some(), (8..=15).contains(&bits), "{bits}");
        }
        for value in ["08", "010", "", "15 ", " 15", "1e1", "+10", "-10", "0x9", "9.0", "\u{661}\u{660}"] {
            assert_eq!(window(value), None, "{value:?}");
        }
    }

    #[test]
    fn parameters_are_known_single_and_valued_as_defined() {
        for good in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=\"10\"; server_max_window_bits=9; \
             client_no_context_takeover; server_no_context_takeover",
        ] {
            assert!(terms(good).is_some(), "{good}");
        }
        for bad in [
            "permessage-deflate; foo",
            "permessage-deflate; foo=1",
            "permessage-deflate; Server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover=true",
            "permessage-deflate; client_no_context_takeover=1",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; client_max_window_bits",
        ] {
            assert_eq!(terms(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_server_grants_what_is_asked_for_and_no_more() {
        for (offer, answer) in [
            ("permessage-deflate", Some("permessage-deflate")),
            (
                "permessage-deflate; server_no_context_takeover",
                Some("permessage-deflate; server_no_context_takeover"),
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                Some("permessage-deflate; client_no_context_takeover"),
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some("permessage-deflate; server_max_window_bits=15"),
            ),
            (
                "permessage-deflate; server_max_window_bits=9",
                Some("permessage-deflate; server_max_window_bits=9"),
            ),
            // Our compressor cannot be held to 256 bytes; the client's may well be.
            ("permessage-deflate; server_max_window_bits=8", None),
            (
                "permessage-deflate; client_max_window_bits=8",
                Some("permessage-deflate; client_max_window_bits=8"),
            ),
            (
                "permessage-deflate; client_max_window_bits",
                Some("permessage-deflate; client_max_window_bits=15"),
            ),
        ] {
            assert_eq!(answered(offer, &granting()).as_deref(), answer, "{offer}");
        }
    }

    #[test]
    fn a_server_asks_for_what_it_wants() {
        let strict = config(true, true, 10, 11);
        // A client that cannot be told its window may exceed ours: declined.
        assert_eq!(answered("permessage-deflate", &strict), None);
        assert_eq!(answered("permessage-deflate; client_no_context_takeover", &strict), None);
        let answer = answered("permessage-deflate; client_max_window_bits", &strict).unwrap();
        assert_eq!(
            answer,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=11"
        );
        // The smaller of both sides' limits, each way.
        let offer = "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10";
        assert!(
            answered(offer, &strict)
                .unwrap()
                .ends_with("server_max_window_bits=9; client_max_window_bits=10")
        );
        let offer = "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15";
        assert!(
            answered(offer, &strict)
                .unwrap()
                .ends_with("server_max_window_bits=10; client_max_window_bits=11")
        );
    }

    #[test]
    fn a_client_holds_the_server_to_its_offer() {
        let agreed = |config: &Config, response: &str| config.agree(terms(response)?);
        let open = granting();
        assert_eq!(open.offer().to_string(), "permessage-deflate; client_max_window_bits");
        assert_eq!(agreed(&open, "permessage-deflate"), Some(Parameters::default()));
        // Unasked, but allowed.
        let response = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                        server_max_window_bits=8; client_max_window_bits=9";
        assert_eq!(
            agreed(&open, response),
            Some(Parameters {
                server_no_context_takeover: true,
                client_no_context_takeover: true,
                server_max_window_bits: 8,
                client_max_window_bits: 9,
            })
        );
        // Without a value, and beyond our compressor.
        assert_eq!(agreed(&open, "permessage-deflate; client_max_window_bits"), None);
        assert_eq!(agreed(&open, "permessage-deflate; client_max_window_bits=8"), None);

        let strict = config(true, true, 10, 11);
        assert_eq!(
            strict.offer().to_string(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=10; client_max_window_bits=11"
        );
        assert_eq!(agreed(&strict, "permessage-deflate"), None);
        assert_eq!(agreed(&strict, "permessage-deflate; server_no_context_takeover"), None);
        assert_eq!(agreed(&strict, "permessage-deflate; server_max_window_bits=10"), None);
        let eleven = "permessage-deflate; server_no_context_takeover; server_max_window_bits=11";
        assert_eq!(agreed(&strict, eleven), None);
        // What we said of ourselves holds, whether the server repeats it or not.
        let ten = "permessage-deflate; server_no_context_takeover; server_max_window_bits=10";
        let mine = Parameters {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: 10,
            client_max_window_bits: 11,
        };
        assert_eq!(agreed(&strict, ten), Some(mine));
        assert_eq!(agreed(&strict, &format!("{ten}; client_max_window_bits=15")), Some(mine));
    }

    #[test]
    fn our_two_ends_always_agree_or_decline() {
        let bits = [9, 10, 14, 15];
        let configs = move || {
            bits.into_iter().flat_map(move |server| {
                bits.into_iter().flat_map(move |client| {
                    (0..4).map(move |fresh| config(fresh & 1 == 1, fresh & 2 == 2, server, client))
                })
            })
        };
        for client in configs() {
            for server in configs() {
                let answer = client.offer().answer(&server).expect("both limits can be met");
                let answer = terms(&answer.to_string()).expect("an answer is well-formed");
                // Both ends read the same agreement from it, and it exceeds neither's limits.
                let agreed = client.agree(answer).expect("the answer grants what was asked for");
                assert_eq!(agreed, answer.parameters());
                assert!(
                    agreed.server_max_window_bits
                        <= client.server_max_window_bits.min(server.server_max_window_bits)
                );
                assert!(
                    agreed.client_max_window_bits
                        <= client.client_max_window_bits.min(server.client_max_window_bits)
                );
                let fresh = |one: bool, other: bool| one || other;
                assert_eq!(
                    agreed.server_no_context_takeover,
                    fresh(client.server_no_context_takeover, server.server_no_context_takeover)
                );
                assert_eq!(
                    agreed.client_no_context_takeover,
                    fresh(client.client_no_context_takeover, server.client_no_context_takeover)
                );
            }
        }
    }

    #[test]
    fn windows_that_nobody_can_keep_are_no_configuration() {
        for bits in 0..=u8::MAX {
            let valid = (9..=15).contains(&bits);
            assert_eq!(config(true, true, bits, 15).is_valid(), valid);
            assert_eq!(config(true, true, 15, bits).is_valid(), valid);
        }
    }
}
