//! [`Utf8`]: a streaming UTF-8 check ([RFC 6455 §8.1]).
//!
//! A byte of UTF-8 can be judged by the three before it, so those are the whole state: the check carries on
//! across reads and fragments and fails at the first byte that no text can contain, and its inner loop
//! has no branch and no table, which lets the compiler make vector code of it.
//!
//! [RFC 6455 §8.1]: https://www.rfc-editor.org/rfc/rfc6455#section-8.1

use core::fmt;

/// The state of a check: the last three bytes.
///
/// ```
/// use websans::text::Utf8;
///
/// let mut check = Utf8::new();
/// check.push(&[0xE2, 0x82]).unwrap();
/// assert!(!check.is_complete());
/// check.push(&[0xAC]).unwrap(); // €
/// assert!(check.is_complete());
/// assert!(check.push(&[0xC0]).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    last: [u8; 3], // oldest first; ASCII where nothing came yet
}

/// The bytes are no part of any UTF-8 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "says all there is to say")]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is not UTF-8")
    }
}

impl core::error::Error for InvalidUtf8 {}

impl Utf8 {
    /// A check at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: [0; 3] }
    }

    /// Whether the bytes so far end with a whole character.
    #[must_use]
    #[inline]
    pub const fn is_complete(&self) -> bool {
        let [p3, p2, p1] = self.last;
        p1 < 0xC0 && p2 < 0xE0 && p3 < 0xF0
    }

    /// Checks the next bytes. They may end within a character.
    ///
    /// # Errors
    /// At the first byte that cannot continue the text. The state is then of no further use.
    #[inline]
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), InvalidUtf8> {
        if self.is_complete() && chunk.is_ascii() {
            self.last = [0; 3];
            return Ok(());
        }
        self.push_any(chunk)
    }

    fn push_any(&mut self, chunk: &[u8]) -> Result<(), InvalidUtf8> {
        let mut bad = false;
        let [mut p3, mut p2, mut p1] = self.last;
        for &byte in chunk.iter().take(3) {
            bad |= is_wrong(p3, p2, p1, byte);
            (p3, p2, p1) = (p2, p1, byte);
        }
        // All further bytes have their three predecessors in the chunk: four views of it, each one on.
        if let (Some(one), Some(two), Some(three)) = (chunk.get(1..), chunk.get(2..), chunk.get(3..)) {
            let mut wrong = 0u8;
            for (((&p3, &p2), &p1), &byte) in chunk.iter().zip(one).zip(two).zip(three) {
                wrong |= u8::from(is_wrong(p3, p2, p1, byte));
            }
            bad |= wrong != 0;
            if let Some(&last) = chunk.last_chunk() {
                [p3, p2, p1] = last;
            }
        }
        self.last = [p3, p2, p1];
        if bad { Err(InvalidUtf8) } else { Ok(()) }
    }
}

/// Whether `byte` is wrong after `p1`, before which came `p2` and `p3`, if those were right
/// ([RFC 3629 §4](https://www.rfc-editor.org/rfc/rfc3629#section-4)).
#[inline]
const fn is_wrong(p3: u8, p2: u8, p1: u8, byte: u8) -> bool {
    let is_continuation = byte & 0xC0 == 0x80;
    let wants_continuation = (p1 >= 0xC0) | (p2 >= 0xE0) | (p3 >= 0xF0);
    let overlong = (p1 == 0xE0) & (byte < 0xA0) | (p1 == 0xF0) & (byte < 0x90);
    let surrogate = (p1 == 0xED) & (byte >= 0xA0);
    let too_high = (p1 == 0xF4) & (byte >= 0x90);
    let never = (byte == 0xC0) | (byte == 0xC1) | (byte >= 0xF5);
    (is_continuation != wants_continuation) | overlong | surrogate | too_high | never
}

/// Bytes that a [`Utf8`] has been through, from the beginning of a text to a complete end, as a `str`.
///
/// Only for the [`Inbox`](crate::Inbox), which forgets a message before any of its bytes may change.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn checked(bytes: &[u8]) -> &str {
    debug_assert!(core::str::from_utf8(bytes).is_ok());
    // SAFETY: the caller passes just the bytes that were checked; the property tests hold `Utf8` to `std`'s verdict.
    unsafe { core::str::from_utf8_unchecked(bytes) }
}
