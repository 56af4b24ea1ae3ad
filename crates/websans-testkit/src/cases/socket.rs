//! [`Socket`]: the tester's side of a TCP connection, for endpoints behind a real transport.

use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{Arrived, Patience, Wire};

/// A TCP connection on which the opening handshake is done.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Socket {
    /// The tester's side of `stream`.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        // Pieces are to travel as they are written; without, they still arrive.
        let _ = stream.set_nodelay(true);
        Self { stream, buffer: vec![0; 64 << 10] }
    }
}

impl Wire for Socket {
    fn write(&mut self, bytes: &[u8]) {
        // An endpoint that has failed the connection need not read on.
        let _ = self.stream.write_all(bytes);
    }

    fn read(&mut self, patience: Patience) -> Arrived {
        let time = match patience {
            Patience::Moment => Duration::from_millis(100),
            Patience::Long => Duration::from_secs(10),
        };
        if self.stream.set_read_timeout(Some(time)).is_err() {
            return Arrived::End;
        }
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Arrived::End,
                Ok(n) => return Arrived::Bytes(self.buffer[..n].to_vec()),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Arrived::Nothing,
                    _ => return Arrived::End,
                },
            }
        }
    }

    fn shut(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}
