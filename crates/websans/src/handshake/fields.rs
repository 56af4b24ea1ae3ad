//! [`Fields`]: header lines to be sent, which cannot hold what would break them.

use alloc::string::String;
use core::fmt;

use super::error::BuildError;
use super::headers::token;

/// Header lines to be sent, each `name: value` and CRLF. By construction every name is a token and every
/// value visible ASCII with inner spaces and tabs, so no line can turn into two.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(String);

impl Fields {
    /// Adds a line of the caller's.
    ///
    /// # Errors
    /// [`BuildError::HeaderName`], [`BuildError::HeaderValue`], or [`BuildError::ReservedHeader`] if the
    /// name is one of `reserved`.
    pub(crate) fn add(
        &mut self,
        name: &str,
        value: &str,
        reserved: &[&'static str],
    ) -> Result<(), BuildError> {
        if token(name.as_bytes()).is_none() {
            return Err(BuildError::HeaderName);
        }
        if let Some(own) = reserved.iter().find(|own| own.eq_ignore_ascii_case(name)) {
            return Err(BuildError::ReservedHeader(own));
        }
        // A receiver trims a value: what would not arrive as it was given is refused.
        let trimmed = value.trim_matches([' ', '\t']).len() == value.len();
        if !trimmed || !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(BuildError::HeaderValue);
        }
        self.own(name, value);
        Ok(())
    }

    /// Adds a line whose parts are known to be valid.
    pub(crate) fn own(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\r\n"] {
            self.0.push_str(part);
        }
    }

    /// Adds the lines of `others`.
    pub(crate) fn append(&mut self, others: &Self) {
        self.0.push_str(&others.0);
    }

    /// The lines as they are sent.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Names and values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split_terminator("\r\n").filter_map(|line| line.split_once(": "))
    }
}

impl fmt::Debug for Fields {
    /// Names only: a value may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
