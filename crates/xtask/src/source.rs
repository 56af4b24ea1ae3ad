//! Rust source files and their words, without comments and literals.
//!
//! The checks that read source look for a few keywords. To take them from text as it stands would also find them
//! in comments and strings, so this is a lexer, though one that tells only words from single punctuation marks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Result};

/// A word or a punctuation mark, and the line it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'s> {
    pub(crate) text: &'s str,
    pub(crate) line: usize,
}

/// The `.rs` files below `directory`, in order of their paths. A directory that is not there has none.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop().filter(|_| directory.is_dir()) {
        let reading = || format!("cannot read {}", directory.display());
        for entry in fs::read_dir(&directory).doing(reading)? {
            let path = entry.doing(reading)?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The directories of that name in each crate of `crates/`.
pub(crate) fn in_crates(crates: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let reading = || format!("cannot read {}", crates.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(crates).doing(reading)? {
        found.push(entry.doing(reading)?.path().join(name));
    }
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}

/// The text of every source file of the crates in `crates/`, tests among them.
pub(crate) fn of_crates(crates: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for directory in [in_crates(crates, "tests")?, in_crates(crates, "src")?].concat() {
        for path in files(&directory)? {
            let text = fs::read_to_string(&path).doing(|| format!("cannot read {}", path.display()))?;
            found.push((path, text));
        }
    }
    Ok(found)
}

/// The names of test functions. Ignored tests are left out: nothing runs them.
pub(crate) fn tests<'s>(tokens: &[Token<'s>]) -> Vec<Token<'s>> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    let mut at = 0;
    while at < tokens.len() {
        match (tokens[at].text, tokens.get(at + 1)) {
            ("#", Some(next)) if next.text == "[" => {
                let (path, end) = attribute(tokens, at + 2);
                is_test |= path == Some("test");
                is_ignored |= path == Some("ignore");
                at = end;
                continue;
            }
            ("fn", Some(next)) => {
                if is_test && !is_ignored {
                    found.push(*next);
                }
                (is_test, is_ignored) = (false, false);
            }
            // The end of an item: attributes seen before it were not for the next one.
            ("{" | "}" | ";", _) => (is_test, is_ignored) = (false, false),
            _ => {}
        }
        at += 1;
    }
    found
}

/// The last segment of an attribute's path (`test` of `#[tokio::test]`), and where the attribute ends.
fn attribute<'s>(tokens: &[Token<'s>], start: usize) -> (Option<&'s str>, usize) {
    let is_path = |token: &&Token<'_>| token.text == ":" || !is_mark(token.text);
    let path = tokens[start..].iter().take_while(is_path).last().map(|token| token.text);
    let mut depth = 1;
    let mut end = start;
    while end < tokens.len() && depth > 0 {
        depth += match tokens[end].text {
            "[" => 1,
            "]" => -1,
            _ => 0,
        };
        end += 1;
    }
    (path, end)
}

fn is_mark(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_punctuation() && c != '_')
}

/// The words and punctuation marks of Rust source. Literals and lifetimes are left out.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let word = word(rest);
            let text = if word.is_empty() { &rest[..first.len_utf8()] } else { word };
            if !first.is_whitespace() && !first.is_ascii_digit() {
                tokens.push(Token { text, line });
            }
            text.len()
        });
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The identifier, keyword or number `text` starts with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

/// How long the comment, literal or lifetime is that `text` starts with.
fn skipped(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    if text.starts_with('"') {
        return Some(quoted(text, 1, '"'));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let mut after = rest.chars();
        let (second, third) = (after.next()?, after.next());
        let literal = second == '\\' || third == Some('\'');
        return Some(if literal { quoted(text, 1, '\'') } else { 1 + word(rest).len() });
    }
    // A prefixed literal: b"", c"", r"", r#""#, br#""#, b''. An identifier may be raw as well: r#type.
    let prefix = word(text);
    let rest = &text[prefix.len()..];
    match prefix {
        "r" | "br" | "cr" => {
            let hashes = rest.len() - rest.trim_start_matches('#').len();
            let body = rest[hashes..].strip_prefix('"')?;
            let close = format!("\"{}", "#".repeat(hashes));
            let end = body.find(&close).map_or(body.len(), |at| at + close.len());
            Some(text.len() - body.len() + end)
        }
        "b" | "c" if rest.starts_with('"') => Some(quoted(text, 2, '"')),
        "b" if rest.starts_with('\'') => Some(quoted(text, 2, '\'')),
        _ => None,
    }
}

/// The length of a literal whose content starts at `start` and ends with `quote`, unless that is escaped.
fn quoted(text: &str, start: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        if !escaped && c == quote {
            return start + at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let step = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(words("a // b\n/* c /* d */ e */ f /// g"), ["a", "f"]);
        assert_eq!(words("a /* never closed"), ["a"]);
    }

    #[test]
    fn literals_are_left_out() {
        assert_eq!(
            words(r##"a("b \" c", 'd', b'\'', b"e", r"f\", r#"g " h"#, 1_000, 0xff) i"##).join(""),
            "a(,,,,,,,)i"
        );
        assert_eq!(words("c\"x\" br#\"y\"# \"never closed"), Vec::<&str>::new());
        assert_eq!(words("'é' '\\u{1F600}' a"), ["a"]);
    }

    #[test]
    fn lifetimes_are_not_characters() {
        assert_eq!(words("fn f<'a>(x: &'a str) {}").join(" "), "fn f < > ( x : & str ) { }");
        assert_eq!(words("'outer: loop {}"), [":", "loop", "{", "}"]);
    }

    #[test]
    fn raw_identifiers_are_words() {
        assert_eq!(words("r#type b c r"), ["r", "#", "type", "b", "c", "r"]);
    }

    #[test]
    fn lines_are_counted() {
        let found = tokens("a\n/* \n */ b \"\n\" c");
        assert_eq!(found.iter().map(|token| token.line).collect::<Vec<_>>(), [1, 3, 4]);
    }
}
