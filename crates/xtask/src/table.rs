//! Rows of tables in Markdown, which say what is to be tested and are held against the tests.

/// The cells of a line that is a row of a table: not its heading, nor the line below it.
pub(crate) fn row<'t>(line: &'t str, heading: &[&str]) -> Option<Vec<&'t str>> {
    let cells = cells(line)?;
    let rule = cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':'));
    (cells != heading && !rule).then_some(cells)
}

/// Cells are parted by bars, but not by `\|`, which is a bar within a cell.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let (mut cells, mut start) = (Vec::new(), 0);
    for (at, _) in inner.match_indices('|').filter(|(at, _)| !inner[..*at].ends_with('\\')) {
        cells.push(inner[start..at].trim());
        start = at + 1;
    }
    cells.push(inner[start..].trim());
    Some(cells)
}

/// Code as a cell shows it.
pub(crate) fn code(code: &str) -> String {
    format!("`{}`", code.replace('|', "\\|"))
}

/// The code that such a cell shows.
pub(crate) fn decode(cell: &str) -> String {
    let inner = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    inner.unwrap_or(cell).replace("\\|", "|")
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

    #[test]
    fn code_with_bars_is_one_cell() {
        let line = "a || b.map(|c| `c`)";
        let text = format!("| 1 | {} | why |", code(line));
        let cells = row(&text, &[]).unwrap();
        assert_eq!(cells.len(), 3);
        assert_eq!(decode(cells[1]), line);
    }
}
