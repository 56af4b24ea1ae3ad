//! What the suite should say of each case, from `autobahn/expected.json`.
//!
//! Every case is expected to be OK, except those listed there, each with its reason. The list is exact: a case
//! that does better than listed is a difference like one that does worse, so the list cannot become outdated.

use core::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::case::{Case, Pattern};
use super::report::{OK, Report, Verdict};
use crate::failure::{Doing, Failure, Result, fail};

/// The contents of `expected.json`.
#[derive(Debug)]
pub(crate) struct Expected {
    /// How many cases there are.
    pub(crate) total: usize,
    exceptions: Vec<Exception>,
}

/// Cases that are not OK.
#[derive(Debug)]
struct Exception {
    patterns: Vec<Pattern>,
    verdict: Verdict,
    reason: String,
}

/// A case that did not go as expected.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) case: Case,
    expected: Verdict,
    got: Verdict,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected {}", self.case, self.got, self.expected)
    }
}

impl Expected {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).doing(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).doing(|| format!("cannot use {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).doing(|| "not JSON".into())?;
        only(&value, &["total", "exceptions"])?;
        let total = value["total"].as_u64().and_then(|total| usize::try_from(total).ok());
        let total = total.ok_or_else(|| Failure::new("total is missing"))?;
        let exceptions =
            value["exceptions"].as_array().ok_or_else(|| Failure::new("exceptions is missing"))?;
        let exceptions: Result<_> = exceptions.iter().map(Exception::parse).collect();
        Ok(Self { total, exceptions: exceptions? })
    }

    fn exceptions(&self, case: &Case) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(|exception| exception.patterns.iter().any(|p| p.matches(case)))
    }

    fn verdict(&self, case: &Case) -> Verdict {
        self.exceptions(case)
            .next()
            .map_or_else(|| Verdict::new(OK, OK), |exception| exception.verdict.clone())
    }

    /// Why a case is not expected to be OK.
    pub(crate) fn reason(&self, case: &Case) -> Option<&str> {
        self.exceptions(case).next().map(|exception| exception.reason.as_str())
    }

    /// Holds the list against all the cases there are: no pattern without a case, no case in two exceptions.
    pub(crate) fn check(&self, all: &[Case]) -> Result {
        if all.len() != self.total {
            fail!("the suite has {} cases, expected.json says {}", all.len(), self.total);
        }
        for pattern in self.exceptions.iter().flat_map(|exception| &exception.patterns) {
            if !all.iter().any(|case| pattern.matches(case)) {
                fail!("{pattern} in expected.json is no case");
            }
        }
        if let Some(case) = all.iter().find(|case| self.exceptions(case).count() > 1) {
            fail!("case {case} is in two exceptions of expected.json");
        }
        Ok(())
    }

    /// The cases that went differently.
    pub(crate) fn differences(&self, cases: &[Case], report: &Report) -> Vec<Difference> {
        let compared = cases.iter().map(|case| {
            let (expected, got) = (self.verdict(case), report.verdict(case));
            Difference { case: case.clone(), expected, got }
        });
        compared.filter(|difference| difference.expected != difference.got).collect()
    }
}

impl Exception {
    fn parse(value: &Value) -> Result<Self> {
        only(value, &["cases", "behavior", "close", "reason"])?;
        let word = |key: &str| {
            let word = value[key].as_str().filter(|word| !word.trim().is_empty());
            word.ok_or_else(|| Failure::new(format!("an exception has no {key}: {value}")))
        };
        let patterns = value["cases"].as_array().into_iter().flatten();
        let patterns: Result<Vec<Pattern>> =
            patterns.map(|pattern| Pattern::new(pattern.as_str().unwrap_or_default())).collect();
        let exception = Self {
            patterns: patterns?,
            verdict: Verdict::new(word("behavior")?, word("close")?),
            reason: word("reason")?.into(),
        };
        if exception.patterns.is_empty() {
            fail!("an exception has no cases: {value}");
        }
        if exception.verdict == Verdict::new(OK, OK) {
            fail!("an exception is nothing special: {value}");
        }
        Ok(exception)
    }
}

/// Refuses keys that mean nothing: they would be typing errors.
fn only(value: &Value, keys: &[&str]) -> Result {
    match value.as_object().map(|object| object.keys().find(|key| !keys.contains(&key.as_str()))) {
        Some(None) => Ok(()),
        Some(Some(key)) => Err(Failure::new(format!("unknown key {key:?}"))),
        None => Err(Failure::new(format!("not an object: {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    const LIST: &str = r#"{"total": 4, "exceptions": [
        {"cases": ["7.1.6"], "behavior": "INFORMATIONAL", "close": "INFORMATIONAL", "reason": "no verdict"},
        {"cases": ["12.*", "13.*"], "behavior": "UNIMPLEMENTED", "close": "OK", "reason": "does not compress"}]}"#;

    fn cases(ids: &[&str]) -> Vec<Case> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn the_list_is_held_against_all_cases() {
        let expected = Expected::parse(LIST).unwrap();
        expected.check(&cases(&["1.1.1", "7.1.6", "12.1.1", "13.1.1"])).unwrap();
        let said = |ids: &[&str]| expected.check(&cases(ids)).unwrap_err().to_string();
        assert_eq!(said(&["1.1.1"]), "the suite has 1 cases, expected.json says 4");
        assert_eq!(said(&["1.1.1", "1.1.2", "7.1.6", "12.1.1"]), "13.* in expected.json is no case");
    }

    #[test]
    fn a_case_has_one_expectation() {
        let twice = LIST.replace("\"13.*\"", "\"7.*\"");
        let failure =
            Expected::parse(&twice).unwrap().check(&cases(&["1.1", "1.2", "7.1.6", "12.1"])).unwrap_err();
        assert_eq!(failure.to_string(), "case 7.1.6 is in two exceptions of expected.json");
    }

    #[test]
    fn a_list_without_reasons_is_refused() {
        for (from, to) in [
            (", \"reason\": \"no verdict\"", ""),
            ("\"no verdict\"", "\" \""),
            ("[\"7.1.6\"]", "[]"),
            ("\"7.1.6\"", "7"),
            ("\"total\": 4, ", ""),
            ("\"total\"", "\"Total\""),
            ("\"close\"", "\"behaviorClose\""),
            ("UNIMPLEMENTED", "OK"),
        ] {
            assert!(LIST.contains(from) && Expected::parse(&LIST.replacen(from, to, 1)).is_err(), "{from}");
        }
    }

    #[test]
    fn worse_and_better_are_differences() {
        let expected = Expected::parse(LIST).unwrap();
        let cases = cases(&["1.1.1", "1.1.2", "1.1.3", "7.1.6", "12.1.1"]);
        let report = report(&[
            ("1.1.1", "OK", "OK"),
            ("1.1.2", "OK", "UNCLEAN"),
            ("7.1.6", "INFORMATIONAL", "INFORMATIONAL"),
            ("12.1.1", "OK", "OK"),
        ]);
        let found = expected.differences(&cases, &report);
        let found: Vec<_> = found.iter().map(Difference::to_string).collect();
        assert_eq!(
            found,
            [
                "1.1.2: OK, close UNCLEAN; expected OK, close OK",
                "1.1.3: NOT RUN, close NOT RUN; expected OK, close OK",
                "12.1.1: OK, close OK; expected UNIMPLEMENTED, close OK",
            ]
        );
        assert_eq!(expected.reason(&cases[4]), Some("does not compress"));
    }
}
