//! [`Tap`] over the streams of `websans-std`.

use std::io::{self, Write};
use std::net::Shutdown;
use std::time::Duration;

use websans_std::{CloneStream, Stream};

use super::Tap;
use crate::record::tag;

impl<S: Stream, W: Write> Stream for Tap<S, W> {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.note(tag::SHUT);
        }
        self.io.shutdown(how)
    }
}

/// Both write to one recording.
impl<S: CloneStream, W: Write> CloneStream for Tap<S, W> {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.try_clone()?, shared: self.shared.clone() })
    }
}
