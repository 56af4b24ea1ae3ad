//! An echo server on mio: any number of connections, one thread, one event loop, no adapter.
//!
//! `cargo run -p websans-examples --bin mio-echo -- 127.0.0.1:9001 [SECONDS]`: a client that is silent for so long is
//! asked whether it is there, and is given up when it is silent for as long again.

use std::io::{ErrorKind, Read, Write};
use std::{collections::HashMap, env::args, net::Shutdown, sync::Arc, time::Duration};

use bytes::Buf;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use websans::handshake::server::{Acceptor, Choice};
use websans::{Clock, Config, Connection, Hangup, Inbox, Keepalive, Role, State, Timestamp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = TcpListener::bind(args().nth(1).ok_or("where to listen?")?.parse()?)?;
    let silence = Duration::from_secs(args().nth(2).map_or(Ok(30), |seconds| seconds.parse())?);
    let (clock, mut config) = (Clock::new(), Config::default());
    config.keepalive = Some(Keepalive { every: silence, within: silence });
    let config = Arc::new(config);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    let (mut peers, mut token) = (HashMap::<Token, Peer>::new(), Token(0));
    poll.registry().register(&mut listener, token, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        // For very many connections, keep their times in a heap.
        let next = peers.values().map(|peer| peer.wake).min();
        match poll.poll(&mut events, next.map(|at| clock.until(at))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let now = clock.now();
        for event in &events {
            peers.entry(event.token()).and_modify(|peer| peer.wake = now);
        }
        peers.retain(|_, it| it.wake > now || it.advance(clock, &config).map(|at| it.wake = at).is_some());
        // In each turn: if too many files were open, there may be fewer now.
        while let Ok((mut io, _)) = listener.accept() {
            token.0 += 1;
            let _ = io.set_nodelay(true); // fails if the client has gone
            poll.registry().register(&mut io, token, Interest::READABLE | Interest::WRITABLE)?;
            let acceptor = Some(Acceptor::new(&config, now));
            peers.insert(token, Peer { io, acceptor, open: None, wake: now });
        }
    }
}

struct Peer {
    io: TcpStream,
    /// Until the handshake is done.
    acceptor: Option<Acceptor>,
    open: Option<(Connection, Inbox)>,
    /// When to go on though nothing happens.
    wake: Timestamp,
}

impl Peer {
    /// Goes on until the socket has no more to give or to take, for mio tells only once. Returns when to be called
    /// again at the latest; `None`: it is over.
    fn advance(&mut self, clock: Clock, config: &Arc<Config>) -> Option<Timestamp> {
        if let Some(acceptor) = &mut self.acceptor {
            while acceptor.poll(clock.now()) == Ok(false) {
                match self.io.read(acceptor.spare_mut()) {
                    Ok(0) => acceptor.eof(),
                    Ok(n) => acceptor.filled(n),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(acceptor.deadline()),
                    Err(_) => return None,
                }
            }
            let (request, mut answer) = (acceptor.request(), Vec::new());
            let accepted = request.and_then(|it| Ok(it.check()?.accept(&Choice::new(), &mut answer)));
            let _ = accepted.as_ref().inspect_err(|error| error.respond(&mut answer));
            self.io.write_all(&answer).ok()?; // so little fits into any new socket's buffer
            let opened = websans::open(Role::Server, config.clone(), accepted.ok()?.ok()?, clock.now());
            self.open.insert(opened).1.preload(&self.acceptor.take()?.into_rest());
        }
        let (conn, inbox) = self.open.as_mut()?;
        let (mut readable, mut writable) = (true, true);
        conn.wake(clock.now());
        for _ in 0..64 {
            // 1. Hand out what has arrived: an echo has left before the next message is asked for.
            while !conn.wants_write() && inbox.next(conn) == Ok(true) {
                let _ = conn.send(inbox.message()?); // fails after a Close: nobody listens any more
            }
            let handed_out = !conn.wants_write();
            // 2. Judge the time, when nothing is known to lie unread in the socket.
            if !readable || !handed_out || conn.state() != State::Open {
                conn.tick(clock.now());
            }
            // 3. Write what waits.
            while writable && conn.wants_write() {
                match self.io.write(conn.outbox().chunk()) {
                    Ok(n) => conn.outbox().advance(n),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => writable = false,
                    Err(_) => return None,
                }
            }
            // 4. End the transport when its time has come.
            match conn.hangup() {
                Hangup::NotYet => {}
                Hangup::ShutdownWrite => _ = self.io.shutdown(Shutdown::Write), // again is harmless
                Hangup::Drop => return None,
            }
            // 5. Read, or wait.
            if handed_out && readable {
                match self.io.read(inbox.spare_mut()) {
                    Ok(0) => (readable, _) = (false, conn.eof()),
                    Ok(n) => inbox.filled(n),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => readable = false,
                    Err(_) => return None,
                }
                conn.wake(clock.now());
            } else if handed_out || !writable {
                return Some(conn.deadline().unwrap_or(clock.now() + Duration::from_secs(3600)));
            }
        }
        Some(clock.now()) // the others' turn
    }
}
