//! The grammar of header values: tokens, comma lists, extension lists. Linear in the value, no recursion.

use alloc::borrow::Cow;

/// A value does not follow the grammar of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The whole of `bytes` as a token, which is never empty.
pub(crate) fn token(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() || !bytes.iter().copied().all(is_token_byte) {
        return None;
    }
    core::str::from_utf8(bytes).ok()
}

/// `bytes` without the spaces and tabs around it.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// The value of a header that may be sent once only, trimmed.
///
/// # Errors
/// [`Malformed`] if there are several.
pub(crate) fn single<'h>(mut values: impl Iterator<Item = &'h [u8]>) -> Result<Option<&'h [u8]>, Malformed> {
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(trim)),
        _ => Err(Malformed),
    }
}

/// The elements of a comma list that may be spread over several lines, trimmed.
///
/// "A recipient MUST parse and ignore a reasonable number of empty list elements" (RFC 9110 §5.6.1.2): all of
/// them, since the head is bounded and an empty element costs no more than its comma.
pub(crate) fn elements<'h>(values: impl Iterator<Item = &'h [u8]>) -> impl Iterator<Item = &'h [u8]> {
    values.flat_map(|value| value.split(|&byte| byte == b',')).map(trim).filter(|element| !element.is_empty())
}

/// Whether a list of tokens holds `wanted`, in either case.
///
/// # Errors
/// [`Malformed`] if an element is no token.
pub(crate) fn has_token<'h>(values: impl Iterator<Item = &'h [u8]>, wanted: &str) -> Result<bool, Malformed> {
    elements(values).try_fold(false, |found, element| {
        Ok(token(element).ok_or(Malformed)?.eq_ignore_ascii_case(wanted) || found)
    })
}

/// One element of `Sec-WebSocket-Extensions`, its grammar already checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'h> {
    pub(crate) name: &'h str,
    parameters: &'h [u8],
}

impl<'h> Extension<'h> {
    /// The parameters in order, values unquoted.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'h str, Option<Cow<'h, str>>)> + use<'h> {
        let mut cursor = Cursor(self.parameters);
        core::iter::from_fn(move || if cursor.eat(b';') { cursor.parameter().ok() } else { None })
    }
}

/// The extensions of all values, in order, as `values` and RFC 6455 §9.1 have it:
///
/// ```text
/// extension-list  = 1#extension
/// extension       = extension-token *( ";" extension-param )
/// extension-param = token [ "=" (token | quoted-string) ]
/// ```
///
/// Spaces and tabs may stand between any two of these (the implied LWS of RFC 2616 §2.1, by which RFC 6455 is
/// written). After [`Malformed`] nothing more comes.
pub(crate) fn extensions<'h>(
    values: impl Iterator<Item = &'h [u8]>,
) -> impl Iterator<Item = Result<Extension<'h>, Malformed>> {
    let mut values = values.fuse();
    let mut cursor = Cursor(b"");
    let mut failed = false;
    core::iter::from_fn(move || {
        while !failed {
            if cursor.eat(b',') {
                continue;
            }
            if cursor.at_end() {
                cursor = Cursor(values.next()?);
                continue;
            }
            let extension = cursor.extension();
            failed = extension.is_err();
            return Some(extension);
        }
        None
    })
}

/// What is left of a header value.
struct Cursor<'h>(&'h [u8]);

impl<'h> Cursor<'h> {
    /// Skips white space; whether nothing else was left.
    fn at_end(&mut self) -> bool {
        self.0 = trim_start(self.0);
        self.0.is_empty()
    }

    /// Skips white space and, if it comes next, `wanted`.
    fn eat(&mut self, wanted: u8) -> bool {
        self.0 = trim_start(self.0);
        match self.0 {
            [byte, rest @ ..] if *byte == wanted => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn token(&mut self) -> Result<&'h str, Malformed> {
        self.0 = trim_start(self.0);
        let len = self.0.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (word, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        token(word).ok_or(Malformed)
    }

    fn extension(&mut self) -> Result<Extension<'h>, Malformed> {
        let name = self.token()?;
        let parameters = self.0;
        while self.eat(b';') {
            self.parameter()?;
        }
        let end = parameters.len().checked_sub(self.0.len()).ok_or(Malformed)?;
        if !self.at_end() && !self.eat(b',') {
            return Err(Malformed);
        }
        Ok(Extension { name, parameters: parameters.get(..end).ok_or(Malformed)? })
    }

    fn parameter(&mut self) -> Result<(&'h str, Option<Cow<'h, str>>), Malformed> {
        let name = self.token()?;
        if !self.eat(b'=') {
            return Ok((name, None));
        }
        let value = if self.eat(b'"') { self.quoted()? } else { Cow::Borrowed(self.token()?) };
        Ok((name, Some(value)))
    }

    /// The rest of a quoted string, its first quote already eaten.
    ///
    /// "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to
    /// the 'token' ABNF" (RFC 6455 §9.1). A token has no backslash, so every backslash here is an escape.
    fn quoted(&mut self) -> Result<Cow<'h, str>, Malformed> {
        let quoted = self.0;
        let mut escaped = false;
        for (len, &byte) in quoted.iter().enumerate() {
            match byte {
                b'"' if !escaped => {
                    let (word, rest) = quoted.split_at_checked(len).ok_or(Malformed)?;
                    self.0 = rest.get(1..).ok_or(Malformed)?;
                    return match core::str::from_utf8(word) {
                        Ok("") | Err(_) => Err(Malformed),
                        Ok(word) => Ok(Cow::Owned(word.replace('\\', ""))),
                    };
                }
                b'\\' if !escaped => escaped = true,
                byte if is_token_byte(byte) => escaped = false,
                _ => return Err(Malformed),
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    type Parsed<'a> = Vec<(&'a str, Vec<(&'a str, Option<Cow<'a, str>>)>)>;

    fn parse<'a>(values: &[&'a str]) -> Result<Parsed<'a>, Malformed> {
        extensions(values.iter().map(|value| value.as_bytes()))
            .map(|extension| extension.map(|e| (e.name, e.parameters().collect())))
            .collect()
    }

    #[test]
    fn extension_lists_join_lines_and_skip_empty_elements() {
        assert_eq!(
            parse(&[" , a;b ; c = d,, e", "", "\tf;g=\"h\""]).unwrap(),
            [
                ("a", Vec::from([("b", None), ("c", Some("d".into()))])),
                ("e", Vec::new()),
                ("f", Vec::from([("g", Some("h".into()))])),
            ]
        );
        assert_eq!(parse(&[]).unwrap(), []);
        assert_eq!(parse(&[",", " ", ""]).unwrap(), []);
    }

    #[test]
    fn quoted_values_are_tokens_once_unquoted() {
        assert_eq!(parse(&[r#"a;b="\1\5""#]).unwrap()[0].1[0].1.as_deref(), Some("15"));
        for bad in [
            r#"a;b="""#,
            r#"a;b="x y""#,
            r#"a;b="x"#,
            r#"a;b="x\""#,
            r#"a;b="\\""#,
            r#"a;b="\\x""#,
            r#"a;b="\"""#,
            "a;b=\"é\"",
        ] {
            assert_eq!(parse(&[bad]), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn malformed_extensions() {
        for bad in [
            "a b",
            "a;",
            "a;;b",
            ";a",
            "a;=b",
            "a;b=",
            "a=b",
            "a;b=c d",
            "a;b=\"c\"d",
            "a/b",
            "\u{7f}",
            "a;b=,c",
        ] {
            assert_eq!(parse(&[bad]), Err(Malformed), "{bad}");
        }
        // A quoted string does not go on in the next line, and nothing is parsed behind a fault.
        assert_eq!(parse(&["a;b=\"c", "d\""]), Err(Malformed));
        let mut list = extensions([&b"a b, c"[..]].into_iter());
        assert!(list.next().unwrap().is_err() && list.next().is_none());
    }

    #[test]
    fn token_lists() {
        let has = |value: &'static str| has_token([value.as_bytes()].into_iter(), "upgrade");
        for yes in ["upgrade", "Upgrade", "keep-alive, UPGRADE", ",,\tupgrade ,", "upgrade,x"] {
            assert_eq!(has(yes), Ok(true), "{yes}");
        }
        for no in ["", ",", "notupgrade", "upgrade-x", "upgrad", "keep-alive"] {
            assert_eq!(has(no), Ok(false), "{no}");
        }
        for bad in ["upgrade;q=1", "up grade", "upgrade, \"x\"", "upgrade, é"] {
            assert_eq!(has(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn singles_are_trimmed_of_spaces_and_tabs_only() {
        assert_eq!(single([&b" \tx y\t "[..]].into_iter()), Ok(Some(&b"x y"[..])));
        assert_eq!(single([&b"x\n"[..]].into_iter()), Ok(Some(&b"x\n"[..])));
        assert_eq!(single([].into_iter()), Ok(None));
        assert_eq!(single([&b"x"[..], b"x"].into_iter()), Err(Malformed));
    }
}
