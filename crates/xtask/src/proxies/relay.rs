//! [`Relay`]: stands between a proxy and the app, and writes down what either says.

use core::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::failure::{Doing, Result};

/// A relay to the app.
pub(crate) struct Relay {
    /// Where the proxy finds it.
    pub(crate) address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Arc<Mutex<Exchange>>>>>,
    stopped: Arc<AtomicBool>,
}

/// One connection to the app.
#[derive(Clone, Default)]
pub(crate) struct Exchange {
    pub(crate) to_app: Vec<u8>,
    pub(crate) from_app: Vec<u8>,
    /// The app has ended it.
    pub(crate) ended: bool,
}

impl Relay {
    pub(crate) fn start(app: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing(|| "cannot listen".into())?;
        let address = listener.local_addr().doing(|| "cannot listen".into())?;
        let relay = Self { address, exchanges: Arc::default(), stopped: Arc::default() };
        let (exchanges, stopped) = (Arc::clone(&relay.exchanges), Arc::clone(&relay.stopped));
        thread::spawn(move || {
            for proxy in listener.incoming().map_while(io::Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let exchange = Arc::default();
                lock(&exchanges).push(Arc::clone(&exchange));
                if TcpStream::connect(app).and_then(|app| connect(&exchange, proxy, app)).is_err() {
                    lock(&exchange).ended = true;
                }
            }
        });
        Ok(relay)
    }

    /// What has gone over each connection so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.exchanges).iter().map(|exchange| lock(exchange).clone()).collect()
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [to, from] = [&self.to_app, &self.from_app].map(|bytes| String::from_utf8_lossy(bytes));
        writeln!(f, "--> {to}\n<-- {from}\n(ended: {})", self.ended)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes it up.
        let _ = TcpStream::connect(self.address);
    }
}

/// Has both directions copied, by a thread each.
fn connect(exchange: &Arc<Mutex<Exchange>>, proxy: TcpStream, app: TcpStream) -> io::Result<()> {
    let both = [(proxy.try_clone()?, app.try_clone()?, false), (app, proxy, true)];
    for (mut from, mut to, from_app) in both {
        let exchange = Arc::clone(exchange);
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let mut exchange = lock(&exchange);
                let direction = if from_app { &mut exchange.from_app } else { &mut exchange.to_app };
                direction.extend_from_slice(&buffer[..count]);
                drop(exchange);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            if from_app {
                lock(&exchange).ended = true;
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
