//! Both ends of a handshake, as bytes, and of a connection that comes out of it.

use std::io::Read;

use bytes::Buf;
use websans::deflate::{Extension, Parameters};
use websans::handshake::HandshakeError;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::{Config, Connection, Inbox, Kind, Negotiated, ProtocolError, Role, Timestamp};
use websans_deflate::{Deflate, Settings};
use websans_testkit::inflate::{Rules, judge};
use websans_testkit::listen::{self, Way};
use websans_testkit::oracle::{self, End as Ending};
use websans_testkit::wire::Frame;

pub(crate) use websans_testkit::oracle::Event;

pub(crate) const START: Timestamp = Timestamp::from_nanos(0);

/// The key of the examples of RFC 6455 §5.7, with which clients mask here.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Of a compressed message's first frame.
pub(crate) const RSV1: u8 = 4;

/// "Hello" as RFC 7692 §7.2.3.1 compresses it, and §7.2.3.2 once more with what came before.
pub(crate) const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
pub(crate) const HELLO_AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";

/// Everything is allowed: context takeover and the largest windows.
pub(crate) const TAKEOVER: &str = "permessage-deflate";
/// No context takeover either way.
pub(crate) const FRESH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// The server's response as far as it does not depend on the extension (the key is that of RFC 6455 §1.3).
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Which end is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

pub(crate) const BOTH: [End; 2] = [End::Server, End::Client];

impl End {
    /// A frame as this end's peer sends it: clients mask.
    pub(crate) fn incoming(self, frame: Frame) -> Vec<u8> {
        self.peer().outgoing(frame)
    }

    /// A frame as this end must send it.
    pub(crate) fn outgoing(self, frame: Frame) -> Vec<u8> {
        match self {
            Self::Server => frame.to_bytes(),
            Self::Client => frame.masked(KEY).to_bytes(),
        }
    }

    pub(crate) fn all_incoming(self, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        frames.into_iter().flat_map(|frame| self.incoming(frame)).collect()
    }

    pub(crate) fn all_outgoing(self, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        frames.into_iter().flat_map(|frame| self.outgoing(frame)).collect()
    }

    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Server => Role::Server,
            Self::Client => Role::Client(Box::new(|| KEY)),
        }
    }

    /// What this end agrees on when `element` is what it is offered, or what the response to it is.
    pub(crate) fn shake(self, deflate: impl Into<Option<Extension>>, element: &str) -> Negotiated {
        match self {
            Self::Server => {
                let (answer, negotiated) = serve(deflate, &[element]).unwrap();
                assert_eq!(answer.as_deref(), Some(element), "accepted as it is");
                negotiated
            }
            Self::Client => dial(deflate, &[element]).unwrap(),
        }
    }

    /// A connection that has agreed on `element`.
    pub(crate) fn open_with(
        self,
        deflate: impl Into<Option<Extension>>,
        element: &str,
        config: Config,
    ) -> (Connection, Inbox) {
        websans::open(self.role(), config, self.shake(deflate, element), START)
    }

    pub(crate) fn open(self, element: &str) -> (Connection, Inbox) {
        self.open_with(Deflate::new(granting()), element, Config::default())
    }

    /// What this end sends with: whether it has context takeover, and its window.
    pub(crate) fn sends(self, agreed: Parameters) -> (bool, u8) {
        match self {
            Self::Server => (!agreed.server_no_context_takeover, agreed.server_max_window_bits),
            Self::Client => (!agreed.client_no_context_takeover, agreed.client_max_window_bits),
        }
    }
}

/// Settings that agree to anything, and compress anything.
pub(crate) fn granting() -> Settings {
    let mut settings = Settings::default();
    settings.negotiation.server_no_context_takeover = false;
    settings.negotiation.client_no_context_takeover = false;
    settings.threshold = 0;
    settings
}

/// An element with all four parameters.
pub(crate) fn element(fresh: (bool, bool), bits: (u8, u8)) -> String {
    let mut element = "permessage-deflate".to_owned();
    if fresh.0 {
        element.push_str("; server_no_context_takeover");
    }
    if fresh.1 {
        element.push_str("; client_no_context_takeover");
    }
    format!("{element}; server_max_window_bits={}; client_max_window_bits={}", bits.0, bits.1)
}

/// What [`element`] means.
pub(crate) fn parameters(fresh: (bool, bool), bits: (u8, u8)) -> Parameters {
    let mut parameters = Parameters::default();
    (parameters.server_no_context_takeover, parameters.client_no_context_takeover) = fresh;
    (parameters.server_max_window_bits, parameters.client_max_window_bits) = bits;
    parameters
}

fn with_extensions(head: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("Sec-WebSocket-Extensions: {line}\r\n")).collect();
    [head, &lines, "\r\n"].concat().into_bytes()
}

/// A server that is offered these lines: what it answers, if it answers them, and what it agrees on. The rest of its
/// response is as it must be, byte for byte.
pub(crate) fn serve(
    deflate: impl Into<Option<Extension>>,
    offers: &[&str],
) -> Result<(Option<String>, Negotiated), HandshakeError> {
    let request = with_extensions(REQUEST, offers);
    let mut request = &request[..];
    let mut acceptor = Acceptor::new(&Config::default(), START);
    while !acceptor.poll(START)? {
        let n = request.read(acceptor.spare_mut()).unwrap();
        assert!(n > 0, "the request is whole");
        acceptor.filled(n);
    }
    let mut out = Vec::new();
    let negotiated = acceptor.request()?.check()?.accept(&Choice::new().deflate(deflate), &mut out).unwrap();
    let response = String::from_utf8(out).unwrap();
    let rest = response.strip_prefix(RESPONSE).and_then(|rest| rest.strip_suffix("\r\n")).unwrap();
    assert_eq!(negotiated.deflate.is_some(), negotiated.codec.is_some());
    let answer = (!rest.is_empty()).then(|| {
        let line = rest.strip_prefix("Sec-WebSocket-Extensions: ").and_then(|line| line.strip_suffix("\r\n"));
        line.filter(|line| !line.contains('\r')).expect("one line, and nothing else").to_owned()
    });
    assert_eq!(negotiated.deflate.is_some(), answer.is_some());
    Ok((answer, negotiated))
}

pub(crate) fn request() -> Request {
    Request::new("ws://example.com/", *b"the sample nonce").unwrap()
}

/// A client's offer.
pub(crate) fn offer(settings: &Settings) -> String {
    let mut out = Vec::new();
    request().deflate(Deflate::new(settings.clone())).unwrap().write(&mut out);
    let bytes = String::from_utf8(out).unwrap();
    let offers = bytes.lines().filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let offers: Vec<&str> = offers.collect();
    assert_eq!(offers.len(), 1);
    offers[0].to_owned()
}

/// What a client agrees on with a server that answers it with these lines.
pub(crate) fn dial(
    deflate: impl Into<Option<Extension>>,
    answers: &[&str],
) -> Result<Negotiated, HandshakeError> {
    dialled(request().deflate(deflate).unwrap(), answers)
}

pub(crate) fn dialled(request: Request, answers: &[&str]) -> Result<Negotiated, HandshakeError> {
    let response = with_extensions(RESPONSE, answers);
    let mut response = &response[..];
    let mut connector = Connector::new(request, &Config::default(), START);
    loop {
        match connector.poll(START)? {
            Some(Answer::Open(negotiated)) => {
                assert_eq!(negotiated.deflate.is_some(), negotiated.codec.is_some());
                return Ok(negotiated);
            }
            Some(other) => panic!("{other:?}"),
            None => {
                let n = response.read(connector.spare_mut()).unwrap();
                assert!(n > 0, "the response is whole");
                connector.filled(n);
            }
        }
    }
}

pub(crate) fn text(payload: &str) -> Event {
    Event::Message { kind: Kind::Text, compressed: false, payload: payload.into() }
}

pub(crate) fn binary(payload: &[u8]) -> Event {
    Event::Message { kind: Kind::Binary, compressed: false, payload: payload.into() }
}

/// A whole compressed text message.
pub(crate) fn deflated(payload: &[u8]) -> Frame {
    Frame::text(payload).reserved(RSV1)
}

/// A whole compressed binary message.
pub(crate) fn deflated_binary(payload: &[u8]) -> Frame {
    Frame::binary(payload).reserved(RSV1)
}

/// The ways in which messages are inflated.
pub(crate) const WAYS: [Way; 3] = [Way::Accept, Way::Next, Way::NextChunk];

/// Calls `check` with `bytes` cut in every place: whole, byte by byte, and in two.
pub(crate) fn splits(bytes: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[bytes]);
    check(&bytes.chunks(1).collect::<Vec<_>>());
    for at in 1..bytes.len() {
        let (first, second) = bytes.split_at(at);
        check(&[first, second]);
    }
}

/// What a case is run with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) element: String,
    pub(crate) settings: Settings,
    pub(crate) config: Config,
}

impl Setup {
    pub(crate) fn new(element: &str) -> Self {
        Self { element: element.into(), settings: granting(), config: Config::default() }
    }
}

/// Has both ends receive `frames` from their peers, cut in every place and read in every way: these events must come of
/// it, and this ending, with the Close that goes with it.
#[track_caller]
pub(crate) fn assert_received(setup: &Setup, frames: &[Frame], events: &[Event], ending: Ending) {
    for end in BOTH {
        // Pools are shared, as by the connections of an application.
        let deflate = Deflate::new(setup.settings.clone());
        splits(&end.all_incoming(frames.iter().cloned()), |pieces| {
            assert_heard(end, &deflate, setup, pieces, events, ending);
        });
    }
}

/// As [`assert_received`], for one end and one way to cut what it receives.
#[track_caller]
pub(crate) fn assert_heard(
    end: End,
    deflate: &Deflate,
    setup: &Setup,
    pieces: &[&[u8]],
    events: &[Event],
    ending: Ending,
) {
    for way in WAYS {
        let endpoint = end.open_with(deflate, &setup.element, setup.config.clone());
        let heard = listen::listen(way, endpoint, pieces.iter().copied());
        let about = || {
            let sizes: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            let sizes = if sizes.iter().all(|size| *size == 1) {
                "byte by byte".into()
            } else {
                format!("{sizes:?}")
            };
            format!("{end:?}, {way:?}, {}, {sizes}", setup.element)
        };
        let is_message = |event: &&Event| matches!(event, Event::Message { .. });
        let expected: Vec<&Event> =
            events.iter().filter(|event| way.sees_all() || is_message(event)).collect();
        assert_eq!(heard.end, ending, "{}", about());
        assert_eq!(heard.events.iter().collect::<Vec<_>>(), expected, "{}", about());
        let replies = oracle::read(&heard.written, &oracle::Rules::unlimited(end == End::Client));
        let close = match ending {
            Ending::Failed(error) => {
                Some(Event::Close(Some((error.close_code().get(), error.reason().into()))))
            }
            _ => None,
        };
        assert_eq!(
            replies.events.into_iter().rfind(|event| matches!(event, Event::Close(_))),
            close,
            "{}",
            about()
        );
    }
}

/// Asserts that a compressor which has just sent "Hello" says it again by what it has kept of that: §7.2.3.2, or better.
#[track_caller]
pub(crate) fn assert_again(payload: &[u8], about: &str) {
    let verdict = judge(payload, b"Hello", Rules::UNLIMITED);
    assert_eq!((&verdict.bytes[..], verdict.fault), (&b"Hello"[..], None), "{about}");
    assert!(verdict.farthest == 5 && payload.len() <= HELLO_AGAIN.len(), "{about}: {payload:02x?}");
}

pub(crate) fn failed(error: ProtocolError) -> Ending {
    Ending::Failed(error)
}

/// Takes everything that waits to be written.
pub(crate) fn drain(conn: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while conn.wants_write() {
        let outbox = conn.outbox();
        bytes.extend_from_slice(outbox.chunk());
        outbox.advance(outbox.chunk().len());
    }
    bytes
}

/// Takes everything that waits to be written, as frames without their masks. Panics if there is more or less than that.
pub(crate) fn sent(conn: &mut Connection) -> Vec<Frame> {
    let bytes = drain(conn);
    let mut bytes = &bytes[..];
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80 != 0, conn.is_client(), "clients mask");
        let size = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (len, rest) = rest.split_at(size);
        let len = if size == 0 {
            u64::from(second & 0x7f)
        } else {
            len.iter().fold(0, |len, byte| len << 8 | u64::from(*byte))
        };
        let rest = if conn.is_client() { rest.strip_prefix(&KEY).expect("the key") } else { rest };
        let (payload, rest) = rest.split_at(usize::try_from(len).unwrap());
        let key = if conn.is_client() { KEY } else { [0; 4] };
        let mut frame = Frame::new(
            first & 15,
            payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect::<Vec<u8>>(),
        );
        (frame.fin, frame.rsv) = (first & 0x80 != 0, first >> 4 & 7);
        frames.push(frame);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole frames");
    frames
}

/// The payload of the one message that waits to be written, in one frame or in several, and whether it is compressed.
pub(crate) fn sent_message(conn: &mut Connection) -> (Vec<u8>, bool) {
    let frames = sent(conn);
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(frame.fin, n + 1 == frames.len());
        assert_eq!(frame.opcode == 0, n > 0);
        assert!(frame.rsv == 0 || n == 0 && frame.rsv == RSV1);
    }
    let compressed = frames.first().expect("a message").rsv == RSV1;
    (frames.into_iter().flat_map(|frame| frame.payload).collect(), compressed)
}

/// Hands `bytes` over whole and takes the messages up to the end or the first error.
pub(crate) fn read(
    (conn, inbox): (&mut Connection, &mut Inbox),
    mut bytes: &[u8],
) -> (Vec<Event>, Option<ProtocolError>) {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let n = bytes.read(inbox.spare_mut()).unwrap();
        inbox.filled(n);
        loop {
            match inbox.next(conn) {
                Ok(true) => {
                    let message = inbox.message().expect("a message");
                    let (kind, payload) = (message.kind(), message.as_bytes().to_vec());
                    messages.push(Event::Message { kind, compressed: false, payload });
                }
                Ok(false) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// Bytes that do not shrink, always the same for one seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    websans_testkit::dice::Dice::new(seed).bytes(len)
}
