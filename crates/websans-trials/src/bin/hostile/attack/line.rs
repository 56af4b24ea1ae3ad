//! [`Line`]: a raw connection of an attacker's.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use websans_testkit::dice::Dice;
use websans_testkit::wire::Frame;

use super::ear::{Ear, Heard};
use super::ending::Ending;
use super::pace;
use super::requests;

/// What the system keeps for an attacker that does not read. With the megabytes that it would grow to, a thousand of them would
/// take the machine's memory.
const RECEIVE_BUFFER: u32 = 16 << 10;
const SEND_BUFFER: u32 = 64 << 10;

/// From when on it counts how long a connection has lasted: shared with who ends the attack. None: there is no connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Since(Arc<Mutex<Option<Instant>>>);

impl Since {
    pub(super) fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    pub(super) fn elapsed(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }
}

/// A raw connection. What fails gives how it ended.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    ear: Ear,
    since: Since,
}

impl Line {
    /// Connects, from `source`.
    pub(super) async fn connect(from: SocketAddr, to: SocketAddr, since: &Since) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(from)?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        let line = Self { stream, ear: Ear::default(), since: since.clone() };
        line.mark();
        Ok(line)
    }

    /// Counts from now on.
    pub(super) fn mark(&self) {
        self.since.set(Some(Instant::now()));
    }

    /// Opens a WebSocket.
    pub(super) async fn open(&mut self, compressed: bool) -> Result<(), Ending> {
        self.say(&requests::good(compressed)).await?;
        match self.hear().await? {
            Heard::Opened => {
                self.mark();
                Ok(())
            }
            other => Err(last(&other).unwrap_or(Ending::Eof)),
        }
    }

    /// Sends all of this, and does not hear what is said meanwhile.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| self.last_words(&error))
    }

    /// The same, counting from each byte that has been taken.
    pub(super) async fn push(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        while !bytes.is_empty() {
            match self.stream.write(bytes).await {
                Ok(n) => bytes = &bytes[n..],
                Err(error) => return Err(self.last_words(&error)),
            }
            self.mark();
        }
        Ok(())
    }

    /// Sends all of this, and hears what is said meanwhile: to the end, if that comes.
    pub(super) async fn say_and_hear(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        let mut scratch = [0; 2048];
        while !bytes.is_empty() {
            while let Some(heard) = self.ear.next() {
                last(&heard).map_or(Ok(()), Err)?;
            }
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                read = reader.read(&mut scratch) => match read {
                    Ok(0) => return Err(Ending::Eof),
                    Ok(n) => self.ear.take(&scratch[..n]),
                    Err(error) => return Err(Ending::of(&error)),
                },
                written = writer.write(bytes) => match written {
                    Ok(n) => bytes = &bytes[n..],
                    Err(error) => return Err(self.last_words(&error)),
                },
            }
        }
        Ok(())
    }

    /// Sends chunks of this for ever, at the pace of a flood.
    pub(super) async fn flood(&mut self, chunk: &[u8], dice: &mut Dice) -> Result<(), Ending> {
        loop {
            self.say_and_hear(chunk).await?;
            self.idle(pace::pause(dice)).await?;
        }
    }

    /// Sends this byte by byte.
    pub(super) async fn dribble(&mut self, bytes: &[u8], every: Duration) -> Result<(), Ending> {
        for byte in bytes.chunks(1) {
            self.say_and_hear(byte).await?;
            self.idle(every).await?;
        }
        Ok(())
    }

    /// Hears what is said for so long.
    pub(super) async fn idle(&mut self, duration: Duration) -> Result<(), Ending> {
        match timeout(duration, self.end()).await {
            Ok(ending) => Err(ending),
            Err(_) => Ok(()),
        }
    }

    /// Waits for the end and says nothing.
    pub(super) async fn end(&mut self) -> Ending {
        loop {
            match self.hear().await {
                Ok(heard) => {
                    if let Some(ending) = last(&heard) {
                        return ending;
                    }
                }
                Err(ending) => return ending,
            }
        }
    }

    /// Waits for the end and answers Pings, so as to look alive.
    pub(super) async fn hold(&mut self) -> Ending {
        loop {
            let heard = match self.hear().await {
                Ok(heard) => heard,
                Err(ending) => return ending,
            };
            if let Some(ending) = last(&heard) {
                return ending;
            }
            if let Heard::Ping(payload) = heard {
                if let Err(ending) = self.say(&Frame::pong(payload).masked([1, 2, 3, 4]).to_bytes()).await {
                    return ending;
                }
            }
        }
    }

    /// Waits for the transport's end, whatever is said.
    pub(super) async fn disconnection(&mut self) -> Ending {
        loop {
            if let Err(ending) = self.hear().await {
                return ending;
            }
        }
    }

    /// The next thing that is said.
    pub(super) async fn hear(&mut self) -> Result<Heard, Ending> {
        let mut scratch = [0; 2048];
        loop {
            if let Some(heard) = self.ear.next() {
                return Ok(heard);
            }
            match self.stream.read(&mut scratch).await {
                Ok(0) => return Err(Ending::Eof),
                Ok(n) => self.ear.take(&scratch[..n]),
                Err(error) => return Err(Ending::of(&error)),
            }
        }
    }

    /// Resets the connection.
    pub(super) fn reset(&self) {
        // Without it the connection ends in good order.
        let _ = self.stream.set_zero_linger();
    }

    /// How it ended, of a connection that takes nothing more: what was said last may still be there.
    fn last_words(&mut self, error: &io::Error) -> Ending {
        let mut scratch = [0; 2048];
        loop {
            while let Some(heard) = self.ear.next() {
                if let Some(ending) = last(&heard) {
                    return ending;
                }
            }
            match self.stream.try_read(&mut scratch) {
                Ok(n) if n > 0 => self.ear.take(&scratch[..n]),
                _ => return Ending::of(error),
            }
        }
    }
}

/// How a connection has ended of which this is the last that was said.
fn last(heard: &Heard) -> Option<Ending> {
    match *heard {
        Heard::Status(status) => Some(Ending::Status(status)),
        Heard::Close(code) => Some(Ending::Close(code)),
        Heard::Opened | Heard::Ping(_) | Heard::Frame => None,
    }
}
