//! [`Trace`]: what happened, in order.

use core::fmt;
use core::time::Duration;

use websans::{Outcome, Timestamp};

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The application did something, and what it was told.
    Did(String),
    /// The transport took so many bytes.
    Wrote(usize),
    /// The transport gave so many bytes.
    Read(usize),
    /// A message of this kind and length was received.
    Got(websans::Kind, usize),
    /// The application stopped reading, until then.
    Paused(Timestamp),
    /// The peer's end of the transport was seen.
    Eof,
    /// The writing side was shut down.
    Shut,
    /// The connection ended.
    Ended(Outcome),
    /// The transport was let go.
    Gone,
    /// The transport broke, for both.
    Reset,
    /// The clock leapt.
    Jump(Duration),
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub side: Side,
    /// What.
    pub what: What,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Client => "client          ",
            Side::Server => "          server",
        };
        write!(f, "{:>14}  {side}  ", format!("{:?}", self.at))?;
        match &self.what {
            What::Did(what) => write!(f, "does {what}"),
            What::Wrote(n) => write!(f, "writes {n}"),
            What::Read(n) => write!(f, "reads {n}"),
            What::Got(kind, len) => write!(f, "gets {kind:?} of {len}"),
            What::Paused(until) => write!(f, "reads no more until {until:?}"),
            What::Eof => write!(f, "sees the end of the transport"),
            What::Shut => write!(f, "shuts down its writing side"),
            What::Ended(outcome) => write!(f, "ends: {outcome} {outcome:?}"),
            What::Gone => write!(f, "lets the transport go"),
            What::Reset => write!(f, "(both) transport reset"),
            What::Jump(by) => write!(f, "(both) clock leaps by {by:?}"),
        }
    }
}

/// What happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    entries: Vec<Entry>,
}

impl Trace {
    pub(super) fn note(&mut self, at: Timestamp, side: Side, what: What) {
        self.entries.push(Entry { at, side, what });
    }

    /// All of it.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The last `n` lines.
    #[must_use]
    pub fn end(&self, n: usize) -> String {
        let start = self.entries.len().saturating_sub(n);
        let mut text = format!("... {start} lines before\n");
        for entry in &self.entries[start..] {
            text.push_str(&format!("{entry}\n"));
        }
        text
    }

    /// A digest (FNV-1a) of all of it.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut digest = Digest(0xCBF2_9CE4_8422_2325);
        for entry in &self.entries {
            fmt::write(&mut digest, format_args!("{entry}")).expect("a digest takes anything");
        }
        digest.0
    }
}

/// FNV-1a of what is written to it.
struct Digest(u64);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
        Ok(())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}
