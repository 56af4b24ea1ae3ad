//! [`replay`]: recordings, as they are or made on the spot.

use bytes::{Buf, Bytes};
use websans::deflate::{Extension, Flush};
use websans::{
    CloseCode, Config, Event, Kind, Negotiated, Payload, Prepared, ProtocolError, Reply, Role, Timestamp,
};
use websans_deflate::Deflate;
use websans_record::{Recorder, Replay, ReplayError, redact};

use super::input::Input;
use crate::dice::Dice;
use crate::listen::counted_keys;

/// What files begin with.
const MAGIC: u8 = 0x8B;

/// Reads and replays bytes that begin as a recording does. Of any others, the first six are the settings of a client and a
/// server, and the rest what they do, which is recorded.
///
/// # Panics
/// If a recording that was made here diverges, or one that replays, redacted, does not.
pub fn replay(data: &[u8]) {
    if data.first() == Some(&MAGIC) {
        let replay = Replay::new().deflate(Deflate::default());
        if replay.run(data, |step| assert!(step.offset < data.len())).is_ok() {
            check_redacted(data);
        }
        let _ = replay.streamed(true).run(data, |_| {});
        return;
    }
    let (files, deflate) = record(data);
    for file in files {
        let replay = Replay::new().deflate(&deflate);
        let whole = replay.run(&file, |_| {}).unwrap_or_else(|error| panic!("{error}"));
        check_redacted(&file);
        // What was cut off does not matter to what was not.
        let cut = data.len() * 37 % file.len();
        match replay.run(&file[..cut], |_| {}) {
            Ok(part) => assert!(part.records <= whole.records),
            Err(ReplayError::Format(_)) => {}
            Err(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

fn check_redacted(file: &[u8]) {
    match redact(file) {
        Ok(redacted) => {
            assert_eq!(redacted.len(), file.len());
            let replayed =
                websans_record::replay(&redacted).unwrap_or_else(|error| panic!("redacted: {error}"));
            assert_eq!(Ok(replayed), websans_record::replay(file));
        }
        // It compresses, or reads in two ways at once.
        Err(ReplayError::Compressed | ReplayError::Divergence(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Lets a client and a server do what `data` says, and hands out their recordings, and what they compress with.
#[must_use]
pub fn record(data: &[u8]) -> ([Vec<u8>; 2], Deflate) {
    let mut input = Input::new(data);
    let deflate = Deflate::new(input.settings());
    let (habits, times, read) = (input.byte(), input.byte(), input.byte());
    let mut config = Config::default();
    config.fragment_above = [None, Some(1), Some(100), Some(5000)][usize::from(habits & 3)];
    config.max_message = if habits & 4 == 0 { 1 << 20 } else { 1000 };
    config.max_outbox = if habits & 8 == 0 { 256 << 10 } else { 100 };
    config.pong_reply = if habits & 16 == 0 { Reply::Automatic } else { Reply::WhenAsked };
    config.close_reply = if habits & 32 == 0 { Reply::Automatic } else { Reply::WhenAsked };
    config.keepalive = config.keepalive.filter(|_| times & 1 == 0);
    config.idle = (times & 2 != 0).then_some(core::time::Duration::from_secs(60));
    config.read_buffer = 1 << (read % 18);
    let negotiated = |is_client| {
        let mut negotiated = Negotiated::default();
        if habits & 64 != 0 {
            let mut agreed = websans::deflate::Parameters::default();
            agreed.server_no_context_takeover = times & 4 != 0;
            agreed.client_no_context_takeover = times & 8 != 0;
            negotiated.deflate = Some(agreed);
            negotiated.codec = Some(Extension::from(&deflate).propose().codec(is_client, agreed));
        }
        negotiated
    };
    let cap = if habits & 128 == 0 { u64::MAX } else { 3000 };
    let start = Timestamp::from_nanos(u64::from(read));
    let open =
        |role, is_client| Recorder::open(role, config.clone(), negotiated(is_client), start, Vec::new(), cap);
    let mut ends = [End::new(open(Role::Client(counted_keys()), true)), End::new(open(Role::Server, false))];
    for _ in 0..300 {
        if input.is_empty() || ends.iter().any(|end| end.conn.recorded() > 256 << 10) {
            break;
        }
        let what = input.byte();
        let [client, server] = &mut ends;
        let (this, other) = if what & 1 == 0 { (client, server) } else { (server, client) };
        step(what >> 1, &mut input, this, other);
    }
    (ends.map(|end| end.conn.finish()), deflate)
}

struct End {
    conn: Recorder<Vec<u8>>,
    now: u64,
    buffers: Vec<Vec<u8>>,
}

impl End {
    fn new(conn: Recorder<Vec<u8>>) -> Self {
        Self { conn, now: 0, buffers: Vec::new() }
    }

    /// Moves at most `most` bytes to `other`, which reads them in one of the ways to do so.
    fn pump(&mut self, other: &mut Self, most: usize, how: u8) {
        let mut outbox = self.conn.outbox();
        let mut bytes = Vec::new();
        while bytes.len() < most && outbox.has_remaining() {
            let chunk = outbox.chunk();
            let n = chunk.len().min(most - bytes.len());
            if how & 1 == 0 && n == chunk.len() {
                bytes.extend_from_slice(&outbox.take_chunk());
            } else {
                bytes.extend_from_slice(&chunk[..n]);
            }
            outbox.advance(n);
        }
        other.hear(&bytes, how);
    }

    fn hear(&mut self, mut bytes: &[u8], how: u8) {
        if how & 2 != 0 {
            return self.receive(bytes, how & 4 != 0);
        }
        while !bytes.is_empty() {
            let spare = self.conn.spare_mut();
            if spare.is_empty() {
                self.conn.preload(bytes);
                break;
            }
            let n = spare.len().min(bytes.len());
            spare[..n].copy_from_slice(&bytes[..n]);
            self.conn.filled(n);
            bytes = &bytes[n..];
            // Reading on before all has been looked at is back-pressure.
            if how & 8 == 0 {
                while self.next(how & 4 != 0) {}
            }
        }
        self.next(how & 4 != 0);
    }

    fn next(&mut self, chunk: bool) -> bool {
        let found = if chunk { self.conn.next_chunk() } else { self.conn.next() };
        if found == Ok(true) && !chunk {
            // Uncopied, if it was gathered.
            if let Some(message) = self.conn.take() {
                let _ = self.conn.send(message);
            }
        }
        found == Ok(true)
    }

    fn receive(&mut self, bytes: &[u8], changed: bool) {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        while let Ok(Some(event)) = self.conn.receive(&mut input) {
            if let Event::Part(mut part) = event {
                if changed && !part.compressed {
                    part.payload = &part.payload[..part.payload.len() / 2];
                }
                let _ = self.conn.accept(part);
            }
        }
        let _ = self.conn.receive(&mut input);
    }
}

fn payload(input: &mut Input<'_>) -> (Kind, Vec<u8>) {
    let how = input.byte();
    let len = match how & 3 {
        0 => usize::from(input.byte()) % 16,
        1 => usize::from(input.byte()),
        2 => input.word() % 5000,
        _ => input.word(),
    };
    let mut dice = Dice::new(u64::from(how));
    match how >> 2 & 3 {
        0 => (Kind::Text, dice.bytes(len)),
        1 => (Kind::Binary, dice.bytes(len)),
        2 => (Kind::Binary, vec![how; len]),
        _ => (Kind::Text, dice.text(len).into_bytes()),
    }
}

/// Something that `this` does; refusals are recorded, too.
fn step(what: u8, input: &mut Input<'_>, this: &mut End, other: &mut End) {
    let compress = |flags: u8| [None, Some(true), Some(false)][usize::from(flags % 3)];
    let conn = &mut this.conn;
    match what % 32 {
        0..=3 => {
            let (kind, bytes) = payload(input);
            let flags = input.byte();
            let shared = Bytes::from(bytes.clone());
            // A client masks it where it lies, unless somebody else has it.
            let _held = (flags & 64 != 0).then(|| shared.clone());
            let payload =
                if flags & 128 == 0 { Payload::new(kind, &bytes[..]) } else { Payload::new(kind, shared) };
            let _ = conn.send(payload.compress(compress(flags)));
        }
        4..=6 => {
            let (kind, bytes) = payload(input);
            let flags = input.byte();
            let part = Payload::new(kind, &bytes[..]).compress(compress(flags));
            let flush = [Flush::None, Flush::Sync, Flush::End][usize::from(flags / 3 % 3)];
            let _ = conn.write_part(part, flush);
        }
        7 => {
            let (kind, bytes) = payload(input);
            if let Ok(prepared) = Prepared::new(Payload::new(kind, bytes).compress(compress(input.byte()))) {
                let _ = conn.send_prepared(&prepared);
            }
        }
        8 => _ = conn.ping(&vec![b'p'; usize::from(input.byte() % 130)]),
        9 => _ = conn.pong(&vec![b'p'; usize::from(input.byte() % 130)]),
        10..=15 => this.pump(other, usize::MAX, input.byte()),
        16..=18 => this.pump(other, input.word(), input.byte()),
        19 => {
            let bytes = input.byte();
            this.hear(&Dice::new(bytes.into()).bytes(usize::from(bytes) % 40), bytes);
        }
        20 => {
            this.now += 1_000_000 * input.word() as u64;
            conn.tick(Timestamp::from_nanos(this.now));
        }
        21 => {
            this.now += 1_000 * input.word() as u64;
            conn.wake(Timestamp::from_nanos(this.now));
        }
        22 => conn.tick_writes(Timestamp::from_nanos(this.now + 1)),
        23 => {
            conn.park();
            this.buffers.extend(conn.park_inbox());
        }
        24 => {
            let buffer = this.buffers.pop().unwrap_or_else(|| vec![7; input.word()]);
            conn.lend_inbox(buffer);
        }
        25 => {
            let parked = conn.outbox().park();
            conn.outbox().lend(|| parked.unwrap_or_else(|| Vec::with_capacity(100)));
        }
        26 => {
            conn.note_blocked();
            conn.spare_mut();
        }
        27 if input.byte() == 7 => conn.note_stalled(),
        28 if input.byte() == 7 => conn.fail(ProtocolError::MessageTooBig),
        29 if input.byte() == 7 => conn.abort(),
        29 => conn.set_streamed(input.byte() & 1 == 0),
        30 if input.byte() < 30 => conn.eof(),
        31 if input.byte() < 60 => {
            let code = 990 + u16::from(input.byte());
            if let Some(code) = CloseCode::new(code) {
                let _ = conn.close(code, &Dice::new(7).text(usize::from(input.byte() % 130)));
            }
        }
        _ => _ = this.next(input.byte() & 1 == 0),
    }
}
