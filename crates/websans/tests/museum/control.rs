//! Answers that nobody reads, and frames that ask for none.

use allocation_counter::measure;
use bytes::Buf;
use websans::{Config, Connection, ProtocolError, Reply, SendError, State};

use crate::support::*;

/// A frame whose mask changes nothing, so that its bytes can be fed again and again.
pub(crate) fn plain(end: End, first: u8, payload: &[u8]) -> Vec<u8> {
    encode(first, end.incoming_key().map(|_| [0; 4]), payload)
}

/// Hands over the bytes again and again, without an allocation of its own; how many events came of it.
pub(crate) fn flood(conn: &mut Connection, bytes: &mut [u8], times: usize) -> Result<usize, ProtocolError> {
    let mut events = 0;
    for _ in 0..times {
        let mut input = &mut bytes[..];
        while conn.receive(&mut input)?.is_some() {
            events += 1;
        }
    }
    Ok(events)
}

/// Sends until there is no room, which there must be at some time.
#[track_caller]
pub(crate) fn until_full(mut send: impl FnMut() -> Result<(), SendError>) {
    let result = (0..200_000).find_map(|_| send().err());
    assert_eq!(result, Some(SendError::OutboxFull), "there is no limit");
}

/// A million messages for a peer that reads nothing: they are refused from the limit on, and cost what the limit allows.
///
/// Fails when `Connection::room_for` always finds room.
#[test]
fn cve_2020_35896_peer_that_never_reads() {
    for end in BOTH {
        for len in [0, 1, 125, 5000] {
            let mut conn = end.open(quiet()).0;
            let limit = conn.config().max_outbox;
            let payload = vec![7; len];
            let mut refused = 0;
            let info = measure(|| {
                for _ in 0..1_000_000 {
                    match conn.send(&payload[..]) {
                        Ok(()) => assert!(refused == 0 && conn.outbox().len() <= limit + 14, "no limit"),
                        Err(error) => {
                            assert_eq!(error, SendError::OutboxFull);
                            refused += 1;
                        }
                    }
                }
            });
            let because = format!("{end:?}, {len}");
            let queued = conn.outbox().len();
            assert!(
                refused > 800_000 && queued <= limit + 14,
                "{because}: {refused} refused, {queued} bytes"
            );
            // A `Vec` has room for twice what it holds, and for as much again while it grows.
            assert!(info.bytes_current <= i64::try_from(2 * limit + 4096).unwrap(), "{because}: {info:?}");
            assert!(info.bytes_max <= u64::try_from(3 * limit + 4096).unwrap(), "{because}: {info:?}");
            until_full(|| conn.ping(b""));
            assert!(conn.outbox().len() <= limit + 14, "{because}: pings have no room of their own");
        }
    }
}

/// Ten million Pings, and a million at a client, while the transport takes nothing: one Pong waits, the newest, in storage of its own.
///
/// Fails when `Outbox::push_pong` batches Pongs in a transport that is known to be blocked.
#[test]
fn shape_pong_for_each_ping_of_a_flood_is_one() {
    for (end, times) in [(End::Server, 10_000), (End::Client, 1000)] {
        let mut conn = end.open(quiet()).0;
        conn.send("half of this is written").unwrap();
        conn.outbox().advance(10);
        conn.tick(START);
        let waiting = conn.outbox().len();
        let mut pings = plain(end, FIN | PING, b"flood").repeat(1000);
        let info = measure(|| assert_eq!(flood(&mut conn, &mut pings, times), Ok(1000 * times)));
        assert!(info.bytes_current <= 256 && info.bytes_max <= 256, "{end:?}: {info:?}");
        let newest = end.outgoing(FIN | PONG, b"newest");
        receive(&mut conn, &end.incoming(FIN | PING, b"newest"));
        assert_eq!(conn.outbox().len(), waiting + newest.len(), "{end:?}: one pong waits");
        assert!(drain(&mut conn).ends_with(&newest), "{end:?}");
    }
}

/// A Pong that comes thrice, one that nobody asked for and one after the Close: none has an effect.
///
/// Fails when `Timers::note_pong` takes any Pong for the answer, and when it does so more than once.
#[test]
fn shape_two_pongs_for_one_ping_are_harmless() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        receive(&mut conn, &end.incoming(FIN | PONG, b"unasked"));
        assert_eq!((conn.state(), conn.stats().round_trip), (State::Open, None));
        conn.ping(b"ping").unwrap();
        drain(&mut conn);
        receive(&mut conn, &end.incoming(FIN | PONG, b"unasked"));
        assert_eq!(conn.stats().round_trip, None, "{end:?}: that was not the answer");
        conn.tick(START + secs(1));
        let pong = end.incoming(FIN | PONG, b"ping");
        for _ in 0..3 {
            assert_eq!(receive(&mut conn, &pong), (vec![Got::Pong(b"ping".to_vec())], None));
            assert_eq!(conn.stats().round_trip, Some(secs(1)), "{end:?}: the first counts");
            conn.tick(START + secs(2));
        }
        assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
        // Within the closing it is still a Pong; after it, it is nothing.
        conn.close(code(1000), "").unwrap();
        drain(&mut conn);
        assert_eq!(receive(&mut conn, &pong).0.len(), 1);
        receive(&mut conn, &end.incoming_close(1000, ""));
        let outcome = conn.outcome().cloned();
        for _ in 0..3 {
            assert_eq!(receive(&mut conn, &pong), (vec![], None));
        }
        assert_eq!((conn.state(), conn.outcome().cloned()), (State::Closed, outcome));
        assert_eq!(sent(&mut conn), []);
    }
}

/// Ten million Pongs that nobody asked for, half of them at either end: read, and forgotten.
///
/// Fails when `receive_control` keeps the payload of a Pong.
#[test]
fn cve_2021_3690_unsolicited_pongs() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        let mut pongs = [plain(end, FIN | PONG, b""), plain(end, FIN | PONG, &[7; 16])].concat().repeat(500);
        let info = measure(|| assert_eq!(flood(&mut conn, &mut pongs, 5000), Ok(5_000_000)));
        assert_eq!((info.bytes_max, info.count_total), (0, 0), "{end:?}");
        assert_eq!((conn.state(), conn.wants_write()), (State::Open, false));
    }
}

/// Answers that the protocol asks for do not pile up while the peer's window is shut, whatever asks for them.
///
/// Fails when `Outbox::push_pong` batches Pongs without an end.
#[test]
fn cve_2019_9512_replies_to_a_peer_whose_window_is_shut() {
    for end in BOTH {
        let mut conn = end.open(quiet()).0;
        until_full(|| conn.send("no room for more of these"));
        let waiting = conn.outbox().len();
        let mut flooding = [
            plain(end, FIN | PING, &[7; 125]),
            plain(end, BINARY, b"x"),
            plain(end, FIN | PING, b""),
            plain(end, FIN, b"y"),
            plain(end, FIN | PONG, &[7; 125]),
        ]
        .concat()
        .repeat(100);
        let info = measure(|| assert_eq!(flood(&mut conn, &mut flooding, 1000), Ok(500_000)));
        let grown = conn.outbox().len() - waiting;
        // A handful of small ones at first, 250 bytes, and the newest.
        assert!(grown <= 250 + 131, "{end:?}: {grown} bytes more");
        assert!(info.bytes_current <= 1 << 10, "{end:?}: {info:?}");
        // Errors and Closes answer once.
        for bytes in [end.incoming_close(1000, ""), vec![0xff; 100]] {
            receive(&mut conn, &bytes);
        }
        assert!(conn.outbox().len() - waiting <= 250 + 131 + 2 * 131, "{end:?}");
    }
}

/// A flood whose answers are read is answered with no more than it has brought, and no allocation.
///
/// Fails when a Ping is answered twice in `receive_control`.
#[test]
fn attack_07_ping_flood_of_a_peer_that_reads() {
    for end in BOTH {
        for len in [0, 5, 125] {
            let mut conn = end.open(quiet()).0;
            let mut pings = plain(end, FIN | PING, &vec![7; len]).repeat(100);
            flood(&mut conn, &mut pings, 1).unwrap();
            let outbox = conn.outbox();
            outbox.advance(outbox.len());
            let before = conn.stats();
            let info = measure(|| {
                for _ in 0..2000 {
                    assert_eq!(flood(&mut conn, &mut pings, 1), Ok(100));
                    let outbox = conn.outbox();
                    outbox.advance(outbox.len());
                }
            });
            assert!(info.bytes_current <= 256, "{end:?}: {info:?}");
            let after = conn.stats();
            let (read, written) =
                (after.bytes_received - before.bytes_received, after.bytes_sent - before.bytes_sent);
            // A client's frames are longer than a server's, by a key.
            let keys = if end == End::Client { 4 * 200_000 } else { 0 };
            assert!(written <= read + keys, "{end:?}: {written} bytes in answer to {read}");
        }
    }
}

/// An application under back-pressure of its own, and a peer that floods: nothing that is received makes the outbox grow
/// beyond a Pong. Reading goes on, lest both ends wait for each other.
///
/// Fails when `Outbox::push_pong` batches Pongs without an end.
#[test]
fn attack_09_control_frames_behind_a_full_outbox() {
    for end in BOTH {
        for reply in [Reply::Automatic, Reply::WhenAsked] {
            let mut config = quiet();
            config.pong_reply = reply;
            let mut conn = end.open(config).0;
            until_full(|| conn.send(&[7; 1000][..]));
            until_full(|| conn.pong(b""));
            conn.tick(START);
            let full = conn.outbox().len();
            let mut pings = plain(end, FIN | PING, &[7; 125]).repeat(1000);
            let info = measure(|| assert_eq!(flood(&mut conn, &mut pings, 100), Ok(100_000)));
            let most = if reply == Reply::Automatic { 131 } else { 0 };
            assert!(conn.outbox().len() <= full + most, "{end:?}, {reply:?}");
            assert!(info.bytes_current <= 256, "{end:?}, {reply:?}: {info:?}");
            // An application that answers by hand is refused.
            if reply == Reply::WhenAsked {
                assert_eq!(conn.pong(b""), Err(SendError::OutboxFull));
            }
        }
    }
}

/// Events are handed out one at a time and held nowhere: a hundred frames in one read cost what one costs, nothing.
///
/// Fails when `receive_control` puts a payload that has come whole into a box.
#[test]
fn attack_29_no_queue_of_events() {
    for end in BOTH {
        let mut conn = end.open(Config::default()).0;
        let frames =
            [plain(end, FIN | PONG, b"pong"), plain(end, FIN | BINARY, b"x"), plain(end, FIN | TEXT, b"y")];
        let mut bytes = frames.concat().repeat(100);
        let info = measure(|| {
            let mut input = &mut bytes[..];
            for left in (0..300).rev() {
                assert!(conn.receive(&mut input).unwrap().is_some());
                assert_eq!(input.is_empty(), left == 0, "what is not handed out has not been read");
            }
        });
        assert_eq!((info.count_total, info.bytes_max), (0, 0), "{end:?}");
    }
}
