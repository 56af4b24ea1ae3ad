//! [`TlsStream`]: TLS over a blocking socket, which one thread may read while another writes.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use websans_dial::rustls::pki_types::ServerName;
use websans_dial::rustls::{
    self, ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
};

use crate::stream::{CloneStream, Stream};
use crate::wait::{Io, RETRY};

/// How much is read from the socket at once: a record of TLS, and what belongs to the next one.
const ARRIVING: usize = 18 << 10;

/// What an emptied buffer of records keeps of its storage.
const KEPT: usize = 8 << 10;

/// TLS over TCP, by [`rustls`], for a client or a server. [`connect`](crate::connect) makes one for `wss`.
///
/// It can be held more than once ([`CloneStream`]), so that one thread reads while another writes: the session
/// is locked while records are sealed and opened, never while the socket is waited for. A read or write that
/// has waited as long as it may loses nothing: half a record is finished by the next one. What a write has taken may
/// still wait to leave; [`flush`](Write::flush) sees to that.
///
/// An end of the transport is an end of input, whether TLS said so (`close_notify`) or not: whoever speaks WebSocket
/// knows by the Close whether the connection was cut. A record that is not what the peer has sealed is an error.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
/// use websans_std::{TlsStream, accept, rustls::ServerConfig};
///
/// fn serve(config: Arc<ServerConfig>) -> Result<(), websans_std::Error> {
///     let listener = std::net::TcpListener::bind("127.0.0.1:9443")?;
///     loop {
///         let (tcp, _) = listener.accept()?;
///         let config = Arc::clone(&config);
///         std::thread::spawn(move || -> Result<(), websans_std::Error> {
///             let tls = TlsStream::server(tcp, config, Duration::from_secs(10))?;
///             let (mut receiver, sender) = accept(tls)?.split()?;
///             while let Some(message) = receiver.recv()? {
///                 sender.send(message)?;
///             }
///             Ok(())
///         });
///     }
/// }
/// ```
#[derive(Clone)]
pub struct TlsStream(Arc<Inner>);

struct Inner {
    tcp: TcpStream,
    session: Mutex<Connection>,
    /// Held by who reads, while it waits too.
    arriving: Mutex<Arriving>,
    /// Held by who writes, while it waits too. It comes before the session's lock.
    leaving: Mutex<Leaving>,
}

/// Records, or pieces of them, that the session has not been given yet.
struct Arriving {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// Nothing that follows a bad record counts.
    failure: Option<rustls::Error>,
}

/// Sealed records, of which so many bytes have been written.
#[derive(Default)]
struct Leaving {
    records: Vec<u8>,
    written: usize,
}

impl TlsStream {
    /// Does the handshake of TLS as a client, with the server of that name.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it takes longer than `within`; [`io::ErrorKind::InvalidData`] around a
    /// [`rustls::Error`] if the server is not trusted or breaks the protocol; those of the transport.
    pub fn client(
        tcp: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        within: Duration,
    ) -> io::Result<Self> {
        Self::open(tcp, ClientConnection::new(config, name).map_err(invalid)?.into(), within)
    }

    /// Does the handshake of TLS as a server.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn server(tcp: TcpStream, config: Arc<ServerConfig>, within: Duration) -> io::Result<Self> {
        Self::open(tcp, ServerConnection::new(config).map_err(invalid)?.into(), within)
    }

    fn open(tcp: TcpStream, session: Connection, within: Duration) -> io::Result<Self> {
        let bytes = vec![0; ARRIVING].into_boxed_slice();
        let inner = Inner {
            session: Mutex::new(session),
            arriving: Mutex::new(Arriving { bytes, start: 0, end: 0, failure: None }),
            leaving: Mutex::default(),
            tcp,
        };
        let (reads, writes) = (inner.tcp.read_timeout()?, inner.tcp.write_timeout()?);
        inner.handshake(within)?;
        inner.tcp.set_read_timeout(reads)?;
        inner.tcp.set_write_timeout(writes)?;
        Ok(Self(Arc::new(inner)))
    }

    /// The TCP connection below. Reading or writing there breaks this one.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        &self.0.tcp
    }

    /// Shows what was agreed on with the peer: its certificates, the name it asked for, the protocol. Nobody reads or
    /// writes meanwhile.
    pub fn session<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&lock(&self.0.session))
    }
}

impl Inner {
    fn handshake(&self, within: Duration) -> io::Result<()> {
        let begun = Instant::now();
        let (mut arriving, mut leaving) = (lock(&self.arriving), lock(&self.leaving));
        loop {
            let left = within.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.tcp.set_read_timeout(Some(left))?;
            self.tcp.set_write_timeout(Some(left))?;
            if let Err(error) = self.drain(&mut leaving) {
                if waited(&error) {
                    continue;
                }
                return Err(error);
            }
            if !lock(&self.session).is_handshaking() {
                return Ok(());
            }
            if arriving.is_empty() {
                match Io::of(arriving.fill(&self.tcp)) {
                    Io::Done(0) => {
                        let text = "the peer has ended the transport within the handshake of TLS";
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                    }
                    Io::Done(_) => {}
                    Io::Waited => continue,
                    Io::Failed(error) => return Err(error),
                }
            }
            // The guard must be gone before the alert is written.
            let fed = arriving.feed(&mut lock(&self.session));
            if let Err(error) = fed {
                let _ = self.tcp.set_write_timeout(Some(RETRY));
                let _ = self.drain(&mut leaving); // the alert, if the peer takes it
                return Err(error);
            }
        }
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut arriving = lock(&self.arriving);
        loop {
            let mut session = lock(&self.session);
            match session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            let fed = arriving.feed(&mut session);
            let answers = session.wants_write();
            drop(session);
            if answers {
                self.answer();
            }
            if !fed? && arriving.fill(&self.tcp)? == 0 {
                return Ok(0);
            }
        }
    }

    /// Writes what the session has to say of itself (alerts, new keys), unless another thread is writing: what it does
    /// not see any more goes with the next write or read.
    fn answer(&self) {
        if let Ok(mut leaving) = self.leaving.try_lock() {
            let _ = self.drain(&mut leaving); // whoever writes next is told, or it succeeds then
        }
    }

    /// Seals what `put` puts, and writes it as far as the peer takes it.
    fn write(&self, put: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>) -> io::Result<usize> {
        let mut leaving = lock(&self.leaving);
        // No more than one write's records wait, or a peer that does not read would make them grow.
        self.drain(&mut leaving)?;
        let taken = put(&mut lock(&self.session).writer())?;
        match self.drain(&mut leaving) {
            Err(error) if !waited(&error) => Err(error),
            // Sealed is sealed: it cannot be given back.
            _ => Ok(taken),
        }
    }

    /// Writes all records that there are.
    fn drain(&self, leaving: &mut Leaving) -> io::Result<()> {
        loop {
            while let Some(rest) = leaving.records.get(leaving.written..).filter(|rest| !rest.is_empty()) {
                match (&self.tcp).write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => leaving.written += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            leaving.written = 0;
            leaving.records.clear();
            let mut session = lock(&self.session);
            if !session.wants_write() {
                leaving.records.shrink_to(KEPT);
                return Ok(());
            }
            while session.wants_write() {
                session.write_tls(&mut leaving.records)?;
            }
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            // A peer that does not read must not keep the transport from its end.
            let _ = self.tcp.set_write_timeout(Some(RETRY));
            lock(&self.session).send_close_notify();
            self.answer();
        }
        self.tcp.shutdown(how)
    }
}

impl Arriving {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads from the socket.
    fn fill(&mut self, mut tcp: &TcpStream) -> io::Result<usize> {
        (self.start, self.end) = (0, 0);
        self.end = tcp.read(&mut self.bytes)?;
        Ok(self.end)
    }

    /// Gives the session what has arrived. False: it needs more.
    fn feed(&mut self, session: &mut Connection) -> io::Result<bool> {
        if let Some(failure) = &self.failure {
            return Err(invalid(failure.clone()));
        }
        while let Some(mut bytes) = self.bytes.get(self.start..self.end).filter(|bytes| !bytes.is_empty()) {
            self.start += session.read_tls(&mut bytes)?;
            match session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() => {
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) => {
                    self.failure = Some(error.clone());
                    return Err(invalid(error));
                }
            }
        }
        Ok(false)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn waited(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Read for TlsStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for TlsStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(|writer| writer.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(|writer| writer.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.drain(&mut lock(&self.0.leaving))
    }
}

impl Stream for TlsStream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.tcp.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.tcp.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl CloneStream for TlsStream {
    /// Never fails, and takes no further file descriptor.
    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl std::fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsStream").field("tcp", &self.0.tcp).finish_non_exhaustive()
    }
}
