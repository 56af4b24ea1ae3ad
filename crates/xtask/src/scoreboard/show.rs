//! The table, for a terminal of 140 columns and in Markdown.

use super::{Standing, State};

/// The cells of one measure.
struct Line {
    number: String,
    name: &'static str,
    target: String,
    figure: String,
    verdict: &'static str,
    of: String,
    /// What measures it, or why it has no figure.
    how: String,
}

impl Line {
    fn new(standing: &Standing<'static>) -> Self {
        let Standing { measure, state } = standing;
        let none = || "-".to_owned();
        let (figure, verdict, of, how) = match state {
            State::Met(reading) => (reading.value.to_string(), "met", reading.of.clone(), measure.command()),
            State::Missed(reading) => {
                (reading.value.to_string(), "MISSED", reading.of.clone(), measure.command())
            }
            State::NotYet => {
                (none(), "not measured", none(), format!("not measured yet: run {}", measure.remedy()))
            }
            State::Failed(failure) => {
                (none(), "not measured", none(), format!("not measured: {failure}, by {}", measure.command()))
            }
        };
        let target = measure.bound.shown(measure.unit);
        Self { number: measure.number.to_string(), name: measure.name, target, figure, verdict, of, how }
    }
}

const HEADING: [&str; 6] = ["#", "measure", "target", "figure", "verdict", "of"];

/// Two lines for each measure: the second tells what measures it.
pub(super) fn text(standings: &[Standing<'static>]) -> String {
    let row = |cells: [&str; 6]| {
        let [number, name, target, figure, verdict, of] = cells;
        let line = format!("{number:>2}  {name:<47} {target:<29} {figure:<17} {verdict:<13} {of}");
        line.trim_end().to_owned() + "\n"
    };
    let mut text = row(HEADING);
    for line in standings.iter().map(Line::new) {
        text += &row([&line.number, line.name, &line.target, &line.figure, line.verdict, &line.of]);
        text += &format!("      {}\n", line.how);
    }
    text + "\n" + &sum(standings) + "\n"
}

pub(super) fn markdown(standings: &[Standing<'static>]) -> String {
    let mut text = "| # | Measure | Target | Figure | Verdict | Of | Command |\n\
                    |---:|---|---:|---:|---|---|---|\n"
        .to_owned();
    for Line { number, name, target, figure, verdict, of, how } in standings.iter().map(Line::new) {
        // A bar would end the cell, as would a line's end.
        let how = how.replace('|', "\\|").replace('\n', " ");
        let how = if how.starts_with("cargo ") { format!("`{how}`") } else { how };
        text += &format!("| {number} | {name} | {target} | {figure} | {verdict} | {of} | {how} |\n");
    }
    text + "\n" + &sum(standings) + "\n"
}

fn sum(standings: &[Standing<'_>]) -> String {
    let count = |is: fn(&State) -> bool| standings.iter().filter(|standing| is(&standing.state)).count();
    let met = count(|state| matches!(state, State::Met(_)));
    let missed = count(|state| matches!(state, State::Missed(_)));
    format!("{met} met, {missed} missed, {} not measured", standings.len() - met - missed)
}

#[cfg(test)]
mod tests {
    use super::super::measures::MEASURES;
    use super::super::value::Value;
    use super::super::{Reading, State};
    use super::*;
    use crate::failure::Failure;

    fn standings() -> Vec<Standing<'static>> {
        let state = |at: usize| {
            let reading = Reading { value: Value::Number(1e10), of: "2026-11-22 0123456+".into() };
            match at % 4 {
                0 => State::Met(reading),
                1 => State::Missed(reading),
                2 => State::NotYet,
                _ => State::Failed(Failure::new("it | failed\nbadly")),
            }
        };
        MEASURES.iter().enumerate().map(|(at, measure)| Standing { measure, state: state(at) }).collect()
    }

    #[test]
    fn the_table_fits() {
        let text = text(&standings());
        for line in text.lines() {
            assert!(line.chars().count() <= 140, "{line}");
        }
        let rows: Vec<&str> = text.lines().collect();
        let column = |row: &str, word: &str| row.find(word).map(|at| row[..at].chars().count());
        assert_eq!(column(rows[0], "verdict"), column(rows[1], "met  "));
        assert_eq!(column(rows[0], "verdict"), column(rows[3], "MISSED"));
        assert!(rows[1].ends_with("2026-11-22 0123456+"));
        assert_eq!(rows[2], "      cargo xtask fuzz");
        let fresh: Vec<Standing<'static>> =
            MEASURES.iter().map(|measure| Standing { measure, state: State::NotYet }).collect();
        assert!(super::text(&fresh).contains("      not measured yet: run cargo xtask scoreboard --fresh\n"));
    }

    #[test]
    fn markdown_has_a_row_for_each_measure() {
        let text = markdown(&standings());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), MEASURES.len() + 2);
        for row in &rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
        }
        assert!(text.contains("not measured: it \\| failed badly, by cargo"));
        let quarter = MEASURES.len().div_ceil(4);
        assert!(text.contains(&format!("\n{quarter} met, ")), "{text}");
    }
}
