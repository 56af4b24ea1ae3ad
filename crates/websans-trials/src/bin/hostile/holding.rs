//! [`Holding`]: what a server holds, as a line.

use std::fmt;
use std::str::FromStr;

use websans_trials::Failure;

/// What a server holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Bytes on the heap.
    pub(crate) heap: usize,
    /// The most that there have been since the last mark.
    pub(crate) peak: usize,
    /// File descriptors.
    pub(crate) files: usize,
    /// Open WebSockets, as the server counts them.
    pub(crate) sockets: usize,
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heap, peak, files, sockets } = self;
        write!(f, "{heap} {peak} {files} {sockets}")
    }
}

impl FromStr for Holding {
    type Err = Failure;

    fn from_str(line: &str) -> Result<Self, Failure> {
        let numbers: Vec<usize> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        match numbers[..] {
            [heap, peak, files, sockets] => Ok(Self { heap, peak, files, sockets }),
            _ => Err(format!("not what a server holds: {line}").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let holding = Holding { heap: 1, peak: 22, files: 333, sockets: 4444 };
        assert_eq!(holding.to_string().parse::<Holding>().unwrap(), holding);
        for line in ["", "1 2 3", "1 2 3 4 5", "1 2 3 x"] {
            assert!(line.parse::<Holding>().is_err(), "{line}");
        }
    }
}
