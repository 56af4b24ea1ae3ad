//! The suite's test cases, and patterns of them.

use core::fmt;
use core::str::FromStr;

use crate::failure::{Failure, Result};

/// A case's id, such as 12.1.10. Ids sort by their numbers, as in the suite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case(Vec<u32>);

impl Case {
    pub(crate) fn group(&self) -> u32 {
        self.0[0]
    }
}

impl FromStr for Case {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: core::result::Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        numbers.map(Self).map_err(|_| Failure::new(format!("{text:?} is no id of a case")))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// Ids where `*` stands for any characters, as in the suite's own files: `6.4.*`, `12.*.9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '*') {
            return Err(Failure::new(format!(
                "{text:?} is no pattern of cases; examples are 6.4.* and 7.1.6"
            )));
        }
        Ok(Self(text))
    }

    /// Whether the whole id fits.
    pub(crate) fn matches(&self, case: &Case) -> bool {
        let id = case.to_string();
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = id.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_number() {
        let mut cases: Vec<Case> = ["10.1.1", "2.10", "2.9", "1.1.8"].map(|id| id.parse().unwrap()).into();
        cases.sort();
        assert_eq!(cases.iter().map(Case::to_string).collect::<Vec<_>>(), ["1.1.8", "2.9", "2.10", "10.1.1"]);
        assert_eq!(cases[3].group(), 10);
        assert!("1.x".parse::<Case>().is_err());
        assert!("".parse::<Case>().is_err());
    }

    #[test]
    fn patterns_match_whole_ids() {
        for (pattern, id, expected) in [
            ("7.1.6", "7.1.6", true),
            ("7.1.6", "7.1.60", false),
            ("7.1", "7.1.6", false),
            ("*", "13.7.18", true),
            ("12.*", "12.1.1", true),
            ("12.*", "1.12.1", false),
            ("1.*", "12.1.1", false),
            ("12.*.9", "12.3.9", true),
            ("12.*.9", "12.3.19", false),
            ("*.9", "12.3.9", true),
            ("12*9", "12.3.19", true),
            ("1.1*1.1", "1.1.1", false),
            ("1.*.*.4", "1.2.3.4", true),
        ] {
            let matches = Pattern::new(pattern).unwrap().matches(&id.parse().unwrap());
            assert_eq!(matches, expected, "{pattern} {id}");
        }
        assert!(Pattern::new("").is_err());
        assert!(Pattern::new("7.1.x").is_err());
    }
}
