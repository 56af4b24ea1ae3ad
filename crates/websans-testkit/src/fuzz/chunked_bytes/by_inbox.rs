//! Reading by the inbox: messages whole or as they come.

use websans::{Config, Inbox, Negotiated};

use super::{Ear, Plan, Step, compare, ear};
use crate::fuzz::got::Got;
use crate::oracle::Meaning;

pub(super) fn run(
    plan: &Plan<'_>,
    server: bool,
    config: &Config,
    negotiated: Negotiated,
    bytes: &[u8],
    meaning: &Meaning,
) {
    let (ear, inbox) = ear(server, config, negotiated);
    let mut reader = Reader { ear, inbox, got: Vec::new(), current: None };
    let mut unread = bytes;
    let mut n = 0;
    while !unread.is_empty() {
        let step = plan.step(n);
        n += 1;
        // Each takes a byte, or gives a message that has some.
        assert!(n <= 2 * bytes.len() + 2, "{n} steps for {} bytes", bytes.len());
        if step.parks() {
            reader.park(step);
        }
        let len = reader.feed(step, unread);
        unread = &unread[len..];
        reader.read(step, !step.one_look() || len == 0);
        reader.ear.write(step.writes());
    }
    reader.read(plan.step(n), true);
    let Reader { ear, got, current, .. } = reader;
    compare(&got, current.as_ref(), meaning);
    let stats = ear.conn.stats();
    assert_eq!(stats.bytes_received, bytes.len() as u64, "every byte is consumed and counted");
    ear.hold(server, config, meaning);
}

struct Reader {
    ear: Ear,
    inbox: Inbox,
    got: Vec<Got>,
    /// The message whose chunks are read.
    current: Option<Got>,
}

impl Reader {
    /// Gives the buffer back, and perhaps another instead, of any size and with anything in it.
    fn park(&mut self, step: Step) {
        self.ear.conn.park();
        let parked = self.inbox.park();
        assert!(parked.is_none_or(|buffer| !buffer.is_empty()), "no buffer is given back");
        if step.otherwise() {
            self.inbox.lend(vec![0xEE; step.arrives()]);
        }
    }

    /// As many bytes as there is room for arrive.
    fn feed(&mut self, step: Step, unread: &[u8]) -> usize {
        let most = step.arrives().min(unread.len());
        if step.otherwise() && !step.parks() {
            self.inbox.preload(&unread[..most]);
            return most;
        }
        let spare = self.inbox.spare_mut();
        let n = most.min(spare.len());
        spare[..n].copy_from_slice(&unread[..n]);
        self.inbox.filled(n);
        n
    }

    /// Reads until there is nothing more to be had if `all`, or once.
    fn read(&mut self, step: Step, all: bool) {
        let mut looks = 0u32;
        loop {
            let found = if step.in_pieces() { self.next_chunk() } else { self.next(step.otherwise()) };
            looks += 1;
            // Twice as many as there are bytes: a chunk may be empty if it is the first or the last.
            assert!(looks < 20_000, "it finds something for ever");
            if !found || !all {
                return;
            }
        }
    }

    fn next(&mut self, takes: bool) -> bool {
        if let Some(current) = &mut self.current {
            current.skip();
        }
        match self.inbox.next(&mut self.ear.conn) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                self.ear.note_error(error);
                return true;
            }
        }
        self.got.extend(self.current.take());
        let message = self.inbox.message().expect("a message was found");
        let got = Got::whole(message.kind(), message.as_bytes());
        if takes {
            let taken = self.inbox.take().expect("it was lent");
            got.hold(taken.kind(), taken.as_bytes());
            assert!(self.inbox.message().is_none(), "it is taken and lent");
        }
        self.got.push(got);
        true
    }

    fn next_chunk(&mut self) -> bool {
        match self.inbox.next_chunk(&mut self.ear.conn) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                self.ear.note_error(error);
                return true;
            }
        }
        let chunk = self.inbox.chunk().expect("a chunk was found");
        if chunk.first {
            let before = self.current.take();
            assert!(before.as_ref().is_none_or(Got::has_gap), "a message begins within another");
            self.got.extend(before);
        }
        let current = self.current.get_or_insert_with(|| {
            assert!(chunk.first, "the middle of a message without its beginning");
            Got::new(chunk.kind)
        });
        current.push(chunk.kind, chunk.payload, chunk.last);
        if chunk.last {
            self.got.extend(self.current.take());
        }
        true
    }
}
