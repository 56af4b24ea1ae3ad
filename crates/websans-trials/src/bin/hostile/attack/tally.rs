//! [`Tally`]: what became of an attack's connections, as a line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use websans_trials::Failure;

use super::ending::Ending;

/// What became of an attack's connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Connections that were made.
    pub(crate) made: u64,
    pub(crate) ends: BTreeMap<Ending, Ends>,
}

/// Connections that ended in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) count: u64,
    /// The longest that one of them took, from when its attack says.
    pub(crate) latest: Duration,
}

impl Tally {
    pub(super) fn end(&mut self, ending: Ending, took: Duration) {
        let ends = self.ends.entry(ending).or_default();
        ends.count += 1;
        ends.latest = ends.latest.max(took);
    }

    pub(crate) fn count(&self, ending: Ending) -> u64 {
        self.ends.get(&ending).map_or(0, |ends| ends.count)
    }

    /// The longest that a connection took to end, or has taken so far.
    pub(crate) fn latest(&self) -> Duration {
        self.ends.values().map(|ends| ends.latest).max().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.made)?;
        self.ends.iter().try_for_each(|(ending, Ends { count, latest })| {
            write!(f, " {ending}:{count}:{}", latest.as_micros())
        })
    }
}

impl FromStr for Tally {
    type Err = Failure;

    fn from_str(line: &str) -> Result<Self, Failure> {
        let mut words = line.split(' ');
        let made = words.next().unwrap_or_default().parse()?;
        let ends = words.map(|word| {
            let mut parts = word.split(':');
            match [(); 4].map(|()| parts.next()) {
                [Some(ending), Some(count), Some(latest), None] => {
                    let ends = Ends { count: count.parse()?, latest: Duration::from_micros(latest.parse()?) };
                    Ok((ending.parse()?, ends))
                }
                _ => Err(format!("not how connections ended: {word}").into()),
            }
        });
        Ok(Self { made, ends: ends.collect::<Result<_, Failure>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let mut tally = Tally { made: 9, ..Tally::default() };
        assert_eq!("9".parse::<Tally>().unwrap(), tally);
        for ending in [
            Ending::Status(431),
            Ending::Close(1009),
            Ending::Eof,
            Ending::Reset,
            Ending::Left,
            Ending::Unconnected,
        ] {
            tally.end(ending, Duration::from_millis(7));
        }
        tally.end(Ending::Eof, Duration::from_micros(7001));
        tally.end(Ending::Eof, Duration::ZERO);
        assert_eq!((tally.count(Ending::Eof), tally.count(Ending::Close(1002))), (3, 0));
        assert_eq!(tally.latest(), Duration::from_micros(7001));
        assert_eq!(tally.to_string().parse::<Tally>().unwrap(), tally);
    }

    #[test]
    fn anything_else_is_not() {
        for line in ["", "x", "1 eof", "1 eof:1", "1 eof:1:2:3", "1 fine:1:2", "1 eof:x:2"] {
            assert!(line.parse::<Tally>().is_err(), "{line}");
        }
    }
}
