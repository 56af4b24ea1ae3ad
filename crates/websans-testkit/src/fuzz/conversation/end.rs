//! [`End`]: a connection, as an adapter drives it, and its application.

use bytes::Buf;
use websans::{
    CloseCode, Connection, Hangup, Inbox, Kind, Outcome, Payload, ProtocolError, SendError, State, Timestamp,
};

use super::pipe::Pipe;
use crate::fuzz::got::Got;
use crate::fuzz::input::Input;

pub(super) struct End {
    conn: Connection,
    inbox: Inbox,
    /// Messages that it has accepted, in order, and the one that it is sending in parts.
    pub(super) sent: Vec<(Kind, Vec<u8>)>,
    saying: Option<(Kind, Vec<u8>)>,
    /// Bytes of payload that it has accepted, and the longest at once.
    pub(super) accepted: usize,
    largest: usize,
    /// Messages that it has received, in order, and the one that it reads as it comes.
    pub(super) received: Vec<Got>,
    pub(super) current: Option<Got>,
    /// It reads messages as they come.
    pub(super) chunks: bool,
    /// It does not read.
    pub(super) paused: bool,
    /// All that it has written.
    pub(super) written: Vec<u8>,
    /// How it ended, and what waited to be written then.
    outcome: Option<Outcome>,
    last_words: usize,
    shut: bool,
    saw_end: bool,
    gone: bool,
}

impl End {
    pub(super) fn new((conn, inbox): (Connection, Inbox)) -> Self {
        Self {
            conn,
            inbox,
            sent: Vec::new(),
            saying: None,
            accepted: 0,
            largest: 0,
            received: Vec::new(),
            current: None,
            chunks: false,
            paused: false,
            written: Vec::new(),
            outcome: None,
            last_words: 0,
            shut: false,
            saw_end: false,
            gone: false,
        }
    }

    pub(super) fn is_client(&self) -> bool {
        self.conn.is_client()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn outcome(&self) -> &Outcome {
        self.outcome.as_ref().expect("it has ended")
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.conn.deadline().filter(|_| !self.gone)
    }

    pub(super) fn send(&mut self, input: &mut Input<'_>, text: bool, most: usize) {
        let (kind, bytes) = message(input, text, most);
        let payload = Payload::new(kind, &bytes[..]).compress(compress(input));
        let before = self.conn.outbox().len();
        match self.conn.send(payload) {
            Ok(()) => {
                assert!(self.saying.is_none(), "a message within a message");
                self.note_accepted(bytes.len());
                self.sent.push((kind, bytes));
            }
            Err(error) => self.note_refused(error, before),
        }
    }

    pub(super) fn send_part(&mut self, input: &mut Input<'_>, last: bool, most: usize) {
        let how = input.byte();
        let begins = self.saying.is_none();
        let text = self.saying.as_ref().map_or(how & 1 != 0, |(kind, _)| *kind == Kind::Text);
        let (kind, bytes) = message(input, text, most);
        let payload = Payload::new(kind, &bytes[..]).compress((how & 2 != 0).then_some(how & 4 != 0));
        let before = self.conn.outbox().len();
        if let Err(error) = self.conn.send_part(payload, last) {
            assert!(!begins || error != SendError::KindChanged);
            return self.note_refused(error, before);
        }
        self.note_accepted(bytes.len());
        let (kind, mut message) = self.saying.take().unwrap_or((kind, Vec::new()));
        message.extend_from_slice(&bytes);
        if last { self.sent.push((kind, message)) } else { self.saying = Some((kind, message)) }
    }

    fn note_accepted(&mut self, len: usize) {
        self.accepted += len;
        self.largest = self.largest.max(len);
    }

    fn note_refused(&mut self, error: SendError, before: usize) {
        assert_eq!(self.conn.outbox().len(), before, "queued and refused");
        match error {
            SendError::Closing => assert!(!self.conn.can_send()),
            SendError::OutboxFull => assert!(before > 0, "an empty outbox takes anything"),
            SendError::MessageInProgress => assert!(self.saying.is_some()),
            SendError::InvalidUtf8 => {}
            other => panic!("{other:?} though nothing is wrong"),
        }
    }

    pub(super) fn flush_part(&mut self) {
        let flushed = self.conn.flush_part();
        assert_eq!(flushed.is_ok(), self.conn.can_send());
    }

    pub(super) fn ping(&mut self, input: &mut Input<'_>) {
        // Full is full, and a Ping more or less makes no difference.
        let _ = self.conn.ping(&vec![b'p'; usize::from(input.byte() % 126)]);
    }

    pub(super) fn pong(&mut self, input: &mut Input<'_>) {
        let _ = self.conn.pong(&vec![b'q'; usize::from(input.byte() % 126)]);
    }

    pub(super) fn close(&mut self, input: &mut Input<'_>) {
        const CODES: [u16; 4] = [1000, 1001, 3000, 1010];
        let how = input.byte();
        let code = CloseCode::new(CODES[usize::from(how & 3)]).expect("it may be sent");
        let could = self.conn.can_send();
        match self.conn.close(code, &"r".repeat(usize::from(how >> 2))) {
            Ok(()) => assert!(could),
            Err(SendError::Closing) => assert!(!could),
            Err(error) => assert_eq!((error, self.is_client()), (SendError::CodeNotForServers, false)),
        }
    }

    pub(super) fn fail(&mut self) {
        self.conn.fail(ProtocolError::InvalidUtf8);
    }

    pub(super) fn abort(&mut self) {
        self.conn.abort();
    }

    pub(super) fn park(&mut self) {
        self.conn.park();
        self.inbox.park();
    }

    /// Ends the message that is being sent in parts, if that can be.
    pub(super) fn finish(&mut self) {
        let Some((kind, message)) = &mut self.saying else { return };
        if self.conn.send_part(Payload::new(*kind, &b""[..]), true).is_ok() {
            self.sent.push((*kind, core::mem::take(message)));
            self.saying = None;
        }
    }

    /// The application has had enough.
    pub(super) fn leave(&mut self) {
        if !self.gone && self.conn.can_send() {
            let left = self.conn.close(CloseCode::NORMAL, "enough");
            assert_eq!(left, Ok(()));
        }
    }

    /// One wake-up, in the order in which an adapter goes through it. True if anything came of it.
    pub(super) fn turn(&mut self, now: Timestamp, most: usize, out: &mut Pipe, back: &mut Pipe) -> bool {
        if self.gone {
            return false;
        }
        self.conn.wake(now);
        let state = self.conn.state();
        let mut moved = false;
        if !self.paused || self.outcome.is_some() {
            moved |= self.read(back);
        }
        self.conn.tick(now);
        if self.conn.state() == State::CloseReceived {
            // For the application to answer: it does so at once.
            let code = self.conn.close_received().and_then(|close| close.code);
            let code = code.filter(|&code| code != CloseCode::MANDATORY_EXTENSION);
            assert_eq!(self.conn.close(code.unwrap_or(CloseCode::NORMAL), ""), Ok(()));
        }
        self.check();
        moved |= self.write(most, out);
        match self.conn.hangup() {
            Hangup::NotYet => {}
            Hangup::ShutdownWrite => {
                moved |= !self.shut;
                self.shut = true;
                out.cut();
            }
            Hangup::Drop => {
                self.gone = true;
                out.cut();
                back.leave();
                moved = true;
            }
        }
        moved || state != self.conn.state()
    }

    fn read(&mut self, back: &mut Pipe) -> bool {
        let mut moved = self.hear();
        loop {
            let spare = self.inbox.spare_mut();
            assert!(!spare.is_empty(), "there is room after all was read");
            let n = back.read(spare);
            if n == 0 {
                break;
            }
            self.inbox.filled(n);
            moved = true;
            self.hear();
        }
        if back.at_end() && !self.saw_end {
            self.saw_end = true;
            self.conn.eof();
            moved = true;
        }
        moved
    }

    /// Reads what there is. What an honest peer sends is legal.
    fn hear(&mut self) -> bool {
        let mut heard = false;
        loop {
            if let Some(current) = self.current.as_mut().filter(|_| !self.chunks) {
                current.skip();
            }
            let ended = self.outcome.is_some();
            let found = if self.chunks {
                self.inbox.next_chunk(&mut self.conn)
            } else {
                self.inbox.next(&mut self.conn)
            };
            if !found.expect("what an honest peer sends is legal") {
                return heard;
            }
            heard = true;
            let chunk = self.inbox.chunk().expect("something was found");
            assert!(!ended || !chunk.last, "a message after the end");
            if chunk.first {
                let before = self.current.take();
                assert!(before.as_ref().is_none_or(Got::has_gap), "a message begins within another");
                self.received.extend(before);
            }
            let current = self.current.get_or_insert_with(|| {
                assert!(chunk.first, "the middle of a message without its beginning");
                Got::new(chunk.kind)
            });
            current.push(chunk.kind, chunk.payload, chunk.last);
            if chunk.last {
                self.received.extend(self.current.take());
            }
        }
    }

    fn write(&mut self, most: usize, out: &mut Pipe) -> bool {
        let mut left = most;
        while left > 0 && self.conn.wants_write() {
            let outbox = self.conn.outbox();
            let chunk = outbox.chunk();
            assert!(!chunk.is_empty(), "what waits can be had");
            let n = out.write(&chunk[..chunk.len().min(left)]);
            if n == 0 {
                break;
            }
            self.written.extend_from_slice(&chunk[..n]);
            outbox.advance(n);
            left -= n;
            if self.outcome.is_some() {
                self.last_words = self.last_words.checked_sub(n).expect("it speaks on after its end");
            }
        }
        left < most
    }

    pub(super) fn check(&mut self) {
        let conn = &mut self.conn;
        let waits = conn.outbox().len();
        match (&self.outcome, conn.outcome()) {
            (None, Some(outcome)) => {
                self.outcome = Some(outcome.clone());
                // And a Pong that took the place of one which was half written.
                self.last_words = waits + 131;
            }
            (before, now) => assert_eq!(before.as_ref(), now, "the outcome changed"),
        }
        let config = conn.config();
        let frame = config.fragment_above.unwrap_or(usize::MAX);
        let most = config.max_outbox.max(self.largest);
        // Headers, and the little by which what cannot be compressed grows, come on top; then Pongs and a Close.
        let most = 2 * most + (most / frame).saturating_mul(14) + 2048;
        assert!(waits <= most, "{waits} bytes wait");
        if self.gone {
            assert!(self.outcome.is_some(), "it let go before its end");
        }
    }
}

/// A payload: some bytes of the input, or many of one kind, of which there are at most `most`.
fn message(input: &mut Input<'_>, text: bool, most: usize) -> (Kind, Vec<u8>) {
    const LENGTHS: [usize; 8] = [0, 1, 125, 126, 300, 1000, 3000, 9000];
    let how = input.byte();
    let kind = if text { Kind::Text } else { Kind::Binary };
    let len = LENGTHS[usize::from(how >> 1 & 7)].min(most);
    let bytes = match (how & 1, text) {
        (0, _) => input.take(usize::from(how >> 1 & 31)).to_vec(),
        (_, false) => vec![how; len],
        (_, true) => "aß€".repeat(len / 6).into_bytes(),
    };
    (kind, bytes)
}

fn compress(input: &mut Input<'_>) -> Option<bool> {
    [None, None, Some(true), Some(false)][usize::from(input.byte() & 3)]
}
