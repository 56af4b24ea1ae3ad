//! [`Value`]: a figure, and [`Bound`]: what it must be.

use core::fmt;

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    /// So many of all.
    Share(usize, usize),
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Of a share.
    All,
}

impl Bound {
    pub(super) fn is_met(self, value: Value) -> bool {
        match (self, value) {
            (Self::AtMost(most), Value::Number(number)) => number <= most,
            (Self::AtLeast(least), Value::Number(number)) => number >= least,
            // None of none shows nothing.
            (Self::All, Value::Share(part, all)) => all > 0 && part == all,
            (Self::AtMost(_) | Self::AtLeast(_), Value::Share(..)) | (Self::All, Value::Number(_)) => false,
        }
    }

    pub(super) fn shown(self, unit: &str) -> String {
        match self {
            Self::AtMost(0.0) => format!("no {unit}").trim_end().into(),
            Self::AtMost(most) => format!("<= {} {unit}", Number(most)).trim_end().into(),
            Self::AtLeast(least) => format!(">= {} {unit}", Number(least)).trim_end().into(),
            Self::All => format!("all {unit}").trim_end().into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{}", Number(*number)),
            Self::Share(part, all) => write!(f, "{part} of {all}"),
        }
    }
}

impl Value {
    /// The number that stands before `unit` in a text of several figures: 95.1 in "98.4 % of lines, 95.1 % of regions",
    /// if the unit is "% of regions". Commas and underscores may divide thousands.
    pub(super) fn before(text: &str, unit: &str) -> Option<Self> {
        let ends = text.match_indices(unit).filter(|(at, _)| {
            // "lines" is no word of "deadlines", nor "bytes" of "bytestring".
            !text[at + unit.len()..].starts_with(|c: char| c.is_alphanumeric())
        });
        ends.filter_map(|(end, _)| {
            let text = text[..end].trim_end();
            let is_digit = |c: char| c.is_ascii_digit() || ".,_".contains(c);
            let digits = &text[text.trim_end_matches(is_digit).len()..];
            let number = digits.trim_start_matches([',', '.', '_']).replace([',', '_'], "");
            number.parse().ok().map(Self::Number)
        })
        .next()
    }
}

/// A number for people: 10,000,000 and 15.98.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.0.fract() == 0.0 { format!("{:.0}", self.0) } else { format!("{:.2}", self.0) };
        let whole = text.find('.').unwrap_or(text.len());
        for (at, c) in text.char_indices() {
            if at > 0 && at < whole && (whole - at) % 3 == 0 {
                f.write_str(",")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_up_to_itself() {
        let number = Value::Number;
        assert!(Bound::AtMost(256.0).is_met(number(256.0)) && !Bound::AtMost(256.0).is_met(number(256.01)));
        assert!(Bound::AtLeast(95.0).is_met(number(95.0)) && !Bound::AtLeast(95.0).is_met(number(94.99)));
        assert!(Bound::All.is_met(Value::Share(3, 3)) && !Bound::All.is_met(Value::Share(2, 3)));
        assert!(!Bound::All.is_met(Value::Share(0, 0)));
        assert!(!Bound::AtMost(1.0).is_met(Value::Share(0, 1)) && !Bound::All.is_met(number(1.0)));
        assert!(
            !Bound::AtMost(1.0).is_met(number(f64::NAN)) && !Bound::AtLeast(1.0).is_met(number(f64::NAN))
        );
    }

    #[test]
    fn figures_are_found_before_their_units() {
        let before = |text, unit| match Value::before(text, unit) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
        let text = "98.4 % of lines, 95.1 % of regions; 1,234_567 seeds";
        assert_eq!(before(text, "% of lines"), Some(98.4));
        assert_eq!(before(text, "% of regions"), Some(95.1));
        assert_eq!(before(text, "seeds"), Some(1_234_567.0));
        assert_eq!(before("98.4%", "%"), Some(98.4));
        assert_eq!(before("p99 1.42 times, 71000 bytes", "times"), Some(1.42));
        assert_eq!(before("of 3 lineages and 4 lines", "line"), None);
        assert_eq!(before("all lines, 7 lines", "lines"), Some(7.0));
        for text in ["", "lines", "some lines", "1.2.3 lines", "7 of lines"] {
            assert_eq!(before(text, "lines"), None, "{text}");
        }
    }

    #[test]
    fn figures_are_shown_for_people() {
        let shown = |value: Value| value.to_string();
        assert_eq!(shown(Value::Number(10_000_000.0)), "10,000,000");
        assert_eq!(shown(Value::Number(999.0)), "999");
        assert_eq!(shown(Value::Number(15.984)), "15.98");
        assert_eq!(shown(Value::Number(1234.5)), "1,234.50");
        assert_eq!(shown(Value::Share(2, 3)), "2 of 3");
        assert_eq!(Bound::AtMost(0.0).shown("uses"), "no uses");
        assert_eq!(Bound::AtMost(1500.0).shown("bytes"), "<= 1,500 bytes");
        assert_eq!(Bound::AtLeast(95.0).shown("%"), ">= 95 %");
        assert_eq!(Bound::All.shown("rows"), "all rows");
    }
}
