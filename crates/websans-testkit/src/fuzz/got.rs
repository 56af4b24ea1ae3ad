//! [`Got`]: a message as it was read, with or without gaps.

use websans::Kind;
use websans::text::Utf8;

/// What was read of a message.
#[derive(Debug)]
pub(super) struct Got {
    kind: Kind,
    /// Its beginning, up to where something was skipped.
    beginning: Vec<u8>,
    /// What was read since something was skipped, if so.
    rest: Option<Vec<u8>>,
    /// The end was among what was read.
    ended: bool,
    text: Utf8,
}

impl Got {
    /// Its beginning is read next.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, beginning: Vec::new(), rest: None, ended: false, text: Utf8::new() }
    }

    pub(super) fn whole(kind: Kind, payload: &[u8]) -> Self {
        let mut got = Self::new(kind);
        got.push(kind, payload, true);
        got
    }

    pub(super) fn push(&mut self, kind: Kind, payload: &[u8], last: bool) {
        assert_eq!(kind, self.kind, "a message is of one kind");
        assert!(!self.ended, "it goes on behind its end");
        self.ended = last;
        if let Some(rest) = &mut self.rest {
            return rest.extend_from_slice(payload);
        }
        self.beginning.extend_from_slice(payload);
        if kind == Kind::Text {
            let checked = self.text.push(payload).is_ok() && (!last || self.text.is_complete());
            assert!(checked, "text that was not checked");
        }
    }

    /// Some of it is skipped, perhaps nothing.
    pub(super) fn skip(&mut self) {
        self.rest = Some(Vec::new());
    }

    pub(super) fn has_gap(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether it is this message, of which it may have missed something.
    pub(super) fn hold(&self, kind: Kind, payload: &[u8]) {
        self.hold_beginning(kind, payload);
        match &self.rest {
            None => assert!(self.beginning == payload, "another message: {self:02x?} for {payload:02x?}"),
            Some(rest) if self.ended => assert!(payload.ends_with(rest), "another end"),
            Some(_) => {}
        }
    }

    /// Whether it begins as this message does.
    pub(super) fn hold_beginning(&self, kind: Kind, payload: &[u8]) {
        assert_eq!(self.kind, kind);
        assert!(payload.starts_with(&self.beginning), "another message: {self:02x?} for {payload:02x?}");
    }
}
