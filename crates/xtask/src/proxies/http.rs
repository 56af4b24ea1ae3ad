//! [`Head`]: the start of an HTTP/1.1 request or response, as far as checks look at it.

use std::io::Read;

use crate::failure::{Doing, Result, fail};

/// The first line and the headers.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads no further than to the empty line.
    pub(crate) fn read(from: &mut impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let count = from.read(&mut byte).doing(|| "cannot read a response".into())?;
            if count == 0 {
                fail!("the connection ended after {:?}", String::from_utf8_lossy(&bytes));
            }
            bytes.push(byte[0]);
        }
        Ok(Self::parse(&bytes).expect("there is an empty line").0)
    }

    /// The head at the start of `bytes`, and what comes behind it.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = text.split("\r\n");
        let first = lines.next()?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some((Self { first, headers }, &bytes[end + 4..]))
    }

    /// The status of a response; 0 for anything else.
    pub(crate) fn status(&self) -> u16 {
        let status = self.first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The values of a header, whose name is in lower case.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The value of a header that must be there once.
    pub(crate) fn value<'a>(&'a self, name: &'a str) -> Result<&'a str> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => fail!("there is no {name} in {self:?}"),
            (Some(_), Some(_)) => fail!("{name} occurs more than once in {self:?}"),
        }
    }

    /// How many bytes are behind it, which it must say.
    pub(crate) fn length(&self) -> Result<usize> {
        self.value("content-length")?.parse().doing(|| "content-length is no number".into())
    }

    /// Whether one of the comma-separated words of a header is this one.
    pub(crate) fn has(&self, name: &str, word: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|found| found.trim().eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let bytes =
            b"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\nA: 1\r\nA: 2\r\n\r\nrest";
        let (head, rest) = Head::parse(bytes).unwrap();
        assert_eq!((head.status(), rest), (426, &b"rest"[..]));
        assert!(head.has("connection", "close") && !head.has("connection", "clos"));
        assert_eq!(head.value("connection").unwrap(), "Upgrade, close");
        assert!(head.value("a").is_err() && head.value("b").is_err());
        let mut reader = &bytes[..];
        assert_eq!(Head::read(&mut reader).unwrap().status(), 426);
        assert_eq!(reader, b"rest");
        assert!(Head::parse(b"GET / HTTP/1.1\r\n").is_none());
        assert_eq!(Head::parse(b"GET / HTTP/1.1\r\n\r\n").unwrap().0.status(), 0);
    }
}
