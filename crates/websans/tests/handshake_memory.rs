//! What a handshake costs in memory while it lasts: as much as has arrived, never more than its limit.
#![cfg(feature = "handshake")]

use allocation_counter::{AllocationInfo, measure};
use websans::handshake::HandshakeError;
use websans::handshake::client::{Answer, Connector, Request};
use websans::handshake::server::{Acceptor, Choice};
use websans::{Config, Timestamp};

const NOW: Timestamp = Timestamp::from_nanos(0);

/// What is held at the end of `act`, and the most that was, which counts the old and the new buffer while one
/// replaces the other.
fn held<T>(act: impl FnOnce() -> T) -> (u64, u64) {
    let mut value = None;
    let info: AllocationInfo = measure(|| value = Some(act()));
    (u64::try_from(info.bytes_current).unwrap(), info.bytes_max)
}

/// An acceptor that has been given `bytes` one at a time, up to its verdict.
fn dribbled(
    config: &Config,
    bytes: impl IntoIterator<Item = u8>,
) -> (Acceptor, Result<bool, HandshakeError>) {
    let mut acceptor = Acceptor::new(config, NOW);
    for byte in bytes {
        let Some(spare) = acceptor.spare_mut().first_mut() else {
            break;
        };
        *spare = byte;
        acceptor.filled(1);
    }
    let verdict = acceptor.poll(NOW);
    (acceptor, verdict)
}

#[test]
fn a_slow_head_costs_what_has_come_of_it() {
    let config = Config::default();
    let endless = |len| b"GET /".iter().copied().chain(core::iter::repeat_n(b'a', len));
    assert_eq!(held(|| Acceptor::new(&config, NOW)), (0, 0));
    for (len, limit) in [(1, 1 << 10), (1000, 1 << 10), (2000, 2 << 10), (9000, 16 << 10), (16_000, 16 << 10)]
    {
        let (now, most) = held(|| dribbled(&config, endless(len)));
        assert!(now <= limit, "{now} bytes for {len}");
        assert!(most <= limit + limit / 2, "{most} bytes for {len}");
    }
    // At the limit it is refused, and the limit it costs.
    let (now, most) = held(|| {
        let (acceptor, verdict) = dribbled(&config, endless(1 << 20));
        assert_eq!(verdict, Err(HandshakeError::HeadTooLarge));
        acceptor
    });
    let max_head = u64::try_from(config.max_head).unwrap();
    assert!(now <= max_head && most <= max_head + max_head / 2, "{now}, {most} bytes");
}

#[test]
fn many_lines_cost_no_more_than_their_bytes() {
    let mut config = Config::default();
    config.max_headers = usize::MAX;
    let flood =
        || b"GET / HTTP/1.1\r\n".iter().copied().chain(b":\r\n".iter().copied().cycle().take(300_000));
    let (now, most) = held(|| {
        let (acceptor, verdict) = dribbled(&config, flood());
        assert_eq!(verdict, Err(HandshakeError::HeadTooLarge));
        acceptor
    });
    assert!(now <= 16 << 10 && most <= 24 << 10, "{now}, {most} bytes");
}

#[test]
fn judging_a_request_costs_a_few_kilobytes() {
    let config = Config::default();
    let mut request = String::from(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
    );
    request += "Sec-WebSocket-Extensions: ";
    request += &"permessage-deflate,".repeat(400);
    request += "\r\nSec-WebSocket-Protocol: ";
    request += &(0..64).map(|n| format!("{n}")).collect::<Vec<_>>().join(",");
    request += &"\r\nX: y".repeat(57);
    request += "\r\n\r\n";
    let (acceptor, verdict) = dribbled(&config, request.bytes());
    assert_eq!(verdict, Ok(true));
    // 64 lines of 32 bytes, 64 names of 16, 16 offers; the vectors grow by doubling.
    let (_, most) = held(|| {
        acceptor.request().unwrap().check().unwrap().accept(&Choice::new(), &mut Vec::new()).unwrap()
    });
    assert!(most <= 5 << 10, "{most} bytes");
    // What follows the head is all that is kept of it, and usually that is nothing.
    assert_eq!(acceptor.into_rest().capacity(), 0);
}

#[test]
fn a_refusal_costs_its_limit() {
    let config = Config::default();
    let request = || Request::new("ws://a/", [0; 16]).unwrap();
    let head = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n";
    // Sizes without end, chunks without end, and extensions without end.
    for body in ["1\r\nx\r\n", "ffffffff\r\n", "1;aaaaaaaaaaaaaaaaaaaaa"] {
        let (_, most) = held(|| {
            let mut connector = Connector::new(request(), &config, NOW);
            let stream = head.bytes().chain(body.bytes().cycle()).take(2 << 20);
            for byte in stream {
                let Some(spare) = connector.spare_mut().first_mut() else {
                    break;
                };
                *spare = byte;
                connector.filled(1);
                if matches!(connector.poll(NOW), Ok(Some(_))) {
                    return;
                }
            }
            let Ok(Some(Answer::Refused(refusal))) = connector.poll(connector.deadline()) else {
                panic!("no refusal at the deadline");
            };
            assert!(!refusal.complete && refusal.body.len() <= config.max_refusal_body);
        });
        // The body grows by doubling: for a moment there are one and a half.
        let limit = u64::try_from(config.max_refusal_body).unwrap();
        assert!(most <= limit + limit / 2 + (5 << 10), "{most} bytes for {body:?}");
    }
}
