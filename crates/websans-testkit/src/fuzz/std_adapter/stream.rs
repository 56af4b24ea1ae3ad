//! [`Stream`]: a blocking stream that does what a [`Link`] decides.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::thread::sleep;

use core::time::Duration;
use websans_std::CloneStream;

use super::super::adapters::{Io, Link};

/// How long a wait is that comes to nothing. A stream may wait less than it is allowed to.
const WAIT: Duration = Duration::from_micros(200);

/// The application's end of a link. Its clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Stream(Rc<RefCell<Link>>);

impl Stream {
    pub(super) fn new(link: &Rc<RefCell<Link>>) -> Self {
        Self(Rc::clone(link))
    }
}

/// How much may be moved; none: the end.
fn most(io: Io) -> io::Result<Option<usize>> {
    match io {
        Io::Move(most) => Ok(Some(most)),
        Io::End => Ok(None),
        // A wait that something has cut short.
        Io::Wait => Err(ErrorKind::WouldBlock.into()),
        Io::Never => {
            sleep(WAIT);
            Err(ErrorKind::TimedOut.into())
        }
        Io::Interrupted => Err(ErrorKind::Interrupted.into()),
        Io::Failed => Err(ErrorKind::ConnectionReset.into()),
        Io::CutOff => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// As TcpStream has it.
fn check(timeout: Option<Duration>) -> io::Result<()> {
    assert_ne!(timeout, Some(Duration::ZERO), "a time-out of nothing is refused");
    Ok(())
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        let Some(most) = most(link.read_next())? else { return Ok(0) };
        let bytes = link.take(most, buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        let most = most(link.write_next())?;
        Ok(most.map_or(0, |most| link.put(most, [bytes])))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut link = self.0.borrow_mut();
        let most = most(link.write_next())?;
        Ok(most.map_or(0, |most| link.put(most, slices.iter().map(|slice| &**slice))))
    }

    fn flush(&mut self) -> io::Result<()> {
        most(self.0.borrow_mut().flush_next()).map(drop)
    }
}

impl websans_std::Stream for Stream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        check(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        check(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut link = self.0.borrow_mut();
        link.shut |= how != Shutdown::Read;
        link.ended |= how != Shutdown::Write;
        Ok(())
    }
}

impl CloneStream for Stream {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}
