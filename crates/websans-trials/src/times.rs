//! Statistics of round-trip times, in microseconds.

/// The time within which so many of a hundred are, of sorted ones. Of none, it is for ever.
#[must_use]
pub fn percentile(times: &[u64], percent: usize) -> u64 {
    times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(u64::MAX)
}

/// The time within which half of them are.
#[must_use]
pub fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    percentile(&times, 50)
}

/// How many times as long one is as another.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "microseconds to be compared")]
pub fn ratio(time: u64, other: u64) -> f64 {
    time as f64 / other as f64
}

/// Times in the order of their length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<u64>);

impl Times {
    /// Of a line of numbers.
    ///
    /// # Errors
    /// If one is none.
    pub fn parse(line: &str) -> Result<Self, std::num::ParseIntError> {
        line.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>().map(Self::new)
    }

    /// Of numbers in any order.
    #[must_use]
    pub fn new(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time within which so many of a hundred are.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> u64 {
        percentile(&self.0, percent)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.percentile(100)
    }
}

/// Times of several rounds. What holds of one round because the machine was busy with something else does not of the middle one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rounds(Vec<Times>);

impl Rounds {
    /// Of a line of numbers, with semicolons between rounds.
    ///
    /// # Errors
    /// If one is none.
    pub fn parse(line: &str) -> Result<Self, std::num::ParseIntError> {
        line.split(';').map(Times::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none, or nothing in one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(Times::is_empty)
    }

    /// The median of the rounds' percentiles.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> u64 {
        median(self.0.iter().map(|times| times.percentile(percent)).collect())
    }

    /// The longest of all.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.0.iter().map(Times::max).max().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<u64> = (1..=1000).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&times, percent)), [500, 990, 1000]);
        assert_eq!([1, 50, 99, 100].map(|percent| percentile(&[7], percent)), [7; 4]);
        assert_eq!(percentile(&[], 50), u64::MAX);
        assert_eq!(median(vec![9, 1, 5, 2]), 2);
    }

    #[test]
    fn a_line_of_numbers_is_sorted() {
        let times = Times::parse(" 30 10  20").unwrap();
        assert_eq!((times.len(), times.percentile(50), times.max()), (3, 20, 30));
        assert!(Times::parse("").unwrap().is_empty());
        assert!(Times::parse("1 x").is_err());
    }

    #[test]
    fn a_round_that_stands_out_does_not_count() {
        let rounds = Rounds::parse("1 2 3;900 901 902; 4 5 6").unwrap();
        assert_eq!([50, 99].map(|percent| rounds.percentile(percent)), [5, 6]);
        assert_eq!((rounds.max(), rounds.is_empty()), (902, false));
        // Of two the one that noise has added less to.
        assert_eq!(Rounds::parse("9;7").unwrap().percentile(99), 7);
        assert!(Rounds::default().is_empty() && Rounds::parse("1;;2").unwrap().is_empty());
        assert!(Rounds::parse("1;x").is_err());
    }
}
