//! [`Socket`]: a WebSocket client that is no part of websans, and does nothing that it is not told.

use core::time::Duration;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::http::Head;
use crate::failure::{Doing, Result, fail};

/// Longest wait for anything that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The example of RFC 6455, §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Nobody here has to be kept from guessing it.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open connection.
pub(crate) struct Socket {
    stream: BufReader<TcpStream>,
    /// Pings that came, each of which was answered.
    pub(crate) pings: u32,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed it, with this code.
    Closed(u16),
    /// It ended without a Close.
    Cut,
}

enum Next {
    Message(u8, Vec<u8>),
    End(End),
}

struct Frame {
    last: bool,
    opcode: u8,
    payload: Vec<u8>,
}

/// The handshake of a client at `host` for `path`, up to its last header.
pub(crate) fn handshake(path: &str, host: SocketAddr, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// Connects and sends `bytes`.
pub(crate) fn dial(address: SocketAddr, bytes: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).doing(|| format!("cannot connect to {address}"))?;
    let set = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true));
    set.doing(|| "cannot set up a socket".into())?;
    stream.write_all(bytes).doing(|| format!("cannot write to {address}"))?;
    Ok(stream)
}

impl Socket {
    /// Opens a connection, with further headers, each a line with its end.
    pub(crate) fn open(address: SocketAddr, path: &str, more: &str) -> Result<Self> {
        Self::opened(dial(address, handshake(path, address, more).as_bytes())?)
    }

    /// The connection, once the handshake that was sent on it is answered.
    pub(crate) fn opened(stream: TcpStream) -> Result<Self> {
        let mut stream = BufReader::new(stream);
        let answer = Head::read(&mut stream)?;
        if answer.status() != 101 || answer.value("sec-websocket-accept")? != ACCEPT {
            fail!("the handshake is answered with {answer:?}");
        }
        Ok(Self { stream, pings: 0 })
    }

    /// The status of the answer to a handshake.
    pub(crate) fn status(address: SocketAddr, path: &str, more: &str) -> Result<u16> {
        let mut stream = dial(address, handshake(path, address, more).as_bytes())?;
        Ok(Head::read(&mut stream)?.status())
    }

    /// Sends a text, a binary message and one of 1 MiB, each of which must come back as it was.
    pub(crate) fn echo(&mut self) -> Result {
        let large: Vec<u8> =
            (0..1u32 << 20).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for (kind, payload) in [(TEXT, "höllo".as_bytes()), (BINARY, &[0, 255, 10]), (BINARY, &large)] {
            self.send(kind, payload)?;
            match self.next()? {
                Next::Message(same, back) if same == kind && back == payload => {}
                Next::Message(..) => fail!("another message came back for one of {} bytes", payload.len()),
                Next::End(end) => fail!("{end:?} instead of an echo of {} bytes", payload.len()),
            }
        }
        Ok(())
    }

    /// Closes with 1000, which must be answered.
    pub(crate) fn close(mut self) -> Result {
        self.send(CLOSE, &1000u16.to_be_bytes())?;
        match self.next()? {
            Next::End(End::Closed(1000)) => Ok(()),
            Next::End(end) => fail!("{end:?} instead of a Close"),
            Next::Message(..) => fail!("a message instead of a Close"),
        }
    }

    /// Says nothing, but Pongs, until the connection ends or `limit` is over.
    pub(crate) fn silence(&mut self, limit: Duration) -> Result<Option<End>> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.patience(left)?;
            let waited = self.stream.fill_buf().map(<[u8]>::len);
            self.patience(PATIENCE)?;
            match waited {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) | Ok(0) => return Ok(Some(End::Cut)),
                Ok(_) => {
                    let frame = self.frame()?;
                    match frame.opcode {
                        CLOSE => return Ok(Some(End::Closed(frame.code()))),
                        _ if frame.is_control() => self.control(&frame)?,
                        _ => fail!("a message came unasked"),
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Result<Next> {
        let mut message = (0, Vec::new());
        loop {
            let frame = self.frame()?;
            match frame.opcode {
                CLOSE => return Ok(Next::End(End::Closed(frame.code()))),
                _ if frame.is_control() => self.control(&frame)?,
                kind => {
                    // Nought in all but a message's first frame.
                    message.0 |= kind;
                    message.1.extend(frame.payload);
                    if frame.last {
                        return Ok(Next::Message(message.0, message.1));
                    }
                }
            }
        }
    }

    fn control(&mut self, frame: &Frame) -> Result {
        if frame.opcode == PING {
            self.pings += 1;
            self.send(PONG, &frame.payload)?;
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<Frame> {
        let mut start = [0; 2];
        self.read(&mut start)?;
        if start[1] & 0x80 != 0 {
            fail!("a server's frame is masked");
        }
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.read(&mut length)?;
                u16::from_be_bytes(length).into()
            }
            127 => {
                let mut length = [0; 8];
                self.read(&mut length)?;
                u64::from_be_bytes(length)
            }
            length => length.into(),
        };
        if length > 1 << 24 {
            fail!("a frame of {length} bytes");
        }
        let mut payload = vec![0; usize::try_from(length).expect("16 MiB at most")];
        self.read(&mut payload)?;
        Ok(Frame { last: start[0] & 0x80 != 0, opcode: start[0] & 0x0f, payload })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result {
        self.stream.read_exact(bytes).doing(|| "no frame came".into())
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> Result {
        let mut bytes = vec![0x80 | opcode];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
            (_, Ok(length)) => {
                bytes.push(0x80 | 126);
                bytes.extend(length.to_be_bytes());
            }
            (_, Err(_)) => {
                bytes.push(0x80 | 127);
                bytes.extend((payload.len() as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.get_mut().write_all(&bytes).doing(|| "cannot send".into())
    }

    fn patience(&self, limit: Duration) -> Result {
        self.stream.get_ref().set_read_timeout(Some(limit)).doing(|| "cannot set up a socket".into())
    }
}

impl Frame {
    const fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }

    /// The code of a Close: 1005 if it has none.
    fn code(&self) -> u16 {
        self.payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
    }
}
