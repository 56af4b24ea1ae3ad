//! [`Forwarded`]: what is believed of what a proxy says.

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use websans_tokio::handshake::Endpoint;

/// Whose word is taken for the host and the scheme by which a client has come: what the origin of a page is compared with.
///
/// Whoever can reach the server can send these headers. Trust them only if every connection comes from a proxy that writes them
/// itself, and that throws away what the client sent under their names. Of several values the last is taken, which is the nearest
/// proxy's. A header that is missing says nothing; one that cannot be read makes pages' origins be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forwarded {
    /// Nobody's: what the request itself says. The default, and right for a proxy that passes `Host` on.
    #[default]
    Nothing,
    /// `X-Forwarded-Host` and `X-Forwarded-Proto`.
    XForwarded,
    /// `Forwarded`, its parameters `host` and `proto` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    Rfc7239,
}

const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Forwarded {
    /// Where the client believes to have connected to: `direct`, unless a proxy that is trusted knows better. `None`: what it says
    /// cannot be read.
    pub(crate) fn endpoint<'h>(self, direct: Endpoint<'h>, headers: &'h HeaderMap) -> Option<Endpoint<'h>> {
        let (host, proto) = match self {
            Self::Nothing => (None, None),
            Self::XForwarded => (last(headers, &X_HOST)?, last(headers, &X_PROTO)?),
            Self::Rfc7239 => match last(headers, &FORWARDED)? {
                Some(element) => (parameter(element, "host")?, parameter(element, "proto")?),
                None => (None, None),
            },
        };
        let secure = match proto {
            None => direct.secure,
            Some(proto) if ["https", "wss"].iter().any(|known| proto.eq_ignore_ascii_case(known)) => {
                Some(true)
            }
            Some(proto) if ["http", "ws"].iter().any(|known| proto.eq_ignore_ascii_case(known)) => {
                Some(false)
            }
            Some(_) => return None,
        };
        Some(Endpoint { host: host.unwrap_or(direct.host), secure })
    }
}

/// The last element of the lists in all lines of a header; `Some(None)` if there is none.
fn last<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Option<&'h str>> {
    let Some(line) = headers.get_all(name).iter().next_back() else {
        return Some(None);
    };
    let line = line.to_str().ok()?;
    let element = split(line, ',').last().map(str::trim).filter(|element| !element.is_empty())?;
    Some(Some(element))
}

/// The value of a parameter of an element of `Forwarded`; `Some(None)` if it has none. A host or a scheme has no character that a
/// quoted string would have to escape.
fn parameter<'h>(element: &'h str, name: &str) -> Option<Option<&'h str>> {
    let mut found = None;
    for pair in split(element, ';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        if !key.eq_ignore_ascii_case(name) {
            continue;
        }
        if value.contains(['"', '\\']) {
            return None;
        }
        if found.replace(value).is_some() {
            return None;
        }
    }
    Some(found)
}

/// The parts of `text` between separators that stand outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return !quoted && c == separator,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn endpoint(
        trusted: Forwarded,
        lines: &[(&'static str, &'static str)],
    ) -> Option<(String, Option<bool>)> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let direct = Endpoint { host: "inner:8080", secure: None };
        trusted.endpoint(direct, &headers).map(|endpoint| (endpoint.host.to_owned(), endpoint.secure))
    }

    #[test]
    fn only_what_is_trusted_is_believed() {
        let lines = [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "host=other.example;proto=http"),
        ];
        assert_eq!(endpoint(Forwarded::Nothing, &lines), Some(("inner:8080".into(), None)));
        assert_eq!(endpoint(Forwarded::XForwarded, &lines), Some(("evil.example".into(), Some(true))));
        assert_eq!(endpoint(Forwarded::Rfc7239, &lines), Some(("other.example".into(), Some(false))));
    }

    #[test]
    fn the_nearest_proxy_has_the_last_word() {
        let x = |host| endpoint(Forwarded::XForwarded, &[("x-forwarded-host", host)]);
        assert_eq!(x("evil.example, good.example"), Some(("good.example".into(), None)));
        let lines = [("x-forwarded-host", "evil.example"), ("x-forwarded-host", "good.example")];
        assert_eq!(endpoint(Forwarded::XForwarded, &lines), Some(("good.example".into(), None)));
        let rfc = |line| endpoint(Forwarded::Rfc7239, &[("forwarded", line)]);
        assert_eq!(
            rfc(r#"for="a,b;c";host=evil.example, for=1.2.3.4; HOST="good.example:8443" ;Proto=HTTPS"#),
            Some(("good.example:8443".into(), Some(true)))
        );
        assert_eq!(rfc("for=1.2.3.4"), Some(("inner:8080".into(), None)));
    }

    #[test]
    fn what_cannot_be_read_is_not_believed_and_not_passed_over() {
        for line in ["", "good.example,", " , "] {
            assert_eq!(endpoint(Forwarded::XForwarded, &[("x-forwarded-host", line)]), None, "{line:?}");
        }
        for proto in ["ftp", "", "https;"] {
            assert_eq!(endpoint(Forwarded::XForwarded, &[("x-forwarded-proto", proto)]), None, "{proto:?}");
        }
        for line in [
            "host",
            "host=a;host=b",
            r#"host="a"#,
            r#"host="a\"b""#,
            r#"for="x;host=evil.example"#,
            "proto=gopher",
            "for=x, ",
        ] {
            assert_eq!(endpoint(Forwarded::Rfc7239, &[("forwarded", line)]), None, "{line:?}");
        }
    }
}
