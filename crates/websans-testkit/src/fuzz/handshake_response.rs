//! [`handshake_response`]: any bytes as what a server answers to a client's handshake.

mod body;

use std::sync::LazyLock;

use websans::deflate;
use websans::handshake::HandshakeError;
use websans::handshake::client::{Answer, Connector, Refusal, Request};
use websans::{Config, Timestamp};

use crate::stored;

use super::deflate_params::agree;
use super::deflate_params::terms::{Terms, elements};
use super::head::{Head, Limits};
use super::input::Input;

const NOW: Timestamp = Timestamp::from_nanos(0);

/// Longest response.
const LONGEST: usize = 20_000;

/// The nonce of RFC 6455 §1.3, and what it is answered with.
const NONCE: [u8; 16] = *b"the sample nonce";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What the client speaks, if it says so.
const PROTOCOLS: [&str; 2] = ["chat", "superchat"];

/// What responses are made of, and how they are attacked.
const WORDS: [&str; 60] = [
    "HTTP/1.1 101 Switching Protocols\r\n",
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
    "\r\n",
    "Sec-WebSocket-Protocol: chat\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 301 Moved\r\nLocation: ws://b/\r\n",
    "HTTP/1.1 401 \r\nWWW-Authenticate: Basic\r\n",
    "HTTP/1.1 503\r\n",
    "HTTP/1.1 204 x\r\n",
    "HTTP/1.0 101 x\r\n",
    "HTTP/1.0 404 x\r\n",
    "HTTP/1.1 ",
    "HTTP/2.0 101 x\r\n",
    "HTTP/1.1 099 x\r\n",
    "HTTP/1.1 999 x\r\n",
    "Content-Length: ",
    "Content-Length: 5\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "ffffffffffffffff\r\n",
    "00000000000000005\r\n",
    "5;a=b\r\nhello\r\n",
    "5 \r\n",
    "hello",
    "Upgrade: ",
    "Connection: ",
    "Sec-WebSocket-Accept: ",
    "Sec-WebSocket-Protocol: ",
    "Sec-WebSocket-Extensions: ",
    "permessage-deflate",
    "; server_no_context_takeover",
    "; client_max_window_bits=8",
    "; client_max_window_bits=10",
    "; server_max_window_bits=10",
    "; x",
    "superchat",
    "chat, superchat",
    "WebSocket, h2c",
    "keep-alive, ",
    "\r",
    "\n",
    "\r\n ",
    "\0",
    "\u{e9}",
    "\t",
    ", ",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n",
    "A: b\r\n",
    "\u{81}\u{2}hi",
];

/// The requests that are answered: with everything that can be offered, and with nothing.
static REQUESTS: LazyLock<[Request; 2]> = LazyLock::new(|| {
    let plain = Request::new("ws://a/", NONCE).expect("a URL");
    let protocols = PROTOCOLS.iter().fold(plain.clone(), |request, protocol| {
        request.protocol(protocol).expect("a token, and another each time")
    });
    let all = protocols.deflate(stored::extension(deflate::Config::default())).expect("valid settings");
    [all, plain]
});

/// Gives a client a response, whole and in pieces.
///
/// The first byte is the limits, the next how the rest is cut and ended and whether it is text or words of it, the third
/// what the client offers.
///
/// # Panics
/// If a split changes anything, if the connection is open without the conditions of RFC 6455 §4.1 or is not though they
/// hold, if a refusal is not told as it came, if bytes behind the head are lost, or if there is room for more than has come.
pub fn handshake_response(data: &[u8]) {
    let mut input = Input::new(data);
    let (limits, how, offers) = (input.byte(), input.byte(), input.byte() & 1 == 0);
    let mut config = Config::default();
    config.max_head = [16 << 10, 0, 1, 64, 150, 160, 1024, 1025][usize::from(limits & 7)];
    config.max_headers = [64, 0, 1, 3, 4, 5, 6, usize::MAX][usize::from(limits >> 3 & 7)];
    config.max_refusal_body = [64 << 10, 0, 1, 10][usize::from(limits >> 6 & 3)];
    let words = how & 1 == 0;
    let bytes = if words { input.spell(&WORDS, LONGEST) } else { input.take(LONGEST).to_vec() };
    let ends = how & 2 == 0;
    let piece = [1, 2, 3, 7, 50, 100, 1000, 1023][usize::from(how >> 2 & 7)];

    let told = connect(&config, offers, &bytes, usize::MAX, ends);
    let again = connect(&config, offers, &bytes, piece, ends);
    assert_eq!(again, told, "in pieces of {piece} bytes");
    hold(&config, offers, &bytes, ends, &told);
}

/// What a client makes of a response.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Open {
        protocol: Option<String>,
        deflate: Option<deflate::Parameters>,
        /// What came behind the response.
        rest: Vec<u8>,
    },
    Refused(Refusal),
    Failed(HandshakeError),
}

fn connect(config: &Config, offers: bool, bytes: &[u8], piece: usize, ends: bool) -> Told {
    let request = REQUESTS[usize::from(!offers)].clone();
    let mut connector = Connector::new(request, config, NOW);
    let mut at = 0;
    let mut now = NOW;
    let mut over = false;
    let answer = loop {
        match connector.poll(now) {
            Ok(Some(answer)) => break answer,
            Ok(None) => {}
            Err(error) => {
                assert_eq!(connector.poll(now).err(), Some(error), "the same again");
                return Told::Failed(error);
            }
        }
        assert!(!over, "there is nothing more to wait for");
        let spare = connector.spare_mut();
        assert!(!spare.is_empty(), "it waits and does not read");
        assert!(spare.len() <= at.max(2048), "room for more than has come");
        let n = spare.len().min(bytes.len() - at).min(piece);
        spare[..n].copy_from_slice(&bytes[at..at + n]);
        connector.filled(n);
        at += n;
        over = n == 0;
        if over && ends {
            connector.eof();
        } else if over {
            now = connector.deadline();
        }
    };
    assert!(matches!(connector.poll(now), Ok(None)), "an answer is told once");
    assert!(connector.spare_mut().is_empty(), "it reads on");
    let rest = connector.into_rest();
    match answer {
        Answer::Open(negotiated) => {
            assert_eq!(negotiated.codec.is_some(), negotiated.deflate.is_some());
            let (protocol, deflate) = (negotiated.protocol, negotiated.deflate);
            Told::Open { protocol, deflate, rest: [&rest, &bytes[at..]].concat() }
        }
        Answer::Refused(refusal) => {
            assert!(rest.is_empty(), "what follows a refusal is nobody's");
            Told::Refused(refusal)
        }
        other => panic!("{other:?}"),
    }
}

/// Holds what a client makes of a response to what RFC 6455 says of it.
fn hold(config: &Config, offers: bool, bytes: &[u8], ends: bool, told: &Told) {
    let head = last_head(config, bytes);
    let status = head.as_ref().map(|(_, head)| head.first[1]);
    let opens = head.as_ref().and_then(|(_, head)| opens(head, offers));
    match (told, opens) {
        (Told::Open { protocol, deflate, rest }, Some(agreed)) => {
            assert_eq!((protocol.as_deref(), *deflate), agreed, "what is agreed on");
            let behind = head.map_or(0, |(at, head)| at + head.len);
            assert!(*rest == bytes[behind..], "bytes behind the head are lost, or others come");
        }
        (Told::Open { .. }, None) => panic!("it opens a connection that the server does not"),
        (told, Some(_)) => panic!("it does not take what it should: {told:?}"),
        (Told::Refused(refusal), None) => {
            let Some((at, head)) = head else { panic!("a refusal without a response: {refusal:?}") };
            let status = refusal.status.to_string();
            assert!(status.as_bytes() == head.first[1] && refusal.status >= 200, "the status {status}");
            let reason = if head.first[2].is_ascii() { head.first[2] } else { b"" };
            assert_eq!(refusal.reason.as_bytes(), reason);
            for (name, value) in &refusal.headers {
                assert!(head.values(name).contains(&&value[..]), "a header that was not sent: {name}");
            }
            assert_eq!(refusal.headers.len(), head.lines());
            let (body, whole) = body::read(&head, &bytes[at + head.len..], config.max_refusal_body);
            assert_eq!(refusal.body, body, "the body");
            assert_eq!(refusal.complete, whole.unwrap_or(ends), "whether the body is whole");
        }
        (Told::Failed(error), None) => {
            // What is no 101, but a response, is for the caller to look at.
            let final_one = status.is_some_and(|status| status >= &b"200"[..]);
            assert!(!final_one, "{error:?} hides a response");
        }
    }
}

/// The first head that is not an interim one, and where it begins.
fn last_head<'b>(config: &Config, bytes: &'b [u8]) -> Option<(usize, Head<'b>)> {
    let mut at = 0;
    let mut lines = config.max_headers;
    loop {
        let head = Head::read(&bytes[at..], Limits { bytes: config.max_head - at, lines }, false)?;
        if !matches!(head.first[1], [b'1', ..]) || head.first[1] == b"101" {
            return Some((at, head)).filter(|(_, head)| head.first[1] >= &b"100"[..]);
        }
        at += head.len;
        lines -= head.lines();
    }
}

/// The client's conditions (RFC 6455 §4.1): what is agreed on, if the connection is open.
fn opens(head: &Head<'_>, offers: bool) -> Option<(Option<&'static str>, Option<deflate::Parameters>)> {
    let good = head.first[..2] == [&b"HTTP/1.1"[..], b"101"]
        && head.only("upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && head.connects()
        && head.only("sec-websocket-accept") == Some(ACCEPT);
    let protocol = match head.values("sec-websocket-protocol")[..] {
        [] => None,
        [value] if offers => Some(*PROTOCOLS.iter().find(|protocol| protocol.as_bytes() == value)?),
        _ => return None,
    };
    let deflate = match head.values("sec-websocket-extensions")[..] {
        [] => None,
        [value] if offers => match &elements(&[value])?[..] {
            [element] if element.name == "permessage-deflate" => {
                Some(agree(&Terms::of(element)?, &deflate::Config::default())?)
            }
            _ => return None,
        },
        _ => return None,
    };
    good.then_some((protocol, deflate))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi";
    const REFUSAL: &[u8] = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nhi";

    fn open(protocol: &str, rest: &[u8]) -> Told {
        Told::Open { protocol: Some(protocol.to_owned()), deflate: None, rest: rest.to_vec() }
    }

    fn hold_it(bytes: &[u8], told: &Told) {
        hold(&Config::default(), true, bytes, true, told);
    }

    #[test]
    fn what_is_so_passes() {
        hold_it(RESPONSE, &open("chat", b"\x81\x02hi"));
        assert_eq!(connect(&Config::default(), true, RESPONSE, 1, true), open("chat", b"\x81\x02hi"));
        hold_it(REFUSAL, &connect(&Config::default(), true, REFUSAL, 1, true));
    }

    #[test]
    #[should_panic(expected = "a connection that the server does not")]
    fn an_opening_without_a_reason_is_found() {
        hold_it(REFUSAL, &open("chat", b""));
    }

    #[test]
    #[should_panic(expected = "does not take what it should")]
    fn a_failure_without_a_reason_is_found() {
        hold_it(RESPONSE, &Told::Failed(HandshakeError::WrongAccept));
    }

    #[test]
    #[should_panic(expected = "bytes behind the head")]
    fn lost_bytes_are_found() {
        hold_it(RESPONSE, &open("chat", b"\x81\x02"));
    }

    #[test]
    #[should_panic(expected = "what is agreed on")]
    fn another_protocol_is_found() {
        hold_it(RESPONSE, &open("superchat", b"\x81\x02hi"));
    }

    #[test]
    #[should_panic(expected = "the body")]
    fn another_body_is_found() {
        let Told::Refused(mut refusal) = connect(&Config::default(), true, REFUSAL, 1, true) else {
            panic!("it is one");
        };
        refusal.body.push(b'!');
        hold_it(REFUSAL, &Told::Refused(refusal));
    }
}
