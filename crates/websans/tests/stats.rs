//! The counters: each counts what it says, whatever way the bytes come and go.

#[path = "rfc6455/support.rs"]
mod support;

use bytes::{Buf, Bytes};
use support::*;
use websans::{Connection, Inbox, Prepared, ProtocolError, SendError, Stats};

fn counts(stats: Stats) -> [u64; 7] {
    [
        stats.messages_received,
        stats.messages_sent,
        stats.frames_received,
        stats.frames_sent,
        stats.bytes_received,
        stats.bytes_sent,
        stats.bytes_queued as u64,
    ]
}

#[test]
fn nothing_has_happened_yet() {
    for end in BOTH {
        let conn = end.conn();
        assert_eq!(counts(conn.stats()), [0; 7]);
        assert_eq!((conn.stats().round_trip, conn.stats()), (None, Stats::default()));
    }
}

#[test]
fn what_is_received() {
    for end in BOTH {
        let session = [
            end.incoming(FIN | TEXT, b"one"),
            end.incoming(FIN | PING, b"ping"),
            end.incoming(BINARY, b"t"),
            end.incoming(FIN | PONG, b""),
            end.incoming(0, b""),
            end.incoming(FIN, b"wo"),
            end.incoming_close(1000, "bye"),
        ]
        .concat();
        let behind = vec![0xff; 50];
        let bytes = [&session[..], &behind].concat();
        splits(&bytes, |pieces| {
            let mut conn = end.conn();
            receive_pieces(&mut conn, pieces.iter().copied());
            let stats = conn.stats();
            assert_eq!((stats.messages_received, stats.frames_received), (2, 7));
            assert_eq!(stats.bytes_received, bytes.len() as u64, "what is swallowed was received too");

            let (mut conn, mut inbox) = end.open(quiet());
            for piece in pieces {
                read(&mut conn, &mut inbox, piece);
            }
            assert_eq!(conn.stats(), stats, "through the inbox as without it");
        });
        // A message counts when it is whole, a frame when its header is.
        let mut conn = end.conn();
        let bytes = end.incoming(FIN | TEXT, b"one");
        for at in 0..bytes.len() {
            receive(&mut conn, &bytes[at..=at]);
            let stats = conn.stats();
            assert_eq!(stats.bytes_received, at as u64 + 1);
            assert_eq!(stats.frames_received, u64::from(at + 1 >= bytes.len() - 3));
            assert_eq!(stats.messages_received, u64::from(at + 1 == bytes.len()));
        }
    }
}

/// Also of a session that fails, whoever finds the fault.
#[test]
fn all_bytes_of_a_failing_session() {
    for end in BOTH {
        for bad in [end.incoming(FIN | 3, b"reserved"), end.incoming(FIN | TEXT, b"\xff not text")] {
            let bytes = [end.incoming(FIN | TEXT, b"good"), bad, vec![7; 30]].concat();
            splits(&bytes, |pieces| {
                let (mut conn, mut inbox) = end.open(quiet());
                for piece in pieces {
                    read(&mut conn, &mut inbox, piece);
                    while inbox.next(&mut conn).is_ok_and(|more| more) {}
                }
                assert_eq!(conn.stats().bytes_received, bytes.len() as u64, "{end:?}");
                assert!(conn.stats().messages_received >= 1);
            });
        }
    }
}

#[test]
fn what_is_sent() {
    for end in BOTH {
        let mut conn = end.conn();
        let mut expected = 0;
        let mut check = |conn: &mut Connection, messages, frames| {
            let stats = conn.stats();
            assert_eq!((stats.messages_sent, stats.frames_sent), (messages, frames));
            assert_eq!(stats.bytes_queued, conn.outbox().len());
            // Queued is not sent.
            assert_eq!(stats.bytes_sent, expected);
            let n = drain(conn).len() as u64;
            expected += n;
            assert_eq!((conn.stats().bytes_sent, conn.stats().bytes_queued), (expected, 0));
        };
        conn.send("one").unwrap();
        check(&mut conn, 1, 1);
        conn.send_part("tw", false).unwrap();
        check(&mut conn, 1, 2);
        conn.send_part("o", true).unwrap();
        check(&mut conn, 2, 3);
        conn.send_prepared(&Prepared::new("three").unwrap()).unwrap();
        check(&mut conn, 3, 4);
        conn.send(Bytes::from(vec![7; 50_000])).unwrap();
        conn.send(vec![7; 50_000]).unwrap();
        check(&mut conn, 5, 6);
        conn.ping(b"").unwrap();
        conn.pong(b"").unwrap();
        check(&mut conn, 5, 8);
        receive(&mut conn, &end.incoming(FIN | PING, b"ping"));
        check(&mut conn, 5, 9);
        conn.tick(START + secs(30));
        check(&mut conn, 5, 10);
        conn.close(code(1000), "").unwrap();
        check(&mut conn, 5, 11);
        // What was refused does not count.
        assert_eq!(conn.send("late"), Err(SendError::Closing));
        check(&mut conn, 5, 11);
    }
}

#[test]
fn fragments_that_were_made_here_count_as_frames() {
    for end in BOTH {
        let mut config = quiet();
        config.fragment_above = Some(10);
        let mut conn = end.open(config).0;
        conn.send(&[7; 25]).unwrap();
        conn.send(&[7; 10]).unwrap();
        conn.send_prepared(&Prepared::new(&[7; 25]).unwrap()).unwrap();
        assert_eq!((conn.stats().messages_sent, conn.stats().frames_sent), (3, 7));
        assert_eq!(sent(&mut conn).len(), 7);
    }
}

/// Bytes that were taken out count as queued until they are written.
#[test]
fn partly_written_and_taken_out() {
    for end in BOTH {
        let mut conn = end.conn();
        conn.send(&[7; 100]).unwrap();
        let all = conn.stats().bytes_queued;
        conn.outbox().advance(30);
        assert_eq!((conn.stats().bytes_sent, conn.stats().bytes_queued), (30, all - 30));
        let taken = conn.outbox().take_chunk().len();
        assert_eq!(taken, all - 30);
        assert_eq!((conn.stats().bytes_sent, conn.stats().bytes_queued), (30, all - 30));
        conn.outbox().advance(50);
        assert_eq!((conn.stats().bytes_sent, conn.stats().bytes_queued), (80, all - 80));
        conn.outbox().advance(all);
        assert_eq!((conn.stats().bytes_sent, conn.stats().bytes_queued), (all as u64, 0));
    }
}

#[test]
fn failures_and_their_close() {
    for end in BOTH {
        let mut conn = end.conn();
        conn.fail(ProtocolError::InvalidUtf8);
        assert_eq!((conn.stats().frames_sent, conn.stats().messages_sent), (1, 0));
        conn.fail(ProtocolError::InvalidUtf8);
        conn.eof();
        assert_eq!(conn.stats().frames_sent, 1);
        assert_eq!(sent(&mut conn).len(), 1);
    }
}

/// A connection may be driven by any thread.
#[test]
fn connections_can_be_sent() {
    fn is_send<T: Send>() {}
    is_send::<Connection>();
    is_send::<Inbox>();
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Prepared>();
    is_send_and_sync::<websans::Config>();
    is_send_and_sync::<websans::Outcome>();
}
