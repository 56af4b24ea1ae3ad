//! Fragments and frames in numbers that no message needs.

use core::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use allocation_counter::measure;
use bytes::Buf;
use websans::deflate::{self, Codec, Decode, Decoded};
use websans::{Config, Connection, Event, Inbox, Message, Negotiated, ProtocolError};
use websans_testkit::cases::{self, Echo, Scale};

use crate::support::*;

const KIB: usize = 1 << 10;
const MILLION: usize = 1_000_000;

/// How the parts of a message are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Next,
    Accept,
}

const READERS: [Reader; 2] = [Reader::Next, Reader::Accept];

/// A frame whose mask changes nothing, so that its bytes can be fed again and again.
fn plain(end: End, first: u8, payload: &[u8]) -> Vec<u8> {
    encode(first, end.incoming_key().map(|_| [0; 4]), payload)
}

/// An endpoint that is fed `frames` again and again, in reads of less than the read buffer, which stays small.
struct Flooded {
    conn: Connection,
    inbox: Inbox,
    reader: Reader,
}

impl Flooded {
    fn new(end: End, config: Config, reader: Reader) -> Self {
        let (conn, inbox) = end.open(config);
        Self { conn, inbox, reader }
    }

    /// The messages that were whole, and their bytes.
    fn feed(&mut self, bytes: &mut [u8]) -> Result<(usize, usize), ProtocolError> {
        let Self { conn, inbox, .. } = self;
        let (mut messages, mut content) = (0, 0);
        let mut count = |message: Message<'_>| {
            messages += 1;
            content += message.as_bytes().len();
        };
        match self.reader {
            Reader::Next => {
                for mut piece in bytes.chunks(1500) {
                    while !piece.is_empty() {
                        fill(inbox, &mut piece);
                        while inbox.next(conn)? {
                            count(inbox.message().unwrap());
                        }
                    }
                }
            }
            Reader::Accept => {
                let mut input = bytes;
                while let Some(event) = conn.receive(&mut input)? {
                    if let Event::Part(part) = event {
                        inbox.accept(conn, part)?.into_iter().for_each(&mut count);
                    }
                }
            }
        }
        Ok((messages, content))
    }

    /// Feeds the frame until the connection fails or has had `most` of it.
    fn flood(&mut self, frame: &mut [u8], most: usize) -> Option<ProtocolError> {
        (0..most).find_map(|_| self.feed(frame).err())
    }
}

/// The advisory's frames, a million of them: empty and of one byte, up to the limit and not one more.
///
/// Fails when `receive.rs` no longer holds `receiving.fragments` to the limit, and when it counts one too few.
#[test]
fn cve_2014_0193_continuations_are_counted() {
    for end in BOTH {
        for reader in READERS {
            for (payload, empties) in [(&b"a"[..], 0), (b"", 16), (b"", 255)] {
                for limit in [1, 2, 100, 131_072] {
                    let mut config = quiet();
                    config.max_fragments = limit;
                    config.max_empty_fragments = empties;
                    let mut flooded = Flooded::new(end, config, reader);
                    let mut begin = plain(end, TEXT, b"a");
                    let mut more = plain(end, 0, payload);
                    let mut error = None;
                    let info = measure(|| {
                        assert_eq!(flooded.feed(&mut begin), Ok((0, 0)));
                        error = flooded.flood(&mut more, MILLION);
                    });
                    assert_eq!(error, Some(ProtocolError::TooManyFragments));
                    let allowed = if payload.is_empty() { limit.min(u32::from(empties) + 1) } else { limit };
                    let stats = flooded.conn.stats();
                    assert_eq!(
                        stats.frames_received,
                        u64::from(allowed) + 1,
                        "{reader:?}: {limit}, {empties}"
                    );
                    // Old and new storage while it grows, the read buffer, and the Close.
                    assert!(info.bytes_max <= 3 * u64::from(limit) + 4 * KIB as u64, "{info:?}");
                    assert_failed(&mut flooded.conn, ProtocolError::TooManyFragments, "too many fragments");
                }
            }
        }
    }
    assert_eq!(ProtocolError::TooManyFragments.close_code(), code(1008));
}

/// What gathering `n` fragments of a byte takes at the end, and how many allocations it took.
fn taken(n: usize, gather: impl FnOnce(usize)) -> (usize, u64) {
    let info = measure(|| gather(n));
    (usize::try_from(info.bytes_current).unwrap(), info.count_total)
}

fn is_frugal(n: usize, (bytes, allocations): (usize, u64)) -> bool {
    bytes <= 2 * n + 4 * KIB && allocations <= 100
}

/// Fragments of one byte cost what their bytes cost, at any number of them.
///
/// The judge refuses a list of fragments. Fails also when `Assembler::gather` reserves more for each part than its bytes.
#[test]
fn cve_2026_48779_a_million_fragments_of_a_byte() {
    let mut list = Vec::new();
    assert!(!is_frugal(MILLION, taken(MILLION, |n| list.extend((0..n).map(|_| vec![b'x'])))));

    for end in BOTH {
        for reader in READERS {
            for n in [1, 100, 4097, 65_537, 524_289, MILLION] {
                let mut config = quiet();
                config.max_fragments = u32::MAX;
                let mut flooded = None;
                let [mut begin, more, mut last] = [BINARY, 0, FIN].map(|first| plain(end, first, b"x"));
                let mut more = more.repeat(100);
                let cost = taken(n, |n| {
                    let mut fresh = Flooded::new(end, config, reader);
                    fresh.feed(&mut begin).unwrap();
                    for _ in 0..n / 100 {
                        fresh.feed(&mut more).unwrap();
                    }
                    flooded = Some(fresh);
                });
                let n = 1 + n / 100 * 100;
                assert!(is_frugal(n, cost), "{end:?}, {reader:?}, {n}: {cost:?}");
                assert_eq!(flooded.unwrap().feed(&mut last), Ok((1, n + 1)));
            }
        }
    }
}

/// Empty fragments count in a row, whatever control frames are between them, and among all.
///
/// Fails when `receive.rs` counts only fragments with content, and when a Ping ends the row.
#[test]
fn shape_empty_fragments_uncounted_are_counted() {
    for end in BOTH {
        for reader in READERS {
            for opcode in [TEXT, BINARY] {
                // In a row.
                for most in [0, 1, 16, 255] {
                    let mut config = quiet();
                    config.max_empty_fragments = most;
                    let mut flooded = Flooded::new(end, config, reader);
                    flooded.feed(&mut plain(end, opcode, b"a")).unwrap();
                    let mut empty = [plain(end, FIN | PING, b""), plain(end, 0, b"")].concat();
                    assert_eq!(flooded.flood(&mut empty, 300), Some(ProtocolError::TooManyFragments));
                    assert_eq!(flooded.conn.stats().frames_received, 1 + 2 * (u64::from(most) + 1));
                }
                // In all, sixteen for each byte.
                let mut flooded = Flooded::new(end, quiet(), reader);
                let mut some = [plain(end, 0, b"").repeat(16), plain(end, 0, b"a")].concat();
                let mut error = None;
                let info = measure(|| {
                    flooded.feed(&mut plain(end, opcode, b"a")).unwrap();
                    error = flooded.flood(&mut some, MILLION);
                });
                assert_eq!(error, Some(ProtocolError::TooManyFragments));
                assert_eq!(flooded.conn.stats().frames_received, 131_072 + 1);
                let content = 131_072 / 17;
                assert!(info.bytes_max <= 3 * content + 6 * KIB as u64, "{info:?}");
            }
        }
    }
    let config = Config::default();
    assert_eq!((config.max_fragments, config.max_empty_fragments), (131_072, 16));
}

/// The sum counts, not each frame alone, and the number counts beside the sum: in clients as in servers.
///
/// Fails when `receive.rs` gives a continuation the whole limit again, and when it counts fragments in servers alone.
#[test]
fn cve_2026_12151_sum_and_number_in_both_roles() {
    for end in BOTH {
        for reader in READERS {
            for (limit, size) in [(1000, 300), (1000, 1000), (1000, 1), (1000, 999), (70_000, 66_000)] {
                let mut config = quiet();
                config.max_message = limit;
                let piece = vec![7; usize::try_from(size).unwrap()];
                let fitting = limit / size;
                let rest = limit % size;
                // Just so much, and one byte more.
                for over in [0, 1] {
                    let mut flooded = Flooded::new(end, config.clone(), reader);
                    let first = plain(end, BINARY, &piece);
                    let more = plain(end, 0, &piece).repeat(usize::try_from(fitting - 1).unwrap());
                    let last = vec![7; usize::try_from(rest + over).unwrap()];
                    assert_eq!(flooded.feed(&mut [first, more].concat()), Ok((0, 0)));
                    // The header alone tells.
                    let last = plain(end, FIN, &last);
                    let (mut head, mut payload) = (last.clone(), Vec::new());
                    if over > 0 {
                        payload = head.split_off(last.len() - usize::try_from(rest + over).unwrap());
                    }
                    let got = flooded.feed(&mut head);
                    if over == 0 {
                        assert_eq!(got, Ok((1, usize::try_from(limit).unwrap())), "{limit}, {size}");
                    } else {
                        assert_eq!(got, Err(ProtocolError::MessageTooBig), "{limit}, {size}");
                        assert_eq!(flooded.feed(&mut payload), Ok((0, 0)));
                        assert_failed(&mut flooded.conn, ProtocolError::MessageTooBig, "the sum");
                    }
                }
            }
            // Far below the limit of bytes.
            let mut flooded = Flooded::new(end, quiet(), reader);
            flooded.feed(&mut plain(end, BINARY, b"x")).unwrap();
            assert_eq!(
                flooded.flood(&mut plain(end, 0, b"x"), MILLION),
                Some(ProtocolError::TooManyFragments)
            );
            assert_eq!(flooded.conn.stats().frames_received, 131_072 + 1);
        }
    }
}

/// Continuations are limited, but a few without content are a message.
///
/// Fails when `receive.rs` allows no empty fragment, and when it limits neither number nor sum.
#[test]
fn cve_2026_42786_limited_but_not_forbidden() {
    let cases: Vec<_> =
        cases::all(Scale::Small).into_iter().filter(|case| case.id.starts_with("6.1.")).collect();
    assert!(cases.iter().any(|case| case.id == "6.1.2"));
    for case in cases {
        for server in [true, false] {
            cases::run(&case, !server, &mut Echo::new(server))
                .unwrap_or_else(|what| panic!("{}: {what}", case.id));
        }
    }
    for end in BOTH {
        for (payload, error) in [
            (vec![], ProtocolError::TooManyFragments),
            (vec![b'x'], ProtocolError::TooManyFragments),
            (vec![b'x'; 1000], ProtocolError::MessageTooBig),
        ] {
            let mut flooded = Flooded::new(end, quiet(), Reader::Next);
            flooded.feed(&mut plain(end, TEXT, b"")).unwrap();
            assert_eq!(flooded.flood(&mut plain(end, 0, &payload), MILLION), Some(error));
        }
    }
}

/// The least time that `work` took.
fn least_time(mut work: impl FnMut()) -> Duration {
    let times = (0..7).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    times.min().unwrap()
}

/// Whether 16 times as much takes less than 64 times as long: in step it is 16 times, with the square 256 times. Instructions,
/// which `cargo xtask linear` counts, tell far more exactly; this tells squares from lines wherever the tests run.
fn is_in_step(few: usize, mut work: impl FnMut(usize)) -> bool {
    let least = least_time(|| work(few));
    // Another look at what was slow just now: something else may have kept the machine busy.
    (0..3).any(|_| least_time(|| work(16 * few)) < 64 * least)
}

/// Receives without inflating, and counts what it was asked to look at.
struct Looks {
    calls: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Decode for Looks {
    fn decode(&mut self, input: &mut &[u8], _: bool, out: &mut [u8]) -> Result<Decoded, ProtocolError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(input.len(), Ordering::Relaxed);
        let n = input.len().min(out.len());
        let (now, later) = input.split_at(n);
        out[..n].copy_from_slice(now);
        *input = later;
        Ok(if later.is_empty() { Decoded::Drained(n) } else { Decoded::More(n) })
    }
}

/// Nothing of the message so far is looked at again when a fragment comes.
///
/// The judge refuses a reader that checks its text from the beginning each time. Fails also when `Assembler::keep` checks all
/// that has been gathered.
#[test]
fn cve_2026_65623_no_fragment_looks_back() {
    assert!(!is_in_step(1 << 8, |n| {
        let mut text = Vec::new();
        for _ in 0..n {
            text.extend_from_slice("€".as_bytes());
            assert!(hint::black_box(core::str::from_utf8(hint::black_box(&text))).is_ok());
        }
    }));
    let mut config = quiet();
    config.max_fragments = u32::MAX;
    for end in BOTH {
        for reader in READERS {
            for (opcode, content) in [(TEXT, "€".as_bytes()), (BINARY, b"x")] {
                assert!(
                    is_in_step(1 << 11, |n| {
                        let mut flooded = Flooded::new(end, config.clone(), reader);
                        flooded.feed(&mut plain(end, opcode, content)).unwrap();
                        let mut more = plain(end, 0, content).repeat(16);
                        for _ in 0..n / 16 {
                            flooded.feed(&mut more).unwrap();
                        }
                        assert_eq!(flooded.feed(&mut plain(end, FIN, b"")), Ok((1, (n + 1) * content.len())));
                    }),
                    "{end:?}, {reader:?}, {opcode}"
                );
            }
        }
        // By count, where a count can be had: of what the decompressor sees.
        let (calls, bytes) = (Arc::default(), Arc::default());
        let looks = Looks { calls: Arc::clone(&calls), bytes: Arc::clone(&bytes) };
        let mut negotiated = Negotiated::default();
        negotiated.deflate = Some(deflate::Parameters::default());
        negotiated.codec = Some(Codec::new(Box::new(RunLength::default()), Box::new(looks)));
        let (conn, inbox) = websans::open(end.role(), config.clone(), negotiated, START);
        let mut flooded = Flooded { conn, inbox, reader: Reader::Next };
        flooded.feed(&mut plain(end, 0x40 | TEXT, b"x")).unwrap();
        let mut more = plain(end, 0, b"x").repeat(100);
        for _ in 0..1000 {
            flooded.feed(&mut more).unwrap();
        }
        assert_eq!(flooded.feed(&mut plain(end, FIN, b"x")), Ok((1, 100_002)));
        let looked = (calls.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
        assert!(looked.0 <= 2 * 100_002 && looked.1 <= 2 * 100_002, "{looked:?}");
    }
}

/// Bytes that wait to be written.
trait Waiting {
    /// Where the next ones lie, and how many in one piece.
    fn place(&mut self) -> (usize, usize);
    /// The first one has been written.
    fn leave(&mut self);
}

impl Waiting for Connection {
    fn place(&mut self) -> (usize, usize) {
        let outbox = self.outbox();
        let chunk = outbox.chunk();
        (chunk.as_ptr() as usize, chunk.len())
    }

    fn leave(&mut self) {
        self.outbox().advance(1);
    }
}

/// A buffer that cuts off what has been written.
struct Cut(Vec<u8>);

impl Waiting for Cut {
    fn place(&mut self) -> (usize, usize) {
        (self.0.as_ptr() as usize, self.0.len())
    }

    fn leave(&mut self) {
        self.0.drain(..1);
    }
}

/// Writes `n` bytes, one at a time, with `meanwhile` behind each, and counts the bytes that were moved: those that do not lie
/// where they lay before.
fn moved<W: Waiting>(n: usize, waiting: &mut W, mut meanwhile: impl FnMut(usize, &mut W)) -> usize {
    let mut moved = 0;
    for written in 1..=n {
        let (at, len) = waiting.place();
        waiting.leave();
        meanwhile(written, waiting);
        let (now, left) = waiting.place();
        if len > 1 && now != at + 1 {
            moved += left;
        }
    }
    moved
}

/// What waits stays where it is while it leaves byte by byte, and while more is sent behind it.
///
/// The judge refuses a buffer that cuts off what has been written. Fails also when `Outbox::advance_chunk` drains the tail,
/// and when `Outbox::compact` does so at every call.
#[test]
fn shape_quadratic_drain_leaves_bytes_in_place() {
    assert!(moved(10_000, &mut Cut(vec![7; 10_000]), |_, _| ()) > 100 * 10_000);

    for end in BOTH {
        for len in [0, 1, 10, 100, 1000] {
            let mut config = quiet();
            config.max_outbox = usize::MAX;
            let mut conn = end.open(config).0;
            let payload = vec![7; len];
            while conn.outbox().len() < 200_000 {
                conn.send(&payload[..]).unwrap();
            }
            let all = conn.outbox().len();
            assert_eq!(moved(all, &mut conn, |_, _| ()), 0, "{end:?}, {len}");
            assert!(!conn.wants_write());

            // The same while others are put in as they leave.
            conn.send(vec![7; 50_000]).unwrap();
            let moves = moved(all, &mut conn, |written, conn| {
                if written % (len + 6) == 0 {
                    conn.send(&payload[..]).unwrap();
                }
            });
            assert!(moves <= 3 * all, "{end:?}, {len}: {moves} bytes moved for {all}");
        }
    }
}

/// However many frames have come, each call takes one and reports it; nothing is queued for the application.
///
/// Fails when `receive_control` reports nothing of a Pong, so that a call goes on to the next frame. What a call could keep
/// for later, it would have to store.
#[test]
fn rustsec_2026_0258_one_event_for_each_call() {
    for end in BOTH {
        let mut config = quiet();
        config.max_fragments = u32::MAX;
        let kinds = [
            plain(end, FIN | PONG, b""),
            plain(end, FIN | PONG, &[7; 125]),
            plain(end, FIN | TEXT, b""),
            [plain(end, BINARY, b"x"), plain(end, 0, b""), plain(end, FIN, b"")].concat(),
            plain(end, FIN | PING, b""),
        ];
        for frames in kinds {
            let mut bytes = frames.repeat(10_000);
            let mut lengths = Vec::new();
            let mut rest = &frames[..];
            while let Some((_, n)) = decode_one(rest) {
                lengths.push(n);
                rest = &rest[n..];
            }
            let mut conn = end.open(config.clone()).0;
            let total = lengths.len() * 10_000;
            let mut seen = 0;
            let info = measure(|| {
                let mut input = &mut bytes[..];
                for n in lengths.iter().cycle().take(total) {
                    let before = input.len();
                    assert!(conn.receive(&mut input).unwrap().is_some());
                    assert_eq!(before - input.len(), *n, "one frame");
                    seen += 1;
                }
                assert_eq!(conn.receive(&mut input), Ok(None));
            });
            assert_eq!((seen, conn.stats().frames_received), (total, total as u64));
            // A Pong or two that wait.
            assert!(info.bytes_max <= KIB as u64, "{info:?}");
        }
    }
}
