//! What came of each scenario with each peer.

/// The cell of one scenario with one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed,
    /// The peer has no way to do it.
    Impossible,
}

/// A column: a peer in a role, with or without TLS.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its head, in lines.
    pub(crate) head: [String; 3],
    pub(crate) verdicts: Vec<Verdict>,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Impossible => "-",
        }
    }
}

/// The table of these scenarios, a row each.
pub(crate) fn table(names: &[&str], columns: &[Column]) -> String {
    let widest = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let width = |column: &Column| column.head.iter().map(String::len).max().unwrap_or_default().max(6);
    let mut lines = Vec::new();
    for line in 0..3 {
        let cells = columns.iter().map(|column| format!("  {:<1$}", column.head[line], width(column)));
        lines.push(format!("{:<widest$}{}", "", cells.collect::<String>()));
    }
    for (row, name) in names.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let word = column.verdicts.get(row).map_or("?", |verdict| verdict.word());
            format!("  {word:<0$}", width(column))
        });
        lines.push(format!("{name:<widest$}{}", cells.collect::<String>()));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_told() {
        let head = |words: [&str; 3]| words.map(String::from);
        let columns = [
            Column { head: head(["ws", "server", ""]), verdicts: vec![Verdict::Passed, Verdict::Failed] },
            Column { head: head(["websockets", "client", "TLS"]), verdicts: vec![Verdict::Impossible] },
        ];
        let expected = [
            "      ws      websockets",
            "      server  client",
            "              TLS",
            "text  ok      -",
            "ping  FAILED  ?",
            "",
        ];
        assert_eq!(table(&["text", "ping"], &columns).split('\n').collect::<Vec<_>>(), expected);
    }
}
