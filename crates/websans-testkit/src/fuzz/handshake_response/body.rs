//! [`read`]: the body of a response (RFC 9112 §6 and §7), all of it at once.

use core::str;

use crate::fuzz::head::{Head, find};

/// The body of the response with this head, of which `bytes` have come behind it and at most `most` are kept. Whether it
/// is whole; `None` if only the end of the transport tells.
pub(super) fn read(head: &Head<'_>, bytes: &[u8], most: usize) -> (Vec<u8>, Option<bool>) {
    if matches!(head.first[1], b"204" | b"304") {
        return (Vec::new(), Some(true));
    }
    if let Some(coding) = head.list("transfer-encoding").last() {
        if coding.eq_ignore_ascii_case(b"chunked") {
            let mut body = Vec::new();
            let whole = chunks(bytes, &mut body).is_some();
            return cut(&body, most, Some(whole));
        }
        return cut(bytes, most, None);
    }
    let digits = head.only("content-length").and_then(|value| str::from_utf8(value).ok());
    let digits = digits.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u64>().ok()) {
        Some(len) => {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            cut(&bytes[..len.min(bytes.len())], most, Some(bytes.len() >= len))
        }
        None => cut(bytes, most, None),
    }
}

/// What is too long is not whole.
fn cut(body: &[u8], most: usize, whole: Option<bool>) -> (Vec<u8>, Option<bool>) {
    if body.len() > most { (body[..most].to_vec(), Some(false)) } else { (body.to_vec(), whole) }
}

/// Joins chunks, up to a fault or the end of what has come. `Some`: the body is whole.
fn chunks(mut bytes: &[u8], body: &mut Vec<u8>) -> Option<()> {
    loop {
        let line = line(&mut bytes)?;
        // What follows the size has no meaning here.
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extensions) = line.split_at(digits);
        if size.is_empty()
            || size.len() > 16
            || extensions.first().is_some_and(|byte| !b"; \t".contains(byte))
        {
            return None;
        }
        let size = usize::from_str_radix(str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(&bytes[..size.min(bytes.len())]);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
    }
    while !line(&mut bytes)?.is_empty() {}
    Some(())
}

/// The next line without its end. `None`: it has none, or a control character.
fn line<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (line, rest) = bytes.split_at(find(bytes, b"\r\n")?);
    *bytes = &rest[2..];
    line.iter().all(|&byte| byte >= b' ' || byte == b'\t').then_some(line)
}
