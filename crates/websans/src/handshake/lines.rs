//! [`Lines`]: the header lines of a head, as they lie in its buffer.

use alloc::vec;
use alloc::vec::Vec;

use httparse::{EMPTY_HEADER, Header};

use super::Headers;
use super::error::HandshakeError;
use super::head::Head;

/// What it means that the parser has refused the version in the first line of `head`, which is word `nth` of
/// its `words`: a version that is not ours if it is one at all, else a line that is not as it should be.
pub(super) fn version_fault(head: &Head, nth: usize, words: usize) -> HandshakeError {
    let line = head.bytes().trim_ascii_start().split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut parts = line.splitn(words, |&byte| byte == b' ');
    match parts.nth(nth) {
        // "HTTP-version = HTTP-name "/" DIGIT "." DIGIT" (RFC 9112 §2.3)
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            HandshakeError::HttpVersion
        }
        _ => HandshakeError::InvalidHead,
    }
}

/// Header lines, parsed and borrowed.
pub(super) struct Lines<'b>(Vec<Header<'b>>);

impl<'b> Lines<'b> {
    /// Room for the lines of `head`, for a parser to fill.
    pub(super) fn with_room(head: &'b Head) -> Self {
        Self(vec![EMPTY_HEADER; head.lines()])
    }

    /// The room.
    pub(super) fn room(&mut self) -> &mut [Header<'b>] {
        &mut self.0
    }

    /// Forgets the room behind the `count` lines that there are.
    pub(super) fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Names and values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.0.iter().map(|line| (line.name, line.value))
    }

    /// The values of the lines called `name`, in either case.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Headers for Lines<'_> {
    fn values<'h>(&'h self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.named(name)
    }
}
