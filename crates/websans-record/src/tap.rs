//! [`Tap`]: a stream that writes down what goes through it.

mod head;

#[cfg(feature = "blocking")]
mod blocking;
#[cfg(feature = "tokio")]
mod tokio;

use core::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use websans::{Clock, Config, Negotiated};

use crate::code;
use crate::coding::{put_bytes, put_option};
use crate::header::{Header, Source, write_parameters};
use crate::record::{Stop, tag};
use crate::tape::Tape;
use head::{Agreed, Head};

/// A transport between an adapter and its peer that writes down every byte that comes and goes, and when.
///
/// It implements [`Read`] and [`Write`]; with the feature `tokio`, `AsyncRead` and `AsyncWrite`, for `websans-tokio`; with
/// the feature `blocking`, `Stream` and `CloneStream` of `websans-std`. Of an opening handshake that goes through it, only what was
/// agreed on is written down: no cookies, no credentials. TLS goes beneath it.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// async fn serve(tcp: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
///     use websans_record::Tap;
///
///     let tap = Tap::server(tcp, &websans::Config::default(), Vec::new(), 1 << 20);
///     let recording = tap.handle();
///     let mut socket = websans_tokio::accept(tap).await?;
///     while let Some(message) = socket.recv().await? {
///         println!("{message:?}");
///     }
///     recording.with(|file| std::fs::write("connection.wsrec", file))?;
///     Ok(())
/// }
/// # mod tokio { pub mod net { pub type TcpStream = ::tokio::io::DuplexStream; } }
/// ```
pub struct Tap<S, W> {
    io: S,
    shared: Recorded<W>,
}

/// A handle to the recording of a [`Tap`].
pub struct Recorded<W>(Arc<Mutex<Shared<W>>>);

struct Shared<W> {
    tape: Tape<W>,
    clock: Clock,
    /// What is left of the opening handshake, each way.
    heads: Option<[Head; 2]>,
    /// What a client has sent behind its request, without waiting for the response.
    early: Vec<u8>,
    is_client: bool,
}

/// Most bytes that may come behind a request before it is answered; the recording stops at more.
const MOST_EARLY: usize = 64 << 10;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl<S, W: Write> Tap<S, W> {
    /// For a server: `io` goes to a function that reads the opening handshake, and has the given config.
    pub fn server(io: S, config: &Config, sink: W, cap: u64) -> Self {
        Self::new(io, false, config, sink, cap, Some([Head::request(), Head::response()]))
    }

    /// For a client: `io` goes to a function that writes the opening handshake.
    pub fn client(io: S, config: &Config, sink: W, cap: u64) -> Self {
        Self::new(io, true, config, sink, cap, Some([Head::response(), Head::request()]))
    }

    /// For a connection whose opening handshake has been done. `early` is what was read behind it.
    pub fn open(
        io: S,
        is_client: bool,
        config: &Config,
        negotiated: &Negotiated,
        early: &[u8],
        sink: W,
        cap: u64,
    ) -> Self {
        let tap = Self::new(io, is_client, config, sink, cap, None);
        tap.shared.with_shared(|shared| {
            shared.agreed(&Agreed { protocol: negotiated.protocol.clone(), deflate: negotiated.deflate });
            if !early.is_empty() {
                shared.moved(Way::In, early);
            }
        });
        tap
    }

    fn new(io: S, is_client: bool, config: &Config, sink: W, cap: u64, heads: Option<[Head; 2]>) -> Self {
        let clock = Clock::new();
        let header = Header {
            source: Source::Transport,
            is_client,
            start: clock.now(),
            config: config.clone(),
            protocol: None,
            deflate: None,
            has_codec: false,
        };
        let tape = Tape::new(&header, sink, cap);
        Self {
            io,
            shared: Recorded(Arc::new(Mutex::new(Shared {
                tape,
                clock,
                heads,
                early: Vec::new(),
                is_client,
            }))),
        }
    }

    /// A handle to the recording, which outlives the tap.
    #[must_use]
    pub fn handle(&self) -> Recorded<W> {
        self.shared.clone()
    }

    /// The stream beneath.
    #[must_use]
    pub const fn get_ref(&self) -> &S {
        &self.io
    }

    /// The stream beneath; the recording ends.
    pub fn into_inner(self) -> S {
        self.io
    }

    fn read<E>(&self, read: &Result<usize, E>, buffer: &[u8], fails: impl FnOnce(&E) -> bool) {
        match read {
            Ok(0) => self.note(tag::ENDED),
            Ok(n) => self.moved(Way::In, buffer.get(..*n).unwrap_or(buffer)),
            Err(error) if fails(error) => self.failed(Way::In),
            Err(_) => {}
        }
    }

    fn moved(&self, way: Way, bytes: &[u8]) {
        self.shared.with_shared(|shared| shared.moved(way, bytes));
    }

    fn note(&self, tag: u8) {
        self.shared.with_shared(|shared| shared.note(tag, |_| {}));
    }

    fn failed(&self, way: Way) {
        self.shared.with_shared(|shared| {
            shared.note(tag::FAILED, |body| body.push(u8::from(way == Way::Out)));
        });
    }
}

/// An error that does not mean that the stream has ended.
fn is_fatal(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

impl<W: Write> Shared<W> {
    fn note(&mut self, tag: u8, fields: impl FnOnce(&mut Vec<u8>)) {
        if self.tape.is_on() {
            let now = self.clock.now();
            self.tape.begin(tag).time(now).raw(fields);
            self.tape.end(code::NOTHING, &[]);
        }
    }

    fn agreed(&mut self, agreed: &Agreed) {
        if self.tape.is_on() {
            self.tape.begin(tag::AGREED).raw(|body| {
                put_option(body, agreed.protocol.as_deref(), |body, protocol| {
                    put_bytes(body, protocol.as_bytes())
                });
                put_option(body, agreed.deflate, write_parameters);
            });
            self.tape.end(code::NOTHING, &[]);
        }
    }

    fn moved(&mut self, way: Way, mut bytes: &[u8]) {
        if !self.tape.is_on() {
            return;
        }
        if let Some([inward, outward]) = &mut self.heads {
            let head = if way == Way::In { &mut *inward } else { &mut *outward };
            bytes = head.skip(bytes);
            // The response comes last.
            let response = if self.is_client { inward } else { outward };
            if !response.is_over() {
                if self.early.len() + bytes.len() > MOST_EARLY {
                    self.tape.stop(Stop::Inexpressible);
                }
                return self.early.extend_from_slice(bytes);
            }
            let agreed = response.agreed();
            self.heads = None;
            match agreed {
                Some(agreed) => self.agreed(&agreed),
                // The handshake was refused: no frame will come.
                None => return self.tape.stop(Stop::Inexpressible),
            }
            let early = core::mem::take(&mut self.early);
            self.put(Way::In, &early);
        }
        self.put(way, bytes);
    }

    fn put(&mut self, way: Way, bytes: &[u8]) {
        if !bytes.is_empty() {
            let tag = if way == Way::In { tag::RECEIVED } else { tag::SENT };
            let now = self.clock.now();
            self.tape.begin(tag).time(now).bytes(bytes);
            self.tape.end(code::NOTHING, &[]);
        }
    }
}

impl<W> Recorded<W> {
    fn with_shared<R>(&self, change: impl FnOnce(&mut Shared<W>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lends the sink, with what has been recorded so far.
    pub fn with<R>(&self, look: impl FnOnce(&mut W) -> R) -> R {
        self.with_shared(|shared| look(&mut shared.tape.sink))
    }
}

impl<W: Write> Recorded<W> {
    /// Why the recording has stopped, if it has.
    #[must_use]
    pub fn stopped(&self) -> Option<Stop> {
        self.with_shared(|shared| shared.tape.stopped())
    }
}

impl<W> Clone for Recorded<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for Recorded<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, W> fmt::Debug for Tap<S, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("io", &self.io).finish_non_exhaustive()
    }
}

impl<S: Read, W: Write> Read for Tap<S, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.io.read(buffer);
        if !buffer.is_empty() {
            Self::read(self, &read, buffer, is_fatal);
        }
        read
    }
}

impl<S: Write, W: Write> Write for Tap<S, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.io.write(bytes);
        match &written {
            Ok(n) => self.moved(Way::Out, bytes.get(..*n).unwrap_or(bytes)),
            Err(error) if is_fatal(error) => self.failed(Way::Out),
            Err(_) => {}
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}
