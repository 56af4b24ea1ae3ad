//! Rows of tables in Markdown, which say what is to be tested and are held against the tests.

/// The cells of a line that is a row of a table: not its heading, nor the line below it.
pub(crate) fn row<'t>(line: &'t str, heading: &[&str]) -> Option<Vec<&'t str>> {
    let cells = cells(line)?;
    let rule = cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':'));
    (cells != heading && !rule).then_some(cells)
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_from_what_is_around_them() {
        let heading = ["Row", "Text"];
        assert_eq!(row("| 1 | words, more |", &heading), Some(vec!["1", "words, more"]));
        assert_eq!(row("| 1 | |", &heading), Some(vec!["1", ""]));
        for line in ["| Row | Text |", "|---|:--|", "Words | with a bar.", "| no end", ""] {
            assert_eq!(row(line, &heading), None, "{line}");
        }
    }
}
