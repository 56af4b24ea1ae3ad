//! [`Authority`]: the `host[:port]` of a `Host` header, a URL, a request's target, or an origin.

use core::net::Ipv6Addr;

/// A host and an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// As it was written; an IPv6 address with its brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses `uri-host [ ":" port ]` by RFC 3986 §3.2.2 and §3.2.3, as RFC 9110 §7.2 has it, with a host
    /// that is not empty and a port that fits 16 bits. `None` if it is anything else.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let host_len =
            if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
        let (host, port) = text.split_at_checked(host_len)?;
        if !is_host(host) {
            return None;
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            // "port = *DIGIT": an empty one is none at all.
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Whether the host is a bracketed IPv6 address or a name as the DNS has them: labels of letters,
    /// digits, `-` and `_`. An IPv4 address looks like such a name. Stricter than a `Host` must be: for
    /// hosts that are looked up, or compared to decide what is allowed.
    pub(crate) fn is_domain(&self) -> bool {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        self.host.starts_with('[') || (self.host.len() <= 253 && self.host.split('.').all(label))
    }
}

/// Whether `host` is `IP-literal / IPv4address / reg-name` (RFC 3986 §3.2.2) and not empty. Of the literals
/// only IPv6: nothing else has been defined.
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok();
    }
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
                hex() && hex()
            }
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !valid {
            return false;
        }
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_authorities() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:", "example.com", None),
            ("EXAMPLE.com:8080", "EXAMPLE.com", Some(8080)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:00443", "[2001:db8::7]", Some(443)),
            ("my_host.", "my_host.", None),
            ("a%2Fb!$&'()*+,;=~", "a%2Fb!$&'()*+,;=~", None),
        ] {
            assert_eq!(Authority::parse(text), Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn invalid_authorities() {
        for text in [
            "",
            ":80",
            "[",
            "]",
            "[]",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[::1%25eth0]",
            "[v1.x]",
            "[127.0.0.1]",
            "::1",
            "a b",
            " a",
            "a:99999",
            "a:65536",
            "a:-1",
            "a:+1",
            "a:1:2",
            "a:x",
            "a@b",
            "a/b",
            "a?b",
            "a#b",
            "a%2",
            "a%",
            "a%zz",
            "é",
            "\u{80}",
            "a\0",
            "a\\b",
            "a\"b",
            "<a>",
            "x[::1]",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn domains() {
        let is_domain = |text: &str| Authority::parse(text).is_some_and(|authority| authority.is_domain());
        for yes in ["a", "a.b-c_d.example", "127.0.0.1", "[::1]:80", "xn--bcher-kva.example"] {
            assert!(is_domain(yes), "{yes}");
        }
        for no in ["a.", ".a", "a..b", "*.a", "a%41", "a~b", "a,b"] {
            assert!(!is_domain(no), "{no}");
        }
        assert!(is_domain(&"a".repeat(63)) && !is_domain(&"a".repeat(64)));
        let longest = "a.".repeat(126) + "a";
        assert!(is_domain(&longest) && !is_domain(&(longest + ".a")));
    }
}
