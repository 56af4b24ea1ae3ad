//! What two of the programs share: the loop that drives a connection on smol.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use bytes::Buf;
use smol::future::{FutureExt, pending};
use smol::{Async, Timer};
use websans::{Clock, Connection, Hangup, Inbox, Message, Outcome};

/// Drives a connection to its end and calls `react` with each message, to send what is to be said to it. `None`: the
/// reactor of smol failed.
///
/// This is the loop of the page `embedding` of the guide of websans, for either end.
pub async fn drive(
    io: &Async<TcpStream>,
    (mut conn, mut inbox): (Connection, Inbox),
    clock: Clock,
    mut react: impl FnMut(&mut Connection, Message<'_>),
) -> Option<Outcome> {
    let mut ended = false;
    loop {
        // 1. Hand out what has arrived. What is said to a message leaves before the next one is asked for.
        while !conn.wants_write() && inbox.next(&mut conn) == Ok(true) {
            react(&mut conn, inbox.message()?);
        }
        let handed_out = !conn.wants_write();
        // 2. Judge the time.
        conn.tick(clock.now());
        // 3. Write what waits, as far as the peer takes it.
        while conn.wants_write() {
            match io.get_ref().write(conn.outbox().chunk()) {
                Ok(n) => conn.outbox().advance(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    conn.abort();
                    break;
                }
            }
        }
        // 4. End the transport when its time has come.
        match conn.hangup() {
            Hangup::NotYet => {}
            Hangup::ShutdownWrite => _ = io.get_ref().shutdown(Shutdown::Write), // again is harmless
            Hangup::Drop => return conn.outcome().cloned(),
        }
        // 5. Wait for what is wanted, or for the deadline.
        let (reads, writes) = (handed_out && !ended, conn.wants_write());
        if reads || writes {
            let readable = async { if reads { io.readable().await } else { pending().await } };
            let writable = async { if writes { io.writable().await } else { pending().await } };
            let wait = conn.deadline().map(|at| clock.until(at));
            let due = async {
                match wait {
                    Some(wait) => _ = Timer::after(wait).await,
                    None => pending().await,
                }
                Ok(())
            };
            readable.or(writable).or(due).await.ok()?;
        }
        if reads {
            match io.get_ref().read(inbox.spare_mut()) {
                Ok(0) => {
                    ended = true;
                    conn.eof();
                }
                Ok(n) => inbox.filled(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => conn.abort(),
            }
        }
        conn.wake(clock.now());
    }
}
