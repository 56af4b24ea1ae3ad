//! What connections share: prepared messages, the budget of memory, and contexts, but never what is in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use websans::deflate::{Codec, Encode, Extension, Flush, Parameters, Proposal, Provider, Variant};
use websans::{Config, Connection, Inbox, Kind, Payload, Prepared, ProtocolError};
use websans_deflate::{Deflate, RECEIVE_MEMORY};
use websans_testkit::blocks::Blocks;
use websans_testkit::inflate::{Rules, inflate};
use websans_testkit::wire::Frame;

use crate::support::*;

/// [`Deflate`], and how often it has been told to compress something.
#[derive(Clone, Debug)]
struct Counted {
    deflate: Deflate,
    calls: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct CountedProposal {
    proposal: Arc<dyn Proposal>,
    calls: Arc<AtomicUsize>,
}

struct CountedEncode {
    encode: Box<dyn Encode>,
    calls: Arc<AtomicUsize>,
}

impl Provider for Counted {
    fn propose(&self) -> Arc<dyn Proposal> {
        Arc::new(CountedProposal { proposal: self.deflate.propose(), calls: Arc::clone(&self.calls) })
    }
}

impl Proposal for CountedProposal {
    fn config(&self) -> websans::deflate::Config {
        self.proposal.config()
    }

    fn codec(&self, is_client: bool, agreed: Parameters) -> Codec {
        let Codec { encode, decode, memory, .. } = self.proposal.codec(is_client, agreed);
        let mut codec =
            Codec::new(Box::new(CountedEncode { encode, calls: Arc::clone(&self.calls) }), decode);
        codec.memory = memory;
        codec
    }
}

impl Encode for CountedEncode {
    fn wants(&mut self, kind: Kind, len: Option<usize>) -> bool {
        self.encode.wants(kind, len)
    }

    fn encode(&mut self, payload: &[u8], flush: Flush, out: &mut Vec<u8>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.encode.encode(payload, flush, out);
    }

    fn variant(&self) -> Option<Variant> {
        self.encode.variant()
    }
}

impl Counted {
    fn new() -> Self {
        Self { deflate: Deflate::new(granting()), calls: Arc::default() }
    }

    fn open(&self, end: End, element: &str) -> Connection {
        end.open_with(Extension::from(self.clone()), element, Config::default()).0
    }

    /// How often since the last time.
    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn a_prepared_message_is_compressed_once_for_equal_parameters() {
    let counted = Counted::new();
    let message = "for everybody, everybody, everybody";
    let prepared = Prepared::new(message).unwrap();
    let mut forms = Vec::new();
    // The client's window is no matter of the server's compressor, and the other way round.
    for (bits, client_bits) in [(15, 15), (15, 9), (9, 15)] {
        let element = element((true, false), (bits, client_bits));
        for n in 0..3 {
            let mut conn = counted.open(End::Server, &element);
            conn.send_prepared(&prepared).unwrap();
            let first = n == 0 && client_bits == 15;
            assert_eq!(counted.calls(), usize::from(first), "{element}");
            let stats = conn.stats();
            let (payload, compressed) = sent_message(&mut conn);
            assert!(compressed);
            let counters = stats.compression.unwrap();
            assert_eq!(counters.sent_plain, message.len() as u64);
            assert_eq!(counters.sent_compressed, payload.len() as u64);
            assert_eq!((stats.messages_sent, stats.frames_sent), (1, 1));
            assert_eq!(inflate(&payload, b"", Rules::UNLIMITED).unwrap(), message.as_bytes());
            forms.push(payload);
        }
        assert!(forms.chunks(3).all(|same| same.iter().all(|form| *form == same[0])));
    }
    // A client has the same, behind its mask.
    let mut client = counted.open(End::Client, &element((false, true), (9, 15)));
    client.send_prepared(&prepared).unwrap();
    assert_eq!(counted.calls(), 0);
    assert_eq!(drain(&mut client), End::Client.outgoing(deflated(&forms[0])));
    // As what is not prepared is compressed.
    client.send(message).unwrap();
    assert_eq!(drain(&mut client), End::Client.outgoing(deflated(&forms[0])));
    // Before and after other messages, the same.
    let mut server = counted.open(End::Server, FRESH);
    server.send("something else").unwrap();
    drain(&mut server);
    counted.calls();
    server.send_prepared(&prepared).unwrap();
    assert_eq!(counted.calls(), 0);
    assert_eq!(drain(&mut server), End::Server.outgoing(deflated(&forms[0])));
}

/// Each level and each window has a form of its own, of which some are kept; whoever comes too late compresses it himself.
#[test]
fn a_prepared_message_has_a_form_for_each_way_to_compress() {
    let message = "all of you, ".repeat(20);
    let prepared = Prepared::new(&message).unwrap();
    let calls: Arc<AtomicUsize> = Arc::default();
    let mut per_round = Vec::new();
    for _ in 0..2 {
        for level in 1..=9 {
            let mut settings = granting();
            settings.level = level;
            let deflate = Deflate::new(settings);
            for bits in [9, 15] {
                let counted = Counted { deflate: deflate.clone(), calls: Arc::clone(&calls) };
                let mut conn = counted.open(End::Server, &element((true, true), (bits, 15)));
                conn.send_prepared(&prepared).unwrap();
                let (payload, compressed) = sent_message(&mut conn);
                assert!(compressed);
                let rules = Rules { window: 1 << bits, ..Rules::UNLIMITED };
                assert_eq!(inflate(&payload, b"", rules).unwrap(), message.as_bytes());
            }
        }
        per_round.push(calls.swap(0, Ordering::Relaxed));
    }
    // 16 of the 18 are kept.
    assert_eq!(per_round, [18, 2]);
}

/// With context takeover each connection has its own window, which the message becomes part of.
#[test]
fn a_prepared_message_is_compressed_each_time_with_takeover() {
    let counted = Counted::new();
    let prepared = Prepared::new("Hello").unwrap();
    for end in BOTH {
        for _ in 0..2 {
            let mut conn = counted.open(end, TAKEOVER);
            conn.send_prepared(&prepared).unwrap();
            assert_eq!(counted.calls(), 1);
            assert_eq!(drain(&mut conn), end.outgoing(deflated(HELLO)));
            conn.send_prepared(&prepared).unwrap();
            assert_eq!(counted.calls(), 1);
            assert_again(&sent_message(&mut conn).0, "prepared");
            conn.send("Hello").unwrap();
            assert_again(&sent_message(&mut conn).0, "not prepared");
            counted.calls();
        }
    }
}

/// Prepared or not, the application's word and the threshold count, and a connection without compression gets it plain.
#[test]
fn a_prepared_message_is_plain_where_it_is_to_be() {
    let mut settings = granting();
    settings.threshold = 10;
    let deflate = Deflate::new(settings);
    for end in BOTH {
        for element in [TAKEOVER, FRESH] {
            let (mut conn, _) = end.open_with(&deflate, element, Config::default());
            for (text, asked, compressed) in [
                ("Hello", None, false),
                ("Hello", Some(false), false),
                ("Hello", Some(true), true),
                ("Hello, Hello", None, true),
                ("Hello, Hello", Some(false), false),
            ] {
                let payload = Payload::from(text);
                let payload = if let Some(asked) = asked { payload.compress(asked) } else { payload };
                let prepared = Prepared::new(payload).unwrap();
                let (mut plain, _) = websans::open(end.role(), Config::default(), Default::default(), START);
                conn.send_prepared(&prepared).unwrap();
                plain.send_prepared(&prepared).unwrap();
                assert_eq!(sent_message(&mut conn).1, compressed, "{text}, {asked:?}");
                assert_eq!(drain(&mut plain), end.outgoing(Frame::text(text)));
            }
        }
    }
}

/// Fragments are the connection's own; a message in parts under way is not mixed with it.
#[test]
fn a_prepared_message_is_cut_as_the_connection_has_it() {
    let counted = Counted::new();
    let prepared = Prepared::new("Hello").unwrap();
    for end in BOTH {
        let mut config = Config::default();
        config.fragment_above = Some(3);
        let (mut conn, _) = end.open_with(Extension::from(counted.clone()), FRESH, config);
        conn.send_prepared(&prepared).unwrap();
        let frames = [
            deflated(&HELLO[..3]).unfinished(),
            Frame::continuation(&HELLO[3..6]).unfinished(),
            Frame::continuation(&HELLO[6..]),
        ];
        assert_eq!(drain(&mut conn), end.all_outgoing(frames));
        conn.send_part("part", false).unwrap();
        assert_eq!(conn.send_prepared(&prepared), Err(websans::SendError::MessageInProgress));
    }
    // The fragmented parts, and the prepared message once for all ends.
    assert_eq!(counted.calls(), 3);
}

type Pair = (Connection, Inbox);

fn server(deflate: &Deflate, offer: &str) -> (String, Pair) {
    let (answer, negotiated) = serve(deflate, &[offer]).unwrap();
    (answer.unwrap(), websans::open(End::Server.role(), Config::default(), negotiated, START))
}

/// Memory for so many connections with context takeover; whoever comes then does without, until one of them is gone.
#[test]
fn the_budget_is_for_all_connections() {
    let mut settings = granting();
    let each = settings.send_memory(15) + RECEIVE_MEMORY;
    settings.context_budget = 3 * each + each / 2;
    let deflate = Deflate::new(settings.clone());
    assert_eq!(deflate.budget_left(), settings.context_budget);
    let mut open: Vec<Pair> = Vec::new();
    for n in 1..=3 {
        let (answer, pair) = server(&deflate, TAKEOVER);
        assert_eq!(answer, TAKEOVER);
        assert_eq!(pair.0.stats().compression.unwrap().memory, each);
        assert_eq!(deflate.budget_left(), settings.context_budget - n * each);
        open.push(pair);
    }
    for _ in 0..2 {
        let (answer, mut pair) = server(&deflate, TAKEOVER);
        assert_eq!(answer, FRESH);
        assert_eq!(pair.0.stats().compression.unwrap().memory, 0);
        assert_eq!(deflate.budget_left(), each / 2);
        for _ in 0..2 {
            pair.0.send("Hello").unwrap();
            assert_eq!(drain(&mut pair.0), End::Server.outgoing(deflated(HELLO)));
        }
        let bytes = End::Server.all_incoming([deflated(HELLO), deflated(HELLO_AGAIN)]);
        let heard = read((&mut pair.0, &mut pair.1), &bytes);
        assert_eq!(heard, (vec![text("Hello")], Some(ProtocolError::InvalidDeflate)));
    }
    // A client's offer says it.
    let offer_of = |request: &websans::handshake::client::Request| {
        let mut out = Vec::new();
        request.write(&mut out);
        String::from_utf8(out).unwrap()
    };
    let waiting = request().deflate(&deflate).unwrap();
    assert!(offer_of(&waiting).contains(&format!("{FRESH}; client_max_window_bits\r\n")));
    // Both halves must be gone.
    let (conn, inbox) = open.pop().unwrap();
    drop(conn);
    assert_eq!(deflate.budget_left(), each / 2);
    drop(inbox);
    assert_eq!(deflate.budget_left(), each / 2 + each);
    // The handshake that waits has made its offer and keeps to it; the next one takes what is there now.
    assert!(offer_of(&waiting).contains(FRESH));
    let next = request().deflate(&deflate).unwrap();
    assert!(
        offer_of(&next).contains("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
    );
    assert_eq!(deflate.budget_left(), each / 2);
    assert_eq!(server(&deflate, TAKEOVER).0, FRESH);
    drop(next);
    assert_eq!(server(&deflate, TAKEOVER).0, TAKEOVER);
    drop(open);
    assert_eq!(deflate.budget_left(), settings.context_budget);
}

/// What was reserved and then not agreed on is given back: declined, failed, without takeover, or with smaller windows.
#[test]
fn the_budget_counts_what_was_agreed_on() {
    let settings = granting();
    let deflate = Deflate::new(settings.clone());
    let used = || settings.context_budget - deflate.budget_left();
    for (fresh, bits) in [
        ((false, false), (9, 12)),
        ((true, false), (15, 15)),
        ((false, true), (10, 15)),
        ((true, true), (15, 15)),
    ] {
        for end in BOTH {
            let element = element(fresh, bits);
            let pair = end.open_with(&deflate, &element, Config::default());
            let ours = end.sends(parameters(fresh, bits));
            let theirs = end.peer().sends(parameters(fresh, bits));
            let expected = if ours.0 { settings.send_memory(ours.1) } else { 0 }
                + if theirs.0 { RECEIVE_MEMORY } else { 0 };
            assert_eq!(used(), expected, "{end:?}, {element}");
            assert_eq!(pair.0.stats().compression.unwrap().memory, expected);
            drop(pair);
            assert_eq!(used(), 0);
        }
    }
    assert!(serve(&deflate, &["permessage-deflate; foo"]).unwrap().0.is_none());
    assert_eq!(used(), 0);
    assert!(dial(&deflate, &["permessage-deflate; foo"]).is_err());
    assert_eq!(used(), 0);
    assert!(dial(&deflate, &[]).unwrap().codec.is_none());
    assert_eq!(used(), 0);
}

/// Contexts go from one connection to the next; what was in them does not.
#[test]
fn what_one_connection_received_is_out_of_reach_for_others() {
    let secret = noise(3, 33_000);
    let mut blocks = Blocks::new();
    blocks.stored(false, &secret);
    let secret = blocks.message();
    for pool in [0, 1, 16] {
        let mut settings = granting();
        settings.pool = pool;
        let deflate = Deflate::new(settings);
        for end in BOTH {
            let open = |element: &str| end.open_with(&deflate, element, Config::default());
            // All of them at once, and some of them gone: in mid-message, after a failure, in good order.
            let mut others: Vec<Pair> = Vec::new();
            for n in 0..6 {
                let (mut conn, mut inbox) = open(if n % 2 == 0 { FRESH } else { TAKEOVER });
                let whole = end.incoming(deflated_binary(&secret));
                let part = end.incoming(deflated_binary(&secret[..20_000]).unfinished());
                let bad = end.all_incoming([deflated_binary(&secret), deflated(b"\x06")]);
                let bytes = [whole, part, bad][n % 3].clone();
                let _ = read((&mut conn, &mut inbox), &bytes);
                if n < 4 {
                    others.push((conn, inbox));
                }
                for distance in [1, 3, 258, 20_000, 32_768] {
                    let mut blocks = Blocks::new();
                    blocks.far_match(distance);
                    for element in [FRESH, TAKEOVER] {
                        let (mut conn, mut inbox) = open(element);
                        let bytes = end.all_incoming([deflated(b"\x00"), deflated_binary(&blocks.message())]);
                        let heard = read((&mut conn, &mut inbox), &bytes);
                        assert_eq!(
                            heard,
                            (vec![text("")], Some(ProtocolError::InvalidDeflate)),
                            "{pool}, {n}, {distance}"
                        );
                    }
                }
            }
        }
    }
}

/// The same of what is sent: a message is as long as if no other connection had said the same.
#[test]
fn what_one_connection_sent_is_unknown_to_others() {
    for pool in [0, 1, 16] {
        let mut settings = granting();
        settings.pool = pool;
        let deflate = Deflate::new(settings);
        for end in BOTH {
            let open = |element: &str| end.open_with(&deflate, element, Config::default()).0;
            let mut others = Vec::new();
            for n in 0..4 {
                let mut other = open(if n % 2 == 0 { FRESH } else { TAKEOVER });
                other.send("Hello").unwrap();
                // In the middle of a message it keeps its context, whatever becomes of it.
                other.send_part("Hello, Hel", false).unwrap();
                if n < 2 {
                    others.push(other);
                }
                for element in [FRESH, TAKEOVER] {
                    let mut conn = open(element);
                    conn.send("Hello").unwrap();
                    assert_eq!(drain(&mut conn), end.outgoing(deflated(HELLO)), "{pool}, {n}");
                }
            }
            for mut other in others {
                other.send_part("lo", true).unwrap();
                let frames = sent(&mut other);
                let first = inflate(&frames[0].payload, b"", Rules::UNLIMITED).unwrap();
                let rest: Vec<u8> = frames[1..].iter().flat_map(|frame| frame.payload.clone()).collect();
                assert_eq!(first, b"Hello");
                assert_eq!(inflate(&rest, b"Hello", Rules::UNLIMITED).unwrap(), b"Hello, Hello");
            }
        }
    }
}
