//! What lies between two peers: a relay that carries bytes, slowly, wrongly, or no more.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use crate::peers::serve;

/// What becomes of the bytes that the server sends.
#[derive(Clone, Default)]
pub(crate) struct Habit(Arc<AtomicU8>);

impl Habit {
    const DRIBBLE: u8 = 1;
    const FALSIFY: u8 = 2;
    const CUT: u8 = 3;

    /// One byte after the other, with a rest now and then.
    pub(crate) fn dribble(&self) {
        self.0.store(Self::DRIBBLE, Ordering::SeqCst);
    }

    /// The last byte of each read is changed.
    pub(crate) fn falsify(&self) {
        self.0.store(Self::FALSIFY, Ordering::SeqCst);
    }

    /// The next bytes are the end, in both directions.
    pub(crate) fn cut(&self) {
        self.0.store(Self::CUT, Ordering::SeqCst);
    }
}

pub(crate) fn relay(server: SocketAddr, habit: &Habit) -> SocketAddr {
    let habit = habit.clone();
    serve(move |client| carry(client, server, &habit))
}

/// Carries bytes between `client` and `server` until both have ended.
pub(crate) fn carry(client: TcpStream, server: SocketAddr, habit: &Habit) {
    let server = TcpStream::connect(server).unwrap();
    server.set_nodelay(true).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut &client, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let _ = carry_back(&server, &client, habit);
        let _ = client.shutdown(Shutdown::Write);
    });
}

fn carry_back(mut server: &TcpStream, mut client: &TcpStream, habit: &Habit) -> std::io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let n = server.read(&mut bytes)?;
        let Some((last, _)) = bytes[..n].split_last_mut() else { return Ok(()) };
        match habit.0.load(Ordering::SeqCst) {
            Habit::DRIBBLE => {
                for (at, byte) in bytes[..n].iter().enumerate() {
                    client.write_all(&[*byte])?;
                    if at % 16 == 0 {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
                continue;
            }
            Habit::FALSIFY => *last ^= 1,
            Habit::CUT => {
                server.shutdown(Shutdown::Both)?;
                return client.shutdown(Shutdown::Both);
            }
            _ => {}
        }
        client.write_all(&bytes[..n])?;
    }
}
