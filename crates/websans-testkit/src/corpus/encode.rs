//! What the bytes of a scenario are: placeholders, hexadecimal, frames.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

use super::scenario::{self, Bytes, Role};
use crate::wire::{Form, Frame};

/// The key of the runner's requests: the one of RFC 6455 §1.3.
pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What the placeholders stand for.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) host: String,
    pub(super) path: String,
    /// The client's key, whoever the client is.
    pub(super) key: String,
}

impl Names {
    /// `{host}`, `{path}`, `{key}` and `{accept}`, filled in.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{host}", &self.host)
            .replace("{path}", &self.path)
            .replace("{key}", &self.key)
            .replace("{accept}", &accept(&self.key))
    }
}

/// The value of `Sec-WebSocket-Accept` (RFC 6455 §4.2.2).
pub(super) fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::from(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")).digest().bytes())
}

/// Whether it is what a client may send as its key: 16 bytes in base64.
pub(super) fn is_key(value: &str) -> bool {
    STANDARD.decode(value).is_ok_and(|nonce| nonce.len() == 16)
}

/// Writes bytes as a peer of `role` does; keys are counted up from `key`.
pub(super) fn encode(bytes: &[Bytes], role: Role, names: &Names, key: &mut u32, out: &mut Vec<u8>) {
    for bytes in bytes {
        match bytes {
            Bytes::Http(lines) => {
                for line in lines {
                    out.extend_from_slice(names.fill(line).as_bytes());
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"\r\n");
            }
            Bytes::Text(text) => out.extend_from_slice(names.fill(text).as_bytes()),
            Bytes::Hex(digits) => out.extend_from_slice(&hex(digits)),
            Bytes::Frame(given) => {
                let mut frame = frame(given);
                frame.key = match given.mask.as_deref() {
                    Some("none") => None,
                    Some(digits) => Some(hex(digits).try_into().expect("a key of four bytes")),
                    None => next_key(role, key),
                };
                frame.write(out);
            }
            Bytes::Order(order) => {
                let mut frame = Frame::text(format!("app:{order}"));
                frame.key = next_key(role, key);
                frame.write(out);
            }
            Bytes::Repeat(repeat) => {
                for _ in 0..repeat.times {
                    encode(&repeat.bytes, role, names, key, out);
                }
            }
        }
    }
}

/// A Pong, as a peer of `role` sends it.
pub(super) fn pong(payload: Vec<u8>, role: Role, key: &mut u32) -> Vec<u8> {
    let mut pong = Frame::pong(payload);
    pong.key = next_key(role, key);
    pong.to_bytes()
}

fn next_key(role: Role, key: &mut u32) -> Option<[u8; 4]> {
    *key = key.wrapping_add(0x9E37_79B1);
    (role == Role::Server).then(|| key.to_be_bytes())
}

/// A frame as it stands in a scenario, without its key.
pub(super) fn frame(given: &scenario::Frame) -> Frame {
    let mut frame = Frame::new(given.op.number(), payload(given));
    frame.fin = given.fin;
    frame.rsv = given.rsv;
    frame.declared = given.length;
    frame.form = match given.form {
        scenario::Form::Minimal => Form::Minimal,
        scenario::Form::Two => Form::Two,
        scenario::Form::Eight => Form::Eight,
    };
    frame
}

fn payload(frame: &scenario::Frame) -> Vec<u8> {
    let mut payload = frame.code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
    payload.extend(frame.reason.iter().chain(&frame.text).flat_map(|text| text.bytes()));
    payload.extend(frame.hex.iter().flat_map(|digits| hex(digits)));
    payload.extend(frame.fill.map(|len| vec![b'x'; len]).unwrap_or_default());
    payload
}

/// Bytes from hexadecimal digits and blanks.
///
/// # Panics
/// If it is anything else: the tests of the files see to it that it is not.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits
        .chars()
        .filter(|digit| *digit != ' ')
        .map(|digit| digit.to_digit(16).expect("a hexadecimal digit"))
        .collect();
    assert!(digits.len() % 2 == 0, "two digits are a byte");
    digits.chunks(2).filter_map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect()
}
