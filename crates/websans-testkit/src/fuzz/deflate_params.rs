//! [`deflate_params`]: any bytes as `Sec-WebSocket-Extensions`, against the reading of [`extensions`].

pub(super) mod terms;

use websans::deflate::{self, Extension, Parameters};
use websans::handshake::HandshakeError;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::{Negotiated, Timestamp};
use websans_deflate::Deflate;

use super::input::Input;
use terms::{Terms, elements};

const NOW: Timestamp = Timestamp::from_nanos(0);

/// The nonce of RFC 6455 §1.3, and what it is answered with.
const NONCE: [u8; 16] = *b"the sample nonce";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The extension, and the smallest window that anybody of ours compresses with.
const NAME: &str = "permessage-deflate";
const SMALLEST: u8 = 9;

/// Negotiates with headers made of `data`: as a request with a server, as a response with a client.
///
/// The first six bytes are the settings of the two, the next says whether the rest is text or words of it.
///
/// # Panics
/// If one of them agrees on anything that RFC 7692 §7.1 or its own settings do not allow, does not agree though it
/// should, or if they do not understand each other.
pub fn deflate_params(data: &[u8]) {
    let mut input = Input::new(data);
    let server = Deflate::new(input.settings());
    let client = Deflate::new(input.settings());
    let words = input.byte() & 1 == 0;
    let text = if words { spell(input.rest()) } else { input.rest().to_vec() };
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').take(8).collect();

    ask(&server, &lines);
    if let [line] = lines[..] {
        answer(&client, line);
    }
    talk(&client, &server);
    for deflate in [client, server] {
        assert_eq!(deflate.budget_left(), deflate.settings().context_budget, "something stays reserved");
    }
}

/// A text out of words that occur in the header.
fn spell(bytes: &[u8]) -> Vec<u8> {
    const WORDS: [&str; 32] = [
        "permessage-deflate",
        "; ",
        ", ",
        "=",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
        "; server_max_window_bits=",
        "; client_max_window_bits=",
        "; client_max_window_bits",
        "; client_no_context_takeover",
        "; server_no_context_takeover",
        "8",
        "9",
        "10",
        "11",
        "12",
        "15",
        "16",
        "0",
        "1",
        "\"",
        "\\",
        " ",
        "\t",
        "\n",
        "x",
        "permessage-deflate; client_max_window_bits",
        ", permessage-deflate",
        "=\"1\\0\"",
        "=15",
    ];
    bytes.iter().take(500).flat_map(|&byte| WORDS[usize::from(byte) % WORDS.len()].bytes()).collect()
}

/// What a server is willing to agree on.
fn config(deflate: &Deflate) -> deflate::Config {
    Extension::from(deflate).propose().config()
}

/// A server's answer to this request: the 101, and what it means.
fn accept(server: &Deflate, request: &[u8]) -> Result<(Vec<u8>, Negotiated), HandshakeError> {
    let mut acceptor = Acceptor::new(&websans::Config::default(), NOW);
    let mut at = 0;
    while !acceptor.poll(NOW)? {
        let spare = acceptor.spare_mut();
        let n = spare.len().min(request.len() - at);
        assert!(n > 0, "a request that does not end is asked for more");
        spare[..n].copy_from_slice(&request[at..at + n]);
        acceptor.filled(n);
        at += n;
    }
    let request = acceptor.request()?;
    let offer = request.check()?;
    let mut response = Vec::new();
    let negotiated = offer.accept(&Choice::new().deflate(server), &mut response);
    Ok((response, negotiated.expect("the choice is a valid one")))
}

/// What the client that has sent `request` makes of the response.
fn connect(request: Request, response: &[u8]) -> Result<Negotiated, HandshakeError> {
    let mut connector = Connector::new(request, &websans::Config::default(), NOW);
    let mut at = 0;
    loop {
        match connector.poll(NOW)? {
            Some(Answer::Open(negotiated)) => return Ok(negotiated),
            Some(other) => panic!("a 101 is {other:?}"),
            None => {}
        }
        let spare = connector.spare_mut();
        let n = spare.len().min(response.len() - at);
        assert!(n > 0, "a response that does not end is asked for more");
        spare[..n].copy_from_slice(&response[at..at + n]);
        connector.filled(n);
        at += n;
    }
}

/// Whether a parser of HTTP lets it pass as the value of a header: no control characters but the tab.
fn is_value(line: &[u8]) -> bool {
    line.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7F)
}

fn ask(server: &Deflate, lines: &[&[u8]]) {
    let config = config(server);
    let mut request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n"
    )
    .into_bytes();
    for line in lines {
        request.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    if request.len() > websans::Config::default().max_head {
        return;
    }
    let accepted = accept(server, &request);
    if !lines.iter().all(|line| is_value(line)) {
        assert!(accepted.is_err(), "control characters in a header: {accepted:?}");
        return;
    }
    let (elements, accepted) = match (elements(lines), accepted) {
        (Some(elements), Ok(accepted)) if !elements.is_empty() => (elements, accepted),
        (None, Err(HandshakeError::InvalidExtensions)) => return,
        (Some(elements), Err(HandshakeError::InvalidExtensions)) if elements.is_empty() => return,
        (elements, accepted) => panic!("{elements:?} gives {accepted:?}"),
    };
    let offers = elements.iter().filter(|element| element.name == NAME).filter_map(Terms::of);
    // A bounded number of offers is looked at, as may be.
    let offer = offers.take(16).find(|offer| {
        // Our compressor must be able to do what is asked for, and a client that is to keep to a window must be
        // one that says it can.
        offer.server_window().min(config.server_max_window_bits) >= SMALLEST
            && (offer.client_max_window_bits.is_some() || config.client_max_window_bits == 15)
    });
    let (response, negotiated) = accepted;
    let answered = answered(&response);
    let Some(offer) = offer else {
        assert!(
            answered.is_none() && negotiated.deflate.is_none() && negotiated.codec.is_none(),
            "{elements:?}"
        );
        return;
    };
    let answer = answered.expect("an offer that can be accepted is");
    assert!(negotiated.codec.is_some());
    let agreed = negotiated.deflate.expect("what was answered is agreed on");
    assert_eq!(agreed, answer.parameters());
    assert_allowed(&offer, &answer, &config);
}

/// RFC 7692 §7.1, from offer to answer.
fn assert_allowed(offer: &Terms, answer: &Terms, config: &deflate::Config) {
    let agreed = answer.parameters();
    // "A server accepts an extension negotiation offer that includes the "server_no_context_takeover" extension
    // parameter by including the "server_no_context_takeover" extension parameter in the [...] response" (§7.1.1.1).
    assert!(answer.server_no_context_takeover || !offer.server_no_context_takeover);
    assert!(answer.server_no_context_takeover || !config.server_no_context_takeover);
    assert!(answer.client_no_context_takeover || !config.client_no_context_takeover);
    // "[...] with the same or smaller value as the offer" (§7.1.2.1).
    assert!(offer.server_max_window_bits.is_none() || answer.server_max_window_bits.is_some());
    assert!(agreed.server_max_window_bits <= offer.server_window().min(config.server_max_window_bits));
    assert!(agreed.server_max_window_bits >= SMALLEST);
    // "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension parameter, the
    // corresponding extension negotiation response to the offer MUST NOT include" it (§7.1.2.2); in a response it
    // has a value.
    match (offer.client_max_window_bits, answer.client_max_window_bits) {
        (None, answer) => assert_eq!(answer, None),
        (Some(_), answer) => assert_ne!(answer, Some(None)),
    }
    assert!(agreed.client_max_window_bits <= config.client_max_window_bits);
}

/// The extension that a response of ours accepts.
fn answered(response: &[u8]) -> Option<Terms> {
    let response = core::str::from_utf8(response).expect("a response is text");
    let mut values = response.lines().filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let value = values.next()?;
    assert_eq!(values.next(), None, "the header is sent once");
    let elements = elements(&[value.as_bytes()]).expect("what is sent can be read");
    assert_eq!(elements.len(), 1, "{value}");
    assert_eq!(elements[0].name, NAME);
    Some(Terms::of(&elements[0]).expect("what is sent is valid"))
}

/// The request of a client with these settings.
fn request(client: &Deflate) -> Request {
    let request = Request::new("ws://h/", NONCE).expect("a URL");
    request.deflate(client).expect("settings are valid")
}

fn answer(client: &Deflate, line: &[u8]) {
    let config = config(client);
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\
         Sec-WebSocket-Extensions: "
    )
    .into_bytes();
    response.extend_from_slice(line);
    response.extend_from_slice(b"\r\n\r\n");
    if response.len() > websans::Config::default().max_head {
        return;
    }
    let connected = connect(request(client), &response);
    if !is_value(line) {
        assert!(connected.is_err(), "control characters in a header: {connected:?}");
        return;
    }
    let expected =
        elements(&[line]).filter(|elements| !elements.is_empty()).map(|elements| match &elements[..] {
            [element] if element.name == NAME => {
                Terms::of(element).and_then(|answer| agree(&answer, &config))
            }
            _ => None,
        });
    match (connected, expected) {
        (Ok(negotiated), Some(Some(agreed))) => {
            assert_eq!(negotiated.deflate, Some(agreed));
            assert!(negotiated.codec.is_some());
        }
        (Err(HandshakeError::UnexpectedExtension), Some(None)) => {}
        // Behind a second extension nothing need be read.
        (Err(HandshakeError::InvalidExtensions | HandshakeError::UnexpectedExtension), None) => {}
        (connected, expected) => panic!("{connected:?} instead of {expected:?}"),
    }
}

/// What an answer means to a client that has offered all that `config` says. `None`: it must not go on.
pub(super) fn agree(answer: &Terms, config: &deflate::Config) -> Option<Parameters> {
    let mut agreed = answer.parameters();
    let granted = answer.client_max_window_bits != Some(None)
        && (agreed.server_no_context_takeover || !config.server_no_context_takeover)
        && agreed.server_max_window_bits <= config.server_max_window_bits
        && agreed.client_max_window_bits >= SMALLEST;
    // A client keeps to what it has said of itself, whether that was asked for or not.
    agreed.client_no_context_takeover |= config.client_no_context_takeover;
    agreed.client_max_window_bits = agreed.client_max_window_bits.min(config.client_max_window_bits);
    granted.then_some(agreed)
}

/// What a connection may keep is reserved for as long as there is one, and no more.
fn assert_reserved(deflate: &Deflate, negotiated: &Negotiated) {
    let budget = deflate.settings().context_budget;
    let memory = negotiated.codec.as_ref().map_or(0, |codec| codec.memory);
    assert_eq!(deflate.budget_left(), budget - memory);
}

/// Both with each other.
fn talk(client: &Deflate, server: &Deflate) {
    let mut bytes = Vec::new();
    let request = request(client);
    request.write(&mut bytes);
    let (response, served) = accept(server, &bytes).expect("our own request is valid");
    let connected = connect(request, &response).expect("our own response is valid");
    assert_eq!(served.codec.is_some(), served.deflate.is_some());
    assert_eq!(connected.codec.is_some(), connected.deflate.is_some());
    assert_reserved(server, &served);
    assert_reserved(client, &connected);
    let (ours, theirs) = (config(client), config(server));
    // A client always says that it can be told its window.
    let (Some(served), Some(connected)) = (served.deflate, connected.deflate) else {
        panic!("{ours:?} and {theirs:?} do not agree: {served:?}, {connected:?}");
    };
    // What a client does for itself alone, a server need not know.
    let mut told = served;
    told.client_no_context_takeover = connected.client_no_context_takeover;
    assert_eq!(connected, told);
    assert!(connected.client_no_context_takeover || !served.client_no_context_takeover);
    for (agreed, ours, theirs) in [
        (
            connected.server_no_context_takeover,
            ours.server_no_context_takeover,
            theirs.server_no_context_takeover,
        ),
        (
            connected.client_no_context_takeover,
            ours.client_no_context_takeover,
            theirs.client_no_context_takeover,
        ),
    ] {
        assert_eq!(agreed, ours || theirs);
    }
    assert_eq!(
        connected.server_max_window_bits,
        ours.server_max_window_bits.min(theirs.server_max_window_bits)
    );
    assert_eq!(
        connected.client_max_window_bits,
        ours.client_max_window_bits.min(theirs.client_max_window_bits)
    );
}
