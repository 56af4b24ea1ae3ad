//! The buffers of connections that have something to do: each thread keeps a few, and idle connections none.
//!
//! What another connection has left in a buffer is overwritten by what is read, and never lent: a message is made only of
//! bytes that have been read.

use std::cell::RefCell;

use websans::{Connection, Inbox};

/// Buffers of each kind that a thread keeps.
const KEEP: usize = 16;

/// The smallest read buffer: what an inbox asks for at first.
const SMALLEST: usize = 2 << 10;

/// Larger read buffers are not kept.
const LARGEST: usize = 64 << 10;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { reading: Vec::new(), writing: Vec::new() }) };
}

struct Pool {
    reading: Vec<Vec<u8>>,
    writing: Vec<Vec<u8>>,
}

/// Gives the inbox a buffer to read into, unless it has one.
pub(crate) fn lend_inbox(inbox: &mut Inbox, conn: &Connection) {
    if inbox.has_buffer() {
        return;
    }
    let len = conn.config().read_buffer.max(SMALLEST);
    let kept = POOL.try_with(|pool| {
        let reading = &mut pool.borrow_mut().reading;
        let at = reading.iter().rposition(|buffer| buffer.len() == len)?;
        Some(reading.swap_remove(at))
    });
    inbox.lend(kept.ok().flatten().unwrap_or_else(|| vec![0; len]));
}

/// Gives the outbox storage, unless it has some.
pub(crate) fn lend_outbox(conn: &mut Connection) {
    conn.outbox()
        .lend(|| POOL.try_with(|pool| pool.borrow_mut().writing.pop()).ok().flatten().unwrap_or_default());
}

/// Takes back what a connection that waits does not need.
pub(crate) fn park(inbox: &mut Inbox, conn: &mut Connection) {
    let len = conn.config().read_buffer.max(SMALLEST);
    // One that came about otherwise, for what had been read with the handshake, is of no use to others.
    if let Some(buffer) = inbox.park().filter(|buffer| buffer.len() == len && len <= LARGEST) {
        keep(|pool| &mut pool.reading, buffer);
    }
    park_outbox(conn);
}

/// Takes back the storage of an outbox that is empty.
pub(crate) fn park_outbox(conn: &mut Connection) {
    if let Some(storage) = conn.outbox().park() {
        keep(|pool| &mut pool.writing, storage);
    }
}

fn keep(kept: fn(&mut Pool) -> &mut Vec<Vec<u8>>, buffer: Vec<u8>) {
    // A thread that is about to end has no pool any more.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let kept = kept(&mut pool);
        if kept.len() == KEEP {
            kept.remove(0); // of another length, perhaps, that nobody asks for any more
        }
        kept.push(buffer);
    });
}
