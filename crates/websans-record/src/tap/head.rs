//! [`Head`]: what of an opening handshake is not recorded, and what was agreed on.

use core::mem;

use websans::deflate::Parameters;

/// Longest response that is looked at.
const LONGEST: usize = 64 << 10;

/// What a response agrees to.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    pub(super) protocol: Option<String>,
    pub(super) deflate: Option<Parameters>,
}

/// A request or response that has not ended.
#[derive(Debug)]
pub(super) struct Head {
    /// Of a response all of it, of a request its last three bytes.
    bytes: Vec<u8>,
    is_response: bool,
    over: bool,
}

impl Head {
    pub(super) fn request() -> Self {
        Self { bytes: Vec::new(), is_response: false, over: false }
    }

    pub(super) fn response() -> Self {
        Self { is_response: true, ..Self::request() }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// What of `bytes` comes behind the head.
    pub(super) fn skip<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        while !self.over {
            let Some((&byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            self.bytes.push(byte);
            if self.bytes.ends_with(b"\r\n\r\n") {
                // Others come before the one that switches protocols.
                let is_interim = self.is_response
                    && self.bytes.get(9).is_some_and(|digit| *digit == b'1')
                    && !self.bytes.get(9..).is_some_and(|status| status.starts_with(b"101"));
                self.over = !is_interim;
                if is_interim {
                    self.bytes.clear();
                }
            } else if !self.is_response && self.bytes.len() > 3 {
                self.bytes.remove(0);
            } else if self.bytes.len() > LONGEST {
                self.over = true;
            }
        }
        bytes
    }

    /// `None` if protocols were not switched.
    pub(super) fn agreed(&mut self) -> Option<Agreed> {
        let bytes = mem::take(&mut self.bytes);
        bytes.get(9..).filter(|status| status.starts_with(b"101"))?;
        let mut agreed = Agreed::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let Some((name, value)) = core::str::from_utf8(line).ok().and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            if name.eq_ignore_ascii_case("sec-websocket-protocol") {
                agreed.protocol = Some(value.trim().into());
            } else if name.eq_ignore_ascii_case("sec-websocket-extensions") {
                agreed.deflate = agreed.deflate.or_else(|| value.split(',').find_map(parameters));
            }
        }
        Some(agreed)
    }
}

/// The parameters of one extension of a response, if it is permessage-deflate (RFC 7692 §7.1).
fn parameters(extension: &str) -> Option<Parameters> {
    let mut words = extension.split(';').map(str::trim);
    if words.next() != Some("permessage-deflate") {
        return None;
    }
    let mut parameters = Parameters::default();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let bits = value.trim().trim_matches('"').parse().ok().filter(|bits| (8..=15).contains(bits));
        match (name.trim(), bits) {
            ("server_no_context_takeover", _) => parameters.server_no_context_takeover = true,
            ("client_no_context_takeover", _) => parameters.client_no_context_takeover = true,
            ("server_max_window_bits", Some(bits)) => parameters.server_max_window_bits = bits,
            ("client_max_window_bits", Some(bits)) => parameters.client_max_window_bits = bits,
            // The handshake has failed, or will.
            _ => {}
        }
    }
    Some(parameters)
}
