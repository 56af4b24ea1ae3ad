//! [`utf8`]: the streaming check of text, against the standard library's.

use core::str;

use websans::text::Utf8;

use super::input::Input;

/// Checks a text whole, byte by byte, and cut in some other way.
///
/// The first byte says how it is cut, the rest is the text.
///
/// # Panics
/// If the check fails at another byte than the first that no text can have in its place, or does not tell whether the
/// bytes so far end with a whole character.
pub fn utf8(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = usize::from(input.byte());
    let text = input.rest();
    let wanted = Wanted::of(text);
    wanted.hold(text, text.len().max(1), 0);
    wanted.hold(text, 1, 0);
    wanted.hold(text, 1 + cut % 16, cut / 16);
}

/// What is to be said of a text.
struct Wanted<'t> {
    /// The whole characters at its beginning.
    characters: &'t str,
    /// The byte that cannot stand where it stands.
    fault: Option<usize>,
}

impl<'t> Wanted<'t> {
    fn of(text: &'t [u8]) -> Self {
        let Err(error) = str::from_utf8(text) else {
            return Self { characters: str::from_utf8(text).unwrap_or_default(), fault: None };
        };
        let (good, bad) = text.split_at(error.valid_up_to());
        // "The length of an invalid byte sequence" is that of the bytes that might have begun a character, or one.
        let fault = error.error_len().map(|len| {
            let begins = str::from_utf8(&bad[..len]).is_err_and(|error| error.error_len().is_none());
            good.len() + if begins { len } else { 0 }
        });
        Self { characters: str::from_utf8(good).expect("it is valid up to there"), fault }
    }

    /// Pushes the text in pieces of `piece` bytes, after a first one of `first` bytes if that is not 0.
    fn hold(&self, text: &[u8], piece: usize, first: usize) {
        let mut check = Utf8::new();
        let (first, rest) = text.split_at(first.min(text.len()));
        let mut end = 0;
        for piece in core::iter::once(first).chain(rest.chunks(piece)) {
            end += piece.len();
            let verdict = check.push(piece);
            let failed = self.fault.is_some_and(|fault| fault < end);
            assert_eq!(verdict.is_err(), failed, "after {end} bytes, fault {:?}", self.fault);
            if failed {
                return;
            }
            let whole = end <= self.characters.len() && self.characters.is_char_boundary(end);
            assert_eq!(check.is_complete(), whole, "after {end} bytes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "after 3 bytes, fault None")]
    fn a_missed_fault_is_found() {
        Wanted { characters: "abc", fault: None }.hold(b"ab\xFF", 1, 0);
    }

    #[test]
    #[should_panic(expected = "after 2 bytes")]
    fn half_a_character_is_not_a_whole_one() {
        Wanted { characters: "ab", fault: None }.hold("aß".as_bytes(), 1, 0);
    }
}
