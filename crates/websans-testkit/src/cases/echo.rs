//! [`Echo`]: the endpoint under test without a transport.

use bytes::Buf;
use websans::{Config, Connection, Hangup, Inbox, Negotiated};

use super::{Arrived, Patience, Wire};
use crate::listen;

/// A connection that sends every message back, in memory.
pub struct Echo {
    conn: Connection,
    inbox: Inbox,
    wrote: Vec<u8>,
}

impl Echo {
    /// A server, or a client, with room for the suite's longest messages.
    #[must_use]
    pub fn new(server: bool) -> Self {
        let mut config = Config::default();
        config.max_message = 16 << 20;
        let (conn, inbox) = listen::endpoint(server, &config, Negotiated::default());
        Self { conn, inbox, wrote: Vec::new() }
    }

    /// The transport takes whatever there is.
    fn flush(&mut self) {
        let outbox = self.conn.outbox();
        while outbox.has_remaining() {
            let n = outbox.chunk().len();
            self.wrote.extend_from_slice(outbox.chunk());
            outbox.advance(n);
        }
    }
}

impl Wire for Echo {
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = self.inbox.spare_mut();
            let n = spare.len().min(bytes.len());
            spare[..n].copy_from_slice(&bytes[..n]);
            self.inbox.filled(n);
            bytes = &bytes[n..];
            // An error ends the connection, which is all that is wanted of it.
            while self.inbox.next(&mut self.conn).unwrap_or(false) {
                if let Some(message) = self.inbox.message() {
                    self.conn.send(message).expect("there is room for an echo");
                }
                self.flush();
            }
            self.flush();
        }
    }

    fn read(&mut self, _: Patience) -> Arrived {
        let bytes = core::mem::take(&mut self.wrote);
        match self.conn.hangup() {
            _ if !bytes.is_empty() => Arrived::Bytes(bytes),
            Hangup::NotYet => Arrived::Nothing,
            Hangup::ShutdownWrite | Hangup::Drop => Arrived::End,
        }
    }

    fn shut(&mut self) {
        self.conn.eof();
        self.flush();
    }
}
