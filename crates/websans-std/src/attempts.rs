//! [`Attempts`]: what takes threads beside the one that dials, since `std` can neither look a name up nor connect to
//! several addresses without waiting.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::pin::pin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use websans_dial::{Taking, Turn};

/// A connection, and the turn to make it.
type Connected = (TcpStream, Option<Turn>);

/// The attempts to connect that are under way, a thread each. Dropped, it wants none of them any more: a thread that
/// waits for its turn ends at once, one that connects does when its own time is over.
pub(crate) struct Attempts {
    sender: Sender<(SocketAddr, io::Result<TcpStream>)>,
    receiver: Receiver<(SocketAddr, io::Result<TcpStream>)>,
    running: Vec<(SocketAddr, Arc<Ticket>, Thread)>,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver, running: Vec::new() }
    }

    /// Begins to connect to `address` once the turn has come, and tries for so long.
    ///
    /// # Errors
    /// If there cannot be another thread.
    pub(crate) fn add(
        &mut self,
        address: SocketAddr,
        turn: Option<Taking>,
        within: Duration,
    ) -> io::Result<()> {
        let (ticket, sender) = (Arc::new(Ticket::default()), self.sender.clone());
        let own = Arc::clone(&ticket);
        let thread = thread::Builder::new().name("websans connect".to_owned()).spawn(move || {
            let connected = attempt(address, turn, within, &own);
            // Nobody may want it any more; then it is dropped here.
            let _ = sender.send((address, connected));
        })?;
        self.running.push((address, ticket, thread.thread().clone()));
        Ok(())
    }

    /// The next of them to end, if one does within `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> Option<(SocketAddr, io::Result<Connected>)> {
        let (address, result) = self.receiver.recv_timeout(wait).ok()?;
        let at = self.running.iter().position(|(own, ..)| *own == address)?;
        let (_, ticket, _) = self.running.swap_remove(at);
        let turn = ticket.end();
        Some((address, result.map(|stream| (stream, turn))))
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        for (_, ticket, thread) in self.running.drain(..) {
            // Others need not wait with their turn until this thread has got somewhere.
            drop(ticket.end());
            thread.unpark();
        }
    }
}

fn attempt(
    address: SocketAddr,
    turn: Option<Taking>,
    within: Duration,
    ticket: &Ticket,
) -> io::Result<TcpStream> {
    let begun = Instant::now();
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    if let Some(taking) = turn {
        ticket.put(wait_for(taking, within, || ticket.is_over()).ok_or_else(late)?);
    }
    let left = within.saturating_sub(begun.elapsed());
    if left.is_zero() || ticket.is_over() {
        return Err(late());
    }
    let stream = TcpStream::connect_timeout(&address, left)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Where the turn of an attempt lies: who dials takes it, whatever the attempt's thread is waiting for.
#[derive(Default)]
struct Ticket(Mutex<Held>);

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Turn(Turn),
    /// The attempt is over: it has ended, or nobody wants it.
    Over,
}

impl Ticket {
    fn swap(&self, held: Held) -> Held {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), held)
    }

    fn put(&self, turn: Turn) {
        if let Held::Over = self.swap(Held::Turn(turn)) {
            drop(self.end());
        }
    }

    fn end(&self) -> Option<Turn> {
        match self.swap(Held::Over) {
            Held::Turn(turn) => Some(turn),
            Held::Nothing | Held::Over => None,
        }
    }

    fn is_over(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Held::Over)
    }
}

/// Waits for what `future` gives, for so long, or until it is `over`, of which the thread is told by unparking it.
pub(crate) fn wait_for<F: Future>(future: F, within: Duration, over: impl Fn() -> bool) -> Option<F::Output> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let begun = Instant::now();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = within.saturating_sub(begun.elapsed());
        if left.is_zero() || over() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// The addresses of a name, if they are found within `wait`. No system lets a look-up be called off: the thread that
/// does it then goes on until the system gives up, and what it finds is thrown away.
pub(crate) fn look_up(host: String, port: u16, wait: Duration) -> Option<io::Result<Vec<SocketAddr>>> {
    let (sender, receiver) = mpsc::channel();
    let look = move || {
        let found = (host, port).to_socket_addrs().map(Iterator::collect);
        let _ = sender.send(found); // nobody may be waiting any more
    };
    if let Err(error) = thread::Builder::new().name("websans resolve".to_owned()).spawn(look) {
        return Some(Err(error));
    }
    match receiver.recv_timeout(wait) {
        Ok(found) => Some(found),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => {
            Some(Err(io::Error::other("the look-up has ended without a word")))
        }
    }
}
